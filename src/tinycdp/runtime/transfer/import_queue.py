"""Files that clients send to a server, or that stand in its folder already: each imported by a task of its own.

Shape   receive(…) writes a file, begin(…) imports it and answers how far it is; start(…) goes on, now and from then on,
        with what nobody is at
Laws    a file that was begun is gone on with until it is done, stopped or found to be broken: after a kill, after a
        restart, and after the database was away, by whichever process of this machine has room, and by one at a time.
        What it needs for that stands in a ticket beside the file, written once the database knows the import.
        What is done with goes, ticket and file; what no import is known for, a day later
Units   a file has at most MOST_UPLOADED bytes; a process is at AT_ONCE of them
Errors  Overloaded IMPORTS_BUSY · InvalidInput FILE_TOO_LARGE · NotFound IMPORT_NOT_FOUND · what imports.Importer raises
Source  docs/decisions/0028-uploads.md
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded, Retryable, TinyCDPError
from tinycdp.model import DAY_MS, Instant
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.ingest.pipeline import Pipeline
from tinycdp.runtime.transfer import imports
from tinycdp.runtime.transfer.imports import FileMapping, Form, Importer, Pace, Parse, Progress, Source, held
from tinycdp.store import imports as store
from tinycdp.store.pool import RETRY, Pool, acquired

log = logging.getLogger(__name__)

#: Imports that one process runs at once.
AT_ONCE = 2
MOST_UPLOADED = 8 * 1024**3
_LOOK_SECONDS = 2.0
_FORGOTTEN_MS = DAY_MS
_FILE, _TICKET = ".upload", ".ticket"


class Ticket(msgspec.Struct, frozen=True):
    """How an import is gone on with. file: its name in the folder; keep: it was there before, and stays."""

    environment_id: int
    id: str
    file: str
    form: Form
    mapping: FileMapping
    name: str
    author: str
    api_key_id: int
    keep: bool


@dataclass(slots=True)
class _Run:
    """An import that runs here. ticket: where it stands, None before the import is begun."""

    environment_id: int
    source: Source
    keep: bool
    ticket: Path | None = None
    latest: Progress | None = None


class Uploads:
    """The uploads of one process. others: counts what else is asked of it, as their pace wants it."""

    def __init__(
        self, pool: Pool, ingest: Ingest, pipeline: Pipeline, now: Clock, folder: Path, others: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._parts = (pool, ingest, pipeline, now)
        self._now = now
        self._pace = Pace(others)
        self.folder = folder
        self._running: dict[asyncio.Task[Progress], _Run] = {}
        self._loop: Loop | None = None

    def start(self, parse: Parse) -> None:
        """Go on with what nobody is at, from now on."""
        self._loop = Loop("imports", partial(self.tick, parse), _LOOK_SECONDS)
        self._loop.start()

    async def stop(self) -> None:
        """Let go of what is running: the next process goes on with it."""
        if self._loop is not None:
            await self._loop.stop()
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # A file comes

    def check_room(self) -> None:
        """Refuse what would be refused anyway, before it is read."""
        if len(self._running) >= AT_ONCE:
            raise Overloaded("IMPORTS_BUSY", f"{AT_ONCE} imports are running here.", retry_after_seconds=10)

    async def receive(self, name: str, parts: AsyncIterator[bytes]) -> Path:
        """Write what a client sends to a file of its own."""
        await asyncio.to_thread(self.folder.mkdir, 0o700, parents=True, exist_ok=True)
        path = self.folder / (hashlib.sha256(f"{time.monotonic_ns()} {name}".encode()).hexdigest()[:16] + _FILE)
        size = 0
        try:
            with path.open("xb") as file:
                async for part in parts:
                    size += len(part)
                    if size > MOST_UPLOADED:
                        raise InvalidInput("FILE_TOO_LARGE", f"A file has at most {MOST_UPLOADED >> 30} GiB.")
                    await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(_settle, file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def standing(self, name: str) -> Path:
        """A file in the folder, by its name."""
        path = self.folder / name
        if Path(name).name != name or path.suffix in (_FILE, _TICKET) or not path.is_file():
            raise NotFound("IMPORT_NOT_FOUND", f"There is no file {name[:100]!r} in the server's folder of imports.")
        return path

    async def begin(
        self, environment_id: int, source: Source, author: str, parse: Parse, api_key_id: int, *, keep: bool
    ) -> Progress:
        """Begin, and answer how far it is after the first part. The file goes when it is done, unless it is to be
        kept."""
        run = _Run(environment_id, source, keep)
        try:
            self.check_room()
        except Overloaded:
            _remove(run)
            raise
        first: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()

        def told(progress: Progress, refused: object) -> None:
            run.latest = progress
            if not first.done():
                first.set_result(progress)

        def begun(id: str) -> None:
            ticket = Ticket(
                environment_id, id, source.path.name, source.form, source.mapping, source.name, author, api_key_id, keep
            )
            run.ticket = _write(self.folder, ticket)

        importer = Importer(*self._parts, parse, pace=self._pace)
        task = self._spawn(run, importer.run(environment_id, source, author, told, api_key_id, begun))
        await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
        return first.result() if first.done() else task.result()

    def _spawn(self, run: _Run, work: Coroutine[Any, Any, Progress]) -> asyncio.Task[Progress]:
        task = asyncio.create_task(work)
        self._running[task] = run
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Progress]) -> None:
        run = self._running.pop(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            known = isinstance(failure, (TinyCDPError, *RETRY))
            log.warning("the import of %s ended: %s", run.source.name, failure, exc_info=None if known else failure)
        left = task.cancelled() or isinstance(failure, (Retryable, Conflict, *RETRY))
        if not (left and run.ticket):
            _remove(run)

    # A file that was begun goes on

    async def tick(self, parse: Parse) -> None:
        """Go on with imports that were interrupted, as many as have room."""
        self._pace.alone()  # asked now and then, it knows when an import begins
        for path, ticket in await asyncio.to_thread(_tickets, self.folder, self._now()):
            if len(self._running) >= AT_ONCE:
                return
            if any(run.ticket == path for run in self._running.values()):
                continue
            source = Source(self.folder / ticket.file, ticket.form, ticket.mapping, ticket.name)
            run = _Run(ticket.environment_id, source, ticket.keep, path)
            with contextlib.suppress(Conflict):
                if await self._is_left(run, ticket):
                    log.info("the import of %s goes on", ticket.name)
                    self._spawn(run, self._go_on(run, ticket, parse))

    async def _is_left(self, run: _Run, ticket: Ticket) -> bool:
        """Whether it waits to be gone on with; Conflict where somebody is at it. What is settled goes."""
        async with acquired(self._pool) as connection, held(connection, ticket.environment_id, ticket.id):
            row = await store.find_import(connection, ticket.environment_id, ticket.id)
            if row is not None and row.finished_at is None and row.error is None:
                return True
            # In another database it may be known.
            if row is not None or (run.ticket is not None and _forgotten(run.ticket, self._now())):
                _remove(run)
            return False

    async def _go_on(self, run: _Run, ticket: Ticket, parse: Parse) -> Progress:
        def told(progress: Progress, refused: object) -> None:
            run.latest = progress

        try:
            if not run.source.path.exists():
                raise InvalidInput("FILE_UNREADABLE", "Its file is gone from the server: send it again.")
            importer = Importer(*self._parts, parse, pace=self._pace)
            return await importer.run(
                run.environment_id, run.source, ticket.author, told, ticket.api_key_id, known=ticket.id
            )
        except InvalidInput as broken:
            await imports.stop(self._pool, run.environment_id, ticket.id, broken.message, self._now())
            raise

    # Questions

    async def find(self, environment_id: int, id: str) -> Progress:
        return self._with_rate(environment_id, await imports.find(self._pool, environment_id, id))

    async def listed(self, environment_id: int, n: int) -> list[Progress]:
        """The newest."""
        found = await imports.listed(self._pool, environment_id, n)
        return [self._with_rate(environment_id, progress) for progress in found]

    def _with_rate(self, environment_id: int, progress: Progress) -> Progress:
        for run in self._running.values():
            if run.latest is not None and (run.environment_id, run.latest.id) == (environment_id, progress.id):
                return replace(progress, rate=run.latest.rate)
        return progress


def _settle(file: IO[bytes]) -> None:
    """All of it is on the disk: a machine that fails must not leave half a file behind that looks whole."""
    file.flush()
    os.fsync(file.fileno())


def _write(folder: Path, ticket: Ticket) -> Path:
    path = folder / f"{ticket.environment_id}-{ticket.id}{_TICKET}"
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(ticket))
        _settle(file)
    fresh.replace(path)
    return path


def _tickets(folder: Path, now: Instant) -> list[tuple[Path, Ticket]]:
    """The tickets in the folder, the oldest first. Files that no ticket names go when nobody can be sending them."""
    found: list[tuple[float, Path, Ticket]] = []
    for path in folder.glob(f"*{_TICKET}"):
        with contextlib.suppress(FileNotFoundError):
            try:
                found.append((path.stat().st_mtime, path, msgspec.json.decode(path.read_bytes(), type=Ticket)))
            except msgspec.DecodeError:
                log.warning("%s is no ticket of an import", path)
    named = {ticket.file for _, _, ticket in found}
    for path in folder.glob(f"*{_FILE}"):
        if path.name not in named and _forgotten(path, now):
            path.unlink(missing_ok=True)
    return [(path, ticket) for _, path, ticket in sorted(found, key=lambda one: one[0])]


def _forgotten(path: Path, now: Instant) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return now - path.stat().st_mtime * 1000 > _FORGOTTEN_MS
    return False


def _remove(run: _Run) -> None:
    if run.ticket is not None:
        run.ticket.unlink(missing_ok=True)
    if not run.keep:
        run.source.path.unlink(missing_ok=True)
