"""RadixInsight's POST /collect.

Shape   [{event_id, event_name, timestamp, user{...}, context, properties}]
Errors  as in segment
Source  docs/reference/sdks.md "Other protocols"
"""

from typing import Any

import msgspec

from tinycdp.api.http.bodies import number
from tinycdp.api.ingest.adapters.canonical import Parsed, SentEvent, absent, decode_event, mapping, read_one_or_many
from tinycdp.api.ingest.adapters.rejection import RejectionCode
from tinycdp.model import Instant, MessageKind


def parse_collect(body: bytes, received_at: Instant) -> Parsed:
    """RadixInsight's events. The API key determines the environment; `project_id` is ignored."""
    return read_one_or_many(body, _read_collected, received_at, _COLLECTED_PATHS)


class _Collected(msgspec.Struct, gc=False):
    event_id: Any = None
    event_name: Any = None
    timestamp: Any = None
    user: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    session_id: Any = None
    context: Any = None
    properties: Any = None


_COLLECTED = msgspec.json.Decoder(_Collected, float_hook=number)

_COLLECTED_PATHS = {
    ".userId": ".user.user_id",
    ".anonymousId": ".user.anonymous_id",
    ".messageId": ".event_id",
    ".event": ".event_name",
    ".traits": ".properties",
}


def _read_collected(raw: bytes) -> tuple[MessageKind, SentEvent]:
    sent = decode_event(_COLLECTED, raw)
    user = mapping(sent.user, ".user", RejectionCode.INVALID_IDENTIFIER)
    context = mapping(sent.context, ".context", RejectionCode.INVALID_CONTEXT)
    # One of its SDKs sends the identifiers in `user`, the other at the root.
    session_id = user.get("session_id", sent.session_id)
    event = SentEvent(
        message_id=sent.event_id,
        user_id=user.get("user_id", sent.user_id),
        anonymous_id=user.get("anonymous_id", sent.anonymous_id),
        timestamp=sent.timestamp,
        context=context if absent(session_id) else {"sessionId": session_id, **context},
    )
    if sent.event_name != "identify":
        event.event = sent.event_name
        event.properties = sent.properties
        return "track", event
    # Its identify is an event of that name; its properties are the traits, and may include a new user_id.
    traits = dict(mapping(sent.properties, ".properties", RejectionCode.INVALID_PROPERTIES))
    user_id = traits.pop("user_id", None)
    event.traits = traits
    if absent(event.user_id):
        event.user_id = user_id
    return "identify", event
