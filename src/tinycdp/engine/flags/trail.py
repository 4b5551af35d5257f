"""Why a flag answered as it did: the steps of one decision, as values.

Shape   DecisionReason is OpenFeature's word for the whole answer. A Cause is one step on the way to it, and its
        `text` is that step in words. texts_of(trail) has all of them
Units   buckets are of BUCKETS; instants are milliseconds
Laws    making a cause formats no text. What a rule always says alike is formatted once: one cause serves all decisions
Source  dsl/SPEC.md "Flags", docs/reference/decide.md
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Literal

import msgspec

from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.model import Instant
from tinycdp.times import iso


def texts_of(trail: Iterable["Cause"]) -> tuple[str, ...]:
    """Every step of a decision in words, in order."""
    return tuple(map(_text, trail))


_text = attrgetter("text")

#: The id of the one rule of a short flag, {"rule": …}.
SHORT_RULE = "rule"


def named(rule: str, quoted: Callable[[str], str] = repr) -> str:
    """`rule 'beta'`; the rule of a short flag has no name that says anything."""
    return "the rule" if rule == SHORT_RULE else f"rule {quoted(rule)}"


class DecisionReason(StrEnum):
    """OpenFeature's reasons, as they stand on the wire. STALE is given where an answer leaves, not where it is made."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    CACHED = "CACHED"
    STALE = "STALE"


class Gate(msgspec.Struct, frozen=True, dict=True):
    """A share of all units that a rule admits: those with a bucket in [since, to).

    salt  the flag's, or the name of the exclusion group"""

    purpose: Literal["rollout", "exposure", "exclusion"]
    salt: str
    since: int
    to: int

    @cached_property
    def bucket_name(self) -> str:
        match self.purpose:
            case "rollout":
                return "bucket"
            case "exposure":
                return "exposure bucket"
            case "exclusion":
                return f"bucket of group {self.salt!r}"

    @cached_property
    def share(self) -> str:
        """`below 20000 of 100000`"""
        start = f"from {self.since} to " if self.since else ""
        return f"{start}below {self.to} of {BUCKETS}"


class Admission(msgspec.Struct, frozen=True):
    """Where a unit falls for one of a rule's gates."""

    gate: Gate
    bucket: int

    @property
    def granted(self) -> bool:
        return self.gate.since <= self.bucket < self.gate.to

    @property
    def text(self) -> str:
        """`exposure bucket 81 is not below 20 of 100000`"""
        gate = self.gate
        share = gate.share if gate.since <= self.bucket < gate.to else f"not {gate.share}"
        return f"{gate.bucket_name} {self.bucket} is {share}"


class _Cause(msgspec.Struct, frozen=True, tag=True):
    pass


class FlagOff(_Cause, frozen=True):
    """The flag is switched off in its document."""

    @property
    def text(self) -> str:
        return "the flag is off"


class Killed(_Cause, frozen=True):
    """The flag is switched off by hand; without `by` the request itself said so."""

    by: str | None = None
    at: Instant = 0
    note: str = ""

    @property
    def text(self) -> str:
        if self.by is None:
            return "killed"
        return f"killed by {self.by} at {iso(self.at)}" + (f": {self.note}" if self.note else "")


class PrerequisiteFailed(_Cause, frozen=True):
    """A flag this one depends on serves another variant than it must."""

    flag: str
    variant: str
    needs: frozenset[str]

    @property
    def text(self) -> str:
        return f"prerequisite {self.flag!r} serves {self.variant!r}, needs {' or '.join(sorted(self.needs))}"


class Overridden(_Cause, frozen=True):
    """The flag names whom it is for: a segment, an identifier, or any identifier of that value."""

    by: Literal["segment", "identifier", "profile"]
    value: str
    kind: str = ""

    @property
    def text(self) -> str:
        if self.by == "segment":
            return f"override: in segment {self.value!r}"
        return f"override: for {self.kind} {self.value!r}" if self.kind else f"override: for {self.value!r}"


class HeldOut(_Cause, frozen=True):
    """A holdout keeps the flag's rules from this unit."""

    flag: str

    @property
    def text(self) -> str:
        return f"held out by {self.flag!r}"


class RuleMatched(_Cause, frozen=True, dict=True):
    """The condition is true, and every gate admits the unit."""

    rule: str
    when: str
    admissions: tuple[Admission, ...] = ()

    @property
    def text(self) -> str:
        if not self.admissions:
            return self._without_admissions
        text = f"{named(self.rule)} matched: {self.when}"
        for admission in self.admissions:
            text = f"{text}; {admission.text}"
        return text

    @cached_property
    def _without_admissions(self) -> str:
        return f"{named(self.rule)} matched: {self.when}"


class RuleFailed(_Cause, frozen=True, dict=True):
    """The condition is false."""

    rule: str
    when: str

    @cached_property
    def text(self) -> str:
        return f"{named(self.rule)} did not match: {self.when}"


class RuleUnknown(_Cause, frozen=True, dict=True):
    """The condition is unknown.

    waiting  the definitions that are not ready yet
    because  the parts that are unknown, such as `profile.plan is unknown`"""

    rule: str
    when: str
    waiting: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        because = f" ({', '.join(self.because)})" if self.because else ""
        waiting = f" ({', '.join(self.waiting)}: BACKFILLING)" if self.waiting else ""
        return f"{named(self.rule)} is unknown: {self.when}{because or waiting}"


class RolloutMiss(_Cause, frozen=True):
    """The condition is true, but a gate does not admit the unit."""

    rule: str
    when: str
    admission: Admission

    @property
    def text(self) -> str:
        return f"{named(self.rule)} matched: {self.when}, but {self.admission.text}"


class UnitMissing(_Cause, frozen=True):
    """The condition is true, but the request names no unit to bucket."""

    rule: str
    when: str

    @property
    def text(self) -> str:
        missing = "there is no one to bucket: name a profile or a targeting key"
        return f"{named(self.rule)} matched: {self.when}, but {missing}"


class SplitTo(_Cause, frozen=True):
    """Where the unit falls in the split of the rule before."""

    bucket: int
    variant: str

    @property
    def text(self) -> str:
        return f"split: bucket {self.bucket} falls to {self.variant!r}"


class NoRuleMatched(_Cause, frozen=True):
    """No rule served."""

    @property
    def text(self) -> str:
        return "no rule matched"


class NoRules(_Cause, frozen=True):
    """The flag has no rules."""

    @property
    def text(self) -> str:
        return "the flag has no rules"


class KeptBySession(_Cause, frozen=True):
    """The session keeps a variant that it was given before."""

    variant: str

    @property
    def text(self) -> str:
        return f"the session holds {self.variant!r}, which it was given before"


class KeptByProfile(_Cause, frozen=True):
    """The profile keeps a variant of a sticky flag, which the rule's present numbers would not give it."""

    variant: str

    @property
    def text(self) -> str:
        return f"the profile keeps {self.variant!r} from an earlier decision"


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
    | KeptBySession
    | KeptByProfile
)
