"""Lints: conditions that are never or always true, and negations of unknown values.

Shape   lint(node, source) → diagnostics; `where` predicates are checked too
Laws    E503 only if no value at all makes it true; W-NULL offers two rewrites, and either one silences it
Source  dsl/SPEC.md "Unknown", "Diagnostics"
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import MAX_UNIQUE
from tinycdp.dsl.diagnostics import Diagnostic, TextEdit, insert, quote, rewrite
from tinycdp.dsl.ir import Span, Type

Number = int | Decimal
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def lint(node: ir.Node, source: str) -> list[Diagnostic]:
    """The diagnostics of the expression, followed by those of its `where` predicates."""
    seen: set[Span] = set()
    found: list[Diagnostic] = []
    for tree in [node, *_predicates(node)]:
        for diagnostic in [*_constant_truths(tree, source), *_negations(tree, source)]:
            # One predicate may serve several aggregates; each place is reported once.
            if diagnostic.span not in seen or diagnostic.code == "E503":
                seen.add(diagnostic.span)
                found.append(diagnostic)
    return found


def _predicates(node: ir.Node) -> Iterator[ir.Node]:
    for read in ir.walk(node):
        if isinstance(read, ir.AggregateRead) and read.spec.where is not None:
            yield read.spec.where


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Every value v satisfies low <= v <= high (None: no bound), and is whole if `whole` is set."""

    low: Number | None
    high: Number | None
    whole: bool


def _constant_truths(node: ir.Node, source: str) -> Iterator[Diagnostic]:
    for part in ir.walk(node):
        match part:
            case ir.Compare():
                yield from _compare(part, source)
            case ir.In(operand=operand, options=options):
                bounds = _bounds(operand)
                if bounds is not None and all(_truth("==", bounds, value) is False for value in options):
                    yield _never(part.span, f"{_shown(operand, source)} can have none of these values")
            case ir.Exists(operand=operand) if not operand.nullable:
                yield _always(part.span, f"{_shown(operand, source)} is never unknown")
            case ir.Coalesce(left=left) if not left.nullable:
                message = f"{_shown(left, source)} is never unknown, so ?? has no effect."
                edit = TextEdit(Span(left.span.end, part.span.end), "")
                yield Diagnostic("W-ALWAYS", "warning", part.span, message, (rewrite(source, edit),))


def _compare(node: ir.Compare, source: str) -> Iterator[Diagnostic]:
    op, left, right = node.op, node.left, node.right
    if isinstance(left, ir.Const) and not isinstance(right, ir.Const):
        op, left, right = _FLIPPED[op], right, left
    if not isinstance(right, ir.Const):
        return
    holds: bool | None = None
    bounds = _bounds(left)
    if bounds is not None:
        holds = _truth(op, bounds, right.value)
    elif isinstance(left, ir.Const) and op in {"==", "!="}:
        holds = (left.value == right.value) == (op == "==")
    elif op == "==" and isinstance(left, ir.Call) and isinstance(right.value, str):
        cased = {"lower": _ascii_lower, "upper": _ascii_upper}.get(left.function)
        holds = False if cased is not None and cased(right.value) != right.value else None
    if holds is False:
        yield _never(node.span, f"{_shown(left, source)} is {_described(left, bounds)}")
    elif holds and left.nullable:
        message = f"This is true whenever {_shown(left, source)} is known."
        fix = rewrite(source, TextEdit(node.span, f"exists({source[left.span.start : left.span.end]})"))
        yield Diagnostic("W-ALWAYS", "warning", node.span, message, (fix,))
    elif holds:
        yield _always(node.span, f"{_shown(left, source)} is {_described(left, bounds)}")


def _described(node: ir.Node, bounds: _Bounds | None) -> str:
    if isinstance(node, ir.Call) and node.function in {"lower", "upper"}:
        return f"in {node.function} case"
    if bounds is None or isinstance(node, ir.Const):
        return "a constant"
    number = "a whole number" if bounds.whole else "a number"
    if bounds.low is None:
        return f"{number} of at most {bounds.high}" if bounds.high is not None else number
    return f"{number} from {bounds.low} to {bounds.high}" if bounds.high is not None else f"{number}, never negative"


def _never(span: Span, reason: str) -> Diagnostic:
    return Diagnostic("E503", "error", span, f"This can never be true: {reason}.")


def _always(span: Span, reason: str) -> Diagnostic:
    return Diagnostic("W-ALWAYS", "warning", span, f"This is always true: {reason}.")


def _bounds(node: ir.Node) -> _Bounds | None:
    """The bounds of a number that are known without any data."""
    match node:
        case ir.Const(type=Type.NUMBER, value=int() | Decimal() as value):
            return _Bounds(value, value, value == int(value))
        case ir.AggregateRead(function="unique_days", days=int(days)):
            return _Bounds(0, days, True)
        case ir.AggregateRead(function="unique"):
            return _Bounds(0, MAX_UNIQUE, True)
        case ir.AggregateRead(function="count" | "streak_days") | ir.Ago() | ir.Call(function="len"):
            return _Bounds(0, None, True)
        case ir.AggregateRead(function="rate") | ir.Call(function="abs"):
            return _Bounds(0, None, False)
        case ir.Negate(type=Type.NUMBER, operand=operand) if bounds := _bounds(operand):
            low, high = bounds.high, bounds.low
            return _Bounds(None if low is None else -low, None if high is None else -high, bounds.whole)
    return None


def _truth(op: str, bounds: _Bounds, value: Any) -> bool | None:
    """Whether the comparison holds for all values in the bounds, for none, or for some.

    Returns True, False or None."""
    low, high = bounds.low, bounds.high
    below = high is not None and high < value
    above = low is not None and low > value
    match op:
        case "==" | "!=":
            if below or above or (bounds.whole and value != int(value)):
                return op == "!="
            return op == "==" if low == high == value else None
        case "<":
            return True if below else False if low is not None and low >= value else None
        case ">":
            return True if above else False if high is not None and high <= value else None
        case "<=":
            return True if high is not None and high <= value else False if above else None
        case _:
            return True if low is not None and low >= value else False if below else None


def _negations(node: ir.Node, source: str) -> Iterator[Diagnostic]:
    """Yield W-NULL for each nullable operand under !=, `not in` and !.

    An operand is left out if the condition also tests its presence."""
    stack: list[tuple[ir.Node, frozenset[Any]]] = [(node, frozenset())]
    while stack:
        part, guarded = stack.pop()
        match part:
            case ir.Compare(op="!=", left=left, right=right):
                yield from _unknowns(node, part, [left, right], guarded, source)
            case ir.In(operand=operand, negated=True):
                yield from _unknowns(node, part, [operand], guarded, source)
            case ir.Not(operand=operand):
                yield from _unknowns(node, part, _values(operand), guarded, source)
            case ir.Logic(op=op, operands=operands):
                guarded |= {_identity(guard) for operand in operands if (guard := _guard(op, operand)) is not None}
        # Everything under a negation is reported with it.
        if not isinstance(part, ir.Not):
            stack.extend((child, guarded) for child in reversed(ir.children(part)))


def _guard(op: str, operand: ir.Node) -> ir.Node | None:
    """The x of `exists(x) && …` or `!exists(x) || …`.

    If x is missing, the rest of the condition decides nothing."""
    match (op, operand):
        case ("and", ir.Exists(operand=guarded)) | ("or", ir.Not(operand=ir.Exists(operand=guarded))):
            return guarded
    return None


def _values(node: ir.Node) -> list[ir.Node]:
    """The operands of the comparisons in a condition, and conditions that are themselves values."""
    match node:
        case ir.Compare():
            return [node.left, node.right]
        case ir.In():
            return [node.operand]
        case ir.Logic() | ir.Not():
            return [value for child in ir.children(node) for value in _values(child)]
    return [node]


def _unknowns(
    root: ir.Node, negation: ir.Node, operands: list[ir.Node], guarded: frozenset[Any], source: str
) -> Iterator[Diagnostic]:
    reported: set[Any] = set()
    for operand in operands:
        identity = _identity(operand)
        if not operand.nullable or identity in guarded or identity in reported:
            continue
        reported.add(identity)
        text = source[operand.span.start : operand.span.end]
        # At the top level no parentheses are needed: nothing else can bind to the new operator.
        opened, closed = ("", "") if negation is root else ("(", ")")
        start, end = negation.span.start, insert(negation.span.end, closed)
        message = f"If {_shown(operand, source)} is missing, this is unknown and does not match."
        fixes = (
            rewrite(source, insert(start, f"{opened}!exists({text}) || "), end),
            rewrite(source, insert(start, f"{opened}exists({text}) && "), end),
        )
        yield Diagnostic("W-NULL", "warning", operand.span, message, fixes)


def _identity(node: ir.Node) -> Any:
    """Equal for nodes with the same meaning: everything except place and type."""
    parts: list[Any] = [type(node).__name__]
    for item in fields(node):
        if item.name not in {"span", "type", "nullable"}:
            value = getattr(node, item.name)
            if isinstance(value, ir.Node):
                value = _identity(value)
            elif isinstance(value, tuple):
                value = tuple(_identity(v) if isinstance(v, ir.Node) else v for v in value)
            parts.append(value)
    return tuple(parts)


def _shown(node: ir.Node, source: str) -> str:
    return quote(source[node.span.start : node.span.end])


def _ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def _ascii_upper(text: str) -> str:
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in text)
