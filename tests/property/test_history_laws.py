"""Taking a history at once leaves what taking its messages one by one does: what a backfill rests on."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from strategies.histories import History, expressions, histories
from tinycdp.engine import recompute
from tinycdp.engine.aggregates import distributions, event_log
from tinycdp.engine.aggregates.bulk import PastEvents, Rebuilder, needs
from tinycdp.engine.aggregates.counters import Counts, Firsts, Latest, Numbers
from tinycdp.engine.aggregates.distributions import Percentiles, Tops, Uniques
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import Message

law = examples(150)


@pytest.fixture(params=["as they are", "low"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Low bounds, so that few events are folded into buckets and few values are many."""
    if request.param == "low":
        monkeypatch.setattr(event_log, "KEEP", 3)
        monkeypatch.setattr(distributions, "MOST_VALUES", 2)


@law
@given(history=histories(), texts=st.lists(expressions(), min_size=1, max_size=4), data=st.data())
def test_a_history_taken_at_once(bounds: None, history: History, texts: list[str], data: st.DataObject) -> None:
    catalog = catalog_of(history, texts)
    messages = list({message.message_id: message for message in history.messages}.values())
    want = Profile(1, "u-1", 0, backfilled=1)
    for message in data.draw(st.permutations(messages)):
        recompute.apply_message(want, message, catalog, complete=True)
    found = Profile(1, "u-1", 0, backfilled=1)
    asked = needs(catalog.kept.values())
    pasts = list(columns(messages, asked.properties))
    assert asked.names is None or all(kept.spec.event in asked.names for kept in catalog.kept.values())
    for kept in catalog.kept.values():
        Rebuilder(kept, catalog.calendar).rebuild(found, pasts)
    assert {key: contents(state) for key, state in found.states.items()} == {
        key: contents(state) for key, state in want.states.items()
    }


EVENTS = st.lists(st.tuples(st.integers(0, 40).map(lambda n: n * 9_000), st.integers(-3, 3)), max_size=20)


@law
@given(first=EVENTS, second=EVENTS, bucket_widths=st.sampled_from(((), (10_000,), (1_000, 60_000, 300_000))))
@pytest.mark.parametrize("kind", [Counts, Numbers, Firsts, Percentiles, Tops, Latest, Uniques])
def test_extending_is_adding_one_by_one(
    bounds: None, kind: Any, first: list[tuple[int, int]], second: list[tuple[int, int]], bucket_widths: tuple[int, ...]
) -> None:
    """Whatever was added before."""
    entries = [(ts, f"m{n:02d}", value) for n, (ts, value) in enumerate((*first, *second))]
    want, found = kind(), kind()
    for state in (want, found):
        state.keep_buckets(bucket_widths)
        for entry in entries[: len(first)]:
            state.add(*entry)
    for entry in entries[len(first) :]:
        want.add(*entry)
    found.extend(entries[len(first) :])
    assert contents(found) == contents(want)


def catalog_of(history: History, texts: list[str]) -> Catalog:
    definitions = [
        Definition(id=n, version=1, kind="trait", key=f"t{n}", expression=text) for n, text in enumerate(texts)
    ]
    return build_catalog(0, history.zone, definitions, definitions, live_revision=1, head_revision=1)


def columns(messages: list[Message], properties: Iterable[str]) -> Iterable[PastEvents]:
    """The events by name, with only these properties, as the store gives them."""
    for name in {message.name for message in messages if message.name}:
        own = [message for message in messages if message.name == name]
        yield PastEvents(
            name,
            [message.occurred_at for message in own],
            [message.message_id for message in own],
            [{key: m.properties[key] for key in properties if key in m.properties} for m in own],
        )


def contents(state: Any) -> dict[str, Any]:
    """All that a state holds, but for what it remembers of its readers."""
    slots = {slot for kind in type(state).__mro__ for slot in getattr(kind, "__slots__", ())}
    return {"kind": type(state), **{slot: getattr(state, slot) for slot in slots if slot != "_trail"}}
