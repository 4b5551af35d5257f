"""The values that all layers share, as frozen types.

Shape   Message (a client's message in canonical form) · kinds of Alias and their strength
Units   instants are integer milliseconds UTC; names ending in `_ms` are durations in milliseconds
Laws    a Message does not depend on the vendor whose payload it came from; only api/ingest knows vendors
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

Instant = int

# A value of the language at run time. None means unknown. Datetimes and durations are integer milliseconds,
# versions are comparable tuples; the static type tells which.
Value = bool | int | Decimal | str | tuple[Any, ...] | None

#: An instant later than any clock, for "no change is due".
NEVER: Instant = 2**62

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

MessageKind = Literal["track", "page", "screen", "identify", "group", "alias"]


class IdentifierKind(StrEnum):
    """The kinds of identifier, strongest first.

    A message belongs to the strongest one it carries."""

    USER = "userId"
    EXTERNAL = "externalId"
    ANONYMOUS = "anonymousId"
    DEVICE = "deviceId"


#: Lower is stronger. Kinds invented by clients rank below all of these.
STRENGTH: dict[str, int] = {kind: rank for rank, kind in enumerate(IdentifierKind)}


#: In a query: an identifier of any kind, the strongest first. No message has this kind.
ANY_KIND = "*"


class Identifier(msgspec.Struct, frozen=True, order=True):
    """One identifier of one kind, as sent by a client."""

    kind: str
    value: str


class Warned(msgspec.Struct, frozen=True):
    """A mismatch between an event and its tracking plan.

    `path` is a JSONPath into the event; `message` never contains the value."""

    code: str
    path: str
    message: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted tracking call.

    identifiers      strongest kind first, at least one
    occurred_at  when it happened by the server's clock: corrected for skew, never after received_at
    name         the event's name; "page" and "screen" for those calls; "" for identify, group and alias
    properties   of the event; the traits for identify and group
    previous     alias calls only: the identifier that belongs to the same profile as identifiers[0]
    ignored      identifiers that were sent with it but are known to identify no profile
    active       False if context.active is false: such a message does not move last_seen
    future       True if the client's instant was after received_at, and was set to it
    warnings     mismatches with the tracking plan
    """

    kind: MessageKind
    message_id: str
    identifiers: tuple[Identifier, ...]
    occurred_at: Instant
    received_at: Instant
    original_at: Instant | None = None
    sent_at: Instant | None = None
    name: str = ""
    properties: dict[str, Any] = {}
    context: dict[str, Any] = {}
    previous: str | None = None
    group_id: str | None = None
    ignored: tuple[Identifier, ...] = ()
    active: bool = True
    future: bool = False
    warnings: tuple[Warned, ...] = ()


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One rejected message, kept so that its owner can see the reason.

    `path` is a JSONPath into the body. `message_id` is "" if it could not be read."""

    code: str
    message: str
    path: str
    payload: bytes
    message_id: str = ""
