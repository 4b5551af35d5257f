"""Run test cases: an expression or a flag, a profile's history, and instants.

Shape   run_case(document) -> document. The document is one case, or a vector file with `given` and `cases`
Units   instants come as ISO 8601 or milliseconds UTC and leave as ISO 8601; durations are milliseconds
Laws    the history at an instant is what has arrived by then, each message id once. A case replays its messages one by
        one through the serving engine, so a result here is a result in production
Errors  none raised: a problem in a document is its answer's `error`, with the diagnostics of its expressions
Source  dsl/vectors/README.md
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.diagnostics import to_wire
from tinycdp.dsl.suggest import nearest
from tinycdp.dsl.values.calendar import days_in
from tinycdp.dsl.values.numbers import number
from tinycdp.dsl.values.scalars import parse_instant, version_text
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, build_catalog, check_all
from tinycdp.engine.flags.bucketing import bucket
from tinycdp.engine.flags.decide import FlagActivation, Program, decide
from tinycdp.engine.flags.document import IdentifierRef, read_flag
from tinycdp.engine.flags.trail import Killed, texts_of
from tinycdp.engine.groups import Group
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, TinyCDPError
from tinycdp.model import NEVER, Identifier, IdentifierKind, Instant, Message, MessageKind
from tinycdp.times import iso

#: The key of the case's own expression, beside the definitions it may refer to.
CASE = "_case"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Instants outside this range leave too little of the calendar for windows around them.
_EARLIEST, _LATEST = ((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) for year in (1900, 9000))
#: Properties given with a case are older than any message.
_BEGINNING = (-NEVER, "")

_Shape = TypeVar("_Shape")


class _Definitions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    traits: dict[str, str] = {}
    segments: dict[str, str] = {}
    flags: dict[str, dict[str, Any]] = {}


class _Hash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    salt: str
    purpose: str
    unit: str


class _Case(msgspec.Struct, frozen=True):
    """What a case asks.

    `at` and `unit` may be lists; `events` accept several spellings, see _Event."""

    expr: str | None = None
    flag: dict[str, Any] | str | None = None
    hash: _Hash | None = None
    zone: str = "UTC"
    profile: dict[str, Any] = {}
    events: list[dict[str, Any]] = []
    definitions: _Definitions = _Definitions()
    context: dict[str, Any] = {}
    unit: str | list[str] | None = None
    ids: list[IdentifierRef] = []
    killed: list[str] = []
    at: str | int | list[str | int] = []
    timeline: list[tuple[str | int, Any]] | None = None
    merge: bool = False

    @property
    def flag_key(self) -> str:
        return str(self.flag.get("key", CASE)) if isinstance(self.flag, dict) else str(self.flag)

    @property
    def instants(self) -> list[Instant]:
        """The instants the case asks about: those of its timeline, otherwise `at`.

        Returns NEVER if it has neither."""
        if self.timeline is not None:
            return [_instant(at, f"$.timeline[{n}][0]") for n, (at, _) in enumerate(self.timeline)]
        return [_instant(at, "$.at") for at in (self.at if isinstance(self.at, list) else [self.at])]


class _Repeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    times: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    every: int


class _Event(msgspec.Struct, frozen=True):
    """One event of a case, with normalised field names.

    _SPELLINGS lists the other accepted spellings."""

    ts: str | int
    type: MessageKind = "track"
    event: str = ""
    id: str | int | None = None
    properties: dict[str, Any] = {}
    received_at: str | int | None = None
    group_id: str | None = None
    context: dict[str, Any] = {}
    profile: Literal["a", "b"] = "a"
    repeat: _Repeat = _Repeat(1, 0)


_SPELLINGS = {
    "ts": ("timestamp", "occurredAt", "occurred_at"),
    "type": ("kind",),
    "event": ("name",),
    "id": ("messageId", "message_id"),
    "properties": ("props", "traits"),
    "received_at": ("receivedAt",),
    "group_id": ("groupId",),
}

#: The fields of a case beside its question: labels, and the expected answer.
_LABELS = ("id", "name", "about", "schema")
_EXPECTED = ("value", "valid_until", "decision", "error", "bucket", "permute", "raise", "units", "admitted", "arms")
_EXPECTED_OF_SOURCE = ("canonical", "type", "nullable", "lints", "tokens", "kind")
_CASE_FIELDS = {*_Case.__struct_fields__, *_LABELS, *_EXPECTED, *_EXPECTED_OF_SOURCE}
_FILE_FIELDS = {"name", "about", "given", "cases"}
#: A case may contain a message as it was sent. These fields are ignored: the case itself sets the owner and the clock.
_SENT = {"userId", "anonymousId", "deviceId", "externalId", "previousId", "sentAt", "originalTimestamp", "integrations"}
_EVENT_FIELDS = _SENT.union(_Event.__struct_fields__, *_SPELLINGS.values())


def run_case(document: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a case.

    For a file, the answers of all its cases and whether each is as expected."""
    given = document.get("given", {})
    cases = document.get("cases", [])
    if not isinstance(given, dict) or not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        return _error(_malformed("$", "`given` must be an object and `cases` a list of objects."))
    if "cases" in document:
        try:
            _reject_unknown(document, _FILE_FIELDS, "$")
        except InvalidInput as wrong:
            return _error(wrong)
        answers = [run_case({**given, **case}) for case in cases]
        unmet = [answer.get("id") for answer in answers if answer.get("met") is False]
        return {"name": document.get("name"), "cases": answers, "unmet": unmet}
    case = _exact({**given, **{name: value for name, value in document.items() if name != "given"}})
    try:
        _reject_unknown(case, _CASE_FIELDS, "$")
        answer = _answer(_read(case, _Case, "$"))
    except TinyCDPError as wrong:
        answer = _error(wrong)
    labels = {"id": case["id"]} if "id" in case else {}
    met = _met(case, answer)
    return {**labels, **answer, **({} if met is None else {"met": met})}


def _error(wrong: TinyCDPError) -> dict[str, Any]:
    error = {"error": {"code": wrong.code, "message": wrong.message}}
    listed = wrong.details.get("definitions", [])
    return {**error, "diagnostics": [d for definition in listed for d in definition["diagnostics"]]}


def _answer(case: _Case) -> dict[str, Any]:
    if case.hash is not None:
        return {"bucket": bucket(case.hash.salt, case.hash.purpose, case.hash.unit)}
    if case.flag is None and case.expr is None:
        raise _malformed("$", "a case needs an `expr` or a `flag`.")
    try:
        days_in(case.zone)
    except (KeyError, ValueError):
        raise _malformed("$.zone", f"unknown time zone {case.zone!r}.") from None
    definitions = list(_definitions(case))
    catalog = build_catalog(0, case.zone, definitions, definitions, live_revision=1, head_revision=1)
    moments = _replay(case, catalog)
    if case.flag is not None:
        program = catalog.live.flags.get(case.flag_key)
        return {"flag": case.flag_key, "results": [_decided(case, catalog, program, moment) for moment in moments]}
    name = ("trait", CASE)
    checked = check_all(definitions)[name][0]
    results = []
    for moment in moments:
        value, until = catalog.activation(catalog.live, moment.profile, moment.now).result(name, moment.now)
        results.append(moment.answer(_json(value, checked.type), until))
    return {
        "results": results,
        "type": checked.type.value,
        "canonical": checked.canonical,
        "diagnostics": [to_wire(checked.source, diagnostic) for diagnostic in checked.diagnostics],
    }


def _definitions(case: _Case) -> Iterator[Definition]:
    given = case.definitions
    expressions = [("trait", *item) for item in given.traits.items()]
    expressions += [("segment", *item) for item in given.segments.items()]
    if case.flag is None and case.expr is not None:
        expressions.append(("trait", CASE, case.expr))
    flags = {**given.flags, **({case.flag_key: case.flag} if isinstance(case.flag, dict) else {})}
    for id, (kind, key, text) in enumerate(expressions):
        yield Definition(id=id, version=1, kind=kind, key=key, expression=text)
    for id, (key, flag) in enumerate(flags.items(), start=len(expressions)):
        yield Definition(id=id, version=1, kind="flag", key=key, flag=read_flag({"key": key, **flag}, salt=key))


def _decided(case: _Case, catalog: Catalog, program: Program | None, moment: "_Moment") -> dict[str, Any]:
    if program is None:
        return {**moment.answer(None, NEVER), "decision": {"reason": "ERROR", "error": "FLAG_NOT_FOUND"}}
    profile = moment.profile
    activation = FlagActivation(
        moment.now,
        calendar=catalog.calendar,
        properties=profile.properties,
        state=profile.state,
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
        evaluators=catalog.live.evaluators,
        context=case.context,
    )
    activation.unit = profile.bucketing_key or None
    activation.names = tuple(f"{id.kind} {id.value}" for id in case.ids)
    activation.killed = {catalog.live.flags[key].id: Killed() for key in case.killed}
    found = decide(program, activation, moment.now)
    value = _plain(found.value)
    decision = {
        "value": value,
        "variant": found.variant,
        "reason": found.reason,
        "rule": found.rule,
        "reasons": list(texts_of(found.trail)),
    }
    return {**moment.answer(value, found.until), "decision": decision}


# The history


@dataclass(frozen=True, slots=True)
class _Moment:
    """A profile as it is at an instant, and when the next message arrives."""

    profile: Profile
    now: Instant
    arrival: Instant

    def answer(self, value: Any, until: Instant) -> dict[str, Any]:
        holds = min(until, self.arrival)
        return {"at": iso(self.now), "value": value, "valid_until": iso(holds) if holds < _LATEST else "never"}


def _replay(case: _Case, catalog: Catalog) -> Iterator[_Moment]:
    """Yield the profile as it is at each instant asked for."""
    deliveries = _deliveries(case)
    profiles: dict[str, Profile] = {}
    groups: dict[str, Group] = {}
    taken = 0
    for unit in case.unit if isinstance(case.unit, list) else [case.unit]:
        last = NEVER
        for now in case.instants:
            if now < last or case.merge:  # absorbing changes a profile, so each instant has its own
                profiles, groups, taken = {owner: _profile(case, unit, owner) for owner in ("a", "b")}, {}, 0
            last = now
            while taken < len(deliveries) and deliveries[taken][1].received_at <= now:
                owner, message = deliveries[taken]
                traits = _group_traits(groups, message)
                recompute.apply(profiles[owner], [message], catalog, message.received_at, traits)
                for other in profiles.values():
                    if other is not profiles[owner] and other.group is not None and other.group[2] in traits:
                        recompute.apply_group_traits(other, traits[other.group[2]], catalog, message.received_at)
                taken += 1
            profile = profiles["a"]
            if case.merge and recompute.absorb(profile, profiles["b"], catalog):
                raise AssertionError("profiles of one catalog merge without their raw events")
            recompute.advance(profile, catalog, now)
            yield _Moment(profile, now, deliveries[taken][1].received_at if taken < len(deliveries) else NEVER)


def _group_traits(groups: dict[str, Group], message: Message) -> dict[str, dict[str, Any]]:
    """The traits of the message's group after the message.

    It is empty for messages that are not group calls."""
    if message.kind != "group" or message.group_id is None:
        return {}
    group = groups.setdefault(message.group_id, Group(message.group_id, {}, {}))
    group.apply_call(message.properties, (message.occurred_at, message.message_id))
    return {group.key: dict(group.traits)}


def _profile(case: _Case, unit: str | None, owner: str) -> Profile:
    profile = Profile(1 if owner == "a" else 2, unit or "", 0, backfilled=1)
    if owner == "a":
        for name, value in case.profile.items():
            profile.set_property(name, value, _BEGINNING)
    return profile


def _deliveries(case: _Case) -> list[tuple[str, Message]]:
    """Each message with its owner, in order of arrival; each id once, at its first arrival."""
    listed: list[tuple[str, Message]] = []
    for index, event in enumerate(case.events):
        _reject_unknown(event, _EVENT_FIELDS, f"$.events[{index}]")
        named = {field: _first(event, field, *others) for field, others in _SPELLINGS.items()}
        named = {field: value for field, value in {**event, **named}.items() if value is not None}
        listed += _messages(_read(named, _Event, f"$.events[{index}]"), index)
    once: dict[str, tuple[str, Message]] = {}
    for owner, message in sorted(listed, key=lambda delivery: delivery[1].received_at):
        once.setdefault(message.message_id, (owner if case.merge else "a", message))
    return list(once.values())


def _messages(event: _Event, index: int) -> Iterator[tuple[str, Message]]:
    path = f"$.events[{index}]"
    name = {"track": event.event, "page": "page", "screen": "screen"}.get(event.type, "")
    if event.type == "track" and not name:
        raise _malformed(path, "an event of type track needs a name.")
    start = _instant(event.ts, f"{path}.ts")
    id = str(index if event.id is None else event.id)
    for n in range(event.repeat.times):
        ts = start + n * event.repeat.every
        received = ts if event.received_at is None else _instant(event.received_at, f"{path}.received_at")
        message = Message(
            kind=event.type,
            message_id=id if event.repeat.times == 1 else f"{id}-{n:04d}",
            identifiers=(Identifier(IdentifierKind.USER, "case"),),
            occurred_at=min(ts, received),
            received_at=received,
            name=name,
            properties=event.properties,
            group_id=event.group_id,
            active=event.context.get("active") is not False,
            future=ts > received,
        )
        yield event.profile, message


# Values in and out


def _read(value: Any, shape: type[_Shape], path: str) -> _Shape:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as wrong:
        raise _malformed(path, f"{wrong}.") from None


def _reject_unknown(given: Mapping[str, Any], known: Set[str], path: str) -> None:
    for name in given:
        if name not in known:
            near = nearest(name, known)
            remedy = f"did you mean `{near}`?" if near else "dsl/vectors/README.md lists the valid fields."
            raise _malformed(f"{path}.{name[:100]}", f"unknown field; {remedy}")


def _first(event: Mapping[str, Any], *names: str) -> Any:
    """The value of the first of these names that has one."""
    return next((event[name] for name in names if event.get(name) is not None), None)


def _instant(value: str | int, path: str) -> Instant:
    found = parse_instant(value) if isinstance(value, str) else value
    if found is None or not _EARLIEST <= found < _LATEST:
        raise _malformed(
            path, f"{value!r} is not an instant from 1900 to 8999: use ISO 8601 with a zone, or milliseconds UTC."
        )
    return found


def _exact(value: Any) -> Any:
    """The document with each float as the decimal that was written."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _exact(inner) for name, inner in value.items()}
    return [_exact(inner) for inner in value] if isinstance(value, list | tuple) else value


def _json(value: Any, kind: ir.Type) -> Any:
    """A run-time value as JSON."""
    if value is None:
        return None
    match kind:
        case ir.Type.NUMBER:
            return _plain(number(value))
        case ir.Type.DATETIME:
            return iso(value) if _EARLIEST <= value < _LATEST else value
        case ir.Type.VERSION:
            return version_text(value)
        case _:
            return _plain(value)


def _plain(value: Any) -> Any:
    """A decimal as the float with the same digits; as text if a float has too few digits."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    return msgspec.to_builtins(value)


# Expectations


def _met(case: Mapping[str, Any], answer: Mapping[str, Any]) -> bool | None:
    """Whether the answer is as the case expects; None if the case expects nothing."""
    results = answer.get("results", [])
    checks = []
    if "timeline" in case:
        checks.append([_normal(r["value"]) for r in results] == [_normal(value) for _, value in case["timeline"]])
    elif "value" in case:
        checks.append([_normal(r["value"]) for r in results] == [_normal(case["value"])])
    if "valid_until" in case:
        checks.append([_normal(r["valid_until"]) for r in results] == [_normal(case["valid_until"])])
    if "decision" in case:
        expected = {field: _normal(value) for field, value in case["decision"].items()}
        decisions = [{field: _normal(r["decision"].get(field)) for field in expected} for r in results]
        checks.append(decisions == [expected])
    if "error" in case:
        codes = [d["code"] for d in answer.get("diagnostics", [])] or [answer.get("error", {}).get("code")]
        checks.append(case["error"]["code"] in codes)
    checks += [case[field] == answer.get(field) for field in ("canonical", "type", "bucket") if field in case]
    return all(checks) if checks else None


def _normal(value: Any) -> Any:
    """A JSON value in a form where equal values compare equal.

    Instants get one spelling, and true is not 1."""
    if isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        at = parse_instant(value)
        return value if at is None else at
    return _plain(_exact(value))


def _malformed(path: str, message: str) -> InvalidInput:
    return InvalidInput("INVALID_CASE", f"{path}: {message}", path=path)
