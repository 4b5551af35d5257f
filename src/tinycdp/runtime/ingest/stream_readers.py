"""What the readers of live streams want, and what they are sent.

Shape   Filter says which messages; StreamReader is one open stream; sample_of(…) is the event before a sample
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Literal

import msgspec

from tinycdp.engine.catalog import Catalog
from tinycdp.model import Message
from tinycdp.runtime.ingest.group_commit import Committed

_NO_IDENTIFIERS = frozenset({"type", "event", "messageId", "timestamp", "properties", "traits", "context", "groupId"})

Status = Literal["accepted", "warned", "rejected"]
Included = Literal["message", "transition", "revision", "progress"]

_encode = msgspec.json.Encoder().encode


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which messages a reader wants. None matches all.

    identifier  any identifier of the profile
    key_id      the API key that sent the message
    profile_id  the profile that the message belongs to after its commit
    segment     its key: the profile is in it after the commit, or entered or left it by the commit"""

    event: str | None = None
    identifier: str | None = None
    kind: str | None = None
    key_id: int | None = None
    status: Status | None = None
    profile_id: int | None = None
    segment: str | None = None

    def wants(self, status: Status, key_id: int | None) -> bool:
        return self.status in {None, status} and self.key_id in {None, key_id}

    def wants_message(self, message: Message) -> bool:
        return (
            (self.event is None or message.name == self.event)
            and (self.kind is None or message.kind == self.kind)
            and (
                self.identifier is None
                or self.identifier == message.previous
                or any(one.value == self.identifier for one in message.identifiers)
            )
        )

    def wants_payload(self, payload: Any) -> bool:
        """Whether a rejected payload, which may be any JSON, matches. It belongs to no profile."""
        if self.profile_id is not None or self.segment is not None:
            return False
        if type(payload) is not dict:
            return self.event is None and self.kind is None and self.identifier is None
        event = payload.get("event")
        kind = payload.get("type", "track" if event is not None else None)
        return (
            (self.event is None or self.event == (event or kind))
            and self.kind in {None, kind if type(kind) is str else None}
            and (self.identifier is None or self.identifier in _identifiers(payload))
        )

    def owners(self, group: Committed, catalog: Catalog | None) -> Callable[[int], bool]:
        """Whether a message of the group counts, by the profile it belongs to."""
        members = profiles_of(group, catalog, self.segment) if self.segment is not None else None
        return lambda id: self.profile_id in {None, id} and (members is None or id in members)


def profiles_of(group: Committed, catalog: Catalog | None, segment: str) -> set[int]:
    """The profiles of a group that are in the segment, or that the group moved in or out."""
    definition = catalog.live.definitions.get(("segment", segment)) if catalog is not None else None
    if catalog is None or definition is None:
        return set()
    fingerprint = catalog.live.fingerprints["segment", segment]
    inside = {id for id, profile in group.touched.items() if fingerprint in profile.memberships}
    return inside | {t.profile_id for t in group.transitions if t.segment_id == definition.id and not t.is_candidate}


def _identifiers(payload: dict[str, Any]) -> Iterator[str]:
    """Values of a rejected payload that may be identifiers: at its root, and externalIds."""
    yield from (str(value) for name, value in payload.items() if name not in _NO_IDENTIFIERS)
    context = payload.get("context")
    entries = context.get("externalIds") if type(context) is dict else None
    yield from (str(entry.get("id")) for entry in entries or () if type(entry) is dict)


class StreamReader(ABC):
    """One open stream. `send` gets complete events and must not block; `end` is the last call.

    includes   what it shows: messages, transitions, revisions, progress
    published  how many publications its last revision was shown after; None before the first look
    progress   of each backfill and import, as it was shown last; None before the first look"""

    id = ""  # given when it opens

    def __init__(
        self, environment_id: int, key_id: int, wanted: Filter, includes: Set[Included] = frozenset({"message"})
    ) -> None:
        self.environment_id = environment_id
        self.key_id = key_id
        self.wanted = wanted
        self.includes = includes
        self.published: int | None = None
        self.progress: Mapping[str, Any] | None = None

    @abstractmethod
    def send(self, text: bytes) -> None: ...

    @abstractmethod
    def end(self, why: bytes) -> None: ...


def sample_of(kind: Included, matched: int, shown: int) -> list[bytes]:
    """The event that says how many messages or transitions the next ones stand for, if not all are shown."""
    if matched <= shown:
        return []
    sample = {"of": kind, "matched": matched, "shown": shown, "factor": round(matched / max(shown, 1), 2)}
    return [b"event: sample\ndata: " + _encode(sample) + b"\n\n"]
