"""ClickHouse SQL of values: parameters, exact decimals, instants and versions.

Shape   Parameters: the values of a statement · let(…) binds an operand to a name · SQL of a value → SQL of a value
Units   number: Decimal(38, 9) · datetime, duration: whole milliseconds · version: text that sorts like the version.
        Unknown is NULL
Laws    the SQL never raises, whatever the data. It mentions an operand once, or binds it first by `let`
        what a user wrote reaches the statement as a parameter only
Source  dsl/SPEC.md "Numbers", "Values"
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from math import inf, nextafter
from typing import Any

from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql.values import sortable_version
from tinycdp.dsl.values.numbers import LIMIT, SCALE, nanos

DECIMAL = "Decimal(38, 9)"
#: Floats of at least this magnitude do not fit into 38 digits, nine of them after the point.
FLOAT_LIMIT = "1e29"
_LIMIT = f"toDecimal256('{LIMIT // SCALE}', 9)"
_DIGITS = 18  # of each number in a version
#: More than any sum of durations, in units.
_OFFSET = 10**24

_NUMERIC = "(?:0|[1-9][0-9]{0,17})"
_IDENTIFIERS = "[0-9A-Za-z-]+(?:[.][0-9A-Za-z-]+)*"
_VERSION = f"^[vV]?({_NUMERIC})(?:[.]({_NUMERIC}))?(?:[.]({_NUMERIC}))?(?:-({_IDENTIFIERS}))?(?:[+]{_IDENTIFIERS})?$"
_INSTANT = (
    "^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    "(?:[Zz]|([+-])([0-9]{2})(?::?([0-5][0-9]))?)$"
)


class Parameters:
    """The values of a statement, by the names under which its text asks for them.

    `values` holds plain Python values as a client sends them: str, int, float, and lists of str, int and Decimal."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._names: dict[tuple[str, Any], str] = {}
        self._bound = count(1)

    def add(self, value: Any, type_: str) -> str:
        """SQL that stands for the value. Equal values of one type share a parameter."""
        key = (type_, tuple(value) if isinstance(value, list) else value)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"p{len(self._names) + 1}"
            self.values[name] = value
        return f"{{{name}:{type_}}}"

    def text(self, value: str) -> str:
        return self.add(value, "String")

    def texts(self, values: Iterable[Any]) -> str:
        return self.add(list(values), "Array(String)")

    def whole(self, value: int) -> str:
        """A whole number of any size that the language has."""
        return self.add(value, "Int64" if -(2**63) <= value < 2**63 else "Int128")

    def wholes(self, values: Iterable[Any]) -> str:
        given = list(values)
        fits = all(-(2**63) <= value < 2**63 for value in given)
        return self.add(given, "Array(Int64)" if fits else "Array(Int128)")

    def number(self, value: int | Decimal) -> str:
        return self.add(format(value, "f") if isinstance(value, Decimal) else str(value), DECIMAL)

    def numbers(self, values: Iterable[Any]) -> str:
        return self.add(
            [value if isinstance(value, int) else Decimal(format(value, "f")) for value in values], f"Array({DECIMAL})"
        )

    def fresh(self) -> str:
        """A name that no other `let` of this statement uses."""
        return f"x{next(self._bound)}"

    def of(self, value: Any, type_: Type) -> str:
        """A literal of the language."""
        match type_:
            case Type.NUMBER:
                return self.number(value)
            case Type.DATETIME | Type.DURATION:
                return self.whole(value)
            case Type.VERSION:
                return self.text(sortable_version(value))
            case Type.BOOL:
                return "true" if value else "false"
            case _:
                return self.text(value)


def let(body: str, *bound: tuple[str, str]) -> str:
    """The body, in which each name stands for its SQL, computed once.

    ClickHouse has no other binding that keeps the statement linear: it copies an alias to each use."""
    names = ", ".join(name for name, _ in bound)
    values = ", ".join(f"[{sql}]" for _, sql in bound)
    return f"arrayMap(({names}) -> {body}, {values})[1]"


# Numbers


def at_least(value: int) -> float:
    """The least float whose number has at least so many nanos.

    The number of a float is its shortest text, rounded to nine digits. It grows with the float, so a comparison of
    numbers is a comparison of floats with this one."""
    if value <= -LIMIT:
        return -inf
    found = float(Decimal(2 * value - 1) / (2 * SCALE))
    while _nanos_of(found) >= value:
        found = nextafter(found, -inf)
    while _nanos_of(found) < value:
        found = nextafter(found, inf)
    return found


def _nanos_of(value: float) -> int:
    scaled = nanos(Decimal(repr(value)))
    return scaled if scaled is not None else LIMIT if value > 0 else -LIMIT


def decimal_of_whole(sql: str) -> str:
    """The number of a 64 or 128 bit integer."""
    return f"toDecimal128({sql}, 9)"


def decimal_of_float(sql: str) -> str:
    """The number of a float: its shortest text, rounded to nine digits. `sql` is short and repeated.

    Most floats are decimals of few digits, which are found without a text: if m / 10^6 is the float, and m has at most
    15 digits, then no shorter decimal is."""
    millionths = f"round(if(abs({sql}) < 1e9, {sql}, 0) * 1e6)"
    few_digits = f"toDecimal128(toInt64(assumeNotNull({millionths})), 9) / 1000000"
    any_digits = f"toDecimal128(round(toDecimal256OrZero(toString(assumeNotNull({sql})), 27), 9), 9)"
    return (
        f"multiIf(isNull({sql}) OR abs({sql}) >= {FLOAT_LIMIT}, NULL, abs({sql}) < 1e9 AND {millionths} / 1e6 = {sql}, "
        f"{few_digits}, abs({sql}) < 1e-10, toDecimal128(0, 9), {any_digits})"
    )


def text_of_float(sql: str) -> str:
    """The number of a float as text, in the spelling of toString of a number. `sql` is short and repeated.

    From a millionth to a million, the whole number of nanos next to the float is found without a decimal, unless the
    float is almost between two. It has at most 15 digits, so the shortest text of nanos / 10^9 has the digits of the
    number. A smaller float has a text with an exponent."""
    nanos_ = f"round({sql} * 1e9)"
    is_plain = f"abs({sql}) BETWEEN 1e-6 AND 1e6 AND abs({sql} * 1e9 - {nanos_}) < 0.25"
    return f"if({is_plain}, toString({nanos_} / 1e9), toString({decimal_of_float(sql)}))"


def decimal_of_text(sql: str) -> str:
    """The number that a JSON number's text says; unknown if it needs more than 38 digits."""
    return bounded(f"round(toDecimal256OrNull({sql}, 36), 9)")


def bounded(sql: str) -> str:
    """A Decimal256 as a number; unknown if it needs more than 38 digits."""
    clamped = f"least(greatest({sql}, -{_LIMIT}), {_LIMIT})"
    return f"toDecimal128(nullIf(nullIf({clamped}, {_LIMIT}), -{_LIMIT}), 9)"


def arithmetic(op: str, left: str, right: str) -> str:
    """One of + - * / on numbers, rounded to the ninth digit, half away from zero."""
    match op:
        case "*":
            return bounded(f"round(toDecimal256({left}, 9) * toDecimal256({right}, 9), 9)")
        case "/":
            # The quotient is truncated at the nineteenth digit, which decides the rounding of the ninth.
            divisor = f"nullIf(toDecimal256({right}, 9), toDecimal256(0, 9))"
            return bounded(f"round(toDecimal256({left}, 19) / {divisor}, 9)")
        case _:
            return bounded(f"toDecimal256({left}, 9) {op} toDecimal256({right}, 9)")


def whole_number(sql: str) -> str:
    """A number rounded to a whole one, half away from zero."""
    return bounded(f"round(toDecimal256({sql}, 9), 0)")


def whole_units(duration: str, unit_ms: int) -> str:
    """How many whole units a duration has, rounded down; intDiv alone rounds towards zero."""
    return decimal_of_whole(
        f"(intDiv(toInt128({duration}) + toInt128('{_OFFSET * unit_ms}'), {unit_ms}) - toInt128('{_OFFSET}'))"
    )


# Texts


def instant(text: str, parameters: Parameters) -> str:
    """Milliseconds of an ISO 8601 date and time with a zone; unknown for any other text."""
    g, y, m, d, zone = (parameters.fresh() for _ in range(5))
    hour, minute, second = (f"toInt64OrZero({g}[{n}])" for n in (4, 5, 6))
    leap = f"({y} % 4 = 0 AND ({y} % 100 != 0 OR {y} % 400 = 0))"
    longest = f"[31, if({leap}, 29, 28), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][{m}]"
    valid = (
        f"{y} >= 1 AND {m} BETWEEN 1 AND 12 AND {d} BETWEEN 1 AND {longest} "
        f"AND {hour} <= 23 AND {minute} <= 59 AND {second} <= 59 AND {zone} < 1440"
    )
    # Years begin in March, so that the leap day is the last one.
    year, month = f"({y} + 4800 - ({m} <= 2))", f"({m} + 12 * ({m} <= 2) - 3)"
    days = (
        f"({d} + intDiv(153 * {month} + 2, 5) + 365 * {year} + intDiv({year}, 4) - intDiv({year}, 100) "
        f"+ intDiv({year}, 400) - 2472633)"
    )
    minutes = f"({days} * 1440 + {hour} * 60 + {minute} - if({g}[8] = '-', -1, 1) * {zone})"
    milliseconds = f"toInt64OrZero(rightPad(substring({g}[7], 1, 3), 3, '0'))"
    parsed = let(
        f"if({valid}, ({minutes} * 60 + {second}) * 1000 + {milliseconds}, NULL)",
        (y, f"toInt64OrZero({g}[1])"),
        (m, f"toInt64OrZero({g}[2])"),
        (d, f"toInt64OrZero({g}[3])"),
        (zone, f"toInt64OrZero({g}[9]) * 60 + toInt64OrZero({g}[10])"),
    )
    return let(parsed, (g, f"extractGroups(ifNull({text}, ''), '{_INSTANT}')"))


def version(text: str, parameters: Parameters) -> str:
    """The version in a text, as text that sorts like it; unknown for any other text."""
    t, g, label = (parameters.fresh() for _ in range(3))
    labels, numeric = f"splitByChar('.', {g}[4])", f"match({label}, '^[0-9]+$')"
    spelt = f"if({numeric}, concat('0', leftPad({label}, {_DIGITS}, '0')), concat('1', {label}))"
    before = f"arrayStringConcat(arrayMap({label} -> {spelt}, {labels}), ' ')"
    rejected = f"arrayExists({label} -> {numeric} AND (length({label}) > {_DIGITS} OR match({label}, '^0.')), {labels})"
    numbers = ", ".join(f"leftPad({g}[{n}], {_DIGITS}, '0')" for n in (1, 2, 3))
    parsed = f"if({g}[1] = '' OR {rejected}, NULL, concat({numbers}, if({g}[4] = '', '~', {before})))"
    groups = f"extractGroups(if(length({t}) <= 256, {t}, ''), '{_VERSION}')"
    return let(let(parsed, (g, groups)), (t, f"ifNull({text}, '')"))
