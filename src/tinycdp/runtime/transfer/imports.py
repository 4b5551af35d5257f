"""Import history from files, through the same pipeline and group commit as live messages.

Shape   Importer.run(environment, source, …) imports one file. find and listed return the progress of imports, stop ends
        one. import_files reads the files; import_queue keeps uploaded files and resumes their imports
Laws    the result equals that of sending the rows live, in any order and mixture. Importing a file again, after a kill
        or after it was done, adds nothing: a row without a message id gets one from the file's content and its number.
        A row that cannot be read is logged with its line and reason, and does not affect other rows. An error in the
        whole file, its compression or its columns, is found before the first row is stored: the corrected file would be
        a different file, and the rows stored from this one would count twice.
        A file's position is saved after its messages. An import in a server uses the whole process while there are no
        other requests, and yields to them at once
Units   rows are counted from 1; in JSON lines and CSV a row's number is its line, where each row is one line
Errors  InvalidInput FILE_UNREADABLE, FILE_MALFORMED, INVALID_MAPPING, PARQUET_MISSING · Conflict IMPORT_RUNNING
        · NotFound IMPORT_NOT_FOUND
Source  docs/decisions/0025-import.md, docs/decisions/0028-import-queue.md; docs/how-to/import-history.md
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Retryable, TinyCDPError
from tinycdp.model import Message, Rejection
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.ingest.group_commit import Ingest, Receipt
from tinycdp.runtime.ingest.pipeline import Client, Pipeline
from tinycdp.runtime.transfer.import_files import (
    NO_MAPPING,
    ImportFile,
    Numbered,
    Parse,
    columns_of,
    identity_of,
    parts,
)
from tinycdp.store import imports as store
from tinycdp.store.database.pool import RETRY, Connection, Pool, acquired, reaching
from tinycdp.times import iso

#: Rows in one part: while the process is idle, and beside other requests. Long rows make a part smaller.
PART, GENTLE_PART = 2_000, 100
#: Parts in flight at once: the next is read while one is committed. Other requests have to wait for all of them.
_IN_FLIGHT, _IN_FLIGHT_IN_SERVER = 6, 3
#: A process is idle this long after it last served another request.
QUIET_SECONDS = 5.0
#: Beside other requests, an import pauses after each part for this many times the part's duration.
_PAUSE_FACTOR = 3
_LONGEST_PAUSE_SECONDS = 2.0
_TRIES = 120


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """The progress of an import.

    share  of the file read so far
    rate   rows per second, None unless it runs here"""

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


#: Called after each part.
OnProgress = Callable[[ImportProgress], None]
#: Called with the rows that a part rejected, before its progress is saved: (line, or 0 if unknown; rejection).
OnRejected = Callable[[Sequence[tuple[int, Rejection]]], None]


class Stopped(Exception):
    """The import was stopped; the error in its row says by whom."""


class Pace:
    """How fast the imports of a process run.

    While the process is idle: in large parts, several in flight. Beside other requests: in small parts with a pause
    after each, so that they work for a quarter of the time.

    requests  returns how many other requests this process has had so far; None if it serves none"""

    def __init__(self, requests: Callable[[], int] | None = None) -> None:
        self._requests = requests
        self._seen = requests() if requests is not None else 0
        self._changed_at = time.monotonic()

    def is_idle(self) -> bool:
        """Whether the process has served no other request lately.

        It notices requests only when called, so call it now and then."""
        if self._requests is None:
            return True
        now = time.monotonic()
        if (seen := self._requests()) != self._seen:
            self._seen, self._changed_at = seen, now
        return now - self._changed_at >= QUIET_SECONDS

    def size(self) -> int:
        """Rows in the next part."""
        return PART if self.is_idle() else GENTLE_PART

    @property
    def in_flight(self) -> int:
        """How many parts may be in flight."""
        if self._requests is None:
            return _IN_FLIGHT
        return _IN_FLIGHT_IN_SERVER if self.is_idle() else 1

    async def pause(self, started: float) -> None:
        """Pause unless the process is idle, in proportion to the part that started then."""
        if not self.is_idle():
            await asyncio.sleep(min(_PAUSE_FACTOR * (time.monotonic() - started), _LONGEST_PAUSE_SECONDS))


class Importer:
    """Imports of one process. pace: at full speed by default."""

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
        source: ImportFile,
        author: str,
        on_progress: OnProgress = lambda progress: None,
        on_rejected: OnRejected = lambda rejected: None,
        api_key_id: int | None = None,
        on_start: Callable[[str], None] = lambda id: None,
        resume: str | None = None,
    ) -> ImportProgress:
        """Import what is left of a file, and return its progress at the end.

        on_start  called with the import's id once this connection has its lock
        resume    the id of the import to continue without a new request: one that was stopped stays stopped"""
        id = await asyncio.to_thread(self._check_file, source)
        if resume not in (None, id):
            raise InvalidInput(
                "FILE_MALFORMED", f"{source.shown} changed since this import started. Start a new import."
            )
        async with acquired(self._pool) as lock, locked(lock, environment_id, id):
            if resume is None:
                row = await self._begin(lock, environment_id, id, source, author)
            elif (found := await store.find_import(lock, environment_id, id)) is not None:
                row = found
            else:
                raise _unknown(id)
            on_start(id)
            if row.finished_at is not None or row.error is not None:
                return progress_of(row, running=False)
            try:
                with reaching():
                    await self._store_rows(
                        lock, environment_id, id, source, row.done, on_progress, on_rejected, api_key_id
                    )
            except Stopped:
                stopped = await store.find_import(lock, environment_id, id)
                assert stopped is not None
                return progress_of(stopped, running=False)
            except (Retryable, *RETRY):
                raise  # it can be resumed as it is
            except TinyCDPError as failure:
                await store.finish_import(lock, environment_id, id, self._now(), failure.message)
                raise
            except Exception:
                await store.finish_import(lock, environment_id, id, self._now(), "Internal error; see the log.")
                raise
            return progress_of(await store.finish_import(lock, environment_id, id, self._now(), None), running=False)

    async def _begin(
        self, lock: Connection, environment_id: int, id: str, source: ImportFile, author: str
    ) -> store.ImportRow:
        mapping = msgspec.to_builtins(source.mapping)
        return await store.begin_import(
            lock, environment_id, id, source.shown, source.form, mapping, author, self._now()
        )

    def _check_file(self, source: ImportFile) -> str:
        """Check the columns and the compression of a file, and return the id of its import."""
        if source.form != "jsonl":
            self._parse.check_columns(columns_of(source), source.mapping)
        elif source.mapping != NO_MAPPING:
            raise InvalidInput("INVALID_MAPPING", "JSON lines have no columns to map; leave the mapping out.")
        return identity_of(source)

    async def _store_rows(
        self,
        lock: Connection,
        environment_id: int,
        id: str,
        source: ImportFile,
        done: int,
        on_progress: OnProgress,
        on_rejected: OnRejected,
        api_key_id: int | None,
    ) -> None:
        began, before = time.monotonic(), done
        in_flight: deque[tuple[asyncio.Task[_Stored], int, float]] = deque()
        pace = self._pace

        async def finish_oldest() -> None:
            nonlocal done
            task, rows, share = in_flight.popleft()
            stored = await task
            on_rejected(stored.rejected)
            done += rows
            counts = (stored.accepted, stored.duplicates, len(stored.rejected))
            row = await store.advance_import(lock, environment_id, id, done, share, *counts, self._now())
            if row.error is not None:
                raise Stopped
            rate = (done - before) / max(time.monotonic() - began, 1e-3)
            on_progress(progress_of(row, running=True, rate=rate))

        try:
            async for rows, share in parts(source, done, pace.size):
                started = time.monotonic()
                task = asyncio.create_task(self._store_part(environment_id, id, source, rows, api_key_id))
                in_flight.append((task, len(rows), share))
                while len(in_flight) >= pace.in_flight:
                    await finish_oldest()
                await pace.pause(started)
            while in_flight:
                await finish_oldest()
        finally:
            for task, _, _ in in_flight:
                task.cancel()
            await asyncio.gather(*(task for task, _, _ in in_flight), return_exceptions=True)

    async def _store_part(
        self, environment_id: int, id: str, source: ImportFile, rows: Sequence[Numbered], api_key_id: int | None
    ) -> "_Stored":
        messages, unread = await asyncio.to_thread(self._parse.call, rows, source.mapping, id, self._now())
        logged = self._pipeline.redact_rejections(environment_id, [rejection for _, rejection in unread])
        passed = self._pipeline.run(environment_id, messages, Client())
        receipt = await self._accept(environment_id, passed.messages, [*logged, *passed.rejections], api_key_id)
        lines = (line for line, _ in unread)
        rejected = [
            *zip(lines, logged, strict=True),
            *((0, rejection) for rejection in (*passed.rejections, *receipt.rejected)),
        ]
        return _Stored(receipt.accepted, receipt.duplicates, rejected)

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
class _Stored:
    accepted: int
    duplicates: int
    rejected: Sequence[tuple[int, Rejection]]


def progress_of(row: store.ImportRow, *, running: bool, rate: float | None = None) -> ImportProgress:
    """The progress that a row of `imports` stands for."""
    status: Literal["running", "interrupted", "failed", "done"] = "running" if running else "interrupted"
    if row.finished_at is not None:
        status = "done"
    elif row.error is not None:
        status = "failed"
    return ImportProgress(
        row.id, row.name, row.form, status, row.done, row.share, row.accepted, row.duplicates,
        row.rejected, row.author, iso(row.started_at), iso(row.advanced_at),
        iso(row.finished_at) if row.finished_at is not None else None, row.error, rate,
    )  # fmt: skip


async def find(environment: Environment, id: str) -> ImportProgress:
    """The progress of one import."""
    async with acquired(environment.pool) as connection:
        row = await store.find_import(connection, environment.id, id)
        if row is None:
            raise _unknown(id)
        return progress_of(row, running=await _runs(connection, environment.id, row.id))


def _unknown(id: str) -> NotFound:
    return NotFound("IMPORT_NOT_FOUND", f"There is no import {id[:100]!r}.")


async def listed(environment: Environment, n: int) -> list[ImportProgress]:
    """The progress of the newest imports."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_imports(connection, environment.id, n)
        return [progress_of(row, running=await _runs(connection, environment.id, row.id)) for row in rows]


async def stop(environment: Environment, id: str, why: str) -> ImportProgress:
    """Stop an import, whichever process runs it. One that is done stays done."""
    async with acquired(environment.pool) as connection:
        await store.stop_import(connection, environment.id, id, why, environment.now())
    return await find(environment, id)


@asynccontextmanager
async def locked(connection: Connection, environment_id: int, id: str) -> AsyncIterator[None]:
    """Hold the lock of an import: only one connection of all processes can."""
    if not await store.try_import(connection, environment_id, id):
        raise Conflict("IMPORT_RUNNING", f"This file is being imported already, as import {id}.", id=id)
    try:
        yield
    finally:
        await store.end_import(connection, environment_id, id)


async def _runs(connection: Connection, environment_id: int, id: str) -> bool:
    """Whether a process runs it, and so holds its lock."""
    if not await store.try_import(connection, environment_id, id):
        return True
    await store.end_import(connection, environment_id, id)
    return False
