"""The Python client evaluates snapshots as dsl/SNAPSHOT.md says."""

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tinycdp_client.local import ASK, Answer, Snapshot, UnknownFormat, read_context
from tinycdp_client.local.evaluate import Ends, Evaluation
from tinycdp_client.local.snapshot import bucket
from tinycdp_client.local.values import Json, read_number

ROOT = Path(__file__).parents[2]
SPECIFICATION = (ROOT / "dsl" / "SNAPSHOT.md").read_text()
EXAMPLE = json.loads(re.findall(r"```json\n(.*?)```", SPECIFICATION, re.DOTALL)[0])
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", SPECIFICATION, re.MULTILINE)[:7]
NOON = EXAMPLE["asOf"]


def _instant(hours: str) -> int:
    hour, minute = map(int, hours.split(":"))
    return NOON + ((hour - 12) * 60 + minute) * 60_000


@pytest.mark.parametrize(("flag", "context", "at", "expected"), ROWS)
def test_the_example_of_the_specification(flag: str, context: str, at: str, expected: str) -> None:
    said = {} if context == "any" else json.loads(context.strip("`"))
    found = Snapshot(EXAMPLE).decide(flag, read_context(said), NOON if at == "any" else _instant(at))
    if expected == "ask the server":
        assert found is ASK
    elif "FLAG_NOT_FOUND" in expected:
        assert found is None
    else:
        assert isinstance(found, Answer)
        quoted = re.findall(r"`([^`]+)`", expected)
        until = re.search(r"until (\d\d:\d\d)", expected)
        assert json.dumps(found.value) == quoted[0]
        assert (found.variant, found.reason, found.rule) == (quoted[1], quoted[2], (*quoted, None)[3])
        assert found.valid_until == (_instant(until[1]) if until else None)


BUCKETS = json.loads((ROOT / "dsl" / "vectors" / "hash" / "buckets.json").read_text())["cases"]


@pytest.mark.parametrize("case", BUCKETS, ids=lambda case: case["id"])
def test_units_fall_where_the_vectors_say(case: dict[str, Any]) -> None:
    assert bucket(**case["hash"]) == case["bucket"]


def test_the_rows_of_the_specification_are_found() -> None:
    assert len(ROWS) == 7 and dt.datetime.fromtimestamp(NOON / 1000, dt.UTC).hour == 12


def test_another_format_is_not_read() -> None:
    with pytest.raises(UnknownFormat):
        Snapshot(EXAMPLE | {"format": 2})


def _value(node: Any, now: int = NOON, **context: Any) -> Any:
    def decide(key: str, at: int, evaluation: Evaluation) -> tuple[str, float]:
        raise AssertionError(key)

    return Evaluation(read_context(context), decide).value(node, now)[0]


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (["and", True, None], None),
        (["and", False, None], False),
        (["or", True, None], True),
        (["or", False, None], None),
        (["not", None], None),
        (["==", ["number", "0.3"], ["+", ["number", "0.1"], ["number", "0.2"]]], True),
        (["/", ["number", "1"], ["number", "0"]], None),
        (["exists", ["/", ["number", "1"], ["number", "3"]]], True),
        (["exists", ["*", ["number", "9" * 29], ["number", "10"]]], False),
        (["==", ["round", ["number", "-2.5"]], ["number", "-3"]], True),
        (["else", None, "x"], "x"),
        (["if", None, "x", "y"], None),
        (["if", False, "x", "y"], "y"),
        (["<", ["version", "2.9"], ["semver", "v2.10.0-rc.1"]], True),
        (["<", ["semver", "1.0.0-rc.1"], ["version", "1.0.0"]], True),
        (["semver", "1.02"], None),
        (["lower", "ÄA"], "Äa"),
        (["==", ["len", "caf\u00e9 😀"], ["number", "6"]], True),
        (["contains", "blue jeans", "jean"], True),
        (["in", None, "a"], None),
        (["in", "b", "a", "b"], True),
        (["between", ["number", "7"], ["number", "1"], ["number", "7"]], True),
        (["same", ["json", '{"a":1,"b":[]}'], ["json", '{"b":[],"a":1.0}']], True),
        (["same", ["json", '{"a":1}'], ["json", '{"a":"1"}']], False),
        (["same", ["json", "1"], ["json", '"1"']], None),
        (["same", ["json", "true"], ["json", "false"]], False),
        (["==", ["min", ["number", "2"], ["number", "10"]], ["number", "2"]], True),
        (["==", ["units", ["ms", "-1"], 1000], ["number", "-1"]], True),
        (["datetime", "2026-06-01T12:00:00+02:00"], NOON - 2 * 3_600_000),
        (["datetime", "2026-06-01T12:00:00"], None),
        (["datetime", "2026-06-01T12:00:00+02:75"], None),
        (["known", ["x", NOON - 1], ["y", NOON + 1]], "y"),
    ],
)
def test_nodes(node: Any, value: Any) -> None:
    assert _value(node) == value


@pytest.mark.parametrize(
    ("type", "given", "value"),
    [
        ("string", "ios", "ios"),
        ("string", 7, None),
        ("bool", True, True),
        ("bool", 1, None),
        ("number", True, None),
        ("number", 0.1, 100_000_000),
        ("number", Decimal("0.0000000005"), 1),
        ("number", Decimal("-0.0000000005"), -1),
        ("number", 10**29, None),
        ("number", "7", None),
        ("instant", "2026-06-01T12:00:00Z", NOON),
        ("instant", 7, None),
        ("string", "\u0000", "\ufffd"),
        ("string", "\\u0000", "\\u0000"),
        ("list", "x", None),
    ],
)
def test_the_context_is_read_by_type(type: str, given: Any, value: Any) -> None:
    assert _value(["context", type, "v"], v=given) == value
    assert _value(["context", type, "v", "w"], v={"w": given}) == value
    assert _value(["context", type, "v", "w"], v=given) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True, "\n\u2028é"]}, '{"a":[null,true,"\\n\u2028é"],"b":1e0}'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2e0,"\ufb33":1e0}'),
        (50.73, "5073e-2"),
        (100, "1e2"),
        (-0.0, "0"),
        (Decimal("1E-7"), "1e-7"),
    ],
)
def test_equal_values_have_one_text(value: Any, text: str) -> None:
    assert Json(read_context({"v": value})["v"]).text == text


def test_a_node_of_a_later_server_is_not_guessed() -> None:
    for node in (["regex", "a"], ["context", "version", "v"], 7, {}):
        with pytest.raises(Ends):
            _value(node, v="x")
    unknown = {"off": "a", "variants": {"a": 1}, "until": None, "clauses": [{"when": ["regex"], "serve": "a"}]}
    assert Snapshot(EXAMPLE | {"flags": {"f": unknown}}).decide("f", {}, NOON) is ASK


def test_numbers_keep_38_digits() -> None:
    digits = "9" * 29 + "." + "9" * 9
    assert read_number(digits) == int(digits.replace(".", ""))
    assert read_number("1" + digits) is None
    assert read_number("1e1000000") is None and read_number("1e-1000000") == 0


def test_clocks_change_at_the_very_instant() -> None:
    def decide(key: str, at: int, evaluation: Evaluation) -> tuple[str, float]:
        raise AssertionError(key)

    day = 86_400_000
    nodes = [
        [op, clock, constant]
        for op in ("==", "!=", "<", "<=", ">", ">=")
        for clock, constant in (
            (["ago", ["ms", str(NOON - 3 * day)], day], ["number", "5"]),
            (["ago", ["ms", str(NOON - 3 * day)], day], ["number", "4.5"]),
            (["until", ["ms", str(NOON + 3 * day)], day], ["number", "1"]),
            (["until", ["ms", str(NOON + 3 * day)], day], ["number", "0.5"]),
            (["ago", ["ms", str(NOON)]], ["ms", "7000"]),
            (["until", ["ms", str(NOON + 9000)]], ["ms", "7000"]),
        )
    ]
    nodes += [[{"<": ">", ">": "<"}.get(op, op), right, left] for op, left, right in nodes]
    for node in nodes:
        now: float = NOON
        evaluation = Evaluation({}, decide)
        for _ in range(4):
            value, until = evaluation.value(node, int(now))
            if until == float("inf"):
                break
            assert evaluation.value(node, int(until) - 1)[0] is value
            assert evaluation.value(node, int(until))[0] is not value, (node, now, until)
            now = until
