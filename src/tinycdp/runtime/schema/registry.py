"""The writer of the registry: counts which events and properties arrive.

Shape   committed(…) queues the messages of a group on the request's path · a task counts them and writes every few
        seconds · flush() and stop() write at once · rebuild(…) recounts raw events · prune(…) deletes old counts
Units   At most WAITING messages wait to be counted, and at most UNWRITTEN flushes to be written.
Laws    Ingestion never waits for the registry and never fails because of it. Each message counts once, because
        duplicates are not queued. A crash loses at most PAUSE_SECONDS of counts; rebuild restores them.
Errors  none from committed · flush raises Unavailable and keeps its rows
Source  docs/decisions/0023-registry.md
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from tinycdp.engine.schema.inference import (
    MOST_EVENTS,
    MOST_PROPERTIES,
    MOST_SDKS,
    KnownNames,
    MessageShapes,
    SeenCount,
)
from tinycdp.model import HOUR_MS, MINUTE_MS, Instant, Message, Warned
from tinycdp.runtime.background import PASSING, BufferedWriter
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.store import registry as store
from tinycdp.store.database.pool import Connection, Pool, acquired, transaction
from tinycdp.times import day_of

log = logging.getLogger(__name__)

WAITING = 50_000
UNWRITTEN = 12
PAUSE_SECONDS = 5.0
#: Names that came at most so often, and not in the last hour, make room where more than three quarters are taken.
RARE = 10
_STAY = (MOST_EVENTS * 3 // 4, MOST_PROPERTIES * 3 // 4, MOST_SDKS * 3 // 4)
KEEP_DAYS, KEEP_HOURS = 400, 30 * 24
_COUNT_SECONDS = 0.25
#: Messages counted before the event loop runs other tasks: half a millisecond.
_AT_ONCE = 500
_KNOWN_MS = 300_000
_READ_AT_ONCE = 5_000
#: Rows of one statement: some milliseconds of this process's time.
_ROWS_AT_ONCE = 1_000


class Registry(BufferedWriter):
    """The registry writer of one process.

    `counts` receives how many messages were counted, and how many skipped."""

    def __init__(self, pool: Pool, now: Clock, counts: Counter[str]) -> None:
        super().__init__("registry", _COUNT_SECONDS)
        self._pool = pool
        self._now = now
        self.counts = counts
        self._queue: deque[tuple[int, Sequence[Message]]] = deque()
        self._queued = 0
        self._observed: dict[int, MessageShapes] = {}
        self._unwritten: deque[tuple[int, MessageShapes]] = deque()
        self._known: dict[int, tuple[int, KnownNames]] = {}
        self._flushing = asyncio.Lock()
        self._due = 0.0

    def committed(self, environment_id: int, messages: Sequence[Message]) -> None:
        """Queue messages that were stored for the first time."""
        if self._queued + len(messages) > WAITING:
            self.counts["skipped"] += len(messages)
        elif messages:
            self._queue.append((environment_id, messages))
            self._queued += len(messages)

    def count_rejected(self, environment_id: int, message: Message, warned: Warned) -> None:
        """Count a message that the tracking plan or the policy `validation` rejected."""
        self._of(environment_id).count_rejected(message, warned.code, warned.path)

    async def flush(self) -> None:
        """Write the counts of everything committed until now."""
        async with self._flushing:
            await self._count()
            for environment_id in [id for id, observed in self._observed.items() if observed]:
                self._unwritten.append((environment_id, self._observed.pop(environment_id)))
                if len(self._unwritten) > UNWRITTEN:
                    self._unwritten.popleft()
                    self.counts["flushes_lost"] += 1
            while self._unwritten:
                environment_id, observed = self._unwritten[0]
                try:
                    # In a thread: a thousand events of thirty properties make a hundred thousand rows.
                    rows = await asyncio.to_thread(_rows, observed, await self._names(environment_id))
                    async with transaction(self._pool) as connection:
                        await _write(connection, environment_id, rows)
                except PASSING:
                    raise
                except Exception:
                    # It would fail again, and block all later flushes.
                    log.exception("registry counts cannot be written")
                    self.counts["flushes_lost"] += 1
                self._unwritten.popleft()

    async def tick(self) -> None:
        """Count the queued messages, and write the counts if due."""
        clock = asyncio.get_running_loop().time
        began = clock()
        if began < self._due:
            async with self._flushing:
                await self._count()
            return
        try:
            await self.flush()
        finally:
            # With very many names a flush is slow: it may take a tenth of the time at most.
            self._due = clock() + max(PAUSE_SECONDS, 10 * (clock() - began))

    async def _count(self) -> None:
        while self._queue:
            environment_id, messages = self._queue.popleft()
            see = self._of(environment_id).count_message
            for start in range(0, len(messages), _AT_ONCE):
                for message in messages[start : start + _AT_ONCE]:
                    see(message)
                await asyncio.sleep(0)
            self._queued -= len(messages)
            self.counts["counted"] += len(messages)

    def _of(self, environment_id: int) -> MessageShapes:
        found = self._observed.get(environment_id)
        if found is None:
            found = self._observed[environment_id] = MessageShapes()
        return found

    async def _names(self, environment_id: int) -> KnownNames:
        now, known = self._now(), self._known.get(environment_id)
        if known is None or not known[0] <= now < known[0] + _KNOWN_MS:
            async with acquired(self._pool) as connection:
                known = self._known[environment_id] = (now, await _known(connection, environment_id))
        return known[1]


async def _known(connection: Connection, environment_id: int) -> KnownNames:
    names = await store.known_names(connection, environment_id)
    sdks = await store.known_sdks(connection, environment_id)
    planned = await store.planned_events(connection, environment_id)
    return KnownNames(names, [(row.library, row.version, row.platform) for row in sdks], planned)


class _Rows(NamedTuple):
    """The rows for each table, in the order of its key."""

    types: list[tuple[Any, ...]]
    days: list[tuple[Any, ...]]
    hours: list[tuple[Any, ...]]
    sdks: list[tuple[Any, ...]]
    violations: list[tuple[Any, ...]]


def _rows(observed: MessageShapes, known: KnownNames) -> _Rows:
    found = observed.rows(known)
    return _Rows(
        _spans(found.types),
        sorted((*key, n) for key, n in found.days.items()),
        sorted((event, hour * HOUR_MS, n) for (event, hour), n in found.hours.items()),
        _spans(found.sdks),
        _spans(found.violations),
    )


def _spans(spans: dict[Any, SeenCount]) -> list[tuple[Any, ...]]:
    return sorted((*key, span.n, span.first, span.last) for key, span in spans.items())


async def _write(connection: Connection, environment_id: int, rows: _Rows) -> None:
    await store.lock_registry(connection, environment_id)
    add = (store.add_types, store.add_days, store.add_hours, store.add_sdks, store.add_violations)
    for table, add_to in zip(rows, add, strict=True):
        for start in range(0, len(table), _ROWS_AT_ONCE):
            await add_to(connection, environment_id, table[start : start + _ROWS_AT_ONCE])


async def rebuild(environment: Environment, on_progress: Callable[[int], None] = lambda n: None) -> int:
    """Recount an environment's registry from its raw events; returns their number.

    Other writes to it wait. Events of the last seconds may count twice. `on_progress` gets the number done so far."""
    done, last, observed = 0, 0, MessageShapes()
    async with transaction(environment.pool) as connection:
        await store.lock_registry(connection, environment.id)
        await store.clear_registry(connection, environment.id)
        known = KnownNames(planned=await store.planned_events(connection, environment.id))
        while rows := await store.events_to_count(connection, environment.id, last, _READ_AT_ONCE):
            for row in rows:
                observed.count_message(_message(row))
            await _write(connection, environment.id, await asyncio.to_thread(_rows, observed, known))
            observed = MessageShapes()
            last, done = rows[-1].id, done + len(rows)
            on_progress(done)
    return done


async def prune(connection: Connection, environment_id: int, now: Instant) -> None:
    """Delete old days and hours, and the batches of live streams that were not read; make room for new names."""
    oldest = day_of(now) - timedelta(KEEP_DAYS)
    await store.prune_registry(connection, environment_id, oldest, now - KEEP_HOURS * HOUR_MS)
    await store.make_room(connection, environment_id, _STAY, RARE, now - HOUR_MS)
    await store.prune_live_batches(connection, environment_id, now - MINUTE_MS)


def _message(row: store.StoredEventRow) -> Message:
    return Message(
        kind=row.kind,
        message_id="",
        identifiers=(),
        occurred_at=row.received_at,
        received_at=row.received_at,
        name=row.name,
        properties=row.properties,
        context=row.context,
        warnings=msgspec.convert(row.warnings or (), tuple[Warned, ...]),
    )
