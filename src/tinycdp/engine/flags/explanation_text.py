"""Explanations in words: one sentence each.

Shape   of_definition(explained, zone), of_flag(explained, zone), of_rule(rule) -> str
Units   instants in the workspace's zone, to the second, never later than they are
Laws    a sentence names what decides and leaves out what does not; under a negation it says what was needed of the
        thing itself, so that "needs" is always what would have made the whole condition true
Source  docs/reference/decide.md "Explanations"
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tinycdp.dsl import ir
from tinycdp.dsl.editor.describe import MIRRORED, OPPOSITE
from tinycdp.dsl.editor.format import format_string
from tinycdp.dsl.editor.humanize import LONGEST, UNIT_NAMES, span
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import SCALE, number
from tinycdp.dsl.values.scalars import duration_text, version_text
from tinycdp.engine.flags.explain import ExplainedDefinition, ExplainedFlag, ExplainedRule, Explanation
from tinycdp.engine.flags.trail import named
from tinycdp.model import NEVER, Instant

#: A sentence gives so many reasons, and says how many more there are.
MOST_REASONS = 3
_MOST_OPTIONS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NEEDS = {"==": "exactly ", "!=": "anything but ", "<": "less than ", "<=": "at most ", ">": "more than ", ">=": ""}
_NEEDS_TIME = {**_NEEDS, "<": "before ", "<=": "no later than ", ">": "after ", ">=": "no earlier than "}


def of_definition(explained: ExplainedDefinition, zone: str) -> str:
    """`power_user is true: app_open on 6 days (needs 5), until 2026-12-14 00:00 Europe/Berlin`"""
    kind, key = explained.name
    if explained.backfilling:
        return f"{key} is unknown: it is still being computed"
    worth = _worth(explained.value, explained.type, zone)
    said = f"{key} is {worth}" if kind == "trait" else f"{'in' if explained.value else 'not in'} {key}"
    because = _because(explained.tree, zone)
    return f"{said}{'' if because == worth else f': {because}'}{_until(explained.until, zone)}"


def of_flag(explained: ExplainedFlag, zone: str) -> str:
    """`premium is "on": the rule matched, in power_users, until 2026-12-14 00:00 Europe/Berlin`"""
    decision = explained.decision
    why = next((of_rule(rule, zone) for rule in explained.rules if rule.outcome == "served"), decision.trail[-1].text)
    return f"{decision.flag} is {format_string(decision.variant)}: {why}{_until(decision.until, zone)}"


def of_rule(explained: ExplainedRule, zone: str) -> str:
    """What became of one rule, and why."""
    because = _because(explained.tree, zone)
    rule = named(explained.rule.id, format_string)
    match explained.outcome:
        case "served" if explained.kept is not None:
            return (
                f"{rule} matched, {because}; the profile keeps {format_string(explained.kept)} from an earlier decision"
            )
        case "served":
            said = [f"{rule} matched, {because}"]
            said += [admission.text for admission in explained.admissions]
            if explained.arm is not None:
                said.append(f"bucket {explained.split_bucket} of the split is {format_string(explained.arm)}")
            return "; ".join(said)
        case "outside":
            missed = next(a for a in explained.admissions if not a.granted)
            return f"{rule} matched, {because}; but {missed.text}"
        case "no unit":
            return f"{rule} matched, {because}; but there is no one to bucket"
        case "unknown":
            return f"{rule} is unknown, {because}"
        case "false":
            return f"{rule} did not match, {because}"
    return f"{rule} was not reached"


# Reasons


def _because(explained: Explanation, zone: str, negated: bool = False) -> str:
    """Why a node has its value: what decided, each reason once."""
    reasons = list(dict.fromkeys(_reasons(explained, zone, negated)))
    if not reasons:
        return _worth(explained.value, explained.node.type, zone)
    more = len(reasons) - MOST_REASONS
    return " and ".join(reasons[:MOST_REASONS]) + (f" and {more} more" if more > 0 else "")


def _reasons(explained: Explanation, zone: str, negated: bool) -> Iterator[str]:
    node, parts = explained.node, explained.parts
    match node:
        case ir.Const() | ir.LocalMidnight():
            return
        case ir.Not():
            yield from _reasons(parts[0], zone, not negated)
        case ir.Compare(op=op):
            left, right = parts
            if isinstance(left.node, ir.Const):
                left, right, op = right, left, MIRRORED[op]
            yield f"{_fact(left, zone)} (needs {_needed(OPPOSITE[op] if negated else op, right, zone)})"
        case ir.In(options=options):
            listed = [_literal(option) for option in options[:_MOST_OPTIONS]] + ["…"] * (len(options) > _MOST_OPTIONS)
            needs = "none of" if node.negated is not negated else "one of"
            yield f"{_fact(parts[0], zone)} (needs {needs} {', '.join(listed)})"
        case ir.Call(function="between"):
            low, high = (_worth(part.value, part.node.type, zone) for part in parts[1:])
            yield f"{_fact(parts[0], zone)} (needs {'less or more than' if negated else 'from'} {low} to {high})"
        case ir.Exists():
            yield _fact(parts[0], zone)
        case ir.Call(function="if"):
            yield from _reasons(parts[0], zone, parts[0].value is False)
            for part in parts[1:]:
                if part.decides:
                    yield from _reasons(part, zone, negated)
        case ir.Coalesce() if parts[0].value is None and _is_literal(parts[1]):
            yield f"{parts[0].text} is unknown"
        case ir.Logic() | ir.Coalesce():
            for part in parts:
                if part.decides:
                    yield from _reasons(part, zone, negated)
        case ir.Arith() | ir.Negate() | ir.Clock() | ir.Call():
            for part in parts:
                yield from _reasons(part, zone, False)
        case _:
            yield _fact(explained, zone)


def _needed(op: str, explained: Explanation, zone: str) -> str:
    worth = _worth(explained.value, explained.node.type, zone)
    words = _NEEDS_TIME if explained.node.type is Type.DATETIME else _NEEDS
    return words[op] + (worth if _is_literal(explained) else f"{explained.text}, {worth}")


def _is_literal(explained: Explanation) -> bool:
    return isinstance(explained.node, ir.Const | ir.LocalMidnight)


def _fact(explained: Explanation, zone: str) -> str:
    """What one part is worth, as a clause."""
    node, value = explained.node, explained.value
    worth = _worth(value, node.type, zone)
    if explained.backfilling:
        return f"{explained.text} is still being computed"
    match node:
        case ir.AggregateRead() if value is not None:
            return _aggregate(node, value, worth)
        case ir.Reference(kind="segment", key=key):
            return f"in {key}" if value else f"not in {key}"
        case ir.Listed():
            return "an identifier of the profile is listed" if value else "no identifier of the profile is listed"
        case ir.Reference(key=key):
            return f"{key} is {worth}"
        case ir.Ago() if value is not None:
            operand = explained.parts[0].node
            if isinstance(operand, ir.Seen):
                return f"{operand.which} seen {worth} {UNIT_NAMES[node.unit_ms]}s ago"
            if isinstance(operand, ir.AggregateRead):
                which = operand.function.removesuffix("_at")
                return f"{which} {_event(operand.spec)} {worth} {UNIT_NAMES[node.unit_ms]}s ago"
    return f"{explained.text} is {worth}"


def _aggregate(read: ir.AggregateRead, value: Any, worth: str) -> str:
    event, path, span = _event(read.spec), ".".join(read.spec.path), _span(read.window)
    match read.function:
        case "count":
            return f"{event} {worth} {'time' if worth == '1' else 'times'}{span}"
        case "exists":
            return f"{event if value else 'no ' + event.removeprefix('any ')}{span}"
        case "rate":
            return f"{event} {worth} times a day{span}"
        case "unique":
            return f"{event} with {worth} different {path}{span}"
        case "unique_days":
            return f"{event} on {worth} {'day' if worth == '1' else 'days'}"
        case "streak_days":
            return f"{event} on {worth} {'day' if worth == '1' else 'days in a row'}"
        case "first_at" | "last_at":
            return f"{read.function.removesuffix('_at')} {event} at {worth}"
        case "percentile":
            return f"percentile {read.quantile} of {event} {path}{span} is {worth}"
    return f"{read.function} of {event} {path}{span} is {worth}"


def _event(spec: ir.AggregateSpec) -> str:
    name = "any event" if spec.event is None else spec.event
    return f"{name} where {spec.where_text}" if spec.where_text else name


def _span(window: ir.Window) -> str:
    if window.start_ms is None:
        return ""
    if window.end_ms:
        return f" between {duration_text(window.start_ms)} and {duration_text(window.end_ms)} ago"
    return f" in {duration_text(window.start_ms)}"


# Values


def _worth(value: Any, kind: Type, zone: str) -> str:
    if value is None:
        return "unknown"
    match kind:
        case Type.NUMBER:
            return f"{number(value):f}" if value % SCALE else str(value // SCALE)
        case Type.DATETIME:
            return local_time(value, zone)
        case Type.DURATION:
            return span(value)
        case Type.VERSION:
            return version_text(value)
    return _literal(value)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = format_string(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _until(instant: Instant, zone: str) -> str:
    return f", until {local_time(instant, zone)}" if instant < NEVER else ""


def local_time(instant: Instant, zone: str) -> str:
    """2026-12-14 00:00 Europe/Berlin; with seconds where there are any."""
    try:
        local = (_EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone))
    except OverflowError:
        return "the end of time" if instant > 0 else "the beginning of time"
    return f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + f" {zone}"
