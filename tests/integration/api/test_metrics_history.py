"""The history of metrics: minutes of all processes together, of one environment, each counted once."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock
from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS, MINUTE_MS
from tinycdp.runtime import metrics_history
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.metrics import MINUTE_BOUNDS_MS
from tinycdp.runtime.metrics_history import percentile
from tinycdp.runtime.worker.loops import Worker
from tinycdp.times import iso

NOW = 1_790_000_000_000 - 1_790_000_000_000 % MINUTE_MS
ADA = {"userId": "ada"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        yield application


@pytest.fixture
async def other(app: Application, dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        yield application


async def minutes(app: Application, n: int = 2, **parameters: Any) -> list[dict[str, Any]]:
    answer = await app.read.get("/v1/admin/metrics/history", params={"minutes": n, **parameters})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["minutes"]
    assert len(found) == n
    return found


def counts(minute: dict[str, Any]) -> tuple[int, int, int, int]:
    return minute["accepted"], minute["duplicates"], minute["rejected"], minute["decisions"]


async def test_a_minute_is_what_all_processes_counted(app: Application, other: Application, clock: ManualClock) -> None:
    await app.define("flag", key="on", rule="true")
    await app.track({**ADA, "event": "open", "messageId": "1"}, {**ADA, "event": "open"})
    await other.track({**ADA, "event": "open", "messageId": "1"}, {**ADA, "event": "buy"})
    assert (await other.write.post("/v1/track", json=ADA)).status_code == 400
    for process in (app, other):
        assert (await process.read.get("/v1/decide", params={**ADA, "flag": "on"})).status_code == 200
        await process.service.metrics_history.tick()
    assert [counts(one) for one in await minutes(app)] == [(0, 0, 0, 0)] * 2, "the minute has not ended"

    clock.now += MINUTE_MS
    await app.service.metrics_history.tick()
    await app.service.metrics_history.tick()
    await other.service.metrics_history.tick()
    before, ended = await minutes(other)
    assert (ended["at"], counts(ended)) == (iso(NOW), (3, 1, 1, 2))
    assert 0 < ended["ingestP50Ms"] <= ended["ingestP99Ms"]
    assert ended["lagMs"] == 0
    assert counts(before) == (0, 0, 0, 0)
    assert before["ingestP50Ms"] is before["ingestP99Ms"] is before["lagMs"] is None
    foreign = (await app.stranger.get("/v1/admin/metrics/history")).json()["minutes"]
    assert {counts(one) for one in foreign} == {(0, 0, 0, 0)}


async def test_a_worker_that_is_behind_is_seen(app: Application, clock: ManualClock) -> None:
    await app.define("segment", key="openers", rule="events.open.count(1h) >= 1")
    await app.track({**ADA, "event": "open"})
    clock.now += 62 * MINUTE_MS
    await app.service.metrics_history.tick()
    (minute,) = await minutes(app, 1, to=iso(NOW + MINUTE_MS))
    assert minute["lagMs"] == 2 * MINUTE_MS


async def test_an_outage_loses_no_count(app: Application, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.track({**ADA, "event": "open"})

    async def away(*_: Any) -> None:
        raise Unavailable("DATABASE_AWAY", "away")

    clock.now += MINUTE_MS
    with monkeypatch.context() as patched:
        patched.setattr(metrics_history.store, "add_minute", away)
        with pytest.raises(Unavailable):
            await app.service.metrics_history.tick()
        await app.track({**ADA, "event": "open"})
    clock.now += MINUTE_MS
    await app.service.metrics_history.tick()
    assert [(one["at"], counts(one)[0]) for one in await minutes(app)] == [(iso(NOW), 2), (iso(NOW + MINUTE_MS), 0)]


async def test_a_cancelled_write_counts_once(
    app: Application, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.track({**ADA, "event": "open"})
    clock.now += MINUTE_MS
    add_minute, written, answered = metrics_history.store.add_minute, asyncio.Event(), asyncio.Event()

    async def slowly(*values: Any) -> None:
        await add_minute(*values)
        written.set()
        await answered.wait()

    with monkeypatch.context() as patched:
        patched.setattr(metrics_history.store, "add_minute", slowly)
        writing = asyncio.create_task(app.service.metrics_history.flush())
        await written.wait()
        writing.cancel()
        await asyncio.sleep(0)
        answered.set()
        with pytest.raises(asyncio.CancelledError):
            await writing
    await app.service.metrics_history.flush()
    assert [counts(one)[0] for one in await minutes(app, 1)] == [1]


async def test_what_was_counted_last_is_written_when_a_process_stops(
    app: Application, dsn: str, clock: ManualClock
) -> None:
    async with running(dsn, clock) as leaving:
        await leaving.track({**ADA, "event": "open"})
    clock.now += MINUTE_MS
    assert [counts(one)[0] for one in await minutes(app, 1)] == [1]


async def test_old_minutes_are_deleted(app: Application, clock: ManualClock) -> None:
    await app.track({**ADA, "event": "open"})
    clock.now += 14 * DAY_MS
    await app.service.metrics_history.tick()
    end = iso(NOW + MINUTE_MS)
    assert [counts(one)[0] for one in await minutes(app, 1, to=end)] == [1]
    worker = Worker(app.service.pool, Catalogs(), clock)
    await worker.maintain()
    assert [counts(one)[0] for one in await minutes(app, 1, to=end)] == [1]
    clock.now += 1
    await worker.maintain()
    assert [counts(one)[0] for one in await minutes(app, 1, to=end)] == [0]


def test_percentiles_lie_in_the_bucket_of_the_duration() -> None:
    bounds = [0.0, *MINUTE_BOUNDS_MS]
    empty = [0] * (len(MINUTE_BOUNDS_MS) + 1)
    assert percentile(empty, 0.5) is None
    for n, (lower, upper) in enumerate(pairwise(bounds)):
        alone = percentile([*empty[:n], 3, *empty[n + 1 :]], 0.5)
        assert alone is not None and lower < alone <= upper
    assert percentile([*empty[:-1], 1], 0.99) == 5000
    mixed = [99, 1, *empty[2:]]
    assert percentile(mixed, 0.5) == round(0.5 * 50 / 99, 2)
    assert percentile(mixed, 0.99) == 0.5
