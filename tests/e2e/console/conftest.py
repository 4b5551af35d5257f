"""Fixtures of the console's tests: a served TinyCDP with the example shop's definitions and some people."""

from collections.abc import AsyncIterator

import pytest
import yaml
from playwright.async_api import Browser

from console import Open, built_console, opening
from serving import READ_KEY, Server, bearer, define, served, until
from tinycdp import resources
from tinycdp.runtime import clock
from tinycdp.times import iso

_HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
async def site(
    request: pytest.FixtureRequest, module_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    """With an engine for analytics if the module has `ANALYTICS`."""
    built_console()
    analytics = getattr(request.module, "ANALYTICS", False)
    with served(tmp_path_factory.mktemp("console"), dsn=module_dsn, analytics=str(analytics).lower()) as running:
        await define(module_dsn, yaml.safe_load(resources.read_text("dsl/examples/shop.yaml")), clock.now())
        now = clock.now()
        clara = {"type": "identify", "userId": "clara", "traits": {"name": "Clara", "country": "DE"}}
        running.batch([clara])
        for n, (event, hours) in enumerate((("purchase", 30), ("cart", 2), ("app_open", 1))):
            properties = {"amount": 40, "category": "tea", "items": n + 1}
            at = iso(now - hours * _HOUR_MS)
            running.track({"userId": "clara", "event": event, "timestamp": at, "properties": properties})
        running.track({"userId": "someone-else", "event": "app_open"})
        if analytics:
            asked = {"kind": "trend", "last": "7d", "series": [{"event": "app_open"}]}

            def copied() -> bool:
                answer = running.http.post("/v1/analytics/query", json=asked, headers=bearer(READ_KEY))
                return answer.status_code == 200 and answer.json()["lines"][0]["total"] == 2

            until(copied)
        yield running


@pytest.fixture
def console(browser: Browser, site: Server) -> Open:
    return opening(browser, site)
