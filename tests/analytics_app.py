"""The application with its analytics: what is tracked is in ClickHouse when a test asks.

Shape   async with analysing(dsn, engine, clock) as shop: await shop.track(…); answer = await shop.ask({…})
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from application import Application, running
from clickhouse_engine import Engine
from tinycdp.products.analytics.feed import lag
from tinycdp.products.analytics.feed.loop import Feed
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime.clock import Clock


@dataclass
class Analysed:
    """The application, and a feed that follows when it has to."""

    app: Application
    feed: Feed

    async def track(self, *events: dict[str, Any]) -> None:
        """Send events, and copy them."""
        await self.app.track(*events)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Copy all that was committed."""
        await self.app.service.exposures.flush()
        environment = self.app.service.environment(self.app.environment_id)
        await self.feed.step(environment)
        while (await lag.lag(environment)).rows:
            await self.feed.step(environment)

    async def post(self, question: dict[str, Any], **parameters: str) -> httpx.Response:
        """The response to a question."""
        return await self.app.read.post("/v1/analytics/query", json=question, params=parameters)

    async def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question."""
        response = await self.post(question)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


@asynccontextmanager
async def analysing(dsn: str, engine: Engine, now: Clock, **settings: Any) -> AsyncIterator[Analysed]:
    """The application and its feed, on one engine."""
    async with (
        running(dsn, now, data_dir=engine.settings.data_dir, **settings) as app,
        ClickHouse(engine.settings) as clickhouse,
    ):
        feed = Feed(clickhouse, dsn, app.service.pool, now)
        try:
            yield Analysed(app, feed)
        finally:
            await feed._locks.close()
