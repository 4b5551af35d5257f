"""Filters of questions, and rows with every kind of value in them, for the law that two computations agree.

Shape   filters() -> source of an event filter · rows() -> Row
Laws    every filter checks. Values are of the kinds clients send, and of those they should not send
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from strategies.histories import ORDER, _text
from strategies.oddities import _INSTANTS, _NUMBERS, _TEXTS, _VERSIONS

ODD_NAMES = ("a.b", 'q"', "it's", "back\\slash", "ünï", ":String", "^x", "x[]", "100%", "é è", "a\u00a0b", "null", "@x")
_INTEGERS = (2**63 - 1, 2**63, 2**64 - 1, -(2**63), 9_007_199_254_740_993, 2**64, 7, 10**15, 999_999_999)
_FRACTIONS = (
    *(
        "0.30000000000000004",
        "0.3",
        "1e-9",
        "4.9e-10",
        "5e-10",
        "-5e-10",
        "1e-300",
        "19.99",
        "1234567890.1234567",
        "1e15",
    ),
    *("999999.9999999995", "-999999.999999999", "1000000.0000001", "1.5e-9", "-1e-11", "8.000000000250001"),
    *("0.1234567895", "2.0000000005", "1.5e28", "1e29", "9.999999999999999e28", "1e300", "123456789.123456", "-1e29"),
)
NUMBERS = st.one_of(
    st.sampled_from((*_NUMBERS, *_INTEGERS, *map(Decimal, _FRACTIONS))),
    st.integers(-5, 5),
    st.floats(-100, 100).map(lambda value: Decimal(repr(value))),
    st.integers(-400, 400).map(lambda value: Decimal(value) / 100),
)
_SCALARS = st.one_of(
    NUMBERS, st.sampled_from(_TEXTS), st.sampled_from((*_INSTANTS, *_VERSIONS)), st.booleans(), st.none()
)
VALUES = st.one_of(
    _SCALARS,
    _SCALARS,
    st.sampled_from(({"y": 1}, {"y": {"z": "pro"}}, [1, "a"], [], {}, {"y": [5]}, [{"y": 1}], ["a", "b"], [1, 2])),
    st.sampled_from(({"y": True}, {"y": Decimal("1.0")}, {"y": None}, {"z": 2, "y": 1}, {"y": 1, "z": 2}, {"y": "1"})),
)
_PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "x": VALUES,
        "y": VALUES,
        "tag": st.sampled_from((*_TEXTS, 1, None)),
        "n": NUMBERS,
        "m": NUMBERS,
        "version": st.sampled_from((*_VERSIONS, 2)),
        "at": st.sampled_from((*_INSTANTS, 0)),
        **dict.fromkeys(ODD_NAMES, VALUES),
    },
)


@dataclass(frozen=True, slots=True)
class Row:
    """What a filter may read of one event."""

    properties: dict[str, Any]
    context: dict[str, Any]
    profile: dict[str, Any]
    group: dict[str, Any]
    member: bool
    first_seen: int | None
    now: int


_MOMENTS = st.integers(1_774_000_000_000, 1_775_000_000_000)
ROWS = st.builds(Row, _PROPERTIES, _PROPERTIES, _PROPERTIES, _PROPERTIES, st.booleans(), st.none() | _MOMENTS, _MOMENTS)


def _of(*names: str) -> st.SearchStrategy[str]:
    return _text(("", "", "context.", "profile.", "group."), names)


_DYN = _of("x", "y", "x.y", "x.y.z", *(f"`{name}`" for name in ODD_NAMES))
_LITERALS = (
    *("0", "1", "2", "-3", "0.1", "0.3", "2.5", "-2.5", "1234.5", "19.99", "0.123456789", "0.12345679", "2.000000001"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615"),
    *(
        "99999999999999999999999999999",
        "15000000000000000000000000000",
        "0.000000001",
        "-0.000000001",
        "1234567890.123456",
    ),
)
_LITERAL = st.sampled_from(_LITERALS)
_NUMBER = _of("n", "m", "x")
_STRING = st.one_of(
    _of("tag", "x"),
    _of("tag", "x"),
    _text(("lower", "upper"), "(", _of("tag", "x"), ")"),
    st.sampled_from(('"pro"', '""')),
)
_VERSION = _text("semver(", _of("version", "x"), ")") | st.sampled_from(('semver("1.2.3")', 'semver("1.2.3-rc.2")'))
_INSTANT = _text("datetime(", _of("at", "x"), ")") | st.sampled_from(
    ('date("2026-03-29")', 'datetime("2026-03-29T00:30:00Z")', 'datetime("0001-01-02T00:00:00Z")')
)
_DURATION = _text(("ago(", "until("), _INSTANT, (")", ") - 90s", ") + 1d", ") + 99999999999w"))
_UNITS = _text(("seconds(", "minutes(", "hours(", "days("), _DURATION, ")")
_FIGURE = st.recursive(
    st.one_of(_NUMBER, _NUMBER, _text("len(", _STRING, ")"), _UNITS, _LITERAL),
    lambda inner: st.one_of(
        _text("(", inner, (" + ", " - ", " * ", " / "), inner, ")"),
        _text("(", inner, (" / 3)", " * 0.333333333)", " + 0.5)", " * 99999999999999999999)")),
        _text(("abs(", "round(", "-("), inner, ")"),
        _text(("min2(", "max2("), inner, ", ", inner, ")"),
        _text("(", inner, " ?? ", inner, ")"),
        _text("if(", _of("x", "y"), ", ", inner, ", ", inner, ")"),
    ),
    max_leaves=5,
)
_LISTS = ("[1, 2, 0.1]", "[-2.5]", "[0.3]", "[9223372036854775808, 0.123456789]", "[-3, 7, 99999999999999999999]")
_TEST = st.one_of(
    _text(_NUMBER, ORDER, _LITERAL),
    _text(_LITERAL, ORDER, _NUMBER),
    _text(_NUMBER, ORDER, _NUMBER),
    _text(_FIGURE, ORDER, _FIGURE),
    _text("between(", _NUMBER, ", ", _LITERAL, ", ", _NUMBER | _LITERAL, ")"),
    _text("between(", _FIGURE, ", ", _FIGURE, ", ", _FIGURE, ")"),
    _text(_NUMBER | _FIGURE, (" in ", " not in "), _LISTS),
    _text(_DYN, (" == ", " != "), _DYN),
    _text("exists(", _DYN, ")"),
    _text("(", _DYN, " ?? ", _DYN, ") == ", _DYN),
    _text(_STRING, (" == ", " != "), _STRING),
    _text(_STRING, (" in ", " not in "), '["pro", "é", "a\'b"]'),
    _text(("starts_with(", "ends_with(", "contains("), _STRING, ", ", _STRING | st.sampled_from(('""', '"x"')), ")"),
    _text(_VERSION, ORDER, _VERSION),
    _text(_INSTANT, ORDER, _INSTANT),
    _text(_INSTANT, (" + 1d", " - 90s"), ORDER, _INSTANT),
    _text(_DURATION, ORDER, ("1h", "30d", "-(2h)", "-ago(datetime(at))")),
    _text(_UNITS, ORDER, ("0", "1", "-1", "2.5", "30", "-719")),
    _text(("max2", "min2"), "(", _INSTANT, ", ", _INSTANT, ")", ORDER, _INSTANT),
    _text("(", _of("x", "y"), (" == true)", " != false)", " in [true])", " not in [true, false])")),
    _text("segments.vip"),
    _text("exists(", _FIGURE, ")"),
)
FILTERS = st.recursive(
    _TEST,
    lambda inner: st.one_of(
        _text("(", inner, (" && ", " || "), inner, ")"),
        _text("!(", inner, ")"),
        _text("if(", inner, ", ", inner, ", ", inner, ")"),
        _text("((", inner, ") ?? ", inner, ")"),
        _text("exists(", inner, ")"),
    ),
    max_leaves=4,
)
