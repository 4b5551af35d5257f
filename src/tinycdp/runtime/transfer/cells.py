"""Cells of CSV files, and the rule that keeps texts from running as formulas.

Shape   csv_lines(raw=…) → a function that returns one row · runs_as_formula(text) · FORMULA, the rule as a pattern
Laws    CSV is RFC 4180 in UTF-8, and numbers are exact.
        A text that a spreadsheet may run as a formula gets an apostrophe in front. All CSV files of the server follow
        this rule: those written here, and those that ClickHouse writes by the same pattern
Source  docs/reference/export.md
"""

import csv
import io
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

#: What spreadsheets and their importers skip before a formula: controls, spaces of all widths, and invisible marks.
_SKIPPED = (
    "\\x00-\\x20\\x7f-\\xa0\u00ad\u034f\u061c\u115f\u1160\u1680\u180e"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
)
#: The signs that begin a formula, as they are and as East Asian input writes them.
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
#: A text that begins with a tab or a line break also moves what follows it to another cell. Python and RE2 read this.
FORMULA = f"^(?:[\\t\\r\\n]|[{_SKIPPED}]*[{_SIGNS}])"

_runs = re.compile(FORMULA).match
_encode = msgspec.json.Encoder(decimal_format="number").encode


def runs_as_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text of a cell."""
    return _runs(text) is not None


def csv_lines(*, raw: bool) -> Callable[[Iterable[Any]], bytes]:
    """A function that returns one row as CSV. raw: do not escape formulas"""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    guard = plain_cell if raw else _safe_cell

    def line(cells: Iterable[Any]) -> bytes:
        writer.writerow([guard(cell) for cell in cells])
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text.encode("utf-8", "replace")

    return line


def _safe_cell(value: Any) -> str:
    text = plain_cell(value)
    return "'" + text if type(value) is str and runs_as_formula(text) else text


def plain_cell(value: Any) -> str:
    """A value as the text of a cell; lists and objects as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case int():
            return str(value)
        case _:
            return _encode(value).decode()
