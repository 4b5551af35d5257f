"""Evaluators that read aggregates and the clock, and comparisons that foresee changes.

Laws    those of the evaluators module; a missing state counts as an empty one.
        A comparison of a window with a constant finds its `until` by look-up or in one pass. It does not visit every
        instant at which a number in the window changes
Source  dsl/SPEC.md "Windows" and "valid_until"
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from operator import gt
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.evaluators import (
    LOOK_AHEAD,
    UNKNOWN,
    Activation,
    Evaluator,
    Result,
    constant,
    ignore,
    mapped,
    settled,
    typed,
)
from tinycdp.dsl.values.numbers import SCALE, bounded, number, rounded
from tinycdp.model import DAY_MS, NEVER, Instant

Test = Callable[[Any, Any], bool]

# Aggregates. A missing state counts as an empty one.


def is_trailing(read: ir.AggregateRead) -> bool:
    """Whether the window ends now, rather than being a range or a lifetime."""
    return read.window.start_ms is not None and not read.window.end_ms


def aggregate(read: ir.AggregateRead, on_type_mismatch: Callable[[], None] = ignore) -> Evaluator:
    """The evaluator of one aggregate function over one window.

    `on_type_mismatch` is called for each value whose type the aggregate cannot use."""
    key, window = read.spec.key, read.window
    start, end = window.start_ms, window.end_ms
    bucket_width = ir.bucket_width_ms(start) if start else 0
    match read.function:
        case "count" | "exists" | "rate" | "unique":
            n = _difference(_count(key, start), _count(key, end)) if end else _count(key, start)
            if read.function in {"count", "unique"}:
                return mapped(n, lambda count: count * SCALE)
            if read.function == "exists":
                if is_trailing(read):
                    return compare_count(read, gt, ">", constant(0))
                return settled(mapped(n, lambda count: count > 0))
            span = (start or DAY_MS) - end
            return mapped(n, lambda count: rounded(count * SCALE * DAY_MS, span))
        case "sum" | "avg" | "min" | "max":
            pick = _PICKS[read.function]
            if not end:
                return _numbers(key, start, pick)
            if read.function in {"min", "max"}:
                assert start is not None
                return _spread(key, start, end, bucket_width, pick)
            return mapped(_difference(_numbers(key, start, _whole), _numbers(key, end, _whole)), pick)
        case "first" | "last":
            return _entry(
                key,
                read.function,
                start,
                bucket_width,
                partial(typed, want=read.type, on_type_mismatch=on_type_mismatch),
            )
        case "percentile":
            assert read.quantile is not None
            return _percentile(key, start, bucket_width, Fraction(read.quantile))
        case "top":
            return _top(key, start, bucket_width, partial(typed, want=read.type, on_type_mismatch=on_type_mismatch))
        case "unique_days":
            assert read.days is not None
            return _unique_days(key, read.days)
        case "streak_days":
            return _streak_days(key)
        case "first_at" | "last_at":
            which = read.function.removesuffix("_at")
            return _extent(key, which)
    raise AssertionError(f"no evaluator for {read.function}")


def _count(key: str, window_ms: int | None) -> Evaluator:
    bucket_width = ir.bucket_width_ms(window_ms) if window_ms else 0

    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        return (0, NEVER) if state is None else state.count(window_ms, bucket_width, now)

    return run


def _numbers(key: str, window_ms: int | None, pick: Callable[[Any], Any]) -> Evaluator:
    bucket_width = ir.bucket_width_ms(window_ms) if window_ms else 0

    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return pick((0, 0, 0, 0)), NEVER
        summary, until = state.summary(window_ms, bucket_width, now)
        return pick(summary), until

    return run


def _spread(key: str, start_ms: int, end_ms: int, bucket_width: int, pick: Callable[[Any], Any]) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return UNKNOWN
        summary, until = state.spread(start_ms, end_ms, bucket_width, now)
        return pick(summary), until

    return run


def _difference(wide: Evaluator, narrow: Evaluator) -> Evaluator:
    """A range: trailing(a) minus trailing(b).

    Of (n, sum, …) summaries, only n and sum can be subtracted."""

    def run(activation: Activation, now: Instant) -> Result:
        (a, until_a), (b, until_b) = wide(activation, now), narrow(activation, now)
        value = a - b if type(a) is int else (a[0] - b[0], a[1] - b[1])
        return value, min(until_a, until_b)

    return run


def _entry(key: str, which: str, window_ms: int | None, bucket_width: int, read: Callable[[Any], Any]) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return UNKNOWN
        found, until = state.last(window_ms, now) if which == "last" else state.first(window_ms, bucket_width, now)
        return (None if found is None else read(found[2])), until

    return run


def _percentile(key: str, window_ms: int | None, bucket_width: int, quantile: Fraction) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return UNKNOWN
        value, until = state.percentile(window_ms, bucket_width, quantile, now)
        return (None if value is None else bounded(value)), until

    return run


def _top(key: str, window_ms: int | None, bucket_width: int, read: Callable[[Any], Any]) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return UNKNOWN
        value, until = state.top(window_ms, bucket_width, now)
        plain = number(value) if type(value) is int else value[0] if type(value) is tuple else value
        return read(plain), until

    return run


def _unique_days(key: str, days: int) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return 0, NEVER
        n, until = state.unique_days(days, activation.calendar, now)
        return n * SCALE, until

    return run


def _streak_days(key: str) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        if state is None:
            return 0, NEVER
        n, until = state.streak_days(activation.calendar, now)
        return n * SCALE, until

    return run


def _extent(key: str, which: str) -> Evaluator:
    def run(activation: Activation, now: Instant) -> Result:
        state = activation.state(key)
        return UNKNOWN if state is None else (getattr(state, which), NEVER)

    return run


def _whole(summary: Any) -> Any:
    return summary


_PICKS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda s: bounded(s[1]),
    "avg": lambda s: rounded(s[1], s[0]) if s[0] else None,
    "min": lambda s: s[2] if s[0] else None,
    "max": lambda s: s[3] if s[0] else None,
}

# Clock


def ago(instant: Evaluator, unit_ms: int) -> Evaluator:
    """Whole units of time since an instant."""

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        if at is None:
            return None, until
        units = (now - at) // unit_ms
        return units * SCALE, min(until, at + (units + 1) * unit_ms)

    return run


def clock(function: str, instant: Evaluator) -> Evaluator:
    """The time since or until an instant."""
    sign = 1 if function == "ago" else -1

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        return (None, until) if at is None else (sign * (now - at), now + 1)

    return run


def clock_units(function: str, instant: Evaluator, unit_ms: int) -> Evaluator:
    """Whole units of the time since or until an instant, rounded down."""
    if function == "ago":
        return ago(instant, unit_ms)

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        if at is None:
            return None, until
        units = (at - now) // unit_ms
        return units * SCALE, min(until, at - units * unit_ms + 1)

    return run


# Comparisons that find the instant of their next change directly


#: For a count compared with c: the count below which the truth changes, and the truth at and above it.
_FLOORS: dict[str, Callable[[int], tuple[int, bool]]] = {
    ">=": lambda c: (-(-c // SCALE), True),
    ">": lambda c: (c // SCALE + 1, True),
    "<": lambda c: (-(-c // SCALE), False),
    "<=": lambda c: (c // SCALE + 1, False),
}


def compare_count(read: ir.AggregateRead, test: Test, op: str, constant: Evaluator) -> Evaluator:
    """Compare a windowed count with a constant. Finds the instant of change by look-up."""
    key, window_ms = read.spec.key, read.window.start_ms
    assert window_ms is not None
    bucket_width = ir.bucket_width_ms(window_ms)
    floor_of = _FLOORS.get(op)

    def run(activation: Activation, now: Instant) -> Result:
        c = constant(activation, now)[0]
        if c is None:
            return UNKNOWN
        state = activation.state(key)
        if state is None:
            return test(0, c), NEVER
        n, until = state.count(window_ms, bucket_width, now)
        value = test(n * SCALE, c)
        if until >= NEVER:
            return value, NEVER
        if floor_of is not None:
            floor, above = floor_of(c)
            if floor <= 0:
                return value, NEVER
            if value is above:
                at = state.falls_below(floor, window_ms, bucket_width, now)
                if at is not None:
                    return value, at
            elif not state.ts or state.ts[-1] <= now:
                return value, NEVER
        for _ in range(LOOK_AHEAD):
            n, later = state.count(window_ms, bucket_width, until)
            if test(n * SCALE, c) is not value:
                return value, until
            if later >= NEVER:
                return value, NEVER
            until = later
        return value, until

    return run


def compare_numbers(read: ir.AggregateRead, test: Test, constant: Evaluator) -> Evaluator:
    """Compare a sum, avg, min or max with a constant, in one pass over the window."""
    key, window_ms, pick = read.spec.key, read.window.start_ms, _PICKS[read.function]
    assert window_ms is not None
    bucket_width = ir.bucket_width_ms(window_ms)

    def run(activation: Activation, now: Instant) -> Result:
        c = constant(activation, now)[0]
        if c is None:
            return UNKNOWN
        state = activation.state(key)
        if state is None:
            empty = pick((0, 0, 0, 0))
            return (None if empty is None else test(empty, c)), NEVER
        trail = state.trail(window_ms, bucket_width, now)
        picked = pick(next(trail)[1])
        value = None if picked is None else test(picked, c)
        for at, summary in trail:
            picked = pick(summary)
            if (None if picked is None else test(picked, c)) is not value:
                return value, at
        return value, NEVER

    return run


def compare_ago(instant: Evaluator, unit_ms: int, test: Test, constant: Evaluator) -> Evaluator:
    """Compare whole units of time since an instant with a constant."""

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        c = constant(activation, now)[0]
        if at is None or c is None:
            return None, until
        value = test((now - at) // unit_ms * SCALE, c)
        # The value only grows, one unit at a time. Its truth can change where it reaches c and where it exceeds c.
        for units in (-(-c // SCALE), c // SCALE + 1):
            then = at + units * unit_ms
            if then > now and test(units * SCALE, c) is not value:
                return value, min(then, until)
        return value, until

    return run


def compare_clock(function: str, instant: Evaluator, test: Test, constant: Evaluator) -> Evaluator:
    """Compare the time since or until an instant with a constant."""
    sign = 1 if function == "ago" else -1

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        c = constant(activation, now)[0]
        if at is None or c is None:
            return None, until
        value = test(sign * (now - at), c)
        reached = at + sign * c
        for then in (reached, reached + 1):
            if then > now and test(sign * (then - at), c) is not value:
                return value, min(then, until)
        return value, until

    return run


def compare_clock_units(function: str, instant: Evaluator, unit_ms: int, test: Test, constant: Evaluator) -> Evaluator:
    """Compare whole units of the time since or until an instant with a constant."""
    if function == "ago":
        return compare_ago(instant, unit_ms, test, constant)

    def run(activation: Activation, now: Instant) -> Result:
        at, until = instant(activation, now)
        c = constant(activation, now)[0]
        if at is None or c is None:
            return None, until
        value = test((at - now) // unit_ms * SCALE, c)
        # The value only falls, one unit at a time. Its truth can change where it reaches c and where it drops below c.
        for units in (c // SCALE, -(-c // SCALE) - 1):
            then = at - (units + 1) * unit_ms + 1
            if then > now and test(units * SCALE, c) is not value:
                return value, min(then, until)
        return value, until

    return run
