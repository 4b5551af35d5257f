"""A profile is in a static segment while any of its identifiers is on the list, whatever happened before.

Shape   a Life is a list of steps: messages, edits of two lists, merges, undone merges, splits, erasures. play(…) plays
        it. After each step a naive model says who is a member: it knows the lists as sets, and asks the database only
        who is one person
Laws    members, the stored state, segments that name the list, transitions and SQL agree with the model after each
        step. What was true at the end of each step is what a replay of that instant finds
Source  runtime/segments/lists.py; docs/decisions/0034-static-segments.md
"""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import serving
from laws import examples
from serving import ManualClock, new_environment
from tinycdp.app import Parts
from tinycdp.errors import Conflict, NotFound
from tinycdp.model import DAY_MS, MINUTE_MS, STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.profiles.verify import verify
from tinycdp.runtime.worker.loops import Worker

NOW = 1_790_000_000_000
DOCUMENT = {
    "segments": [
        {"key": "vip", "static": True},
        {"key": "staff", "static": True},
        {"key": "guests", "rule": "segments.vip && !segments.staff"},
        {"key": "buyers", "rule": "events.buy.exists(7d)"},
    ]
}
KNOWN = [Identifier(IdentifierKind.USER, f"u{n}") for n in (1, 2)] + [
    Identifier(IdentifierKind.ANONYMOUS, f"a{n}") for n in (1, 2)
]
LISTS = ("vip", "staff")
Step = tuple[str, Any]
Members = dict[str, set[int]]

law = examples(60, deep=1_500)
_numbers = itertools.count(1)


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, ManualClock(NOW)) as [started]:
        yield started


#: How often each kind of step is drawn.
_OFTEN = {
    "track": 5, "identify": 3, "alias": 2, "add": 4, "remove": 2, "replace": 2, "copy": 1, "merge": 2, "undo": 2,
    "split": 1, "erase": 1, "wait": 1,
}  # fmt: skip
_STEPS = [kind for kind, n in _OFTEN.items() for _ in range(n)]


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kind, one = draw(st.sampled_from(_STEPS)), st.sampled_from(KNOWN)
    what: st.SearchStrategy[Any]
    match kind:
        case "track" | "identify":
            what = st.lists(one, min_size=1, max_size=2, unique=True)
        case "alias":
            what = st.tuples(st.sampled_from(KNOWN[:2]), one)
        case "add" | "remove" | "replace":
            what = st.tuples(st.sampled_from(LISTS), st.lists(one, min_size=1, max_size=3))
        case "copy":
            what = st.tuples(st.sampled_from(LISTS), st.sampled_from(("buyers", *LISTS)))
        case "merge":
            what = st.tuples(one, one)
        case "split" | "erase":
            what = one
        case _:
            what = st.none()
    return kind, draw(what)


lives = st.lists(steps(), min_size=6, max_size=18)


class World:
    """One environment and the naive model of its lists."""

    def __init__(self, service: Parts, clock: ManualClock, environment_id: int) -> None:
        self.service, self.clock, self.id = service, clock, environment_id
        self.lists: dict[str, set[Identifier]] = {key: set() for key in LISTS}

    async def people(self) -> dict[int, set[Identifier]]:
        rows = await self.service.pool.fetch(
            "SELECT profile_id, kind, value FROM identifiers WHERE environment_id = $1", self.id
        )
        found: dict[int, set[Identifier]] = {}
        for row in rows:
            found.setdefault(row["profile_id"], set()).add(Identifier(row["kind"], row["value"]))
        return found

    async def expected(self) -> Members:
        people = await self.people()
        found: Members = {key: {id for id, own in people.items() if own & self.lists[key]} for key in LISTS}
        found["guests"] = found["vip"] - found["staff"]
        return found

    async def take(self, step: Step, n: int) -> None:
        kind, what = step
        lists, merges = self.service.lists, self.service.merges
        if kind in {"track", "identify", "alias"}:
            carried = what if kind != "alias" else [what[0]]
            if kind == "alias" and what[0].value == what[1].value:
                return
            message = Message(
                kind=kind,
                message_id=f"m{n}",
                identifiers=tuple(sorted(carried, key=lambda one: (STRENGTH[one.kind], one.value))),
                occurred_at=self.clock.now,
                received_at=self.clock.now,
                name="buy" if kind == "track" else "",
                previous=what[1].value if kind == "alias" else None,
            )
            await self.service.ingest.accept(self.id, [message])
        elif kind in {"add", "remove", "replace"}:
            key, named = what
            done = await lists.change(self.id, key, kind, named, may_empty=True)
            before = set(self.lists[key])
            change = {"add": before | set(named), "remove": before - set(named), "replace": set(named)}
            self.lists[key] = change[kind]
            assert (done.added, done.removed) == (len(change[kind] - before), len(before - change[kind]))
        elif kind == "copy":
            key, other = what
            people, members = await self.people(), await members_of(self, other)
            await lists.change(self.id, key, "replace", copied=other, may_empty=True)
            strongest = [
                {one for one in people[id] if STRENGTH[one.kind] == min(STRENGTH[i.kind] for i in people[id])}
                for id in members
            ]
            self.lists[key] = set().union(*strongest)
        elif kind == "wait":
            self.clock.now += 3 * DAY_MS
            await Worker(self.service.pool, self.service.catalogs, self.clock).wake_due_in(self.id)
        else:
            try:
                if kind == "merge":
                    await merges.merge(self.id, [f"{one.kind}:{one.value}" for one in what], "test")
                elif kind == "split":
                    await merges.split(self.id, f"{what.kind}:{what.value}", [what], "test")
                elif kind == "undo":
                    newest = await self.service.pool.fetchval(
                        "SELECT max(id) FROM merges WHERE environment_id = $1 AND undone_at IS NULL", self.id
                    )
                    if newest is not None:
                        await merges.undo(self.id, newest, "test")
                else:
                    owner = next((own for own in (await self.people()).values() if what in own), {what})
                    await self.service.erasures.erase(self.id, [f"{what.kind}:{what.value}"], "test")
                    self.lists = {key: listed - owner for key, listed in self.lists.items()}
            except (Conflict, NotFound):
                pass


async def members_of(world: World, key: str) -> set[int]:
    catalog = await world.service.catalogs.refresh(world.service.pool, world.id)
    rows = await world.service.pool.fetch(
        "SELECT profile_id FROM memberships WHERE environment_id = $1 AND fingerprint = $2",
        world.id,
        catalog.live.fingerprints["segment", key],
    )
    return {row["profile_id"] for row in rows}


async def decided(world: World, key: str) -> set[int]:
    """Who is a member by the profile that decisions read."""
    catalog = await world.service.catalogs.refresh(world.service.pool, world.id)
    found = set()
    for id in await world.people():
        subject = await world.service.snapshots.load(world.id, Identifier("profileId", str(id)), world.clock.now)
        assert subject is not None
        prepare(catalog, subject, world.clock.now)
        if subject.result(("segment", key), world.clock.now)[0] is True:
            found.add(id)
    return found


async def by_transitions(world: World, key: str) -> set[int]:
    """Who is a member by the history of entries and exits; a merge alone is neither."""
    catalog = await world.service.catalogs.refresh(world.service.pool, world.id)
    rows = await world.service.pool.fetch(
        "SELECT DISTINCT ON (profile_id) profile_id, entered FROM transitions"
        " WHERE environment_id = $1 AND segment_id = $2 ORDER BY profile_id, id DESC",
        world.id,
        catalog.live.definitions["segment", key].id,
    )
    return {row["profile_id"] for row in rows if row["entered"]}


@law
@given(life=lives)
async def test_a_profile_is_a_member_while_an_identifier_is_listed(service: Parts, life: list[Step]) -> None:
    clock = service.now
    assert isinstance(clock, ManualClock)
    environment_id = await new_environment(service.pool, f"w{next(_numbers)}", DOCUMENT, NOW - DAY_MS)
    await service.privacy.load(service.pool)
    world = World(service, clock, environment_id)
    moments: list[tuple[int, dict[Identifier, dict[str, bool]]]] = []
    erased = False
    for n, step in enumerate(life):
        note(f"{step}")
        clock.now += MINUTE_MS
        await world.take(step, n)
        erased = erased or step[0] == "erase"
        expected = await world.expected()
        for key, members in expected.items():
            assert await members_of(world, key) == members, (key, "members")
            assert await decided(world, key) == members, (key, "decided")
            if not any(kind in {"merge", "identify", "alias", "track", "undo", "split"} for kind, _ in life):
                assert await by_transitions(world, key) >= members, (key, "transitions")
        for key, listed in world.lists.items():
            page = await service.lists.page(environment_id, key, ("", ""), 50)
            assert {Identifier(one.kind, one.value) for one in page} == listed, (key, "list")
        people = await world.people()
        moments.append(
            (
                clock.now,
                {one: {key: id in expected[key] for key in expected} for id, own in people.items() for one in own},
            )
        )
    report = await verify(service.environment(environment_id), sample=None)
    assert report.differences == 0, report.listed
    if erased:
        return  # what is erased was never there
    for at, known in moments:
        for one, memberships in known.items():
            view = await service.past.view(environment_id, one, at)
            prepare(view.catalog, view.snapshot, at)
            found = {key: view.snapshot.result(("segment", key), at)[0] for key in memberships}
            assert found == memberships, (at, one)
