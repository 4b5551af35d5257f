"""A flag's answer for one profile at one instant, with the steps that led to it.

Shape   decide(program, activation, now) -> Decision, whose trail says why. A FlagActivation is that of one profile.
        A Program is one stage of a flag's schedule, chained to the stage that follows it
Laws    order: killed or disabled, prerequisites, overrides, holdouts, rules, default. A rule that matches but does not
        admit the unit falls through; a rule whose condition is unknown goes to the next and is named.
        Where a flag is sticky, a rule serves a variant that the profile keeps and the rule still names.
        Nothing here is random. `until` is never later than the next step of the schedule
Errors  none: a failure is a Decision with a reason
Source  dsl/SPEC.md "Flags"
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.evaluators import Activation, Evaluator, Result
from tinycdp.dsl.unknowns import Finder
from tinycdp.dsl.values.numbers import nanos
from tinycdp.engine.flags.bucketing import bucket, chosen
from tinycdp.engine.flags.document import Flag, Override, Rule
from tinycdp.engine.flags.trail import (
    Admission,
    Cause,
    DecisionReason,
    FlagOff,
    Gate,
    HeldOut,
    KeptByProfile,
    Killed,
    NoRuleMatched,
    NoRules,
    Overridden,
    PrerequisiteFailed,
    RolloutMiss,
    RuleFailed,
    RuleMatched,
    RuleUnknown,
    SplitTo,
    UnitMissing,
)
from tinycdp.model import NEVER, Instant

# A member of an enum is looked up by a slow descriptor.
_TARGETING_MATCH, _SPLIT = DecisionReason.TARGETING_MATCH, DecisionReason.SPLIT

NOTHING_KEPT: Mapping[int, tuple[str, ...]] = {}


class FlagActivation(Activation):
    """The profile, known or unknown, that a flag is decided for.

    unit    what rollouts and splits hash; None if the request names no profile
    names   every identifier of the profile as "kind value", the profile's id among them
    killed  flags by definition id that are switched off by hand
    kept_variants  what the profile was given by sticky flags, by definition id, the earliest first
    prerequisite_results  while a flag is decided: the answers of those it depends on, by key and instant"""

    __slots__ = ("kept_variants", "killed", "names", "prerequisite_results", "unit")

    unit: str | None
    names: tuple[str, ...]
    killed: Mapping[int, Killed]
    kept_variants: Mapping[int, tuple[str, ...]]
    prerequisite_results: dict[tuple[str, Instant], "Decision"] | None

    def __init__(self, now: Instant, **known: Any) -> None:
        super().__init__(now, **known)
        self.prerequisite_results = None
        self.kept_variants = NOTHING_KEPT

    def is_named(self, identifier: str) -> bool:
        """Whether the profile has this identifier, of any kind."""
        return identifier == self.unit or any(name.partition(" ")[2] == identifier for name in self.names)


class Decision(msgspec.Struct, frozen=True):
    """`trail` has the steps that led to the answer; `until` is when it may change by itself."""

    flag: str
    value: Any
    variant: str
    reason: DecisionReason
    trail: tuple[Cause, ...]
    until: Instant
    rule: str | None = None
    unit_missing: bool = False


class _Unknown:
    """Says why a rule's condition is unknown.

    The finder is made when it is first needed. Each answer has one cause, so that its text is formatted once."""

    __slots__ = ("_causes", "_find", "_make", "_plain")

    def __init__(self, plain: RuleUnknown, make: Callable[[], Finder] | None) -> None:
        self._plain = plain
        self._make = make
        self._find: Finder | None = None
        self._causes: dict[tuple[str, ...], RuleUnknown] = {}

    def unexplained(self) -> "_Unknown":
        """The same without the parts, for an activation that has no values of them."""
        return _Unknown(self._plain, None)

    def __call__(self, activation: FlagActivation, now: Instant) -> RuleUnknown:
        if self._plain.waiting or self._make is None:
            return self._plain
        find = self._find
        if find is None:
            find = self._find = self._make()
        because = find(activation, now)
        cause = self._causes.get(because)
        if cause is None:
            cause = self._causes[because] = msgspec.structs.replace(self._plain, because=because)
        return cause


@dataclass(frozen=True, slots=True)
class PreparedRule:
    """A rule with the evaluator and the node of its condition."""

    rule: Rule
    node: ir.Node
    evaluate: Evaluator
    arms: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...]
    matched: RuleMatched
    failed: RuleFailed
    unknown: "_Unknown"

    @property
    def variants(self) -> tuple[str, ...]:
        """What the rule may serve, also at a weight of 0."""
        return (self.rule.serve,) if self.rule.serve is not None else tuple(variant for variant, _ in self.arms)


@dataclass(frozen=True, slots=True)
class Program:
    """One stage of a flag made ready to decide.

    id             of the flag's definition
    prerequisites  each with the variants it may serve; `holdouts` hold out where they are true
    off, fallback  the answers that depend on no profile
    until, then    when the next step of the schedule is due, and what decides from then on"""

    id: int
    flag: Flag
    prerequisites: tuple[tuple["Program", frozenset[str]], ...]
    holdouts: tuple["Program", ...]
    rules: tuple[PreparedRule, ...]
    override_segments: Mapping[str, tuple[str, str]]
    off: Decision
    fallback: Decision
    until: Instant = NEVER
    then: "Program | None" = None

    def at(self, now: Instant) -> "Program":
        """The stage that decides at an instant."""
        stage = self
        while stage.until <= now and stage.then is not None:
            stage = stage.then
        return stage

    @property
    def flags_read(self) -> Iterator[str]:
        """The flags that are decided for this stage."""
        yield from (required.flag.key for required, _ in self.prerequisites)
        yield from (holdout.flag.key for holdout in self.holdouts)
        for rule in self.rules:
            yield from (
                node.key for node in ir.walk(rule.node) if isinstance(node, ir.Reference) and node.kind == "flag"
            )

    def stages(self) -> Iterator["Program"]:
        """This stage and all that follow it."""
        stage: Program | None = self
        while stage is not None:
            yield stage
            stage = stage.then


def prepare(
    id: int,
    flag: Flag,
    conditions: Sequence[tuple[ir.Node, Evaluator, Sequence[str], Callable[[], Finder]]],
    programs: Callable[[str], Program],
    until: Instant = NEVER,
    then: Program | None = None,
) -> Program:
    """One stage of a flag's schedule.

    conditions  of the rules: node, evaluator, the definitions that it waits for because they are not ready yet, and
                what makes the finder of its unknown parts
    programs    gives the flags that this one requires"""
    rules = []
    for rule, (node, evaluate, waiting, finder) in zip(flag.rules, conditions, strict=True):
        rules.append(
            PreparedRule(
                rule=rule,
                node=node,
                evaluate=evaluate,
                arms=tuple(rule.split.items()) if rule.split else (),
                gates=tuple(_gates(flag, rule)),
                matched=RuleMatched(rule.id, rule.when),
                failed=RuleFailed(rule.id, rule.when),
                unknown=_Unknown(RuleUnknown(rule.id, rule.when, tuple(waiting)), finder),
            )
        )
    off, default = flag.off_variant, flag.default.serve
    return Program(
        id=id,
        flag=flag,
        prerequisites=tuple((programs(p.flag), frozenset(p.variants)) for p in flag.prerequisites),
        holdouts=tuple(programs(key) for key in flag.holdouts),
        rules=tuple(rules),
        override_segments={o.segment: ("segment", o.segment) for o in flag.overrides if o.segment is not None},
        off=Decision(flag.key, flag.variants[off], off, DecisionReason.DISABLED, (FlagOff(),), until),
        fallback=Decision(
            flag.key,
            flag.variants[default],
            default,
            DecisionReason.DEFAULT if rules else DecisionReason.STATIC,
            (NoRuleMatched() if rules else NoRules(),),
            until,
        ),
        until=until,
        then=then,
    )


def _gates(flag: Flag, rule: Rule) -> list[Gate]:
    gates = []
    if rule.rollout is not None:
        gates.append(Gate("rollout", flag.salt, 0, _buckets(rule.rollout)))
    if rule.exposure is not None:
        gates.append(Gate("exposure", flag.salt, 0, _buckets(rule.exposure)))
    if (part := rule.exclusion) is not None:
        gates.append(Gate("exclusion", part.group, _buckets(part.since), _buckets(part.to)))
    return gates


def _buckets(percent: Decimal) -> int:
    return int(percent * 1000)


def decide(program: Program, activation: FlagActivation, now: Instant) -> Decision:
    """The flag's answer for the activation, whose `now` and `context` the caller has set."""
    results = activation.prerequisite_results
    if results is not None:
        # Flags may share prerequisites: decide each of them once.
        name = (program.flag.key, now)
        if name not in results:
            results[name] = _decide(program, activation, now)
        return results[name]
    activation.prerequisite_results = {}
    try:
        return _decide(program, activation, now)
    finally:
        activation.prerequisite_results = None


def _decide(program: Program, activation: FlagActivation, now: Instant) -> Decision:
    if program.until <= now:
        program = program.at(now)
    flag = program.flag
    if program.id in activation.killed:
        return msgspec.structs.replace(program.off, trail=(activation.killed[program.id],), until=NEVER)
    if not flag.enabled:
        return program.off
    until = program.until
    for required, variants in program.prerequisites:
        found = decide(required, activation, now)
        until = min(until, found.until)
        if found.variant not in variants:
            why = PrerequisiteFailed(found.flag, found.variant, variants)
            return msgspec.structs.replace(program.off, trail=(why,), until=until)
    for override in flag.overrides:
        if override.segment is not None:
            member, holds = activation.result(program.override_segments[override.segment], now)
            until = min(until, holds)
            if member is not True:
                continue
        elif not is_for(override, activation):
            continue
        serve = override.serve
        return Decision(flag.key, flag.variants[serve], serve, _TARGETING_MATCH, (_overridden(override),), until)
    for holdout in program.holdouts:
        found = decide(holdout, activation, now)
        until = min(until, found.until)
        if found.value is True:
            return msgspec.structs.replace(
                program.fallback, reason=DecisionReason.DEFAULT, trail=(HeldOut(found.flag),), until=until
            )
    passed: list[Cause] = []
    unit_missing = False
    for prepared in program.rules:
        truth, holds = prepared.evaluate(activation, now)
        until = min(until, holds)
        if truth is not True:
            passed.append(prepared.failed if truth is False else prepared.unknown(activation, now))
            continue
        rule = prepared.rule
        if not prepared.gates and rule.serve is not None:
            passed.append(prepared.matched)
            return Decision(
                flag.key, flag.variants[rule.serve], rule.serve, _TARGETING_MATCH, tuple(passed), until, rule.id
            )
        if activation.unit is None:
            unit_missing = True
            passed.append(UnitMissing(rule.id, rule.when))
            continue
        kept = _kept(program, prepared, activation) if flag.sticky else None
        admissions: tuple[Admission, ...] = ()
        for gate in prepared.gates:
            at = bucket(gate.salt, gate.purpose, activation.unit)
            admission = Admission(gate, at)
            if not gate.since <= at < gate.to:
                if kept is not None:
                    return keeping(flag, prepared, kept, passed, until)
                passed.append(RolloutMiss(rule.id, rule.when, admission))
                break
            admissions = (*admissions, admission)
        else:
            variant = rule.serve
            if variant is None:
                at = bucket(flag.salt, "split", activation.unit)
                variant = prepared.arms[chosen([weight for _, weight in prepared.arms], at)][0]
            if kept is not None and kept != variant:
                return keeping(flag, prepared, kept, passed, until)
            passed.append(RuleMatched(rule.id, rule.when, admissions) if admissions else prepared.matched)
            if rule.serve is None:
                passed.append(SplitTo(at, variant))
            return Decision(flag.key, flag.variants[variant], variant, _SPLIT, tuple(passed), until, rule.id)
    fallback = program.fallback
    if not passed and until == program.until:
        return fallback
    return Decision(
        flag.key,
        fallback.value,
        fallback.variant,
        fallback.reason,
        (*passed, *fallback.trail),
        until,
        None,
        unit_missing,
    )


def _kept(program: Program, prepared: PreparedRule, activation: FlagActivation) -> str | None:
    """The variant that the profile keeps, if the rule still names it; None if an exclusion group rules it out."""
    assert activation.unit is not None
    for variant in activation.kept_variants.get(program.id, ()):
        if variant in prepared.variants:
            break
    else:
        return None
    for gate in prepared.gates:
        # Rules of one group never share a unit: that is stronger than what was given before.
        if gate.purpose == "exclusion" and not gate.since <= bucket(gate.salt, gate.purpose, activation.unit) < gate.to:
            return None
    return variant


def keeping(flag: Flag, prepared: PreparedRule, variant: str, passed: Sequence[Cause], until: Instant) -> Decision:
    """The decision of a rule that serves what the profile keeps, where its numbers alone would not."""
    trail = (*passed, prepared.matched, KeptByProfile(variant))
    return Decision(flag.key, flag.variants[variant], variant, DecisionReason.CACHED, trail, until, prepared.rule.id)


def is_for(override: Override, activation: FlagActivation) -> bool:
    """Whether an override names the profile by an identifier."""
    if override.identifier is not None:
        return f"{override.identifier.kind} {override.identifier.value}" in activation.names
    return override.profile is not None and activation.is_named(override.profile)


def _overridden(override: Override) -> Overridden:
    if override.segment is not None:
        return Overridden("segment", override.segment)
    if override.identifier is not None:
        return Overridden("identifier", override.identifier.value, override.identifier.kind)
    assert override.profile is not None
    return Overridden("profile", override.profile)


def as_operand(value: Any, type_: ir.Type) -> Any:
    """A variant's value as an expression reads it that needs this type."""
    if type_ is ir.Type.NUMBER:
        return nanos(value)
    return value if type_ is ir.Type.DYN or not isinstance(value, dict | list) else None


def as_evaluator(program: Program) -> Evaluator:
    """The flag as a value inside another flag's condition: `flag("key")`."""
    type_ = ir.Type.NUMBER if program.flag.type in {"integer", "float"} else ir.Type.DYN

    def evaluate(activation: Activation, now: Instant) -> Result:
        assert isinstance(activation, FlagActivation)
        decision = decide(program, activation, now)
        return as_operand(decision.value, type_), decision.until

    return evaluate
