"""Trends: measures of the events of each bucket, of each group, and of the whole range.

Laws    `total` measures the range. `cumulative` measures from the range's start to the bucket's end. `rolling: n` is
        the mean of the bucket's value and those of the n − 1 before it, each measured whole at its start, also before
        the range; unknown if one of them is. `formula` is computed from the values that are shown, as the language
        computes. The top groups are those of the range asked for, also in the range compared with; `other` and the
        unknown group are there if anything that is measured is in them. `per_person` counts events that have a unit
"""

import ast
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from string import ascii_uppercase

from analytics_oracle.breakdowns import Cell, Division, breakdowns_of, cell_of, divide
from analytics_oracle.calendar import Bucket, Range, before, buckets, range_of, start_before, start_of
from analytics_oracle.filters import is_person, matches
from analytics_oracle.sessions import GAP, sessions_of
from analytics_oracle.values import exact, mean, measure, ratio, value_at
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import Before, Group, Line, TrendAnswer
from tinycdp.products.analytics.questions.schemas import PerPerson, Series, TrendQuestion

#: An event, the unit it counts for (None: it counts for no unit) and its cell.
Seen = tuple[RawEvent, object, Cell | None]
Number = Decimal | None


def trend(world: World, question: TrendQuestion) -> TrendAnswer:
    asked = range_of(question, world)
    series = [_events(world, question, one) for one in question.series]
    ranges = [asked, *([before(asked, question.compare, world.zone)] if question.compare else [])]
    division = _division(world, question, series, ranges)
    spans = buckets(asked, question.bucket, world)
    now = _lines(world, question, series, division, asked)
    then = None
    if question.compare:
        earlier = ranges[1]
        then = _lines(world, question, series, division, earlier)
        earlier_spans = tuple(bucket.span(world.zone) for bucket in buckets(earlier, question.bucket, world))
    lines = []
    for place, (letter, name, group, values, total) in enumerate(now):
        compared = Before(earlier_spans, then[place][3], then[place][4]) if then is not None else None
        lines.append(Line(letter, name, group, values, total, compared))
    return TrendAnswer(buckets=tuple(bucket.span(world.zone) for bucket in spans), lines=tuple(lines))


def _events(world: World, question: TrendQuestion, series: Series) -> list[Seen]:
    """The events of one series, ever."""
    breakdowns = breakdowns_of(question)
    found: list[Seen] = []
    for profile, history in world.histories.items():
        if is_person(profile, question.people, world):
            unit = _units(world, profile, question.unit)
            found += [
                (event, unit(event), cell_of(event, breakdowns, world))
                for event in history
                if matches(event, series.event, series.where, world)
            ]
    return found


def _units(world: World, profile: int, unit: str) -> Callable[[RawEvent], object]:
    """What each of a person's events counts for."""
    if unit == "person":
        return lambda event: profile
    if unit == "group":
        return lambda event: world.person(profile).group
    sessions = {
        event.id: (profile, n) for n, session in enumerate(sessions_of(profile, GAP, world)) for event in session
    }
    return lambda event: sessions.get(event.id)


def _division(world: World, question: TrendQuestion, series: list[list[Seen]], ranges: list[Range]) -> Division:
    """The top groups of the first range; other and unknown, if anything that is measured in any range is in them."""
    if not breakdowns_of(question):
        return Division(divided=False)
    asked, first = ranges[0], question.series[0]
    cells = {cell for seen in series for event, _, cell in seen if asked.has(event.occurred_at)}
    totals = {
        cell: _measured(first, [one for one in series[0] if one[2] == cell and asked.has(one[0].occurred_at)])
        for cell in cells
    }
    division = divide(totals, question.top)
    read = [_read(world, question, one) for one in ranges]
    rest = {
        cell for seen in series for event, _, cell in seen if any(part.has(event.occurred_at) for part in read)
    } - set(division.shown)
    return Division(division.shown, bool(rest - {None}), None in rest)


def _read(world: World, question: TrendQuestion, asked: Range) -> Range:
    """The instants that a range's values are measured from: with `rolling` also buckets before it."""
    since = asked.since
    if question.rolling:
        since = start_of(since, question.bucket, world.zone)
        for _ in range(question.rolling - 1):
            since = start_before(since, question.bucket, world.zone)
    return Range(since, asked.until)


def _lines(
    world: World, question: TrendQuestion, series: list[list[Seen]], division: Division, asked: Range
) -> list[tuple[str, str, Group | None, tuple[Number, ...], Number]]:
    """Of each series, and of the formula, of each group: its letter, its name, the group, the values and the total."""
    spans = buckets(asked, question.bucket, world)
    found = []
    for place, group in enumerate(division.groups()):
        values: dict[str, list[Number]] = {}
        for letter, one, seen in zip(ascii_uppercase, question.series, series, strict=False):
            here = [event for event in seen if division.place(event[2]) == place]
            values[letter] = [
                _in_bucket(world, question, one, here, asked, bucket) if bucket.begun else None for bucket in spans
            ]
            values[letter].append(_measured(one, [event for event in here if asked.has(event[0].occurred_at)]))
            found.append((letter, one.name, group, tuple(values[letter][:-1]), values[letter][-1]))
        if question.formula:
            results = [
                computed(question.formula, dict(zip(values, column, strict=True)))
                for column in zip(*values.values(), strict=True)
            ]
            shown = [result if n >= len(spans) or spans[n].begun else None for n, result in enumerate(results)]
            found.append(("formula", "", group, tuple(shown[:-1]), shown[-1]))
    return found


def _in_bucket(
    world: World, question: TrendQuestion, series: Series, seen: list[Seen], asked: Range, bucket: Bucket
) -> Number:
    def of(part: Range) -> Number:
        return _measured(series, [one for one in seen if part.has(one[0].occurred_at)])

    if question.cumulative:
        return of(Range(asked.since, bucket.part.until))
    if not question.rolling:
        return of(bucket.part)
    parts = [Range(bucket.start, bucket.part.until)]
    while len(parts) < question.rolling:
        start = parts[-1].since
        parts.append(Range(start_before(start, question.bucket, world.zone), start))
    values = [of(part) for part in parts]
    return mean(values) if None not in values else None


def _measured(series: Series, seen: Sequence[Seen]) -> Number:
    units = {unit for _, unit, _ in seen if unit is not None}
    if isinstance(series.measure, PerPerson):
        inner, then = series.measure.per_person, series.measure.then
        of_each = [_of_events(inner, series.property, [one for one in seen if one[1] == unit]) for unit in units]
        return measure(then, of_each)
    if series.measure == "people":
        return Decimal(len(units))
    if series.measure == "per_person":
        return ratio(sum(unit is not None for _, unit, _ in seen), len(units))
    return _of_events(series.measure, series.property, seen)


def _of_events(name: str, property: str, seen: Sequence[Seen]) -> Number:
    if name == "count":
        return Decimal(len(seen))
    return measure(name, [value_at(event.properties, property) for event, _, _ in seen])


def computed(formula: str, values: dict[str, Number]) -> Number:
    """A formula over letters, rounded at each operation: unknown spreads, and x / 0 is unknown."""

    def value(node: ast.expr) -> Number:
        match node:
            case ast.Name(id=letter):
                return values[letter]
            case ast.Constant():
                return exact(Decimal(ast.get_source_segment(formula.strip(), node) or ""))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = value(operand)
                return None if inner is None else inner.copy_negate()
            case ast.BinOp(left=left, op=op, right=right):
                return _operated(op, value(left), value(right))
        raise AssertionError(f"not arithmetic: {ast.dump(node)}")

    return value(ast.parse(formula.strip(), mode="eval").body)


def _operated(op: ast.operator, left: Number, right: Number) -> Number:
    if left is None or right is None:
        return None
    a, b = Fraction(left), Fraction(right)
    match op:
        case ast.Add():
            return exact(a + b)
        case ast.Sub():
            return exact(a - b)
        case ast.Mult():
            return exact(a * b)
    return exact(a / b) if b else None
