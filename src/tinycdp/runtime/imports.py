"""History from files: read in parts, through the same door and the same commit as what is sent live.

Shape   Importer.run(environment, source, …) goes through one file; read_rows(source) gives its rows, whatever its form;
        Uploads are the files sent to a server, each imported by a task of its own
Laws    the result is the one that sending the rows live would have, in any order and mixture. Importing a file again,
        after a kill or to the end, adds nothing: rows without a message id get one from the file's content and their
        number.
        A row that cannot be read is logged with its line and its reason, and harms no other
        A file's place is saved behind its messages. Beside live traffic a server's imports take turns with it
Units   rows are counted from 1; of JSON lines and CSV their line, where each row is one
Errors  InvalidInput FILE_UNREADABLE, FILE_MALFORMED, INVALID_MAPPING, PARQUET_MISSING · Conflict
        IMPORT_RUNNING · NotFound IMPORT_NOT_FOUND · Overloaded IMPORTS_BUSY
Source  docs/decisions/0025-import.md; docs/guide/importing.md
"""

import asyncio
import csv
import gzip
import hashlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, get_args

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded, Retryable, TinyCDPError
from tinycdp.model import Message, Rejection
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.door import Client, Door
from tinycdp.runtime.ingest import Ingest, Receipt
from tinycdp.runtime.times import iso
from tinycdp.store import imports as store
from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection, Pool, acquired

log = logging.getLogger(__name__)

Form = Literal["jsonl", "csv", "parquet"]

#: Rows in one part: of a command, and of a server that has other things to do.
PART, GENTLE_PART = 1_000, 200
#: Parts under way at once: while one is committed the next is read.
_AHEAD = 6
_TRIES = 120
_LONGEST_LINE = 4 * 1024 * 1024
_BLOCK = 1 << 20
#: Imports that one process runs at once.
AT_ONCE = 2
MOST_UPLOADED = 8 * 1024**3

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


#: One row: its number, and the text of a JSON line or the cells of a table.
Numbered = tuple[int, bytes | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Parse:
    """Makes messages of rows. given: (rows, the mapping, a token for message ids, when they arrived)."""

    call: Callable[[Sequence[Numbered], FileMapping, str, int], tuple[list[Message], list[tuple[int, Rejection]]]]


class Progress(msgspec.Struct, frozen=True, rename="camel"):
    """How far an import is. share: of the file that was read, 0 to 1; status interrupted: begin it again to go on.

    rejected  rows that were refused: the log of refusals says why
    rate      rows a second since it last began; null where it does not run here"""

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


#: Told of a part that is done, and of the rows it refused: (line, or 0 for one of `lines`; the refusal).
Told = Callable[[Progress, Sequence[tuple[int, Rejection]]], None]


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


class Importer:
    """Imports of one process. `gentle`: leave half of the time to others."""

    def __init__(
        self, pool: Pool, ingest: Ingest, door: Door, now: Clock, parse: Parse, *, gentle: bool = False
    ) -> None:
        self._pool = pool
        self._ingest = ingest
        self._door = door
        self._now = now
        self._parse = parse
        self._gentle = gentle

    async def run(
        self,
        environment_id: int,
        source: Source,
        author: str,
        told: Told = lambda progress, refused: None,
        api_key_id: int | None = None,
    ) -> Progress:
        """Import what is left of a file; its progress at the end."""
        id = await asyncio.to_thread(identity_of, source)
        async with acquired(self._pool) as lock:
            if not await store.try_import(lock, environment_id, id):
                raise Conflict("IMPORT_RUNNING", f"The import {id} of this file is running already.", id=id)
            try:
                row = await store.begin_import(
                    lock, environment_id, id, source.name or source.path.name, source.form,
                    msgspec.to_builtins(source.mapping), author, self._now(),
                )  # fmt: skip
                if row["finished_at"] is not None:
                    return progress_of(row, running=False)
                try:
                    await self._go_through(lock, environment_id, id, source, row["done"], told, api_key_id)
                except TinyCDPError as failure:
                    await store.finish_import(lock, environment_id, id, self._now(), failure.message)
                    raise
                return progress_of(
                    await store.finish_import(lock, environment_id, id, self._now(), None), running=False
                )
            finally:
                await store.end_import(lock, environment_id, id)

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

        async def settle() -> None:
            nonlocal done
            task, rows, share = under_way.popleft()
            taken = await task
            done += rows
            row = await store.advance_import(
                lock, environment_id, id, done, share, taken.accepted, taken.duplicates, len(taken.refused), self._now()
            )
            rate = (done - before) / max(time.monotonic() - began, 1e-3)
            told(progress_of(row, running=True, rate=rate), taken.refused)

        try:
            async for rows, share in _parts(source, done, GENTLE_PART if self._gentle else PART):
                started = time.monotonic()
                under_way.append(
                    (asyncio.create_task(self._take(environment_id, id, source, rows, api_key_id)), len(rows), share)
                )
                while len(under_way) >= (1 if self._gentle else _AHEAD):
                    await settle()
                if self._gentle:
                    await asyncio.sleep(time.monotonic() - started)
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
        logged = self._door.logged(environment_id, [rejection for _, rejection in unread])
        passed = self._door.pass_through(environment_id, messages, Client())
        receipt = await self._accept(environment_id, passed.messages, [*logged, *passed.rejections], api_key_id)
        refused = [*unread, *((0, rejection) for rejection in (*passed.rejections, *receipt.refused))]
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


def progress_of(row: Row, *, running: bool, rate: float | None = None) -> Progress:
    status: Literal["running", "interrupted", "failed", "done"] = "running" if running else "interrupted"
    if row["finished_at"] is not None:
        status = "done"
    elif row["error"] is not None:
        status = "failed"
    return Progress(
        row["id"], row["name"], row["form"], status, row["done"], row["share"], row["accepted"], row["duplicates"],
        row["rejected"], row["author"], iso(row["started_at"]), iso(row["advanced_at"]),
        iso(row["finished_at"]) if row["finished_at"] is not None else None, row["error"], rate,
    )  # fmt: skip


async def find(pool: Pool, environment_id: int, id: str) -> Progress:
    async with acquired(pool) as connection:
        row = await store.find_import(connection, environment_id, id)
        if row is None:
            raise NotFound("IMPORT_NOT_FOUND", f"There is no import {id[:100]!r}.")
        return progress_of(row, running=await _runs(connection, environment_id, row["id"]))


async def listed(pool: Pool, environment_id: int, n: int) -> list[Progress]:
    """The newest imports."""
    async with acquired(pool) as connection:
        rows = await store.list_imports(connection, environment_id, n)
        return [progress_of(row, running=await _runs(connection, environment_id, row["id"])) for row in rows]


async def _runs(connection: Connection, environment_id: int, id: str) -> bool:
    """Whether some process is at it: then its lock cannot be had."""
    if not await store.try_import(connection, environment_id, id):
        return True
    await store.end_import(connection, environment_id, id)
    return False


# Files


def identity_of(source: Source) -> str:
    """The same for the same content read in the same way, whatever the file is called."""
    digest = hashlib.sha256()
    with _opened(source.path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    digest.update(_encode([source.form, source.mapping]))
    return digest.hexdigest()[:16]


async def _parts(source: Source, done: int, size: int) -> AsyncIterator[tuple[list[Numbered], float]]:
    """The rows behind those that are done, some at a time, each time with the share of the file that was read."""
    total = max(source.path.stat().st_size, 1)
    with _opened(source.path) as file:
        rows = islice(read_rows(file, source), done, None)

        def read() -> tuple[list[Numbered], float]:
            return list(islice(rows, size)), min(file.tell() / total, 1.0)

        while True:
            part, share = await asyncio.to_thread(read)
            if not part:
                return
            yield part, share


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as refused:
        raise InvalidInput("FILE_UNREADABLE", f"{path.name}: {refused.strerror or refused}") from refused


def read_rows(file: IO[bytes], source: Source) -> Iterator[Numbered]:
    """The rows of a file in their order; gzip is inflated on the way."""
    if source.form == "parquet":
        return _parquet(file, source.path.name)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    plain: Any = gzip.GzipFile(fileobj=file) if packed else file
    return _lines(plain) if source.form == "jsonl" else _csv(plain, source.path.name)


def _lines(file: IO[bytes]) -> Iterator[Numbered]:
    """Lines that hold something. One that has no end in sight is read in pieces, of which none is JSON."""
    number = 0
    try:
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if line := line.strip():
                yield number, line
    except (EOFError, gzip.BadGzipFile) as broken:
        raise InvalidInput("FILE_MALFORMED", f"line {number}: {broken}") from broken


def _csv(file: IO[bytes], name: str) -> Iterator[Numbered]:
    """Rows by column. A cell that is missing is none; more cells than columns make a row unreadable."""
    reader = csv.DictReader(_decoded(file), restkey="", strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except (csv.Error, EOFError, gzip.BadGzipFile) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name}, line {reader.line_num}: {broken}") from broken


def _decoded(file: IO[bytes]) -> Iterator[str]:
    first = True
    while line := file.readline(_LONGEST_LINE):
        yield line.decode("utf-8-sig" if first else "utf-8", "replace")
        first = False


def _parquet(file: IO[bytes], name: str) -> Iterator[Numbered]:
    try:
        from pyarrow import ArrowInvalid  # noqa: PLC0415 - an extra: nobody else needs its 40 MB
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError:
        raise InvalidInput(
            "PARQUET_MISSING", "Parquet is read by pyarrow, which is not installed: pip install 'tinycdp[parquet]'."
        ) from None
    number = 0
    try:
        for batch in ParquetFile(file).iter_batches(PART):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (ArrowInvalid, OSError) as broken:
        raise InvalidInput("FILE_MALFORMED", f"{name}, row {number}: {broken}") from broken


# Files sent to a server


class Uploads:
    """Files that clients send, or that stand in the folder already; each is imported by a task of its own."""

    def __init__(self, pool: Pool, ingest: Ingest, door: Door, now: Clock, folder: Path) -> None:
        self._pool = pool
        self._parts = (pool, ingest, door, now)
        self.folder = folder
        self._running: dict[asyncio.Task[Progress], str] = {}

    async def receive(self, name: str, parts: AsyncIterator[bytes]) -> Path:
        """Write what a client sends to a file of its own."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.sha256(f'{time.monotonic_ns()} {name}'.encode()).hexdigest()[:16]}.upload"
        size = 0
        try:
            with path.open("wb") as file:
                async for part in parts:
                    size += len(part)
                    if size > MOST_UPLOADED:
                        raise InvalidInput("FILE_TOO_LARGE", f"A file has at most {MOST_UPLOADED >> 30} GiB.")
                    await asyncio.to_thread(file.write, part)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def standing(self, name: str) -> Path:
        """A file in the folder, by its name."""
        path = self.folder / name
        if Path(name).name != name or not path.is_file():
            raise NotFound("IMPORT_NOT_FOUND", f"There is no file {name[:100]!r} in the server's folder of imports.")
        return path

    async def start(
        self, environment_id: int, source: Source, author: str, parse: Parse, api_key_id: int, *, keep: bool
    ) -> Progress:
        """Begin, and answer how far it is. The file goes when it is done, unless it is to be kept."""
        if len(self._running) >= AT_ONCE:
            _remove(source.path, keep)
            raise Overloaded("IMPORTS_BUSY", f"{AT_ONCE} imports are running here.", retry_after_seconds=10)
        begun: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()

        def told(progress: Progress, refused: object) -> None:
            if not begun.done():
                begun.set_result(progress)

        importer = Importer(*self._parts, parse, gentle=True)
        task = asyncio.create_task(importer.run(environment_id, source, author, told, api_key_id))
        self._running[task] = source.name
        task.add_done_callback(lambda task: self._ended(task, source.path, keep))
        await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        return begun.result() if begun.done() else task.result()

    def _ended(self, task: asyncio.Task[Progress], path: Path, keep: bool) -> None:
        name = self._running.pop(task)
        _remove(path, keep)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.warning("the import of %s ended: %s", name, failure)

    async def stop(self) -> None:
        """End what is running; sent again, each goes on where it was."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _remove(path: Path, keep: bool) -> None:
    if not keep:
        path.unlink(missing_ok=True)
