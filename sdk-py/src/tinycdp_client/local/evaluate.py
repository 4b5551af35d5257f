"""Evaluates the trees of a snapshot as the server evaluates what they were made of.

Shape   Evaluation(context, decide).value(node, now) → (value, until)
Laws    value holds in [now, until) if no event arrives; until may be early, never late
Errors  Ends: what the server knew ends before this instant, or this client does not know the node; ask the server
Source  dsl/SNAPSHOT.md "Nodes", "Until"
"""

import json
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .values import SCALE, Json, Number, number, read_instant, read_number, read_version, rounded, typed

#: Later than every instant.
NEVER = math.inf
Result = tuple[Any, float]
#: Decides another flag for the same context and instant: its variant, and until when.
Decide = Callable[[str, int, "Evaluation"], tuple[str, float]]

_STEPS, _STEPS_TOGETHER = 256, 1_024
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_UPPER = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}


class Ends(Exception):
    """What the snapshot knows does not answer this."""


class Evaluation:
    """One decision's evaluation: a context, and how to decide the flags that others depend on."""

    def __init__(self, context: Mapping[str, Any], decide: Decide) -> None:
        self._context = context
        self._decide = decide
        self._ahead = 0
        self._looking = False

    def value(self, node: Any, now: int) -> Result:
        """A node's value, and the first instant at which it may change by itself."""
        if type(node) is not list:
            if node is None or type(node) in (bool, str):
                return node, NEVER
            raise Ends
        name = node[0]
        if name in _TESTS:
            return self._compare(name, node[1], node[2], now)
        evaluate = _NODES.get(name)
        if evaluate is None:
            raise Ends
        found = evaluate(self, node, now)
        is_truth = name in _SETTLED or (name in _CHOICES and (found[0] is None or type(found[0]) is bool))
        if found[1] == NEVER or not is_truth:
            return found
        return self._settle(lambda at: evaluate(self, node, at), found)

    def _settle(self, evaluate: Callable[[int], Result], found: Result) -> Result:
        """The same value, until the value itself changes and not only something inside it."""
        value, until = found
        outermost = not self._looking
        if outermost:
            self._ahead, self._looking = _STEPS_TOGETHER, True
        try:
            for _ in range(_STEPS):
                if until == NEVER or self._ahead <= 0:
                    break
                self._ahead -= 1
                then, later = evaluate(int(until))
                if then is not value:
                    break
                until = later
        except Ends:
            pass
        finally:
            if outermost:
                self._looking = False
        return value, until

    # Truth

    def _compare(self, name: str, left: Any, right: Any, now: int) -> Result:
        for op, clock, other in ((name, left, right), (_MIRRORED[name], right, left)):
            if type(clock) is list and clock[0] in ("ago", "until"):
                c, c_until = self.value(other, now)
                if c_until == NEVER:
                    return self._compare_clock(op, clock, c, now)
        test = _TESTS[name]

        def compare(at: int) -> Result:
            (a, until_a), (b, until_b) = self.value(left, at), self.value(right, at)
            return (None if a is None or b is None else test(a, b)), min(until_a, until_b)

        found = compare(now)
        return found if found[1] == NEVER else self._settle(compare, found)

    def _compare_clock(self, op: str, clock: list[Any], c: Any, now: int) -> Result:
        """Compared with what never changes, a clock changes the truth at instants that can be computed."""
        t, until = self.value(clock[1], now)
        if t is None or c is None:
            return None, until
        unit = clock[2] if len(clock) > 2 else 1
        scale = SCALE if len(clock) > 2 else 1
        test = _TESTS[op]
        floor, ceiling = c // scale, -(-c // scale)
        if clock[0] == "ago":
            value = test((now - t) // unit * scale, c)
            changes = [(k, t + k * unit) for k in (ceiling, floor + 1)]
        else:
            value = test((t - now) // unit * scale, c)
            changes = [(k, t - (k + 1) * unit + 1) for k in (floor, ceiling - 1)]
        for k, at in changes:
            if at > now and test(k * scale, c) is not value:
                return value, min(at, until)
        return value, until

    def _between(self, node: list[Any], now: int) -> Result:
        return self._connective([None, [">=", node[1], node[2]], ["<=", node[1], node[3]]], now, False)

    def _connective(self, node: list[Any], now: int, decisive: bool) -> Result:
        decided, known, soonest = -NEVER, True, NEVER
        for operand in node[1:]:
            value, until = self.value(operand, now)
            if value is decisive:
                if until == NEVER:
                    return decisive, NEVER
                decided = max(decided, until)
            elif value is None:
                known = False
            soonest = min(soonest, until)
        if decided > -NEVER:
            return decisive, decided
        return (not decisive if known else None), soonest

    # Leaves and choices

    def _from_context(self, node: list[Any], now: int) -> Result:
        value: Any = self._context
        for name in node[2:]:
            if not isinstance(value, Mapping):
                return None, NEVER
            value = value.get(name)
        try:
            return typed(value, node[1]), NEVER
        except KeyError:
            raise Ends from None

    def _known(self, node: list[Any], now: int) -> Result:
        for value, until in node[1:]:
            if until is None or now < until:
                return self.value(value, now)[0], NEVER if until is None else until
        raise Ends

    def _flag(self, node: list[Any], now: int) -> Result:
        variant, until = self._decide(node[1], now, self)
        if variant not in node[2]:
            raise Ends
        return self.value(node[2][variant], now)[0], until

    def _exists(self, node: list[Any], now: int) -> Result:
        value, until = self.value(node[1], now)
        return value is not None, until

    def _else(self, node: list[Any], now: int) -> Result:
        value, until = self.value(node[1], now)
        if value is not None:
            return value, until
        other, other_until = self.value(node[2], now)
        return other, min(until, other_until)

    def _if(self, node: list[Any], now: int) -> Result:
        truth, until = self.value(node[1], now)
        if truth is None:
            return None, until
        value, value_until = self.value(node[2] if truth else node[3], now)
        return value, min(until, value_until)

    def _clock(self, node: list[Any], now: int) -> Result:
        t, until = self.value(node[1], now)
        if t is None:
            return None, until
        ago = node[0] == "ago"
        span = now - t if ago else t - now
        if len(node) == 2:
            return span, min(now + 1, until)
        unit = node[2]
        whole = span // unit
        changes = t + (whole + 1) * unit if ago else t - whole * unit + 1
        return number(whole * SCALE), min(changes, until)

    def _apply(self, function: Callable[..., Any], operands: list[Any], now: int) -> Result:
        """A function of known values; unknown if one is."""
        soonest, values = NEVER, []
        for operand in operands:
            value, until = self.value(operand, now)
            values.append(value)
            soonest = min(soonest, until)
        return (None if None in values else function(*values)), soonest


def _function(function: Callable[..., Any]) -> Callable[[Evaluation, list[Any], int], Result]:
    return lambda evaluation, node, now: evaluation._apply(function, node[1:], now)


def _plus(a: Any, b: Any) -> Any:
    return number(a + b) if isinstance(a, Number) else int(a) + int(b)


def _minus(a: Any, b: Any) -> Any:
    return number(a - b) if isinstance(a, Number) else int(a) - int(b)


def _same(a: Json, b: Json) -> bool | None:
    return None if a.kind != b.kind else a.text == b.text


def _negative(a: Any) -> Any:
    return Number(-a) if isinstance(a, Number) else -a


def _literal_json(text: str) -> Json:
    return Json(json.loads(text, parse_float=Decimal, parse_int=Decimal))


def _in(evaluation: Evaluation, node: list[Any], now: int) -> Result:
    value, until = evaluation.value(node[1], now)
    if value is None:
        return None, until
    return any(evaluation.value(option, now)[0] == value for option in node[2:]), until


def _units(evaluation: Evaluation, node: list[Any], now: int) -> Result:
    value, until = evaluation.value(node[1], now)
    return (None if value is None else number(value // node[2] * SCALE)), until


_NODES: dict[str, Callable[[Evaluation, list[Any], int], Result]] = {
    "number": lambda evaluation, node, now: (read_number(node[1]), NEVER),
    "ms": lambda evaluation, node, now: (int(node[1]), NEVER),
    "version": lambda evaluation, node, now: (read_version(node[1]), NEVER),
    "json": lambda evaluation, node, now: (_literal_json(node[1]), NEVER),
    "context": Evaluation._from_context,
    "known": Evaluation._known,
    "flag": Evaluation._flag,
    "and": lambda evaluation, node, now: evaluation._connective(node, now, False),
    "or": lambda evaluation, node, now: evaluation._connective(node, now, True),
    "not": _function(operator.not_),
    "same": _function(_same),
    "in": _in,
    "between": Evaluation._between,
    "exists": Evaluation._exists,
    "else": Evaluation._else,
    "if": Evaluation._if,
    "+": _function(_plus),
    "-": _function(_minus),
    "*": _function(lambda a, b: number(rounded(a * b, SCALE))),
    "/": _function(lambda a, b: number(rounded(a * SCALE, b)) if b else None),
    "neg": _function(_negative),
    "ago": Evaluation._clock,
    "until": Evaluation._clock,
    "units": _units,
    "abs": _function(lambda a: Number(abs(a))),
    "round": _function(lambda a: number(rounded(a, SCALE) * SCALE)),
    "min": _function(min),
    "max": _function(max),
    "lower": _function(lambda text: text.translate(_LOWER)),
    "upper": _function(lambda text: text.translate(_UPPER)),
    "starts_with": _function(str.startswith),
    "ends_with": _function(str.endswith),
    "contains": _function(operator.contains),
    "len": _function(lambda text: Number(len(text) * SCALE)),
    "semver": _function(read_version),
    "datetime": _function(read_instant),
}
#: Nodes whose until is that of their value, whatever changes inside them.
_SETTLED = {"same", "in", "between", "exists", "starts_with", "ends_with", "contains"}
#: The same, if their value is a truth value.
_CHOICES = {"if", "else"}
