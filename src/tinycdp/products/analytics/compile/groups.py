"""Breakdowns: the group of a row, the groups that are shown, and the rest.

Shape   Breakdowns(scan, question's breakdown, top): `key` is the group of a row as a text; number(…) is its place among
        the groups that are shown, and cell(…) the group at a place · group_of(cell) reads it
Laws    the top groups are those with the greatest total, ties in the order of values. `other` is measured anew over
        the rest. A row with an unknown value is in the group `unknown`, and in neither of them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from tinycdp.dsl.sql.clickhouse import JsonValue, scalar_order
from tinycdp.dsl.sql.clickhouse.reads import read_scalar
from tinycdp.products.analytics.answers.schemas import Group
from tinycdp.products.analytics.compile.calendar import invalid
from tinycdp.products.analytics.compile.people import names_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import indented, listed
from tinycdp.products.analytics.questions.schemas import Breakdown

MOST_BREAKDOWNS = 3
MOST_GROUPS = 1_000
#: A group as a statement gives it: its scalars; () without a breakdown.
Cell = tuple[str, ...]

_KINDS = ("property", "profile", "group", "context", "segment")

#: The group of a row that the answer does not show by itself, and of one that has none.
OTHER, UNKNOWN = "other", "unknown"


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """The breakdowns of a question, over a scan.

    columns  of the scan, one per breakdown: a scalar, NULL if unknown
    bins     of each breakdown, the texts of its ranges; empty without bins"""

    columns: tuple[str, ...]
    bins: tuple[tuple[str, ...], ...]
    top: int

    @classmethod
    def over(cls, scan: Scan, given: Breakdown | Sequence[Breakdown], top: int) -> "Breakdowns":
        """The breakdowns of a question, whose columns are added to the scan."""
        breakdowns = (given,) if isinstance(given, Breakdown) else tuple(given)
        if len(breakdowns) > MOST_BREAKDOWNS:
            raise invalid("breakdown", f"At most {MOST_BREAKDOWNS} breakdowns; these are {len(breakdowns)}.")
        check_top(top)
        columns, bins = [], []
        for n, breakdown in enumerate(breakdowns):
            path = "breakdown" if isinstance(given, Breakdown) else f"breakdown[{n}]"
            columns.append(_column(scan, breakdown, path))
            bins.append(_labels(breakdown.bins))
        return cls(tuple(columns), tuple(bins), top)

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def key(self) -> str:
        """The group of a row as one text, other groups having others; empty if a value is unknown.

        A text groups faster than an array. Of several values each says how long it is."""
        if len(self.columns) == 1:
            return f"ifNull({self.columns[0]}, '')"
        known = " AND ".join(f"isNotNull({column})" for column in self.columns)
        parts = ", ".join(f"toString(length({column})), ':', {column}" for column in self.columns)
        return f"if({known}, assumeNotNull(concat({parts})), '')"

    def scalars(self, key: str) -> str:
        """The group of known rows as an array of its scalars, in an aggregation by the key."""
        if len(self.columns) == 1:
            return f"[{key}]"
        return "[" + ", ".join(f"any(assumeNotNull({column}))" for column in self.columns) + "]"

    def order(self, key: str) -> str:
        """What to order groups by: by their values."""
        return ", ".join(scalar_order(f"{key}[{n + 1}]") for n in range(len(self.columns)))

    def listed(self, top: str) -> str:
        """The groups that are shown, as a scalar: their keys, and their cells. `top` is a table of key and k."""
        return f"(SELECT (groupArray(key), groupArray(k)) FROM (\n  {indented(top)}\n))"

    def number(self, listed: str) -> str:
        """The place of a row's group in a list of `listed`; 0 for the rest, -1 if it is unknown.

        So events are grouped by a number, and the list is made once."""
        places = f"arrayMap(place -> toInt32(place), arrayEnumerate({listed}.1))"
        return f"transform({self.key}, arrayPushBack({listed}.1, ''), arrayPushBack({places}, -1), toInt32(0))"

    @staticmethod
    def cell(number: str, listed: str) -> str:
        """The group at a place."""
        return f"multiIf({number} > 0, {listed}.2[{number}], {number} = 0, ['{OTHER}'], ['{UNKNOWN}'])"

    def group_of(self, cell: Sequence[str]) -> Group:
        """The group that a cell of `shown` says."""
        if list(cell) == [UNKNOWN]:
            return Group("unknown")
        if list(cell) == [OTHER]:
            return Group("other")
        values = (read_scalar(scalar) for scalar in cell)
        return Group(
            "value",
            tuple(bins[int(value)] if bins else value for value, bins in zip(values, self.bins, strict=True)),
        )

    def place(self, cell: Sequence[str]) -> tuple[int, list[tuple[int, Decimal, str]]]:
        """Sorts cells: values, then other, then unknown."""
        if list(cell) == [UNKNOWN]:
            return (2, [])
        if list(cell) == [OTHER]:
            return (1, [])
        return (0, [scalar_place(scalar) for scalar in cell])


def check_top(top: int) -> None:
    """Raise unless so many groups can be shown."""
    if not 1 <= top <= MOST_GROUPS:
        raise invalid("top", f"Between 1 and {MOST_GROUPS:,} can be shown, not {top}.")


def scalar_place(scalar: str) -> tuple[int, Decimal, str]:
    """Sorts scalars as `scalar_order` does: numbers, false, true, texts."""
    if scalar.startswith("#"):
        return (0, Decimal(scalar[1:]), "")
    return (2 if scalar.startswith('"') else 1, Decimal(0), scalar)


def _column(scan: Scan, breakdown: Breakdown, path: str) -> str:
    given = [kind for kind in _KINDS if getattr(breakdown, kind)]
    if len(given) != 1:
        raise invalid(path, f"Give exactly one of {', '.join(_KINDS)}.")
    kind = given[0]
    dotted: str = getattr(breakdown, kind)
    if kind == "segment":
        if breakdown.bins:
            raise invalid(f"{path}.bins", "A segment has no bins.")
        inside = (
            scan.inside(dotted, f"{path}.segment")
            if breakdown.at == "event"
            else scan.inside_now(dotted, f"{path}.segment")
        )
        return scan.column(f"toNullable(if({inside}, '?true', '?false'))")
    names = names_of(dotted, f"{path}.{kind}")
    value = _value(scan, kind, names, breakdown.at)
    if not breakdown.bins:
        return scan.scalar(value)
    edges = [*breakdown.bins]
    if edges != sorted(set(edges)):
        raise invalid(f"{path}.bins", "The edges of bins rise from one to the next.")
    number = value.number()
    listed = ", ".join(scan.parameters.number(edge) for edge in edges)
    return scan.column(
        f"if(isNull({number}), NULL, concat('#', toString(arrayCount(edge -> edge <= {number}, [{listed}]))))"
    )


def _value(scan: Scan, kind: str, names: tuple[str, ...], at: str) -> JsonValue:
    match kind:
        case "property":
            return scan.event_property(names)
        case "context":
            return scan.context(names)
        case "profile":
            return scan.said(names) if at == "event" else scan.property_now(names)
        case _:
            return scan.group_trait(names)


def _labels(edges: Sequence[Decimal]) -> tuple[str, ...]:
    """What the ranges between edges are called."""
    if not edges:
        return ()
    texts = [format(edge, "f") for edge in edges]
    between = [f"{low} to {high}" for low, high in pairwise(texts)]
    return (f"below {texts[0]}", *between, f"{texts[-1]} and above")


def ranked(breakdowns: Breakdowns, table: str, key: str, total: str, aggregates: Sequence[tuple[str, str, str]]) -> str:
    """A row per group and key with aggregates, the groups being those that are shown.

    One pass over the rows: other is merged from the states of its groups.

    table       has the key; with a breakdown also k, the group of a row. Rows of the key 0 are of the whole range
    total       an aggregate of the whole range; the groups that are shown have the greatest
    aggregates  name, parameters in parentheses, and arguments of each"""
    if not breakdowns:
        plain = [f"{name}{given}({arguments}) AS a{n}" for n, (name, given, arguments) in enumerate(aggregates)]
        return f"SELECT {listed(['[] AS g', key, *plain])}\nFROM (\n{table}\n)\nGROUP BY {key}"
    states = [f"{name}State{given}({arguments}) AS s{n}" for n, (name, given, arguments) in enumerate(aggregates)]
    merged = [f"{name}Merge{given}(s{n}) AS a{n}" for n, (name, given, _) in enumerate(aggregates)]
    here = f"if({key} = 0, {total}, 0) AS here"
    grouped = f"SELECT {listed(['k', key, here, *states])}\nFROM (\n{table}\n)\nGROUP BY k, {key}"
    totals = f"SELECT *, max(here) OVER (PARTITION BY k) AS total\nFROM (\n{grouped}\n)"
    order = f"empty(k), total DESC, {breakdowns.order('k')}"
    places = f"SELECT *, dense_rank() OVER (ORDER BY {order}) AS place\nFROM (\n{totals}\n)"
    shown = f"multiIf(empty(k), ['{UNKNOWN}'], place <= {breakdowns.top}, k, ['{OTHER}']) AS g"
    return f"SELECT {listed([shown, key, *merged])}\nFROM (\n{places}\n)\nGROUP BY g, {key}"
