"""`make bench-analytics`: questions against SQL written by hand, and what their tables take.

Each question is compiled as over HTTP and run on the embedded engine beside hand-written SQL of the same meaning, in
turns, over the same events of the load generator's shape. The ratios compare processor time, which hardly depends on
other load on the machine."""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from loadtests import analytics_feed, servers
from tinycdp.dsl.check.expressions import Scope
from tinycdp.model import DAY_MS
from tinycdp.products.analytics import endpoint
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.tables import prepare
from tinycdp.runtime import clock
from tinycdp.settings import Settings, to_environ

#: 2026-03-01T00:00Z: the first of the thirty days that have events.
START = 1_772_323_200_000
DAYS = 30
_RANGE = {"from": "2026-03-01", "to": "2026-03-31"}
_WEEKS = {"from": "2026-03-02", "to": "2026-03-30"}
_PART = 1_000_000

# What the load generator sends: four names, an amount and a category. A person is often the same.
_FILL = """
INSERT INTO events (environment_id, id, name, kind, occurred_at, received_at, active, identifier_id, profile_id,
                    stored_profile_id, message_id, properties, context)
SELECT 1, number + 1, ['app_open', 'product_viewed', 'product_viewed', 'purchase'][rand(1) % 4 + 1], 'track',
       fromUnixTimestamp64Milli({start:Int64} + toInt64(rand64(2) % {length:UInt64}), 'UTC') AS at, at, true,
       rand(3) % {people:UInt32} + 1 AS who, who, who, concat('batch-', toString(number)),
       concat('{"amount": ', toString(rand(4) % 8900 / 100 + 1), ', "category": "',
              ['books', 'music', 'garden', 'games'][rand(5) % 4 + 1], '"}'), '{}'
FROM numbers({first:UInt64}, {rows:UInt64})
"""
_IN_RANGE = "environment_id = 1 AND occurred_at >= '2026-03-01 00:00:00' AND occurred_at < '2026-03-31 00:00:00'"
_IN_WEEKS = "environment_id = 1 AND occurred_at >= '2026-03-02 00:00:00' AND occurred_at < '2026-03-30 00:00:00'"
_FUNNEL = """
SELECT level, count() FROM (
  SELECT profile_id, windowFunnel(604799999)(toUInt64(toUnixTimestamp64Milli(occurred_at)), name = 'app_open',
                                             name = '{second}', name = 'purchase') AS level
  FROM events WHERE {where} AND name IN ('app_open', '{second}', 'purchase') GROUP BY profile_id
) GROUP BY level
"""


@dataclass(frozen=True)
class Pair:
    """A question and SQL of the same meaning. most: the promised ratio of their processor times."""

    name: str
    question: dict[str, Any]
    sql: str
    most: float
    merged: bool = False


def _trend(**series: Any) -> dict[str, Any]:
    return {"kind": "trend", "series": [{"event": "purchase", **series}], **_RANGE}


_PEOPLE_PER_DAY = (
    f"SELECT toDate(occurred_at) AS day, uniqExact(profile_id) FROM events WHERE {_IN_RANGE} AND name = 'purchase' "
    "GROUP BY day WITH TOTALS"
)
_VIEWS = {"event": "product_viewed"}
_ORDERS = {"event": "purchase"}
_OF_WEEKS = (
    "SELECT profile_id, groupUniqArray(toStartOfWeek(occurred_at, 1)) AS weeks, min(occurred_at) AS first "
    "FROM events WHERE environment_id = 1 AND name = 'purchase' AND occurred_at < '2026-03-30 00:00:00' "
    "GROUP BY profile_id"
)
#: The ten largest groups, the rest, and the total of each; text and numbers apart.
_BY_CATEGORY = f"""
WITH read AS (
  SELECT toDate(occurred_at) AS day,
    coalesce(concat('"', properties.category.:String), concat('#', toString(properties.category.:Int64)),
             concat('#', toString(properties.category.:Float64))) AS value
  FROM events WHERE {_IN_RANGE} AND name = 'purchase'
), shown AS (SELECT value FROM read GROUP BY value ORDER BY count() DESC, value LIMIT 10)
SELECT multiIf(value IS NULL, 'unknown', value IN shown, value, 'other') AS group, day, count() FROM read
GROUP BY ROLLUP(group, day)
"""
PAIRS = (
    Pair(
        "trend: events a day, filtered",
        _trend(where='category == "books"'),
        f"SELECT toDate(occurred_at) AS day, count() FROM events WHERE {_IN_RANGE} AND name = 'purchase' "
        "AND properties.category.:String = 'books' GROUP BY day WITH TOTALS",
        1.3,
    ),
    Pair(
        "trend: sum of a property a day",
        _trend(measure="sum", property="amount"),
        "SELECT toDate(occurred_at) AS day, sum(toDecimal128OrNull(toString(properties.amount), 9)) FROM events "
        f"WHERE {_IN_RANGE} AND name = 'purchase' GROUP BY day WITH TOTALS",
        1.3,
    ),
    Pair(
        "trend: events a day by category",
        _trend() | {"breakdown": {"property": "category"}},
        _BY_CATEGORY,
        1.3,
    ),
    Pair(
        "trend: events a day by amount",
        _trend() | {"breakdown": {"property": "amount"}},
        _BY_CATEGORY.replace("category", "amount"),
        1.3,
    ),
    Pair("people a day", _trend(measure="people"), _PEOPLE_PER_DAY, 1.3),
    Pair("people a day, some of whom merged", _trend(measure="people"), _PEOPLE_PER_DAY, 1.8, merged=True),
    Pair(
        "people of 30 days, against a row per day and window",
        {"kind": "active", "event": "purchase", "days": [30], **_RANGE},
        "SELECT toDate(occurred_at) + arrayJoin(range(30)) AS day, uniqExact(profile_id) FROM events "
        f"WHERE {_IN_RANGE} AND name = 'purchase' GROUP BY day",
        0.2,
    ),
    Pair(
        "retention by week",
        {"kind": "retention", "start": _ORDERS, "returns": _ORDERS, "bucket": "week", "periods": 4, **_WEEKS},
        "SELECT toStartOfWeek(first, 1) AS cohort, arrayJoin(weeks) AS week, count() FROM (\n"
        "  SELECT profile_id, min(occurred_at) AS first, groupArray(occurred_at) AS instants,\n"
        "    arrayDistinct(arrayMap(x -> toStartOfWeek(x, 1), arrayFilter(x -> x > first, instants))) AS weeks\n"
        "  FROM events WHERE environment_id = 1 AND name = 'purchase' GROUP BY profile_id\n) GROUP BY cohort, week",
        1.3,
    ),
    Pair(
        "lifecycle by week",
        {"kind": "lifecycle", "event": "purchase", **_WEEKS},
        "SELECT week, multiIf(week = toStartOfWeek(first, 1), 'new', has(weeks, week - 7), 'returning',\n"
        "  'resurrecting') AS state, count() FROM (\n"
        f"  SELECT weeks, first, arrayJoin(weeks) AS week FROM (\n  {_OF_WEEKS}\n  )\n) GROUP BY week, state",
        1.3,
    ),
    Pair(
        "funnel, plain",
        {"kind": "funnel", "steps": [{"event": "app_open"}, _VIEWS, _ORDERS], "within": "7d", **_RANGE},
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE),
        1.3,
    ),
    Pair(
        "funnel, a step with a window of its own",
        {
            "kind": "funnel",
            "steps": [{"event": "app_open"}, _VIEWS, _ORDERS | {"within": "1d"}],
            "within": "7d",
            **_RANGE,
        },
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE),
        5.0,
    ),
    Pair(
        "funnel, in any order",
        {"kind": "funnel", "steps": [{"event": "app_open"}, _VIEWS, _ORDERS], "order": "any", **_RANGE},
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE),
        5.0,
    ),
    Pair(
        "funnel, by category",
        {
            "kind": "funnel",
            "steps": [{"event": "app_open"}, _VIEWS, _ORDERS],
            "within": "7d",
            "breakdown": {"property": "category"},
            **_RANGE,
        },
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE),
        5.0,
    ),
    Pair(
        "funnel, by amount",
        {
            "kind": "funnel",
            "steps": [{"event": "app_open"}, _VIEWS, _ORDERS],
            "within": "7d",
            "breakdown": {"property": "amount"},
            **_RANGE,
        },
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE),
        5.0,
    ),
    Pair(
        "funnel, one category along the way",
        {
            "kind": "funnel",
            "steps": [{"event": "app_open"}, _VIEWS, _ORDERS],
            "hold": ["category"],
            "within": "7d",
            **_RANGE,
        },
        _FUNNEL.format(second="product_viewed", where=_IN_RANGE).replace(
            "GROUP BY profile_id", "GROUP BY profile_id, toString(properties.category)"
        ),
        5.0,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.analytics", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="the best round counts")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the measurement beside live traffic")
    parser.add_argument("--only", choices=("questions", "feed", "beside"))
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    print(
        f"commit {commit.stdout.strip() or 'unknown'} · Python {platform.python_version()} · {len(servers.CORES)} cores"
    )
    if arguments.only in (None, "questions"):
        with tempfile.TemporaryDirectory() as folder:
            uvloop.run(_questions(Path(folder), arguments.events, arguments.people, arguments.rounds))
    if arguments.only in (None, "feed"):
        with tempfile.TemporaryDirectory() as folder, engine(Path(folder)) as (settings, pid):
            uvloop.run(analytics_feed.measure(Path(folder), settings, pid, min(arguments.events // 10, 500_000)))
    if arguments.only in (None, "beside"):
        with tempfile.TemporaryDirectory() as folder:
            uvloop.run(analytics_feed.beside(Path(folder), arguments.seconds))


@contextmanager
def engine(folder: Path) -> Iterator[tuple[Settings, int]]:
    """A running `tinycdp analytics`: its settings and its process."""
    settings = Settings(data_dir=folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "tinycdp", "analytics"], env=dict(os.environ) | to_environ(settings)
    )
    try:
        while endpoint.read(settings) is None:
            if process.poll() is not None:
                raise RuntimeError(f"the engine exited with {process.returncode}")
            time.sleep(0.05)
        yield settings, process.pid
    finally:
        process.terminate()
        process.wait(30)


async def _questions(folder: Path, events: int, people: int, rounds: int) -> None:
    with engine(folder) as (settings, pid):
        async with ClickHouse(settings) as clickhouse:
            await prepare(clickhouse, clock.now())
            await asyncio.sleep(3)
            _line("memory, idle and empty", f"{_resident(pid):>8,.0f} MB", "500 MB")
            await _fill(clickhouse, events, people)
            await asyncio.sleep(10)
            _line(f"memory, idle with {events:,} events", f"{_resident(pid):>8,.0f} MB", "500 MB")
            ((size, rows),) = await clickhouse.query(
                "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND table = 'events'"
            )
            _line("disk", f"{size / rows:>8.1f} bytes an event", "40")
            print(f"{'':52}{'question':>10}{'by hand':>10}{'ratio':>8}  promised")
            for pair in PAIRS:
                await _compare(clickhouse, pid, pair, rounds)
            _line("memory, the most while answering", f"{_resident(pid, 'VmHWM'):>8,.0f} MB")


async def _fill(clickhouse: ClickHouse, events: int, people: int) -> None:
    for first in range(0, events, _PART):
        await clickhouse.command(
            _FILL,
            {
                "start": START,
                "length": DAYS * DAY_MS,
                "people": people,
                "first": first,
                "rows": min(_PART, events - first),
            },
        )
    # One identifier in fifty belongs to another person now.
    await clickhouse.command(
        "INSERT INTO overrides SELECT 1, number * 50 + 1, number * 50 + 2, 1 FROM numbers({n:UInt64})",
        {"n": people // 50},
    )
    await clickhouse.command("SYSTEM RELOAD DICTIONARY who")


async def _compare(clickhouse: ClickHouse, pid: int, pair: Pair, rounds: int) -> None:
    world = World(1, "UTC", START + DAYS * DAY_MS, pair.merged, Scope())
    question: Question = msgspec.convert(pair.question, Question)
    compiled = compile_question(question, world)
    ours, theirs = [], []
    for _ in range(rounds):
        before = servers.own_cpu_seconds(pid)
        for one in compiled.statements:
            await clickhouse.query(one.sql, one.parameters)
        between = servers.own_cpu_seconds(pid)
        await clickhouse.query(pair.sql)
        ours.append(between - before)
        theirs.append(servers.own_cpu_seconds(pid) - between)
    ratio = min(ours) / min(theirs) if min(theirs) else float("nan")
    verdict = "" if ratio <= pair.most else "  MISSED"
    print(f"{pair.name:52}{min(ours):>8.3f} s{min(theirs):>8.3f} s{ratio:>8.2f}  {pair.most}{verdict}", flush=True)


def _resident(pid: int, field: str = "VmRSS") -> float:
    """Memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1000
    return float("nan")


def _line(name: str, text: str, promised: str = "") -> None:
    print(f"{name:52}{text}" + (f"  promised: {promised}" if promised else ""), flush=True)


if __name__ == "__main__":
    main()
