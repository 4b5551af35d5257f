"""Explanations of definitions and flags, with values as JSON and instants as text.

Shape   explained_definition(…) -> DefinitionExplanation, explained_flag(…) -> FlagExplanation; both have a tree of
        ExpressionNode
Units   instants are ISO 8601 in UTC, durations are seconds; sentences have times in the workspace's zone
Laws    values are those of a decision for the same profile at the same instant: call prepare() first
Source  docs/reference/decide.md "Explanations"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tinycdp.dsl import ir
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.flags import explanation_text
from tinycdp.engine.flags.document import Override
from tinycdp.engine.flags.explain import (
    Contents,
    ExplainedDefinition,
    ExplainedRule,
    Explanation,
    explain_definition,
    explain_flag,
)
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.profiles.skipped import Skipped, with_skipped
from tinycdp.runtime.profiles.views import plain
from tinycdp.times import iso_or_none

_END_OF_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class WindowContents:
    """The events of a profile that a window counts.

    events     how many; None if the state does not have the number, as for distinct values
    oldest_at  the oldest; if not `exact`, the start of its bucket
    leaves_at  when the first event leaves the window, None for never
    exact      False if old events are kept in buckets, which leave a little late and all at once
    days       for unique_days and streak_days: the local dates that count"""

    events: int | None
    oldest_at: str | None
    newest_at: str | None
    leaves_at: str | None
    exact: bool
    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpressionNode:
    """A part of an expression, with its present value.

    text     its source, the characters start to end (half-open) of the definition
    value    None if unknown; with `backfilling`, because it is still being computed
    until    the first instant at which the value may change without a message, None for never
    decides  for an operand of `&&`, `||`, `??` and `if`: whether it decides the result
    window   for an aggregate: what it counts
    inside   for a reference: the trait or segment, at the first place that reads it
    parts    its operands"""

    kind: str
    text: str
    start: int
    end: int
    type: str
    value: Any
    until: str | None
    backfilling: bool = False
    decides: bool | None = None
    window: WindowContents | None = None
    inside: "DefinitionExplanation | None" = None
    parts: tuple["ExpressionNode", ...] = ()


@dataclass(frozen=True, slots=True)
class DefinitionExplanation:
    """A trait's value or a segment's membership, with the reason.

    tree: its expression, part by part"""

    kind: str
    key: str
    type: str
    value: Any
    until: str | None
    backfilling: bool
    sentence: str
    tree: ExpressionNode


@dataclass(frozen=True, slots=True)
class RolloutPosition:
    """The bucket of the unit, of 100,000; [since, below) is admitted.

    variant  what the unit gets in a split"""

    bucket: int
    since: int = 0
    below: int | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """A rule of a flag.

    outcome  served; false or unknown: its condition; outside: its rollout, exposure or exclusion group does not admit
             the unit; no unit: nothing to bucket; not reached: an earlier rule or check answered
    rollout, exposure, exclusion, split  the bucket of the unit; None without one or if the rule has no such part"""

    id: str
    outcome: str
    sentence: str
    rollout: RolloutPosition | None
    exposure: RolloutPosition | None
    exclusion: RolloutPosition | None
    split: RolloutPosition | None
    condition: ExpressionNode


@dataclass(frozen=True, slots=True)
class PrerequisiteExplanation:
    """A flag that must serve one of `needs`, and what it serves.

    A holdout that serves true excludes the profile."""

    flag: str
    serves: str
    needs: tuple[str, ...]
    met: bool


@dataclass(frozen=True, slots=True)
class FlagExplanation:
    """A flag's answer, rule by rule.

    enabled     after the due steps of its schedule; killed: by whom it was switched off, and when
    unit        what rollouts and splits hash; None if the request names no unit
    overrides   of the flag; they are checked before the rules
    default     the variant if no rule serves one
    revision    of the definitions
    until       the first instant at which the answer may change without a message, None for never
    changes_at  when the next step of the schedule is due
    skipped     values that do not count because they are text; None if they were not looked for, as of the past"""

    flag: str
    sentence: str
    enabled: bool
    killed: str | None
    variant: str
    reason: str
    unit: str | None
    prerequisites: tuple[PrerequisiteExplanation, ...]
    holdouts: tuple[PrerequisiteExplanation, ...]
    overrides: tuple[Override, ...]
    rules: tuple[RuleExplanation, ...]
    default: str
    revision: int
    until: str | None
    changes_at: str | None
    skipped: tuple[Skipped, ...] | None


def explained_definition(catalog: Catalog, name: Name, snapshot: Snapshot) -> DefinitionExplanation:
    """Explain a trait or segment of the live revision for a prepared profile."""
    return _definition(explain_definition(catalog, name, snapshot), catalog.zone)


def explained_flag(
    catalog: Catalog, key: str, snapshot: Snapshot, skipped: Sequence[Skipped] | None = None
) -> FlagExplanation:
    """Explain a flag of the live revision for a prepared profile, with what `skipped_by` found."""
    found = explain_flag(catalog, key, snapshot)
    flag = found.flag
    killed = snapshot.killed.get(catalog.live.flags[key].id)
    return FlagExplanation(
        key,
        with_skipped(explanation_text.of_flag(found, catalog.zone), skipped or ()),
        flag.enabled,
        killed.text if killed is not None else None,
        found.decision.variant,
        found.decision.reason,
        found.unit,
        tuple(
            PrerequisiteExplanation(required.flag, required.variant, tuple(sorted(may)), required.variant in may)
            for required, may in found.prerequisites
        ),
        tuple(
            PrerequisiteExplanation(held.flag, held.variant, ("false",), held.value is not True)
            for held in found.holdouts
        ),
        flag.overrides,
        tuple(_rule(rule, catalog.zone) for rule in found.rules),
        flag.default.serve,
        catalog.revision,
        iso_or_none(found.decision.until),
        iso_or_none(found.changes_at),
        tuple(skipped) if skipped is not None else None,
    )


def _rule(rule: ExplainedRule, zone: str) -> RuleExplanation:
    admissions = {a.gate.purpose: RolloutPosition(a.bucket, a.gate.since, a.gate.to) for a in rule.admissions}
    return RuleExplanation(
        rule.rule.id,
        rule.outcome,
        explanation_text.of_rule(rule, zone),
        admissions.get("rollout"),
        admissions.get("exposure"),
        admissions.get("exclusion"),
        RolloutPosition(rule.split_bucket, variant=rule.arm) if rule.split_bucket is not None else None,
        _node(rule.tree, zone),
    )


def _definition(found: ExplainedDefinition, zone: str) -> DefinitionExplanation:
    kind, key = found.name
    return DefinitionExplanation(
        kind,
        key,
        found.type.value,
        _plain(found.value, found.type),
        iso_or_none(found.until),
        found.backfilling,
        explanation_text.of_definition(found, zone),
        _node(found.tree, zone),
    )


def _node(found: Explanation, zone: str) -> ExpressionNode:
    node = found.node
    return ExpressionNode(
        _KINDS[type(node)],
        found.text,
        node.span.start,
        node.span.end,
        node.type.value,
        _plain(found.value, node.type),
        iso_or_none(found.until),
        found.backfilling,
        found.decides,
        _window(found.contents) if found.contents is not None else None,
        _definition(found.inside, zone) if found.inside is not None else None,
        tuple(_node(part, zone) for part in found.parts),
    )


def _window(contents: Contents) -> WindowContents:
    return WindowContents(
        contents.events,
        iso_or_none(contents.oldest_at),
        iso_or_none(contents.newest_at),
        iso_or_none(contents.leaves_at),
        contents.exact,
        contents.days,
    )


_KINDS: dict[type[ir.Node], str] = {
    ir.Const: "literal",
    ir.LocalMidnight: "literal",
    ir.Property: "property",
    ir.GroupTrait: "group",
    ir.Context: "context",
    ir.Reference: "reference",
    ir.Seen: "seen",
    ir.Listed: "listed",
    ir.AggregateRead: "aggregate",
    ir.Ago: "ago",
    ir.Clock: "ago",
    ir.Compare: "compare",
    ir.In: "in",
    ir.Logic: "logic",
    ir.Not: "not",
    ir.Coalesce: "coalesce",
    ir.Exists: "exists",
    ir.Arith: "arithmetic",
    ir.Negate: "arithmetic",
    ir.Call: "call",
}


def _plain(value: Any, kind: ir.Type) -> Any:
    """As views.plain; an instant outside the calendar is milliseconds."""
    if kind is ir.Type.DATETIME and value is not None and not -_END_OF_TIME < value < _END_OF_TIME:
        return value
    return plain(value, kind)
