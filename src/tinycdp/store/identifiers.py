"""Statements about the rows of identifiers; links and merges are in identity.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("identifiers")


@dataclass(slots=True)
class CreatedIdentifierRow(Row):
    """An identifier that was created."""

    kind: str
    value: str
    id: int
    profile_id: int


@dataclass(slots=True)
class StoredIdentifierRow(CreatedIdentifierRow):
    """An identifier with the claim that holds; the columns of the claim are None if no identifier claims it."""

    owner_id: int | None
    claim_strength: int | None
    claimed_at: int | None
    claimed_by: str | None
    created_at: int


async def resolve_identifiers(
    connection: Connection, environment_id: int, identifiers: Sequence[tuple[str, str]]
) -> list[StoredIdentifierRow]:
    kinds, values = [kind for kind, _ in identifiers], [value for _, value in identifiers]
    rows = await connection.fetch(_SQL["resolve_identifiers"], environment_id, kinds, values)
    return StoredIdentifierRow.every(rows)


async def identifiers_beginning(
    connection: Connection, environment_id: int, prefix: str, n: int
) -> list[tuple[str, str]]:
    """(value, kind) of the first identifiers with the prefix."""
    # U+10FFFF is the last character, so this is the upper bound of all values with the prefix.
    rows = await connection.fetch(_SQL["identifiers_beginning"], environment_id, prefix, prefix + "\U0010ffff", n)
    return [tuple(row) for row in rows]


async def identifiers_changed(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int | None, str | None]]
) -> bool:
    """Whether another transaction changed a row.

    `rows` are (id, profile id, owner's id, claiming message id)."""
    if not rows:
        return False
    return await connection.fetchval(_SQL["identifiers_changed"], environment_id, *map(list, zip(*rows, strict=True)))


async def create_identifiers(
    connection: Connection, environment_id: int, rows: Sequence[tuple[str, str, int]], now: int
) -> list[CreatedIdentifierRow]:
    """`rows` are (kind, value, profile id). Returns those that were created."""
    columns = map(list, zip(*rows, strict=True))
    created = await connection.fetch(_SQL["create_identifiers"], environment_id, *columns, now)
    return CreatedIdentifierRow.every(created)


async def save_claims(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int, int, str]]
) -> None:
    """`rows` are (identifier id, owner's identifier id, strength, claimed at, message id)."""
    if rows:
        await connection.execute(_SQL["save_claims"], environment_id, *map(list, zip(*rows, strict=True)))


async def move_identifiers(
    connection: Connection, environment_id: int, ids: Sequence[int], profile_id: int, now: int
) -> list[tuple[int, list[int]]]:
    """Move identifiers to a profile. Returns (previous profile, ids) of those that moved."""
    return [
        tuple(row) for row in await connection.fetch(_SQL["move_identifiers"], environment_id, ids, profile_id, now)
    ]
