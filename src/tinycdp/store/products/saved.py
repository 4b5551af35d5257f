"""Statements about the definitions of products: reports, dashboards, destinations …

Shape   one table for all products; each function takes the kinds of the product that asks
Laws    saves of an environment are numbered together, and go one after another
Source  docs/decisions/0038-product-kinds.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("saved")


@dataclass(frozen=True, slots=True)
class SavedRow(Row):
    """One version of a saved definition.

    definition_id  0 before the first version is saved
    document  None if it deleted the definition
    change    the save that wrote it
    revision  of the core's definitions that it was checked with"""

    definition_id: int
    version: int
    kind: str
    key: str
    document: dict[str, Any] | None
    author: str
    note: str
    saved_at: int
    change: int = 0
    revision: int = 0


async def begin_saving(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["begin_saving"], environment_id)


async def newest_change(connection: Connection, environment_id: int) -> int:
    """The number of the newest save; 0 before the first."""
    return int(await connection.fetchval(_SQL["newest_change"], environment_id))


async def newest_definitions(connection: Connection, environment_id: int, kinds: Sequence[str]) -> list[SavedRow]:
    """The newest version of each definition of some kinds, also of deleted ones."""
    return SavedRow.every(await connection.fetch(_SQL["newest_definitions"], environment_id, list(kinds)))


async def last_definition(connection: Connection, environment_id: int) -> int:
    """The greatest id of a definition; 0 before the first."""
    return int(await connection.fetchval(_SQL["last_definition"], environment_id))


async def find_saved(connection: Connection, environment_id: int, kind: str, key: str) -> int | None:
    """The id of the definition that has this key, else of the one that had it last."""
    return await connection.fetchval(_SQL["find_saved"], environment_id, kind, key)


async def list_saved_versions(connection: Connection, environment_id: int, definition_id: int) -> list[SavedRow]:
    """Newest first."""
    return SavedRow.every(await connection.fetch(_SQL["list_saved_versions"], environment_id, definition_id))


async def definitions_after(
    connection: Connection, environment_id: int, kinds: Sequence[str], change: int
) -> list[SavedRow]:
    """Each definition of some kinds as a save left it, also deleted ones."""
    return SavedRow.every(await connection.fetch(_SQL["definitions_after"], environment_id, list(kinds), change))


async def list_saves(
    connection: Connection, environment_id: int, kinds: Sequence[str], before: int, n: int
) -> list[SavedRow]:
    """What the n newest saves of some kinds before one wrote, newest first."""
    return SavedRow.every(await connection.fetch(_SQL["list_saves"], environment_id, list(kinds), before, n))


async def append_versions(
    connection: Connection, environment_id: int, change: int, revision: int, rows: Sequence[SavedRow]
) -> None:
    """Save the next version of some definitions, all by one change, checked with a revision of the core's."""
    await connection.execute(_SQL["retire_versions"], environment_id, [row.definition_id for row in rows])
    await connection.executemany(
        _SQL["append_saved_version"],
        [
            (
                environment_id,
                row.definition_id,
                row.version,
                change,
                revision,
                row.kind,
                row.key,
                row.document,
                row.author,
                row.note,
                row.saved_at,
            )
            for row in rows
        ],
    )
