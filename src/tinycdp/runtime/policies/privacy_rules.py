"""Privacy: suppression, consent, and rules that drop, hash or mask values.

Shape   PrivacyPolicy is the document that admins write · Privacy.admit(…) rejects messages, redact(…) changes values,
        redact_rejections(…) applies both to the log of rejections · suppress(…) and release(…) edit the list
Laws    A value that a rule names is nowhere in the database, including the log of rejections.
        If several rules match a value, the strongest applies: drop, then hash, then mask.
        Equal values have equal hashes within an environment only.
        Of a message that is suppressed or lacks consent only its count and its code are stored.
Units   A digest is 16 bytes of HMAC-SHA256 under the environment's secret. A hashed value is 32 hexadecimal digits.
Errors  SUPPRESSED and NO_CONSENT are Rejections without a payload · InvalidInput TOO_MANY_SUPPRESSIONS
Source  docs/decisions/0024-privacy.md; docs/how-to/privacy.md
"""

import asyncio
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tinycdp.engine.schema.event_names import Renaming
from tinycdp.errors import InvalidInput, Unavailable
from tinycdp.model import Identifier, IdentifierKind, Instant, Message, Rejection
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_policies
from tinycdp.store import privacy as store
from tinycdp.store.database.pool import Pool, acquired, transaction

#: Each takes about 100 bytes in every process.
MOST_SUPPRESSED = 1_000_000
_MOST_RULES = 500
_MOST_KNOWN = 1_000
_PLACES = ("properties", "traits", "context")
#: The objects of all protocols that have values by name.
_OBJECTS = frozenset((*_PLACES, "props", "$set", "$set_once"))
_ANY, _DEEP = "*", "**"
#: Stronger is greater.
_STRENGTH = {"mask": 0, "hash": 1, "drop": 2}
_DROP, _HASH = 2, 1
_LONGEST_LEAF = 256

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class PrivacyRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An action on a value before it is stored.

    path   begins with properties, traits or context, or with * for any of these; then names, joined by dots. * is any
           name, ** any number of names: `**.email` is every email at any depth
    event  the name of an event, page, screen, $identify or $group; * for all"""

    path: Text
    action: Literal["drop", "hash", "mask"]
    event: Text = _ANY

    def __post_init__(self) -> None:
        parts = self.path.split(".")
        if parts[0] not in {*_PLACES, _ANY, _DEEP} or len(parts) < 2:
            raise ValueError(
                "a path begins with properties, traits, context, * or **, followed by names joined by dots"
            )
        if not all(parts) or parts[-1] == _DEEP:
            raise ValueError("a path has no empty name and does not end with **")


class ConsentRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Consent categories that an event needs, all of them."""

    categories: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=50)]
    event: Text = _ANY


_Rule = TypeVar("_Rule", PrivacyRule, ConsentRule)


class PrivacyPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The privacy policy. unmentioned: how a category counts that the message does not mention."""

    rules: Annotated[tuple[PrivacyRule, ...], msgspec.Meta(max_length=_MOST_RULES)] = ()
    consent: Annotated[tuple[ConsentRule, ...], msgspec.Meta(max_length=_MOST_RULES)] = ()
    unmentioned: Literal["granted", "denied"] = "granted"

    def renamed(self, renaming: Renaming) -> "PrivacyPolicy":
        """The policy with its rules also under the names that their events are stored as."""
        return msgspec.structs.replace(
            self,
            rules=self.rules + tuple(_renamed(self.rules, renaming)),
            consent=self.consent + tuple(_renamed(self.consent, renaming)),
        )


def _renamed(rules: Iterable[_Rule], renaming: Renaming) -> Iterator[_Rule]:
    for rule in rules:
        if rule.event != _ANY and (name := renaming.name_of(rule.event)) != rule.event:
            yield msgspec.structs.replace(rule, event=name)


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppressed identifier, stored only as its digest."""

    digest: str
    kind: str
    note: str
    created_at: Instant
    created_by: str
    id: int


class Privacy:
    """Secrets and suppressed identifiers, as this process knows them.

    secrets: by environment, until `load`."""

    def __init__(self, secrets: Mapping[int, bytes] | None = None) -> None:
        self._secrets = dict(secrets or {})
        self._suppressed: dict[int, set[bytes]] = {}
        self._marks: dict[int, tuple[int, int]] = {}
        self._kinds: dict[int, frozenset[str]] = {}
        self._loading = asyncio.Lock()

    async def load(self, pool: Pool) -> None:
        """Load secrets and lists; a list that did not change is not read again."""
        # One at a time: the last read has the newest lists.
        async with self._loading, acquired(pool) as connection:
            self._secrets = dict(await store.secrets(connection))
            marks = await store.suppression_marks(connection)
            for environment_id, mark in marks.items():
                if self._marks.get(environment_id) != mark:
                    rows = await store.suppressed(connection, environment_id)
                    self._suppressed[environment_id] = {row.digest for row in rows}
                    self._kinds[environment_id] = frozenset(row.kind for row in rows)
            for environment_id in self._marks.keys() - marks.keys():
                self._suppressed.pop(environment_id, None)
            self._marks = marks

    def digest(self, environment_id: int, identifier: Identifier) -> bytes:
        """The digest that stands for an identifier that may not be stored."""
        return _keyed(self._secret(environment_id), f"identifier\0{identifier.kind}\0{identifier.value}")[:16]

    def is_suppressed(self, environment_id: int, identifier: Identifier) -> bool:
        """Whether an identifier is on the suppression list."""
        listed = self._suppressed.get(environment_id)
        return bool(listed) and self.digest(environment_id, identifier) in listed  # type: ignore[operator]

    def admit(
        self, environment_id: int, policy: PrivacyPolicy, messages: Sequence[Message]
    ) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages that suppression and consent allow, and rejections of the others."""
        if not policy.consent and not self._suppressed.get(environment_id):
            return messages, []
        kept, rejected = [], []
        for message in messages:
            if any(self.is_suppressed(environment_id, identifier) for identifier in _named(message)):
                rejected.append(_SUPPRESSED)
            elif not _is_granted(policy, message.name or f"${message.kind}", message.context):
                rejected.append(_NO_CONSENT)
            else:
                kept.append(message)
        return kept, rejected

    def redact(self, environment_id: int, policy: PrivacyPolicy, message: Message) -> Message:
        """The message with the rules applied to its values."""
        own, context = _redaction(policy).of(message)
        if own is None and context is None:
            return message
        secret = self._secret(environment_id)
        properties = own.redact(message.properties, secret) if own is not None else message.properties
        outer = context.redact(message.context, secret) if context is not None else message.context
        if properties is message.properties and outer is message.context:
            return message
        return msgspec.structs.replace(message, properties=properties, context=outer)

    def redact_rejections(
        self, environment_id: int, policy: PrivacyPolicy, rejections: Sequence[Rejection]
    ) -> Sequence[Rejection]:
        """The rejections as they may be logged.

        A payload that cannot be parsed is removed: it may hold anything."""
        if not policy.rules and not policy.consent and not self._suppressed.get(environment_id):
            return rejections
        return [
            msgspec.structs.replace(rejection, payload=self._clean(environment_id, policy, rejection.payload))
            for rejection in rejections
        ]

    def _clean(self, environment_id: int, policy: PrivacyPolicy, payload: bytes) -> bytes:
        try:
            document = _decode(payload)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return b""
        if type(document) is not dict:
            return b""
        context = document.get("context")
        if policy.consent and not _is_granted(policy, _event_of(document), context if type(context) is dict else {}):
            return b""
        if self._suppressed.get(environment_id):
            for text in set(_leaves(document)):
                if any(
                    self.is_suppressed(environment_id, Identifier(kind, text)) for kind in self._kinds[environment_id]
                ):
                    return b""
        if not policy.rules:
            return payload
        redacted = _redaction(policy).anywhere.redact(document, self._secret(environment_id))
        # No rule can match values without names, such as properties sent as a text: remove them.
        return _encode({name: None if name in _OBJECTS and type(v) is not dict else v for name, v in redacted.items()})

    def _secret(self, environment_id: int) -> bytes:
        found = self._secrets.get(environment_id)
        if found is None:
            raise Unavailable("DATABASE_AWAY", "The environment's secret is not loaded yet; try again shortly.")
        return found


async def suppress(environment: Environment, privacy: Privacy, identifiers: Sequence[Identifier], edit: Edit) -> int:
    """Reject messages that name one of these from now on. Returns how many were not listed yet."""
    async with transaction(environment.pool, dry_run=edit.dry_run) as connection:
        listed = await store.count_suppressions(connection, environment.id)
        if listed + len(identifiers) > MOST_SUPPRESSED:
            raise InvalidInput(
                "TOO_MANY_SUPPRESSIONS",
                f"{listed:,} identifiers are suppressed; there is room for {MOST_SUPPRESSED:,}.",
            )
        rows = sorted({(privacy.digest(environment.id, identifier), identifier.kind) for identifier in identifiers})
        added = await store.add_suppressions(connection, environment.id, rows, edit.note, edit.now, edit.author)
        await announce_policies(connection, environment.id)
    await privacy.load(environment.pool)
    return added


async def release(
    environment: Environment, privacy: Privacy, identifiers: Sequence[Identifier], *, dry_run: bool = False
) -> int:
    """Accept messages that name these again. Returns how many were listed."""
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        digests = sorted({privacy.digest(environment.id, identifier) for identifier in identifiers})
        removed = await store.remove_suppressions(connection, environment.id, digests)
        await announce_policies(connection, environment.id)
    await privacy.load(environment.pool)
    return removed


async def suppressions(environment: Environment, before: int, n: int) -> list[Suppression]:
    """A page of the list, newest first."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_suppressions(connection, environment.id, before, n)
    return [Suppression(row.digest.hex(), row.kind, row.note, row.created_at, row.created_by, row.id) for row in rows]


_SUPPRESSED = Rejection(
    code="SUPPRESSED",
    message="An identifier of this message is suppressed. Nothing of the message was stored.",
    path="$",
    payload=b"",
)
_NO_CONSENT = Rejection(
    code="NO_CONSENT",
    message="The consent that this event needs was not granted.",
    path="$",
    payload=b"",
)


def _named(message: Message) -> Iterator[Identifier]:
    yield from message.identifiers
    yield from message.ignored
    if message.previous is not None:
        yield Identifier(IdentifierKind.USER, message.previous)
        yield Identifier(IdentifierKind.ANONYMOUS, message.previous)


def _event_of(document: Mapping[str, Any]) -> str | None:
    """The event of a rejected payload, by the name that policies use; None if it does not say."""
    kind, name = document.get("type"), document.get("event")
    match kind:
        case "page" | "screen":
            return str(kind)
        case "identify" | "group" | "alias":
            return f"${kind}"
    return name if type(name) is str and name and not name.startswith("$") else None


def _is_granted(policy: PrivacyPolicy, event: str | None, context: Mapping[str, Any]) -> bool:
    """Whether `context.consent.categoryPreferences` grants every category that the event needs.

    An unknown event (None) needs the categories of all events."""
    consent = context.get("consent")
    stated = consent.get("categoryPreferences") if type(consent) is dict else None
    preferences: Mapping[str, Any] = stated if type(stated) is dict else {}
    default = policy.unmentioned == "granted"
    return all(
        preferences[category] is True if category in preferences else default
        for required in policy.consent
        if event is None or required.event in (_ANY, event)
        for category in required.categories
    )


# Compiled rules

_Steps = tuple[str, ...]


class _Node:
    """A place in a document, with the rules that may match below it.

    Steps are cached for names in rules only: clients may send any number of other names.

    _anywhere_below  the rules that match at any depth below
    _named           the rules by the next name of their path; "*" for any"""

    __slots__ = ("_anywhere_below", "_deeper", "_known", "_named", "rules")

    def __init__(self, rules: Sequence[tuple[_Steps, int]]) -> None:
        self.rules = rules
        self._anywhere_below = [(steps, strength) for steps, strength in rules if steps[0] == _DEEP]
        self._named: dict[str, list[tuple[_Steps, int]]] = {}
        for steps, strength in rules:
            here = steps[1:] if steps[0] == _DEEP else steps
            self._named.setdefault(here[0], []).append((here, strength))
        below = self._anywhere_below
        self._deeper = self if len(below) == len(rules) else _Node(below) if below else None
        self._known: dict[str, tuple[_Node | None, int]] = {}

    def redact(self, value: Any, secret: bytes) -> Any:
        """The value with the rules applied below it; the same object if nothing changes."""
        if type(value) is list:
            items = [self.redact(item, secret) for item in value]
            return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
        if type(value) is not dict:
            return value
        changed: dict[str, Any] = {}
        dropped: list[str] = []
        for name, inner in value.items():
            below, action = self.step(name)
            new = below.redact(inner, secret) if below is not None else inner
            if action == _DROP:
                dropped.append(name)
                continue
            if action >= 0:
                new = _hashed(new, secret) if action == _HASH else _masked(new)
            if new is not inner:
                changed[name] = new
        if not changed and not dropped:
            return value
        return {name: changed.get(name, inner) for name, inner in value.items() if name not in dropped}

    def step(self, name: str) -> "tuple[_Node | None, int]":
        """The node below a name, and the action on its value; -1 for none."""
        found = self._known.get(name)
        if found is not None:
            return found
        node: _Node | None = self
        action = -1
        # A rule matches {"user.email": …} as well as {"user": {"email": …}}.
        for part in name.split("."):
            if node is None:
                break
            node, own = node._step(part)
            action = max(action, own)
        if (node is not self._deeper or action >= 0) and len(self._known) < _MOST_KNOWN:
            self._known[name] = (node, action)
        return node, action

    def _step(self, part: str) -> "tuple[_Node | None, int]":
        asked = [*self._named.get(part, ()), *self._named.get(_ANY, ())]
        if not asked:
            return self._deeper, -1
        action = max((strength for steps, strength in asked if len(steps) == 1), default=-1)
        following = [(steps[1:], strength) for steps, strength in asked if len(steps) > 1]
        return _Node([*self._anywhere_below, *following]) if following else self._deeper, action


class _Redaction:
    """The compiled rules of a policy, by event.

    anywhere: all rules, at any depth of any document."""

    def __init__(self, rules: Sequence[PrivacyRule]) -> None:
        self._rules = rules
        self._known: dict[tuple[str, bool], tuple[_Node | None, _Node | None]] = {}
        self.anywhere = _Node([(_anywhere(_steps_of(rule)), _STRENGTH[rule.action]) for rule in rules])

    def of(self, message: Message) -> tuple[_Node | None, _Node | None]:
        """The rules for the message's properties or traits, and for its context."""
        if not self._rules:
            return None, None
        has_traits = message.kind in ("identify", "group")
        name = message.name or f"${message.kind}"
        found = self._known.get((name, has_traits))
        if found is None:
            found = self._compile(name, "traits" if has_traits else "properties")
            if len(self._known) < _MOST_KNOWN:
                self._known[name, has_traits] = found
        return found

    def _compile(self, event: str, own: str) -> tuple[_Node | None, _Node | None]:
        own_rules: list[tuple[_Steps, int]] = []
        context_rules: list[tuple[_Steps, int]] = []
        for rule in self._rules:
            if rule.event not in (_ANY, event):
                continue
            place, steps, strength = rule.path.partition(".")[0], _steps_of(rule), _STRENGTH[rule.action]
            if place in (own, _ANY, _DEEP):
                own_rules.append((steps, strength))
            if place in ("context", _ANY, _DEEP):
                context_rules.append((steps, strength))
            if place in ("traits", _ANY):  # clients repeat traits in the context
                context_rules.append((("traits", *steps), strength))
                if own == "properties":  # PostHog's form of traits in an event
                    own_rules.append((("$set_once", *steps), strength))
        if own == "traits" and context_rules:  # the adapter has copied context.traits of an identify call to its traits
            below, _ = _Node(context_rules).step("traits")
            own_rules += below.rules if below is not None else ()
        return _Node(own_rules) if own_rules else None, _Node(context_rules) if context_rules else None


def _steps_of(rule: PrivacyRule) -> _Steps:
    """A rule's path without its first part, unless that is **. Repeated ** are merged."""
    parts = rule.path.split(".")
    steps = parts if parts[0] == _DEEP else parts[1:]
    return tuple(step for n, step in enumerate(steps) if step != _DEEP or n == 0 or steps[n - 1] != _DEEP)


def _anywhere(steps: _Steps) -> _Steps:
    return steps if steps[0] == _DEEP else (_DEEP, *steps)


@lru_cache(maxsize=1_000)
def _redaction(policy: PrivacyPolicy) -> _Redaction:
    return _Redaction(policy.rules)


def _hashed(value: Any, secret: bytes) -> Any:
    if value is None:
        return None
    text = value if type(value) is str else _encode(value).decode()
    return _keyed(secret, f"value\0{text}").hex()[:32]


def _masked(value: Any) -> Any:
    """The domain of an email address, or the last four of at least eight characters."""
    match value:
        case None | bool():
            return None
        case str():
            local, at, domain = value.rpartition("@")
            if at and local:
                return f"***@{domain}"
            return "****" + (value[-4:] if len(value) >= 8 else "")
        case int() | Decimal() | float():
            return _masked(str(value))
        case dict():
            return {name: _masked(inner) for name, inner in value.items()}
        case _:
            return [_masked(inner) for inner in value]


def _leaves(value: Any) -> Iterator[str]:
    """All values in a document that may be identifiers."""
    match value:
        case dict():
            for inner in value.values():
                yield from _leaves(inner)
        case list():
            for inner in value:
                yield from _leaves(inner)
        case None | bool():
            return
        case _:
            text = str(value)
            if len(text) <= _LONGEST_LEAF:
                yield text


def leaves(payload: bytes) -> Iterable[str]:
    """The values of a JSON document that may be identifiers; empty if it cannot be parsed."""
    try:
        return set(_leaves(_decode(payload)))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ()


def _keyed(secret: bytes, text: str) -> bytes:
    return hmac.digest(secret, text.encode("utf-8", "surrogatepass"), "sha256")


_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
