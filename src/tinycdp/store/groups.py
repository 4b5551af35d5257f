"""Statements about groups, their traits and their members."""

from collections.abc import Sequence
from typing import Any

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("groups")


async def lock_groups(connection: Connection, environment_id: int, keys: Sequence[str], now: int) -> list[Row]:
    """The groups, made where they are new, in order of key; nobody else changes them before this transaction ends."""
    await connection.execute(_SQL["add_groups"], environment_id, keys, now)
    return await connection.fetch(_SQL["lock_groups"], environment_id, keys)


async def save_groups(
    connection: Connection, environment_id: int, rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]], now: int
) -> None:
    """`rows` are (key, traits, stamps)."""
    if rows:
        await connection.execute(_SQL["save_groups"], environment_id, *map(list, zip(*rows, strict=True)), now)


async def note_group_changes(connection: Connection, environment_id: int, keys: Sequence[str]) -> None:
    if keys:
        await connection.execute(_SQL["note_group_changes"], environment_id, keys)


async def traits_of_groups(connection: Connection, environment_id: int, keys: Sequence[str]) -> list[Row]:
    return await connection.fetch(_SQL["traits_of_groups"], environment_id, keys)


async def traits_of_groups_at(connection: Connection, environment_id: int, keys: Sequence[str], at: int) -> list[Row]:
    return await connection.fetch(_SQL["traits_of_groups_at"], environment_id, keys, at)


async def join_groups(connection: Connection, environment_id: int, rows: Sequence[tuple[int, str | None]]) -> None:
    """`rows` are (profile id, group key or None)."""
    if rows:
        await connection.execute(_SQL["join_groups"], environment_id, *map(list, zip(*rows, strict=True)))


async def claim_group_change(connection: Connection, environment_id: int) -> Row | None:
    return await connection.fetchrow(_SQL["claim_group_change"], environment_id)


async def changing_groups(connection: Connection, environment_id: int) -> list[Row]:
    return await connection.fetch(_SQL["changing_groups"], environment_id)


async def members_to_change(connection: Connection, environment_id: int, key: str, after: int, n: int) -> list[Row]:
    return await connection.fetch(_SQL["members_to_change"], environment_id, key, after, n)


async def advance_group_change(connection: Connection, environment_id: int, key: str, version: int, at: int) -> None:
    await connection.execute(_SQL["advance_group_change"], environment_id, key, version, at)


async def finish_group_change(connection: Connection, environment_id: int, key: str, version: int) -> None:
    await connection.execute(_SQL["finish_group_change"], environment_id, key, version)


async def list_groups(connection: Connection, environment_id: int, after: str, n: int) -> list[Row]:
    return await connection.fetch(_SQL["list_groups"], environment_id, after, n)


async def find_group(connection: Connection, environment_id: int, key: str) -> Row | None:
    return await connection.fetchrow(_SQL["find_group"], environment_id, key)


async def members_of_group(connection: Connection, environment_id: int, key: str, after: int, n: int) -> list[Row]:
    return await connection.fetch(_SQL["members_of_group"], environment_id, key, after, n)
