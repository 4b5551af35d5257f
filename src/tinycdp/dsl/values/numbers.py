"""Exact decimals as integers.

Shape   a number of the language at run time is a Python int counting billionths ("nanos"): 1.5 is 1_500_000_000
Units   SCALE nanos make one
Laws    addition is exact, in any order; a result that needs rounding is rounded half away from zero
Errors  none: a value that is not a number, or needs more than 38 digits, is unknown (None)
Source  dsl/SPEC.md "Numbers"; docs/decisions/0005-numbers-are-nanos.md
"""

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal
from typing import Any

SCALE = 10**9
LIMIT = 10**38
#: Shifts the decimal point of any number without rounding.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def nanos(value: Any) -> int | None:
    """The nanos of a JSON number (int or Decimal); None for anything else. True is not a number."""
    kind = type(value)
    if kind is int:
        scaled = value * SCALE
    elif kind is Decimal:
        if not value.is_finite() or value.adjusted() > 29:
            return None
        if value.adjusted() < -10:
            return 0
        scaled = int(value.scaleb(9, _EXACT).to_integral_value(ROUND_HALF_UP))
    else:
        return None
    return scaled if -LIMIT < scaled < LIMIT else None


def number(scaled: int) -> int | Decimal:
    """The plain value of nanos: an int if whole, otherwise a Decimal without trailing zeros."""
    whole, rest = divmod(scaled, SCALE)
    if not rest:
        return whole
    sign, magnitude = ("-", -scaled) if scaled < 0 else ("", scaled)
    return Decimal(f"{sign}{magnitude // SCALE}.{magnitude % SCALE:09d}".rstrip("0"))


def rounded(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, half away from zero.

    The denominator must not be zero."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def bounded(scaled: int) -> int | None:
    """The result of an operation; unknown (None) if it needs more than 38 digits."""
    return scaled if -LIMIT < scaled < LIMIT else None


def multiply(left: int, right: int) -> int | None:
    return bounded(rounded(left * right, SCALE))


def divide(left: int, right: int) -> int | None:
    return bounded(rounded(left * SCALE, right)) if right else None
