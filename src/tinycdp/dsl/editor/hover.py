"""Hover text for a position: a definition, an event, an aggregate, a window.

Shape   hover(source, position, scope) → Hover or None
Units   positions in characters (code points) of the source, half-open; `markdown` is Markdown
Laws    every text and every position has an answer, however broken the text is
Source  docs/reference/language-services.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lark import Token

from tinycdp.dsl.ast import SUGARED
from tinycdp.dsl.check.expressions import BESIDE_THE_EVENT, Scope, check
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, REFERENCES, SEEN
from tinycdp.dsl.editor import function_docs
from tinycdp.dsl.editor.complete import window_in_words
from tinycdp.dsl.editor.cursor_context import Bracket, Chain, chain_at, closer, open_brackets
from tinycdp.dsl.ir import Span, Type
from tinycdp.dsl.tokens import MAX_BYTES, scan


@dataclass(frozen=True, slots=True)
class Hover:
    """The text for the characters [start, end), and the type of what they mean."""

    start: int
    end: int
    markdown: str
    type: Type | None


def hover(
    source: str, position: int, scope: Scope, described: Mapping[tuple[str, str], str] | None = None
) -> Hover | None:
    """What stands at the position; None if there is nothing to show.

    `described` holds the descriptions of definitions, as Markdown."""
    if len(source) > MAX_BYTES:
        return None
    tokens = [token for token in scan(source) if token.type != "COMMENT"]
    touched = [i for i, token in enumerate(tokens) if (token.start_pos or 0) <= position <= (token.end_pos or 0)]
    if not touched:
        return None
        # If two tokens touch, the name says more than the dot or bracket beside it.
    at = next((i for i in touched if tokens[i].type in {"NAME", "STRING", "DURATION"}), touched[-1])
    token = tokens[at]
    span = Span(token.start_pos or 0, token.end_pos or 0)
    brackets = open_brackets(tokens[:at])
    found = _describe_token(source, tokens, at, brackets, scope, described or {})
    if found is None:
        return None
    return Hover(span.start, span.end, *found)


_Text = tuple[str, Type | None]


def _describe_token(
    source: str,
    tokens: list[Token],
    at: int,
    brackets: list[Bracket],
    scope: Scope,
    described: Mapping[tuple[str, str], str],
) -> _Text | None:
    token = tokens[at]
    inner = brackets[-1] if brackets else None
    if token.type == "STRING":
        if inner is not None and len(inner.links) == 1 and (kind := inner.links[0].name) in REFERENCES:
            return _of_definition(kind, token.value[1:-1], scope, described)
        return "**text**", Type.STRING
    if token.type == "DURATION":
        return f"**{token.value}** · {window_in_words(token.value)}", Type.DURATION
    if token.type in {"TRUE_KW", "FALSE_KW"}:
        return f"**{token.value}**", Type.BOOL
    if token.type != "NAME":
        symbol = {"and": "&&", "or": "||", "not": "!"}.get(token.value, token.value)
        return (f"`{symbol}` {function_docs.OPERATORS[symbol]}", None) if symbol in function_docs.OPERATORS else None
    chain = chain_at(tokens, at)
    if chain is None:
        return None
    names = tuple(link.name for link in chain.links)
    event = next((bracket.event for bracket in reversed(brackets) if bracket.event is not None), None)
    called = at + 1 < len(tokens) and tokens[at + 1].type == "LPAR"
    if event is None and inner is not None and inner.aggregate is not None:
        event = inner.links[1].name
    if event is not None and not called:
        type_ = scope.events.get(event, {}).get(".".join(names), Type.DYN)
        return f"**{'.'.join(names)}** · property of the event `{event}` · {type_.value}", type_
    if scope.kind == "event filter" and not called and names[0] not in {*BESIDE_THE_EVENT, "segments"}:
        type_ = scope.event.get(".".join(names), Type.DYN)
        return f"**{'.'.join(names)}** · property of the event · {type_.value}", type_
    if names[0] == "events" and len(names) > 1:
        return _of_events(source, tokens, at, chain, called, scope)
    return _of_name(names, called, scope, described)


def _of_events(source: str, tokens: list[Token], at: int, chain: Chain, called: bool, scope: Scope) -> _Text | None:
    name = chain.links[-1].name
    if len(chain.links) == 2:
        if name == "any":
            return f"**any** · {function_docs.ANY}", None
        seen = f"properties: {', '.join(list(scope.events[name])[:20])}" if scope.events.get(name) else ""
        return "\n\n".join(filter(None, [f"**{name}** · event", seen])), None
    if name == "where":
        return f"**where(…)** · {function_docs.WHERE}", None
    head = name
    if head not in AGGREGATES and name.rpartition("_")[0] in SUGARED:
        head = name.rpartition("_")[0]
    shape = AGGREGATES.get(head)
    if shape is None:
        return None
    end = closer(tokens, at + 1) if called else at
    whole = source[tokens[chain.start].start_pos or 0 : tokens[end].end_pos or 0]
    checked = check(whole, replace(scope, kind="trait"))
    type_ = checked.type if checked.node is not None else shape.type or Type.DYN
    empty = "\n\nUnknown if there is no such event." if shape.nullable else ""
    return f"**{shape.usage}** → {type_.value}\n\n{function_docs.AGGREGATES.get(head, '')}{empty}", type_


def _of_name(
    names: tuple[str, ...], called: bool, scope: Scope, described: Mapping[tuple[str, str], str]
) -> _Text | None:
    root = names[0]
    if len(names) > 1:
        dotted = ".".join(names[1:])
        match root:
            case "traits" | "segments":
                return _of_definition(root[:-1], dotted, scope, described)
            case "profile":
                type_ = scope.properties.get(dotted, Type.DYN)
                return f"**profile.{dotted}** · property of the profile · {type_.value}", type_
            case "group":
                return f"**group.{dotted}** · trait of the profile's group", Type.DYN
            case "context":
                of = "event" if scope.filters else "decision request"
                return f"**context.{dotted}** · from the context of the {of}", Type.DYN
        return None
    if called:
        usage = GENERIC.get(root, ("", 0))[0]
        result_type: Type | None = None
        if (shape := FUNCTIONS.get(root)) is not None:
            usage, result_type = shape.usage, shape.type
        if root in REFERENCES:
            usage = f'{root}("key")'
        about = function_docs.FUNCTIONS.get(root) or function_docs.REFERENCES.get(root)
        result = f" → {result_type.value}" if result_type is not None else ""
        return (f"**{usage}**{result}\n\n{about}", result_type) if about else None
    if root in SEEN:
        type_ = Type.DATETIME if SEEN[root][1] is None else Type.NUMBER
        return f"**{root}** → {type_.value}\n\n{function_docs.BUILT_IN[root]}", type_
    if root in scope.traits and not scope.filters:
        return _of_definition("trait", root, scope, described)
    return (f"**{root}** · {function_docs.ROOTS[root]}", None) if root in function_docs.ROOTS else None


def _of_definition(kind: str, key: str, scope: Scope, described: Mapping[tuple[str, str], str]) -> _Text | None:
    if kind == "segment":
        type_ = Type.BOOL if key in scope.segments else None
    else:
        type_ = (scope.traits if kind == "trait" else scope.flags).get(key)
    if type_ is None:
        return None
    head = f"**{key}** · {kind} · {type_.value}"
    return "\n\n".join(filter(None, [head, described.get((kind, key), "")])), type_
