"""Cases: an expression or a flag, a person's history, and instants; answered without a database or a clock.

Shape   run_case(document) -> document. The document is one case, or a whole vector file with `given` and `cases`
Units   instants come as ISO 8601 or milliseconds UTC and leave as ISO 8601; durations are milliseconds
Laws    the history at an instant is what has arrived by then, each message id once; a case is replayed message by
        message through the engine that serves, so that what holds here holds there
Errors  none raised: what is wrong with a document is its answer's `error`, with the diagnostics of its expressions
Source  dsl/vectors/README.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.diagnostics import to_wire
from tinycdp.dsl.numbers import number
from tinycdp.dsl.scalars import parse_instant
from tinycdp.engine import recompute
from tinycdp.engine.bucketing import bucket
from tinycdp.engine.catalog import Catalog, Definition, InvalidDefinitions, build_catalog, check_all
from tinycdp.engine.decide import Program, Subject, decide
from tinycdp.engine.flags import read_flag
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, TinyCDPError
from tinycdp.model import NEVER, Alias, AliasKind, Instant, Message, MessageKind

#: The key of the case's own expression among the definitions it may refer to.
CASE = "_case"
_EVENTS = ("track", "page", "screen")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Properties a case starts with are older than any message.
_BEGINNING = (-NEVER, "")


def run_case(document: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a case; for a whole file, the answers of its cases and whether each met its expectation."""
    if "cases" in document:
        given = document.get("given", {})
        answers = [run_case({**given, **case}) for case in document["cases"]]
        unmet = [answer.get("id") for answer in answers if answer.get("met") is False]
        return {"name": document.get("name"), "cases": answers, "unmet": unmet}
    case = _exact({**document.get("given", {}), **document})
    try:
        answer = _answer(case)
    except InvalidDefinitions as wrong:
        diagnostics = [d for definition in wrong.details["definitions"] for d in definition["diagnostics"]]
        answer = {"error": {"code": wrong.code, "message": wrong.message}, "diagnostics": diagnostics}
    except TinyCDPError as wrong:
        answer = {"error": {"code": wrong.code, "message": wrong.message}}
    labels = {"id": case["id"]} if "id" in case else {}
    met = _met(case, answer)
    return {**labels, **answer, **({} if met is None else {"met": met})}


def _answer(case: dict[str, Any]) -> dict[str, Any]:
    if "hash" in case:
        return {"bucket": bucket(**case["hash"])}
    flag = case.get("flag")
    if flag is None and not isinstance(case.get("expr"), str):
        raise _malformed("$", "a case has an `expr` or a `flag`.")
    definitions = list(_definitions(case))
    catalog = build_catalog(0, str(case.get("zone", "UTC")), definitions, definitions, live_revision=1, head_revision=1)
    moments = _replay(case, catalog)
    if flag is not None:
        key = flag["key"] if isinstance(flag, dict) else flag
        program = catalog.live.flags.get(key)
        return {"flag": key, "results": [_decided(case, catalog, program, moment) for moment in moments]}
    name = ("trait", CASE)
    checked = check_all(definitions)[name][0]
    results = []
    for moment in moments:
        value, until = catalog.frame(catalog.live, moment.profile, moment.now).result(name, moment.now)
        results.append(moment.answer(_json(value, checked.type), until))
    return {
        "results": results,
        "type": checked.type.value,
        "canonical": checked.canonical,
        "diagnostics": [to_wire(checked.source, diagnostic) for diagnostic in checked.diagnostics],
    }


def _decided(case: dict[str, Any], catalog: Catalog, program: Program | None, moment: "_Moment") -> dict[str, Any]:
    if program is None:
        return {**moment.answer(None, NEVER), "decision": {"reason": "ERROR", "error": "FLAG_NOT_FOUND"}}
    profile = moment.profile
    subject = Subject(
        moment.now,
        calendar=catalog.calendar,
        properties=profile.properties,
        state=profile.state,
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
        steps=catalog.live.steps,
        context=case.get("context", {}),
    )
    subject.unit = profile.bucketing_key or None
    subject.identifiers = frozenset(case.get("ids", ()))
    found = decide(program, subject, moment.now)
    value = _plain(found.value)
    decision = {
        "value": value,
        "variant": found.variant,
        "reason": found.reason,
        "rule": found.rule,
        "reasons": list(found.reasons),
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
        return {"at": _iso(self.now), "value": value, "valid_until": _iso(min(until, self.arrival))}


def _replay(case: dict[str, Any], catalog: Catalog) -> Iterator[_Moment]:
    """At each instant asked for, the profile as it is then."""
    deliveries = sorted(_deliveries(case), key=lambda delivery: delivery[1].received_at)
    instants = _instants(case)
    units = case.get("unit")
    people: dict[str, Profile] = {}
    taken = 0
    for unit in units if isinstance(units, list) else [units]:
        last = NEVER
        for now in instants:
            if now < last or case.get("merge"):  # absorbing changes a profile, so each instant has its own
                people, taken = {who: _person(case, unit, who) for who in ("a", "b")}, 0
            last = now
            while taken < len(deliveries) and deliveries[taken][1].received_at <= now:
                who, message = deliveries[taken]
                recompute.apply(people[who], [message], catalog, message.received_at)
                taken += 1
            profile = people["a"]
            if case.get("merge") and recompute.absorb(profile, people["b"], catalog):
                raise AssertionError("profiles of one catalog merge without their raw events")
            recompute.advance(profile, catalog, now)
            yield _Moment(profile, now, deliveries[taken][1].received_at if taken < len(deliveries) else NEVER)


def _instants(case: dict[str, Any]) -> list[Instant]:
    """When the case asks: its timeline's instants, else `at`, which may be a list; never where it has neither."""
    if "timeline" in case:
        return [_instant(at, "$.timeline") for at, _ in case["timeline"]]
    wanted = case.get("at", [])
    return [_instant(at, "$.at") for at in (wanted if isinstance(wanted, list) else [wanted])]


def _person(case: dict[str, Any], unit: Any, who: str) -> Profile:
    profile = Profile(1 if who == "a" else 2, "" if unit is None else str(unit), 0, warmed=1)
    if who == "a":
        for name, value in case.get("profile", {}).items():
            profile.set_property(name, value, _BEGINNING)
    return profile


def _deliveries(case: dict[str, Any]) -> Iterator[tuple[str, Message]]:
    """Whose each message is, and the message: every id once, at its first arrival."""
    events = [_event(event, index) for index, event in enumerate(case.get("events", []))]
    listed = [delivery for event in events for delivery in event]
    seen: set[str] = set()
    for who, message in sorted(listed, key=lambda delivery: delivery[1].received_at):
        if message.message_id not in seen:
            seen.add(message.message_id)
            yield who if case.get("merge") else "a", message


def _event(event: Any, index: int) -> Iterator[tuple[str, Message]]:
    path = f"$.events[{index}]"
    if not isinstance(event, dict):
        raise _malformed(path, "an event is an object.")
    kind: MessageKind = _first(event, "type", "kind") or "track"
    name = kind if kind in _EVENTS and kind != "track" else _first(event, "event", "name") or ""
    if kind not in get_args(MessageKind):
        raise _malformed(f"{path}.type", f"there is no message type {kind!r}.")
    if kind == "track" and not name:
        raise _malformed(path, "an event of type track has a name.")
    start = _instant(_first(event, "ts", "timestamp", "occurredAt", "occurred_at"), f"{path}.ts")
    received = _first(event, "received_at", "receivedAt")
    id = str(_first(event, "id", "messageId", "message_id") or index)
    repeat = event.get("repeat", {"times": 1, "every": 0})
    for n in range(repeat["times"]):
        ts = start + n * repeat["every"]
        arrived = ts if received is None else _instant(received, f"{path}.received_at")
        yield (
            event.get("profile", "a"),
            Message(
                kind=kind,
                message_id=id if repeat["times"] == 1 else f"{id}-{n:04d}",
                aliases=(Alias(AliasKind.USER, "case"),),
                occurred_at=min(ts, arrived),
                received_at=arrived,
                name=name if kind in _EVENTS else "",
                properties=_first(event, "properties", "props", "traits") or {},
                group_id=_first(event, "groupId", "group_id"),
                active=event.get("context", {}).get("active") is not False,
                future=ts > arrived,
            ),
        )


def _definitions(case: dict[str, Any]) -> Iterator[Definition]:
    given = case.get("definitions", {})
    flags = dict(given.get("flags", {}))
    if isinstance(case.get("flag"), dict):
        flags[case["flag"].get("key")] = case["flag"]
    expressions = [(kind, *item) for kind in ("trait", "segment") for item in given.get(f"{kind}s", {}).items()]
    if "flag" not in case:
        expressions.append(("trait", CASE, case["expr"]))
    for id, (kind, key, text) in enumerate(expressions):
        yield Definition(id=id, version=1, kind=kind, key=key, expression=text)
    for id, (key, flag) in enumerate(flags.items(), start=len(expressions)):
        yield Definition(id=id, version=1, kind="flag", key=key, flag=read_flag({"key": key, **flag}, salt=key))


# Values in and out


def _first(event: Mapping[str, Any], *names: str) -> Any:
    """The value under the first of the names that has one."""
    return next((event[name] for name in names if event.get(name) is not None), None)


def _instant(value: Any, path: str) -> Instant:
    found = parse_instant(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int):
        raise _malformed(path, f"{value!r} is no instant: ISO 8601 with a zone, or milliseconds UTC.")
    return found


def _iso(instant: Instant) -> str:
    if instant >= NEVER:
        return "never"
    return (_EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exact(value: Any) -> Any:
    """The document with every float as the decimal that was written."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _exact(inner) for name, inner in value.items()}
    return [_exact(inner) for inner in value] if isinstance(value, list | tuple) else value


def _json(value: Any, kind: ir.Type) -> Any:
    """A run-time value as JSON has it."""
    if value is None:
        return None
    match kind:
        case ir.Type.NUMBER:
            return _plain(number(value))
        case ir.Type.DATETIME:
            return _iso(value)
        case ir.Type.VERSION:
            major, minor, patch, _, labels = value
            suffix = ".".join(text or str(n) for _, n, text in labels)
            return f"{major}.{minor}.{patch}" + (f"-{suffix}" if suffix else "")
        case _:
            return _plain(value)


def _plain(value: Any) -> Any:
    """A decimal as the float that is written the same, or, where floats have too few digits, as text."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    return msgspec.to_builtins(value)


# Expectations


def _met(case: Mapping[str, Any], answer: Mapping[str, Any]) -> bool | None:
    """Whether the answer is what the case expects; None where it expects nothing of one answer."""
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
    """A JSON value so that equal ones are equal: an instant however it is written, and true not 1."""
    if isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        at = parse_instant(value)
        return value if at is None else at
    return _plain(_exact(value))


def _malformed(path: str, message: str) -> InvalidInput:
    return InvalidInput("INVALID_CASE", f"{path}: {message}", path=path)
