"""The runs of all syncs, in the worker process.

Shape   SyncWorker(dsn, pool, now, reach).run(stop)
Laws    one process at a time runs the syncs of an environment, by an advisory lock; if the lock's connection is lost,
        two may for a moment, and only the newer run writes.
        The consumer of the outbox marks people in the transaction that moves its cursor: no change is missed.
        An environment without syncs costs one read a second
Errors  none: each is logged, once per outage, and the work is repeated
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tinycdp.engine import outbox
from tinycdp.model import DAY_MS, SECOND_MS, Instant
from tinycdp.products.delivery.definitions.kinds import SYNC_CONSUMER
from tinycdp.products.delivery.destinations import Destinations
from tinycdp.products.delivery.lanes.channels import Channels
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.syncs.definitions import SavedSync, SavedSyncs
from tinycdp.products.delivery.syncs.outlets import SyncOutlet, SyncPlace
from tinycdp.products.delivery.syncs.records import NotReady, SyncProgram
from tinycdp.products.delivery.syncs.run import OvertakenRun, RunResult, SyncRun
from tinycdp.runtime.background import EnvironmentLoops, Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import Batch, Consumer, Lapsed, NoSuchConsumer, Overtaken, register_in, unregister_in
from tinycdp.runtime.ownership import Ownership
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import Connection, Pool, acquired, transaction

log = logging.getLogger(__name__)

_IDLE_SECONDS = 1.0
_ELSEWHERE_SECONDS = 2.0
_ROWS = 500
_PRUNED = 10_000


@dataclass
class _Running:
    """The consumer and the runs of an environment."""

    environment: Environment
    consumer: Consumer
    runs: dict[int, Loop] = field(default_factory=dict)

    async def stop(self) -> None:
        """Stop all runs."""
        loops, self.runs = self.runs, {}
        for loop in loops.values():
            await loop.stop()


class SyncWorker:
    """Runs the syncs of all environments, as long as it runs."""

    def __init__(self, dsn: str, pool: Pool, now: Clock, reach: Reach) -> None:
        self._pool = pool
        self._now = now
        self._channels = Channels(reach)
        self._catalogs = Catalogs()
        self._syncs = SavedSyncs(Destinations())
        self._locks = Ownership(dsn, store.try_sync)
        self._running: dict[int, _Running] = {}
        self._loops = EnvironmentLoops("syncs", pool, self._begin)

    async def run(self, stop: asyncio.Event) -> None:
        """Run syncs until `stop` is set."""
        self._loops.start()
        try:
            await stop.wait()
        finally:
            await self._loops.stop()
            for running in self._running.values():
                await running.stop()
            await self._locks.close()
            await self._channels.close()

    def _begin(self, environment_id: int) -> Loop:
        environment = Environment(environment_id, self._pool, self._now)
        running = self._running[environment_id] = _Running(environment, Consumer(environment, SYNC_CONSUMER))

        async def work() -> float:
            return await self._step(running)

        return Loop(f"syncs of environment {running.environment.id}", work, _IDLE_SECONDS)

    async def _step(self, running: _Running) -> float:
        """Mark who changed, and keep one loop per sync."""
        environment = running.environment
        async with acquired(self._pool) as connection:
            syncs = await self._syncs.of(connection, environment.id)
        if not syncs:
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
        for id in running.runs.keys() - {one.id for one in syncs}:
            await running.runs.pop(id).stop()
        for one in syncs:
            if one.id not in running.runs:
                loop = running.runs[one.id] = self._loop_of_run(running, one.id, one.key)
                loop.start()
        try:
            return 0.0 if await self._mark(running) else _IDLE_SECONDS
        except (Overtaken, NoSuchConsumer):
            return _IDLE_SECONDS

    async def _mark(self, running: _Running) -> bool:
        """Mark the people of one batch of the outbox. Returns whether more waits."""
        environment_id, now = running.environment.id, self._now()
        try:
            batch = await running.consumer.read(_ROWS)
        except Lapsed:
            log.error("syncs of environment %d lapsed: everybody is compared anew", environment_id)
            async with transaction(self._pool) as connection:
                await unregister_in(connection, environment_id, SYNC_CONSUMER)
                await register_in(connection, environment_id, SYNC_CONSUMER, now)
                await store.rescan_syncs(connection, environment_id)
            return True
        if not batch:
            return False
        async with transaction(self._pool) as connection:
            await store.mark_profiles(connection, environment_id, marks_of(batch))
            await running.consumer.acknowledge(connection, batch, now)
        async with acquired(self._pool) as connection:
            await store.prune_marks(connection, environment_id, _PRUNED)
        return len(batch.rows) >= _ROWS

    # Runs

    def _loop_of_run(self, running: _Running, id: int, key: str) -> Loop:
        async def work() -> float:
            return await self._run_if_due(running.environment, id)

        return Loop(f"sync {key}", work, _IDLE_SECONDS)

    async def _run_if_due(self, environment: Environment, id: int) -> float:
        async with acquired(self._pool) as connection:
            row = await store.see_sync(connection, environment.id, id)
            # After the row: a save that the row does not tell of stops the run.
            sync = next((one for one in await self._syncs.of(connection, environment.id) if one.id == id), None)
        if row is None or sync is None or sync.document.paused or sync.destination.document.paused:
            return _IDLE_SECONDS
        if row.next_run_at is not None and row.next_run_at > environment.now():
            return min(_IDLE_SECONDS, (row.next_run_at - environment.now()) / 1000)
        try:
            await self.run_once(environment, sync, row.generation)
        except OvertakenRun:
            log.info("sync %s: another run has begun", sync.key)
        return 0.0

    async def run_once(self, environment: Environment, sync: SavedSync, generation: int) -> RunResult:
        """One run of a sync, now. generation: of the sync when its document was read"""
        ids = (environment.id, sync.id)
        async with transaction(self._pool) as connection:
            row = await store.begin_run(connection, *ids, generation, environment.now())
            if row is None:
                raise OvertakenRun
            named = await definition_store.find_environment(connection, environment.id)
            try:
                catalog = await self._catalogs.current_in(connection, environment.id)
                program = SyncProgram(sync.document, catalog, named.key)
            except NotReady as reason:
                result = RunResult(str(reason))
                await self._end(connection, ids, row, sync, result)
                return result
            if row.destination_id != sync.destination.id:
                await store.begin_anew(connection, *ids, row.generation, sync.destination.id)
            meaning = sync.version.to_bytes(4) + program.meaning
            if scan := _scan_now(row, meaning, environment.now()):
                await store.begin_scan(connection, *ids, row.generation, scan, meaning)
            begun = await store.see_sync(connection, *ids)
            assert begun is not None
        place = SyncPlace(environment.id, named.key, sync.id, sync.key)
        outlet = SyncOutlet(environment, place, sync.destination, self._channels.of(sync.destination))
        run = SyncRun(environment, sync.id, begun, program, outlet)
        result = await run.run()
        async with transaction(self._pool) as connection:
            if run.is_scanned:
                now = environment.now()
                at = next_time(sync.document.nightly, named.zone, now)
                await store.end_scan(connection, *ids, begun.generation, now, at)
            await self._end(connection, ids, begun, sync, result)
        return result

    async def _end(
        self, connection: Connection, ids: tuple[int, int], row: store.SyncRow, sync: SavedSync, result: RunResult
    ) -> None:
        pause = max(sync.document.every_seconds, result.retry_after)
        state = ("active", "")
        if result.braked is not None:
            removals, of = result.braked
            state = ("braked", f"{removals:,} of {of:,} records would be removed; release the sync if that is right.")
            if row.state != "braked":
                log.warning("sync %s is braked: %s", sync.key, state[1])
        elif row.state == "braked" and not result.is_weighed:
            state = (row.state, row.reason)
        at = self._now() + int(pause * SECOND_MS)
        await store.end_run(connection, *ids, row.generation, at, result.problem, state)


def _scan_now(row: store.SyncRow, meaning: bytes, now: Instant) -> str:
    """Whether everybody has to be looked at, and why; "" if not, or if that is under way."""
    if row.meaning != meaning:
        return "all"
    if not row.scan and (row.next_proof_at is None or row.next_proof_at <= now):
        return "proof"
    return ""


def marks_of(batch: Batch) -> dict[int, int]:
    """Whose records may have changed in a batch, and the position of the last change of each."""
    return {id: row.position for row in batch.rows for change in row.changes for id in profiles_of(change)}


def profiles_of(change: outbox.Change) -> list[int]:
    """Whose state, segments or identity a change concerns."""
    match change:
        case outbox.StoredEvents() | outbox.Written() | outbox.Erased():
            return change.profiles
        case outbox.Transitions():
            return [row.profile_id for row in change.rows]
        case outbox.Moved():
            return [change.from_id, change.to_id]
        case outbox.Merged():
            return [change.survivor_id, change.absorbed_id]
        case outbox.Unmerged():
            return [id for id, _ in change.profiles]
        case _:
            return []


def next_time(clock_time: str, zone: str, now: Instant) -> Instant:
    """The next instant at which clocks of a zone show this time."""
    local = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(zone))
    hour, minute = map(int, clock_time.split(":"))
    for days in range(3):
        day = (local + timedelta(days=days)).date()
        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
        if (found := int(at.timestamp() * 1000)) > now:
            return found
    return now + DAY_MS
