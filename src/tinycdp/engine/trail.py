"""Why a flag answered as it did: the steps of one decision, as values.

Shape   DecisionReason is OpenFeature's word for the whole answer; a Cause is one step on the way to it.
        sentences.of_cause puts one into words
Units   buckets are of BUCKETS; instants are milliseconds
Laws    making a cause formats no text: decisions are made far more often than their reasons are read
Source  dsl/SPEC.md "Flags", docs/reference/decide.md
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

from tinycdp.model import Instant


class DecisionReason(StrEnum):
    """OpenFeature's reasons, as they stand on the wire. STALE is given where an answer leaves, not where it is made."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    CACHED = "CACHED"
    STALE = "STALE"


@dataclass(frozen=True, slots=True)
class Gate:
    """A share of all units that a rule admits: whose bucket for this salt and purpose lies in [since, to).

    salt  the flag's, or the name of the exclusion group"""

    purpose: Literal["rollout", "exposure", "exclusion"]
    salt: str
    since: int
    to: int


class Admission(msgspec.Struct, frozen=True):
    """Where a unit falls for one of a rule's gates."""

    gate: Gate
    bucket: int

    @property
    def granted(self) -> bool:
        return self.gate.since <= self.bucket < self.gate.to


class _Cause(msgspec.Struct, frozen=True, tag=True):
    pass


class FlagOff(_Cause, frozen=True):
    """The flag is switched off in its document."""


class Killed(_Cause, frozen=True):
    """The flag is switched off by hand; without `by` the request itself said so."""

    by: str | None = None
    at: Instant = 0
    note: str = ""


class PrerequisiteFailed(_Cause, frozen=True):
    """A flag this one depends on serves another variant than it must."""

    flag: str
    variant: str
    needs: frozenset[str]


class Overridden(_Cause, frozen=True):
    """The flag names whom it is for: a segment, an identifier, or any identifier of that value."""

    by: Literal["segment", "identifier", "profile"]
    value: str
    kind: str = ""


class HeldOut(_Cause, frozen=True):
    """A holdout keeps the flag's rules from this unit."""

    flag: str


class RuleMatched(_Cause, frozen=True):
    """The condition is true, and every gate admits the unit."""

    rule: str
    when: str
    admissions: tuple[Admission, ...] = ()


class RuleFailed(_Cause, frozen=True):
    """The condition is false."""

    rule: str
    when: str


class RuleUnknown(_Cause, frozen=True):
    """The condition is unknown; `waiting` are the definitions that are not ready yet."""

    rule: str
    when: str
    waiting: tuple[str, ...] = ()


class RolloutMiss(_Cause, frozen=True):
    """The condition is true, but a gate does not admit the unit."""

    rule: str
    when: str
    admission: Admission


class UnitMissing(_Cause, frozen=True):
    """The condition is true, but the request names no unit to bucket."""

    rule: str
    when: str


class SplitTo(_Cause, frozen=True):
    """Where the unit falls in the split of the rule before."""

    bucket: int
    variant: str


class NoRuleMatched(_Cause, frozen=True):
    """No rule served."""


class NoRules(_Cause, frozen=True):
    """The flag has no rules."""


class SessionHeld(_Cause, frozen=True):
    """The session keeps a variant that it was given before."""

    variant: str


Cause = (
    FlagOff
    | Killed
    | PrerequisiteFailed
    | Overridden
    | HeldOut
    | RuleMatched
    | RuleFailed
    | RuleUnknown
    | RolloutMiss
    | UnitMissing
    | SplitTo
    | NoRuleMatched
    | NoRules
    | SessionHeld
)
