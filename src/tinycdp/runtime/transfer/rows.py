"""The rows of exports: members of a segment, profiles and events, as objects and as columns.

Shape   open_rows(connection, …, RowsRequest, now) → ExportRows · batches() yields lists of JSON objects, by a cursor
        columns_of(rows, names) → Columns, which say where the cells of a table are in those objects
Units   at most 200 rows are in memory at a time
Laws    one snapshot, that of the connection's transaction, from the first row to the last.
        A stream and a job of one request have the same rows. No two columns have one name
Errors  NotFound for a segment or trait that does not exist · Conflict BACKFILLING for a segment that was never live ·
        InvalidInput UNKNOWN_COLUMN, TOO_MANY_COLUMNS
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinycdp.dsl.ir import Type
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.schema.tracking_plan import TRAITS_OF
from tinycdp.errors import Conflict, InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.runtime.profiles.views import evaluate, plain
from tinycdp.store import events as event_store
from tinycdp.store import memberships as membership_store
from tinycdp.store import registry as registry_store
from tinycdp.store.database.pool import Connection, reaching
from tinycdp.times import iso, iso_or_none

Kind = Literal["segment", "profiles", "events"]
CellKind = Literal["text", "number", "flag", "time", "any"]
#: A row as an object of JSON.
Row = dict[str, Any]

#: The first columns of every file of members, of profiles, and of events.
COLUMNS = ("profile_id", "user_id", "anonymous_id", "entered_at", "first_seen", "last_seen")
PROFILE_COLUMNS = tuple(name for name in COLUMNS if name != "entered_at")
EVENT_COLUMNS = (
    "event_id", "event", "kind", "occurred_at", "received_at", "profile_id", "identifier_kind", "identifier",
    "message_id",
)  # fmt: skip
#: Most property columns of a table whose request does not name them.
MOST_COLUMNS = 1_000
PATIENCE_SECONDS = 3_600.0

_TIMES = frozenset({"entered_at", "first_seen", "last_seen", "occurred_at", "received_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsRequest:
    """Which rows.

    columns  names of properties, None for all
    traits   of profiles
    events   names of events, () for all
    span     of the instants at which the events happened: from, and before"""

    kind: Kind
    segment: str = ""
    columns: Sequence[str] | None = None
    traits: Sequence[str] = ()
    events: Sequence[str] = ()
    span: tuple[Instant | None, Instant | None] = (None, None)


@dataclass(frozen=True, slots=True)
class RowColumn:
    """A column of a table. path: where its cell is in a row"""

    name: str
    path: tuple[str, ...]
    kind: CellKind = "any"

    def of(self, row: Row) -> Any:
        """The cell of a row, None if it has none."""
        first, *rest = self.path
        value = row.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value


class ExportRows(ABC):
    """Rows that are read while they are asked for.

    as_of   until when changes by the clock are included
    fixed   the columns that are always there
    traits  the columns at the end
    wanted  names of properties, None for all that the rows have"""

    def __init__(
        self, as_of: Instant, fixed: Sequence[RowColumn], traits: Sequence[RowColumn], wanted: Sequence[str] | None
    ) -> None:
        self.as_of = as_of
        self.fixed, self.traits, self.wanted = fixed, traits, wanted

    @abstractmethod
    def batches(self) -> AsyncIterator[list[Row]]:
        """The rows, up to 200 at a time."""

    @abstractmethod
    async def count(self) -> int:
        """How many rows there are, counted in the same snapshot."""

    def _properties(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.wanted is None:
            return properties
        return {name: properties[name] for name in self.wanted if name in properties}


def columns_of(rows: ExportRows, names: Sequence[str]) -> list[RowColumn]:
    """The columns of a table of these rows, with these properties. A name that is taken gets `properties.` in front."""
    found = {column.name: column for column in rows.fixed}
    for column in (*(RowColumn(name, ("properties", name)) for name in names), *rows.traits):
        name = column.name if column.name not in found else ".".join(column.path)
        while name in found:
            name += "_"
        found[name] = RowColumn(name, column.path, column.kind)
    return list(found.values())


def check_number_of(names: Sequence[str] | set[str]) -> None:
    """Raise InvalidInput if properties are too many for a table."""
    if len(names) > MOST_COLUMNS:
        message = f"The rows have more than {MOST_COLUMNS} different properties; choose with `columns`."
        raise InvalidInput("TOO_MANY_COLUMNS", message)


async def open_rows(
    connection: Connection, catalogs: Catalogs, environment_id: int, wanted: RowsRequest, now: Instant
) -> ExportRows:
    """The rows of a request, of what the connection's transaction sees."""
    if wanted.kind == "events":
        return ExportedEvents(connection, environment_id, wanted, now)
    return await open_profiles(connection, catalogs, environment_id, wanted, now)


async def open_profiles(
    connection: Connection, catalogs: Catalogs, environment_id: int, wanted: RowsRequest, now: Instant
) -> "ProfileRows":
    """The rows of a request of members or of profiles."""
    catalog = await catalogs.current_in(connection, environment_id)
    await check_request(connection, catalog, wanted)
    as_of = await memberships_as_of(connection, environment_id, now)
    return ProfileRows(connection, catalog, wanted, now, as_of)


async def check_request(connection: Connection, catalog: Catalog, wanted: RowsRequest) -> None:
    """Raise every error of a request that can be known before the first row."""
    if wanted.kind == "segment":
        check_exportable(catalog, wanted.segment)
    for key in wanted.traits:
        if ("trait", key) not in catalog.live.definitions:
            raise unknown("trait", key, catalog.live.definitions)
    if wanted.kind != "events":
        await _check_columns(connection, catalog, wanted)


def check_exportable(catalog: Catalog, segment: str) -> None:
    """Raise NotFound or Conflict unless the members of a segment can be read."""
    name = ("segment", segment)
    if name not in catalog.live.definitions:
        raise unknown("segment", segment, catalog.live.definitions)
    if name in catalog.backfilling:
        raise Conflict("BACKFILLING", f"The segment {segment!r} is still being computed; try again when it is live.")


async def _check_columns(connection: Connection, catalog: Catalog, wanted: RowsRequest) -> None:
    """Raise InvalidInput for a column that no profile has or had: the name is misspelt, and all of it is empty."""
    columns, environment_id = wanted.columns or (), catalog.environment_id
    if not columns:
        return
    seen = await registry_store.registry_types_of(connection, environment_id, TRAITS_OF["identify"])
    known = {row.property.partition(".")[0] for row in seen} - {""}
    if set(columns) <= known:
        return
    # What was stored a moment ago, or before there was a registry, is only in the profiles.
    known |= set(await _property_names(connection, catalog, wanted))
    for column in columns:
        if column not in known:
            message = f"`columns`: no profile has a property {column!r}.{did_you_mean(column, known)}"
            raise InvalidInput("UNKNOWN_COLUMN", message)


async def _property_names(connection: Connection, catalog: Catalog, wanted: RowsRequest) -> list[str]:
    if wanted.kind == "segment":
        fingerprint = catalog.live.fingerprints["segment", wanted.segment]
        return await membership_store.property_names_of_members(
            connection, catalog.environment_id, fingerprint, MOST_COLUMNS + 1, PATIENCE_SECONDS
        )
    return await membership_store.property_names_of_everyone(
        connection, catalog.environment_id, MOST_COLUMNS + 1, PATIENCE_SECONDS
    )


class ProfileRows(ExportRows):
    """The members of a segment, or all profiles."""

    def __init__(
        self, connection: Connection, catalog: Catalog, wanted: RowsRequest, now: Instant, as_of: Instant
    ) -> None:
        self._connection, self._catalog, self._wanted, self._now = connection, catalog, wanted, now
        self._is_segment = wanted.kind == "segment"
        nodes = catalog.live.nodes
        traits = [RowColumn(key, ("traits", key), _cell_kind(nodes["trait", key].type)) for key in wanted.traits]
        names = COLUMNS if self._is_segment else PROFILE_COLUMNS
        super().__init__(as_of, _fixed(names), traits, wanted.columns)

    async def count(self) -> int:
        if not self._is_segment:
            return await membership_store.count_every_profile(
                self._connection, self._catalog.environment_id, PATIENCE_SECONDS
            )
        fingerprint = self._catalog.live.fingerprints["segment", self._wanted.segment]
        counted = await membership_store.count_members(self._connection, self._catalog.environment_id, [fingerprint])
        return counted.get(fingerprint, 0)

    async def property_names(self) -> Sequence[str]:
        """The properties that the profiles have, in order. Raises InvalidInput if they are too many for a table."""
        names = await _property_names(self._connection, self._catalog, self._wanted)
        check_number_of(names)
        return names

    async def batches(self) -> AsyncIterator[list[Row]]:
        environment_id, with_state = self._catalog.environment_id, bool(self._wanted.traits)
        if self._is_segment:
            fingerprint = self._catalog.live.fingerprints["segment", self._wanted.segment]
            found = membership_store.members(self._connection, environment_id, fingerprint, with_state=with_state)
        else:
            found = membership_store.every_profile(self._connection, environment_id, with_state=with_state)
        with reaching():
            async for rows in found:
                yield [self._row(row) for row in rows]

    def _row(self, row: membership_store.MemberProfileRow) -> Row:
        found: Row = {"profileId": str(row.id), "userId": row.user_id, "anonymousId": row.anonymous_id}
        if self._is_segment:
            found["enteredAt"] = iso_or_none(row.entered_at)
        found |= {"firstSeen": iso_or_none(row.first_seen_at), "lastSeen": iso_or_none(row.last_seen_at)}
        found["properties"] = self._properties(row.properties)
        if self._wanted.traits:
            found["traits"] = self._traits_of(row)
        return found

    def _traits_of(self, row: membership_store.MemberProfileRow) -> dict[str, Any]:
        values = evaluate(
            storage.from_row(row), self._catalog, self._now, [("trait", key) for key in self._wanted.traits]
        )
        nodes = self._catalog.live.nodes
        return {key: plain(value, nodes["trait", key].type) for (_, key), (value, _) in values.items()}


class ExportedEvents(ExportRows):
    """Events, in the order of their arrival."""

    def __init__(self, connection: Connection, environment_id: int, wanted: RowsRequest, now: Instant) -> None:
        self._connection, self._environment_id = connection, environment_id
        since, until = wanted.span
        self._asked = (list(wanted.events) or None, since, until)
        super().__init__(now, _fixed(EVENT_COLUMNS), [RowColumn("context", ("context",))], wanted.columns)

    async def count(self) -> int:
        return await event_store.count_every_event(
            self._connection, self._environment_id, *self._asked, PATIENCE_SECONDS
        )

    async def batches(self) -> AsyncIterator[list[Row]]:
        with reaching():
            async for rows in event_store.every_event(self._connection, self._environment_id, *self._asked):
                yield [self._row(row) for row in rows]

    def _row(self, row: event_store.ExportedEventRow) -> Row:
        return {
            "eventId": str(row.id),
            "event": row.name,
            "kind": row.kind,
            "occurredAt": iso(row.occurred_at),
            "receivedAt": iso(row.received_at),
            "profileId": str(row.profile_id),
            "identifierKind": row.identifier_kind,
            "identifier": row.identifier_value,
            "messageId": row.message_id,
            "properties": self._properties(row.properties),
            "context": row.context,
        }


def camel(name: str) -> str:
    """The name of a column as the field of an object."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _fixed(names: Sequence[str]) -> list[RowColumn]:
    return [RowColumn(name, (camel(name),), "time" if name in _TIMES else "text") for name in names]


_CELL_KINDS: Mapping[Type, CellKind] = {
    Type.BOOL: "flag",
    Type.NUMBER: "number",
    Type.DURATION: "number",
    Type.STRING: "text",
    Type.VERSION: "text",
    Type.DATETIME: "time",
}


def _cell_kind(type_: Type) -> CellKind:
    return _CELL_KINDS.get(type_, "any")
