"""Retention: who comes back, by the bucket in which they started.

Shape   compile_retention(question, world) → Compiled[RetentionAnswer]
Laws    a cell is complete when its last possible instant is past; an average is over complete cells, weighted by
        people. A cohort whose bucket has not begun is left out
Source  docs/reference/analytics-meanings.md "Retention"
"""

from collections.abc import Mapping
from itertools import product

from tinycdp.dsl.values.numbers import SCALE, divide, number
from tinycdp.model import NEVER, Instant
from tinycdp.products.analytics.answers.schemas import (
    BucketSpan,
    Cohort,
    Group,
    Number,
    RetentionAnswer,
    RetentionCell,
    RetentionGroup,
)
from tinycdp.products.analytics.compile.groups import Cell
from tinycdp.products.analytics.compile.retention.counting import WHOLE_RANGE, counted
from tinycdp.products.analytics.compile.retention.plan import RetentionPlan
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import RetentionQuestion

#: People of a bucket, and of its cells, from 1.
_Counts = tuple[int, Mapping[int, int]]


def compile_retention(question: RetentionQuestion, world: World) -> Compiled[RetentionAnswer]:
    """The statement of a retention, and what reads it."""
    plan = RetentionPlan.of(question, world)
    statement = Statement(counted(plan), plan.parameters.values)

    def read(rows: Rows) -> RetentionAnswer:
        found: dict[tuple[Cell, int], _Counts] = {}
        for group, bucket, people, (cells, counts) in rows[0]:
            of_cells = {int(cell): int(count) for cell, count in zip(cells, counts, strict=True)}
            found[tuple(group), int(bucket)] = int(people), of_cells
        shown: list[Cell] = [()]
        if plan.breakdowns:
            shown = sorted({cell for cell, _ in found}, key=plan.breakdowns.place)
        spans = plan.buckets.spans()
        groups = tuple(
            _group(
                plan,
                plan.breakdowns.group_of(cell) if plan.breakdowns else None,
                {bucket: counts for (its, bucket), counts in found.items() if its == cell},
                spans,
            )
            for cell in shown
        )
        return RetentionAnswer(periods=plan.periods, groups=groups, warnings=plan.notices)

    return Compiled((statement,), read, plan.reads(), _holds_until(plan))


def _holds_until(plan: RetentionPlan) -> Instant:
    """The next instant at which a cohort begins, or a cell is complete."""
    cells = product(range(len(plan.buckets)), range(len(plan.periods)))
    ends = (plan.last_instant(cohort, cell) + 1 for cohort, cell in cells)
    later = (end for end in ends if end > plan.world.as_of)
    return min((plan.buckets.holds_until, *later), default=NEVER)


def _group(
    plan: RetentionPlan, group: Group | None, found: Mapping[int, _Counts], spans: tuple[BucketSpan, ...]
) -> RetentionGroup:
    cohorts = []
    for n in range(plan.buckets.begun):
        people, counts = found.get(n + 1, (0, {}))
        cells = tuple(
            RetentionCell(
                came := counts.get(cell + 1, 0),
                _share(came, people),
                plan.last_instant(n, cell) < plan.world.as_of,
            )
            for cell in range(len(plan.periods))
        )
        cohorts.append(Cohort(spans[n], people, cells))
    average = []
    for cell in range(len(plan.periods)):
        complete = [cohort for cohort in cohorts if cohort.cells[cell].complete]
        came = sum(cohort.cells[cell].people for cohort in complete)
        average.append(_share(came, sum(cohort.people for cohort in complete)))
    return RetentionGroup(group, found.get(WHOLE_RANGE, (0, {}))[0], tuple(cohorts), tuple(average))


def _share(part: int, whole: int) -> Number:
    found = divide(part * SCALE, whole * SCALE)
    return None if found is None else number(found)  # type: ignore[return-value]
