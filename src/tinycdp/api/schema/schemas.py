"""Wire structs of the registry and the tracking plan."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.http.openapi import Documented
from tinycdp.engine.schema.inference import State
from tinycdp.engine.schema.tracking_plan import PlannedEvent, PlannedProperty
from tinycdp.runtime.schema.registry_reads import EventState

#: The body of PUT. runtime/schema/tracking_plan.py reads it and reports errors.
EntryDocument = Annotated[dict[str, Any], Documented(PlannedEvent)]


# The tracking plan


class PlanEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One event of the plan. version counts its changes; entry is null if it was removed."""

    event: str
    version: int
    entry: PlannedEvent | None
    changed_at: str
    changed_by: str


class WholePlan(msgspec.Struct, frozen=True):
    """All entries in force, by event."""

    entries: list[PlanEntry]


class PlanVersions(msgspec.Struct, frozen=True):
    """Newest first; `entry` is null if it was removed."""

    event: str
    versions: list[PlanEntry]


class Broken(msgspec.Struct, frozen=True):
    """A definition that contradicts the plan: its expression uses a property as another type."""

    kind: str
    key: str
    code: str
    message: str


class Saved(msgspec.Struct, frozen=True, rename="camel"):
    """The entry in force, and the definitions whose expressions contradict its types."""

    saved: PlanEntry
    breaks: list[Broken]


# The registry


class EventSummary(msgspec.Struct, frozen=True, rename="camel"):
    """One event.

    state   that of its plan, if not active; else `planned` if never seen, `silent` after 30 days without it, `active`
    total   messages ever; `lately` in the last seven days, today included"""

    name: str
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


class Events(msgspec.Struct, frozen=True):
    """All events, the most frequent of the last days first.

    overflow: messages of events beyond the limit."""

    events: list[EventSummary]
    overflow: int


class Volume(msgspec.Struct, frozen=True):
    """The number of messages of an hour or a day."""

    at: str
    n: int


class Sdk(msgspec.Struct, frozen=True, rename="camel"):
    """An SDK and how many values it sent, with its first and last day.

    type: of a property's values."""

    sdk: str
    type: str | None
    n: int
    first_day: str
    last_day: str


class Typed(msgspec.Struct, frozen=True, rename="camel"):
    """One type of a property's values."""

    type: str
    n: int
    first_seen: str
    last_seen: str


class PropertySummary(msgspec.Struct, frozen=True, rename="camel"):
    """One property of an event.

    type     the most frequent type; `types` has all, the most frequent first
    share    of the event's messages of the last seven days; null if there were none
    state    by the rules of the registry, explained by `why`; `planned`: declared, and never seen
    example  from one of the newest events, null if none has a value
    remedy   what to do if a definition reads it as a number and it was received as text; null if nothing"""

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
    remedy: str | None


class Violation(msgspec.Struct, frozen=True, rename="camel"):
    """A violation of the plan, per day. rejected: whether the messages were rejected for it."""

    event: str
    day: str
    code: str
    path: str
    rejected: bool
    n: int
    first_at: str
    last_at: str


class Violations(msgspec.Struct, frozen=True):
    """The newest day first, then the most frequent."""

    violations: list[Violation]


class EventPage(msgspec.Struct, frozen=True, rename="camel"):
    """An event in detail. overflow: values of properties beyond the limit."""

    event: EventSummary
    hours: list[Volume]
    days: list[Volume]
    properties: list[PropertySummary]
    sdks: list[Sdk]
    plan: PlanEntry | None
    violations: list[Violation]
    overflow: int


class DayOfType(msgspec.Struct, frozen=True):
    """The values of one type on a day. share: of all values of that day."""

    day: str
    type: str
    n: int
    share: float


class PropertyPage(msgspec.Struct, frozen=True, rename="camel"):
    """A property's history: its types by day and SDK."""

    event: str
    property: PropertySummary
    days: list[DayOfType]
    sdks: list[Sdk]


class SdkSummary(msgspec.Struct, frozen=True, rename="camel"):
    """An SDK and its volume."""

    library: str
    version: str
    platform: str
    total: int
    first_seen: str
    last_seen: str


class Sdks(msgspec.Struct, frozen=True):
    """All SDKs, the most frequent first. overflow: messages of SDKs beyond the limit."""

    sdks: list[SdkSummary]
    overflow: int
