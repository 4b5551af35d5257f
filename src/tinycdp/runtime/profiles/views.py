"""Views of profiles: one profile and its events.

Shape   find_profile(…) returns a profile as of an instant; journey(…) and recent_events(…) return pages
Units   instants are ISO 8601 in UTC, durations are seconds
Laws    values are those of a decision at the same instant: computed from the state, never read from a table that may
        lag. `since` of a segment is the true instant of entry, also if the profile entered by the clock
        a page is read from one snapshot of the database; cursors are opaque, and stay valid while events arrive
Errors  NotFound PROFILE_NOT_FOUND · InvalidInput INVALID_CURSOR
Source  docs/reference/profiles.md
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp import opaque
from tinycdp.dsl.ir import Type
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.dsl.values.numbers import SCALE, number
from tinycdp.dsl.values.scalars import version_text
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import IdentifierKind, Instant, MessageKind, Warned
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.decisions.snapshots import snapshot_of
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import storage as profiles
from tinycdp.store import events as event_store
from tinycdp.store import identifiers as identifier_store
from tinycdp.store import memberships as membership_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection, Pool, acquired, snapshot
from tinycdp.times import iso, iso_or_none

#: The order in which a bare identifier is tried.
KINDS = (IdentifierKind.USER, IdentifierKind.ANONYMOUS, IdentifierKind.DEVICE, IdentifierKind.EXTERNAL)

#: The most events that one page of recent events reads to find a rare name.
REACH = 200_000
_LONGEST_KIND = 64
#: An error about an unknown identifier compares it with this many that have the same first characters.
_BEGINNING = 3
_COMPARED = 200

#: Later than any event, and still an instant Postgres can hold: the end of the year 9999.
END_OF_TIME: Instant = 253_402_300_799_999
#: A millisecond as the engine has numbers of seconds.
_MS = SCALE // 1000
_LAST_ID = 2**62


@dataclass(frozen=True, slots=True)
class IdentifierRef:
    """An identifier, such as userId ada."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class TraitValue:
    """A trait's value.

    value    None if unknown; with `backfilling`, because it is still being computed
    until    the first instant at which it may change without a message, None for never"""

    value: Any
    type: str
    until: str | None
    backfilling: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """A segment the profile is in.

    since  when it entered
    until  the first instant at which it may leave without a message, None for never"""

    key: str
    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class Transition:
    """An entry into a segment, or an exit. segment: its last key; cause: None if an older release recorded it"""

    segment: str | None
    entered: bool
    at: str
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stored message.

    target    the group of a group call, the previous id of an alias call
    future    its instant was after its arrival, and was set to the arrival
    by        the identifier that links it to its profile
    warnings  how it differs from the tracking plan"""

    id: str
    type: str
    event: str
    message_id: str
    timestamp: str
    received_at: str
    properties: dict[str, Any]
    context: dict[str, Any]
    target: str | None
    future: bool
    by: IdentifierRef
    profile_id: str
    warnings: list[Warned]


@dataclass(frozen=True, slots=True)
class ProfileGroup:
    """The group a profile belongs to."""

    id: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A profile as of an instant. version: of the profile; revision: of the definitions"""

    id: str
    bucketing_key: str
    identifiers: list[IdentifierRef]
    properties: dict[str, Any]
    traits: dict[str, TraitValue]
    segments: list[Membership]
    group: ProfileGroup | None
    first_seen: str | None
    last_seen: str | None
    version: int
    revision: int
    as_of: str


@dataclass(frozen=True, slots=True)
class ProfileSummary:
    """A profile as lists show it."""

    id: str
    identifiers: list[IdentifierRef]
    properties: dict[str, Any]
    first_seen: str | None
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class Journey:
    """A page of events, newest first.

    next: the cursor of the following page, None after the last"""

    events: list[Event]
    next: str | None


async def find_profile(environment: Environment, catalogs: Catalogs, id: str, by: str | None) -> ProfileView:
    """A profile as of now. by: a kind of identifier, or profileId; None tries them in turn"""
    async with snapshot(environment.pool) as connection:
        row = await find_row(connection, environment.id, id, by)
        catalog = await catalogs.current_in(connection, environment.id)
    return view_of(row, catalog, environment.now())


def view_of(row: profile_store.LoadedProfileRow, catalog: Catalog, now: Instant) -> ProfileView:
    """The view of a stored profile."""
    profile = profiles.from_row(row)
    # Apply what the clock changed since the row was written. Nothing of this is saved.
    recompute.advance(profile, catalog, now)
    values = evaluate(profile, catalog, now)
    live = catalog.live
    return ProfileView(
        id=str(profile.id),
        bucketing_key=profile.bucketing_key,
        identifiers=identifiers_of(row.identifiers),
        properties=profile.properties,
        traits={
            key: TraitValue(plain(value, live.nodes["trait", key].type), live.nodes["trait", key].type.value,
                            iso_or_none(until), ("trait", key) in catalog.backfilling)
            for (kind, key), (value, until) in values.items() if kind == "trait"
        },
        segments=[
            Membership(key, iso_or_none(profile.memberships.get(live.fingerprints["segment", key])), iso_or_none(until))
            for (kind, key), (value, until) in values.items() if kind == "segment" and value is True
        ],
        group=ProfileGroup(profile.group[2], iso(profile.group[0])) if profile.group is not None else None,
        first_seen=iso_or_none(profile.first_seen),
        last_seen=iso_or_none(profile.last_seen),
        version=profile.version,
        revision=catalog.revision,
        as_of=iso(now),
    )  # fmt: skip


def evaluate(
    profile: Profile, catalog: Catalog, now: Instant, names: Iterable[Name] | None = None
) -> dict[Name, tuple[Any, Instant]]:
    """Values of live traits and segments, all unless named, and until when they hold."""
    activation = snapshot_of(profile, catalog, (), now)
    prepare(catalog, activation, now)
    if names is None:
        names = sorted(name for name in catalog.live.evaluators if name[0] != "flag")
    return {name: activation.result(name, now) for name in names}


def plain(value: Any, kind: Type) -> Any:
    """A value of the language as JSON.

    A datetime is ISO 8601, a duration seconds, a version text."""
    if value is None:
        return None
    match kind:
        case Type.NUMBER:
            return number(value)
        case Type.DATETIME:
            return iso(value)
        case Type.DURATION:
            return number(value * _MS)
        case Type.VERSION:
            return version_text(value)
        case _:
            return value


async def recent_events_of(environment: Environment, profile_id: int, n: int) -> list[Event]:
    """The newest events of a profile."""
    async with acquired(environment.pool) as connection:
        rows = await event_store.events_of_profile(connection, environment.id, profile_id, (END_OF_TIME, _LAST_ID), n)
    return [event_of(row, profile_id) for row in rows]


async def transitions_of(pool: Pool, catalog: Catalog, profile_id: int, n: int) -> list[Transition]:
    """The segments that a profile entered and left, newest first."""
    keys = {d.id: key for (kind, key), d in catalog.live.definitions.items() if kind == "segment"}
    async with acquired(pool) as connection:
        rows = await membership_store.transitions_of_profile(connection, catalog.environment_id, profile_id, n)
    # A deleted segment is shown by its last key.
    return [Transition(keys.get(row.segment_id, row.last_key), row.entered, iso(row.at), row.cause) for row in rows]


async def journey(
    environment: Environment,
    id: str,
    by: str | None,
    cursor: str | None,
    n: int,
    *,
    name: str | None = None,
    kind: MessageKind | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> Journey:
    """A page of a profile's events, by the instant they happened. name, kind: only these; until: exclusive"""
    before = position(cursor)
    if until is not None:
        before = min(before, (until, 0))  # ids begin at 1, so these are all events before that instant
    async with snapshot(environment.pool) as connection:
        profile_id = (await find_row(connection, environment.id, id, by)).id
        rows = await event_store.events_of_profile(connection, environment.id, profile_id, before, n, name, since, kind)
    last = rows[-1] if len(rows) == n else None
    following = cursor_of(last.occurred_at, last.id) if last is not None else None
    return Journey([event_of(row, profile_id) for row in rows], following)


async def recent_events(
    environment: Environment, name: str | None, cursor: str | None, n: int, user_id: str | None = None
) -> Journey:
    """A page of the environment's events, by the instant they arrived. user_id: only of this profile

    With a name alone, a page reads a bounded number of events: it may return fewer than n, even 0, and still have a
    next."""
    floor = 0
    async with snapshot(environment.pool) as connection:
        if cursor:
            (before,) = numbers_of(cursor, 1)
        else:
            before = await event_store.last_event_id(connection, environment.id) + 1
        if user_id is not None:
            profile_id = (await find_row(connection, environment.id, user_id, IdentifierKind.USER)).id
            rows = await event_store.recent_events_of_profile(connection, environment.id, profile_id, before, name, n)
        else:
            floor = before - REACH if name is not None else 0
            rows = await event_store.recent_events(connection, environment.id, before, floor, name, n)
    following = None
    if len(rows) == n:
        following = cursor_of(rows[-1].id)
    elif floor > 1:
        following = cursor_of(floor)
    return Journey([event_of(row, row.profile_id) for row in rows], following)


async def find_row(
    connection: Connection, environment_id: int, id: str, by: str | None
) -> profile_store.LoadedProfileRow:
    """A stored profile with its identifiers; raises NotFound."""
    if by == "profileId":
        row = None
        if id.isdecimal() and len(id) < 19:
            row = await profile_store.load_by_id(connection, environment_id, int(id))
    else:
        row = None
        wanted = list(_candidates(id, by))
        known = {
            (found.kind, found.value)
            for found in await identifier_store.resolve_identifiers(connection, environment_id, wanted)
        }
        first = next((candidate for candidate in wanted if candidate in known), None)
        if first is not None:
            row = await profile_store.load_by_identifier(connection, environment_id, *first)
    if row is None:
        wanted_by = by if by is not None else "identifier"
        hint = await _nearest_identifier(connection, environment_id, id)
        raise NotFound("PROFILE_NOT_FOUND", f"No profile has the {wanted_by} {id[:100]!r}.{hint}")
    return row


async def _nearest_identifier(connection: Connection, environment_id: int, id: str) -> str:
    """A sentence that names the nearest identifier, of those that begin in the same way; empty if none is near."""
    for beginning in (id[: max(len(id) - 2, _BEGINNING)], id[:_BEGINNING]):
        if len(beginning) < _BEGINNING:
            return ""
        found = dict(await identifier_store.identifiers_beginning(connection, environment_id, beginning, _COMPARED))
        if id in found:
            return f" One has this {found[id]}: name it as {f'{found[id]}:{id}'!r}."
        if hint := did_you_mean(id, found):
            return hint
    return ""


def _candidates(id: str, by: str | None) -> Iterator[tuple[str, str]]:
    """(kind, value) in the order they are tried: the known kinds, then `kind:value`.

    A kind may contain colons."""
    if by is not None:
        yield by, id
        return
    yield from ((kind, id) for kind in KINDS)
    for place, character in enumerate(id[1 : _LONGEST_KIND + 1], start=1):
        if character == ":" and id[place + 1 :]:
            yield id[:place], id[place + 1 :]


def event_of(row: event_store.EventRow, profile_id: int) -> Event:
    """A stored message as an event."""
    return Event(
        id=str(row.id),
        type=row.kind,
        event=row.name,
        message_id=row.message_id,
        timestamp=iso(row.occurred_at),
        received_at=iso(row.received_at),
        properties=row.properties,
        context=row.context,
        target=row.target,
        future=row.clamped,
        by=IdentifierRef(row.identifier_kind, row.identifier_value),
        profile_id=str(profile_id),
        warnings=msgspec.convert(row.warnings or (), list[Warned]),
    )


def summary_of(row: profile_store.SummaryRow) -> ProfileSummary:
    """A row of a list as a profile."""
    return ProfileSummary(
        str(row.id), identifiers_of(row.identifiers), row.properties, iso_or_none(row.first_seen_at),
        iso_or_none(row.last_seen_at),
    )  # fmt: skip


def identifiers_of(identifiers: list[str]) -> list[IdentifierRef]:
    """Identifiers from "kind value"."""
    pairs = (identifier.partition(" ") for identifier in identifiers)
    return [IdentifierRef(kind, value) for kind, _, value in pairs]


# Cursors: an opaque JSON list


def position(cursor: str | None) -> tuple[int, int]:
    """The (instant, id) that a page begins before; the end of time without a cursor."""
    at, id = numbers_of(cursor, 2) if cursor else (END_OF_TIME, _LAST_ID)
    return at, id


def cursor_of(*numbers: int) -> str:
    """The cursor of the page that follows these numbers."""
    return encode_cursor(list(numbers))


def encode_cursor(parts: list[Any]) -> str:
    return opaque.text_of(msgspec.json.encode(parts))


_PARTS = msgspec.json.Decoder(list[Any])


def _decode(cursor: str) -> list[Any]:
    try:
        return opaque.decoded(opaque.bytes_of(cursor), _PARTS)
    except opaque.Unreadable:
        return []


def numbers_of(cursor: str, n: int) -> tuple[int, ...]:
    parts = _decode(cursor)
    if len(parts) != n or not all(type(part) is int and 0 <= part <= _LAST_ID for part in parts):
        raise _invalid()
    if n == 2 and parts[0] > END_OF_TIME:
        raise _invalid()
    return tuple(parts)


def texts_of(cursor: str) -> tuple[str, str]:
    parts = _decode(cursor)
    if len(parts) != 2 or not all(type(part) is str for part in parts):
        raise _invalid()
    return parts[0], parts[1]


def _invalid() -> InvalidInput:
    return InvalidInput("INVALID_CURSOR", "The cursor is invalid. Use `next` of a page, or start without one.")
