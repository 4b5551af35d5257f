"""Measures: what a series counts, as aggregate columns and the number that they make.

Shape   measure_of(series, …) → Measured: columns of SQL, and value(cells) → nanos, or None for unknown
Units   numbers of the language, as nanos
Laws    of nothing, counts and sums are 0, and all else is unknown. 1 and 1.0 are one value, "1" is another.
        A percentile is the value at place ⌈q·n⌉
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tinycdp.dsl.values.numbers import SCALE, bounded, divide, nanos
from tinycdp.products.analytics.answers.scaling import count_scaled
from tinycdp.products.analytics.compile.calendar import invalid

#: Measures of a property, beside percentiles.
OF_PROPERTY = ("sum", "avg", "min", "max", "distinct", "median")
#: Measures of one person, before `then`.
PER_PERSON = ("count", *OF_PROPERTY)
THEN = ("avg", "sum", "min", "max", "median")
_PERCENTILE = re.compile("p([1-9][0-9]?)")
#: Keeps ⌈q·n⌉ exact where q is a float: more than the error of q·n, less than its distance to a whole number.
_BELOW = 1e-12

Cells = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure as aggregates.

    columns      the aggregates
    value        from their values to a number
    is_quotient  the number is the first divided by the second"""

    columns: tuple["AggregateCall", ...]
    value: Callable[[Cells], int | None]
    is_quotient: bool = False

    def scaled(self, millionths: int, *, whole: bool) -> "Measured":
        """From a sample of people to all of them. whole: it stays a whole number."""
        unit = SCALE if whole else 1

        def value(cells: Cells) -> int | None:
            found = self.value(cells)
            return bounded(count_scaled(found // unit, millionths) * unit) if found is not None else None

        return replace(self, value=value)


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """One aggregate function of ClickHouse: name, its parameters in parentheses, its arguments, and its condition."""

    function: str
    arguments: str = ""
    condition: str = ""
    parameters: str = ""

    def sql(self, combinator: str = "") -> str:
        """The call. combinator: State, to be merged later."""
        conditional = "If" if self.condition else ""
        inside = ", ".join(part for part in (self.arguments, self.condition) if part)
        return f"{self.function}{conditional}{combinator}{self.parameters}({inside})"

    def merge(self, state: str) -> str:
        """The call over states of it."""
        conditional = "If" if self.condition else ""
        return f"{self.function}{conditional}Merge{self.parameters}({state})"


def quantile_of(measure: str) -> int | None:
    """The percent of a percentile; None for another measure."""
    if measure == "median":
        return 50
    found = _PERCENTILE.fullmatch(measure)
    return int(found[1]) if found else None


def check_measure(measure: str, path: str, *, among: Sequence[str]) -> None:
    """Raise unless the measure is one of these, or a percentile."""
    if measure not in among and quantile_of(measure) is None:
        raise invalid(path, f"{measure!r} is not a measure; the measures are {', '.join(among)}, and p1 to p99.")


def whole(cell: Any) -> int:
    """A count as nanos."""
    return int(cell) * SCALE


def exact(cell: Any) -> int | None:
    """A decimal as nanos."""
    return nanos(cell if isinstance(cell, Decimal) else Decimal(cell)) if cell is not None else None


def counted(condition: str) -> Measured:
    return Measured((AggregateCall("count", "", condition),), lambda cells: whole(cells[0]))


def people(unit: str, condition: str, *, approximate: bool = False) -> Measured:
    """Distinct units."""
    function = "uniqCombined64" if approximate else "uniqExact"
    return Measured((AggregateCall(function, unit, condition),), lambda cells: whole(cells[0]))


def per_person(unit: str, with_unit: str, *, approximate: bool = False) -> Measured:
    """Events for each unit that has one; events without a unit do not count."""
    count, distinct = counted(with_unit), people(unit, with_unit, approximate=approximate)
    return Measured(
        (*count.columns, *distinct.columns), lambda cells: divide(whole(cells[0]), whole(cells[1])), is_quotient=True
    )


def of_numbers(measure: str, number: str, condition: str, *, approximate: bool = False) -> Measured:
    """A measure of a Nullable number, over rows where it is known."""
    known = f"({condition}) AND isNotNull({number})" if condition else f"isNotNull({number})"
    # The sum may need more digits than a number has.
    total = AggregateCall("sum", f"toDecimal256(assumeNotNull({number}), 9)", known)
    match measure:
        case "sum":
            return Measured((total,), lambda cells: exact(cells[0]) if cells[0] is not None else 0)
        case "avg":
            return Measured((total, AggregateCall("count", "", known)), _mean, is_quotient=True)
        case "min" | "max":
            found = AggregateCall(f"{measure}", f"assumeNotNull({number})", known)
            return Measured((found, AggregateCall("count", "", known)), _if_any)
        case _:
            percent = quantile_of(measure)
            assert percent is not None
            if approximate:
                digest = AggregateCall(
                    "quantileTDigest", f"toFloat64(assumeNotNull({number}))", known, f"({percent / 100})"
                )
                return Measured((digest, AggregateCall("count", "", known)), _if_any)
            level = f"({percent / 100 - _BELOW!r})"
            place = AggregateCall("quantileExactWeighted", f"assumeNotNull({number}), 1", known, level)
            return Measured((place, AggregateCall("count", "", known)), _if_any)


def median_of(sql: str) -> str:
    """The median of a number that is never NULL."""
    return f"quantileExactWeighted({0.5 - _BELOW!r})({sql}, 1)"


def distinct(scalar: str, condition: str, *, approximate: bool = False) -> Measured:
    """Distinct known values."""
    known = f"({condition}) AND isNotNull({scalar})"
    return people(f"assumeNotNull({scalar})", known, approximate=approximate)


def _mean(cells: Cells) -> int | None:
    total = exact(cells[0])
    return divide(total, whole(cells[1])) if total is not None and cells[1] else None


def _if_any(cells: Cells) -> int | None:
    return exact(cells[0] if not isinstance(cells[0], float) else Decimal(repr(cells[0]))) if cells[1] else None
