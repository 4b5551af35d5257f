"""Enrichment as clients meet it: through HTTP, into traits and decisions."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from application import KEYS, Application, running
from tinycdp.runtime.ingest.pipeline import address_of

SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def stored(app: Application, user: str) -> dict[str, Any]:
    events = (await app.admin.get(f"/v1/journeys/{user}")).json()["events"]
    properties: dict[str, Any] = events[0]["properties"]
    return properties


async def test_expressions_read_what_was_added(app: Application) -> None:
    await app.define("flag", key="beta", rule='events.page.where(_device == "mobile" && _country == "US").exists(7d)')
    page = {"type": "page", "userId": "ada", "context": {"userAgent": SAFARI, "ip": "8.8.8.8"}}
    answer = await app.write.post("/v1/batch", json={"batch": [page, {**page, "userId": "bob", "context": {}}]})
    assert answer.json()["accepted"] == 2
    for user, allow in (("ada", True), ("bob", False)):
        decision = (await app.read.get("/v1/decide", params={"userId": user, "flag": "beta"})).json()
        assert decision["allow"] is allow


@pytest.mark.parametrize(
    ("headers", "context", "country"),
    [
        ({"Origin": "https://shop.example"}, {}, "DE"),
        ({}, {}, None),
        ({}, {"direct": True}, "DE"),
        ({"Origin": "https://shop.example"}, {"ip": "8.8.8.8"}, "US"),
    ],
)
async def test_whose_address_counts(
    app: Application, headers: dict[str, str], context: dict[str, Any], country: str | None
) -> None:
    transport = httpx.ASGITransport(app.litestar, client=("91.12.3.4", 1234))
    auth = {"Authorization": f"Bearer {KEYS['write']}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=auth) as client:
        body = {"userId": "ada", "event": "app_open", "context": context}
        assert (await client.post("/v1/track", json=body, headers=headers)).status_code == 200
    assert (await stored(app, "ada")).get("_country") == country


async def test_a_policy_switches_parts_off_and_the_address_is_not_kept(app: Application) -> None:
    await app.admin.put("/v1/admin/policies/enrichment", json={"country": False, "localTime": True})
    await app.track({"userId": "ada", "event": "app_open", "context": {"ip": "8.8.8.8", "timezone": "Asia/Tokyo"}})
    properties = await stored(app, "ada")
    assert "_country" not in properties
    assert properties.keys() == {"_hour", "_weekday"}
    async with app.service.pool.acquire() as connection:
        assert await connection.fetchval("SELECT context::text FROM events") == '{"timezone": "Asia/Tokyo"}'


@pytest.mark.parametrize(
    ("forwarded", "trusted", "address"),
    [
        ("", 0, "10.0.0.9"),
        ("1.1.1.1", 0, "10.0.0.9"),  # no proxy in front: any client may write this header
        ("9.9.9.9, 1.1.1.1", 1, "1.1.1.1"),
        ("9.9.9.9, 1.1.1.1, 10.0.0.1", 2, "1.1.1.1"),
        ("1.1.1.1", 2, "1.1.1.1"),
        ("", 1, "10.0.0.9"),
        ("nonsense", 1, "10.0.0.9"),
    ],
)
def test_proxies_are_believed_as_far_as_they_are_ours(forwarded: str, trusted: int, address: str) -> None:
    assert address_of("10.0.0.9", forwarded, trusted) == address
