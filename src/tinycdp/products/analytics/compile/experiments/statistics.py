"""The statistics of experiments. Pure arithmetic, without any library.

Shape   compare_rates, compare_means → Comparison · sample_ratio_p(observed, expected) → p
Units   probabilities and shares from 0 to 1; means in the unit of the metric
Laws    the interval and p are for one look at the end; `always_valid` holds however often it is looked at
Source  difference of proportions: unpooled standard error for the interval, pooled for p. Means: Welch's t test.
        Chance to win of rates: P(B > A) for Beta(1, 1) priors, exact (E. Miller, "Formulas for Bayesian A/B testing").
        Always valid: the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, lgamma, log, log1p, sqrt

from tinycdp.runtime.decisions.exposure_stats import survival

CONFIDENCE = 0.95
_ALPHA = 1 - CONFIDENCE
#: The number of units at which an always-valid interval is narrowest.
_NARROWEST_AT = 5_000
#: Conversions up to which the chance to win is a sum; above it a normal distribution is as exact.
_MOST_TERMS = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What a variant did: units, the sum of their values, and the sum of the squares."""

    units: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.units

    @property
    def variance(self) -> float:
        """Of the values, unbiased."""
        if self.units < 2:
            return 0.0
        return max(self.squares - self.total * self.total / self.units, 0.0) / (self.units - 1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against the control; intervals are of the difference, None if they cannot be known."""

    difference: float
    interval: tuple[float, float] | None
    always_valid: tuple[float, float] | None
    p: float | None
    chance_to_win: float | None


def compare_rates(control: Sample, variant: Sample) -> Comparison:
    """Two conversion rates; `total` is the number of conversions."""
    a, b = control.mean, variant.mean
    difference = b - a
    spread = sqrt(a * (1 - a) / control.units + b * (1 - b) / variant.units)
    pooled = (control.total + variant.total) / (control.units + variant.units)
    pooled_spread = sqrt(pooled * (1 - pooled) * (1 / control.units + 1 / variant.units))
    p = erfc(abs(difference) / pooled_spread / sqrt(2)) if pooled_spread else None
    chance = chance_of_rates(
        int(control.total), control.units - int(control.total), int(variant.total), variant.units - int(variant.total)
    )
    half = _quantile_of_normal(1 - _ALPHA / 2) * spread
    return Comparison(
        difference,
        _around(difference, half),
        _always_valid(difference, spread, control.units + variant.units),
        p,
        chance,
    )


def compare_means(control: Sample, variant: Sample) -> Comparison:
    """Two means per unit."""
    difference = variant.mean - control.mean
    of_control, of_variant = control.variance / control.units, variant.variance / variant.units
    squared = of_control + of_variant
    if not squared or min(control.units, variant.units) < 2:
        return Comparison(difference, None, None, None, None)
    spread = sqrt(squared)
    freedom = squared**2 / (of_control**2 / (control.units - 1) + of_variant**2 / (variant.units - 1))
    p = t_tail(abs(difference) / spread, freedom)
    half = _quantile_of_t(_ALPHA, freedom) * spread
    chance = 1 - erfc(difference / spread / sqrt(2)) / 2
    units = control.units + variant.units
    return Comparison(difference, _around(difference, half), _always_valid(difference, spread, units), p, chance)


def chance_of_rates(a_yes: int, a_no: int, b_yes: int, b_no: int) -> float:
    """The probability that rate b is greater than rate a, with a uniform prior of each."""
    alpha_a, beta_a, alpha_b, beta_b = a_yes + 1, a_no + 1, b_yes + 1, b_no + 1
    if alpha_b > _MOST_TERMS:
        if alpha_a <= _MOST_TERMS:
            return 1 - chance_of_rates(b_yes, b_no, a_yes, a_no)
        mean_a, mean_b = alpha_a / (alpha_a + beta_a), alpha_b / (alpha_b + beta_b)
        spread = sqrt(mean_a * (1 - mean_a) / (alpha_a + beta_a + 1) + mean_b * (1 - mean_b) / (alpha_b + beta_b + 1))
        return 1 - erfc((mean_b - mean_a) / spread / sqrt(2)) / 2
    fixed = _log_beta(alpha_a, beta_a)
    terms = (
        exp(_log_beta(alpha_a + i, beta_a + beta_b) - log(beta_b + i) - _log_beta(1 + i, beta_b) - fixed)
        for i in range(alpha_b)
    )
    return min(max(sum(terms), 0.0), 1.0)


def sample_ratio_p(observed: Sequence[int], expected: Sequence[float]) -> float | None:
    """The p of a chi-squared test of counts against the expected ones; None with fewer than two variants."""
    if len(observed) < 2 or any(count <= 0 for count in expected):
        return None
    statistic = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    return survival(statistic, len(observed) - 1)


def t_tail(t: float, freedom: float) -> float:
    """The two-sided probability of a value of at least t of Student's distribution."""
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def _quantile_of_t(alpha: float, freedom: float) -> float:
    """The t whose two-sided tail is alpha."""
    low, high = 0.0, 2.0
    while t_tail(high, freedom) > alpha:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if t_tail(middle, freedom) > alpha:
            low = middle
        else:
            high = middle
    return high


def _quantile_of_normal(p: float) -> float:
    low, high = 0.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        if 1 - erfc(middle / sqrt(2)) / 2 < p:
            low = middle
        else:
            high = middle
    return high


def _around(middle: float, half: float) -> tuple[float, float] | None:
    return (middle - half, middle + half) if half else None


def _always_valid(difference: float, spread: float, units: int) -> tuple[float, float] | None:
    if not spread:
        return None
    rho = sqrt((-2 * log(_ALPHA) + log(-2 * log(_ALPHA) + 1)) / _NARROWEST_AT)
    scaled = units * rho * rho + 1
    half = spread * sqrt(units) * sqrt(2 * scaled / (units * rho) ** 2 * log(sqrt(scaled) / _ALPHA))
    return _around(difference, half)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = exp(a * log(x) + b * log1p(-x) - _log_beta(a, b)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction
