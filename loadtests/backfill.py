"""`python -m loadtests.backfill`: the speed of backfilling definitions from raw events.

The history is written directly into the tables, in order of arrival and spread over half a year of partitions, as live
traffic would have left it. Then definitions are published and a worker brings all profiles up to date: first those of
the other benchmarks over profiles without any state, then one more trait and one more segment beside them."""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from loadtests import servers, workload
from loadtests.driver import Outcome, closed_loop, open_loop
from tinycdp.model import DAY_MS
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.worker.loops import Worker
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.store.database import partitions as partition_store
from tinycdp.store.database.pool import Pool, open_pool

DAYS = 180
#: What is published, in order, and the events that must be read for it.
PUBLISHES: Sequence[tuple[str, Mapping[str, Any], tuple[str, ...]]] = (
    (
        "5 traits, 3 segments",
        {kind: workload.DEFINITIONS[kind] for kind in ("traits", "segments")},
        ("app_open", "product_viewed", "purchase"),
    ),
    (
        "a sum and a segment over 1 event in 4",
        {
            "traits": [{"key": "spent_ever", "expression": "events.purchase.sum(amount)"}],
            "segments": [{"key": "big_spenders", "rule": "events.purchase.where(amount >= 50).sum(amount, 90d) > 100"}],
        },
        ("purchase",),
    ),
    (
        "a count over every event",
        {"segments": [{"key": "busy", "rule": "events.any.count_30d >= 3"}]},
        ("app_open", "product_viewed", "purchase"),
    ),
)

#: What is backfilled beside live traffic.
ANOTHER: Mapping[str, Any] = {
    "traits": [
        {"key": "largest_ever", "expression": "events.purchase.max(amount)"},
        {"key": "views_7d", "expression": "events.product_viewed.count_7d"},
    ],
    "segments": [{"key": "gardeners", "rule": 'events.product_viewed.where(category == "garden").count_90d >= 2'}],
}

_PROFILES = """
WITH new AS (
    INSERT INTO profiles (environment_id, id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state,
                          version)
    SELECT $1, nextval('profile_ids'), $3 || n, $4, $4, $5,
           jsonb_build_object('plan', CASE WHEN n % 3 = 0 THEN 'pro' ELSE 'free' END), '', nextval('versions')
    FROM generate_series(0, $2::int - 1) AS n RETURNING id, bucketing_key)
INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
SELECT $1, 'userId', bucketing_key, id, $4 FROM new
"""
_EVENTS = """
WITH own AS (SELECT array_agg(id) AS ids FROM identifiers WHERE environment_id = $1 AND starts_with(value, $3))
INSERT INTO events (environment_id, identifier_id, kind, name, message_id, occurred_at, received_at, clamped,
                    properties, context)
SELECT $1, ids[1 + floor(random() * cardinality(ids))::int], 'track',
       (ARRAY['app_open', 'product_viewed', 'product_viewed', 'purchase'])[1 + floor(random() * 4)::int],
       gen_random_uuid()::text, at - interval '1 second', at, false,
       jsonb_build_object('amount', (100 + random() * 8900)::int / 100.0, 'currency', 'EUR', 'quantity', n % 5,
                          'category', (ARRAY['books', 'music', 'garden', 'games'])[1 + n % 4],
                          'path', '/shop/item/' || n % 1000, 'name', 'A thing of use and beauty'),
       jsonb_build_object('locale', 'de-DE', 'page', jsonb_build_object('path', '/shop/item/' || n % 1000))
FROM own, generate_series(1, $2::int) AS n,
     LATERAL (SELECT date_trunc('milliseconds', $4::timestamptz + ($5::timestamptz - $4) * n / $2) AS at) AS times
"""


async def write_history(pool: Pool, environment_id: int, profiles: int, events: int, now: int) -> None:
    """Write `profiles` profiles with a history up to a moment ago.

    It looks as if it had arrived as it happened."""
    since, until, prefix = now - DAYS * DAY_MS, now - 1000, "user-"
    async with pool.acquire() as connection:
        await partition_store.create_partitions(connection, since, DAYS // 30 + 2)
        await connection.execute(_PROFILES, environment_id, profiles, prefix, since, until, timeout=600)
        await connection.execute("ANALYZE identifiers")
        await connection.execute(_EVENTS, environment_id, events, prefix, since, until, timeout=600)
        await connection.execute("VACUUM ANALYZE events")
        await connection.execute("VACUUM ANALYZE profiles")


async def measure_speed(dsn: str, profiles: int, events: int) -> None:
    """Events a second of a backfill with no other load."""
    await prepare(Settings(database_url=dsn), clock.now())
    async with await open_pool(dsn, 4) as pool:
        environment_id = await environment_named(pool, "prod")
        await write_history(pool, environment_id, profiles, events, clock.now())
        for name, document, names in PUBLISHES:
            read = await pool.fetchval("SELECT count(*) FROM events WHERE name = ANY ($1)", list(names))
            await apply_documents(
                Environment(environment_id, pool, clock.now), [document], Edit("benchmark", clock.now())
            )
            worker = Worker(pool, Catalogs(), clock.now)
            start, used = time.perf_counter(), servers.cpu_seconds(os.getpid())
            while await worker.backfill():
                pass
            seconds, used = time.perf_counter() - start, servers.cpu_seconds(os.getpid()) - used
            line(
                f"backfill: {name}",
                f"{read / seconds:>9,.0f} events/s  {profiles / seconds:>8,.0f} profiles/s  {seconds:6.2f} s"
                f"  {used / read * 1e6:5.1f} µs of processor an event",
            )


async def measure_beside(server: servers.Ours, profiles: int, seconds: float, load: float = 1.0) -> None:
    """Live traffic before a backfill, during it, and right after its swap.

    It runs on the existing history."""
    async with await open_pool(server.dsn, 2) as pool:
        environment_id = await environment_named(pool, "prod")
        await apply_documents(
            Environment(environment_id, pool, clock.now), [workload.DEFINITIONS], Edit("benchmark", clock.now())
        )
        await _until_live(pool)
        await ask_all_profiles(server, profiles)
        before = await traffic(server, profiles, seconds, load, "before")
        await apply_documents(Environment(environment_id, pool, clock.now), [ANOTHER], Edit("benchmark", clock.now()))
        beside = await traffic(server, profiles, seconds, load, "beside")
        left = await _left(pool)
        alone = await _until_live(pool)
        swapped = await traffic(server, profiles, seconds, load, "swapped")
        await ask_all_profiles(server, profiles)
        after = await traffic(server, profiles, seconds, load, "after")
    for name, *outcomes in zip(traffic_names(load), before, after, beside, swapped, strict=True):
        for share in (0.5, 0.99):
            one, other, busy, swap = (outcome.percentile(share) for outcome in outcomes)
            quiet = (one + other) / 2
            text = f"p{share * 100:.0f} {quiet:7.2f} ms, during a backfill {busy:7.2f} ms: {busy / quiet:5.2f} times"
            line(name if share == 0.5 else "", f"{text}; after the swap {swap:7.2f} ms")
    done = profiles - left
    rate = f"{done / seconds:,.0f} a second" if left else "all"
    line("", f"{done:,} of {profiles:,} profiles were backfilled meanwhile ({rate}), the rest in {alone:.1f} s")


async def ask_all_profiles(server: servers.Ours, profiles: int) -> None:
    """Decide for every profile, so that all are in memory, as they would be after a while."""
    asked = (workload.request("GET", f"/v1/decide?userId=user-{n}&flag=flag_7", server.read) for n in range(profiles))
    await closed_loop(server.port, asked, 16, 120.0, backfill=0.0)


def traffic_names(load: float) -> tuple[str, str]:
    events, decisions = 3000 * load, 1000 * load
    return f"ingest, {events:,.0f} events/s in batches of 30", f"decide, {decisions:,.0f}/s on 16 connections"


async def traffic(server: servers.Ours, profiles: int, seconds: float, load: float, name: str) -> list[Outcome]:
    now = clock.now()
    ingest = open_loop(server.port, workload.batches(server.write, 30, profiles, now, 4, name), 100 * load, seconds)
    decide = open_loop(server.port, workload.decisions(server.read, profiles, 5), 1000 * load, seconds, connections=16)
    return await asyncio.gather(ingest, decide)


async def _until_live(pool: Pool) -> float:
    """Wait for the end of the backfill. Returns the seconds it took."""
    start = time.perf_counter()
    while await _left(pool):  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.05)
    return time.perf_counter() - start


async def _left(pool: Pool) -> int:
    """How many profiles the running backfill has left; 0 if none is running."""
    left = "SELECT max(greatest(total - done, 1)) FROM backfills WHERE finished_at IS NULL"
    return await pool.fetchval(left) or 0


def line(name: str, text: str) -> None:
    print(f"{name:52}{text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.backfill", description=__doc__)
    parser.add_argument("--profiles", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement of live traffic")
    parser.add_argument(
        "--load", type=float, default=1.0, help="live traffic as a share of 3,000 events and 1,000 decisions"
    )
    parser.add_argument("--only", choices=("speed", "beside"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments.profiles, arguments.events, arguments.seconds, arguments.load, arguments.only)


def run(folder: Path, profiles: int, events: int, seconds: float, load: float = 1.0, only: str | None = None) -> None:
    """Run both measurements, or one, on a Postgres of their own in the folder."""
    with EmbeddedPostgres(folder / "pg") as postgres:
        if only != "beside":
            uvloop.run(measure_speed(postgres.dsn, profiles, events))
        else:
            uvloop.run(_write(postgres.dsn, profiles, events))
        if only != "speed":
            servers.pin(1)
            with servers.ours(folder, postgres.dsn) as server:
                uvloop.run(measure_beside(server, profiles, seconds, load))


async def _write(dsn: str, profiles: int, events: int) -> None:
    await prepare(Settings(database_url=dsn), clock.now())
    async with await open_pool(dsn, 1) as pool:
        await write_history(pool, await environment_named(pool, "prod"), profiles, events, clock.now())


if __name__ == "__main__":
    main()
