"""Where fields go that a call of their kind does not have, so that none is lost silently.

Shape   is_misplaced(kind, event): a quick test · place(kind, event, rest, context) → (context, warnings); it completes
        the event's properties or traits · place_in_envelope(rest) → (context, warnings)
Laws    every field has one of three outcomes. It goes to the context if it has its place there: `sdk_version`,
        `source`, `userAgent`, `sessionId` … Else it becomes a property of a track, page or screen call, or a trait of
        an identify or group call. Else, or if its place is taken by another value, a warning says that it was not
        stored. What only the transport needs (RECEIPTS) is not stored.
        A warning has names, never values
Source  docs/reference/warnings.md "Fields in other places"
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from tinycdp.api.ingest.adapters.event import SentEvent, absent, plain
from tinycdp.dsl.suggest import nearest
from tinycdp.engine.schema.tracking_plan import MOST_WARNINGS
from tinycdp.model import MessageKind, Warned

UNKNOWN, NOT_STORED, IN_ENVELOPE = "UNKNOWN_FIELD", "FIELD_NOT_STORED", "ENVELOPE_FIELD_NOT_STORED"
_LONGEST_NAME = 60

#: The place in the context of a field, by its plain name.
CONTEXT: Mapping[str, tuple[str, ...]] = {
    "channel": ("channel",),
    "groupid": ("groupId",),
    "ip": ("ip",),
    "library": ("library",),
    "libraryversion": ("library", "version"),
    "locale": ("locale",),
    "platform": ("platform",),
    "projectid": ("projectId",),
    "requestip": ("ip",),
    "rudderid": ("rudderId",),
    "sdk": ("library", "name"),
    "sdkname": ("library", "name"),
    "sdkversion": ("library", "version"),
    "sessionid": ("sessionId",),
    "source": ("source",),
    "timezone": ("timezone",),
    "useragent": ("userAgent",),
}
#: These are in the context only as objects: `page: "/pricing"` is a property.
CONTEXT_OBJECTS = frozenset({"app", "browser", "campaign", "device", "location", "network", "os", "page", "screen"})
#: Fields that say how the event travelled.
RECEIPTS = frozenset({"receivedat"})
#: Fields that may hold a key.
KEYS = frozenset({"apikey", "authorization", "token", "secretkey"})

#: The fields of a call that no other kind of call has.
_CONTENT = ("event", "name", "category", "properties", "props", "traits", "previous_id")
_OWN: Mapping[MessageKind, frozenset[str]] = {
    "track": frozenset({"event", "properties", "props"}),
    "page": frozenset({"name", "category", "properties", "props"}),
    "screen": frozenset({"name", "category", "properties", "props"}),
    "identify": frozenset({"traits"}),
    "group": frozenset({"traits"}),
    "alias": frozenset({"previous_id"}),
}
_TARGET = {"identify": "traits", "group": "traits", "alias": None}
_OBJECTS = ("properties", "traits", "context", "integrations", "identifiers")
_TEXTS = (
    *("userId", "anonymousId", "deviceId", "externalId", "emailHash", "messageId", "groupId", "previousId"),
    *("timestamp", "originalTimestamp", "sentAt", "idempotencyKey"),
)


def is_misplaced(kind: MessageKind, event: SentEvent) -> bool:
    """Whether an event has a field that its kind does not have, or has one under two names."""
    return (
        _TESTS[kind](event)
        or event.channel is not None
        or (event.distinct_id is not None and event.user_id is not None)
        or (event.idempotency_key is not None and event.message_id is not None)
        or (event.type != kind and event.type is not None)
    )


# The tests are written out, because they run for every event.


def _in_track(event: SentEvent) -> bool:
    return (
        event.name is not None
        or event.category is not None
        or event.traits is not None
        or event.group_id is not None
        or event.previous_id is not None
        or (event.props is not None and event.properties is not None)
    )


def _in_view(event: SentEvent) -> bool:
    return (
        event.event is not None
        or event.traits is not None
        or event.group_id is not None
        or event.previous_id is not None
        or (event.props is not None and event.properties is not None)
    )


def _in_identify(event: SentEvent) -> bool:
    return event.group_id is not None or _in_group(event)


def _in_group(event: SentEvent) -> bool:
    return (
        event.properties is not None
        or event.props is not None
        or event.event is not None
        or event.name is not None
        or event.category is not None
        or event.previous_id is not None
    )


def _in_alias(event: SentEvent) -> bool:
    return (
        event.properties is not None
        or event.props is not None
        or event.event is not None
        or event.name is not None
        or event.category is not None
        or event.traits is not None
        or event.group_id is not None
    )


_TESTS: Mapping[MessageKind, Callable[[SentEvent], bool]] = {
    "track": _in_track,
    "page": _in_view,
    "screen": _in_view,
    "identify": _in_identify,
    "group": _in_group,
    "alias": _in_alias,
}


def place(
    kind: MessageKind, event: SentEvent, rest: Mapping[str, Any], context: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Warned, ...]]:
    """Complete the event's properties or traits; the completed context, and warnings of what was not stored."""
    placement = _Placement(kind, event, context)
    for name, value in _misplaced(kind, event):
        placement.add(name, value)
    for name, value in rest.items():
        placement.add(name, value)
    placement.finish()
    return placement.context, tuple(placement.warnings[:MOST_WARNINGS])


def place_in_envelope(rest: Mapping[str, Any]) -> tuple[dict[str, Any], list[Warned]]:
    """The context that fields of a batch beside its events mean for all of them, and warnings of the other fields."""
    context: dict[str, Any] = {}
    warnings = []
    for name, value in rest.items():
        path = _place_in_context(name, value)
        if path is not None and path != ("groupId",):
            _put(context, path, value)
        elif plain(name) not in RECEIPTS:
            text = f"A batch has no field {shown(name)}; it was not stored. Put it into the events."
            warnings.append(Warned(IN_ENVELOPE, path_of(name), text))
    return context, warnings[:MOST_WARNINGS]


def path_of(name: str) -> str:
    """The JSONPath of a field of an event."""
    return f"$.{name}" if name.replace("$", "").replace("_", "").isalnum() else f"$[{name[:_LONGEST_NAME]!r}]"


def shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…")


def _misplaced(kind: MessageKind, event: SentEvent) -> Iterator[tuple[str, Any]]:
    for field in (*_CONTENT, "channel", "group_id"):
        value = getattr(event, field)
        if field not in _OWN[kind] and not absent(value) and not (field == "group_id" and kind == "group"):
            yield _WIRE.get(field, field), value
    if not absent(event.properties) and not absent(event.props) and kind in {"track", "page", "screen"}:
        yield "props", event.props
    for name, one, other in (
        ("distinct_id", event.distinct_id, event.user_id),
        ("idempotencyKey", event.idempotency_key, event.message_id),
    ):
        if not absent(one) and not absent(other) and one != other:
            yield name, one
    if not absent(event.type) and event.type != kind:
        yield "type", event.type


_WIRE = {"group_id": "groupId", "previous_id": "previousId"}


class _Placement:
    """The fields of one event on the way to their places."""

    def __init__(self, kind: MessageKind, event: SentEvent, context: dict[str, Any]) -> None:
        self._kind = kind
        self._event = event
        self._target = _TARGET.get(kind, "properties")
        own = getattr(event, self._target) if self._target is not None else None
        if self._target == "properties" and absent(own):
            own = event.props
        #: What is not an object is rejected later.
        self._own: dict[str, Any] = own if type(own) is dict else {}
        self._is_open = self._target is not None and (type(own) is dict or absent(own) or own == [])
        self._added: dict[str, Any] = {}
        self.context = context
        self.warnings: list[Warned] = []

    def add(self, name: str, value: Any) -> None:
        if name in {"properties", "props"} and type(value) is dict and self._target is not None:
            for inner, found in value.items():
                self._add_property(inner, found, f"$.{name}{path_of(inner)[1:]}")
            return
        key = plain(name)
        if key in KEYS:
            text = f"{shown(name)} may be a key, so it was not stored; send a key in the header Authorization."
            self._warn(NOT_STORED, name, text)
        elif name == "traits" and type(value) is dict:
            self._add_context(name, ("traits",), value)
            text = f"Traits of {self._a_call()} are kept in its context and set nothing; send an identify call."
            self._warn(UNKNOWN, name, text)
        elif (path := _place_in_context(name, value)) is not None:
            self._add_context(name, path, value)
        elif name in {"previousId", "type", "event"} and self._means_another_call(name, value):
            pass
        elif key == "version" and self._target != "properties":
            self._add_context(name, ("version",), value)  # Segment's archives have that of its protocol
        elif key in RECEIPTS:
            pass
        elif self._target is None:
            text = f"{self._a_call().capitalize()} has no field {shown(name)}; it was not stored."
            self._warn(NOT_STORED, name, text)
        else:
            self._add_property(name, value, path_of(name))
            self._hint(name, value)

    def finish(self) -> None:
        if self._added and self._target is not None:
            setattr(self._event, self._target, {**self._added, **self._own})

    def _add_property(self, name: str, value: Any, path: str) -> None:
        known = self._own.get(name, self._added.get(name, _MISSING))
        if known is _MISSING and self._is_open:
            self._added[name] = value
        elif known is not _MISSING and known != value:
            text = f"{shown(name)} is in {self._target} too, with another value; only that one was stored."
            self.warnings.append(Warned(NOT_STORED, path, text))

    def _add_context(self, name: str, path: tuple[str, ...], value: Any) -> None:
        context = dict(self.context)
        if _put(context, path, value):
            self.context = context
        elif _get(self.context, path) != value:
            text = f"context.{'.'.join(path)} has another value than {shown(name)}; only that one was stored."
            self._warn(NOT_STORED, name, text)

    def _means_another_call(self, name: str, value: Any) -> bool:
        """Whether a field belongs to another kind of call; warn of it, except if an SDK just repeats the kind."""
        if name == "event":
            if self._target == "properties":
                return False
            if value != self._kind:
                self._warn(NOT_STORED, name, f"{self._a_call().capitalize()} has no event name; it was not stored.")
            return True
        if name == "previousId":
            text = "previousId joins identifiers only in an alias call; it was not stored."
            self._warn(NOT_STORED, name, text)
            return True
        if type(value) is not str or value not in _OWN:
            return False
        self._warn(NOT_STORED, name, f"The address decides the kind: this was taken as {self._a_call()}.")
        return True

    def _hint(self, name: str, value: Any) -> None:
        meant = _meant(name, type(value) is dict)
        if meant is not None:
            where = "trait" if self._target == "traits" else "property"
            text = f"There is no field {shown(name)}; did you mean {meant!r}? It was stored as a {where}."
            self._warn(UNKNOWN, name, text)

    def _a_call(self) -> str:
        return f"{'an' if self._kind in {'identify', 'alias'} else 'a'} {self._kind} call"

    def _warn(self, code: str, name: str, text: str) -> None:
        self.warnings.append(Warned(code, path_of(name), text))


@lru_cache(1_000)
def _meant(name: str, is_object: bool) -> str | None:
    """The field that a misspelt name may mean: one whose values have the same form."""
    return nearest(name, _OBJECTS if is_object else _TEXTS)


def _place_in_context(name: str, value: Any) -> tuple[str, ...] | None:
    key = plain(name)
    if key in CONTEXT_OBJECTS:
        return (key,) if type(value) is dict else None
    path = CONTEXT.get(key)
    if path == ("library",) and type(value) is str:
        return ("library", "name")
    return path


def _put(context: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Put a value into its place in a context if that is free."""
    name = path[0]
    if len(path) == 1:
        if not absent(context.get(name)):
            return False
        context[name] = value
        return True
    inner = context.get(name)
    if absent(inner):
        inner = {}
    if type(inner) is not dict or not absent(inner.get(path[1])):
        return False
    context[name] = {**inner, path[1]: value}
    return True


def _get(context: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = context
    for name in path:
        found = found.get(name) if type(found) is dict else None
    return found


_MISSING = object()
