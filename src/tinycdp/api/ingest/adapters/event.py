"""What a client may send as one event, and how its text is read.

Shape   SentEvent: every field that Segment's protocol and our own API have · Reading(struct): a protocol's form of an
        event; its read(text) → (event, rest), where rest has the fields that the form does not have ·
        read_event(text) does it for SentEvent, whose fields may be spelt otherwise: user_id is userId
Laws    null, "" and absent are the same, so rest has neither. An event without unknown fields is decoded once
Errors  EventRejected EVENT_TOO_LARGE, INVALID_EVENT, INVALID_JSON, NUMBER_OUT_OF_RANGE, TOO_DEEP
Source  docs/reference/tracking.md
"""

import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from tinycdp.api.http.bodies import number
from tinycdp.api.ingest.adapters.rejection import EventRejected, RejectionCode

T = TypeVar("T", bound=msgspec.Struct)

EVENT_LIMIT = 32 * 1024
DEPTH_LIMIT = 20

NO_FIELDS: Mapping[str, Any] = {}


class SentEvent(msgspec.Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """An event in Segment's shape, with the short names of our own API.

    bookkeeping, write_key  the client's own; they are not stored"""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    external_id: Any = None
    anonymous_id: Any = None
    device_id: Any = None
    email_hash: Any = None
    distinct_id: Any = msgspec.field(default=None, name="distinct_id")
    identifiers: Any = None
    event: Any = None
    name: Any = None
    category: Any = None
    properties: Any = None
    props: Any = None
    traits: Any = None
    group_id: Any = None
    previous_id: Any = None
    original_timestamp: Any = None
    timestamp: Any = None
    ts: Any = None
    sent_at: Any = None
    context: Any = None
    integrations: Any = None
    idempotency_key: Any = None
    channel: Any = None
    write_key: Any = None
    bookkeeping: Any = msgspec.field(default=None, name="_metadata")


def absent(value: Any) -> bool:
    """Whether a value is null or "", which SDKs send instead of nothing."""
    return value is None or value == ""


def mapping(value: Any, path: str, code: RejectionCode) -> dict[str, Any]:
    """The object; {} if absent. An empty list, which PHP sends for an empty object, is {} too."""
    if type(value) is dict:
        return value
    if absent(value) or value == []:
        return {}
    raise EventRejected(code, path, f"{path[1:]} must be an object.")


class Reading(Generic[T]):
    """Reads the texts of events of one form, with bounded size and depth.

    struct     forbids unknown fields: events that have none, nearly all, cost nothing more
    spellings  the fields that may have names in another style, by their plain names"""

    def __init__(self, struct: type[T], spellings: Mapping[str, str] = NO_FIELDS) -> None:
        self._struct = struct
        self._spellings = spellings
        self._decoder = msgspec.json.Decoder(struct, float_hook=number)
        #: The field of the struct for each name on the wire.
        self.fields = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}

    def read(self, raw: bytes) -> tuple[T, Mapping[str, Any]]:
        """The event, and the fields that its form does not have. Raises EventRejected."""
        if len(raw) > EVENT_LIMIT:
            raise EventRejected(
                RejectionCode.EVENT_TOO_LARGE, "", f"The event has {len(raw)} bytes; the limit is {EVENT_LIMIT}."
            )
        rest = NO_FIELDS
        try:
            event = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            event, rest = self._divided(raw, error)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from None
        # An event has at least as many brackets as levels, so a count, even with those in strings, passes almost all.
        if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT:
            for part in (*msgspec.structs.astuple(event), *rest.values()):
                if _deeper_than(part, DEPTH_LIMIT - 1):
                    raise EventRejected(
                        RejectionCode.TOO_DEEP, "", f"The event is nested deeper than {DEPTH_LIMIT} levels."
                    )
        return event, rest

    def _divided(self, raw: bytes, first: msgspec.ValidationError) -> tuple[T, Mapping[str, Any]]:
        if raw.lstrip()[:1] != b"{":
            raise EventRejected(RejectionCode.INVALID_EVENT, "", "An event is a JSON object.")
        try:
            sent = _OBJECT.decode(raw)
        except msgspec.ValidationError as error:
            wrong = error if "unknown field" in str(first) else first  # the first one names the field
            raise EventRejected(
                RejectionCode.NUMBER_OUT_OF_RANGE, "", f"{wrong}: below 1e29 can be held exactly."
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from None
        known = {field: sent.pop(name) for name, field in self.fields.items() if name in sent}
        event = self._struct(**known)
        rest = {}
        for name, value in sent.items():
            if absent(value):
                continue
            field = self._spellings.get(plain(name))
            if field is None or not (absent(there := getattr(event, field)) or there == value):
                rest[name] = value
            else:
                setattr(event, field, value)
        return event, rest


def _not_json(error: Exception) -> EventRejected:
    return EventRejected(RejectionCode.INVALID_JSON, "", f"The event is not JSON: {error}.")


def _deeper_than(value: Any, room: int) -> bool:
    if type(value) is dict:
        return room == 0 or any(_deeper_than(part, room - 1) for part in value.values())
    if type(value) is list:
        return room == 0 or any(_deeper_than(part, room - 1) for part in value)
    return False


def plain(name: str) -> str:
    """A field's name without the differences between styles of writing: user_id and userId are `userid`."""
    return _SEPARATORS.sub("", name).lower()


_SEPARATORS = re.compile(r"[_\s-]")
_OBJECT = msgspec.json.Decoder(dict[str, Any], float_hook=number)
#: Names of one word are left out, except those that have no other meaning in an event.
_SPELLINGS = {
    plain(field.name): field.name
    for field in msgspec.structs.fields(SentEvent)
    if "_" in field.name or field.name in {"event", "properties", "traits", "context", "timestamp", "identifiers"}
}
EVENT = Reading(SentEvent, _SPELLINGS)
read_event = EVENT.read
