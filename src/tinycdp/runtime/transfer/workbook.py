"""Excel workbooks of any length.

Shape   Workbook(path, columns, about) · add(row) · close() · cut: how many texts were too long for a cell
Laws    Excel computes with 15 digits: a number with more is written as text. A text never runs as a formula.
        More sheets follow where one is full, each with the names of the columns.
        The memory needed does not depend on how long a workbook is
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

#: What one sheet of Excel can hold, its head included.
MOST_EXCEL_ROWS = 1_048_576
LONGEST_EXCEL_TEXT = 32_767
_EXCEL_DIGITS = 15
_WIDTHS = {"time": 19, "text": 22}
_EARLIEST_YEAR = 1900


class Workbook:
    """A workbook that is being written. columns: (name, kind); `time` is for texts of instants"""

    def __init__(self, path: Path, columns: Sequence[tuple[str, str]], about: str = "") -> None:
        import xlsxwriter  # noqa: PLC0415 - an optional package

        options = {
            "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": path.parent,
            "use_zip64": True,
        }  # fmt: skip
        self._columns = columns
        self._book = xlsxwriter.Workbook(path, options)
        if about:
            self._book.set_properties({"comments": about})
        self._bold = self._book.add_format({"bold": True, "bottom": 1})
        self._day, self._moment = (
            self._book.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss")
        )
        self._sheet, self._at = self._new_sheet(), 1
        self.cut = 0

    def add(self, row: Sequence[Any]) -> None:
        """Append a row."""
        if self._at >= MOST_EXCEL_ROWS:
            self._sheet, self._at = self._new_sheet(), 1
        for n, ((_, kind), cell) in enumerate(zip(self._columns, row, strict=True)):
            self._write(n, kind, cell)
        self._at += 1

    def close(self) -> None:
        """Write the file."""
        self._book.close()

    def leave(self) -> None:
        """Let go of a workbook that is not written to its end."""
        if not self._book.fileclosed:
            self._book.fileclosed = True
            for sheet in self._book.worksheets():
                sheet.row_data_fh.close()

    def _new_sheet(self) -> Any:
        sheet = self._book.add_worksheet()
        for n, (_, kind) in enumerate(self._columns):
            sheet.set_column(n, n, _WIDTHS.get(kind, 13))
        for n, (name, _) in enumerate(self._columns):
            sheet.write_string(0, n, name[:LONGEST_EXCEL_TEXT], self._bold)
        sheet.freeze_panes(1, 0)
        return sheet

    def _write(self, n: int, kind: str, cell: Any) -> None:
        match cell:
            case None:
                return
            case bool():
                self._sheet.write_boolean(self._at, n, cell)
            case int() | Decimal():
                digits = len(Decimal(cell).normalize().as_tuple().digits)
                if digits > _EXCEL_DIGITS:
                    self._text(n, format(Decimal(cell), "f"))
                else:
                    self._sheet.write_number(self._at, n, cell)
            case str() if kind == "time":
                # Excel knows no zones: it shows the local time.
                local = datetime.fromisoformat(cell).replace(tzinfo=None)
                if local.year < _EARLIEST_YEAR:
                    self._text(n, cell)
                else:
                    form = self._moment if local.time() != local.min.time() else self._day
                    self._sheet.write_datetime(self._at, n, local, form)
            case _:
                self._text(n, str(cell))

    def _text(self, n: int, text: str) -> None:
        self.cut += len(text) > LONGEST_EXCEL_TEXT
        self._sheet.write_string(self._at, n, text[:LONGEST_EXCEL_TEXT])
