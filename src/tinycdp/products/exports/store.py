"""Statements about exports and their schedules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load

_SQL = load("exports", "tinycdp.products.exports")


@dataclass(frozen=True, slots=True)
class ExportRow(Row):
    """An export."""

    environment_id: int
    id: int
    request: Any
    format: str
    name: str
    status: str
    attempt: int
    rows: int
    total: int | None
    share: float
    size: int | None
    place: str
    as_of: int | None
    erasures: int | None
    note: str
    code: str | None
    error: str | None
    author: str
    key_id: int | None
    schedule_id: int | None
    due_at: int | None
    created_at: int
    started_at: int | None
    advanced_at: int
    finished_at: int | None
    expires_at: int | None
    ended_by: str | None
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class DueRow(Row):
    """A schedule, and when it is due. next_at: None if it is not"""

    definition_id: int
    next_at: int | None


async def create_export(connection: Connection, environment_id: int, *values: Any) -> ExportRow | None:
    """None if the schedule's export of this instant was created before."""
    return ExportRow.maybe(await connection.fetchrow(_SQL["create_export"], environment_id, *values))


async def find_export(connection: Connection, environment_id: int, id: int) -> ExportRow | None:
    return ExportRow.maybe(await connection.fetchrow(_SQL["find_export"], environment_id, id))


async def list_exports(connection: Connection, environment_id: int, before: int, n: int) -> list[ExportRow]:
    return ExportRow.every(await connection.fetch(_SQL["list_exports"], environment_id, before, n))


async def newest_of_schedules(
    connection: Connection, environment_id: int, schedule_ids: Sequence[int]
) -> list[ExportRow]:
    """The newest export of each of these schedules that has one."""
    return ExportRow.every(await connection.fetch(_SQL["newest_of_schedules"], environment_id, schedule_ids))


async def unfinished_exports(connection: Connection, environment_id: int, since: int, n: int) -> list[int]:
    return [row["id"] for row in await connection.fetch(_SQL["unfinished_exports"], environment_id, since, n)]


async def count_unfinished(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["count_unfinished"], environment_id)


async def schedule_runs(connection: Connection, environment_id: int, schedule_id: int) -> bool:
    return await connection.fetchval(_SQL["schedule_runs"], environment_id, schedule_id)


async def try_export(connection: Connection, environment_id: int, id: int) -> bool:
    """Take the export's lock for this connection, until it closes. Returns False if another connection has it."""
    return await connection.fetchval(_SQL["try_export"], environment_id, id)


async def is_written(connection: Connection, environment_id: int, id: int) -> bool:
    """Whether a connection has the export's lock."""
    return await connection.fetchval(_SQL["is_written"], environment_id, id)


async def begin_export(
    connection: Connection, environment_id: int, id: int, attempt: int, now: int, place: str
) -> ExportRow | None:
    """None unless it waits or runs, after that attempt."""
    return ExportRow.maybe(await connection.fetchrow(_SQL["begin_export"], environment_id, id, attempt, now, place))


async def forget_attempt(connection: Connection, environment_id: int, id: int, attempt: int) -> None:
    await connection.execute(_SQL["forget_attempt"], environment_id, id, attempt)


async def advance_export(connection: Connection, environment_id: int, id: int, attempt: int, *values: Any) -> bool:
    """Whether it is still this attempt's."""
    return affected(await connection.execute(_SQL["advance_export"], environment_id, id, attempt, *values)) > 0


async def finish_export(connection: Connection, environment_id: int, id: int, attempt: int, *values: Any) -> bool:
    """Whether it was still this attempt's."""
    return affected(await connection.execute(_SQL["finish_export"], environment_id, id, attempt, *values)) > 0


async def fail_export(connection: Connection, environment_id: int, id: int, attempt: int, *values: Any) -> None:
    await connection.execute(_SQL["fail_export"], environment_id, id, attempt, *values)


async def cancel_export(connection: Connection, environment_id: int, id: int, now: int, who: str) -> bool:
    return affected(await connection.execute(_SQL["cancel_export"], environment_id, id, now, who)) > 0


async def remove_export(
    connection: Connection, environment_id: int, id: int, now: int, who: str | None, note: str
) -> bool:
    return affected(await connection.execute(_SQL["remove_export"], environment_id, id, now, who, note)) > 0


async def count_erasures(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["count_erasures"], environment_id)


async def outdated_exports(connection: Connection, environment_id: int, now: int) -> list[tuple[int, bool]]:
    """(id, whether its time is over)"""
    rows = await connection.fetch(_SQL["outdated_exports"], environment_id, now)
    return [(row["id"], row["expired"]) for row in rows]


async def unwanted_files(connection: Connection, environment_id: int, after: int) -> list[ExportRow]:
    """Some, after an id."""
    return ExportRow.every(await connection.fetch(_SQL["unwanted_files"], environment_id, after))


async def file_is_gone(connection: Connection, environment_id: int, id: int) -> None:
    await connection.execute(_SQL["file_is_gone"], environment_id, id)


async def prune_exports(connection: Connection, environment_id: int, before: int) -> None:
    await connection.execute(_SQL["prune_exports"], environment_id, before)


async def set_next(connection: Connection, environment_id: int, definition_id: int, next_at: int | None) -> None:
    await connection.execute(_SQL["set_next"], environment_id, definition_id, next_at)


async def hold_due(connection: Connection, environment_id: int, now: int) -> list[DueRow]:
    return DueRow.every(await connection.fetch(_SQL["hold_due"], environment_id, now))


async def next_of_schedules(connection: Connection, environment_id: int) -> dict[int, int | None]:
    """By the ids of their definitions."""
    return dict(await connection.fetch(_SQL["next_of_schedules"], environment_id))


async def drop_schedules(connection: Connection, environment_id: int, definition_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["drop_schedules"], environment_id, definition_ids)
