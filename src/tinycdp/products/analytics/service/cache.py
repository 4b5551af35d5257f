"""The cache of answers: an answer is used again only if nothing that it read has changed.

Shape   AnswerCache(most_bytes, redis).get(key) → Entry or None · put(key, entry)
Laws    a key holds the environment's secret and the release: installations and releases that share one Redis do not
        share answers. What cannot be read is no entry.
        In the memory of this process, and in Redis for all processes where there is one. Without Redis, or while it is
        away, questions are answered anew
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from cachetools import LRUCache

from tinycdp import __version__
from tinycdp.model import DAY_MS, Instant
from tinycdp.outages import Outage
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.world import Reads

MEMORY_BYTES = 32 * 2**20
_LONGEST_BYTES = 4 * 2**20
#: How long an answer waits for Redis, and for how long Redis is not asked after a failure.
_PATIENCE_SECONDS = 0.25
_PAUSE_SECONDS = 5.0

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """An answer, and what has to stay unchanged for it to be true.

    position     everything up to it is in the answer
    holds_until  the first instant at which time alone may change it"""

    answer: Answer
    reads: Reads
    position: int
    holds_until: Instant


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def key_of(*parts: Any) -> str:
    """A key of the cache, of the question and all that its meaning depends on."""
    return blake2b(msgspec.json.encode((__version__, *parts)), digest_size=16).hexdigest()


class AnswerCache:
    """Entries by key, the least recently used dropped first."""

    def __init__(self, most_bytes: int = MEMORY_BYTES, redis_url: str | None = None) -> None:
        self._memory: LRUCache[str, bytes] = LRUCache(most_bytes, getsizeof=len)
        self._redis: Any = None
        self._failures: tuple[type[Exception], ...] = (OSError, TimeoutError)
        if redis_url is not None:
            from redis.asyncio import Redis  # noqa: PLC0415 - slow to import, and optional
            from redis.exceptions import RedisError  # noqa: PLC0415

            self._failures += (RedisError,)
            seconds = _PATIENCE_SECONDS
            self._redis = Redis.from_url(redis_url, socket_timeout=seconds, socket_connect_timeout=seconds)
        self._away_until = 0.0
        self._outage = Outage("Redis")

    async def get(self, key: str) -> Entry | None:
        """The entry; whether it is still true is for the caller to find out."""
        data: bytes | str | None = self._memory.get(key)
        if data is None and self._redis is not None:
            data = await self._asked(self._redis.get(_name(key)))
            if isinstance(data, bytes):
                self._keep(key, data)
        with contextlib.suppress(msgspec.MsgspecError):
            return _decode(data) if isinstance(data, bytes) else None
        return None

    async def put(self, key: str, entry: Entry) -> None:
        """Keep an entry."""
        data = _encode(entry)
        if len(data) > _LONGEST_BYTES:
            return
        self._keep(key, data)
        if self._redis is not None:
            await self._asked(self._redis.set(_name(key), data, px=DAY_MS))

    async def close(self) -> None:
        """Close the connection to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _keep(self, key: str, data: bytes) -> None:
        if len(data) <= self._memory.maxsize:
            self._memory[key] = data

    async def _asked(self, command: Awaitable[T]) -> T | None:
        """What Redis answers; None while it is away."""
        if time.monotonic() < self._away_until:
            if asyncio.iscoroutine(command):
                command.close()
            return None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await command
        except self._failures as failure:
            self._outage.noticed(failure, "other processes do not share their answers")
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            return None
        self._outage.ended()
        return found


def _name(key: str) -> str:
    return f"tinycdp:answer:{key}"
