"""Backfills: profiles get the state and memberships of a new revision.

They are computed from raw events where needed.

Shape   WarmUp.step(environment) does one batch, and makes the revision live after the last; wait_until_live takes part
        until a revision is live. A batch is read and computed without a lock. Profiles that did not change meanwhile
        are then written in one short transaction; the few others are computed again under their locks
Units   durations in seconds; batches in profiles; a rate in profiles per second
Laws    any number of processes may run: one at a time works on an environment. What is written is right, whatever was
        sent, merged or published since it was read. Killed at any instant, it resumes where it stopped.
        Beside other work it uses `share` percent of the time and pauses for the rest; alone it never pauses
Source  docs/decisions/0009-live-and-candidate.md, docs/decisions/0016-backfill.md
"""

import asyncio
import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions import publish
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import BackfillProgress, progress_of
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import storage as profiles
from tinycdp.store import definitions as definition_store
from tinycdp.store import events as event_store
from tinycdp.store import memberships as membership_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection, Pool, acquired, frozen

log = logging.getLogger(__name__)

#: The smallest and the largest batch, in profiles.
BATCH = (20, 1000)
#: Within these bounds, the target seconds for a whole batch and for its write: messages of its profiles wait meanwhile.
_IDLE = (0.1, 0.02)
_BUSY = (0.02, 0.004)
pause = asyncio.sleep
#: The rate is an average of about this many seconds.
_RATE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 2.0
_POLL_SECONDS = 0.2
_NICE = 10
#: Profiles computed at once under their locks.
_FEW = 20

Report = Callable[[BackfillProgress], None]


@dataclass(slots=True)
class _Pace:
    """The pace of one environment's backfill, as this process measures it.

    version   of its last write: if the next write's is not the following one, another transaction wrote in between
    is_idle   whether no other transaction did, as far as is known
    prefetch  the next batch, read while one was computed; only if idle, or it would soon be out of date"""

    revision: int
    size: int = field(default_factory=lambda: BATCH[0])
    version: int | None = None
    is_idle: bool = False
    prefetch: "_Batch | None" = None
    write_seconds: float = 1e-6
    rate: float | None = None
    since: float = field(default_factory=time.perf_counter)

    def measured(self, n: int, now: float) -> None:
        """Update the rate: n profiles were done since the last call, pauses included."""
        seconds = max(now - self.since, 1e-6)
        weight = 1.0 if self.rate is None else 1 - math.exp(-seconds / _RATE_SECONDS)
        self.rate = (self.rate or 0.0) * (1 - weight) + n / seconds * weight
        self.since = now

    def wrote(self, version: int, n: int, seconds: float, *, unchanged: bool) -> None:
        """Record a write of n profiles under their locks.

        unchanged: none had changed since it was read."""
        self.is_idle = unchanged and self.version in (None, version - 1)
        self.version = version
        self.write_seconds = max(seconds / max(n, 1), 1e-6)

    def adapt(self, n: int, seconds: float) -> None:
        """Grow the batch size after a quick batch and shrink it after a slow one, at most by 2."""
        batch_seconds, write_seconds = _IDLE if self.is_idle else _BUSY
        wanted = min(n * batch_seconds / seconds, write_seconds / self.write_seconds)
        smallest, largest = BATCH
        self.size = int(min(max(wanted, self.size / 2, smallest), self.size * 2, largest))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Profiles as they were read.

    after     the id it begins after
    read      (id, version) of each, which must be unchanged when they are written
    complete  brings the profiles up to date; needs no database"""

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


class Backfiller:
    """Backfills all environments, a batch at a time.

    share  percentage of the time it may use beside other work; 100: never pause"""

    def __init__(self, pool: Pool, catalogs: Catalogs, now: Clock, share: int) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._now = now
        self._share = share
        self._paces: dict[int, _Pace] = {}
        # Its own thread, so that due profiles are woken on time beside it, and with a low priority.
        self._thread = ThreadPoolExecutor(1, "backfill", initializer=_lower_priority)

    async def step(self, environment_id: int) -> int:
        """Do one batch, or make the revision live after the last.

        Returns 0 if no revision backfills, or another process works on it."""
        async with acquired(self._pool) as connection:
            environment = await definition_store.find_environment(connection, environment_id)
            if environment.live_revision == environment.head_revision:
                self._paces.pop(environment_id, None)
                return 0
            # The lock belongs to the connection, not to a transaction; Postgres releases it if this process dies.
            if not await profile_store.try_backfill(connection, environment_id):
                return 0
            pace = self._paces.get(environment_id)
            if pace is None or pace.revision != environment.head_revision:
                pace = self._paces[environment_id] = _Pace(environment.head_revision)
            seconds = await self._do_batch(connection, environment_id, pace)
            if seconds is None:
                await self._go_live(connection, environment_id, pace.revision)
            elif seconds:
                await pause(seconds)
        return 1

    async def _do_batch(self, connection: Connection, environment_id: int, pace: _Pace) -> float | None:
        """Do one batch; returns the seconds to pause after it, None if no profile was left."""
        start = time.perf_counter()
        environment = await definition_store.find_environment(connection, environment_id)
        live, head = environment.live_revision, environment.head_revision
        if head != pace.revision or live == head:
            return 0.0  # another revision was published, or this one went live, a moment ago
        catalog = await self._catalogs.at(connection, environment_id, live, head)
        backfill = await definition_store.find_backfill(connection, environment_id, head)
        assert backfill is not None
        batch, pace.prefetch = pace.prefetch, None
        if batch is None or batch.catalog is not catalog or batch.after != backfill.at_profile_id:
            batch = await self._read_next(connection, catalog, backfill.at_profile_id, backfill, pace.size)
        if not batch.profiles:
            return None
        completing = self._complete(batch)
        if pace.is_idle:
            pace.prefetch = await self._read_next(connection, catalog, batch.profiles[-1].id, backfill, pace.size)
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
        return 0.0 if pace.is_idle else min(busy * (100 / self._share - 1), _LONGEST_PAUSE_SECONDS)

    async def _read_next(
        self, connection: Connection, catalog: Catalog, after: int, backfill: definition_store.BackfillRow, size: int
    ) -> _Batch:
        async with frozen(connection):
            rows = await profile_store.profiles_to_backfill(
                connection, catalog.environment_id, after, backfill.last_profile_id, size
            )
            return await _read(connection, catalog, rows, after, self._now())

    def _complete(self, batch: _Batch) -> "asyncio.Future[_Completed]":
        return asyncio.get_running_loop().run_in_executor(self._thread, batch.complete)

    async def _write(
        self, connection: Connection, pace: _Pace, batch: _Batch, completed: _Completed
    ) -> list[int] | None:
        """Save the profiles that are unchanged; returns the ids of the others, None after a publish."""
        start = time.perf_counter()
        async with connection.transaction():
            if not await self._begin_write(connection, batch.catalog):
                return None
            claimed = await profile_store.claim_unchanged_profiles(connection, batch.catalog.environment_id, batch.read)
            missed = [profile.id for profile in batch.profiles if profile.id not in claimed]
            version = await self._save(connection, batch, completed, claimed)
            if not missed:
                await self._advance(connection, pace, batch, completed.events)
        pace.wrote(version, len(claimed), time.perf_counter() - start, unchanged=not missed)
        return missed

    async def _write_locked(
        self, connection: Connection, pace: _Pace, batch: _Batch, ids: list[int], events: int, last: bool
    ) -> bool:
        """Compute and save a few profiles of the batch again, under their locks.

        Returns False after a publish."""
        start = time.perf_counter()
        async with connection.transaction():
            if not await self._begin_write(connection, batch.catalog):
                return False
            rows = await profile_store.lock_profiles(connection, batch.catalog.environment_id, ids)
            mine = [row for row in rows if row.merged_into is None]
            late = await _read(connection, batch.catalog, mine, batch.after, self._now())
            completed = await self._complete(late)
            version = await self._save(connection, late, completed, {profile.id for profile in late.profiles})
            if last:
                await self._advance(connection, pace, batch, events)
        pace.wrote(version, len(ids), time.perf_counter() - start, unchanged=False)
        return True

    async def _begin_write(self, connection: Connection, catalog: Catalog) -> bool:
        """Block publishes until the end of the transaction.

        Returns False if one happened since the catalog was read."""
        await profile_store.write_behind(connection)
        await event_store.begin_group(connection, catalog.environment_id)
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
        # Nothing live changed in the other profiles, so what processes hold of them in memory stays right.
        changed = sorted({t.profile_id for t in transitions if not t.is_candidate})
        await announce_profiles(connection, batch.catalog.environment_id, version, changed)
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
                return  # another revision was published in between: its own backfill continues
            catalog = await self._catalogs.at(connection, environment_id, environment.live_revision, head)
            await publish.finish_backfilling(connection, catalog, self._now())
            log.info("revision %d of environment %d is live", head, environment_id)


async def _read(
    connection: Connection, catalog: Catalog, rows: Sequence[profile_store.ProfileRow], after: int, now: Instant
) -> _Batch:
    """The profiles of these rows, with everything else to be read for them."""
    batch = [profiles.from_row(row) for row in rows]
    unready = profiles.unready(catalog)
    lacking = [(profile, keys) for profile in batch if (keys := profiles.lacking(profile, catalog, unready))]
    give = await profiles.recall(connection, catalog, lacking) if lacking else lambda: 0

    listed: Mapping[int, Sequence[int]] = {}
    if catalog.new_lists:
        ids = [profile.id for profile in batch]
        listed = await membership_store.lists_of_profiles(connection, catalog.environment_id, ids)

    def complete() -> _Completed:
        transitions: list[recompute.Transition] = []
        for profile in batch:
            transitions += recompute.advance(profile, catalog, now)
            for key in profile.keys() - catalog.kept.keys():
                profile.forget(key)
        events = give()
        for profile in batch:
            profile.backfilled = catalog.head
            if catalog.new_lists:
                profile.listed = frozenset(listed.get(profile.id, ()))
            transitions += recompute.review_next(profile, catalog, now)
        return _Completed(transitions, {profile.id: profile.encode() for profile in batch}, events)

    return _Batch(catalog, after, batch, [(profile.id, profile.version) for profile in batch], complete)


def _lower_priority() -> None:
    """Give this thread a low priority.

    Only on Linux can a thread have its own priority."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


async def wait_until_live(environment: Environment, revision: int, report: Report, *, share: int) -> None:
    """Wait until the revision, or a later one, is live.

    Does a worker's part meanwhile, so it ends even if no worker runs. Calls `report` with the progress."""
    backfiller = Backfiller(environment.pool, Catalogs(), environment.now, share)
    while True:
        async with acquired(environment.pool) as connection:
            row = await definition_store.find_environment(connection, environment.id)
            backfill = await definition_store.find_backfill(connection, environment.id, row.head_revision)
        if backfill is not None:
            report(progress_of(backfill, environment.now()))
        if row.live_revision >= revision:
            return
        if not await backfiller.step(environment.id):
            await asyncio.sleep(_POLL_SECONDS)
