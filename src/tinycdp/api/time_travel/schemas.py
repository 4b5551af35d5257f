"""What clients and server exchange about previews and distributions."""

from typing import Any, Literal

import msgspec

from tinycdp.api.decisions.schemas import ProfileQuery
from tinycdp.api.definitions.schemas import ChangeBody, Changed, Cost, Diagnostics
from tinycdp.api.profiles.schemas import DefinitionExplanation, FlagExplanation, IdentifierRef
from tinycdp.runtime.time_travel.preview import SAMPLE


class PreviewBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Changes to preview.

    changes   as /v1/admin/publish takes them
    prune     delete every definition that is not named
    at        a past instant, ISO 8601 with a zone; by default now
    sample    how many profiles to count, or "all"
    context   the values of `context.…` in flags' rules
    examples  the most examples of each kind
    """

    changes: list[ChangeBody]
    prune: bool = False
    at: str | None = None
    sample: int | Literal["all"] = SAMPLE
    context: dict[str, Any] = {}
    examples: int = 20


class Example(msgspec.Struct, rename="camel"):
    """A profile that moves.

    why  the new definition in words; null if it is deleted, or would take too long
    """

    profile_id: str
    identifiers: list[IdentifierRef]
    why: str | None = None


class ValueExample(Example):
    """A profile for which a trait's value changes."""

    before: Any = None
    after: Any = None


class SegmentCounts(msgspec.Struct, rename="camel"):
    """How many profiles are members before and after, enter, leave, or have an unknown rule.

    A profile whose rule is unknown is no member."""

    members_before: int = 0
    members: int = 0
    enters: int = 0
    leaves: int = 0
    unknown_before: int = 0
    unknown: int = 0


class SegmentPreview(msgspec.Struct, rename="camel"):
    """How the members of one segment change.

    key       null if it is deleted
    was       its key before; null if it is new
    estimate  the counts for all profiles; null if all of them were counted
    examples  of profiles that enter, leave, or have an unknown rule
    """

    key: str | None
    was: str | None
    counts: SegmentCounts
    estimate: SegmentCounts | None
    examples: dict[str, list[Example]]


class VariantMove(msgspec.Struct, rename="camel"):
    """How many profiles get one variant before and another after; null without such a flag."""

    before: str | None
    after: str | None
    profiles: int
    estimate: int | None
    examples: list[Example]


class FlagPreview(msgspec.Struct, rename="camel"):
    """How the variants of one flag change.

    moves  from variant to variant, the most frequent first; without examples if both are the same
    """

    key: str | None
    was: str | None
    moves: list[VariantMove]


class TraitPreview(msgspec.Struct, rename="camel"):
    """How the values of one trait change.

    differs  for how many profiles
    """

    key: str | None
    was: str | None
    differs: int
    unknown_before: int
    unknown: int
    estimate: int | None
    examples: list[ValueExample]


class Draft(msgspec.Struct, rename="camel"):
    """A changed definition on its own: its warnings, and what it costs."""

    kind: str
    key: str
    diagnostics: Diagnostics
    cost: Cost


class Preview(msgspec.Struct, rename="camel"):
    """What a set of changes would do.

    as_of      the instant it is true for
    revision   the one that `before` refers to
    looked_at  how many profiles were counted, of `profiles`
    sampled    only some were counted: the same ones each time
    backfilling    publishing this starts a backfill
    segments, flags, traits  the changed definitions, and all that depend on them
    """

    as_of: str
    revision: int
    looked_at: int
    profiles: int
    sampled: bool
    backfilling: bool
    changes: list[Changed]
    drafts: list[Draft]
    segments: list[SegmentPreview]
    flags: list[FlagPreview]
    traits: list[TraitPreview]


class DraftBody(ProfileQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Changes to try on one profile.

    changes  as /v1/admin/publish takes them
    prune    delete every definition that is not named
    at       any instant, past or future, ISO 8601 with a zone; by default now
    context  the values of `context.…` in flags' rules"""

    changes: list[ChangeBody]
    prune: bool = False
    at: str | None = None
    context: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it


class DraftValue(msgspec.Struct, frozen=True):
    """What one definition gives the profile.

    value    of a trait; whether it is in the segment; the value of the flag's variant; null if unknown
    variant  of a flag
    until    the first instant at which it may change without a message, null for never"""

    value: Any
    variant: str | None
    until: str | None


class DraftedDefinition(msgspec.Struct, frozen=True):
    """One definition, before and after the changes.

    key, after        null if it is deleted
    was, before       null if it is new
    definition, flag  why: the explanation of `after`"""

    kind: str
    key: str | None
    was: str | None
    before: DraftValue | None
    after: DraftValue | None
    definition: DefinitionExplanation | None
    flag: FlagExplanation | None


class DraftOnProfile(msgspec.Struct, frozen=True, rename="camel"):
    """What the changes give one profile.

    profile_id   null if the profile is unknown at that instant
    revision     the one that `before` refers to
    definitions  the changed ones, and all that depend on them"""

    profile_id: str | None
    revision: int
    as_of: str
    definitions: list[DraftedDefinition]


class Bin(msgspec.Struct, frozen=True):
    """How many values are from `start` to before `end`."""

    start: Any
    end: Any
    profiles: int


class Spread(msgspec.Struct, frozen=True):
    """Values that have an order. Numbers are exact, durations seconds, instants ISO 8601 in UTC.

    p5 … p95  the smallest value with at least that share of the values at or below it
    bins      of one width, without a gap"""

    kind: Literal["number", "datetime", "duration"]
    min: Any
    p5: Any
    p25: Any
    median: Any
    p75: Any
    p95: Any
    max: Any
    bins: list[Bin]


class Booleans(msgspec.Struct, frozen=True):
    """How many are true, and how many false."""

    true: int
    false: int


class TextCount(msgspec.Struct, frozen=True):
    """How many profiles have a text."""

    value: str
    profiles: int


class Texts(msgspec.Struct, frozen=True, rename="camel"):
    """The most frequent texts.

    rest, rest_profiles  how many further texts there are, and how many profiles have one of them"""

    top: list[TextCount]
    rest: int
    rest_profiles: int


class Distribution(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the values of a trait are spread. Counts are of the profiles that were looked at.

    looked_at    how many profiles were evaluated, of `profiles`
    sampled      only some were: the same ones each time
    backfilling  its values are still being computed, and unknown
    kinds        how many values are of each kind: number, datetime, duration, boolean, text, list, other
    spreads      one for each kind that has an order"""

    trait: str
    type: str
    as_of: str
    revision: int
    backfilling: bool
    looked_at: int
    profiles: int
    sampled: bool
    unknown: int
    kinds: dict[str, int]
    spreads: list[Spread]
    booleans: Booleans | None
    texts: Texts | None
