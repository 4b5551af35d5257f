"""What was joined and parted again is as if it had never been joined: people, properties, traits, memberships with the
instants they began, and the buckets of a rollout.

Shape   a History is requests, each with how long nothing happened before it. World one plays it, with what an admin
        does and takes back. The other world plays it by rules that never let the pairs that were taken back be
        joined: the same messages, naming the same people and events, but not these two as one. compare(…) finds
        no difference
Laws    an alias call after the undo joins again, in both worlds
Source  docs/decisions/0021-undo.md
"""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

import serving
from laws import examples
from serving import ManualClock, new_environment
from tinycdp.app import Parts
from tinycdp.errors import Conflict
from tinycdp.model import DAY_MS, MINUTE_MS, STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.identity.merges import UnmergeResult
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.policies.identifier_rules import IdentifierRules, IdentityPolicy
from tinycdp.runtime.worker.loops import Worker

NOW = 1_790_000_000_000
DOCUMENT = {
    "traits": [
        {"key": "opens", "expression": "events.open.count_1h"},
        {"key": "spent", "expression": "events.buy.sum(amount)"},
        {"key": "last_item", "expression": "events.buy.last(item)"},
        {"key": "days", "expression": "events.any.unique_days(14d)"},
    ],
    "segments": [
        {"key": "buyers", "rule": "events.buy.exists(7d)"},
        {"key": "never_bought", "rule": "events.buy.count() == 0"},
        {"key": "pros", "rule": 'profile.plan == "pro"'},
        {"key": "busy", "rule": "opens >= 2"},
        {"key": "golden", "rule": 'group.tier == "gold"'},
    ],
    "flags": [
        {
            "key": "half",
            "salt": "half",
            "type": "boolean",
            "variants": {"on": True, "off": False},
            "offVariant": "off",
            "default": {"serve": "off"},
            "rules": [{"id": "ramp", "when": "true", "rollout": 50.0, "serve": "on"}],
        }
    ],
}
KNOWN_IDS = {
    IdentifierKind.USER: ("u1", "u2", "u3"),
    IdentifierKind.EXTERNAL: ("e1",),
    IdentifierKind.ANONYMOUS: ("a1", "a2", "a3"),
    IdentifierKind.DEVICE: ("d1", "d2"),
}
Person = frozenset[tuple[str, str]]
Two = frozenset[Identifier]
History = list[tuple[int, list[Message]]]

law = examples(12, deep=400)
#: Few histories have two merges that can be taken back: for each there are five that prove nothing.
rare = examples(6, deep=400)
_numbers = itertools.count(1)


class Never(IdentifierRules):
    """Rules by which some pairs of identifiers are never joined."""

    def __init__(self) -> None:
        super().__init__(IdentityPolicy())
        self.pairs: set[Two] = set()

    def may_claim(self, owner: Identifier, claimed: Identifier) -> bool:
        return frozenset((owner, claimed)) not in self.pairs

    def permit(self, request: Sequence[Message]) -> None:
        """What these alias calls say may be said from now on."""
        for m in request:
            if m.previous is not None:
                owner = m.identifiers[0]
                known = [Identifier(kind, m.previous) for kind in (IdentifierKind.USER, IdentifierKind.ANONYMOUS)]
                named = [*known, *m.identifiers[1:]]
                self.pairs -= {frozenset((owner, identifier)) for identifier in named}


@dataclass
class World:
    """One environment, in which a history is played. is_over: what was taken back has been"""

    service: Parts
    clock: ManualClock
    worker: Worker
    id: int
    never: Never = field(default_factory=Never)
    is_over: bool = False

    def __post_init__(self) -> None:
        service = self.service
        self.ingest = Ingest(
            service.pool,
            service.catalogs,
            self.clock,
            lambda done: service.mirror.profiles_changed(
                done.environment_id, done.version, [*done.touched, *done.merged]
            ),
            batch=1_000,
            queue=10_000,
            rules=lambda _: self.never,
        )
        self.merges = service.merges

    async def send(self, request: Sequence[Message]) -> None:
        await self.ingest.accept(self.id, request)

    async def wait(self, ms: int) -> None:
        self.clock.now += ms
        await self.worker.wake_due_in(self.id)

    async def people(self) -> dict[Person, Any]:
        """Everything that can be seen of everyone, once all members of a group know its traits."""
        while await self.worker.update_group_members_in(self.id):
            pass
        pool = self.service.pool
        catalog = await self.service.catalogs.refresh(pool, self.id)
        names = {segment.fingerprint: segment.name[1] for segment in catalog.segments}
        rows = await pool.fetch(
            "SELECT a.profile_id, p.created_at, array_agg(a.kind || ' ' || a.value) AS identifiers FROM identifiers a"
            " JOIN profiles p ON p.environment_id = a.environment_id AND p.id = a.profile_id"
            " WHERE a.environment_id = $1 GROUP BY 1, 2",
            self.id,
        )
        members = await pool.fetch("SELECT * FROM memberships WHERE environment_id = $1", self.id)
        assert {row["profile_id"] for row in members} <= {row["profile_id"] for row in rows}, "nothing is in a segment"
        found = {}
        for row in rows:
            first = Identifier(*row["identifiers"][0].split(" "))
            snapshot = await self.service.snapshots.load(self.id, first, self.clock.now)
            assert snapshot is not None
            decision = decide_one(catalog, "half", snapshot, self.clock.now)
            entered = {
                names[m["fingerprint"]]: m["entered_at"] for m in members if m["profile_id"] == row["profile_id"]
            }
            by_clock = {
                key for kind, key in names_of(catalog) if snapshot.result((kind, key), self.clock.now)[0] is True
            }
            assert entered.keys() == by_clock, "the table of members and a fresh look agree"
            found[frozenset(tuple(identifier.split(" ")) for identifier in row["identifiers"])] = {
                "key": snapshot.unit,
                "created": row["created_at"],
                "half": decision.variant,
                "properties": snapshot.properties,
                "seen": (snapshot.first_seen, snapshot.last_seen),
                "traits": {
                    trait["key"]: snapshot.result(("trait", trait["key"]), self.clock.now)[0]
                    for trait in DOCUMENT["traits"]
                },
                "golden": "golden" in entered,  # since when depends on the group's other members
                "segments": {key: at for key, at in entered.items() if key != "golden"},
            }
        return found  # type: ignore[return-value]


def names_of(catalog: Any) -> list[tuple[str, str]]:
    return [segment.name for segment in catalog.segments]


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, ManualClock(NOW)) as [started]:
        yield started


async def new_world(service: Parts) -> World:
    clock = service.now
    assert isinstance(clock, ManualClock)
    clock.now = NOW
    id = await new_environment(service.pool, f"w{next(_numbers)}", DOCUMENT, NOW - DAY_MS)
    return World(service, clock, Worker(service.pool, Catalogs(), clock), id)


# Histories


PAUSES = st.sampled_from((0, 1, MINUTE_MS, 40 * MINUTE_MS, 3 * DAY_MS))
SIZES = st.sampled_from((1, 1, 1, 2, 3))
CALLS = st.sampled_from(("track", "track", "track", "identify", "alias", "group"))
CARRIED = st.lists(st.sampled_from(tuple(KNOWN_IDS)), min_size=1, max_size=3, unique=True)
VALUES = {kind: st.sampled_from(values) for kind, values in KNOWN_IDS.items()}
PREVIOUS = {
    value: st.sampled_from([p for p in ("u1", "u2", "a1") if p != value]) for v in KNOWN_IDS.values() for value in v
}
PROPERTIES = {
    "identify": st.fixed_dictionaries({}, optional={"plan": st.sampled_from(("pro", "free"))}),
    "track": st.fixed_dictionaries({"amount": st.integers(1, 9), "item": st.sampled_from("xy")}),
    "group": st.fixed_dictionaries({}, optional={"tier": st.sampled_from(("gold", "tin"))}),
    "alias": st.just({}),
}
LATE = st.sampled_from((0, 0, MINUTE_MS, 59 * MINUTE_MS, 2 * DAY_MS))
NAMES, GROUPS = st.sampled_from(("open", "buy")), st.sampled_from(("g1", "g2"))


@st.composite
def requests(draw: st.DrawFn, prefix: str, most: int) -> list[tuple[int, list[Message]]]:
    """Some requests, each with how long before it nothing happened."""
    found = []
    for n in range(draw(st.integers(1, most))):
        pause, size = draw(PAUSES), draw(SIZES)
        found.append((pause, [message(draw, f"{prefix}{n}-{i}") for i in range(size)]))
    return found


def message(draw: st.DrawFn, id: str) -> Message:
    kind = draw(CALLS)
    identifiers = [Identifier(k, draw(VALUES[k])) for k in sorted(draw(CARRIED), key=STRENGTH.__getitem__)]
    return Message(
        kind=kind,
        message_id=id,
        identifiers=tuple(identifiers),
        occurred_at=-draw(LATE),
        received_at=0,
        name=draw(NAMES) if kind == "track" else "",
        properties=draw(PROPERTIES[kind]),
        previous=draw(PREVIOUS[identifiers[0].value]) if kind == "alias" else None,
        group_id=draw(GROUPS) if kind == "group" else None,
    )


def dated(request: Sequence[Message], now: int) -> list[Message]:
    """The messages as they arrive at an instant: drawn with how late they are."""
    return [msgspec.structs.replace(m, occurred_at=now + m.occurred_at, received_at=now) for m in request]


# The laws


async def play(world: World, history: Sequence[tuple[int, list[Message]]]) -> None:
    for pause, request in history:
        note(f"{pause:>10} " + "; ".join(map(spoken, request)))
        await world.wait(pause)
        # Calls that change other profiles by themselves: what they change would depend on their place in a request.
        calls = [m for m in request if m.kind in {"alias", "group"}]
        for part in [[m for m in request if m not in calls], *([m] for m in calls)]:
            if part:
                world.never.permit(part if world.is_over else ())
                await world.send(dated(part, world.clock.now))


@law
@given(before=requests("b", 6), after=requests("c", 4), last=requests("d", 2), data=st.data())
async def test_a_merge_undone_was_never_made(
    service: Parts, before: History, after: History, last: History, data: st.DataObject
) -> None:
    one = await new_world(service)
    await play(one, before)
    made = await service.pool.fetch("SELECT * FROM merges WHERE environment_id = $1 ORDER BY id", one.id)
    assume(made)
    chosen = data.draw(st.sampled_from(range(len(made))))
    await play(one, after)
    apart = await undone(one, made[chosen]["id"])
    assume(apart is not None)
    assert apart is not None
    await compare(service, one, before + after, last, apart)


@law
@given(before=requests("b", 5), after=requests("c", 4), last=requests("d", 2), data=st.data())
async def test_a_merge_by_hand_undone_was_never_made(
    service: Parts, before: History, after: History, last: History, data: st.DataObject
) -> None:
    one = await new_world(service)
    await play(one, before)
    people = await service.pool.fetch(
        "SELECT DISTINCT ON (profile_id) kind || ':' || value AS name FROM identifiers WHERE environment_id = $1"
        " ORDER BY profile_id, id",
        one.id,
    )
    assume(len(people) > 1)
    names = data.draw(st.lists(st.sampled_from([row["name"] for row in people]), min_size=2, max_size=2, unique=True))
    survivor = data.draw(st.sampled_from((None, *names)))
    merged = await one.merges.merge(one.id, names, "ann", survivor=survivor)
    await play(one, after)
    apart = await undone(one, int(merged.merges[0]))
    assume(apart is not None)
    assert apart is not None
    await compare(service, one, before + after, last, apart)


@law
@given(before=requests("b", 7), last=requests("d", 3), data=st.data())
async def test_what_was_split_off_was_never_joined(
    service: Parts, before: History, last: History, data: st.DataObject
) -> None:
    one = await new_world(service)
    await play(one, before)
    rows = await service.pool.fetch("SELECT kind, value FROM identifiers WHERE environment_id = $1 ORDER BY id", one.id)
    identifier = data.draw(st.sampled_from([Identifier(row["kind"], row["value"]) for row in rows]))
    try:
        parted = await one.merges.split(one.id, f"{identifier.kind}:{identifier.value}", [identifier], "ann")
    except Conflict as conflict:
        assert conflict.code in {"NOTHING_LEFT", "STILL_JOINED"}
        return assume(False)
    return await compare(service, one, before, last, pairs_of(parted))


@rare
@given(before=requests("b", 7), middle=requests("c", 2), last=requests("d", 2), data=st.data())
async def test_two_of_a_chain_undone_in_any_order(
    service: Parts, before: History, middle: History, last: History, data: st.DataObject
) -> None:
    one = await new_world(service)
    await play(one, before)
    made = await service.pool.fetch("SELECT id FROM merges WHERE environment_id = $1 ORDER BY id", one.id)
    assume(len(made) > 1)
    first, second = data.draw(st.permutations([row["id"] for row in made]))[:2]
    apart = await undone(one, first)
    assume(apart is not None)
    middle = [(pause, [m for m in request if m.kind != "alias"]) for pause, request in middle]
    await play(one, middle)
    more = await undone(one, second)
    assume(more is not None)
    assert apart is not None
    assert more is not None
    await compare(service, one, before + middle, last, apart | more)


U1, U2, E1 = (
    Identifier(IdentifierKind.USER, "u1"),
    Identifier(IdentifierKind.USER, "u2"),
    Identifier(IdentifierKind.EXTERNAL, "e1"),
)


def opened(id: str, *identifiers: Identifier) -> Message:
    return Message(kind="track", message_id=id, identifiers=identifiers, occurred_at=0, received_at=0, name="open")


FALLEN: History = [
    (0, [opened("m1", U1), opened("m2", E1)]),
    (0, [opened("m3", U2, E1)]),
    (1, [opened("m4", U1)]),
    (0, [opened("m5", U1, E1)]),
]


@settings(law, max_examples=1)
@given(history=st.just(FALLEN))
async def test_an_identifier_that_moves_to_a_new_profile_belongs_to_it_since_the_statement(
    service: Parts, history: History
) -> None:
    """Not since the merge that was taken back: one event of each would then have been two of one person."""
    one = await new_world(service)
    await play(one, history)
    [merge] = await service.pool.fetch("SELECT id FROM merges WHERE environment_id = $1", one.id)
    apart = await undone(one, merge["id"])
    assert apart == {frozenset((U2, E1))}
    await compare(service, one, history, [], apart)


async def undone(world: World, merge_id: int) -> set[Two] | None:
    """The pairs that an undo took back; None where it is refused, because they are joined otherwise as well."""
    row = await world.service.pool.fetchrow("SELECT * FROM merges WHERE id = $1", merge_id)
    before = await world.people()
    try:
        dry_run = await world.merges.undo(world.id, merge_id, "ann", dry_run=True)
        assert await world.people() == before, "a dry run changes nothing"
        parted = await world.merges.undo(world.id, merge_id, "ann")
    except Conflict as conflict:
        assert conflict.code in {"STILL_JOINED", "MERGE_UNDONE"}
        assert await world.people() == before
        return None
    assert (dry_run.kept_apart, dry_run.before) == (parted.kept_apart, parted.before)
    link = await world.service.pool.fetch(
        "SELECT profile_id FROM identifiers WHERE environment_id = $1 AND id = ANY ($2)",
        world.id,
        [row["link_identifier_id"], row["link_owner_id"]],
    )
    assert link[0] != link[1], "the two are different people"
    return pairs_of(parted)


def pairs_of(parted: UnmergeResult) -> set[Two]:
    return {
        frozenset((Identifier(pair.one.kind, pair.one.value), Identifier(pair.other.kind, pair.other.value)))
        for pair in parted.kept_apart
    }


async def compare(
    service: Parts, one: World, before: Sequence[tuple[int, list[Message]]], last: History, apart: set[Two]
) -> None:
    """World one, in which these pairs were parted just now, is the world in which they never met, now and later."""
    note(f"apart: {sorted(sorted(f'{a.kind} {a.value}' for a in pair) for pair in apart)}")
    then, now = await one.people(), one.clock.now
    one.never, one.is_over = Never(), True
    await play(one, last)
    later = await one.people()

    other = await new_world(service)
    other.never.pairs |= apart
    await play(other, before)
    assert other.clock.now == now
    exact = not await identifiers_changed_hands(one) and not await identifiers_changed_hands(other)
    agree(seen(then, exact=exact), seen(await other.people(), exact=exact))
    other.is_over = True
    await play(other, last)
    agree(seen(later, exact=False), seen(await other.people(), exact=False))


def spoken(m: Message) -> str:
    named = " ".join(f"{identifier.kind[0]}:{identifier.value}" for identifier in m.identifiers)
    more = f" was {m.previous}" if m.previous is not None else ""
    return f"{m.kind} {m.name or m.properties} {named} {m.occurred_at}{more}"


def agree(one: dict[Person, Any], other: dict[Person, Any]) -> None:
    found = differences(one, other)
    for difference in found:
        note(str(difference))
    assert not found


def differences(one: dict[Person, Any], other: dict[Person, Any]) -> list[Any]:
    """What is not the same, to be read by people."""
    if one.keys() != other.keys():
        return [set(one), set(other)]
    return [
        (sorted(person), name, known[name], other[person][name])
        for person, known in one.items()
        for name in known
        if known[name] != other[person][name]
    ]


def seen(people: dict[Person, Any], *, exact: bool) -> dict[Person, Any]:
    """With or without the instants at which segments were entered."""
    if exact:
        return people
    return {person: {**known, "segments": set(known["segments"])} for person, known in people.items()}


async def identifiers_changed_hands(world: World) -> bool:
    """Whether a late claim moved an identifier: then its profile entered segments when that was found out."""
    query = (
        "SELECT count(*) FROM rejected_claims r JOIN identifiers a ON a.environment_id = $1 AND a.id = r.identifier_id"
        " WHERE r.environment_id = $1 AND r.reason = 'CLAIMED' AND a.owner_id = r.kept_owner_id"
    )
    return bool(await world.service.pool.fetchval(query, world.id))
