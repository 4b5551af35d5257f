"""Decisions: which variant of a flag a profile gets, or the default if no answer comes."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from .local import Answer, Snapshot

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: The last millisecond that a datetime can hold; what changes later does not change.
_LATEST = (dt.datetime.max.replace(tzinfo=dt.UTC) - _EPOCH) // dt.timedelta(milliseconds=1)


class ProfileOptions(TypedDict, total=False):
    """The ways to name a profile beside `user_id`; the first that is given counts."""

    profile_id: str | None
    anonymous_id: str | None
    device_id: str | None
    external_id: str | None
    email_hash: str | None


#: The ways to name a profile, in the order in which they count, with their names on the wire.
PROFILE_FIELDS = {
    "user_id": "userId",
    "profile_id": "profileId",
    "anonymous_id": "anonymousId",
    "device_id": "deviceId",
    "external_id": "externalId",
    "email_hash": "emailHash",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """A flag's answer for one profile.

    allow        for a boolean flag its value; for others whether the variant is not the off variant
    value        the variant's value; your default if there is no answer
    reason       OpenFeature's word, such as TARGETING_MATCH; ERROR if there is no answer
    reasons      a sentence for each step; empty if the flag was evaluated here
    rule         the id of the rule that served, if it is known; of a decision by the server it is in `reasons`
    metadata     of the flag, as OpenFeature gives it; empty if the server decided by its own protocol
    valid_until  the first instant at which the answer may change without a new event; None for never
    error        a code, such as FLAG_NOT_FOUND or UNREACHABLE, if there is no answer"""

    flag: str
    allow: bool
    value: Any
    variant: str | None = None
    reason: str = "ERROR"
    reasons: tuple[str, ...] = ()
    user_id: str | None = None
    profile_id: str | None = None
    revision: int = 0
    version: int = 0
    valid_until: dt.datetime | None = None
    rule: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    error_message: str | None = None


def read_decision(answer: Mapping[str, Any]) -> Decision:
    """A decision as the server sends it."""
    until = answer.get("validUntil")
    return Decision(
        flag=answer["flag"],
        allow=answer["allow"],
        value=answer["value"],
        variant=answer["variant"],
        reason=answer["reason"],
        reasons=tuple(answer.get("reasons") or ()),
        user_id=answer.get("userId"),
        profile_id=answer.get("profileId"),
        revision=answer.get("revision", 0),
        version=answer.get("version", 0),
        valid_until=dt.datetime.fromisoformat(until) if until else None,
    )


def evaluated(flag: str, answer: Mapping[str, Any]) -> Decision:
    """A decision as OFREP sends it."""
    value, metadata = answer.get("value"), answer.get("metadata") or {}
    until = metadata.get("validUntil")
    return Decision(
        flag=flag,
        allow=value is True,
        value=value,
        variant=answer.get("variant"),
        reason=answer.get("reason", "UNKNOWN"),
        reasons=tuple(filter(None, str(metadata.get("reasons") or "").split("; "))),
        revision=metadata.get("revision", 0),
        version=metadata.get("version", 0),
        valid_until=dt.datetime.fromisoformat(until) if until else None,
        rule=metadata.get("rule"),
        metadata=metadata,
    )


def decided_here(flag: str, profile: Mapping[str, str], snapshot: Snapshot, answer: Answer, stale: bool) -> Decision:
    """A decision that was evaluated from a snapshot."""
    until = answer.valid_until
    return Decision(
        flag=flag,
        allow=answer.allow,
        value=answer.value,
        variant=answer.variant,
        reason="STALE" if stale else answer.reason,
        user_id=profile.get("userId"),
        revision=snapshot.revision,
        version=snapshot.version,
        valid_until=None if until is None or until > _LATEST else _EPOCH + dt.timedelta(milliseconds=until),
        rule=answer.rule,
        metadata=answer.metadata,
    )


def no_decision(flag: str, default: Any, code: str, message: str) -> Decision:
    """What the application gets without an answer: its default. Gates stay closed unless the default is true."""
    return Decision(flag, default is True, default, error=code, error_message=message)


def profile_named(user_id: str | int | None, options: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a question that name the profile. Raises TypeError for an option that does not exist."""
    if unknown := options.keys() - PROFILE_FIELDS.keys():
        raise TypeError(f"{', '.join(sorted(unknown))}: a profile is named by {', '.join(PROFILE_FIELDS)}")
    given = {"user_id": user_id} | dict(options)
    named = [(PROFILE_FIELDS[name], str(given[name])) for name in PROFILE_FIELDS if given.get(name) not in (None, "")]
    return dict(named[:1])
