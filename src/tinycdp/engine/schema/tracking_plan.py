"""The tracking plan: the properties each event should have, and how names should be written.

Shape   TrackingPlan(entries, naming).check(message) -> (message, rejected): the message with declared types converted
        and with warnings, and the warning that rejects it, if any
Laws    checking twice changes nothing more. A property that is not in the plan passes unchanged. Without a plan each
        message is returned as it is, the same object.
        Only an entry with `enforce: reject` or `status: blocked` rejects anything; all others warn
Units   a property's name is a path, nested ones joined by dots; traits of identify and group calls are those of the
        events "$identify" and "$group"
Source  docs/reference/registry.md; dsl/SPEC.md "Types": conversion happens once, on arrival, by a declared type
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import msgspec

from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.engine.schema.event_names import Renaming, Style, is_written, version_of
from tinycdp.model import Message, Warned

MOST_WARNINGS = 20
MOST_PROPERTIES = 200
#: The event name in the plan for traits of calls that have no event name.
TRAITS_OF = {"identify": "$identify", "group": "$group"}

Declared = Literal["string", "number", "integer", "boolean", "datetime", "list", "object"]

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,18})(?:\.\d{1,9})?", re.ASCII)
_WORDS = {"true": True, "false": False}
_OF_LANGUAGE = {
    "string": Type.STRING,
    "number": Type.NUMBER,
    "integer": Type.NUMBER,
    "boolean": Type.BOOL,
    "datetime": Type.DATETIME,
    "list": Type.LIST,
}
_MISSING = object()


class PlannedProperty(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What one property should be.

    values            the only values it may have
    minimum, maximum  of a number, inclusive
    max_length        of a text in characters, of a list in items
    revenue           its numbers are what the profile paid: they add up to its lifetime revenue"""

    type: Declared | None = None
    required: bool = False
    description: str = ""
    values: list[Any] | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    max_length: int | None = None
    revenue: bool = False


class PlannedEvent(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What one event should be.

    status      blocked: the event is rejected; deprecated: it is accepted with a warning
    enforce     what happens to an event that violates the plan
    additional  whether it may have properties that are not in the plan
    visible     whether editors suggest it"""

    description: str = ""
    owner: str = ""
    status: Literal["active", "experimental", "deprecated", "blocked"] = "active"
    enforce: Literal["warn", "reject"] = "warn"
    additional: bool = True
    visible: bool = True
    properties: dict[str, PlannedProperty] = {}


EventName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Naming(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How names should be written.

    unplanned  whether events that are not in the plan get a warning
    rewrite    whether the names of events are brought to the style of `events` on arrival
    aliases    events that are stored under another name, such as misspelt ones"""

    events: Style = "any"
    properties: Style = "any"
    unplanned: bool = False
    rewrite: bool = False
    aliases: Annotated[dict[EventName, EventName], msgspec.Meta(max_length=1_000)] = {}

    def __post_init__(self) -> None:
        if self.rewrite and self.events == "any":
            raise ValueError("`rewrite` needs a style in `events`")
        self.renaming()

    def renaming(self) -> Renaming | None:
        """What becomes of the names of events; None if they stay as they are."""
        if not self.rewrite and not self.aliases:
            return None
        return Renaming(self.events if self.rewrite else "any", self.aliases)


class TrackingPlan:
    """An environment's plan, ready to check messages."""

    def __init__(self, entries: Mapping[str, PlannedEvent], naming: Naming) -> None:
        self.entries = entries
        self.naming = naming
        self._rules = {name: _Rules(entry) for name, entry in entries.items()}
        self._names_matter = naming.events != "any" or naming.properties != "any" or naming.unplanned
        self.is_empty = not entries and not self._names_matter

    def revenue(self) -> list[tuple[str, str]]:
        """(event, path) of each property that is revenue."""
        return [(e, path) for e, entry in self.entries.items() for path, one in entry.properties.items() if one.revenue]

    def check(self, message: Message) -> tuple[Message, Warned | None]:
        """The message after applying the plan, and the warning that rejects it.

        Returns None if it is accepted."""
        name = event_of(message)
        if name is None:
            return message, None
        rules = self._rules.get(name)
        if rules is None and not self._names_matter:
            return message, None
        warnings: list[Warned] = []
        properties, rejected = message.properties, None
        if rules is not None:
            if rules.entry.status == "blocked":
                return message, Warned("EVENT_BLOCKED", "$.event", f"The tracking plan blocks {name!r}.")
            if rules.entry.status == "deprecated":
                warnings.append(Warned("DEPRECATED_EVENT", "$.event", f"{name!r} is deprecated."))
            root = "$.properties" if message.name else "$.traits"
            properties, broken = rules.check(properties, root)
            rejected = next((w for w in broken if w.code != "CONVERTED"), None) if rules.rejects else None
            warnings += broken
        warnings += self._names(message, name, rules is not None)
        if not warnings:
            return message, None
        return msgspec.structs.replace(with_warnings(message, warnings), properties=properties), rejected

    def _names(self, message: Message, name: str, planned: bool) -> Iterator[Warned]:
        naming = self.naming
        if message.kind == "track":
            if naming.unplanned and not planned:
                yield Warned("UNPLANNED_EVENT", "$.event", f"The tracking plan has no event {name!r}.")
            if naming.events != "any" and not is_written(version_of(name)[0], naming.events):
                yield Warned("NAMING", "$.event", f"{name!r} is not written in {naming.events}.")
        if naming.properties != "any" and message.name:
            for property in message.properties:
                if property[:1] not in {"_", "$"} and not is_written(property, naming.properties):
                    text = f"{property!r} is not written in {naming.properties}."
                    yield Warned("NAMING", f"$.properties.{property}", text)


def renamed(message: Message, renaming: Renaming) -> Message:
    """The message under the name that its event is stored as, with a warning if it was sent with another."""
    if message.kind != "track" or (name := renaming.name_of(message.name)) == message.name:
        return message
    warned = Warned("EVENT_RENAMED", "$.event", f"{message.name!r} was stored as {name!r}.")
    return msgspec.structs.replace(with_warnings(message, [warned]), name=name)


def with_warnings(message: Message, warnings: Iterable[Warned]) -> Message:
    """The message with more warnings, each once, at most MOST_WARNINGS."""
    kept = tuple(dict.fromkeys((*message.warnings, *warnings)))[:MOST_WARNINGS]
    return msgspec.structs.replace(message, warnings=kept)


def event_of(message: Message) -> str | None:
    """The message's event name in the plan and the registry.

    Returns None if it has no properties or traits."""
    return message.name or TRAITS_OF.get(message.kind)


def types_of(entry: PlannedEvent) -> dict[str, Type]:
    """The declared types of an event's properties, as expressions see them.

    Only types that are converted or enforced are reliable; other properties have no type."""
    return {
        name: _OF_LANGUAGE[property.type]
        for name, property in entry.properties.items()
        if property.type is not None and property.type in _OF_LANGUAGE
    }


def impersonal(entry: PlannedEvent, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that the plan declares to be of no person.

    Those are numbers and booleans declared as such, and values that are declared in `values`."""
    found: dict[str, Any] = {}
    for name, rule in entry.properties.items():
        *outer, last = path = tuple(name.split("."))
        value = _get(properties, path)
        if value is _MISSING or not _is_impersonal(rule, value):
            continue
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def _is_impersonal(rule: PlannedProperty, value: Any) -> bool:
    if rule.values is not None:
        return _is_among(rule.values, value)
    match rule.type:
        case "number" | "integer":
            return type(value) in {int, Decimal}
        case "boolean":
            return type(value) is bool
        case _:
            return False


class _Rules:
    def __init__(self, entry: PlannedEvent) -> None:
        self.entry = entry
        self.rejects = entry.enforce == "reject"
        self._properties = [(name, tuple(name.split(".")), rule) for name, rule in entry.properties.items()]
        self._first_names = frozenset(path[0] for _, path, _ in self._properties) | frozenset(entry.properties)

    def check(self, properties: dict[str, Any], root: str) -> tuple[dict[str, Any], list[Warned]]:
        found: list[Warned] = []
        for name, path, rule in self._properties:
            value = _get(properties, path)
            where = f"{root}.{name}"
            if value is _MISSING or value is None:
                if rule.required:
                    found.append(Warned("MISSING_PROPERTY", where, f"{name!r} is required."))
                continue
            if rule.type is not None:
                fitting = convert(value, rule.type)
                if fitting is None:
                    text = f"{name!r} is declared as {rule.type} but was sent as {kind_of(value)}."
                    found.append(Warned("WRONG_TYPE", where, text))
                    continue
                if fitting is not value:
                    text = f"{name!r} was sent as {kind_of(value)} and was stored as {rule.type}."
                    found.append(Warned("CONVERTED", where, text))
                    properties = _put(properties, path, fitting)
                    value = fitting
            if (wrong := _beyond(rule, value)) is not None:
                found.append(Warned("NOT_ALLOWED", where, f"{name!r} {wrong}."))
        if not self.entry.additional:
            # The server itself adds the names that begin with an underscore.
            found += [
                Warned("UNPLANNED_PROPERTY", f"{root}.{name}", f"The tracking plan has no property {name!r} here.")
                for name in properties
                if name not in self._first_names and name[:1] != "_"
            ]
        return properties, found


def convert(value: Any, type_: Declared) -> Any:
    """The value as the declared type.

    It is the value itself if it fits, and None if converting it would need guessing."""
    match type_:
        case "string":
            if type(value) is str:
                return value
            if type(value) is bool:
                return "true" if value else "false"
            return format(value, "f") if type(value) is Decimal else str(value) if type(value) is int else None
        case "number" | "integer":
            if type(value) is str and _NUMBER.fullmatch(value):
                number = int(value) if "." not in value else Decimal(value)
                return number if type_ == "number" else _whole(number)
            if type(value) in {int, Decimal}:
                return value if type_ == "number" else _whole(value)
            return None
        case "boolean":
            return value if type(value) is bool else _WORDS.get(value) if type(value) is str else None
        case "datetime":
            return value if type(value) is str and parse_instant(value) is not None else None
        case "list":
            return value if type(value) is list else None
        case "object":
            return value if type(value) is dict else None


def _whole(value: int | Decimal) -> int | Decimal | None:
    """A number if it is whole, as it came: 2.0 stays 2.0."""
    if isinstance(value, int):
        return value
    try:
        return value if value == value.to_integral_value() else None
    except InvalidOperation:
        return None


def kind_of(value: Any) -> str:
    """The name of a JSON value's type, as in the registry."""
    return KINDS.get(type(value), "object")


KINDS: Mapping[type, str] = {
    str: "string",
    int: "number",
    Decimal: "number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "object",
    type(None): "null",
}


def _beyond(rule: PlannedProperty, value: Any) -> str | None:
    """What is wrong with a value of the right type; None if nothing."""
    if rule.values is not None and not _is_among(rule.values, value):
        return "has a value that is not allowed"
    if type(value) in {int, Decimal}:
        if rule.minimum is not None and value < rule.minimum:
            return f"is below {rule.minimum}"
        if rule.maximum is not None and value > rule.maximum:
            return f"is above {rule.maximum}"
    if rule.max_length is not None and type(value) in {str, list} and len(value) > rule.max_length:
        return f"is longer than {rule.max_length}"
    return None


def _is_among(values: Iterable[Any], value: Any) -> bool:
    return any(kind_of(one) == kind_of(value) and one == value for one in values)


def _get(properties: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = properties
    for name in path:
        if type(found) is not dict or name not in found:
            return _MISSING
        found = found[name]
    return found


def _put(properties: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the properties with this value set.

    A message's properties are never changed in place."""
    first, *rest = path
    return {**properties, first: _put(properties[first], tuple(rest), value) if rest else value}
