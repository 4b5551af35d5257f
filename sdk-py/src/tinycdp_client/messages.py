"""Messages, encoded when they happen: nothing later can change or break them.

Shape   encode(type, fields…) → the message's JSON; raises Invalid with a code for what no server would take
Laws    a message has an id and an instant from the moment it happened: a repeat of it counts once
        a Decimal is sent with every digit; an instant as ISO 8601
Source  docs/reference/tracking.md "Limits"
"""

import dataclasses
import datetime as dt
import enum
import json
import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypedDict

from . import clock

#: The most bytes of one message that the server takes.
LARGEST = 32 * 1024

#: Stands before the digits of a Decimal until they are taken out of their quotes; no message contains it by chance.
_MARK = f"decimal:{uuid.uuid4().hex}:"
_MARKED = re.compile(rf'"{_MARK}([^"]*)"')


class Invalid(Exception):
    """A message that no server would take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MessageOptions(TypedDict, total=False):
    """What every call takes beside its own arguments.

    anonymous_id  a visitor before sign-in
    device_id     a device or an installation
    external_id   the user's key in another system
    email_hash    a hash of the address, as you compute it
    identifiers   further identifiers by kind, such as {"crmId": "4711"}
    context       where it happened, such as {"ip": "…", "groupId": "acme"}
    timestamp     when it happened, default now; one without a zone is local time
    message_id    makes the message count once; an order has the best one there is. Default a random one"""

    anonymous_id: str | None
    device_id: str | None
    external_id: str | None
    email_hash: str | None
    identifiers: Mapping[str, str] | None
    context: Mapping[str, Any] | None
    timestamp: dt.datetime | str | None
    message_id: str | None


#: The options that name a profile, with their names on the wire.
IDENTIFIERS = {
    "anonymous_id": "anonymousId",
    "device_id": "deviceId",
    "external_id": "externalId",
    "email_hash": "emailHash",
}
_NAMING = ("userId", *IDENTIFIERS.values(), "identifiers")


def encode(
    type: str,
    user_id: str | int | None,
    fields: Mapping[str, Any],
    *,
    anonymous_id: str | None = None,
    device_id: str | None = None,
    external_id: str | None = None,
    email_hash: str | None = None,
    identifiers: Mapping[str, str] | None = None,
    context: Mapping[str, Any] | None = None,
    timestamp: dt.datetime | str | None = None,
    message_id: str | None = None,
) -> tuple[str, bytes]:
    """The id of a message, and its JSON."""
    id = str(message_id or uuid.uuid4())
    message: dict[str, Any] = {
        "type": type,
        "messageId": id,
        "timestamp": timestamp if timestamp is not None else clock.now(),
        "userId": user_id,
        "anonymousId": anonymous_id,
        "deviceId": device_id,
        "externalId": external_id,
        "emailHash": email_hash,
        "identifiers": identifiers,
        "context": context,
        **fields,
    }
    message = {name: value for name, value in message.items() if value is not None and value != ""}
    if not any(message.get(name) for name in _NAMING) and not (context or {}).get("externalIds"):
        raise Invalid("MISSING_IDENTIFIER", f"A {type} call names no profile: give user_id or anonymous_id.")
    body = to_json(message)
    if len(body) > LARGEST:
        raise Invalid("EVENT_TOO_LARGE", f"A {type} call has {len(body)} bytes of JSON; at most {LARGEST} are taken.")
    return id, body


def to_json(value: Any) -> bytes:
    """JSON in UTF-8. Raises Invalid for what has no JSON, such as NaN or an object of a class of yours."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        if _MARK in text:
            text = _MARKED.sub(r"\1", text)
        try:
            return text.encode()
        except UnicodeEncodeError:  # halves of surrogate pairs: whole ones are joined, the others are replaced
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid("NOT_JSON", f"A message has a value that JSON cannot hold: {error}.") from None


def _plain(value: Any) -> Any:
    """What JSON says of values that it does not know."""
    if isinstance(value, dt.datetime):
        return clock.iso(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number")
        return f"{_MARK}{value:f}"
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")
