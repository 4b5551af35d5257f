"""The steps everything is made of: leaves, and what combines them.

Shape   step(frame, now) -> (value, until): the value at `now`, and the first instant at which it may differ if nothing
        arrives
Units   numbers in nanos, instants and durations in milliseconds, unknown is None
Laws    now < until; for all t in [now, until): value(t) == value(now). `until` may be early, never late.
        Where a truth is settled, its `until` is where the truth changes, not where something inside it does
Errors  none: a value of the wrong type is unknown, and whoever compiled the leaf is told
Source  dsl/SPEC.md "Truth" and "valid_until"; docs/decisions/0007-steps-not-trees.md
"""

from collections.abc import Callable, Mapping
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
Step = Callable[["Frame", Instant], Result]

UNKNOWN: Result = (None, NEVER)
_NOTHING: Mapping[str, Any] = MappingProxyType({})

#: How far one comparison looks ahead for the instant at which its truth changes. Past that it answers early, and is
#: asked again then.
LOOK_AHEAD = 256
#: How far all comparisons inside one another look together: each by itself would make it the power of their depth.
_LOOK_AHEAD_TOGETHER = 1_024


class Frame:
    """All that one evaluation may read of a profile. `now` may move forward between evaluations, never back."""

    __slots__ = (
        "_ahead",
        "_later",
        "calendar",
        "context",
        "first_seen",
        "group",
        "last_seen",
        "now",
        "properties",
        "results",
        "state",
        "steps",
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
        steps: Mapping[tuple[str, str], Step],
        context: Mapping[str, Any] | None = None,
        group: Mapping[str, Any] | None = None,
    ) -> None:
        self.now = now
        self.calendar = calendar
        self.properties = properties
        self.state = state
        self.first_seen = first_seen
        self.last_seen = last_seen
        self.steps = steps
        self.context = context if context is not None else _NOTHING
        self.group = group if group is not None else _NOTHING
        self.results: dict[tuple[str, str], Result] = {}
        # While a walk looks ahead: how many steps are left to it, and what it last saw of a definition, from when on.
        self._ahead = 0
        self._later: dict[tuple[str, str], tuple[Instant, Result]] | None = None

    def result(self, name: tuple[str, str], at: Instant) -> Result:
        """Another definition's value at an instant not before `now`.

        Kept for as long as it is valid, so that a frame whose `now` is moved forward recomputes only what changed."""
        found = self.results.get(name)
        if found is not None and at < found[1]:
            return found
        if at == self.now:
            found = self.results[name] = self.steps[name](self, at)
            return found
        if self._later is None:
            return self.steps[name](self, at)
        later = self._later.get(name)
        if later is None or not later[0] <= at < later[1][1]:
            later = self._later[name] = (at, self.steps[name](self, at))
        return later[1]

    def walk(self, step: Step, value: Any, until: Instant) -> Instant:
        """The first instant from `until` on at which the step's value is another, as far as is looked.

        Where a walk is part of another, both share what is left of the outer one's."""
        outermost = self._later is None
        if outermost:
            self._ahead, self._later = _LOOK_AHEAD_TOGETHER, {}
        for _ in range(LOOK_AHEAD):
            if until >= NEVER or self._ahead <= 0:
                break
            self._ahead -= 1
            then, later = step(self, until)
            if then is not value:
                break
            until = later
        if outermost:
            self._later = None
        return until


class EventFrame:
    """What a `where` predicate may read: the properties of one event."""

    __slots__ = ("event",)

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event


# Leaves


def constant(value: Any) -> Step:
    result = (value, NEVER)
    return lambda frame, now: result


def local_midnight(text: str) -> Step:
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


def unheard() -> None:
    """Nobody wants to know of values of the wrong type."""


def property_of(path: tuple[str, ...], want: Type, mismatched: Callable[[], None] = unheard) -> Step:
    if len(path) == 1 and want in {Type.STRING, Type.BOOL}:
        name, kind = path[0], str if want is Type.STRING else bool

        def run(frame: Frame, now: Instant) -> Result:
            value = frame.properties.get(name)
            if type(value) is kind:
                return value, NEVER
            if value is not None:
                mismatched()
            return UNKNOWN

        return run
    return lambda frame, now: (typed(lookup(frame.properties, path), want, mismatched), NEVER)


def group_trait(path: tuple[str, ...], want: Type, mismatched: Callable[[], None] = unheard) -> Step:
    return lambda frame, now: (typed(lookup(frame.group, path), want, mismatched), NEVER)


def context_of(path: tuple[str, ...], want: Type, mismatched: Callable[[], None] = unheard) -> Step:
    return lambda frame, now: (typed(lookup(frame.context, path), want, mismatched), NEVER)


def event_property(path: tuple[str, ...], want: Type, mismatched: Callable[[], None] = unheard) -> Step:
    return lambda frame, now: (typed(lookup(frame.event, path), want, mismatched), NEVER)  # type: ignore[attr-defined]


def seen(which: str) -> Step:
    if which == "first":
        return lambda frame, now: (frame.first_seen, NEVER)
    return lambda frame, now: (frame.last_seen, NEVER)


def typed(value: Any, want: Type, mismatched: Callable[[], None]) -> Any:
    """The same as coerce; something that is there and of another type is told of."""
    found = coerce(value, want)
    if found is None and value is not None:
        mismatched()
    return found


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
            if type(value) in {int, Decimal}:
                scaled = nanos(value)
                return None if scaled is None else number(scaled)
            return value if type(value) is not list else tuple(value)
        case _:
            return None


# Combinators


def mapped(step: Step, function: Callable[[Any], Any]) -> Step:
    """function of a known value; unknown stays unknown."""

    def run(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return (None if value is None else function(value)), until

    return run


def binary(left: Step, right: Step, function: Callable[[Any, Any], Any]) -> Step:
    """function of two known values; unknown where either is."""

    def run(frame: Frame, now: Instant) -> Result:
        (a, until_a), (b, until_b) = left(frame, now), right(frame, now)
        value = None if a is None or b is None else function(a, b)
        return value, until_a if until_a < until_b else until_b

    return run


def settled(step: Step) -> Step:
    """The same truth, valid until the truth itself changes rather than something inside it."""

    def run(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return value, until if until >= NEVER else frame.walk(step, value, until)

    return run


def exists(step: Step) -> Step:
    def run(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return value is not None, until

    return run


def coalesce(left: Step, right: Step) -> Step:
    def run(frame: Frame, now: Instant) -> Result:
        value, until = left(frame, now)
        if value is not None:
            return value, until
        other, other_until = right(frame, now)
        return other, min(until, other_until)

    return run


def choose(condition: Step, then: Step, otherwise: Step) -> Step:
    def run(frame: Frame, now: Instant) -> Result:
        truth, until = condition(frame, now)
        if truth is None:
            return None, until
        value, value_until = then(frame, now) if truth else otherwise(frame, now)
        return value, min(until, value_until)

    return run


def negated(step: Step) -> Step:
    def run(frame: Frame, now: Instant) -> Result:
        value, until = step(frame, now)
        return (None if value is None else not value), until

    return run


def connective(operands: tuple[Step, ...], decisive: bool) -> Step:
    """`||` where decisive is True, `&&` where it is False.

    While some operand decides, the answer stands until the last of those that decide lets go; else until any moves."""

    def run(frame: Frame, now: Instant) -> Result:
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

    return run


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "+": lambda a, b: bounded(a + b),
    "-": lambda a, b: bounded(a - b),
    "*": multiply,
    "/": divide,
}


def arithmetic(op: str, left: Step, right: Step) -> Step:
    return binary(left, right, _ARITHMETIC[op])
