"""Writers of rows: CSV, JSON lines and JSON as bytes; these, Excel and Parquet as files.

Shape   TextWriter: head(), part(rows), tail(), for streams · file_writer(format, path, columns, …) → FileWriter:
        write(rows), close(), with `note` on what a format cannot hold
        Spool(path) keeps rows until the columns of all are known
Units   memory for MOST_BUFFERED rows of Parquet, and a row of the others
Laws    numbers are exact: one that a format cannot hold is written as text. Excel has 15 digits, and so has a double.
        An instant in Excel and Parquet is one in UTC
Errors  Unavailable EXPORT_PACKAGE_MISSING
Source  docs/reference/exports.md "Formats"
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import msgspec

from tinycdp.errors import Unavailable
from tinycdp.runtime.transfer.cells import csv_lines, plain_cell
from tinycdp.runtime.transfer.rows import Row, RowColumn
from tinycdp.runtime.transfer.workbook import LONGEST_EXCEL_TEXT, Workbook
from tinycdp.times import instant_of

Format = Literal["csv", "json", "jsonl", "xlsx", "parquet"]
#: Formats in which a row is an object; the others are tables, whose columns come first.
OBJECTS: frozenset[Format] = frozenset({"json", "jsonl"})
MEDIA: dict[Format, str] = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
MOST_BUFFERED = 20_000
_PACKAGES = {"xlsx": ("xlsxwriter", "tinycdp[analytics]"), "parquet": ("pyarrow", "tinycdp[parquet]")}
_DOUBLE_DIGITS = 15
_LONG = 2**63

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_line = msgspec.json.Decoder(float_hook=Decimal).decode


def check_package(form: str) -> None:
    """Raise Unavailable if the package of a format is not installed."""
    module, extra = _PACKAGES.get(form, ("", ""))
    if module and find_spec(module) is None:
        message = f"A file of {form} needs {module}, which is not installed on the server: pip install '{extra}'."
        raise Unavailable("EXPORT_PACKAGE_MISSING", message)


class TextWriter(ABC):
    """A format of text, a part at a time."""

    def head(self) -> bytes:
        """What a file begins with."""
        return b""

    @abstractmethod
    def part(self, rows: Sequence[Row]) -> bytes:
        """These rows."""

    def tail(self) -> bytes:
        """What a file ends with."""
        return b""


class CsvWriter(TextWriter):
    """CSV with a row of names. raw: do not escape formulas"""

    def __init__(self, columns: Sequence[RowColumn], *, raw: bool) -> None:
        self._columns = columns
        self._line = csv_lines(raw=raw)

    def head(self) -> bytes:
        return self._line([column.name for column in self._columns])

    def part(self, rows: Sequence[Row]) -> bytes:
        return b"".join(self._line([column.of(row) for column in self._columns]) for row in rows)


class JsonLinesWriter(TextWriter):
    """An object per line."""

    def part(self, rows: Sequence[Row]) -> bytes:
        return b"".join(_encode(row) + b"\n" for row in rows)


class JsonWriter(TextWriter):
    """One list of objects, with an object per line."""

    def __init__(self) -> None:
        self._before = b"[\n"

    def part(self, rows: Sequence[Row]) -> bytes:
        found = []
        for row in rows:
            found.append(self._before + _encode(row))
            self._before = b",\n"
        return b"".join(found)

    def tail(self) -> bytes:
        return b"\n]\n" if self._before == b",\n" else b"[]\n"


class FileWriter(ABC):
    """A file that is being written, whole after close(). note: what the format could not hold, "" if nothing"""

    note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    @abstractmethod
    def leave(self) -> None:
        """Let go of a file that may not be finished."""


def file_writer(
    form: Format, path: Path, columns: Sequence[RowColumn], *, raw: bool, types: "Types | None" = None
) -> FileWriter:
    """A writer of a new file. columns: of tables; types: of Parquet, what its values are"""
    match form:
        case "csv":
            return _TextFile(path, CsvWriter(columns, raw=raw))
        case "jsonl":
            return _TextFile(path, JsonLinesWriter())
        case "json":
            return _TextFile(path, JsonWriter())
        case "xlsx":
            return _ExcelFile(path, columns)
        case "parquet":
            assert types is not None
            return _ParquetFile(path, columns, types)


class _TextFile(FileWriter):
    def __init__(self, path: Path, writer: TextWriter) -> None:
        self._file: BinaryIO = path.open("wb")
        self._writer = writer
        self._file.write(writer.head())

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write(self._writer.part(rows))

    def close(self) -> None:
        self._file.write(self._writer.tail())
        self._file.close()

    def leave(self) -> None:
        self._file.close()


class _ExcelFile(FileWriter):
    def __init__(self, path: Path, columns: Sequence[RowColumn]) -> None:
        self._columns = columns
        names = [(column.name, "time" if column.kind == "time" else "text") for column in columns]
        self._book = Workbook(path, names)

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._book.add([_excel_cell(column.of(row)) for column in self._columns])

    def close(self) -> None:
        self._book.close()
        if n := self._book.cut:
            texts = "1 text was" if n == 1 else f"{n:,} texts were"
            self.note = f"{texts} longer than the {LONGEST_EXCEL_TEXT:,} characters of a cell of Excel, and cut."

    def leave(self) -> None:
        self._book.leave()


def _excel_cell(value: Any) -> Any:
    return plain_cell(value) if isinstance(value, list | dict) else value


class Types:
    """What the cells of the columns of a table are, found out by looking at all of them."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], set[str]] = {}

    def add(self, columns: Sequence[RowColumn], rows: Sequence[Row]) -> None:
        """Look at rows."""
        for column in columns:
            if column.kind == "any":
                seen = self._seen.setdefault(column.path, set())
                seen.update(map(_class_of, map(column.of, rows)))

    def of(self, column: RowColumn) -> str:
        """text, flag, time, double, long or json."""
        if column.kind in ("text", "flag", "time"):
            return column.kind
        seen = self._seen.get(column.path, set()) - {""}
        if column.kind == "number" and not seen:
            return "double"
        if seen == {"flag"}:
            return "flag"
        if seen == {"text"} or not seen:
            return "text"
        if seen <= {"double", "short"}:
            return "double"
        return "long" if seen <= {"short", "long"} else "json"


def _class_of(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "flag"
        case str():
            return "text"
        case int():
            if abs(value) < 10**_DOUBLE_DIGITS:
                return "short"
            return "long" if -_LONG <= value < _LONG else "json"
        case Decimal():
            return "double" if len(value.normalize().as_tuple().digits) <= _DOUBLE_DIGITS else "json"
        case _:
            return "json"


class _ParquetFile(FileWriter):
    def __init__(self, path: Path, columns: Sequence[RowColumn], types: Types) -> None:
        import pyarrow  # noqa: PLC0415 - an optional package
        import pyarrow.parquet  # noqa: PLC0415

        arrow = {
            "text": pyarrow.string(),
            "json": pyarrow.string(),
            "flag": pyarrow.bool_(),
            "double": pyarrow.float64(),
            "long": pyarrow.int64(),
            "time": pyarrow.timestamp("ms", tz="UTC"),
        }
        self._arrow = pyarrow
        self._columns = [(column, _parquet_cell(types.of(column))) for column in columns]
        self._schema = pyarrow.schema([(column.name, arrow[types.of(column)]) for column in columns])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= MOST_BUFFERED:
            self._flush()

    def _flush(self) -> None:
        arrays = [
            self._arrow.array([cell(column.of(row)) for row in self._rows], type=field.type)
            for (column, cell), field in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.write_batch(self._arrow.record_batch(arrays, schema=self._schema))
        self._rows.clear()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def leave(self) -> None:
        self._writer.close()


def _parquet_cell(kind: str) -> Callable[[Any], Any]:
    match kind:
        case "double":
            return lambda value: None if value is None else float(value)
        case "time":
            return lambda value: None if value is None else instant_of(value)
        case "text" | "json":
            return lambda value: None if value is None else plain_cell(value)
        case _:
            return lambda value: value


class Spool:
    """Rows on disk, until the columns of all of them are known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        self._file.write(b"".join(_encode(row) + b"\n" for row in rows))

    def close(self) -> None:
        """End the file; it can be read then."""
        self._file.close()

    def read(self, at_once: int) -> Generator[list[Row]]:
        """The rows, some at a time."""
        with self._path.open("rb") as file:
            rows: list[Row] = []
            for line in file:
                rows.append(_decode_line(line))
                if len(rows) >= at_once:
                    yield rows
                    rows = []
            if rows:
                yield rows
