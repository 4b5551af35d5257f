"""A profile leaves a segment when its window slides: reads at the very millisecond, the worker soon after with the true
instant, and no client has to send anything."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import serving
from serving import ManualClock, define, eventually, holds_for, new_environment, served
from tinycdp.app import Parts
from tinycdp.model import HOUR_MS, MINUTE_MS, Identifier, IdentifierKind, Instant, Message
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool
from tinycdp.times import iso

START = 1_790_000_000_000
SHOP = {
    "segments": [
        {"key": "active", "rule": "events.open.count_1h >= 2"},
        {"key": "gone_quiet", "rule": "events.open.exists() && !events.open.exists(30m)"},
        {"key": "active_now", "rule": "events.open.exists(1m)"},
    ],
    "flags": [
        {"key": "greet", "rule": 'segment("active")'},
        {"key": "win_back", "rule": 'segment("gone_quiet")'},
        {"key": "now", "rule": 'segment("active_now")'},
    ],
}
ADA = Identifier(IdentifierKind.USER, "ada")


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def service(dsn: str, now: ManualClock) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, now) as [started]:
        yield started


@pytest.fixture
async def shop(service: Parts) -> int:
    return await new_environment(service.pool, "shop", SHOP, START)


def opened(id: str, at: Instant, identifier: Identifier = ADA) -> Message:
    return Message(kind="track", message_id=id, identifiers=(identifier,), occurred_at=at, received_at=at, name="open")


async def transitions(service: Parts, segment: str) -> list[tuple[bool, Instant]]:
    async with service.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT t.entered, t.at FROM transitions t JOIN definition_versions v ON v.definition_id = t.segment_id"
            " WHERE v.key = $1 ORDER BY t.id",
            segment,
        )
    return [(row["entered"], row["at"]) for row in rows]


async def test_a_window_slides_past_to_the_millisecond(service: Parts, shop: int, now: ManualClock) -> None:
    worker = Worker(service.pool, Catalogs(), now)
    await service.ingest.accept(shop, [opened("m1", START - 10 * MINUTE_MS), opened("m2", START)])
    leaves, quiet = START + 50 * MINUTE_MS, START + 30 * MINUTE_MS
    assert await holds_for(service, shop, "greet", ADA)

    now.now = quiet - 1
    assert not await holds_for(service, shop, "win_back", ADA)
    now.now = quiet
    assert await holds_for(service, shop, "win_back", ADA), "one enters by the clock as well"
    now.now = leaves - 1
    assert await holds_for(service, shop, "greet", ADA)
    now.now = leaves
    assert not await holds_for(service, shop, "greet", ADA), "at that instant, with no worker at work"

    now.now = leaves + 17 * MINUTE_MS  # the worker comes late, and still records when it truly happened
    assert await worker.wake_due() == 1
    assert await transitions(service, "active") == [(True, START), (False, leaves)]
    assert await transitions(service, "gone_quiet") == [(True, quiet)]
    assert await transitions(service, "active_now") == [(True, START), (False, START + MINUTE_MS)]
    left = await service.pool.fetch("SELECT fingerprint FROM memberships")
    assert len(left) == 1, "only gone_quiet has a member"
    assert await worker.wake_due() == 0, "no profile is looked at twice"


async def test_an_event_before_the_worker_finds_the_same_instants(service: Parts, shop: int, now: ManualClock) -> None:
    await service.ingest.accept(shop, [opened("m1", START), opened("m2", START)])
    now.now = START + 3 * HOUR_MS
    await service.ingest.accept(shop, [opened("m3", now.now)])
    assert await transitions(service, "active") == [(True, START), (False, START + HOUR_MS)]
    assert await transitions(service, "gone_quiet") == [(True, START + 30 * MINUTE_MS), (False, now.now)]


async def test_an_absorbed_profile_never_wakes_again(service: Parts, shop: int, now: ManualClock) -> None:
    """The absorbed one had a wake-up of its own: it must not come back to life in a segment, nor out of the merge."""
    tab = Identifier(IdentifierKind.ANONYMOUS, "tab")
    await service.ingest.accept(shop, [opened("m1", START)])
    await service.ingest.accept(shop, [opened("m2", START, tab)])
    both = Message(
        kind="track", message_id="m3", identifiers=(ADA, tab), occurred_at=START, received_at=START, name="login"
    )
    await service.ingest.accept(shop, [both])
    now.now = START + 2 * HOUR_MS
    worker = Worker(service.pool, Catalogs(), now)
    while await worker.wake_due():
        pass
    merged = await service.pool.fetch("SELECT id FROM profiles WHERE merged_into IS NOT NULL")
    assert len(merged) == 1
    members = await service.pool.fetch("SELECT profile_id FROM memberships")
    assert merged[0]["id"] not in {row["profile_id"] for row in members}
    assert len(members) == 1


async def test_many_due_at_once_are_claimed_once_by_two_workers(service: Parts, shop: int, now: ManualClock) -> None:
    people = [Identifier(IdentifierKind.USER, f"u{n}") for n in range(450)]
    await service.ingest.accept(shop, [opened(f"m{n}", START, identifier) for n, identifier in enumerate(people)])
    now.now = START + MINUTE_MS
    workers = [Worker(service.pool, Catalogs(), now) for _ in range(2)]

    async def work(worker: Worker) -> int:
        done = 0
        while n := await worker.wake_due():
            done += n
        return done

    assert sum(await asyncio.gather(*map(work, workers))) == len(people)
    assert await transitions(service, "active_now") == [(True, START)] * 450 + [(False, now.now)] * 450


async def test_trouble_in_one_environment_does_not_stop_the_others(service: Parts, shop: int, now: ManualClock) -> None:
    other = await new_environment(service.pool, "other", SHOP, START)
    for environment in (shop, other):
        await service.ingest.accept(environment, [opened(f"m{environment}", START)])
    await service.pool.execute("UPDATE environments SET zone = 'Nowhere/Land' WHERE id = $1", shop)
    now.now = START + MINUTE_MS
    worker = Worker(service.pool, Catalogs(), now)
    with pytest.raises(ExceptionGroup):
        await worker.wake_due()
    left = await service.pool.fetch("SELECT environment_id FROM transitions WHERE NOT entered")
    assert [row["environment_id"] for row in left] == [other]


async def test_a_served_window_slides_within_a_second(dsn: str, tmp_path: Path) -> None:
    """With the real clock and real processes: an event of 58 seconds ago leaves its window of a minute in two."""
    await prepare(Settings(database_url=dsn), clock.now())
    await define(dsn, SHOP, clock.now())
    with served(tmp_path, dsn=dsn) as server:
        occurred = clock.now() - 58_000
        event = {"userId": "ada", "event": "open", "messageId": "m1", "timestamp": iso(occurred)}
        assert server.track(event).status_code == 200
        leaves = occurred + MINUTE_MS
        asked = clock.now()
        while server.decide("now", "ada").json()["allow"]:
            assert asked < leaves, "a decision outlived its window"
            asked = clock.now()
        assert clock.now() >= leaves, "it left too early"
        async with await open_pool(dsn, 1) as pool, pool.acquire() as connection:

            async def exited() -> list[tuple[Instant, Instant]]:
                query = "SELECT at, recorded_at FROM transitions WHERE NOT entered"
                return [(row["at"], row["recorded_at"]) for row in await connection.fetch(query)]

            [(at, recorded_at)] = await eventually(exited)
        assert at == leaves
        assert recorded_at >= leaves


async def test_a_profile_that_cannot_be_read_delays_no_other(service: Parts, shop: int, now: ManualClock) -> None:
    """It is put off and named in the log; those behind it leave on time."""
    bob = Identifier(IdentifierKind.USER, "bob")
    await service.ingest.accept(shop, [opened("m1", START - 1), opened("m2", START), opened("m3", START, bob)])
    async with service.pool.acquire() as connection:
        await connection.execute("UPDATE profiles SET state = '\\xff' WHERE bucketing_key = 'ada'")
    now.now = START + MINUTE_MS
    worker = Worker(service.pool, Catalogs(), now)
    assert await worker.wake_due() == 2
    assert await worker.wake_due() == 0, "nothing is due any more"
    assert (False, START + MINUTE_MS) in await transitions(service, "active_now")
