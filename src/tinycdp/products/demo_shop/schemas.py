"""Wire structs of the demo shop."""

from typing import Any

import msgspec


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """What the page needs to begin. key: it may write and decide, and read nothing"""

    key: str


class SentEvent(msgspec.Struct, frozen=True, rename="camel"):
    """A message of the visitor that is stored."""

    message_id: str
    type: str
    event: str
    timestamp: str
    properties: dict[str, Any]


class Known(msgspec.Struct, frozen=True, rename="camel"):
    """A trait or a segment of the visitor.

    text     its definition
    value    null if unknown; of a segment whether the visitor is in it
    until    the first instant at which it may change without an event, null for never"""

    key: str
    text: str
    value: Any
    until: str | None


class KnownFlag(msgspec.Struct, frozen=True, rename="camel"):
    """A flag as decided for the visitor.

    because  what became of the last rule that was looked at
    until    as of a trait"""

    key: str
    variant: str | None
    value: Any
    is_off: bool
    reason: str
    because: str
    until: str | None


class Visitor(msgspec.Struct, frozen=True, rename="camel"):
    """What the server knows of a visitor, as of an instant. events: the newest first"""

    as_of: str
    version: int
    revision: int
    properties: dict[str, Any]
    events: list[SentEvent]
    traits: list[Known]
    segments: list[Known]
    flags: list[KnownFlag]
