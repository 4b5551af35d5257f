"""Answers shared in Redis: by the processes of one installation, and by no other."""

import subprocess
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from analytics_app import analysing
from clickhouse_engine import Engine
from redis_server import needs_redis
from serving import ManualClock, eventually
from tinycdp.products.analytics.store.clickhouse import ClickHouse

NOON = 1_772_366_400_000  # 2026-03-01T12:00Z
PURCHASES = {"kind": "trend", "from": "2026-03-01", "to": "2026-03-02", "series": [{"event": "purchase"}]}


async def _answering(url: str) -> Redis:
    client = Redis.from_url(url)

    async def answers() -> bool:
        try:
            return bool(await client.ping())
        except RedisError:
            return False

    await eventually(answers)
    return client


@needs_redis
async def test_processes_share_answers_and_installations_do_not(
    dsn: str, engine: Engine, clickhouse: ClickHouse, redis: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    url, _ = redis
    client, clock = await _answering(url), ManualClock(NOON)

    async def computed(change: Callable[..., Awaitable[object]] | None = None) -> str:
        """When the answer of a new process was computed."""
        async with analysing(dsn, engine, clock, redis_url=url) as shop:
            if change is not None:
                await change(shop)
            await shop.catch_up()
            found: str = (await shop.ask(PURCHASES))["computedAt"]
            return found

    async def another_installation(shop: object) -> None:
        pool = shop.app.service.pool  # type: ignore[attr-defined]
        await pool.execute("UPDATE environments SET secret = sha256(secret)")

    first = await computed()
    clock.now += 1_000
    assert await computed() == first
    for key in await client.keys("tinycdp:answer:*"):  # as another release might have written it
        await client.set(key, b"not an entry")
    second = await computed()
    assert second != first
    clock.now += 1_000
    assert await computed() == second
    assert await computed(another_installation) != second
    await client.aclose()
