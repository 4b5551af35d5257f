"""Which number of an answer: the people behind it are asked for by its cell.

Shape   Cell = TrendCell | ActiveCell | … ; a cell has the `kind` of its question
Laws    a cell names a number as the answer does: the start of its bucket, its group, and `number`, the name of the
        field. What the answer does not have cannot be named
Source  docs/reference/analytics.md "People"
"""

from typing import Any, Literal, TypeAlias

import msgspec


class CellGroup(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The group of a breakdown that a number is of, as the answer shows it."""

    kind: Literal["value", "other", "unknown"] = "value"
    values: tuple[Any, ...] = ()


class _Cell(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What every cell is."""


class _Grouped(_Cell, frozen=True, kw_only=True):
    """What cells of questions with breakdowns have.

    group   of the breakdown; all groups without it
    bucket  the start of a bucket, as the answer shows it; the whole range if empty"""

    group: CellGroup | None = None
    bucket: str = ""


class TrendCell(_Grouped, frozen=True, kw_only=True, tag_field="kind", tag="trend"):
    """One number of a trend: people with an event that it counts.

    series  the letter of the series"""

    series: str = "A"


class ActiveCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="active"):
    """People active in the days before the end of a bucket.

    days    of the line
    bucket  its start; the last one that has begun if empty"""

    days: int
    bucket: str = ""


class StickinessCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="stickiness"):
    """People by the number of buckets in which they were active.

    buckets  of the row; everybody who was active without it
    number   of the row"""

    buckets: int | None = None
    number: Literal["exactly", "atLeast"] = "exactly"


class FrequencyCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="frequency"):
    """People by how often they did something.

    least  of the row; everybody who did it without it"""

    least: int | None = None


class FunnelCell(_Grouped, frozen=True, kw_only=True, tag_field="kind", tag="funnel"):
    """One number of a funnel. `bucket` is of entry.

    step     from 1; the whole funnel without it
    status   reached: this step or further · in_progress, excluded, dropped: of those who got no further than this step,
             or of all · converted: whichever step
    leastMs  of a bin of times: of those who converted, or who reached a step from the one before, who took so long"""

    step: int | None = None
    status: Literal["reached", "converted", "in_progress", "excluded", "dropped"] = "reached"
    least_ms: int | None = None


class RetentionCellOf(_Grouped, frozen=True, kw_only=True, tag_field="kind", tag="retention"):
    """One number of a retention. `bucket` is the cohort's.

    period  the place of the period or bracket in the answer's `periods`, from 0; the whole cohort without it"""

    period: int | None = None


class LifecycleCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="lifecycle"):
    """People of one bucket, by what they did before it."""

    bucket: str
    number: Literal["new", "returning", "resurrecting", "dormant"]


class SessionsCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="sessions"):
    """People with a session that a number counts.

    bucket  in which the sessions begin; the whole range if empty
    number  people: with any session · bounces: with one of one event · entries, exits: with one that begins, or ends,
            with `label`
    label   as the answer shows it; null is without one"""

    bucket: str = ""
    number: Literal["people", "bounces", "entries", "exits"] = "people"
    label: str | None = None


class PathsCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="paths"):
    """People with a session that goes along a link.

    step    of the link, from 1; everybody with a path without it
    source  its label
    target  its other label; null: the session ends there
    other   the links of the step that are not shown"""

    step: int | None = None
    source: str = ""
    target: str | None = None
    other: bool = False


class AdoptionCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="adoption"):
    """People active in one bucket, by their use of the feature."""

    bucket: str
    number: Literal["active", "users", "firstTime", "ever"] = "users"


class ImpactCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="impact"):
    """People on one side of the comparison."""

    number: Literal["users", "others", "unfinished"] = "users"


class ExperimentCell(_Cell, frozen=True, kw_only=True, tag_field="kind", tag="experiment"):
    """People with a variant. A unit without a profile is no person.

    variant  of the first exposure
    metric   the place of the metric in the question, from 0; the variant itself without it
    number   of the variant: units or crossovers · of a metric: units, open or conversions"""

    variant: str
    metric: int | None = None
    number: Literal["units", "crossovers", "open", "conversions"] = "units"


#: One number of an answer.
Cell: TypeAlias = (
    TrendCell
    | ActiveCell
    | StickinessCell
    | FrequencyCell
    | FunnelCell
    | RetentionCellOf
    | LifecycleCell
    | SessionsCell
    | PathsCell
    | AdoptionCell
    | ImpactCell
    | ExperimentCell
)
