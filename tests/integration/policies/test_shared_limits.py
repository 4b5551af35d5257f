"""One count for many processes, in a real Redis; and that its absence rejects no message."""

import asyncio
import subprocess
from collections.abc import AsyncIterator

import pytest

from redis_server import needs_redis
from serving import eventually
from tinycdp.errors import InvalidInput, Overloaded
from tinycdp.runtime.policies import redis_limits
from tinycdp.runtime.policies.limits import Limiter, Limits, Rate
from tinycdp.runtime.policies.redis_limits import RedisMeter

NOW = 1_750_000_000_000


@pytest.fixture
async def meters(redis: tuple[str, "subprocess.Popen[bytes]"]) -> AsyncIterator[list[RedisMeter]]:
    two = [RedisMeter(redis[0]), RedisMeter(redis[0])]

    async def answers() -> bool:
        two[0].retry_now()
        return await two[0].take("ready", Rate(1_000), 1, NOW) == 0

    await eventually(answers)
    yield two
    for one in two:
        await one.close()


async def taken(limiter: Limiter, limits: Limits, n: int, now: int) -> bool:
    try:
        await limiter.admit(limits, 1, 1, n, now)
    except Overloaded:
        return False
    return True


@needs_redis
async def test_processes_have_one_count(meters: list[RedisMeter]) -> None:
    here, there = (Limiter(2, meter) for meter in meters)
    limits = Limits(events=Rate(10, burst=20))
    assert await taken(here, limits, 20, NOW), "all of it for the process that comes first"
    assert not await taken(there, limits, 1, NOW)
    assert not await taken(here, limits, 1, NOW + 99)
    assert await taken(there, limits, 1, NOW + 100)
    with pytest.raises(RuntimeError):
        async with await here.admit(limits, 1, 1, 10, NOW + 1_100):
            raise RuntimeError
    assert await taken(there, limits, 10, NOW + 1_100), "given back by one, free for the other"
    assert not await taken(there, limits, 1, NOW + 1_100)
    assert await taken(here, limits, 500, NOW + 60_000), "larger than a burst"
    assert not await taken(here, limits, 1, NOW + 100_000)


@needs_redis
async def test_one_script_or_the_other_the_answers_are_the_same(meters: list[RedisMeter]) -> None:
    alone, shared = Limiter(), Limiter(1, meters[0])
    limits, now = Limits(events=Rate(7, burst=31)), NOW
    for step in range(300):
        now += step * 37 % 900
        n = step * 13 % 40
        assert await taken(alone, limits, n, now) == await taken(shared, limits, n, now), step


@needs_redis
async def test_without_redis_each_process_has_its_share(
    meters: list[RedisMeter], redis: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    limiter, limits = Limiter(2, meters[0]), Limits(events=Rate(10, burst=20))
    assert await taken(limiter, limits, 20, NOW)
    redis[1].kill()
    redis[1].wait()
    assert await taken(limiter, limits, 10, NOW)
    assert not await taken(limiter, limits, 1, NOW)
    assert await taken(limiter, limits, 5, NOW + 1_000)


async def test_a_redis_that_never_answers_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_limits, "PATIENCE_SECONDS", 0.05)
    asked = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = RedisMeter(f"redis://127.0.0.1:{port}/0")
    try:
        limiter, limits = Limiter(1, meter), Limits(events=Rate(1_000))
        assert [await taken(limiter, limits, 1, NOW) for _ in range(50)] == [True] * 50
        assert asked == 1
    finally:
        await meter.close()
        server.close()
        await server.wait_closed()


def test_an_address_that_is_none_is_said_at_the_start() -> None:
    with pytest.raises(InvalidInput, match="REDIS_URL"):
        RedisMeter("nonsense")
