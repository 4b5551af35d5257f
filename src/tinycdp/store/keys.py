"""Statements about API keys."""

from collections.abc import Sequence

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("keys")


async def create_key(
    connection: Connection,
    environment_id: int,
    name: str,
    prefix: str,
    digest: bytes,
    scopes: Sequence[str],
    now: int,
) -> int | None:
    """The id of the new key, None where this very key exists already."""
    return await connection.fetchval(_SQL["create_key"], environment_id, name, prefix, digest, scopes, now)


async def list_keys(connection: Connection, environment_id: int) -> list[Row]:
    return await connection.fetch(_SQL["list_keys"], environment_id)


async def list_usable_keys(connection: Connection) -> list[Row]:
    return await connection.fetch(_SQL["list_usable_keys"])


async def revoke_key(connection: Connection, environment_id: int, id: int, now: int) -> bool:
    """False where there is no such key, or it was revoked before."""
    return await connection.fetchval(_SQL["revoke_key"], environment_id, id, now) is not None
