"""PulseBoard's POST /api/events: {event, userId, properties, timestamp, idempotencyKey}.

Errors  as in segment
Source  docs/reference/sdks.md "Other protocols"
"""

from tinycdp.api.ingest.adapters.canonical import EVENT, Parsed, SentEvent, absent, decode_event, read_one_or_many
from tinycdp.model import Instant, MessageKind


def parse_pulse(body: bytes, received_at: Instant) -> Parsed:
    """PulseBoard's events: track calls whose `idempotencyKey` is the message id."""
    return read_one_or_many(body, _read_pulse, received_at)


def _read_pulse(raw: bytes) -> tuple[MessageKind, SentEvent]:
    event = decode_event(EVENT, raw)
    if absent(event.event):
        event.event = event.name
    return "track", event
