"""Experiments: what units do after their first exposure, by variant, with the statistics from first principles.

Laws    a unit is a person, or the unit of the exposure if it has no profile. If rules of the flag split, only their
        exposures count. A unit counts under its first exposure, if that is in the range; of several at one instant
        under the first variant. One that ever saw another variant is a crossover, and in no result.
        A metric looks at [exposure, exposure + within). A unit whose time is not over is open, and in no result of it
Source  rates: unpooled interval, pooled p, chance to win by Beta(1, 1). Means: Welch's t test, chance to win by a
        normal distribution. Always valid: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit
        theory" (2024), narrowest at 5,000 units. Sample ratio: chi-squared, from 100 units on, a mismatch below 0.001
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import atan, comb, cos, erfc, exp, factorial, gamma, lgamma, log, pi, sqrt
from statistics import NormalDist

from analytics_oracle.calendar import duration, range_of
from analytics_oracle.filters import is_person, matches
from analytics_oracle.values import exact, ratio, value_at
from analytics_oracle.world import Exposure, Flag, World
from tinycdp.products.analytics.answers.schemas import (
    ExperimentAnswer,
    MetricResult,
    SampleRatio,
    VariantResult,
    VariantUnits,
)
from tinycdp.products.analytics.questions.schemas import ExperimentMetric, ExperimentQuestion

ALPHA = 0.05
LEAST_UNITS = 100
NARROWEST_AT = 5_000


@dataclass(frozen=True)
class Unit:
    """A unit of the experiment, by its first exposure."""

    profile: int
    first: Exposure
    crossed: bool


def experiment(world: World, question: ExperimentQuestion) -> ExperimentAnswer:
    flag = world.flags[question.flag]
    units = _units(world, question, flag)
    seen = {unit.first.variant for unit in units}
    variants = [variant for variant in flag.variants if variant in seen] + sorted(seen - set(flag.variants))
    named = [variant for variant in ("control", flag.off) if variant in variants]
    control = question.control or [*named, *variants, flag.off][0]
    return ExperimentAnswer(
        flag=question.flag,
        control=control,
        sample_ratio=_sample_ratio(flag, units),
        variants=tuple(
            VariantUnits(
                variant,
                sum(unit.first.variant == variant for unit in units),
                sum(unit.first.variant == variant and unit.crossed for unit in units),
            )
            for variant in variants
        ),
        metrics=tuple(_metric(world, metric, units, variants, control) for metric in question.metrics),
    )


def _units(world: World, question: ExperimentQuestion, flag: Flag) -> list[Unit]:
    asked = range_of(question, world)
    of_unit: dict[int | str, list[Exposure]] = {}
    for exposure in world.exposures:
        if exposure.flag == question.flag and (not flag.splits or exposure.rule in flag.splits):
            of_unit.setdefault(exposure.profile_id or exposure.unit, []).append(exposure)
    units = []
    for exposures in of_unit.values():
        first = min(exposures, key=lambda one: (one.first_at, one.variant, one.rule, one.version))
        crossed = len({exposure.variant for exposure in exposures}) > 1
        if asked.has(first.first_at) and is_person(first.profile_id, question.people, world):
            units.append(Unit(first.profile_id, first, crossed))
    return units


def _metric(
    world: World, metric: ExperimentMetric, units: list[Unit], variants: list[str], control: str
) -> MetricResult:
    within = duration(metric.within)
    values: dict[str, list[Fraction]] = {variant: [] for variant in variants}
    opened = dict.fromkeys(variants, 0)
    for unit in units:
        if not unit.crossed:
            if unit.first.first_at + within > world.as_of:
                opened[unit.first.variant] += 1
            else:
                values[unit.first.variant].append(_value(world, metric, unit, within))
    results = []
    for variant in variants:
        found = values[variant]
        compared: dict[str, object] = {}
        if variant != control and found and values.get(control):
            compare = _compare_rates if metric.measure == "conversion" else _compare_means
            compared = compare([float(x) for x in values[control]], [float(x) for x in found])
        results.append(
            VariantResult(
                variant=variant,
                units=len(found),
                open=opened[variant],
                conversions=int(sum(found)) if metric.measure == "conversion" else None,
                value=ratio(sum(found), len(found)),
                difference=compared.get("difference"),  # type: ignore[arg-type]
                interval=compared.get("interval"),  # type: ignore[arg-type]
                always_valid=compared.get("always_valid"),  # type: ignore[arg-type]
                p=compared.get("p"),  # type: ignore[arg-type]
                chance_to_win=compared.get("chance"),  # type: ignore[arg-type]
            )
        )
    return MetricResult(metric.name, metric.measure, tuple(results))


def _value(world: World, metric: ExperimentMetric, unit: Unit, within: int) -> Fraction:
    """1 or 0 for a conversion, else the number of events or the sum."""
    events = [
        event
        for event in world.histories.get(unit.profile, ())
        if unit.first.first_at <= event.occurred_at < unit.first.first_at + within
        and matches(event, metric.event, metric.where, world)
    ]
    if metric.measure == "conversion":
        return Fraction(bool(events))
    if metric.measure == "count":
        return Fraction(len(events))
    numbers = [value_at(event.properties, metric.property) for event in events]
    return sum((Fraction(number) for number in numbers if isinstance(number, Decimal)), Fraction())


# Statistics


def _shown(number: float | None) -> Decimal | None:
    return None if number is None else exact(Decimal(repr(number)))


def _around(middle: float, half: float) -> tuple[Decimal | None, Decimal | None] | None:
    return (_shown(middle - half), _shown(middle + half)) if half else None


def _compare_rates(control: list[float], variant: list[float]) -> dict[str, object]:
    n, m = len(control), len(variant)
    a, b = sum(control) / n, sum(variant) / m
    spread = sqrt(a * (1 - a) / n + b * (1 - b) / m)
    pooled = (sum(control) + sum(variant)) / (n + m)
    pooled_spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return {
        "difference": _shown(b - a),
        "interval": _around(b - a, NormalDist().inv_cdf(1 - ALPHA / 2) * spread),
        "always_valid": _around(b - a, always_valid_half(spread, n + m)),
        "p": _shown(2 * NormalDist().cdf(-abs(b - a) / pooled_spread)) if pooled_spread else None,
        "chance": _shown(float(chance(round(sum(control)), n, round(sum(variant)), m))),
    }


def _compare_means(control: list[float], variant: list[float]) -> dict[str, object]:
    n, m = len(control), len(variant)
    a, b = sum(control) / n, sum(variant) / m
    nothing: dict[str, object] = {"difference": _shown(b - a)}
    if min(n, m) < 2:
        return nothing
    of_a = sum((x - a) ** 2 for x in control) / (n - 1) / n
    of_b = sum((x - b) ** 2 for x in variant) / (m - 1) / m
    if not of_a + of_b:
        return nothing
    spread = sqrt(of_a + of_b)
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (n - 1) + of_b**2 / (m - 1))
    return {
        "difference": _shown(b - a),
        "interval": _around(b - a, quantile_of_t(freedom) * spread),
        "always_valid": _around(b - a, always_valid_half(spread, n + m)),
        "p": _shown(tail_of_t(abs(b - a) / spread, freedom)),
        "chance": _shown(NormalDist().cdf((b - a) / spread)),
    }


def always_valid_half(spread: float, units: int) -> float:
    """Half of the confidence sequence at this many units, with the variance of the whole as spread² · units."""
    rho_squared = (-2 * log(ALPHA) + log(-2 * log(ALPHA) + 1)) / NARROWEST_AT
    scaled = units * rho_squared + 1
    return sqrt(spread**2 * units) * sqrt(2 * scaled / (units**2 * rho_squared) * log(sqrt(scaled) / ALPHA))


def chance(a: int, n: int, b: int, m: int) -> Fraction:
    """The probability that b of m comes from a greater rate than a of n, exactly: the sum of a binomial's terms.

    The rate x of a is below y with the probability of at least a + 1 successes in n + 1 trials with rate y."""
    whole = _beta(b + 1, m - b + 1)
    return sum(
        (comb(n + 1, k) * _beta(k + b + 1, n + 1 - k + m - b + 1) / whole for k in range(a + 1, n + 2)), Fraction()
    )


def _beta(a: int, b: int) -> Fraction:
    return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))


@cache
def tail_of_t(t: float, freedom: float) -> float:
    """The two-sided probability of at least t: one minus Simpson's rule over the density, by t = √f · tan(u)."""
    constant = exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2)) / sqrt(pi)
    steps, end = 2_000, atan(t / sqrt(freedom))
    width = end / steps
    heights = [cos(n * width) ** (freedom - 1) for n in range(steps + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    return max(1 - 2 * constant * area * width / 3, 0.0)


@cache
def quantile_of_t(freedom: float) -> float:
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail_of_t(middle, freedom) > ALPHA else (low, middle)
    return high


def tail_of_chi_squared(x: float, freedom: int) -> float:
    """The probability of at least x, upwards from one or two degrees of freedom."""
    tail, degrees = (erfc(sqrt(x / 2)), 1) if freedom % 2 else (exp(-x / 2), 2)
    while degrees < freedom:
        tail += (x / 2) ** (degrees / 2) * exp(-x / 2) / gamma(degrees / 2 + 1)
        degrees += 2
    return tail


def _sample_ratio(flag: Flag, units: list[Unit]) -> SampleRatio:
    """Whether the units of each splitting rule are divided as it says, all rules taken together."""
    observed: dict[str, int] = {}
    expected: dict[str, float] = {}
    for rule, shares in flag.splits.items():
        of_rule = [unit.first.variant for unit in units if unit.first.rule == rule]
        for variant in {*(v for v, share in shares.items() if share), *of_rule}:
            observed[variant] = observed.get(variant, 0) + of_rule.count(variant)
            share = float(shares.get(variant, 0))
            expected[variant] = expected.get(variant, 0.0) + len(of_rule) * share
    total = sum(observed.values())
    p = None
    if total >= LEAST_UNITS and len(observed) > 1 and min(expected.values()) > 0:
        p = tail_of_chi_squared(_distance(observed, expected), len(observed) - 1)
    shown = {v: Decimal(str(round(n / total, 9))) for v, n in expected.items()} if total else {}
    return SampleRatio(shown, _shown(p), p is not None and p < 0.001)


def _distance(observed: Mapping[str, int], expected: Mapping[str, float]) -> float:
    return sum((observed[variant] - expected[variant]) ** 2 / expected[variant] for variant in observed)
