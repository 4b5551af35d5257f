"""The life of a shop, at random: what consumers of the outbox have to get right.

Shape   Life(services, shop, clock, seed).step() does one thing: sends, merges, undoes, splits, erases, edits, waits
        SHOP is what such an environment has published before
"""

import asyncio
import contextlib
import random
from typing import Any

from serving import ManualClock
from tinycdp.app import Parts
from tinycdp.errors import Conflict, NotFound
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.privacy.erasure import Kind
from tinycdp.runtime.worker.loops import Worker

START = 1_790_000_000_000
SHOP: dict[str, Any] = {
    "traits": [{"key": "spent", "expression": "events.buy.sum(amount)"}],
    "segments": [
        {"key": "buyers", "rule": "events.buy.exists(7d)"},
        {"key": "never_bought", "rule": "events.buy.count() == 0"},
        {"key": "busy", "rule": "events.open.count_1h >= 2"},
        {"key": "pros", "rule": 'profile.plan == "pro"'},
        {"key": "gold", "rule": 'group.tier == "gold"'},
    ],
    "flags": [{"key": "paid", "rule": 'profile.plan == "pro"'}],
}


def message(id: str, user: str, name: str = "open", at: int = START, **more: Any) -> Message:
    identifiers = more.pop("identifiers", (Identifier(IdentifierKind.USER, user),))
    kind = more.pop("kind", "track")
    return Message(kind=kind, message_id=id, identifiers=identifiers, occurred_at=at, received_at=at, name=name, **more)


class Life:
    """Whatever can happen in an environment, at random."""

    def __init__(
        self, services: list[Parts], shop: int, clock: ManualClock, seed: int, *, with_exposures: bool = False
    ) -> None:
        self.with_exposures = with_exposures
        self.services, self.shop, self.clock = services, shop, clock
        self.dice = random.Random(seed)
        self.worker = Worker(services[0].pool, Catalogs(), clock)
        self.sent = 0
        self.revisions = 0

    async def step(self) -> None:
        service = self.dice.choice(self.services)
        rare = [self.work, self.join, self.part, self.split, self.edit, self.erase]
        if self.with_exposures:
            rare += [self.expose] * 3
        await self.dice.choice([self.send] * 8 + [self.pass_time] * 3 + rare)(service)

    async def expose(self, service: Parts) -> None:
        """A user is given a variant, known or not."""
        value = self.dice.choice(["u1", "u2", "u3", "u7", f"x{self.sent}"])
        identifier = Identifier(IdentifierKind.USER, value)
        catalog, snapshot, _ = await service.profile_loader.load(self.shop, identifier, self.clock.now)
        decision = decide_one(catalog, "paid", snapshot, self.clock.now)
        service.exposures.record(catalog, decision, snapshot, self.clock.now)
        await service.exposures.flush()

    async def send(self, service: Parts) -> None:
        await asyncio.gather(*(one.ingest.accept(self.shop, self.batch()) for one in (service, *self.services)))

    def batch(self) -> list[Message]:
        return [self.message() for _ in range(self.dice.randint(1, 6))]

    def message(self) -> Message:
        dice, self.sent = self.dice, self.sent + 1
        kinds = dice.sample([IdentifierKind.USER, IdentifierKind.ANONYMOUS, IdentifierKind.DEVICE], dice.randint(1, 2))
        named = [Identifier(kind, f"{kind[0]}{dice.randint(1, 6)}") for kind in sorted(kinds, key=STRENGTH.__getitem__)]
        at = self.clock.now - dice.choice([0, 0, MINUTE_MS, 2 * DAY_MS, 9 * DAY_MS])
        kind = dice.choice(["track"] * 6 + ["identify", "group", "alias"])
        more: dict[str, Any] = {"properties": {"amount": dice.randint(1, 9)}}
        if kind == "identify":
            more = {"properties": {"plan": dice.choice(["pro", "free"])}}
        if kind == "group":
            more = {"group_id": dice.choice(["acme", "initech"]), "properties": {"tier": dice.choice(["gold", "iron"])}}
        if kind == "alias":
            more = {"previous": dice.choice(["u1", "u2", "a3", f"x{self.sent}"])}
        name = dice.choice(["open", "open", "buy"]) if kind == "track" else ""
        sent = message(f"m{self.sent}", "", name, at, identifiers=tuple(named), kind=kind, **more)
        return Message(**{f: getattr(sent, f) for f in sent.__struct_fields__} | {"received_at": self.clock.now})

    async def pass_time(self, _: Parts) -> None:
        self.clock.now += self.dice.choice([1, MINUTE_MS, HOUR_MS, 3 * DAY_MS])
        await self.worker.wake_due()

    async def work(self, _: Parts) -> None:
        while await self.worker.update_group_members():
            pass

    async def join(self, service: Parts) -> None:
        await self._try(service.merges.merge(self.shop, self._users(2), "me"))

    async def part(self, service: Parts) -> None:
        merges = await service.pool.fetch(
            "SELECT id FROM merges WHERE environment_id = $1 AND undone_at IS NULL ORDER BY id", self.shop
        )
        if merges:
            await self._try(service.merges.undo(self.shop, self.dice.choice(merges)["id"], "me"))

    async def split(self, service: Parts) -> None:
        rows = await service.pool.fetch("SELECT kind, value FROM identifiers WHERE environment_id = $1", self.shop)
        if rows:
            one = self.dice.choice(rows)
            name = f"{one['kind']}:{one['value']}"
            await self._try(service.merges.split(self.shop, name, [Identifier(one["kind"], one["value"])], "me"))

    async def erase(self, service: Parts) -> None:
        kind: Kind = self.dice.choice(["erasure", "anonymization"])
        await self._try(service.erasures.erase(self.shop, self._users(1), "me", kind=kind))

    async def edit(self, service: Parts) -> None:
        self.revisions += 1
        rules = [f"events.buy.count() >= {self.revisions % 3}", "events.open.exists(2h)", 'profile.plan == "free"']
        document = {"segments": [{"key": self.dice.choice(["busy", "new"]), "rule": self.dice.choice(rules)}]}
        await apply_documents(service.environment(self.shop), [document], Edit("test", self.clock.now))
        await self.send(service)
        while await self.worker.backfill():
            pass

    def _users(self, n: int) -> list[str]:
        return [f"userId:u{i}" for i in self.dice.sample(range(1, 7), n)]

    @staticmethod
    async def _try(doing: Any) -> None:
        with contextlib.suppress(Conflict, NotFound):  # there is no such person, or they are one already
            await doing
