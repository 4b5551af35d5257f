"""Answers of analytics as a terminal shows them, and as the file of a command has them."""

import json
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from analytics_answers import ANSWERS
from tinycdp.cli.analytics.answers import _KINDS, as_text, spark
from tinycdp.cli.analytics.query import as_csv
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.files.tables import table_of
from tinycdp.products.analytics.files.writers import csv_parts

ABOUT: dict[str, Any] = {
    "asOf": "2026-03-04T10:00:00Z",
    "zone": "Europe/Berlin",
    "warnings": [{"path": "series[0].event", "message": "no event has this name"}],
}
BUCKETS = [
    {"start": f"2026-03-0{day}T00:00:00+01:00", "end": f"2026-03-0{day + 1}T00:00:00+01:00", "complete": day < 3}
    for day in (1, 2, 3)
]
TREND: dict[str, Any] = ABOUT | {
    "kind": "trend",
    "buckets": BUCKETS,
    "lines": [
        {
            "series": "A", "name": "revenue", "group": {"kind": "value", "values": ["de"]},
            "values": [Decimal("10.5"), 3000, None], "total": Decimal("3010.123456"), "before": None,
        },
        {"series": "A", "name": "", "group": {"kind": "other", "values": []}, "values": [1, 2, 3], "total": 6},
    ],
}  # fmt: skip


def step(name: str, reached: int, rate: Decimal) -> dict[str, Any]:
    counts = {"reached": reached, "inProgress": 1, "excluded": 0, "dropped": 2}
    return {"name": name, **counts, "rate": rate, "fromPrevious": rate, "medianMs": 7_500_000, "times": []}


FUNNEL: dict[str, Any] = ABOUT | {
    "kind": "funnel",
    "groups": [
        {"group": None, "steps": [step("view", 100, Decimal(1)), step("purchase", 25, Decimal("0.25"))]},
    ],
}


def cell(share: Decimal | None, complete: bool) -> dict[str, Any]:
    return {"people": 1, "share": share, "complete": complete}


RETENTION: dict[str, Any] = ABOUT | {
    "kind": "retention",
    "periods": [[0, 0], [1, 7]],
    "groups": [
        {
            "group": None,
            "people": 9,
            "average": [Decimal(1), Decimal("0.4321")],
            "cohorts": [
                {"bucket": BUCKETS[0], "people": 5, "cells": [cell(Decimal(1), True), cell(Decimal("0.4321"), True)]},
                {"bucket": BUCKETS[1], "people": 4, "cells": [cell(Decimal(1), True), cell(Decimal("0.5"), False)]},
            ],
        }
    ],
}


def test_a_trend_has_a_spark_line_for_each_series() -> None:
    text = as_text(TREND, 80).splitlines()
    assert text[0].split() == ["bucket", "revenue", "de", "A", "(other)"]
    assert text[2].split() == ["2026-03-02", "3,000", "2"]
    assert text[3].endswith("*")
    assert "revenue de  3,010.1235  ▁█" in text
    assert text[-2] == "warning: series[0].event: no event has this name"
    assert text[-1] == "as of 2026-03-04T10:00:00Z · Europe/Berlin · * not complete"


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_a_file_of_the_command_is_the_file_of_an_export(answer: Answer) -> None:
    sent = json.loads(msgspec.json.Encoder(decimal_format="number").encode(answer), parse_float=Decimal)
    assert as_csv(sent).encode() == b"".join(csv_parts(table_of(answer)))
    assert as_text(sent, 100)


def test_an_answer_of_another_version_is_no_file() -> None:
    with pytest.raises(InvalidInput, match="in another form"):
        as_csv(TREND | {"lines": [{"series": 1}]})


def test_the_bars_of_a_funnel_are_in_proportion() -> None:
    bars = [line.count("█") for line in as_text(FUNNEL, 140).splitlines()[1:3]]
    assert bars == [24, 6]


def test_an_unfinished_cell_of_a_retention_is_marked() -> None:
    lines = as_text(RETENTION, 80).splitlines()
    assert lines[2].split() == ["2026-03-02", "4", "100.0%", "50.0%*"]
    assert lines[-1].endswith("* not complete")


@pytest.mark.parametrize("answer", [TREND, FUNNEL, RETENTION], ids=lambda answer: answer["kind"])
@pytest.mark.parametrize("width", [30, 50, 80, 140])
def test_a_table_fits_the_terminal(answer: dict[str, Any], width: int) -> None:
    table = as_text(answer, width).partition("warning:")[0]
    lines = [line for line in table.splitlines() if not line.startswith("…")]
    assert max(map(len, lines)) <= width
    if len(lines[0]) < 20:
        assert "the terminal is too narrow" in table


def test_a_spark_line_begins_at_zero() -> None:
    assert spark([0, 7, None, Decimal("3.5")]) == "▁█ ▄"
    assert spark([5, 5]) == "██"
    assert spark([]) == ""


def test_every_kind_of_answer_has_tables() -> None:
    assert _KINDS.keys() == {msgspec.inspect.type_info(kind).tag for kind in get_args(Answer)}  # type: ignore[attr-defined]
