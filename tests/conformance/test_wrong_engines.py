"""The mutation gate: engines that are wrong in one place each, every one of which the vectors must catch.

A wrong engine that passes means that the vectors say less than they should: add the case that tells it apart."""

import dataclasses
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from test_vectors import TOPICS

from builders import VECTORS
from tinycdp.dsl import compile, evaluators, ir, window_ops
from tinycdp.dsl.values import calendar, numbers
from tinycdp.engine import case_runner, catalog, profile
from tinycdp.engine.aggregates import calendar_days, counters, event_log
from tinycdp.engine.flags import bucketing, decide
from tinycdp.model import DAY_MS, NEVER

Patch = Callable[[pytest.MonkeyPatch], None]


def unmet() -> Iterator[str]:
    """The vectors that the engine, as it is now, does not meet."""
    for topic in TOPICS:
        for path in sorted((VECTORS / topic).glob("*.json")):
            for case in case_runner.run_case(json.loads(path.read_text()))["unmet"]:
                yield f"{path.stem}:{case}"


def replacing(owner: Any, name: str, wrong: Any) -> Patch:
    return lambda patch: patch.setattr(owner, name, wrong)


def everywhere(owners: tuple[Any, ...], name: str, wrong: Any) -> Patch:
    def patch_all(patch: pytest.MonkeyPatch) -> None:
        for owner in owners:
            patch.setattr(owner, name, wrong)

    return patch_all


def either(operands: tuple[Any, ...], decisive: bool) -> Any:
    """`&&` and `||` that treat unknown as false."""
    right = steps_connective(tuple(known_or_false(operand) for operand in operands), decisive)
    return right


def known_or_false(evaluate: Any) -> Any:
    def run(activation: Any, now: int) -> Any:
        value, until = evaluate(activation, now)
        return value is True, until

    return run


def shortest(operands: tuple[Any, ...], decisive: bool) -> Any:
    """`&&` whose answer holds until the last operand lets go, whichever decides: too late."""

    def run(activation: Any, now: int) -> Any:
        value, _ = steps_connective(operands, decisive)(activation, now)
        return value, max(operand(activation, now)[1] for operand in operands)

    return run


def nought_for_unknown(left: Any, right: Any, function: Any) -> Any:
    def run(activation: Any, now: int) -> Any:
        (a, until_a), (b, until_b) = left(activation, now), right(activation, now)
        if isinstance(a if b is None else b, int):
            a, b = a or 0, b or 0
        return None if a is None or b is None else function(a, b), min(until_a, until_b)

    return run


def inclusive_edge(self: Any, window_ms: int, now: int) -> tuple[int, int]:
    """A window that still holds what happened exactly its length ago."""
    return bisect_left(self.ts, now - window_ms), len(self.ts)


def early_edge(self: Any, window_ms: int, now: int) -> tuple[int, int]:
    """A window one millisecond short."""
    return log_span(self, window_ms - 1, now)


def forgets_late_events(self: Any, ts: int, message_id: str, value: Any) -> None:
    if not self.ts or ts >= self.ts[-1]:
        log_add(self, ts, message_id, value)


def last_arrival_wins(self: Any, name: str, value: Any, stamp: Any) -> bool:
    self.stamps[name] = stamp
    self.properties[name] = value
    return True


def half_to_even(numerator: int, denominator: int) -> int:
    return round(numerator / denominator)


def everyone(evaluate: Any) -> Any:
    """A segment that takes those whose rule is unknown."""

    def run(activation: Any, now: int) -> Any:
        value, until = evaluate(activation, now)
        return value is not False, until

    return run


def never_changes(evaluate: Any) -> Any:
    return lambda activation, now: (evaluate(activation, now)[0], NEVER)


def streak_of_yesterday(self: Any, days: Any, now: int) -> Any:
    """A streak that is lost at midnight."""
    n, until = day_streak(self, days, now)
    newest = self.base + self.bits.bit_length() - 1 if self.bits else 0
    return (n, until) if newest == days.day(now) else (0, NEVER)


def six_digits(value: Any) -> int | None:
    exact = numbers.nanos(value)
    return None if exact is None else exact // 1000 * 1000


def hundred_buckets(salt: str, purpose: str, unit: str) -> int:
    return bucketing_bucket(salt, purpose, unit) // 1000 * 1000


def one_purpose(salt: str, purpose: str, unit: str) -> int:
    return bucketing_bucket(salt, "rollout", unit)


def without(**nothing: Any) -> Any:
    """Preparing a flag as though its document did not have these fields."""

    def prepare_less(id: int, flag: Any, *rest: Any) -> Any:
        return decide_prepare(id, msgspec.structs.replace(flag, **nothing), *rest)

    return prepare_less


def gates_of_the_flag(flag: Any, rule: Any) -> Any:
    """An exclusion group dealt by each flag's own salt."""
    return [msgspec.structs.replace(gate, salt=flag.salt) for gate in decide_gates(flag, rule)]


def first_gate(flag: Any, rule: Any) -> Any:
    return decide_gates(flag, rule)[:1]


def unmet_is_the_default(id: int, flag: Any, *rest: Any) -> Any:
    program = decide_prepare(id, flag, *rest)
    return dataclasses.replace(program, off=program.fallback) if flag.enabled else program


def by_value_alone(override: Any, activation: Any) -> bool:
    return activation.is_named(override.identifier.value if override.identifier is not None else override.profile)


def late_by_one(id: int, flag: Any, conditions: Any, programs: Any, until: int, then: Any) -> Any:
    """A step of a schedule a millisecond after its instant."""
    return decide_prepare(id, flag, conditions, programs, until + 1 if until < NEVER else until, then)


def as_python_has_it(left: Any, right: Any) -> bool:
    """Objects compared by the host language, for which true is 1."""
    return bool(left == right)


def as_text(left: Any, right: Any) -> bool:
    """Objects compared as they were sent: the order of names and the spelling of numbers count."""
    return str(left) == str(right)


def without_nulls(left: Any, right: Any) -> bool:
    """A null member taken for a missing one."""

    def known(value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    return compile_equal(known(left), known(right))


def as_sets(left: Any, right: Any) -> bool:
    """Arrays whose order does not matter."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return compile_equal(sorted(left, key=repr), sorted(right, key=repr))
    return compile_equal(left, right)


def in_nanos(left: Any, right: Any) -> bool:
    """Numbers rounded inside of objects too."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: short(member) for name, member in value.items()}
        scaled = numbers.nanos(value)
        return value if scaled is None else numbers.number(scaled)

    return compile_equal(short(left), short(right))


decide_prepare, decide_gates = decide.prepare, decide._gates
steps_connective = evaluators.connective
compile_equal = compile._equal
log_span, log_add = counters.Counts._span, counters.Counts.add
day_streak = calendar_days.DayMap.streak_days
bucketing_bucket = bucketing.bucket

WRONG: dict[str, Patch] = {
    "unknown is false in && and ||": replacing(evaluators, "connective", either),
    "&& holds until its last operand lets go": replacing(evaluators, "connective", shortest),
    "unknown is nought in comparisons": replacing(evaluators, "binary", nought_for_unknown),
    "a negation of unknown is true": replacing(
        evaluators,
        "negated",
        lambda evaluate: (
            lambda activation, now: (evaluate(activation, now)[0] is not True, evaluate(activation, now)[1])
        ),
    ),
    "a segment takes the unknown": replacing(catalog, "membership", everyone),
    "an entry leaves one millisecond late": replacing(counters.Counts, "_span", inclusive_edge),
    "an entry leaves one millisecond early": replacing(counters.Counts, "_span", early_edge),
    "late events are forgotten": replacing(counters.Counts, "add", forgets_late_events),
    "255 entries are kept": replacing(event_log, "KEEP", 255),
    "257 entries are kept": replacing(event_log, "KEEP", 257),
    "buckets are as wide as they can be": replacing(
        ir, "bucket_width_ms", lambda window: max(h for h in ir.BUCKET_WIDTHS_MS if h <= window)
    ),
    "days are those of UTC": replacing(calendar.Days, "day", lambda self, at: at // DAY_MS + 719_163),
    "midnight is that of UTC": replacing(
        calendar.Days,
        "first_instant",
        lambda self, day: int(datetime.fromordinal(day).replace(tzinfo=UTC).timestamp() * 1000),
    ),
    "a streak ends at midnight": replacing(calendar_days.DayMap, "streak_days", streak_of_yesterday),
    "a property is what came last": replacing(profile.Profile, "set_property", last_arrival_wins),
    "halves are rounded to even": replacing(window_ops, "rounded", half_to_even),
    "numbers have six digits behind the point": everywhere((evaluators, catalog), "nanos", six_digits),
    "nothing changes by itself": replacing(evaluators, "settled", never_changes),
    "?? prefers its right side": replacing(evaluators, "coalesce", lambda left, right: steps_coalesce(right, left)),
    "there are a hundred buckets": everywhere((decide, case_runner), "bucket", hundred_buckets),
    "rollouts and splits share a bucket": everywhere((decide, case_runner), "bucket", one_purpose),
    "prerequisites are no matter": replacing(decide, "prepare", without(prerequisites=())),
    "holdouts are no matter": replacing(decide, "prepare", without(holdouts=())),
    "an unmet prerequisite gives the default": replacing(decide, "prepare", unmet_is_the_default),
    "only the first gate of a rule counts": replacing(decide, "_gates", first_gate),
    "an exclusion group is dealt anew by each flag": replacing(decide, "_gates", gates_of_the_flag),
    "an identifier counts whatever its kind": replacing(decide, "is_for", by_value_alone),
    "a step is a millisecond late": replacing(decide, "prepare", late_by_one),
    "strings are compared without regard to case": replacing(
        compile, "_TESTS", {**compile._TESTS, "==": lambda a, b: str(a).lower() == str(b).lower()}
    ),
    "true is 1 inside of objects": replacing(compile, "_equal", as_python_has_it),
    "the order of names counts": replacing(compile, "_equal", as_text),
    "a null member is a missing one": replacing(compile, "_equal", without_nulls),
    "arrays are sets": replacing(compile, "_equal", as_sets),
    "numbers inside of objects are rounded": replacing(compile, "_equal", in_nanos),
}
steps_coalesce = evaluators.coalesce


def test_the_right_engine_meets_every_vector() -> None:
    assert list(unmet()) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_engine_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    WRONG[name](monkeypatch)
    assert next(unmet(), None) is not None, f"no vector notices that {name}"
