"""Statements that only read, and the housekeeping of the worker."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tinycdp.store.messages import ProfileRow
from tinycdp.store.pool import Connection
from tinycdp.store.rows import Row
from tinycdp.store.statements import load

_SQL = load("reads")

#: Up to about this many rows are counted one by one.
COUNTED_EXACTLY = 200_000
#: How many of the newest messages `figures` looks at.
LATELY = 10_000


@dataclass(slots=True)
class LoadedProfileRow(ProfileRow):
    """A profile with its identifiers as "kind value", and the revision live when it was read."""

    aliases: list[str]
    live_revision: int


@dataclass(slots=True)
class MemberProfileRow(ProfileRow):
    """A member of a segment, with the first identifier of each kind."""

    entered_at: int
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class EventRow(Row):
    """A stored message, and the identifier it came by."""

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
    alias_kind: str
    alias_value: str


@dataclass(frozen=True, slots=True)
class RecentEventRow(EventRow):
    """The same, with the profile it belongs to."""

    profile_id: int


@dataclass(frozen=True, slots=True)
class SummaryRow(Row):
    """A profile in a list, with its identifiers as "kind value"."""

    id: int
    properties: dict[str, Any]
    first_seen_at: int | None
    last_seen_at: int | None
    aliases: list[str]


@dataclass(frozen=True, slots=True)
class FoundRow(SummaryRow):
    """The same, with the identifier it was found by."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class MemberRow(SummaryRow):
    """The same, with the instant it entered the segment."""

    entered_at: int


@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A profile entered or left a segment; last_key is the last one the segment had."""

    id: int
    segment_id: int
    entered: bool
    at: int
    recorded_at: int
    last_key: str | None


@dataclass(frozen=True, slots=True)
class FiguresRow(Row):
    """An environment in numbers."""

    merges: int
    refused_claims: int
    overdue: int
    next_due_at: int | None
    lately: int
    lately_oldest: int | None


@dataclass(frozen=True, slots=True)
class PropertyNameRow(Row):
    """A property's name, and which kinds of values it has."""

    name: str
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class EventPropertyNameRow(Row):
    """The same of an event."""

    event: str
    name: str
    kinds: list[str]


async def load_by_alias(connection: Connection, environment_id: int, kind: str, value: str) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_alias"], environment_id, kind, value))


async def load_by_id(connection: Connection, environment_id: int, id: int) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_id"], environment_id, id))


async def events_of_profile(
    connection: Connection, environment_id: int, profile_id: int, before: tuple[int, int], n: int
) -> list[EventRow]:
    """`before` is (occurred at, event id) of the last one already shown."""
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
    """`after` is (value, kind) of the last identifier already shown, two empty texts for none."""
    # Nothing that begins with the prefix sorts behind the prefix and the last character there is.
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
    """Everyone in a segment, a few at a time, so that nothing else in the process waits long while they are written;
    inside a transaction, whose snapshot all of them share."""
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
    """How many there are of each code among the newest n."""
    return dict(await connection.fetch(_SQL["rejections_by_code"], environment_id, n))


async def count(
    connection: Connection, table: Literal["profiles", "events", "memberships"], environment_id: int
) -> tuple[int, bool]:
    """How many rows of an environment a table holds, and whether that is exact: where they are many, the planner's
    estimate has to do, because counting reads them all."""
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
    """Make the monthly partitions of `events` from this month on. Gives the names of those that were missing.

    A month whose first events already lie in the default partition stays there: moving rows would hold the table."""
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
