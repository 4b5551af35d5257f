"""Statements on the table of imports."""

from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("imports")


@dataclass(frozen=True, slots=True)
class ImportRow(Row):
    """An import. done: rows of its file; share: of the file, 0 to 1."""

    environment_id: int
    id: str
    name: str
    form: str
    mapping: Any
    done: int
    share: float
    accepted: int
    duplicates: int
    rejected: int
    author: str
    started_at: int
    advanced_at: int
    finished_at: int | None
    error: str | None


async def begin_import(connection: Connection, environment_id: int, *values: Any) -> ImportRow:
    return ImportRow.from_row(await connection.fetchrow(_SQL["begin_import"], environment_id, *values))


async def try_import(connection: Connection, environment_id: int, id: str) -> bool:
    """Take the import's lock for this connection, until end_import or close.

    Returns False if another connection has it."""
    connection.linger()
    return await connection.fetchval(_SQL["try_import"], environment_id, id)


async def end_import(connection: Connection, environment_id: int, id: str) -> None:
    await connection.execute(_SQL["end_import"], environment_id, id)


async def advance_import(connection: Connection, environment_id: int, id: str, *values: Any) -> ImportRow:
    return ImportRow.from_row(await connection.fetchrow(_SQL["advance_import"], environment_id, id, *values))


async def finish_import(connection: Connection, environment_id: int, id: str, now: int, error: str | None) -> ImportRow:
    return ImportRow.from_row(await connection.fetchrow(_SQL["finish_import"], environment_id, id, now, error))


async def stop_import(connection: Connection, environment_id: int, id: str, error: str, now: int) -> None:
    await connection.execute(_SQL["stop_import"], environment_id, id, error, now)


async def find_import(connection: Connection, environment_id: int, id: str) -> ImportRow | None:
    return ImportRow.maybe(await connection.fetchrow(_SQL["find_import"], environment_id, id))


async def list_imports(connection: Connection, environment_id: int, n: int) -> list[ImportRow]:
    return ImportRow.every(await connection.fetch(_SQL["list_imports"], environment_id, n))
