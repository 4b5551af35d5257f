"""Tables as CSV and Excel files.

Shape   csv_parts(table) · excel(table, path) writes a file · file_parts(path) reads one
Laws    those of runtime/transfer/cells.py and workbook.py: exact numbers, and no text that runs as a formula
        the memory needed does not depend on how long a table is
Errors  AnalyticsMissing if xlsxwriter is not installed
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tinycdp.products.analytics.files.tables import Table
from tinycdp.products.analytics.packages import REMEDY, AnalyticsMissing
from tinycdp.runtime.transfer.cells import csv_lines
from tinycdp.runtime.transfer.workbook import Workbook

_ROWS_OF_A_PART = 500
_BYTES_OF_A_PART = 256 * 1024


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
    book = Workbook(path, [(column.name, column.kind) for column in table.columns], about)
    for row in table.rows:
        book.add(row)
    book.close()


def file_parts(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a part at a time."""
    with path.open("rb") as file:
        while part := file.read(_BYTES_OF_A_PART):
            yield part
