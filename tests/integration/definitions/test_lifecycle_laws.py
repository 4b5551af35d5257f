"""Whatever happens to definitions, in whatever order: who is in a segment is who its rule finds.

Memberships as they are stored are held against the engine's state, and that against raw messages; transitions against
memberships."""

import random
from collections.abc import Mapping

import pytest

from serving import ManualClock, new_environment, services
from tinycdp.app import Parts
from tinycdp.errors import TinyCDPError
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import publish, rename, restore, restore_version
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.worker.loops import Worker

NOW = 1_790_000_000_000
FIRST = {
    "traits": [
        {"key": "a", "expression": "events.x.count(1h)"},
        {"key": "b", "expression": "events.y.count(2h)"},
    ],
    "segments": [
        {"key": "s", "rule": "a > b"},
        {"key": "t", "rule": "segments.s || profile.plan == 'pro'"},
    ],
}
TEXTS = {
    "trait": ["events.x.count(1h)", "events.y.count(2h)", "events.x.count(30m)", "events.any.count()"],
    "segment": ["{one} > {other}", "{other} > {one}", "{one} >= 1", "!({one} > 2)"],
}


class Life:
    def __init__(self, service: Parts, id: int, clock: ManualClock, seed: int) -> None:
        self.service, self.id, self.clock = service, id, clock
        self.random = random.Random(seed)
        self.worker = Worker(service.pool, Catalogs(), clock)
        self.sent = self.made = 0
        self.done: dict[str, int] = {}

    async def step(self) -> None:
        acts = (self.send, self.send, self.edit, self.swap, self.rename, self.delete, self.restore, self.restore_one)
        act = self.random.choice(acts)
        try:
            await act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        except TinyCDPError:
            pass  # refused: a key that is taken, a definition that is used, one that is gone
        await self.service.catalogs.refresh(self.service.pool, self.id)
        self.clock.now += self.random.choice((1_000, 600_000))
        if self.random.random() < 0.3:
            await self.worker.backfill()

    async def send(self) -> None:
        self.sent += 1
        kind = self.random.choice(("track", "track", "identify"))
        message = Message(
            kind=kind,  # type: ignore[arg-type]
            message_id=f"m{self.sent}",
            identifiers=(Identifier(IdentifierKind.USER, f"u{self.random.randrange(5)}"),),
            occurred_at=self.clock.now - self.random.choice((0, 1_200_000)),
            received_at=self.clock.now,
            name=self.random.choice("xy") if kind == "track" else "",
            properties={"plan": self.random.choice(("pro", "free"))} if kind == "identify" else {},
        )
        await self.service.ingest.accept(self.id, [message])

    def keys(self, kind: str) -> list[str]:
        catalog = self.service.catalogs.serving(self.id)
        compiled_set = catalog.candidate or catalog.live
        # Never none: what names a key that is gone is refused, which is a step too.
        return sorted(key for of, key in compiled_set.definitions if of == kind) or ["gone"]

    async def edit(self) -> None:
        kind = self.random.choice(("trait", "segment"))
        new = self.random.random() < 0.3
        self.made += new
        key = f"new{self.made}" if new else self.random.choice(self.keys(kind))
        one, other = self.random.choices(self.keys("trait"), k=2)
        text = self.random.choice(TEXTS[kind]).format(one=one, other=other)
        change = Change(kind=kind, key=key, document={"expression": text, "description": ""})
        await publish(self.service.environment(self.id), [change], Edit("test", self.clock.now))

    async def swap(self) -> None:
        """Two traits exchange their names, as two files may say; what names them is rewritten."""
        keys = self.keys("trait")
        one, other = self.random.sample(keys if len(keys) > 1 else ["a", "b"], 2)
        catalog = self.service.catalogs.serving(self.id)
        definitions = (catalog.candidate or catalog.live).definitions
        if not {("trait", one), ("trait", other)} <= definitions.keys():
            return
        changes = [
            Change(
                kind="trait",
                key=new,
                was=old,
                document={"expression": definitions["trait", old].expression, "description": ""},
            )
            for old, new in ((one, other), (other, one))
        ]
        await publish(self.service.environment(self.id), changes, Edit("test", self.clock.now))

    async def rename(self) -> None:
        kind = self.random.choice(("trait", "segment"))
        self.made += 1
        key = self.random.choice(self.keys(kind))
        await rename(self.service.environment(self.id), kind, key, f"n{self.made}", Edit("test", self.clock.now))

    async def delete(self) -> None:
        kind = self.random.choice(("trait", "segment"))
        change = Change(kind=kind, key=self.random.choice(self.keys(kind)), document=None)
        await publish(self.service.environment(self.id), [change], Edit("test", self.clock.now))

    async def restore(self) -> None:
        revision = self.random.randint(1, self.service.catalogs.serving(self.id).head)
        await restore(self.service.environment(self.id), revision, Edit("test", self.clock.now))

    async def restore_one(self) -> None:
        kind = self.random.choice(("trait", "segment"))
        key = self.random.choice([*self.keys(kind), "a", "b", "s", "t"])
        version = self.random.randint(1, 4)
        await restore_version(self.service.environment(self.id), kind, key, version, Edit("test", self.clock.now))

    async def settle(self) -> None:
        while await self.worker.backfill():
            pass
        while await self.worker.wake_due():
            pass
        await self.service.catalogs.refresh(self.service.pool, self.id)

    async def stored(self) -> tuple[Mapping[str, set[int]], set[tuple[int, int]], list[int]]:
        """(members by segment, who is in by the last transition as (segment id, profile), all profiles)"""
        catalog = self.service.catalogs.serving(self.id)
        async with self.service.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT fingerprint, profile_id FROM memberships WHERE environment_id = $1", self.id
            )
            last = await connection.fetch(
                "SELECT DISTINCT ON (segment_id, profile_id) segment_id, profile_id, entered FROM transitions "
                "WHERE environment_id = $1 ORDER BY segment_id, profile_id, id DESC",
                self.id,
            )
            people = await connection.fetch("SELECT id FROM profiles WHERE environment_id = $1", self.id)
        names = {print_: name[1] for name, print_ in catalog.live.fingerprints.items() if name[0] == "segment"}
        found: dict[str, set[int]] = {key: set() for key in names.values()}
        for row in rows:
            found[names[row["fingerprint"]]].add(row["profile_id"])  # of a meaning that serves: others are swept
        entered = {(row["segment_id"], row["profile_id"]) for row in last if row["entered"]}
        return found, entered, [row["id"] for row in people]

    async def check(self) -> None:
        await self.settle()
        catalog, now = self.service.catalogs.serving(self.id), self.clock.now
        assert catalog.candidate is None
        stored, entered, people = await self.stored()
        for id in people:
            identifier = Identifier("profileId", str(id))
            _, snapshot, _ = await self.service.profile_loader.load(self.id, identifier, now)
            prepare(catalog, snapshot, now)
            raw = (await self.service.past.view(self.id, identifier, now)).snapshot
            for key, members in stored.items():
                name = ("segment", key)
                value = snapshot.result(name, now)[0]
                assert value == raw.result(name, now)[0], (id, key)
                assert (id in members) is (value is True), (id, key)
                assert ((catalog.live.definitions[name].id, id) in entered) is (value is True), (id, key)


@pytest.mark.parametrize("seed", range(6))
async def test_memberships_are_what_rules_find_after_any_life(dsn: str, seed: int) -> None:
    clock = ManualClock(NOW)
    async with services(dsn, 1, clock) as [service]:
        life = Life(service, await new_environment(service.pool, "life", FIRST, NOW), clock, seed)
        await life.settle()
        for n in range(60):
            await life.step()
            if n % 6 == 5:
                await life.check()
        assert len(life.done) >= 6, "too little happened"
