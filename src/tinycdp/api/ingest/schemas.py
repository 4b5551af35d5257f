"""What clients and server exchange about events, and what became of refused ones."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tinycdp.model import Instant, MessageKind


class LoggedRejection(msgspec.Struct, rename="camel"):
    """A message that was not taken. path points into what the client sent; payload is its beginning.

    times  how often it came, retries included; last_received_at: when it came last"""

    id: str
    code: str
    message: str
    path: str
    payload: str
    key: str | None
    received_at: str
    times: int
    last_received_at: str


class Rejections(msgspec.Struct):
    """Newest first."""

    rejections: list[LoggedRejection]
    next: str | None


class HourCount(msgspec.Struct, rename="camel"):
    """messages: different ones. repeats: those that had come before, as retries bring them."""

    hour: str
    key_id: int | None
    key: str | None
    code: str
    messages: int
    repeats: int


class Counts(msgspec.Struct):
    """Newest hour first, at most 10,000 lines."""

    counts: list[HourCount]


# Dead letters


class Letter(msgspec.Struct, rename="camel"):
    """code: UNSTORABLE where the database refused it, INTERNAL for an internal error. event, type and message_id are
    null where the payload cannot be read."""

    id: str
    code: str
    error: str
    type: str | None
    event: str | None
    message_id: str | None
    key: str | None
    attempts: int
    first_failed_at: str
    last_failed_at: str


class WholeLetter(Letter, kw_only=True):
    """payload is the message in the form it would be stored in, as JSON text."""

    payload: str


class Letters(msgspec.Struct, rename="camel"):
    """Newest first."""

    dead_letters: list[Letter]
    next: str | None


class Replayed(msgspec.Struct, rename="camel"):
    """stored: now for the first time. duplicates: had been stored meanwhile. refused: by a rule, and in the log of
    rejections. failed: are letters still. next: replay on from here, null where these were the last."""

    stored: int
    duplicates: int
    refused: int
    failed: int
    next: str | None


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ids: these letters, at most 1,000. code: all with this code. after: as `next` of the answer before."""

    ids: list[str] | None = None
    code: str | None = None
    after: str = "0"


class Discarded(msgspec.Struct):
    discarded: int


# Tracking


class EventBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """One event, or send a list of them. At least one of the four identifiers; the rest by the kind of call.

    event        of a track call, the event's name
    properties   of a track, page or screen call
    traits       of an identify or group call
    message_id   makes a retry harmless: an id counts once"""

    user_id: str = ""
    anonymous_id: str = ""
    device_id: str = ""
    external_id: str = ""
    event: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    group_id: str = ""
    previous_id: str = ""
    timestamp: str = ""
    sent_at: str = ""
    message_id: str = ""
    context: dict[str, Any] = {}


class BatchEvent(EventBody, kw_only=True):
    """An event that says its kind."""

    type: MessageKind


class BatchBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """Up to 10,000 events; sent_at and context are those of every event that brings none of its own."""

    batch: list[BatchEvent]
    sent_at: str = ""
    context: dict[str, Any] = {}


class RejectedEvent(msgspec.Struct, rename="camel"):
    """One event of a batch that was not taken: `path` points into the request."""

    code: str
    message: str
    path: str


class Accepted(msgspec.Struct, rename="camel", omit_defaults=True):
    """`version`: give it to decide as `minVersion` to be sure that it sees these events.

    sampled        how many were left out because only a share of their event is kept
    dead_lettered  how many could not be stored and are kept aside, to be looked at and tried again
    rejected       the first 20 that were not taken"""

    success: bool
    accepted: int
    duplicates: int
    version: int
    sampled: int = 0
    dead_lettered: int = 0
    rejected: Sequence[RejectedEvent] = ()


class Pulse(msgspec.Struct, rename="camel"):
    """status is "accepted", or "duplicate" where every event was known already."""

    status: Literal["accepted", "duplicate"]
    accepted: int
    duplicates: int


class CollectedUser(msgspec.Struct, frozen=True, omit_defaults=True):
    """RadixInsight's identifiers."""

    user_id: str = ""
    anonymous_id: str = ""
    session_id: str = ""


class CollectedEvent(msgspec.Struct, omit_defaults=True):
    """RadixInsight's event."""

    event_name: str
    event_id: str = ""
    timestamp: str = ""
    user: CollectedUser = CollectedUser()
    context: dict[str, Any] = {}
    properties: dict[str, Any] = {}


# PostHog


class Captured(msgspec.Struct):
    """1 for taken; events that were refused are in the log of rejected events."""

    status: int = 1


class CapturedEvent(msgspec.Struct, omit_defaults=True):
    """PostHog's event. `$set` is what becomes known of the person."""

    event: str
    distinct_id: str
    uuid: str = ""
    timestamp: str = ""
    properties: dict[str, Any] = {}


class Capture(msgspec.Struct, omit_defaults=True):
    """`api_key` is a write key, where no header brings one."""

    batch: list[CapturedEvent]
    api_key: str = ""
    sent_at: str = ""


class FlagsRequest(msgspec.Struct, omit_defaults=True):
    """What rules read of it as `context.…`: person_properties themselves, `groups`, and group_properties as
    `groupProperties`. `api_key` is a key with the scopes to decide, where no header brings one. With a session, flags
    with `hold` keep its variants."""

    distinct_id: str
    api_key: str = ""
    person_properties: dict[str, Any] = {}
    groups: dict[str, str] = {}
    group_properties: dict[str, Any] = {}
    flag_keys_to_evaluate: list[str] = []
    session_id: str = msgspec.field(default="", name="$session_id")


class FlagReason(msgspec.Struct):
    """condition_index is the rule's place in the flag, null where none decided."""

    code: str
    condition_index: int | None
    description: str


class FlagMetadata(msgspec.Struct):
    """id is the place of the rule that decided, from 1 on, and 0 where none did; version is the flag's: the event by
    which a client tells what it has shown brings both back. payload is the value as JSON text, where it is more than on
    or off."""

    id: int
    version: int
    payload: str | None
    description: str | None


class FlagAnswer(msgspec.Struct):
    """variant is null for flags that are simply on or off, and for those that are off."""

    key: str
    enabled: bool
    variant: str | None
    reason: FlagReason
    metadata: FlagMetadata


class FlagAnswers(
    msgspec.Struct,
    rename={"errors": "errorsWhileComputingFlags", "request_id": "requestId", "evaluated_at": "evaluatedAt"},
):
    flags: dict[str, FlagAnswer]
    errors: bool
    request_id: str
    evaluated_at: Instant
