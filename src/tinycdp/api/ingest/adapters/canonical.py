"""The rules that all protocols share, from a lenient event to a canonical Message.

Shape   SentEvent (what a client may send, every field optional) + rest (fields that its form does not have) + Envelope
        -> to_message -> Message | EventRejected
        read_events runs that over a list and keeps the good ones
Units   instants in milliseconds UTC; sizes in bytes of JSON text
Laws    null, "" and absent are the same. A rejected event does not affect its neighbours.
        Rejections are in the order of the events; paths are JSONPaths into the body as it was sent.
        identifier(identifier(x)) == identifier(x)
        occurred_at <= received_at, and EARLIEST <= occurred_at
Errors  an invalid event becomes a Rejection with a `RejectionCode`, and never raises · TooLarge for too many events
Source  docs/reference/tracking.md
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec

from tinycdp.api.http.bodies import NUMBER_LIMIT, BodyFault, clean, decode
from tinycdp.api.ingest.adapters.event import EVENT_LIMIT, NO_FIELDS, SentEvent, absent, mapping, plain
from tinycdp.api.ingest.adapters.placement import is_misplaced, place
from tinycdp.api.ingest.adapters.rejection import EventRejected, RejectionCode
from tinycdp.engine.schema.tracking_plan import with_warnings
from tinycdp.errors import InvalidInput, TooLarge
from tinycdp.model import STRENGTH, Identifier, IdentifierKind, Instant, Message, MessageKind, Rejection, Warned

EVENTS_LIMIT = 10_000
NAME_LIMIT = 200
KEY_LIMIT = 200
PROPERTIES_LIMIT = 1_000
ID_LIMIT = 256
IDS_LIMIT = 20
MESSAGE_ID_LIMIT = 100

#: 2000-01-01. Zero values of other languages (year 1, 1970) are before it.
EARLIEST: Instant = 946_684_800_000

#: Numbers below this are seconds since 1970, others milliseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
_SECONDS_BELOW = 100_000_000_000

#: What clients send when they have no identifier. As identifiers they would merge unrelated profiles.
BLOCKED = frozenset(
    {
        "", "null", "(null)", "undefined", "none", "nil", "<nil>", "nan", "anonymous", "unknown", "true", "false",
        "-1", "[object object]",
    }
)  # fmt: skip


_NIL_UUID = "00000000-0000-0000-0000-000000000000"


class Envelope(msgspec.Struct, frozen=True):
    """Values of the body that apply to all its events."""

    sent_at: Instant | None = None
    context: dict[str, Any] = {}
    integrations: dict[str, Any] = {}


class SentExposure(msgspec.Struct, frozen=True):
    """An exposure that a client reports, with the JSONPath of where it does.

    message  whom it is of, when it was, and as properties `flag`, `variant` and `rule`; it is never stored"""

    message: Message
    path: str


class Parsed(msgspec.Struct):
    """The content of a body.

    root       the JSONPath of the list of events, or of the event
    single     it was one event, and its rejection is the answer to the request
    exposures  reported among the events, and not stored as such"""

    messages: list[Message]
    rejections: list[Rejection]
    root: str = "$"
    single: bool = False
    exposures: list[SentExposure] = []

    def path_of(self, message_id: str) -> str:
        """The JSONPath of the event that became a message, if each became one; of the first with this id."""
        if self.single:
            return self.root
        index = next(n for n, message in enumerate(self.messages) if message.message_id == message_id)
        paths = [rejection.path for rejection in self.rejections] + [exposure.path for exposure in self.exposures]
        for other in sorted(int(path[len(self.root) + 1 :].partition("]")[0]) for path in paths):
            index += other <= index
        return f"{self.root}[{index}]"


#: An event's kind, its fields, and those that its form does not have.
One = tuple[MessageKind, SentEvent, Mapping[str, Any]]


class Exposed(msgspec.Struct, frozen=True):
    """An event that reports an exposure, read but not yet a message."""

    event: SentEvent


#: A list if one foreign event becomes several messages.
Read = One | list[One]

#: Parses the text of one event; raises EventRejected.
Reader = Callable[[bytes], Read]

#: The same in a batch, which may have exposures, too.
BatchReader = Callable[[bytes], Read | Exposed]

LIST = msgspec.json.Decoder(list[msgspec.Raw])
NO_ENVELOPE = Envelope()
NO_PATHS: Mapping[str, str] = {}


def read_events(
    raws: list[msgspec.Raw],
    read: BatchReader,
    root: str,
    envelope: Envelope,
    received_at: Instant,
    *,
    paths: Mapping[str, str] = NO_PATHS,
) -> Parsed:
    """The messages of raw events, and rejections of the others.

    root   the JSONPath of the list: "$" or "$.batch"
    paths  a protocol's own names for the fields of SentEvent: {".userId": ".user.user_id"}
    """
    if len(raws) > EVENTS_LIMIT:
        raise TooLarge(
            BodyFault.TOO_MANY_EVENTS,
            f"The body has {len(raws)} events; the limit is {EVENTS_LIMIT}.",
            limit=EVENTS_LIMIT,
        )
    parsed = Parsed([], [], root)
    for index, part in enumerate(raws):
        raw = bytes(part)
        try:
            found = read(raw)
            if isinstance(found, Exposed):
                message = to_message("track", found.event, envelope, received_at)
                parsed.exposures.append(SentExposure(message, f"{root}[{index}]"))
            else:
                _add(parsed, found, envelope, received_at)
        except EventRejected as rejected:
            parsed.rejections.append(_rejection(rejected, f"{root}[{index}]", raw, paths))
    return parsed


def read_one_or_many(
    body: bytes,
    read: Reader,
    received_at: Instant,
    paths: Mapping[str, str] = NO_PATHS,
    envelope: Envelope = NO_ENVELOPE,
) -> Parsed:
    """The messages of a body that is one event, or a bare list of events."""
    body = clean(body)
    if is_list(body):
        return read_events(decode(LIST, body), read, "$", envelope, received_at, paths=paths)
    raw = bytes(decode(_ANYTHING, body))
    parsed = Parsed([], [], single=True)
    try:
        _add(parsed, read(raw), envelope, received_at)
    except EventRejected as rejected:
        parsed.rejections.append(_rejection(rejected, "$", raw, paths))
    return parsed


def _add(parsed: Parsed, found: Read, envelope: Envelope, received_at: Instant) -> None:
    if isinstance(found, tuple):
        kind, event, rest = found
        parsed.messages.append(to_message(kind, event, envelope, received_at, rest))
    else:
        # All messages of an event, or none.
        parsed.messages += [to_message(kind, event, envelope, received_at, rest) for kind, event, rest in found]


def warn_first(parsed: Parsed, warnings: Sequence[Warned]) -> Parsed:
    """Add warnings of a whole batch to its first message, which carries them to the live stream and the registry."""
    if parsed.messages and warnings:
        first = parsed.messages[0]
        parsed.messages[0] = with_warnings(msgspec.structs.replace(first, warnings=tuple(warnings)), first.warnings)
    return parsed


def is_list(body: bytes) -> bool:
    """Whether a body is a JSON list."""
    return _OPENS_LIST.match(body) is not None


def key(value: Any) -> str | None:
    """A write key in a body; None if absent."""
    return value if isinstance(value, str) and value else None


def _rejection(rejected: EventRejected, at: str, raw: bytes, paths: Mapping[str, str]) -> Rejection:
    field, bracket, within = rejected.path.partition("[")
    path = at + paths.get(field, field) + bracket + within
    return Rejection(code=rejected.code, message=rejected.message, path=path, payload=raw[:EVENT_LIMIT])


def to_message(
    kind: MessageKind, event: SentEvent, envelope: Envelope, received_at: Instant, rest: Mapping[str, Any] = NO_FIELDS
) -> Message:
    """The event as a canonical message. Raises EventRejected."""
    context = event.context
    if type(context) is not dict:
        context = mapping(context, ".context", RejectionCode.INVALID_CONTEXT)
    if envelope.context:
        context = {**envelope.context, **context}
    if event.channel is not None and "channel" not in context:  # of every event of RudderStack
        context, event.channel = {**context, "channel": event.channel}, None
    others: Sequence[Identifier] = ()
    if event.identifiers is not None or event.email_hash is not None:
        others = _take_identifiers(event)
    warnings: tuple[Warned, ...] = ()
    if rest or is_misplaced(kind, event):
        context, warnings = place(kind, event, rest, context)
    if "user_agent" in context and "userAgent" not in context:
        context = {**context, "userAgent": context["user_agent"]}
    identifiers = _identifiers(event, context, others)
    message_id = _message_id(event)
    name, properties = _content(kind, event, context)
    if event.integrations or envelope.integrations:
        context = _with_integrations(context, event, envelope)

    original_at = _original_at(event)
    # Some clients leave a placeholder in the events of a batch: an unreadable value is ignored.
    sent_at = readable_instant(event.sent_at) if event.sent_at is not None else None
    if sent_at is None:
        sent_at = envelope.sent_at
    if original_at is None:
        occurred_at = received_at
    elif sent_at is None:
        occurred_at = original_at
    else:
        # The client's clock may be wrong by years, but its error is the same for both instants.
        occurred_at = received_at - (sent_at - original_at)
    future = occurred_at > received_at
    if future:
        occurred_at = received_at
    elif occurred_at < EARLIEST:
        raise EventRejected(RejectionCode.TIMESTAMP_OUT_OF_RANGE, ".timestamp", "The event is before the year 2000.")

    if kind == "group":
        group_id = identifier(event.group_id, ".groupId")
        if group_id is None:
            raise EventRejected(RejectionCode.MISSING_GROUP_ID, ".groupId", "A group call needs a groupId.")
    elif (group_id := context.get("groupId")) is not None:
        group_id = identifier(group_id, ".context.groupId")
    message = Message(
        kind=kind,
        message_id=message_id,
        identifiers=identifiers,
        occurred_at=occurred_at,
        received_at=received_at,
        original_at=original_at,
        sent_at=sent_at,
        name=name,
        properties=properties,
        context=context,
        previous=_previous(event, identifiers) if kind == "alias" else None,
        group_id=group_id,
        ignored=_ignored(event, identifiers, context),
        active=context.get("active") is not False,
        future=future,
    )
    # Apart, because nearly no message has any, and a call with one keyword more takes 0.6 µs longer.
    return msgspec.structs.replace(message, warnings=warnings) if warnings else message


def identifier(value: Any, path: str) -> str | None:
    """An identifier as text; None if absent or blocked. Raises EventRejected if it is invalid.

    Text is not trimmed: " u1" is not "u1". Numbers lose a zero fraction: 7.0 is "7", as JavaScript prints it.
    """
    if value is None:
        return None
    if type(value) is not str:
        value = _number_as_text(value, path)
    if len(value) > ID_LIMIT:
        raise EventRejected(RejectionCode.INVALID_IDENTIFIER, path, f"An identifier has at most {ID_LIMIT} characters.")
    return None if _is_blocked(value) else value


def listed_identifier(text: str) -> str | None:
    """A text as an identifier of a list; None for a placeholder that identifies no one."""
    try:
        return identifier(text, "") or None
    except EventRejected as rejected:
        raise InvalidInput(rejected.code, rejected.message) from None


def instant(value: Any, path: str) -> Instant | None:
    """The instant of an ISO 8601 text (UTC by default) or a number since 1970; None if absent."""
    if absent(value):
        return None
    at = readable_instant(value)
    if at is None:
        raise EventRejected(
            RejectionCode.INVALID_TIMESTAMP,
            path,
            "Not an instant: send ISO 8601 such as 2026-01-31T12:00:00.000Z, or seconds or milliseconds since 1970.",
        )
    return at


def readable_instant(value: Any) -> Instant | None:
    """The instant, or None if the value is not one."""
    if type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at = (moment - _EPOCH) // _MILLISECOND
    elif type(value) is int or type(value) is Decimal:
        at = int(value * 1_000 if -_SECONDS_BELOW < value < _SECONDS_BELOW else value)
    else:
        return None
    return at if _FIRST_MS <= at <= _LAST_MS else None


def _is_blocked(value: str) -> bool:
    text = value.strip()
    # The first test finds "0", "0000-0000" and the nil UUID.
    return not text.strip("0-") or text.lower() in BLOCKED


def _take_identifiers(event: SentEvent) -> list[Identifier]:
    """Move `identifiers`, an object of kinds and values, into the event's fields; those of other kinds."""
    given = mapping(event.identifiers, ".identifiers", RejectionCode.INVALID_IDENTIFIER)
    if len(given) > IDS_LIMIT:
        message = f"identifiers has at most {IDS_LIMIT} entries."
        raise EventRejected(RejectionCode.INVALID_IDENTIFIER, ".identifiers", message)
    others = {("emailHash", ".emailHash"): event.email_hash}
    for name, value in given.items():
        field = _FIELD_OF_KIND.get(plain(name))
        if absent(value):
            continue
        if field is None or not absent(getattr(event, field)):
            others[_KIND_OF_NAME.get(plain(name), name), f".identifiers.{name}"] = value
        else:
            setattr(event, field, value)
    found = []
    for (kind, path), value in others.items():
        if not _KIND.fullmatch(kind):
            message = f"{kind[:40]!r} is no kind of identifier: up to 64 of A-Z a-z 0-9 _ . : -, a letter first."
            raise EventRejected(RejectionCode.INVALID_IDENTIFIER, ".identifiers", message)
        text = identifier(value, path)
        if text is not None:
            found.append(Identifier(kind, text))
    return found


def _identifiers(event: SentEvent, context: dict[str, Any], others: Sequence[Identifier]) -> tuple[Identifier, ...]:
    user_id = identifier(event.distinct_id if absent(event.user_id) else event.user_id, ".userId")
    anonymous_id = identifier(event.anonymous_id, ".anonymousId")
    if event.external_id is None and event.device_id is None and not others and "externalIds" not in context:
        # Fast path for the two identifiers that nearly every event has.
        if user_id is not None:
            user = Identifier(_USER, user_id)
            return (user,) if anonymous_id is None else (user, Identifier(_ANONYMOUS, anonymous_id))
        if anonymous_id is not None:
            return (Identifier(_ANONYMOUS, anonymous_id),)

    found = [
        Identifier(kind, value)
        for kind, value in (
            (_USER, user_id),
            (_EXTERNAL, identifier(event.external_id, ".externalId")),
            (_ANONYMOUS, anonymous_id),
            (_DEVICE, identifier(event.device_id, ".deviceId")),
        )
        if value is not None
    ]
    found.extend(others)
    found.extend(_external_ids(context.get("externalIds")))
    if found:
        # The sort is stable: custom kinds keep the order in which they were sent.
        return tuple(sorted(dict.fromkeys(found), key=_strength))
    for path, value in (
        (".userId", event.user_id),
        (".userId", event.distinct_id),
        (".externalId", event.external_id),
        (".anonymousId", event.anonymous_id),
        (".deviceId", event.device_id),
        (".emailHash", event.email_hash),
    ):
        if not absent(value):
            raise EventRejected(
                RejectionCode.BLOCKED_IDENTIFIER,
                path,
                f"{str(value)[:40]!r} is a placeholder, not an identifier; send an id.",
            )
    raise EventRejected(
        RejectionCode.MISSING_IDENTIFIER, "", "Send at least one of userId, externalId, anonymousId and deviceId."
    )


def _ignored(event: SentEvent, identifiers: tuple[Identifier, ...], context: dict[str, Any]) -> tuple[Identifier, ...]:
    """The blocked identifiers of an event that has valid ones too."""
    entries = context.get("externalIds")
    user_id = event.distinct_id if absent(event.user_id) else event.user_id
    sent = (user_id, event.external_id, event.anonymous_id, event.device_id)
    if not entries and len(identifiers) == len(sent) - sent.count(None):
        return ()
    others = ((entry.get("type"), entry.get("id")) for entry in entries or () if entry.get("collection") in _USERS)
    return tuple(
        Identifier(kind, str(value))
        for kind, value in (*zip((_USER, _EXTERNAL, _ANONYMOUS, _DEVICE), sent, strict=True), *others)
        if type(kind) is str and not absent(value) and _is_blocked(str(value))
    )


def _strength(identifier: Identifier) -> int:
    return STRENGTH.get(identifier.kind, len(STRENGTH))


def _external_ids(entries: Any) -> Iterable[Identifier]:
    """The identifiers of users in Segment's context.externalIds.

    It is a list of {id, type, collection, encoding}."""
    if absent(entries):
        return
    path = ".context.externalIds"
    if type(entries) is not list or len(entries) > IDS_LIMIT:
        raise EventRejected(
            RejectionCode.INVALID_IDENTIFIER, path, f"externalIds is a list of at most {IDS_LIMIT} entries."
        )
    for index, entry in enumerate(entries):
        at = f"{path}[{index}]"
        kind = entry.get("type") if type(entry) is dict else None
        if type(kind) is not str or not _KIND.fullmatch(kind):
            raise EventRejected(
                RejectionCode.INVALID_IDENTIFIER,
                at,
                'An entry is {"id", "type"}; a type is up to 64 of A-Z a-z 0-9 _ . : -.',
            )
        if entry.get("collection") not in _USERS:
            continue
        value = identifier(entry.get("id"), at + ".id")
        if value is not None:
            yield Identifier(kind, value)


def _previous(event: SentEvent, identifiers: tuple[Identifier, ...]) -> str | None:
    previous = identifier(event.previous_id, ".previousId")
    if previous is None:
        raise EventRejected(RejectionCode.MISSING_PREVIOUS_ID, ".previousId", "An alias call needs a previousId.")
    # analytics-next turns alias("u2", "u1") after identify("u1") into u1 = u1, which joins nothing.
    return None if previous == identifiers[0].value else previous


def _message_id(event: SentEvent) -> str:
    value = event.idempotency_key if absent(event.message_id) else event.message_id
    if value is None:
        value = ""
    message_id = value if type(value) is str else _number_as_text(value, ".messageId", RejectionCode.INVALID_MESSAGE_ID)
    # "0" is a valid message id, for clients that count; placeholders and the nil UUID are not.
    if message_id.strip().lower() in BLOCKED or message_id == _NIL_UUID:
        # A random id, not a hash of the content: two equal clicks are two clicks, and two events with the id
        # "undefined" are not duplicates.
        return str(uuid4())
    if len(message_id) > MESSAGE_ID_LIMIT:
        raise EventRejected(
            RejectionCode.INVALID_MESSAGE_ID, ".messageId", f"A messageId has at most {MESSAGE_ID_LIMIT} characters."
        )
    return message_id


def _content(kind: MessageKind, event: SentEvent, context: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name and properties of an event; for identify and group, "" and the traits."""
    if kind == "track":
        name = event.event
        if type(name) is not str or not name.strip() or len(name) > NAME_LIMIT:
            raise EventRejected(
                RejectionCode.INVALID_EVENT_NAME,
                ".event",
                f"A track call needs an event name of 1 to {NAME_LIMIT} characters.",
            )
        return name, _properties(event)
    if kind in {"page", "screen"}:
        properties = _properties(event)
        for key, value in (("name", event.name), ("category", event.category)):
            if not absent(value):
                properties = {**properties, key: value}
        return kind, properties
    if kind == "alias":
        return "", {}
    traits = mapping(event.traits, ".traits", RejectionCode.INVALID_PROPERTIES)
    if kind == "identify" and context.get("traits"):
        # The only place where RudderStack sends traits. In other calls they repeat old values, and are ignored.
        own = mapping(context["traits"], ".context.traits", RejectionCode.INVALID_PROPERTIES)
        traits = {**own, **traits}
    _check_properties(traits, ".traits")
    return "", traits


def _properties(event: SentEvent) -> dict[str, Any]:
    value, path = (event.props, ".props") if absent(event.properties) else (event.properties, ".properties")
    properties = mapping(value, path, RejectionCode.INVALID_PROPERTIES)
    _check_properties(properties, path)
    return properties


def _check_properties(properties: dict[str, Any], path: str) -> None:
    """Reject keys and numbers that the language cannot use.

    Other numbers were checked by the decoder."""
    if len(properties) > PROPERTIES_LIMIT:
        raise EventRejected(
            RejectionCode.INVALID_PROPERTIES, path, f"An object has at most {PROPERTIES_LIMIT} properties."
        )
    for name, value in properties.items():
        if len(name) > KEY_LIMIT:
            raise EventRejected(
                RejectionCode.INVALID_PROPERTIES, path, f"The key {name[:40]!r}… is longer than {KEY_LIMIT} characters."
            )
        kind = type(value)
        if kind is int:
            if not -NUMBER_LIMIT < value < NUMBER_LIMIT:
                raise EventRejected(
                    RejectionCode.NUMBER_OUT_OF_RANGE, f"{path}[{name!r}]", "Numbers below 1e29 can be held exactly."
                )
        elif kind is dict:
            _check_properties(value, f"{path}[{name!r}]")
        elif kind is list:
            for index, item in enumerate(value):
                _check_properties({"": item}, f"{path}[{name!r}][{index}]")


def _original_at(event: SentEvent) -> Instant | None:
    if event.original_timestamp is not None:
        at = instant(event.original_timestamp, ".originalTimestamp")
        if at is not None:
            return at
    at = instant(event.timestamp, ".timestamp")
    return instant(event.ts, ".ts") if at is None else at


def _with_integrations(context: dict[str, Any], event: SentEvent, envelope: Envelope) -> dict[str, Any]:
    """The context with the client's choice of integrations, for destinations."""
    own = event.integrations if type(event.integrations) is dict else {}
    merged = {**envelope.integrations, **own}
    return {**context, "integrations": merged} if merged else context


def _number_as_text(value: Any, path: str, code: RejectionCode = RejectionCode.INVALID_IDENTIFIER) -> str:
    if type(value) is int and -NUMBER_LIMIT < value < NUMBER_LIMIT:
        return str(value)
    if type(value) is Decimal:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    raise EventRejected(code, path, f"{path[1:]} must be a string or a number.")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
_OPENS_LIST = re.compile(rb"[ \t\r\n]*\[")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_KIND_OF_NAME = {plain(kind): kind for kind in (*map(str, IdentifierKind), "emailHash")}
_FIELD_OF_KIND = {
    "userid": "user_id",
    "distinctid": "distinct_id",
    "externalid": "external_id",
    "anonymousid": "anonymous_id",
    "deviceid": "device_id",
}
#: The collections of context.externalIds that hold users.
_USERS = (None, "", "users")

# Plain strings: an enum member is slower to hash and to encode.
_USER, _EXTERNAL, _ANONYMOUS, _DEVICE = (
    kind.value
    for kind in (IdentifierKind.USER, IdentifierKind.EXTERNAL, IdentifierKind.ANONYMOUS, IdentifierKind.DEVICE)
)
