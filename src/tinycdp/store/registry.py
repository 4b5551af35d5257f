"""Statements about the registry, the tracking plan, and the batches of live streams.

Units   A day is a number of days since 1970; the first day of a range is a date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tinycdp.model import MessageKind
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("registry")


@dataclass(frozen=True, slots=True)
class SdkRow(Row):
    """An SDK, and how many messages it sent."""

    library: str
    version: str
    platform: str
    n: int
    first_at: int
    last_at: int


@dataclass(slots=True)
class StoredEventRow(Row):
    """A stored message to count."""

    id: int
    kind: MessageKind
    name: str
    received_at: int
    properties: dict[str, Any]
    context: dict[str, Any]
    warnings: list[Any] | None


@dataclass(frozen=True, slots=True)
class EventNumbersRow(Row):
    """An event with its volume."""

    event: str
    n: int
    first_at: int
    last_at: int
    properties: int
    lately: int
    today: int


@dataclass(frozen=True, slots=True)
class EventSeenRow(Row):
    """An event, how many messages it had, and the first and last instant."""

    event: str
    n: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class PropertyTypeRow(Row):
    """A type of a property; property "" is the event itself."""

    property: str
    type: str
    n: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class EventPropertyTypeRow(Row):
    """A type of a property of an event."""

    event: str
    property: str
    type: str
    n: int


@dataclass(frozen=True, slots=True)
class PropertyUseRow(Row):
    """A type of a property in one event."""

    property: str
    event: str
    type: str
    n: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class NewestMessageRow(Row):
    """A stored message, for examples."""

    kind: MessageKind
    name: str
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DayRow(Row):
    """The number of a property's values on a day."""

    day: int
    property: str
    type: str
    n: int


@dataclass(frozen=True, slots=True)
class SdkDaysRow(Row):
    """An SDK that sent a property, with the type and the first and last day."""

    sdk: str
    type: str
    n: int
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class EventSdkRow(Row):
    """An SDK that sent an event, with its volume of the last days and the first and last day."""

    event: str
    sdk: str
    n: int
    lately: int
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class HourRow(Row):
    """The number of an event's messages in an hour."""

    hour: int
    n: int


@dataclass(frozen=True, slots=True)
class ViolationRow(Row):
    """A violation of the tracking plan on a day."""

    event: str
    day: int
    code: str
    path: str
    rejected: bool
    n: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class PlanVersionRow(Row):
    """A version of an entry of the tracking plan; document is None if it was removed."""

    version: int
    document: dict[str, Any] | None
    changed_at: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class PlanEntryRow(Row):
    """An entry of the tracking plan."""

    environment_id: int
    event: str
    version: int
    document: dict[str, Any]
    changed_at: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class LiveBatchRow(Row):
    """A batch of messages for a reader of a live stream."""

    reader: str
    at: int
    matched: int
    items: bytes


async def add_types(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, property, type, n, first at, last at), sorted."""
    await _add(connection, "add_types", environment_id, rows)


async def add_days(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, day, property, type, sdk, n), sorted."""
    await _add(connection, "add_days", environment_id, rows)


async def add_hours(connection: Connection, environment_id: int, rows: Sequence[tuple[str, int, int]]) -> None:
    """`rows` are (event, instant of the hour's beginning, n), sorted."""
    await _add(connection, "add_hours", environment_id, rows)


async def add_sdks(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (library, version, platform, n, first at, last at), sorted."""
    await _add(connection, "add_sdks", environment_id, rows)


async def add_violations(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, day, code, path, rejected, n, first at, last at), sorted."""
    await _add(connection, "add_violations", environment_id, rows)


async def _add(connection: Connection, statement: str, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(_SQL[statement], environment_id, *map(list, zip(*rows, strict=True)))


async def known_names(connection: Connection, environment_id: int) -> list[tuple[str, str]]:
    """All (event, property); property "" is the event itself."""
    rows = await connection.fetch(_SQL["known_names"], environment_id)
    return [(row["event"], row["property"]) for row in rows]


async def known_sdks(connection: Connection, environment_id: int) -> list[SdkRow]:
    """All SDKs, the most frequent first."""
    return SdkRow.every(await connection.fetch(_SQL["known_sdks"], environment_id))


async def lock_registry(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["lock_registry"], environment_id)


async def clear_registry(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["clear_registry"], environment_id)


async def events_to_count(connection: Connection, environment_id: int, after_id: int, n: int) -> list[StoredEventRow]:
    return StoredEventRow.every(await connection.fetch(_SQL["events_to_count"], environment_id, after_id, n))


async def prune_registry(connection: Connection, environment_id: int, day: date, hour: int) -> None:
    await connection.execute(_SQL["prune_registry"], environment_id, day, hour)


async def planned_events(connection: Connection, environment_id: int) -> list[str]:
    """The events that the tracking plan has, or had."""
    return [row["event"] for row in await connection.fetch(_SQL["planned_events"], environment_id)]


async def make_room(
    connection: Connection, environment_id: int, stay: tuple[int, int, int], rare: int, unseen_since: int
) -> None:
    """Count rare names as `$other` until so many events, properties of each and SDKs stay."""
    await lock_registry(connection, environment_id)
    for names, n in zip(("events", "properties", "sdks"), stay, strict=True):
        await connection.execute(_SQL[f"make_room_for_{names}"], environment_id, n, rare, unseen_since)


async def registry_events(
    connection: Connection, environment_id: int, first: date, today: date
) -> list[EventNumbersRow]:
    return EventNumbersRow.every(await connection.fetch(_SQL["registry_events"], environment_id, first, today))


async def registry_event_names(connection: Connection, environment_id: int, since: int) -> list[str]:
    """The names of events, the most frequent first."""
    rows = await connection.fetch(_SQL["registry_event_names"], environment_id, since)
    return [row["event"] for row in rows]


async def registry_names_seen(connection: Connection, environment_id: int) -> list[EventSeenRow]:
    return EventSeenRow.every(await connection.fetch(_SQL["registry_names_seen"], environment_id))


async def registry_types_of(connection: Connection, environment_id: int, event: str) -> list[PropertyTypeRow]:
    return PropertyTypeRow.every(await connection.fetch(_SQL["registry_types_of"], environment_id, event))


async def registry_types_of_events(
    connection: Connection, environment_id: int, events: Sequence[str]
) -> list[EventPropertyTypeRow]:
    rows = await connection.fetch(_SQL["registry_types_of_events"], environment_id, events)
    return EventPropertyTypeRow.every(rows)


async def registry_sdks_of_events(
    connection: Connection, environment_id: int, events: Sequence[str], first: date, lately: date
) -> list[EventSdkRow]:
    rows = await connection.fetch(_SQL["registry_sdks_of_events"], environment_id, events, first, lately)
    return EventSdkRow.every(rows)


async def registry_dictionary(
    connection: Connection, environment_id: int, after: str, prefix: str, overflow: str, n: int
) -> list[PropertyUseRow]:
    """The types of the next n properties over all events, in the order of their code points."""
    values = (environment_id, after, prefix, overflow, n)
    return PropertyUseRow.every(await connection.fetch(_SQL["registry_dictionary"], *values))


async def registry_types_seen(connection: Connection, environment_id: int) -> list[EventPropertyTypeRow]:
    return EventPropertyTypeRow.every(await connection.fetch(_SQL["registry_types_seen"], environment_id))


async def registry_days_of(connection: Connection, environment_id: int, event: str, first: date) -> list[DayRow]:
    return DayRow.every(await connection.fetch(_SQL["registry_days_of"], environment_id, event, first))


async def registry_sdks_of(
    connection: Connection, environment_id: int, event: str, property: str, first: date
) -> list[SdkDaysRow]:
    return SdkDaysRow.every(await connection.fetch(_SQL["registry_sdks_of"], environment_id, event, property, first))


async def registry_hours_of(connection: Connection, environment_id: int, event: str, first: int) -> list[HourRow]:
    return HourRow.every(await connection.fetch(_SQL["registry_hours_of"], environment_id, event, first))


async def newest_properties(
    connection: Connection, environment_id: int, kind: str | None, name: str, reach: int, n: int
) -> list[Mapping[str, Any]]:
    """The properties of an event's newest messages, among the `reach` newest of all."""
    rows = await connection.fetch(_SQL["newest_properties"], environment_id, kind, name, reach, n)
    return [row["properties"] for row in rows]


async def newest_messages(connection: Connection, environment_id: int, n: int) -> list[NewestMessageRow]:
    """The properties and traits of the newest messages."""
    return NewestMessageRow.every(await connection.fetch(_SQL["newest_messages"], environment_id, n))


async def plan_violations_since(
    connection: Connection, environment_id: int, event: str | None, first: date, n: int
) -> list[ViolationRow]:
    return ViolationRow.every(await connection.fetch(_SQL["plan_violations_since"], environment_id, event, first, n))


async def current_plan_entries(connection: Connection, environment_id: int | None = None) -> list[PlanEntryRow]:
    """The entries in force of one environment, or of all."""
    return PlanEntryRow.every(await connection.fetch(_SQL["current_plan_entries"], environment_id))


async def plan_entry_versions(connection: Connection, environment_id: int, event: str, n: int) -> list[PlanVersionRow]:
    return PlanVersionRow.every(await connection.fetch(_SQL["plan_entry_versions"], environment_id, event, n))


async def append_plan_entry(
    connection: Connection,
    environment_id: int,
    event: str,
    version: int,
    document: dict[str, Any] | None,
    now: int,
    author: str,
) -> bool:
    """Add a version; without a document the entry is removed.

    Returns False if the version exists already."""
    values = (environment_id, event, version, document, now, author)
    return await connection.fetchval(_SQL["append_plan_entry"], *values) is not None


async def append_live_batches(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[str, int, bytes]]
) -> None:
    """`rows` are (reader, how many matched, items as JSON)."""
    await connection.execute(_SQL["append_live_batches"], environment_id, now, *map(list, zip(*rows, strict=True)))


async def take_live_batches(connection: Connection, environment_id: int, readers: Sequence[str]) -> list[LiveBatchRow]:
    return LiveBatchRow.every(await connection.fetch(_SQL["take_live_batches"], environment_id, readers))


async def prune_live_batches(connection: Connection, environment_id: int, before: int) -> None:
    await connection.execute(_SQL["prune_live_batches"], environment_id, before)
