"""Decisions of the past: answered again as they were given, whatever happened since."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from application import Application, running
from serving import ManualClock, eventually, new_environment, services
from tinycdp.api.decisions.answers import answer_of
from tinycdp.api.decisions.schemas import Answer
from tinycdp.app import Parts
from tinycdp.errors import NotFound, TinyCDPError
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import publish, rename
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.time_travel.explaining import ExplainRequest, explain_live
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.identifiers import move_identifiers
from tinycdp.times import iso

NOW = 1_790_000_000_000
FLAGS = ("offer", "half", "tiered", "both")
LATER = iso(NOW + HOUR_MS)
PEOPLE = [
    *(Identifier(IdentifierKind.USER, f"u{n}") for n in range(4)),
    *(Identifier(IdentifierKind.ANONYMOUS, f"a{n}") for n in range(4)),
    Identifier(IdentifierKind.DEVICE, "d1"),
]
FIRST = {
    "traits": [
        {"key": "buys", "expression": "events.buy.count(1h)"},
        {"key": "spent", "expression": "events.buy.sum(amount, 2h)"},
    ],
    "segments": [{"key": "buyers", "rule": "buys >= 2"}, {"key": "pros", "rule": 'profile.plan == "pro"'}],
    "flags": [
        {"key": "offer", "rule": "segments.buyers || spent > 10"},
        {
            "key": "half",
            "rules": [{"when": "segments.pros || last_seen_minutes_ago < 30", "rollout": 50, "serve": "on"}],
            "schedule": [{"at": LATER, "set": {"/rules/0/rollout": 70}}],
        },
        {"key": "tiered", "rule": 'group.tier == "gold" && segments.pros'},
        {"key": "both", "rule": 'flag("offer") && flag("half")', "overrides": [{"profile": "a1", "serve": "on"}]},
    ],
}  # fmt: skip
SAID = {
    "identify": [{"plan": "pro"}, {"plan": "free"}],
    "group": [{"tier": "gold"}, {"tier": "silver"}, {}],
}
#: What is published while people come and go: texts by (kind, key).
EDITS = [
    ("trait", "buys", ["events.buy.count(1h)", "events.buy.count(20m)", "events.buy.count()"]),
    ("trait", "spent", ["events.buy.sum(amount, 2h)", "events.buy.max(amount, 30m)"]),
    ("segment", "buyers", ["buys >= 2", "buys >= 1 && spent > 2", "events.open.count(40m) >= 1"]),
]


class World:
    """One environment in which things happen at random, and every decision is written down."""

    def __init__(self, service: Parts, environment_id: int, clock: ManualClock, seed: int) -> None:
        self.service, self.id, self.clock = service, environment_id, clock
        self.random = random.Random(seed)
        self.worker = Worker(service.pool, Catalogs(), clock)
        self.sent = self.parted = 0
        # In every other world there are groups, in the others people are parted.
        self.kinds = ("track", "track", "track", "identify", "alias", *(("group",) if seed % 2 else ()))
        self.parting = 0 if seed % 2 else 3
        self.seen: list[tuple[int, Identifier, str, Answer]] = []
        self.names = {name: name for _, name, _ in EDITS}

    async def send(self) -> None:
        pick, now = self.random.choice, self.clock.now
        kind = pick(self.kinds)
        carried = sorted(
            self.random.sample(PEOPLE, self.random.choice((1, 1, 2, 2, 3))),
            key=lambda a: (a.kind != "userId", a.kind != "anonymousId"),
        )
        identifiers = list({identifier.kind: identifier for identifier in carried}.values())
        self.sent += 1
        late = pick((0, 0, 0, MINUTE_MS, HOUR_MS))
        message = Message(
            kind=kind,
            message_id=f"m{self.sent}",
            identifiers=tuple(identifiers),
            occurred_at=now - late,
            received_at=now,
            name=pick(("buy", "open")) if kind == "track" else "",
            properties=pick(SAID.get(kind, [{"amount": n} for n in range(1, 10)])),
            group_id=pick(("g1", "g2")) if kind == "group" else None,
            previous=pick(("u0", "u1", "a2")) if kind == "alias" else None,
        )  # fmt: skip
        if message.previous != identifiers[0].value:
            await self.service.ingest.accept(self.id, [message])
        while await self.worker.update_group_members():  # a process that was not notified yet decides by what it has
            pass

    async def edit(self) -> None:
        kind, key, texts = self.random.choice(EDITS)
        text = self.random.choice(texts)
        for name in ("buys", "spent"):
            text = text.replace(name, self.names[name])
        field = {"expression": text, "description": ""}
        change = Change(kind=kind, key=self.names[key], document=field)
        await publish(self.service.environment(self.id), [change], Edit("test", self.clock.now))

    async def rename(self) -> None:
        kind, key, _ = self.random.choice(EDITS)
        new = f"{key}_{self.sent}_"
        await rename(self.service.environment(self.id), kind, self.names[key], new, Edit("test", self.clock.now))
        self.names[key] = new

    async def kill(self) -> None:
        if self.random.random() < 0.5:
            await kill_switches.kill(
                self.service.environment(self.id), "half", Edit("test", self.clock.now, "too much")
            )
        else:
            await kill_switches.revive(self.service.environment(self.id), "half", Edit("test", self.clock.now))

    async def part(self) -> None:
        """What admins do about people."""
        merges, one, other = self.service.merges, *self.random.sample(PEOPLE, 2)
        with contextlib.suppress(TinyCDPError):  # no such profile, the same person twice, nothing to undo
            match self.random.randrange(3):
                case 0:
                    await merges.merge(self.id, [f"{a.kind}:{a.value}" for a in (one, other)], "test")
                case 1:
                    await merges.split(self.id, f"{one.kind}:{one.value}", [one], "test")
                case _:
                    async with self.service.pool.acquire() as connection:
                        ids = await connection.fetch("SELECT id FROM merges WHERE undone_at IS NULL ORDER BY id")
                    if ids:
                        await merges.undo(self.id, self.random.choice(ids)["id"], "test")
        async with self.service.pool.acquire() as connection:
            self.parted = await connection.fetchval("SELECT count(*) FROM merges WHERE undone_at IS NOT NULL")

    async def backfill(self) -> None:
        for _ in range(self.random.choice((1, 3))):  # begun, or through
            await self.worker.backfill()
        await self.worker.wake_due()

    async def step(self) -> None:
        act = self.random.choices(
            (self.send, self.backfill, self.edit, self.rename, self.kill, self.part),
            weights=(12, 5, 2, 1, 1, self.parting),
        )[0]  # fmt: skip
        await act()
        await self.service.catalogs.refresh(self.service.pool, self.id)
        self.service.snapshots.outgrown()  # as if what the worker did had been heard of already
        self.clock.now += self.random.choice((1, 1_000, 7 * MINUTE_MS))
        for person in self.random.sample(PEOPLE, 3):
            self.seen += [(self.clock.now, person, flag, await self.decided(person, flag)) for flag in FLAGS]
        self.clock.now += 1

    async def decided(self, person: Identifier, flag: str) -> Answer:
        catalog, snapshot, _ = await self.service.profile_loader.load(self.id, person, self.clock.now)
        decision = decide_one(catalog, flag, snapshot, self.clock.now)
        return answer_of(catalog, decision, snapshot, person.value, False)

    async def replayed(self, at: int, person: Identifier, flag: str) -> Answer:
        view = await self.service.past.view(self.id, person, at)
        view.require([("flag", flag)], at)
        decision = decide_one(view.catalog, flag, view.snapshot, at)
        return answer_of(view.catalog, decision, view.snapshot, person.value, False)

    async def explained(self, at: int, person: Identifier, flag: str) -> tuple[str, str | None, int]:
        """What an explanation of that instant says."""
        environment, asked = self.service.environment(self.id), ExplainRequest(("flag", flag), person, at)
        found = await explain_live(environment, self.service.profile_loader, self.service.past, asked)
        assert found.flag is not None and found.tense == "past"
        return found.flag.variant, found.flag.until, found.revision


@pytest.mark.parametrize("seed", range(4))
async def test_every_decision_is_answered_again_as_it_was(dsn: str, seed: int) -> None:
    """Events on time and late, merges, undone ones and splits, publishes, renames, backfills, kills."""
    clock = ManualClock(NOW)
    async with services(dsn, 1, clock) as [service]:
        world = World(service, await new_environment(service.pool, "replay", FIRST, NOW), clock, seed)
        for _ in range(60):
            await world.step()
        clock.now += DAY_MS
        await world.step()
        for at, person, flag, answer in world.seen:
            again = await world.replayed(at, person, flag)
            assert msgspec.structs.replace(again, version=0) == msgspec.structs.replace(answer, version=0), (at, person)
            assert await world.explained(at, person, flag) == (answer.variant, answer.valid_until, answer.revision)
        assert seed % 2 or world.parted, "no profile was split"
        values = {(flag, answer.variant) for _, _, flag, answer in world.seen}
        assert len(values) >= 5, "too little happened"
        assert len({answer.revision for *_, answer in world.seen}) >= 2
        assert len({answer.profile_id for *_, answer in world.seen}) >= 4


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def moment(app: Application) -> str:
    """This instant, once it is over: what follows happens later."""
    now = app.service.now()

    async def over() -> bool:
        return app.service.now() > now

    await eventually(over)
    return iso(now)


async def replay(app: Application, **body: Any) -> Any:
    answer = await app.admin.post("/v1/decide/replay", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_replay_has_the_whole_explanation_and_the_revision_of_its_time(app: Application) -> None:
    before = await moment(app)
    await app.define("flag", key="pro", rule='profile.plan == "pro" && context.os == "ios"')
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    then = await moment(app)
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "free"}})
    await app.admin.put("/v1/admin/flags/pro", json={"rule": "true"})

    found = await replay(app, userId="ada", at=then, flags=["pro", "none"], context={"os": "ios"})
    answer = found["flags"]["pro"]
    assert (answer["allow"], answer["reason"], answer["revision"], found["asOf"]) == (True, "TARGETING_MATCH", 1, then)
    assert answer["explanation"]["rules"][0]["outcome"] == "served"
    assert found["errors"] == {"none": "There was no flag 'none' at revision 1."}
    # By another revision; and of a time before her first message, and before the flag.
    assert (await replay(app, userId="ada", at=then, revision=2))["flags"]["pro"]["reasons"] == [
        "the rule matched: true"
    ]
    early = await replay(app, userId="ada", at=before, flags=["pro"])
    assert (early["flags"], early["revision"]) == ({}, 0)
    stranger = await replay(app, userId="ada", at=before, revision=1)
    assert (stranger["flags"]["pro"]["profileId"], stranger["flags"]["pro"]["allow"]) == (None, False)


async def test_what_cannot_be_replayed_is_refused(app: Application) -> None:
    await app.define("trait", key="buys", expression="events.buy.count(1h)")
    await app.define("flag", key="ever", rule="events.buy.count() > 0")
    await app.define("flag", key="lately", rule="buys > 0")
    await app.track({"userId": "ada", "event": "buy"})
    then = await moment(app)

    async def refused(**body: Any) -> tuple[int, str]:
        answer = await app.admin.post("/v1/decide/replay", json={"at": then, "userId": "ada", **body})
        return answer.status_code, answer.json().get("code", "")

    assert await refused(at="2999-01-01T00:00:00Z") == (400, "INVALID_REQUEST")
    assert await refused(at="yesterday") == (400, "INVALID_REQUEST")
    assert await refused(userId="") == (400, "MISSING_IDENTIFIER")
    assert await refused(revision=99) == (404, "REVISION_NOT_FOUND")
    assert await refused(revision=10**12) == (404, "REVISION_NOT_FOUND")
    assert await refused() == (200, "")
    # Retention took what the lifetime count needs; the last hour is still there.
    async with app.service.pool.acquire() as connection:
        await connection.execute("UPDATE identifiers SET created_at = created_at - interval '3 days'")
    assert await refused(flags=["ever"]) == (404, "EVENTS_DROPPED")
    assert await refused(flags=["lately"]) == (404, "EVENTS_DROPPED")
    async with app.service.pool.acquire() as connection:
        await connection.execute("UPDATE events SET received_at = received_at - interval '2 hours'")
    assert await refused(flags=["lately"]) == (200, "")
    async with app.service.pool.acquire() as connection:
        await connection.execute("DELETE FROM events")
    assert await refused(flags=["lately"]) == (404, "EVENTS_DROPPED")
    await app.define("flag", key="always", rule="true")
    assert await refused(flags=["always"], revision=4) == (200, "")
    assert (await app.read.post("/v1/decide/replay", json={"at": then, "userId": "ada"})).status_code == 403


async def test_a_merge_that_was_undone_counts_while_it_lasted(dsn: str) -> None:
    clock = ManualClock(NOW)
    async with services(dsn, 1, clock) as [service]:
        id = await new_environment(
            service.pool, "undone", {"flags": [{"key": "f", "rule": "events.buy.count() >= 2"}]}, NOW
        )
        one, other = Identifier(IdentifierKind.USER, "one"), Identifier(IdentifierKind.ANONYMOUS, "other")
        for n, identifiers in enumerate([(one,), (other,), (one, other)]):
            clock.now += 1_000
            message = Message(
                kind="track",
                message_id=f"m{n}",
                identifiers=identifiers,
                occurred_at=clock.now,
                received_at=clock.now,
                name="buy",
            )
            await service.ingest.accept(id, [message])
        async with service.pool.acquire() as connection:
            merge = await connection.fetchrow("SELECT * FROM merges")
            await connection.execute("UPDATE merges SET undone_at = $1", clock.now + 5_000)
            await move_identifiers(connection, id, merge["identifier_ids"], merge["absorbed_id"], clock.now + 5_000)

        async def known(identifier: Identifier, at: int) -> tuple[int, bool]:
            view = await service.past.view(id, identifier, at)
            return view.snapshot.profile_id, decide_one(view.catalog, "f", view.snapshot, at).value

        survivor, absorbed = merge["survivor_id"], merge["absorbed_id"]
        for identifier in (other, Identifier("profileId", str(absorbed))):
            assert await known(identifier, NOW + 2_500) == (absorbed, False)
            assert await known(identifier, NOW + 3_500) == (survivor, True)
            assert await known(identifier, NOW + 8_500) == (absorbed, False)
        assert (await known(Identifier("profileId", str(absorbed)), NOW + 1_500))[0] == 0
        with pytest.raises(NotFound):
            await service.past.view(id, one, NOW, 99)
