"""What clients and server exchange about profiles, events, groups and explanations."""

from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl.values.calendar import Bucket
from tinycdp.engine.flags.document import Override
from tinycdp.model import Warned


class IdentifierRef(msgspec.Struct, frozen=True):
    """An identifier, such as userId ada."""

    kind: str
    value: str


class TraitValue(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A trait's value.

    value  null if unknown; with `backfilling`, because it is still being computed
    until  the first instant at which it may change without a message, null for never"""

    value: Any
    type: str
    until: str | None
    backfilling: bool = False


class Membership(msgspec.Struct, frozen=True):
    """A segment the profile is in.

    since  when the profile entered
    until  the first instant at which it may leave without a message, null for never"""

    key: str
    since: str | None
    until: str | None


class Transition(msgspec.Struct, frozen=True):
    """An entry into a segment, or an exit.

    segment  its key; the last one if the segment was deleted
    cause    event, clock, group, merge, unmerge, edit or repair; null if an older release recorded it"""

    segment: str | None
    entered: bool
    at: str
    cause: str | None


class Event(msgspec.Struct, frozen=True, rename="camel"):
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


class ProfileGroup(msgspec.Struct, frozen=True):
    """The group a profile belongs to."""

    id: str
    since: str


class Profile(msgspec.Struct, frozen=True, rename="camel"):
    """A profile as of an instant.

    group     null if it belongs to none
    version   of the profile
    revision  of the definitions"""

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


class ProfileSummary(msgspec.Struct, frozen=True, rename="camel"):
    """A profile as lists show it."""

    id: str
    identifiers: list[IdentifierRef]
    properties: dict[str, Any]
    first_seen: str | None
    last_seen: str | None


class Lifetime(msgspec.Struct, frozen=True, rename="camel"):
    """What all events of a profile add up to.

    first_seen, last_seen  of any message in which it was active, as in the profile
    active_days            local days of the environment with an event
    sessions               a session ends when no event follows for 30 minutes
    revenue                what properties with `revenue` in the tracking plan add up to; null if none is declared"""

    first_seen: str | None
    last_seen: str | None
    first_event: str | None
    last_event: str | None
    events: int
    active_days: int
    sessions: int
    revenue: Decimal | int | None


class HistoryMessage(msgspec.Struct, frozen=True, rename="camel"):
    """A message that changed something. event: empty for identify, group and alias calls"""

    message_id: str
    type: str
    event: str


class HistoryChange(msgspec.Struct, frozen=True):
    """One change of a value.

    kind      property, trait or segment
    cause     event; edit: the list of a static segment was edited; clock: time passed
    messages  those that arrived at this instant, 10 at most; empty for the clock"""

    at: str
    kind: str
    key: str
    before: Any
    after: Any
    cause: str
    messages: list[HistoryMessage]


class ProfileHistory(msgspec.Struct, frozen=True, rename="camel"):
    """A page of changes, oldest first.

    revision   of the definitions
    truncated  the page ended early, because it visited as many instants as it may
    next       the cursor of the following page, null after the last"""

    profile_id: str
    revision: int
    changes: list[HistoryChange]
    truncated: bool
    next: str | None


class SegmentBucket(msgspec.Struct, frozen=True):
    """One local hour, day or week of a segment.

    end      exclusive
    moved    by how much merges changed the number of members: below 0, one for each two members that became one
    members  at the end of the bucket; of the present one, now"""

    start: str
    end: str
    entered: int
    left: int
    moved: int
    members: int


class SegmentHistory(msgspec.Struct, frozen=True, rename="camel"):
    """The history of a segment, oldest bucket first.

    zone   the time zone of the buckets
    as_of  the instant up to which changes by the clock are included"""

    segment: str
    bucket: Bucket
    zone: str
    buckets: list[SegmentBucket]
    as_of: str


class SegmentTransition(msgspec.Struct, frozen=True, rename="camel"):
    """One profile entered or left a segment.

    at           when membership changed
    recorded_at  when it was recorded; later than `at` if the clock was the cause
    cause        event, clock, group, merge, unmerge, edit or repair; null if an older release recorded it"""

    profile_id: str
    identifiers: list[IdentifierRef]
    entered: bool
    at: str
    recorded_at: str
    cause: str | None


class SegmentTransitions(msgspec.Struct, frozen=True, rename="camel"):
    """A page of transitions, newest first.

    next   the cursor of the following page, null after the last
    as_of  the instant up to which changes by the clock are included"""

    transitions: list[SegmentTransition]
    next: str | None
    as_of: str


class ProfilePage(msgspec.Struct, rename="camel"):
    """A profile with its lifetime, its recent events, and the segments it entered and left."""

    profile: Profile
    lifetime: Lifetime
    recent_events: list[Event]
    transitions: list[Transition]


class Journey(msgspec.Struct, frozen=True):
    """A page of events, newest first.

    next  the cursor of the following page, null after the last"""

    events: list[Event]
    next: str | None


class Search(msgspec.Struct, frozen=True):
    """A page of profiles.

    next  what `after` takes for the following page, null after the last"""

    profiles: list[ProfileSummary]
    next: str | None


class Group(msgspec.Struct, rename="camel", omit_defaults=True):
    """A group.

    members  how many profiles belong to it; only in the answer for one group"""

    key: str
    traits: dict[str, Any]
    created_at: str
    changed_at: str
    members: int | msgspec.UnsetType = msgspec.UNSET


class Groups(msgspec.Struct):
    """A page of groups, in the order of their keys.

    next  what `after` takes for the following page"""

    groups: list[Group]
    next: str | None


class GroupMembers(msgspec.Struct):
    """A page of members, in the order of profile ids.

    next  what `after` takes for the following page"""

    members: list[ProfileSummary]
    next: str | None


class WindowContents(msgspec.Struct, frozen=True, rename="camel"):
    """The events of a profile that a window counts.

    events     how many; null if the state does not have the number, as for distinct values
    oldest_at  the oldest; if not `exact`, the start of its bucket
    leaves_at  when the first event leaves the window, null for never
    exact      false if old events are kept in buckets, which leave a little late and all at once
    days       for unique_days and streak_days: the local dates that count"""

    events: int | None
    oldest_at: str | None
    newest_at: str | None
    leaves_at: str | None
    exact: bool
    days: tuple[str, ...]


class ExpressionNode(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of an expression, with its present value.

    text     its source, the characters start to end (half-open) of the definition
    value    null if unknown; with `backfilling`, because it is still being computed
    until    the first instant at which the value may change without a message, null for never
    decides  for an operand of `&&`, `||`, `??` and `if`: whether it decides the result
    window   for an aggregate: what it counts
    inside   for a reference: the trait or segment, at the first place that reads it
    parts    its operands"""

    kind: str
    text: str
    start: int
    end: int
    type: str
    value: Any
    until: str | None
    backfilling: bool = False
    decides: bool | None = None
    window: WindowContents | None = None
    inside: "DefinitionExplanation | None" = None
    parts: tuple["ExpressionNode", ...] = ()


class DefinitionExplanation(msgspec.Struct, frozen=True, rename="camel"):
    """A trait's value or a segment's membership, with the reason.

    tree  its expression, part by part"""

    kind: str
    key: str
    type: str
    value: Any
    until: str | None
    backfilling: bool
    sentence: str
    tree: ExpressionNode


class RolloutPosition(msgspec.Struct, frozen=True, rename={"since": "from"}, omit_defaults=True):
    """The bucket of the unit, of 100,000; [from, below) is admitted.

    variant  what the unit gets in a split"""

    bucket: int
    since: int = 0
    below: int | None = None
    variant: str | None = None


class RuleExplanation(msgspec.Struct, frozen=True, rename="camel"):
    """A rule of a flag.

    outcome  served; false or unknown: its condition; outside: its rollout, exposure or exclusion group does not admit
             the unit; no unit: nothing to bucket; not reached: an earlier rule or check answered
    rollout, exposure, exclusion, split  the bucket of the unit; null without one or if the rule has no such part"""

    id: str
    outcome: str
    sentence: str
    rollout: RolloutPosition | None
    exposure: RolloutPosition | None
    exclusion: RolloutPosition | None
    split: RolloutPosition | None
    condition: ExpressionNode


class PrerequisiteExplanation(msgspec.Struct, frozen=True):
    """A flag that must serve one of `needs`, and what it serves.

    A holdout that serves true excludes the profile."""

    flag: str
    serves: str
    needs: tuple[str, ...]
    met: bool


class SkippedEvents(msgspec.Struct, frozen=True):
    """A property that is text where the definition reads a number.

    event   "" for a property of the profile
    events  how many events in the window are skipped; 0 for a property of the profile"""

    event: str
    property: str
    events: int


class FlagExplanation(msgspec.Struct, frozen=True, rename="camel"):
    """A flag's answer, rule by rule.

    enabled     after the due steps of its schedule
    killed      by whom it was switched off, and when
    unit        what rollouts and splits hash; null if the request names no unit
    overrides   of the flag; they are checked before the rules
    default     the variant if no rule serves one
    revision    of the definitions
    until       the first instant at which the answer may change without a message, null for never
    changes_at  when the next step of the schedule is due
    skipped     values that do not count because they are text; null if they were not looked for, as of the past"""

    flag: str
    sentence: str
    enabled: bool
    killed: str | None
    variant: str
    reason: str
    unit: str | None
    prerequisites: tuple[PrerequisiteExplanation, ...]
    holdouts: tuple[PrerequisiteExplanation, ...]
    overrides: tuple[Override, ...]
    rules: tuple[RuleExplanation, ...]
    default: str
    revision: int
    until: str | None
    changes_at: str | None
    skipped: tuple[SkippedEvents, ...] | None


class Difference(msgspec.Struct, frozen=True):
    """A stored value that differs from the raw events.

    kind  trait, segment, membership (the table of members) or profile (first and last seen, or an unreadable state)
    kept  as stored
    true  by the raw events"""

    profile: str
    kind: str
    key: str
    kept: Any
    true: Any


class VerificationReport(msgspec.Struct, frozen=True, rename="camel"):
    """The result of `doctor --verify`.

    profiles          how many profiles were verified; of: how many exist
    incomplete        further profiles whose first message is no longer stored; they cannot be verified
    differences       how many; listed: the first of them
    different_profiles  how many profiles differ
    repaired          how many were rebuilt; the differences are those that are left"""

    revision: int
    as_of: str
    of: int
    traits: int
    segments: int
    profiles: int
    incomplete: int
    differences: int
    different_profiles: int
    repaired: int
    listed: list[Difference]
