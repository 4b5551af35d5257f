"""A snapshot of a profile: decides its flags for any context, until what it knows ends.

Shape   Snapshot(fields).decide(flag, context, now) → Answer, ASK if only the server can, None if there is no such flag
Units   instants in milliseconds UTC, by the server's clock
Errors  UnknownFormat
Source  dsl/SNAPSHOT.md
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .evaluate import NEVER, Ends, Evaluation

#: From here on an instant is never, for the server too.
_LATEST = 2**62


class UnknownFormat(Exception):
    """A snapshot of a later format than this client reads."""


class _Ask:
    def __repr__(self) -> str:
        return "ASK"


#: The answer of a flag that only the server can decide.
ASK: Final = _Ask()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a flag serves.

    valid_until       the first instant at which it may change; None for never
    needs_identifier  a rule matched that buckets units, and no unit is known: OpenFeature's TARGETING_KEY_MISSING"""

    value: Any
    variant: str
    reason: str
    allow: bool
    rule: str | None
    valid_until: int | None
    metadata: Mapping[str, Any]
    needs_identifier: bool = False


@dataclass(frozen=True, slots=True)
class _Served:
    variant: str
    reason: str
    rule: str | None
    until: float
    needs_identifier: bool = False


class Snapshot:
    """The answer of `POST /v1/snapshot`."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        if fields.get("format") != 1:
            raise UnknownFormat(f"a snapshot of format {fields.get('format')!r}; this client reads 1")
        self.as_of: int = fields["asOf"]
        self.valid_until: int | None = fields.get("validUntil")
        self.revision: int = fields.get("revision", 0)
        self.version: int = fields.get("version", 0)
        self.unit: str | None = fields.get("unit")
        self.stale = bool(fields.get("stale"))
        self.stream: str | None = fields.get("stream")
        self.flags: Mapping[str, Any] = fields["flags"]

    def decide(self, flag: str, context: Mapping[str, Any], now: int, unit: str | None = None) -> Answer | _Ask | None:
        """One flag for a context of read_context. `unit` is what buckets hash if the snapshot has none."""
        entry = self.flags.get(flag)
        if entry is None:
            return None
        unit = self.unit if self.unit is not None else unit

        def nested(key: str, at: int, evaluation: Evaluation) -> tuple[str, float]:
            if (other := self.flags.get(key)) is None:
                raise Ends
            found = _serve(other, at, evaluation, unit)
            return found.variant, found.until

        try:
            served = _serve(entry, max(now, self.as_of), Evaluation(context, nested), unit)
            value = entry["variants"][served.variant]
        except (Ends, KeyError, IndexError, TypeError, ValueError):
            return ASK  # of a form that this client does not know
        return Answer(
            value,
            served.variant,
            "STALE" if self.stale else served.reason,
            value if isinstance(value, bool) else served.variant != entry["off"],
            served.rule,
            None if served.until >= _LATEST else int(served.until),
            entry.get("metadata") or {},
            served.needs_identifier,
        )


def _serve(entry: Mapping[str, Any], now: int, evaluation: Evaluation, unit: str | None) -> _Served:
    """What a flag serves at an instant. Raises Ends if the server has to be asked."""
    if "steps" in entry:
        for step in entry["steps"]:
            until = _instant(step["until"])
            if now < until:
                return _Served(step["variant"], step["reason"], step.get("rule"), until)
        raise Ends
    if "clauses" not in entry:
        raise Ends
    valid, missing = _instant(entry.get("until")), False
    if now >= valid:
        raise Ends
    for clause in entry["clauses"]:
        if "when" in clause:
            truth, until = evaluation.value(clause["when"], now)
            valid = min(valid, until)
            if truth is not True:
                continue
        buckets, split = clause.get("buckets", ()), clause.get("split")
        if (buckets or split) and unit is None:
            missing = True
            continue
        if unit is not None and not all(
            low <= bucket(salt, purpose, unit) < high for salt, purpose, low, high in buckets
        ):
            continue
        variant = _variant(split, unit) if split and unit is not None else clause["serve"]
        return _Served(variant, clause["reason"], clause.get("rule"), valid, missing and clause["reason"] == "DEFAULT")
    raise Ends


def _variant(split: Any, unit: str) -> str:
    salt, weights = split
    left = bucket(salt, "split", unit)
    for variant, weight in weights:
        left -= weight
        if left < 0:
            return str(variant)
    raise Ends


def bucket(salt: str, purpose: str, unit: str) -> int:
    """Where a unit falls, of 100,000."""
    digest = hashlib.sha256(f"{salt}\x1f{purpose}\x1f{unit}".encode()).digest()
    return (int.from_bytes(digest[:4], "big") * 100_000) >> 32


def _instant(value: int | None) -> float:
    return NEVER if value is None else value
