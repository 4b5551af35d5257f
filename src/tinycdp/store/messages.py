"""Statements of the write path: message ids, identifiers, events, profiles, memberships.

Shape   one function per statement of sql/messages.sql, in the order in which the group commit runs them
Units   Rows are passed as columns, many at a time: Postgres unnests arrays far faster than it runs statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from tinycdp.model import MessageKind
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("messages")

#: (profile id, name, instants, message ids, properties as the text of a JSON list): unpacked as it comes, because a
#: backfill reads some of them for every profile. Without ids or properties the column is None.
HistoryRow: TypeAlias = tuple[int, str, list[int], list[str] | None, str | None]


@dataclass(slots=True)
class ProfileRow(Row):
    """A stored profile; not frozen, because a group of messages reads one for each of its profiles."""

    id: int
    bucketing_key: str
    created_at: int
    first_seen_at: int | None
    last_seen_at: int | None
    properties: dict[str, Any]
    state: bytes
    version: int
    recompute_at: int | None
    merged_into: int | None


@dataclass(slots=True)
class MessageRow(Row):
    """A stored message, as far as the engine needs it; not frozen, because a rebuild reads all of a profile's."""

    kind: MessageKind
    name: str
    message_id: str
    occurred_at: int
    received_at: int
    target: str | None
    properties: dict[str, Any]
    inactive: bool


@dataclass(slots=True)
class ProfileMessageRow(MessageRow):
    """A message with the profile it belongs to."""

    profile_id: int


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


class Claimed(NamedTuple):
    """The new messages of a group.

    live, head  the revisions of the environment
    event_ids   one for each digest, ascending
    followed    whether the environment's outbox has a consumer"""

    live: int
    head: int
    digests: set[bytes]
    event_ids: list[int]
    followed: bool


async def begin_group(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["begin_group"].replace("$1", str(int(environment_id))))


async def claim_message_ids(connection: Connection, environment_id: int, digests: Sequence[bytes]) -> Claimed:
    live, head, unseen, event_ids, followed = await connection.fetchrow(
        _SQL["claim_message_ids"], environment_id, digests
    )
    return Claimed(live, head, set(unseen), event_ids, followed)


async def resolve_identifiers(
    connection: Connection, environment_id: int, identifiers: Sequence[tuple[str, str]]
) -> list[StoredIdentifierRow]:
    kinds, values = [kind for kind, _ in identifiers], [value for _, value in identifiers]
    rows = await connection.fetch(_SQL["resolve_identifiers"], environment_id, kinds, values)
    return StoredIdentifierRow.every(rows)


async def identifiers_changed(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int | None, str | None]]
) -> bool:
    """Whether another transaction changed a row.

    `rows` are (id, profile id, owner's id, claiming message id)."""
    if not rows:
        return False
    return await connection.fetchval(_SQL["identifiers_changed"], environment_id, *map(list, zip(*rows, strict=True)))


async def next_profile_ids(connection: Connection, n: int) -> list[int]:
    return await connection.fetchval(_SQL["next_profile_ids"], n) if n else []


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


async def lock_profiles(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["lock_profiles"], environment_id, ids))


async def claim_due_profiles(connection: Connection, environment_id: int, now: int, n: int) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["claim_due_profiles"], environment_id, now, n))


async def postpone_profile(connection: Connection, environment_id: int, id: int, recompute_at: int) -> None:
    await connection.execute(_SQL["postpone_profile"], environment_id, id, recompute_at)


async def next_due_at(connection: Connection, environment_id: int) -> int | None:
    return await connection.fetchval(_SQL["next_due_at"], environment_id)


async def try_backfill(connection: Connection, environment_id: int) -> bool:
    """Whether this connection got the backfill lock, which it holds until it returns to its pool."""
    connection.linger()
    return await connection.fetchval(_SQL["try_backfill"], environment_id)


async def write_behind(connection: Connection) -> None:
    """Commit without waiting for the disk.

    If the machine fails, the work of this transaction is repeated."""
    await connection.execute(_SQL["write_behind"])


async def profiles_to_backfill(
    connection: Connection, environment_id: int, after_id: int, last_id: int, n: int
) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["profiles_to_backfill"], environment_id, after_id, last_id, n))


async def claim_unchanged_profiles(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]
) -> set[int]:
    """Lock the profiles that still have these versions.

    `rows` are (id, version); returns the locked ids."""
    ids, versions = map(list, zip(*rows, strict=True))
    claimed = await connection.fetch(_SQL["claim_unchanged_profiles"], environment_id, ids, versions)
    return {row["id"] for row in claimed}


async def save_profiles(
    connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]], now: int, changes: Sequence[Any]
) -> int:
    """Save profiles and write the outbox; returns the new version.

    `rows` are (id, first seen, last seen, properties or None, state, recompute at, merged into)."""
    columns = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in range(7)]
    return await connection.fetchval(_SQL["save_profiles"], environment_id, *columns, now, changes or None)


async def next_version(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["next_version"], environment_id)


async def insert_profiles(
    connection: Connection, environment_id: int, version: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert new profiles.

    `rows` are (id, bucketing key, created at, first seen, last seen, properties, state, recompute at)."""
    if rows:
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_SQL["insert_profiles"], environment_id, version, *columns)


_EVENT_COLUMNS = [
    "environment_id",
    "id",
    "identifier_id",
    "kind",
    "name",
    "message_id",
    "occurred_at",
    "received_at",
    "original_at",
    "sent_at",
    "clamped",
    "target",
    "properties",
    "context",
    "warnings",
]


async def append_events(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append messages by COPY, with the columns of _EVENT_COLUMNS."""
    if rows:
        await connection.copy_records_to_table("events", records=rows, columns=_EVENT_COLUMNS)


async def events_of_profiles(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> list[ProfileMessageRow]:
    return ProfileMessageRow.every(await connection.fetch(_SQL["events_of_profiles"], environment_id, ids))


async def history_of_profiles(
    connection: Connection,
    environment_id: int,
    ids: Sequence[int],
    names: Sequence[str] | None,
    *,
    with_ids: bool,
    with_properties: bool,
) -> list[HistoryRow]:
    return await connection.fetch(_SQL["history_of_profiles"], environment_id, ids, names, with_ids, with_properties)


async def enter_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int]]) -> None:
    """`rows` are (fingerprint, profile id, entered at)."""
    if rows:
        await connection.execute(_SQL["enter_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def leave_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """`rows` are (fingerprint, profile id)."""
    if rows:
        await connection.execute(_SQL["leave_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def append_transitions(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[int, int, bool, int]]
) -> None:
    """`rows` are (segment id, profile id, entered, at)."""
    if rows:
        await connection.execute(_SQL["append_transitions"], environment_id, now, *map(list, zip(*rows, strict=True)))


async def announce(connection: Connection, *payloads: str) -> None:
    """Notify every process, in this order, when the transaction commits."""
    if payloads:
        await connection.execute(_SQL["announce"], list(payloads))
