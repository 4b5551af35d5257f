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
    origins: list[str]
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    replaced_by: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class UsableKeyRow(Row):
    """A key that was not revoked."""

    environment_id: int
    id: int
    name: str
    prefix: str
    digest: bytes
    scopes: list[str]
    expires_at: int | None
    origins: list[str]


async def create_key(
    connection: Connection,
    environment_id: int,
    name: str,
    prefix: str,
    digest: bytes,
    scopes: Sequence[str],
    expires_at: int | None,
    origins: Sequence[str],
    now: int,
) -> int | None:
    """Add a key; returns its id, or None if the same key exists already."""
    return await connection.fetchval(
        _SQL["create_key"], environment_id, name, prefix, digest, scopes, expires_at, origins, now
    )


async def list_keys(connection: Connection, environment_id: int) -> list[KeyRow]:
    return KeyRow.every(await connection.fetch(_SQL["list_keys"], environment_id))


async def lock_key(connection: Connection, environment_id: int, id: int) -> KeyRow | None:
    """A key that was not revoked, locked; None if absent."""
    return KeyRow.maybe(await connection.fetchrow(_SQL["lock_key"], environment_id, id))


async def list_usable_keys(connection: Connection) -> list[UsableKeyRow]:
    return UsableKeyRow.every(await connection.fetch(_SQL["list_usable_keys"]))


async def replace_key(connection: Connection, environment_id: int, id: int, replaced_by: int, expires_at: int) -> None:
    """Record which key replaces this one, which expires then."""
    await connection.execute(_SQL["replace_key"], environment_id, id, replaced_by, expires_at)


async def update_key(
    connection: Connection,
    environment_id: int,
    id: int,
    name: str,
    origins: Sequence[str],
    expires_at: int | None,
) -> None:
    await connection.execute(_SQL["update_key"], environment_id, id, name, origins, expires_at)


async def mark_used(connection: Connection, environment_id: int, ids: Sequence[int], at: int) -> None:
    """Record when these keys were last used."""
    await connection.execute(_SQL["mark_used"], environment_id, ids, at)


async def revoke_key(connection: Connection, environment_id: int, id: int, now: int) -> bool:
    """Revoke a key. Returns False if it does not exist or is revoked already."""
    return await connection.fetchval(_SQL["revoke_key"], environment_id, id, now) is not None


async def record_key_change(
    connection: Connection, environment_id: int, key_id: int, action: str, name: str, author: str, note: str, now: int
) -> None:
    """Record what was done to a key, for the audit log."""
    await connection.execute(_SQL["record_key_change"], environment_id, key_id, action, name, author, note, now)


@dataclass(frozen=True, slots=True)
class DownloadRow(Row):
    """The file of an address that opens once."""

    key_id: int
    path: str


async def create_download(
    connection: Connection, environment_id: int, digest: bytes, key_id: int, path: str, valid_until: int, now: int
) -> None:
    await connection.execute(_SQL["create_download"], environment_id, digest, key_id, path, valid_until, now)


async def take_download(connection: Connection, environment_id: int, digest: bytes, now: int) -> DownloadRow | None:
    """The file of an address, which opens nothing from then on; None if it is unknown or has expired."""
    return DownloadRow.maybe(await connection.fetchrow(_SQL["take_download"], environment_id, digest, now))


async def prune_downloads(connection: Connection, environment_id: int, now: int) -> None:
    await connection.execute(_SQL["prune_downloads"], environment_id, now)
