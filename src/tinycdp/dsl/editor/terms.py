"""The outermost terms of an expression, each as a row of a form.

Shape   terms_of(source) → SourceTerms, in the order of the source; a term whose form is not known has no shape
Units   spans in characters of the source, half-open; windows in milliseconds
Laws    a row loses nothing: what its parts do not say has no shape. Replacing the characters of one part by another
        one of its kind changes that part alone. Only the syntax counts: a term with an unknown name has a shape too
Errors  none: a source that does not parse has no terms
Source  docs/reference/language-services.md "Check"
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from tinycdp.dsl import ast
from tinycdp.dsl.check.signatures import AGGREGATES, SEEN
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.ir import Span, Type
from tinycdp.dsl.parser import parse
from tinycdp.dsl.tokens import decode
from tinycdp.dsl.values.scalars import duration_text

SubjectKind = Literal["event", "any", "trait", "segment", "flag", "property", "group", "context", "seen"]

_ROOTS: dict[str, SubjectKind] = {"profile": "property", "group": "group", "context": "context"}
_TESTS = ("starts_with", "ends_with", "contains")
#: Functions that measure one value.
_MEASURES = ("ago", "until", "len", "lower", "upper", "abs", "round", "semver", "datetime")
#: How a value that the language has no literal for is written.
_WRITTEN = {"date": Type.DATETIME, "datetime": Type.DATETIME, "semver": Type.VERSION}


@dataclass(frozen=True, slots=True)
class Operand:
    """What a term is about. name: of the event, property or definition; None for any event"""

    start: int
    end: int
    kind: SubjectKind
    name: str | None


@dataclass(frozen=True, slots=True)
class SourceText:
    """A filter as it is written, a property's name, or a window in the form `30d` or `90d..30d`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What is taken of the subject: `count`, `sum` of a property, `last_days_ago`, `ago` …

    property, quantile  where the function takes one"""

    start: int
    end: int
    function: str
    property: SourceText | None = None
    quantile: str | None = None


@dataclass(frozen=True, slots=True)
class ComparedBy:
    """How the measure and the value are compared: an operator, `in`, `not in`, or the name of a test."""

    start: int
    end: int
    op: str


@dataclass(frozen=True, slots=True)
class Given:
    """What is compared with. value: of literals; an instant or a version as it is written; a duration as `3d`"""

    start: int
    end: int
    type: Type
    value: Any


@dataclass(frozen=True, slots=True)
class TermShape:
    """A term taken apart. where: the filter of the event

    Without a comparison the subject itself is the condition; a test such as `exists` has no value."""

    subject: Operand
    where: SourceText | None
    measure: Measure | None
    window: SourceText | None
    comparison: ComparedBy | None = None
    value: Given | None = None


@dataclass(frozen=True, slots=True)
class SourceTerm:
    """join: what joins it to the term before it; negated: `!` or `not` stands before it"""

    start: int
    end: int
    join: Literal["and", "or"] | None
    negated: bool
    shape: TermShape | None


def terms_of(source: str) -> list[SourceTerm]:
    """The terms that the outermost && or || joins, or the whole expression."""
    try:
        tree = parse(source)
    except SourceError:
        return []
    return list(_terms(tree, decode(source)))


def _terms(tree: ast.Expr, source: str) -> Iterator[SourceTerm]:
    operands = tree.operands if isinstance(tree, ast.Logic) else (tree,)
    for n, operand in enumerate(operands):
        negated, inner = False, operand
        while isinstance(inner, ast.Not):
            negated, inner = not negated, inner.operand
        join: Any = tree.op if n and isinstance(tree, ast.Logic) else None
        yield SourceTerm(*_ends(operand.span), join, negated, _shape(inner, source))


def _shape(expr: ast.Expr, source: str) -> TermShape | None:
    match expr:
        case ast.Compare(op=op, left=left, right=right):
            return _compared(_measured(left, source), ComparedBy(*_ends(expr.op_span), op), _given(right))
        case ast.In(operand=operand, options=options, negated=negated):
            between = _trimmed(source, Span(operand.span.end, options.span.start))
            return _compared(
                _measured(operand, source),
                ComparedBy(*_ends(between), "not in" if negated else "in"),
                _given_list(options.items, options.span),
            )
        case ast.Call(function=test, arguments=(text, ast.Literal() as part)) if test in _TESTS:
            return _compared(_measured(text, source), ComparedBy(*_ends(expr.function_span), test), _given(part))
        case ast.Call(function="between", arguments=(value, ast.Literal() as low, ast.Literal() as high)):
            given = _given_list((low, high), Span(low.span.start, high.span.end))
            return _compared(_measured(value, source), ComparedBy(*_ends(expr.function_span), "between"), given)
        case ast.Call(function="exists", arguments=(value,)):
            found = _measured(value, source)
            return (
                replace(found, comparison=ComparedBy(*_ends(expr.function_span), "exists"))
                if found is not None
                else None
            )
        case ast.Call():
            return None
    return _measured(expr, source)


def _compared(found: TermShape | None, comparison: ComparedBy, given: Given | None) -> TermShape | None:
    if found is None or given is None:
        return None
    return replace(found, comparison=comparison, value=given)


def _measured(expr: ast.Expr, source: str) -> TermShape | None:
    """Subject, measure and window of a side of a comparison."""
    match expr:
        case ast.Name(name) if name in SEEN:
            which, _, function = name.partition("_seen_")
            return TermShape(
                Operand(*_ends(expr.span), "seen", which), None, Measure(*_ends(expr.span), function), None
            )
        case ast.Aggregate():
            return _aggregate(expr, source)
        case ast.Call(function=function, arguments=(inner,)) if function in _MEASURES:
            subject = _operand(inner)
            measure = Measure(*_ends(expr.function_span), function)
            return TermShape(subject, None, measure, None) if subject is not None else None
    subject = _operand(expr)
    return TermShape(subject, None, None, None) if subject is not None else None


def _operand(expr: ast.Expr) -> Operand | None:
    """A value of the profile or of a definition, by itself."""
    match expr:
        case ast.Name(name) if name not in SEEN:
            return Operand(*_ends(expr.span), "trait", name)
        case ast.Path((root, *names)) if root in _ROOTS:
            return Operand(*_ends(expr.span), _ROOTS[root], ".".join(names))
        case ast.Ref(kind=kind, key=key):
            return Operand(*_ends(expr.span), kind, key)  # type: ignore[arg-type]
    return None


def _aggregate(expr: ast.Aggregate, source: str) -> TermShape | None:
    shape, events = AGGREGATES.get(expr.function), expr.events
    if shape is None:
        return None
    left = list(expr.arguments)
    measure = Measure(*_ends(expr.function_span), expr.function, quantile=shape.quantile)
    if shape.takes:
        match left[:1]:
            case [ast.Name() | ast.Path() as path]:
                name = path.name if isinstance(path, ast.Name) else ".".join(path.names)
                measure = replace(measure, property=SourceText(*_ends(path.span), name))
                left.pop(0)
            case _:
                return None
    if shape.function == "percentile" and shape.quantile is None:
        match left[:1]:
            case [ast.Literal(Type.NUMBER, Decimal() as quantile)]:
                measure = replace(measure, quantile=f"{quantile:f}")
                left.pop(0)
            case _:
                return None
    window = None
    match left:
        case []:
            pass
        case [ast.Literal(Type.DURATION, int() as ms) as written]:
            window = SourceText(*_ends(written.span), duration_text(ms))
        case [ast.Range() as written]:
            window = SourceText(
                *_ends(written.span), f"{duration_text(written.start_ms)}..{duration_text(written.end_ms)}"
            )
        case _:
            return None
    where = events.where
    return TermShape(
        Operand(*_ends(events.event_span), "event" if events.event is not None else "any", events.event),
        SourceText(*_ends(where.span), source[where.span.start : where.span.end]) if where is not None else None,
        measure,
        window,
    )


def _given(expr: ast.Expr) -> Given | None:
    match expr:
        case ast.Literal(type=type_, value=value):
            return Given(*_ends(expr.span), type_, duration_text(int(value)) if type_ is Type.DURATION else value)
        case ast.Call(function=function, arguments=(ast.Literal(Type.STRING, text),)) if function in _WRITTEN:
            return Given(*_ends(expr.span), _WRITTEN[function], text)
    return None


def _given_list(items: Sequence[ast.Literal], span: Span) -> Given:
    values = [duration_text(int(one.value)) if one.type is Type.DURATION else one.value for one in items]
    return Given(*_ends(span), Type.LIST, values)


def _ends(span: Span) -> tuple[int, int]:
    return span.start, span.end


def _trimmed(source: str, span: Span) -> Span:
    """The span without the blanks at its ends."""
    text = source[span.start : span.end]
    start = span.start + len(text) - len(text.lstrip())
    return Span(start, start + len(text.strip()))
