"""The people behind one number of an answer.

Shape   people_of(question, world, cell) → a statement with a row per profile id, in order; and one function per kind
Laws    there are as many as the number says, for a number that counts people
Errors  InvalidInput INVALID_QUESTION, with the path in the cell
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tinycdp.model import Instant
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, instant_at, invalid, span_of
from tinycdp.products.analytics.compile.funnels import counting as funnels
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.groups import Breakdowns
from tinycdp.products.analytics.compile.retention import counting as retention
from tinycdp.products.analytics.compile.retention.plan import RetentionPlan
from tinycdp.products.analytics.compile.sql import Parameters, Statement
from tinycdp.products.analytics.compile.trends.statements import counting_one
from tinycdp.products.analytics.compile.trends.trend import resolved
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import (
    Cell,
    CellGroup,
    FunnelCell,
    FunnelQuestion,
    Question,
    RetentionCellOf,
    RetentionQuestion,
    TrendCell,
    TrendQuestion,
)

_STATUSES = {
    "converted": funnels.CONVERTED,
    "in_progress": funnels.IN_PROGRESS,
    "excluded": funnels.EXCLUDED,
    "dropped": funnels.DROPPED,
}


def people_of(question: Question, world: World, cell: Cell) -> Statement:
    """The people behind one number of the answer to a question."""
    match question, cell:
        case TrendQuestion(), TrendCell():
            return people_of_trend(question, world, cell)
        case FunnelQuestion(), FunnelCell():
            return people_of_funnel(question, world, cell)
        case RetentionQuestion(), RetentionCellOf():
            return people_of_retention(question, world, cell)
    asked = question.__struct_config__.tag
    if asked in {"trend", "funnel", "retention"}:
        raise invalid(
            "cell.kind", f"The question is a {asked}, so its cell is one, too; not {cell.__struct_config__.tag}."
        )
    raise invalid("kind", f"The people behind a number are known for a trend, funnel or retention, not for {asked}.")


def people_of_trend(question: TrendQuestion, world: World, cell: TrendCell) -> Statement:
    """People with an event that a series counts, in one bucket or the range."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    series = resolved(question.series, world)
    number = ord(cell.series) - ord("A") if len(cell.series) == 1 else -1
    if not 0 <= number < len(series):
        raise invalid(
            "cell.series", f"{cell.series!r} is no series of the question; give A to {chr(64 + len(series))}."
        )
    counted = span
    if cell.bucket:
        buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
        place = _bucket(buckets.starts, cell, world)
        since, until = buckets.edges[place : place + 2]
        counted = TimeRange(span.since if question.cumulative else max(since, span.since), min(until, span.until))
    parameters = Parameters()
    events, shown, breakdowns = counting_one(question, series, number, world, parameters, span, counted)
    where = _in_group(breakdowns, parameters, cell.group, shown)
    return _people(events, [where], parameters)


def people_of_funnel(question: FunnelQuestion, world: World, cell: FunnelCell) -> Statement:
    """People who got to a step, or have a status there."""
    plan = FunnelPlan.of(question, world)
    if not 1 <= cell.step <= len(plan.steps):
        raise invalid("cell.step", f"The funnel has the steps 1 to {len(plan.steps)}, not {cell.step}.")
    place = 0
    if cell.bucket:
        if plan.buckets is None:
            raise invalid("cell.bucket", "The question has no buckets of entry.")
        place = _bucket(plan.buckets.starts, cell, world) + 1
    match cell.status:
        case "reached":
            status = f"depth >= {cell.step}"
        case "converted":
            status = f"status = {funnels.CONVERTED}"
        case other:
            status = f"depth = {cell.step} AND status = {_STATUSES[other]}"
    table = funnels.people(plan)
    shown = _shown(plan.breakdowns, table)
    where = [f"bucket = {place}", status, _in_group(plan.breakdowns, plan.parameters, cell.group, shown)]
    return _people(table, where, plan.parameters)


def people_of_retention(question: RetentionQuestion, world: World, cell: RetentionCellOf) -> Statement:
    """People of a cohort, or those who came back in a period of it."""
    plan = RetentionPlan.of(question, world)
    where = [f"bucket = {retention.WHOLE_RANGE}"]
    if cell.bucket:
        where = [f"bucket = {_bucket(plan.buckets.starts, cell, world) + 1}"]
    if cell.period is not None:
        if not 0 <= cell.period < len(plan.periods):
            raise invalid("cell.period", f"The answer has the periods 0 to {len(plan.periods) - 1}, not {cell.period}.")
        if not cell.bucket:
            raise invalid("cell.bucket", "A period is of one cohort: give the start of its bucket.")
        where.append(f"has(cells, {cell.period + 1})")
    table = retention.people(plan)
    where.append(_in_group(plan.breakdowns, plan.parameters, cell.group, _shown(plan.breakdowns, table)))
    return _people(table, where, plan.parameters)


def _people(table: str, where: Sequence[str], parameters: Parameters) -> Statement:
    conditions = " AND ".join(f"({condition})" for condition in where if condition) or "true"
    sql = f"SELECT DISTINCT person FROM (\n{table}\n)\nWHERE {conditions}\nORDER BY person"
    return Statement(sql, parameters.values)


def _bucket(starts: Sequence[Instant], cell: Cell, world: World) -> int:
    """The place of the bucket that a cell names."""
    instant = instant_at(cell.bucket, world.zone, "cell.bucket")
    if instant not in starts:
        raise invalid("cell.bucket", f"No bucket of the answer starts at {cell.bucket}.")
    return starts.index(instant)


def _shown(breakdowns: Breakdowns, table: str) -> str:
    """A table of the groups that are shown; rows of bucket 0 are of the whole range."""
    if not breakdowns:
        return ""
    return (
        f"(SELECT k FROM (\n{table}\n)\nWHERE notEmpty(k) GROUP BY k "
        f"ORDER BY countIf(bucket = 0) DESC, {breakdowns.order('k')} LIMIT {breakdowns.top})"
    )


def _in_group(breakdowns: Breakdowns, parameters: Parameters, group: CellGroup | None, shown: str) -> str:
    """Whether a row's k is of a group; empty for every row."""
    if group is None:
        return ""
    if not breakdowns:
        raise invalid("cell.group", "The question has no breakdown.")
    match group.kind:
        case "unknown":
            return "empty(k)"
        case "other":
            return f"notEmpty(k) AND k GLOBAL NOT IN {shown}"
        case _:
            return f"k = {parameters.texts(_scalars(breakdowns, group))}"


def _scalars(breakdowns: Breakdowns, group: CellGroup) -> list[str]:
    if len(group.values) != len(breakdowns.columns):
        raise invalid("cell.group.values", f"Give one value per breakdown: {len(breakdowns.columns)}.")
    found = []
    for n, (value, bins) in enumerate(zip(group.values, breakdowns.bins, strict=True)):
        if bins and value not in bins:
            raise invalid(
                f"cell.group.values[{n}]", f"{value!r} is no range of the answer; they are {', '.join(bins)}."
            )
        found.append(_scalar(bins.index(value) if bins else value, f"cell.group.values[{n}]"))
    return found


def _scalar(value: Any, path: str) -> str:
    """A value as a statement spells it."""
    match value:
        case bool():
            return f"?{str(value).lower()}"
        case int() | Decimal() | float():
            number = Decimal(repr(value) if isinstance(value, float) else value)
            return f"#{number.normalize() if number else 0:f}"
        case str():
            return f'"{value}'
    raise invalid(path, "The value of a group is a text, number or boolean.")
