"""The SQL of a trend: one statement over one range.

Shape   statement(…) → rows of (group, bucket, is it a total, aggregates …), and SeriesColumns, which reads these
Laws    buckets and their total come from one pass: states of aggregates are merged, never numbers added.
        A nested measure is a number per unit first; cumulative, each event counts in its bucket and all later ones.
        Over a sample of people, what adds up over people is scaled; what does not, and is no mean or percentile, warns
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.dsl.sql.clickhouse import Parameters
from tinycdp.dsl.sql.clickhouse.values import arithmetic
from tinycdp.products.analytics.answers.scaling import MILLION
from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, invalid
from tinycdp.products.analytics.compile.groups import Breakdowns
from tinycdp.products.analytics.compile.measures import (
    OF_PROPERTY,
    PER_PERSON,
    THEN,
    AggregateCall,
    Measured,
    check_measure,
    counted,
    distinct,
    of_numbers,
    people,
    per_person,
)
from tinycdp.products.analytics.compile.people import names_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Statement, indented, listed
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import PerPerson, Series, TrendQuestion

MEASURES = ("count", "people", "per_person", *OF_PROPERTY)
_WITHOUT_PROPERTY = frozenset({"count", "people", "per_person"})
_SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class SeriesColumns:
    """The aggregates of a statement, by the letters of their series."""

    measured: tuple[tuple[str, Measured], ...]

    def values(self, cells: Sequence[Any]) -> Iterator[tuple[str, int | None]]:
        """The number of each series, from the aggregates of a row."""
        at = 0
        for letter, one in self.measured:
            yield letter, one.value(cells[at : at + len(one.columns)])
            at += len(one.columns)


def check_series(series: Series, path: str) -> None:
    """Raise if the measure does not exist, or lacks its property."""
    if isinstance(series.measure, PerPerson):
        inner = series.measure.per_person
        check_measure(inner, f"{path}.measure.perPerson", among=PER_PERSON)
        check_measure(series.measure.then, f"{path}.measure.then", among=THEN)
    else:
        inner = series.measure
        check_measure(inner, f"{path}.measure", among=MEASURES)
    if inner in _WITHOUT_PROPERTY:
        if series.property:
            raise invalid(f"{path}.property", f"The measure {inner!r} is of no property.")
    elif not series.property:
        raise invalid(f"{path}.property", f"The measure {inner!r} needs a property.")


def statement(
    question: TrendQuestion,
    series: Sequence[Series],
    chosen: Sequence[int],
    world: World,
    span: TimeRange,
    buckets: Buckets | None,
    total: bool,
    main: TimeRange,
) -> tuple[Statement, SeriesColumns]:
    """The statement for some series over one range.

    buckets  None for the total alone
    main     the range whose totals say which groups are shown"""
    parameters = Parameters()
    scan = Scan.of(question, world, span, parameters)
    scan.in_sessions = question.unit == "session"
    breakdowns = Breakdowns.over(scan, question.breakdown, question.top)
    # The groups are those of all series, in the order of the first one.
    wanted = set(range(len(series))) if breakdowns else set(chosen)
    asked = [_Asked.over(scan, question, one, n) for n, one in enumerate(series) if n in wanted]
    mine = [one for one in asked if one.number in chosen]
    group = breakdowns.number(_SHOWN) if breakdowns else ""
    bucket = "0"
    if buckets is not None:
        bucket = f"roundDown(at, {parameters.wholes(buckets.starts)})"
    if mine[0].then:
        body = _nested(scan, mine[0], group, bucket, buckets, total, question.cumulative)
    elif question.cumulative:
        body = _running(scan, mine, group, bucket)
    else:
        body = _plain(scan, mine, group, bucket, buckets, total)
    columns = SeriesColumns(tuple((chr(ord("A") + one.number), one.outer) for one in mine))
    cell, shown = "[]", ""
    if breakdowns:
        cell = breakdowns.cell("g", _SHOWN)
        shown = f"WITH {breakdowns.listed(_top(scan, breakdowns, asked[0], main))} AS {_SHOWN}\n"
    aggregates = [f"a{n}" for n in range(sum(len(one.outer.columns) for one in mine))]
    sql = f"{shown}SELECT {cell} AS cell, bucket, is_total, {', '.join(aggregates)}\nFROM (\n  {indented(body)}\n)"
    return Statement(sql, parameters.values), columns


@dataclass(frozen=True, slots=True)
class _Asked:
    """One series over a scan: its aggregates over events, or over people if it has `then`.

    inner  SQL of the number of one unit, over the events of that unit; condition says which those are"""

    number: int
    outer: Measured
    then: str = ""
    inner: str = ""
    unit: str = ""
    condition: str = ""

    @classmethod
    def over(cls, scan: Scan, question: TrendQuestion, series: Series, number: int) -> "_Asked":
        path = f"series[{number}]"
        condition = scan.match(series.event, series.where, path)
        approximate = question.approximate
        if isinstance(series.measure, PerPerson):
            inner = _of_one_unit(scan, series, series.measure.per_person, condition, path)
            then = series.measure.then
            unit = _nullable_unit(scan, question.unit)
            inner = f"if(isNull(unit), NULL, {inner})"
            outer = _to_all(scan, of_numbers(then, "x", "", approximate=approximate), question, series)
            return cls(number, outer, then, inner, unit, condition)
        match series.measure:
            case "count":
                measured = counted(condition)
            case "people" | "per_person":
                unit, with_unit = _unit(scan, question.unit, condition)
                if series.measure == "people":
                    measured = people(unit, with_unit, approximate=approximate)
                else:
                    measured = per_person(unit, with_unit, approximate=approximate)
            case "distinct":
                scalar = scan.scalar(scan.event_property(names_of(series.property, f"{path}.property")))
                measured = distinct(scalar, condition, approximate=approximate)
            case measure:
                value = scan.number(series.property, f"{path}.property")
                measured = of_numbers(measure, value, condition, approximate=approximate)
        return cls(number, _to_all(scan, measured, question, series))

    def total(self) -> str:
        """SQL of the number over all rows, to order groups by: NULL if unknown."""
        columns = [column.sql() for column in self.outer.columns]
        match len(columns):
            case 1:
                return columns[0]
            case _ if self.outer.is_quotient:
                return arithmetic("/", f"toDecimal256({columns[0]}, 9)", f"toDecimal256({columns[1]}, 9)")
            case _:
                return f"if({columns[1]} = 0, NULL, {columns[0]})"


def _is_sum(question: TrendQuestion, series: Series) -> bool:
    """Whether a measure adds up over people. A group is there if one of its people is, so groups do not."""
    nested = isinstance(series.measure, PerPerson)
    inner, outer = (series.measure.per_person, series.measure.then) if nested else ("", series.measure)  # type: ignore[union-attr]
    if question.unit == "group":
        return outer in {"count", "sum"} and inner in {"", "count", "sum"}
    return outer in {"count", "sum", "people"}


def _to_all(scan: Scan, measured: Measured, question: TrendQuestion, series: Series) -> Measured:
    """Over a sample of people, a measure as it is of all of them."""
    if scan.sample == MILLION or not _is_sum(question, series):
        return measured
    return measured.scaled(scan.sample, whole=series.measure in {"count", "people"})


def warn_of_sample(scan: Scan, question: TrendQuestion, series: Series, path: str) -> None:
    """Say that a measure is that of the sample, where it cannot be one of all people."""
    outer = series.measure.then if isinstance(series.measure, PerPerson) else series.measure
    of_groups = question.unit == "group" and not _is_sum(question, series)
    if scan.sample < MILLION and (of_groups or outer in {"distinct", "min", "max"}):
        message = f"The measure {outer!r} is that of the sampled people, and is not scaled."
        scan.warnings[f"{path}.measure", message] = Notice(f"{path}.measure", message)


def _unit(scan: Scan, unit: str, condition: str) -> tuple[str, str]:
    """What is counted, and for which events: those that have a unit."""
    match unit:
        case "group":
            group = scan.group_key()
            return f"assumeNotNull({group})", f"({condition}) AND isNotNull({group})"
        case "session":
            return "session", f"({condition}) AND {scan.column('e.active')}"
        case _:
            return "person", condition


def _nullable_unit(scan: Scan, unit: str) -> str:
    """What a number is computed for; NULL for an event without."""
    match unit:
        case "group":
            return scan.group_key()
        case "session":
            return f"if({scan.column('e.active')}, toString(session), NULL)"
        case _:
            return "toNullable(person)"


def _of_one_unit(scan: Scan, series: Series, measure: str, condition: str, path: str) -> str:
    """A Nullable decimal: the measure over the events of one unit."""
    if measure == "count":
        return f"toNullable(toDecimal128(countIf({condition}), 9))"
    if measure == "distinct":
        scalar = scan.scalar(scan.event_property(names_of(series.property, f"{path}.property")))
        return f"toNullable(toDecimal128({distinct(scalar, condition).columns[0].sql()}, 9))"
    value = scan.number(series.property, f"{path}.property")
    found = of_numbers(measure, value, condition).columns
    if measure == "sum":
        return f"toNullable({_bounded(found[0].sql())})"
    if measure == "avg":
        return arithmetic("/", found[0].sql(), f"toDecimal256({found[1].sql()}, 9)")
    return f"if({found[1].sql()} = 0, NULL, {found[0].sql()})"


def _bounded(sql: str) -> str:
    return arithmetic("+", sql, "toDecimal256(0, 9)")


def _rows(scan: Scan, group: str, bucket: str) -> str:
    grouped = [f"{group} AS g"] if group else []
    return f"SELECT {', '.join(['*', *grouped, f'{bucket} AS bucket'])}\nFROM {scan.source()}"


def _keys(group: str, *keys: str) -> list[str]:
    return ["g", *keys] if group else [*keys]


def _plain(scan: Scan, asked: Sequence[_Asked], group: str, bucket: str, buckets: Buckets | None, total: bool) -> str:
    rolled = buckets is not None and total
    keys = ", ".join(_keys(group, "bucket"))
    is_total = "grouping(bucket) = 1" if rolled else ("false" if buckets is not None else "true")
    columns = [f"{column.sql()} AS a{n}" for n, column in enumerate(c for one in asked for c in one.outer.columns)]
    having = "\nHAVING grouping(g) = 0" if rolled and group else ""
    return (
        f"SELECT {listed([*_keys(group, 'bucket'), f'{is_total} AS is_total', *columns])}\n"
        f"FROM (\n  {indented(_rows(scan, group, bucket))}\n)\n"
        f"GROUP BY {f'ROLLUP({keys})' if rolled else keys}{having}"
    )


def _running(scan: Scan, asked: Sequence[_Asked], group: str, bucket: str) -> str:
    aggregates: list[AggregateCall] = [column for one in asked for column in one.outer.columns]
    states = [f"{column.sql('State')} AS s{n}" for n, column in enumerate(aggregates)]
    merged = [f"{column.merge(f's{n}')} OVER since AS a{n}" for n, column in enumerate(aggregates)]
    keys = _keys(group, "bucket")
    each = "PARTITION BY g " if group else ""
    return (
        f"SELECT {listed([*keys, 'false AS is_total', *merged])}\nFROM (\n"
        f"  SELECT {indented(listed([*keys, *states]))}\n"
        f"  FROM (\n    {indented(_rows(scan, group, bucket), 4)}\n  )\n  GROUP BY {', '.join(keys)}\n)\n"
        f"WINDOW since AS ({each}ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )


def _nested(
    scan: Scan, asked: _Asked, group: str, bucket: str, buckets: Buckets | None, total: bool, cumulative: bool
) -> str:
    if cumulative and buckets is not None:
        starts = scan.parameters.wholes(buckets.starts)
        bucket = f"arrayJoin(arrayFilter(edge -> edge >= {bucket}, {starts}))"
        total = False
    keys = _keys(group, "bucket")
    sets = [f"({', '.join(_keys(group, 'unit', 'bucket'))})"]
    sets += [f"({', '.join(_keys(group, 'unit'))})"] if total and buckets is not None else []
    is_total = "grouping(bucket) = 1" if buckets is not None else "true"
    columns = [f"{column.sql()} AS a{n}" for n, column in enumerate(asked.outer.columns)]
    inner = [*keys, f"{is_total} AS is_total", f"{asked.unit} AS unit", f"{asked.inner} AS x"]
    return (
        f"SELECT {listed([*keys, 'is_total', *columns])}\nFROM (\n"
        f"  SELECT {', '.join(inner)}\n"
        f"  FROM (\n    {indented(_rows(scan, group, bucket), 4)}\n  )\n  WHERE {asked.condition}\n"
        f"  GROUP BY GROUPING SETS ({', '.join(sets)})\n)\n"
        f"GROUP BY {', '.join([*keys, 'is_total'])}"
    )


def _top(scan: Scan, breakdowns: Breakdowns, first: _Asked, main: TimeRange) -> str:
    """The groups that are shown: key, and k, an array of scalars."""
    rows = f"SELECT *, {breakdowns.key} AS key\nFROM {scan.source(main)}"
    known = f"(\n  {indented(rows)}\n)\nWHERE key != ''"
    value, k = first.total(), breakdowns.scalars("key")
    if first.then:
        # A group without such events is there, and comes last.
        number = f"if(countIf({first.condition}) = 0, NULL, {first.inner})"
        of_unit = f"SELECT key, {k} AS of_unit, {first.unit} AS unit, {number} AS x\nFROM {known}\nGROUP BY key, unit"
        known, k = f"(\n  {indented(of_unit)}\n)", "any(of_unit)"
    return (
        f"SELECT key, {k} AS k\nFROM {known}\nGROUP BY key\n"
        f"ORDER BY {value} DESC NULLS LAST, {breakdowns.order('k')} LIMIT {breakdowns.top}"
    )


def counting_one(
    question: TrendQuestion,
    series: Sequence[Series],
    n: int,
    world: World,
    parameters: Parameters,
    main: TimeRange,
    counted: TimeRange,
) -> tuple[str, str, Breakdowns]:
    """The events that one series counts in a span: a statement with person and k; and the table of groups shown.

    k is the group of the event: an array of its scalars; empty if one of them is unknown."""
    scan = Scan.of(question, world, main, parameters)
    scan.in_sessions = question.unit == "session"
    breakdowns = Breakdowns.over(scan, question.breakdown, question.top)
    first = _Asked.over(scan, question, series[0], 0)
    one, path = series[n], f"series[{n}]"
    condition = scan.match(one.event, one.where, path)
    if not isinstance(one.measure, str) or one.measure in {"people", "per_person"}:
        condition = f"({condition}) AND isNotNull({_nullable_unit(scan, question.unit)})"
    if one.property:
        measure = one.measure if isinstance(one.measure, str) else one.measure.per_person
        names = names_of(one.property, f"{path}.property")
        known = scan.scalar(scan.event_property(names)) if measure == "distinct" else scan.number(one.property, path)
        condition += f" AND isNotNull({known})"
    scalars = [f"assumeNotNull({column})" for column in breakdowns.columns]
    k = f"if({breakdowns.key} = '', [], [{', '.join(scalars)}])" if breakdowns else "[]"
    events = f"SELECT person, {k} AS k\nFROM {scan.source(counted)}\nWHERE {condition}"
    shown = f"(SELECT k FROM (\n{_top(scan, breakdowns, first, main)}\n))" if breakdowns else ""
    return events, shown, breakdowns
