"""The feed of all environments, in the worker process.

Shape   Feed(clickhouse, dsn, pool, now).run(stop); step(environment) does one batch
Laws    one process at a time feeds an environment, by an advisory lock; if the lock's connection is lost, two may work
        on one batch for a moment, which stores it once.
        Batches are at least INTERVAL_SECONDS apart, unless the feed is behind: then many rows of the outbox become one
        insert of at most EVENTS events.
        While ClickHouse or Postgres is away, the feed waits; nothing else notices
Units   pauses in seconds
Errors  none: each is logged, once per outage, and the batch is repeated
"""

import asyncio
import logging
import time
from datetime import date

from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS, HOUR_MS
from tinycdp.products.analytics.feed import fill, tidying
from tinycdp.products.analytics.feed.apply import EVENTS, apply
from tinycdp.products.analytics.feed.plan import first_rows
from tinycdp.products.analytics.store import source
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.errors import AnalyticsAway
from tinycdp.products.analytics.store.tables import prepare
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.background import EnvironmentLoops, Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import Listener, Waker
from tinycdp.runtime.outbox import Consumer, Lapsed, NoSuchConsumer, Overtaken
from tinycdp.runtime.ownership import Ownership
from tinycdp.store.database.pool import Pool, transaction
from tinycdp.times import day_of

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
#: Exposures do not wake it, and a notification may be lost.
_IDLE_SECONDS = 1.0
_ELSEWHERE_SECONDS = 2.0
_SHORTEST_AWAY_SECONDS = 0.25
_LONGEST_AWAY_SECONDS = 5.0
_TIDY_SECONDS = 600.0
#: CopiedRows of the outbox in one read, at least and at most.
_ROWS = (200, 5_000)
#: Batches at once: each has a connection of the pool while it is read.
_AT_ONCE = 2
#: The lock that the process has which looks after the tables as a whole.
_ALL = 0


class Feed:
    """Feeds ClickHouse, as long as it runs.

    exposure_days  how long exposures are kept"""

    def __init__(self, clickhouse: ClickHouse, dsn: str, pool: Pool, now: Clock, *, exposure_days: int = 400) -> None:
        self._clickhouse = clickhouse
        self._pool = pool
        self._now = now
        self._keep_exposures_ms = exposure_days * DAY_MS
        self._catalogs = Catalogs()
        self._locks = Ownership(dsn, source.try_feed)
        self._loops = EnvironmentLoops("analytics", pool, self._begin)
        self._listener = Listener(dsn, Waker(self._loops.wake, self._loops.wake_all))
        self._complete: set[int] = set()
        self._rows: dict[int, int] = {}
        self._folded_at: dict[int, int] = {}
        self._away_seconds = _SHORTEST_AWAY_SECONDS
        self._deleted_on: date | None = None
        self._prepared = False
        self._preparing = asyncio.Lock()
        self._working = asyncio.Semaphore(_AT_ONCE)
        self._filling = asyncio.Semaphore(1)

    async def run(self, stop: asyncio.Event) -> None:
        """Feed all environments until `stop` is set. Batches in progress are dropped; they are repeated."""
        listening = asyncio.create_task(self._listener.start())
        tidy = Loop("tidying of analytics", self._tidy, _TIDY_SECONDS)
        self._loops.start()
        tidy.start()
        try:
            await stop.wait()
        finally:
            await tidy.stop()
            await self._loops.stop()
            listening.cancel()
            await self._listener.stop()
            await self._locks.close()

    def _begin(self, environment_id: int) -> Loop:
        environment = Environment(environment_id, self._pool, self._now)
        last = -INTERVAL_SECONDS

        async def work() -> float:
            nonlocal last
            # What is committed in the meantime is in the same batch.
            await asyncio.sleep(max(0.0, last + INTERVAL_SECONDS - time.monotonic()))
            last = time.monotonic()
            pause = await self.step(environment)
            if pause == 0:
                last -= INTERVAL_SECONDS
            return pause

        return Loop(f"analytics of environment {environment_id}", work, _IDLE_SECONDS)

    async def step(self, environment: Environment) -> float:
        """Do one batch, if there is one. Returns the seconds until the next step, 0 if more is waiting."""
        try:
            await self._prepare()
            if not await self._locks.take(environment.id):
                self._complete.discard(environment.id)
                return _ELSEWHERE_SECONDS
            pause = await self._step(environment)
            self._away_seconds = _SHORTEST_AWAY_SECONDS
            return pause
        except AnalyticsAway:
            # The client logs the outage. What answers next may be another ClickHouse.
            self._complete.discard(environment.id)
            self._prepared = False
            self._away_seconds = min(self._away_seconds * 2, _LONGEST_AWAY_SECONDS)
            return self._away_seconds
        except Overtaken:
            return _SHORTEST_AWAY_SECONDS
        except (NoSuchConsumer, Lapsed):
            self._complete.discard(environment.id)
            return 0.0
        except Unavailable:
            self._complete.discard(environment.id)
            raise

    async def _prepare(self) -> None:
        """Make the tables, the first time that ClickHouse answers."""
        async with self._preparing:
            if not self._prepared:
                for name in await prepare(self._clickhouse, self._now()):
                    log.info("analytics: applied %s", name)
                self._prepared = True

    async def _step(self, environment: Environment) -> float:
        target = Target(self._clickhouse, environment.id)
        if environment.id not in self._complete or await fill.is_requested(environment):
            if await fill.is_requested(environment) or not await fill.is_complete(target, environment):
                async with self._filling:
                    await fill.fill(target, environment, self._catalogs)
            await target.reload_who()
            self._complete.add(environment.id)
        consumer = Consumer(environment, fill.CONSUMER)
        least, most = _ROWS
        rows = self._rows.get(environment.id, least)
        async with self._working:
            batch = await consumer.read(rows)
            if not batch:
                return _IDLE_SECONDS
            is_behind = len(batch.rows) >= rows
            if not batch.claimed:
                shorter = first_rows(batch, EVENTS)
                is_behind |= len(shorter.rows) < len(batch.rows)
                self._rows[environment.id] = len(shorter.rows) + 1 if shorter is not batch else min(rows * 2, most)
                batch = shorter
                await consumer.claim(batch)
            await apply(target, environment, self._catalogs, batch)
            async with transaction(self._pool) as connection:
                await consumer.acknowledge(connection, batch, self._now())
            await self._fold(target, environment)
        return 0.0 if is_behind else _IDLE_SECONDS

    async def _fold(self, target: Target, environment: Environment) -> None:
        """Write overrides into the events, once an hour, or if they are many."""
        now = self._now()
        is_due = now - self._folded_at.setdefault(environment.id, now) >= HOUR_MS
        if await tidying.fold(target, at_least=1 if is_due else tidying.MOST_OVERRIDES):
            self._folded_at[environment.id] = now

    async def _tidy(self) -> None:
        if not self._prepared or not await self._locks.take(_ALL):
            return
        now = self._now()
        try:
            await tidying.tidy(self._clickhouse, self._pool, now, self._keep_exposures_ms)
            if day_of(now) != self._deleted_on:
                await tidying.delete_for_good(self._clickhouse)
                self._deleted_on = day_of(now)
        except AnalyticsAway:
            return
