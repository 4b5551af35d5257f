"""Tables as CSV and Excel files.

Shape   csv_parts(table) · excel(table, path) writes a file · file_parts(path) reads one
Laws    numbers are exact. Excel computes with 15 digits: a number with more is written as text.
        A text that a spreadsheet would run as a formula gets an apostrophe in front, in CSV; in Excel it is a text
        the memory needed does not depend on how long a table is
Errors  AnalyticsMissing if xlsxwriter is not installed
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinycdp.products.analytics.files.tables import Column, Table
from tinycdp.products.analytics.packages import REMEDY, AnalyticsMissing
from tinycdp.runtime.transfer.export import csv_lines

_ROWS_OF_A_PART = 500
_BYTES_OF_A_PART = 256 * 1024
#: What one sheet of Excel can hold, its head included.
MOST_EXCEL_ROWS = 1_048_576
_EXCEL_DIGITS = 15
_WIDTHS = {"time": 18, "text": 22}


def csv_parts(table: Table, *, raw: bool = False) -> Iterator[bytes]:
    """The file, some rows at a time. raw: do not escape formulas."""
    line = csv_lines(raw=raw)
    part = [line([column.name for column in table.columns])]
    for row in table.rows:
        part.append(line(row))
        if len(part) >= _ROWS_OF_A_PART:
            yield b"".join(part)
            part = []
    yield b"".join(part)


def check_package(module: str, name: str) -> None:
    """Raise AnalyticsMissing if a package of a format is not installed."""
    if find_spec(module) is None:
        raise AnalyticsMissing(f"This format needs {name}, which is not installed. {REMEDY}")


def excel(table: Table, path: Path, about: str) -> None:
    """Write a workbook. about: a line of its properties; more sheets follow where one is full."""
    check_package("xlsxwriter", "xlsxwriter")
    import xlsxwriter  # noqa: PLC0415 - an optional package

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": path.parent}
    with xlsxwriter.Workbook(path, options) as book:
        book.set_properties({"comments": about})
        bold = book.add_format({"bold": True, "bottom": 1})
        date, moment = (book.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm"))
        sheet, at = None, MOST_EXCEL_ROWS
        for row in table.rows:
            if sheet is None or at >= MOST_EXCEL_ROWS:
                sheet, at = _sheet(book, table.columns, bold), 1
            for n, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
                _write(sheet, at, n, column, cell, date, moment)
            at += 1
        if sheet is None:
            _sheet(book, table.columns, bold)


def file_parts(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a part at a time."""
    with path.open("rb") as file:
        while part := file.read(_BYTES_OF_A_PART):
            yield part


def _sheet(book: Any, columns: tuple[Column, ...], bold: Any) -> Any:
    sheet = book.add_worksheet()
    for n, column in enumerate(columns):
        sheet.set_column(n, n, _WIDTHS.get(column.kind, 13))
    for n, column in enumerate(columns):
        sheet.write_string(0, n, column.name, bold)
    sheet.freeze_panes(1, 0)
    return sheet


def _write(sheet: Any, at: int, n: int, column: Column, cell: Any, date: Any, moment: Any) -> None:
    match cell:
        case None:
            return
        case bool():
            sheet.write_boolean(at, n, cell)
        case int() | Decimal():
            digits = len(Decimal(cell).normalize().as_tuple().digits)
            if digits > _EXCEL_DIGITS:
                sheet.write_string(at, n, format(Decimal(cell), "f"))
            else:
                sheet.write_number(at, n, cell)
        case str() if column.kind == "time":
            # Excel knows no zones: it shows the local time.
            local = datetime.fromisoformat(cell).replace(tzinfo=None)
            sheet.write_datetime(at, n, local, moment if local.time() != local.min.time() else date)
        case _:
            sheet.write_string(at, n, str(cell)[:32_767])
