"""The background worker: sliding windows, backfills, schedules, maintenance.

Shape   Worker(…).run(stop) runs six loops, each in small transactions so that live work never waits for it:
        wake_due, backfill, update_group_members, apply_schedules, tidy_outbox, maintain
Laws    any number of workers may run: due profiles are claimed with SKIP LOCKED, a backfill under an advisory lock.
        A decision never waits for a worker: reads check the clock themselves
Units   pauses in seconds; batches in profiles
Errors  none: a loop that fails logs the error, waits and continues
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import DAY_MS, HOUR_MS, Instant
from tinycdp.runtime import outbox
from tinycdp.runtime.background import PASSING, Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions import schedules
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import groups, storage
from tinycdp.runtime.schema import registry
from tinycdp.runtime.worker.backfill import Backfiller
from tinycdp.store import definitions as definition_store
from tinycdp.store import events as event_store
from tinycdp.store import exposures
from tinycdp.store import flags as flag_store
from tinycdp.store import keys as key_store
from tinycdp.store import limits as limits_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database import figures as figure_store
from tinycdp.store.database import partitions as partition_store
from tinycdp.store.database.pool import Connection, Pool, acquired, transaction
from tinycdp.times import day_of

log = logging.getLogger(__name__)

DUE_BATCH = 200
PRUNE_BATCH = 10_000
#: The longest wait between two checks of the clock: how late the notification of a membership may be.
TICK_SECONDS = 0.2
_KEEP_REJECTIONS_MS = 30 * DAY_MS
_KEEP_COUNTS_MS = 400 * DAY_MS
_KEEP_DEAD_LETTERS_MS = 90 * DAY_MS
_KEEP_MINUTES_MS = 14 * DAY_MS
#: How long after a flag's deletion the variants that profiles keep of it can be restored with it.
_KEEP_VARIANTS_MS = 30 * DAY_MS
_MAINTENANCE_SECONDS = 3600.0
_SCHEDULES_SECONDS = 5.0
_OUTBOX_SECONDS = 5.0
_MONTHS_AHEAD = 2
_FAILED_PAUSE_SECONDS = 1.0


class Worker:
    """The background worker of one process.

    backfill_share  percentage of the time that a backfill may use beside other work
    exposure_days  how long exposures are kept
    outbox_days    how long rows of the outbox are kept for a consumer that is behind"""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        now: Clock,
        backfill_share: int = 100,
        exposure_days: int = 400,
        *,
        outbox_days: int = 7,
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._now = now
        self._backfill = Backfiller(pool, catalogs, now, backfill_share)
        self._keep_exposures_ms = exposure_days * DAY_MS
        self._keep_outbox_ms = outbox_days * DAY_MS

    async def run(self, stop: asyncio.Event, drain_seconds: float) -> None:
        """Run all loops until `stop` is set; then their current runs may take so long."""
        loops = [
            _loop(self.wake_due, TICK_SECONDS),
            _loop(self.backfill, TICK_SECONDS),
            _loop(self.update_group_members, TICK_SECONDS),
            _loop(self.apply_schedules, _SCHEDULES_SECONDS),
            _loop(self.tidy_outbox, _OUTBOX_SECONDS),
            _loop(self.maintain, _MAINTENANCE_SECONDS),
        ]
        async with asyncio.TaskGroup() as running:
            tasks = [running.create_task(loop.run()) for loop in loops]
            await stop.wait()
            for loop in loops:
                loop.finish()
            _, late = await asyncio.wait(tasks, timeout=drain_seconds)
            for task in late:
                log.warning("a loop of the worker did not end in %s s; its transaction is rolled back", drain_seconds)
                task.cancel()

    async def _everywhere(self, work: Callable[[int], Awaitable[int]]) -> int:
        """Do the work for each environment; an error in one is raised after all others are done."""
        async with acquired(self._pool) as connection:
            environments = [row.id for row in await definition_store.list_environments(connection)]
        done, failed = 0, []
        for environment_id in environments:
            try:
                done += await work(environment_id)
            except PASSING:
                raise
            except Exception as failure:
                failed.append(failure)
        if failed:
            raise ExceptionGroup(f"{len(failed)} of {len(environments)} environments", failed)
        return done

    async def _begin(self, connection: Connection, environment_id: int) -> Catalog:
        """Block publishes for this transaction, and return the catalog it runs under."""
        await event_store.begin_group(connection, environment_id)
        return await self._catalogs.current_in(connection, environment_id)

    # Sliding windows

    async def wake_due(self) -> int:
        """Bring due profiles up to date, one batch per environment; returns their number."""
        return await self._everywhere(self.wake_due_in)

    async def wake_due_in(self, environment_id: int) -> int:
        """One batch of due profiles of one environment."""
        async with transaction(self._pool) as connection:
            catalog = await self._begin(connection, environment_id)
            now = self._now()
            rows = await profile_store.claim_due_profiles(connection, environment_id, now, DUE_BATCH)
            due: list[Profile] = []
            transitions: list[recompute.Transition] = []
            for row in rows:
                try:
                    profile = storage.from_row(row)
                    transitions += recompute.advance(profile, catalog, now)
                except Exception:
                    # A profile that cannot be read must not block the head of the queue for ever.
                    log.exception("profile %d could not be brought up to date; next try in an hour", row.id)
                    await profile_store.postpone_profile(connection, environment_id, row.id, now + HOUR_MS)
                else:
                    due.append(profile)
            if due:
                await self._save(connection, environment_id, now, due, transitions)
            return len(rows)

    async def _save(
        self,
        connection: Connection,
        environment_id: int,
        now: Instant,
        changed: list[Profile],
        transitions: list[recompute.Transition],
    ) -> None:
        version = await storage.save(connection, environment_id, now, changed, transitions)
        await announce_profiles(connection, environment_id, version, [profile.id for profile in changed])

    # Backfills

    async def backfill(self) -> int:
        """One batch of every revision that backfills; makes it live when all profiles are done."""
        return await self._everywhere(self._backfill.step)

    # Changed traits of groups

    async def update_group_members(self) -> int:
        """Bring members of a group whose traits changed up to date, one batch per environment."""
        return await self._everywhere(self.update_group_members_in)

    async def update_group_members_in(self, environment_id: int) -> int:
        """One batch of members of a changed group of one environment."""
        async with transaction(self._pool) as connection:
            catalog = await self._begin(connection, environment_id)
            return await groups.update_members(connection, catalog, self._now())

    # Schedules of flags

    async def apply_schedules(self) -> int:
        """Save due steps of flags' schedules as revisions; decisions follow them already."""
        return await self._everywhere(self.apply_schedules_in)

    async def apply_schedules_in(self, environment_id: int) -> int:
        """Save the due steps of one environment."""
        catalog = await self._catalogs.refresh(self._pool, environment_id)
        return await schedules.settle_due(Environment(catalog.environment_id, self._pool, self._now), catalog)

    # Maintenance

    async def tidy_outbox(self) -> int:
        """Drop outbox rows that every consumer has read, and consumers too far behind."""
        await outbox.tidy(self._pool, self._now(), self._keep_outbox_ms)
        return 0

    async def maintain(self) -> int:
        """Create the partitions of the coming months, and delete expired rows.

        Returns how many environments may have more expired rows."""
        async with transaction(self._pool) as connection:
            for name in await partition_store.create_partitions(connection, self._now(), _MONTHS_AHEAD):
                log.info("created partition %s", name)
        return await self._everywhere(self._prune)

    async def _prune(self, environment_id: int) -> int:
        """Delete old rejections, and at most a batch of old exposures."""
        now = self._now()
        oldest_exposure = day_of(now - self._keep_exposures_ms)
        async with transaction(self._pool) as connection:
            await limits_store.prune_rejections(
                connection, environment_id, now - _KEEP_REJECTIONS_MS, now - _KEEP_COUNTS_MS
            )
            await limits_store.prune_dead_letters(connection, environment_id, now - _KEEP_DEAD_LETTERS_MS, PRUNE_BATCH)
            await flag_store.prune_session_variants(connection, environment_id, now)
            unkept = await flag_store.prune_variants_of_deleted_flags(
                connection, environment_id, now - _KEEP_VARIANTS_MS, PRUNE_BATCH
            )
            await registry.prune(connection, environment_id, now)
            await key_store.prune_downloads(connection, environment_id, now)
            await figure_store.prune_minutes(connection, environment_id, now - _KEEP_MINUTES_MS)
            pruned = await exposures.prune_exposures(connection, environment_id, oldest_exposure, PRUNE_BATCH)
        return int(PRUNE_BATCH in (pruned, unkept))


def _loop(work: Callable[[], Awaitable[int]], pause: float) -> Loop:
    """A loop that repeats the work, without a pause while it finds any."""

    async def run_once() -> float | None:
        return 0.0 if await work() else None

    return Loop(work.__name__, run_once, pause, failed=_FAILED_PAUSE_SECONDS)
