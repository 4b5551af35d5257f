"""Parse text to a syntax tree.

Shape   parse(source) → the tree of ast.py
Laws    sources with the same meaning give equal trees. parse(format_expression(tree)) == tree
        The tree is built during the parse, on the parser's own stack, so no input can exhaust Python's.
Errors  SourceError with E1xx, E2xx or E7xx; no other exception for any str or bytes
Source  dsl/grammar.lark; dsl/SPEC.md "Grammar", "Names"
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedToken

from tinycdp.dsl import syntax_hints, tokens
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
    operands,
)
from tinycdp.dsl.diagnostics import Diagnostic, SourceError, TextEdit, insert, rewrite
from tinycdp.dsl.ir import Span, Type
from tinycdp.dsl.tokens import MAX_DEPTH, MAX_NODES, span_of
from tinycdp.dsl.values.scalars import UNITS_MS

MAX_ITEMS = 1_000
MAX_WHERE_TERMS = 8
MAX_DIGITS = 38
MAX_FRACTION = 9

_SUGAR = re.compile(rf"({'|'.join(SUGARED)})_([0-9]+[smhdw])")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
#: `segment("x")` and `segments.x` are the same reference.
_CALLED = {"trait": "trait", "segment": "segment", "flag": "flag"}
_ROOTS = {"traits": "trait", "segments": "segment"}


def parse(source: str | bytes) -> Expr:
    """The tree of one expression. Raises only SourceError."""
    text = tokens.decode(source)
    found = tokens.tokenise(text)
    if not found:
        raise SourceError(text, [Diagnostic("E108", "error", Span(0, 0), "The expression is empty.")])
    try:
        tree: Expr = _parser().parse(found)  # type: ignore[assignment]
    except UnexpectedToken as problem:
        raise SourceError(text, [syntax_hints.diagnose(text, found, problem.token)]) from None
    except _NotInLanguage as error:
        fixes = tuple(rewrite(text, *edits) for edits in error.fixes)
        raise SourceError(text, [Diagnostic(error.code, "error", error.span, str(error), fixes)]) from None
    if problem_found := _measure(tree):
        raise SourceError(text, [problem_found])
    return tree


def _measure(tree: Expr) -> Diagnostic | None:
    """The first limit that the tree exceeds. Iterative, since the depth may be large."""
    nodes = 0
    stack = [(tree, 1)]
    while stack:
        expr, depth = stack.pop()
        # `events.x` in front of an aggregate is part of it.
        nodes += not isinstance(expr, EventSelection)
        if depth > MAX_DEPTH or (isinstance(expr, Path) and len(expr.names) > MAX_DEPTH):
            return Diagnostic("E702", "error", expr.span, f"Nested too deeply: at most {MAX_DEPTH} levels.")
        if nodes > MAX_NODES:
            return Diagnostic("E703", "error", expr.span, f"Too large: at most {MAX_NODES} nodes.")
        if isinstance(expr, EventSelection) and expr.where is not None and _terms(expr.where) > MAX_WHERE_TERMS:
            message = f"'where' can have at most {MAX_WHERE_TERMS} terms."
            return Diagnostic("E706", "error", expr.where.span, message)
        stack.extend((part, depth + 1) for part in reversed(operands(expr)))
    return None


def _terms(where: Expr) -> int:
    """How many conditions && and || join, at any depth."""
    count, stack = 0, [where]
    while stack:
        expr = stack.pop()
        if isinstance(expr, Logic | Not):
            stack.extend(operands(expr))
        else:
            count += 1
    return count


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return tokens.load_grammar(_Builder())


class _NotInLanguage(Exception):
    """A construct that the grammar accepts and the language does not.

    Each fix is a group of edits."""

    def __init__(self, code: str, span: Span, message: str, *fixes: Sequence[TextEdit]) -> None:
        super().__init__(message)
        self.code = code
        self.span = span
        self.fixes = fixes


class _Builder:
    """One method per rule or alias of the grammar, called with its parts at each reduction.

    Keeps no state."""

    def or_expr(self, parts: list[Any]) -> Expr:
        return self._logic("or", parts)

    def and_expr(self, parts: list[Any]) -> Expr:
        return self._logic("and", parts)

    def _logic(self, op: str, parts: list[Any]) -> Expr:
        flat: list[Expr] = []
        for part in parts[::2]:
            if isinstance(part, Logic) and part.op == op:
                flat.extend(part.operands)
            else:
                flat.append(part)
        return Logic(op, tuple(flat), span=_span_over(parts))

    def negation(self, parts: list[Any]) -> Expr:
        sign, operand = parts
        if sign.type == "BANG" and isinstance(operand, Compare | In):
            left = operand.left if isinstance(operand, Compare) else operand.operand
            # A parenthesised operand's span includes its parentheses.
            if operand.span.start == left.span.start:
                raise _NotInLanguage(
                    "E105",
                    span_of(sign),
                    "'!' negates the whole comparison; add parentheses to show which you mean.",
                    (insert(operand.span.start, "("), insert(operand.span.end, ")")),
                    (insert(sign.start_pos, "("), insert(left.span.end, ")")),
                )
        return Not(operand, span=_span_over(parts))

    def compare(self, parts: list[Any]) -> Expr:
        left, op, right = parts
        return Compare(op.value, left, right, span=_span_over(parts), op_span=span_of(op))

    def in_(self, parts: list[Any]) -> Expr:
        return In(parts[0], parts[2], span=_span_over(parts))

    def not_in(self, parts: list[Any]) -> Expr:
        return In(parts[0], parts[3], negated=True, span=_span_over(parts))

    def options(self, parts: list[Any]) -> ListLiteral:
        return self.literals(parts)

    def literals(self, parts: list[Any]) -> ListLiteral:
        items: list[Literal] = []
        for part in parts:
            if isinstance(part, ListLiteral):
                items.extend(part.items)
            elif isinstance(part, Literal):
                items.append(part)
        if len(items) > MAX_ITEMS:
            raise _NotInLanguage("E705", _span_over(parts), f"A list can have at most {MAX_ITEMS:,} items.")
        return ListLiteral(tuple(items), span=_span_over(parts))

    def arithmetic(self, parts: list[Any]) -> Expr:
        left, op, right = parts
        return Arith(op.value, left, right, span=_span_over(parts), op_span=span_of(op))

    def fallback(self, parts: list[Any]) -> Expr:
        return Coalesce(parts[0], parts[2], span=_span_over(parts))

    def minus(self, parts: list[Any]) -> Expr:
        operand = parts[1]
        if isinstance(operand, Literal) and operand.type is Type.NUMBER:
            return Literal(Type.NUMBER, -operand.value, span=_span_over(parts))  # type: ignore[operator]
        return Negate(operand, span=_span_over(parts))

    def negative(self, parts: list[Any]) -> Expr:
        return self.minus([parts[0], self.number(parts[1:])])

    def member(self, parts: list[Any]) -> Expr:
        base, _, token = parts
        name, span = _name(token), _span_over(parts)
        match base:
            case Name("events"):
                event = None if token.value == "any" else name
                return EventSelection(event, span=span, event_span=span_of(token))
            case EventSelection():
                sugar = _SUGAR.fullmatch(name)
                if sugar is None:
                    return Aggregate(base, name, span=span, function_span=span_of(token))
                window = Literal(Type.DURATION, _duration(sugar[2], span_of(token)), span=span_of(token))
                return Aggregate(base, sugar[1], (window,), span=span, function_span=span_of(token))
            case Name(root) if root in _ROOTS:
                return Ref(_ROOTS[root], name, span=span)
            case Name(root):
                return Path((root, name), span=span)
            case Path(names):
                return Path((*names, name), span=span)
        raise _NotInLanguage("E113", span_of(token), "Only names have members; this is a value.")

    def method(self, parts: list[Any]) -> Expr:
        base, _, token, *rest = parts
        name, span, arguments = _name(token), _span_over(parts), _arguments(rest)
        if isinstance(base, EventSelection) and name == "where":
            if base.where is not None:
                raise _NotInLanguage(
                    "E112", span_of(token), "Only one 'where' is allowed; join its conditions with &&."
                )
            if len(arguments) != 1 or isinstance(arguments[0], Range | ListLiteral):
                raise _NotInLanguage("E111", span_of(token), "'where' takes one condition on the event's properties.")
            return EventSelection(base.event, arguments[0], span=span, event_span=base.event_span)
        if isinstance(base, EventSelection):
            return Aggregate(base, name, arguments, span=span, function_span=span_of(token))
        if isinstance(base, Name) and base.name == "events":
            message = f"Name the event first; use events.any.{name}(…) for every event."
            raise _NotInLanguage("E113", span_of(token), message, (insert(base.span.end, ".any"),))
        inside = ", " if arguments else ""
        edits = (
            insert(base.span.start, f"{name}("),
            TextEdit(Span(base.span.end, arguments[0].span.start if arguments else span.end), inside or ")"),
        )
        message = f"Only events have methods; write the function as {name}(…)."
        raise _NotInLanguage("E113", span_of(token), message, edits)

    def call(self, parts: list[Any]) -> Expr:
        token, *rest = parts
        name, arguments = _name(token), _arguments(rest)
        if name in _CALLED and len(arguments) == 1:
            match arguments[0]:
                case Literal(Type.STRING, str() as key):
                    return Ref(_CALLED[name], key, span=_span_over(parts))
        return Call(name, arguments, span=_span_over(parts), function_span=span_of(token))

    def args(self, parts: list[Any]) -> list[Expr]:
        return [part for part in parts if isinstance(part, Expr)]

    def range(self, parts: list[Any]) -> Expr:
        start, _, end = parts
        return Range(_duration(start.value, span_of(start)), _duration(end.value, span_of(end)), span=_span_over(parts))

    def group(self, parts: list[Any]) -> Expr:
        inner: Expr = parts[1]
        return replace(inner, span=_span_over(parts))

    def name(self, parts: list[Any]) -> Expr:
        return Name(_name(parts[0]), span=span_of(parts[0]))

    def number(self, parts: list[Any]) -> Literal:
        token = parts[0]
        text = token.value.replace("_", "")
        whole, _, fraction = text.partition(".")
        whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
        if len(whole) > MAX_DIGITS - MAX_FRACTION or len(fraction) > MAX_FRACTION:
            limit = f"{MAX_DIGITS - MAX_FRACTION} digits before the point and {MAX_FRACTION} after it"
            raise _NotInLanguage("E207", span_of(token), f"A number can have at most {limit}.")
        value = Decimal(f"{whole or '0'}.{fraction}") if fraction else int(whole or "0")
        return Literal(Type.NUMBER, value, span=span_of(token))

    def string(self, parts: list[Any]) -> Literal:
        token = parts[0]

        def unescape(match: re.Match[str]) -> str:
            escape = match[1]
            if escape[0] == "u" and len(escape) == 5:
                code = int(escape[1:], 16)
                if code and not 0xD800 <= code <= 0xDFFF:
                    return chr(code)
            elif escape in _ESCAPES:
                return _ESCAPES[escape]
            at = token.start_pos + 1 + match.start()
            message = r"Unknown escape; the escapes are \" \' \\ \n \t \r and \u with four hexadecimal digits."
            raise _NotInLanguage("E205", Span(at, at + len(match[0])), message, [insert(at, "\\")])

        body = token.value[1:-1]
        value = _ESCAPE.sub(unescape, body) if "\\" in body else body
        return Literal(Type.STRING, value, span=span_of(token))

    def duration(self, parts: list[Any]) -> Literal:
        return Literal(Type.DURATION, _duration(parts[0].value, span_of(parts[0])), span=span_of(parts[0]))

    def true(self, parts: list[Any]) -> Literal:
        return Literal(Type.BOOL, True, span=span_of(parts[0]))

    def false(self, parts: list[Any]) -> Literal:
        return Literal(Type.BOOL, False, span=span_of(parts[0]))


def _span_over(parts: Sequence[Any]) -> Span:
    """From the start of the first part to the end of the last."""
    return Span(_place(parts[0]).start, _place(parts[-1]).end)


def _place(part: Token | Expr) -> Span:
    return span_of(part) if isinstance(part, Token) else part.span


def _name(token: Token) -> str:
    text = str(token)
    return text[1:-1] if text[0] == "`" else text


def _arguments(rest: Sequence[Any]) -> tuple[Expr, ...]:
    """The arguments between the brackets, which `args` has collected in a list."""
    return tuple(rest[1]) if len(rest) == 3 else ()


def _duration(text: str, span: Span) -> int:
    if len(text) > 12:
        raise _NotInLanguage("E207", span, "A duration can have at most 11 digits.")
    return int(text[:-1]) * UNITS_MS[text[-1]]
