"""Statements about what was: who had which identifier, what had arrived, and what served at an instant."""

from collections.abc import Sequence

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("past")


async def find_alias(connection: Connection, environment_id: int, kind: str, value: str) -> Row | None:
    return await connection.fetchrow(_SQL["find_alias"], environment_id, kind, value)


async def survivor_at(connection: Connection, environment_id: int, id: int, at: int) -> int:
    """The profile that an id led to at an instant; itself where nothing had absorbed it by then, or it is nobody's."""
    return await connection.fetchval(_SQL["survivor_at"], environment_id, id, at)


async def moves_since(connection: Connection, environment_id: int, profile_ids: Sequence[int], at: int) -> list[Row]:
    """Newest first."""
    return await connection.fetch(_SQL["moves_since"], environment_id, profile_ids, at)


async def aliases_of(connection: Connection, environment_id: int, profile_ids: Sequence[int]) -> list[Row]:
    return await connection.fetch(_SQL["aliases_of"], environment_id, profile_ids)


async def messages_until(
    connection: Connection, environment_id: int, alias_ids: Sequence[int], at: int, n: int | None
) -> list[Row]:
    """At most n, None for all."""
    return await connection.fetch(_SQL["messages_until"], environment_id, alias_ids, at, n)


async def oldest_arrival(connection: Connection, environment_id: int) -> int | None:
    return await connection.fetchval(_SQL["oldest_arrival"], environment_id)


async def revisions_at(connection: Connection, environment_id: int, at: int) -> tuple[int, int]:
    """(live, newest)"""
    row = await connection.fetchrow(_SQL["revisions_at"], environment_id, at)
    return row["live"], row["head"]
