"""What is known of events and profiles: observed on arrival, or declared in the plan.

Shape   read_known(connection, environment, now) → Known
Laws    a name is known because messages had it or the plan declares it, never because a definition mentions it: one
        saved misspelling must not silence the warning about it. Nothing known means that nothing is reported
Source  docs/reference/registry.md, dsl/SPEC.md "Diagnostics"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from tinycdp.dsl.ir import Type
from tinycdp.engine.schema.inference import OTHER
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, PlannedEvent
from tinycdp.model import DAY_MS, Instant
from tinycdp.store import events as event_store
from tinycdp.store import profiles as profile_store
from tinycdp.store import registry
from tinycdp.store.database.pool import Connection

#: How many of the newest profiles and events are read, and how many property names are kept.
PROFILES, EVENTS, NAMES = 500, 1_000, 1_000
_LATELY_MS = 30 * DAY_MS
_IDENTIFY = TRAITS_OF["identify"]


@dataclass(frozen=True)
class Known:
    """Events with their properties, and properties of profiles; nested names are joined by dots.

    A type is not known from observation: values of another type may come."""

    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)
    profile: frozenset[str] = frozenset()


async def read_known(connection: Connection, environment_id: int, now: Instant) -> Known:
    """The names that were observed or declared so far."""
    names: dict[str, set[str]] = {}
    # The registry has all events, rare ones too, but is some seconds late; raw events have the last seconds.
    for event in await event_store.recent_event_names(connection, environment_id):
        names.setdefault(event, set())
    for event in await registry.registry_event_names(connection, environment_id, now - _LATELY_MS):
        names.setdefault(event, set())
    for typed in await registry.registry_types_seen(connection, environment_id):
        if OTHER not in (typed.event, typed.property):
            names.setdefault(typed.event, set()).add(typed.property)
    for row in await event_store.property_names_of_events(connection, environment_id, EVENTS, NAMES):
        names.setdefault(row.event, set()).add(row.name)
    for planned in await registry.current_plan_entries(connection, environment_id):
        entry = msgspec.convert(planned.document, PlannedEvent)
        names.setdefault(planned.event, set()).update(entry.properties)
    profile = names.get(_IDENTIFY, set())
    for found in await profile_store.property_names_of_profiles(connection, environment_id, PROFILES, NAMES):
        profile.add(found.name)
    return Known({event: _untyped(names[event]) for event in names if event[:1] != "$"}, frozenset(profile))


def _untyped(names: Iterable[str]) -> Mapping[str, Type]:
    return dict.fromkeys(sorted(names), Type.DYN)
