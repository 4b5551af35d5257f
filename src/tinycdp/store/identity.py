"""Statements about identity: identifiers, links, merges, splits and rejected claims.

Shape   one function per statement of sql/identity.sql
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.events import MessageRow
from tinycdp.store.identifiers import StoredIdentifierRow

_SQL = load("identity")


@dataclass(frozen=True, slots=True)
class IdentifierCountRow(Row):
    """How many identifiers of a kind a profile has, and how many of them are recent."""

    profile_id: int
    kind: str
    n: int
    recent: int


@dataclass(slots=True)
class LinkRow(Row):
    """A claim or a join of two identifiers, with its best rank.

    Not frozen, because ingestion reads many."""

    identifier_id: int
    owner_id: int
    is_join: bool
    strength: int
    said_at: int
    said_by: str
    linked_at: int
    apart_at: int | None


@dataclass(slots=True)
class IdentifierMessageRow(MessageRow):
    """A message with the identifier it came by."""

    identifier_id: int


@dataclass(frozen=True, slots=True)
class MergeRow(Row):
    """A merge. link_identifier_id and link_owner_id: the pair that caused it, None in old rows"""

    id: int
    survivor_id: int
    absorbed_id: int
    message_id: str
    merged_at: int
    identifier_ids: list[int]
    cause: str
    link_identifier_id: int | None
    link_owner_id: int | None
    author: str | None
    note: str
    undone_at: int | None
    undone_by: str | None
    undo_note: str


@dataclass(frozen=True, slots=True)
class JournaledMergeRow(MergeRow):
    """A merge with what is needed to undo it: both profiles as they were."""

    survivor_identifier_ids: list[int]
    survivor: dict[str, Any]
    survivor_state: bytes
    absorbed: dict[str, Any]
    absorbed_state: bytes


@dataclass(frozen=True, slots=True)
class SplitRow(Row):
    """A split of a profile."""

    id: int
    identifier_ids: list[int]
    author: str
    note: str
    split_at: int


@dataclass(frozen=True, slots=True)
class RejectedClaimRow(Row):
    """A claim that was rejected, with the three identifiers that it concerns."""

    id: int
    reason: str
    message_id: str
    rejected_at: int
    identifier_id: int
    kept_owner_id: int
    other_owner_id: int
    kind: str
    value: str
    profile_id: int
    kept_kind: str
    kept_value: str
    kept_profile_id: int
    other_kind: str
    other_value: str
    other_profile_id: int


@dataclass(frozen=True, slots=True)
class BlockedIdentifierRow(Row):
    """A blocked value, and how many messages carried it."""

    kind: str
    value: str
    messages: int
    first_at: int
    last_at: int


def _columns(rows: Sequence[Sequence[Any]]) -> Iterable[list[Any]]:
    return map(list, zip(*rows, strict=True))


async def identifiers_of_profiles(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> list[StoredIdentifierRow]:
    return StoredIdentifierRow.every(await connection.fetch(_SQL["identifiers_of_profiles"], environment_id, ids))


async def identifiers_by_id(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> list[StoredIdentifierRow]:
    return StoredIdentifierRow.every(await connection.fetch(_SQL["identifiers_by_id"], environment_id, ids))


async def count_identifiers(
    connection: Connection, environment_id: int, profile_ids: Sequence[int], kinds: Sequence[tuple[str, int]]
) -> list[IdentifierCountRow]:
    """`kinds` are (kind, the instant since which an identifier is recent)."""
    return IdentifierCountRow.every(
        await connection.fetch(_SQL["count_identifiers"], environment_id, profile_ids, *_columns(kinds))
    )


async def find_links(
    connection: Connection, environment_id: int, pairs: Sequence[tuple[int, int, bool]]
) -> list[LinkRow]:
    """`pairs` are (identifier id, owner's id, whether it is a join)."""
    return LinkRow.every(await connection.fetch(_SQL["find_links"], environment_id, *_columns(pairs))) if pairs else []


async def save_links(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, bool, int, int, str]], now: int
) -> None:
    """`rows` are (identifier id, owner's id, whether it is a join, strength, said at, said by)."""
    if rows:
        await connection.execute(_SQL["save_links"], environment_id, *_columns(rows), now)


async def links_of_identifiers(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[LinkRow]:
    return LinkRow.every(await connection.fetch(_SQL["links_of_identifiers"], environment_id, ids))


async def messages_of_identifiers(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> AsyncIterator[list[IdentifierMessageRow]]:
    """In small batches, because decoding blocks the process; call it in a transaction."""
    cursor = await connection.cursor(_SQL["messages_of_identifiers"], environment_id, ids)
    while rows := await cursor.fetch(1_000, timeout=60):
        yield IdentifierMessageRow.every(rows)


async def part_links(connection: Connection, environment_id: int, pairs: Sequence[tuple[int, int]], now: int) -> None:
    """`pairs` are (identifier id, owner's id)."""
    if pairs:
        await connection.execute(_SQL["part_links"], environment_id, *_columns(pairs), now)


async def drop_claims(connection: Connection, environment_id: int, ids: Sequence[int]) -> None:
    await connection.execute(_SQL["drop_claims"], environment_id, ids)


async def rekey_profiles(connection: Connection, environment_id: int, rows: Sequence[tuple[int, str, int]]) -> None:
    """`rows` are (id, bucketing key, created at)."""
    if rows:
        await connection.execute(_SQL["rekey_profiles"], environment_id, *_columns(rows))


async def redirect_profiles(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """`rows` are (id, its survivor)."""
    if rows:
        await connection.execute(_SQL["redirect_profiles"], environment_id, *_columns(rows))


async def append_merge(connection: Connection, *values: Any) -> int:
    return await connection.fetchval(_SQL["append_merge"], *values)


async def find_merge(connection: Connection, environment_id: int, id: int) -> JournaledMergeRow | None:
    return JournaledMergeRow.maybe(await connection.fetchrow(_SQL["find_merge"], environment_id, id))


async def undo_merge(
    connection: Connection, environment_id: int, ids: Sequence[int], now: int, author: str, note: str
) -> None:
    await connection.execute(_SQL["undo_merge"], environment_id, ids, now, author, note)


async def merges_below(
    connection: Connection, environment_id: int, survivor_ids: Sequence[int]
) -> list[JournaledMergeRow]:
    return JournaledMergeRow.every(await connection.fetch(_SQL["merges_below"], environment_id, survivor_ids))


async def list_merges(
    connection: Connection, environment_id: int, profile_ids: Sequence[int] | None, before_id: int, n: int
) -> list[MergeRow]:
    return MergeRow.every(await connection.fetch(_SQL["list_merges"], environment_id, profile_ids, before_id, n))


async def append_split(
    connection: Connection,
    environment_id: int,
    profile_id: int,
    identifier_ids: Sequence[int],
    author: str,
    note: str,
    now: int,
) -> int:
    return await connection.fetchval(
        _SQL["append_split"], environment_id, profile_id, identifier_ids, author, note, now
    )


async def splits_of_profile(connection: Connection, environment_id: int, profile_id: int) -> list[SplitRow]:
    return SplitRow.every(await connection.fetch(_SQL["splits_of_profile"], environment_id, profile_id))


async def reject_claims(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int, str, str]], now: int
) -> None:
    """`rows` are (identifier id, kept owner's id, other owner's id, message id, reason)."""
    if rows:
        await connection.execute(_SQL["reject_claims"], environment_id, *_columns(rows), now)


async def list_rejected_claims(
    connection: Connection,
    environment_id: int,
    reason: str | None,
    identifier_ids: Sequence[int] | None,
    before_id: int,
    n: int,
) -> list[RejectedClaimRow]:
    return RejectedClaimRow.every(
        await connection.fetch(_SQL["list_rejected_claims"], environment_id, reason, identifier_ids, before_id, n)
    )


async def count_blocked(
    connection: Connection, environment_id: int, rows: Sequence[tuple[str, str, int]], now: int
) -> None:
    """`rows` are (kind, value, messages)."""
    if rows:
        await connection.execute(_SQL["count_blocked"], environment_id, *_columns(rows), now)


async def list_blocked(connection: Connection, environment_id: int, n: int) -> list[BlockedIdentifierRow]:
    return BlockedIdentifierRow.every(await connection.fetch(_SQL["list_blocked"], environment_id, n))


async def segments_since(connection: Connection, environment_id: int) -> dict[int, int]:
    """Definition id → the instant."""
    return dict(await connection.fetch(_SQL["segments_since"], environment_id))
