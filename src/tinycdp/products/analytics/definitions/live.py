"""The rule of a segment whose members are always the people behind a number.

Shape   live_rule(question, cell, …) → the text of a rule
Laws    the segment's members are the number's people at each instant. What the language of segments cannot say exactly
        is refused, with the reason.
        `last: "30d"` is the last 30 local days, today included, and so is `unique_days(30d)`; people active in 30 days
        are those of today
Errors  InvalidInput NOT_LIVE
Source  docs/reference/analytics-definitions.md "A number as a segment"
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.check.filters import check_event_filter
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor.format import format_name, format_source
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.cells.schemas import ActiveCell, Cell, StickinessCell, TrendCell
from tinycdp.products.analytics.compile.trends.trend import resolved
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    DerivedEvent,
    Event,
    Question,
    StickinessQuestion,
    TrendQuestion,
)

_LAST_DAYS = re.compile(r"[1-9]\d{0,2}d")
_INSTEAD = "Leave out `live`: the segment then has the people of now."
_FIXED = "a bucket is a fixed time, and a live segment moves with now."
_AS_OF_EVENT = (ir.Property, ir.GroupTrait, ir.Context, ir.Reference, ir.Seen)


@dataclass(frozen=True, slots=True)
class _Events:
    """Events of a name for which conditions hold."""

    name: str
    wheres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Days:
    """On how many of the last days people did something.

    path  of the events in the question
    days  such as >= 1"""

    event: Event
    where: str
    path: str
    last: str
    days: str = ">= 1"


def live_rule(question: Question, cell: Cell, world: World) -> str:
    """The rule of the people behind one number."""
    match question, cell:
        case TrendQuestion(), TrendCell():
            asked = _of_trend(question, cell, world)
        case ActiveQuestion(), ActiveCell():
            asked = _of_active(question, cell)
        case StickinessQuestion(), StickinessCell():
            asked = _of_stickiness(question, cell)
        case _:
            raise _not_live("kind", "only the people of trend, active and stickiness are a rule of the language.")
    if question.sample < 1:
        raise _not_live("question.sample", "a sample is no rule.")
    wheres = (asked.where,) if asked.where else ()
    events = _alternatives(asked.event, wheres, world.derived)
    rules = list(dict.fromkeys(_rule(part, asked, world.scope) for part in events))
    if len(rules) > 1 and asked.days != ">= 1":
        raise _not_live(f"{asked.path}.event", "the days of several events cannot be counted together.")
    rule = " || ".join(rules)
    if question.people:
        rule = f"({rule}) && ({question.people})"
    checked = check(rule, replace(world.scope, kind="segment"))
    if checked.errors:
        raise _not_live("question", checked.errors[0].message)
    return format_source(rule)


def _of_trend(question: TrendQuestion, cell: TrendCell, world: World) -> _Days:
    last = _last_days(question)
    if cell.bucket:
        raise _not_live("cell.bucket", _FIXED)
    if cell.group is not None:
        raise _not_live("cell.group", "a group is no part of a rule. Put its value into `where`.")
    series = resolved(question.series, world)
    number = ord(cell.series) - ord("A") if len(cell.series) == 1 else -1
    if not 0 <= number < len(series):
        raise InvalidInput("INVALID_QUESTION", f"cell.series: {cell.series!r} is no series.", path="cell.series")
    return _Days(series[number].event, series[number].where, "question.series", last)


def _of_active(question: ActiveQuestion, cell: ActiveCell) -> _Days:
    if question.to:
        raise _not_live("question.to", "a live segment moves with now, so the range goes up to today.")
    if cell.bucket:
        raise _not_live("cell.bucket", _FIXED)
    if cell.days not in question.days:
        message = f"cell.days: The question has no line of {cell.days} days."
        raise InvalidInput("INVALID_QUESTION", message, path="cell.days")
    return _Days(question.event, question.where, "question", f"{cell.days}d")


def _of_stickiness(question: StickinessQuestion, cell: StickinessCell) -> _Days:
    last = _last_days(question)
    if question.bucket != "day":
        raise _not_live("question.bucket", "a rule counts days, and no other buckets.")
    days = ">= 1"
    if cell.buckets is not None:
        days = f"{'==' if cell.number == 'exactly' else '>='} {cell.buckets}"
    return _Days(question.event, question.where, "question", last, days)


def _last_days(question: TrendQuestion | StickinessQuestion) -> str:
    if not _LAST_DAYS.fullmatch(question.last):
        raise _not_live("question.last", 'a live segment looks at the last days. Give `last` in days, such as "30d".')
    return question.last


def _alternatives(event: Event, wheres: tuple[str, ...], derived: Mapping[str, DerivedEvent]) -> Sequence[_Events]:
    if isinstance(event, str):
        return [_Events(event, wheres)]
    parts = derived[event.derived].any if event.derived else event.any
    return [
        one
        for part in parts
        for one in _alternatives(part.event, (*wheres, part.where) if part.where else wheres, derived)
    ]


def _rule(events: _Events, asked: _Days, scope: Scope) -> str:
    for where in events.wheres:
        try:
            node = check_event_filter(where, scope, None if events.name == "*" else events.name).node
        except SourceError:
            node = None
        if node is not None and any(isinstance(part, _AS_OF_EVENT) for part in ir.walk(node)):
            message = (
                f"{where!r} reads what was true of the person at the event, and a rule reads only the event. Put a "
                "condition of now into `people`."
            )
            raise _not_live(asked.path, message)
    name = "any" if events.name == "*" else "`any`" if events.name == "any" else format_name(events.name)
    condition = " && ".join(f"({where})" if len(events.wheres) > 1 else where for where in events.wheres)
    where_ = f".where({condition})" if condition else ""
    return f"events.{name}{where_}.unique_days({asked.last}) {asked.days}"


def _not_live(path: str, reason: str) -> InvalidInput:
    return InvalidInput("NOT_LIVE", f"{path}: {reason} {_INSTEAD}", path=path)
