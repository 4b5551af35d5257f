"""The dictionary of properties: each one over all events that have it or declare it.

Shape   properties(…) → a page in the order of names
Laws    A property is in conflict if two events have it as different types: declared ones, otherwise the most frequent.
        Names are ordered by code points. Examples are read from raw events on each call, as those of one event are.
Source  docs/reference/registry.md
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tinycdp.engine.schema.inference import OTHER, main_type
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, PlannedProperty, TrackingPlan
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.schema.registry_reads import example_of
from tinycdp.runtime.schema.tracking_plan import KIND_OF_DECLARED
from tinycdp.store import registry as store
from tinycdp.store.database.pool import snapshot
from tinycdp.times import iso

#: How many events of a property are listed, the most frequent first.
MOST_USES = 100
#: How many of the newest messages are searched for examples.
_REACH = 1_000


@dataclass(frozen=True, slots=True)
class TypeCount:
    """A type, and how many values had it."""

    type: str
    n: int


@dataclass(frozen=True, slots=True)
class PropertyUse:
    """A property of one event. type: the declared one, otherwise the most frequent."""

    event: str
    type: str | None
    declared: bool
    n: int
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class TypeConflict:
    """One of the types that a property has in different events, and those events."""

    type: str
    events: list[str]


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """A property over all events.

    planned    whether the plan declares it for an event
    events     how many events have or declare it; `uses` lists the most frequent
    conflicts  empty if all events agree on its type"""

    name: str
    type: str | None
    types: list[TypeCount]
    example: Any
    planned: bool
    events: int
    uses: list[PropertyUse]
    conflicts: list[TypeConflict]
    first_seen: str | None
    last_seen: str | None


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A page. next: pass it as `after`; None on the last page."""

    properties: list[DictionaryEntry]
    next: str | None


async def properties(environment: Environment, plan: TrackingPlan, prefix: str, after: str, n: int) -> Dictionary:
    """The properties that were seen or are planned, whose names begin with the prefix and follow `after`."""
    planned: dict[str, dict[str, PlannedProperty]] = defaultdict(dict)
    for event, entry in plan.entries.items():
        for name, rule in entry.properties.items():
            if name > after and name.startswith(prefix):
                planned[name][event] = rule
    async with snapshot(environment.pool) as connection:
        rows = await store.registry_dictionary(connection, environment.id, after, prefix, OTHER, n + 1)
        newest = await store.newest_messages(connection, environment.id, _REACH)
    seen = {name: list(own) for name, own in groupby(rows, lambda row: row.property)}
    values: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for message in newest:
        values[message.name or TRAITS_OF.get(message.kind, "")].append(message.properties)
    # Names that only the plan has may stand after the last one that was read: they are cut off here.
    names = sorted(seen.keys() | planned.keys())[: n + 1]
    found = [_entry(name, seen.get(name, ()), planned.get(name, {}), values) for name in names[:n]]
    return Dictionary(found, names[n - 1] if len(names) > n else None)


def _entry(
    name: str,
    rows: Sequence[store.PropertyUseRow],
    planned: Mapping[str, PlannedProperty],
    values: Mapping[str, Sequence[Mapping[str, Any]]],
) -> DictionaryEntry:
    by_event: dict[str, list[store.PropertyUseRow]] = {event: [] for event in planned}
    types: dict[str, int] = defaultdict(int)
    for row in rows:
        by_event.setdefault(row.event, []).append(row)
        types[row.type] += row.n
    uses = [_use(event, own, planned.get(event)) for event, own in by_event.items()]
    uses.sort(key=lambda use: (-use.n, use.event))
    by_type: dict[str, list[str]] = defaultdict(list)
    for use in uses:
        if use.type is not None:
            by_type[KIND_OF_DECLARED.get(use.type, use.type)].append(use.event)
    messages = (properties for use in uses for properties in values.get(use.event, ()))
    return DictionaryEntry(
        name=name,
        type=main_type(types),
        types=[TypeCount(kind, n) for kind, n in sorted(types.items(), key=lambda one: (-one[1], one[0]))],
        example=example_of(messages, name),
        planned=bool(planned),
        events=len(uses),
        uses=uses[:MOST_USES],
        conflicts=[TypeConflict(*one) for one in sorted(by_type.items())] if len(by_type) > 1 else [],
        first_seen=iso(min(row.first_at for row in rows)) if rows else None,
        last_seen=iso(max(row.last_at for row in rows)) if rows else None,
    )


def _use(event: str, rows: Sequence[store.PropertyUseRow], rule: PlannedProperty | None) -> PropertyUse:
    declared = rule.type if rule is not None else None
    return PropertyUse(
        event=event,
        type=declared or main_type({row.type: row.n for row in rows}),
        declared=rule is not None,
        n=sum(row.n for row in rows),
        last_seen=iso(max(row.last_at for row in rows)) if rows else None,
    )
