"""Statements of previews: who is looked at, and what made-up expressions are worth to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.pool import Connection
from tinycdp.store.rows import Row
from tinycdp.store.statements import load

_SQL = load("preview")


@dataclass(frozen=True, slots=True)
class UnitRow(Row):
    """A profile to show, with its identifiers as "kind value"."""

    id: int
    bucketing_key: str
    aliases: list[str]


async def plan_anew(connection: Connection) -> None:
    """Plan every statement for its own parameters, until the transaction ends."""
    await connection.execute(_SQL["plan_anew"])


async def count_profiles(connection: Connection, environment_id: int, at: int) -> int:
    return await connection.fetchval(_SQL["count_profiles"], environment_id, at)


async def sample_profiles(connection: Connection, environment_id: int, at: int, n: int | None) -> list[int]:
    """None for all."""
    return [row["id"] for row in await connection.fetch(_SQL["sample_profiles"], environment_id, at, n)]


async def units_of(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[UnitRow]:
    return UnitRow.every(await connection.fetch(_SQL["units_of"], environment_id, ids))


async def computed(
    connection: Connection, statement: str, environment_id: int, at: int, ids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Rows of (profile id, v0, v1, …) of a statement that dsl.sql made, of what had arrived by an instant, as of it."""
    return [tuple(row) for row in await connection.fetch(statement, environment_id, at, at, ids)]
