"""Read-only statements, and the worker's statements about partitions."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.messages import ProfileRow

_SQL = load("reads")

#: Up to about this many rows are counted exactly.
COUNTED_EXACTLY = 200_000
#: How many of the newest messages `figures` looks at.
LATELY = 10_000


@dataclass(slots=True)
class LoadedProfileRow(ProfileRow):
    """A profile with its identifiers as "kind value", and the revision live at the time."""

    identifiers: list[str]
    live_revision: int


@dataclass(slots=True)
class MemberProfileRow(ProfileRow):
    """A member of a segment, with the first identifier of each kind."""

    entered_at: int
    user_id: str | None
    anonymous_id: str | None


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
class SummaryRow(Row):
    """A profile in a list, with its identifiers as "kind value"."""

    id: int
    properties: dict[str, Any]
    first_seen_at: int | None
    last_seen_at: int | None
    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class FoundRow(SummaryRow):
    """A profile in a list, with the identifier that matched the search."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class MemberRow(SummaryRow):
    """A member of a segment in a list, with the instant it entered."""

    entered_at: int


@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A profile entered or left a segment; last_key is the segment's last key."""

    id: int
    segment_id: int
    entered: bool
    at: int
    recorded_at: int
    last_key: str | None


@dataclass(frozen=True, slots=True)
class FiguresRow(Row):
    """Counts of an environment."""

    merges: int
    rejected_claims: int
    overdue: int
    next_due_at: int | None
    lately: int
    lately_oldest: int | None


@dataclass(frozen=True, slots=True)
class PropertyNameRow(Row):
    """A property's name and the kinds of its values."""

    name: str
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class EventPropertyNameRow(Row):
    """The name of an event's property and the kinds of its values."""

    event: str
    name: str
    kinds: list[str]


async def load_by_identifier(
    connection: Connection, environment_id: int, kind: str, value: str
) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_identifier"], environment_id, kind, value))


async def load_by_id(connection: Connection, environment_id: int, id: int) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_id"], environment_id, id))


async def events_of_profile(
    connection: Connection, environment_id: int, profile_id: int, before: tuple[int, int], n: int
) -> list[EventRow]:
    """`before` is the (occurred at, event id) of the last event of the previous page."""
    return EventRow.every(await connection.fetch(_SQL["events_of_profile"], environment_id, profile_id, *before, n))


async def recent_events(
    connection: Connection, environment_id: int, before_id: int, floor_id: int, name: str | None, n: int
) -> list[RecentEventRow]:
    return RecentEventRow.every(
        await connection.fetch(_SQL["recent_events"], environment_id, before_id, floor_id, name, n)
    )


async def last_event_id(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["last_event_id"], environment_id)


async def search_by_identifier(
    connection: Connection, environment_id: int, prefix: str, after: tuple[str, str], n: int
) -> list[FoundRow]:
    """Profiles that have an identifier with the prefix.

    `after` is the (value, kind) of the last identifier of the previous page; two empty texts for the first page."""
    # U+10FFFF is the last character, so this is the upper bound of all values with the prefix.
    return FoundRow.every(
        await connection.fetch(_SQL["search_by_identifier"], environment_id, prefix, prefix + "\U0010ffff", *after, n)
    )


async def search_by_property(
    connection: Connection, environment_id: int, having: dict[str, Any], after_id: int, n: int
) -> list[SummaryRow]:
    return SummaryRow.every(await connection.fetch(_SQL["search_by_property"], environment_id, having, after_id, n))


async def transitions_of_profile(
    connection: Connection, environment_id: int, profile_id: int, n: int
) -> list[TransitionRow]:
    return TransitionRow.every(await connection.fetch(_SQL["transitions_of_profile"], environment_id, profile_id, n))


async def count_members(connection: Connection, environment_id: int, fingerprints: Sequence[int]) -> dict[int, int]:
    return dict(await connection.fetch(_SQL["count_members"], environment_id, fingerprints))


async def members(
    connection: Connection, environment_id: int, fingerprint: int, *, with_state: bool
) -> AsyncIterator[list[MemberProfileRow]]:
    """All members of a segment, 200 at a time, so the event loop is not blocked.

    It runs inside a transaction, so all batches see one snapshot."""
    cursor = await connection.cursor(_SQL["members"], environment_id, fingerprint, with_state)
    while rows := await cursor.fetch(200, timeout=60):
        yield MemberProfileRow.every(rows)


async def property_names_of_members(
    connection: Connection, environment_id: int, fingerprint: int, n: int, timeout_seconds: float
) -> list[str]:
    rows = await connection.fetch(
        _SQL["property_names_of_members"], environment_id, fingerprint, n, timeout=timeout_seconds
    )
    return [row["name"] for row in rows]


async def members_page(
    connection: Connection, environment_id: int, fingerprint: int, after_id: int, n: int
) -> list[MemberRow]:
    return MemberRow.every(await connection.fetch(_SQL["members_page"], environment_id, fingerprint, after_id, n))


async def rejections_by_code(connection: Connection, environment_id: int, n: int) -> dict[str, int]:
    """How many of the newest n rejections have each code."""
    return dict(await connection.fetch(_SQL["rejections_by_code"], environment_id, n))


async def count(
    connection: Connection, table: Literal["profiles", "events", "memberships"], environment_id: int
) -> tuple[int, bool]:
    """The number of an environment's rows, and whether it is exact.

    Of many rows it is the planner's estimate, because an exact count reads all of them."""
    statement = _SQL[f"rows_of_{table}"].rstrip(";")
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", environment_id)
    about = int(plan[0]["Plan"]["Plan Rows"])
    if about > COUNTED_EXACTLY:
        return about, False
    return await connection.fetchval(f"SELECT count(*) FROM ({statement}) AS counted", environment_id), True


async def figures(connection: Connection, environment_id: int, now: int, lately_since: int) -> FiguresRow:
    return FiguresRow.from_row(await connection.fetchrow(_SQL["figures"], environment_id, now, lately_since, LATELY))


async def recent_event_names(connection: Connection, environment_id: int) -> list[str]:
    return [row["name"] for row in await connection.fetch(_SQL["recent_event_names"], environment_id)]


async def property_names_of_profiles(
    connection: Connection, environment_id: int, sample: int, n: int
) -> list[PropertyNameRow]:
    return PropertyNameRow.every(await connection.fetch(_SQL["property_names_of_profiles"], environment_id, sample, n))


async def property_names_of_events(
    connection: Connection, environment_id: int, sample: int, n: int
) -> list[EventPropertyNameRow]:
    return EventPropertyNameRow.every(
        await connection.fetch(_SQL["property_names_of_events"], environment_id, sample, n)
    )


async def create_partitions(connection: Connection, now: int, months_ahead: int) -> list[str]:
    """Create the monthly partitions of `events` from this month on; returns the new names.

    A month that already has events in the default partition stays there, because moving rows would lock the table."""
    first = datetime.fromtimestamp(now / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    made = []
    for ahead in range(months_ahead + 1):
        start = _month(first, ahead)
        end, name = _month(first, ahead + 1), f"events_{start:%Y_%m}"
        if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
            continue
        held = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
        if await connection.fetchval(_SQL["default_partition_holds"], *held):
            continue
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF events FOR VALUES FROM ('{start:%F}Z') TO ('{end:%F}Z')"
        )
        made.append(name)
    return made


def _month(first: datetime, ahead: int) -> datetime:
    years, month = divmod(first.month - 1 + ahead, 12)
    return first.replace(year=first.year + years, month=month + 1)
