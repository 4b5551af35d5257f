"""RadixInsight's POST /collect.

Shape   [{event_id, event_name, timestamp, user{...}, context, properties}]
Errors  as in segment
Source  docs/reference/sdks.md "Other protocols"
"""

from typing import Any

import msgspec

from tinycdp.api.ingest.adapters.canonical import One, Parsed, read_one_or_many
from tinycdp.api.ingest.adapters.event import Reading, SentEvent, absent, mapping
from tinycdp.api.ingest.adapters.rejection import RejectionCode
from tinycdp.model import Instant


def parse_collect(body: bytes, received_at: Instant) -> Parsed:
    """RadixInsight's events. The API key determines the environment; `project_id` is kept in the context."""
    return read_one_or_many(body, _read_collected, received_at, _COLLECTED_PATHS)


class _Collected(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    event_id: Any = None
    event_name: Any = None
    timestamp: Any = None
    user: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    session_id: Any = None
    context: Any = None
    properties: Any = None


_COLLECTED = Reading(_Collected)

_COLLECTED_PATHS = {
    ".userId": ".user.user_id",
    ".anonymousId": ".user.anonymous_id",
    ".messageId": ".event_id",
    ".event": ".event_name",
    ".traits": ".properties",
}


#: Its names for fields of the context.
_CONTEXT = {"user_agent": "userAgent", "time_zone": "timezone", "ip_address": "ip", "session_id": "sessionId"}
_IDENTIFIERS = {"user_id", "anonymous_id", "session_id"}


def _read_collected(raw: bytes) -> One:
    sent, rest = _COLLECTED.read(raw)
    user = mapping(sent.user, ".user", RejectionCode.INVALID_IDENTIFIER)
    context = mapping(sent.context, ".context", RejectionCode.INVALID_CONTEXT)
    context = {_CONTEXT.get(name, name): value for name, value in context.items()}
    # One of its SDKs sends the identifiers in `user`, the other at the root.
    session_id = user.get("session_id", sent.session_id)
    event = SentEvent(
        message_id=sent.event_id,
        user_id=user.get("user_id", sent.user_id),
        anonymous_id=user.get("anonymous_id", sent.anonymous_id),
        timestamp=sent.timestamp,
        context=context if absent(session_id) else {"sessionId": session_id, **context},
    )
    # What else is known of the user: traits of an identify call, and the context of any other.
    known = {name: value for name, value in user.items() if name not in _IDENTIFIERS}
    if sent.event_name != "identify":
        event.event = sent.event_name
        event.properties = sent.properties
        if known:
            event.context = {"user": known, **event.context}
        return "track", event, rest
    # Its identify is an event of that name; its properties are the traits, and may include a new user_id.
    traits = {**known, **mapping(sent.properties, ".properties", RejectionCode.INVALID_PROPERTIES)}
    user_id = traits.pop("user_id", None)
    event.traits = traits
    if absent(event.user_id):
        event.user_id = user_id
    return "identify", event, rest
