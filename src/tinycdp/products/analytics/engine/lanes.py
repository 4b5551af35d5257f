"""The connections to chdb, each used by one statement at a time.

Shape   Lanes opens one folder: four connections for questions, one for the feed, one for control.
        turn() gives a free one: rows() streams a result, insert() streams data in, run() waits for the end
Laws    a connection runs one statement, on one thread; statements on several run side by side
        what a statement sets is unset before the next one
        a statement that is given up is killed, and its connection is free again once it has ended
Source  docs/decisions/0036-analytics-engine.md
"""

import asyncio
import contextlib
import itertools
import logging
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from chdb.state.sqlitelike import Connection

from tinycdp.products.analytics.engine.dialect import EngineError, Lane, Options, ParsedStatement, quoted

T = TypeVar("T")

#: How many connections each lane has.
WIDTHS: Mapping[Lane, int] = {"question": 4, "feed": 1, "control": 1}
#: How much of a document is read at once.
_PIPE = 256 * 1024
#: A setting without effect here, for a statement's number by which it is killed: chdb chooses query ids itself.
_MARK = "http_max_uri_size"
_FIRST_MARK = 1_000_000_000
_DATABASE = "default"
#: Formats whose parts can be put one after another; of others, chdb's stream makes a whole document of each part.
_IN_PARTS = frozenset(
    {
        "native",
        "rowbinary",
        "csv",
        "tabseparated",
        "tsv",
        "tabseparatedraw",
        "tsvraw",
        "jsoneachrow",
        "jsonlines",
        "ndjson",
        "jsoncompacteachrow",
        "jsonstringseachrow",
    }
)
#: Of the engine's memory: what one statement may use, from where on it spills to the disk, and what caches may use.
_OF_A_STATEMENT, _IN_MEMORY, _OF_CACHES = 0.4, 0.2, 0.05

log = logging.getLogger(__name__)
_marks = itertools.count(_FIRST_MARK)


class Result:
    """What a statement did, for the summary of its answer."""

    __slots__ = ("read_bytes", "read_rows", "result_bytes", "result_rows", "written_bytes", "written_rows")

    def __init__(self) -> None:
        self.read_rows = self.read_bytes = self.written_rows = self.written_bytes = 0
        self.result_rows = self.result_bytes = 0


class Lanes:
    """All connections to one folder. Its methods are called in the event loop's thread."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Open the folder. memory: how many bytes chdb may use."""
        self._limits = limits = _limits(memory)
        place = f"{folder}?" + "&".join(f"{name}={value}" for name, value in _server_settings(memory).items())
        self._free: dict[Lane, asyncio.LifoQueue[_Line]] = {}
        self._lines: list[_Line] = []
        self._ending: set[asyncio.Task[None]] = set()
        for lane, width in WIDTHS.items():
            queue: asyncio.LifoQueue[_Line] = asyncio.LifoQueue()
            for n in range(width):
                line = _Line(place, f"{lane}-{n}", limits)
                self._lines.append(line)
                queue.put_nowait(line)
            self._free[lane] = queue

    @contextlib.asynccontextmanager
    async def turn(self, statement: ParsedStatement, options: Options) -> AsyncIterator["Turn"]:
        """Wait for a free connection and prepare it. Left early, the statement is killed."""
        queue = self._free[statement.lane]
        line = await queue.get()
        turn = Turn(line, statement, options, self._limits)
        finished = False
        try:
            await turn.begin()
            yield turn
            finished = True
        finally:
            ending = asyncio.create_task(self._end(queue, turn, finished))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            if finished:
                await asyncio.shield(ending)

    async def _end(self, queue: "asyncio.LifoQueue[_Line]", turn: "Turn", finished: bool) -> None:
        try:
            if not finished:
                await self._kill(turn)
            await turn.end()
        except EngineError as failure:
            log.warning("a connection is opened anew: %s", failure)
            await turn.line.reopen()
        finally:
            queue.put_nowait(turn.line)

    async def _kill(self, turn: "Turn") -> None:
        """Kill it until it has ended: it may not have begun yet."""
        while turn.is_busy:
            control = ParsedStatement(f"KILL QUERY WHERE Settings['{_MARK}'] = '{turn.mark}' ASYNC", "control")
            async with self.turn(control, Options()) as killing:
                await killing.run()
            await turn.quiet(0.1)

    async def close(self) -> None:
        """Kill what runs and close all connections."""
        await asyncio.gather(*self._ending)
        for line in self._lines:
            await line.close()


class _Line:
    """A connection and the one thread that uses it."""

    def __init__(self, place: str, name: str, limits: Mapping[str, str]) -> None:
        self._place, self._limits = place, limits
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.connection = self._open()
        self.database = _DATABASE

    def _open(self) -> Connection:
        connection = Connection(self._place)
        connection.query("SET " + _assignments(self._limits))
        return connection

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it on the connection's thread; errors of chdb become EngineError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        except EngineError:
            raise
        except Exception as failure:
            raise EngineError.of(str(failure)) from None

    def start(self, function: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def reopen(self) -> None:
        """Replace the connection."""
        await self.call(self.connection.close)
        self.connection = await self.call(self._open)
        self.database = _DATABASE

    async def close(self) -> None:
        with contextlib.suppress(EngineError):
            await self.call(self.connection.close)
        self._thread.shutdown(wait=False)


class Turn:
    """One statement on one connection."""

    def __init__(self, line: _Line, statement: ParsedStatement, options: Options, limits: Mapping[str, str]) -> None:
        self.line, self.statement, self.options = line, statement, options
        self.mark = next(_marks)
        self.result = Result()
        self._limits = limits
        self._running: asyncio.Future[Any] | None = None
        self._open: Any = None
        self._set: list[str] = []
        self.format = statement.format or options.format

    async def begin(self) -> None:
        """Choose the database, and set what the address sets."""
        wanted = {"log_comment": self.options.query_id, **self.options.settings, _MARK: str(self.mark)}
        database = self.options.database or _DATABASE
        if database != self.line.database:
            await self._do(self.line.connection.query, f"USE {_identifier(database)}")
            self.line.database = database
        self._set = [name for name, value in wanted.items() if value or name in self.options.settings]
        await self._do(self.line.connection.query, "SET " + _assignments({name: wanted[name] for name in self._set}))

    async def run(self) -> bytes:
        """Run it to its end and return the whole result."""
        if self.statement.takes_data:
            await self.insert_begin()
            await self.insert_end()
            return b""
        found = await self._do(
            self.line.connection.query, self.statement.sql, self.format, dict(self.options.parameters)
        )
        self._count(found)
        return bytes(found.bytes())

    async def rows(self, spool: Path) -> AsyncGenerator[bytes]:
        """The parts of the result as they become ready. spool: a folder for a pipe."""
        if self.format.lower() not in _IN_PARTS:
            async for piece in self._document(spool / secrets.token_hex(8)):
                yield piece
            return
        self._open = await self._do(
            self.line.connection.send_query, self.statement.sql, self.format, dict(self.options.parameters)
        )
        while (part := await self._do(self._open.fetch)) is not None:
            self._count(part)
            yield bytes(part.bytes())
        self._open = None

    async def _document(self, pipe: Path) -> AsyncGenerator[bytes]:
        """The same through a named pipe, into which ClickHouse writes one document."""
        os.mkfifo(pipe, 0o600)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        held = os.open(
            pipe, os.O_WRONLY
        )  # so that the end is not before ClickHouse begins, nor missed if it never does
        try:
            stream = asyncio.StreamReader(limit=_PIPE)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
            )
            try:
                sql = self.statement.into(str(pipe), self.format)
                running = self._running = self.line.start(
                    self.line.connection.query, sql, self.format, dict(self.options.parameters)
                )
                running.add_done_callback(lambda done: os.close(held))
                while piece := await stream.read(_PIPE):
                    yield piece
                self._count(await self._done(running))
            finally:
                transport.close()  # what is still written fails
        finally:
            os.unlink(pipe)

    async def insert_begin(self) -> None:
        self._open = await self._do(self.line.connection.send_insert, self.statement.sql, self.format)

    async def insert(self, data: bytes) -> None:
        """Give it more data."""
        await self._do(self._open.append, data)

    async def insert_end(self) -> None:
        """Commit."""
        opened, self._open = self._open, None
        written = await self._do(opened.finish)
        self.result.written_rows, self.result.written_bytes = written.rows_written, written.bytes_written

    async def end(self) -> None:
        """Unset what was set, and drop what is open."""
        if self._running:
            await asyncio.wait([self._running])
            self._running.exception()  # the one who waited for it has seen it, or has gone
        if self._open is not None:
            with contextlib.suppress(EngineError):
                await self.line.call(self._open.cancel)
        if self._set:
            usual = {name: quoted(self._limits[name]) if name in self._limits else "DEFAULT" for name in self._set}
            unset = ", ".join(f"{name} = {value}" for name, value in usual.items())
            await self.line.call(self.line.connection.query, f"SET {unset}")

    @property
    def is_busy(self) -> bool:
        """Whether chdb works on it at this moment."""
        return self._running is not None and not self._running.done()

    async def quiet(self, seconds: float) -> None:
        """Wait until chdb does not work on it, at most this long."""
        if self._running:
            await asyncio.wait([self._running], timeout=seconds)

    async def _do(self, function: Callable[..., T], *arguments: Any) -> T:
        self._running = running = self.line.start(function, *arguments)
        return await self._done(running)

    async def _done(self, running: "asyncio.Future[T]") -> T:
        try:
            return await asyncio.shield(running)
        except EngineError:
            raise
        except Exception as failure:
            raise EngineError.of(str(failure)) from None

    def _count(self, found: Any) -> None:
        self.result.result_rows += found.rows_read()
        self.result.result_bytes += found.bytes_read()


def _assignments(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {quoted(value)}" for name, value in values.items())


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _limits(memory: int) -> dict[str, str]:
    """The settings of every statement."""
    in_memory = str(int(memory * _IN_MEMORY))
    return {
        "max_memory_usage": str(int(memory * _OF_A_STATEMENT)),
        "max_bytes_before_external_group_by": in_memory,
        "max_bytes_before_external_sort": in_memory,
        "max_bytes_ratio_before_external_group_by": "0",
        "max_bytes_ratio_before_external_sort": "0",
        "async_insert": "0",
    }


def _server_settings(memory: int) -> dict[str, int]:
    """The settings of the server within: ClickHouse's own are for a machine of its own."""
    cache = int(memory * _OF_CACHES)
    return {
        "max_server_memory_usage": memory,
        "mark_cache_size": cache,
        "primary_index_cache_size": cache,
        "index_mark_cache_size": cache // 4,
        "query_condition_cache_size": cache // 4,
        "background_schedule_pool_size": 4,
    }
