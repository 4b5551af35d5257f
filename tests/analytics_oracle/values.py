"""Values of properties and measures over them: exact decimals, nearest rank, nothing clever.

Shape   value_at(mapping, path) → a text, bool or Decimal, or None for unknown · measure(name, values) → Decimal or None
Laws    1 and 1.0 are one value, "1" another. Lists and objects are no values. A result is rounded once, half away from
        zero, to nine digits after the point; 38 digits or more are unknown
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any, TypeAlias

Value: TypeAlias = bool | Decimal | str | None

_WIDE = Context(prec=400, rounding=ROUND_HALF_UP)
_BILLIONTH = Decimal("0.000000001")
_TOO_BIG = Decimal(10) ** 29


def exact(number: Any) -> Decimal | None:
    """A number with nine digits after the point; None if it has too many before it."""
    if isinstance(number, Fraction):
        number = _WIDE.divide(Decimal(number.numerator), Decimal(number.denominator))
    decimal = Decimal(number)
    if decimal.copy_abs() >= _TOO_BIG:
        return None
    return _WIDE.add(_WIDE.quantize(decimal, _BILLIONTH), 0)  # no negative zero


def value_of(raw: Any) -> Value:
    """A JSON value as a value of a property."""
    if isinstance(raw, bool | str):
        return raw
    if isinstance(raw, int | Decimal):
        return exact(raw)
    if isinstance(raw, float):
        return exact(Decimal(repr(raw)))
    return None


def value_at(properties: Mapping[str, Any], path: str) -> Value:
    """The value at a dotted path. A name with a dot in it is no path."""
    found: Any = properties
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return value_of(found)


def is_number(value: Value) -> bool:
    return isinstance(value, Decimal)


def order(value: Value) -> tuple[Any, ...]:
    """The order of values: numbers, false, true, texts by code point, and unknown last."""
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, Decimal):
        return (0, value)
    return (2, value) if isinstance(value, str) else (3,)


def identity(value: Value) -> tuple[Any, ...]:
    """What tells values apart: True is not 1."""
    return (type(value).__name__, value)


def at_rank(numbers: Iterable[Any], percent: int) -> Any:
    """The value at place ⌈q·n⌉, from 1; None of nothing."""
    ranked = sorted(numbers)
    return ranked[-(-percent * len(ranked) // 100) - 1] if ranked else None


def mean(numbers: Sequence[Any]) -> Decimal | None:
    return exact(sum(map(Fraction, numbers), Fraction()) / len(numbers)) if numbers else None


def ratio(part: Any, whole: Any) -> Decimal | None:
    return exact(Fraction(part) / Fraction(whole)) if part is not None and whole else None


def measure(name: str, values: Sequence[Value]) -> Decimal | None:
    """A measure of the values that events have; unknown ones are passed over."""
    if name == "distinct":
        return Decimal(len({identity(value) for value in values if value is not None}))
    numbers = [value for value in values if isinstance(value, Decimal)]
    match name:
        case "sum":
            return exact(sum(map(Fraction, numbers), Fraction()))
        case "avg":
            return mean(numbers)
        case "min":
            return min(numbers, default=None)
        case "max":
            return max(numbers, default=None)
        case "median":
            return at_rank(numbers, 50)
    return at_rank(numbers, int(name.removeprefix("p")))
