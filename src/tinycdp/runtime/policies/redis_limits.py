"""Token buckets of API keys in Redis, shared by all processes.

Shape   RedisMeter(url).take(…) implements limits.Meter with one script and one round trip
Units   Levels are thousandths of an event, so a refill per millisecond is a whole number.
Laws    If Redis is slow or unreachable it is not asked for PAUSE_SECONDS; meanwhile each process applies its own share,
        and nothing is rejected because of it. Losing the data of Redis only refills the buckets.
Errors  InvalidInput SETTING_INVALID for an invalid URL
Source  docs/decisions/0026-limits.md
"""

import asyncio
import time

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.outages import Outage
from tinycdp.runtime.policies.limits import Rate

PAUSE_SECONDS = 5.0
#: How long a request waits for Redis.
PATIENCE_SECONDS = 0.25

# KEYS[1] the bucket; ARGV: events a second, events of a full bucket, events to take (negative: to give back), now in ms
_TAKE = """
local rate, size = tonumber(ARGV[1]), ARGV[2] * 1000
local price, now = ARGV[3] * 1000, tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'spent', 'at')
local spent, at = tonumber(kept[1]) or 0, tonumber(kept[2]) or now
if now > at then
    spent, at = math.max(0, spent - (now - at) * rate), now
end
local missing = spent + math.min(price, size) - size
if price > 0 and missing > 0 then
    return math.ceil(missing / rate)
end
spent = math.max(0, spent + price)
redis.call('HSET', KEYS[1], 'spent', string.format('%.0f', spent), 'at', string.format('%.0f', at))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', spent / rate + 1000))
return 0
"""


class RedisMeter:
    """A meter in Redis. `prefix` separates installations that share one Redis."""

    def __init__(self, url: str, prefix: str = "tinycdp") -> None:
        try:
            self._redis = Redis.from_url(url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
        except ValueError as wrong:
            raise InvalidInput("SETTING_INVALID", f"REDIS_URL: {wrong}", name="REDIS_URL") from None
        self._script = self._redis.register_script(_TAKE)
        self._prefix = prefix
        self._away_until = 0.0
        self._outage = Outage("Redis")

    async def take(self, name: str, rate: Rate, n: int, now: Instant) -> int | None:
        """Take n tokens, as `limits.Meter`; None while Redis is unreachable."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                wait_ms = await self._script(
                    keys=[f"{self._prefix}:limit:{name}"], args=[rate.per_second, rate.most, n, now]
                )
        except (RedisError, OSError, TimeoutError) as error:
            self._outage.noticed(error, "each process applies its own share of a limit")
            self._away_until = time.monotonic() + PAUSE_SECONDS
            return None
        self._outage.ended()
        return int(wait_ms)

    def retry_now(self) -> None:
        """End the pause after a failure."""
        self._away_until = 0.0

    async def close(self) -> None:
        await self._redis.aclose()
