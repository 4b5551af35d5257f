"""Engine, SQL and the naive oracle give one answer: random definitions × random histories × instants at edges.

A case is one definition, one person and one instant. Everything of one example is loaded at once and asked of the
database by one statement for each instant, so that cases cost little: `make test-deep` goes through more than 20,000.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from test_engine_laws import vector, vector_text

from builders import iso
from laws import DEEP, examples
from oracle import Oracle
from sql_oracle import Histories
from strategies.histories import History, instants
from strategies.oddities import PLACE, definitions, people
from tinycdp.dsl import ir
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.dsl.values.numbers import nanos
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, Name, build_catalog
from tinycdp.engine.groups import Group
from tinycdp.engine.profile import Profile
from tinycdp.model import NEVER, Message
from tinycdp.store.database.pool import Connection

law = examples(25, deep=1_500)
_environments = itertools.count(1)


@pytest.fixture(scope="module")
def compared() -> Iterator[Counter[str]]:
    """Counts what was compared; that must have been a lot."""
    counted: Counter[str] = Counter()
    yield counted
    assert counted["cases"] >= (20_000 if DEEP else 200)


@law
@given(place=PLACE, sources=definitions(), data=st.data())
async def test_engine_and_sql_and_oracle_agree(
    scratch: Connection,
    compared: Counter[str],
    place: tuple[str, tuple[str, ...]],
    sources: list[tuple[str, str, str]],
    data: st.DataObject,
) -> None:
    zone = place[0]
    sources, nodes = sound(sources)
    crowd = [data.draw(people(place)) for _ in range(data.draw(st.integers(1, 3)))]
    moments = sorted({data.draw(instants(history)) for history in crowd for _ in range(2)})
    split = data.draw(st.booleans())
    histories = Histories(scratch, next(_environments))
    ids = [histories.add(history.messages, history.profile, identifiers=1 + split) for history in crowd]
    transaction = scratch.transaction()
    await transaction.start()
    try:
        await histories.store()
        by_sql = [await histories.values(list(nodes.values()), at, zone=zone, definitions=nodes) for at in moments]
    finally:
        await transaction.rollback()
    catalog = catalog_of(zone, sources)
    for id, history in zip(ids, crowd, strict=True):
        oracle = Oracle(history.messages, zone=zone, properties=history.profile, definitions=nodes)
        profiles = replayed(catalog, history, moments, split=split)
        for at, found, profile in zip(moments, by_sql, profiles, strict=True):
            activation = catalog.activation(catalog.live, profile, at)
            for (name, node), value in zip(nodes.items(), found[id], strict=True):
                compared["cases"] += 1
                answers = {
                    "engine": plain(activation.result(name, at)[0]),
                    "sql": plain(value if name[0] == "trait" else value is True),
                    "oracle": plain(in_nanos(oracle.value(ir.Reference(node.type, *name), at), node.type)),
                }
                if len(set(answers.values())) > 1:
                    report(history, sources, name, at, answers)


def report(
    history: History, sources: Sequence[tuple[str, str, str]], name: Name, at: int, answers: dict[str, Any]
) -> None:
    text = next(source for kind, key, source in sources if (kind, key) == name)
    given: dict[str, dict[str, str]] = {"traits": {}, "segments": {}}
    for kind, key, source in sources:
        given[kind + "s"][key] = source
    note(vector_text({**vector(history, text, [at]), "definitions": given}))
    pytest.fail(f"{text} at {iso(at)}: {answers}")


def sound(sources: Sequence[tuple[str, str, str]]) -> tuple[list[tuple[str, str, str]], dict[Name, ir.Node]]:
    """The definitions without those the language refuses, such as a comparison that can never hold."""
    while True:
        checked = check_workspace(DefinitionSource(*source) for source in sources).checked  # type: ignore[arg-type]
        kept = [source for source in sources if checked[source[0], source[1]][0].node is not None]
        if len(kept) == len(sources):
            found = {(kind, key): checked[kind, key][0].node for kind, key, _ in kept}
            return kept, {name: node for name, node in found.items() if node is not None}
        sources = kept


def catalog_of(zone: str, sources: Sequence[tuple[str, str, str]]) -> Catalog:
    listed = [
        Definition(id=n, version=1, kind=kind, key=key, expression=text) for n, (kind, key, text) in enumerate(sources)
    ]
    return build_catalog(0, zone, listed, listed, live_revision=1, head_revision=1)


def replayed(catalog: Catalog, history: History, moments: Sequence[int], *, split: bool) -> Iterator[Profile]:
    """The person as the engine has them at each instant; split over two profiles, they are merged there and then."""
    for at in moments:
        persons = [Profile(n, "", 0, backfilled=1) for n in (1, 2)]
        for name, value in history.profile.items():
            persons[0].set_property(name, value, (-NEVER, ""))
        groups: dict[str, Group] = {}
        for n, message in enumerate(arrived(history, at)):
            traits = {}
            if message.group_id is not None:
                group = groups.setdefault(message.group_id, Group(message.group_id, {}, {}))
                group.apply_call(message.properties, (message.occurred_at, message.message_id))
                traits = {group.key: dict(group.traits)}
            person = persons[n % 2 if split else 0]
            recompute.apply(person, [message], catalog, message.received_at, traits)
            for other in persons:
                if other is not person and other.group is not None and other.group[2] in traits:
                    recompute.apply_group_traits(other, traits[other.group[2]], catalog, message.received_at)
        if split:
            assert recompute.absorb(persons[0], persons[1], catalog) == []
            recompute.review_all(persons[0], catalog, at)
        recompute.advance(persons[0], catalog, at)
        yield persons[0]


def arrived(history: History, at: int) -> list[Message]:
    once: dict[str, Message] = {}
    for message in history.messages:
        if message.received_at <= at:
            once.setdefault(message.message_id, message)
    return list(once.values())


def in_nanos(value: Any, type_: ir.Type) -> Any:
    """A value of the naive oracle as the engine has it."""
    if type_ is ir.Type.NUMBER:
        return nanos(value)
    if type_ is ir.Type.VERSION and value is not None:
        major, minor, patch, release, labels = value
        return (major, minor, patch, int(release), labels)
    return value


def plain(value: Any) -> Any:
    """A value so that equal ones are equal and hash alike, and true is not 1."""
    match value:
        case bool():
            return ("truth", value)
        case int() | Decimal():
            return Decimal(value)
        case list() | tuple():
            return ("list", *map(plain, value))
        case dict():
            return ("object", *((name, plain(inner)) for name, inner in sorted(value.items())))
    return value
