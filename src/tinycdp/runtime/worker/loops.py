"""What happens with nobody sending anything: windows slide, revisions warm up, months turn.

Shape   Worker(…).run(stop); six loops, each in small transactions of its own, so that live work is never held up:
        wake_due, warm_up, tell_members, settle_schedules, tidy_outbox, keep_house
Laws    any number of workers may run: due profiles are claimed with SKIP LOCKED, a warm-up under an advisory lock.
        A decision never waits for a worker: reads re-check the clock themselves
Units   pauses in seconds; batches in profiles
Errors  none leave it: a loop that fails logs, waits and goes on
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import DAY_MS, HOUR_MS, Instant
from tinycdp.runtime import outbox
from tinycdp.runtime.background import PASSING, Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions import schedules
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import groups, storage
from tinycdp.runtime.schema import registry
from tinycdp.runtime.worker.backfill import WarmUp
from tinycdp.store import definitions as definition_store
from tinycdp.store import exposures, reads
from tinycdp.store import flags as flag_store
from tinycdp.store import limits as limits_store
from tinycdp.store import messages as store
from tinycdp.store.pool import Connection, Pool, acquired, transaction

log = logging.getLogger(__name__)

DUE_BATCH = 200
PRUNE_BATCH = 10_000
#: The longest wait between two looks at the clock: how late a membership's notification may be.
TICK_SECONDS = 0.2
_KEEP_REJECTIONS_MS = 30 * DAY_MS
_KEEP_COUNTS_MS = 400 * DAY_MS
_KEEP_DEAD_LETTERS_MS = 90 * DAY_MS
_HOUSE_SECONDS = 3600.0
_SCHEDULES_SECONDS = 5.0
_OUTBOX_SECONDS = 5.0
_MONTHS_AHEAD = 2
_FAILED_PAUSE_SECONDS = 1.0


class Worker:
    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        now: Clock,
        warm_up_share: int = 100,
        exposure_days: int = 400,
        *,
        outbox_days: int = 7,
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._now = now
        self._warm_up = WarmUp(pool, catalogs, now, warm_up_share)
        self._keep_exposures_ms = exposure_days * DAY_MS
        self._keep_outbox_ms = outbox_days * DAY_MS

    async def run(self, stop: asyncio.Event) -> None:
        loops = [
            _loop(self.wake_due, TICK_SECONDS),
            _loop(self.warm_up, TICK_SECONDS),
            _loop(self.tell_members, TICK_SECONDS),
            _loop(self.settle_schedules, _SCHEDULES_SECONDS),
            _loop(self.tidy_outbox, _OUTBOX_SECONDS),
            _loop(self.keep_house, _HOUSE_SECONDS),
        ]
        async with asyncio.TaskGroup() as running:
            for loop in loops:
                running.create_task(loop.run())
            await stop.wait()
            for loop in loops:
                loop.finish()

    async def _everywhere(self, work: Callable[[int], Awaitable[int]]) -> int:
        """Do the work for each environment; trouble in one is raised only after all had their turn."""
        async with acquired(self._pool) as connection:
            environments = [row.id for row in await definition_store.list_environments(connection)]
        done, failed = 0, []
        for environment_id in environments:
            try:
                done += await work(environment_id)
            except PASSING:
                raise
            except Exception as trouble:
                failed.append(trouble)
        if failed:
            raise ExceptionGroup(f"{len(failed)} of {len(environments)} environments", failed)
        return done

    async def _begin(self, connection: Connection, environment_id: int) -> Catalog:
        """Hold off publishes for this transaction; the catalog it runs under."""
        await store.begin_group(connection, environment_id)
        return await self._catalogs.current_in(connection, environment_id)

    # Windows slide

    async def wake_due(self) -> int:
        """Bring profiles whose time has come up to date, one batch for each environment. Gives how many there were."""
        return await self._everywhere(self.wake_due_in)

    async def wake_due_in(self, environment_id: int) -> int:
        async with transaction(self._pool) as connection:
            catalog = await self._begin(connection, environment_id)
            now = self._now()
            rows = await store.claim_due_profiles(connection, environment_id, now, DUE_BATCH)
            due: list[Profile] = []
            transitions: list[recompute.Transition] = []
            for row in rows:
                try:
                    profile = storage.from_row(row)
                    transitions += recompute.advance(profile, catalog, now)
                except Exception:
                    # One that cannot be read must not stand at the head of the queue for ever.
                    log.exception("profile %d could not be brought up to date; tried again in an hour", row.id)
                    await store.postpone_profile(connection, environment_id, row.id, now + HOUR_MS)
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

    # Revisions warm up

    async def warm_up(self) -> int:
        """One batch of every revision that is warming up; makes it live when all profiles are done."""
        return await self._everywhere(self._warm_up.step)

    # Traits of groups change

    async def tell_members(self) -> int:
        """One batch of members of a group whose traits changed, for each environment."""
        return await self._everywhere(self.tell_members_in)

    async def tell_members_in(self, environment_id: int) -> int:
        async with transaction(self._pool) as connection:
            catalog = await self._begin(connection, environment_id)
            return await groups.update_members(connection, catalog, self._now())

    # Steps of flags' schedules are due

    async def settle_schedules(self) -> int:
        """Write down as revisions what flags already decide by."""
        return await self._everywhere(self.settle_schedules_in)

    async def settle_schedules_in(self, environment_id: int) -> int:
        catalog = await self._catalogs.refresh(self._pool, environment_id)
        return await schedules.settle_due(self._pool, catalog, self._now())

    # Consumers have read

    async def tidy_outbox(self) -> int:
        """Drop what every consumer of the outbox has read, and consumers that are too far behind."""
        await outbox.tidy(self._pool, self._now(), self._keep_outbox_ms)
        return 0

    # Months turn

    async def keep_house(self) -> int:
        """Make the partitions of the coming months, and delete what is too old. Gives how many environments may have
        more of that."""
        async with transaction(self._pool) as connection:
            for name in await reads.create_partitions(connection, self._now(), _MONTHS_AHEAD):
                log.info("made partition %s", name)
        return await self._everywhere(self._prune)

    async def _prune(self, environment_id: int) -> int:
        """Delete old rejections, and at most a batch of old exposures."""
        now = self._now()
        oldest_exposure = date(1970, 1, 1) + timedelta(days=(now - self._keep_exposures_ms) // DAY_MS)
        async with transaction(self._pool) as connection:
            await limits_store.prune_rejections(
                connection, environment_id, now - _KEEP_REJECTIONS_MS, now - _KEEP_COUNTS_MS
            )
            await limits_store.prune_dead_letters(connection, environment_id, now - _KEEP_DEAD_LETTERS_MS, PRUNE_BATCH)
            await flag_store.prune_holds(connection, environment_id, now)
            await registry.prune(connection, environment_id, now)
            pruned = await exposures.prune_exposures(connection, environment_id, oldest_exposure, PRUNE_BATCH)
        return int(pruned == PRUNE_BATCH)


def _loop(work: Callable[[], Awaitable[int]], pause: float) -> Loop:
    """The work again and again, without a pause while there is any."""

    async def turn() -> float | None:
        return 0.0 if await work() else None

    return Loop(work.__name__, turn, pause, failed=_FAILED_PAUSE_SECONDS)
