"""Describe an expression in plain English, for readers who do not write expressions.

Shape   describe_expression(node, kind) → Description: a tree of sentences, one for each part of the expression;
        what it reads; what makes it change with time; when it is unknown
Units   spans in characters of the source, half-open
Laws    a sentence says exactly what its part means: a negation is moved to the comparisons inside, which keeps the
        unknown unknown; `last_seen_days_ago > 7` counts whole days, so it reads "at least 8 days ago".
        One expression has one text, on every machine
Errors  none: every checked expression has a description
Source  docs/reference/language-services.md "Explain"
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import ceil, floor
from typing import Any, Literal

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.editor.humanize import UNIT_NAMES, constant, duration, literal, plural
from tinycdp.dsl.ir import Span, Type

#: The operator that means the opposite, and the operator read from the other side.
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

_AMOUNT = {"==": "exactly", "!=": "anything but", "<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}
_IS = {**{op: f"is {word}" for op, word in _AMOUNT.items()}, "==": "is", "!=": "is not"}
_MOMENT = {
    "==": "exactly at", "!=": "not exactly at", "<": "before", "<=": "at or before", ">": "after", ">=": "at or after"
}  # fmt: skip
_ARITHMETIC = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_OF_NUMBERS = {"sum": "total", "avg": "average", "min": "smallest", "max": "largest"}
_TESTS = {
    "starts_with": ("starts with", "does not start with"),
    "ends_with": ("ends with", "does not end with"),
    "contains": ("contains", "does not contain"),
}
_NOT_OF_TYPE = {
    Type.NUMBER: " or is not a number",
    Type.STRING: " or is not text",
    Type.BOOL: " or is neither true nor false",
    Type.DATETIME: " or is not an instant with its zone",
}
_MOST_OPTIONS = 5
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Kind = Literal["trait", "segment", "flag"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One part of the expression. The parts of an aggregate are those of its `where`."""

    text: str
    span: Span
    parts: tuple["Sentence", ...]


@dataclass(frozen=True, slots=True)
class Description:
    """The description of one expression.

    tree     the sentence for the whole, and those for its parts
    changes  what makes the value change while nothing arrives; empty if nothing does
    unknown  when the value may be unknown, and what follows from that"""

    tree: Sentence
    changes: tuple[str, ...]
    unknown: tuple[str, ...]
    events: tuple[str, ...]
    properties: tuple[str, ...]
    group: tuple[str, ...]
    context: tuple[str, ...]
    definitions: tuple[tuple[str, str], ...]


def describe_expression(node: ir.Node, kind: Kind) -> Description:
    """Describe the expression of a definition of this kind."""
    nodes = sorted(ir.walk(node), key=lambda part: part.span.start)
    reads = [n for n in nodes if isinstance(n, ir.AggregateRead)]
    so = {"trait": "Unknown", "segment": "Unknown (not in the segment)", "flag": "Unknown (rule skipped)"}[kind]
    return Description(
        tree=Sentence(_whole_sentence(node, kind), node.span, _parts(node)),
        changes=tuple(dict.fromkeys(_changes(nodes))),
        unknown=tuple(f"{so} if {case}." for case in dict.fromkeys(_unknown(node))),
        events=_unique("any" if read.spec.event is None else read.spec.event for read in reads),
        properties=_unique(".".join(n.path) for n in nodes if isinstance(n, ir.Property)),
        group=_unique(".".join(n.path) for n in nodes if isinstance(n, ir.GroupTrait)),
        context=_unique(".".join(n.path) for n in nodes if isinstance(n, ir.Context)),
        definitions=tuple(dict.fromkeys((n.kind, n.key) for n in nodes if isinstance(n, ir.Reference))),
    )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _whole_sentence(node: ir.Node, kind: Kind) -> str:
    if node.type is not Type.BOOL:
        noun = _noun(node)
        whole = isinstance(node, ir.Call | ir.AggregateRead) and noun[0] == "("
        return f"For each person, {noun[1:-1] if whole else noun}."
    match kind:
        case "trait":
            return f"For each person, whether {_clause(node)}."
        case "flag":
            return f"Applies to a person when {_clause(node)}."
    if isinstance(node, ir.Const):
        return "Everyone." if node.value else "No one."
    return f"People {_relative(node)}."


def _parts(node: ir.Node) -> tuple[Sentence, ...]:
    inside = [*ir.children(node)]
    if isinstance(node, ir.AggregateRead) and node.spec.where is not None:
        # Equal predicates share one node, so its operands may be in another order than in this source.
        inside = [node.spec.where]
    found = []
    for part in sorted(inside, key=lambda part: part.span.start):
        text = _clause(part) if part.type is Type.BOOL else _noun(part)
        found.append(Sentence(f"{text[0].upper()}{text[1:]}.", part.span, _parts(part)))
    return tuple(found)


# Conditions: clauses about "they" and "their", and the same clauses after "people"


def _clause(node: ir.Node, negated: bool = False, level: int = 0) -> str:
    """A main clause that states the condition, or its negation.

    `level` is the depth of `and` and `or`."""
    match node:
        case ir.Not(operand=operand):
            return _clause(operand, not negated, level)
        case ir.Logic():
            return _group(node, negated, level)
        case ir.Const(value=value):
            return "this is always true" if value is not negated else "this is never true"
        case ir.Compare(op=op, left=left, right=right):
            return _comparison(OPPOSITE[op] if negated else op, left, right)
        case ir.In():
            return _membership(node, negated)
        case ir.Exists(operand=ir.AggregateRead(function="first_at" | "last_at") as read):
            return _happened(read, "==" if negated else ">=", 0 if negated else 1)
        case ir.Exists(operand=operand):
            return f"{_noun(operand)} is {'unknown' if negated else 'known'}"
        case ir.AggregateRead(function="exists"):
            return _happened(node, "==" if negated else ">=", 0 if negated else 1)
        case ir.Reference(kind="segment", key=key):
            return f"they are {'not ' if negated else ''}in the segment {_name(key)}"
        case ir.Coalesce(left=left, right=ir.Const(value=value)):
            known = _clause(left, negated, level + 1)
            return f"{known} (or this is unknown)" if value is not negated else known
        case ir.Coalesce(left=left, right=right):
            known, other = _clause(left, negated, level + 1), _clause(right, negated, level + 1)
            return f"({known}, or if this is unknown, {other})"
        case ir.Call(function="if", arguments=(condition, left, right)):
            results = [_clause(part, negated, level + 1) for part in (left, right)]
            text = f"if {_clause(condition, False, level + 1)}, then {results[0]}, and otherwise {results[1]}"
            return f"({text})" if level else text
        case ir.Call(function="between", arguments=(value, low, high)):
            return _between(value, low, high, negated)
        case ir.Call(function=function, arguments=(text, part)) if function in _TESTS:
            return f"{_noun(text)} {_TESTS[function][negated]} {_noun(part)}"
    return f"{_noun(node)} is {'false' if negated else 'true'}"


def _group(node: ir.Logic, negated: bool, level: int) -> str:
    op = node.op if not negated else {"and": "or", "or": "and"}[node.op]
    compound = [_is_group(operand) for operand in node.operands]
    clauses = [_clause(operand, negated, level + 1) for operand in node.operands]
    text = _joined(clauses, op, any(compound))
    if op == "or" and level:
        text = f"either {text}"
    # `and` binds tighter, as in the language, and "either" opens what its "or" closes: one level needs no brackets.
    return f"({text})" if level > 1 or (level and any(compound)) else text


def _is_group(node: ir.Node) -> bool:
    while isinstance(node, ir.Not):
        node = node.operand
    return isinstance(node, ir.Logic)


def _joined(clauses: Sequence[str], op: str, commas: bool = False) -> str:
    if len(clauses) == 2:
        return f"{clauses[0]}{',' if commas else ''} {op} {clauses[1]}"
    return f"{', '.join(clauses[:-1])}, {op} {clauses[-1]}"


def _relative(node: ir.Node, whom: str = "whom", negated: bool = False, level: int = 0) -> str:
    """The clause after "people": "who did purchase at least once and whose plan is …"."""
    while isinstance(node, ir.Not):
        node, negated = node.operand, not negated
    if not isinstance(node, ir.Logic) or level > 1:
        return _as_relative(_clause(node, negated, level), whom)
    op = node.op if not negated else {"and": "or", "or": "and"}[node.op]
    compound = any(_is_group(operand) for operand in node.operands)
    if level and (op == "or" or compound):
        clauses = [_clause(operand, negated, 2) for operand in node.operands]
        if op == "or" and all(clause.startswith("they ") for clause in clauses):
            return f"who either {_joined([clause.removeprefix('they ') for clause in clauses], op)}"
        return f"for {whom} {_clause(node, negated, level)}"
    clauses = [_relative(operand, whom, negated, level + 1) for operand in node.operands]
    if not compound:
        # "who did this and did that": one `who` serves all clauses up to one that needs another word.
        alike = [True, *(a.startswith("who ") and b.startswith("who ") for a, b in pairwise(clauses))]
        again = [clauses[0], *(clause.removeprefix("who ") for clause in clauses[1:])]
        clauses = [short if same else long for short, long, same in zip(again, clauses, alike, strict=True)]
    return _joined(clauses, op, compound or any(clause.startswith("for ") for clause in clauses))


def _as_relative(clause: str, whom: str) -> str:
    for pronoun, relative in (("they ", "who "), ("their ", "whose ")):
        if clause.startswith(pronoun):
            return relative + clause.removeprefix(pronoun)
    return f"for {whom} {clause}"


# Comparisons


def _comparison(op: str, left: ir.Node, right: ir.Node) -> str:
    if isinstance(left, ir.Const | ir.LocalMidnight) and not isinstance(right, ir.Const | ir.LocalMidnight):
        left, right, op = right, left, MIRRORED[op]
    if left.type is Type.BOOL:
        if isinstance(right, ir.Const):
            return _clause(left, negated=(op == "==") is not right.value, level=1)
        return f"{_clause(left, level=2)} if and only if {_clause(right, op == '!=', level=2)}"
    if left.type is Type.DATETIME:
        return f"{_instant(left)} {_MOMENT[op]} {_noun(right)}"
    if isinstance(right, ir.Const):
        value: Any = right.value
        match left:
            case ir.AggregateRead():
                return _aggregate(left, op, value)
            case ir.Ago():
                return _elapsed(left, op, value)
            case ir.Clock() if value >= 0:
                return _distance(left, op, value)
    return f"{_noun(left)} {_IS[op]} {_noun(right)}"


def _aggregate(read: ir.AggregateRead, op: str, value: Any) -> str:
    """A comparison of an aggregate with a constant."""
    events, which, amount = _events(read.spec), _where(read.spec), f"{_AMOUNT[op]} {literal(value)}"
    path, span = ".".join(read.spec.path), _span(read.window)
    match read.function:
        case "count":
            return _happened(read, op, value)
        case "rate":
            return f"they {_did(read.spec)} on average {amount} {plural('time', value)} a day{span}{which}"
        case "unique_days":
            return _on_days(read, op, value)
        case "streak_days":
            if _must_be_zero(op, value):
                return f"they {_did(read.spec)} neither today nor yesterday{which}"
            return f"they {_did(read.spec)} on {amount} {plural('day', value)} in a row up to now{which}"
        case "unique":
            if op == "!=":
                return f"{_noun(read)} is not {literal(value)}"
            return f"their {events}{span}{which} have {amount} different {plural('value', value)} of {path}"
        case "percentile":
            rank = _rank(read.quantile or "")
            article = "an" if rank.startswith(("8", "11th", "18th")) else "a"
            return f"their {events}{span}{which} have {article} {rank} {path} of {amount}"
        case "sum" | "avg" | "min" | "max" as function:
            article = "an" if function == "avg" else "a"
            return f"their {events}{span}{which} have {article} {_statistic(function, path)} of {amount}"
    return f"{_noun(read)} {_IS[op]} {literal(value)}"


def _happened(read: ir.AggregateRead, op: str, value: Any) -> str:
    """How often an event happened."""
    span, which = _span(read.window), _where(read.spec)
    if _must_be_zero(op, value):
        if read.spec.event is None:
            return f"they did nothing{span}{which}" if span else f"they never did anything{which}"
        done = f"did not {_did(read.spec, base=True)}" if span else f"never {_did(read.spec)}"
        return f"they {done}{span}{which}"
    if value == 0 and op in {">", "!="}:
        op, value = ">=", 1
    often = {1: "once", 2: "twice"}.get(value, f"{literal(value)} times")
    if op == "!=":
        return f"they {_did(read.spec)} not exactly {often}{span}{which}"
    return f"they {_did(read.spec)} {'fewer than' if op == '<' else _AMOUNT[op]} {often}{span}{which}"


def _on_days(read: ir.AggregateRead, op: str, value: Any) -> str:
    did, which = _did(read.spec), _where(read.spec)
    none = _must_be_zero(op, value)
    if read.days == 1 and (none or (op, value) in {(">=", 1), (">", 0), ("==", 1)}):
        return f"they did not {_did(read.spec, base=True)} today{which}" if none else f"they {did} today{which}"
    amount = "none" if none else f"{'fewer than' if op == '<' else _AMOUNT[op]} {literal(value)}"
    return f"they {did} on {amount} of the last {'day' if read.days == 1 else f'{read.days} days'}{which}"


def _must_be_zero(op: str, value: Any) -> bool:
    """Whether a whole number that is never negative must be 0."""
    return (op, value) in {("==", 0), ("<=", 0)} or (op == "<" and 0 < value <= 1)


def _elapsed(node: ir.Ago, op: str, value: Any) -> str:
    """Compare a number of whole units with a constant, as elapsed time: floor(x) > 7 is x >= 8."""
    unit, subject = node.unit_ms, _instant(node.operand)
    match op:
        case "<" | ">=":
            bound = ceil(value)
        case "<=" | ">":
            bound = floor(value) + 1
        case _ if value != floor(value):
            return f"{_noun(node)} {_IS[op]} {literal(value)}"
        case _ if not value:
            return f"{subject} {'less than' if op == '==' else 'at least'} {duration(unit)} ago"
        case _:
            between = f"between {duration(int(value) * unit)} and {duration((int(value) + 1) * unit)} ago"
            return f"{subject} {'' if op == '==' else 'not '}{between}"
    return f"{subject} {'less than' if op in {'<', '<='} else 'at least'} {duration(bound * unit)} ago"


def _distance(node: ir.Clock, op: str, ms: int) -> str:
    """Compare the time since or until an instant with a constant.

    Examples: `ago(t) < 7d`, `until(t) > 3d`."""
    subject, past = _instant(node.operand), node.function == "ago"
    # An instant from the history is in the past; any other may be on either side of now.
    history = isinstance(node.operand, ir.Seen | ir.AggregateRead)
    if ms == 0 and op in {">", ">=", "<", "<="} and not history:
        side = "in the past" if past == (op in {">", ">="}) else "still to come"
        return f"{subject} {side}{' (or just now)' if op in {'>=', '<='} else ''}"
    beyond = "" if history or op not in {"<", "<="} else " (or still to come)" if past else " (or past)"
    return f"{subject} {_AMOUNT[op]} {duration(ms)} {'ago' if past else 'away'}{beyond}"


def _between(value: ir.Node, low: ir.Node, high: ir.Node, negated: bool) -> str:
    no = "not " if negated else ""
    if isinstance(low, ir.Const) and isinstance(high, ir.Const):
        first: Any = low.value
        last: Any = high.value
        match value:
            case ir.AggregateRead(function="count", spec=spec, window=window):
                often = f"{no}between {literal(first)} and {literal(last)} times"
                return f"they {_did(spec)} {often}{_span(window)}{_where(spec)}"
            case ir.Ago(unit_ms=unit) if first == floor(first) and last == floor(last):
                longest = duration((int(last) + 1) * unit)
                return f"{_instant(value.operand)} {no}between {duration(int(first) * unit)} and {longest} ago"
            case ir.Clock(function=function) if first >= 0:
                side = "ago" if function == "ago" else "from now"
                nearest = "now" if not first else duration(first)
                return f"{_instant(value.operand)} {no}between {nearest} and {duration(last)} {side}"
    if value.type is Type.DATETIME:
        return f"{_instant(value)} {no}between {_noun(low)} and {_noun(high)}"
    return f"{_noun(value)} is {no}between {_noun(low)} and {_noun(high)}"


def _membership(node: ir.In, negated: bool) -> str:
    operand = node.operand
    listed = [constant(operand.type, option) for option in node.options]
    out = node.negated is not negated
    if len(listed) == 1:
        return f"{_noun(operand)} is {'not ' if out else ''}{listed[0]}"
    if len(listed) == 2:
        return f"{_noun(operand)} is {'neither ' if out else ''}{(' nor ' if out else ' or ').join(listed)}"
    if (more := len(listed) - _MOST_OPTIONS) > 1:
        listed = [*listed[:_MOST_OPTIONS], f"{more} more"]
    last = f" {'and' if out or more > 1 else 'or'} {listed[-1]}"
    return f"{_noun(operand)} is {'none' if out else 'one'} of {', '.join(listed[:-1])}{last}"


# Values


def _noun(node: ir.Node) -> str:
    """A part of the expression as a noun with its article."""
    match node:
        case ir.Const(type=type_, value=value):
            return constant(type_, value)
        case ir.LocalMidnight(date=date):
            return f"the beginning of {date}"
        case ir.Property(path=path) | ir.EventProperty(path=path):
            return f"their {'.'.join(path)}"
        case ir.GroupTrait(path=path):
            return f"their group's {'.'.join(path)}"
        case ir.Context(path=path):
            return f"the request's {'.'.join(path)}"
        case ir.Reference(kind="trait", key=key):
            return f"their {_name(key)}"
        case ir.Reference(kind="flag", key=key):
            return f"the flag {_name(key)}"
        case ir.Listed():
            return "their place on the list"
        case ir.Seen(which=which):
            return f"the moment they were {which} seen"
        case ir.AggregateRead() if node.type is not Type.BOOL or node.function != "exists":
            return _aggregate_noun(node)
        case ir.Ago(operand=operand, unit_ms=unit):
            return f"the number of whole {UNIT_NAMES[unit]}s since {_instant(operand)}"
        case ir.Clock(function=function, operand=operand):
            return f"the time {'since' if function == 'ago' else 'until'} {_noun(operand)}"
        case ir.Arith(op=op, left=left, right=right):
            return f"{_grouped(left)} {_ARITHMETIC[op]} {_grouped(right)}"
        case ir.Negate(operand=operand):
            return f"minus {_grouped(operand)}"
        case ir.Coalesce() if node.type is not Type.BOOL:
            first, *others = _choices(node)
            if len(others) == 1:
                return f"{first} ({others[0]} if that is unknown)"
            return f"the first of {_joined([first, *others], 'and')} that is known"
        case ir.Call() if node.type is not Type.BOOL:
            return _call(node)
    if node.type is Type.BOOL:
        return f"whether {_clause(node, level=1)}"
    raise AssertionError(f"no words for {type(node).__name__}")


def _choices(node: ir.Node) -> list[str]:
    """What a chain of `??` tries, in order."""
    if isinstance(node, ir.Coalesce):
        return [*_choices(node.left), *_choices(node.right)]
    return [_noun(node)]


def _call(node: ir.Call) -> str:
    function, arguments = node.function, node.arguments
    if function == "if":
        condition, left, right = arguments
        return f"({_noun(left)} if {_clause(condition, level=1)}, and otherwise {_noun(right)})"
    first, *others = map(_noun, arguments)
    match function:
        case "lower" | "upper":
            return f"{first} in {'lower' if function == 'lower' else 'upper'} case"
        case "semver" | "datetime":
            return f"{first} read as {'a version' if function == 'semver' else 'an instant'}"
        case "len":
            return f"the length of {first}"
        case "abs":
            return f"the absolute value of {first}"
        case "round":
            return f"{first} rounded to a whole number"
        case unit if unit in DURATION_UNITS_MS:
            return f"the whole {unit} in {first}"
        case "min2" | "max2":
            return f"the {'smaller' if function == 'min2' else 'greater'} of {first} and {others[0]}"
    return f"whether {_clause(node, level=1)}"


def _grouped(node: ir.Node) -> str:
    return f"({_noun(node)})" if isinstance(node, ir.Arith | ir.Negate) else _noun(node)


def _aggregate_noun(read: ir.AggregateRead) -> str:
    spec = read.spec
    events, which, path, span = _events(spec), _where(spec), ".".join(spec.path), _span(read.window)
    one = events.removesuffix("s")
    match read.function:
        case "count":
            return f"the number of times they {_did(spec)}{span}{which}"
        case "rate":
            return f"the average number of times a day they {_did(spec)}{span}{which}"
        case "unique_days" if read.days == 1:
            return f"(1 if they {_did(spec)} today{which}, and otherwise 0)"
        case "unique_days":
            return f"the number of days, of the last {literal(read.days)}, on which they {_did(spec)}{which}"
        case "streak_days":
            return f"the number of days in a row up to now on which they {_did(spec)}{which}"
        case "first_at" | "last_at" as function:
            return f"the moment they {function.removesuffix('_at')} {_did(spec)}{which}"
        case "first" | "last" as function:
            return f"the {path} of their {function} {one}{span}{which}"
        case "unique":
            return f"the number of different values of {path} in their {events}{span}{which}"
        case "top":
            return f"the most frequent {path} of their {events}{span}{which}"
        case "percentile":
            return f"the {_rank(read.quantile or '')} {path} of their {events}{span}{which}"
    return f"the {_statistic(read.function, path)} of their {events}{span}{which}"


def _statistic(function: str, path: str) -> str:
    """A total amount; for a property named `total price`, the total price."""
    word = _OF_NUMBERS[function]
    return path if path.startswith(word) else f"{word} {path}"


def _rank(quantile: str) -> str:
    percent = (Decimal(quantile) * 100).normalize()
    if percent == 50:
        return "median"
    whole = int(percent) if percent == int(percent) else 0
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th") if whole % 100 not in {11, 12, 13} else "th"
    return f"{percent:f}{suffix}-percentile"


def _instant(node: ir.Node) -> str:
    """The beginning of a clause that ends with a time.

    Examples: "they were last seen", "their trial_ends is"."""
    match node:
        case ir.Seen(which=which):
            return f"they were {which} seen"
        case ir.AggregateRead(function="first_at" | "last_at" as function, spec=spec):
            return f"they {function.removesuffix('_at')} {_did(spec)}{_where(spec)}"
    return f"{_noun(node)} is"


def _did(spec: ir.AggregateSpec, *, base: bool = False) -> str:
    if spec.event in {"page", "screen"}:
        return f"{'view' if base else 'viewed'} a {spec.event}"
    return f"{'do' if base else 'did'} {'something' if spec.event is None else _name(spec.event)}"


def _events(spec: ir.AggregateSpec) -> str:
    if spec.event is None:
        return "events"
    return f"{spec.event} views" if spec.event in {"page", "screen"} else f"{_name(spec.event)} events"


def _where(spec: ir.AggregateSpec) -> str:
    return "" if spec.where is None else f" (counting only those {_relative(spec.where, 'which')})"


def _span(window: ir.Window) -> str:
    if window.start_ms is None:
        return ""
    if window.end_ms:
        return f" between {duration(window.start_ms)} and {duration(window.end_ms)} ago"
    return f" in the last {duration(window.start_ms, article=False)}"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name != "any" else literal(name)


# What changes with time, and what may be unknown


def _changes(nodes: Iterable[ir.Node]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ir.AggregateRead(function="unique_days" | "streak_days"):
                yield "When a local day begins."
            case ir.AggregateRead(window=ir.Window(start_ms=int(start), end_ms=end), spec=spec):
                ages = [duration(age) for age in (end, start) if age]
                yield f"When one of their {_events(spec)} gets {' and '.join(ages)} old."
            case ir.Ago(operand=operand):
                yield f"As time passes since {_instant(operand).removesuffix(' is')}."
            case ir.Clock(function=function, operand=operand):
                side = "since" if function == "ago" else "towards"
                yield f"As time passes {side} {_noun(operand)}."
            case ir.Reference(kind=kind, key=key):
                yield f"When the {kind} {_name(key)} changes."


def _unknown(node: ir.Node) -> Iterator[str]:
    """The cases in which a value may be unknown, as clauses."""
    if not node.nullable:
        return
    match node:
        case ir.Property() | ir.GroupTrait() | ir.Context() | ir.EventProperty():
            yield f"{_noun(node)} is missing{_NOT_OF_TYPE.get(node.type, '')}"
        case ir.Seen():
            yield "they were never seen"
        case ir.Reference(key=key):
            yield f"their {_name(key)} is unknown"
        case ir.AggregateRead(function=function, spec=spec):
            value = f" with {'.'.join(spec.path)}" if spec.path else ""
            yield f"there are no {_events(spec)}{value}{_span(node.window)}{_where(spec)}"
            if function == "top":
                yield f"there are more than 1,000 different values of {'.'.join(spec.path)}"
        case ir.Coalesce(left=left, right=right):
            first = " and ".join(_unknown(left))
            yield from (f"{first} and {second}" for second in _unknown(right))
        case ir.Arith(op="/", left=left, right=right):
            yield from _unknown(left)
            yield from _unknown(right)
            if not isinstance(right, ir.Const):
                yield f"{_noun(right)} is 0"
        case ir.Call(function="semver" | "datetime" as function, arguments=(text,)):
            yield from _unknown(text)
            yield f"{_noun(text)} is not {'a version' if function == 'semver' else 'an instant'}"
        case _:
            for child in ir.children(node):
                yield from _unknown(child)
