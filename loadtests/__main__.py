"""`make bench`: measure, beside yardsticks taken in the same run, and compare with what the project promises.

Read the ratios: absolute figures drift by tens of per cent on shared machines."""

import argparse
import asyncio
import itertools
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import uvloop

from loadtests import servers, workload
from loadtests.driver import Outcome, closed_loop, open_loop
from tinycdp.runtime import clock
from tinycdp.runtime.definitions import apply_documents
from tinycdp.runtime.postgres import EmbeddedPostgres
from tinycdp.store.pool import open_pool

PEOPLE = 10_000
_ROWS_PER_COPY = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")
    parser.add_argument("--people", type=int, default=PEOPLE)
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    print(
        f"commit {commit.stdout.strip() or 'unknown'} · Python {platform.python_version()} · {len(servers.CORES)} cores"
    )
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        servers.pin(1)
        uvloop.run(_measure(arguments.seconds, arguments.people, Path(folder), postgres.dsn))


async def _measure(seconds: float, people: int, folder: Path, dsn: str) -> None:
    now = clock.now()
    copy = await _copy_yardstick(dsn, seconds)
    _line("bare COPY, batches of 100, one connection", f"{copy:>9,.0f} rows/s")
    with servers.bare() as port:
        plain = {}
        for connections in (16, 64):
            plain[connections] = await closed_loop(
                port, itertools.repeat(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), connections, seconds
            )
            _report(f"bare ASGI answer, {connections} connections", plain[connections])
    with servers.ours(folder, dsn) as server:
        await _define(server)
        for body in workload.identifies(server.write, people):
            await closed_loop(server.port, iter([body]), 1, 0.001, warm_up=0.0)
        batches = workload.batches(server.write, 100, people, now, 1, "batch")
        ready = list(itertools.islice(batches, 1500))
        ingest = await closed_loop(server.port, iter(ready), 8, seconds)
        rate = ingest.per_second * 100
        _report("ingest, batches of 100, 8 connections", ingest, f"{rate:>9,.0f} events/s · {rate / copy:.2f} of COPY")
        ready = list(itertools.islice(workload.singles(server.write, people, now, 2, "single"), 60_000))
        singles = await closed_loop(server.port, iter(ready), 64, seconds)
        _report("ingest, single events, 64 connections", singles)
        alone = await closed_loop(server.port, iter(ready[50_000:]), 1, seconds / 2)
        _report("ingest, single events, 1 connection", alone)
        for body in [b for n in range(people) if (b := _ask(server.read, n))]:
            await _once(server.port, body)
        for connections in (1, 16, 64):
            warm = await closed_loop(server.port, workload.decisions(server.read, people, 3), connections, seconds)
            note = (
                f" · {warm.per_second / plain[connections].per_second:.2f} of bare ASGI" if connections in plain else ""
            )
            _report(f"decide, warm, {connections} connections", warm, note)
        mixed, decide = await asyncio.gather(
            open_loop(server.port, workload.batches(server.write, 30, people, now, 4, "mixed"), 100, seconds),
            open_loop(server.port, workload.decisions(server.read, people, 5), 2000, seconds, connections=16),
        )
        _report("ingest, 3,000 events/s in batches of 30", mixed)
        _report("  decide beside it, 2,000/s on 16 connections", decide)
    with servers.ours(folder, dsn) as server:
        cold = await closed_loop(
            server.port, iter([_ask(server.read, n) for n in range(people)]), 16, seconds, warm_up=0.0
        )
        _report("decide, cold (each person once), 16 connections", cold)


async def _once(port: int, body: bytes) -> None:
    await closed_loop(port, iter([body]), 1, 5.0, warm_up=0.0)


def _ask(key: str, n: int) -> bytes:
    return workload.request("GET", f"/v1/decide?userId=user-{n}&flag=flag_7", key)


async def _define(server: servers.Ours) -> None:
    async with await open_pool(server.dsn, 2) as pool:
        await apply_documents(pool, 1, [workload.DEFINITIONS], "benchmark", clock.now())
    await asyncio.sleep(0.3)


async def _copy_yardstick(dsn: str, seconds: float) -> float:
    """Rows a second of the same shape as `events`, by COPY in batches of 100, each committed."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "CREATE TABLE yardstick (environment_id int, id bigint, alias_id bigint, at timestamptz DEFAULT now(),"
        " name text, message_id text, properties jsonb, context jsonb)"
    )
    await connection.execute("CREATE INDEX ON yardstick (environment_id, alias_id)")
    await connection.execute("CREATE INDEX ON yardstick (environment_id, id)")
    columns = ["environment_id", "id", "alias_id", "name", "message_id", "properties", "context"]
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


main()
