"""History from files: read in parts, through the same door and the same commit as what is sent live.

Shape   Importer.run(environment, source, …) goes through one file; find and listed say how far imports are, stop ends
        one. What is sent to a server is kept and gone on with by `uploads`
Laws    the result is the one that sending the rows live would have, in any order and mixture. Importing a file again,
        after a kill or to the end, adds nothing: rows without a message id get one from the file's content and their
        number.
        A row that cannot be read is logged with its line and its reason, and harms no other. What is wrong with a whole
        file, its packing or its columns, is found before its first row is stored: mended it is another file, and what
        had come in of this one would count twice.
        A file's place is saved behind its messages. An import in a server has all of it while nobody else wants
        anything, and gives way at once
Units   rows are counted from 1; of JSON lines and CSV their line, where each row is one
Errors  InvalidInput FILE_UNREADABLE, FILE_MALFORMED, INVALID_MAPPING, PARQUET_MISSING · Conflict IMPORT_RUNNING
        · NotFound IMPORT_NOT_FOUND
Source  docs/decisions/0025-import.md, docs/decisions/0028-uploads.md; docs/how-to/import-history.md
"""

import asyncio
import csv
import gzip
import hashlib
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, get_args

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Retryable, TinyCDPError
from tinycdp.model import Instant, Message, Rejection
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.ingest.group_commit import Ingest, Receipt
from tinycdp.runtime.ingest.pipeline import Client, Pipeline
from tinycdp.store import imports as store
from tinycdp.store.pool import RETRY, Connection, Pool, acquired, reaching
from tinycdp.times import iso

Form = Literal["jsonl", "csv", "parquet"]

#: Rows in one part, and in one beside others; fewer where they hold more than so many bytes.
PART, GENTLE_PART = 2_000, 100
_PART_BYTES = 4 * 1024 * 1024
#: Parts under way at once: while one is committed the next is read. Where others may come, they wait for all of them.
_AHEAD, _AHEAD_OF_OTHERS = 6, 3
#: So long after others were last served, a process has nothing else to do.
QUIET_SECONDS = 5.0
#: A rest beside others is so many times as long as the part took.
_RESTS = 3
_LONGEST_REST_SECONDS = 2.0
_TRIES = 120
_LONGEST_LINE = 4 * 1024 * 1024
_BLOCK = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


class FileMapping(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """How the columns of a table are read. Columns that nothing names become properties, or traits of an identify.

    columns  field of an event, or properties.NAME, traits.NAME, context.NAME → column
    fixed    the same field → what it is for every row
    text     columns whose numbers and booleans are texts"""

    columns: dict[str, str] = {}
    fixed: dict[str, str] = {}
    text: tuple[str, ...] = ()


NO_MAPPING = FileMapping()


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be imported. name: what people call it."""

    path: Path
    form: Form
    mapping: FileMapping = NO_MAPPING
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that cannot be read, and why."""

    why: str


#: One row: its number, and the text of a JSON line or the cells of a table.
Numbered = tuple[int, bytes | Mapping[str, Any] | Unread]


@dataclass(frozen=True, slots=True)
class Parse:
    """Makes messages of rows.

    call           given (rows, the mapping, a token for message ids, when they arrived)
    check_columns  given (the names of a table's columns, the mapping), refuses what no row of it could be read by"""

    call: Callable[[Sequence[Numbered], FileMapping, str, int], tuple[list[Message], list[tuple[int, Rejection]]]]
    check_columns: Callable[[Sequence[str], FileMapping], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. share: of the file that was read. rate: rows a second, None unless it runs here."""

    id: str
    name: str
    form: str
    status: Literal["running", "interrupted", "failed", "done"]
    rows: int
    share: float
    accepted: int
    duplicates: int
    rejected: int
    author: str
    started_at: str
    advanced_at: str
    finished_at: str | None
    error: str | None
    rate: float | None = None


#: Told of a part that is done, and of the rows it refused: (line, or 0 where that is not known; the refusal).
Told = Callable[[Progress, Sequence[tuple[int, Rejection]]], None]


class Stopped(Exception):
    """Somebody ended the import; its error says who."""


def form_of(path: Path, form: str | None = None) -> Form:
    """The form that a file's name tells, where none is given."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    name = form or {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}.get(
        next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), ""), ""
    )
    found = next((known for known in get_args(Form) if known == name), None)
    if found is None:
        raise InvalidInput("FILE_MALFORMED", f"{path.name}: say whether this is {', '.join(get_args(Form))}.")
    return found  # type: ignore[no-any-return]


class Pace:
    """How the imports of a process go: in large parts, several under way, while nobody else is served; beside others in
    small ones, and they rest after each, so that they work for a quarter of the time.

    others  counts what others have asked of this process so far; None where nobody can"""

    def __init__(self, others: Callable[[], int] | None = None) -> None:
        self._others = others
        self._seen = others() if others is not None else 0
        self._heard_at = time.monotonic()

    def alone(self) -> bool:
        """Whether nobody was served lately, as far as it was asked about."""
        if self._others is None:
            return True
        now = time.monotonic()
        if (seen := self._others()) != self._seen:
            self._seen, self._heard_at = seen, now
        return now - self._heard_at >= QUIET_SECONDS

    def size(self) -> int:
        """Rows in the next part."""
        return PART if self.alone() else GENTLE_PART

    @property
    def ahead(self) -> int:
        """How many parts may be under way."""
        if self._others is None:
            return _AHEAD
        return _AHEAD_OF_OTHERS if self.alone() else 1

    async def rest(self, began: float) -> None:
        """Nothing was under way but what began then."""
        if not self.alone():
            await asyncio.sleep(min(_RESTS * (time.monotonic() - began), _LONGEST_REST_SECONDS))


class Importer:
    """Imports of one process. pace: with all its might where none is given."""

    def __init__(
        self,
        pool: Pool,
        ingest: Ingest,
        pipeline: Pipeline,
        now: Clock,
        parse: Parse,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._pool = pool
        self._ingest = ingest
        self._pipeline = pipeline
        self._now = now
        self._parse = parse
        self._pace = pace or Pace()

    async def run(
        self,
        environment_id: int,
        source: Source,
        author: str,
        told: Told = lambda progress, refused: None,
        api_key_id: int | None = None,
        begun: Callable[[str], None] = lambda id: None,
        known: str | None = None,
    ) -> Progress:
        """Import what is left of a file; its progress at the end. `begun` is told its id once it is nobody else's.
        `known` is the id it has to have where it goes on by itself: then what was stopped stays so."""
        id = await asyncio.to_thread(self._look_at, source)
        if known not in (None, id):
            raise InvalidInput("FILE_MALFORMED", f"{source.path.name} is not the file any more that was begun.")
        async with acquired(self._pool) as lock, held(lock, environment_id, id):
            if known is None:
                row = await self._begin(lock, environment_id, id, source, author)
            elif (found := await store.find_import(lock, environment_id, id)) is not None:
                row = found
            else:
                raise _unknown(id)
            begun(id)
            if row.finished_at is not None or row.error is not None:
                return progress_of(row, running=False)
            try:
                with reaching():
                    await self._go_through(lock, environment_id, id, source, row.done, told, api_key_id)
            except Stopped:
                stopped = await store.find_import(lock, environment_id, id)
                assert stopped is not None
                return progress_of(stopped, running=False)
            except (Retryable, *RETRY):
                raise  # it may go on as it is
            except TinyCDPError as failure:
                await store.finish_import(lock, environment_id, id, self._now(), failure.message)
                raise
            except Exception:
                await store.finish_import(lock, environment_id, id, self._now(), "An internal error: see the log.")
                raise
            return progress_of(await store.finish_import(lock, environment_id, id, self._now(), None), running=False)

    async def _begin(
        self, lock: Connection, environment_id: int, id: str, source: Source, author: str
    ) -> store.ImportRow:
        mapping = msgspec.to_builtins(source.mapping)
        name = source.name or source.path.name
        return await store.begin_import(lock, environment_id, id, name, source.form, mapping, author, self._now())

    def _look_at(self, source: Source) -> str:
        """The id of the file's import, where it looks like a file that can be imported."""
        if source.form != "jsonl":
            self._parse.check_columns(columns_of(source), source.mapping)
        elif source.mapping != NO_MAPPING:
            raise InvalidInput("INVALID_MAPPING", "JSON lines are events, and have no columns to be mapped.")
        return identity_of(source)

    async def _go_through(
        self,
        lock: Connection,
        environment_id: int,
        id: str,
        source: Source,
        done: int,
        told: Told,
        api_key_id: int | None,
    ) -> None:
        began, before = time.monotonic(), done
        under_way: deque[tuple[asyncio.Task[_Taken], int, float]] = deque()
        pace = self._pace

        async def settle() -> None:
            nonlocal done
            task, rows, share = under_way.popleft()
            taken = await task
            done += rows
            row = await store.advance_import(
                lock, environment_id, id, done, share, taken.accepted, taken.duplicates, len(taken.refused), self._now()
            )
            if row.error is not None:
                raise Stopped
            rate = (done - before) / max(time.monotonic() - began, 1e-3)
            told(progress_of(row, running=True, rate=rate), taken.refused)

        try:
            async for rows, share in parts(source, done, pace.size):
                started = time.monotonic()
                under_way.append(
                    (asyncio.create_task(self._take(environment_id, id, source, rows, api_key_id)), len(rows), share)
                )
                while len(under_way) >= pace.ahead:
                    await settle()
                await pace.rest(started)
            while under_way:
                await settle()
        finally:
            for task, _, _ in under_way:
                task.cancel()
            await asyncio.gather(*(task for task, _, _ in under_way), return_exceptions=True)

    async def _take(
        self, environment_id: int, id: str, source: Source, rows: Sequence[Numbered], api_key_id: int | None
    ) -> "_Taken":
        messages, unread = await asyncio.to_thread(self._parse.call, rows, source.mapping, id, self._now())
        logged = self._pipeline.redact_rejections(environment_id, [rejection for _, rejection in unread])
        passed = self._pipeline.run(environment_id, messages, Client())
        receipt = await self._accept(environment_id, passed.messages, [*logged, *passed.rejections], api_key_id)
        refused = [*unread, *((0, rejection) for rejection in (*passed.rejections, *receipt.rejected))]
        return _Taken(receipt.accepted, receipt.duplicates, refused)

    async def _accept(
        self, environment_id: int, messages: Sequence[Message], rejections: Sequence[Rejection], api_key_id: int | None
    ) -> Receipt:
        for _ in range(_TRIES):
            try:
                return await self._ingest.accept(environment_id, messages, rejections, api_key_id)
            except Retryable as trouble:
                await asyncio.sleep(trouble.retry_after_seconds / 2)
        return await self._ingest.accept(environment_id, messages, rejections, api_key_id)


@dataclass(frozen=True, slots=True)
class _Taken:
    accepted: int
    duplicates: int
    refused: Sequence[tuple[int, Rejection]]


def progress_of(row: store.ImportRow, *, running: bool, rate: float | None = None) -> Progress:
    status: Literal["running", "interrupted", "failed", "done"] = "running" if running else "interrupted"
    if row.finished_at is not None:
        status = "done"
    elif row.error is not None:
        status = "failed"
    return Progress(
        row.id, row.name, row.form, status, row.done, row.share, row.accepted, row.duplicates,
        row.rejected, row.author, iso(row.started_at), iso(row.advanced_at),
        iso(row.finished_at) if row.finished_at is not None else None, row.error, rate,
    )  # fmt: skip


async def find(pool: Pool, environment_id: int, id: str) -> Progress:
    async with acquired(pool) as connection:
        row = await store.find_import(connection, environment_id, id)
        if row is None:
            raise _unknown(id)
        return progress_of(row, running=await _runs(connection, environment_id, row.id))


def _unknown(id: str) -> NotFound:
    return NotFound("IMPORT_NOT_FOUND", f"There is no import {id[:100]!r}.")


async def listed(pool: Pool, environment_id: int, n: int) -> list[Progress]:
    """The newest imports."""
    async with acquired(pool) as connection:
        rows = await store.list_imports(connection, environment_id, n)
        return [progress_of(row, running=await _runs(connection, environment_id, row.id)) for row in rows]


async def stop(pool: Pool, environment_id: int, id: str, why: str, now: Instant) -> Progress:
    """The import goes no further, wherever it runs; one that is done stays so."""
    async with acquired(pool) as connection:
        await store.stop_import(connection, environment_id, id, why, now)
    return await find(pool, environment_id, id)


@asynccontextmanager
async def held(connection: Connection, environment_id: int, id: str) -> AsyncIterator[None]:
    """The import is this connection's alone, of all processes."""
    if not await store.try_import(connection, environment_id, id):
        raise Conflict("IMPORT_RUNNING", f"The import {id} of this file is running already.", id=id)
    try:
        yield
    finally:
        await store.end_import(connection, environment_id, id)


async def _runs(connection: Connection, environment_id: int, id: str) -> bool:
    """Whether some process is at it: then its lock cannot be had."""
    if not await store.try_import(connection, environment_id, id):
        return True
    await store.end_import(connection, environment_id, id)
    return False


# Files


def identity_of(source: Source) -> str:
    """The same for the same content read in the same way, whatever the file is called. What is packed is whole."""
    digest = hashlib.sha256()
    with _opened(source.path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        if source.form != "parquet" and (plain := _inflated(file)) is not file:
            with _reading(source.path.name):
                while plain.read(_BLOCK):
                    pass
    digest.update(_encode([source.form, source.mapping]))
    return digest.hexdigest()[:16]


def columns_of(source: Source) -> list[str]:
    """The names of a table's columns."""
    name = source.path.name
    with _opened(source.path) as file:
        if source.form == "parquet":
            return list(_parquet_file(file, name).schema_arrow.names)
        with _reading(name):
            if (plain := _inflated(file)).read(2) in _UTF16:
                raise InvalidInput("FILE_MALFORMED", f"{name} is UTF-16: save it as UTF-8.")
            plain.seek(0)
            try:
                columns = next(csv.reader(_Decoded(plain), strict=True), [])
            except csv.Error as broken:
                raise InvalidInput("FILE_MALFORMED", f"{name}, line 1: {broken}") from broken
    if not any(columns):
        raise InvalidInput("FILE_MALFORMED", f"{name}: the first line has no names of columns.")
    return columns


async def parts(source: Source, done: int, size: Callable[[], int]) -> AsyncIterator[tuple[list[Numbered], float]]:
    """The rows behind those that are done, some at a time, each time with the share of the file that was read."""
    with _opened(source.path) as file:
        rows, share = await asyncio.to_thread(_rows, file, source)
        rest = islice(rows, done, None)

        def read() -> tuple[list[Numbered], float]:
            return _some(rest, size()), share()

        while True:
            part, read_share = await asyncio.to_thread(read)
            if not part:
                return
            yield part, read_share


def _some(rows: Iterable[Numbered], most: int) -> list[Numbered]:
    """The next rows: so many, or fewer where they are long."""
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
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as refused:
        raise InvalidInput("FILE_UNREADABLE", f"{path.name}: {refused.strerror or refused}") from refused


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """A context in which a packing that is broken becomes InvalidInput."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name}: the gzip is broken: {broken}") from broken


def _inflated(file: IO[bytes]) -> Any:
    """The same from its beginning, inflated on the way where it is gzip."""
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def _rows(file: IO[bytes], source: Source) -> tuple[Iterator[Numbered], Callable[[], float]]:
    """The rows of a file in their order, and what tells the share of it that was read."""
    name = source.path.name
    if source.form == "parquet":
        return _parquet(_parquet_file(file, name), name)
    total = max(source.path.stat().st_size, 1)
    plain = _inflated(file)
    rows = _lines(plain, name) if source.form == "jsonl" else _csv(plain, name)
    return rows, lambda: min(file.tell() / total, 1.0)


def _lines(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Lines that hold something. One that has no end in sight is read in pieces, of which none is JSON."""
    number = 0
    with _reading(name):
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if line := line.strip():
                yield number, line


def _csv(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Rows by column. A cell that is missing is none; more cells than columns make a row unreadable."""
    lines = _Decoded(file)
    reader = csv.DictReader(lines, restkey="", strict=True)
    with _reading(name):
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
    """The lines of a file as texts. broken: whether one of them was no UTF-8."""

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
        from pyarrow.lib import ArrowException  # noqa: PLC0415 - an extra: nobody else needs its 40 MB
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            "PARQUET_MISSING", "Parquet is read by pyarrow, which is not installed: pip install 'tinycdp[parquet]'."
        ) from None
    try:
        # Spark's instants count nanoseconds; Python's do not.
        return ParquetFile(file, coerce_int96_timestamp_unit="us", pre_buffer=False)
    except (ArrowException, OSError) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name} is no whole Parquet file: {broken}") from broken


def _parquet(table: Any, name: str) -> tuple[Iterator[Numbered], Callable[[], float]]:
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    number = 0

    def rows() -> Iterator[Numbered]:
        nonlocal number
        try:
            for batch in table.iter_batches(PART):
                for row in _pythonic(batch):
                    number += 1
                    yield number, row
        except (ArrowException, OSError) as broken:
            raise InvalidInput("FILE_MALFORMED", f"{name}, row {number}: {broken}") from broken

    return rows(), lambda: min(number / max(table.metadata.num_rows, 1), 1.0)


def _pythonic(batch: Any) -> Iterator[Mapping[str, Any] | Unread]:
    """The rows of a batch; where it holds what Python cannot, as instants of the year 10000, only those without."""
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
                yield Unread(f"This holds a value that cannot be read: {strange}.")
    else:
        yield from ({name: cell[n] for name, cell in cells.items()} for n in range(batch.num_rows))
