"""Segment's protocol, as Segment, RudderStack, Jitsu and hand-written calls use it.

Shape   parse_batch  POST /v1/batch, /v1/b, /v1/import, /beacon/v1/batch: {"batch": [...], "sentAt", ...} or a bare list
        parse_single POST /v1/{track,identify,page,screen,group,alias}: one event, or a list of events of that kind
Laws    The `timestamp` of a batch is when rudder-node sent it, and does not apply to its events.
Errors  InvalidInput and TooLarge for a body that cannot be parsed · a Rejection for each invalid event
Source  docs/reference/tracking.md; Segment's HTTP Tracking API
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tinycdp.api.http.bodies import BodyFault, clean, decode, number
from tinycdp.api.ingest.adapters.canonical import (
    LIST,
    NO_ENVELOPE,
    Envelope,
    Exposed,
    One,
    Parsed,
    is_list,
    key,
    read_events,
    read_one_or_many,
    readable_instant,
    warn_first,
)
from tinycdp.api.ingest.adapters.envelope import BatchReading
from tinycdp.api.ingest.adapters.event import SentEvent, absent, read_event
from tinycdp.api.ingest.adapters.placement import place_in_envelope
from tinycdp.api.ingest.adapters.rejection import EventRejected, RejectionCode
from tinycdp.errors import InvalidInput, TinyCDPError
from tinycdp.model import Instant, MessageKind

KINDS: dict[str, MessageKind] = {
    "track": "track",
    "page": "page",
    "screen": "screen",
    "identify": "identify",
    "group": "group",
    "alias": "alias",
}


def parse_batch(body: bytes, received_at: Instant) -> Parsed:
    """The events of a batch, with the kinds of their `type`."""
    body = clean(body)
    if is_list(body):
        return read_events(decode(LIST, body), _read_any, "$", NO_ENVELOPE, received_at)
    batch, rest = _BATCH.read(body)
    if batch.batch is None:
        raise InvalidInput(BodyFault.INVALID_BODY, "$.batch must be a list of events.", path="$.batch")
    extra, warnings = place_in_envelope(rest)
    # Invalid fields beside the batch are ignored: an error would lose all its events.
    envelope = Envelope(
        sent_at=readable_instant(batch.sent_at),
        context={**extra, **batch.context} if isinstance(batch.context, dict) else extra,
        integrations=batch.integrations if isinstance(batch.integrations, dict) else {},
    )
    return warn_first(read_events(batch.batch, _read_any, "$.batch", envelope, received_at), warnings)


def parse_single(kind: MessageKind, body: bytes, received_at: Instant) -> Parsed:
    """One event, or a list of events, of the kind in the path."""
    return read_one_or_many(body, lambda raw: (kind, *read_event(raw)), received_at)


def write_key_of(body: bytes) -> str | None:
    """The `writeKey` in the body; None if absent or unreadable."""
    try:
        return key(decode(_KEYED, clean(body)).write_key)
    except TinyCDPError:
        return None


def _read_any(raw: bytes) -> One | Exposed:
    """An event with the kind of its `type`, or an exposure. Raises EventRejected."""
    event, rest = read_event(raw)
    if event.type == "exposure":
        event.event = "$exposure"
        return Exposed(event)
    return _typed(event, rest)


def read_typed(raw: bytes) -> One:
    """An event with the kind of its `type`. Raises EventRejected."""
    return _typed(*read_event(raw))


def _typed(event: SentEvent, rest: Mapping[str, Any]) -> One:
    name = event.type
    if absent(name):
        # In the short form the kind follows from the fields.
        if event.event is not None:
            return "track", event, rest
        if event.traits is not None:
            return ("identify" if absent(event.group_id) else "group"), event, rest
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise EventRejected(RejectionCode.UNKNOWN_TYPE, ".type", f"type must be one of {', '.join(KINDS)}.")
    return kind, event, rest


class _Batch(msgspec.Struct, rename="camel"):
    """A batch. timestamp, bookkeeping, write_key  the client's own; they are not stored."""

    batch: list[msgspec.Raw] | None = None
    sent_at: Any = None
    context: Any = None
    integrations: Any = None
    timestamp: Any = None
    bookkeeping: Any = msgspec.field(default=None, name="_metadata")
    write_key: Any = None


class _Keyed(msgspec.Struct, rename="camel"):
    write_key: Any = None


_BATCH = BatchReading(_Batch)
_KEYED = msgspec.json.Decoder(_Keyed, float_hook=number)
