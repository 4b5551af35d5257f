"""Split source text into tokens, and report tokens that are wrong by themselves.

Shape   tokenise(source) → tokens for the terminals of dsl/grammar.lark, whose patterns it uses; scan(source) → the same
        for any text, including broken tokens and comments
Laws    any text gives tokens, or a SourceError with E2xx (or E1xx, E7xx if one token is enough to tell), in linear time
Source  dsl/SPEC.md "Text"
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lark import Lark, Token
from lark.common import LexerConf
from lark.lexer import Lexer, PatternStr

from tinycdp import resources
from tinycdp.dsl.check.signatures import MAX_WINDOW_MS
from tinycdp.dsl.diagnostics import Diagnostic, Fix, SourceError, TextEdit, quote, rewrite
from tinycdp.dsl.ir import Span
from tinycdp.dsl.values.scalars import parse_duration

MAX_BYTES = 4096
MAX_DEPTH = 24
#: A call and its parentheses are at most two brackets per level of the tree.
MAX_BRACKETS = 2 * MAX_DEPTH
MAX_NODES = 256
MAX_NAME = 64
MAX_QUOTED_NAME = 128

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB"}
CLOSERS = frozenset(OPENERS.values())
#: Each of these has its own right operand. A source with more of them than the node limit need not be parsed.
_BINARY = frozenset({"OR", "OR_KW", "AND", "AND_KW", "ELSE", "CMP", "STAR", "SLASH"})
_PREFIX = frozenset({"BANG", "NOT_KW", "MINUS"})
_MAX_DIAGNOSTICS = 20

#: Operators of other languages are tried first, malformed tokens last.
_FOREIGN = r"(?P<FOREIGN>===|!==|=~|<>|=>|=(?!=)|&(?!&)|\|(?!\|)|\?(?!\?))"
_BROKEN = (
    r"(?P<BAD_NUMBER>[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]+)*)"
    r"|(?P<BAD_STRING>[\"'][^\n]*)"
    r"|(?P<BAD_NAME>`[^`\n]*`?)"
    r"|(?P<BAD_CHARACTER>[\s\S])"
)
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
_WORD = re.compile(r"\w*")
_INSTEAD = {"=": "==", "===": "==", "!==": "!=", "<>": "!=", "=>": ">=", "&": "&&", "|": "||"}

_UNIT_WORDS = {
    **dict.fromkeys(("sec", "secs", "second", "seconds", "S"), (1, "s")),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (1, "m")),
    **dict.fromkeys(("hr", "hrs", "hour", "hours", "H"), (1, "h")),
    **dict.fromkeys(("day", "days", "D"), (1, "d")),
    **dict.fromkeys(("week", "weeks", "wk", "wks", "W"), (1, "w")),
    **dict.fromkeys(("mo", "mon", "month", "months", "M"), (30, "d")),
    **dict.fromkeys(("y", "yr", "year", "years", "Y"), (365, "d")),
}
#: What stands before the window of an aggregate: `events.a.count(` or `.sum(amount, `.
_WINDOW_OF = re.compile(r"\.\w+\((?:[\w.`]+\s*,\s*)*$")


class _Ready(Lexer):
    """Passes to Lark the tokens that tokenise has made."""

    def __init__(self, conf: LexerConf) -> None:
        del conf

    def lex(self, tokens: list[Token]) -> Iterator[Token]:  # type: ignore[override]
        return iter(tokens)


def load_grammar(builder: Any) -> Lark:
    """A parser of dsl/grammar.lark that reads lists of tokens.

    It calls `builder` at each reduction."""
    text = (resources.folder("dsl") / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer=_Ready, transformer=builder, keep_all_tokens=True, maybe_placeholders=False)


@lru_cache(maxsize=1)
def _pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    """One pattern for all tokens, and the keywords, in the order of the grammar's terminals."""
    parts, keywords = [_FOREIGN], {}
    for terminal in load_grammar(None).terminals:
        if isinstance(terminal.pattern, PatternStr) and terminal.pattern.value.isalpha():
            keywords[terminal.pattern.value] = terminal.name
        else:
            parts.append(f"(?P<{terminal.name}>{terminal.pattern.to_regexp()})")
    return re.compile("|".join([*parts, _BROKEN])), keywords


def reserved(name: str) -> bool:
    """Whether the bare name would be read as a keyword."""
    return name in _pattern()[1]


def decode(source: str | bytes) -> str:
    """The source as text.

    Bytes that are not UTF-8 become lone surrogates; tokenise reports their place."""
    return source.decode("utf-8", "surrogateescape") if isinstance(source, bytes) else source


def scan(source: str) -> Iterator[Token]:
    """Yield every token and comment of any text, for editors of unfinished text."""
    pattern, keywords = _pattern()
    after_dot = False
    for match in pattern.finditer(source):
        kind, text = match.lastgroup or "", match.group()
        if kind == "SPACE":
            continue
        if kind == "NAME" and not after_dot:
            kind = keywords.get(text, kind)
        if kind != "COMMENT":
            after_dot = kind == "DOT"
        yield Token(kind, text, match.start(), end_pos=match.end())


def broken(token: Token) -> bool:
    """Whether a scanned token is not part of the language."""
    return token.type.startswith("BAD_") or token.type == "FOREIGN"


def tokenise(source: str) -> list[Token]:
    """The tokens, without spaces and comments. Raises SourceError."""
    if len(source) > MAX_BYTES or len(source.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SourceError(source, [_error("E701", 0, 1, f"A source can have at most {MAX_BYTES:,} bytes.")])
    if unreadable := _UNREADABLE.search(source):
        code = f"U+{ord(unreadable.group()):04X}"
        message = f"The source must be valid UTF-8 without zero characters; this is {code}."
        raise SourceError(source, [_error("E201", unreadable.start(), unreadable.end(), message)])
    tokens: list[Token] = []
    problems: list[Diagnostic] = []
    for token in scan(source):
        kind, text, span = token.type, token.value, span_of(token)
        if kind == "COMMENT":
            continue
        if broken(token):
            if not problems or problems[-1].span.end <= span.start:
                problems.append(_problem(source, kind, text, span.start, span.end))
            continue
        if len(text) > MAX_NAME and kind == "NAME" and (text[0] != "`" or len(text) > MAX_QUOTED_NAME + 2):
            message = f"A name can have at most {MAX_NAME} characters; in backticks {MAX_QUOTED_NAME}."
            problems.append(_error("E707", span.start, span.end, message))
        tokens.append(token)
    if deep := _too_large(tokens):
        problems.insert(0, deep)
    if problems:
        raise SourceError(source, problems[:_MAX_DIAGNOSTICS])
    return tokens


def span_of(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0)


def _too_large(tokens: list[Token]) -> Diagnostic | None:
    """Reject early what would exceed a limit anyway.

    Then no input costs more than reading it."""
    depth = run = binary = 0
    for token in tokens:
        kind = token.type
        run = run + 1 if kind in _PREFIX else 0
        if kind in OPENERS:
            depth += 1
        elif kind in CLOSERS:
            depth -= 1
        elif kind in _BINARY:
            binary += 1
        span = span_of(token)
        if depth > MAX_BRACKETS or run > MAX_DEPTH:
            return _error("E702", span.start, span.end, f"Nested too deeply: at most {MAX_DEPTH} levels.")
        if binary >= MAX_NODES:
            return _error("E703", span.start, span.end, f"Too large: at most {MAX_NODES} nodes.")
    return None


def _error(code: str, start: int, end: int, message: str, *fixes: Fix) -> Diagnostic:
    return Diagnostic(code, "error", Span(start, end), message, fixes)


def _problem(source: str, kind: str, text: str, start: int, end: int) -> Diagnostic:
    match kind:
        case "FOREIGN":
            return _foreign(source, text, start, end)
        case "BAD_NUMBER":
            return _bad_number(source, text, start, end)
        case "BAD_STRING":
            return _error("E202", start, end, f"This string is never closed; end it with {text[0]} on the same line.")
        case "BAD_NAME":
            message = "Write a quoted name as `name`, on one line and not empty."
            return _error("E206", start, end, message)
    word = _WORD.match(source, start)
    if text.isalnum() and word is not None:
        # The ASCII letters before it were read as a name; the message is about the whole word.
        while start and (source[start - 1].isalnum() or source[start - 1] == "_"):
            start -= 1
        name = source[start : word.end()]
        edit = TextEdit(Span(start, word.end()), f"`{name}`")
        message = f"A plain name can only have a-z, A-Z, 0-9 and _; put {quote(name)} in backticks."
        return _error("E201", start, word.end(), message, rewrite(source, edit))
    hint = {
        "“": " Use straight quotes.",
        "”": " Use straight quotes.",
        "‘": " Use straight quotes.",
        "’": " Use straight quotes.",
        "%": " There is no remainder operator.",
        "{": " Write a list as [a, b].",
    }.get(text, "")
    return _error("E201", start, end, f"The character {quote(text)} is not part of the language.{hint}")


def _foreign(source: str, text: str, start: int, end: int) -> Diagnostic:
    if text == "?":
        return _error("E106", start, end, "There is no '? :'; write if(condition, a, b), or a ?? b for a default.")
    if text == "=~":
        return _error("E106", start, end, "There are no regular expressions; use starts_with, ends_with or contains.")
    fix = rewrite(source, TextEdit(Span(start, end), _INSTEAD[text]))
    if text == "=":
        return _error("E101", start, end, "Use '==' to compare; '=' only defines a name.", fix)
    return _error("E106", start, end, f"Unknown operator {quote(text)}; write '{_INSTEAD[text]}'.", fix)


def in_units(text: str) -> str | None:
    """A duration with a unit in words, in the units of the language: `2y` is `730d`, `30days` is `30d`."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(digits) :]
    # Python refuses to parse numbers with too many digits, and no window is that long.
    if unit not in _UNIT_WORDS or not (digits.isascii() and digits.isdigit()) or len(digits) > 8:
        return None
    factor, letter = _UNIT_WORDS[unit]
    return f"{int(digits) * factor}{letter}"


def _bad_number(source: str, text: str, start: int, end: int) -> Diagnostic:
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(digits) :]
    if not unit or not digits.isdigit():
        message = f"{quote(text)} is not a number; numbers look like 12, 1_000 and 19.99."
        return _error("E203", start, end, message)
    message = f"Unknown duration unit {quote(unit)}; the units are s, m, h, d and w."
    if unit not in _UNIT_WORDS:
        return _error("E204", start, end, message)
    if _UNIT_WORDS[unit][0] > 1:
        message = f"Months and years differ in length, so {quote(unit)} is not a unit; count days."
    instead = in_units(text)
    too_long = instead is not None and (parse_duration(instead) or 0) > MAX_WINDOW_MS
    if too_long and _WINDOW_OF.search(source, max(0, start - 200), start):
        instead = "400d"
        message += " A window has at most 400 days; without one an aggregate covers all time."
    fixes = [rewrite(source, TextEdit(Span(start, end), instead))] if instead is not None else []
    return _error("E204", start, end, message, *fixes)
