"""Rename definitions inside an expression.

Shape   renamed(source, names) -> source; names maps the (kind, key) of a definition to its new key
Laws    only the names change, in place: layout, comments and quotes stay as written.
        The new source refers to `names.get(n, n)` for each n that the old one refers to, and means the same otherwise.
        Names inside an aggregate are properties of its event, and stay. A trait's new key is never `needs_qualifier`
Errors  SourceError if the source does not parse
"""

from collections.abc import Mapping

from tinycdp.dsl import ast, parser, tokens
from tinycdp.dsl.check.signatures import NULLS, ROOTS, SEEN
from tinycdp.dsl.editor.format import format_name
from tinycdp.dsl.ir import Span

_NAMING = {"NAME", "STRING"}


def needs_qualifier(key: str) -> bool:
    """Whether the bare name cannot refer to a trait with this key.

    That is so if the language gives the name another meaning."""
    return key in SEEN or key in NULLS or key in ROOTS


def renamed(source: str, names: Mapping[tuple[str, str], str]) -> str:
    """The source with each reference to a renamed definition under its new key."""
    found: list[tuple[Span, str]] = []
    stack = [parser.parse(source)]
    while stack:
        match stack.pop():
            case ast.Name(name, span=span) if name not in SEEN and ("trait", name) in names:
                found.append((span, names["trait", name]))
            case ast.Ref(kind, key, span=span) if (kind, key) in names:
                found.append((span, names[kind, key]))
            case ast.Aggregate():
                pass
            case other:
                stack.extend(ast.operands(other))
    # From the end, so that earlier positions stay valid.
    for span, key in sorted(found, key=lambda place: place[0].start, reverse=True):
        source = _put(source, span, key)
    return source


def _put(source: str, span: Span, key: str) -> str:
    """Replace the key named by the reference in this span: its last name or string."""
    inside = [token for token in tokens.scan(source[span.start : span.end]) if token.type in _NAMING]
    token, alone = inside[-1], len(inside) == 1
    if token.type == "STRING":
        quote = token.value[0]
        text = f"{quote}{key}{quote}"
    elif alone and tokens.reserved(key):
        text = f"`{key}`"
    else:
        text = format_name(key)
    at = tokens.span_of(token)
    return source[: span.start + at.start] + text + source[span.start + at.end :]
