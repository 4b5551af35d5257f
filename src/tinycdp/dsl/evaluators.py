"""Evaluators: the closures that expressions compile to, and the combinators that join them.

Shape   evaluator(activation, now) -> (value, until): the value at `now`, and the first instant at which it may change
        if nothing arrives
Units   numbers in nanos, instants and durations in milliseconds, None for unknown
Laws    now < until; for all t in [now, until): value(t) == value(now). `until` may be early, never late.
        If a truth value is settled, its `until` is when the truth itself changes, not when something inside it does
Errors  none: a value of the wrong type is unknown, and `on_type_mismatch` is called
Source  dsl/SPEC.md "Truth" and "valid_until"; docs/decisions/0007-evaluators-not-trees.md
"""

from collections.abc import Callable, Mapping, Set
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.calendar import Days
from tinycdp.dsl.values.numbers import bounded, divide, multiply, nanos, number
from tinycdp.dsl.values.scalars import parse_instant, semver_key
from tinycdp.model import NEVER, Instant

Result = tuple[Any, Instant]
Evaluator = Callable[["Activation", Instant], Result]

UNKNOWN: Result = (None, NEVER)
_NOTHING: Mapping[str, Any] = MappingProxyType({})

#: How many changes one comparison looks ahead for the instant at which its truth changes. If that is not enough, its
#: `until` is early, and it is evaluated again then.
LOOK_AHEAD = 256
#: How many changes nested comparisons look ahead together. Without it the work would be exponential in their depth.
_LOOK_AHEAD_TOGETHER = 1_024
#: How many values of a timeline may be those before them.
_MOST_UNCHANGED = 2


class Activation:
    """All that one evaluation may read of a profile.

    `now` may move forward between evaluations, never back."""

    __slots__ = (
        "_ahead",
        "_later",
        "calendar",
        "context",
        "evaluators",
        "first_seen",
        "group",
        "last_seen",
        "listed",
        "now",
        "properties",
        "results",
        "state",
    )

    def __init__(
        self,
        now: Instant,
        *,
        calendar: Days,
        properties: Mapping[str, Any],
        state: Callable[[str], Any],
        first_seen: Instant | None,
        last_seen: Instant | None,
        evaluators: Mapping[tuple[str, str], Evaluator],
        context: Mapping[str, Any] | None = None,
        group: Mapping[str, Any] | None = None,
        listed: Set[int] = frozenset(),
    ) -> None:
        self.now = now
        self.calendar = calendar
        self.properties = properties
        self.state = state
        self.first_seen = first_seen
        self.last_seen = last_seen
        self.evaluators = evaluators
        self.context = context if context is not None else _NOTHING
        self.group = group if group is not None else _NOTHING
        self.listed = listed
        self.results: dict[tuple[str, str], Result] = {}
        # During a walk: how many steps it has left, and the last result of each definition with the instant it is from.
        self._ahead = 0
        self._later: dict[tuple[str, str], tuple[Instant, Result]] | None = None

    def result(self, name: tuple[str, str], at: Instant) -> Result:
        """The value of another definition at an instant not before `now`.

        It is kept while it is valid. When `now` moves forward, only what changed is computed again."""
        found = self.results.get(name)
        if found is not None and at < found[1]:
            return found
        if at == self.now:
            found = self.results[name] = self.evaluators[name](self, at)
            return found
        if self._later is None:
            return self.evaluators[name](self, at)
        later = self._later.get(name)
        if later is None or not later[0] <= at < later[1][1]:
            later = self._later[name] = (at, self.evaluators[name](self, at))
        return later[1]

    def next_change(self, evaluate: Evaluator, value: Any, until: Instant) -> Instant:
        """The first instant from `until` on at which the evaluator's value changes.

        The search ends with the look-ahead, so the result may be early.

        A walk inside another walk shares the outer one's remaining look-ahead."""
        outermost = self._later is None
        if outermost:
            self._ahead, self._later = _LOOK_AHEAD_TOGETHER, {}
        for _ in range(LOOK_AHEAD):
            if until >= NEVER or self._ahead <= 0:
                break
            self._ahead -= 1
            then, later = evaluate(self, until)
            if then is not value:
                break
            until = later
        if outermost:
            self._later = None
        return until

    def timeline(self, evaluate: Evaluator, now: Instant, most: int, end: Instant = NEVER) -> list[Result]:
        """The value at `now` and those that follow it if nothing arrives, each with its `until`.

        At most so many, and none that begins at `end` or later. A value that comes back unchanged was not looked ahead
        to its end, which takes long: after a few of them the search is over."""
        found = [evaluate(self, now)]
        unchanged = 0
        try:
            while (until := found[-1][1]) < end and len(found) < most and unchanged < _MOST_UNCHANGED:
                self._ahead, self._later = _LOOK_AHEAD_TOGETHER, self._later or {}
                found.append(evaluate(self, until))
                unchanged += found[-1][0] == found[-2][0]
        finally:
            self._later = None
        return found


class EventActivation:
    """What a `where` predicate may read: the properties of one event."""

    __slots__ = ("event",)

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event


# Leaves


def constant(value: Any) -> Evaluator:
    """Always the same value."""
    result = (value, NEVER)
    return lambda activation, now: result


def local_midnight(text: str) -> Evaluator:
    """The instant at which a local date begins."""
    day = date.fromisoformat(text).toordinal()
    return lambda activation, now: (activation.calendar.first_instant(day), NEVER)


def lookup(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at a path of nested objects; None if absent."""
    value: Any = values
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def ignore() -> None:
    """Default listener: ignores type mismatches."""


def property_of(path: tuple[str, ...], want: Type, on_type_mismatch: Callable[[], None] = ignore) -> Evaluator:
    """A property of the profile."""
    if len(path) == 1 and want in {Type.STRING, Type.BOOL}:
        name, kind = path[0], str if want is Type.STRING else bool

        def run(activation: Activation, now: Instant) -> Result:
            value = activation.properties.get(name)
            if type(value) is kind:
                return value, NEVER
            if value is not None:
                on_type_mismatch()
            return UNKNOWN

        return run
    return lambda activation, now: (typed(lookup(activation.properties, path), want, on_type_mismatch), NEVER)


def group_trait(path: tuple[str, ...], want: Type, on_type_mismatch: Callable[[], None] = ignore) -> Evaluator:
    """A trait of the profile's group."""
    return lambda activation, now: (typed(lookup(activation.group, path), want, on_type_mismatch), NEVER)


def context_of(path: tuple[str, ...], want: Type, on_type_mismatch: Callable[[], None] = ignore) -> Evaluator:
    """A value of the request's context."""
    return lambda activation, now: (typed(lookup(activation.context, path), want, on_type_mismatch), NEVER)


def event_property(path: tuple[str, ...], want: Type, on_type_mismatch: Callable[[], None] = ignore) -> Evaluator:
    """A property of the event, inside `where`."""
    return lambda activation, now: (typed(lookup(activation.event, path), want, on_type_mismatch), NEVER)  # type: ignore[attr-defined]


def seen(which: str) -> Evaluator:
    """The instant of the profile's first or last message."""
    if which == "first":
        return lambda activation, now: (activation.first_seen, NEVER)
    return lambda activation, now: (activation.last_seen, NEVER)


def listed(list_id: int) -> Evaluator:
    """Whether the profile has an identifier on a list."""
    return lambda activation, now: (list_id in activation.listed, NEVER)


def typed(value: Any, want: Type, on_type_mismatch: Callable[[], None]) -> Any:
    """Like coerce, and calls `on_type_mismatch` if there is a value of another type."""
    found = coerce(value, want)
    if found is None and value is not None:
        on_type_mismatch()
    return found


def coerce(value: Any, want: Type) -> Any:
    """A JSON value as a value of the wanted type; unknown (None) if it has another type.

    This never converts meaning: a string is not a number. Only a *declared* datetime is parsed from its text."""
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
            if type(value) in {int, Decimal}:
                scaled = nanos(value)
                return None if scaled is None else number(scaled)
            return value if type(value) is not list else tuple(value)
        case _:
            return None


# Combinators


def mapped(evaluate: Evaluator, function: Callable[[Any], Any]) -> Evaluator:
    """Apply a function to a known value; unknown stays unknown."""

    def run(activation: Activation, now: Instant) -> Result:
        value, until = evaluate(activation, now)
        return (None if value is None else function(value)), until

    return run


def binary(left: Evaluator, right: Evaluator, function: Callable[[Any, Any], Any]) -> Evaluator:
    """Apply a function to two known values; unknown if either is unknown."""

    def run(activation: Activation, now: Instant) -> Result:
        (a, until_a), (b, until_b) = left(activation, now), right(activation, now)
        value = None if a is None or b is None else function(a, b)
        return value, until_a if until_a < until_b else until_b

    return run


def settled(evaluate: Evaluator) -> Evaluator:
    """The same truth value, valid until the truth itself changes.

    Changes of something inside it no longer end its validity."""

    def run(activation: Activation, now: Instant) -> Result:
        value, until = evaluate(activation, now)
        return value, until if until >= NEVER else activation.next_change(evaluate, value, until)

    return run


def exists(evaluate: Evaluator) -> Evaluator:
    """Whether the value is known."""

    def run(activation: Activation, now: Instant) -> Result:
        value, until = evaluate(activation, now)
        return value is not None, until

    return run


def coalesce(left: Evaluator, right: Evaluator) -> Evaluator:
    """The left value if it is known, otherwise the right one."""

    def run(activation: Activation, now: Instant) -> Result:
        value, until = left(activation, now)
        if value is not None:
            return value, until
        other, other_until = right(activation, now)
        return other, min(until, other_until)

    return run


def choose(condition: Evaluator, then: Evaluator, otherwise: Evaluator) -> Evaluator:
    """One of two values, by a condition; unknown if the condition is unknown."""

    def run(activation: Activation, now: Instant) -> Result:
        truth, until = condition(activation, now)
        if truth is None:
            return None, until
        value, value_until = then(activation, now) if truth else otherwise(activation, now)
        return value, min(until, value_until)

    return run


def negated(evaluate: Evaluator) -> Evaluator:
    """The opposite truth value; unknown stays unknown."""

    def run(activation: Activation, now: Instant) -> Result:
        value, until = evaluate(activation, now)
        return (None if value is None else not value), until

    return run


def connective(operands: tuple[Evaluator, ...], decisive: bool) -> Evaluator:
    """`||` if decisive is True, `&&` if it is False.

    While any operand decides, the answer is valid until the last of the deciding ones changes; otherwise until any
    operand changes."""

    def run(activation: Activation, now: Instant) -> Result:
        decided, known = -1, True
        soonest = NEVER
        for operand in operands:
            value, until = operand(activation, now)
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

    return run


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "+": lambda a, b: bounded(a + b),
    "-": lambda a, b: bounded(a - b),
    "*": multiply,
    "/": divide,
}


def arithmetic(op: str, left: Evaluator, right: Evaluator) -> Evaluator:
    """One of + - * / on two known values."""
    return binary(left, right, _ARITHMETIC[op])
