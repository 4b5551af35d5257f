"""What is known of events and profiles: observed on arrival, or declared in the plan.

Shape   read_known(connection, environment, now) → Known · known_of_plan(plan) → what a tracking plan declares
        read_plan(file) → a saved tracking plan · plan_of(environment) → the current one
Laws    a name is known because messages had it or the plan declares it, never because a definition mentions it: one
        saved misspelling must not silence the warning about it. Nothing known means that nothing is reported
Source  docs/reference/registry.md, dsl/SPEC.md "Diagnostics"
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tinycdp.dsl.fields import in_words
from tinycdp.dsl.ir import Type
from tinycdp.engine.schema.inference import OTHER
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, PlannedEvent
from tinycdp.errors import InvalidInput
from tinycdp.model import DAY_MS, Instant
from tinycdp.runtime.environment import Environment
from tinycdp.store import events as event_store
from tinycdp.store import groups as group_store
from tinycdp.store import profiles as profile_store
from tinycdp.store import registry
from tinycdp.store.database.pool import Connection, acquired

#: How many of the newest profiles and events, and of the groups, are read, and how many property names are kept.
PROFILES, GROUPS, EVENTS, NAMES = 500, 500, 1_000, 1_000
_LATELY_MS = 30 * DAY_MS


@dataclass(frozen=True)
class Known:
    """Events with their properties, properties of profiles, and traits of groups; nested names are joined by dots.

    A type is not known from observation: values of another type may come."""

    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)
    profile: frozenset[str] = frozenset()
    group: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.events or self.profile or self.group)


NOTHING_KNOWN = Known()


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
    for found in await profile_store.property_names_of_profiles(connection, environment_id, PROFILES, NAMES):
        names.setdefault(TRAITS_OF["identify"], set()).add(found.name)
    for name in await group_store.trait_names_of_groups(connection, environment_id, GROUPS, NAMES):
        names.setdefault(TRAITS_OF["group"], set()).add(name)
    return _known(names)


async def names_of(environment: Environment) -> Known:
    """The same of an environment."""
    async with acquired(environment.pool) as connection:
        return await read_known(connection, environment.id, environment.now())


class _SavedEntry(msgspec.Struct):
    event: str
    entry: PlannedEvent | None


class SavedPlan(msgspec.Struct):
    """The answer of `GET /v1/registry/plan`, as far as it is read."""

    entries: list[_SavedEntry]

    def declared(self) -> dict[str, PlannedEvent]:
        return {one.event: one.entry for one in self.entries if one.entry is not None}


def read_plan(path: Path) -> dict[str, PlannedEvent]:
    """The entries of the tracking plan in a file: the answer of `GET /v1/registry/plan`, saved.

    Raises InvalidInput PLAN_UNREADABLE."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except OSError as wrong:
        message = f"{path}: {wrong.strerror}. Save the answer of GET /v1/registry/plan there."
        raise InvalidInput("PLAN_UNREADABLE", message) from wrong
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        message = f"{path}: the file is not JSON. It is what GET /v1/registry/plan answers."
        raise InvalidInput("PLAN_UNREADABLE", message) from wrong
    try:
        return msgspec.convert(document, SavedPlan).declared()
    except msgspec.ValidationError as wrong:
        where, fault = in_words(wrong, SavedPlan, document)
        message = f"{path}: {where}: {fault} The file is what GET /v1/registry/plan answers."
        raise InvalidInput("PLAN_UNREADABLE", message) from wrong


async def plan_of(environment: Environment) -> dict[str, PlannedEvent]:
    """The entries of an environment's tracking plan."""
    async with acquired(environment.pool) as connection:
        entries = await registry.current_plan_entries(connection, environment.id)
    return {one.event: msgspec.convert(one.document, PlannedEvent) for one in entries}


def known_of_plan(plan: Mapping[str, PlannedEvent]) -> Known:
    """What a tracking plan declares."""
    return _known({event: set(entry.properties) for event, entry in plan.items()})


def _known(names: Mapping[str, Collection[str]]) -> Known:
    return Known(
        {event: _untyped(names[event]) for event in names if event[:1] != "$"},
        frozenset(names.get(TRAITS_OF["identify"], ())),
        frozenset(names.get(TRAITS_OF["group"], ())),
    )


def _untyped(names: Iterable[str]) -> Mapping[str, Type]:
    return dict.fromkeys(sorted(names), Type.DYN)
