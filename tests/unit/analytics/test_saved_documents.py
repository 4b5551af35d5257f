"""Documents of saved definitions: one stored form for one meaning, and what they name."""

from typing import Any

import pytest

from tinycdp.products.analytics.definitions.documents import KINDS, problems

TREND: dict[str, Any] = {"kind": "trend", "last": "7d", "series": [{"event": "a"}]}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("report", {"key": "r", "name": "", "question": {**TREND, "top": 10, "sample": 1.0}}, {"question": TREND}),
    (
        "report",
        {"question": {"series": [{"event": "a", "where": ""}], "last": "7d", "kind": "trend"}},
        {"question": TREND},
    ),
    ("metric", {"key": "m", "within": "7d", "event": "a", "measure": "count"}, {"event": "a"}),
    ("event", {"any": [{"where": "n > 1", "event": "a"}]}, {"any": [{"event": "a", "where": "n > 1"}]}),
    ("dashboard", {"tiles": [{"text": "x", "width": 6, "question": None}]}, {"tiles": [{"text": "x"}]}),
]


@pytest.mark.parametrize(("kind", "document", "stored"), CASES)
def test_documents_of_one_meaning_have_one_form(kind: str, document: dict[str, Any], stored: dict[str, Any]) -> None:
    assert list(problems(kind, document)) == []
    found = KINDS.normal(kind, document)
    assert found == stored
    assert list(found) == list(stored), "in the order of the fields"
    assert KINDS.normal(kind, found) == found


def test_names_are_found_and_rewritten_wherever_they_are() -> None:
    document = {
        "tiles": [
            {"report": "weekly"},
            {"question": {**TREND, "series": [{"metric": "revenue"}, {"event": {"derived": "activation"}}]}},
        ]
    }
    assert list(KINDS.references_of(document)) == [
        (("report", "weekly"), "$.tiles[0].report"),
        (("metric", "revenue"), "$.tiles[1].question.series[0].metric"),
        (("event", "activation"), "$.tiles[1].question.series[1].event.derived"),
    ]
    new = KINDS.renamed(document, {("metric", "revenue"): "income", ("report", "revenue"): "nothing"})
    assert [name for name, _ in KINDS.references_of(new)] == [
        ("report", "weekly"),
        ("metric", "income"),
        ("event", "activation"),
    ]


def test_a_way_back_is_found_through_others() -> None:
    def made_of(*keys: str) -> dict[str, Any]:
        return {"any": [{"event": {"derived": key}} for key in keys]}

    documents = {("event", "a"): made_of("b", "c"), ("event", "b"): made_of("c"), ("event", "c"): made_of("a")}
    assert [key for _, key in KINDS.cycle_of(("event", "a"), documents)] == ["a", "b", "c", "a"]
    assert KINDS.cycle_of(("event", "a"), {**documents, ("event", "c"): {"any": [{"event": "x"}]}}) == []


@pytest.mark.parametrize(
    ("kind", "document", "paths"),
    [
        ("report", {"question": {**TREND, "serie": 1, "lst": 2}}, {"$.question.serie", "$.question.lst"}),
        ("event", {"any": []}, {"$.any"}),
        ("dashboard", {"tiles": [{}, {"text": "a", "report": "b"}]}, {"$.tiles[0]", "$.tiles[1]"}),
        ("dashboard", {"tiles": [{"text": "a", "width": 13}]}, {"$.tiles[0].width"}),
        ("metric", {"name": "x" * 201, "event": "a"}, {"$.name"}),
    ],
)
def test_all_mistakes_have_their_paths(kind: str, document: dict[str, Any], paths: set[str]) -> None:
    assert {path for path, _ in problems(kind, document)} == paths
