"""Statements about the outbox: what transactions changed, and the cursors of its consumers.

Shape   one function per statement of sql/outbox.sql; save_profiles (profiles.sql) writes rows, settle_transitions
        (definitions.sql) for an edit, and record_exposures (exposures.sql) for exposures
Laws    A position is drawn from `versions` under the shared lock (79, environment), in the same statement. `writers`
        therefore returns every transaction that may still commit a row at or below `last_position`.
        If two transactions change one profile, their positions have the order of their commits, because both are drawn
        under the profile's lock.
Source  docs/decisions/0029-outbox.md
"""

from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("outbox")

#: The number of partitions, and of positions in each turn; as in the statements that write rows.
SLOTS = 8
PER_SLOT = 16_384


@dataclass(frozen=True, slots=True)
class CursorRow(Row):
    """A consumer's cursor.

    claimed: the end of the claimed batch; lapsed_at: when it fell too far behind."""

    position: int
    claimed: int | None
    lapsed_at: int | None


@dataclass(frozen=True, slots=True)
class OutboxRow(Row):
    """The changes of one transaction; `changes` is JSON as text."""

    position: int
    at: int
    changes: str


@dataclass(frozen=True, slots=True)
class LagRow(Row):
    """How far a consumer is behind.

    environment: organisation/project/environment; oldest_at: of its unread rows."""

    environment: str
    consumer: str
    lapsed: bool
    rows: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class LapsedRow(Row):
    """A consumer that lapsed."""

    environment_id: int
    consumer: str


async def last_position(connection: Connection) -> int:
    return await connection.fetchval(_SQL["last_position"])


async def writers(connection: Connection, environment_id: int) -> set[str]:
    return set(await connection.fetchval(_SQL["writers"], environment_id))


async def find_cursor(connection: Connection, environment_id: int, consumer: str) -> CursorRow | None:
    return CursorRow.maybe(await connection.fetchrow(_SQL["find_cursor"], environment_id, consumer))


async def read_outbox(
    connection: Connection, environment_id: int, after: int, upto: int, n: int | None = None
) -> list[OutboxRow]:
    return OutboxRow.every(await connection.fetch(_SQL["read_outbox"], environment_id, after, upto, n))


async def claim_batch(connection: Connection, environment_id: int, consumer: str, after: int, last: int) -> bool:
    """Claim a batch.

    Returns False if the cursor is not at its beginning, or another batch is claimed."""
    return await connection.fetchval(_SQL["claim_batch"], environment_id, consumer, after, last) is not None


async def acknowledge_batch(
    connection: Connection, environment_id: int, consumer: str, after: int, last: int, now: int
) -> bool:
    """Move the cursor past a batch. Returns False in the cases of `claim_batch`."""
    found = await connection.fetchval(_SQL["acknowledge_batch"], environment_id, consumer, after, last, now)
    return found is not None


async def hold_consumers(connection: Connection) -> None:
    await connection.execute(_SQL["hold_consumers"])


async def register_cursor(connection: Connection, environment_id: int, consumer: str, position: int, now: int) -> None:
    await connection.execute(_SQL["register_cursor"], environment_id, consumer, position, now)


async def oldest_position(connection: Connection, environment_id: int) -> int | None:
    return await connection.fetchval(_SQL["oldest_position"], environment_id)


async def drop_cursor(connection: Connection, environment_id: int, consumer: str) -> None:
    await connection.execute(_SQL["drop_cursor"], environment_id, consumer)


async def lags(connection: Connection, most: int) -> list[LagRow]:
    return LagRow.every(await connection.fetch(_SQL["lags"], most))


async def lapse_cursors(connection: Connection, now: int, before: int) -> list[LapsedRow]:
    return LapsedRow.every(await connection.fetch(_SQL["lapse_cursors"], now, before))


async def is_drained(connection: Connection, slot: int) -> bool:
    """Whether a slot has rows, and every consumer has read them all."""
    return await connection.fetchval(
        f"SELECT EXISTS (SELECT 1 FROM outbox_{slot:d}) AND NOT EXISTS (SELECT 1 FROM outbox_{slot:d} o"
        " WHERE EXISTS (SELECT 1 FROM outbox_cursors c WHERE c.environment_id = o.environment_id"
        " AND c.lapsed_at IS NULL AND c.position < o.position))"
    )


async def hold_slot(connection: Connection, slot: int) -> None:
    """Lock a slot against readers and writers until the transaction ends.

    The lock times out after 200 ms, because readers queue behind it."""
    await connection.execute("SET LOCAL lock_timeout = '200ms'")
    await connection.execute(f"LOCK TABLE outbox_{slot:d} IN ACCESS EXCLUSIVE MODE")


async def truncate_slot(connection: Connection, slot: int) -> None:
    await connection.execute(f"TRUNCATE outbox_{slot:d}")
