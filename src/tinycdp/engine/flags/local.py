"""A profile's flags for clients that decide them: all but the context is evaluated.

Shape   prepare(programs, compiler, sticky) -> LocalPrograms, once per catalog.
        local_flags(local_programs, activation, now) -> LocalFlags, whose trees are those of local_parts
Units   instants in milliseconds; None for one that never comes. What is UNSET does not leave
Laws    for every context a client has the answer of `decide`, at each instant before the flag's end.
        Nothing leaves that the profile's answers do not need: no names or rules of segments and traits, no overrides,
        and no stage of a schedule that is not due
Errors  none: a flag that a client cannot decide is one to ask for
Source  dsl/SNAPSHOT.md
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from tinycdp.dsl import ir
from tinycdp.dsl.compile import Compiler
from tinycdp.dsl.evaluators import Activation, Evaluator, Result
from tinycdp.engine.flags.decide import FlagActivation, Program, as_operand, decide, is_for
from tinycdp.engine.flags.local_parts import LocalParts, MustAsk, Part, Tree, Why, literal_of, negated, reads_context
from tinycdp.engine.flags.trail import DecisionReason
from tinycdp.model import NEVER, Instant

#: How many values of one part are listed, each with its end. A client asks when it needs more.
MOST_VALUES = 32


class KnownStep(msgspec.Struct, frozen=True):
    """The flag's answer until an instant."""

    variant: str
    reason: DecisionReason
    until: Instant | None
    rule: str | UnsetType = UNSET


class Clause(msgspec.Struct, frozen=True):
    """Serves where `when` is true and the unit falls into all `buckets`: (salt, purpose, from, to).

    split  (salt, ((variant, weight), …)), instead of `serve`"""

    reason: DecisionReason
    when: Tree = UNSET
    buckets: tuple[tuple[str, str, int, int], ...] | UnsetType = UNSET
    serve: str | UnsetType = UNSET
    split: tuple[str, tuple[tuple[str, int], ...]] | UnsetType = UNSET
    rule: str | UnsetType = UNSET

    @property
    def variants(self) -> tuple[str, ...]:
        """What it may serve."""
        if self.split is not UNSET:
            return tuple(variant for variant, _ in self.split[1])
        return (self.serve,) if self.serve is not UNSET else ()

    @property
    def is_last(self) -> bool:
        """Whether it serves every context and unit."""
        return self.when is UNSET and self.buckets is UNSET and self.split is UNSET


class LocalFlag(msgspec.Struct, frozen=True):
    """One flag: either `ask`, or `steps`, or `until` and `clauses`."""

    ask: Why | UnsetType = UNSET
    off: str | UnsetType = UNSET
    variants: dict[str, Any] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    steps: tuple[KnownStep, ...] | UnsetType = UNSET
    until: Instant | UnsetType | None = UNSET
    clauses: tuple[Clause, ...] | UnsetType = UNSET


class LocalFlags(NamedTuple):
    """Every flag by its key, and the first instant at which one of them is not known any more."""

    flags: Mapping[str, LocalFlag]
    until: Instant


class LocalProgram:
    """One flag made ready for snapshots.

    ask      why it is asked from the server, whatever the profile
    is_open  whether an answer may depend on the context, also by another flag
    divides  whether it may depend on the unit; names: on the profile's identifiers"""

    __slots__ = ("_parts", "_rules", "ask", "divides", "is_open", "names", "program")

    ask: Why | None
    is_open: bool
    divides: bool
    names: bool

    def __init__(self, program: Program, parts: LocalParts, ask: Why | None, read: Collection["LocalProgram"]) -> None:
        stages = list(program.stages())
        rules = [rule for stage in stages for rule in stage.rules]
        self.program = program
        self.ask = ask
        self.is_open = any(reads_context(rule.node) for rule in rules) or any(other.is_open for other in read)
        self.divides = any(rule.gates or rule.arms for rule in rules) or any(other.divides for other in read)
        self.names = any(override.segment is None for stage in stages for override in stage.flag.overrides) or any(
            other.names for other in read
        )
        self._parts = parts
        self._rules: dict[Instant, tuple[Part, ...]] = {}

    def rules_of(self, stage: Program) -> tuple[Part, ...]:
        """The parts of a stage's conditions."""
        found = self._rules.get(stage.until)
        if found is None:
            found = self._rules[stage.until] = tuple(self._parts.part(rule.node) for rule in stage.rules)
        return found


LocalPrograms = Mapping[str, LocalProgram]


def prepare(programs: Mapping[str, Program], compiler: Compiler, sticky: Collection[str]) -> LocalPrograms:
    """All flags, each of which comes after those that it reads.

    sticky  the flags whose decision needs the variants that profiles keep"""
    parts, found = LocalParts(compiler), dict[str, LocalProgram]()
    for key, program in programs.items():
        ask: Why | None = None
        if key in sticky:
            ask = "sticky" if any(stage.flag.sticky for stage in program.stages()) else "flag"
        elif any(stage.flag.sticky_for is not None for stage in program.stages()):
            ask = "session"
        read = [found[other] for stage in program.stages() for other in stage.flags_read]
        found[key] = LocalProgram(program, parts, ask, read)
    return found


def local_flags(programs: LocalPrograms, activation: FlagActivation, now: Instant) -> LocalFlags:
    """Every flag for the activation, whose `now` the caller has set, and whose context is empty."""
    snapshot = _LocalSnapshot(programs, activation, now)
    for key, program in programs.items():
        snapshot.add(key, program)
    return LocalFlags(snapshot.flags, snapshot.until)


class _LocalSnapshot:
    """The flags of one snapshot, while they are added. It is the Residue that parts read."""

    def __init__(self, programs: LocalPrograms, activation: FlagActivation, now: Instant) -> None:
        self.flags: dict[str, LocalFlag] = {}
        self.until = NEVER
        self._programs = programs
        self._activation = activation
        self._now = now
        self._end = NEVER
        self._listed: dict[tuple[Evaluator, Instant], list[Result]] = {}

    def add(self, key: str, local: LocalProgram) -> None:
        """Add a flag. Those that it reads are here already."""
        self._end = NEVER
        try:
            self.flags[key] = self._flag(local)
        except MustAsk as ask:
            self.flags[key] = LocalFlag(ask=ask.why)
        else:
            self.until = min(self.until, self._end)

    def known(self, evaluate: Evaluator, literal: Callable[[Any], Tree], end: Instant = NEVER) -> Tree:
        values = self._values(evaluate, end)
        if len(values) == 1 and values[0][1] >= NEVER:
            return literal(values[0][0])
        first, *later = ((literal(value), _or_none(until)) for value, until in values)
        # The first ends where it does for the server now; those after it last as long as they stay the same.
        ends = [n + 1 == len(later) or value != later[n + 1][0] for n, (value, _) in enumerate(later)]
        return ("known", first, *compress(later, ends))

    def flag(self, key: str, evaluate: Evaluator, type_: ir.Type) -> Tree:
        literal = partial(literal_of, type_=type_)
        return self._of_flag(key, evaluate, literal, lambda _, value: literal(as_operand(value, type_)))

    def _of_flag(
        self, key: str, evaluate: Evaluator, literal: Callable[[Any], Tree], of: Callable[[str, Any], Tree]
    ) -> Tree:
        found, stage = self.flags[key], self._stage(key)
        if found.ask is not UNSET:
            raise MustAsk("flag")
        if found.steps is not UNSET:
            return self.known(evaluate, literal, stage.until)
        return ("flag", key, {variant: of(variant, value) for variant, value in stage.flag.variants.items()})

    def _whether(self, required: Program, test: Callable[[str, Any], bool]) -> Tree:
        """Whether another flag's variant and value pass a test."""

        def evaluate(activation: Activation, now: Instant) -> Result:
            decision = decide(required, activation, now)  # type: ignore[arg-type]
            return test(decision.variant, decision.value), decision.until

        return self._of_flag(required.flag.key, evaluate, lambda truth: truth, test)

    def _stage(self, key: str) -> Program:
        return self._programs[key].program.at(self._now)

    def _values(self, evaluate: Evaluator, end: Instant) -> list[Result]:
        values = self._listed.get((evaluate, end))
        if values is None:
            values = self._activation.timeline(evaluate, self._now, MOST_VALUES, end)
            self._listed[evaluate, end] = values
        self._end = min(self._end, values[-1][1])
        return values

    def _flag(self, local: LocalProgram) -> LocalFlag:
        activation, stage = self._activation, local.program.at(self._now)
        if stage.id in activation.killed:
            return self._decided(stage)
        if local.ask is not None:
            raise MustAsk(local.ask)
        # Without an identifier a client may take the identifier of any new visitor for the unit.
        is_anonymous = activation.unit is None
        if is_anonymous and local.names:
            raise MustAsk("name")
        if not (local.is_open or (is_anonymous and local.divides)):
            return self._decided(stage)
        clauses = self._clauses(local, stage)
        self._end = min(self._end, stage.until)
        if clauses[0].is_last:
            (variant,) = clauses[0].variants
            step = KnownStep(variant, clauses[0].reason, _or_none(stage.until), clauses[0].rule)
            return _local_flag(stage, (variant,), steps=(step,))
        if stage.flag.evaluation != "client":
            raise MustAsk("server")
        variants = [variant for clause in clauses for variant in clause.variants]
        return _local_flag(stage, variants, until=_or_none(stage.until), clauses=tuple(clauses))

    def _decided(self, stage: Program) -> LocalFlag:
        """A flag whose answer the context does not change."""

        def evaluate(activation: Activation, now: Instant) -> Result:
            decision = decide(stage, activation, now)  # type: ignore[arg-type]
            rule = decision.rule if decision.rule is not None else UNSET
            return (decision.variant, decision.reason, rule), decision.until

        steps = [
            KnownStep(variant, reason, _or_none(until), rule)
            for (variant, reason, rule), until in self._values(evaluate, stage.until)
        ]
        return _local_flag(stage, [step.variant for step in steps], steps=tuple(steps))

    def _clauses(self, local: LocalProgram, stage: Program) -> list[Clause]:
        """In the order of `decide`, up to the first that always serves."""
        clauses: list[Clause] = []
        for clause in self._all_clauses(local, stage):
            if clause.when is False or clause.when is None:
                continue
            clauses.append(msgspec.structs.replace(clause, when=UNSET) if clause.when is True else clause)
            if clauses[-1].is_last:
                break
        return clauses

    def _all_clauses(self, local: LocalProgram, stage: Program) -> Iterator[Clause]:
        flag, off, default = stage.flag, stage.off, stage.fallback
        if not flag.enabled:
            yield Clause(off.reason, serve=off.variant)
            return
        for required, variants in stage.prerequisites:
            served = self._whether(required, partial(_is_one_of, variants))
            yield Clause(off.reason, negated(served), serve=off.variant)
        for override in flag.overrides:
            if override.segment is None:
                named: Tree = is_for(override, self._activation)
            else:
                named = self.known(_result_of(stage.override_segments[override.segment]), bool)
            yield Clause(DecisionReason.TARGETING_MATCH, named, serve=override.serve)
        for holdout in stage.holdouts:
            held = self._whether(holdout, lambda _, value: value is True)
            yield Clause(DecisionReason.DEFAULT, held, serve=default.variant)
        for prepared, part in zip(stage.rules, local.rules_of(stage), strict=True):
            buckets = tuple((gate.salt, gate.purpose, gate.since, gate.to) for gate in prepared.gates)
            serve = prepared.rule.serve
            yield Clause(
                DecisionReason.TARGETING_MATCH if serve is not None and not buckets else DecisionReason.SPLIT,
                part(self),
                buckets=buckets or UNSET,
                serve=serve if serve is not None else UNSET,
                split=(flag.salt, prepared.arms) if serve is None else UNSET,
                rule=prepared.rule.id,
            )
        yield Clause(default.reason, serve=default.variant)


def _is_one_of(variants: Collection[str], variant: str, value: Any) -> bool:
    return variant in variants


def _result_of(name: tuple[str, str]) -> Evaluator:
    return lambda activation, now: activation.result(name, now)


def _local_flag(stage: Program, variants: Iterable[str], **form: Any) -> LocalFlag:
    flag = stage.flag
    return LocalFlag(
        off=flag.off_variant,
        variants={variant: flag.variants[variant] for variant in sorted(set(variants))},
        metadata=flag.metadata or UNSET,
        **form,
    )


def _or_none(instant: Instant) -> Instant | None:
    return instant if instant < NEVER else None
