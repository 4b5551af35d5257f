"""Trends: measures per bucket of time and group.

Shape   compile_trend(question, world) → Compiled[TrendAnswer]
Laws    `total` measures the range anew and never adds buckets; `other` likewise. A bucket not begun is unknown.
        cumulative: a bucket holds everything since `from` · rolling: the mean of n buckets, those before the range too
Source  docs/reference/analytics-meanings.md "Trend"
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from tinycdp.dsl.values.numbers import number, rounded
from tinycdp.products.analytics.answers.schemas import Before, Group, Line, Number, TrendAnswer
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, earlier, invalid, span_of
from tinycdp.products.analytics.compile.groups import Breakdowns, Cell
from tinycdp.products.analytics.compile.people import unknown_key
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.compile.trends.formula import Formula
from tinycdp.products.analytics.compile.trends.statements import SeriesColumns, check_series, statement, warn_of_sample
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import Series, TrendQuestion

MOST_SERIES = 26
MOST_ROLLING = 366
FORMULA = "formula"

#: The value of each bucket that has one, by its first instant; and of the range, by None.
Values = dict[int | None, int | None]
Found = dict[tuple[Cell, str], Values]


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement of a range: its columns, and whether its rows are buckets, totals or both."""

    statement: Statement
    columns: SeriesColumns


@dataclass(frozen=True, slots=True)
class _Range:
    """The range of the question, or the one that it is compared with.

    extended  its buckets, and for a rolling mean those before it"""

    span: TimeRange
    buckets: Buckets
    extended: Buckets
    parts: tuple[_Part, ...]

    @property
    def begun(self) -> tuple[int, ...]:
        """The first instants of the extended buckets that have begun."""
        return self.extended.starts[: len(self.extended) - len(self.buckets) + self.buckets.begun]

    def found(self, rows: Rows) -> Found:
        """What the rows of its parts say."""
        found: Found = {}
        for part, of_part in zip(self.parts, rows, strict=True):
            for row in of_part:
                cell, bucket = tuple(row[0]), None if row[2] else int(row[1])
                for letter, value in part.columns.values(row[3:]):
                    found.setdefault((cell, letter), {})[bucket] = value
        return found


def compile_trend(question: TrendQuestion, world: World) -> Compiled[TrendAnswer]:
    """The statements of a trend, and what reads them."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    series = resolved(question.series, world)
    letters = ascii_uppercase[: len(series)]
    formula = Formula(question.formula, letters) if question.formula else None
    if not 0 <= question.rolling <= MOST_ROLLING or question.rolling == 1:
        raise invalid("rolling", f"A rolling mean has 2 to {MOST_ROLLING} buckets, not {question.rolling}.")
    if question.rolling and question.cumulative:
        raise invalid("rolling", "Give either `rolling` or `cumulative`.")
    ranges = [_range(question, series, world, span, span)]
    if question.compare:
        ranges.append(_range(question, series, world, earlier(span, world.zone, question.compare), span))
    scan, breakdowns = _scan_of(question, series, world, span)
    names = [(letter, _name(asked)) for letter, asked in zip(letters, series, strict=True)]
    names += [(FORMULA, question.formula)] if formula is not None else []

    def read(rows: Rows) -> TrendAnswer:
        found, at = [], 0
        for one in ranges:
            found.append(one.found(rows[at : at + len(one.parts)]))
            at += len(one.parts)
        cells = _cells(found[0], breakdowns, question)
        lines: list[Line] = []
        for cell in cells:
            group = breakdowns.group_of(cell) if breakdowns else None
            values = [
                _values(question, series, formula, one, each, cell) for one, each in zip(ranges, found, strict=True)
            ]
            for letter, name in names:
                lines.append(_line(letter, name, group, question, ranges, [each[letter] for each in values]))
        return TrendAnswer(buckets=ranges[0].buckets.spans(), lines=tuple(lines), warnings=scan.notices)

    reads = scan.reads()
    first = min(one.extended.edges[0] for one in ranges)
    statements = tuple(part.statement for one in ranges for part in one.parts)
    holds_until = min(one.buckets.holds_until for one in ranges)
    return Compiled(statements, read, replace(reads, since=min(first, span.since)), holds_until)


def resolved(given: Sequence[Series], world: World) -> list[Series]:
    """The series, with saved metrics in place of their keys."""
    if not 1 <= len(given) <= MOST_SERIES:
        raise invalid("series", f"Give 1 to {MOST_SERIES} series, not {len(given)}.")
    found = []
    for n, one in enumerate(given):
        series, path = one, f"series[{n}]"
        if series.metric:
            if series.event or series.where or series.property:
                raise invalid(f"{path}.metric", "A series has either a metric, or an event of its own.")
            if (metric := world.metrics.get(series.metric)) is None:
                raise unknown_key(f"{path}.metric", "metric", series.metric, world.metrics)
            series = replace_name(metric, series.name or series.metric)
        check_series(series, path)
        found.append(series)
    return found


def replace_name(series: Series, name: str) -> Series:
    return Series(series.event, series.where, series.measure, series.property, "", name)


def _scan_of(
    question: TrendQuestion, series: Sequence[Series], world: World, span: TimeRange
) -> tuple[Scan, Breakdowns]:
    """A scan with everything that the question reads: for what it depends on, and its warnings."""
    scan = Scan.of(question, world, span)
    breakdowns = Breakdowns.over(scan, question.breakdown, question.top)
    for n, one in enumerate(series):
        scan.match(one.event, one.where, f"series[{n}]")
        warn_of_sample(scan, question, one, f"series[{n}]")
    if question.unit == "group":
        scan.group_key()
    return scan, breakdowns


def _range(question: TrendQuestion, series: Sequence[Series], world: World, span: TimeRange, main: TimeRange) -> _Range:
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    extended = buckets.before(question.bucket, question.rolling - 1) if question.rolling else buckets
    shapes: list[tuple[TimeRange, Buckets | None, bool]]
    if question.rolling:
        shapes = [(TimeRange(extended.edges[0], span.until), extended, False), (span, None, True)]
    else:
        shapes = [(span, buckets, True)]
    nested = [[n] for n, one in enumerate(series) if not isinstance(one.measure, str)]
    plain = [n for n, one in enumerate(series) if isinstance(one.measure, str)]
    parts = []
    for part_span, part_buckets, total in shapes:
        for chosen in ([plain] if plain else []) + nested:
            made, columns = statement(question, series, chosen, world, part_span, part_buckets, total, main)
            parts.append(_Part(made, columns))
    return _Range(span, buckets, extended, tuple(parts))


def _cells(found: Found, breakdowns: Breakdowns, question: TrendQuestion) -> list[Cell]:
    """The groups of the range; not those that only the buckets before it have."""
    if not breakdowns:
        return [()]
    return sorted(
        {cell for (cell, _), values in found.items() if question.cumulative or None in values}, key=breakdowns.place
    )


def _values(
    question: TrendQuestion, series: Sequence[Series], formula: Formula | None, one: _Range, found: Found, cell: Cell
) -> dict[str, Values]:
    """The values of each line of one group: of the series, and of the formula over them."""
    values: dict[str, Values] = {}
    for letter, asked in zip(ascii_uppercase, series, strict=False):
        values[letter] = _whole(question, asked, one, found.get((cell, letter), {}))
    if formula is not None:
        starts: list[int | None] = [*one.begun, None]
        known = ({letter: of_letter[start] for letter, of_letter in values.items()} for start in starts)
        values[FORMULA] = dict(zip(starts, map(formula.value, known), strict=True))
    if question.rolling:
        return {letter: _rolled(question.rolling, one, of_letter) for letter, of_letter in values.items()}
    return values


def _whole(question: TrendQuestion, asked: Series, one: _Range, given: Values) -> Values:
    """The value of every bucket that has begun, and of the range: of nothing, what the measure says."""
    outer = asked.measure if isinstance(asked.measure, str) else asked.measure.then
    nothing = 0 if outer in {"count", "people", "sum", "distinct"} else None
    found: Values = {}
    last = nothing
    for start in one.begun:
        last = given.get(start, last if question.cumulative else nothing)
        found[start] = last
    found[None] = last if question.cumulative else given.get(None, nothing)
    return found


def _rolled(n: int, one: _Range, values: Values) -> Values:
    """The mean of the known values of each bucket and those before it."""
    starts = one.begun
    means: Values = {None: values[None]}
    for place in range(len(one.extended) - len(one.buckets), len(starts)):
        known = [value for start in starts[place + 1 - n : place + 1] if (value := values[start]) is not None]
        means[starts[place]] = rounded(sum(known), len(known)) if known else None
    return means


def _line(
    letter: str,
    name: str,
    group: Group | None,
    question: TrendQuestion,
    ranges: Sequence[_Range],
    values: Sequence[Values],
) -> Line:
    before = None
    if question.compare:
        then, found = ranges[1], values[1]
        shown = tuple(_number(found.get(start)) for start in then.buckets.starts)
        before = Before(then.buckets.spans(), shown, _number(found[None]))
    shown = tuple(_number(values[0].get(start)) for start in ranges[0].buckets.starts)
    return Line(letter, name, group, shown, _number(values[0][None]), before)


def _number(scaled: int | None) -> Number:
    return None if scaled is None else number(scaled)  # type: ignore[return-value]


def _name(series: Series) -> str:
    if series.name:
        return series.name
    event = series.event if isinstance(series.event, str) else series.event.derived or "any"
    if isinstance(series.measure, str):
        measure = f"{series.measure} of {series.property}" if series.property else series.measure
    else:
        measure = f"{series.measure.then} of {series.measure.per_person} per person"
    return event if measure == "count" else f"{event}: {measure}"
