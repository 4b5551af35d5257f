"""Statements about what was not stored: rejected messages, their counts, and dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("limits")

#: (api key, digest, times, code, message, path, payload, logged or only counted, already counted)
Arrived = tuple[int | None, bytes, int, str, str, str, bytes, bool, bool]


@dataclass(frozen=True, slots=True)
class RejectionRow(Row):
    """A rejected message."""

    id: int
    code: str
    message: str
    path: str
    payload: bytes
    times: int
    received_at: int
    last_received_at: int
    key_name: str | None


@dataclass(frozen=True, slots=True)
class RejectionCountRow(Row):
    """Rejections of one code and key in an hour; key 0 stands for no key."""

    hour: int
    api_key_id: int
    key_name: str | None
    code: str
    messages: int
    repeats: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow(Row):
    """A dead letter."""

    id: int
    code: str
    error: str
    payload: bytes
    attempts: int
    first_failed_at: int
    last_failed_at: int
    api_key_id: int | None
    key_name: str | None


@dataclass(frozen=True, slots=True)
class RetryRow(Row):
    """A dead letter to replay."""

    id: int
    payload: bytes
    attempts: int
    api_key_id: int | None


async def log_rejections(
    connection: Connection, environment_id: int, now: int, hour: int, rows: Sequence[Arrived]
) -> None:
    columns = map(list, zip(*rows, strict=True))
    await connection.execute(_SQL["log_rejections"], environment_id, now, hour, *columns)


async def list_rejections(
    connection: Connection, environment_id: int, before_id: int, code: str | None, api_key_id: int | None, n: int
) -> list[RejectionRow]:
    return RejectionRow.every(
        await connection.fetch(_SQL["list_rejections"], environment_id, before_id, code, api_key_id, n)
    )


async def rejection_counts(connection: Connection, environment_id: int, since: int, n: int) -> list[RejectionCountRow]:
    return RejectionCountRow.every(await connection.fetch(_SQL["rejection_counts"], environment_id, since, n))


async def prune_rejections(connection: Connection, environment_id: int, before: int, counts_before: int) -> None:
    """Delete old rejected messages and old hourly counts."""
    await connection.execute(_SQL["prune_rejections"], environment_id, before)
    await connection.execute(_SQL["prune_rejection_counts"], environment_id, counts_before)


async def keep_dead_letter(
    connection: Connection,
    environment_id: int,
    digest: bytes,
    api_key_id: int | None,
    code: str,
    error: str,
    payload: bytes,
    now: int,
) -> None:
    await connection.execute(_SQL["keep_dead_letter"], environment_id, digest, api_key_id, code, error, payload, now)


async def list_dead_letters(
    connection: Connection, environment_id: int, before_id: int, code: str | None, n: int
) -> list[DeadLetterRow]:
    return DeadLetterRow.every(await connection.fetch(_SQL["list_dead_letters"], environment_id, before_id, code, n))


async def oldest_dead_letters(
    connection: Connection,
    environment_id: int,
    ids: Sequence[int] | None,
    code: str | None,
    after_id: int,
    n: int,
) -> list[RetryRow]:
    return RetryRow.every(await connection.fetch(_SQL["oldest_dead_letters"], environment_id, ids, code, after_id, n))


async def settle_dead_letters(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """Delete the letters that did not fail again. `rows` are (id, attempts)."""
    if rows:
        await connection.execute(_SQL["settle_dead_letters"], environment_id, *map(list, zip(*rows, strict=True)))


async def discard_dead_letters(
    connection: Connection, environment_id: int, ids: Sequence[int] | None, code: str | None
) -> int:
    """Delete letters; returns their number."""
    return await connection.fetchval(_SQL["discard_dead_letters"], environment_id, ids, code)


async def prune_dead_letters(connection: Connection, environment_id: int, before: int, n: int) -> None:
    await connection.execute(_SQL["prune_dead_letters"], environment_id, before, n)
