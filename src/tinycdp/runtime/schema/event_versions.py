"""Versions of an event side by side: `signup`, `signup.v1` and `signup.v2`.

Shape   versions_of(…) → the versions in their order, each with its difference from the one before
Laws    versions are events of their own: they are received, planned and counted by their whole names. An event without
        other versions has none
Source  docs/reference/registry.md "Versions of an event"
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tinycdp.engine.schema.event_names import version_of
from tinycdp.engine.schema.inference import LATELY_DAYS, OTHER, main_type
from tinycdp.engine.schema.tracking_plan import TrackingPlan
from tinycdp.model import DAY_MS, Instant
from tinycdp.runtime.schema.tracking_plan import KIND_OF_DECLARED
from tinycdp.store import registry as store
from tinycdp.store.database.pool import Connection
from tinycdp.times import day_of, iso

#: How many versions are compared, the newest.
MOST_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class VersionSdk:
    """An SDK that sent a version, how often, and the first and last day."""

    sdk: str
    n: int
    first_day: str
    last_day: str


@dataclass(frozen=True, slots=True)
class TypeChange:
    """A property whose type differs from the version before."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EventVersion:
    """A version of an event. version: None for the name without one.

    added, removed, changed  how its properties differ from the version before; empty for the first"""

    name: str
    version: int | None
    planned: bool
    total: int
    lately: int
    first_seen: str | None
    last_seen: str | None
    sdks: list[VersionSdk]
    added: list[str]
    removed: list[str]
    changed: list[TypeChange]


async def versions_of(
    connection: Connection,
    environment_id: int,
    plan: TrackingPlan,
    name: str,
    seen: Sequence[store.EventSeenRow],
    days: int,
    now: Instant,
) -> list[EventVersion]:
    """The versions of the event that a name is or is a version of; empty if there is only one.

    seen: all events of the environment. SDKs are those of the last `days` days."""
    base, today = version_of(name)[0], day_of(now)
    known = {row.event: row for row in seen if version_of(row.event)[0] == base}
    names = known.keys() | {event for event in plan.entries if version_of(event)[0] == base}
    if len(names) < 2 and version_of(name)[1] is None and names <= {name}:
        return []
    ordered = sorted(names, key=lambda event: (version_of(event)[1] or -1, event))[-MOST_VERSIONS:]
    since, first = today - timedelta(LATELY_DAYS - 1), today - timedelta(days - 1)
    types = await store.registry_types_of_events(connection, environment_id, ordered)
    sdks = await store.registry_sdks_of_events(connection, environment_id, ordered, first, since)
    properties = _types(types, plan, ordered)
    found: list[EventVersion] = []
    before: Mapping[str, str] | None = None
    for event in ordered:
        own, row = properties[event], known.get(event)
        old = own if before is None else before
        sent_by = [sdk for sdk in sdks if sdk.event == event]
        found.append(
            EventVersion(
                name=event,
                version=version_of(event)[1],
                planned=event in plan.entries,
                total=row.n if row is not None else 0,
                lately=sum(sdk.lately for sdk in sent_by),
                first_seen=iso(row.first_at) if row is not None else None,
                last_seen=iso(row.last_at) if row is not None else None,
                sdks=[VersionSdk(sdk.sdk, sdk.n, _iso_day(sdk.first_day), _iso_day(sdk.last_day)) for sdk in sent_by],
                added=sorted(own.keys() - old.keys()),
                removed=sorted(old.keys() - own.keys()),
                changed=[
                    TypeChange(name, old[name], own[name])
                    for name in sorted(own.keys() & old.keys())
                    if own[name] != old[name] and "" not in (own[name], old[name])
                ],
            )
        )
        before = own
    return found


def _types(
    rows: Sequence[store.EventPropertyTypeRow], plan: TrackingPlan, names: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """The type of each property by event: declared, otherwise the most frequent, "" if neither is known."""
    counts: dict[str, dict[str, dict[str, int]]] = {event: defaultdict(dict) for event in names}
    for row in rows:
        # The server itself adds the names that begin with an underscore.
        if row.property != OTHER and not row.property.startswith("_"):
            counts[row.event][row.property][row.type] = row.n
    found = {event: {name: main_type(own) or "" for name, own in counts[event].items()} for event in names}
    for event in names:
        if (entry := plan.entries.get(event)) is not None:
            for name, rule in entry.properties.items():
                declared = KIND_OF_DECLARED.get(rule.type or "", rule.type)
                found[event][name] = declared or found[event].get(name, "")
    return found


def _iso_day(day: int) -> str:
    return day_of(day * DAY_MS).isoformat()
