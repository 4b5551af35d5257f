"""Statements about messages: their ids, their rows, and reads of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from tinycdp.model import MessageKind
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("events")

#: Rows that are encoded before other tasks run.
_AT_ONCE = 250
#: Before every event: the beginning of the year 1.
_EARLIEST = -62_135_596_800_000


#: (profile id, name, instants, message ids, properties as the text of a JSON list): unpacked as it comes, because a
#: backfill reads some of them for every profile. Without ids or properties the column is None.
HistoryRow: TypeAlias = tuple[int, str, list[int], list[str] | None, str | None]


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
class ExportedEventRow(Row):
    """An event in a file; not frozen, because a file has millions."""

    id: int
    name: str
    kind: str
    occurred_at: int
    received_at: int
    profile_id: int
    identifier_kind: str
    identifier_value: str
    message_id: str
    properties: dict[str, Any]
    context: dict[str, Any]


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
        records = rows if len(rows) <= _AT_ONCE else _in_turns(rows)
        await connection.copy_records_to_table("events", records=records, columns=_EVENT_COLUMNS)


async def _in_turns(rows: Sequence[tuple[Any, ...]]) -> AsyncIterator[tuple[Any, ...]]:
    """The rows; encoding them takes the driver long, so other tasks run between some of them."""
    for n, row in enumerate(rows):
        if n % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield row


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


@dataclass(frozen=True, slots=True)
class EventRow(Row):
    """A stored message with its identifier."""

    id: int
    kind: str
    name: str
    message_id: str
    occurred_at: int
    received_at: int
    clamped: bool
    target: str | None
    properties: dict[str, Any]
    context: dict[str, Any]
    warnings: list[Any] | None
    identifier_kind: str
    identifier_value: str


@dataclass(frozen=True, slots=True)
class RecentEventRow(EventRow):
    """A stored message with its identifier and its profile."""

    profile_id: int


@dataclass(frozen=True, slots=True)
class EventPropertyNameRow(Row):
    """The name of an event's property and the kinds of its values."""

    event: str
    name: str
    kinds: list[str]


async def events_of_profile(
    connection: Connection,
    environment_id: int,
    profile_id: int,
    before: tuple[int, int],
    n: int,
    name: str | None = None,
    since: int | None = None,
    kind: str | None = None,
) -> list[EventRow]:
    """`before` is the (occurred at, event id) of the last event of the previous page."""
    first = since if since is not None else _EARLIEST
    statement = _SQL["events_of_profile"]
    rows = await connection.fetch(statement, environment_id, profile_id, *before, n, name, first, kind)
    return EventRow.every(rows)


async def recent_events(
    connection: Connection, environment_id: int, before_id: int, floor_id: int, name: str | None, n: int
) -> list[RecentEventRow]:
    return RecentEventRow.every(
        await connection.fetch(_SQL["recent_events"], environment_id, before_id, floor_id, name, n)
    )


async def recent_events_of_profile(
    connection: Connection, environment_id: int, profile_id: int, before_id: int, name: str | None, n: int
) -> list[RecentEventRow]:
    return RecentEventRow.every(
        await connection.fetch(_SQL["recent_events_of_profile"], environment_id, profile_id, before_id, name, n)
    )


async def last_event_id(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["last_event_id"], environment_id)


async def recent_event_names(connection: Connection, environment_id: int) -> list[str]:
    return [row["name"] for row in await connection.fetch(_SQL["recent_event_names"], environment_id)]


async def property_names_of_events(
    connection: Connection, environment_id: int, sample: int, n: int
) -> list[EventPropertyNameRow]:
    return EventPropertyNameRow.every(
        await connection.fetch(_SQL["property_names_of_events"], environment_id, sample, n)
    )


@dataclass(frozen=True, slots=True)
class LifetimeRow(Row):
    """What all events of a profile add up to; revenue is None without one that was paid for."""

    events: int
    first_event_at: int | None
    last_event_at: int | None
    active_days: int
    sessions: int
    revenue: Decimal | None


async def lifetime_of_profile(
    connection: Connection,
    environment_id: int,
    profile_id: int,
    zone: str,
    gap: int,
    revenue: Sequence[tuple[str, str]],
) -> LifetimeRow:
    """`revenue` are (event, path of a property)."""
    names, paths = [name for name, _ in revenue], [path for _, path in revenue]
    return LifetimeRow.from_row(
        await connection.fetchrow(_SQL["lifetime_of_profile"], environment_id, profile_id, zone, gap, names, paths)
    )


async def every_event(
    connection: Connection, environment_id: int, names: Sequence[str] | None, since: int | None, until: int | None
) -> AsyncIterator[list[ExportedEventRow]]:
    """Events in the order of their arrival, 200 at a time, so the event loop is not blocked.

    It runs inside a transaction, so all batches see one snapshot."""
    cursor = await connection.cursor(_SQL["every_event"], environment_id, names, since, until)
    while rows := await cursor.fetch(200, timeout=600):
        yield ExportedEventRow.every(rows)


async def count_every_event(
    connection: Connection,
    environment_id: int,
    names: Sequence[str] | None,
    since: int | None,
    until: int | None,
    timeout_seconds: float,
) -> int:
    found = _SQL["count_every_event"]
    return await connection.fetchval(found, environment_id, names, since, until, timeout=timeout_seconds)
