"""The outbox: nothing is passed by, nothing comes twice, and its rows are what the tables have."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import serving
from application import running
from following import Replay
from life import SHOP, START, Life, message
from serving import ManualClock, new_environment, waiting_for_a_lock
from tinycdp.app import Parts
from tinycdp.engine import outbox as changes
from tinycdp.model import DAY_MS
from tinycdp.runtime import outbox
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.outbox import Bell, Consumer, Lapsed, NoSuchConsumer, Overtaken
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import events as event_store
from tinycdp.store import outbox as store
from tinycdp.store.database.pool import Pool, open_pool, transaction
from tinycdp.store.database.statements import load


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def services(dsn: str, clock: ManualClock) -> AsyncIterator[list[Parts]]:
    """Two processes' worth of service on one database."""
    async with serving.services(dsn, 2, clock) as started:
        yield started


@pytest.fixture
async def shop(services: list[Parts]) -> int:
    id = await new_environment(services[0].pool, "shop", SHOP, START - DAY_MS)
    for service in services:
        await service.catalogs.refresh(service.pool, id)
        await service.privacy.load(service.pool)
    return id


@pytest.fixture
async def consumer(services: list[Parts], shop: int) -> Consumer:
    await outbox.register(services[0].environment(shop), "test")
    return Consumer(services[0].environment(shop), "test")


async def kinds(consumer: Consumer) -> list[str]:
    return [type(change).__name__ for row in (await consumer.read()).rows for change in row.changes]


class Writer:
    """One transaction that writes a row, which draws its position, and ends when the test says so."""

    def __init__(self, pool: Pool, environment_id: int) -> None:
        self._environment_id = environment_id
        self._transaction = transaction(pool)

    async def write(self) -> int:
        connection = await self._transaction.__aenter__()
        await event_store.begin_group(connection, self._environment_id)
        return await storage.save(connection, self._environment_id, START, (), [changes.Written([1])])

    async def commit(self) -> None:
        await self._transaction.__aexit__(None, None, None)

    async def roll_back(self) -> None:
        fault = asyncio.CancelledError()
        with pytest.raises(asyncio.CancelledError):
            assert not await self._transaction.__aexit__(asyncio.CancelledError, fault, None)
            raise fault


# Complete and in order


async def test_a_later_commit_with_an_earlier_position_is_not_passed_by(
    services: list[Parts], shop: int, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_PATIENCE_SECONDS", 0.05)
    slow, quick = [Writer(services[0].pool, shop) for _ in range(2)]
    first, second = await slow.write(), await quick.write()
    assert first < second
    await quick.commit()
    async with services[0].pool.acquire() as connection:
        seen = await store.read_outbox(connection, shop, 0, second)
    assert [row.position for row in seen] == [second], "it is there, and who polls by number would take it"
    assert not await consumer.read()
    await slow.commit()
    assert [row.position for row in (await consumer.read()).rows] == [first, second]


async def test_a_position_that_is_rolled_back_delays_no_consumer(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    undone, done = [Writer(services[0].pool, shop) for _ in range(2)]
    await undone.write()
    position = await done.write()
    await done.commit()
    reading = asyncio.create_task(consumer.read())
    await asyncio.sleep(0.02)
    await undone.roll_back()
    assert [row.position for row in (await reading).rows] == [position], "the read waited, and then had it"


async def test_a_transaction_without_a_position_delays_no_consumer(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    """A transaction that writes for hours, also one that holds off publishes, or one of another environment."""
    other = Writer(services[0].pool, await new_environment(services[0].pool, "other", {}, START))
    await other.write()
    async with transaction(services[0].pool) as long:
        await event_store.begin_group(long, shop)
        await long.execute("UPDATE environments SET zone = zone WHERE id = $1", shop)
        await services[1].ingest.accept(shop, [message("m1", "ada")])
        assert len((await consumer.read()).rows) == 1
    await other.commit()


@pytest.mark.parametrize("count", [60, pytest.param(1_500, marks=pytest.mark.slow)])
async def test_every_row_comes_once_whatever_the_order_of_commits(
    dsn: str, services: list[Parts], shop: int, consumer: Consumer, count: int
) -> None:
    """Six writers write, dawdle, and commit or not; a consumer reads all the while."""
    dice = random.Random(7)
    kept: list[int] = []

    async def write(pool: Pool) -> None:
        for _ in range(count):
            writer = Writer(pool, shop)
            position = await writer.write()
            await asyncio.sleep(dice.random() * 0.008)
            if dice.random() < 0.1:
                await writer.roll_back()
            else:
                await writer.commit()
                kept.append(position)

    async def follow(writing: "asyncio.Future[Any]") -> list[int]:
        found: list[int] = []
        while True:
            over = writing.done()
            batch = await consumer.read(dice.randint(1, 20))
            found += [row.position for row in batch.rows]
            async with transaction(services[0].pool) as connection:
                await consumer.acknowledge(connection, batch, START)
            if over and not batch:
                return found

    async with await open_pool(dsn, 6) as pool:
        writing = asyncio.gather(*(write(pool) for _ in range(6)))
        found = await follow(writing)
        await writing
    assert kept != sorted(kept), "commits overtook each other, or this proves nothing"
    assert found == sorted(kept)


async def test_two_processes_that_cross_over_one_profile_are_read_in_order(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    """The process that waited for the lock comes later, though its transaction began first."""

    async def send(service: Parts, prefix: str) -> None:
        for n in range(25):
            sent = [message(f"{prefix}{n}-{i}", f"u{i}", ("buy", "open")[n % 2]) for i in range(4)]
            await service.ingest.accept(shop, sent)

    await asyncio.gather(send(services[0], "a"), send(services[1], "b"))
    replay = Replay(shop)
    await replay.follow(services[0].pool, consumer, START)
    assert await replay.differences(services[0].pool) == {}
    assert len(replay.events) == 200


# Registering


async def test_without_a_consumer_no_row_is_written(services: list[Parts], shop: int) -> None:
    await services[0].ingest.accept(shop, [message("m1", "ada"), message("m2", "bob")])
    await services[0].merges.merge(shop, ["ada", "bob"], "me")
    await services[0].erasures.erase(shop, ["ada"], "me")
    assert await services[0].pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_who_registers_now_has_all_that_commits_later_and_nothing_else(
    dsn: str, services: list[Parts], shop: int
) -> None:
    """Registering waits for a group in flight, which is before; one that begins meanwhile waits, and is after."""
    async with await open_pool(dsn, 1) as beside, beside.acquire() as holder:
        held = holder.transaction()
        await held.start()
        await services[0].ingest.accept(shop, [message("m0", "ada")])
        await holder.execute("SELECT FROM profiles FOR UPDATE")
        before = asyncio.create_task(services[0].ingest.accept(shop, [message("m1", "ada")]))
        await waiting_for_a_lock(holder, 1)
        registering = asyncio.create_task(outbox.register(services[0].environment(shop), "late"))
        await waiting_for_a_lock(holder, 2)
        after = asyncio.create_task(services[1].ingest.accept(shop, [message("m2", "bob")]))
        await waiting_for_a_lock(holder, 3)
        await held.rollback()
    position, first, second = await registering, await before, await after
    assert first.version <= position < second.version
    [row] = (await Consumer(services[0].environment(shop), "late").read()).rows
    assert row.position == second.version, "a position is the version of the answer"


async def test_registering_again_changes_nothing_and_the_oldest_row_is_a_start(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    await outbox.register(services[0].environment(shop), "test")
    assert await kinds(consumer) == ["StoredEvents", "Transitions"]
    await outbox.register(services[0].environment(shop), "early", start="oldest")
    await outbox.register(services[0].environment(shop), "late")
    early, late = [Consumer(services[0].environment(shop), name) for name in ("early", "late")]
    assert await kinds(early) == ["StoredEvents", "Transitions"]
    assert not await late.read()
    await outbox.unregister(services[0].environment(shop), "late")
    with pytest.raises(NoSuchConsumer):
        await late.read()


# Once


async def test_of_two_processes_with_one_batch_one_acknowledges_it(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    other = Consumer(services[1].environment(shop), "test")
    mine, theirs = await consumer.read(), await other.read()
    assert mine == theirs
    async with transaction(services[0].pool) as connection:
        await consumer.acknowledge(connection, mine, START)
    with pytest.raises(Overtaken):
        async with transaction(services[1].pool) as connection:
            await other.acknowledge(connection, theirs, START)
    assert not await other.read()


async def test_a_claimed_batch_comes_again_as_it_was(services: list[Parts], shop: int, consumer: Consumer) -> None:
    for n in range(3):
        await services[0].ingest.accept(shop, [message(f"m{n}", "ada")])
    batch = await consumer.read(2)
    await consumer.claim(batch)
    await services[0].ingest.accept(shop, [message("m3", "ada")])
    again = await Consumer(services[1].environment(shop), "test").read(100)
    assert (again, again.key) == (batch, batch.key)
    with pytest.raises(Overtaken):
        await consumer.claim(outbox.Batch(shop, "test", batch.after, batch.last + 1, ()))
    async with transaction(services[0].pool) as connection:
        await consumer.acknowledge(connection, again, START)
    assert len((await Consumer(services[1].environment(shop), "test").read()).rows) == 2


async def test_what_is_rolled_back_is_not_acknowledged(services: list[Parts], shop: int, consumer: Consumer) -> None:
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    batch = await consumer.read()
    with pytest.raises(ZeroDivisionError):
        async with transaction(services[0].pool) as connection:
            await consumer.acknowledge(connection, batch, START)
            raise ZeroDivisionError
    assert await consumer.read() == batch


# The truth


async def test_each_transition_has_its_cause(
    services: list[Parts], shop: int, consumer: Consumer, clock: ManualClock
) -> None:
    service, pool = services[0], services[0].pool
    worker = Worker(pool, Catalogs(), clock)
    segments = {
        row["key"]: row["definition_id"]
        for row in await pool.fetch(
            "SELECT key, definition_id FROM definition_versions WHERE environment_id = $1", shop
        )
    }

    async def transitions() -> list[tuple[str, bool, int, str]]:
        names = {id: key for key, id in segments.items()}
        batch = await consumer.read()
        async with transaction(pool) as connection:
            await consumer.acknowledge(connection, batch, START)
        rows = [change for row in batch.rows for change in row.changes if isinstance(change, changes.Transitions)]
        return [(names[c.segment_id], c.entered, c.at, c.cause) for rows_ in rows for c in rows_.rows]

    await service.ingest.accept(shop, [message("m1", "ada", "buy")])
    assert await transitions() == [("buyers", True, START, "event")]
    clock.now = START + 9 * DAY_MS
    await worker.wake_due()
    assert await transitions() == [("buyers", False, START + 7 * DAY_MS, "clock")], "the true instant, not the worker's"
    await service.ingest.accept(shop, [message("m2", "bob")])
    assert await transitions() == [("never_bought", True, clock.now, "event")]
    merged = await service.merges.merge(shop, ["ada", "bob"], "me")
    assert await transitions() == [("never_bought", False, clock.now, "merge")]
    await service.merges.undo(shop, int(merged.merges[0]), "me")
    assert await transitions() == [], "each is where it was"
    await service.ingest.accept(shop, [message("m2b", "cara", "buy", clock.now)])
    assert await transitions() == [("buyers", True, clock.now, "event")]
    merged = await service.merges.merge(shop, ["ada", "cara"], "me")
    assert await transitions() == [], "to become one with a member is no entry"
    await service.merges.undo(shop, int(merged.merges[0]), "me")
    assert await transitions() == [("buyers", False, clock.now, "unmerge")]
    edited = SHOP | {"segments": [{"key": "never_bought", "rule": "events.buy.count() == 1"}]}
    await apply_documents(services[0].environment(shop), [edited], Edit("test", clock.now))
    while await worker.backfill():
        pass
    assert sorted(await transitions(), key=str) == [
        ("never_bought", False, clock.now, "edit"),
        ("never_bought", True, clock.now, "edit"),
        ("never_bought", True, clock.now, "edit"),
    ]
    group = message("m3", "ada", "", clock.now, kind="group", group_id="acme", properties={"tier": "iron"})
    await service.ingest.accept(shop, [group])
    group = message("m4", "bob", "", clock.now, kind="group", group_id="acme", properties={"tier": "gold"})
    await service.ingest.accept(shop, [group])
    assert await transitions() == [("gold", True, clock.now, "event")]
    while await worker.update_group_members():
        pass
    assert await transitions() == [("gold", True, clock.now, "group")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("seed", "steps"),
    [(1, 24), (2, 24), (3, 24), *(pytest.param(n, 200, marks=pytest.mark.slow) for n in range(4, 24))],
)
async def test_the_outbox_has_what_the_tables_have(
    services: list[Parts], shop: int, consumer: Consumer, clock: ManualClock, seed: int, steps: int
) -> None:
    """Two processes, people who merge and part, windows that slide, edits and erasures: replayed from the outbox."""
    life, replay = Life(services, shop, clock, seed), Replay(shop)
    for n in range(steps):
        await life.step()
        if n % 6 == 0:
            await replay.follow(services[0].pool, consumer, clock.now)
            assert await replay.differences(services[0].pool) == {}, f"after step {n}"
    await replay.follow(services[0].pool, consumer, clock.now)
    assert await replay.differences(services[0].pool) == {}


async def test_who_reads_late_has_the_same(
    services: list[Parts], shop: int, consumer: Consumer, clock: ManualClock
) -> None:
    """A consumer that was away for the whole life: what is gone meanwhile is skipped, the rest is as it is."""
    life, replay = Life(services, shop, clock, 5), Replay(shop)
    for _ in range(24):
        await life.step()
    await replay.follow(services[0].pool, consumer, clock.now)
    assert await replay.differences(services[0].pool) == {}
    assert {"StoredEvents", "Transitions", "Moved", "Merged"} <= replay.kinds.keys()


# Dropping


async def rows_in(pool: Pool, slot: int) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM outbox_{slot}"))


async def in_slot(service: Parts, shop: int, slot: int, *ids: str) -> None:
    """These messages, each a row, written while it is this partition's turn."""
    await service.pool.execute("SELECT setval('versions', $1)", slot * store.PER_SLOT + 10)
    for id in ids:
        await service.ingest.accept(shop, [message(id, "ada")])


async def test_a_partition_that_all_have_read_is_emptied_and_no_other(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    pool = services[0].pool
    await outbox.register(services[0].environment(shop), "slow")
    await in_slot(services[0], shop, 1, "m1", "m2")
    await in_slot(services[0], shop, 2, "m3")
    await in_slot(services[0], shop, 3, "m4")
    slow = Consumer(services[0].environment(shop), "slow")
    for one, most in ((consumer, 4), (slow, 1)):
        batch = await one.read(most)
        async with transaction(pool) as connection:
            await one.acknowledge(connection, batch, START)
    assert await outbox.tidy(pool, START, DAY_MS) == 0
    assert [await rows_in(pool, slot) for slot in (1, 2, 3)] == [2, 1, 1], "one of them has not read all of it"
    batch = await slow.read(2)
    async with transaction(pool) as connection:
        await slow.acknowledge(connection, batch, START)
    assert await outbox.tidy(pool, START, DAY_MS) == 2
    assert [await rows_in(pool, slot) for slot in (1, 2, 3)] == [0, 0, 1], "the last takes new rows still"
    assert await kinds(slow) == ["StoredEvents"]


async def test_a_partition_in_use_is_left_for_another_time(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    pool = services[0].pool
    await in_slot(services[0], shop, 1, "m1")
    batch = await consumer.read()
    async with transaction(pool) as connection:
        await consumer.acknowledge(connection, batch, START)
    await in_slot(services[0], shop, 2, "m2")
    async with transaction(pool) as reader:
        await reader.fetch("SELECT FROM outbox")
        assert await outbox.tidy(services[1].pool, START, DAY_MS) == 0
    assert await outbox.tidy(services[1].pool, START, DAY_MS) == 1


async def test_a_consumer_that_is_too_far_behind_lapses(services: list[Parts], shop: int, consumer: Consumer) -> None:
    pool = services[0].pool
    await in_slot(services[0], shop, 1, "m1")
    read = await consumer.read()
    await in_slot(services[0], shop, 2, "m2")
    assert await outbox.tidy(pool, START + DAY_MS, DAY_MS) == 0
    assert await outbox.tidy(pool, START + DAY_MS + 1, DAY_MS) == 1
    with pytest.raises(Lapsed):
        await consumer.read()
    with pytest.raises(Overtaken):
        async with transaction(pool) as connection:
            await consumer.acknowledge(connection, read, START)
    [lag] = await outbox.lags(pool, START + DAY_MS)
    assert (lag.consumer, lag.lapsed) == ("test", True)
    await services[0].ingest.accept(shop, [message("m3", "ada")])
    assert await rows_in(pool, 2) == 1, "nothing is kept for it any more"
    await outbox.unregister(services[0].environment(shop), "test")
    await outbox.register(services[0].environment(shop), "test")
    assert not await consumer.read()


# Seen from outside


async def test_the_metrics_show_how_far_behind_each_consumer_is(dsn: str) -> None:
    async with running(dsn) as app:
        await outbox.register(app.service.environment(app.environment_id), "feed")
        for n in range(3):
            await app.track({"event": "open", "userId": f"u{n}"})
        text = (await app.keyless.get("/metrics")).text
        lines = {line.partition("{")[0]: line for line in text.splitlines() if line.startswith("tinycdp_outbox")}
        assert lines["tinycdp_outbox_lag_rows"].endswith("} 3.0")
        assert 'consumer="feed"' in lines["tinycdp_outbox_lag_rows"]
        assert 'environment="default/default/prod"' in lines["tinycdp_outbox_lag_rows"]
        assert float(lines["tinycdp_outbox_lag_seconds"].split()[-1]) > 0
        assert lines["tinycdp_outbox_lapsed"].endswith("} 0.0")


async def test_the_bell_rings_for_what_another_process_committed(
    services: list[Parts], shop: int, consumer: Consumer
) -> None:
    waiting = asyncio.create_task(services[0].outbox.wait(shop, 30))
    await asyncio.sleep(0)
    await services[1].ingest.accept(shop, [message("m1", "ada")])
    await asyncio.wait_for(waiting, 20)
    assert await consumer.read()
    bell = Bell()
    await bell.wait(shop, 0.001)
    bell.ring(shop)
    await bell.wait(shop, 30)


# What the proofs rest on


def test_every_statement_that_draws_a_position_is_behind_the_fence() -> None:
    drawing = {
        f"{file.stem}.{name}": text
        for file in Path(str(resources.files("tinycdp.store") / "sql")).glob("*.sql")
        for name, text in load(file.stem).items()
        if "nextval('versions')" in text
    }
    assert drawing.keys() == {
        "profiles.save_profiles", "profiles.next_version", "definitions.settle_transitions",
        "exposures.record_exposures",
    }  # fmt: skip
    for name, text in drawing.items():
        fence, draw = text.index("pg_advisory_xact_lock_shared(79, $1)"), text.index("nextval('versions')")
        assert (fence < draw) and re.search(r"FROM fence\b", text), name


def test_every_statement_that_writes_rows_has_the_slots_of_the_worker() -> None:
    topics = ("profiles", "definitions", "exposures")
    writing = [text for topic in topics for text in load(topic).values() if "INTO outbox" in text]
    assert len(writing) == 3
    assert all(f"/ {store.PER_SLOT} % {store.SLOTS}" in text for text in writing)
