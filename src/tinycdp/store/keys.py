"""Statements about API keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("keys")


@dataclass(frozen=True, slots=True)
class KeyRow(Row):
    """A key in the list, without its hash."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class UsableKeyRow(Row):
    """A key that was not revoked."""

    environment_id: int
    id: int
    name: str
    digest: bytes
    scopes: list[str]


async def create_key(
    connection: Connection,
    environment_id: int,
    name: str,
    prefix: str,
    digest: bytes,
    scopes: Sequence[str],
    now: int,
) -> int | None:
    """Add a key; returns its id, or None if the same key exists already."""
    return await connection.fetchval(_SQL["create_key"], environment_id, name, prefix, digest, scopes, now)


async def list_keys(connection: Connection, environment_id: int) -> list[KeyRow]:
    return KeyRow.every(await connection.fetch(_SQL["list_keys"], environment_id))


async def list_usable_keys(connection: Connection) -> list[UsableKeyRow]:
    return UsableKeyRow.every(await connection.fetch(_SQL["list_usable_keys"]))


async def revoke_key(connection: Connection, environment_id: int, id: int, now: int) -> bool:
    """Revoke a key. Returns False if it does not exist or is revoked already."""
    return await connection.fetchval(_SQL["revoke_key"], environment_id, id, now) is not None
