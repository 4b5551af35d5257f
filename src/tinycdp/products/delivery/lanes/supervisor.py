"""The deliveries of all environments, in the worker process.

Shape   Deliveries(dsn, pool, now, reach).run(stop)
Laws    one process at a time delivers for an environment, by an advisory lock; if the lock's connection is lost, two
        may for a moment, and of these only the newer one moves cursors.
        An environment without destinations costs one read a second
Errors  none: each is logged, once per outage, and the work is repeated
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from tinycdp.model import DAY_MS
from tinycdp.products.delivery.definitions.kinds import KIND
from tinycdp.products.delivery.definitions.schemas import BatchDestination
from tinycdp.products.delivery.destinations import Destination, Destinations
from tinycdp.products.delivery.lanes.batches import BatchLane
from tinycdp.products.delivery.lanes.channels import Channels
from tinycdp.products.delivery.lanes.lane import SCHEDULE, Lane
from tinycdp.products.delivery.log import HappeningLog
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.store import lanes as lane_store
from tinycdp.products.delivery.store import log as store
from tinycdp.runtime.background import EnvironmentLoops, Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import Listener, Waker
from tinycdp.runtime.outbox import NoSuchConsumer, Overtaken
from tinycdp.runtime.ownership import Ownership
from tinycdp.store.database.pool import Pool, acquired

log = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_TOGETHER_SECONDS = 0.02
_ELSEWHERE_SECONDS = 2.0
_AGAIN_SECONDS = 0.25
_TIDY_SECONDS = 60.0
_PRUNED = 10_000
_LOGGED_DAYS, _LOGGED_ROWS = 7, 50_000


class _Running:
    """The log and the lanes of an environment."""

    def __init__(self, environment: Environment, destinations: Destinations) -> None:
        self.environment = environment
        self.log = HappeningLog(environment, destinations)
        self.lanes: dict[int, tuple[Lane | BatchLane, Loop]] = {}
        self.last_seq = 0

    async def stop(self) -> None:
        """Stop all lanes."""
        lanes, self.lanes = self.lanes, {}
        for _, loop in lanes.values():
            await loop.stop()


class Deliveries:
    """Delivers for all environments, as long as it runs. days: how long what happened is kept"""

    def __init__(
        self,
        dsn: str,
        pool: Pool,
        now: Clock,
        reach: Reach,
        *,
        days: int = 30,
        schedule: Sequence[int] = SCHEDULE,
    ) -> None:
        self._pool = pool
        self._now = now
        self._keep_ms = days * DAY_MS
        self._schedule = schedule
        self._channels = Channels(reach)
        self._destinations = Destinations()
        self._locks = Ownership(dsn, store.try_deliver)
        self._running: dict[int, _Running] = {}
        self._loops = EnvironmentLoops("delivery", pool, self._begin)
        self._listener = Listener(dsn, Waker(self.wake, self._loops.wake_all))

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set. What is being sent then is sent again."""
        listening = asyncio.create_task(self._listener.start())
        tidy = Loop("tidying of delivery", self._tidy, _TIDY_SECONDS)
        self._loops.start()
        tidy.start()
        try:
            await stop.wait()
        finally:
            await tidy.stop()
            await self._loops.stop()
            for running in self._running.values():
                await running.stop()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            await self._listener.stop()
            await self._locks.close()
            await self._channels.close()

    def wake(self, environment_id: int) -> None:
        """There is news in an environment; without a lane nothing of it is sent."""
        running = self._running.get(environment_id)
        if running is not None and running.lanes:
            self._loops.wake(environment_id)

    def _begin(self, environment_id: int) -> Loop:
        environment = Environment(environment_id, self._pool, self._now)
        running = self._running[environment_id] = _Running(environment, self._destinations)

        async def work() -> float:
            # What is committed in the meantime is in the same step.
            await asyncio.sleep(_TOGETHER_SECONDS)
            return await self._step(running)

        return Loop(f"delivery of environment {running.environment.id}", work, _IDLE_SECONDS)

    async def _step(self, running: _Running) -> float:
        """Write the log once, and keep one lane per destination."""
        environment = running.environment
        async with acquired(self._pool) as connection:
            destinations = await self._destinations.of(connection, environment.id)
        if not destinations:
            await running.stop()
            return _IDLE_SECONDS
        is_ours = False
        try:
            is_ours = await self._locks.take(environment.id)
        finally:
            if not is_ours:
                await running.stop()
        if not is_ours:
            return _ELSEWHERE_SECONDS
        for destination in destinations:
            if (known := running.lanes.get(destination.id)) is not None:
                if known[0].follow(destination):
                    continue
                await known[1].stop()  # a destination of another type is delivered to in another way
            lane = self._lane_of(environment, destination)
            loop = Loop(f"{KIND} {destination.key}", _of(lane), _IDLE_SECONDS)
            running.lanes[destination.id] = (lane, loop)
            loop.start()
        for id_ in running.lanes.keys() - {one.id for one in destinations}:
            _, loop = running.lanes.pop(id_)
            await loop.stop()
        try:
            step = await running.log.step()
        except Overtaken:
            return _AGAIN_SECONDS
        except NoSuchConsumer:
            return _IDLE_SECONDS
        if step is None:
            return _IDLE_SECONDS
        if step.last_seq != running.last_seq:
            running.last_seq = step.last_seq
            for lane, _ in running.lanes.values():
                lane.wake()
        return 0.0 if step.is_behind else _IDLE_SECONDS

    def _lane_of(self, environment: Environment, destination: Destination) -> Lane | BatchLane:
        if isinstance(destination.document, BatchDestination):
            return BatchLane(environment, destination, self._destinations, self._channels.sinks)
        channel = self._channels.of(destination)
        return Lane(environment, destination, self._destinations, channel, self._schedule)

    async def _tidy(self) -> float | None:
        """Drop what is too old, in batches."""
        now, full = self._now(), False
        for environment_id in list(self._running):
            async with acquired(self._pool) as connection:
                await lane_store.prune_undelivered(connection, environment_id, now - self._keep_ms)
                n = await store.prune_happenings(connection, environment_id, now - self._keep_ms, _PRUNED)
                await lane_store.prune_deliveries(connection, environment_id, now - _LOGGED_DAYS * DAY_MS, _LOGGED_ROWS)
            full |= n >= _PRUNED
        return 0.0 if full else None


def _of(lane: Lane | BatchLane) -> Any:
    """What a loop repeats: the lane, until it fails or is closed."""

    async def work() -> None:
        await lane.run()

    return work
