"""Files of answers: every kind has a table, a chart and files, read back here with what others read them with."""

import csv
import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from analytics_answers import ANSWERS, FORMULA, LONG
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.answers.schemas import Answer, ExperimentAnswer, RetentionAnswer, RetentionCell
from tinycdp.products.analytics.files.charts import chart_of
from tinycdp.products.analytics.files.tables import Column, Table, TableRows, table_of
from tinycdp.products.analytics.files.writers import csv_parts, excel, file_parts
from tinycdp.products.analytics.service import files
from tinycdp.runtime.transfer.workbook import MOST_EXCEL_ROWS

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_each = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)


def _numbers(value: Any) -> list[Decimal]:
    """All numbers in plain data, but those of its question."""
    match value:
        case bool() | str() | None:
            return []
        case int() | Decimal():
            return [Decimal(value)]
        case dict():
            return [n for one in value.values() for n in _numbers(one)]
        case _:
            return [n for one in value for n in _numbers(one)]


@_each
def test_every_number_of_an_answer_is_in_its_table(answer: Answer) -> None:
    table = table_of(answer)
    assert all(len(row) == len(table.columns) for row in table.rows)
    shown = {n for row in table.rows for cell in row for n in _numbers(cell)}
    shown |= {Decimal(cell) for row in table.rows for cell in row if isinstance(cell, str) and cell.isdecimal()}
    beside = {"expected", "sampleRatio", "people", "reached", "medianMs", "sessions", "converted", "variants"}
    said = msgspec.to_builtins(answer, builtin_types=(Decimal,))
    inside = {n for name, value in said.items() if name not in beside for n in _numbers(value)}
    missing = inside - shown
    # What a funnel says of itself is what its steps say.
    assert not missing or {Decimal(7_200_000), Decimal(5)} >= missing, missing


@_each
def test_csv_has_the_table_as_it_is(answer: Answer) -> None:
    table = table_of(answer)
    text = b"".join(csv_parts(table)).decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == [column.name for column in table.columns]
    assert len(rows) == len(table)
    for row, cells in zip(table.rows, rows, strict=True):
        for given, found in zip(row, cells, strict=True):
            if isinstance(given, Decimal):
                assert Decimal(found) == given
            elif isinstance(given, str):
                assert found == ("'" + given if given == FORMULA else given)


@_each
def test_excel_has_the_table_with_its_types(answer: Answer, tmp_path: Path) -> None:
    table = table_of(answer)
    excel(table, tmp_path / "file.xlsx", "as of now")
    (head, *rows) = _cells(tmp_path / "file.xlsx")
    assert head == [column.name for column in table.columns]
    assert len(rows) == len(table)
    for row, cells in zip(table.rows, rows, strict=True):
        for column, given, found in zip(table.columns, row, cells, strict=True):
            match given:
                case None:
                    assert found is None
                case bool():
                    assert found is given
                case int() | Decimal():
                    # More digits than Excel computes with are a text, so that none is lost.
                    assert Decimal(found) == given
                    assert isinstance(found, str) == (given == LONG)
                case str():
                    assert isinstance(found, Decimal if column.kind == "time" else str)
                    assert column.kind == "time" or found == given


def test_a_full_sheet_of_excel_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_EXCEL_ROWS == 2**20
    monkeypatch.setattr("tinycdp.runtime.transfer.workbook.MOST_EXCEL_ROWS", 3)
    table = table_of(ANSWERS[0])
    excel(table, tmp_path / "file.xlsx", "")
    with zipfile.ZipFile(tmp_path / "file.xlsx") as book:
        sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) == -(-len(table) // 2)


def test_a_file_is_read_in_parts(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 700_000)
    parts = list(file_parts(tmp_path / "file"))
    assert len(parts) > 1
    assert b"".join(parts) == b"x" * 700_000


@_each
def test_every_chart_is_plain_json_and_says_as_of_when(answer: Answer) -> None:
    spec = msgspec.json.decode(msgspec.json.encode(chart_of(answer)))
    assert answer.as_of in spec["title"]["subtitle"]
    assert spec["data"]["values"]


def _of(kind: type) -> Any:
    return next(answer for answer in ANSWERS if isinstance(answer, kind))


def test_a_chart_shows_no_zero_for_a_period_that_has_not_begun() -> None:
    answer = _of(RetentionAnswer)
    (group, *others), share = answer.groups, Decimal(0)
    cohort = msgspec.structs.replace(
        group.cohorts[0], cells=(RetentionCell(10, Decimal(1), True), RetentionCell(0, share, False))
    )
    answer = msgspec.structs.replace(answer, groups=(msgspec.structs.replace(group, cohorts=(cohort,)), *others))
    assert [value["share"] for value in chart_of(answer)["data"]["values"]] == [1]


def test_an_experiment_without_a_comparison_is_a_table() -> None:
    answer = _of(ExperimentAnswer)
    metrics = tuple(
        msgspec.structs.replace(
            metric,
            variants=tuple(
                msgspec.structs.replace(one, difference=None, interval=None, always_valid=None, p=None)
                for one in metric.variants
            ),
        )
        for metric in answer.metrics
    )
    texts = {value["text"] for value in chart_of(msgspec.structs.replace(answer, metrics=metrics))["data"]["values"]}
    assert "variant" in texts
    assert "difference" not in texts, "a column without a value is left out"


def test_an_answer_that_is_too_long_for_parquet_says_how_long_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_PARQUET_BYTES", 2**20)
    long = Table((Column("text"),), TableRows(lambda: (("x" * 1000,) for _ in range(1_100))))
    with pytest.raises(InvalidInput, match=r"more than 1 MB.* CSV") as raised:
        files._as_statement(long, "UTC")
    assert raised.value.code == "QUESTION_TOO_LARGE"


def test_a_table_knows_how_many_rows_it_has() -> None:
    assert {type(table) for table in map(table_of, ANSWERS)} == {Table}
    assert [len(table_of(answer)) for answer in ANSWERS[1:4]] == [6, 2, 2]


def _cells(path: Path) -> list[list[Any]]:
    """The first sheet of a workbook, read as XML."""
    with zipfile.ZipFile(path) as book:
        root = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = root.findall(f"{_SHEET}sheetData/{_SHEET}row")
    width = max(len(row) for row in rows)
    return [[cells.get(n) for n in range(width)] for cells in map(_row, rows)]


def _row(row: ElementTree.Element) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for cell in row:
        letters = "".join(filter(str.isalpha, cell.attrib["r"]))
        place = 0
        for letter in letters:
            place = place * 26 + ord(letter) - ord("A") + 1
        match cell.attrib.get("t"):
            case "inlineStr":
                found[place - 1] = "".join(cell.itertext())
            case "b":
                found[place - 1] = cell.findtext(f"{_SHEET}v") == "1"
            case _:
                found[place - 1] = Decimal(cell.findtext(f"{_SHEET}v") or "nan")
    return found
