"""`make bench`: measure against yardsticks from the same run.

The report compares the results with the project's promises.

Read the ratios: absolute numbers vary by tens of per cent on shared machines."""

import argparse
import asyncio
import itertools
import platform
import subprocess
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import asyncpg
import uvloop

from loadtests import backfill, servers, workload
from loadtests.driver import Outcome, closed_loop, open_loop
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

PROFILES = 10_000
_ROWS_PER_COPY = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")
    parser.add_argument("--profiles", type=int, default=PROFILES)
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    print(
        f"commit {commit.stdout.strip() or 'unknown'} · Python {platform.python_version()} · {len(servers.CORES)} cores"
    )
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        servers.pin(1)
        uvloop.run(_measure(arguments.seconds, arguments.profiles, Path(folder), postgres.dsn))
    with tempfile.TemporaryDirectory() as folder:
        backfill.run(Path(folder), 5 * arguments.profiles, 100 * arguments.profiles, arguments.seconds)


async def _measure(seconds: float, profiles: int, folder: Path, dsn: str) -> None:
    now = clock.now()
    copy = await _copy_yardstick(dsn, seconds)
    _line("bare COPY, batches of 100, one connection", f"{copy:>9,.0f} rows/s")
    with servers.bare() as (port, pid):
        bare = _Meter(pid)
        for connections in (16, 64):
            loop = closed_loop(port, itertools.repeat(_BARE_REQUEST), connections, seconds)
            await bare.measure(f"bare ASGI answer, {connections} connections", loop)
    with servers.ours(folder, dsn) as server:
        await define(server)
        for body in workload.identifies(server.write, profiles):
            await closed_loop(server.port, iter([body]), 1, 0.001, backfill=0.0)
        meter = _Meter(server.pid)
        ready = list(itertools.islice(workload.batches(server.write, 100, profiles, now, 1, "batch"), 2500))
        name = "ingest, batches of 100, 32 connections"
        ingest = await meter.measure(name, closed_loop(server.port, iter(ready), 32, seconds), per_answer=100)
        _line("", f"{ingest.per_second * 100:>9,.0f} events/s, {ingest.per_second * 100 / copy:.2f} of COPY")
        ready = list(itertools.islice(workload.singles(server.write, profiles, now, 2, "single"), 60_000))
        for connections in (64, 1):
            part = itertools.islice(ready, 50_000) if connections > 1 else iter(ready[50_000:])
            loop = closed_loop(server.port, part, connections, seconds)
            await meter.measure(f"ingest, single events, {connections} connections", loop)
        await closed_loop(server.port, (workload.ask(server.read, n) for n in range(profiles)), 16, 60.0, backfill=0.0)
        for connections in (1, 16, 64):
            loop = closed_loop(server.port, workload.decisions(server.read, profiles, 3), connections, seconds)
            name = f"decide, warm, {connections} connections"
            backfill = await meter.measure(name, loop)
            if (plain := bare.outcomes.get(connections)) is not None:
                cost, bare_cost = meter.cost[name], bare.cost[f"bare ASGI answer, {connections} connections"]
                share = backfill.per_second / plain.per_second
                _line("", f"{share:>9.2f} of bare ASGI by rate, {bare_cost / cost:.2f} by processor time")
        for connections in (1, 16):
            loop = closed_loop(
                server.port, (_evaluate(server.read, n % profiles) for n in itertools.count()), connections, seconds
            )
            await meter.measure(f"OFREP, one flag, warm, {connections} connections", loop)
        mixed = open_loop(server.port, workload.batches(server.write, 30, profiles, now, 4, "mixed"), 100, seconds)
        beside = open_loop(server.port, workload.decisions(server.read, profiles, 5), 1000, seconds, connections=16)
        for name, outcome in zip(_MIXED, await asyncio.gather(mixed, beside), strict=True):
            _report(name, outcome)
    with servers.ours(folder, dsn) as server:
        asked = iter([workload.ask(server.read, n) for n in range(profiles)])
        loop = closed_loop(server.port, asked, 16, 60.0, backfill=0.0)
        await _Meter(server.pid).measure("decide, cold (each profile once), 16 connections", loop)


_BARE_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_MIXED = ("ingest, 3,000 events/s in batches of 30", "  decide beside it, 1,000/s on 16 connections")


class _Meter:
    """Measures a server from outside: rate, latency, and processor time per answer.

    The processor time hardly depends on other load on the machine, so it is the number to compare between runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.outcomes: dict[int, Outcome] = {}
        self.cost: dict[str, float] = {}

    async def measure(self, name: str, loop: Awaitable[Outcome], per_answer: int = 1) -> Outcome:
        before = servers.cpu_seconds(self._pid)
        outcome = await loop
        spent = servers.cpu_seconds(self._pid) - before
        self.cost[name] = spent * 1e6 / max(1, outcome.sent) / per_answer
        self.outcomes[int(name.split()[-2])] = outcome
        _report(name, outcome, f"{self.cost[name]:6.1f} µs of processor each")
        return outcome


def _evaluate(key: str, n: int) -> bytes:
    return workload.request(
        "POST", "/ofrep/v1/evaluate/flags/flag_7", key, b'{"context":{"targetingKey":"user-%d"}}' % n
    )


async def define(server: servers.Ours) -> None:
    """Publish what the workload is about."""
    async with await open_pool(server.dsn, 2) as pool:
        await apply_documents(Environment(1, pool, clock.now), [workload.DEFINITIONS], Edit("benchmark", clock.now()))
    await asyncio.sleep(0.3)


async def _copy_yardstick(dsn: str, seconds: float) -> float:
    """Rows a second of the same shape as `events`, by COPY in batches of 100, each committed."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "CREATE TABLE yardstick (environment_id int, id bigint, identifier_id bigint, at timestamptz DEFAULT now(),"
        " name text, message_id text, properties jsonb, context jsonb)"
    )
    await connection.execute("CREATE INDEX ON yardstick (environment_id, identifier_id)")
    await connection.execute("CREATE INDEX ON yardstick (environment_id, id)")
    columns = ["environment_id", "id", "identifier_id", "name", "message_id", "properties", "context"]
    rows = [
        (1, n, n, "purchase", f"copy-{n}", '{"amount": 12.5, "category": "books"}', "{}") for n in range(_ROWS_PER_COPY)
    ]
    done, stop = 0, time.perf_counter() + seconds
    while time.perf_counter() < stop:
        await connection.copy_records_to_table("yardstick", records=rows, columns=columns)
        done += len(rows)
    await connection.execute("DROP TABLE yardstick")
    await connection.close()
    return done / seconds


def _report(name: str, outcome: Outcome, note: str = "") -> None:
    text = f"{outcome.per_second:>9,.0f}/s  p50 {outcome.percentile(0.5):6.2f}  p99 {outcome.percentile(0.99):7.2f} ms"
    _line(name, f"{text}  {note}" + (f"  {outcome.statuses}" if outcome.failures else ""))


def _line(name: str, text: str) -> None:
    print(f"{name:52}{text}", flush=True)


if __name__ == "__main__":
    main()
