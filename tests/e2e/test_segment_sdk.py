"""Segment's own Python SDK, unmodified but for its host, changes decisions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from segment.analytics.client import Client

from serving import READ_KEY, WRITE_KEY, Server, bearer, define, served
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

SHOP = {
    "traits": [{"key": "spent", "expression": "events.`Order Completed`.sum(revenue, 90d)"}],
    "segments": [{"key": "whales", "rule": "spent >= 100"}],
    "flags": [
        {"key": "concierge", "rule": 'segment("whales")'},
        {"key": "pro_area", "rule": 'profile.plan == "pro"'},
        {"key": "looked", "rule": "events.page.exists(1h)"},
    ],
}


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all tests: each has people of its own."""
    keys = {"bootstrap_write_key": WRITE_KEY, "bootstrap_read_key": READ_KEY}
    await prepare(Settings(database_url=module_dsn, **keys), clock.now())
    await define(module_dsn, SHOP, clock.now())
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@contextmanager
def segment(server: Server, **options: Any) -> Iterator[Client]:
    """The SDK as an application holds it; on leaving, everything was delivered or the SDK complained."""
    trouble: list[Any] = []
    client = Client(WRITE_KEY, host=server.url, on_error=lambda *error: trouble.append(error), **options)
    try:
        yield client
        client.flush()
        assert not trouble
    finally:
        client.shutdown()


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_an_event_by_the_sdk_changes_a_decision(shop: Server, gzip: bool) -> None:
    user = f"buyer-{gzip}"
    assert not shop.holds("concierge", user)
    with segment(shop, gzip=gzip) as analytics:
        analytics.track(user, "Order Completed", {"revenue": 60.5})
    assert not shop.holds("concierge", user)
    with segment(shop, gzip=gzip) as analytics:
        analytics.track(user, "Order Completed", {"revenue": 39.5})
    assert shop.holds("concierge", user)


def test_traits_pages_and_a_stranger_who_turns_out_to_be_known(shop: Server) -> None:
    with segment(shop) as analytics:
        analytics.page(anonymous_id="tab-1", name="Home")
        analytics.track(anonymous_id="tab-1", event="Order Completed", properties={"revenue": 250})
        analytics.identify("u2", {"plan": "pro"})
    assert shop.holds("pro_area", "u2") and not shop.holds("concierge", "u2")
    with segment(shop) as analytics:
        analytics.identify("u2", {"name": "Ada"}, anonymous_id="tab-1")
    assert shop.holds("concierge", "u2") and shop.holds("looked", "u2")
    with segment(shop) as analytics:
        analytics.alias("u2", "u3")
        analytics.group("u3", "acme", {"employees": 3})
    by_the_new_name = shop.decide("concierge", "u3").json()
    assert by_the_new_name["allow"] and by_the_new_name["profileId"] == shop.decide("looked", "u2").json()["profileId"]


def test_a_wrong_key_reaches_the_sdk_as_an_error(shop: Server) -> None:
    trouble: list[Exception] = []
    client = Client("no-such-key-anywhere", host=shop.url, on_error=lambda e, batch: trouble.append(e), max_retries=1)
    client.track("u1", "Order Completed", {"revenue": 500})
    client.flush()
    client.shutdown()
    assert len(trouble) == 1 and "INVALID_KEY" in str(trouble[0])
    assert shop.http.get("/v1/decide?userId=u1&flag=concierge", headers=bearer(READ_KEY)).json()["allow"] is False
