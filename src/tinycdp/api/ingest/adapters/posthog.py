"""PostHog's protocol, as its browser, server and mobile SDKs and hand-written calls use it.

Shape   parse_capture  /batch, /e, /i/v0/e, /capture: {"batch": [...], "sent_at"}, one event, or a bare list of events
        parse_question /flags and the older /decide: the ids and properties of a request for flags
        key_in         the project key, which PostHog sends in the body
Laws    An event becomes one message, and with `$set` a second one: both are stored, or neither.
        An id is anonymous if the SDK says that no user has signed in; else it is a user id. The previous anonymous id
        of `$identify` is claimed, not joined, so two users of one browser remain two profiles.
Errors  as in segment
Source  docs/reference/sdks.md "PostHog"; docs/decisions/0020-foreign-protocols.md
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.api.http.bodies import clean, decode, number
from tinycdp.api.ingest.adapters.canonical import (
    LIST,
    Envelope,
    Parsed,
    Read,
    identifier,
    is_list,
    key,
    read_events,
    read_one_or_many,
    readable_instant,
    warn_first,
)
from tinycdp.api.ingest.adapters.envelope import BatchReading
from tinycdp.api.ingest.adapters.event import NO_FIELDS, Reading, SentEvent, absent, mapping
from tinycdp.api.ingest.adapters.placement import place_in_envelope
from tinycdp.api.ingest.adapters.rejection import EventRejected, RejectionCode
from tinycdp.errors import TinyCDPError
from tinycdp.model import Instant, MessageKind


def parse_capture(body: bytes, received_at: Instant, sent_at: Instant | None = None) -> Parsed:
    """The events of a request. `sent_at`: from the URL, used if the body has none."""

    def read(raw: bytes) -> Read:
        return _read(raw, received_at)

    body = clean(body)
    if is_list(body):
        return read_one_or_many(body, read, received_at, _PATHS, Envelope(sent_at=sent_at))
    sent, rest = _BODY.read(body)
    own_sent_at = readable_instant(sent.sent_at)
    envelope = Envelope(sent_at=sent_at if own_sent_at is None else own_sent_at)
    if sent.batch is None:
        return read_one_or_many(body, read, received_at, _PATHS, envelope)
    extra, warnings = place_in_envelope(rest)
    parsed = read_events(
        sent.batch, read, "$.batch", msgspec.structs.replace(envelope, context=extra), received_at, paths=_PATHS
    )
    return warn_first(parsed, warnings)


def key_in(body: bytes) -> str | None:
    """The project key of the body, else of its first event; None if absent or unreadable."""
    try:
        body = clean(body)
        if is_list(body):
            raws = decode(LIST, body)
            body = bytes(raws[0]) if raws else b"{}"
        sent = decode(_KEYED, body)
        if sent.batch and not (sent.api_key or sent.token or sent.own_token):
            sent = decode(_KEYED, bytes(sent.batch[0]))
    except TinyCDPError:
        return None
    places = (sent.api_key, sent.token, sent.own_token, _object(sent.properties).get("token"))
    return next(filter(None, map(key, places)), None)


class FlagsQuestion(msgspec.Struct):
    """A request for flags.

    Rules read person_properties, groups and group_properties as `context.…`."""

    distinct_id: Any = None
    anon_distinct_id: Any = None
    person_properties: Any = None
    groups: Any = None
    group_properties: Any = None
    flag_keys: Any = None
    disable_flags: Any = None
    session_id: Any = None

    def context(self) -> Mapping[str, Any]:
        """The context for rules: person properties, groups and group properties."""
        own, groups, of_groups = _object(self.person_properties), _object(self.groups), _object(self.group_properties)
        return {**own, "groups": groups, "groupProperties": of_groups} if groups or of_groups else own

    def wanted(self) -> frozenset[str] | None:
        """The requested flags; None for all."""
        asked = [] if self.disable_flags is True else self.flag_keys
        return frozenset(name for name in asked if type(name) is str) if type(asked) is list else None

    def session(self) -> str | None:
        """The session, for which flags with `stickyFor` keep their variants; None if absent."""
        return key(self.session_id or _object(self.person_properties).get("$session_id"))


def parse_question(body: bytes) -> FlagsQuestion:
    """The request in a body; an empty body asks for all flags."""
    fields = decode(_OBJECT, clean(body)) if body.strip() else {}
    return FlagsQuestion(**{_ASKED[name]: value for name, value in fields.items() if name in _ASKED})


class _Body(msgspec.Struct):
    """A batch. The keys and historical_migration are the client's own; they are not stored."""

    batch: list[msgspec.Raw] | None = None
    sent_at: Any = None
    api_key: Any = None
    token: Any = None
    own_token: Any = msgspec.field(default=None, name="$token")
    historical_migration: Any = None


class _Keyed(msgspec.Struct):
    api_key: Any = None
    token: Any = None
    own_token: Any = msgspec.field(default=None, name="$token")
    properties: Any = None
    batch: list[msgspec.Raw] | None = None


class _Sent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An event as it is sent. options, type and the keys are the client's own; they are not stored.

    posthog-rs sends `$distinct_id`. Older SDKs send messageId or message_id instead of uuid. Newer ones send session_id
    and window_id outside the properties."""

    event: Any = None
    distinct_id: Any = None
    own_distinct_id: Any = msgspec.field(default=None, name="$distinct_id")
    uuid: Any = None
    properties: Any = None
    timestamp: Any = None
    offset: Any = None
    set: Any = msgspec.field(default=None, name="$set")
    session_id: Any = None
    window_id: Any = None
    message_id: Any = None
    ruby_message_id: Any = msgspec.field(default=None, name="messageId")
    set_once: Any = msgspec.field(default=None, name="$set_once")
    type: Any = None
    options: Any = None
    api_key: Any = None
    token: Any = None
    own_token: Any = msgspec.field(default=None, name="$token")


_BODY = BatchReading(_Body)
_KEYED = msgspec.json.Decoder(_Keyed, float_hook=number)
_SENT = Reading(_Sent)
_OBJECT = msgspec.json.Decoder(dict[str, Any], float_hook=number)

#: The names of the fields of a FlagsQuestion. `properties` without a dollar belongs to the request, not to the user.
_ASKED = {
    **{name: name for name in FlagsQuestion.__struct_fields__},
    **{f"${name}": name for name in FlagsQuestion.__struct_fields__},
    "$properties": "person_properties",
    "flag_keys_to_evaluate": "flag_keys",
}

_PATHS = {
    ".userId": ".distinct_id",
    ".anonymousId": ".distinct_id",
    ".messageId": ".uuid",
    ".previousId": ".properties.alias",
    ".groupId": ".properties['$group_key']",
    ".traits": "['$set']",
}

#: The id that pages without cookies send for every visitor. It is ignored: it would merge all of them.
_COOKIELESS = "$posthog_cookieless"

_VIEWS: dict[str, MessageKind] = {"$pageview": "page", "$screen": "screen"}

# Stored elsewhere in the message, or a secret. An IP address goes to the context, where policies apply to it.
_NOT_PROPERTIES = frozenset({"token", "distinct_id", "$set", "$ip"})

#: Events that become calls without properties, which keep those of the client in their context.
_WITHOUT_PROPERTIES = frozenset({"$identify", "$set", "$create_alias", "$merge_dangerously", "$groupidentify"})

# PostHog's names for the fields of a context and of a page.
_CONTEXT = {
    "$ip": "ip",
    "$raw_user_agent": "userAgent",
    "$user_agent": "userAgent",
    "$browser_language": "locale",
    "$locale": "locale",
    "$timezone": "timezone",
}
_PAGE = {"$current_url": "url", "$pathname": "path", "$referrer": "referrer", "title": "title", "$title": "title"}


def _read(raw: bytes, received_at: Instant) -> Read:
    sent, rest = _SENT.read(raw)
    properties = mapping(sent.properties, ".properties", RejectionCode.INVALID_PROPERTIES)
    for name, value in (("$session_id", sent.session_id), ("$window_id", sent.window_id), ("$set_once", sent.set_once)):
        if not absent(value):
            properties = {name: value, **properties}
    event = SentEvent(
        message_id=_first(sent.uuid, properties.get("$insert_id"), sent.message_id, sent.ruby_message_id),
        timestamp=sent.timestamp,
        context=_context(properties),
    )
    if absent(sent.timestamp) and type(sent.offset) in {int, Decimal}:
        # Older browser SDKs send the age of an event in milliseconds.
        event.timestamp, event.sent_at = received_at - int(sent.offset), received_at
    distinct_id = _first(sent.distinct_id, sent.own_distinct_id, properties.get("distinct_id"))
    if distinct_id == _COOKIELESS:
        distinct_id = None
    if type(sent.event) is str and sent.event in _WITHOUT_PROPERTIES:
        event.context = _with_properties(event.context, properties)
    match sent.event:
        case "$create_alias" | "$merge_dangerously":
            event.context.get("properties", {}).pop("alias", None)
            return _identifier(event, distinct_id, properties, rest)
        case "$groupidentify":
            return _group(event, distinct_id, properties, rest)
    traits = {**_object(properties.get("$set")), **mapping(sent.set, "['$set']", RejectionCode.INVALID_PROPERTIES)}
    if sent.event == "$identify" or _is_known(distinct_id, properties):
        event.user_id = distinct_id
    else:
        event.anonymous_id = distinct_id
    if sent.event in ("$identify", "$set"):
        if sent.event == "$identify" and properties.get("$anon_distinct_id") != distinct_id:
            event.anonymous_id = properties.get("$anon_distinct_id")
        event.traits = traits
        return "identify", event, rest
    event.properties = {name: value for name, value in properties.items() if name not in _NOT_PROPERTIES}
    kind: MessageKind = _VIEWS.get(sent.event, "track") if type(sent.event) is str else "track"
    if kind == "track":
        event.event = sent.event
    else:
        event.name = properties.get("$screen_name")
        event.properties |= event.context.get("page", {})
    if not traits:
        return kind, event, rest
    # A message id derived from that of the event, so a retry counts neither message twice.
    own = SentEvent(
        message_id=None if absent(event.message_id) else f"{event.message_id}$set",
        user_id=event.user_id,
        anonymous_id=event.anonymous_id,
        timestamp=event.timestamp,
        sent_at=event.sent_at,
        context=event.context,
        traits=traits,
    )
    return [(kind, event, rest), ("identify", own, NO_FIELDS)]


def _is_known(distinct_id: Any, properties: dict[str, Any]) -> bool:
    """Whether the id is that of a signed-in user.

    Server SDKs do not say, and always send user ids."""
    stated = properties.get("$is_identified")
    if type(stated) is bool:
        return stated
    return absent(distinct_id) or distinct_id != properties.get("$device_id")


def _identifier(event: SentEvent, distinct_id: Any, properties: dict[str, Any], rest: Mapping[str, Any]) -> Read:
    """A join of two ids.

    SDKs disagree which one is the earlier, so either may have been anonymous."""
    if absent(properties.get("alias")):
        raise EventRejected(
            RejectionCode.MISSING_PREVIOUS_ID, ".previousId", "This needs an identifier beside the distinct_id."
        )
    event.user_id = event.anonymous_id = properties["alias"]
    event.previous_id = distinct_id
    return "alias", event, rest


def _group(event: SentEvent, distinct_id: Any, properties: dict[str, Any], rest: Mapping[str, Any]) -> Read:
    """A group's traits.

    The distinct id that server SDKs generate for the group is not that of a user."""
    type_, name = properties.get("$group_type"), properties.get("$group_key")
    event.group_id = _group_id(type_, name)
    if event.group_id is None:
        raise EventRejected(RejectionCode.MISSING_GROUP_ID, ".groupId", "A group needs a key.")
    event.traits = _object(properties.get("$group_set"))
    if absent(distinct_id) or distinct_id in (f"${type_}_{name}", f"{type_}_{name}"):
        event.context = {**event.context, "externalIds": [{"id": event.group_id, "type": "groupId"}]}
    elif _is_known(distinct_id, properties):
        event.user_id = distinct_id
    else:
        event.anonymous_id = distinct_id
    return "group", event, rest


def _group_id(type_: Any, name: Any) -> str | None:
    """A group's id with its type, since company 5 is not project 5."""
    text = identifier(name, ".groupId") if type(name) in {str, int, Decimal} else None
    return text if text is None or absent(type_) else f"{type_}:{text}"


def _context(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if not absent(library := properties.get("$lib")):
        found["library"] = {"name": library, "version": properties.get("$lib_version")}
    for theirs, ours in _CONTEXT.items():
        if not absent(value := properties.get(theirs)):
            found.setdefault(ours, value)
    page = {ours: properties[theirs] for theirs, ours in _PAGE.items() if not absent(properties.get(theirs))}
    if page:
        found["page"] = page
    groups = (_group_id(type_, name) for type_, name in _object(properties.get("$groups")).items())
    if (group_id := next(filter(None, groups), None)) is not None:
        found["groupId"] = group_id
    return found


def _with_properties(context: dict[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The context with the session, and the properties that are not PostHog's own."""
    own = {name: value for name, value in properties.items() if name[:1] != "$" and name not in _NOT_PROPERTIES}
    added = {"sessionId": properties.get("$session_id"), "windowId": properties.get("$window_id"), "properties": own}
    return {**{name: value for name, value in added.items() if value}, **context}


def _first(*values: Any) -> Any:
    """The first value that is not absent."""
    return next((value for value in values if not absent(value)), None)


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}
