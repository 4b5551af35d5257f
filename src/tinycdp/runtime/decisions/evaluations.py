"""Decisions in the form of the OpenFeature Remote Evaluation Protocol.

Shape   evaluation(catalog, decision) is one flag's entry; evaluate_all(…) → Evaluations: every flag's, as JSON, with
        what is needed to know them again
Laws    equal answers have equal digests, on every process: nothing in them says when they were given
Source  docs/reference/ofrep.md
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.model import NEVER, Instant
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.decisions.snapshots import Snapshot

_encode = msgspec.json.Encoder(decimal_format="number").encode

UNIT_MISSING = "A rule of this flag divides profiles, and the request names none: send `targetingKey` in `context`."


class Evaluated(msgspec.Struct, rename="camel"):
    """metadata is flat: what the flag's own document gives it, and `rule`, the id of the rule that matched. A flag that
    could not be evaluated has errorCode, which is one of OpenFeature's words, and errorDetails instead."""

    key: str
    value: Any = msgspec.UNSET
    variant: str | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    error_details: str | msgspec.UnsetType = msgspec.UNSET


class Evaluations(NamedTuple):
    """flags   a JSON array with an entry for each flag
    digest  of that array
    until   the first instant at which it may change without a new event"""

    flags: bytes
    digest: bytes
    until: Instant

    @property
    def mark(self) -> int:
        """The digest as twelve decimal digits, as in the event ids of a stream."""
        return int.from_bytes(self.digest[:8], "big") % 10**12


def evaluation(catalog: Catalog, decision: Decision) -> Evaluated:
    """One flag's decision as its entry."""
    if decision.unit_missing:
        return Evaluated(decision.flag, error_code="TARGETING_KEY_MISSING", error_details=UNIT_MISSING)
    metadata = dict(metadata_of(catalog, decision.flag))
    if decision.rule is not None:
        metadata["rule"] = decision.rule
    return Evaluated(decision.flag, decision.value, decision.variant, decision.reason, metadata)


def metadata_of(catalog: Catalog, flag: str) -> Mapping[str, Any]:
    """The metadata a flag's document gives it."""
    return catalog.live.flags[flag].flag.metadata


def decide_all(catalog: Catalog, snapshot: Snapshot, now: Instant, context: Mapping[str, Any]) -> list[Decision]:
    """Every flag's decision, by key."""
    return [decide_one(catalog, key, snapshot, now, context) for key in sorted(catalog.live.flags)]


def evaluations(catalog: Catalog, decisions: Sequence[Decision]) -> Evaluations:
    """The entries of these decisions."""
    flags = _encode([evaluation(catalog, decision) for decision in decisions])
    return Evaluations(flags, blake2b(flags, digest_size=16).digest(), _earliest(d.until for d in decisions))


def _earliest(instants: Iterable[Instant]) -> Instant:
    return min(instants, default=NEVER)
