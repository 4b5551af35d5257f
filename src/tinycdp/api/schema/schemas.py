"""Wire structs of the registry and the tracking plan."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.http.encoding import Documented
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


class Names(msgspec.Struct, frozen=True):
    """The names that were observed or declared; nested ones are joined by dots.

    events   the properties of each event
    profile  properties of profiles
    group    traits of groups"""

    events: dict[str, list[str]]
    profile: list[str]
    group: list[str]


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

    version_of  of `signup.v2` it is `signup`, and `version` 2; both are null for a name without a version
    state   that of its plan, if not active; else `planned` if never seen, `silent` after 30 days without it, `active`
    total   messages ever; `lately` in the last seven days, today included
    likely_misspelling_of  the event that was probably meant; null if there is no doubt
    remedy  what to do about it"""

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
    likely_misspelling_of  the property of this event that was probably meant; null if there is no doubt
    remedy   what to do if a definition reads it as a number and it was received as text, or if it is likely misspelt"""

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


class Violation(msgspec.Struct, frozen=True, rename="camel"):
    """A violation of the plan or the policy `validation`, per day. rejected: whether it rejects messages."""

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


class VersionSdk(msgspec.Struct, frozen=True, rename="camel"):
    """An SDK that sent a version in the last 90 days, how often, and the first and last day."""

    sdk: str
    n: int
    first_day: str
    last_day: str


class TypeChange(msgspec.Struct, frozen=True):
    """A property whose type differs from the version before."""

    name: str
    before: str
    after: str


class EventVersion(msgspec.Struct, frozen=True, rename="camel"):
    """A version of an event.

    version  null for the name without one
    added    properties that the version before does not have; `removed`: those that only it has
    changed  properties of another type than before"""

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


class EventPage(msgspec.Struct, frozen=True, rename="camel"):
    """An event in detail.

    versions  it and its other versions, such as `signup` and `signup.v2`, in order; empty if it has only one
    overflow  values of properties beyond the limit"""

    event: EventSummary
    versions: list[EventVersion]
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


class TypeCount(msgspec.Struct, frozen=True):
    """A type, and how many values had it."""

    type: str
    n: int


class PropertyUse(msgspec.Struct, frozen=True, rename="camel"):
    """A property of one event.

    type      the declared one, otherwise the most frequent
    declared  whether the plan of the event names it"""

    event: str
    type: str | None
    declared: bool
    n: int
    last_seen: str | None


class TypeConflict(msgspec.Struct, frozen=True):
    """One of the types that a property has in different events, and those events."""

    type: str
    events: list[str]


class DictionaryEntry(msgspec.Struct, frozen=True, rename="camel"):
    """A property over all events.

    types      of its values, the most frequent first
    example    from one of the newest messages, null if none has a value
    planned    whether the plan declares it for an event
    events     how many events have or declare it; `uses` lists up to 100, the most frequent first
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


class Dictionary(msgspec.Struct, frozen=True):
    """A page of properties, in the order of their names.

    next  what `after` takes for the following page, null after the last"""

    properties: list[DictionaryEntry]
    next: str | None


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
