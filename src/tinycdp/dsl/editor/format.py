"""The canonical text of an expression: each tree has exactly one spelling.

Laws    parse(format_expression(tree)) == tree · format_source is idempotent · the tree has no comments, so its
        canonical text has none either; the text as written is stored beside it
Errors  format_source raises SourceError if the source does not parse; format_expression raises nothing
Source  dsl/SPEC.md "Canonical form"; docs/decisions/0002-canonical-form.md
"""

import re
from decimal import Decimal
from itertools import pairwise

from tinycdp.dsl import tokens
from tinycdp.dsl.ast import (
    SUGARED,
    Aggregate,
    Arith,
    Call,
    Coalesce,
    Compare,
    EventSelection,
    Expr,
    In,
    ListLiteral,
    Literal,
    Logic,
    Name,
    Negate,
    Not,
    Path,
    Range,
    Ref,
)
from tinycdp.dsl.ir import Type
from tinycdp.dsl.parser import parse
from tinycdp.dsl.values.scalars import duration_text

_PLAIN = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{tokens.MAX_NAME - 1}}}")
_QUOTABLE = re.compile(rf"[^`\n\0]{{1,{tokens.MAX_QUOTED_NAME}}}")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LINE = 100
_SPECIAL = re.compile(r'["\\\x01-\x1f\x7f-\x9f\u2028\u2029]')

# How tightly each form binds. An operand that binds more loosely than its position needs gets parentheses.
_NOT, _COMPARISON, _SUM, _PRODUCT, _COALESCE, _UNARY, _TIGHT = range(2, 9)
_WORDS = {"and": " && ", "or": " || "}


def format_source(source: str | bytes) -> str:
    """The canonical text of a source. Raises SourceError."""
    return format_expression(parse(source))


def lay_out(source: str) -> str:
    """The canonical text laid out for reading. Raises SourceError.

    The comments of the source come first. In a long text each term of the outermost && or || gets a line of its own.
    The meaning does not change.

    >>> lay_out("a // why\\n and b")
    '// why\\na && b'
    """
    tree = parse(source)
    text = format_expression(tree)
    scanned = tokens.scan(source) if "//" in source else ()
    comments = [token.value.rstrip() for token in scanned if token.type == "COMMENT"]
    if len(text) > _LINE and isinstance(tree, Logic):
        depth, cuts = 0, []
        for token in tokens.scan(text):
            depth += (token.type in tokens.OPENERS) - (token.type in tokens.CLOSERS)
            if depth == 0 and token.type in {"AND", "OR"}:
                cuts.append(token.start_pos or 0)
        parts = [text[start:end].rstrip() for start, end in pairwise([0, *cuts, len(text)])]
        text = "\n  ".join(parts)
    return "\n".join([*comments, text])


def format_expression(expr: Expr) -> str:
    """The canonical text of a tree.

    >>> format_source("a or b and events . x . count( 24h )>1")
    'a || (b && events.x.count_1d > 1)'
    """
    return _write(expr)[0]


def format_name(name: str) -> str:
    """The name, in backticks unless it is a plain name."""
    return name if _PLAIN.fullmatch(name) else f"`{name}`"


def format_string(text: str) -> str:
    """The string in double quotes."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _within(expr: Expr, binding: int) -> str:
    """The text of an operand in a position that needs a binding at least this tight."""
    text, tightness = _write(expr)
    return text if tightness >= binding else f"({text})"


def _write(expr: Expr) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    match expr:
        case Logic():
            # Where && and || mix, both get parentheses: readers need not know which binds tighter.
            return _WORDS[expr.op].join(_within(operand, _NOT) for operand in expr.operands), _NOT - 1
        case Not():
            loose = isinstance(expr.operand, Compare | In | Logic)
            return f"!({_write(expr.operand)[0]})" if loose else f"!{_write(expr.operand)[0]}", _NOT
        case Compare():
            return f"{_within(expr.left, _SUM)} {expr.op} {_within(expr.right, _SUM)}", _COMPARISON
        case In():
            word = "not in" if expr.negated else "in"
            return f"{_within(expr.operand, _SUM)} {word} {_write(expr.options)[0]}", _COMPARISON
        case Arith():
            binding = _SUM if expr.op in "+-" else _PRODUCT
            return f"{_within(expr.left, binding)} {expr.op} {_within(expr.right, binding + 1)}", binding
        case Coalesce():
            return f"{_within(expr.left, _COALESCE)} ?? {_within(expr.right, _UNARY)}", _COALESCE
        case Negate():
            return f"-{_within(expr.operand, _UNARY)}", _UNARY
        case Literal():
            return _literal(expr), _TIGHT
        case ListLiteral():
            return f"[{', '.join(map(_literal, expr.items))}]", _TIGHT
        case Range():
            return f"{duration_text(expr.start_ms)}..{duration_text(expr.end_ms)}", _TIGHT
        case Name():
            return f"`{expr.name}`" if tokens.reserved(expr.name) else format_name(expr.name), _TIGHT
        case Path():
            head = _write(Name(expr.names[0]))[0]
            return ".".join((head, *map(format_name, expr.names[1:]))), _TIGHT
        case Ref():
            if expr.kind == "flag" or not _QUOTABLE.fullmatch(expr.key):
                return f"{expr.kind}({format_string(expr.key)})", _TIGHT
            return f"{expr.kind}s.{format_name(expr.key)}", _TIGHT
        case Call():
            head = _write(Name(expr.function))[0]
            return f"{head}({_arguments(expr.arguments)})", _TIGHT
        case EventSelection():
            return _events(expr), _TIGHT
        case Aggregate():
            return _aggregate(expr), _TIGHT
    raise TypeError(f"{type(expr).__name__} is not an expression")


def _literal(literal: Literal) -> str:
    match literal.value:
        case bool():
            return "true" if literal.value else "false"
        case str():
            return format_string(literal.value)
        case Decimal():
            return f"{literal.value:f}"
        case whole:
            return duration_text(whole) if literal.type is Type.DURATION else str(whole)


def _events(events: EventSelection) -> str:
    # An event that is really named "any" keeps its backticks, which distinguish it from every event.
    name = "any" if events.event is None else "`any`" if events.event == "any" else format_name(events.event)
    where = f".where({_write(events.where)[0]})" if events.where is not None else ""
    return f"events.{name}{where}"


def _aggregate(aggregate: Aggregate) -> str:
    text = f"{_events(aggregate.events)}.{format_name(aggregate.function)}"
    match aggregate.arguments:
        case ():
            return text
        case (Literal(Type.DURATION, int() as window),) if aggregate.function in SUGARED:
            return f"{text}_{duration_text(window)}"
    return f"{text}({_arguments(aggregate.arguments)})"


def _arguments(arguments: tuple[Expr, ...]) -> str:
    return ", ".join(_write(argument)[0] for argument in arguments)
