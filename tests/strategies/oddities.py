"""Histories with every kind of value in them, and definitions that look at all of them: what laws about values need.

Shape   people(place) -> History · definitions() -> [(kind, key, source)], each of which may refer to those before it
Laws    every definition checks; values are of the kinds clients send, and of those they should not send
"""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from builders import make_message
from strategies.histories import (
    ORDER,
    PLACES,
    SPAN,
    TRAILING,
    History,
    _text,
    booleans,
    expressions,
    histories,
    instants,
)

PLACE = st.sampled_from(PLACES)
_TEXTS = ("pro", "Pro", "", "é", "ÀB", "z", "a'b", "\\", "😀", "free", "true", "1", "x" * 1_024, "x" * 1_025)
_VERSIONS = (
    "1.2.3",
    "v1.2",
    "1.10.0",
    "1.2.3-rc.1",
    "1.2.3-rc.11",
    "1.2.3-rc",
    "1.2.3-1",
    "2",
    "1.2.3+b",
    "01.2",
    "1.2.3-01",
)
_INSTANTS = (
    "2026-03-29T00:30:00Z",
    "2026-03-29T02:30:00.123456+01:00",
    "2026-02-10 08:00Z",
    "2024-02-29t12:00:00,5-05:30",
    "2026-02-29T00:00:00Z",
    "2026-03-29T00:30:00",
    "2026-13-01T00:00:00Z",
    "0001-01-01T00:00:00+14",
    "9999-12-31T23:59:59.999-2359",
)
_NUMBERS = (
    *(0, 1, 2, -3, 30, 10**30, -(10**29), 10**29 - 1, Decimal("0.1"), Decimal("1.0"), Decimal("2.5"), Decimal("-2.5")),
    *(Decimal("0.0000000004"), Decimal("0.0000000005"), Decimal("-1234.5"), Decimal("0.123456789123"), Decimal("1e3")),
)
_SCALARS = st.sampled_from((*_NUMBERS, *_TEXTS, *_VERSIONS[:4], *_INSTANTS[:3], True, False, None))
VALUES = st.one_of(
    _SCALARS,
    _SCALARS,
    st.sampled_from(({"y": 1}, {"y": {"z": "pro"}}, [1, "a"], [], {}, {"y": [5]}, [{"y": 1}])),
    st.sampled_from(({"y": True}, {"y": Decimal("1.0")}, {"y": None}, [True, "a"], {"z": 2, "y": 1}, {"y": 1, "z": 2})),
)
_OPTIONAL = {
    "x": VALUES,
    "y": VALUES,
    "tag": st.sampled_from(_TEXTS),
    "n": st.sampled_from(_NUMBERS),
    "version": st.sampled_from(_VERSIONS),
    "at": st.sampled_from(_INSTANTS),
}
PROPERTIES = st.fixed_dictionaries({}, optional=_OPTIONAL)
TRAITS = st.fixed_dictionaries(
    {}, optional={**_OPTIONAL, "plan": st.sampled_from(_TEXTS), "age": st.sampled_from(_NUMBERS)}
)
_GROUP, _CALLS = st.sampled_from(("g1", "g2")), st.sampled_from((0, 0, 1, 3))


@st.composite
def people(draw: st.DrawFn, place: tuple[str, tuple[str, ...]]) -> History:
    """A history in one place, with any value anywhere, and sometimes a group or two."""
    history = draw(histories(place=place, properties=PROPERTIES, traits=TRAITS))
    calls = [
        make_message(
            "",
            draw(instants(history)),
            id=f"g{n}",
            kind="group",
            properties=draw(TRAITS),
            group_id=draw(_GROUP),
        )
        for n in range(draw(_CALLS) if history.edges else 0)
    ]
    messages = sorted((*history.messages, *calls), key=lambda m: m.received_at)
    return replace(history, messages=tuple(messages))


_EVENT = _text(
    "events.",
    ("a", "b", "any", "page"),
    (
        *("", "", "", ".where(x == 1)", ".where(x == y)", '.where(tag in ["pro", "é"])', ".where(n >= 0.1)"),
        *('.where(semver(version) < semver("1.2.3"))', '.where(contains(tag, "x") || exists(x.y))', ".where(!(n > 1))"),
        *('.where(datetime(at) < datetime("2026-03-29T00:30:00Z"))', ".where(x.y == 1)", ".where((n ?? 1) * 2 <= 5)"),
        *('.where(if(tag == "pro", n > 0, exists(y)))', ".where(between(n, -3, 2))", '.where(lower(tag) != "pro")'),
    ),
)


def _of(names: tuple[str, ...], functions: tuple[str, ...]) -> st.SearchStrategy[str]:
    """A property of the profile, or what an aggregate says of one of an event's."""
    aggregates = _text(_EVENT, functions, names, ", ", TRAILING, ")") | _text(_EVENT, functions, names, ")")
    return _text(("profile.", "profile.", "group."), names) | aggregates


_DYN = _of(("x", "y", "x.y"), (".first(", ".last(", ".top("))
_STRING = _text(("", "lower", "upper"), "(", _of(("tag", "x"), (".first(", ".last(", ".top(")), ")")
_NUMBER = st.one_of(
    _of(("n", "x"), (".first(", ".last(", ".top(", ".sum(", ".avg(", ".min(", ".max(", ".unique(", ".p50(", ".p95(")),
    _text(_EVENT, (".sum(n, ", ".avg(n, ", ".min(n, ", ".max(n, "), SPAN, ")"),
    _text(_EVENT, (".count(", ".rate("), SPAN, ")"),
    _text("len(", _STRING, ")"),
)
_VERSION = _text("semver(", _of(("version", "x"), (".first(", ".last(", ".top(")), ")")
_INSTANT = _text("datetime(", _of(("at", "x"), (".first(", ".last(", ".top(")), ")") | _text(
    ("first_seen_at", "last_seen_at", "events.a.last_at", 'date("2026-03-29")', 'datetime("2026-10-25T01:00:00+01:00")')
)
_DURATION = _text(("ago(", "until("), _INSTANT, (")", ") - 90s", ") + 1d"))
_UNITS = _text(("seconds(", "minutes(", "hours(", "days("), _DURATION, ")")
_FIGURE = st.recursive(
    _NUMBER | _UNITS,
    lambda inner: st.one_of(
        _text("(", inner, (" + ", " - ", " * ", " / "), inner, ")"),
        _text("(", inner, (" / 3)", " * 0.333333333)", " + 0.5)", " * 99999999999999999999)")),
        _text(("abs(", "round(", "-("), inner, ")"),
        _text(("min2(", "max2("), inner, ", ", inner, ")"),
        _text("(", inner, " ?? ", inner, ")"),
    ),
    max_leaves=4,
)
_TEST = st.one_of(
    _text(_FIGURE, ORDER, _FIGURE),
    _text("between(", _NUMBER, ", ", _NUMBER, ", ", _NUMBER, ")"),
    _text(_NUMBER, (" in ", " not in "), ("[1, 2, 0.1]", "[-2.5]")),
    _text(_DYN, (" == ", " != "), _DYN),
    _text("exists(", _DYN, ")"),
    _text("(", _DYN, " ?? ", _DYN, ") == ", _DYN),
    _text(_STRING, (" == ", " != "), _STRING),
    _text(_STRING, (" in ", " not in "), '["pro", "é", "a\'b"]'),
    _text(("starts_with(", "ends_with(", "contains("), _STRING, ", ", _STRING | st.sampled_from(('""', '"x"')), ")"),
    _text(_VERSION, ORDER, _VERSION | st.sampled_from(('semver("1.2.3")', 'semver("1.2.3-rc.2")'))),
    _text(_INSTANT, ORDER, _INSTANT),
    _text(_INSTANT, (" + 1d", " - 90s"), ORDER, _INSTANT),
    _text(("ago(", "until("), _INSTANT, ")", ORDER, ("1h", "30d", "ago(first_seen_at)", "-(2h)")),
    _text(_UNITS, ORDER, ("0", "1", "-1", "2.5", "30", "-719")),
    _text("between(", _UNITS, ", -30, 40)"),
    _text(("max2", "min2"), "(", _INSTANT, ", ", _INSTANT, ")", ORDER, _INSTANT),
    _text("(", _of(("x", "flag"), (".last(",)), " == true)"),
)
_RULE = _TEST | booleans()
_COUNT, _HOW, _KIND = st.integers(3, 7), st.integers(0, 2), st.sampled_from(("trait", "segment"))
_VALUE = st.one_of(_FIGURE, _FIGURE, _DYN, _STRING, _VERSION, _INSTANT, expressions())


@st.composite
def definitions(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """A handful of traits and segments, in an order in which each may refer to those before it."""
    found: list[tuple[str, str, str]] = []
    conditions: list[str] = []
    for n in range(draw(_COUNT)):
        if draw(st.booleans()):
            found.append(("trait", f"v{n}", draw(_VALUE)))
            continue
        rule = draw(_RULE)
        if conditions and draw(st.booleans()):
            other = draw(st.sampled_from(conditions))
            ways = (f"{other} && ({rule})", f"!({other}) || ({rule})", f"if({other}, {rule}, exists({other}))")
            rule = ways[draw(_HOW)]
        kind = draw(_KIND)
        found.append((kind, f"d{n}", rule))
        conditions.append(f"traits.d{n}" if kind == "trait" else f"segments.d{n}")
    return found
