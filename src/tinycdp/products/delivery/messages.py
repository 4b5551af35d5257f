"""What is sent: the body and the headers of a happening.

Shape   MessageFacts: what bodies say of profiles, segments, flags and revisions
        body_of(happening, facts) → bytes, None if the profile was erased · headers_of(…)
        fields_of(…), values_of(…): what a mapping may read
Laws    pure. A body has at most MOST_BYTES: identifiers beyond that are left out, then context and properties of an
        event, and the body says so.
        An absorbed profile is named by its own id, with the identifiers of the profile that it is part of now
Source  docs/reference/webhooks.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tinycdp.model import Instant
from tinycdp.products.delivery import signing
from tinycdp.products.delivery.happenings import EVENT, OF_SEGMENTS, Happening
from tinycdp.times import iso

MOST_BYTES = 20_000
_encode = msgspec.json.Encoder(decimal_format="number").encode
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
class EventFacts:
    """A message as it was stored. kind: track, page, screen, identify, group or alias"""

    kind: str
    name: str
    message_id: str
    received_at: Instant
    properties: Mapping[str, Any]
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What bodies say, as of `read_at` of the event loop's clock.

    environment  its key
    erased       the profiles that were looked for, and are no longer there
    events       by id; those that are no longer there are left out
    values       of the expressions of the destination, by profile
    left_out     numbers of what the destination's conditions leave out
    problem      why the values could not be read, or the conditions not be checked"""

    environment: str
    profiles: Mapping[int, ProfileFacts] = field(default_factory=dict)
    definitions: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    revisions: Mapping[int, RevisionFacts] = field(default_factory=dict)
    read_at: float = 0.0
    erased: frozenset[int] = frozenset()
    events: Mapping[int, EventFacts] = field(default_factory=dict)
    values: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    left_out: frozenset[int] = frozenset()
    problem: str = ""


def is_erased(happening: Happening, facts: MessageFacts) -> bool:
    """Whether it is about a profile that was erased, or a message that is no longer there."""
    return happening.profile_id in facts.erased or (
        happening.type == EVENT and (happening.object_id or 0) not in facts.events
    )


def body_of(happening: Happening, facts: MessageFacts) -> bytes | None:
    """The body, None if what it is about was erased."""
    if is_erased(happening, facts):
        return None
    for most in _FEWER:
        data = _data(happening, facts, most)
        body = _encode({"type": happening.type, "timestamp": iso(happening.at), "data": data})
        if len(body) < MOST_BYTES:
            return body
    for name in ("context", "properties"):  # of an event that is itself too large
        data["event"] = {**data["event"], name: {}, "leftOut": [*data["event"].get("leftOut", ()), name]}
        body = _encode({"type": happening.type, "timestamp": iso(happening.at), "data": data})
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
    if happening.type == EVENT:
        event = facts.events[happening.object_id or 0]
        said = {
            "type": event.kind,
            "name": event.name,
            "messageId": event.message_id,
            "receivedAt": iso(event.received_at),
            "properties": event.properties,
            "context": event.context,
        }
        return data | {"event": said, "profile": _profile(happening.profile_id, facts, most)}
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
    """What a mapping may read of a happening, nested; None if what it is about was erased."""
    if is_erased(happening, facts):
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
