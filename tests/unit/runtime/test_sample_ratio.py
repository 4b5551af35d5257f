"""The arithmetic of the sample-ratio check."""

import math

import pytest

from tinycdp.engine.flags.bucketing import bucket, chosen
from tinycdp.runtime.decisions.exposure_stats import ALARM_P, ratio, survival

#: (statistic, degrees, p) from published tables and from an arbitrary-precision computation.
KNOWN = [
    (0.0, 1, 1.0),
    (3.841458820694124, 1, 0.05),
    (10.827566170662733, 1, 0.001),
    (5.991464547107979, 2, 0.05),
    (7.814727903251179, 3, 0.05),
    (11.344866730144373, 3, 0.01),
    (18.307038053275146, 10, 0.05),
    (29.58829844507442, 10, 0.001),
    (67.50480654954126, 50, 0.05),
    (100.0, 1, 1.523970604832105e-23),
    (100.0, 2, math.exp(-50)),
    (1000.0, 1000, 0.4940528538291455),
]


@pytest.mark.parametrize(("statistic", "degrees", "p"), KNOWN)
def test_survival_is_what_tables_say(statistic: float, degrees: int, p: float) -> None:
    assert survival(statistic, degrees) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize("degrees", range(1, 40))
def test_survival_falls_from_one_to_nothing(degrees: int) -> None:
    values = [survival(x / 4, degrees) for x in range(400)]
    assert values[0] == 1 and values == sorted(values, reverse=True)
    assert survival(1e6, degrees) == 0.0
    if degrees > 2:  # Q(a + 1, x) - Q(a, x) is a term of the Poisson series, also for halves
        x = 7.3
        a = degrees / 2 - 1
        step = math.exp(a * math.log(x) - x - math.lgamma(a + 1))
        assert survival(2 * x, degrees) - survival(2 * x, degrees - 2) == pytest.approx(step, rel=1e-9)


def test_the_true_bucketing_is_no_mismatch() -> None:
    """10,000 units, many salts, several splits: alarms are as rare as the level says."""
    alarms = 0
    for weights in ({"a": 50_000, "b": 50_000}, {"a": 90_000, "b": 9_000, "c": 1_000}):
        arms = list(weights.values())
        for salt in range(20):
            counted = dict.fromkeys(weights, 0)
            for n in range(10_000):
                counted[list(weights)[chosen(arms, bucket(f"salt-{salt}", "split", f"user-{n}"))]] += 1
            _, p = ratio(weights, counted)
            assert p is not None
            alarms += p < ALARM_P
    assert alarms == 0


def test_a_variant_that_loses_one_in_ten_is_noticed() -> None:
    halves = {"a": 50_000, "b": 50_000}
    statistic, p = ratio(halves, {"a": 5_000, "b": 4_500})
    assert statistic == pytest.approx(26.3158, abs=1e-4) and p is not None and p < ALARM_P
    assert ratio(halves, {"a": 100, "b": 90})[1] == pytest.approx(0.468, abs=1e-3)


def test_too_few_units_say_nothing_and_a_weight_of_zero_expects_none() -> None:
    assert ratio({"a": 50_000, "b": 50_000}, {"a": 99}) == (None, None)
    assert ratio({"a": 99_900, "b": 100}, {"a": 4_000, "b": 9}) == (None, None), "b expects four"
    assert ratio({"a": 100_000}, {"a": 4_000}) == (None, None), "there is nothing to compare"
    assert ratio({"a": 50_000, "b": 50_000, "c": 0}, {"a": 60, "b": 60}) == (0.0, 1.0)
    assert ratio({"a": 100_000, "c": 0}, {"a": 4_000, "c": 1}) == (math.inf, 0.0)
