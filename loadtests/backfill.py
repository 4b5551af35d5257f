"""`python -m loadtests.backfill`: how fast definitions warm up from raw events.

The history is written straight into the tables, in order of arrival and spread over half a year of partitions, as live
traffic would have left it. Then definitions are published and a worker brings everybody up to date: first those of the
other benchmarks over people without any state, then one trait and one segment more beside them."""

import argparse
import cProfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvloop

from loadtests import workload
from tinycdp.model import DAY_MS
from tinycdp.runtime import clock
from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.definitions import apply_documents
from tinycdp.runtime.keys import environment_named
from tinycdp.runtime.postgres import EmbeddedPostgres
from tinycdp.runtime.startup import prepare
from tinycdp.runtime.worker import Worker
from tinycdp.settings import Settings
from tinycdp.store import reads
from tinycdp.store.pool import Pool, open_pool

DAYS = 180
#: What is published, one after the other, and the events that have to be read for it.
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

_PEOPLE = """
WITH new AS (
    INSERT INTO profiles (environment_id, id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state,
                          version)
    SELECT $1, nextval('profile_ids'), $3 || n, $4, $4, $5,
           jsonb_build_object('plan', CASE WHEN n % 3 = 0 THEN 'pro' ELSE 'free' END), '', nextval('versions')
    FROM generate_series(0, $2::int - 1) AS n RETURNING id, bucketing_key)
INSERT INTO aliases (environment_id, kind, value, profile_id, created_at)
SELECT $1, 'userId', bucketing_key, id, $4 FROM new
"""
_EVENTS = """
WITH own AS (SELECT array_agg(id) AS ids FROM aliases WHERE environment_id = $1 AND starts_with(value, $3))
INSERT INTO events (environment_id, alias_id, kind, name, message_id, occurred_at, received_at, clamped, properties,
                    context)
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


async def write_history(pool: Pool, environment_id: int, people: int, events: int, now: int, prefix: str) -> None:
    """So many people with a history up to a moment ago, as if it had arrived as it happened."""
    since, until = now - DAYS * DAY_MS, now - 1000
    async with pool.acquire() as connection:
        await reads.create_partitions(connection, since, DAYS // 30 + 2)
        await connection.execute(_PEOPLE, environment_id, people, prefix, since, until, timeout=600)
        await connection.execute("ANALYZE aliases")
        await connection.execute(_EVENTS, environment_id, events, prefix, since, until, timeout=600)
        await connection.execute("VACUUM ANALYZE events")
        await connection.execute("VACUUM ANALYZE profiles")


async def measure(dsn: str, folder: Path, people: int, events: int, profile: Path | None) -> None:
    settings = Settings(database_url=dsn, data_dir=folder)
    await prepare(settings, clock.now())
    async with await open_pool(dsn, 4) as pool:
        environment_id = await environment_named(pool, "prod")
        await write_history(pool, environment_id, people, events, clock.now(), "user-")
        for name, document, names in PUBLISHES:
            read = await pool.fetchval("SELECT count(*) FROM events WHERE name = ANY ($1)", list(names))
            await apply_documents(pool, environment_id, [document], "benchmark", clock.now())
            worker = Worker(pool, Catalogs(), clock.now)
            watch = cProfile.Profile()
            start = time.perf_counter()
            if profile is not None:
                watch.enable()
            while await worker.warm_up():
                pass
            watch.disable()
            seconds = time.perf_counter() - start
            if profile is not None:
                watch.dump_stats(profile)
                profile = None
            print(
                f"{f'warm up: {name}':52}{read / seconds:>9,.0f} events/s  {people / seconds:>8,.0f} people/s"
                f"  {seconds:6.2f} s",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.backfill", description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--profile", type=Path, help="write where the first warm-up spends its time, for pstats")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        uvloop.run(measure(postgres.dsn, Path(folder), arguments.people, arguments.events, arguments.profile))


if __name__ == "__main__":
    main()
