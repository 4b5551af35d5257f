"""No text runs in a spreadsheet: one rule, held in every writer of CSV."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from formulas import PLAIN, RUNS
from tinycdp.products.analytics.files.tables import Column as TableColumn
from tinycdp.products.analytics.files.tables import Table, TableRows
from tinycdp.products.analytics.files.writers import csv_parts
from tinycdp.runtime.transfer.cells import csv_lines
from tinycdp.runtime.transfer.rows import RowColumn
from tinycdp.runtime.transfer.writers import CsvWriter, file_writer


def _lines(cells: list[str]) -> bytes:
    return csv_lines(raw=False)(cells)


def _stream(cells: list[str]) -> bytes:
    columns = [RowColumn(str(n), (str(n),)) for n in range(len(cells))]
    return CsvWriter(columns, raw=False).part([{str(n): cell for n, cell in enumerate(cells)}])


def _job(cells: list[str], folder: Path) -> bytes:
    columns = [RowColumn(str(n), ("properties", str(n))) for n in range(len(cells))]
    with file_writer("csv", folder / "file", columns, raw=False) as writer:
        writer.write([{"properties": {str(n): cell for n, cell in enumerate(cells)}}])
        writer.close()
    return (folder / "file").read_bytes().split(b"\r\n", 1)[1]


def _answer(cells: list[str]) -> bytes:
    columns = tuple(TableColumn(str(n)) for n in range(len(cells)))
    return b"".join(csv_parts(Table(columns, TableRows(lambda: [cells])))).split(b"\r\n", 1)[1]


@pytest.mark.parametrize("write", [_lines, _stream, _job, _answer])
def test_a_text_that_may_run_gets_an_apostrophe_in_every_file(write: Callable[..., bytes], tmp_path: Path) -> None:
    def written(cells: list[str]) -> list[str]:
        text = (write(cells, tmp_path) if write is _job else write(cells)).decode()
        (row,) = csv.reader(io.StringIO(text, newline=""))
        return row

    assert written(RUNS) == ["'" + text for text in RUNS]
    assert written(PLAIN) == PLAIN


def test_numbers_stay_and_raw_escapes_nothing() -> None:
    values: list[Any] = [-5, None, True, ["=1"]]
    assert csv_lines(raw=False)(values) == b'-5,,true,"[""=1""]"\r\n'
    assert csv_lines(raw=True)(["=1", "+2"]) == b"=1,+2\r\n"
