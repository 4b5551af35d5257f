"""Experiments: variants of a flag, by what their units do after their first exposure.

Shape   compile_experiment(question, world) → Compiled[ExperimentAnswer]
        Trial.of(…) has its tables of units: exposed, and measured for one metric
Laws    a unit is a person, or the unit of the exposure if that has no profile. It counts under its first exposure, if
        that is in the range. A unit that saw another variant too is a crossover, and in no result.
        A metric looks at [exposure, exposure + within); a unit whose time is not over is open, and in no result of it.
        If rules of the flag split, only their exposures count: overrides and defaults are not drawn by lot
Source  docs/reference/analytics-meanings.md "Experiment"
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from msgspec import structs

from tinycdp.dsl.values.numbers import SCALE, divide, nanos, number
from tinycdp.model import NEVER, Instant
from tinycdp.products.analytics.answers.scaling import MILLION
from tinycdp.products.analytics.answers.schemas import (
    ExperimentAnswer,
    MetricResult,
    Number,
    SampleRatio,
    VariantResult,
    VariantUnits,
)
from tinycdp.products.analytics.compile.calendar import TimeRange, duration_of, invalid, span_of
from tinycdp.products.analytics.compile.experiments.statistics import (
    Comparison,
    Sample,
    compare_means,
    compare_rates,
    sample_ratio_p,
)
from tinycdp.products.analytics.compile.people import in_sample, millionths_of, people_where, unknown_key
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, FlagFacts, Rows, World
from tinycdp.products.analytics.questions.schemas import ExperimentMetric, ExperimentQuestion

MOST_METRICS = 20
MISMATCH_P = 0.001
#: Fewer units say nothing of the ratio.
LEAST_UNITS = 100
MEASURES = ("conversion", "count", "sum")


@dataclass(frozen=True, slots=True)
class Trial:
    """The units of an experiment.

    metrics  of the question, with what saved ones say"""

    question: ExperimentQuestion
    world: World
    flag: FlagFacts
    span: TimeRange
    metrics: tuple[ExperimentMetric, ...]

    @classmethod
    def of(cls, question: ExperimentQuestion, world: World) -> "Trial":
        if (flag := world.flags.get(question.flag)) is None:
            raise unknown_key("flag", "flag", question.flag, world.flags)
        if not 1 <= len(question.metrics) <= MOST_METRICS:
            raise invalid("metrics", f"Give 1 to {MOST_METRICS} metrics, not {len(question.metrics)}.")
        if question.control and question.control not in flag.variants:
            raise unknown_key("control", f"variant of {question.flag}", question.control, flag.variants)
        span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
        metrics = [_resolved(metric, world, f"metrics[{n}]") for n, metric in enumerate(question.metrics)]
        return cls(question, world, flag, span, tuple(metrics))

    def exposed(self, parameters: Parameters) -> str:
        """A table with a row per unit: key, person (0 for none), first_at, given: (variant, rule, version), crossed."""
        question, flag, world = self.question, self.flag, self.world
        environment = parameters.whole(world.environment_id)
        conditions = [f"environment_id = {environment}", f"definition_id = {parameters.whole(flag.definition_id)}"]
        if flag.splits:
            conditions.append(f"rule IN {parameters.texts(flag.splits)}")
        span = f"first_at >= {parameters.whole(self.span.since)} AND first_at < {parameters.whole(self.span.until)}"
        having = [span]
        if question.people:
            having.append(f"person GLOBAL IN {people_where(world, parameters, question.people, {})}")
        if (sample := millionths_of(question)) < MILLION:
            # As the scan of a metric does it, for those who are people.
            hashed = "if(person = 0, cityHash64(key), cityHash64(person))"
            having.append(in_sample(hashed, sample, parameters))
        return (
            "SELECT if(profile_id = 0, unit, toString(profile_id)) AS key, any(profile_id) AS person,\n"
            "  min(toUnixTimestamp64Milli(exposed.first_at)) AS first_at,\n"
            "  argMin((variant, rule, version), (exposed.first_at, variant)) AS given,\n"
            "  uniqExact(variant) > 1 AS crossed\n"
            f"FROM exposed FINAL WHERE {' AND '.join(conditions)}\n"
            f"GROUP BY profile_id = 0, key\nHAVING {' AND '.join(having)}"
        )

    def measured(self, n: int) -> tuple[str, Scan]:
        """A table with a row per unit that did not cross: key, person, variant, ends, open, and x, the metric of it."""
        metric, path, world = self.metrics[n], f"metrics[{n}]", self.world
        within = duration_of(metric.within, f"{path}.within")
        scan = Scan.of(self.question, world, TimeRange(self.span.since, self.span.until + within))
        parameters = scan.parameters
        condition = scan.match(metric.event, metric.where, path)
        value = scan.number(metric.property, f"{path}.property") if metric.property else ""
        window = parameters.whole(within)
        inside = f"done.at >= one.first_at AND done.at < one.first_at + {window} AND done.{condition}"
        if metric.measure == "sum":
            x = f"toDecimal256(ifNull(sumIf(done.{value}, {inside}), 0), 9)"
        else:
            x = f"toDecimal256(countIf({inside}), 9)"
        table = (
            "SELECT one.key AS key, any(one.person) AS person, any(one.given.1) AS variant,\n"
            f"  any(one.first_at) + {window} AS ends, ends > {parameters.whole(world.as_of)} AS open, {x} AS x\n"
            f"FROM (\n  {indented(self.exposed(parameters))}\n) AS one\n"
            f"LEFT JOIN {scan.source()} AS done ON done.person = one.person AND one.person != 0\n"
            "WHERE NOT one.crossed\nGROUP BY one.person = 0, one.key"
        )
        return table, scan


def compile_experiment(question: ExperimentQuestion, world: World) -> Compiled[ExperimentAnswer]:
    """The units of each variant, and each metric of them."""
    trial = Trial.of(question, world)
    flag, metrics = trial.flag, trial.metrics
    statements = [_counting(trial)]
    scans = []
    for n in range(len(metrics)):
        statement, scan = _measuring(trial, n)
        statements.append(statement)
        scans.append(scan)

    def read(rows: Rows) -> ExperimentAnswer:
        units, counted = _units(rows[0])
        variants = [variant for variant in flag.variants if variant in units]
        variants += sorted(units.keys() - set(variants))
        control = question.control or _control(flag, variants)
        return ExperimentAnswer(
            flag=question.flag,
            control=control,
            sample_ratio=_ratio(flag, counted),
            variants=tuple(VariantUnits(variant, *units[variant]) for variant in variants),
            metrics=tuple(
                _result(metric, variants, control, found) for metric, found in zip(metrics, rows[1:], strict=True)
            ),
            warnings=tuple(notice for scan in scans for notice in scan.notices),
        )

    def holds_until(rows: Rows) -> Instant:
        """When the time of the next unit is over."""
        return min((int(row[-1]) for found in rows[1:] for row in found if row[1]), default=NEVER)

    reads = reduce(or_, (scan.reads() for scan in scans))
    reads = replace(reads, noted=reads.noted | {("flag", str(flag.definition_id))})
    return Compiled(tuple(statements), read, reads, holds_until)


def _resolved(metric: ExperimentMetric, world: World, path: str) -> ExperimentMetric:
    if metric.metric:
        if metric.event or metric.where or metric.property:
            raise invalid(f"{path}.metric", "A metric has either a key, or an event of its own.")
        if (found := world.experiment_metrics.get(metric.metric)) is None:
            raise unknown_key(f"{path}.metric", "metric", metric.metric, world.experiment_metrics)
        return structs.replace(found, name=metric.name) if metric.name else found
    if (metric.measure == "sum") != bool(metric.property):
        raise invalid(f"{path}.property", "The measure sum needs a property, and the others have none.")
    return metric


def _counting(trial: Trial) -> Statement:
    parameters = Parameters()
    sql = (
        "SELECT given.1 AS variant, given.2 AS rule, given.3 AS version, count(), countIf(crossed)\n"
        f"FROM (\n  {indented(trial.exposed(parameters))}\n)\nGROUP BY variant, rule, version"
    )
    return Statement(sql, parameters.values)


def _measuring(trial: Trial, n: int) -> tuple[Statement, Scan]:
    table, scan = trial.measured(n)
    sql = (
        "SELECT variant, open, count(), sum(x), sum(toFloat64(x) * toFloat64(x)), countIf(x > 0), min(ends)\n"
        f"FROM (\n  {indented(table)}\n)\nGROUP BY variant, open"
    )
    return Statement(sql, scan.parameters.values), scan


#: Units of each variant and rule, with the version of their first exposure.
Counted = list[tuple[str, str, int, int]]


def _units(rows: Sequence[tuple[Any, ...]]) -> tuple[dict[str, tuple[int, int]], Counted]:
    units: dict[str, tuple[int, int]] = {}
    counted: Counted = []
    for variant, rule, version, n, crossed in rows:
        before = units.get(variant, (0, 0))
        units[variant] = (before[0] + int(n), before[1] + int(crossed))
        counted.append((variant, rule, int(version), int(n)))
    return units, counted


def _control(flag: FlagFacts, variants: Sequence[str]) -> str:
    for wanted in ("control", flag.off_variant):
        if wanted in variants:
            return wanted
    return variants[0] if variants else flag.off_variant


def _ratio(flag: FlagFacts, counted: Counted) -> SampleRatio:
    """Whether the units of each rule are divided as it says, all rules taken together."""
    observed: dict[str, int] = {}
    expected: dict[str, float] = {}
    for rule, split in flag.splits.items():
        found = {variant: 0 for variant, share in split.shares.items() if share}
        for variant, of_rule, version, n in counted:
            if of_rule == rule and version >= split.since_version:
                found[variant] = found.get(variant, 0) + n
        total = sum(found.values())
        for variant, n in found.items():
            observed[variant] = observed.get(variant, 0) + n
            expected[variant] = expected.get(variant, 0.0) + total * split.shares.get(variant, 0.0)
    total = sum(observed.values())
    p = None
    if total >= LEAST_UNITS:
        p = sample_ratio_p([observed[variant] for variant in expected], list(expected.values()))
    shares = {variant: Decimal(str(round(n / total, 9))) for variant, n in expected.items()} if total else {}
    return SampleRatio(shares, _rounded(p), p is not None and p < MISMATCH_P)


def _result(
    metric: ExperimentMetric, variants: Sequence[str], control: str, rows: Sequence[tuple[Any, ...]]
) -> MetricResult:
    units = {variant: (0, Decimal(0), 0.0, 0) for variant in variants}
    opened: dict[str, int] = {}
    for variant, is_open, n, total, squares, positive, _ in rows:
        if is_open:
            opened[variant] = int(n)
        else:
            units[variant] = (int(n), Decimal(total), float(squares), int(positive))
    found = []
    for variant in variants:
        n, total, squares, positive = units[variant]
        conversions = positive if metric.measure == "conversion" else None
        numerator = positive * SCALE if conversions is not None else nanos(total)
        value = divide(numerator, n * SCALE) if numerator is not None and n else None
        compared = None
        if variant != control and n and control in units and units[control][0]:
            compared = _compare(metric, units[control], units[variant])
        found.append(_shown(variant, n, opened.get(variant, 0), conversions, value, compared))
    event = metric.event if isinstance(metric.event, str) else metric.event.derived or "any"
    return MetricResult(metric.name or event, metric.measure, tuple(found))


def _compare(
    metric: ExperimentMetric, control: tuple[int, Decimal, float, int], variant: tuple[int, Decimal, float, int]
) -> Comparison:
    if metric.measure == "conversion":
        return compare_rates(*(Sample(n, float(positive), float(positive)) for n, _, _, positive in (control, variant)))
    return compare_means(*(Sample(n, float(total), squares) for n, total, squares, _ in (control, variant)))


def _shown(
    variant: str, units: int, opened: int, conversions: int | None, value: int | None, compared: Comparison | None
) -> VariantResult:
    return VariantResult(
        variant=variant,
        units=units,
        open=opened,
        conversions=conversions,
        value=number(value) if value is not None else None,  # type: ignore[arg-type]
        difference=_rounded(compared.difference) if compared else None,
        interval=_interval(compared.interval) if compared else None,
        always_valid=_interval(compared.always_valid) if compared else None,
        p=_rounded(compared.p) if compared else None,
        chance_to_win=_rounded(compared.chance_to_win) if compared else None,
    )


def _interval(given: tuple[float, float] | None) -> tuple[Number, Number] | None:
    return (_rounded(given[0]), _rounded(given[1])) if given is not None else None


def _rounded(value: float | None) -> Number:
    """A statistic with nine digits after the point."""
    if value is None:
        return None
    scaled = nanos(Decimal(repr(value)))
    return number(scaled) if scaled is not None else None  # type: ignore[return-value]
