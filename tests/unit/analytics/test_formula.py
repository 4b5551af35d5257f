"""Formulas over series."""

import pytest

from tinycdp.dsl.values.numbers import SCALE
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.compile.trends.formula import Formula


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A + B * 2", 7),
        ("(A + B) * 2", 8),
        ("A - B - 1", -3),
        ("A / B", 0.333333333),
        ("-A + 0.5", -0.5),
        ("B / (A - 1)", None),
        ("C + 1", None),
        ("C * 0", None),
    ],
)
def test_arithmetic(text: str, value: float | None) -> None:
    known = {"A": 1 * SCALE, "B": 3 * SCALE, "C": None}
    found = Formula(text, "ABC").value(known)
    assert found == (None if value is None else round(value * SCALE))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A / D", "There is no series D; the series are A, B."),
        ("A B", "see character 3"),
        ("A +", "is not a formula"),
        ("a", "see character 1"),
        ("", "is not a formula"),
        ("A" * 501, "longer than 500"),
    ],
)
def test_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        Formula(text, "AB")
    assert (wrong.value.code, wrong.value.details["path"]) == ("INVALID_QUESTION", "formula")
    assert says in wrong.value.message
