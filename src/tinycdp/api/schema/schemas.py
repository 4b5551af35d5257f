"""What clients and server exchange about the registry and the tracking plan."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.http.openapi import Documented
from tinycdp.engine.schema.inference import State
from tinycdp.engine.schema.tracking_plan import Entry, Property
from tinycdp.runtime.schema.registry_reads import EventState

#: What PUT takes: tracking_plan.py reads it, and names what is wrong.
EntryDocument = Annotated[dict[str, Any], Documented(Entry)]


# The tracking plan


class PlanEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One event of the plan. version counts its changes; entry is null where it was removed."""

    event: str
    version: int
    entry: Entry | None
    changed_at: str
    changed_by: str


class WholePlan(msgspec.Struct, frozen=True):
    """By event."""

    entries: list[PlanEntry]


class PlanVersions(msgspec.Struct, frozen=True):
    """Newest first; `entry` is null where it was removed."""

    event: str
    versions: list[PlanEntry]


class Broken(msgspec.Struct, frozen=True):
    """A definition that contradicts the plan: where it compares what is declared with something else."""

    kind: str
    key: str
    code: str
    message: str


class Saved(msgspec.Struct, frozen=True, rename="camel"):
    """The entry as it is in force, and the definitions whose expressions contradict the types it declares."""

    saved: PlanEntry
    breaks: list[Broken]


# The registry


class EventRow(msgspec.Struct, frozen=True, rename="camel"):
    """One event. state: of its plan, where it has one; else `silent` after 30 days without it, and `active`. `planned`:
    it is in the plan and never came.

    total  ever, `lately` in the last seven days with this one"""

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
    """The busiest of the last days first. overflow: messages of events that found no room."""

    events: list[EventRow]
    overflow: int


class Volume(msgspec.Struct, frozen=True):
    at: str
    n: int


class Sdk(msgspec.Struct, frozen=True, rename="camel"):
    """An SDK and how much came by it; days are the first and last of the timeline. type: of a property."""

    sdk: str
    type: str | None
    n: int
    first_day: str
    last_day: str


class Typed(msgspec.Struct, frozen=True, rename="camel"):
    """One type that values of a property had."""

    type: str
    n: int
    first_seen: str
    last_seen: str


class PropertyRow(msgspec.Struct, frozen=True, rename="camel"):
    """One property of an event.

    type    of most values; `types` are all, by how many values came
    share   of the event's messages of the last seven days that had it; null where there were none
    state   by the rules of the registry, `why` says it in words. `planned`: declared, and never came
    example from a raw event of now, null where the newest have none"""

    name: str
    type: str | None
    types: list[Typed]
    state: State | Literal["planned"]
    why: str
    share: float | None
    first_seen: str | None
    last_seen: str | None
    example: Any
    declared: Property | None


class Violation(msgspec.Struct, frozen=True, rename="camel"):
    """What the plan did not expect, per day. refused: of messages that were refused for it."""

    event: str
    day: str
    code: str
    path: str
    refused: bool
    n: int
    first_at: str
    last_at: str


class Violations(msgspec.Struct, frozen=True):
    """The newest day first, on it the most frequent."""

    violations: list[Violation]


class EventPage(msgspec.Struct, frozen=True, rename="camel"):
    """Everything known of an event. overflow: values of properties that found no room."""

    event: EventRow
    hours: list[Volume]
    days: list[Volume]
    properties: list[PropertyRow]
    sdks: list[Sdk]
    plan: PlanEntry | None
    violations: list[Violation]
    overflow: int


class DayOfType(msgspec.Struct, frozen=True):
    """share: of the day's values."""

    day: str
    type: str
    n: int
    share: float


class PropertyPage(msgspec.Struct, frozen=True, rename="camel"):
    """A property's history: which types came on which day, and by which SDK."""

    event: str
    property: PropertyRow
    days: list[DayOfType]
    sdks: list[Sdk]


class SdkRow(msgspec.Struct, frozen=True, rename="camel"):
    library: str
    version: str
    platform: str
    total: int
    first_seen: str
    last_seen: str


class Sdks(msgspec.Struct, frozen=True):
    """The most frequent first. overflow: messages of SDKs that found no room."""

    sdks: list[SdkRow]
    overflow: int
