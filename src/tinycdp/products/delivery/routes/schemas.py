"""What clients and server exchange about destinations."""

from typing import Annotated, Any

import msgspec

from tinycdp.api.http.encoding import Documented
from tinycdp.api.http.params import LAST_ID
from tinycdp.products.delivery.definitions.schemas import DestinationDocument
from tinycdp.products.delivery.happenings import Type
from tinycdp.products.delivery.signing import Algorithm

#: What PUT takes, as a plain object.
Document = Annotated[dict[str, Any], Documented(DestinationDocument)]


class Destination(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A destination. document: as PUT takes it"""

    key: str
    version: int
    name: str
    description: str
    document: Document
    saved_at: str
    saved_by: str
    note: str


class Destinations(msgspec.Struct, frozen=True):
    """By key."""

    destinations: list[Destination]


class DestinationVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version. document: null if the version deleted the destination"""

    version: int
    key: str
    document: Document | None
    saved_at: str
    saved_by: str
    note: str


class DestinationVersions(msgspec.Struct, frozen=True):
    """Newest first."""

    versions: list[DestinationVersion]


class DestinationHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a destination is.

    state          active · paused: by its document, a person, or five days of failing · disabled: it answered 410
    reason         why it is not active
    behind         happenings of the log after its cursor, at most: those that it does not want count too
    lag_seconds    since the oldest of them
    waiting        deliveries that failed or wait behind one of the same person, and records of a batch that failed
    next_at        when the next of them is tried again
    undelivered    deliveries that were given up
    delivered      all that ever arrived
    failed         all attempts that failed
    probe_at       when a receiver that does not answer is tried again; null while it answers
    failing_since  the first failure since the last success
    lapsed_at      when what happened was lost, because no worker ran for longer than the outbox keeps it"""

    key: str
    state: str
    reason: str
    behind: int
    lag_seconds: float
    waiting: int
    next_at: str | None
    undelivered: int
    delivered: int
    failed: int
    probe_at: str | None
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    last_failure: str
    lapsed_at: str | None
    timestamp: str


class DeliveryHealth(msgspec.Struct, frozen=True):
    """How all destinations are, by key."""

    destinations: list[DestinationHealth]


class MadeMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message of the log as it would be sent now. What it says may have changed since it was sent.

    headers  those of the standard; the destination's own are not shown"""

    webhook_id: str
    type: str
    method: str
    url: str
    headers: dict[str, str]
    body: Any


class Delivery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One attempt.

    webhook_id  of the message; null for a test and for a batch
    seq         its number in the log; of a batch that of the last one; null for a test
    type        of what happened; null if that was dropped, for a test and for a batch
    status      of the answer; null without one
    error       why it failed; empty if it did not
    answer      the beginning of what a failed attempt was answered
    records     how many records a batch had; null for a message on its own"""

    id: int
    webhook_id: str | None
    seq: int | None
    type: str | None
    profile_id: str | None
    attempt: int
    at: str
    duration_ms: int
    status: int | None
    error: str
    answer: str
    records: int | None


class Deliveries(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` takes for the following page."""

    deliveries: list[Delivery]
    next: int | None


class Undelivered(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message that was given up. seq: its number in the log. The rest is null if the log dropped what happened"""

    seq: int
    webhook_id: str | None
    type: str | None
    profile_id: str | None
    happened_at: str | None
    attempts: int
    reason: str
    status: int | None
    answer: str
    given_up_at: str


class UndeliveredPage(msgspec.Struct, frozen=True):
    """Oldest first. `next` is what `after` takes for the following page."""

    undelivered: list[Undelivered]
    next: int | None


class PauseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is paused."""

    reason: Annotated[str, msgspec.Meta(max_length=1_000)] = ""


class RedeliveryBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is sent again: exactly one of the three is given.

    after_version  what was committed after this version of a tracking answer; 0 for all that is kept
    since          what was recorded since this instant, in ISO 8601
    undelivered    what was given up: true for all, or numbers"""

    after_version: Annotated[int, msgspec.Meta(ge=0, le=LAST_ID)] | None = None
    since: str | None = None
    undelivered: bool | Annotated[list[int], msgspec.Meta(min_length=1, max_length=1_000)] = False
    dry_run: bool = False


class ReplayedDeliveries(msgspec.Struct, frozen=True, rename="camel"):
    """How many messages are sent again, at most."""

    messages: int
    dry_run: bool


class ShownSecret(msgspec.Struct, frozen=True, rename="camel"):
    """A key that was shown once, and signs. until: when a newer one replaces it; null for the newest"""

    algorithm: Algorithm
    created_at: str
    until: str | None


class Secrets(msgspec.Struct, frozen=True):
    """Oldest first, without their texts."""

    secrets: list[ShownSecret]


class SecretBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How the new key signs: v1 is HMAC-SHA-256 with a shared secret, v1a is Ed25519 with a public key"""

    algorithm: Algorithm = "v1"


class Secret(msgspec.Struct, frozen=True, rename="camel"):
    """A new key: the secret of v1, or the public key of v1a; not shown again. The old one signs until `old_until`."""

    algorithm: Algorithm
    secret: str
    old_until: str | None


class TestBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which message to make. profile: the id of a profile, as answers have it. dry_run: show it, and send nothing"""

    type: Type
    profile: str = ""
    dry_run: bool = False


class Tested(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The message, and what the receiver answered; null for a dry run.

    headers  without the destination's own, which are not shown
    url      a place that a variable fills is open: its value is not shown
    body     null without one"""

    method: str
    url: str
    body: Any
    headers: dict[str, str]
    delivered: bool | None
    status: int | None
    error: str
    answer: str
    duration_ms: int | None
