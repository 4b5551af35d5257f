"""Every vector about values, decisions and buckets, held against the engine and, independently, against the oracle."""

import itertools
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from builders import GIVEN, VECTORS, Vector, at, expanded, messages_of, vectors
from oracle import Oracle
from serving import PATIENCE_SECONDS
from tinycdp.dsl import ir
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.engine.case_runner import run_case
from tinycdp.engine.flags.bucketing import bucket

TOPICS = (
    *("logic", "number", "unique", "percentile", "top", "window", "calendar", "merge", "valid_until"),
    *("flag", "hash"),
)
CASES = list(vectors(*TOPICS))
#: The rows of the specification's table that a reader may look for under exactly these ids.
PROMISED = {"N1", "N3", "N6", "N9", "W1", "W2", "W8", "D1", "D3", "M1", "M2", "V2", "V4", "F1", "F5"}


def named(*wanted: str) -> Any:
    """The cases that have one of the keys, as parameters named by their ids."""
    chosen = [pytest.param(v, id=f"{v.file}:{v.id}") for v in CASES if any(key in v.case for key in wanted)]
    assert chosen
    return pytest.mark.parametrize("vector", chosen)


@named("expr")
def test_value(vector: Vector) -> None:
    assert vector.moments, "a case says what it expects"
    answer = run_case(document(vector))
    assert [plain(result["value"]) for result in answer["results"]] == [plain(value) for _, value in vector.moments]


@named("expr")
def test_value_by_the_oracle(vector: Vector) -> None:
    """The expectations themselves, recomputed from raw events by another program."""
    oracle, node = oracle_of(vector.case)
    for instant, expected in vector.moments:
        value = oracle.value(node, instant)
        assert plain(json_value(value, node.type)) == plain(expected), vector.id


@named("value", "timeline")
def test_valid_until_is_never_late(vector: Vector) -> None:
    results = run_case(document(vector))["results"]
    for (instant, value), result, following in zip(
        vector.moments, results, [*vector.moments[1:], (None, None)], strict=True
    ):
        until = result["valid_until"]
        assert until == "never" or at(until) > instant
        if following[0] is not None and plain(following[1]) != plain(value):
            assert until != "never"
            assert at(until) <= following[0]


@named("valid_until")
def test_valid_until(vector: Vector) -> None:
    [result] = run_case(document(vector))["results"]
    expected = vector.case["valid_until"]
    assert result["valid_until"] == expected or at(result["valid_until"]) == at(expected)


@named("permute")
def test_order_of_arrival_does_not_matter(vector: Vector) -> None:
    instant, expected = vector.moments[-1]
    events = expanded(vector.case["events"])
    arrival = max(at(event.get("received_at", event["ts"])) for event in events)
    assert arrival <= instant
    for order in orders(events):
        shuffled = [{**event, "received_at": arrival} for event in order]
        answer = run_case({**document(vector), "events": shuffled, "timeline": [[instant, expected]]})
        assert plain(answer["results"][0]["value"]) == plain(expected)


@named("merge")
def test_merging_either_way_is_one_profile(vector: Vector) -> None:
    expected = [plain(value) for _, value in vector.moments]
    other_way = [
        {**event, "profile": {"a": "b", "b": "a"}[event["profile"]]} for event in expanded(vector.case["events"])
    ]
    ways = ({}, {"events": other_way}, {"merge": False})
    for change in ways:
        answer = run_case({**document(vector), **change})
        assert [plain(result["value"]) for result in answer["results"]] == expected


@named("decision")
def test_decision(vector: Vector) -> None:
    [result] = run_case(document(vector))["results"]
    expected = vector.case["decision"]
    assert {key: result["decision"].get(key) for key in expected} == expected
    if "value" in expected:
        assert result["value"] == expected["value"]


@named("error")
def test_a_flag_that_is_refused(vector: Vector) -> None:
    answer = run_case({**vector.case})
    assert vector.case["error"]["code"] in {answer["error"]["code"], *(d["code"] for d in answer["diagnostics"])}
    assert answer["met"]


@named("bucket")
def test_bucket(vector: Vector) -> None:
    parts = vector.case["hash"]
    assert bucket(parts["salt"], parts["purpose"], parts["unit"]) == vector.case["bucket"]


@named("raise")
def test_raising_a_rollout_only_adds(vector: Vector) -> None:
    low, high = vector.case["raise"]
    flag = vector.case["flag"]
    served = []
    for percent in (low, high):
        raised = {**flag, "rules": [{**flag["rules"][0], "rollout": percent}, *flag["rules"][1:]]}
        units = [f"u-{n}" for n in range(vector.case["units"])]
        results = run_case({**document(vector), "flag": raised, "unit": units})["results"]
        served.append(
            {
                unit: result["decision"]["variant"]
                for unit, result in zip(units, results, strict=True)
                if result["decision"]["reason"] == "SPLIT"
            }
        )
    before, after = served
    assert before.items() <= after.items()
    assert [len(before), len(after)] == vector.case["admitted"]
    assert Counter(after.values()) == vector.case["arms"]


def test_the_whole_file_is_answered_by_the_command_line() -> None:
    """`tinycdp eval` reads a vector file as it is and says of each case whether it was met."""
    files = [json.loads(path.read_text()) for topic in TOPICS for path in sorted((VECTORS / topic).glob("*.json"))]
    lines = "".join(json.dumps(file) + "\n" for file in files)
    answered = subprocess.run(
        [sys.executable, "-m", "tinycdp", "eval"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("TINYCDP_")},
    )
    assert answered.returncode == 0, answered.stderr
    answers = [json.loads(line) for line in answered.stdout.splitlines()]
    for file, answer in zip(files, answers, strict=True):
        assert [case["id"] for case in answer["cases"]] == [case["id"] for case in file["cases"]]
        assert answer["unmet"] == []
        assert all(
            case.get("met") or "raise" in asked for case, asked in zip(answer["cases"], file["cases"], strict=True)
        )


@pytest.mark.parametrize(
    ("document", "code", "named"),
    [
        ({"at": 0}, "INVALID_CASE", "`expr` or a `flag`"),
        ({"expr": 3}, "INVALID_CASE", "$.expr"),
        ({"expr": "1 +"}, "E104", "'+'"),
        ({"expr": "true", "at": "yesterday"}, "INVALID_CASE", "$.at"),
        ({"expr": "true", "at": 10**30}, "INVALID_CASE", "$"),
        ({"expr": "true", "zone": "Mars/Olympus"}, "INVALID_CASE", "$.zone"),
        ({"expr": "true", "zone": "../etc"}, "INVALID_CASE", "$.zone"),
        ({"expr": "true", "events": [5]}, "INVALID_CASE", "$.events"),
        ({"expr": "true", "at": 0, "events": [{"event": "a"}]}, "INVALID_CASE", "$.events[0]"),
        ({"expr": "true", "at": 0, "events": [{"ts": 0}]}, "INVALID_CASE", "$.events[0]"),
        ({"expr": "true", "at": 0, "events": [{"event": "a", "ts": 0, "type": "click"}]}, "INVALID_CASE", "type"),
        ({"expr": "true", "definitions": {"traits": {"t": 1}}}, "INVALID_CASE", "traits"),
        ({"expr": "t", "definitions": {"traits": {"t": "u", "u": "t"}}}, "E601", "cycle"),
        ({"flag": {"rules": [{"when": "true"}]}}, "INVALID_FLAG", "serve"),
        ({"expr": "true", "given": [1]}, "INVALID_CASE", "given"),
        (
            {"expr": "true", "timelines": []},
            "INVALID_CASE",
            "$.timelines: unknown field; did you mean `timeline`?",
        ),
        (
            {"expr": "true", "colour": 1},
            "INVALID_CASE",
            "$.colour: unknown field; dsl/vectors/README.md lists",
        ),
        ({"expr": "true", "given": {"zones": "UTC"}}, "INVALID_CASE", "$.zones"),
        ({"cases": [], "givn": {}}, "INVALID_CASE", "$.givn"),
        (
            {"expr": "true", "events": [{"event": "a", "ts": 0, "propertys": {}}]},
            "INVALID_CASE",
            "did you mean `properties`",
        ),
        ({"hash": {"salt": "s", "purpose": "p", "unit": "u", "seed": 1}}, "INVALID_CASE", "seed"),
    ],
)
def test_a_malformed_case_is_answered_with_what_is_wrong(document: dict[str, Any], code: str, named: str) -> None:
    error = run_case(document)["error"]
    assert error["code"] == code
    assert named in error["message"]


def test_other_spellings_are_taken() -> None:
    sent = {"userId": "ada", "anonymousId": "a-1", "sentAt": "2026-01-01T00:00:01Z", "integrations": {}}
    event = sent | {
        "name": "a",
        "timestamp": "2026-01-01T00:00:00Z",
        "props": {"x": 2},
        "messageId": "m1",
        "kind": "track",
    }
    answer = run_case({"expr": "events.a.sum(x, 7d)", "events": [event, event], "at": ["2026-01-02T00:00:00Z", 0]})
    assert [result["value"] for result in answer["results"]] == [2, 0]
    assert (answer["type"], answer["canonical"]) == ("number", "events.a.sum(x, 7d)")


def test_what_never_changes_within_any_calendar_is_valid_for_ever() -> None:
    given = {"events": [{"event": "a", "ts": 0}], "at": 0}
    [result] = run_case({"expr": "last_seen_days_ago < 99999999999", **given})["results"]
    assert result["valid_until"] == "never"


# The files themselves


class Repeat(msgspec.Struct, forbid_unknown_fields=True):
    times: int
    every: int


class Event(msgspec.Struct, forbid_unknown_fields=True):
    ts: str | int
    event: str = ""
    id: str = ""
    type: str = "track"
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    received_at: str | int | None = None
    groupId: str | None = None
    context: dict[str, Any] = {}
    profile: str = ""
    repeat: Repeat | None = None


class Schema(msgspec.Struct, forbid_unknown_fields=True):
    profile: dict[str, str] = {}
    events: dict[str, dict[str, str]] = {}


class Definitions(msgspec.Struct, forbid_unknown_fields=True):
    traits: dict[str, str] = {}
    segments: dict[str, str] = {}
    flags: dict[str, dict[str, Any]] = {}


class IdentifierRef(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    value: str


class Given(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    zone: str = "UTC"
    schema: Schema | None = None
    profile: dict[str, Any] = {}
    events: list[Event] = []
    definitions: Definitions | None = None
    context: dict[str, Any] = {}
    unit: str | None = None
    ids: list[IdentifierRef] = []
    killed: list[str] = []
    at: str | int | None = None
    merge: bool = False


class Hash(msgspec.Struct, forbid_unknown_fields=True):
    salt: str
    purpose: str
    unit: str


class Error(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class Case(Given, forbid_unknown_fields=True, kw_only=True):
    id: str
    about: str = ""
    expr: str | None = None
    flag: dict[str, Any] | str | None = None
    hash: Hash | None = None
    value: Any = None
    timeline: list[tuple[str | int, Any]] = []
    valid_until: str | int | None = None
    permute: bool = False
    decision: dict[str, Any] = {}
    error: Error | None = None
    bucket: int | None = None
    raise_: list[Decimal] = msgspec.field(name="raise", default_factory=list)
    units: int | None = None
    admitted: list[int] = []
    arms: dict[str, int] = {}


class File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    about: str
    given: Given
    cases: list[Case]


def test_the_files_are_well_formed() -> None:
    for topic in TOPICS:
        paths = sorted((VECTORS / topic).glob("*.json"))
        assert paths, topic
        for path in paths:
            for case in msgspec.json.decode(path.read_bytes(), type=File).cases:
                assert case.expr or case.flag or case.hash, f"{path.name}: {case.id} has nothing to evaluate"


def test_the_published_schema_is_that_of_the_files() -> None:
    """It is generated from the structs above; `PYTHONPATH=tests python tests/conformance/test_vectors.py` writes it."""
    assert json.loads((VECTORS / "schema.json").read_text()) == schema()


def test_ids_are_unique_and_the_promised_ones_exist() -> None:
    ids = Counter(case["id"] for path in VECTORS.glob("*/*.json") for case in json.loads(path.read_text())["cases"])
    assert [id for id, n in ids.items() if n > 1] == []
    assert PROMISED - ids.keys() == set()
    assert len(CASES) >= 120


def test_every_case_expects_something() -> None:
    wanted = {"value", "timeline", "decision", "error", "bucket", "raise"}
    assert [v.id for v in CASES if not wanted & v.case.keys()] == []


def schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(File)}


# Helpers


def document(vector: Vector) -> dict[str, Any]:
    """What the engine is asked: the case without its expectations."""
    return {key: value for key, value in vector.case.items() if key in (*GIVEN, "expr", "flag", "timeline")}


def typed_case(case: Mapping[str, Any]) -> tuple[dict[tuple[str, str], ir.Node], ir.Node]:
    """The definitions beside the case's expression, and the expression, all typed."""
    given = case.get("definitions", {})
    listed = [DefinitionSource("trait", key, text) for key, text in given.get("traits", {}).items()]
    listed += [DefinitionSource("segment", key, text) for key, text in given.get("segments", {}).items()]
    types = {name: ir.Type(kind) for name, kind in case.get("schema", {}).get("profile", {}).items()}
    checked = check_workspace([*listed, DefinitionSource("trait", "case", case["expr"])], properties=types).checked
    nodes = {name: parts[0].node for name, parts in checked.items()}
    node = nodes["trait", "case"]
    assert node is not None, checked["trait", "case"][0].diagnostics
    return {name: node for name, node in nodes.items() if node is not None}, node


def oracle_of(case: Mapping[str, Any]) -> tuple[Oracle, ir.Node]:
    """The oracle of the case's history, and its expression typed."""
    definitions, node = typed_case(case)
    oracle = Oracle(
        messages_of(case),
        zone=case.get("zone", "UTC"),
        properties=case.get("profile"),
        definitions=definitions,
        context=case.get("context"),
    )
    return oracle, node


def json_value(value: Any, kind: ir.Type) -> Any:
    """A run-time value as vectors write it: datetimes as their instants."""
    return value if kind is not ir.Type.DATETIME or value is None else ("instant", value)


def plain(value: Any) -> Any:
    """A JSON value so that equal ones compare equal: numbers as decimals, instants as milliseconds, true not 1."""
    if isinstance(value, bool) or value is None:
        return ("truth", value)
    if isinstance(value, int | float | Decimal):
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if isinstance(value, str):
        try:
            return ("instant", at(value))
        except ValueError:
            return value
    return value


def orders(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Every order of a few, some orders of many, and everything twice."""
    if len(events) <= 4:
        found = [list(order) for order in itertools.permutations(events)]
    else:
        shuffled = [random.Random(seed).sample(events, len(events)) for seed in range(3)]
        found = [events[::-1], *shuffled]
    return [*found, events + events[::-1]]


if __name__ == "__main__":
    (VECTORS / "schema.json").write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n")
