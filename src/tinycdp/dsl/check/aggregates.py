"""Type-check what follows `events.<event>`: the predicate, the property and the window.

Shape   infer_aggregate(checker, tree) → AggregateRead, or Ago over one
Laws    equal predicates get equal text: the operands of && and || sorted, duplicates dropped
Errors  none: problems are reported to the checker, and a broken node is returned
Source  dsl/SPEC.md "Aggregates", "Windows"
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from tinycdp.dsl import ast, ir
from tinycdp.dsl.ast import SUGARED
from tinycdp.dsl.check.checker import Checker, broken, is_broken
from tinycdp.dsl.check.signatures import AGGREGATES, MAX_WINDOW_MS, MIN_WINDOW_MS, SPOKEN, AggregateShape
from tinycdp.dsl.diagnostics import Diagnostic, TextEdit, insert, quote, replacing
from tinycdp.dsl.editor.format import format_expression, format_name
from tinycdp.dsl.ir import Span, Type
from tinycdp.dsl.suggest import nearest
from tinycdp.dsl.tokens import in_units
from tinycdp.dsl.values.scalars import duration_text, parse_duration
from tinycdp.model import DAY_MS

#: `sum_amount_30d` looks natural after `count_30d`, but is an error: a property name may contain underscores.
_OVERSUGARED = re.compile(rf"({'|'.join(AGGREGATES)})_(\w+?)_([0-9]+[smhdw])")


def infer_aggregate(checker: Checker, expr: ast.Aggregate) -> ir.Node:
    """Type-check one aggregate. Returns the node that reads it."""
    if checker.event is not None:
        return checker.only_event_properties(expr.span)
    shape = AGGREGATES.get(expr.function)
    if shape is None:
        return _unknown(checker, expr)
    properties = _known_event(checker, expr.events)
    where = _where(checker, expr.events.where, properties) if expr.events.where is not None else None
    arguments = list(expr.arguments)
    path: tuple[str, ...] = ()
    type_ = shape.type
    if shape.takes:
        if not arguments or not isinstance(arguments[0], ast.Name | ast.Path):
            at = arguments[0].span if arguments else expr.function_span
            message = f"Name a property of the event first: {shape.usage}."
            return checker.error("E406" if arguments else "E405", at, message)
        subject = checker.in_event(properties, arguments.pop(0))
        if not isinstance(subject, ir.EventProperty):
            return broken(expr.span)
        path = subject.path
        if shape.type is None:
            type_ = subject.type
        elif shape.function != "unique" and subject.type not in {Type.NUMBER, Type.DYN}:
            message = f"{expr.function} needs numbers; {quote('.'.join(path))} is {SPOKEN[subject.type]}."
            return checker.error("E406", subject.span, message)
    quantile = shape.quantile
    if shape.function == "percentile" and quantile is None:
        match arguments[:1]:
            case [ast.Literal(Type.NUMBER, value)] if 0 < value < 1:  # type: ignore[operator]
                quantile = format_expression(arguments.pop(0))
            case given:
                at = given[0].span if given else expr.function_span
                message = f"Give the percentile as a number between 0 and 1: {shape.usage}."
                return checker.error("E406", at, message)
    window = _window(checker, expr, shape, arguments)
    if window is None:
        return broken(expr.span)
    days = window.start_ms // DAY_MS if shape.window == "days" and window.start_ms is not None else None
    text = format_expression(where[1]) if where else ""
    spec = ir.AggregateSpec(expr.events.event, shape.family, path, text, where[0] if where else None)
    read = ir.AggregateRead(
        Type.DATETIME if shape.unit_ms else type_ or Type.DYN,
        spec,
        shape.function,
        ir.LIFETIME if days is not None else window,
        days,
        quantile,
        span=expr.span,
        nullable=shape.nullable,
    )
    if shape.unit_ms is None:
        return read
    return ir.Ago(Type.NUMBER, read, shape.unit_ms, span=expr.span, nullable=True)


def unfinished(checker: Checker, expr: ast.EventSelection) -> ir.Node:
    """Report an event that has no aggregate after it."""
    message = "An aggregate must follow the event, such as .count_30d or .last_at."
    return checker.error("E306", expr.span, message, checker.fix(insert(expr.span.end, ".count")))


def _known_event(checker: Checker, events: ast.EventSelection) -> Mapping[str, Type]:
    """Return the event's known properties; warn if events are known and this one is not."""
    event = events.event
    if event is None:
        return {}
    if found := unknown_event(event, checker.events, events.event_span):
        checker.error(found.code, found.span, found.message, *found.fixes, severity=found.severity)
    return checker.events.get(event, {})


def unknown_event(event: str, known: Collection[str], span: Span, *, quoted: bool = False) -> Diagnostic | None:
    """A warning if events are known and this one is not.

    A `quoted` name stands alone, so that its replacement needs no backticks."""
    if not known or event in known or event in {"page", "screen"}:
        return None
    near = nearest(event, known)
    fixes = (replacing(span, near, near if quoted else format_name(near)),) if near else ()
    return Diagnostic("E301", "warning", span, f"Unknown event {quote(event)}.", fixes)


def _where(checker: Checker, expr: ast.Expr, properties: Mapping[str, Type]) -> tuple[ir.Node, ast.Expr] | None:
    """The predicate and its normalised tree; None if it is `true`, which keeps every event."""
    tree = _normal(expr)
    node = checker.with_type(checker.in_event(properties, tree), Type.BOOL)
    if node.type is not Type.BOOL and not is_broken(node):
        checker.error("E401", expr.span, f"'where' takes a condition; this is {SPOKEN[node.type]}.")
    always = isinstance(tree, ast.Literal) and tree.value is True
    return None if always else (node, tree)


def _window(
    checker: Checker, expr: ast.Aggregate, shape: AggregateShape, arguments: list[ast.Expr]
) -> ir.Window | None:
    """The window that the remaining arguments give; None after an error."""
    limit = 0 if shape.window == "none" else 1
    if len(arguments) > limit:
        message = f"{quote(expr.function)} has too many arguments; write {shape.usage}."
        checker.error("E405", arguments[limit].span, message)
        return None
    if not arguments:
        if shape.window in {"required", "days"}:
            checker.error("E405", expr.function_span, f"{quote(expr.function)} needs a window: {shape.usage}.")
            return None
        return ir.LIFETIME
    argument = arguments[0]
    match argument:
        case ast.Literal(Type.DURATION, int() as start):
            window = ir.Window(start)
        case ast.Range(start, end):
            window = ir.Window(start, end)
        case _:
            checker.error("E406", argument.span, f"A window is a duration, such as 30d: {shape.usage}.")
            return None
    if shape.window == "days":
        if window.end_ms or start % DAY_MS or not 1 <= start // DAY_MS <= 400:
            checker.error("E504", argument.span, "The window must be a whole number of days, from 1d to 400d.")
            return None
        return window
    edges = (start,) if isinstance(argument, ast.Literal) else (window.end_ms, start)
    if not all(MIN_WINDOW_MS <= edge <= MAX_WINDOW_MS for edge in edges):
        checker.error("E504", argument.span, "A window must be 1 minute to 400 days long; omit it to cover all time.")
        return None
    if isinstance(argument, ast.Range):
        if start <= window.end_ms:
            text = f"{duration_text(window.end_ms)}..{duration_text(start)}"
            fixes = [checker.fix(TextEdit(argument.span, text))] if start < window.end_ms else []
            checker.error("E504", argument.span, "A range starts with the longer time: 90d..30d.", *fixes)
            return None
        if not shape.ranged:
            checker.error("E505", argument.span, f"{quote(expr.function)} takes a window such as 30d, not a range.")
            return None
    return window


def _unknown(checker: Checker, expr: ast.Aggregate) -> ir.Node:
    name, span = expr.function, expr.function_span
    if match := _OVERSUGARED.fullmatch(name):
        call = f"{match[1]}({match[2]}, {match[3]})"
        message = "Write an aggregate of a property with parentheses."
        return checker.error("E306", span, message, checker.fix(TextEdit(span, call)))
    if re.fullmatch(r"(first|last)_seconds_ago", name):
        instant = f"{name.split('_')[0]}_at"
        message = f"The units are minutes, hours and days; for seconds compare ago(… .{instant}) with a duration."
        return checker.error("E306", span, message)
    # `cout_7d` is a slip in `count`, whatever its window.
    stem, _, window = name.rpartition("_")
    if window[:1].isdigit() and (near := stem if stem in SUGARED else nearest(stem, SUGARED)):
        message = f"Unknown aggregate {quote(name)}; write a window like this: {near}_30d."
        instead = window if near != stem else in_units(window)
        if instead is not None and (parse_duration(instead) or 0) > MAX_WINDOW_MS:
            instead = duration_text(MAX_WINDOW_MS)
            message += f" A window has at most {instead}; {near} alone covers all time."
        fixes = [] if instead is None else [replacing(span, f"{near}_{instead}")]
        return checker.error("E306", span, message, *fixes)
    near = nearest(name, AGGREGATES)
    if near is not None:
        return checker.error("E306", span, f"Unknown aggregate {quote(name)}.", replacing(span, near))
    plain = [each for each in AGGREGATES if not each.endswith("_ago")]
    message = f"Unknown aggregate {quote(name)}; the aggregates are {', '.join(plain)} and last_days_ago."
    return checker.error("E306", span, message)


def _normal(expr: ast.Expr) -> ast.Expr:
    """The predicate with the operands of && and || sorted and deduplicated.

    Predicates that differ only in order then have the same text."""
    match expr:
        case ast.Logic():
            unique = {format_expression(operand): operand for operand in map(_normal, expr.operands)}
            operands = tuple(unique[text] for text in sorted(unique))
            return operands[0] if len(operands) == 1 else replace(expr, operands=operands)
        case ast.Not():
            return replace(expr, operand=_normal(expr.operand))
    return expr
