"""The people behind one number of an answer.

Shape   people_of(question, world, cell) → a statement with a row per profile id, in order; and one function per kind
Laws    there are as many as the number says, for a number that counts people
Errors  InvalidInput INVALID_QUESTION, with the path in the cell
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tinycdp.products.analytics.cells.schemas import (
    ActiveCell,
    AdoptionCell,
    Cell,
    CellGroup,
    ExperimentCell,
    FrequencyCell,
    FunnelCell,
    ImpactCell,
    LifecycleCell,
    PathsCell,
    RetentionCellOf,
    SessionsCell,
    StickinessCell,
    TrendCell,
)
from tinycdp.products.analytics.compile.activity import ActiveDays, by_buckets, by_times
from tinycdp.products.analytics.compile.adoption import NUMBERS as NUMBERS_OF_ADOPTION
from tinycdp.products.analytics.compile.adoption import by_use
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, instant_at, invalid, span_of
from tinycdp.products.analytics.compile.experiments.experiment import Trial
from tinycdp.products.analytics.compile.experiments.impact import NUMBERS as NUMBERS_OF_IMPACT
from tinycdp.products.analytics.compile.experiments.impact import by_side
from tinycdp.products.analytics.compile.funnels import counting as funnels
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.groups import Breakdowns
from tinycdp.products.analytics.compile.lifecycle import STAGES, by_stage
from tinycdp.products.analytics.compile.paths import Links
from tinycdp.products.analytics.compile.people import unknown_key
from tinycdp.products.analytics.compile.retention import counting as retention
from tinycdp.products.analytics.compile.retention.plan import RetentionPlan
from tinycdp.products.analytics.compile.sessions import sessions_sql
from tinycdp.products.analytics.compile.sql import Parameters, Statement
from tinycdp.products.analytics.compile.trends.statements import counting_one
from tinycdp.products.analytics.compile.trends.trend import resolved
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    ExperimentQuestion,
    FrequencyQuestion,
    FunnelQuestion,
    ImpactQuestion,
    LifecycleQuestion,
    PathsQuestion,
    Question,
    RetentionQuestion,
    SessionsQuestion,
    StickinessQuestion,
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
    asked, named = (type(one).__struct_config__.tag for one in (question, cell))
    if asked != named:
        raise invalid("cell.kind", f"The question has the kind {asked}, so its cell has it too; not {named}.")
    return _KINDS[type(question)](question, world, cell)


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
        counted = _part(buckets, cell.bucket, world)
        if question.cumulative:
            counted = TimeRange(span.since, counted.until)
    parameters = Parameters()
    events, shown, breakdowns = counting_one(question, series, number, world, parameters, span, counted)
    where = _in_group(breakdowns, parameters, cell.group, shown)
    return _people(events, [where], parameters)


def people_of_funnel(question: FunnelQuestion, world: World, cell: FunnelCell) -> Statement:
    """People who got to a step, have a status, or took so long."""
    plan = FunnelPlan.of(question, world)
    if cell.step is not None and not 1 <= cell.step <= len(plan.steps):
        raise invalid("cell.step", f"The funnel has the steps 1 to {len(plan.steps)}, not {cell.step}.")
    place = 0
    if cell.bucket:
        if plan.buckets is None:
            raise invalid("cell.bucket", "The question has no buckets of entry.")
        place = _bucket(plan.buckets, cell.bucket, world) + 1
    where = [f"bucket = {place}"]
    if cell.status == "reached":
        where.append(f"depth >= {cell.step or 1}")
    else:
        where.append(f"status = {_STATUSES[cell.status]}")
        if cell.step is not None and cell.status != "converted":
            where.append(f"depth = {cell.step}")
    if cell.least_ms is not None:
        where += _took(cell, cell.least_ms)
    table = funnels.people(plan)
    where.append(_in_group(plan.breakdowns, plan.parameters, cell.group, _shown(plan.breakdowns, table)))
    return _people(table, where, plan.parameters)


def _took(cell: FunnelCell, least_ms: int) -> list[str]:
    """Whether the time of a row of a funnel is in a bin."""
    if cell.status == "converted":
        took = "times[-1] - times[1]"
    elif cell.status == "reached" and cell.step is not None and cell.step > 1:
        took = f"times[{cell.step}] - times[{cell.step - 1}]"
    else:
        raise invalid("cell.leastMs", "Times are of those who converted, or who reached a step after the first.")
    below = dict(pairwise(funnels.EDGES)).get(least_ms)
    if below is None:
        known = ", ".join(map(str, funnels.EDGES[:-1]))
        raise invalid("cell.leastMs", f"No bin of times begins at {least_ms}; the bins begin at {known}.")
    return [f"{took} >= {least_ms}", f"{took} < {below}"]


def people_of_retention(question: RetentionQuestion, world: World, cell: RetentionCellOf) -> Statement:
    """People of a cohort, or those who came back in a period of it."""
    plan = RetentionPlan.of(question, world)
    where = [f"bucket = {retention.WHOLE_RANGE}"]
    if cell.bucket:
        where = [f"bucket = {_bucket(plan.buckets, cell.bucket, world) + 1}"]
    if cell.period is not None:
        if not 0 <= cell.period < len(plan.periods):
            raise invalid("cell.period", f"The answer has the periods 0 to {len(plan.periods) - 1}, not {cell.period}.")
        if not cell.bucket:
            raise invalid("cell.bucket", "A period is of one cohort: give the start of its bucket.")
        where.append(f"has(cells, {cell.period + 1})")
    table = retention.people(plan)
    where.append(_in_group(plan.breakdowns, plan.parameters, cell.group, _shown(plan.breakdowns, table)))
    return _people(table, where, plan.parameters)


def people_of_active(question: ActiveQuestion, world: World, cell: ActiveCell) -> Statement:
    """People active in the days before the end of a bucket."""
    if cell.days not in question.days:
        known = ", ".join(map(str, question.days))
        raise invalid("cell.days", f"The question has no line of {cell.days} days; its lines are {known}.")
    active = ActiveDays.of(question, world)
    place = _bucket(active.buckets, cell.bucket, world) if cell.bucket else active.buckets.begun - 1
    if place < 0:
        raise invalid("cell.bucket", "No bucket of the range has begun.")
    end = active.ends[place]
    where = [f"arrayExists(day -> day > {end - cell.days} AND day <= {end}, days)"]
    return _people(active.table, where, active.scan.parameters)


def people_of_stickiness(question: StickinessQuestion, world: World, cell: StickinessCell) -> Statement:
    """People active in so many buckets."""
    table, buckets, scan = by_buckets(question, world)
    where = []
    if cell.buckets is not None:
        if not 1 <= cell.buckets <= len(buckets):
            raise invalid("cell.buckets", f"The answer has the rows 1 to {len(buckets)}, not {cell.buckets}.")
        where = [f"n {'=' if cell.number == 'exactly' else '>='} {cell.buckets}"]
    return _people(table, where, scan.parameters)


def people_of_frequency(question: FrequencyQuestion, world: World, cell: FrequencyCell) -> Statement:
    """People who did it so many times."""
    table, scan = by_times(question, world)
    where = []
    if cell.least is not None:
        edges = question.edges
        if cell.least not in edges:
            known = ", ".join(map(str, edges))
            raise invalid("cell.least", f"No row of the answer begins at {cell.least}; the rows begin at {known}.")
        following = edges[edges.index(cell.least) + 1 :][:1]
        where = [f"n >= {cell.least}", *(f"n < {edge}" for edge in following)]
    return _people(table, where, scan.parameters)


def people_of_lifecycle(question: LifecycleQuestion, world: World, cell: LifecycleCell) -> Statement:
    """People with a stage in a bucket."""
    table, buckets, scan = by_stage(question, world)
    place = _bucket(buckets, cell.bucket, world) + 1
    return _people(table, [f"place = {place}", f"stage = {STAGES.index(cell.number)}"], scan.parameters)


def people_of_sessions(question: SessionsQuestion, world: World, cell: SessionsCell) -> Statement:
    """People with a session that a number counts."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    parameters = Parameters()
    table, _ = sessions_sql(question, world, span, parameters)
    where = []
    if cell.bucket:
        part = _part(buckets, cell.bucket, world)
        where = [f"session[1].1 >= {parameters.whole(part.since)}", f"session[1].1 < {parameters.whole(part.until)}"]
    match cell.number:
        case "bounces":
            where.append("length(session) = 1")
        case "entries" | "exits":
            if cell.bucket:
                raise invalid("cell.bucket", f"The {cell.number} are of the whole range.")
            where.append(_is_label(f"session[{1 if cell.number == 'entries' else -1}].4", cell.label, parameters))
    return _people(table, where, parameters)


def people_of_paths(question: PathsQuestion, world: World, cell: PathsCell) -> Statement:
    """People with a path, or with one that goes along a link."""
    found = Links.of(question, world)
    parameters = found.scan.parameters
    if cell.step is None:
        return _people(found.paths, [], parameters)
    if not 1 <= cell.step < question.depth:
        raise invalid("cell.step", f"The answer has the steps 1 to {question.depth - 1}, not {cell.step}.")
    shown = f"(SELECT step, source, target FROM (\n{found.ranked}\n)\nWHERE place <= {question.top})"
    where = [f"step = {cell.step}", f"(step, source, target) GLOBAL {'NOT ' if cell.other else ''}IN {shown}"]
    if not cell.other:
        where += [_is_label("source", cell.source, parameters), _is_label("target", cell.target, parameters)]
    return _people(found.links, where, parameters)


def people_of_adoption(question: AdoptionQuestion, world: World, cell: AdoptionCell) -> Statement:
    """People active in a bucket, by their use of the feature."""
    table, buckets, scan = by_use(question, world)
    place = _bucket(buckets, cell.bucket, world)
    return _people(table, [f"place = {place}", NUMBERS_OF_ADOPTION[cell.number]], scan.parameters)


def people_of_impact(question: ImpactQuestion, world: World, cell: ImpactCell) -> Statement:
    """People on one side."""
    table, scan = by_side(question, world)
    return _people(table, [NUMBERS_OF_IMPACT[cell.number]], scan.parameters)


def people_of_experiment(question: ExperimentQuestion, world: World, cell: ExperimentCell) -> Statement:
    """People with a variant. A unit without a profile is no person."""
    trial = Trial.of(question, world)
    variants = trial.flag.variants
    if cell.metric is None:
        if cell.number not in {"units", "crossovers"}:
            raise invalid("cell.metric", f"The number {cell.number} is of a metric: give its place, from 0.")
        parameters = Parameters()
        table, variant = trial.exposed(parameters), "given.1"
        where = ["crossed"] if cell.number == "crossovers" else []
    else:
        if not 0 <= cell.metric < len(trial.metrics):
            raise invalid("cell.metric", f"The metrics are 0 to {len(trial.metrics) - 1}, not {cell.metric}.")
        table, scan = trial.measured(cell.metric)
        parameters, variant = scan.parameters, "variant"
        match cell.number:
            case "crossovers":
                raise invalid("cell.number", "Crossovers are in no metric: leave out `metric`.")
            case "conversions":
                if (measure := trial.metrics[cell.metric].measure) != "conversion":
                    raise invalid("cell.number", f"A metric with the measure {measure} has no conversions.")
                where = ["NOT open", "x > 0"]
            case number:
                where = ["open" if number == "open" else "NOT open"]
    if not cell.variant:
        raise unknown_key("cell.variant", f"variant of {question.flag}", cell.variant, variants)
    return _people(table, ["person != 0", f"{variant} = {parameters.text(cell.variant)}", *where], parameters)


_KINDS: dict[type[Any], Callable[[Any, World, Any], Statement]] = {
    TrendQuestion: people_of_trend,
    ActiveQuestion: people_of_active,
    StickinessQuestion: people_of_stickiness,
    FrequencyQuestion: people_of_frequency,
    FunnelQuestion: people_of_funnel,
    RetentionQuestion: people_of_retention,
    LifecycleQuestion: people_of_lifecycle,
    SessionsQuestion: people_of_sessions,
    PathsQuestion: people_of_paths,
    AdoptionQuestion: people_of_adoption,
    ImpactQuestion: people_of_impact,
    ExperimentQuestion: people_of_experiment,
}


def _people(table: str, where: Sequence[str], parameters: Parameters) -> Statement:
    conditions = " AND ".join(f"({condition})" for condition in where if condition) or "true"
    sql = f"SELECT DISTINCT person FROM (\n{table}\n)\nWHERE {conditions}\nORDER BY person"
    return Statement(sql, parameters.values)


def _bucket(buckets: Buckets, start: str, world: World) -> int:
    """The place of the bucket that begins at an instant; of empty ones, which a zone may have, the last counts."""
    instant = instant_at(start, world.zone, "cell.bucket")
    places = [n for n, one in enumerate(buckets.starts) if one == instant]
    if not places:
        raise invalid("cell.bucket", f"No bucket of the answer starts at {start}.")
    if places[-1] >= buckets.begun:
        raise invalid("cell.bucket", f"The bucket that starts at {start} has not begun, so it has no number.")
    return places[-1]


def _part(buckets: Buckets, start: str, world: World) -> TimeRange:
    """The part of the range in a bucket."""
    since, until = buckets.edges[(place := _bucket(buckets, start, world)) : place + 2]
    return TimeRange(max(since, buckets.span.since), min(until, buckets.span.until))


def _is_label(scalar: str, label: str | None, parameters: Parameters) -> str:
    """Whether a scalar is shown as this label: it has one character before it, which says its type."""
    return (
        f"substring({scalar}, 2) = {parameters.text(label)} AND {scalar} != ''"
        if label is not None
        else f"{scalar} = ''"
    )


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
            return f"#{number.normalize() if number else Decimal(0):f}"
        case str():
            return f'"{value}'
    raise invalid(path, "The value of a group is a text, number or boolean.")
