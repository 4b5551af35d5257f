"""Explain why a definition has its value for one profile at one instant, part by part.

Shape   explain(node, source, activation, catalog) -> Explanation of an expression, with one node per part.
        explain_definition(…) -> ExplainedDefinition for a trait or segment, explain_flag(…) -> ExplainedFlag
Units   values as evaluators have them: numbers in nanos, instants and durations in milliseconds, None for unknown
Laws    no logic is repeated here: each value and `until` comes from the evaluator that the catalog's compiler makes of
        the node, or from the serving evaluator itself if the definition has one.
        A definition is explained where it is first read; later reads only name it
Errors  none: every decision can be explained. sentences.py puts explanations into words
Source  docs/reference/decide.md "Explanations"
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from tinycdp.dsl import ir
from tinycdp.dsl.evaluators import Activation
from tinycdp.engine.aggregates.calendar_days import DayMap, Extent
from tinycdp.engine.aggregates.counters import Counts, Latest, Numbers
from tinycdp.engine.aggregates.distributions import Tallies, Uniques
from tinycdp.engine.aggregates.event_log import Log
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.flags.bucketing import bucket, chosen
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import Flag, Rule
from tinycdp.engine.flags.trail import Admission, DecisionReason, KeptByProfile
from tinycdp.model import NEVER, Instant

Outcome = Literal["served", "false", "unknown", "outside", "no unit", "not reached"]

#: How deep a tree grows. Definitions read below this depth are named, but not explained.
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Contents:
    """What a window holds of a profile's events.

    events     how many; None if the state does not tell, as for different values
    oldest_at  the oldest event; if `exact` is False, the beginning of the bucket that contains it
    leaves_at  when the first event leaves the window; None if none ever leaves
    exact      False if older events are kept in buckets, which leave a little late and all at once
    days       of unique_days and streak_days: the local dates that count"""

    events: int | None = None
    oldest_at: Instant | None = None
    newest_at: Instant | None = None
    leaves_at: Instant | None = None
    exact: bool = True
    days: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One part of an expression.

    text     the source text of this part
    until    the first instant at which the value may change with nothing arriving
    backfilling  the value is unknown because it is still being computed
    decides  for an operand of `&&`, `||`, `??` or `if`: whether the result is what it is because of this operand
    inside   for a reference: the definition it reads, unless it is explained elsewhere in the tree"""

    node: ir.Node
    text: str
    value: Any
    until: Instant
    backfilling: bool = False
    decides: bool | None = None
    contents: Contents | None = None
    inside: "ExplainedDefinition | None" = None
    parts: tuple["Explanation", ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainedDefinition:
    """A trait's value or a segment's membership, with its expression's tree.

    `type` is the type of `value`."""

    name: Name
    type: ir.Type
    value: Any
    until: Instant
    backfilling: bool
    tree: Explanation


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """One rule of a flag, and what became of it.

    outcome            served; false or unknown: its condition is; outside: its rollout, exposure or exclusion group
                       does not admit the unit; no unit: there is nothing to bucket by; not reached: an earlier
                       rule or check answered
    admissions         one for each gate; empty without a unit
    split_bucket, arm  the unit's bucket in the split, and the variant there
    kept               the variant that was served because the profile keeps it"""

    rule: Rule
    outcome: Outcome
    tree: Explanation
    admissions: tuple[Admission, ...] = ()
    split_bucket: int | None = None
    arm: str | None = None
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainedFlag:
    """The decision of one flag, with everything that led to it.

    flag           as left by the schedule steps that are due; the next step is due at `changes_at`
    prerequisites  the decision of each, with the variants that the flag requires
    holdouts       the decision of each; one that is true holds the unit out"""

    flag: Flag
    decision: Decision
    unit: str | None
    prerequisites: tuple[tuple[Decision, frozenset[str]], ...]
    holdouts: tuple[Decision, ...]
    rules: tuple[ExplainedRule, ...]
    changes_at: Instant | None


def explain(node: ir.Node, source: str, activation: Activation, catalog: Catalog) -> Explanation:
    """The tree of an expression of the live revision.

    It is for the activation's profile, at the activation's `now`."""
    return _Explainer(activation, catalog).tree(node, source)


def explain_definition(catalog: Catalog, name: Name, activation: Activation) -> ExplainedDefinition:
    """Explain a trait or segment of the live revision. It must exist."""
    return _Explainer(activation, catalog).definition(name)


def explain_flag(catalog: Catalog, key: str, activation: FlagActivation) -> ExplainedFlag:
    """Explain a flag of the live revision, including rules that were not reached. It must exist."""
    program = catalog.live.flags[key].at(activation.now)
    flag, unit = program.flag, activation.unit
    decision = decide(program, activation, activation.now)
    prerequisites = tuple(
        (decide(required, activation, activation.now), may) for required, may in program.prerequisites
    )
    holdouts = tuple(decide(holdout, activation, activation.now) for holdout in program.holdouts)
    ids = [rule.id for rule in flag.rules]
    # Rules were tried up to the one that served; none were tried if an earlier check answered.
    if decision.rule is not None:
        tried = ids.index(decision.rule) + 1
    else:
        by_default = decision.reason in {DecisionReason.DEFAULT, DecisionReason.STATIC} and not any(
            held.value is True for held in holdouts
        )
        tried = len(ids) if by_default else 0
    explainer = _Explainer(activation, catalog)
    rules = []
    for n, prepared in enumerate(program.rules):
        rule = prepared.rule
        tree = explainer.tree(prepared.node, rule.when)
        outcome: Outcome = "not reached"
        if n < tried:
            outcome = _outcome(tree, activation, served=rule.id == decision.rule)
        last = decision.trail[-1]
        kept = last.variant if outcome == "served" and isinstance(last, KeptByProfile) else None
        admissions: tuple[Admission, ...] = ()
        split = arm = None
        if unit is not None:
            admissions = tuple(Admission(gate, bucket(gate.salt, gate.purpose, unit)) for gate in prepared.gates)
            if rule.split:
                split = bucket(flag.salt, "split", unit)
                arm = list(rule.split)[chosen(list(rule.split.values()), split)]
        rules.append(ExplainedRule(rule, outcome, tree, admissions, split, arm, kept))
    changes_at = _unless_never(program.until)
    return ExplainedFlag(flag, decision, unit, prerequisites, holdouts, tuple(rules), changes_at)


def _outcome(tree: Explanation, activation: FlagActivation, *, served: bool) -> Outcome:
    if served:
        return "served"
    if tree.value is not True:
        return "unknown" if tree.value is None else "false"
    return "no unit" if activation.unit is None else "outside"


class _Explainer:
    """Remembers which definitions have been explained."""

    def __init__(self, activation: Activation, catalog: Catalog) -> None:
        self._frame = activation
        self._catalog = catalog
        self._compiled_set = catalog.live
        self._met: set[Name] = set()

    def definition(self, name: Name, depth: int = 0) -> ExplainedDefinition:
        self._met.add(name)
        definition = self._compiled_set.definitions[name]
        node = self._compiled_set.nodes[name]
        value, until = self._frame.result(name, self._frame.now)
        tree = self.tree(node, definition.expression, depth)
        kind = ir.Type.BOOL if name[0] == "segment" else node.type
        return ExplainedDefinition(name, kind, value, until, name in self._catalog.backfilling, tree)

    def tree(self, node: ir.Node, source: str, depth: int = 0) -> Explanation:
        activation = self._frame
        value, until = self._compiled_set.compiler.compile(node)(activation, activation.now)
        backfilling, contents, inside = False, None, None
        match node:
            case ir.AggregateRead():
                backfilling = not self._compiled_set.ready(node)
                contents = None if backfilling else _contents(node, activation)
            case ir.Reference(kind=kind, key=key):
                name = (kind, key)
                backfilling = name in self._catalog.backfilling
                if kind != "flag" and name not in self._met and depth < DEEPEST:
                    inside = self.definition(name, depth + 1)
        parts = [self.tree(child, source, depth + 1) for child in ir.children(node)]
        text = source[node.span.start : node.span.end]
        return Explanation(
            node, text, value, until, backfilling, None, contents, inside, _with_deciding(node, value, parts)
        )


def _with_deciding(node: ir.Node, value: Any, parts: Sequence[Explanation]) -> tuple[Explanation, ...]:
    """The operands, each with whether the result is what it is because of this operand."""
    decides: list[bool | None] = [None] * len(parts)
    match node:
        case ir.Logic():
            # The deciding operands have the result's own value: one false operand of an `&&`, all operands if it is
            # true, and the unknown ones if it is unknown.
            decides = [part.value is value for part in parts]
        case ir.Coalesce():
            known = parts[0].value is not None
            decides = [known, not known]
        case ir.Call(function="if"):
            decides = [True, parts[0].value is True, parts[0].value is False]
    return tuple(replace(part, decides=decided) for part, decided in zip(parts, decides, strict=True))


# The contents of windows


def _contents(read: ir.AggregateRead, activation: Activation) -> Contents:
    state, window, now = activation.state(read.spec.key), read.window, activation.now
    match state:
        case None:
            return Contents(events=0)
        case DayMap():
            return _days(read, state, activation)
        case Extent():
            return Contents(oldest_at=state.first, newest_at=state.last)
        case Latest():
            entry, until = state.last(window.start_ms, now)
            return Contents(newest_at=entry[0] if entry is not None else None, leaves_at=_unless_never(until))
        case Uniques():
            first = 0 if window.start_ms is None else bisect_right(state.ts, now - window.start_ms)
            inside = state.ts[first:]
            leaves = inside[0] + window.start_ms if inside and window.start_ms is not None else None
            return Contents(newest_at=inside[-1] if inside else None, leaves_at=leaves)
        case Log():
            if window.start_ms is None:
                return _lifetime(state, now)
            wide = _trailing(state, window.start_ms, now)
            return wide if not window.end_ms else _range(wide, _trailing(state, window.end_ms, now), state, window, now)
    raise AssertionError(f"no contents for {type(state).__name__}")


def _lifetime(state: Log, now: Instant) -> Contents:
    end = bisect_right(state.ts, now)
    nothing_older = state.dropped == type(state)().dropped
    older = 0 if nothing_older else _size(state, state.dropped)
    return Contents(
        events=None if older is None else older + end,
        oldest_at=state.ts[0] if nothing_older and end else None,
        newest_at=state.ts[end - 1] if end else None,
    )


def _trailing(state: Log, window_ms: int, now: Instant) -> Contents:
    bucket_width = ir.bucket_width_ms(window_ms)
    edge = now - window_ms
    first, end = bisect_right(state.ts, edge), bisect_right(state.ts, now)
    buckets = {
        start: bucket
        for start, bucket in state.buckets.get(bucket_width, {}).items()
        if start >= edge // bucket_width * bucket_width
    }
    sizes = [_size(state, bucket) for bucket in buckets.values()]
    leaving = [start + bucket_width + window_ms for start in buckets] + [
        ts + window_ms for ts in state.ts[first:end][:1]
    ]
    inside = state.ts[first:end]
    return Contents(
        events=None if None in sizes else len(inside) + sum(filter(None, sizes)),
        oldest_at=min([*buckets, *inside[:1]], default=None),
        newest_at=inside[-1] if inside else max(buckets, default=None),
        leaves_at=min(leaving, default=None),
        exact=not buckets,
    )


def _range(wide: Contents, narrow: Contents, state: Log, window: ir.Window, now: Instant) -> Contents:
    """The events in the wide window that are not yet in the narrow one."""
    if wide.events is None or narrow.events is None:
        return Contents(exact=False)
    events = wide.events - narrow.events
    if not events:
        return Contents(events=0, exact=wide.exact and narrow.exact)
    end = bisect_right(state.ts, now - window.end_ms)
    newest = state.ts[end - 1] if end else None
    return replace(wide, events=events, newest_at=newest, exact=wide.exact and narrow.exact)


def _size(state: Log, fold: Any) -> int | None:
    """How many events a bucket stands for; None if the bucket does not tell."""
    match state:
        case Counts():
            return int(fold)
        case Numbers():
            return int(fold[0])
        case Tallies():
            return None if fold is None else sum(fold.values())
    return None


def _days(read: ir.AggregateRead, state: DayMap, activation: Activation) -> Contents:
    calendar, now = activation.calendar, activation.now
    if read.days is not None:
        n, until = state.unique_days(read.days, calendar, now)
        oldest = calendar.day(now) - read.days + 1
        days = [day for day in _days_of(state) if day >= oldest]
    else:
        n, until = state.streak_days(calendar, now)
        days = _days_of(state)[-n:] if n else []
    dates = tuple(date.fromordinal(day).isoformat() for day in days)
    return Contents(leaves_at=_unless_never(until), days=dates)


def _days_of(state: DayMap) -> list[int]:
    return [state.base + n for n in range(state.bits.bit_length()) if state.bits >> n & 1]


def _unless_never(instant: Instant) -> Instant | None:
    return instant if instant < NEVER else None
