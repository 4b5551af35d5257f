"""Wire structs of tracking, rejections, dead letters, and PostHog's endpoints."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tinycdp.model import Instant, MessageKind


class LoggedRejection(msgspec.Struct, rename="camel"):
    """A rejected message.

    path     points into the request
    payload  the beginning of the message as it was sent
    times    how often it was received, retries included; last_received_at: when it was received last"""

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
    """Rejections of one code and key in an hour.

    messages: different ones; repeats: retries of them."""

    hour: str
    key_id: int | None
    key: str | None
    code: str
    messages: int
    repeats: int


class RejectionCounts(msgspec.Struct):
    """Newest hour first, at most 10,000 entries."""

    counts: list[HourCount]


# Dead letters


class Letter(msgspec.Struct, rename="camel"):
    """A dead letter; event, type and message_id are null if the payload cannot be read.

    code  UNSTORABLE if the database rejected the message, INTERNAL for an internal error"""

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
    """A dead letter with its message. payload: the message in its stored form, as JSON text."""

    payload: str


class Letters(msgspec.Struct, rename="camel"):
    """Newest first."""

    dead_letters: list[Letter]
    next: str | None


class Replayed(msgspec.Struct, rename="camel"):
    """The outcome of a replay.

    stored      now, for the first time
    duplicates  stored meanwhile
    rejected     by a rule, and in the log of rejections
    failed      dead letters still
    next        pass it as `after` to continue; null if these were the last"""

    stored: int
    duplicates: int
    rejected: int
    failed: int
    next: str | None


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The letters to replay.

    ids    these letters, at most 1,000
    code   all with this code
    after  `next` of the previous answer"""

    ids: list[str] | None = None
    code: str | None = None
    after: str = "0"


class DiscardBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The letters to delete: those of `ids`, at most 1,000, or all with a `code`.

    dry_run  delete nothing; answer how many it would be"""

    ids: list[str] | None = None
    code: str | None = None
    dry_run: bool = False


class Discarded(msgspec.Struct, rename="camel"):
    """How many letters were deleted, or with `dryRun` would be."""

    discarded: int
    dry_run: bool


# Tracking


class EventBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """One event, with at least one of the four identifiers. A list of events is accepted too.

    event        of a track call, the event's name
    properties   of a track, page or screen call
    traits       of an identify or group call
    message_id   counts once, so a retry is harmless"""

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
    """An event with its kind."""

    type: MessageKind


class BatchBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """Up to 10,000 events. sent_at and context apply to events that have none of their own."""

    batch: list[BatchEvent]
    sent_at: str = ""
    context: dict[str, Any] = {}


class RejectedEvent(msgspec.Struct, rename="camel"):
    """One rejected event of a batch; `path` points into the request."""

    code: str
    message: str
    path: str


class IngestWarning(msgspec.Struct):
    """Something that is probably not meant, although the event is accepted; `path` points into the request."""

    code: str
    path: str
    message: str


class Accepted(msgspec.Struct, rename="camel", omit_defaults=True):
    """The answer to a tracking request.

    version        pass it to decide as `minVersion` to include these events
    sampled        how many were dropped by sampling
    dead_lettered  how many could not be stored and became dead letters
    exposures      how many reported an exposure and are no events
    rejected       the first 20 rejected events
    warnings       the first 20 different warnings, such as of fields that were not stored"""

    success: bool
    accepted: int
    duplicates: int
    version: int
    sampled: int = 0
    dead_lettered: int = 0
    exposures: int = 0
    rejected: Sequence[RejectedEvent] = ()
    warnings: Sequence[IngestWarning] = ()


class Pulse(msgspec.Struct, rename="camel", omit_defaults=True):
    """PulseBoard's answer. status is "accepted", or "duplicate" if all events are duplicates."""

    status: Literal["accepted", "duplicate"]
    accepted: int
    duplicates: int
    warnings: Sequence[IngestWarning] = ()


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
    """PostHog's answer. status is always 1; rejected events are in the log of rejections."""

    status: int = 1


class CapturedEvent(msgspec.Struct, omit_defaults=True):
    """PostHog's event. `$set` in its properties sets traits of the profile."""

    event: str
    distinct_id: str
    uuid: str = ""
    timestamp: str = ""
    properties: dict[str, Any] = {}


class Capture(msgspec.Struct, omit_defaults=True):
    """PostHog's batch. `api_key` is a write key, if no header has one."""

    batch: list[CapturedEvent]
    api_key: str = ""
    sent_at: str = ""


class FlagsRequest(msgspec.Struct, omit_defaults=True):
    """PostHog's request for flags. With a session, flags with `stickyFor` keep its variants.

    api_key            a key with the scope decide, if no header has one
    person_properties  rules read them as `context.…`
    groups             rules read them as `context.groups`
    group_properties   rules read them as `context.groupProperties`"""

    distinct_id: str
    api_key: str = ""
    person_properties: dict[str, Any] = {}
    groups: dict[str, str] = {}
    group_properties: dict[str, Any] = {}
    flag_keys_to_evaluate: list[str] = []
    session_id: str = msgspec.field(default="", name="$session_id")


class FlagReason(msgspec.Struct):
    """Why a flag has its value.

    condition_index: the index of the rule that decided; null if none did."""

    code: str
    condition_index: int | None
    description: str


class FlagMetadata(msgspec.Struct):
    """Metadata of an answer; the event that reports an exposure repeats id and version.

    id       the position of the rule that decided, from 1; 0 if none did
    version  that of the flag
    payload  the value as JSON text, if it is more than on or off"""

    id: int
    version: int
    payload: str | None
    description: str | None


class FlagAnswer(msgspec.Struct):
    """A flag's answer. variant is null for boolean flags, and for flags that are off."""

    key: str
    enabled: bool
    variant: str | None
    reason: FlagReason
    metadata: FlagMetadata


class FlagAnswers(
    msgspec.Struct,
    rename={"errors": "errorsWhileComputingFlags", "request_id": "requestId", "evaluated_at": "evaluatedAt"},
):
    """PostHog's answer about flags."""

    flags: dict[str, FlagAnswer]
    errors: bool
    request_id: str
    evaluated_at: Instant
