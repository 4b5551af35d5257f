"""Statements about batches: the one that a lane is writing."""

from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("batches", "tinycdp.products.delivery")


@dataclass(frozen=True, slots=True)
class BatchRow(Row):
    """A batch that is not written yet, as far as this database knows."""

    number: int
    first_seq: int
    last_seq: int
    records: int
    attempts: int
    next_at: int
    reason: str


async def find_stream(connection: Connection, environment_id: int, definition_id: int) -> str | None:
    return await connection.fetchval(_SQL["find_stream"], environment_id, definition_id)


async def find_batch(connection: Connection, environment_id: int, definition_id: int) -> BatchRow | None:
    return BatchRow.maybe(await connection.fetchrow(_SQL["find_batch"], environment_id, definition_id))


async def absorb_waiting(connection: Connection, environment_id: int, definition_id: int) -> int | None:
    """The cursor, None if it did not move."""
    return await connection.fetchval(_SQL["absorb_waiting"], environment_id, definition_id)


async def cut_batch(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    generation: int,
    first: int,
    last: int,
    records: int,
    now: int,
) -> BatchRow | None:
    """None: the lane has another owner."""
    ids = (environment_id, definition_id)
    return BatchRow.maybe(
        await connection.fetchrow(_SQL["cut_batch"], *ids, generation, first, last, records, now, now)
    )


async def drop_batch(connection: Connection, environment_id: int, definition_id: int, number: int) -> None:
    await connection.execute(_SQL["drop_batch"], environment_id, definition_id, number)


async def forget_batch(connection: Connection, environment_id: int, definition_id: int) -> None:
    await connection.execute(_SQL["forget_batch"], environment_id, definition_id)


async def postpone_batch(
    connection: Connection, environment_id: int, definition_id: int, number: int, attempts: int, at: int, reason: str
) -> None:
    await connection.execute(_SQL["postpone_batch"], environment_id, definition_id, number, attempts, at, reason)


async def hurry_batch(connection: Connection, environment_id: int, definition_id: int, now: int) -> None:
    await connection.execute(_SQL["hurry_batch"], environment_id, definition_id, now)


async def log_batch(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    seq: int,
    attempt: int,
    at: int,
    duration_ms: int,
    error: str,
    records: int,
) -> None:
    """Keep an attempt for the log of deliveries."""
    ids = (environment_id, definition_id)
    await connection.execute(_SQL["log_batch"], *ids, seq, attempt, at, duration_ms, error, records)


async def recorded_at(connection: Connection, environment_id: int, seq: int) -> int | None:
    """When a happening was written to the log; None if it was dropped."""
    return await connection.fetchval(_SQL["recorded_at"], environment_id, seq)
