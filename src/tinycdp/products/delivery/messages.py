"""What is sent: the body and the headers of a happening.

Shape   MessageFacts: what bodies say of profiles, segments, flags and revisions
        body_of(happening, facts) → bytes, None if the profile was erased · headers_of(…)
        fields_of(…), values_of(…): what a mapping may read
Laws    pure. A body has at most MOST_BYTES: identifiers beyond that are left out, and the body says so.
        An absorbed profile is named by its own id, with the identifiers of the profile that it is part of now
Source  docs/reference/webhooks.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tinycdp.model import Instant
from tinycdp.products.delivery import signing
from tinycdp.products.delivery.happenings import OF_SEGMENTS, Happening
from tinycdp.times import iso

MOST_BYTES = 20_000
_FEWER = (100, 20, 5, 0)
#: Identifiers that a mapping may read.
_MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """A profile as it is now. id: of the profile that it is part of"""

    id: int
    identifiers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """Who published a revision, and why."""

    author: str
    note: str


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What bodies say, as of `read_at` of the event loop's clock.

    environment  its key
    erased       the profiles that were looked for, and are no longer there
    values       of the expressions of the destination, by profile
    left_out     numbers of what the destination's conditions leave out
    problem      why the values could not be read, or the conditions not be checked"""

    environment: str
    profiles: Mapping[int, ProfileFacts] = field(default_factory=dict)
    definitions: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    revisions: Mapping[int, RevisionFacts] = field(default_factory=dict)
    read_at: float = 0.0
    erased: frozenset[int] = frozenset()
    values: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()
    problem: str = ""


def body_of(happening: Happening, facts: MessageFacts) -> bytes | None:
    """The body, None if it is about a profile that was erased."""
    if happening.profile_id in facts.erased:
        return None
    for most in _FEWER:
        body = msgspec.json.encode(
            {"type": happening.type, "timestamp": iso(happening.at), "data": _data(happening, facts, most)}
        )
        if len(body) < MOST_BYTES:
            break
    return body


def _data(happening: Happening, facts: MessageFacts, most: int) -> dict[str, Any]:
    data: dict[str, Any] = {"environment": facts.environment}
    key, name = facts.definitions.get(happening.object_id or 0, ("", ""))
    if happening.type == "flag.changed":
        revision = facts.revisions.get(happening.revision or 0, RevisionFacts("", ""))
        return data | {
            "flag": {"key": key, "name": name},
            "change": happening.cause,
            "revision": happening.revision,
            "author": revision.author,
            "note": revision.note,
        }
    data["version"] = happening.position
    data["cause"] = happening.cause
    if happening.type in OF_SEGMENTS:
        return data | {"segment": {"key": key, "name": name}, "profile": _profile(happening.profile_id, facts, most)}
    other = "absorbed" if happening.type == "profile.merged" else "separated"
    data["profile"] = _profile(happening.profile_id, facts, most)
    if happening.other_id in facts.profiles:
        data[other] = {"id": str(happening.other_id)}
        if happening.type == "profile.unmerged":
            data[other] = _profile(happening.other_id, facts, most)
    return data


def _profile(id: int | None, facts: MessageFacts, most: int) -> dict[str, Any]:
    assert id is not None
    profile = facts.profiles[id]
    found: dict[str, Any] = {
        "id": str(id),
        "identifiers": [{"kind": kind, "value": value} for kind, value in profile.identifiers[:most]],
    }
    if profile.id != id:
        found["mergedInto"] = str(profile.id)
    if len(profile.identifiers) > most:
        found["identifiersLeftOut"] = len(profile.identifiers) - most
    return found


def fields_of(id: str, happening: Happening, facts: MessageFacts) -> dict[str, Any] | None:
    """What a mapping may read of a happening, nested; None if the profile was erased."""
    if happening.profile_id in facts.erased:
        return None
    found = {"id": id, "type": happening.type, "timestamp": iso(happening.at), **_data(happening, facts, _MOST_LISTED)}
    if happening.profile_id is not None:
        identifiers = found["profile"]["identifiers"]
        found["identifiers"] = identifiers
        found["identifier"] = {one["kind"]: one["value"] for one in identifiers}  # of a kind the newest
    return found


def values_of(happening: Happening, facts: MessageFacts) -> Mapping[str, Any]:
    """The values of the destination's expressions for a happening's profile."""
    if happening.profile_id is None:
        return {}
    return facts.values.get(facts.profiles[happening.profile_id].id, {})


def id_of(environment_id: int, definition_id: int, seq: int, at: Instant) -> str:
    """The id of a message: the same at every attempt, and in every replay.

    at: when it happened. After a database was restored, a number may be given again, to something else"""
    return f"msg_{environment_id}_{definition_id}_{seq}_{at}"


def headers_of(id: str, now: Instant, body: bytes, keys: Sequence[signing.SigningKey]) -> dict[str, str]:
    """The headers of the standard. now: of the attempt"""
    seconds = now // 1000
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signing.signature(keys, id, seconds, body),
    }
