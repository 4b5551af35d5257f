"""Imports in a server, of files that clients send or that are in its folder already.

Shape   receive(…) writes a file, begin(…) starts its import in a task of its own and returns the first progress;
        start(…) resumes interrupted imports from now on
Laws    a started import is always resumed until it is done, stopped or its file is found to be damaged: after a kill,
        after a restart, and after the database was away. Any process of this machine may resume it, one at a time.
        A ticket beside the file holds what that needs; it is written once the database knows the import.
        The ticket and file of a finished import are removed; files without a known import are removed a day later
Units   a file has at most MOST_UPLOADED bytes; a process runs AT_ONCE imports
Errors  Overloaded IMPORTS_BUSY · InvalidInput FILE_TOO_LARGE · NotFound IMPORT_NOT_FOUND, REPORT_NOT_FOUND
        · what imports.Importer raises
Source  docs/decisions/0028-import-queue.md
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded, Retryable, TinyCDPError
from tinycdp.model import DAY_MS, Instant, Rejection
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.ingest.pipeline import Pipeline
from tinycdp.runtime.transfer import import_reports, imports
from tinycdp.runtime.transfer.import_files import FileMapping, Form, ImportFile, Parse
from tinycdp.runtime.transfer.imports import Importer, ImportProgress, Pace, locked
from tinycdp.store import definitions as definition_store
from tinycdp.store import imports as store
from tinycdp.store.database.pool import RETRY, Pool, acquired

log = logging.getLogger(__name__)

#: Imports that one process runs at once.
AT_ONCE = 2
MOST_UPLOADED = 8 * 1024**3
MOST_LISTED = 500
_POLL_SECONDS = 2.0
_ABANDONED_MS = DAY_MS
_FILE, _TICKET = ".upload", ".ticket"

Rejected = Sequence[tuple[int, Rejection]]


class Ticket(msgspec.Struct, frozen=True):
    """What an import needs to be resumed.

    file: its path in the folder; keep: do not delete it when done."""

    environment_id: int
    id: str
    file: str
    form: Form
    mapping: FileMapping
    name: str
    author: str
    api_key_id: int
    keep: bool


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the folder of imports. size: in bytes"""

    name: str
    size: int
    modified_at: Instant


@dataclass(slots=True)
class _Run:
    """An import that runs here. ticket: its path, None until the import has started."""

    environment_id: int
    source: ImportFile
    keep: bool
    ticket: Path | None = None
    latest: ImportProgress | None = None


class ImportQueue:
    """The imports of one server process. requests: counts its other requests, for Pace."""

    def __init__(
        self, pool: Pool, ingest: Ingest, pipeline: Pipeline, now: Clock, folder: Path, requests: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._parts = (pool, ingest, pipeline, now)
        self._now = now
        self._pace = Pace(requests)
        self.folder = folder
        self._running: dict[asyncio.Task[ImportProgress], _Run] = {}
        self._loop: Loop | None = None

    def start(self, parse: Parse) -> None:
        """Resume interrupted imports from now on."""
        self._loop = Loop("imports", partial(self.tick, parse), _POLL_SECONDS)
        self._loop.start()

    async def stop(self) -> None:
        """Cancel what is running here; another process, or the next one, resumes it."""
        if self._loop is not None:
            await self._loop.stop()
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # New files

    def check_capacity(self) -> None:
        """Raise Overloaded if another import cannot start now, before its file is read."""
        if len(self._running) >= AT_ONCE:
            raise Overloaded("IMPORTS_BUSY", f"{AT_ONCE} imports are running here; try later.", retry_after_seconds=10)

    async def receive(self, name: str, parts: AsyncIterator[bytes]) -> Path:
        """Write what a client sends to a new file, and return its path."""
        await asyncio.to_thread(self.folder.mkdir, 0o700, parents=True, exist_ok=True)
        path = self.folder / (hashlib.sha256(f"{time.monotonic_ns()} {name}".encode()).hexdigest()[:16] + _FILE)
        size = 0
        try:
            with path.open("xb") as file:
                async for part in parts:
                    size += len(part)
                    if size > MOST_UPLOADED:
                        raise InvalidInput(
                            "FILE_TOO_LARGE", f"The file is larger than {MOST_UPLOADED >> 30} GiB; split it."
                        )
                    await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(_sync, file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    async def folder_of(self, environment_id: int) -> Path:
        """The folder for files of an environment: its own, so that no key imports another environment's people."""
        async with acquired(self._pool) as connection:
            return self.folder / (await definition_store.find_environment(connection, environment_id)).key

    async def stored_files(self, environment_id: int) -> list[StoredFile]:
        """The files that were put into the environment's folder, by name."""
        return await asyncio.to_thread(_stored_files, await self.folder_of(environment_id))

    async def stored_file(self, environment_id: int, name: str) -> Path:
        """The path of a file that is in the environment's folder already."""
        path = await self.folder_of(environment_id) / name
        if Path(name).name != name or not await asyncio.to_thread(_is_stored, path):
            raise NotFound(
                "IMPORT_NOT_FOUND", f"There is no file {name[:100]!r} in the environment's folder of imports."
            )
        return path

    async def begin(
        self, environment_id: int, source: ImportFile, author: str, parse: Parse, api_key_id: int, *, keep: bool
    ) -> ImportProgress:
        """Start an import, and return its progress after the first part.

        Unless `keep`, the file is deleted when the import is done."""
        run = _Run(environment_id, source, keep)
        try:
            self.check_capacity()
        except Overloaded:
            _remove(run)
            raise
        first: asyncio.Future[ImportProgress] = asyncio.get_running_loop().create_future()
        id = ""

        def on_progress(progress: ImportProgress) -> None:
            run.latest = progress
            if not first.done():
                first.set_result(progress)

        def on_rejected(rejected: Rejected) -> None:
            import_reports.append(self.folder, environment_id, id, rejected)

        def on_start(own_id: str) -> None:
            nonlocal id
            id = own_id
            ticket = Ticket(
                environment_id,
                id,
                str(source.path.relative_to(self.folder)),
                source.form,
                source.mapping,
                source.name,
                author,
                api_key_id,
                keep,
            )
            run.ticket = _write(self.folder, ticket)

        importer = Importer(*self._parts, parse, pace=self._pace)
        work = importer.run(environment_id, source, author, on_progress, on_rejected, api_key_id, on_start)
        task = self._spawn(run, work)
        await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
        return first.result() if first.done() else task.result()

    def _spawn(self, run: _Run, work: Coroutine[Any, Any, ImportProgress]) -> asyncio.Task[ImportProgress]:
        task = asyncio.create_task(work)
        self._running[task] = run
        task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[ImportProgress]) -> None:
        run = self._running.pop(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            expected = isinstance(failure, (TinyCDPError, *RETRY))
            log.warning("the import of %s ended: %s", run.source.name, failure, exc_info=None if expected else failure)
        resumable = task.cancelled() or isinstance(failure, (Retryable, Conflict, *RETRY))
        if not (resumable and run.ticket):
            _remove(run)

    # Interrupted imports

    async def tick(self, parse: Parse) -> None:
        """Resume interrupted imports, up to AT_ONCE."""
        self._pace.is_idle()  # it notices other requests only when called
        for path, ticket in await asyncio.to_thread(_tickets, self.folder, self._now()):
            if len(self._running) >= AT_ONCE:
                return
            if any(run.ticket == path for run in self._running.values()):
                continue
            source = ImportFile(self.folder / ticket.file, ticket.form, ticket.mapping, ticket.name)
            run = _Run(ticket.environment_id, source, ticket.keep, path)
            with contextlib.suppress(Conflict):
                if await self._is_interrupted(run, ticket):
                    log.info("resuming the import of %s", ticket.name)
                    self._spawn(run, self._resume(run, ticket, parse))

    async def _is_interrupted(self, run: _Run, ticket: Ticket) -> bool:
        """Whether an import waits to be resumed; raises Conflict if another process runs it.

        Removes the files of an import that is finished."""
        async with acquired(self._pool) as connection, locked(connection, ticket.environment_id, ticket.id):
            row = await store.find_import(connection, ticket.environment_id, ticket.id)
            if row is not None and row.finished_at is None and row.error is None:
                return True
            # An unknown import may be known in another database that shares this folder.
            if row is not None or (run.ticket is not None and _is_abandoned(run.ticket, self._now())):
                _remove(run)
            return False

    async def _resume(self, run: _Run, ticket: Ticket, parse: Parse) -> ImportProgress:
        def on_progress(progress: ImportProgress) -> None:
            run.latest = progress

        def on_rejected(rejected: Rejected) -> None:
            import_reports.append(self.folder, run.environment_id, ticket.id, rejected)

        try:
            if not run.source.path.exists():
                raise InvalidInput("FILE_UNREADABLE", "The file is no longer on the server; send it again.")
            importer = Importer(*self._parts, parse, pace=self._pace)
            return await importer.run(
                run.environment_id,
                run.source,
                ticket.author,
                on_progress,
                on_rejected,
                ticket.api_key_id,
                resume=ticket.id,
            )
        except InvalidInput as broken:
            await imports.stop(Environment(run.environment_id, self._pool, self._now), ticket.id, broken.message)
            raise

    # Progress

    async def find(self, environment_id: int, id: str) -> ImportProgress:
        """The progress of one import."""
        return self._with_rate(
            environment_id, await imports.find(Environment(environment_id, self._pool, self._now), id)
        )

    async def report(self, environment_id: int, id: str) -> AsyncIterator[bytes]:
        """The rejected rows of an import, as JSON lines."""
        progress = await self.find(environment_id, id)
        if progress.rejected and not import_reports.exists(self.folder, environment_id, id):
            message = f"The report of import {id} was deleted, a day after the import, or is on another machine."
            raise NotFound("REPORT_NOT_FOUND", message)
        return import_reports.parts(self.folder, environment_id, id)

    async def listed(self, environment_id: int, n: int) -> list[ImportProgress]:
        """The progress of the newest imports."""
        found = await imports.listed(Environment(environment_id, self._pool, self._now), n)
        return [self._with_rate(environment_id, progress) for progress in found]

    def _with_rate(self, environment_id: int, progress: ImportProgress) -> ImportProgress:
        for run in self._running.values():
            if run.latest is not None and (run.environment_id, run.latest.id) == (environment_id, progress.id):
                return replace(progress, rate=run.latest.rate)
        return progress


def _is_stored(path: Path) -> bool:
    """Whether this file was put here by hand, and is not the queue's own."""
    own = path.suffix in (_FILE, _TICKET, ".new", import_reports.ENDING) or path.name.startswith(".")
    try:
        return not own and path.is_file()
    except OSError:  # no name of a file, being too long
        return False


def _stored_files(folder: Path) -> list[StoredFile]:
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if _is_stored(path):
                state = path.stat()
                found.append(StoredFile(path.name, state.st_size, int(state.st_mtime * 1000)))
    return found[:MOST_LISTED]


def _sync(file: IO[bytes]) -> None:
    """Flush a file to disk.

    Otherwise a power failure could leave half a file that looks complete."""
    file.flush()
    os.fsync(file.fileno())


def _write(folder: Path, ticket: Ticket) -> Path:
    path = folder / f"{ticket.environment_id}-{ticket.id}{_TICKET}"
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(ticket))
        _sync(file)
    fresh.replace(path)
    return path


def _tickets(folder: Path, now: Instant) -> list[tuple[Path, Ticket]]:
    """The tickets in the folder, oldest first.

    Deletes uploads without a ticket once they are abandoned, and old reports."""
    found: list[tuple[float, Path, Ticket]] = []
    for path in folder.glob(f"*{_TICKET}"):
        with contextlib.suppress(FileNotFoundError):
            try:
                found.append((path.stat().st_mtime, path, msgspec.json.decode(path.read_bytes(), type=Ticket)))
            except msgspec.DecodeError:
                log.warning("%s is not a valid import ticket; ignored", path)
    import_reports.remove_old(folder, now)
    named = {ticket.file for _, _, ticket in found}
    for path in folder.glob(f"*{_FILE}"):
        if path.name not in named and _is_abandoned(path, now):
            path.unlink(missing_ok=True)
    return [(path, ticket) for _, path, ticket in sorted(found, key=lambda one: one[0])]


def _is_abandoned(path: Path, now: Instant) -> bool:
    """Whether a file was last written a day ago or earlier."""
    with contextlib.suppress(FileNotFoundError):
        return now - path.stat().st_mtime * 1000 > _ABANDONED_MS
    return False


def _remove(run: _Run) -> None:
    if run.ticket is not None:
        run.ticket.unlink(missing_ok=True)
    if not run.keep:
        run.source.path.unlink(missing_ok=True)
