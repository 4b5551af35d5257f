"""Asking in words over HTTP: with the names and values that an environment has."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from serving import ManualClock
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.times import iso

NOON = 1_772_366_400_000  # 2026-03-01T12:00Z


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, ManualClock(NOON)) as analysed:
        yield analysed


def event(user: str, name: str, **properties: Any) -> dict[str, Any]:
    return {"event": name, "userId": user, "timestamp": iso(NOON), "properties": properties}


async def asked(shop: Analysed, text: str, **more: Any) -> dict[str, Any]:
    response = await shop.app.read.post("/v1/analytics/ask", json={"text": text, **more})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_text_is_answered(shop: Analysed) -> None:
    await shop.track(
        event("ada", "purchase", amount=30, shipping={"country": "de"}), event("bob", "purchase", amount=10)
    )
    found = await asked(shop, "revenue per month today")
    assert found["answer"]["lines"][0]["total"] == 40
    assert found["answer"]["asOf"] == iso(NOON)
    assert found["assumed"] == ["the sum of amount", "amount of purchase"]
    again = await asked(shop, found["text"])
    assert again["question"] == found["question"]
    assert again["answer"]["lines"] == found["answer"]["lines"]


async def test_values_of_messages_and_of_the_plan_are_names(shop: Analysed) -> None:
    entry = {"properties": {"channel": {"type": "string", "values": ["newsletter"]}}, "description": "They bought it."}
    planned = await shop.app.admin.put("/v1/registry/plan/order_paid", json=entry)
    assert planned.status_code == 200, planned.text
    await shop.track(event("ada", "order_paid", shipping={"country": "de"}, channel="ads"))
    for text, where in (
        ("de order paid", 'shipping.country == "de"'),
        ("newsletter orders paid", 'channel == "newsletter"'),
    ):
        found = await asked(shop, text, run=False)
        assert found["question"]["series"][0]["where"] == where
        assert (found["ignored"], found["answer"]) == ([], None)
    found = await asked(shop, "how many people bought", run=False)
    assert found["question"]["series"][0]["event"] == "order_paid"


async def test_what_is_not_understood_has_its_place(shop: Analysed) -> None:
    await shop.track(event("ada", "purchase"))
    found = await asked(shop, "frobnicated purchases", run=False)
    (ignored,) = found["ignored"]
    assert (ignored["start"], ignored["end"], ignored["text"]) == (0, 11, "frobnicated")
    found = await asked(shop, "xyzzy")
    assert found["question"] is None
    assert found["answer"] is None
    assert "No event" in found["missing"]


async def test_understanding_needs_no_clickhouse(shop: Analysed) -> None:
    await shop.app.track(event("ada", "purchase"))
    assert (await asked(shop, "purchases", run=False))["question"]["kind"] == "trend"


async def test_a_long_text_is_refused(shop: Analysed) -> None:
    response = await shop.app.read.post("/v1/analytics/ask", json={"text": "a" * 1_001})
    assert response.status_code == 400
    assert response.json()["code"] == "INVALID_QUESTION"
