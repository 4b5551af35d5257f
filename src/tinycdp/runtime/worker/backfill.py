"""A revision warms up: every profile gets the state and memberships it asks for, from raw events where it must be.

Shape   WarmUp.step(environment) does one batch, and makes the revision live after the last; wait_until_live lends a
        hand until a revision serves. A batch is read and computed without a lock; then those profiles that nobody
        touched meanwhile are written in one short transaction, and the few others again under their locks
Units   durations in seconds; batches in profiles; a rate in profiles a second
Laws    any number of processes may run: one at a time works on an environment. What is written is right, whatever was
        sent, merged or published since it was read. Killed at any instant, it goes on where it was.
        While there is other work it works for `share` percent of the time and rests for the others; alone it never does
Source  docs/decisions/0009-live-and-next.md, docs/decisions/0016-backfill.md
"""

import asyncio
import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions import publish
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import Progress, progress_of
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import storage as profiles
from tinycdp.store import definitions as definition_store
from tinycdp.store import messages as store
from tinycdp.store.pool import Connection, Pool, acquired, frozen

log = logging.getLogger(__name__)

#: How many profiles a batch holds at least and at most.
BATCH = (20, 1000)
#: In between, as many as take so long altogether, and so long to write: meanwhile messages of these people wait.
_ALONE = (0.1, 0.02)
_BESIDE = (0.02, 0.004)
pause = asyncio.sleep
#: The rate is that of about so many last seconds.
_RATE_SECONDS = 5.0
_LONGEST_REST_SECONDS = 2.0
_POLL_SECONDS = 0.2
_NICE = 10
#: So many profiles are done at once under their locks.
_FEW = 20

Report = Callable[[Progress], None]


@dataclass(slots=True)
class _Pace:
    """How the warm-up of one environment goes, as this process sees it.

    version  that of its last write: where the next one's is further on, somebody else wrote in between
    alone    whether nobody did, as far as is known
    ahead    the next batch, read while one was computed; only where alone, or it would be out of date soon"""

    revision: int
    size: int = field(default_factory=lambda: BATCH[0])
    version: int | None = None
    alone: bool = False
    ahead: "_Batch | None" = None
    write_seconds: float = 1e-6
    rate: float | None = None
    since: float = field(default_factory=time.perf_counter)

    def measured(self, n: int, now: float) -> None:
        """n profiles are done since last time, rests included."""
        seconds = max(now - self.since, 1e-6)
        weight = 1.0 if self.rate is None else 1 - math.exp(-seconds / _RATE_SECONDS)
        self.rate = (self.rate or 0.0) * (1 - weight) + n / seconds * weight
        self.since = now

    def wrote(self, version: int, n: int, seconds: float, *, alone: bool) -> None:
        """n profiles were written under their locks."""
        self.alone = alone and self.version in (None, version - 1)
        self.version = version
        self.write_seconds = max(seconds / max(n, 1), 1e-6)

    def adapt(self, n: int, seconds: float) -> None:
        """Bigger batches where this one was quick, smaller ones where it was slow; never by more than a factor of 2."""
        batch_seconds, write_seconds = _ALONE if self.alone else _BESIDE
        wanted = min(n * batch_seconds / seconds, write_seconds / self.write_seconds)
        smallest, largest = BATCH
        self.size = int(min(max(wanted, self.size / 2, smallest), self.size * 2, largest))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Profiles as they were read, brought up to date.

    after     the id it begins after
    read      (id, version) of each: what must still be so when they are written
    complete  all that still has to be done, which needs no database"""

    catalog: Catalog
    after: int
    profiles: list[Profile]
    read: list[tuple[int, int]]
    complete: Callable[[], "_Completed"]


@dataclass(frozen=True, slots=True)
class _Completed:
    transitions: list[recompute.Transition]
    encoded: dict[int, bytes]
    events: int


class WarmUp:
    """share  the percentage of the time it may work while others do, 100 to take no notice of them"""

    def __init__(self, pool: Pool, catalogs: Catalogs, now: Clock, share: int) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._now = now
        self._share = share
        self._paces: dict[int, _Pace] = {}
        # A thread of its own, so that due profiles are woken on time beside it, and one that gives way to others.
        self._thread = ThreadPoolExecutor(1, "warm-up", initializer=_give_way)

    async def step(self, environment_id: int) -> int:
        """Do one batch, or the swap after the last; 0 where nothing warms up or another process is at it."""
        async with acquired(self._pool) as connection:
            environment = await definition_store.find_environment(connection, environment_id)
            if environment.live_revision == environment.head_revision:
                self._paces.pop(environment_id, None)
                return 0
            # Held by the connection, not a transaction; given back with it, or by Postgres when this process is gone.
            if not await store.try_warm_up(connection, environment_id):
                return 0
            pace = self._paces.get(environment_id)
            if pace is None or pace.revision != environment.head_revision:
                pace = self._paces[environment_id] = _Pace(environment.head_revision)
            rest = await self._do_batch(connection, environment_id, pace)
            if rest is None:
                await self._go_live(connection, environment_id, pace.revision)
            elif rest:
                await pause(rest)
        return 1

    async def _do_batch(self, connection: Connection, environment_id: int, pace: _Pace) -> float | None:
        """Gives how long to rest after it; None where no profile was left."""
        start = time.perf_counter()
        environment = await definition_store.find_environment(connection, environment_id)
        live, head = environment.live_revision, environment.head_revision
        if head != pace.revision or live == head:
            return 0.0  # published anew or made live since a moment ago
        catalog = await self._catalogs.at(connection, environment_id, live, head)
        backfill = await definition_store.find_backfill(connection, environment_id, head)
        assert backfill is not None
        batch, pace.ahead = pace.ahead, None
        if batch is None or batch.catalog is not catalog or batch.after != backfill.at_profile_id:
            batch = await self._read_next(connection, catalog, backfill.at_profile_id, backfill, pace.size)
        if not batch.profiles:
            return None
        completing = self._complete(batch)
        if pace.alone:
            pace.ahead = await self._read_next(connection, catalog, batch.profiles[-1].id, backfill, pace.size)
        completed = await completing
        missed = await self._write(connection, pace, batch, completed)
        if missed is None:
            return 0.0
        for n in range(0, len(missed), _FEW):
            last = n + _FEW >= len(missed)
            if not await self._write_locked(connection, pace, batch, missed[n : n + _FEW], completed.events, last):
                return 0.0
        busy = time.perf_counter() - start
        pace.adapt(len(batch.profiles), busy)
        return 0.0 if pace.alone else min(busy * (100 / self._share - 1), _LONGEST_REST_SECONDS)

    async def _read_next(
        self, connection: Connection, catalog: Catalog, after: int, backfill: definition_store.BackfillRow, size: int
    ) -> _Batch:
        async with frozen(connection):
            rows = await store.profiles_to_warm(
                connection, catalog.environment_id, after, backfill.last_profile_id, size
            )
            return await _read(connection, catalog, rows, after, self._now())

    def _complete(self, batch: _Batch) -> "asyncio.Future[_Completed]":
        return asyncio.get_running_loop().run_in_executor(self._thread, batch.complete)

    async def _write(
        self, connection: Connection, pace: _Pace, batch: _Batch, completed: _Completed
    ) -> list[int] | None:
        """Save those that are as they were read. Gives the ids of the others; None after a publish."""
        start = time.perf_counter()
        async with connection.transaction():
            if not await self._begin_write(connection, batch.catalog):
                return None
            claimed = await store.claim_unchanged_profiles(connection, batch.catalog.environment_id, batch.read)
            missed = [profile.id for profile in batch.profiles if profile.id not in claimed]
            version = await self._save(connection, batch, completed, claimed)
            if not missed:
                await self._advance(connection, pace, batch, completed.events)
        pace.wrote(version, len(claimed), time.perf_counter() - start, alone=not missed)
        return missed

    async def _write_locked(
        self, connection: Connection, pace: _Pace, batch: _Batch, ids: list[int], events: int, last: bool
    ) -> bool:
        """Do a few profiles of the batch again, under their locks. False after a publish."""
        start = time.perf_counter()
        async with connection.transaction():
            if not await self._begin_write(connection, batch.catalog):
                return False
            rows = await store.lock_profiles(connection, batch.catalog.environment_id, ids)
            mine = [row for row in rows if row.merged_into is None]
            late = await _read(connection, batch.catalog, mine, batch.after, self._now())
            completed = await self._complete(late)
            version = await self._save(connection, late, completed, {profile.id for profile in late.profiles})
            if last:
                await self._advance(connection, pace, batch, events)
        pace.wrote(version, len(ids), time.perf_counter() - start, alone=False)
        return True

    async def _begin_write(self, connection: Connection, catalog: Catalog) -> bool:
        """Begin to write: no publish from here to the end of the transaction, and none since the catalog was read."""
        await store.write_behind(connection)
        await store.begin_group(connection, catalog.environment_id)
        environment = await definition_store.find_environment(connection, catalog.environment_id)
        return (environment.live_revision, environment.head_revision) == (catalog.revision, catalog.head)

    async def _save(self, connection: Connection, batch: _Batch, completed: _Completed, claimed: set[int]) -> int:
        transitions = [t for t in completed.transitions if t.profile_id in claimed]
        version = await profiles.save(
            connection,
            batch.catalog.environment_id,
            self._now(),
            [profile for profile in batch.profiles if profile.id in claimed],
            transitions,
            encoded=completed.encoded,
        )
        # What others keep of the rest in memory stays right: nothing changed in what is live.
        told = sorted({t.profile_id for t in transitions if not t.is_next})
        await announce_profiles(connection, batch.catalog.environment_id, version, told)
        return version

    async def _advance(self, connection: Connection, pace: _Pace, batch: _Batch, events: int) -> None:
        n = len(batch.profiles)
        pace.measured(n, time.perf_counter())
        await definition_store.advance_backfill(
            connection,
            batch.catalog.environment_id,
            batch.catalog.head,
            at=batch.profiles[-1].id,
            n=n,
            events=events,
            rate=pace.rate or 0.0,
            now=self._now(),
        )

    async def _go_live(self, connection: Connection, environment_id: int, head: int) -> None:
        async with connection.transaction():
            await definition_store.begin_publish(connection, environment_id)
            environment = await definition_store.find_environment(connection, environment_id)
            if environment.head_revision != head or environment.live_revision == head:
                return  # another publish came in between: its own warm-up goes on
            catalog = await self._catalogs.at(connection, environment_id, environment.live_revision, head)
            await publish.finish_warming(connection, catalog, self._now())
            log.info("revision %d of environment %d is live", head, environment_id)


async def _read(
    connection: Connection, catalog: Catalog, rows: Sequence[store.ProfileRow], after: int, now: Instant
) -> _Batch:
    """The profiles of these rows with all that has to be read for them, as of one instant."""
    batch = [profiles.from_row(row) for row in rows]
    unready = profiles.unready(catalog)
    lacking = [(profile, keys) for profile in batch if (keys := profiles.lacking(profile, catalog, unready))]
    give = await profiles.recall(connection, catalog, lacking) if lacking else lambda: 0

    def complete() -> _Completed:
        transitions: list[recompute.Transition] = []
        for profile in batch:
            transitions += recompute.advance(profile, catalog, now)
            for key in profile.keys() - catalog.kept.keys():
                profile.forget(key)
        events = give()
        for profile in batch:
            profile.warmed = catalog.head
            transitions += recompute.review_next(profile, catalog, now)
        return _Completed(transitions, {profile.id: profile.encode() for profile in batch}, events)

    return _Batch(catalog, after, batch, [(profile.id, profile.version) for profile in batch], complete)


def _give_way() -> None:
    """Whatever else wants the processor comes first. Only on Linux can a thread have a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


async def wait_until_live(
    pool: Pool, environment_id: int, revision: int, now: Clock, report: Report, *, share: int
) -> None:
    """The revision, or a later one, is live. It ends whether a worker runs or not: who waits does a worker's part.

    `report` is told how far it is, and at last that it is done"""
    warm_up = WarmUp(pool, Catalogs(), now, share)
    while True:
        async with acquired(pool) as connection:
            environment = await definition_store.find_environment(connection, environment_id)
            backfill = await definition_store.find_backfill(connection, environment_id, environment.head_revision)
        if backfill is not None:
            report(progress_of(backfill, now()))
        if environment.live_revision >= revision:
            return
        if not await warm_up.step(environment_id):
            await asyncio.sleep(_POLL_SECONDS)
