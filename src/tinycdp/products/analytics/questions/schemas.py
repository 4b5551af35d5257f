"""The questions of analytics on the wire: a union whose `kind` says what is asked.

Shape   Question = TrendQuestion | ActiveQuestion | … ; `read_question(bytes)` in questions/reading.py decodes one
Units   instants and local dates as text; a duration as in the language, such as "7d"; a property by its dotted path
Laws    unknown fields are errors. A range is half open, [from, to): local dates or instants, or `last` with the present
        day included
Source  CONTRIBUTING.md "Add a capability"
"""

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

Bucket: TypeAlias = Literal["hour", "day", "week", "month", "quarter", "year"]


class DerivedEvent(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An event made of others: exactly one of the two is given.

    any      any of several events, each with its own filter; an event that matches two counts once
    derived  the key of a saved one"""

    any: tuple["Matching", ...] = ()
    derived: str = ""


#: The name of an event, "*" for every track, page and screen, or an event made of others.
Event: TypeAlias = str | DerivedEvent


class Matching(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Events of a name for which a filter holds.

    where  a condition in the language over the event's properties, and context.…, profile.…, segments.…, group.… as of
           the event"""

    event: Event
    where: str = ""


class Breakdown(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Divide by one thing: exactly one of property, profile, group, context and segment is given.

    property  of the event
    profile   a property of the profile
    segment   the key of a segment: inside or outside
    at        for profile, group and segment: as of the event, or as of now
    bins      edges for a number: [0, 10, 50] makes below 0, 0 to 10, 10 to 50, 50 and above"""

    property: str = ""
    profile: str = ""
    group: str = ""
    context: str = ""
    segment: str = ""
    at: Literal["event", "now"] = "event"
    bins: tuple[Decimal, ...] = ()


class PerPerson(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A measure of each person, then a measure over these numbers: {"perPerson": "sum", "then": "median"}.

    per_person  count, sum, avg, min, max, distinct, median, p1 to p99
    then        avg, sum, min, max, median, p1 to p99"""

    per_person: str
    then: str


#: count, people, per_person (count / people), or of `property`: sum, avg, min, max, distinct, median, p1 to p99.
Measure: TypeAlias = str | PerPerson


class Series(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One line of a trend. The first is A, the next B, and so on.

    metric    the key of a saved metric, instead of the rest
    property  that `measure` is of
    name      what a chart calls it"""

    event: Event = ""
    where: str = ""
    measure: Measure = "count"
    property: str = ""
    metric: str = ""
    name: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What every question has.

    from_        the range's first instant: a local date or an instant
    to           its end, not included
    last         instead of both: "30d" is the last 30 local days, today included; also w, m (calendar months) and h
    people       a condition over people as of now: profile.…, segments.…, group.…
    sample       ask only this share of people, and scale counts to all of them: 0.1 is a tenth
    approximate  faster distinct counts and percentiles, marked in the answer with their error"""

    from_: str = msgspec.field(name="from", default="")
    to: str = ""
    last: str = ""
    people: str = ""
    sample: Decimal = Decimal(1)
    approximate: bool = False


class RawEventsQuestion(Asked, frozen=True, kw_only=True):
    """Which raw events a file has, or names are counted over; no question of the union."""

    event: Event = "*"
    where: str = ""


class TrendQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="trend"):
    """Measures over time.

    formula     over the letters of the series, such as "A / B * 100"; it becomes one more line
    unit        what `people` counts
    top         how many groups of a breakdown are shown; the rest is `other`
    cumulative  each bucket holds everything since `from`
    rolling     the mean of this many buckets
    compare     the same for the range before: of the same length, a week earlier, or a year"""

    series: tuple[Series, ...]
    bucket: Bucket = "day"
    formula: str = ""
    unit: Literal["person", "group", "session"] = "person"
    breakdown: Breakdown | tuple[Breakdown, ...] = ()
    top: int = 10
    cumulative: bool = False
    rolling: int = 0
    compare: Literal["", "previous", "week", "year"] = ""


class ActiveQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="active"):
    """How many people were active in the days before each bucket's end.

    days  of each line: 1 is daily, 7 weekly, 30 monthly active people"""

    event: Event = "*"
    where: str = ""
    bucket: Bucket = "day"
    days: tuple[int, ...] = (1, 7, 30)


class StickinessQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="stickiness"):
    """In how many buckets of the range people were active."""

    event: Event = "*"
    where: str = ""
    bucket: Bucket = "day"


class FrequencyQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="frequency"):
    """How many times people did something, or in how many buckets of a smaller size.

    edges  of the counts: (1, 2, 3, 5, 10) makes 1, 2, 3 to 4, 5 to 9, 10 and above"""

    event: Event
    where: str = ""
    edges: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 11, 21, 51)


class Step(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One step of a funnel.

    within  the longest time since the step before, beside the funnel's own window"""

    event: Event
    where: str = ""
    within: str = ""
    name: str = ""


class Exclusion(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An event that ends an attempt between a step and the next.

    after  numbers of the steps after which it does, from 1; empty is after any"""

    event: Event
    where: str = ""
    after: tuple[int, ...] = ()


class FunnelQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="funnel"):
    """How many people take the steps one after another.

    within       of an attempt: each step begins less than this after the first
    order        ordered: other events may lie between · strict: only repeats of the step just taken may ·
                 any: the steps in any order
    hold         properties of the events that have one value along an attempt
    attribution  whose value of the breakdown counts: first, last, or step:k
    bucket       also answer for each bucket of entry on its own"""

    steps: tuple[Step, ...]
    within: str = "7d"
    order: Literal["ordered", "strict", "any"] = "ordered"
    exclude: tuple[Exclusion, ...] = ()
    hold: tuple[str, ...] = ()
    breakdown: Breakdown | tuple[Breakdown, ...] = ()
    attribution: str = "first"
    top: int = 10
    bucket: Bucket | Literal[""] = ""


class RetentionQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="retention"):
    """Who comes back, by the bucket in which they started.

    start      what begins a cohort; returns what counts as coming back
    cohort     recurring: people with a start in the bucket · first_time: whose first start ever is in it
    window     calendar: k buckets on · elapsed: k times 24 hours, 7 or 30 days after the start
    mode       on: in period k · on_or_after: in period k or later
    periods    how many are asked for
    brackets   instead of periods: [[1, 1], [2, 7], [8, 30]], first and last period of each"""

    start: Matching
    returns: Matching
    bucket: Literal["day", "week", "month"] = "day"
    cohort: Literal["recurring", "first_time"] = "first_time"
    window: Literal["calendar", "elapsed"] = "calendar"
    mode: Literal["on", "on_or_after"] = "on"
    periods: int = 12
    brackets: tuple[tuple[int, int], ...] = ()
    breakdown: Breakdown | tuple[Breakdown, ...] = ()
    top: int = 10


class LifecycleQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="lifecycle"):
    """New, returning, resurrecting and dormant people of each bucket."""

    event: Event = "*"
    where: str = ""
    bucket: Bucket = "week"


class SessionsQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="sessions"):
    """Sessions over time: how many, how long, how many with one event, where they begin and end.

    gap    a pause of this length or more ends a session
    label  a property that names entry and exit; the event's name if empty"""

    gap: str = "30m"
    bucket: Bucket = "day"
    label: str = ""
    top: int = 10


class PathsQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="paths"):
    """What people do one after another, within sessions.

    start    the label to begin with; the first one of a session if empty
    end      the label to end with, read backwards; not together with start
    label    a property that names an event; its name if empty
    group    patterns with * that become one label: "/product/*"
    without  labels that are left out
    depth    how many steps
    top      how many links of each step are shown; the rest is `other`"""

    start: str = ""
    end: str = ""
    label: str = ""
    group: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    depth: int = 5
    gap: str = "30m"
    top: int = 20


class AdoptionQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="adoption"):
    """How many active people use a feature, for the first time, and ever."""

    feature: Matching
    active: Matching = Matching("*")
    bucket: Bucket = "week"


class ImpactQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="impact"):
    """What people do before and after their first use of a feature, against those who do not use it. An association.

    within  how long before and after"""

    feature: Matching
    outcome: Matching
    measure: Literal["count", "sum"] = "count"
    property: str = ""
    within: str = "14d"


class ExperimentMetric(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is compared between variants.

    measure  conversion: units with such an event · count: events a unit · sum: of `property`, a unit
    within   after the exposure, its instant included
    metric   the key of a saved metric, instead of event, where, measure and property"""

    event: Event = ""
    where: str = ""
    measure: Literal["conversion", "count", "sum"] = "conversion"
    property: str = ""
    within: str = "7d"
    metric: str = ""
    name: str = ""


class ExperimentQuestion(Asked, frozen=True, kw_only=True, tag_field="kind", tag="experiment"):
    """The results of a flag's variants, by the first exposure of each unit.

    control  the variant that others are compared with; the flag's off variant if empty"""

    flag: str
    metrics: tuple[ExperimentMetric, ...]
    control: str = ""


Question: TypeAlias = (
    TrendQuestion
    | ActiveQuestion
    | StickinessQuestion
    | FrequencyQuestion
    | FunnelQuestion
    | RetentionQuestion
    | LifecycleQuestion
    | SessionsQuestion
    | PathsQuestion
    | AdoptionQuestion
    | ImpactQuestion
    | ExperimentQuestion
)
