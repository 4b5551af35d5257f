"""Eighteen months of a shop's purchases: the answers over HTTP are those of a plain computation over the rows.

The purchases are invented, in the shape of the CDNOW data of the customer-lifetime literature: customers of one
quarter, half of whom buy once. Set PURCHASES_CSV to a file (CSV or CSV.gz) with the columns customer_id, date and
amount to ask the same of real ones.
"""

import csv
import gzip
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from serving import ManualClock
from tinycdp.products.analytics.store.clickhouse import ClickHouse

FIRST = date(2021, 1, 1)
YEAR = {"from": "2021-01-01", "to": "2022-01-01"}
LONGEST = {"from": "2021-01-01", "to": str(FIRST + timedelta(days=400))}
WITHIN = timedelta(days=30)
LARGE = 50
REAL = os.environ.get("PURCHASES_CSV", "")
Row = tuple[str, date, Decimal]


def invented() -> Iterator[Row]:
    draw = random.Random(7)
    for number in range(500):
        day = FIRST + timedelta(days=draw.randrange(84))
        times = 1 if draw.random() < 0.5 else 1 + min(int(draw.paretovariate(0.9)), 40)
        for _ in range(times):
            for _ in range(2 if draw.random() < 0.1 else 1):
                yield f"customer-{number}", day, Decimal(draw.randrange(500, 9_000)) / 100
            day += timedelta(days=1 + int(draw.expovariate(1 / 60)))


def real() -> Iterator[Row]:
    path = Path(REAL)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        for row in csv.DictReader(text):
            yield row["customer_id"], date.fromisoformat(row["date"]), Decimal(row["amount"])


@dataclass
class Shop:
    """The rows, and an application that was sent them."""

    rows: list[Row]
    analysed: Analysed
    today: date

    async def ask(self, **question: Any) -> Any:
        response = await self.analysed.post(question)
        assert response.status_code == 200, response.text
        return json.loads(response.text, parse_float=Decimal)

    def of(self, span: dict[str, str]) -> list[Row]:
        """The rows in a range."""
        since, until = date.fromisoformat(span["from"]), date.fromisoformat(span["to"])
        return [row for row in self.rows if since <= row[1] < until]

    def days_of(self) -> dict[str, list[tuple[date, Decimal]]]:
        """The purchases of each customer, in order."""
        found = defaultdict(list)
        for customer, day, amount in sorted(self.rows):
            found[customer].append((day, amount))
        return found


@pytest.fixture(params=[invented, *([real] if REAL else [])], ids=lambda source: source.__name__)
async def shop(request: Any, dsn: str, engine: Engine, clickhouse: ClickHouse) -> Any:
    """Sent shuffled, one in ten twice."""
    rows = list(request.param())
    events = [
        {
            "messageId": f"purchase-{n}",
            "userId": customer,
            "event": "purchase",
            "timestamp": f"{day}T00:00:00Z",
            "properties": {"amount": float(amount)},
        }
        for n, (customer, day, amount) in enumerate(rows)
    ]
    draw = random.Random(1)
    events += draw.sample(events, len(events) // 10)
    draw.shuffle(events)
    today = max(day for _, day, _ in rows) + timedelta(days=1)
    clock = ManualClock(int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp()) * 1000)
    async with analysing(dsn, engine, clock) as analysed:
        for start in range(0, len(events), 500):
            await analysed.app.track(*events[start : start + 500])
        await analysed.catch_up()
        yield Shop(rows, analysed, today)


async def test_daily_active_people(shop: Shop) -> None:
    buyers: dict[date, set[str]] = defaultdict(set)
    for customer, day, _ in shop.of(LONGEST):
        buyers[day].add(customer)
    expected = [len(buyers[FIRST + timedelta(days=n)]) for n in range(400)]
    assert sum(expected) > 500
    series = [{"event": "purchase", "measure": "people"}]
    trend = await shop.ask(kind="trend", series=series, **LONGEST)
    assert trend["lines"][0]["values"] == expected
    assert trend["lines"][0]["total"] == len({customer for customer, _, _ in shop.of(LONGEST)})
    active = await shop.ask(kind="active", event="purchase", days=[1, 30], **LONGEST)
    assert active["lines"][0]["values"] == expected
    monthly = [set().union(*(buyers[FIRST + timedelta(days=n - k)] for k in range(30))) for n in range(400)]
    assert active["lines"][1]["values"] == [len(found) for found in monthly]


async def test_monthly_revenue(shop: Shop) -> None:
    revenue: Counter[str] = Counter()
    for _, day, amount in shop.of(YEAR):
        revenue[f"{day:%Y-%m}"] += amount  # type: ignore[assignment]
    series = [{"event": "purchase", "measure": "sum", "property": "amount"}]
    answer = await shop.ask(kind="trend", bucket="month", series=series, **YEAR)
    assert len(revenue) == 12
    assert answer["lines"][0]["values"] == [revenue[month] for month in sorted(revenue)]
    assert answer["lines"][0]["total"] == sum(amount for _, _, amount in shop.of(YEAR))


async def test_first_time_retention_by_month(shop: Shop) -> None:
    def month(day: date) -> int:
        return (day.year - FIRST.year) * 12 + day.month - 1

    people: Counter[int] = Counter()
    back: dict[int, Counter[int]] = defaultdict(Counter)
    for purchases in shop.days_of().values():
        first = purchases[0][0]
        people[month(first)] += 1
        back[month(first)].update({month(day) - month(first) for day, _ in purchases if day > first})
    purchase = {"event": "purchase"}
    answer = await shop.ask(
        kind="retention", start=purchase, returns=purchase, bucket="month", cohort="first_time", periods=12, **YEAR
    )
    (group,) = answer["groups"]
    found = [(cohort["people"], [cell["people"] for cell in cohort["cells"]]) for cohort in group["cohorts"]]
    assert found == [(people[n], [back[n][k] for k in range(12)]) for n in range(12)]
    assert sum(people.values()) > 300 and back[0][6] > 5
    complete = [[cell["complete"] for cell in cohort["cells"]] for cohort in group["cohorts"]]
    assert complete == [[month(shop.today) > n + k for k in range(12)] for n in range(12)]


async def test_a_funnel_of_two_steps(shop: Shop) -> None:
    """A purchase in the year, then a large one within thirty days."""
    expected: Counter[str] = Counter()
    for purchases in shop.days_of().values():
        starts = [(n, day) for n, (day, _) in enumerate(purchases) if day < date.fromisoformat(YEAR["to"])]
        if not starts:
            continue
        converts = any(
            m != n and amount >= LARGE and timedelta(0) <= later - day < WITHIN
            for n, day in starts
            for m, (later, amount) in enumerate(purchases)
        )
        unfinished = any(day + WITHIN > shop.today for _, day in starts)
        expected["converted" if converts else "inProgress" if unfinished else "dropped"] += 1
    assert min(expected["converted"], expected["dropped"]) > 50
    steps = [{"event": "purchase"}, {"event": "purchase", "where": f"amount >= {LARGE}"}]
    answer = await shop.ask(kind="funnel", steps=steps, within="30d", **YEAR)
    (group,) = answer["groups"]
    assert {status: group[status] for status in ("converted", "inProgress", "dropped")} == {
        status: expected[status] for status in ("converted", "inProgress", "dropped")
    }
    assert group["reached"] == expected.total()


def test_what_is_invented_has_the_shape() -> None:
    rows = list(invented())
    times = Counter(customer for customer, _, _ in rows)
    assert 0.35 < sum(n == 1 for n in times.values()) / len(times) < 0.6
    assert len({(customer, day) for customer, day, _ in rows}) < len(rows), "two purchases on one day"
    assert max(day for _, day, _ in rows) > FIRST + timedelta(days=540)
