"""A flag's answer for one profile at one instant, with its reasons.

Shape   decide(flag, subject, now) -> Decision; a Subject is a Frame that knows whose it is
Laws    order: disabled, overrides, rules, default. A rule that matches but does not admit the unit falls through; a
        rule whose condition is unknown goes to the next and is named. Nothing here is random
Errors  none: trouble is a Decision with a reason, never a raise
Source  dsl/SPEC.md "Flags"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.dsl.numbers import nanos
from tinycdp.dsl.steps import Frame, Result, Step
from tinycdp.engine.bucketing import bucket, chosen
from tinycdp.engine.flags import Flag
from tinycdp.model import NEVER, Instant


class Subject(Frame):
    """The frame of one profile, or of someone never seen, whom a flag is decided for.

    unit   what rollouts and splits hash; None where the request named nobody
    names  every way to name the person in an override, the unit aside"""

    __slots__ = ("names", "unit")

    unit: str | None
    names: tuple[str, ...]


class Decision(msgspec.Struct, frozen=True):
    """reason is OpenFeature's word; `reasons` tells the path in sentences; `until` is when it may change by itself."""

    flag: str
    value: Any
    variant: str
    reason: str
    reasons: tuple[str, ...]
    until: Instant
    rule: str | None = None
    unit_missing: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    step: Step
    serve: str | None
    arms: tuple[tuple[str, int], ...]
    threshold: int | None
    matched: str
    failed: str
    unknown: str


@dataclass(frozen=True, slots=True)
class Program:
    """A flag made ready to decide. `off`, `static` and `default` are the answers that depend on nobody."""

    flag: Flag
    rules: tuple[_Rule, ...]
    override_segments: Mapping[str, tuple[str, str]]
    off: Decision
    fallback: Decision


def prepare(flag: Flag, steps: list[Step], warming: list[tuple[str, ...]]) -> Program:
    """`steps` are the rules' conditions; `warming` names, for each, the definitions that are not ready yet."""
    rules = []
    for rule, step, waiting in zip(flag.rules, steps, warming, strict=True):
        because = f" ({', '.join(waiting)}: WARMING)" if waiting else ""
        rules.append(
            _Rule(
                id=rule.id,
                step=step,
                serve=rule.serve,
                arms=tuple(rule.split.items()) if rule.split else (),
                threshold=None if rule.rollout is None else int(rule.rollout * 1000),
                matched=f"rule {rule.id!r} matched: {rule.when}",
                failed=f"rule {rule.id!r} did not match: {rule.when}",
                unknown=f"rule {rule.id!r} is unknown: {rule.when}{because}",
            )
        )
    default = flag.default.serve
    return Program(
        flag=flag,
        rules=tuple(rules),
        override_segments={o.segment: ("segment", o.segment) for o in flag.overrides if o.segment is not None},
        off=Decision(
            flag.key, flag.variants[flag.off_variant], flag.off_variant, "DISABLED", ("the flag is off",), NEVER
        ),
        fallback=Decision(
            flag.key,
            flag.variants[default],
            default,
            "DEFAULT" if rules else "STATIC",
            ("no rule matched" if rules else "the flag has no rules",),
            NEVER,
        ),
    )


def decide(program: Program, subject: Subject, now: Instant) -> Decision:
    """The flag's answer for the subject, whose `now` and `context` the caller has set."""
    flag = program.flag
    if not flag.enabled:
        return program.off
    until = NEVER
    for override in flag.overrides:
        if override.segment is not None:
            member, holds = subject.result(program.override_segments[override.segment], now)
            until = min(until, holds)
            if member is not True:
                continue
            why = f"override: in segment {override.segment!r}"
        elif override.profile == subject.unit or override.profile in subject.names:
            why = f"override: for {override.profile!r}"
        else:
            continue
        return Decision(flag.key, flag.variants[override.serve], override.serve, "TARGETING_MATCH", (why,), until)
    passed: list[str] = []
    unit_missing = False
    for rule in program.rules:
        truth, holds = rule.step(subject, now)
        until = min(until, holds)
        if truth is not True:
            passed.append(rule.failed if truth is False else rule.unknown)
            continue
        if rule.threshold is None and rule.serve is not None:
            passed.append(rule.matched)
            return Decision(
                flag.key, flag.variants[rule.serve], rule.serve, "TARGETING_MATCH", tuple(passed), until, rule.id
            )
        if subject.unit is None:
            unit_missing = True
            passed.append(f"{rule.matched}, but there is no one to bucket: name a profile or a targeting key")
            continue
        if rule.threshold is not None:
            at = bucket(flag.salt, "rollout", subject.unit)
            if at >= rule.threshold:
                passed.append(f"{rule.matched}, but bucket {at} is not below {rule.threshold} of 100000")
                continue
            passed.append(f"{rule.matched}; bucket {at} is below {rule.threshold} of 100000")
        else:
            passed.append(rule.matched)
        variant = rule.serve
        if variant is None:
            at = bucket(flag.salt, "split", subject.unit)
            variant = rule.arms[chosen([weight for _, weight in rule.arms], at)][0]
            passed.append(f"split: bucket {at} falls to {variant!r}")
        return Decision(flag.key, flag.variants[variant], variant, "SPLIT", tuple(passed), until, rule.id)
    fallback = program.fallback
    if not passed and until == NEVER:
        return fallback
    return Decision(
        flag.key,
        fallback.value,
        fallback.variant,
        fallback.reason,
        (*passed, *fallback.reasons),
        until,
        None,
        unit_missing,
    )


def as_step(program: Program) -> Step:
    """The flag as a value inside another flag's condition: `flag("key")`."""
    numeric = program.flag.type in {"integer", "float"}

    def step(frame: Frame, now: Instant) -> Result:
        assert isinstance(frame, Subject)
        decision = decide(program, frame, now)
        return (nanos(decision.value) if numeric else decision.value), decision.until

    return step
