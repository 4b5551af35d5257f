"""Reading of history files: JSON lines, CSV and Parquet.

Shape   ImportFile describes a file; identity_of, columns_of and parts read it. Parse makes messages of rows
Units   rows are counted from 1; in JSON lines and CSV a row's number is its line, where each row is one line
Laws    a row that cannot be read is Unread with the reason; the rows after it are still read.
        memory is bounded by one part, whatever the file's size or compression
Errors  InvalidInput FILE_UNREADABLE, FILE_MALFORMED, PARQUET_MISSING
Source  docs/how-to/import-history.md
"""

import asyncio
import csv
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, get_args

import msgspec

from tinycdp.errors import InvalidInput
from tinycdp.model import Message, Rejection

Form = Literal["jsonl", "csv", "parquet"]

#: Rows read from a Parquet file at a time.
_BATCH = 2_000
_PART_BYTES = 4 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024
_BLOCK = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FORMS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


class FileMapping(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """How the columns of a table are read.

    Unmapped columns become properties, or traits of an identify.

    columns  field of an event, or properties.NAME, traits.NAME, context.NAME → column
    fixed    the same field → its value in every row
    text     columns whose numbers and booleans stay texts"""

    columns: dict[str, str] = {}
    fixed: dict[str, str] = {}
    text: tuple[str, ...] = ()


NO_MAPPING = FileMapping()


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file to be imported. name: the name to show for it."""

    path: Path
    form: Form
    mapping: FileMapping = NO_MAPPING
    name: str = ""

    @property
    def shown(self) -> str:
        """Its name in messages: an upload's path is the server's own."""
        return self.name or self.path.name


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that cannot be read, and why."""

    why: str


#: One row: its number, and the text of a JSON line or the cells of a table.
Numbered = tuple[int, bytes | Mapping[str, Any] | Unread]


@dataclass(frozen=True, slots=True)
class Parse:
    """Makes messages of rows.

    call           (rows, mapping, token for message ids, arrival) → messages, and (row number, rejection) pairs
    check_columns  (column names, mapping): raises if no row of such a table could be read"""

    call: Callable[[Sequence[Numbered], FileMapping, str, int], tuple[list[Message], list[tuple[int, Rejection]]]]
    check_columns: Callable[[Sequence[str], FileMapping], None]


def form_of(path: Path, form: str | None = None) -> Form:
    """The format of a file: `form` if given, otherwise by the ending of its name."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    name = form or _FORMS.get(next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), ""), "")
    found = next((known for known in get_args(Form) if known == name), None)
    if found is None:
        raise InvalidInput(
            "FILE_MALFORMED", f"Cannot tell the format of {path.name}; give one of {', '.join(get_args(Form))}."
        )
    return found  # type: ignore[no-any-return]


def identity_of(source: ImportFile) -> str:
    """The id of the file's import: a hash of its content, format and mapping, whatever its name.

    The content is what gzip unpacks to, so `x.csv` and `x.csv.gz` are the same import. A damaged file is found here."""
    digest = hashlib.sha256()
    with _opened(source) as file, _inflating(source.shown):
        content = file if source.form == "parquet" else _inflated(file)
        while block := content.read(_BLOCK):
            digest.update(block)
    digest.update(_encode([source.form, source.mapping]))
    return digest.hexdigest()[:16]


def columns_of(source: ImportFile) -> list[str]:
    """The names of a table's columns."""
    name = source.shown
    with _opened(source) as file:
        if source.form == "parquet":
            return list(_parquet_file(file, name).schema_arrow.names)
        with _inflating(name):
            if (plain := _inflated(file)).read(2) in _UTF16:
                raise InvalidInput("FILE_MALFORMED", f"{name} is UTF-16; save it as UTF-8.")
            plain.seek(0)
            try:
                columns = next(csv.reader(_Decoded(plain), strict=True), [])
            except csv.Error as broken:
                raise InvalidInput("FILE_MALFORMED", f"{name}, line 1: {broken}") from broken
    if not any(columns):
        raise InvalidInput("FILE_MALFORMED", f"{name}: the first line has no column names.")
    return columns


async def parts(source: ImportFile, done: int, size: Callable[[], int]) -> AsyncIterator[tuple[list[Numbered], float]]:
    """Yield the rows after the first `done`, `size()` at a time.

    Each part comes with the share of the file read so far."""
    with _opened(source) as file:
        rows, share = await asyncio.to_thread(_rows, file, source)
        rest = islice(rows, done, None)

        def read() -> tuple[list[Numbered], float]:
            return _next_part(rest, size()), share()

        while True:
            part, read_share = await asyncio.to_thread(read)
            if not part:
                return
            yield part, read_share


def _next_part(rows: Iterable[Numbered], most: int) -> list[Numbered]:
    """The next `most` rows, or fewer if they are long."""
    part: list[Numbered] = []
    size = 0
    for row in rows:
        part.append(row)
        size += _size(row[1])
        if len(part) >= most or size >= _PART_BYTES:
            break
    return part


def _size(row: bytes | Mapping[str, Any] | Unread) -> int:
    match row:
        case bytes():
            return len(row)
        case Unread():
            return 0
        case _:
            return sum(len(cell) for cell in row.values() if type(cell) is str or type(cell) is bytes)


@contextmanager
def _opened(source: ImportFile) -> Iterator[IO[bytes]]:
    try:
        with source.path.open("rb") as file:
            yield file
    except OSError as error:
        raise InvalidInput("FILE_UNREADABLE", f"{source.shown}: {error.strerror or error}") from error


@contextmanager
def _inflating(name: str) -> Iterator[None]:
    """Raise InvalidInput if the compressed data is damaged."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name}: the gzip data is damaged: {broken}") from broken


def _inflated(file: IO[bytes]) -> Any:
    """The file from its beginning, decompressed if it is gzip."""
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def _rows(file: IO[bytes], source: ImportFile) -> tuple[Iterator[Numbered], Callable[[], float]]:
    """The rows of a file in order, and a function that returns the share of it read so far."""
    name = source.shown
    if source.form == "parquet":
        return _parquet_rows(_parquet_file(file, name), name)
    total = max(source.path.stat().st_size, 1)
    plain = _inflated(file)
    rows = _json_lines(plain, name) if source.form == "jsonl" else _csv_rows(plain, name)
    return rows, lambda: min(file.tell() / total, 1.0)


def _json_lines(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Lines that are not blank.

    A line over 4 MiB is read in pieces, which are then rejected: they are not JSON."""
    number = 0
    with _inflating(name):
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if line := line.strip():
                yield number, line


def _csv_rows(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Rows by column. A missing cell is None; a row with more cells than columns is unreadable."""
    lines = _Decoded(file)
    reader = csv.DictReader(lines, restkey="", strict=True)
    with _inflating(name):
        while True:
            row: Mapping[str, Any] | Unread | None
            try:
                row = next(reader, None)
            except csv.Error as broken:
                row = Unread(f"This is not CSV: {broken}.")
            if row is None:
                return
            if lines.broken:
                row, lines.broken = Unread("This is not UTF-8."), False
            yield reader.reader.line_num, row


class _Decoded:
    """The lines of a file as texts.

    broken: whether a line was not UTF-8 since this was last reset."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._encoding = "utf-8-sig"
        self.broken = False

    def __iter__(self) -> "_Decoded":
        return self

    def __next__(self) -> str:
        if not (line := self._file.readline(_LONGEST_LINE)):
            raise StopIteration
        encoding, self._encoding = self._encoding, "utf-8"
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            self.broken = True
            return line.decode(encoding, "replace")


def _parquet_file(file: IO[bytes], name: str) -> Any:
    try:
        from pyarrow.lib import ArrowException  # noqa: PLC0415 - an optional extra of 40 MB
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            "PARQUET_MISSING", "Parquet files need pyarrow, which is not installed. Run pip install pyarrow."
        ) from None
    try:
        # Spark writes nanoseconds, which Python cannot hold.
        return ParquetFile(file, coerce_int96_timestamp_unit="us", pre_buffer=False)
    except (ArrowException, OSError) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name} is not a complete Parquet file: {broken}") from broken


def _parquet_rows(table: Any, name: str) -> tuple[Iterator[Numbered], Callable[[], float]]:
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    number = 0

    def rows() -> Iterator[Numbered]:
        nonlocal number
        try:
            for batch in table.iter_batches(_BATCH):
                for row in _row_values(batch):
                    number += 1
                    yield number, row
        except (ArrowException, OSError) as broken:
            raise InvalidInput("FILE_MALFORMED", f"{name}, row {number}: {broken}") from broken

    return rows(), lambda: min(number / max(table.metadata.num_rows, 1), 1.0)


def _row_values(batch: Any) -> Iterator[Mapping[str, Any] | Unread]:
    """The rows of a batch.

    A row with a value that Python cannot hold, such as the year 10000, is Unread."""
    from pyarrow import timestamp  # noqa: PLC0415

    columns = {
        name: column.cast(timestamp("us", column.type.tz), safe=False)
        if str(column.type).startswith("timestamp[ns")
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    try:
        cells = {name: column.to_pylist() for name, column in columns.items()}
    except (ValueError, OverflowError):
        for n in range(batch.num_rows):
            try:
                yield {name: column[n].as_py() for name, column in columns.items()}
            except (ValueError, OverflowError) as strange:
                yield Unread(f"This row holds a value that cannot be read: {strange}.")
    else:
        yield from ({name: cell[n] for name, cell in cells.items()} for n in range(batch.num_rows))
