"""`python -m loadtests.purchases FILE`: a shop's real purchases, compared with plain SQL.

FILE is CSV (or CSV.gz) with the columns customer_id, date, quantity, amount, one row per purchase. The dates are moved
so that the last one is today. The rows are sent shuffled, one in ten twice, in batches at full speed. Then five
segments must have the same members as queries over the same rows."""

import argparse
import asyncio
import codecs
import csv
import gzip
import random
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from loadtests import servers
from loadtests.driver import closed_loop, request
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

#: segment → (its rule, the same question for a table purchases(customer, at, amount), with $1 for now)
QUESTIONS = {
    "recency": (
        "events.purchase.last_days_ago < 90",
        "SELECT customer FROM purchases GROUP BY customer HAVING floor((($1 - max(at)) / 86400000.0)) < 90",
    ),
    "frequency": (
        "events.purchase.count >= 5",
        "SELECT customer FROM purchases GROUP BY customer HAVING count(*) >= 5",
    ),
    "money": (
        "events.purchase.sum(amount, 365d) >= 100",
        "SELECT customer FROM purchases WHERE at > $1 - 365 * 86400000::bigint GROUP BY customer"
        " HAVING sum(amount) >= 100",
    ),
    "windows": (
        "events.purchase.count_30d >= 1 && events.purchase.count(90d..30d) >= 1",
        "SELECT customer FROM purchases GROUP BY customer"
        " HAVING count(*) FILTER (WHERE at > $1 - 30 * 86400000::bigint) >= 1"
        " AND count(*) FILTER (WHERE at > $1 - 90 * 86400000::bigint AND at <= $1 - 30 * 86400000::bigint) >= 1",
    ),
    "days": (
        "events.purchase.unique_days_180d >= 3",
        "SELECT customer FROM purchases WHERE at >= ($1 / 86400000 - 179) * 86400000 GROUP BY customer"
        " HAVING count(DISTINCT at / 86400000) >= 3",
    ),
}

_BATCH = 500
_CONNECTIONS = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.purchases", description=__doc__)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    rows = list(_read(arguments.file))
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        same = uvloop.run(_compare(rows, Path(folder), postgres.dsn))
    sys.exit(0 if same else 1)


def _read(file: Path) -> Iterator[tuple[str, date, Decimal]]:
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as text:
        for row in csv.DictReader(text):
            yield row["customer_id"], date.fromisoformat(row["date"]), Decimal(row["amount"])


async def _compare(rows: list[tuple[str, date, Decimal]], folder: Path, dsn: str) -> bool:
    today = datetime.fromtimestamp(clock.now() / 1000, UTC).date()
    shift = today - max(day for _, day, _ in rows)
    purchases = [(customer, _instant(day + shift), amount) for customer, day, amount in rows]
    with servers.ours(folder, dsn, core=None) as server:
        async with await open_pool(dsn, 2) as pool:
            segments = [{"key": key, "rule": rule} for key, (rule, _) in QUESTIONS.items()]
            await apply_documents(
                Environment(1, pool, clock.now), [{"segments": segments}], Edit("benchmark", clock.now())
            )
        bodies = [request("POST", "/v1/batch", server.write, body) for body in _batches(purchases)]
        started = time.perf_counter()
        outcome = await closed_loop(server.port, iter(bodies), _CONNECTIONS, 600.0, backfill=0.0)
        seconds = time.perf_counter() - started
        sent = len(purchases) + len(purchases) // 10
        print(f"{len(purchases)} purchases, {sent} messages in {seconds:.1f} s: {sent / seconds:,.0f} a second")
        if outcome.failures:
            print(f"rejected: {outcome.statuses}")
            return False
        return await _compare_with_sql(server, purchases)


def _instant(day: date) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return round((midnight - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _batches(purchases: list[tuple[str, int, Decimal]]) -> Iterator[bytes]:
    """Batches of the purchases, shuffled, one in ten twice."""
    draw = random.Random(1)
    events = [
        {
            "type": "track",
            "messageId": f"purchase-{n}",
            "userId": customer,
            "event": "purchase",
            "timestamp": datetime.fromtimestamp(at / 1000, UTC).isoformat(),
            "properties": {"amount": amount},
        }
        for n, (customer, at, amount) in enumerate(purchases)
    ]
    events += draw.sample(events, len(events) // 10)
    draw.shuffle(events)
    encode = msgspec.json.Encoder(decimal_format="number").encode
    for start in range(0, len(events), _BATCH):
        yield encode({"batch": events[start : start + _BATCH]})


async def _compare_with_sql(server: servers.Ours, purchases: list[tuple[str, int, Decimal]]) -> bool:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute("CREATE TEMPORARY TABLE purchases (customer text, at bigint, amount numeric)")
        await connection.copy_records_to_table("purchases", records=purchases)
        events = await connection.fetchval("SELECT count(*) FROM events")
        print(f"{events} events stored, {len(purchases)} expected")
        same = events == len(purchases)
        for key, (rule, sql) in QUESTIONS.items():
            expected = {row[0] for row in await connection.fetch(sql.replace("$1", str(clock.now())))}
            found = await asyncio.to_thread(_members, server, key)
            verdict = "equal" if found == expected else f"{len(found ^ expected)} differ"
            print(f"{key:10} {len(found):6} members, SQL finds {len(expected):6}: {verdict}    {rule}")
            same = same and found == expected
        return same
    finally:
        await connection.close()


def _members(server: servers.Ours, segment: str) -> set[str]:
    """The user ids in the segment's CSV export."""
    address = f"http://127.0.0.1:{server.port}/v1/export/segment/{segment}.csv?columns="
    wanted = urllib.request.Request(address, headers={"Authorization": f"Bearer {server.admin}"})
    with urllib.request.urlopen(wanted) as answer:
        return {row["user_id"] for row in csv.DictReader(codecs.getreader("utf-8")(answer))}


main()
