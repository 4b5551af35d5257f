"""Validation rules of an environment: UUIDs, required fields, and allowed values.

Shape   Validation(policy).check(messages) → (messages with warnings, those that a rule rejects with the reason)
Laws    rules see a message as it was sent, before enrichment and privacy rules change it. A rule applies only to calls
        that can have its path. A null and an empty text count as absent; only `required` asks for what is absent.
        Warnings and rejections never contain a value
Errors  ValueError for a path that no call has
Source  docs/reference/policies.md "validation"
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from tinycdp.dsl.suggest import edits
from tinycdp.engine.schema.event_names import Renaming
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, kind_of, with_warnings
from tinycdp.model import IdentifierKind, Message, MessageKind, Rejection, Warned
from tinycdp.runtime.policies.rejections import rejection_of

_MOST_RULES = 100
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9_:-]{1,64}", re.ASCII)
_FIELDS = ("messageId", "event", "groupId", "previousId")
_KNOWN = (*_FIELDS, *(kind.value for kind in IdentifierKind))
_OBJECTS = ("properties", "traits", "context")
_WITH_TRAITS = frozenset(TRAITS_OF)
_WITH_PROPERTIES = frozenset(("track", "page", "screen"))
_ALL: frozenset[MessageKind] = frozenset(("track", "page", "screen", "identify", "group", "alias"))

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Action = Literal["warn", "reject"]


class UuidRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An id that has to be a UUID if it is present.

    path  messageId, userId, anonymousId, deviceId, another kind of identifier, or a field of an object"""

    path: Text
    action: Action = "warn"

    def __post_init__(self) -> None:
        _check_path(self.path)


class RequiredRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A field that has to be present.

    calls  the kinds of call; empty for all that can have it
    event  only of this event; null for all"""

    path: Text
    calls: tuple[MessageKind, ...] = ()
    event: Text | None = None
    action: Action = "warn"

    def __post_init__(self) -> None:
        _check_path(self.path, self.calls)


class AllowedRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A field that has to have one of these values if it is present, such as a known project."""

    path: Text
    values: Annotated[tuple[str | int | bool, ...], msgspec.Meta(min_length=1, max_length=1_000)]
    action: Action = "warn"

    def __post_init__(self) -> None:
        _check_path(self.path)


class ValidationPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The validation rules of an environment. All are checked; the first that rejects is the reason."""

    uuids: Annotated[tuple[UuidRule, ...], msgspec.Meta(max_length=_MOST_RULES)] = ()
    required: Annotated[tuple[RequiredRule, ...], msgspec.Meta(max_length=_MOST_RULES)] = ()
    allowed: Annotated[tuple[AllowedRule, ...], msgspec.Meta(max_length=_MOST_RULES)] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.uuids or self.required or self.allowed)

    def renamed(self, renaming: Renaming) -> "ValidationPolicy":
        """The policy with the names that its events are stored as."""
        required = tuple(
            msgspec.structs.replace(rule, event=renaming.name_of(rule.event)) if rule.event is not None else rule
            for rule in self.required
        )
        return msgspec.structs.replace(self, required=required)


#: Reads a field of a message; None if it is absent.
_Get = Callable[[Message], Any]
_Rule = UuidRule | RequiredRule | AllowedRule


class Validation:
    """The rules of a policy, compiled."""

    def __init__(self, policy: ValidationPolicy) -> None:
        self.policy = policy
        self._rules: list[tuple[_Rule, _Get, frozenset[MessageKind]]] = []
        rules: tuple[_Rule, ...] = (*policy.uuids, *policy.required, *policy.allowed)
        for rule in rules:
            own = frozenset(rule.calls) if isinstance(rule, RequiredRule) and rule.calls else _calls_of(rule.path)
            self._rules.append((rule, _getter(rule.path), own))

    def check(self, messages: Sequence[Message]) -> tuple[Sequence[Message], list[tuple[Message, Warned]]]:
        """The messages with warnings, and the others with the reason for their rejection."""
        kept: list[Message] = []
        failed: list[tuple[Message, Warned]] = []
        for message in messages:
            warnings: list[Warned] = []
            rejected: Warned | None = None
            for rule, get, calls in self._rules:
                if message.kind in calls and (wrong := _wrong(rule, get, message)) is not None:
                    warnings.append(wrong)
                    if rule.action == "reject" and rejected is None:
                        rejected = wrong
            if rejected is not None:
                failed.append((message, rejected))
            else:
                kept.append(with_warnings(message, warnings) if warnings else message)
        return kept, failed


def rejection(message: Message, wrong: Warned) -> Rejection:
    """The rejection of a message that a rule rejects."""
    return rejection_of(message, wrong.code, f"{wrong.message} Its messageId is {message.message_id!r}.", wrong.path)


def _wrong(rule: _Rule, get: _Get, message: Message) -> Warned | None:
    if isinstance(rule, RequiredRule) and rule.event is not None and rule.event != message.name:
        return None
    value, path = get(message), f"$.{rule.path}"
    if value is None or value == "":
        if not isinstance(rule, RequiredRule):
            return None
        return Warned("FIELD_REQUIRED", path, f"{rule.path!r} is required by the policy validation.")
    match rule:
        case UuidRule():
            if type(value) is not str or not _UUID.fullmatch(value):
                return Warned("NOT_A_UUID", path, f"{rule.path!r} is not a UUID, as the policy validation demands.")
        case AllowedRule():
            if not any(kind_of(one) == kind_of(value) and one == value for one in rule.values):
                text = f"{rule.path!r} has a value that the policy validation does not allow."
                return Warned("VALUE_NOT_ALLOWED", path, text)
    return None


def _calls_of(path: str) -> frozenset[MessageKind]:
    """The kinds of call that can have a path."""
    match path.partition(".")[0]:
        case "properties":
            return frozenset(kind for kind in _ALL if kind in _WITH_PROPERTIES)
        case "traits":
            return frozenset(kind for kind in _ALL if kind in _WITH_TRAITS)
        case "event":
            return frozenset(("track",))
        case "groupId":
            return frozenset(("group",))
        case "previousId":
            return frozenset(("alias",))
        case _:
            return _ALL


def _getter(path: str) -> _Get:
    first, _, rest = path.partition(".")
    match first:
        case "messageId":
            return lambda message: message.message_id
        case "event":
            return lambda message: message.name
        case "groupId":
            return lambda message: message.group_id
        case "previousId":
            return lambda message: message.previous
        case "context":
            return lambda message: _at(message.context, rest)
        case "properties" | "traits":
            return lambda message: _at(message.properties, rest)
        case _:
            return lambda message: next((one.value for one in message.identifiers if one.kind == path), None)


def _at(found: Any, path: str) -> Any:
    """The value at a path: names joined by dots. A name that has dots itself is found too."""
    if type(found) is dict and path in found:
        return found[path]
    for name in path.split("."):
        if type(found) is not dict:
            return None
        found = found.get(name)
    return found


def _is_like(path: str, known: str) -> bool:
    """Whether a path is probably a misspelling of a known one; others are kinds of the environment's own."""
    return edits(path.lower(), known.lower(), 1) <= 1


def _check_path(path: str, calls: Sequence[MessageKind] = ()) -> None:
    first, dot, rest = path.partition(".")
    if first in _OBJECTS:
        if not all(rest.split(".")):
            raise ValueError(f"{path!r}: {first} is followed by names joined by dots, such as `{first}.plan`")
    elif dot or not _KIND.fullmatch(path):
        known = ", ".join(f"{one}.…" for one in _OBJECTS)
        raise ValueError(f"{path!r} is not a path: it is an id or a field, or begins with one of {known}")
    elif path not in _KNOWN and (near := next((one for one in _KNOWN if _is_like(path, one)), None)) is not None:
        raise ValueError(f"unknown path {path!r}; the nearest is {near!r}")
    if wrong := [kind for kind in calls if kind not in _calls_of(path)]:
        raise ValueError(f"{path!r}: {wrong[0]} calls cannot have it")
