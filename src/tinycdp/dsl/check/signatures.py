"""Signatures of aggregates and functions: the tables that `check` reads.

Shape   AGGREGATES: name → what may follow `events.x.`; FUNCTIONS: name → what can be called with values
Laws    every name here is in SPEC.md; a test checks it
Source  dsl/SPEC.md "Aggregates", "Functions"
"""

from dataclasses import dataclass
from typing import Literal

from tinycdp.dsl.ir import Family, Type
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

MIN_WINDOW_MS = MINUTE_MS
MAX_WINDOW_MS = 400 * DAY_MS
MAX_UNIQUE = 1_000

UNITS_AGO_MS = {"minutes": MINUTE_MS, "hours": HOUR_MS, "days": DAY_MS}
#: The functions that count the whole units of a duration.
DURATION_UNITS_MS = {"seconds": SECOND_MS, **UNITS_AGO_MS}


@dataclass(frozen=True, slots=True)
class AggregateShape:
    """The signature of one aggregate.

    usage     how to write it, for messages
    function  the function of the AggregateRead
    type      the result's type; None means the type of the property
    takes     whether the first argument is a property of the event
    window    optional (lifetime if omitted), required, none, or days (whole local days)
    nullable  whether the result is unknown if no event is found
    ranged    whether the window may be a range a..b
    unit_ms   `…_ago` only: the unit counted
    quantile  pNN only, as text; percentile takes it as an argument
    """

    usage: str
    function: str
    family: Family
    type: Type | None
    takes: bool = False
    window: Literal["optional", "required", "none", "days"] = "optional"
    nullable: bool = False
    ranged: bool = True
    unit_ms: int | None = None
    quantile: str | None = None


def _aggregates() -> dict[str, AggregateShape]:
    table = {
        "count": AggregateShape("count(30d)", "count", Family.COUNT, Type.NUMBER),
        "exists": AggregateShape("exists(30d)", "exists", Family.COUNT, Type.BOOL),
        "rate": AggregateShape("rate(30d)", "rate", Family.COUNT, Type.NUMBER, window="required"),
        "sum": AggregateShape("sum(amount, 30d)", "sum", Family.NUMBER, Type.NUMBER, takes=True),
        "unique": AggregateShape("unique(sku, 30d)", "unique", Family.UNIQUE, Type.NUMBER, takes=True, ranged=False),
        "first": AggregateShape(
            "first(plan, 30d)", "first", Family.FIRST, None, takes=True, nullable=True, ranged=False
        ),
        "top": AggregateShape("top(plan, 30d)", "top", Family.TOP, None, takes=True, nullable=True, ranged=False),
        "unique_days": AggregateShape("unique_days(14d)", "unique_days", Family.DAYS, Type.NUMBER, window="days"),
        "streak_days": AggregateShape("streak_days", "streak_days", Family.DAYS, Type.NUMBER, window="none"),
    }
    for name in ("avg", "min", "max"):
        table[name] = AggregateShape(
            f"{name}(amount, 30d)", name, Family.NUMBER, Type.NUMBER, takes=True, nullable=True
        )
    quantiles = {"percentile": None, "p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99"}
    for name, quantile in quantiles.items():
        usage = f"{name}(amount, 30d)" if quantile else "percentile(amount, 0.75, 30d)"
        table[name] = AggregateShape(
            usage,
            "percentile",
            Family.HISTOGRAM,
            Type.NUMBER,
            takes=True,
            nullable=True,
            ranged=False,
            quantile=quantile,
        )
    for which, family in (("first", Family.FIRST), ("last", Family.LAST)):
        table[which] = AggregateShape(
            f"{which}(plan, 30d)", which, family, None, takes=True, nullable=True, ranged=False
        )
        instant = f"{which}_at"
        table[instant] = AggregateShape(instant, instant, Family.SPAN, Type.DATETIME, window="none", nullable=True)
        for unit, unit_ms in UNITS_AGO_MS.items():
            ago = f"{which}_{unit}_ago"
            table[ago] = AggregateShape(
                ago, instant, Family.SPAN, Type.NUMBER, window="none", nullable=True, unit_ms=unit_ms
            )
    return table


AGGREGATES = _aggregates()

#: `first_seen_at`, `last_seen_minutes_ago` …: which message, and the unit counted; None for the instant itself.
SEEN: dict[str, tuple[str, int | None]] = {
    f"{which}_seen_{form}": (which, unit_ms)
    for which in ("first", "last")
    for form, unit_ms in [("at", None), *((f"{unit}_ago", ms) for unit, ms in UNITS_AGO_MS.items())]
}


@dataclass(frozen=True, slots=True)
class FunctionShape:
    """The signature of one function with fixed types.

    Its result is unknown if an argument is unknown."""

    usage: str
    parameters: tuple[Type, ...]
    type: Type


FUNCTIONS: dict[str, FunctionShape] = {
    "lower": FunctionShape("lower(text)", (Type.STRING,), Type.STRING),
    "upper": FunctionShape("upper(text)", (Type.STRING,), Type.STRING),
    "starts_with": FunctionShape("starts_with(text, start)", (Type.STRING, Type.STRING), Type.BOOL),
    "ends_with": FunctionShape("ends_with(text, end)", (Type.STRING, Type.STRING), Type.BOOL),
    "contains": FunctionShape("contains(text, part)", (Type.STRING, Type.STRING), Type.BOOL),
    "len": FunctionShape("len(text)", (Type.STRING,), Type.NUMBER),
    "abs": FunctionShape("abs(number)", (Type.NUMBER,), Type.NUMBER),
    "round": FunctionShape("round(number)", (Type.NUMBER,), Type.NUMBER),
    "semver": FunctionShape('semver("2.10.0")', (Type.STRING,), Type.VERSION),
    "datetime": FunctionShape('datetime("2026-01-01T00:00:00Z")', (Type.STRING,), Type.DATETIME),
    "date": FunctionShape('date("2026-01-01")', (Type.STRING,), Type.DATETIME),
    "ago": FunctionShape("ago(instant)", (Type.DATETIME,), Type.DURATION),
    "until": FunctionShape("until(instant)", (Type.DATETIME,), Type.DURATION),
    **{unit: FunctionShape(f"{unit}(duration)", (Type.DURATION,), Type.NUMBER) for unit in DURATION_UNITS_MS},
}

#: Functions whose types depend on their arguments: usage, and number of arguments.
GENERIC: dict[str, tuple[str, int]] = {
    "exists": ("exists(value)", 1),
    "if": ("if(condition, then, else)", 3),
    "min2": ("min2(a, b)", 2),
    "max2": ("max2(a, b)", 2),
    "between": ("between(value, low, high)", 3),
}

#: Written like functions with one text argument, but read as references.
REFERENCES = ("trait", "segment", "flag")
ROOTS = ("profile", "events", "traits", "segments", "context", "group")
NULLS = frozenset({"null", "NULL", "Null", "None", "none", "nil", "undefined"})

#: Types with an order.
ORDERED = frozenset({Type.NUMBER, Type.DATETIME, Type.DURATION, Type.VERSION})

SPOKEN = {
    Type.BOOL: "true or false",
    Type.NUMBER: "a number",
    Type.STRING: "a string",
    Type.DATETIME: "an instant",
    Type.DURATION: "a duration",
    Type.VERSION: "a version",
    Type.LIST: "a list",
    Type.DYN: "of an undeclared type",
}
