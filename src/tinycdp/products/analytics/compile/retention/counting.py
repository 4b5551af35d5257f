"""People of a retention, and how many of them there are.

Shape   people(plan) → SQL with a row per person and cohort: bucket and cells, both from 1, and with a breakdown k; a
        row of bucket 0 is a person of the whole range, once for each group
        counted(plan) → SQL with a row per group and bucket, which answers.py reads
Laws    a person is in a cohort by the first start in its bucket; of several at that instant, by the first value.
        A return is later than that start. Period 0 is the start's own
"""

from tinycdp.dsl.sql.clickhouse import scalar_order
from tinycdp.products.analytics.compile.activity import place_in
from tinycdp.products.analytics.compile.groups import ranked
from tinycdp.products.analytics.compile.retention.plan import RetentionPlan
from tinycdp.products.analytics.compile.sql import layered, listed, narrowed

WHOLE_RANGE = 0


def people(plan: RetentionPlan) -> str:
    """A row per person and cohort."""
    first_time = plan.question.cohort == "first_time"
    table = _first_of_person(plan) if first_time else _starts_of_person(plan)
    of_range = (
        "[(0, 0, [])]" if not plan.breakdowns else "arrayMap(k -> (0, 0, k), arrayDistinct(arrayMap(x -> x.3, began)))"
    )
    if first_time:  # one cohort, which is the whole range, too
        of_range = "[(0, 0, began[1].3)]"
    cohorts = f"arrayJoin(arrayConcat(began, {of_range}))"
    table = narrowed(table, "person", "back", f"{cohorts} AS cohort")
    table = narrowed(table, "person", "back", "cohort.1 AS bucket", "cohort.2 AS first", "cohort.3 AS k")
    offsets = _offsets(plan, by_instant=first_time)
    table = narrowed(table, "person", "bucket", "k", f"if(bucket = {WHOLE_RANGE}, [], {offsets}) AS offsets")
    return narrowed(table, "person", "bucket", "k", f"{_cells(plan)} AS cells")


def _first_of_person(plan: RetentionPlan) -> str:
    """Of each person whose first start ever is in the range: that start, (bucket, instant, k), and all returns."""
    columns = ["person", "minIf(at, starts) AS first", "groupArrayIf(at, returns) AS back", f"{_group(plan)} AS k"]
    began = f"countIf(starts) > 0 AND first >= {plan.parameters.whole(plan.span.since)}"
    table = f"SELECT {listed(columns)}\nFROM (\n{plan.events()}\n)\nGROUP BY person\nHAVING {began}"
    return narrowed(table, "person", "back", f"[({_bucket(plan, 'first')}, first, k)] AS began")


def _starts_of_person(plan: RetentionPlan) -> str:
    """Of each person the first start of each bucket, (bucket, instant, k), and when they came back."""
    table = layered(plan.events(), f"{_bucket(plan, 'at')} AS bucket")
    back = "groupUniqArrayIf(at, returns)"
    if plan.question.window == "calendar":
        back = "if(countIf(returns) = 0, [], [(bucket, maxIf(at, returns))])"
    columns = ["person", "bucket", "countIf(starts) > 0 AS has_start", "minIf(at, starts) AS first", f"{back} AS back"]
    columns.append(f"{_group(plan)} AS k")
    table = f"SELECT {listed(columns)}\nFROM (\n{table}\n)\nGROUP BY person, bucket"
    began = "groupArrayIf(tuple(bucket, first, k), has_start) AS began"
    return (
        f"SELECT {listed(['person', began, 'groupArrayArray(back) AS back'])}\nFROM (\n{table}\n)\n"
        "GROUP BY person\nHAVING notEmpty(began)"
    )


def _bucket(plan: RetentionPlan, at: str) -> str:
    """The number of the bucket of an instant; after the range only the calendar has more."""
    edges = plan.edges if plan.question.window == "calendar" else plan.edges[: len(plan.buckets) + 1]
    return f"{place_in(edges, plan.parameters, at)} + 1"


def _group(plan: RetentionPlan) -> str:
    """The group of the first start; empty if a value of it is unknown."""
    scalars = [f"scalar{n}" for n in range(1, len(plan.breakdowns.columns) + 1)]
    if not scalars:
        return "[]"
    unknown = " OR ".join(f"{scalar} = ''" for scalar in scalars)
    order = ", ".join(f"{scalar} = '', {scalar_order(scalar)}" for scalar in scalars)
    return f"argMinIf(if({unknown}, [], [{', '.join(scalars)}]), tuple(at, {order}), starts)"


def _offsets(plan: RetentionPlan, *, by_instant: bool) -> str:
    """The periods in which the person came back. by_instant: of a calendar, `back` are instants, too."""
    if plan.question.window == "elapsed":
        unit = plan.parameters.whole(plan.unit_ms)
        return f"arrayDistinct(arrayMap(at -> intDiv(at - first, {unit}), arrayFilter(at -> at > first, back)))"
    if by_instant:
        place = f"toInt64({_bucket(plan, 'at')}) - bucket"
        return f"arrayDistinct(arrayMap(at -> {place}, arrayFilter(at -> at > first, back)))"
    later = "x -> x.1 > bucket OR (x.1 = bucket AND x.2 > first)"
    return f"arrayMap(x -> x.1 - bucket, arrayFilter({later}, back))"


def _cells(plan: RetentionPlan) -> str:
    """The cells in which a person counts."""
    p = plan.parameters
    numbers = p.wholes(range(1, len(plan.periods) + 1))
    firsts, lasts = (p.wholes(one[n] for one in plan.periods) for n in (0, 1))
    if plan.question.mode == "on_or_after":
        reached = f"arrayFilter((cell, first) -> first <= arrayMax(offsets), {numbers}, {firsts})"
        return f"if(empty(offsets), [], {reached})"
    if not plan.question.brackets:
        return f"arrayMap(n -> n + 1, arrayFilter(n -> n < {len(plan.periods)}, offsets))"
    inside = "arrayExists(n -> n BETWEEN first AND last, offsets)"
    return f"arrayFilter((cell, first, last) -> {inside}, {numbers}, {firsts}, {lasts})"


def counted(plan: RetentionPlan) -> str:
    """A row per group and bucket: g, bucket, people, and people by cell."""
    aggregates = [("count", "", ""), ("sumMap", "", "cells, arrayMap(cell -> toUInt64(1), cells)")]
    return ranked(plan.breakdowns, people(plan), "bucket", "count()", aggregates)
