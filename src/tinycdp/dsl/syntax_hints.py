"""Helpful diagnostics for syntax errors: what the author probably meant.

Shape   diagnose(source, tokens, the unexpected token) → Diagnostic; RULES are tried in order, the last always applies
Laws    looks only at the tokens around the place, so the cost is linear in the source
Source  dsl/SPEC.md "Diagnostics"
"""

from collections.abc import Callable, Sequence

from lark import Token

from tinycdp.dsl.diagnostics import Diagnostic, Fix, TextEdit, insert, quote, rewrite
from tinycdp.dsl.ir import Span
from tinycdp.dsl.tokens import CLOSERS, OPENERS, span_of

_BINARY = frozenset({"OR", "OR_KW", "AND", "AND_KW", "ELSE", "CMP", "PLUS", "MINUS", "STAR", "SLASH", "IN_KW"})
_PREFIX = frozenset({"BANG", "NOT_KW"})
_STARTS = frozenset({"NAME", "NUMBER", "STRING", "DURATION", "TRUE_KW", "FALSE_KW", "LPAR", "LSQB", "BANG", "NOT_KW"})
_ENDS = frozenset({"NAME", "NUMBER", "STRING", "DURATION", "TRUE_KW", "FALSE_KW", "RPAR", "RSQB"})
_ENDS_CONDITION = frozenset({"OR", "OR_KW", "AND", "AND_KW", "COMMA", "BANG", "NOT_KW"})
_CLOSER = {"LPAR": ")", "LSQB": "]"}
_WORDS = {"and": "&&", "or": "||", "not": "!", "in": "in", "is": "==", "eq": "==", "ne": "!=", "equals": "=="}
_FUNCTIONS = {
    "contains": "contains",
    "like": "contains",
    "matches": "contains",
    "startswith": "starts_with",
    "starts_with": "starts_with",
    "endswith": "ends_with",
    "ends_with": "ends_with",
    "between": "between",
}


class _Place:
    """The unexpected token, the tokens before and after it, and the brackets open there."""

    def __init__(self, source: str, tokens: Sequence[Token], token: Token) -> None:
        self.source = source
        self.ended = token.type == "$END"
        index = len(tokens)
        if not self.ended:
            index = next(i for i, candidate in enumerate(tokens) if candidate.start_pos == token.start_pos)
        self.tokens = tokens
        self.index = index
        self.token = token
        self.before = tokens[index - 1] if index else None
        self.after = tokens[index + 1] if index + 1 < len(tokens) else None
        self.end = span_of(tokens[-1]).end
        self.span = Span(self.end, self.end) if self.ended else span_of(token)
        self.open: list[Token] = []
        for earlier in tokens[:index]:
            if earlier.type in OPENERS:
                self.open.append(earlier)
            elif earlier.type in CLOSERS and self.open:
                self.open.pop()

    def is_after(self, kinds: frozenset[str]) -> bool:
        return self.before is not None and self.before.type in kinds

    def error(self, code: str, span: Span, message: str, *fixes: Fix) -> Diagnostic:
        return Diagnostic(code, "error", span, message, fixes)


def diagnose(source: str, tokens: Sequence[Token], token: Token) -> Diagnostic:
    """The most helpful diagnostic for a syntax error at `token`."""
    place = _Place(source, tokens, token)
    return next(diagnostic for rule in RULES if (diagnostic := rule(place)))


def _number_parts(at: _Place) -> Diagnostic | None:
    """`.5` and `5.`"""
    if at.before is not None and at.before.type == "DOT" and at.index > 1 and at.tokens[at.index - 2].type == "NUMBER":
        dot = span_of(at.before)
        return at.error("E203", dot, "A number must end in a digit.", rewrite(at.source, TextEdit(dot, "")))
    if at.token.type != "DOT":
        return None
    if not at.is_after(_ENDS) and at.after is not None and at.after.type == "NUMBER":
        edit = insert(at.span.start, "0")
        message = "A number must begin with a digit."
        return at.error("E203", Span(at.span.start, span_of(at.after).end), message, rewrite(at.source, edit))
    return None


def _chained(at: _Place) -> Diagnostic | None:
    """`1 < x < 5`"""
    if at.token.type not in {"CMP", "IN_KW", "NOT_KW"} or not at.is_after(_ENDS):
        return None
    depth = 0
    for earlier in reversed(at.tokens[: at.index]):
        if earlier.type in CLOSERS:
            depth += 1
        elif earlier.type in OPENERS:
            depth -= 1
        if depth < 0 or (depth == 0 and earlier.type in _ENDS_CONDITION):
            return None
        if depth == 0 and earlier.type in {"CMP", "IN_KW"}:
            message = "Comparisons do not chain; join two with &&."
            if at.token.type == "CMP" and earlier.type == "CMP":
                middle = at.source[span_of(earlier).end : at.span.start].strip()
                gap = "" if at.source[at.span.start - 1].isspace() else " "
                edit = insert(at.span.start, f"{gap}&& {middle} ")
                return at.error("E103", at.span, message, rewrite(at.source, edit))
            return at.error("E103", at.span, message)
    return None


def _word_operator(at: _Place) -> Diagnostic | None:
    """`a AND b`, `NOT a`, `x contains "y"`"""
    for token in (at.token, at.before):
        if token is None or token.type != "NAME":
            continue
        word = token.value.lower()
        span = span_of(token)
        if token is at.before and (word != "not" or at.token.type not in _STARTS):
            continue
        if token is at.token and not at.is_after(_ENDS):
            continue
        if word in _WORDS:
            written = _WORDS[word]
            # `NOT a` becomes `!a`, without the space.
            end = at.span.start if written == "!" and token is at.before else span.end
            fix = rewrite(at.source, TextEdit(Span(span.start, end), written))
            return at.error("E106", span, f"Unknown operator {quote(token.value)}; write '{written}'.", fix)
        if word in _FUNCTIONS:
            name = _FUNCTIONS[word]
            sample = "between(x, low, high)" if name == "between" else f"{name}(a, b)"
            return at.error("E106", span, f"Unknown operator {quote(token.value)}; write {sample}.")
    return None


def _in_needs_list(at: _Place) -> Diagnostic | None:
    """`x in "a"`"""
    within = at.before if at.before is not None and at.before.type == "IN_KW" else None
    if within is None and at.open and at.open[-1].type == "LPAR":
        opener = next(i for i, token in enumerate(at.tokens) if token is at.open[-1])
        if opener and at.tokens[opener - 1].type == "IN_KW" and at.token.type not in CLOSERS and not at.ended:
            message = 'A list can only have literals: x in ["a", "b"]. Use == to compare with anything else.'
            return at.error("E110", at.span, message)
    if within is None:
        return None
    fixes = []
    if at.token.type in {"NUMBER", "STRING", "DURATION"}:
        fixes = [rewrite(at.source, insert(at.span.start, "["), insert(at.span.end, "]"))]
    return at.error("E110", at.span, 'A list of literals must follow \'in\', such as ["a", "b"].', *fixes)


def _list_of_literals(at: _Place) -> Diagnostic | None:
    """`x in [a, b]`"""
    if not at.open or at.open[-1].type != "LSQB" or at.token.type in CLOSERS or at.ended:
        return None
    if at.is_after(frozenset({"LSQB", "COMMA", "MINUS"})) and at.token.type in _STARTS:
        return at.error("E110", at.span, "A list can only have literals; put text in quotes.")
    return None


def _bare_list(at: _Place) -> Diagnostic | None:
    if at.token.type == "RANGE":
        message = "A range such as 90d..30d has two durations, and can only be the window of an aggregate."
        return at.error("E111", at.span, message)
    if at.token.type == "LSQB" and not at.is_after(_ENDS):
        return at.error("E111", at.span, "A list can only follow 'in'.")
    return None


def _after_dot(at: _Place) -> Diagnostic | None:
    if not at.is_after(frozenset({"DOT"})):
        return None
    span = Span(at.end - 1, at.end) if at.ended else at.span
    return at.error("E104", span, "A name must follow the dot; put an unusual one in backticks.")


def _missing_operand(at: _Place) -> Diagnostic | None:
    """`a &&`, `&& a`, `(a || )`, `f()` where a value must stand"""
    if at.is_after(_BINARY | _PREFIX) and (at.ended or at.token.type not in _STARTS):
        assert at.before is not None
        return at.error("E104", span_of(at.before), f"A value must follow {quote(at.before.value)}.")
    if at.token.type in _BINARY | {"DOT"} and not at.is_after(_ENDS):
        hint = " Put a property of this name in backticks." if at.token.value.isalpha() else ""
        return at.error("E104", at.span, f"A value must come before {quote(at.token.value)}.{hint}")
    if at.token.type == "COMMA" and at.is_after(frozenset({"COMMA", "LPAR", "LSQB"})):
        return at.error("E104", at.span, "A value is missing before this comma.")
    if at.token.type == "RPAR" and at.is_after(frozenset({"LPAR"})):
        return at.error("E104", Span(at.span.start - 1, at.span.end), "These parentheses are empty.")
    return None


def _brackets(at: _Place) -> Diagnostic | None:
    if at.ended and at.open:
        opener = at.open[-1]
        closers = "".join(_CLOSER[token.type] for token in reversed(at.open))
        fixes = [rewrite(at.source, insert(at.end, closers))] if at.is_after(_ENDS) else []
        return at.error("E102", span_of(opener), f"This {quote(opener.value)} is never closed.", *fixes)
    if at.token.type in CLOSERS and (not at.open or OPENERS[at.open[-1].type] != at.token.type):
        if not at.open:
            message = f"This {quote(at.token.value)} closes nothing."
            return at.error("E107", at.span, message, rewrite(at.source, TextEdit(at.span, "")))
        wanted = _CLOSER[at.open[-1].type]
        message = f"{quote(at.open[-1].value)} must be closed by '{wanted}', not by {quote(at.token.value)}."
        return at.error("E107", at.span, message, rewrite(at.source, TextEdit(at.span, wanted)))
    return None


def _no_operator(at: _Place) -> Diagnostic | None:
    """`a b`"""
    if not at.is_after(_ENDS) or at.token.type not in _STARTS:
        return None
    message = "An operator is missing before this, such as && or ==."
    if at.open:
        message = "An operator or a comma is missing before this."
    return at.error("E109", at.span, message)


def _unexpected(at: _Place) -> Diagnostic:
    if at.ended:
        return at.error("E104", Span(at.end - 1, at.end), "The expression ends too early.")
    return at.error("E100", at.span, f"{quote(at.token.value)} is not valid here.")


RULES: tuple[Callable[[_Place], Diagnostic | None], ...] = (
    _number_parts,
    _chained,
    _word_operator,
    _after_dot,
    _in_needs_list,
    _list_of_literals,
    _missing_operand,
    _bare_list,
    _brackets,
    _no_operator,
    _unexpected,
)
