"""Statements of previews: samples of profiles, and values of compiled expressions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("preview")


@dataclass(frozen=True, slots=True)
class UnitRow(Row):
    """A profile's bucketing key, and its identifiers as "kind value"."""

    id: int
    bucketing_key: str
    identifiers: list[str]


async def force_custom_plans(connection: Connection) -> None:
    """Plan every statement for its own parameters, until the transaction ends."""
    await connection.execute(_SQL["force_custom_plans"])


async def count_profiles(connection: Connection, environment_id: int, at: int) -> int:
    return await connection.fetchval(_SQL["count_profiles"], environment_id, at)


async def sample_profiles(connection: Connection, environment_id: int, at: int, n: int | None) -> list[int]:
    """The ids of n profiles that existed at an instant; None for all of them."""
    return [row["id"] for row in await connection.fetch(_SQL["sample_profiles"], environment_id, at, n)]


async def units_of(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[UnitRow]:
    return UnitRow.every(await connection.fetch(_SQL["units_of"], environment_id, ids))


async def compute_values(
    connection: Connection, statement: str, environment_id: int, at: int, ids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Rows of (profile id, v0, v1, …) from a statement of dsl.sql, as of an instant.

    Only messages that had arrived by then count."""
    return [tuple(row) for row in await connection.fetch(statement, environment_id, at, at, ids)]
