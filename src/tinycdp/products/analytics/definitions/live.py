"""The rule of a segment whose members are always the people behind a number.

Shape   live_rule(question, cell, …) → the text of a rule
Laws    the segment's members are the number's people at each instant. What the language of segments cannot say exactly
        is refused, with the reason.
        `last: "30d"` is the last 30 local days, today included, and so is `unique_days(30d)`
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
from tinycdp.products.analytics.compile.trends.trend import resolved
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.cells import Cell, TrendCell
from tinycdp.products.analytics.questions.schemas import DerivedEvent, Event, Question, TrendQuestion

_LAST_DAYS = re.compile(r"[1-9]\d{0,2}d")
_INSTEAD = "Leave out `live`: the segment then has the people of now."
_AS_OF_EVENT = (ir.Property, ir.GroupTrait, ir.Context, ir.Reference, ir.Seen)


@dataclass(frozen=True, slots=True)
class _Events:
    """Events of a name for which conditions hold."""

    name: str
    wheres: tuple[str, ...]


def live_rule(question: Question, cell: Cell, world: World) -> str:
    """The rule of the people behind one number of a trend."""
    if not isinstance(question, TrendQuestion) or not isinstance(cell, TrendCell):
        raise _not_live("kind", "only the people of a trend are a rule of the language.")
    if not _LAST_DAYS.fullmatch(question.last):
        raise _not_live("question.last", 'a live segment looks at the last days. Give `last` in days, such as "30d".')
    if cell.bucket:
        raise _not_live("cell.bucket", "a bucket is a fixed time, and a live segment moves with now.")
    if cell.group is not None:
        raise _not_live("cell.group", "a group is no part of a rule. Put its value into `where`.")
    if question.sample < 1:
        raise _not_live("question.sample", "a sample is no rule.")
    series = resolved(question.series, world)
    number = ord(cell.series) - ord("A") if len(cell.series) == 1 else -1
    if not 0 <= number < len(series):
        raise InvalidInput("INVALID_QUESTION", f"cell.series: {cell.series!r} is no series.", path="cell.series")
    one = series[number]
    wheres = (one.where,) if one.where else ()
    events = _alternatives(one.event, wheres, world.derived)
    rules = list(dict.fromkeys(_rule(part, question.last, world.scope) for part in events))
    rule = " || ".join(rules)
    if question.people:
        rule = f"({rule}) && ({question.people})"
    checked = check(rule, replace(world.scope, kind="segment"))
    if checked.errors:
        raise _not_live("question", checked.errors[0].message)
    return format_source(rule)


def _alternatives(event: Event, wheres: tuple[str, ...], derived: Mapping[str, DerivedEvent]) -> Sequence[_Events]:
    if isinstance(event, str):
        return [_Events(event, wheres)]
    parts = derived[event.derived].any if event.derived else event.any
    return [
        one
        for part in parts
        for one in _alternatives(part.event, (*wheres, part.where) if part.where else wheres, derived)
    ]


def _rule(events: _Events, last: str, scope: Scope) -> str:
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
            raise _not_live("question.series", message)
    name = "any" if events.name == "*" else "`any`" if events.name == "any" else format_name(events.name)
    condition = " && ".join(f"({where})" if len(events.wheres) > 1 else where for where in events.wheres)
    where_ = f".where({condition})" if condition else ""
    return f"events.{name}{where_}.unique_days({last}) >= 1"


def _not_live(path: str, reason: str) -> InvalidInput:
    return InvalidInput("NOT_LIVE", f"{path}: {reason} {_INSTEAD}", path=path)
