"""Who is who does not depend on the order of arrival: the same messages, in any order, cut and repeated in any way and
sent to two processes at once, leave the same people with the same properties, traits and memberships.

Shape   messages() draws a set of messages · people_by_the_rules(messages) says naively who they are ·
        people_in(service) reads what the server made of them · the laws compare the two
Laws    profile ids show who came first, so they are left out. All identifiers are first seen in one instant, so that
        the strongest gives the bucketing key
Source  runtime/identity/resolution.py
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from laws import examples
from oracle import Oracle
from serving import new_environment
from tinycdp.app import Parts
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.model import DAY_MS, MINUTE_MS, STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import prepare

NOW = 1_790_000_000_000
TRAITS = {
    "opens": "events.open.count_1h",
    "spent": "events.buy.sum(amount)",
    "last_item": "events.buy.last(item)",
    "days": "events.any.unique_days(14d)",
    "first_open": "events.open.first_minutes_ago",
}
SEGMENTS = {
    "buyers": "events.buy.exists(7d)",
    "never_bought": "events.buy.count() == 0",
    "pros": 'profile.plan == "pro"',
    "regulars": "opens >= 2 && last_seen_days_ago < 5",
}
KNOWN_IDS = {
    IdentifierKind.USER: ("u1", "u2", "u3"),
    IdentifierKind.EXTERNAL: ("e1", "e2"),
    IdentifierKind.ANONYMOUS: ("a1", "a2", "a3"),
    IdentifierKind.DEVICE: ("d1", "d2"),
}
Person = frozenset[tuple[str, str]]

law = examples(60, deep=2_000)
_numbers = itertools.count(1)


CALLS = st.sampled_from(("track", "track", "identify", "alias", "group"))
CARRIED = st.lists(st.sampled_from(tuple(KNOWN_IDS)), min_size=1, max_size=3, unique=True)
VALUES = {kind: st.sampled_from(values) for kind, values in KNOWN_IDS.items()}
PREVIOUS = {
    value: st.sampled_from([p for p in ("u1", "u2", "a1", "a2") if p != value])
    for v in KNOWN_IDS.values()
    for value in v
}
PROPERTIES = {
    "identify": st.fixed_dictionaries({}, optional={"plan": st.sampled_from(("pro", "free"))}),
    "track": st.fixed_dictionaries({"amount": st.integers(1, 9), "item": st.sampled_from("xy")}),
    "alias": st.just({}),
    "group": st.just({}),
}
AGO = st.sampled_from((MINUTE_MS, 2 * MINUTE_MS, 59 * MINUTE_MS, 2 * DAY_MS, 9 * DAY_MS))
NAMES = st.sampled_from(("open", "buy"))


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    """A handful of calls by few people on shared devices."""
    return [message(draw, f"m{n}") for n in range(draw(st.integers(2, 9)))]


def message(draw: st.DrawFn, id: str) -> Message:
    kind = draw(CALLS)
    identifiers = [Identifier(k, draw(VALUES[k])) for k in sorted(draw(CARRIED), key=STRENGTH.__getitem__)]
    return Message(
        kind=kind,
        message_id=id,
        identifiers=tuple(identifiers),
        occurred_at=NOW - draw(AGO),
        received_at=NOW,
        name=draw(NAMES) if kind == "track" else "",
        properties=draw(PROPERTIES[kind]),
        previous=draw(PREVIOUS[identifiers[0].value]) if kind == "alias" else None,
        group_id="g" if kind == "group" else None,
    )


def people_by_the_rules(sent: Sequence[Message]) -> dict[Person, list[Message]]:
    """Each person's identifiers and messages: every identifier follows its best claim, an alias call of two known
    people is for ever, and identifiers that hang together are one person."""
    claims: dict[Identifier, tuple[tuple[int, int, str], Identifier]] = {}
    joined: list[tuple[Identifier, Identifier]] = []
    seen: set[Identifier] = set()

    def claim(identifier: Identifier, owner: Identifier, by: Message) -> None:
        rank = (STRENGTH[owner.kind], by.occurred_at, by.message_id)
        if identifier not in claims or rank < claims[identifier][0]:
            claims[identifier] = (rank, owner)

    for m in sent:
        owner = m.identifiers[0]
        seen.update(m.identifiers)
        for weaker in m.identifiers[1:]:
            claim(weaker, owner, m)
        if m.previous is not None:
            user, anonymous = (
                Identifier(IdentifierKind.USER, m.previous),
                Identifier(IdentifierKind.ANONYMOUS, m.previous),
            )
            seen |= {user, anonymous}
            if owner.kind == IdentifierKind.USER:
                joined.append((owner, user))
            else:
                claim(owner, user, m)
            if anonymous != owner:
                claim(anonymous, owner, m)
    group = {identifier: {identifier} for identifier in seen}
    for one, other in [*joined, *((identifier, owner) for identifier, (_, owner) in claims.items())]:
        union = group[one] | group[other]
        for member in union:
            group[member] = union
    return {
        frozenset((a.kind, a.value) for a in people): [m for m in sent if m.identifiers[0] in people]
        for people in group.values()
    }


def expected(sent: Sequence[Message]) -> dict[Person, Any]:
    """What is to be known of everyone, each computed from their raw messages."""
    checked = check_workspace(
        [DefinitionSource("trait", k, e) for k, e in TRAITS.items()]
        + [DefinitionSource("segment", k, e) for k, e in SEGMENTS.items()]
    ).checked
    nodes = {name: parts[0].node for name, parts in checked.items()}
    found = {}
    for person, own in people_by_the_rules(sent).items():
        oracle = Oracle(own, definitions={name: node for name, node in nodes.items() if node is not None})
        at = [m.occurred_at for m in own]
        found[person] = {
            "key": min(person, key=lambda identifier: (STRENGTH[IdentifierKind(identifier[0])], *identifier))[1],
            "properties": oracle.profile(NOW),
            "seen": (min(at, default=None), max(at, default=None)),
            "traits": {k: oracle.value(nodes["trait", k], NOW) for k in TRAITS},  # type: ignore[arg-type]
            "segments": {k for k in SEGMENTS if oracle.value(nodes["segment", k], NOW) is True},  # type: ignore[arg-type]
        }
    return found


async def people_in(service: Parts, environment_id: int) -> dict[Person, Any]:
    """What the server knows of everyone: state and decisions by its snapshots, memberships by their table."""
    catalog = await service.catalogs.refresh(service.pool, environment_id)
    segments = {segment.fingerprint: segment.name[1] for segment in catalog.segments}
    rows = await service.pool.fetch(
        "SELECT profile_id, array_agg(kind || ' ' || value) AS identifiers FROM identifiers WHERE environment_id = $1"
        " GROUP BY profile_id",
        environment_id,
    )
    members = await service.pool.fetch("SELECT * FROM memberships WHERE environment_id = $1", environment_id)
    assert {row["profile_id"] for row in members} <= {row["profile_id"] for row in rows}, "nothing is in a segment"
    found = {}
    for row in rows:
        identifier = Identifier("profileId", str(row["profile_id"]))
        snapshot = await service.snapshots.load(environment_id, identifier, NOW)
        assert snapshot is not None, row
        prepare(catalog, snapshot, NOW)
        in_table = {segments[m["fingerprint"]] for m in members if m["profile_id"] == row["profile_id"]}
        by_clock = {k for k in SEGMENTS if snapshot.result(("segment", k), NOW)[0] is True}
        assert in_table == by_clock, "the table of members and a fresh look agree"
        person = frozenset(
            (kind, value) for kind, value in (identifier.split(" ") for identifier in row["identifiers"])
        )
        found[person] = {
            "key": snapshot.unit,
            "properties": snapshot.properties,
            "seen": (snapshot.first_seen, snapshot.last_seen),
            "traits": {k: plain(snapshot.result(("trait", k), NOW)[0]) for k in TRAITS},
            "segments": in_table,
        }
    return found


def plain(value: Any) -> Any:
    """A number of the engine, held in billionths, as the number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value / 1_000_000_000
    return value


@pytest.fixture
async def services(dsn: str) -> AsyncIterator[list[Parts]]:
    """Two processes' worth of service on one database."""
    async with serving.services(dsn, 2, lambda: NOW) as started:
        yield started


async def fresh_environment(service: Parts) -> int:
    document = {
        "traits": [{"key": k, "expression": e} for k, e in TRAITS.items()],
        "segments": [{"key": k, "rule": e} for k, e in SEGMENTS.items()],
    }
    return await new_environment(service.pool, f"e{next(_numbers)}", document, NOW)


def cut(sent: list[Message], data: st.DataObject) -> list[list[Message]]:
    """Some of them twice, shuffled, cut into requests."""
    repeated = data.draw(st.lists(st.sampled_from(sent), max_size=3))
    shuffled = data.draw(st.permutations([*sent, *repeated]))
    edges = sorted(data.draw(st.sets(st.integers(1, len(shuffled) - 1), max_size=len(shuffled) - 1)))
    return [list(shuffled[start:end]) for start, end in itertools.pairwise([0, *edges, len(shuffled)])]


@law
@given(sent=messages(), data=st.data())
async def test_order_grouping_and_repetition_do_not_matter(
    services: list[Parts], sent: list[Message], data: st.DataObject
) -> None:
    environment_id = await fresh_environment(services[0])
    receipts = [await services[0].ingest.accept(environment_id, request) for request in cut(sent, data)]
    assert sum(receipt.accepted for receipt in receipts) == len(sent)
    assert await people_in(services[0], environment_id) == expected(sent)


@law
@given(sent=messages(), data=st.data())
async def test_two_processes_at_once_make_the_same_people(
    services: list[Parts], sent: list[Message], data: st.DataObject
) -> None:
    environment_id = await fresh_environment(services[0])
    requests = cut(sent, data)
    receipts = await asyncio.gather(
        *(services[n % 2].ingest.accept(environment_id, request) for n, request in enumerate(requests))
    )
    assert sum(receipt.accepted for receipt in receipts) == len(sent)
    assert await people_in(services[1], environment_id) == expected(sent)
