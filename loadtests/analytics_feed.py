"""How fast analytics follows, and what it costs those who are served meanwhile.

Shape   measure(…): rows a second of the feed, and of a copy made anew · beside(…): lag, cached answers, and decisions
        under 3,000 events and 1,000 decisions a second, with questions and without, in turns"""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from loadtests import servers, workload
from loadtests.backfill import ask_all_profiles, line, traffic
from loadtests.driver import Outcome, closed_loop
from tinycdp.products.analytics.feed import fill, lag
from tinycdp.products.analytics.feed.loop import Feed
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool

PROFILES = 10_000
ROUNDS = 3
_BATCH = 500
#: A server whose worker feeds nothing, but keeps what is to be fed.
_NOWHERE = {"CLICKHOUSE_URL": "http://127.0.0.1:9"}
#: Asked over and over: none of them changes within a minute but for the events that come in.
QUESTIONS = (
    {"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]},
    {"kind": "active", "last": "30d"},
    {"kind": "funnel", "last": "30d", "steps": [{"event": "app_open"}, {"event": "purchase"}]},
    {"kind": "retention", "last": "30d", "start": {"event": "app_open"}, "returns": {"event": "purchase"}},
)
#: Of days that are over, so that new events touch it seldom: it is answered from the cache.
SETTLED = {"kind": "trend", "from": "2020-01-01", "to": "2020-02-01", "series": [{"event": "purchase"}]}


async def measure(folder: Path, settings: Settings, engine_pid: int, events: int) -> None:
    """Rows a second of the feed and of a copy made anew, on the embedded engine.

    `events` are sent while nothing feeds; then they are copied, twice."""
    with EmbeddedPostgres(folder / "pg") as postgres:
        async with await open_pool(postgres.dsn, 4) as pool:
            os.environ.update(_NOWHERE)
            try:
                with servers.ours(folder, postgres.dsn) as server:
                    environment = Environment(1, pool, clock.now)
                    await _define(environment)
                    async with ClickHouse(settings) as clickhouse:
                        feed = Feed(clickhouse, postgres.dsn, pool, clock.now)
                        await feed.step(environment)  # registers at the end of what there is
                        bodies = itertools.islice(
                            workload.batches(server.write, _BATCH, PROFILES, clock.now(), 1, "feed"), events // _BATCH
                        )
                        sent = await closed_loop(server.port, bodies, 8, 3600.0, backfill=0.0)
                        assert not sent.failures, sent.statuses
                        assert postgres.process is not None
                        pids = (os.getpid(), engine_pid, postgres.process.pid)
                        await _copy(feed, environment, pids, events, "feed")
                        await fill.request(environment)
                        await _copy(feed, environment, pids, events, "rebuild")
            finally:
                for name in _NOWHERE:
                    del os.environ[name]


async def _copy(feed: Feed, environment: Environment, pids: Sequence[int], events: int, name: str) -> None:
    """pids: this process, the engine, and Postgres with its backends."""
    before, start = _spent(pids), time.perf_counter()
    await feed.step(environment)
    while await fill.is_requested(environment) or (await lag.lag(environment)).rows:
        await feed.step(environment)
    seconds = time.perf_counter() - start
    ours, engine, postgres = (after - then for after, then in zip(_spent(pids), before, strict=True))
    text = f"{events / seconds:>8,.0f} events/s, {events / (ours + engine):,.0f} per second of processor"
    line(f"{name}, {events:,} events", f"{text}  promised: 60,000")
    shares = (
        f"feed {ours / events * 1e6:.1f}, engine {engine / events * 1e6:.1f}, Postgres {postgres / events * 1e6:.1f}"
    )
    line("  processor time of an event", f"{shares} µs")


def _spent(pids: Sequence[int]) -> tuple[float, ...]:
    ours, engine, postgres = pids
    return servers.own_cpu_seconds(ours), servers.own_cpu_seconds(engine), servers.cpu_seconds(postgres)


async def beside(folder: Path, seconds: float) -> None:
    """Decisions and lag under live traffic, while questions are asked and while not, in turns."""
    with EmbeddedPostgres(folder / "pg") as postgres, servers.ours(folder, postgres.dsn) as server:
        async with await open_pool(postgres.dsn, 2) as pool:
            await _define(Environment(1, pool, clock.now))
        for body in workload.identifies(server.write, PROFILES):
            await closed_loop(server.port, iter([body]), 1, 0.001, backfill=0.0)
        await ask_all_profiles(server, PROFILES)
        await _until_followed(server)
        quiet, busy = Outcome(), Outcome()
        lags: list[float] = []
        asked: list[float] = []
        for n in range(ROUNDS):
            _, decided = await traffic(server, PROFILES, seconds, 1.0, f"quiet-{n}")
            quiet.latencies += decided.latencies
            questions = asyncio.create_task(_ask(server, asked))
            watching = asyncio.create_task(_watch(server, lags))
            _, decided = await traffic(server, PROFILES, seconds, 1.0, f"busy-{n}")
            busy.latencies += decided.latencies
            for task in (questions, watching):
                task.cancel()
            await asyncio.gather(questions, watching, return_exceptions=True)
        line("decisions, 1,000/s beside 3,000 events/s", _percentiles(quiet.latencies))
        line("  while questions are asked, too", f"{_percentiles(busy.latencies)}  promised: p99 below 10 ms")
        line(f"questions, one at a time, {len(asked)} answers", _percentiles(asked))
        line("lag", f"{_percentiles([1000 * one for one in lags])}  promised: p99 below 2,000 ms")
        await _until_followed(server)
        line("an answer from the cache", f"{_percentiles(await _cached(server))}  promised: p99 10 ms")


async def _ask(server: servers.Ours, took: list[float]) -> None:
    async with _client(server) as client:
        for question in itertools.cycle(QUESTIONS):
            start = time.perf_counter()
            answer = await client.post("/v1/analytics/query", json=question)
            assert answer.status_code == 200, answer.text
            took.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.5)


async def _watch(server: servers.Ours, lags: list[float]) -> None:
    async with _client(server) as client:
        while True:
            lags.append((await client.get("/v1/analytics/lag")).json()["seconds"])
            await asyncio.sleep(0.1)


async def _cached(server: servers.Ours) -> list[float]:
    took = []
    async with _client(server) as client:
        for _ in range(1_000):
            start = time.perf_counter()
            answer = await client.post("/v1/analytics/query", json=SETTLED)
            assert answer.status_code == 200, answer.text
            took.append((time.perf_counter() - start) * 1000)
    return took[1:]


async def _until_followed(server: servers.Ours) -> None:
    deadline = time.monotonic() + 120
    async with _client(server) as client:
        while time.monotonic() < deadline:
            answer = await client.get("/v1/analytics/lag")
            if answer.status_code == 200 and answer.json()["rows"] == 0:
                return
            await asyncio.sleep(0.2)
    raise RuntimeError("analytics does not follow")


def _client(server: servers.Ours) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {server.read}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60)


def _percentiles(milliseconds: list[float]) -> str:
    found = Outcome(latencies=milliseconds)
    return f"p50 {found.percentile(0.5):7.2f}  p99 {found.percentile(0.99):8.2f} ms"


async def _define(environment: Environment) -> None:
    await apply_documents(environment, [workload.DEFINITIONS], Edit("benchmark", clock.now()))
