"""Completion: what can be written at a position of an unfinished expression.

Shape   complete(source, position, scope) → Completion, its items best first
Units   positions in characters (code points) of the source; [start, end) is what an item replaces
Laws    every text and every position has an answer, however broken the text is. An item is offered only where it is
        valid; flags are offered only in flags. Ranking: prefixes, then matches inside a name, then similar names
Source  docs/reference/language-services.md
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lark import Token
from rapidfuzz import fuzz, process
from rapidfuzz.distance import JaroWinkler

from tinycdp.dsl.ast import SUGARED
from tinycdp.dsl.check.expressions import BESIDE_THE_EVENT, Scope, check
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, REFERENCES, ROOTS, SEEN, AggregateShape
from tinycdp.dsl.editor import function_docs
from tinycdp.dsl.editor.cursor_context import Bracket, chain_at, open_brackets, opener, split
from tinycdp.dsl.editor.format import format_name, format_string
from tinycdp.dsl.ir import Type
from tinycdp.dsl.tokens import CLOSERS, MAX_BYTES, OPENERS, reserved
from tinycdp.dsl.values.scalars import UNITS_MS, duration_text

MOST_ITEMS = 50
#: How many names are considered per answer. The most used come first, so only rare names are left out.
_MOST_NAMES = 5_000
_WINDOWS = ("1d", "7d", "14d", "30d", "90d", "365d")
_SHORT_WINDOWS = {"count": ("30d", "7d", "1d", "90d"), "exists": ("30d", "7d", "1d"), "rate": ("30d", "7d")}
_DAY_WINDOWS = ("14d", "7d", "30d")
_ENDS_A_VALUE = {"NAME", "NUMBER", "STRING", "DURATION", "TRUE_KW", "FALSE_KW", "RPAR", "RSQB"}
_SYMBOLS = {"FOREIGN", "CMP", "BANG", "BAD_CHARACTER"}
_EQUALITY = ("==", "!=")
_ORDER = (">=", ">", "<", "<=")
_LISTS = ("in", "not in")
_SUMS = ("+", "-", "*", "/")
_ROOTS_OF_FILTERS = BESIDE_THE_EVENT | {"segments"}
_AFTER: dict[Type, tuple[str, ...]] = {
    Type.BOOL: ("&&", "||", "??", *_EQUALITY),
    Type.NUMBER: (*_ORDER, *_EQUALITY, "??", *_SUMS, *_LISTS),
    Type.STRING: (*_EQUALITY, *_LISTS, "??"),
    Type.DATETIME: (*_ORDER, "-", "+", "??", *_EQUALITY),
    Type.DURATION: (*_ORDER, *_EQUALITY, "??", "+", "-"),
    Type.VERSION: (*_ORDER, *_EQUALITY, "??"),
    Type.LIST: (),
    Type.DYN: (*_EQUALITY, *_ORDER, *_LISTS, "??", "&&", "||", *_SUMS),
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """One completion item.

    If `insert` ends in a dot or a bracket, more must follow: ask again after it.

    kind   trait, segment, flag, event, property, aggregate, function, name, window, operator or keyword
    score  from 0 to 1, greater is better"""

    label: str
    insert: str
    kind: str
    detail: str
    score: float


@dataclass(frozen=True, slots=True)
class Completion:
    """The items for a position. Each replaces the characters [start, end)."""

    start: int
    end: int
    items: tuple[Proposal, ...]


class _Offer(NamedTuple):
    """A proposal before ranking.

    `name` is matched with the typed text; `weight` (0 to 1) says how likely it is."""

    name: str
    insert: str
    kind: str
    detail: str
    weight: float
    label: str = ""
    type: Type | None = None


def complete(source: str, position: int, scope: Scope) -> Completion:
    """What can stand at the position, in place of the word it touches.

    The scope's mappings must be in order of use, the most used first."""
    position = max(0, min(position, len(source)))
    if len(source) > MAX_BYTES:
        return Completion(position, position, ())
    before, word = split(source, position)
    start, end = (word.start_pos or 0, word.end_pos or 0) if word is not None else (position, position)
    if word is not None and word.type in {"BAD_STRING", "STRING"}:
        start, end = start + 1, position if word.type == "BAD_STRING" else end - 1
    elif word is not None and word.type == "BAD_NAME":
        end = position
    written = source[start:position].strip("`")
    offers = list(_offers(source, before, word, written, scope))[:_MOST_NAMES]
    following = source[end : end + 1]
    return Completion(start, end, tuple(_without_repetition(item, following) for item in _ranked(written, offers)))


def _without_repetition(item: Proposal, following: str) -> Proposal:
    """The item without its final dot or bracket if the text already has it."""
    if following and following in ".(" and item.insert.endswith(following):
        return replace(item, insert=item.insert[:-1])
    return item


def _offers(source: str, before: list[Token], word: Token | None, written: str, scope: Scope) -> Iterator[_Offer]:
    """Everything that may follow the tokens."""
    kind = word.type if word is not None else ""
    brackets = open_brackets(before)
    inner = brackets[-1] if brackets else None
    last = before[-1].type if before else ""
    if kind == "COMMENT" or last in {"IN_KW", "FOREIGN"} or (inner is not None and inner.opener == "LSQB"):
        return
    if kind in {"STRING", "BAD_STRING"}:
        if inner is not None and len(inner.links) == 1 and inner.links[0].name in REFERENCES:
            yield from _keys(inner.links[0].name, scope)
        return
    event = next((bracket.event for bracket in reversed(brackets) if bracket.event is not None), None)
    if kind in {"NUMBER", "BAD_NUMBER", "DURATION"}:
        if inner is not None and inner.aggregate is not None:
            yield from _windows(inner.aggregate, written)
        return
    if last == "DOT":
        yield from _members(before, event, scope)
    elif last == "NOT_KW" and len(before) > 1 and before[-2].type in _ENDS_A_VALUE:
        yield _Offer("in", "in", "keyword", function_docs.OPERATORS["in"], 1)
    elif last in _ENDS_A_VALUE:
        yield from _operators(source, before, kind, event, scope)
    elif inner is not None and inner.aggregate is not None:
        yield from _arguments(inner, scope)
    elif kind not in _SYMBOLS:
        yield from _operands(source, before, inner, event, scope)


def _members(before: list[Token], event: str | None, scope: Scope) -> Iterator[_Offer]:
    """What may follow a dot."""
    chain = chain_at(before, len(before) - 2)
    if chain is None:
        return
    root, path = chain.links[0].name, tuple(link.name for link in chain.links[1:])
    if event is not None:
        yield from _properties(scope.events.get(event, {}), (root, *path))
    elif scope.filters:
        yield from _members_in_filter(root, path, scope)
    elif root == "events" and not path:
        yield from _events(scope)
    elif root == "events" and (len(path) == 1 or path[1:] == ("where",)):
        yield from _aggregates()
        if len(path) == 1:
            yield _Offer("where", "where(", "aggregate", function_docs.WHERE, 0.5, "where(…)")
    elif root == "profile":
        yield from _properties(scope.properties, path)
    elif root in {"traits", "segments"} and not path:
        yield from _keys(root[:-1], scope, quoted=False)


def _members_in_filter(root: str, path: tuple[str, ...], scope: Scope) -> Iterator[_Offer]:
    if root == "profile":
        yield from _properties(scope.properties, path)
    elif root == "segments" and not path:
        yield from _keys("segment", scope, quoted=False)
    elif root == "group":
        yield from _properties(dict.fromkeys(scope.group, Type.DYN), path)
    elif root not in _ROOTS_OF_FILTERS:
        yield from _properties(scope.event, (root, *path))


def _events(scope: Scope) -> Iterator[_Offer]:
    for name, weight in _by_use(scope.events):
        written = "`any`" if name == "any" else format_name(name)
        yield _Offer(name, f"{written}.", "event", "event", weight)
    yield _Offer("any", "any.", "event", function_docs.ANY, 0.1)


def _aggregates() -> Iterator[_Offer]:
    """Every aggregate, and the short forms with common windows."""
    for n, (name, shape) in enumerate(AGGREGATES.items()):
        weight = 0.6 - n / 100
        result = "value" if shape.type is None else shape.type.value
        about = function_docs.AGGREGATES.get(name, "")
        if name in SUGARED:
            windows = _SHORT_WINDOWS.get(name, _DAY_WINDOWS)
            for m, window in enumerate(windows):
                short = f"{name}_{window}"
                yield _Offer(short, short, "aggregate", f"{result} · {about}", weight + 0.4 - m / 20)
        open_ended = shape.window == "none" and not shape.takes
        insert = name if open_ended else f"{name}("
        yield _Offer(name, insert, "aggregate", f"{shape.usage} → {result} · {about}", weight, shape.usage)


def _arguments(bracket: Bracket, scope: Scope) -> Iterator[_Offer]:
    """The arguments that an aggregate may take at this position."""
    shape = bracket.aggregate
    assert shape is not None
    if shape.takes and bracket.commas == 0:
        yield from _properties(scope.events.get(bracket.links[1].name, {}), ())
    elif shape.window != "none":
        yield from _windows(shape, "")


def _windows(shape: AggregateShape, written: str) -> Iterator[_Offer]:
    if shape.window == "none":
        return
    usual = _DAY_WINDOWS if shape.window == "days" else _WINDOWS
    number = written.rstrip("smhdw")
    units = "d" if shape.window == "days" else "dhmw"
    wanted = [*usual, *(f"{number}{unit}" for unit in units if number.isdecimal() and len(number) < 6)]
    for n, text in enumerate(dict.fromkeys(wanted)):
        yield _Offer(text, text, "window", window_in_words(text), 0.9 - n / 20)


def _properties(known: Mapping[str, Type], under: tuple[str, ...]) -> Iterator[_Offer]:
    """The next names of the known paths that begin with `under`, each once."""
    seen: dict[str, tuple[float, Type, bool]] = {}
    for dotted, weight in _by_use(known):
        path = tuple(dotted.split("."))
        if path[: len(under)] != under or len(path) == len(under):
            continue
        name, deeper = path[len(under)], len(path) > len(under) + 1
        if name not in seen or (seen[name][2] and not deeper):
            seen[name] = (weight, known[dotted], deeper)
    for name, (weight, type_, deeper) in seen.items():
        detail = "object" if deeper else type_.value
        yield _Offer(name, format_name(name), "property", detail, weight, type=None if deeper else type_)


def _keys(kind: str, scope: Scope, *, quoted: bool = True) -> Iterator[_Offer]:
    """Keys of definitions, inside a string or after a dot."""
    if (kind == "flag" and scope.kind != "flag") or (kind == "trait" and scope.filters):
        return
    types: Mapping[str, Type] = {
        "trait": scope.traits,
        "segment": dict.fromkeys(scope.segments, Type.BOOL),
        "flag": scope.flags,
    }[kind]
    for key in sorted(types):
        insert = format_string(key)[1:-1] if quoted else format_name(key)
        yield _Offer(key, insert, kind, types[key].value, 0.5)


def _operands(
    source: str, before: list[Token], inner: Bracket | None, event: str | None, scope: Scope
) -> Iterator[_Offer]:
    """Everything that a value may begin with. Values of the expected type get a higher weight."""
    offers = _values_of_event(event, scope) if event is not None else _values(scope)
    expected = _expected(source, before, inner, event, scope)
    for offer in offers:
        fits = expected is not None and offer.type is expected
        yield offer._replace(weight=min(1.0, offer.weight + 0.3)) if fits else offer


def _values_of_event(event: str, scope: Scope) -> Iterator[_Offer]:
    yield from (
        offer._replace(weight=0.65 + offer.weight * 0.3) for offer in _properties(scope.events.get(event, {}), ())
    )
    yield from _functions(scope, without=("ago", "until", *REFERENCES))
    yield from _literals()


def _values(scope: Scope) -> Iterator[_Offer]:
    if scope.filters:
        yield from _values_in_filter(scope)
        return
    for key, type_ in sorted(scope.traits.items()):
        taken = reserved(key) or key in SEEN or key in ROOTS
        insert = f"traits.{key}" if taken else format_name(key)
        yield _Offer(key, insert, "trait", f"trait · {type_.value}", 0.6, type=type_)
    yield from _segments(scope)
    if scope.kind == "flag":
        for key, type_ in sorted(scope.flags.items()):
            written = f"flag({format_string(key)})"
            yield _Offer(key, written, "flag", f"flag · {type_.value}", 0.4, written, type_)
    for name in ROOTS:
        if name in function_docs.ROOTS and (name != "context" or scope.kind == "flag"):
            yield _Offer(name, f"{name}.", "name", function_docs.ROOTS[name], 0.5, f"{name}.")
    yield from _functions(scope)
    yield from _of_the_profile(scope)
    for offer in _events(scope):
        if offer.name != "any":
            yield offer._replace(
                insert=f"events.{offer.insert}", label=f"events.{offer.name}", weight=offer.weight * 0.35
            )
    yield from _literals()


def _values_in_filter(scope: Scope) -> Iterator[_Offer]:
    """What a filter of a question may read: no traits, no aggregates, no flags."""
    of_event = scope.kind == "event filter"
    for offer in _properties(scope.event if of_event else {}, ()):
        if offer.name not in _ROOTS_OF_FILTERS:
            yield offer._replace(weight=0.65 + offer.weight * 0.3)
    yield from _segments(scope)
    for name in ROOTS:
        if name in _ROOTS_OF_FILTERS and (name != "context" or of_event):
            detail = "The context of the event." if name == "context" else function_docs.ROOTS[name]
            yield _Offer(name, f"{name}.", "name", detail, 0.5, f"{name}.")
    yield from _functions(scope, without=("trait", "flag"))
    yield from (offer for offer in _of_the_profile(scope) if not of_event or offer.kind == "property")
    yield from _literals()


def _segments(scope: Scope) -> Iterator[_Offer]:
    for key in sorted(scope.segments):
        yield _Offer(
            key, f"segments.{format_name(key)}", "segment", "segment · bool", 0.55, f"segments.{key}", Type.BOOL
        )


def _of_the_profile(scope: Scope) -> Iterator[_Offer]:
    """When it was seen, and its properties."""
    for name, (_, unit_ms) in SEEN.items():
        type_ = Type.DATETIME if unit_ms is None else Type.NUMBER
        yield _Offer(name, name, "name", f"{type_.value} · {function_docs.BUILT_IN[name]}", 0.2, type=type_)
    for name, weight in _by_use(scope.properties):
        insert = "profile." + ".".join(map(format_name, name.split(".")))
        type_ = scope.properties[name]
        yield _Offer(name, insert, "property", f"property · {type_.value}", weight * 0.35, f"profile.{name}", type_)


def _functions(scope: Scope, without: Sequence[str] = ()) -> Iterator[_Offer]:
    fixed = {name: (shape.usage, shape.type) for name, shape in FUNCTIONS.items()}
    loose = {name: (usage, None) for name, (usage, _) in GENERIC.items()}
    references = {name: (f'{name}("key")', None) for name in REFERENCES if name != "flag" or scope.kind == "flag"}
    for name, (usage, type_) in {**fixed, **loose, **references}.items():
        if name in without:
            continue
        about = function_docs.FUNCTIONS.get(name) or function_docs.REFERENCES.get(name, "")
        result = f" → {type_.value}" if type_ is not None else ""
        yield _Offer(name, f"{name}(", "function", f"{usage}{result} · {about}", 0.3, usage, type_)


def _literals() -> Iterator[_Offer]:
    for name in ("true", "false"):
        yield _Offer(name, name, "keyword", "bool", 0.15, type=Type.BOOL)
    yield _Offer("not", "not ", "keyword", "same as !", 0.1)


def _operators(source: str, before: list[Token], kind: str, event: str | None, scope: Scope) -> Iterator[_Offer]:
    """The operators that may follow a value of this type.

    Comparisons do not chain: after one, only && and || can follow."""
    opening = _operand_start(before)
    type_ = _type_of(source, before, opening, event, scope)
    symbols = _AFTER[type_]
    if _compares(before, opening):
        symbols = ("&&", "||", *(_SUMS if type_ is Type.NUMBER else ()))
    for n, symbol in enumerate(symbols):
        word = symbol.isalpha() or " " in symbol
        if kind in _SYMBOLS and word:
            continue
        yield _Offer(symbol, symbol, "keyword" if word else "operator", function_docs.OPERATORS[symbol], 1 - n / 20)
    if kind and kind not in _SYMBOLS and "&&" in symbols:
        yield _Offer("and", "and", "keyword", function_docs.OPERATORS["&&"], 0.5)
        yield _Offer("or", "or", "keyword", function_docs.OPERATORS["||"], 0.5)


def _expected(source: str, before: list[Token], inner: Bracket | None, event: str | None, scope: Scope) -> Type | None:
    """The type expected after the tokens; None if any type may follow."""
    last = before[-1].type if before else ""
    if last in {"AND", "AND_KW", "OR", "OR_KW", "BANG", "NOT_KW"}:
        return Type.BOOL
    if last == "CMP":
        left = before[:-1]
        found = _type_of(source, left, _operand_start(left), event, scope) if left else Type.DYN
        return None if found is Type.DYN else found
    if inner is not None and len(inner.links) == 1:
        shape = FUNCTIONS.get(inner.links[0].name)
        return shape.parameters[inner.commas] if shape and inner.commas < len(shape.parameters) else None
    whole = not before or (last == "LPAR" and event is not None)
    return Type.BOOL if whole and (scope.kind != "trait" or event is not None) else None


def _operand_start(tokens: list[Token]) -> int:
    """The index of the token at which the last value begins."""
    last = len(tokens) - 1
    if tokens[last].type == "RSQB":
        return max(0, opener(tokens, last))
    chain = chain_at(tokens, last)
    if chain is not None:
        return chain.start
    return max(0, opener(tokens, last)) if tokens[last].type == "RPAR" else last


def _type_of(source: str, tokens: list[Token], opening: int, event: str | None, scope: Scope) -> Type:
    start, end = tokens[opening].start_pos or 0, tokens[-1].end_pos or 0
    text = source[start:end]
    if event is not None:
        return scope.events.get(event, {}).get(text.replace("`", ""), _literal_type(tokens[-1]))
    if scope.kind == "event filter" and (name := text.replace("`", "")) in scope.event:
        return scope.event[name]
    # Checked as a trait, which may have any type. As a condition, a number would be an error and have no type.
    return check(text, replace(scope, kind="trait")).type


def _literal_type(token: Token) -> Type:
    return {
        "NUMBER": Type.NUMBER,
        "STRING": Type.STRING,
        "DURATION": Type.DURATION,
        "TRUE_KW": Type.BOOL,
        "FALSE_KW": Type.BOOL,
        "RSQB": Type.LIST,
    }.get(token.type, Type.DYN)


def _compares(tokens: list[Token], before: int) -> bool:
    """Whether the value at this index is already one side of a comparison."""
    i = before - 1
    while i >= 0:
        kind = tokens[i].type
        if kind in {"CMP", "IN_KW"}:
            return True
        if kind in {"AND", "AND_KW", "OR", "OR_KW", "COMMA"} or kind in OPENERS:
            return False
        i = opener(tokens, i) - 1 if kind in CLOSERS else i - 1
    return False


def _by_use(names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Each name with its weight, falling from 1 for the first name towards 0."""
    listed = list(names)
    return ((name, 1 - n / len(listed)) for n, name in enumerate(listed))


def _ranked(written: str, offers: list[_Offer]) -> list[Proposal]:
    """The best offers for the typed text.

    Prefixes come first, then matches inside a name, then similar names."""
    typed = written.lower()
    scored: dict[int, float] = {}
    rest: dict[int, str] = {}
    for n, offer in enumerate(offers):
        name = offer.name.lower()
        if name == typed or not typed:
            scored[n] = 0.9 + offer.weight * 0.1 if typed else offer.weight
        elif name.startswith(typed):
            scored[n] = 0.75 + offer.weight * 0.15
        elif typed in name and name[name.index(typed) - 1] in "_. -":
            scored[n] = 0.6 + offer.weight * 0.1
        else:
            rest[n] = name
    if len(typed) > 1 and typed.replace("_", "").isalnum():
        for _, likeness, n in process.extract(typed, rest, scorer=JaroWinkler.similarity, score_cutoff=0.85, limit=50):
            scored[n] = 0.5 * likeness + offers[n].weight * 0.1
        for _, ratio, n in process.extract(typed, rest, scorer=fuzz.partial_ratio, score_cutoff=85, limit=50):
            scored[n] = max(scored.get(n, 0), 0.004 * ratio + offers[n].weight * 0.1)
    items = [
        Proposal(offers[n].label or offers[n].name, offers[n].insert, offers[n].kind, offers[n].detail, round(score, 3))
        for n, score in scored.items()
    ]
    items.sort(key=lambda item: (-item.score, len(item.label), item.label))
    return items[:MOST_ITEMS]


def window_in_words(window: str) -> str:
    """A duration in words."""
    number, unit = int(window[:-1]), window[-1]
    name = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}[unit]
    plain = f"{number:,} {name}{'' if number == 1 else 's'}"
    canonical = duration_text(number * UNITS_MS[unit])
    return plain if canonical == window else f"{plain}, {canonical}"
