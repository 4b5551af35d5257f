"""Typed expressions into functions.

Shape   step(frame, now) -> (value, until): the value at `now`, and the first instant at which it may differ if nothing
        arrives. Every node becomes one step; nothing is parsed or looked up by text when it runs
Units   numbers in nanos, instants and durations in milliseconds, unknown is None
Laws    now < until; for all t in [now, until): value(t) == value(now). `until` may be early, never late.
        A comparison's `until` is where its truth changes, not where a number in it does
Errors  none at run time: a value of the wrong type is unknown
Source  dsl/SPEC.md "Truth", "Time" and "valid_until"; docs/decisions/0007-steps-not-trees.md
"""

import operator
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.calendar import Days
from tinycdp.dsl.ir import Type
from tinycdp.dsl.numbers import SCALE, bounded, divide, multiply, nanos, rounded
from tinycdp.dsl.scalars import parse_instant, semver_key
from tinycdp.model import DAY_MS, NEVER, Instant

Result = tuple[Any, Instant]
Step = Callable[["Frame", Instant], Result]

UNKNOWN: Result = (None, NEVER)

#: How far one comparison looks ahead for the instant at which its truth changes. Past that it answers early, and is
#: asked again then.
LOOK_AHEAD = 1024


class Frame:
    """All that one evaluation may read of a profile. `now` may move forward between evaluations, never back."""

    __slots__ = ("calendar", "context", "first_seen", "last_seen", "now", "properties", "results", "state", "steps")

    def __init__(
        self,
        now: Instant,
        *,
        calendar: Days,
        properties: Mapping[str, Any],
        state: Callable[[str], Any],
        first_seen: Instant | None,
        last_seen: Instant | None,
        steps: Mapping[tuple[str, str], Step],
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.now = now
        self.calendar = calendar
        self.properties = properties
        self.state = state
        self.first_seen = first_seen
        self.last_seen = last_seen
        self.steps = steps
        self.context = context if context is not None else {}
        self.results: dict[tuple[str, str], Result] = {}

    def result(self, name: tuple[str, str], at: Instant) -> Result:
        """Another definition's value at an instant not before `now`.

        Kept for as long as it is valid, so that a frame whose `now` is moved forward recomputes only what changed."""
        found = self.results.get(name)
        if found is not None and at < found[1]:
            return found
        found = self.steps[name](self, at)
        if at == self.now:
            self.results[name] = found
        return found


class EventFrame:
    """What a `where` predicate may read: the properties of one event."""

    __slots__ = ("event",)

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event


class Compiler:
    """Compiles the definitions of one catalog.

    ready    says of a read whether its state is complete; one that is not is unknown (WARMING)
    resolve  gives the typed node and type of another definition, so that a comparison sees through a reference"""

    def __init__(
        self,
        ready: Callable[[ir.AggregateRead], bool] = lambda _: True,
        resolve: Callable[[tuple[str, str]], ir.Node | None] = lambda _: None,
    ) -> None:
        self._ready = ready
        self._resolve = resolve

    def compile(self, node: ir.Node) -> Step:
        match node:
            case ir.Const():
                return _constant(node.value if node.type is not Type.NUMBER else nanos(node.value))
            case ir.LocalMidnight():
                return _local_midnight(node.date)
            case ir.Property():
                return _property(node.path, node.type)
            case ir.Context():
                return _context(node.path, node.type)
            case ir.EventProperty():
                return _event_property(node.path, node.type)
            case ir.Reference():
                return self._reference(node)
            case ir.Seen():
                return _seen(node.which)
            case ir.AggregateRead():
                return aggregate(node) if self._ready(node) else _constant(None)
            case ir.Ago():
                return _ago(self.compile(node.operand), node.unit_ms)
            case ir.Clock():
                return _clock(node.function, self.compile(node.operand))
            case ir.Compare():
                return self._compare(node)
            case ir.In():
                return self._in(node)
            case ir.Logic():
                return self._logic(node)
            case ir.Not():
                return _not(self.compile(node.operand))
            case ir.Exists():
                return _settled(_exists(self.compile(node.operand)))
            case ir.Coalesce():
                step = _coalesce(self._typed(node.left, node.type), self._typed(node.right, node.type))
                return _settled(step) if node.type is Type.BOOL else step
            case ir.Arith():
                return _arith(node.op, self._operand(node.left), self._operand(node.right))
            case ir.Negate():
                return _map(self._operand(node.operand), operator.neg)
            case ir.Call():
                step = self._call(node)
                return _settled(step) if node.type is Type.BOOL else step
        raise AssertionError(f"no step for {type(node).__name__}")

    def _typed(self, node: ir.Node, want: Type) -> Step:
        """The node's step; where its type is only known at run time, values of any other type are unknown."""
        step = self.compile(node)
        if want is Type.DYN or self._static_type(node) is not Type.DYN:
            return step
        return _map(step, lambda value: coerce(value, want))

    def _static_type(self, node: ir.Node) -> Type:
        """DYN where the step yields plain JSON values, else the type of what it yields."""
        if isinstance(node, ir.Reference):
            target = self._resolve((node.kind, node.key))
            return target.type if target is not None else Type.BOOL if node.kind == "segment" else Type.DYN
        return node.type

    def _number(self, node: ir.Node) -> Step:
        return self._typed(node, Type.NUMBER)

    def _operand(self, node: ir.Node) -> Step:
        """An operand of arithmetic: a number, unless its type says that it is a datetime or a duration."""
        return self._typed(node, node.type if node.type is not Type.DYN else Type.NUMBER)

    def _reference(self, node: ir.Reference) -> Step:
        name = (node.kind, node.key)

        if node.kind == "flag":
            # A flag may read the request's context, so its answer is not kept with the profile's values.
            return lambda frame, now: frame.steps[name](frame, now)

        def reference(frame: Frame, now: Instant) -> Result:
            return frame.result(name, now)

        if node.type is not Type.DYN and self._static_type(node) is Type.DYN:
            return _map(reference, lambda value: coerce(value, node.type))
        return reference

    def _see_through(self, node: ir.Node) -> ir.Node:
        """The node a chain of references to traits ends in. A segment is a boundary, where unknown becomes false."""
        while (
            isinstance(node, ir.Reference)
            and node.kind == "trait"
            and (target := self._resolve((node.kind, node.key))) is not None
        ):
            node = target
        return node

    # Truth

    def _logic(self, node: ir.Logic) -> Step:
        # Operands that cannot change with time come first: where one decides, no window is read. Order is free.
        operands = sorted(node.operands, key=_depends_on_time)
        return _connective(tuple(self._typed(operand, Type.BOOL) for operand in operands), node.op == "or")

    def _compare(self, node: ir.Compare) -> Step:
        test = _TESTS[node.op]
        left, right = self._see_through(node.left), node.right
        if not _depends_on_time(right) and not isinstance(self._see_through(right), ir.AggregateRead):
            match left:
                case ir.AggregateRead(function="count") if _is_trailing(left) and self._ready(left):
                    return _compare_count(left, test, node.op, self._number(right))
                case ir.AggregateRead(function="sum" | "avg" | "min" | "max") if _is_trailing(left) and self._ready(
                    left
                ):
                    return _compare_numbers(left, test, self._number(right))
                case ir.Ago():
                    return _compare_ago(self.compile(left.operand), left.unit_ms, test, self._number(right))
                case ir.Clock():
                    return _compare_clock(left.function, self.compile(left.operand), test, self.compile(right))
        elif not _depends_on_time(node.left) and node.op in _MIRRORED:
            return self._compare(ir.Compare(node.type, _MIRRORED[node.op], node.right, node.left))
        want = node.left.type if node.left.type is not Type.DYN else node.right.type
        step = _binary(
            self._typed(node.left, want), self._typed(node.right, want), _same(test) if want is Type.DYN else test
        )
        return step if not _depends_on_time(node) else _settled(step)

    def _in(self, node: ir.In) -> Step:
        want = node.operand.type
        if want is Type.NUMBER:
            options: frozenset[Any] = frozenset(map(nanos, node.options))
        elif want is Type.DYN:
            options = frozenset(map(_plain, node.options))
        else:
            options = frozenset(node.options)
        negated = node.negated

        def contained(value: Any) -> bool:
            return (value in options) is not negated

        operand = self._typed(node.operand, want)
        return _settled(_map(operand, contained if want is not Type.DYN else lambda value: contained(_plain(value))))

    # Functions

    def _call(self, node: ir.Call) -> Step:
        arguments = node.arguments
        match node.function:
            case "if":
                condition = self._typed(arguments[0], Type.BOOL)
                return _choose(condition, self._typed(arguments[1], node.type), self._typed(arguments[2], node.type))
            case "between":
                value, low, high = arguments
                bounds = (ir.Compare(Type.BOOL, ">=", value, low), ir.Compare(Type.BOOL, "<=", value, high))
                return self._logic(ir.Logic(Type.BOOL, "and", bounds))
            case "abs":
                return _map(self._number(arguments[0]), abs)
            case "round":
                return _map(self._number(arguments[0]), lambda value: rounded(value, SCALE) * SCALE)
            case "min2" | "max2":
                pick: Callable[[Any, Any], Any] = min if node.function == "min2" else max
                return _binary(self._typed(arguments[0], node.type), self._typed(arguments[1], node.type), pick)
            case name:
                texts = [self._typed(argument, Type.STRING) for argument in arguments]
                if len(texts) == 1:
                    return _map(texts[0], _OF_TEXT[name])
                return _binary(texts[0], texts[1], _OF_TWO_TEXTS[name])


def membership(step: Step) -> Step:
    """A segment's step: a profile is a member only where the rule is true, else it is none."""

    def member(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return value is True, until

    return member


def predicate(node: ir.Node | None) -> Callable[[Mapping[str, Any]], bool] | None:
    """A `where` as a test of an event's properties; None where there is none. Unknown is not a match."""
    if node is None:
        return None
    step: Any = Compiler().compile(node)

    def matches(properties: Mapping[str, Any]) -> bool:
        return step(EventFrame(properties), 0)[0] is True

    return matches


def is_volatile(node: ir.Node, resolve: Callable[[tuple[str, str]], ir.Node | None]) -> bool:
    """Whether the value itself moves with the clock, as `last_seen_minutes_ago` does. A comparison of it does not."""
    if node.type is Type.BOOL:
        return False
    if isinstance(node, ir.Ago | ir.Clock):
        return True
    if isinstance(node, ir.Reference):
        target = resolve((node.kind, node.key))
        return target is not None and is_volatile(target, resolve)
    return any(is_volatile(child, resolve) for child in ir.children(node))


# Leaves


def _constant(value: Any) -> Step:
    result = (value, NEVER)
    return lambda frame, now: result


def _local_midnight(text: str) -> Step:
    day = date.fromisoformat(text).toordinal()
    return lambda frame, now: (frame.calendar.first_instant(day), NEVER)


def lookup(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of nested objects, None where there is none."""
    value: Any = values
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def _property(path: tuple[str, ...], want: Type) -> Step:
    if len(path) == 1 and want in {Type.STRING, Type.BOOL}:
        name, kind = path[0], str if want is Type.STRING else bool

        def plain(frame: Frame, now: Instant) -> Result:
            value = frame.properties.get(name)
            return (value, NEVER) if type(value) is kind else UNKNOWN

        return plain
    return lambda frame, now: (coerce(lookup(frame.properties, path), want), NEVER)


def _context(path: tuple[str, ...], want: Type) -> Step:
    return lambda frame, now: (coerce(lookup(frame.context, path), want), NEVER)


def _event_property(path: tuple[str, ...], want: Type) -> Step:
    return lambda frame, now: (coerce(lookup(frame.event, path), want), NEVER)  # type: ignore[attr-defined]


def _seen(which: str) -> Step:
    if which == "first":
        return lambda frame, now: (frame.first_seen, NEVER)
    return lambda frame, now: (frame.last_seen, NEVER)


def coerce(value: Any, want: Type) -> Any:
    """A JSON value as a value of the wanted type, unknown where it is of another. Never a conversion of meaning:
    a string is no number; only a *declared* datetime is read from its text."""
    if value is None:
        return None
    match want:
        case Type.NUMBER:
            return nanos(value)
        case Type.STRING:
            return value if type(value) is str else None
        case Type.BOOL:
            return value if type(value) is bool else None
        case Type.DATETIME:
            return parse_instant(value) if type(value) is str else None
        case Type.VERSION:
            return semver_key(value) if type(value) is str else None
        case Type.LIST:
            return tuple(value) if type(value) is list else None
        case Type.DYN:
            return value if type(value) is not list else tuple(value)
        case _:
            return None


# Aggregates. A state that does not exist yet is an empty one.


def _is_trailing(read: ir.AggregateRead) -> bool:
    return read.window.start_ms is not None and not read.window.end_ms


def aggregate(read: ir.AggregateRead) -> Step:
    """The step of one aggregate function over one window."""
    key, window = read.spec.key, read.window
    start, end = window.start_ms, window.end_ms
    hop = ir.hop_ms(start) if start else 0
    match read.function:
        case "count" | "exists" | "rate":
            n = _difference(_count(key, start), _count(key, end)) if end else _count(key, start)
            if read.function == "count":
                return _map(n, lambda count: count * SCALE)
            if read.function == "exists":
                if _is_trailing(read):
                    return _compare_count(read, operator.gt, ">", _constant(0))
                return _settled(_map(n, lambda count: count > 0))
            span = (start or DAY_MS) - end
            return _map(n, lambda count: rounded(count * SCALE * DAY_MS, span))
        case "sum" | "avg" | "min" | "max":
            pick = _PICKS[read.function]
            if not end:
                return _numbers(key, start, pick)
            if read.function in {"min", "max"}:
                assert start is not None
                return _spread(key, start, end, hop, pick)
            return _map(_difference(_numbers(key, start, _whole), _numbers(key, end, _whole)), pick)
        case "first" | "last":
            return _entry(key, read.function, start, hop, read.type)
        case "unique_days":
            assert read.days is not None
            return _unique_days(key, read.days)
        case "streak_days":
            return _streak_days(key)
        case "first_at" | "last_at":
            which = read.function.removesuffix("_at")
            return _extent(key, which)
    raise AssertionError(f"no step for {read.function}")


def _count(key: str, window_ms: int | None) -> Step:
    hop = ir.hop_ms(window_ms) if window_ms else 0

    def count(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        return (0, NEVER) if state is None else state.count(window_ms, hop, now)

    return count


def _numbers(key: str, window_ms: int | None, pick: Callable[[Any], Any]) -> Step:
    hop = ir.hop_ms(window_ms) if window_ms else 0

    def numbers(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        if state is None:
            return pick((0, 0, 0, 0)), NEVER
        summary, until = state.summary(window_ms, hop, now)
        return pick(summary), until

    return numbers


def _spread(key: str, start_ms: int, end_ms: int, hop: int, pick: Callable[[Any], Any]) -> Step:
    def spread(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        if state is None:
            return UNKNOWN
        summary, until = state.spread(start_ms, end_ms, hop, now)
        return pick(summary), until

    return spread


def _difference(wide: Step, narrow: Step) -> Step:
    """A range is trailing(a) minus trailing(b): counts, or (n, sum, …) summaries, of which only n and sum subtract."""

    def difference(frame: Frame, now: Instant) -> Result:
        (a, until_a), (b, until_b) = wide(frame, now), narrow(frame, now)
        value = a - b if type(a) is int else (a[0] - b[0], a[1] - b[1])
        return value, min(until_a, until_b)

    return difference


def _entry(key: str, which: str, window_ms: int | None, hop: int, want: Type) -> Step:
    def entry(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        if state is None:
            return UNKNOWN
        found, until = state.last(window_ms, now) if which == "last" else state.first(window_ms, hop, now)
        return (None if found is None else coerce(found[2], want)), until

    return entry


def _unique_days(key: str, days: int) -> Step:
    def unique_days(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        if state is None:
            return 0, NEVER
        n, until = state.unique_days(days, frame.calendar, now)
        return n * SCALE, until

    return unique_days


def _streak_days(key: str) -> Step:
    def streak_days(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        if state is None:
            return 0, NEVER
        n, until = state.streak_days(frame.calendar, now)
        return n * SCALE, until

    return streak_days


def _extent(key: str, which: str) -> Step:
    def extent(frame: Frame, now: Instant) -> Result:
        state = frame.state(key)
        return UNKNOWN if state is None else (getattr(state, which), NEVER)

    return extent


def _whole(summary: Any) -> Any:
    return summary


_PICKS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda s: bounded(s[1]),
    "avg": lambda s: rounded(s[1], s[0]) if s[0] else None,
    "min": lambda s: s[2] if s[0] else None,
    "max": lambda s: s[3] if s[0] else None,
}


# Clock


def _ago(instant: Step, unit_ms: int) -> Step:
    def ago(frame: Frame, now: Instant) -> Result:
        at, until = instant(frame, now)
        if at is None:
            return None, until
        units = (now - at) // unit_ms
        return units * SCALE, min(until, at + (units + 1) * unit_ms)

    return ago


def _clock(function: str, instant: Step) -> Step:
    sign = 1 if function == "ago" else -1

    def clock(frame: Frame, now: Instant) -> Result:
        at, until = instant(frame, now)
        return (None, until) if at is None else (sign * (now - at), now + 1)

    return clock


# Combinators


def _map(step: Step, function: Callable[[Any], Any]) -> Step:
    """function of a known value; unknown stays unknown."""

    def mapped(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return (None if value is None else function(value)), until

    return mapped


def _binary(left: Step, right: Step, function: Callable[[Any, Any], Any]) -> Step:
    """function of two known values; unknown where either is."""

    def binary(frame: Frame, now: Instant) -> Result:
        (a, until_a), (b, until_b) = left(frame, now), right(frame, now)
        value = None if a is None or b is None else function(a, b)
        return value, until_a if until_a < until_b else until_b

    return binary


def _settled(step: Step) -> Step:
    """The same truth, valid until the truth itself changes rather than something inside it."""

    def settled(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        for _ in range(LOOK_AHEAD):
            if until >= NEVER:
                return value, NEVER
            then, later = step(frame, until)
            if then is not value:
                return value, until
            until = later
        return value, until

    return settled


def _exists(step: Step) -> Step:
    def exists(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return value is not None, until

    return exists


def _coalesce(left: Step, right: Step) -> Step:
    def coalesce(frame: Frame, now: Instant) -> Result:
        value, until = left(frame, now)
        if value is not None:
            return value, until
        other, other_until = right(frame, now)
        return other, min(until, other_until)

    return coalesce


def _choose(condition: Step, then: Step, otherwise: Step) -> Step:
    def choose(frame: Frame, now: Instant) -> Result:
        truth, until = condition(frame, now)
        if truth is None:
            return None, until
        value, value_until = then(frame, now) if truth else otherwise(frame, now)
        return value, min(until, value_until)

    return choose


def _not(step: Step) -> Step:
    def negation(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return (None if value is None else not value), until

    return negation


def _connective(operands: tuple[Step, ...], decisive: bool) -> Step:
    """`||` where decisive is True, `&&` where it is False.

    While some operand decides, the answer stands until the last of those that decide lets go; else until any moves."""

    def connective(frame: Frame, now: Instant) -> Result:
        decided, known = -1, True
        soonest = NEVER
        for operand in operands:
            value, until = operand(frame, now)
            if value is decisive:
                if until >= NEVER:
                    return decisive, NEVER
                decided = max(decided, until)
            elif value is None:
                known = False
            soonest = min(soonest, until)
        if decided >= 0:
            return decisive, decided
        return (not decisive if known else None), soonest

    return connective


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "+": lambda a, b: bounded(a + b),
    "-": lambda a, b: bounded(a - b),
    "*": multiply,
    "/": divide,
}


def _arith(op: str, left: Step, right: Step) -> Step:
    return _binary(left, right, _ARITHMETIC[op])


# Comparisons that find the instant of their change without walking there


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

#: For an order test of a count against c: the count below which its truth changes, and the truth from there up.
_FLOORS: dict[str, Callable[[int], tuple[int, bool]]] = {
    ">=": lambda c: (-(-c // SCALE), True),
    ">": lambda c: (c // SCALE + 1, True),
    "<": lambda c: (-(-c // SCALE), False),
    "<=": lambda c: (c // SCALE + 1, False),
}


def _compare_count(read: ir.AggregateRead, test: Callable[[Any, Any], bool], op: str, constant: Step) -> Step:
    key, window_ms = read.spec.key, read.window.start_ms
    assert window_ms is not None
    hop = ir.hop_ms(window_ms)
    floor_of = _FLOORS.get(op)

    def compare_count(frame: Frame, now: Instant) -> Result:
        c = constant(frame, now)[0]
        if c is None:
            return UNKNOWN
        state = frame.state(key)
        if state is None:
            return test(0, c), NEVER
        n, until = state.count(window_ms, hop, now)
        value = test(n * SCALE, c)
        if until >= NEVER:
            return value, NEVER
        if floor_of is not None:
            floor, above = floor_of(c)
            if floor <= 0:
                return value, NEVER
            if value is above:
                at = state.falls_below(floor, window_ms, now)
                if at is not None:
                    return value, at
            elif not state.ts or state.ts[-1] <= now:
                return value, NEVER
        for _ in range(LOOK_AHEAD):
            n, later = state.count(window_ms, hop, until)
            if test(n * SCALE, c) is not value:
                return value, until
            if later >= NEVER:
                return value, NEVER
            until = later
        return value, until

    return compare_count


def _compare_numbers(read: ir.AggregateRead, test: Callable[[Any, Any], bool], constant: Step) -> Step:
    key, window_ms, pick = read.spec.key, read.window.start_ms, _PICKS[read.function]
    assert window_ms is not None
    hop = ir.hop_ms(window_ms)

    def compare_numbers(frame: Frame, now: Instant) -> Result:
        c = constant(frame, now)[0]
        if c is None:
            return UNKNOWN
        state = frame.state(key)
        if state is None:
            empty = pick((0, 0, 0, 0))
            return (None if empty is None else test(empty, c)), NEVER
        trail = state.trail(window_ms, hop, now)
        picked = pick(next(trail)[1])
        value = None if picked is None else test(picked, c)
        for at, summary in trail:
            picked = pick(summary)
            if (None if picked is None else test(picked, c)) is not value:
                return value, at
        return value, NEVER

    return compare_numbers


def _compare_ago(instant: Step, unit_ms: int, test: Callable[[Any, Any], bool], constant: Step) -> Step:
    def compare_ago(frame: Frame, now: Instant) -> Result:
        at, until = instant(frame, now)
        c = constant(frame, now)[0]
        if at is None or c is None:
            return None, until
        value = test((now - at) // unit_ms * SCALE, c)
        # The value only grows, one unit at a time: its truth can change where it reaches c and where it passes it.
        for units in (-(-c // SCALE), c // SCALE + 1):
            then = at + units * unit_ms
            if then > now and test(units * SCALE, c) is not value:
                return value, min(then, until)
        return value, until

    return compare_ago


def _compare_clock(function: str, instant: Step, test: Callable[[Any, Any], bool], constant: Step) -> Step:
    sign = 1 if function == "ago" else -1

    def compare_clock(frame: Frame, now: Instant) -> Result:
        at, until = instant(frame, now)
        c = constant(frame, now)[0]
        if at is None or c is None:
            return None, until
        value = test(sign * (now - at), c)
        reached = at + sign * c
        for then in (reached, reached + 1):
            if then > now and test(sign * (then - at), c) is not value:
                return value, min(then, until)
        return value, until

    return compare_clock


def _depends_on_time(node: ir.Node) -> bool:
    """Whether the value can change although nothing arrives. References may."""
    return any(isinstance(n, ir.AggregateRead | ir.Ago | ir.Clock | ir.Reference) for n in ir.walk(node))


# Values of a type known only at run time


def _plain(value: Any) -> Any:
    """A JSON value so that equal ones are equal, and True is not 1."""
    if type(value) is bool:
        return (value,)
    return Decimal(value) if type(value) is int else value


def _kind(value: Any) -> type:
    return int if type(value) is Decimal else type(value)


def _same(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    """The test for two values whose types are known only now: of different ones it is unknown."""
    return lambda left, right: test(_plain(left), _plain(right)) if _kind(left) is _kind(right) else None


_UPPER = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_OF_TEXT: dict[str, Callable[[str], Any]] = {
    "lower": lambda text: text.translate(_LOWER),
    "upper": lambda text: text.translate(_UPPER),
    "len": lambda text: len(text) * SCALE,
    "semver": semver_key,
    "datetime": parse_instant,
}
_OF_TWO_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
}
