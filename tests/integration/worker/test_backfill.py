"""A new definition backfills beside the live ones: unknown until every profile is done, then right for each of them,
whatever happened meanwhile."""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

import serving
from oracle import Oracle
from serving import ManualClock, holds_for, new_environment
from tinycdp.app import Parts
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.engine import recompute
from tinycdp.engine.flags.trail import RuleUnknown
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Identifier, IdentifierKind, Instant, Message
from tinycdp.runtime.decisions.decide import decide_one, prepare
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.definitions.workspace import BackfillProgress, progress_of
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.worker import backfill as backfills
from tinycdp.runtime.worker.backfill import Backfiller
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import definitions as definition_store

START = 1_790_000_000_000
OLD = {
    "segments": [{"key": "buyers", "rule": "events.order.exists(30d)"}],
    "flags": [{"key": "offer", "rule": 'segment("buyers")'}],
}
#: Other aggregates, another meaning of the segment, and one of each kind that is new.
NEW: dict[str, Any] = {
    "traits": [
        {"key": "spent", "expression": "events.order.sum(amount, 30d)"},
        {"key": "dear", "expression": "events.order.where(amount >= 5).count_30d"},
        {"key": "opens", "expression": "events.open.count()"},
        {"key": "latest", "expression": "events.order.last(item)"},
    ],
    "segments": [
        {"key": "buyers", "rule": "spent >= 20"},
        {"key": "silent", "rule": "events.open.count() == 0"},
    ],
    "flags": [{"key": "gift", "rule": "dear >= 2 || segments.silent"}],
}


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def service(dsn: str, now: ManualClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parts]:
    monkeypatch.setattr(backfills, "BATCH", (5, 5))  # so that few profiles are many batches
    async with serving.services(dsn, 1, now) as [started]:
        yield started


@pytest.fixture
async def shop(service: Parts) -> int:
    return await new_environment(service.pool, "shop", OLD, START)


class Sender:
    """Sends random messages of a few people, and remembers them all."""

    def __init__(self, service: Parts, environment_id: int, seed: int) -> None:
        self._service, self._environment_id = service, environment_id
        self._random = random.Random(seed)
        self.sent: list[Message] = []

    async def send(self, n: int, people: int, *, merging: bool = False) -> None:
        batch = [self._message(people, merging) for _ in range(n)]
        self.sent += batch
        await self._service.ingest.accept(self._environment_id, batch)

    def _message(self, people: int, merging: bool) -> Message:
        chance = self._random
        person = chance.randrange(people)
        user, tab = Identifier(IdentifierKind.USER, f"u{person}"), Identifier(IdentifierKind.ANONYMOUS, f"a{person}")
        identifiers = (user, tab) if merging and chance.random() < 0.3 else (chance.choice((user, tab)),)
        at = START - chance.choice((MINUTE_MS, 29 * DAY_MS, 31 * DAY_MS)) - len(self.sent)
        return Message(
            kind="track",
            message_id=f"m{len(self.sent)}-{chance.random()}",
            identifiers=identifiers,
            occurred_at=at,
            received_at=START,
            name=chance.choice(("order", "order", "open")),
            properties={"amount": chance.randrange(1, 12), "item": chance.choice("xyz")},
        )


async def assert_right(service: Parts, environment_id: int, sent: list[Message], now: Instant) -> None:
    """Every person's traits and memberships are what their raw messages say."""
    catalog = await service.catalogs.refresh(service.pool, environment_id)
    sources = [DefinitionSource("trait", d["key"], d["expression"]) for d in NEW["traits"]]
    sources += [DefinitionSource("segment", d["key"], d["rule"]) for d in NEW["segments"]]
    nodes = {name: parts[0].node for name, parts in check_workspace(sources).checked.items()}
    rows = await service.pool.fetch(
        "SELECT profile_id, array_agg(kind || ' ' || value) AS own FROM identifiers GROUP BY 1"
    )
    members = await service.pool.fetch("SELECT fingerprint, profile_id FROM memberships")
    for row in rows:
        own = [m for m in sent if f"{m.identifiers[0].kind} {m.identifiers[0].value}" in row["own"]]
        oracle = Oracle(own, definitions={name: node for name, node in nodes.items() if node is not None})
        identifier = Identifier("profileId", str(row["profile_id"]))
        snapshot = await service.snapshots.load(environment_id, identifier, now)
        assert snapshot is not None
        prepare(catalog, snapshot, now)
        for (kind, key), node in nodes.items():
            assert node is not None
            value, want = snapshot.result((kind, key), now)[0], oracle.value(node, now)
            if isinstance(want, Decimal):
                want *= 1_000_000_000  # the engine counts in billionths
            assert value == want, (kind, key, row["own"], value, want)
            if kind == "segment":
                fingerprint = catalog.live.fingerprints[kind, key]
                assert ((fingerprint, row["profile_id"]) in {tuple(m) for m in members}) == want, (key, row["own"])
    live = set(catalog.live.fingerprints.values())
    assert {m["fingerprint"] for m in members} <= live, "rows of an older meaning stayed"


async def backfill(service: Parts, worker: Worker) -> None:
    while await worker.backfill():
        pass


async def catch_up(service: Parts, environment_id: int) -> None:
    await service.catalogs.refresh(service.pool, environment_id)


async def test_unknown_until_all_are_done_then_right_for_everyone(service: Parts, shop: int, now: ManualClock) -> None:
    sender = Sender(service, shop, 1)
    await sender.send(120, 12)
    plan = await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    assert plan.backfilling
    await catch_up(service, shop)
    ada = Identifier(IdentifierKind.USER, "u1")
    worker = Worker(service.pool, Catalogs(), now)
    batches = 0
    while True:
        catalog, snapshot, _ = await service.profile_loader.load(shop, ada, START)
        decision = decide_one(catalog, "gift", snapshot, START)
        old = await holds_for(service, shop, "offer", ada)
        if catalog.revision == plan.revision:
            break
        assert decision.variant == "off" and any(
            isinstance(cause, RuleUnknown) and cause.waiting for cause in decision.trail
        ), decision
        assert old == any(
            m.name == "order" and m.occurred_at > START - 30 * DAY_MS for m in sender.sent if m.identifiers[0] == ada
        ), "a changed segment keeps its old meaning until the swap"
        assert await worker.backfill()
        batches += 1
        await catch_up(service, shop)
    assert batches > 3
    await assert_right(service, shop, sender.sent, START)


async def test_profiles_created_merged_and_changed_meanwhile(service: Parts, shop: int, now: ManualClock) -> None:
    """After each batch of the backfill more arrives: old people, new people, and people who turn out to be one."""
    sender = Sender(service, shop, 2)
    await sender.send(150, 15)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    worker = Worker(service.pool, Catalogs(), now)
    while await worker.backfill():
        await sender.send(7, 25, merging=True)
    await assert_right(service, shop, sender.sent, START)


@pytest.mark.parametrize("seed", range(3))
async def test_ingesting_at_once_with_the_backfill(service: Parts, shop: int, now: ManualClock, seed: int) -> None:
    sender = Sender(service, shop, seed)
    await sender.send(200, 30)

    async def stream() -> None:
        for _ in range(25):
            await sender.send(6, 40, merging=True)

    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    workers = [Worker(service.pool, Catalogs(), now) for _ in range(2)]
    await asyncio.gather(stream(), *(backfill(service, worker) for worker in workers))
    for worker in workers:
        await backfill(service, worker)
    await assert_right(service, shop, sender.sent, START)


async def test_one_who_is_complete_absorbs_one_who_is_not(service: Parts, shop: int, now: ManualClock) -> None:
    """Ann was rebuilt from raw events, so that the backfill passes her by; then she turns out to be someone whose
    events nothing was kept of."""

    def sent(id: str, name: str, ago: int, *identifiers: Identifier) -> Message:
        return Message(
            kind="track", message_id=id, identifiers=identifiers, occurred_at=START - ago, received_at=START, name=name
        )

    ann, bob = Identifier(IdentifierKind.USER, "ann"), Identifier(IdentifierKind.USER, "bob")
    shared, own = Identifier(IdentifierKind.ANONYMOUS, "shared"), Identifier(IdentifierKind.ANONYMOUS, "own")
    before = [sent("m0", "other", 1, ann), sent("m1", "other", 1, bob, shared), sent("m2", "open", 1, own)]
    after = [sent("m3", "other", 5, ann, shared), sent("m4", "other", 1, ann, own)]
    for message in before:
        await service.ingest.accept(shop, [message])
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    for message in after:
        await service.ingest.accept(shop, [message])
    await backfill(service, Worker(service.pool, Catalogs(), now))
    await assert_right(service, shop, before + after, START)


async def test_a_further_publish_during_a_backfill(service: Parts, shop: int, now: ManualClock) -> None:
    sender = Sender(service, shop, 3)
    await sender.send(150, 15)
    await apply_documents(service.environment(shop), [{"traits": NEW["traits"]}], Edit("test", START))
    worker = Worker(service.pool, Catalogs(), now)
    await worker.backfill()
    plan = await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    await sender.send(20, 25, merging=True)
    await backfill(service, worker)
    await catch_up(service, shop)
    assert service.catalogs.serving(shop).revision == plan.revision
    await assert_right(service, shop, sender.sent, START)


async def test_time_passes_during_a_backfill(service: Parts, shop: int, now: ManualClock) -> None:
    """Windows slide in both meanings at once, and the swap finds both up to date."""
    sender = Sender(service, shop, 4)
    await sender.send(150, 15)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    worker = Worker(service.pool, Catalogs(), now)
    await worker.backfill()
    now.now = START + DAY_MS + HOUR_MS
    while await worker.wake_due():
        pass
    await backfill(service, worker)
    while await worker.wake_due():
        pass
    await assert_right(service, shop, sender.sent, now.now)


async def test_a_definition_that_comes_back(service: Parts, shop: int, now: ManualClock) -> None:
    """What was kept of it is not taken for complete: while it was gone, nothing was added."""
    sender = Sender(service, shop, 5)
    spent = {"traits": NEW["traits"][:1]}
    for document in (spent, {}, spent):
        await apply_documents(service.environment(shop), [OLD | document], Edit("test", START), prune=True)
        await backfill(service, Worker(service.pool, Catalogs(), now))
        await sender.send(60, 12)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    await backfill(service, Worker(service.pool, Catalogs(), now))
    await assert_right(service, shop, sender.sent, START)


async def test_messages_do_not_wait_for_a_batch(
    service: Parts, shop: int, now: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a batch is computed its people are written to, and no other worker computes it; what is out of date by
    then is done again."""
    sender = Sender(service, shop, 6)
    await sender.send(60, 6)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    computing, go_on = threading.Event(), threading.Event()
    review = recompute.review_next

    def held(*arguments: Any) -> Any:
        computing.set()
        assert go_on.wait(serving.PATIENCE_SECONDS)
        return review(*arguments)

    monkeypatch.setattr(recompute, "review_next", held)
    step = asyncio.create_task(Backfiller(service.pool, Catalogs(), now, 100).step(shop))
    await serving.eventually(lambda: asyncio.sleep(0, computing.is_set()))
    assert not await Backfiller(service.pool, Catalogs(), now, 100).step(shop)
    await sender.send(30, 6)  # more than one for each
    assert not step.done()
    go_on.set()
    assert await step
    await backfill(service, Worker(service.pool, Catalogs(), now))
    await assert_right(service, shop, sender.sent, START)


async def test_ended_at_any_instant_it_goes_on_where_it_was(service: Parts, shop: int, now: ManualClock) -> None:
    sender = Sender(service, shop, 7)
    await sender.send(150, 15)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    progress = [0]
    for turns in range(0, 120, 3):
        step = asyncio.create_task(Backfiller(service.pool, Catalogs(), now, 100).step(shop))
        for _ in range(turns):
            await asyncio.sleep(0)
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step
        progress.append(await service.pool.fetchval("SELECT done FROM backfills WHERE revision = 2"))
    assert progress == sorted(progress)
    await backfill(service, Worker(service.pool, Catalogs(), now))
    total = await service.pool.fetchval("SELECT total FROM backfills WHERE revision = 2 AND done = total")
    assert total, "each was counted once"
    await assert_right(service, shop, sender.sent, START)


async def test_it_rests_while_others_work(
    service: Parts, shop: int, now: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(service, shop, 8)
    await sender.send(120, 40)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(backfills, "pause", rest)
    backfiller = Backfiller(service.pool, Catalogs(), now, 50)
    await backfiller.step(shop)
    await backfiller.step(shop)
    assert rests == [], "alone it does not rest"
    for n in range(2):
        await sender.send(1, 40)
        await backfiller.step(shop)
        assert len(rests) == n + 1
    assert all(rests)
    await backfiller.step(shop)
    assert len(rests) == 2, "alone again"


async def test_its_progress(service: Parts, shop: int, now: ManualClock) -> None:
    """In profiles, with the rate of the last seconds; none while no worker goes on, and at last that of the whole."""
    sender = Sender(service, shop, 9)
    await sender.send(120, 10)
    await apply_documents(service.environment(shop), [NEW], Edit("test", START))

    async def progress() -> BackfillProgress:
        async with service.pool.acquire() as connection:
            row = await definition_store.find_backfill(connection, shop, 2)
        assert row is not None
        return progress_of(row, now.now)

    people = await service.pool.fetchval("SELECT count(*) FROM profiles")
    assert await progress() == BackfillProgress(0, people, None, None)
    worker = Worker(service.pool, Catalogs(), now)
    await worker.backfill()
    some = await progress()
    assert some.done == 5 and some.rate_per_second and some.seconds_left is not None
    assert some.seconds_left == pytest.approx((people - 5) / some.rate_per_second, abs=0.2)
    now.now += 11_000
    assert await progress() == BackfillProgress(5, people, None, None)
    await Backfiller(service.pool, Catalogs(), now, 100).step(shop)
    resumed = await progress()
    assert resumed.done == 10 and resumed.rate_per_second, "the time in between does not count"
    assert resumed.rate_per_second > 5 / 11
    now.now += 9_000
    await backfill(service, worker)
    assert await progress() == BackfillProgress(people, people, round(people / 20, 1), 0.0)
    assert await service.pool.fetchval("SELECT events FROM backfills WHERE revision = 2") > 0
