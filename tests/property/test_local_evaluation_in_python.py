"""The Python client decides by snapshots as the engine does: the vectors of flags, and random flags."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders import iso
from laws import examples
from tinycdp.engine import case_runner
from tinycdp.engine.catalog import Catalog, build_catalog
from tinycdp.engine.flags.decide import FlagActivation, Killed, decide
from tinycdp.engine.flags.local import local_flags
from tinycdp.errors import TinyCDPError
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from tinycdp_client.local import ASK, Answer, Snapshot, read_context

VECTORS = sorted((Path(__file__).parents[2] / "dsl" / "vectors" / "flag").glob("*.json"))
START = 1_772_366_400_000
_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Case:
    """A case of the conformance vectors, asked of the engine and of a snapshot of it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.case = case_runner._read(case_runner._exact(dict(document)), case_runner._Case, "$")
        definitions = list(case_runner._definitions(self.case))
        self.catalog: Catalog = build_catalog(
            0, self.case.zone, definitions, definitions, live_revision=1, head_revision=1
        )

    def moments(self) -> Iterator[Any]:
        return case_runner._replay(self.case, self.catalog)

    def _activation(self, moment: Any, now: int, context: Mapping[str, Any]) -> FlagActivation:
        profile = moment.profile
        activation = FlagActivation(
            now,
            calendar=self.catalog.calendar,
            properties=profile.properties,
            state=profile.state,
            first_seen=profile.first_seen,
            last_seen=profile.last_seen,
            evaluators=self.catalog.live.evaluators,
            context=context,
            group=profile.group_traits if hasattr(profile, "group_traits") else None,
        )
        activation.unit = profile.bucketing_key or None
        activation.names = tuple(f"{id.kind} {id.value}" for id in self.case.ids)
        activation.killed = {self.catalog.live.flags[key].id: Killed() for key in self.case.killed}
        return activation

    def snapshot(self, moment: Any) -> Snapshot:
        """The snapshot of a moment, as it is after a journey over the wire."""
        activation = self._activation(moment, moment.now, {})
        made = local_flags(self.catalog.live.local, activation, moment.now)
        fields = {
            "format": 1,
            "asOf": moment.now,
            "validUntil": None if made.until >= NEVER else made.until,
            "revision": 1,
            "version": 1,
            "unit": activation.unit,
            "flags": made.flags,
        }
        return Snapshot(json.loads(_encode(fields)))

    def compare(self, moment: Any, snapshot: Snapshot, flag: str, now: int, context: Mapping[str, Any]) -> str:
        """Whether the client says the same. Returns how it answered: `here`, `early` or `asked`."""
        program = self.catalog.live.flags.get(flag)
        said = snapshot.decide(flag, read_context(context), now)
        if program is None:
            assert said is None
            return "here"
        if said is ASK:
            return "asked"
        assert isinstance(said, Answer)
        exact = case_runner._exact(dict(context))
        found = decide(program, self._activation(moment, now, exact), now)
        expected = json.loads(_encode(found.value))
        assert (said.value, said.variant, said.reason, said.rule) == (expected, found.variant, found.reason, found.rule)
        ends = NEVER if said.valid_until is None else said.valid_until
        assert ends > now
        # Either may look less far ahead than the other, and say an earlier instant than the true one.
        for _ in range(20):
            if found.until >= ends:
                break
            at = found.until
            found = decide(program, self._activation(moment, at, exact), at)
            assert said.variant == found.variant, (now, at, said.valid_until)
        return "here"


def _client_side(document: Any) -> Any:
    """A flag's document that leaves its rules to clients."""
    return {**document, "evaluation": "client"} if isinstance(document, dict) else document


def _vectors() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in VECTORS:
        file = json.loads(path.read_text(), parse_float=Decimal)
        for case in file["cases"]:
            whole = {**file.get("given", {}), **case}
            if "decision" in whole or "timeline" in whole or "results" in whole:
                yield case["id"], whole


@pytest.mark.parametrize(("id", "case"), [pytest.param(id, case, id=id) for id, case in _vectors()])
def test_the_vectors_of_flags(id: str, case: dict[str, Any]) -> None:
    definitions = dict(case.get("definitions") or {})
    definitions["flags"] = {key: _client_side(flag) for key, flag in definitions.get("flags", {}).items()}
    fields = {name: value for name, value in case.items() if name in case_runner._Case.__struct_fields__}
    try:
        asked = _Case(fields | {"definitions": definitions, "flag": _client_side(case.get("flag"))})
    except TinyCDPError:
        assert "error" in case
        return
    for moment in asked.moments():
        asked.compare(moment, asked.snapshot(moment), asked.case.flag_key, moment.now, asked.case.context)


# Random flags


def _one(*parts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(parts)


_NUMBERS = _one("0", "1", "2.5", "-3", "0.000000001", "99999999999999999999",
    "context.n", "context.deep.n", "profile.n",
    "events.buy.count_1d", "events.buy.sum(amount, 2d)", "events.buy.last(amount)", "events.buy.last_hours_ago",
    "last_seen_minutes_ago", "days(ago(datetime(context.t)))", "hours(until(datetime(profile.t)))",
    "minutes(ago(events.buy.last_at))", "seconds(until(datetime(context.t)))", "len(context.s)")  # fmt: skip
_TEXTS = _one('"a"', '"Äb"', '""', "context.s", "profile.s", "context.deep.s", "lower(context.s)", "upper(profile.s)")
_SPANS = _one("1h", "2d", "0s", "ago(datetime(context.t))", "until(datetime(context.t))", "ago(last_seen_at)",
    "until(events.buy.last_at + 3h)", "ago(events.buy.last_at)")  # fmt: skip
_TRUTHS = _one("true", "context.b", "profile.b", "segments.bought", "context.o == profile.o", "context.o == context.n",
    "context.l == profile.l", "exists(context.s)", "!exists(profile.n)", 'flag("other") == "b"', 'flag("other") == "a"',
    'semver(context.v) >= semver("2.10")', 'semver(context.v) < semver(profile.v)', 'profile.s == "a"',
    'context.s in ["a", "b"]', "context.n in [1, 2.5]", 'context.s not in ["a"]', "events.buy.exists(1d)")  # fmt: skip


def _deeper(inner: dict[str, st.SearchStrategy[str]]) -> dict[str, st.SearchStrategy[str]]:
    number, text, span, truth = (inner[kind] for kind in ("number", "text", "span", "truth"))
    compared = _one("==", "!=", "<", "<=", ">", ">=")
    return {
        "number": st.one_of(
            number,
            st.builds("({} {} {})".format, number, _one("+", "-", "*", "/", "??"), number),
            st.builds("{}({})".format, _one("abs", "round", "-"), number),
            st.builds("{}({}, {})".format, _one("min2", "max2"), number, number),
            st.builds("if({}, {}, {})".format, truth, number, number),
            st.builds("{}({})".format, _one("days", "hours", "minutes"), span),
        ),
        "text": st.one_of(
            text,
            st.builds("({} ?? {})".format, text, text),
            st.builds("if({}, {}, {})".format, truth, text, text),
        ),
        "span": st.one_of(span, st.builds("({} {} {})".format, span, _one("+", "-"), span)),
        "truth": st.one_of(
            truth,
            st.builds("({} {} {})".format, number, compared, number),
            st.builds("({} {} {})".format, number, compared, number),
            st.builds("({} {} {})".format, span, compared, span),
            st.builds("({} {} {})".format, text, _one("==", "!="), text),
            st.builds("({} {} {})".format, truth, _one("&&", "||", "??"), truth),
            st.builds("(not {})".format, truth),
            st.builds("{}({}, {})".format, _one("starts_with", "ends_with", "contains"), text, text),
            st.builds("between({}, {}, {})".format, number, number, number),
            st.builds("exists({})".format, number),
            st.builds("if({}, {}, {})".format, truth, truth, truth),
        ),
    }  # fmt: skip


_INNER = {"number": _NUMBERS, "text": _TEXTS, "span": _SPANS, "truth": _TRUTHS}
CONDITIONS = _deeper(_deeper(_INNER))["truth"]

_times = st.integers(-50, 100).map(lambda hours: iso(START + hours * HOUR_MS))
_plain = {
    "n": st.one_of(st.integers(-5, 5), st.sampled_from([2.5, 0.1, 1e-10, 1e20, True, "1"])),
    "s": st.sampled_from(["a", "b", "AÄb", "", "\x00", 7]),
    "b": st.sampled_from([True, False, 1]),
    "t": st.one_of(_times, st.sampled_from(["2026-03-01", "soon"])),
    "v": st.sampled_from(["2.9", "v2.10.0-rc.1", "3", "x"]),
    "o": st.sampled_from([{"a": 1, "b": [1, None]}, {"b": [1.0, None], "a": 1}, {"a": "1"}, [1], 1, "x"]),
    "l": st.sampled_from([[1, 2], [1.0, 2], [], "x"]),
}
contexts = st.fixed_dictionaries(
    {},
    optional=_plain | {"deep": st.fixed_dictionaries({}, optional={"n": _plain["n"], "s": _plain["s"]})},
)
properties = st.fixed_dictionaries({}, optional=_plain)
events = st.lists(
    st.tuples(st.integers(-60, 0), st.one_of(st.none(), st.integers(1, 9))).map(
        lambda drawn: {"event": "buy", "ts": START + drawn[0] * HOUR_MS, "properties": {"amount": drawn[1]}}
    ),
    max_size=4,
)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for n in range(draw(st.integers(1, 3))):
        rule: dict[str, Any] = {"id": f"r{n}", "when": draw(CONDITIONS)}
        if draw(st.integers(0, 2)):
            rule["serve"] = draw(_one("a", "b"))
        else:
            rule["split"] = {"a": 30_000, "b": 70_000}
        if draw(st.integers(0, 3)) == 0:
            rule["rollout"] = draw(st.sampled_from([0, 40, 99.999, 100]))
        found.append(rule)
    return found


def _flag(rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    variants = {"a": "a", "b": "b"}
    return {"type": "string", "variants": variants, "offVariant": "a", "rules": rules, "evaluation": "client", **more}


@examples(25, deep=3000)
@given(
    asked=rules(),
    other=st.sampled_from(['context.s == "a"', "context.n > 2", "events.buy.exists(1d)", "context.b"]),
    profile=properties,
    history=events,
    said=st.lists(contexts, min_size=1, max_size=2),
    unit=st.sampled_from(["u-1", "u-2", "u-3", None]),
)
def test_random_flags(
    asked: list[dict[str, Any]], other: str, profile: Any, history: Any, said: list[Any], unit: str | None
) -> None:
    document = {
        "definitions": {
            "segments": {"bought": "events.buy.count_1d >= 1"},
            "flags": {"other": _flag([{"id": "r", "when": other, "serve": "b"}])},
        },
        "flag": {"key": "f", **_flag(asked)},
        "profile": profile,
        "events": sorted(history, key=lambda event: event["ts"]),
        "unit": unit,
        "at": [START],
    }
    try:
        case = _Case(document)
    except TinyCDPError:
        assume(False)
    (moment,) = case.moments()
    snapshot = case.snapshot(moment)
    for context in said:
        instants = {START, START + 1, START + MINUTE_MS, START + 5 * HOUR_MS, START + 3 * DAY_MS}
        for _ in range(2):  # and where something changes, to the millisecond
            answers = [snapshot.decide(key, read_context(context), now) for now in instants for key in ("f", "other")]
            ends = {answer.valid_until for answer in answers if isinstance(answer, Answer) and answer.valid_until}
            instants |= {at for end in sorted(ends)[:4] for at in (end - 1, end) if START <= at < NEVER}
        for now in sorted(instants):
            case.compare(moment, snapshot, "f", now, context)
            case.compare(moment, snapshot, "other", now, context)
