"""The answers of analytics on the wire: one struct per kind of question, a union by `kind`.

Shape   Answer = TrendAnswer | ActiveAnswer | …
Units   instants as text with the zone's offset; durations in milliseconds; shares from 0 to 1; numbers exact, with nine
        digits after the point
Laws    null is unknown, and is never a zero. What is unfinished says `complete: false`
Source  CONTRIBUTING.md "Add a capability"
"""

from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from tinycdp.products.analytics.questions.schemas import Question

Number: TypeAlias = Decimal | None
#: A number of people, or of what they did: over a sample of people it is scaled to all of them.
Count: TypeAlias = Annotated[int, msgspec.Meta(extra={"count": True})]


class Notice(msgspec.Struct, frozen=True, rename="camel"):
    """A warning about a question that was answered: where in it, and what to do."""

    path: str
    message: str


class Sampled(msgspec.Struct, frozen=True, rename="camel"):
    """An answer over a sample of people: estimates of what all of them do.

    share   of people that was asked
    factor  that counts and sums were multiplied by; 1 if the numbers are those of the sample"""

    share: Decimal
    factor: Decimal


class _Answered(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every answer has.

    as_of        everything that was acknowledged before it is in the answer
    computed_at  when; earlier than as_of for an answer from the cache that is still true
    zone         of local days
    question     as it was understood, with its range in full
    approximate  the error of approximate numbers, if they were asked for
    sampled      if less than all people were asked"""

    as_of: str = ""
    computed_at: str = ""
    zone: str = ""
    question: Question | None = None
    approximate: str | msgspec.UnsetType = msgspec.UNSET
    sampled: Sampled | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[Notice, ...] = ()


class BucketSpan(msgspec.Struct, frozen=True, rename="camel"):
    """A bucket of time, [start, end).

    complete  false if the range cuts it, or it is not over"""

    start: str
    end: str
    complete: bool


class Group(msgspec.Struct, frozen=True, rename="camel"):
    """A group of a breakdown.

    kind    value: `values` has one value per breakdown · other: all groups that are not shown · unknown: no value
    values  a text, number or boolean each; of bins, the text of the range"""

    kind: Literal["value", "other", "unknown"]
    values: tuple[Any, ...] = ()


class Before(msgspec.Struct, frozen=True, rename="camel"):
    """The same series over the range before, bucket by bucket."""

    buckets: tuple[BucketSpan, ...]
    values: tuple[Number, ...]
    total: Number


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """One series of one group.

    series  its letter, or "formula"
    values  one per bucket; null for a bucket that has not begun
    total   of the range, measured anew"""

    series: str
    name: str
    group: Group | None
    values: tuple[Number, ...]
    total: Number
    before: Before | None = None


class TrendAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="trend"):
    buckets: tuple[BucketSpan, ...]
    lines: tuple[Line, ...]


class ActiveLine(msgspec.Struct, frozen=True, rename="camel"):
    """People active in the last `days` local days, at each bucket's end."""

    days: int
    values: tuple[Count | None, ...]


class ActiveAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="active"):
    buckets: tuple[BucketSpan, ...]
    lines: tuple[ActiveLine, ...]


class StickinessRow(msgspec.Struct, frozen=True, rename="camel"):
    """People active in this many buckets, exactly and at least."""

    buckets: int
    exactly: Count
    at_least: Count


class StickinessAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="stickiness"):
    people: Count
    rows: tuple[StickinessRow, ...]


class FrequencyRow(msgspec.Struct, frozen=True, rename="camel"):
    """People with `least` to `most` events, both included; `most` is null for no bound."""

    least: int
    most: int | None
    people: Count


class FrequencyAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="frequency"):
    people: Count
    rows: tuple[FrequencyRow, ...]


class HistogramBin(msgspec.Struct, frozen=True, rename="camel"):
    """People who took `least_ms` or more, and less than `below_ms`."""

    least_ms: int
    below_ms: int
    people: Count


class FunnelStep(msgspec.Struct, frozen=True, rename="camel"):
    """One step.

    reached             people who got here or further
    in_progress,
    excluded, dropped   of those who got no further
    rate                reached / reached of the first step; from_previous: of the step before
    median_ms           from the step before, for those who reached this one"""

    name: str
    reached: Count
    in_progress: Count
    excluded: Count
    dropped: Count
    rate: Number
    from_previous: Number
    median_ms: int | None
    times: tuple[HistogramBin, ...] = ()


class FunnelGroup(msgspec.Struct, frozen=True, rename="camel"):
    """The funnel of one group; converted + in_progress + excluded + dropped = reached.

    median_ms  from the first step to the last"""

    group: Group | None
    reached: Count
    converted: Count
    in_progress: Count
    excluded: Count
    dropped: Count
    rate: Number
    median_ms: int | None
    steps: tuple[FunnelStep, ...]
    times: tuple[HistogramBin, ...] = ()


class FunnelTrend(msgspec.Struct, frozen=True, rename="camel"):
    """The funnel of each bucket of entry on its own, by group."""

    bucket: BucketSpan
    groups: tuple[FunnelGroup, ...]


class FunnelAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="funnel"):
    groups: tuple[FunnelGroup, ...]
    trend: tuple[FunnelTrend, ...] = ()


class RetentionCell(msgspec.Struct, frozen=True, rename="camel"):
    """People of a cohort who came back in one period or bracket.

    complete  false while its last possible instant is not past"""

    people: Count
    share: Number
    complete: bool


class Cohort(msgspec.Struct, frozen=True, rename="camel"):
    bucket: BucketSpan
    people: Count
    cells: tuple[RetentionCell, ...]


class RetentionGroup(msgspec.Struct, frozen=True, rename="camel"):
    """The cohorts of one group.

    average  of each period: people who came back / people of the cohorts, over complete cells; null without any"""

    group: Group | None
    people: Count
    cohorts: tuple[Cohort, ...]
    average: tuple[Number, ...]


class RetentionAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="retention"):
    """`periods` are the first and last period of each cell."""

    periods: tuple[tuple[int, int], ...]
    groups: tuple[RetentionGroup, ...]


class LifecycleRow(msgspec.Struct, frozen=True, rename="camel"):
    """People of one bucket; null for a bucket that has not begun."""

    new: Count | None
    returning: Count | None
    resurrecting: Count | None
    dormant: Count | None


class LifecycleAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="lifecycle"):
    buckets: tuple[BucketSpan, ...]
    rows: tuple[LifecycleRow, ...]


class SessionFigures(msgspec.Struct, frozen=True, rename="camel"):
    """Sessions that begin in one bucket, or in the range.

    bounces     sessions of one event
    average_ms,
    median_ms   of their length, from the first event to the last
    events      per session"""

    sessions: Count
    people: Count
    bounces: Count
    average_ms: Number
    median_ms: int | None
    events: Number


class Labelled(msgspec.Struct, frozen=True, rename="camel"):
    """How many sessions begin, or end, with a label; null is without one."""

    label: str | None
    sessions: Count


class SessionsAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="sessions"):
    """`rows` has null for a bucket that has not begun."""

    buckets: tuple[BucketSpan, ...]
    rows: tuple[SessionFigures | None, ...]
    total: SessionFigures
    entries: tuple[Labelled, ...]
    exits: tuple[Labelled, ...]


class PathLink(msgspec.Struct, frozen=True, rename="camel"):
    """Sessions that go from one label to the next, at a step of the path, from 1.

    target  null: the session ends there; other: true if the labels that are not shown are taken together"""

    step: int
    source: str
    target: str | None
    sessions: Count
    other: bool = False


class PathsAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="paths"):
    """`sessions` is how many paths there are."""

    sessions: Count
    links: tuple[PathLink, ...]


class AdoptionRow(msgspec.Struct, frozen=True, rename="camel"):
    """People of one bucket.

    active      people with any event of `active`
    users       those of them who used the feature; first_time: for the first time ever
    ever        active people who used it in this bucket or before
    rate        users / active"""

    active: Count
    users: Count
    first_time: Count
    ever: Count
    rate: Number


class AdoptionAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="adoption"):
    buckets: tuple[BucketSpan, ...]
    rows: tuple[AdoptionRow | None, ...]


class ImpactSide(msgspec.Struct, frozen=True, rename="camel"):
    """The mean of the outcome per person, before and after."""

    people: int
    before: Number
    after: Number


class ImpactAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="impact"):
    """An association, not a cause.

    users      around their first use; unfinished: those whose time after it is not over, left out
    others     people without the feature, around the day of the first use of all
    difference of the differences after − before; interval: 95 %, by resampling people"""

    users: ImpactSide
    others: ImpactSide
    unfinished: int
    difference: Number
    interval: tuple[Number, Number]


class SampleRatio(msgspec.Struct, frozen=True, rename="camel"):
    """Whether units are divided as the flag says: p below 0.001 is a mismatch, and no result can be trusted."""

    expected: dict[str, Decimal]
    p: Number
    mismatch: bool


class VariantUnits(msgspec.Struct, frozen=True, rename="camel"):
    """units: by first exposure · crossovers: of these, units that saw another variant later; they are left out."""

    variant: str
    units: int
    crossovers: int


class VariantResult(msgspec.Struct, frozen=True, rename="camel"):
    """One metric of one variant, against the control.

    units          whose time is over; open: those whose time is not, left out
    value          conversion rate, or mean per unit
    difference     from the control's value; interval: 95 %, for one look at the end
    always_valid   an interval that holds however often it is looked at
    p              two-sided
    chance_to_win  that this variant's true value is the greater one"""

    variant: str
    units: int
    open: int
    conversions: int | None
    value: Number
    difference: Number
    interval: tuple[Number, Number] | None
    always_valid: tuple[Number, Number] | None
    p: Number
    chance_to_win: Number


class MetricResult(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    measure: str
    variants: tuple[VariantResult, ...]


class ExperimentAnswer(_Answered, frozen=True, kw_only=True, tag_field="kind", tag="experiment"):
    flag: str
    control: str
    sample_ratio: SampleRatio
    variants: tuple[VariantUnits, ...]
    metrics: tuple[MetricResult, ...]


Answer: TypeAlias = (
    TrendAnswer
    | ActiveAnswer
    | StickinessAnswer
    | FrequencyAnswer
    | FunnelAnswer
    | RetentionAnswer
    | LifecycleAnswer
    | SessionsAnswer
    | PathsAnswer
    | AdoptionAnswer
    | ImpactAnswer
    | ExperimentAnswer
)
