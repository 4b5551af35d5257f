"""PulseBoard's POST /api/events and /api/analytics/batch.

Shape   {event, userId, sessionId, properties, source, timestamp, idempotencyKey}, or {"events": [...]}, or a list
Errors  as in segment
Source  docs/reference/sdks.md "Other protocols"
"""

from typing import Any

import msgspec

from tinycdp.api.http.bodies import BodyFault, clean, decode
from tinycdp.api.ingest.adapters.canonical import (
    LIST,
    NO_ENVELOPE,
    Envelope,
    One,
    Parsed,
    Reader,
    is_list,
    read_events,
    read_one_or_many,
    readable_instant,
    warn_first,
)
from tinycdp.api.ingest.adapters.envelope import BatchReading
from tinycdp.api.ingest.adapters.event import absent, read_event
from tinycdp.api.ingest.adapters.placement import place_in_envelope
from tinycdp.api.ingest.adapters.segment import KINDS
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant


def parse_pulse(body: bytes, received_at: Instant) -> Parsed:
    """PulseBoard's events: track calls whose `idempotencyKey` is the message id."""
    return read_one_or_many(body, _read_pulse, received_at)


def parse_beacon(body: bytes, received_at: Instant) -> Parsed:
    """A page's events in one body, which a browser sends when the page is left."""
    body = clean(body)
    if is_list(body):
        return read_events(decode(LIST, body), _reader(_Beacon()), "$", NO_ENVELOPE, received_at)
    beacon, rest = _BEACON.read(body)
    root, events = ("$.batch", beacon.batch) if beacon.events is None else ("$.events", beacon.events)
    if events is None:
        raise InvalidInput(BodyFault.INVALID_BODY, "$.events must be a list of events.", path="$.events")
    extra, warnings = place_in_envelope(rest)
    own = beacon.context if isinstance(beacon.context, dict) else {}
    envelope = Envelope(sent_at=readable_instant(beacon.sent_at), context={**extra, **own})
    return warn_first(read_events(events, _reader(beacon), root, envelope, received_at), warnings)


class _Beacon(msgspec.Struct, rename="camel"):
    """Many events. The identifiers count for events that have none. write_key is the client's own."""

    events: list[msgspec.Raw] | None = None
    batch: list[msgspec.Raw] | None = None
    user_id: Any = None
    anonymous_id: Any = None
    device_id: Any = None
    sent_at: Any = None
    context: Any = None
    write_key: Any = None


def _reader(beacon: _Beacon) -> Reader:
    def read(raw: bytes) -> One:
        event, rest = read_event(raw)
        if absent(event.user_id) and absent(event.anonymous_id) and absent(event.device_id):
            event.user_id, event.anonymous_id, event.device_id = beacon.user_id, beacon.anonymous_id, beacon.device_id
        kind = KINDS.get(event.type, "track") if type(event.type) is str else "track"
        if kind == "track" and absent(event.event):
            # An event may have its name as `name`, or as `type`.
            if not absent(event.name):
                event.event, event.name = event.name, None
            elif event.type != kind:
                event.event, event.type = event.type, None
        return kind, event, rest

    return read


def _read_pulse(raw: bytes) -> One:
    event, rest = read_event(raw)
    if absent(event.event):
        event.event, event.name = event.name, None
    return "track", event, rest


_BEACON = BatchReading(_Beacon)
