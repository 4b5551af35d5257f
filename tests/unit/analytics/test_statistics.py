"""The statistics of experiments, against published values."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.products.analytics.compile.experiments import statistics
from tinycdp.products.analytics.compile.experiments.statistics import (
    Sample,
    chance_of_rates,
    compare_means,
    compare_rates,
    sample_ratio_p,
    t_tail,
)


@pytest.mark.parametrize(
    ("t", "freedom", "p"), [(12.706, 1, 0.05), (2.228, 10, 0.05), (2.750, 30, 0.01), (1.9840, 100, 0.05)]
)
def test_students_table(t: float, freedom: float, p: float) -> None:
    assert isclose(t_tail(t, freedom), p, rel_tol=1e-3)


def test_two_rates() -> None:
    """100 and 130 of 1,000: z = 2.1028, p = 0.0355."""
    found = compare_rates(Sample(1000, 100, 100), Sample(1000, 130, 130))
    assert found.p is not None and found.interval is not None and found.chance_to_win is not None
    assert isclose(found.p, 0.035488, rel_tol=1e-4)
    assert isclose(found.interval[0], 0.002068, rel_tol=1e-3) and isclose(found.interval[1], 0.057932, rel_tol=1e-3)
    assert isclose(found.chance_to_win, 0.98217, rel_tol=1e-4)


def test_two_means_by_welch() -> None:
    """Means 20.82 and 23.71 of 15 and 15, variances 7.87 and 1.51: t = 3.65, 19.3 degrees, p = 0.0017."""
    control = Sample(15, 15 * 20.82, 14 * 7.87 + 15 * 20.82**2)
    variant = Sample(15, 15 * 23.71, 14 * 1.51 + 15 * 23.71**2)
    found = compare_means(control, variant)
    assert found.p is not None
    assert isclose(found.p, 0.00166, rel_tol=0.02)


def test_a_rate_without_any_difference_wins_half_the_time() -> None:
    assert isclose(chance_of_rates(0, 0, 0, 0), 0.5, rel_tol=1e-9)
    # P(B > A) for Beta(11, 91) and Beta(31, 71), by numerical integration.
    assert isclose(chance_of_rates(10, 90, 30, 70), 0.99981, rel_tol=1e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_one_of_two_rates_wins(a_yes: int, a_no: int, b_yes: int, b_no: int) -> None:
    there, back = chance_of_rates(a_yes, a_no, b_yes, b_no), chance_of_rates(b_yes, b_no, a_yes, a_no)
    assert isclose(there + back, 1, rel_tol=1e-6)


def test_many_conversions_are_as_a_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = chance_of_rates(4_000, 16_000, 4_080, 15_920)
    monkeypatch.setattr(statistics, "_MOST_TERMS", 1_000)
    assert isclose(exact, chance_of_rates(4_000, 16_000, 4_080, 15_920), rel_tol=1e-4)


@given(st.integers(10, 5_000), st.integers(10, 5_000), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_an_always_valid_interval_is_wider(n: int, m: int, a: float, b: float) -> None:
    found = compare_rates(Sample(n, round(n * a), round(n * a)), Sample(m, round(m * b), round(m * b)))
    if found.interval is not None:
        assert found.always_valid is not None
        assert found.always_valid[0] < found.interval[0] < found.interval[1] < found.always_valid[1]


def test_a_ratio_that_does_not_fit() -> None:
    fits, strange = sample_ratio_p([5_050, 4_950], [5_000, 5_000]), sample_ratio_p([5_300, 4_700], [5_000, 5_000])
    assert fits is not None and strange is not None
    assert isclose(fits, 0.31731, rel_tol=1e-3) and strange < 1e-8
    assert sample_ratio_p([10], [10.0]) is None


def test_nothing_to_compare() -> None:
    same = compare_means(Sample(5, 5, 5), Sample(5, 5, 5))
    assert (same.difference, same.interval, same.p) == (0, None, None)
