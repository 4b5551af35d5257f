"""Diagnostics: what is wrong with a source, where, how to fix it, and how it is printed.

Shape   Diagnostic(code, severity, span, message, fixes); CODES lists every code once
Units   spans in characters (code points) of the source, half-open; lines and columns count from 1
Laws    codes are a stable API; applying all edits of one fix at once gives a source without that diagnostic
Source  dsl/SPEC.md "Diagnostics"; docs/reference/language-errors.md explains each code
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinycdp.dsl.ir import Span
from tinycdp.errors import InvalidInput

Severity = Literal["error", "warning"]

#: Every code and its meaning. Families: E1 syntax, E2 lexical, E3 names, E4 types, E5 meaning, E6 graph,
#: E7 limits, W lints.
CODES: dict[str, str] = {
    "E100": "unexpected text",
    "E101": "'=' where '==' is meant",
    "E102": "a bracket is never closed",
    "E103": "chained comparison",
    "E104": "an operand is missing",
    "E105": "'!' before a comparison without parentheses",
    "E106": "an operator of another language",
    "E107": "a closing bracket that closes nothing",
    "E108": "nothing to read",
    "E109": "two values without an operator between them",
    "E110": "'in' without a list",
    "E111": "a list or range out of place",
    "E112": "more than one 'where'",
    "E113": "a member or method of something that has none",
    "E201": "a character the language does not know",
    "E202": "a string is never closed",
    "E203": "a malformed number",
    "E204": "an unknown duration unit",
    "E205": "an unknown escape in a string",
    "E206": "a malformed quoted name",
    "E207": "a number with too many digits",
    "E301": "unknown event",
    "E302": "unknown name",
    "E303": "unknown segment",
    "E304": "unknown flag",
    "E305": "unknown function",
    "E306": "unknown or missing aggregate",
    "E307": "unknown property",
    "E401": "an operator applied to the wrong type",
    "E402": "a comparison of different types",
    "E403": "null",
    "E404": "an order of strings",
    "E405": "wrong number of arguments",
    "E406": "an argument of the wrong kind",
    "E407": "the result is not true or false",
    "E409": "a literal that cannot be read",
    "E502": "a name that 'where' cannot see",
    "E503": "a comparison that can never hold",
    "E504": "a window out of bounds",
    "E505": "a range this aggregate cannot take",
    "E506": "a name for flag rules only",
    "E508": "a name that a filter of a question cannot read",
    "E601": "definitions form a cycle",
    "E602": "a key defined twice",
    "E603": "a definition it depends on has errors",
    "E701": "the source is too long",
    "E702": "nested too deeply",
    "E703": "too many nodes",
    "E704": "too many aggregates in one definition",
    "E705": "a list is too long",
    "E706": "too many terms in 'where'",
    "E707": "a name is too long",
    "E708": "too many aggregates in the workspace",
    "E709": "references lead too deep",
    "W-NULL": "a negation that is unknown where a value is missing",
    "W-ALWAYS": "a condition that always holds",
}


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace the span with `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """One quick fix. Its edits do not overlap and are in source order."""

    title: str
    edits: tuple[TextEdit, ...]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem at one place of a source, with quick fixes."""

    code: str
    severity: Severity
    span: Span
    message: str
    fixes: tuple[Fix, ...] = ()


class SourceError(InvalidInput):
    """A source that is not a valid expression.

    `diagnostics` holds everything found, errors and warnings."""

    def __init__(self, source: str, diagnostics: Sequence[Diagnostic]) -> None:
        first = diagnostics[0]
        super().__init__(
            "INVALID_EXPRESSION",
            f"{first.code} {first.message}",
            diagnostics=[to_wire(source, diagnostic) for diagnostic in diagnostics],
        )
        self.source = source
        self.diagnostics = tuple(diagnostics)


def apply(source: str, edits: Iterable[TextEdit]) -> str:
    """The source with all edits applied at once."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        source = source[: edit.span.start] + edit.text + source[edit.span.end :]
    return source


def rewrite(source: str, *edits: TextEdit) -> Fix:
    """A fix whose title shows the resulting line: `try: profile.plan == "pro"`."""
    after = apply(source, edits)
    start = after.rfind("\n", 0, edits[0].span.start) + 1
    end = after.find("\n", edits[0].span.start + len(edits[0].text))
    line = after[start : end if end >= 0 else None].strip()
    if len(line) > 100:
        near = max(0, edits[0].span.start - start - 30)
        line = "… " + line[near : near + 90] + " …"
    return Fix(f"try: {line}", edits)


def replacing(span: Span, name: str, text: str | None = None) -> Fix:
    """A fix that suggests another name for the one at the span: `did you mean 'purchase'?`."""
    return Fix(f"did you mean '{name}'?", (TextEdit(span, name if text is None else text),))


def insert(at: int, text: str) -> TextEdit:
    """Insert text at a position."""
    return TextEdit(Span(at, at), text)


def quote(text: str) -> str:
    """The text as messages show it: short, printable, in single quotes."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:40])
    return f"'{shown}…'" if len(text) > 40 else f"'{shown}'"


def position(source: str, offset: int) -> tuple[int, int]:
    """The line and column of a character, both from 1."""
    return source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)


def to_wire(source: str, diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as JSON-ready data, for the HTTP API and editors."""
    line, col = position(source, diagnostic.span.start)
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "span": {"start": diagnostic.span.start, "end": diagnostic.span.end, "line": line, "col": col},
        "message": diagnostic.message,
        "fixes": [
            {
                "title": fix.title,
                "edits": [{"start": e.span.start, "end": e.span.end, "text": e.text} for e in fix.edits],
            }
            for fix in diagnostic.fixes
        ],
    }


def render(source: str, diagnostics: Iterable[Diagnostic]) -> str:
    """Format the diagnostics for a terminal.

    E101  Use '==' to compare; '=' only defines a name.
          profile.plan = "pro"
                       ^ try: profile.plan == "pro"
    """
    return "\n".join(_render_one(source, diagnostic) for diagnostic in diagnostics)


def _render_one(source: str, diagnostic: Diagnostic) -> str:
    indent = " " * 6 if diagnostic.code.startswith("E") else " " * (len(diagnostic.code) + 2)
    lines = [f"{diagnostic.code:<{len(indent)}}{diagnostic.message}"]
    if source:
        start = source.rfind("\n", 0, diagnostic.span.start) + 1
        end = source.find("\n", diagnostic.span.start)
        line = source[start : end if end >= 0 else None].rstrip("\r")
        offset = diagnostic.span.start - start
        width = max(1, min(diagnostic.span.end, start + len(line)) - diagnostic.span.start)
        if len(line) > 120:
            cut = max(0, offset - 40)
            line, offset = line[cut : cut + 120], offset - cut
            width = min(width, 120 - offset)
        # Tabs before the caret are kept, so that it stands under its character at any tab width.
        pad = indent + "".join("\t" if c == "\t" else " " for c in line[:offset])
        caret = pad + "^" * width
        # A character that the terminal cannot encode must not crash the output.
        shown = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
        lines.append(indent + shown)
        titles = [fix.title for fix in diagnostic.fixes]
        lines.append(f"{caret} {titles[0]}" if titles else caret)
        lines.extend(f"{pad}{' ' * width} {title}" for title in titles[1:])
    else:
        lines.extend(indent + fix.title for fix in diagnostic.fixes)
    return "\n".join(lines)
