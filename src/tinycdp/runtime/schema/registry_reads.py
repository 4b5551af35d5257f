"""Reads of the registry: events and properties with their volume, types, state and plan.

Shape   events(…), event(…), property_of(…), sdks(…), violations(…) → pages · declared(…) → types for expressions ·
        broken_by(…) → definitions that contradict them
Units   Days are UTC, by arrival. The timeline has TIMELINE_DAYS days, the hourly volume HOURS hours.
Laws    Messages that this process stored are included if the caller flushed the registry; those of other processes
        follow within seconds. Examples are read from raw events on each call, so deleted events give no example.
Errors  NotFound for an event or property that was never seen and is not planned
Source  docs/reference/registry.md
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

from tinycdp.dsl.check.workspace import check_workspace
from tinycdp.dsl.ir import Type
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import sources
from tinycdp.engine.schema.event_names import version_of
from tinycdp.engine.schema.inference import LATELY_DAYS, OTHER, State, main_type, state_of
from tinycdp.engine.schema.misspellings import NameSeen, likely_misspellings
from tinycdp.engine.schema.number_reads import NumberReads
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, PlannedEvent, PlannedProperty, TrackingPlan, types_of
from tinycdp.errors import NotFound
from tinycdp.model import DAY_MS, HOUR_MS, Instant
from tinycdp.runtime.definitions.workspace import Declared, Workspace
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.schema.event_versions import EventVersion, versions_of
from tinycdp.runtime.schema.tracking_plan import PlanEntry, versions
from tinycdp.store import registry as store
from tinycdp.store.database.pool import snapshot
from tinycdp.times import day_of, iso

TIMELINE_DAYS = 90
HOURS = 48
#: How many of the newest raw events are searched for examples, and how many of the event's are read.
_REACH, _NEWEST = 5_000, 50
_LONGEST_EXAMPLE = 200
_IDENTIFY = TRAITS_OF["identify"]
_KINDS_OF = {name: kind for kind, name in TRAITS_OF.items()}
_GONE_MS = 30 * DAY_MS
_TYPES = {"string": Type.STRING, "number": Type.NUMBER, "boolean": Type.BOOL, "list": Type.LIST}

EventState = Literal["active", "silent", "planned", "experimental", "deprecated", "blocked"]


@dataclass(frozen=True, slots=True)
class EventSummary:
    """One event with its state and volume. lately: in the last LATELY_DAYS days.

    likely_misspelling_of  the name that was probably meant; None if there is no doubt
    remedy                 what to do about it"""

    name: str
    version_of: str | None
    version: int | None
    state: EventState
    planned: bool
    description: str
    owner: str
    visible: bool
    first_seen: str | None
    last_seen: str | None
    total: int
    today: int
    lately: int
    properties: int
    likely_misspelling_of: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Events:
    """All events, the most frequent of the last days first.

    overflow: messages of events beyond the limit."""

    events: list[EventSummary]
    overflow: int


@dataclass(frozen=True, slots=True)
class Volume:
    """The number of messages of an hour or a day."""

    at: str
    n: int


@dataclass(frozen=True, slots=True)
class Sdk:
    """An SDK, and how many values it sent. type: of a property's values."""

    sdk: str
    type: str | None
    n: int
    first_day: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Typed:
    """One type of a property's values."""

    type: str
    n: int
    first_seen: str
    last_seen: str


@dataclass(frozen=True, slots=True)
class PropertySummary:
    """One property of an event: the types of its values, its state, and what the plan declares.

    likely_misspelling_of  the property of this event that was probably meant; None if there is no doubt
    remedy                 what to do if a definition reads it as a number and it was received as text, or if it is
                           probably misspelt; None if nothing"""

    name: str
    type: str | None
    types: list[Typed]
    state: State | Literal["planned"]
    why: str
    share: float | None
    first_seen: str | None
    last_seen: str | None
    example: Any
    declared: PlannedProperty | None
    likely_misspelling_of: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation of the plan or the policy `validation`, per day. rejected: whether it rejects messages."""

    event: str
    day: str
    code: str
    path: str
    rejected: bool
    n: int
    first_at: str
    last_at: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """An event in detail. overflow: values of properties beyond the limit."""

    event: EventSummary
    versions: list[EventVersion]
    hours: list[Volume]
    days: list[Volume]
    properties: list[PropertySummary]
    sdks: list[Sdk]
    plan: PlanEntry | None
    violations: list[Violation]
    overflow: int


@dataclass(frozen=True, slots=True)
class DayOfType:
    """The values of one type on a day. share: of all values of that day."""

    day: str
    type: str
    n: int
    share: float


@dataclass(frozen=True, slots=True)
class PropertyPage:
    """A property's history: its types by day and SDK."""

    event: str
    property: PropertySummary
    days: list[DayOfType]
    sdks: list[Sdk]


@dataclass(frozen=True, slots=True)
class SdkSummary:
    """An SDK and its volume."""

    library: str
    version: str
    platform: str
    total: int
    first_seen: str
    last_seen: str


@dataclass(frozen=True, slots=True)
class Sdks:
    """All SDKs, the most frequent first. overflow: messages of SDKs beyond the limit."""

    sdks: list[SdkSummary]
    overflow: int


async def events(environment: Environment, plan: TrackingPlan) -> Events:
    """Every event that was seen or is planned."""
    now = environment.now()
    today = day_of(now)
    async with snapshot(environment.pool) as connection:
        rows = await store.registry_events(connection, environment.id, today - timedelta(LATELY_DAYS - 1), today)
    meant = misspelt_events(plan, ((row.event, row.n, row.first_at) for row in rows))
    found = [
        _event(row.event, row, plan.entries.get(row.event), meant.get(row.event), now)
        for row in rows
        if row.event != OTHER
    ]
    seen = {row.name for row in found}
    found += [_event(name, None, entry, None, now) for name, entry in plan.entries.items() if name not in seen]
    return Events(found, sum(row.n for row in rows if row.event == OTHER))


async def event(environment: Environment, plan: TrackingPlan, name: str, reads: NumberReads | None = None) -> EventPage:
    """One event with its properties. reads: what the live definitions read as numbers."""
    now = environment.now()
    today = day_of(now)
    first, lately = today - timedelta(TIMELINE_DAYS - 1), today - timedelta(LATELY_DAYS - 1)
    async with snapshot(environment.pool) as connection:
        types = await store.registry_types_of(connection, environment.id, name)
        days = await store.registry_days_of(connection, environment.id, name, first)
        hours = await store.registry_hours_of(connection, environment.id, name, (now // HOUR_MS - HOURS + 1) * HOUR_MS)
        sdks = await store.registry_sdks_of(connection, environment.id, name, "", first)
        wrong = await store.plan_violations_since(connection, environment.id, name, lately, 100)
        kind = _KINDS_OF.get(name)
        newest = await store.newest_properties(connection, environment.id, kind, "" if kind else name, _REACH, _NEWEST)
        names = await store.registry_names_seen(connection, environment.id)
        side_by_side = await versions_of(connection, environment.id, plan, name, names, TIMELINE_DAYS, now)
    meant = misspelt_events(plan, ((row.event, row.n, row.first_at) for row in names))
    entry = plan.entries.get(name)
    whole = next((row for row in types if row.property == ""), None)
    if whole is None and entry is None and not side_by_side:
        seen = (row.event for row in names if not row.event.startswith("$"))
        hint = did_you_mean(name, [*seen, *plan.entries])
        raise NotFound("NOT_FOUND", f"No event {name!r} was received yet, and the tracking plan has none.{hint}")
    volume = {row.day: row.n for row in days if row.property == ""}
    properties = _properties(name, types, days, entry, newest, whole, reads, now)
    numbers = None
    if whole is not None:
        numbers = store.EventNumbersRow(
            event=name,
            n=whole.n,
            first_at=whole.first_at,
            last_at=whole.last_at,
            properties=sum(row.last_seen is not None for row in properties),
            lately=sum(n for day, n in volume.items() if day > now // DAY_MS - LATELY_DAYS),
            today=volume.get(now // DAY_MS, 0),
        )
    written = (await versions(environment, name, 1)) if entry is not None else []
    summary = _event(name, numbers, entry, meant.get(name), now)
    if whole is None and entry is None:  # only other versions of it are known
        summary = replace(summary, state="active" if any(row.lately for row in side_by_side) else "silent")
    return EventPage(
        event=summary,
        versions=side_by_side,
        hours=[Volume(iso(row.hour), row.n) for row in hours],
        days=[Volume(_iso_day(day), n) for day, n in sorted(volume.items())],
        properties=properties,
        sdks=[_sdk(row) for row in sdks],
        plan=written[0] if written else None,
        violations=[_violation(row) for row in wrong],
        overflow=sum(row.n for row in types if row.property == OTHER),
    )


async def property_of(
    environment: Environment, plan: TrackingPlan, name: str, property: str, reads: NumberReads | None = None
) -> PropertyPage:
    """One property with its timeline."""
    page = await event(environment, plan, name, reads)
    found = next((row for row in page.properties if row.name == property), None)
    if found is None:
        hint = did_you_mean(property, [row.name for row in page.properties])
        raise NotFound("NOT_FOUND", f"The event {name!r} never had a property {property!r}.{hint}")
    first = day_of(environment.now()) - timedelta(TIMELINE_DAYS - 1)
    async with snapshot(environment.pool) as connection:
        days = await store.registry_days_of(connection, environment.id, name, first)
        sdks = await store.registry_sdks_of(connection, environment.id, name, property, first)
    own = [row for row in days if row.property == property]
    totals: dict[int, int] = defaultdict(int)
    for row in own:
        totals[row.day] += row.n
    listed = [DayOfType(_iso_day(row.day), row.type, row.n, round(row.n / totals[row.day], 4)) for row in own]
    return PropertyPage(name, found, listed, [_sdk(row) for row in sdks])


async def sdks(environment: Environment) -> Sdks:
    """The SDKs that sent messages."""
    async with snapshot(environment.pool) as connection:
        rows = await store.known_sdks(connection, environment.id)
    return Sdks(
        [
            SdkSummary(r.library, r.version, r.platform, r.n, iso(r.first_at), iso(r.last_at))
            for r in rows
            if r.library != OTHER
        ],
        sum(row.n for row in rows if row.library == OTHER),
    )


async def violations(environment: Environment, name: str | None, days: int, n: int) -> list[Violation]:
    """Violations of the plan, of one event or of all: newest day first, then the most frequent."""
    async with snapshot(environment.pool) as connection:
        first = day_of(environment.now()) - timedelta(days - 1)
        rows = await store.plan_violations_since(connection, environment.id, name, first, n)
    return [_violation(row) for row in rows]


def types_seen(rows: Iterable[store.EventPropertyTypeRow]) -> dict[str, dict[str, Type]]:
    """The types of properties by event, the most frequent property first.

    A property with several types has the type `dyn`."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        if OTHER not in (row.property, row.event):
            counts.setdefault(row.event, {}).setdefault(row.property, {})[row.type] = row.n
    return {event: {name: _only(kinds) for name, kinds in properties.items()} for event, properties in counts.items()}


def declared(plan: TrackingPlan) -> Declared:
    """The types that the plan declares, for expressions and editors; without hidden events."""
    profile = types_of(plan.entries[_IDENTIFY]) if _IDENTIFY in plan.entries else {}
    typed = {name: types_of(entry) for name, entry in plan.entries.items() if name not in _KINDS_OF and entry.visible}
    return Declared(profile, typed)


@dataclass(frozen=True, slots=True)
class Broken:
    """A definition that contradicts the plan: its expression uses a property as another type."""

    kind: str
    key: str
    code: str
    message: str


def broken_by(workspace: Workspace, plan: TrackingPlan, name: str, entry: PlannedEvent) -> list[Broken]:
    """The definitions of the head revision that would contradict the plan with this entry."""
    types = declared(TrackingPlan({**plan.entries, name: entry}, plan.naming))
    listed = sources(workspace.head.definitions.values())
    found = check_workspace(listed, properties=types.profile, events=types.events).errors
    return [Broken(kind, key, wrong.code, wrong.message) for (kind, key), wrong in sorted(found.items())]


def _only(kinds: Mapping[str, int]) -> Type:
    found = kinds.keys() - {"null"}
    return _TYPES.get(next(iter(found)), Type.DYN) if len(found) == 1 else Type.DYN


def misspelt_events(plan: TrackingPlan, seen: Iterable[tuple[str, int, Instant]]) -> Mapping[str, str]:
    """The events that are probably misspelt, with the names that were meant.

    seen: (event, number, first instant). A blocked event is neither, nor one with an alias: none is stored any more."""
    entries = plan.entries
    names = {event: NameSeen(event, n, first_at, event in entries) for event, n, first_at in seen}
    names |= {event: NameSeen(event, 0, 0, planned=True) for event in entries if event not in names}
    gone = {event for event, entry in entries.items() if entry.status == "blocked"} | plan.naming.aliases.keys()
    return likely_misspellings(row for event, row in names.items() if event not in gone)


def _event(
    name: str, row: store.EventNumbersRow | None, entry: PlannedEvent | None, meant: str | None, now: Instant
) -> EventSummary:
    state: EventState = "planned" if row is None else "silent" if now - row.last_at > _GONE_MS else "active"
    if entry is not None and entry.status != "active":
        state = entry.status
    base, version = version_of(name)
    return EventSummary(
        name=name,
        version_of=base if version is not None else None,
        version=version,
        state=state,
        planned=entry is not None,
        description=entry.description if entry is not None else "",
        owner=entry.owner if entry is not None else "",
        visible=entry.visible if entry is not None else True,
        first_seen=iso(row.first_at) if row is not None else None,
        last_seen=iso(row.last_at) if row is not None else None,
        total=row.n if row is not None else 0,
        today=row.today if row is not None else 0,
        lately=row.lately if row is not None else 0,
        properties=row.properties if row is not None else 0,
        likely_misspelling_of=meant,
        remedy=_remedy_of_event(name, meant) if meant is not None else None,
    )


def _remedy_of_event(name: str, meant: str) -> str:
    path = f"/v1/registry/plan/{quote(name, safe='$')}"
    alias = f'"aliases": {{"{name}": "{meant}"}}'
    return (
        f"Correct it where it is sent. Until then merge it, with {alias} in the policy `naming`, or block it, "
        f"with PUT {path} and the status `blocked`. If it is right, declare it there."
    )


def _properties(
    event: str,
    types: Sequence[store.PropertyTypeRow],
    days: Sequence[store.DayRow],
    entry: PlannedEvent | None,
    newest: Sequence[Mapping[str, Any]],
    whole: store.PropertyTypeRow | None,
    reads: NumberReads | None,
    now: Instant,
) -> list[PropertySummary]:
    """The properties of an event, the most frequent of the last days first."""
    today = now // DAY_MS
    by_day: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for day in days:
        by_day[day.property].append((day.day, day.type, day.n))
    lately = {name: sum(n for day, _, n in own if day > today - LATELY_DAYS) for name, own in by_day.items()}
    declared = entry.properties if entry is not None else {}
    own_types: dict[str, list[store.PropertyTypeRow]] = defaultdict(list)
    for row in types:
        if row.property not in {"", OTHER}:
            own_types[row.property].append(row)
    meant = likely_misspellings(
        [
            NameSeen(name, sum(row.n for row in own), min(row.first_at for row in own), name in declared)
            for name, own in own_types.items()
        ]
        + [NameSeen(name, 0, 0, planned=True) for name in declared if name not in own_types]
    )
    found = []
    for name, own in own_types.items():
        last = max(row.last_at for row in own)
        totals = {row.type: row.n for row in own}
        state, why = state_of(by_day[name], totals, today, last, whole.last_at if whole is not None else last)
        all_lately = lately.get("", 0)
        found.append(
            PropertySummary(
                name=name,
                type=main_type(totals),
                types=[Typed(row.type, row.n, iso(row.first_at), iso(row.last_at)) for row in own],
                state=state,
                why=why,
                share=round(min(lately.get(name, 0) / all_lately, 1), 4) if all_lately else None,
                first_seen=iso(min(row.first_at for row in own)),
                last_seen=iso(last),
                example=example_of(newest, name),
                declared=declared.get(name),
                likely_misspelling_of=meant.get(name),
                remedy=_remedy(reads, event, name, totals, declared.get(name), meant.get(name)),
            )
        )
    found.sort(key=lambda row: (-lately.get(row.name, 0), row.name))
    return found + [
        PropertySummary(
            name=name,
            type=None,
            types=[],
            state="planned",
            why="Declared in the plan, and never received.",
            share=None,
            first_seen=None,
            last_seen=None,
            example=None,
            declared=rule,
            likely_misspelling_of=None,
            remedy=None,
        )
        for name, rule in declared.items()
        if name not in own_types
    ]


def _remedy(
    reads: NumberReads | None,
    event: str,
    name: str,
    totals: Mapping[str, int],
    declared: PlannedProperty | None,
    meant: str | None,
) -> str | None:
    """What to do about text that a definition reads as a number and the plan does not convert, or a misspelt name."""
    n = totals.get("string", 0)
    reader = reads.reader(event, name) if reads is not None and n else None
    if reader is None or (declared is not None and declared.type in {"number", "integer"}):
        if meant is None:
            return None
        return (
            f"Send {meant!r} instead. If {name!r} is right, declare it: PUT /v1/registry/plan/{quote(event, safe='$')}."
        )
    kind, key = reader
    values = f"{n} {'value was' if n == 1 else 'values were'} text"
    return (
        f"{kind} {key!r} reads {name!r} as a number, and {values}, which it skips. Send numbers, or declare "
        f"{name!r} as a number: PUT /v1/registry/plan/{quote(event, safe='$')}."
    )


def example_of(newest: Iterable[Mapping[str, Any]], name: str) -> Any:
    """The newest value of a property, truncated if long; an object has no example of its own."""
    for properties in newest:
        value: Any = properties
        if name in properties:
            value = properties[name]
        else:
            for part in name.split("."):
                value = value.get(part) if type(value) is dict else None
        if value is not None and type(value) is not dict:
            if type(value) is str:
                return value[:_LONGEST_EXAMPLE]
            return value if type(value) is not list or len(str(value)) <= _LONGEST_EXAMPLE else value[:3]
    return None


def _sdk(row: store.SdkDaysRow) -> Sdk:
    return Sdk(row.sdk, row.type or None, row.n, _iso_day(row.first_day), _iso_day(row.last_day))


def _violation(row: store.ViolationRow) -> Violation:
    return Violation(
        row.event,
        _iso_day(row.day),
        row.code,
        row.path,
        row.rejected,
        row.n,
        iso(row.first_at),
        iso(row.last_at),
    )


def _iso_day(day: int) -> str:
    return day_of(day * DAY_MS).isoformat()
