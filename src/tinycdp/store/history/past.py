"""Statements about a past instant: identifiers, messages and live revisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.events import MessageRow

_SQL = load("past")


@dataclass(frozen=True, slots=True)
class OwnedIdentifierRow(Row):
    """An identifier and its current owner."""

    id: int
    kind: str
    value: str
    profile_id: int
    created_at: int


@dataclass(frozen=True, slots=True)
class MoveRow(Row):
    """Identifiers that moved from one profile to another."""

    from_id: int
    to_id: int
    identifier_ids: list[int]
    at: int


@dataclass(slots=True)
class PastMessageRow(MessageRow):
    """A message with the identifier that it was sent under."""

    identifier_id: int


async def find_identifier(
    connection: Connection, environment_id: int, kind: str, value: str
) -> OwnedIdentifierRow | None:
    return OwnedIdentifierRow.maybe(await connection.fetchrow(_SQL["find_identifier"], environment_id, kind, value))


async def survivor_at(connection: Connection, environment_id: int, id: int, at: int) -> int:
    """The profile that an id led to at an instant; the id itself if it was not absorbed by then."""
    return await connection.fetchval(_SQL["survivor_at"], environment_id, id, at)


async def moves_since(
    connection: Connection, environment_id: int, profile_ids: Sequence[int], at: int
) -> list[MoveRow]:
    """Moves of identifiers from or to these profiles after an instant, newest first."""
    return MoveRow.every(await connection.fetch(_SQL["moves_since"], environment_id, profile_ids, at))


async def identifiers_of(
    connection: Connection, environment_id: int, profile_ids: Sequence[int]
) -> list[OwnedIdentifierRow]:
    return OwnedIdentifierRow.every(await connection.fetch(_SQL["identifiers_of"], environment_id, profile_ids))


async def messages_until(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], at: int, n: int | None
) -> list[PastMessageRow]:
    """At most n messages of these identifiers; None for all."""
    return PastMessageRow.every(await connection.fetch(_SQL["messages_until"], environment_id, identifier_ids, at, n))


async def lists_at(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], at: int
) -> list[tuple[int, int]]:
    """(identifier id, segment id) of the lists that these identifiers were on at an instant."""
    rows = await connection.fetch(_SQL["lists_at"], environment_id, identifier_ids, at)
    return [(row["identifier_id"], row["segment_id"]) for row in rows]


async def oldest_arrival(connection: Connection, environment_id: int) -> int | None:
    return await connection.fetchval(_SQL["oldest_arrival"], environment_id)


async def revisions_at(connection: Connection, environment_id: int, at: int) -> tuple[int, int]:
    """The live and the newest revision at an instant."""
    row = await connection.fetchrow(_SQL["revisions_at"], environment_id, at)
    return row["live"], row["head"]
