"""Numbers that an answer does not have: what the error says, and where."""

from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from tinycdp.dsl.check.expressions import Scope
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.cells.schemas import Cell, CellGroup, TrendCell
from tinycdp.products.analytics.compile.behind import people_of
from tinycdp.products.analytics.compile.world import FlagFacts, World
from tinycdp.products.analytics.questions.schemas import Question

NOW = 1_772_366_400_000  # 2026-03-01T12:00Z
FLAG = FlagFacts(1, ("off", "on"), "off", {})
WORLD = World(1, "UTC", NOW, False, Scope(), flags={"price": FLAG})
QUESTIONS: dict[str, dict[str, Any]] = {
    "trend": {"series": [{"event": "a"}]},
    "active": {"days": [1, 7]},
    "stickiness": {},
    "frequency": {"event": "a", "edges": [1, 3]},
    "funnel": {"steps": [{"event": "a"}, {"event": "b"}]},
    "retention": {"start": {"event": "a"}, "returns": {"event": "b"}, "periods": 3},
    "lifecycle": {"bucket": "day"},
    "sessions": {},
    "paths": {"depth": 3},
    "adoption": {"feature": {"event": "a"}, "bucket": "day"},
    "impact": {"feature": {"event": "a"}, "outcome": {"event": "b"}},
    "experiment": {
        "flag": "price",
        "metrics": [{"event": "a"}, {"event": "a", "measure": "sum", "property": "x"}],
    },
}


def error(kind: str, cell: dict[str, Any], **fields: Any) -> InvalidInput:
    asked = {"kind": kind, "from": "2026-02-27", "to": "2026-03-04", **QUESTIONS[kind], **fields}
    question = msgspec.convert(asked, Question)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as raised:
        people_of(question, WORLD, msgspec.convert(cell, Cell))  # type: ignore[arg-type]
    assert raised.value.code == "INVALID_QUESTION"
    return raised.value


def test_every_kind_of_question_has_a_cell() -> None:
    tags = [[one.__struct_config__.tag for one in get_args(union)] for union in (Question, Cell)]
    assert tags[0] == tags[1]
    assert set(tags[0]) == QUESTIONS.keys()


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_cell_has_the_kind_of_its_question(kind: str) -> None:
    other = {"kind": "impact"} if kind != "impact" else {"kind": "paths"}
    found = error(kind, other)
    assert (found.details["path"], kind in str(found), other["kind"] in str(found)) == ("cell.kind", True, True)


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        ("trend", "cell.series", {"series": "B"}),
        ("trend", "cell.bucket", {"bucket": "2026-02-27T01:00:00Z"}),
        ("trend", "cell.bucket", {"bucket": "yesterday"}),
        ("trend", "cell.group", {"group": {"values": ["x"]}}),
        ("active", "cell.days", {"days": 30}),
        ("active", "cell.bucket", {"days": 7, "bucket": "2026-02-26"}),
        ("active", "cell.bucket", {"days": 7, "bucket": "2026-03-02"}),  # it has not begun
        ("stickiness", "cell.buckets", {"buckets": 6}),
        ("stickiness", "cell.buckets", {"buckets": 0}),
        ("frequency", "cell.least", {"least": 2}),
        ("funnel", "cell.step", {"step": 3}),
        ("funnel", "cell.step", {"step": 0}),
        ("funnel", "cell.leastMs", {"status": "converted", "leastMs": 5}),
        ("funnel", "cell.leastMs", {"status": "dropped", "leastMs": 0}),
        ("funnel", "cell.leastMs", {"step": 1, "leastMs": 0}),
        ("funnel", "cell.bucket", {"bucket": "2026-02-27"}),
        ("funnel", "cell.group", {"group": {"values": ["x"]}}),
        ("retention", "cell.period", {"bucket": "2026-02-27", "period": 3}),
        ("retention", "cell.bucket", {"period": 1}),
        ("lifecycle", "cell.bucket", {"bucket": "2026-03-02", "number": "dormant"}),
        ("sessions", "cell.bucket", {"bucket": "2026-02-01"}),
        ("sessions", "cell.bucket", {"bucket": "2026-02-27", "number": "exits", "label": "a"}),
        ("paths", "cell.step", {"step": 3, "source": "a"}),
        ("paths", "cell.step", {"step": 0, "source": "a"}),
        ("adoption", "cell.bucket", {"bucket": "2026-02-01"}),
        ("experiment", "cell.variant", {"variant": ""}),
        ("experiment", "cell.metric", {"variant": "on", "metric": 2}),
        ("experiment", "cell.metric", {"variant": "on", "number": "open"}),
        ("experiment", "cell.number", {"variant": "on", "metric": 0, "number": "crossovers"}),
        ("experiment", "cell.number", {"variant": "on", "metric": 1, "number": "conversions"}),
    ],
)
def test_a_number_that_the_answer_does_not_have_says_where(kind: str, path: str, cell: dict[str, Any]) -> None:
    assert error(kind, {"kind": kind, **cell}).details["path"] == path


@pytest.mark.parametrize(
    ("bins", "value", "scalar"),
    [
        ([], 0, "#0"),
        ([], Decimal("0.000000000"), "#0"),
        ([], Decimal("100.500000000"), "#100.5"),
        ([], -7, "#-7"),
        ([], True, "?true"),
        ([], "0", '"0'),
        ([10], "below 10", "#0"),
        ([10], "10 and above", "#1"),
    ],
)
def test_a_group_is_what_the_statement_calls_it(bins: list[int], value: Any, scalar: str) -> None:
    breakdown = {"property": "x", "bins": bins}
    question = msgspec.convert({"kind": "trend", "last": "7d", **QUESTIONS["trend"], "breakdown": breakdown}, Question)  # type: ignore[arg-type]
    statement = people_of(question, WORLD, TrendCell(group=CellGroup(values=(value,))))
    assert [scalar] in statement.parameters.values()
