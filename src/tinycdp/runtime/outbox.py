"""Consumers of the outbox: every committed change of an environment, once, in order.

Shape   register(environment, name, …) adds a consumer, register_anew(…) gives it a snapshot to begin with.
        Consumer.read() returns its next Batch; acknowledge(connection, batch) moves its cursor, in the same transaction
        as what the consumer writes. For effects outside of Postgres, claim(batch) first: after a crash the same batch
        is read again, with the same key.
        Bell wakes consumers. lags(…) is for the metrics, tidy(…) for the worker
Laws    complete: a batch ends where no transaction can commit a row any more, so a cursor skips nothing.
        in order: of two transactions that changed one profile, the first comes first.
        once: acknowledge moves the cursor from where the batch began, or raises. Any number of processes may run one
        consumer; of two with the same batch, one acknowledges it
Units   positions are versions: a consumer that acknowledged position p has every change up to version p of a tracking
        answer
Errors  NoSuchConsumer · Lapsed: it fell behind for longer than rows are kept, and has to register again ·
        Overtaken: another process moved the cursor, so this transaction has to be rolled back
Source  docs/decisions/0029-outbox.md; engine/outbox.py says what a change holds
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tinycdp.engine.outbox import Change, decode
from tinycdp.errors import Unavailable
from tinycdp.model import Instant
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store import outbox as store
from tinycdp.store.database.pool import DATABASE_BUSY, Connection, Pool, acquired, frozen, transaction

log = logging.getLogger(__name__)

ROWS = 500
#: Unread rows are counted up to this many.
MOST_COUNTED = 100_000
#: How long a read waits for transactions that are about to commit, and how often it looks.
_PATIENCE_SECONDS = 1.0
_POLL_SECONDS = 0.002


class NoSuchConsumer(Exception):
    """No consumer of this name is registered in this environment."""


class Lapsed(Exception):
    """The consumer fell so far behind that rows it had not read were dropped."""


class Overtaken(Exception):
    """Another process has acknowledged, or claimed, since this batch was read."""


@dataclass(frozen=True, slots=True)
class CommittedChanges:
    """What one transaction changed.

    position  never changes, and is unique in its environment
    at        when the transaction ran; it may be a little earlier than that of the row before it"""

    position: int
    at: Instant
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows with a position in (after, last], in order. Falsy if empty.

    last     no row at or below it can still be committed; it may be greater than the last row's position
    claimed  it was claimed before, and perhaps worked on"""

    environment_id: int
    consumer: str
    after: int
    last: int
    rows: Sequence[CommittedChanges]
    claimed: bool = field(default=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def key(self) -> str:
        """An idempotency key for receivers; a claimed batch has the same key after a crash."""
        return f"{self.consumer}:{self.environment_id}:{self.after}-{self.last}"


async def register(environment: Environment, name: str, *, start: Literal["now", "oldest"] = "now") -> int:
    """Register a consumer, unless it is registered already, and return its position.

    start  now: begin with the first transaction after this one · oldest: with the oldest row that is still kept

    Waits for the transactions in flight, as a publish does: each of them is before, and the next one is after."""
    async with transaction(environment.pool) as connection:
        return await register_in(connection, environment.id, name, environment.now(), start=start)


async def register_in(
    connection: Connection,
    environment_id: int,
    name: str,
    now: Instant,
    *,
    start: Literal["now", "oldest"] = "now",
) -> int:
    """The same in a transaction, which keeps messages out until it ends."""
    await definition_store.begin_publish(connection, environment_id)
    await store.hold_consumers(connection)
    cursor = await store.find_cursor(connection, environment_id, name)
    if cursor is not None:
        return int(cursor.position)
    position = await store.last_position(connection)
    if start == "oldest" and (oldest := await store.oldest_position(connection, environment_id)) is not None:
        position = oldest - 1
    await store.register_cursor(connection, environment_id, name, position, now)
    return position


@contextlib.asynccontextmanager
async def register_anew(environment: Environment, name: str) -> AsyncIterator[tuple[Connection, int]]:
    """Register a consumer at a position, also if it is registered, and read the tables as they are at that position.

    Gives the connection and the position. The snapshot is taken while no transaction of the environment is open. It
    has every row up to the position and none after it: its copy and the outbox from there have all, and all once."""
    async with acquired(environment.pool) as reading, frozen(reading):
        async with transaction(environment.pool) as connection:
            await definition_store.begin_publish(connection, environment.id)
            await store.hold_consumers(connection)
            await store.drop_cursor(connection, environment.id, name)
            position = await store.last_position(connection)
            await store.register_cursor(connection, environment.id, name, position, environment.now())
            await store.last_position(reading)  # the first statement takes the snapshot
        yield reading, position


async def unregister(environment: Environment, name: str) -> None:
    """Remove a consumer. Rows that only it had not read are dropped."""
    async with acquired(environment.pool) as connection:
        await unregister_in(connection, environment.id, name)


async def unregister_in(connection: Connection, environment_id: int, name: str) -> None:
    """The same in a transaction."""
    await store.drop_cursor(connection, environment_id, name)


class Consumer:
    """A registered consumer, in one process."""

    def __init__(self, environment: Environment, name: str) -> None:
        self._pool = environment.pool
        self.environment_id = environment.id
        self.name = name
        self._complete = 0

    async def read(self, most: int = ROWS) -> Batch:
        """The next rows after the acknowledged ones, or the claimed batch again.

        Does not move the cursor."""
        async with acquired(self._pool) as connection:
            cursor = await store.find_cursor(connection, self.environment_id, self.name)
            if cursor is None:
                raise NoSuchConsumer(self.name)
            if cursor.lapsed_at is not None:
                raise Lapsed(self.name)
            after, claimed = cursor.position, cursor.claimed
            if claimed is not None:
                found = await store.read_outbox(connection, self.environment_id, after, claimed)
                return self._batch(after, claimed, found, claimed=True)
            found = []
            if remaining := self._complete > after:  # rows that an earlier batch had no room for
                found = await store.read_outbox(connection, self.environment_id, after, self._complete, most)
            if not remaining or not found:
                self._complete = await _complete(connection, self.environment_id, after)
                found = await store.read_outbox(connection, self.environment_id, after, self._complete, most)
        return self._batch(after, self._complete if len(found) < most else found[-1].position, found)

    def _batch(self, after: int, last: int, found: Sequence[store.OutboxRow], *, claimed: bool = False) -> Batch:
        rows = [CommittedChanges(row.position, row.at, decode(row.changes)) for row in found]
        return Batch(self.environment_id, self.name, after, last, rows, claimed)

    async def claim(self, batch: Batch) -> None:
        """Make every process read this batch until it is acknowledged.

        For effects outside of Postgres."""
        async with acquired(self._pool) as connection:
            if not await store.claim_batch(connection, self.environment_id, self.name, batch.after, batch.last):
                raise Overtaken(batch.key)

    async def acknowledge(self, connection: Connection, batch: Batch, now: Instant) -> None:
        """Mark the batch as done in this connection's transaction."""
        if not await store.acknowledge_batch(connection, self.environment_id, self.name, batch.after, batch.last, now):
            raise Overtaken(batch.key)


async def _complete(connection: Connection, environment_id: int, after: int) -> int:
    """A position up to which no row can be committed any more; `after` if unknown yet.

    A transaction with a position up to `last` drew it behind the fence, so it is among the writers, or ended before
    they were listed. Transactions that start later draw later positions."""
    last = await store.last_position(connection)
    if last <= after:
        return after
    writers = await store.writers(connection, environment_id)
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while writers:
        if asyncio.get_running_loop().time() > deadline:
            return after
        await asyncio.sleep(_POLL_SECONDS)
        writers &= await store.writers(connection, environment_id)
    return last


class Bell:
    """Wakes the consumers of this process after a commit, here or in another process."""

    def __init__(self) -> None:
        self._events: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    def ring(self, environment_id: int) -> None:
        """Wake the consumers of one environment."""
        if (event := self._events.get(environment_id)) is not None:
            event.set()

    def ring_all(self) -> None:
        """Wake all consumers."""
        for event in self._events.values():
            event.set()

    async def wait(self, environment_id: int, seconds: float) -> None:
        """Wait for a ring since the last wait, but at most this long.

        A notification may be lost."""
        event = self._events[environment_id]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        event.clear()


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind one consumer is.

    environment  organisation/project/environment, by their keys
    rows         not acknowledged yet, MOST_COUNTED at most
    seconds      since the oldest of them was committed"""

    environment: str
    consumer: str
    rows: int
    seconds: float
    lapsed: bool


async def lags(connection: Connection, now: Instant) -> list[Lag]:
    """How far behind every consumer is."""
    return [
        Lag(
            row.environment,
            row.consumer,
            row.rows,
            max(now - row.oldest_at, 0) / 1000 if row.oldest_at is not None else 0.0,
            row.lapsed,
        )
        for row in await store.lags(connection, MOST_COUNTED)
    ]


async def tidy(pool: Pool, now: Instant, keep_ms: int) -> int:
    """Drop rows that every consumer has read, and consumers that are too far behind.

    Rows are kept for `keep_ms` for a consumer that is behind. Returns the number of partitions emptied."""
    async with transaction(pool) as connection:
        for row in await store.lapse_cursors(connection, now, now - keep_ms):
            log.error("consumer %s of environment %d lapsed: register it again", row.consumer, row.environment_id)
    emptied = 0
    for slot in range(store.SLOTS):
        async with acquired(pool) as connection:
            drained = await store.is_drained(connection, slot)
            # New rows go into the current one: emptying it would block them.
            current = await store.last_position(connection) // store.PER_SLOT % store.SLOTS
        if drained and slot != current:
            try:
                emptied += await _empty(pool, slot)
            except Unavailable as busy:
                if busy.code != DATABASE_BUSY:
                    raise
    return emptied


async def _empty(pool: Pool, slot: int) -> bool:
    async with transaction(pool) as connection:
        await store.hold_consumers(connection)
        await store.hold_slot(connection, slot)
        # Check again, now that the locks keep out writers of this partition and new consumers.
        if not await store.is_drained(connection, slot):
            return False
        await store.truncate_slot(connection, slot)
    return True
