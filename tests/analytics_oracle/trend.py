"""Trends: measures of the events of each bucket, of each group, and of the whole range.

Laws    `total` measures the range. `cumulative` measures from the range's start to the bucket's end. `rolling: n` is
        the mean of the known values of the bucket and the n − 1 before it, each measured whole at its start, also
        before the range. `formula` is computed exactly and rounded once; it counts as one more line, before `rolling`.
        The groups are those of the range asked for, also in the range compared with. `per_person` counts events that
        have a unit
"""

import ast
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from string import ascii_uppercase

from analytics_oracle.breakdowns import Cell, Division, breakdowns_of, cell_of, divide
from analytics_oracle.calendar import Bucket, Range, before, buckets, range_of, start_before
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
    division = _division(series, asked, question)
    spans = buckets(asked, question.bucket, world)
    now = _lines(world, question, series, division, asked)
    then = None
    if question.compare:
        earlier = before(asked, question.compare, world.zone)
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


def _division(series: list[list[Seen]], asked: Range, question: TrendQuestion) -> Division:
    if not breakdowns_of(question):
        return Division(divided=False)
    first = question.series[0]
    cells = {cell for seen in series for event, _, cell in seen if asked.has(event.occurred_at)}
    totals = {
        cell: _measured(first, [one for one in series[0] if one[2] == cell and asked.has(one[0].occurred_at)])
        for cell in cells
    }
    return divide(totals, question.top)


def _lines(
    world: World, question: TrendQuestion, series: list[list[Seen]], division: Division, asked: Range
) -> list[tuple[str, str, Group | None, tuple[Number, ...], Number]]:
    """Of each series, and of the formula, of each group: its letter, its name, the group, the values and the total."""
    spans = buckets(asked, question.bucket, world)
    letters = ascii_uppercase[: len(series)]
    found = []

    def value(n: int, place: int, part: Range) -> Number:
        seen = [one for one in series[n] if part.has(one[0].occurred_at) and division.place(one[2]) == place]
        return _measured(question.series[n], seen)

    def formula(place: int, part: Range) -> Number:
        return computed(question.formula, {letter: value(n, place, part) for n, letter in enumerate(letters)})

    for place, group in enumerate(division.groups()):
        of_series = [(letter, question.series[n].name, partial(value, n, place)) for n, letter in enumerate(letters)]
        of_formula = [("formula", "", partial(formula, place))] if question.formula else []
        for letter, name, measured in of_series + of_formula:
            values = tuple(
                _in_bucket(world, question, measured, asked, bucket) if bucket.begun else None for bucket in spans
            )
            found.append((letter, name, group, values, measured(asked)))
    return sorted(found, key=lambda line: (line[0] == "formula", line[0]))


def _in_bucket(
    world: World, question: TrendQuestion, measured: Callable[[Range], Number], asked: Range, bucket: Bucket
) -> Number:
    def of(part: Range) -> Number:
        return measured(Range(asked.since, part.until) if question.cumulative else part)

    if not question.rolling:
        return of(bucket.part)
    parts = [Range(bucket.start, bucket.part.until)]
    while len(parts) < question.rolling:
        start = parts[-1].since
        parts.append(Range(start_before(start, question.bucket, world.zone), start))
    return mean([value for part in parts if (value := of(part)) is not None])


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
    """A formula over letters: unknown spreads, and x / 0 is unknown."""

    def value(node: ast.expr) -> Fraction | None:
        match node:
            case ast.Name(id=letter):
                number = values[letter]
                return None if number is None else Fraction(number)
            case ast.Constant():
                return Fraction(ast.get_source_segment(formula.strip(), node) or "")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = value(operand)
                return None if inner is None else -inner
            case ast.BinOp(left=left, op=op, right=right):
                a, b = value(left), value(right)
                if a is None or b is None or (isinstance(op, ast.Div) and b == 0):
                    return None
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.Div():
                        return a / b
        raise AssertionError(f"not arithmetic: {ast.dump(node)}")

    result = value(ast.parse(formula.strip(), mode="eval").body)
    return None if result is None else exact(result)
