"""Explanations as they leave: with plain values and instants as text.

Shape   explained_definition(…) -> DefinitionExplained, explained_flag(…) -> FlagExplained; both hold trees of Node
Units   instants leave as ISO 8601 in UTC, durations in milliseconds; sentences tell times in the workspace's zone
Laws    values are those a decision for the same subject at the same instant sees: prepare() comes first
Source  docs/reference/decide.md "Explanations"
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.flags import explanation_text
from tinycdp.engine.flags.document import Override
from tinycdp.engine.flags.explain import (
    Contents,
    Explained,
    ExplainedRule,
    Explanation,
    explain_definition,
    explain_flag,
)
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.profiles.views import plain
from tinycdp.times import iso_or_none

_END_OF_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1000


class WindowContents(msgspec.Struct, frozen=True, rename="camel"):
    """What a window holds of a person's events.

    events     how many; null where the state does not tell, as for different values
    oldest_at  the oldest of them; where `exact` is false, the beginning of the tile that holds it
    leaves_at  when the first of them leaves, null where none ever does
    exact      false where older events are kept in tiles, which leave a little late and all at once
    days       of unique_days and streak_days: the local dates that count
    """

    events: int | None
    oldest_at: str | None
    newest_at: str | None
    leaves_at: str | None
    exact: bool
    days: tuple[str, ...]


class Node(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One part of an expression, with what it is worth now.

    text     as it is written, at the characters start to end (half-open) of its definition
    value    null where it is unknown; with `warming`, because it is still being computed
    until    the first instant at which the value may be another with nobody sending anything, null for never
    decides  of an operand of `&&`, `||`, `??` and `if`: whether the outcome is what it is because of this one
    window   of an aggregate: what it counts
    inside   of a reference: the trait or segment it reads, at the first place that reads it
    parts    its operands
    """

    kind: str
    text: str
    start: int
    end: int
    type: str
    value: Any
    until: str | None
    warming: bool = False
    decides: bool | None = None
    window: WindowContents | None = None
    inside: "DefinitionExplained | None" = None
    parts: tuple["Node", ...] = ()


class DefinitionExplained(msgspec.Struct, frozen=True, rename="camel"):
    """A trait's value or a segment's membership, why it is so, and until when. tree: its expression, part by part."""

    kind: str
    key: str
    type: str
    value: Any
    until: str | None
    warming: bool
    sentence: str
    tree: Node


class Bucketed(msgspec.Struct, frozen=True, rename={"since": "from"}, omit_defaults=True):
    """Where the unit falls, of 100,000: who lies in [from, below) is admitted. variant: what it gets in a split."""

    bucket: int
    since: int = 0
    below: int | None = None
    variant: str | None = None


class RuleExplained(msgspec.Struct, frozen=True, rename="camel"):
    """One rule of a flag.

    outcome  served; its condition is false or unknown; outside: its rollout, exposure or exclusion group does not admit
             the unit; no unit: there is nothing to bucket; not reached: something before it answered
    rollout, exposure, exclusion, split  where the unit falls, null where the rule has none or there is no unit
    """

    id: str
    outcome: str
    sentence: str
    rollout: Bucketed | None
    exposure: Bucketed | None
    exclusion: Bucketed | None
    split: Bucketed | None
    condition: Node


class PrerequisiteExplained(msgspec.Struct, frozen=True):
    """A flag that has to serve one of `needs`, and what it serves. A holdout holds out where it serves its true one."""

    flag: str
    serves: str
    needs: tuple[str, ...]
    met: bool


class FlagExplained(msgspec.Struct, frozen=True, rename="camel"):
    """A flag's answer, rule by rule.

    enabled    as the due steps of its schedule left it; killed says who switched it off all the same, and when
    unit       what rollouts and splits hash, null where the request named nobody
    overrides  those of the flag, before any rule
    default    the variant served where no rule does
    revision   of the definitions
    until      the first instant at which the answer may be another with nobody sending anything, null for never
    changes_at when the next step of the schedule is due
    """

    flag: str
    sentence: str
    enabled: bool
    killed: str | None
    variant: str
    reason: str
    unit: str | None
    prerequisites: tuple[PrerequisiteExplained, ...]
    holdouts: tuple[PrerequisiteExplained, ...]
    overrides: tuple[Override, ...]
    rules: tuple[RuleExplained, ...]
    default: str
    revision: int
    until: str | None
    changes_at: str | None


def explained_definition(catalog: Catalog, name: Name, subject: Snapshot) -> DefinitionExplained:
    """A trait or segment of the live revision, which has it, for a subject that is prepared."""
    return _definition(explain_definition(catalog, name, subject), catalog.zone)


def explained_flag(catalog: Catalog, key: str, subject: Snapshot) -> FlagExplained:
    """A flag of the live revision, which has it, for a subject that is prepared."""
    found = explain_flag(catalog, key, subject)
    flag = found.flag
    killed = subject.killed.get(catalog.live.flags[key].id)
    return FlagExplained(
        key,
        explanation_text.of_flag(found, catalog.zone),
        flag.enabled,
        killed.text if killed is not None else None,
        found.decision.variant,
        found.decision.reason,
        found.unit,
        tuple(
            PrerequisiteExplained(required.flag, required.variant, tuple(sorted(may)), required.variant in may)
            for required, may in found.prerequisites
        ),
        tuple(
            PrerequisiteExplained(held.flag, held.variant, ("false",), held.value is not True)
            for held in found.holdouts
        ),
        flag.overrides,
        tuple(_rule(rule, catalog.zone) for rule in found.rules),
        flag.default.serve,
        catalog.revision,
        iso_or_none(found.decision.until),
        iso_or_none(found.changes_at),
    )


def _rule(rule: ExplainedRule, zone: str) -> RuleExplained:
    admissions = {a.gate.purpose: Bucketed(a.bucket, a.gate.since, a.gate.to) for a in rule.admissions}
    return RuleExplained(
        rule.rule.id,
        rule.outcome,
        explanation_text.of_rule(rule, zone),
        admissions.get("rollout"),
        admissions.get("exposure"),
        admissions.get("exclusion"),
        Bucketed(rule.split_bucket, variant=rule.arm) if rule.split_bucket is not None else None,
        _node(rule.tree, zone),
    )


def _definition(found: Explained, zone: str) -> DefinitionExplained:
    kind, key = found.name
    return DefinitionExplained(
        kind,
        key,
        found.type.value,
        _plain(found.value, found.type),
        iso_or_none(found.until),
        found.warming,
        explanation_text.of_definition(found, zone),
        _node(found.tree, zone),
    )


def _node(found: Explanation, zone: str) -> Node:
    node = found.node
    return Node(
        _KINDS[type(node)],
        found.text,
        node.span.start,
        node.span.end,
        node.type.value,
        _plain(found.value, node.type),
        iso_or_none(found.until),
        found.warming,
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
    """As people.plain; an instant no calendar has is milliseconds."""
    if kind is ir.Type.DATETIME and value is not None and not -_END_OF_TIME < value < _END_OF_TIME:
        return value
    return plain(value, kind)
