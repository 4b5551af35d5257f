"""The process `tinycdp analytics`: ClickHouse's HTTP interface on a loopback port.

Shape   serve() owns DATA_DIR/analytics until a request to stop; answer() is the one route beside /ping
Laws    only who has the token of the endpoint file is answered
        nothing is held in memory whole: neither the data of an INSERT nor a result
        a client that hangs up has its statement killed
        an error before the first byte has its status; after it the answer breaks off, with the error at its end
Source  docs/decisions/0036-analytics-engine.md
"""

import asyncio
import base64
import contextlib
import fcntl
import hmac
import json
import logging
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from aiohttp import web

from tinycdp.errors import Conflict
from tinycdp.products.analytics import endpoint
from tinycdp.products.analytics.endpoint import HOST, Endpoint
from tinycdp.products.analytics.engine.bodies import received
from tinycdp.products.analytics.engine.dialect import (
    AUTHENTICATION_FAILED,
    SYNTAX_ERROR,
    EngineError,
    Options,
    ParsedStatement,
)
from tinycdp.products.analytics.engine.lanes import Lanes, Turn
from tinycdp.runtime.stopping import StopSignals
from tinycdp.settings import Settings

log = logging.getLogger(__name__)

#: The longest text of a statement.
_LONGEST_STATEMENT = 16 * 1024 * 1024
#: Data of an INSERT are given to chdb in parts of this size: a call costs as much as some kilobytes.
_PART = 1024 * 1024
#: A result that is awaited whole stays in memory up to this size.
_HELD = 8 * 1024 * 1024
_STOPPING_SECONDS = 10.0


def serve(settings: Settings, signals: StopSignals) -> None:
    """Serve until a request to stop. Raises Conflict if another process uses the folder."""
    folder = endpoint.folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _owning(folder), _listening(settings) as listener:
        asyncio.run(_run(settings, folder, listener, signals))


@contextlib.contextmanager
def _owning(folder: Path) -> Iterator[None]:
    with (folder / "owner.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another process uses {folder}; stop it first, or choose another --data-dir."
            raise Conflict("ANALYTICS_RUNNING", message) from None
        yield


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket on the port of last time, so that clients find it again, or on another if that is taken."""
    last = endpoint.read(settings)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, last.port if last else 0))
        except OSError:
            listener.bind((HOST, 0))
        yield listener


async def _run(settings: Settings, folder: Path, listener: socket.socket, signals: StopSignals) -> None:
    stop = asyncio.Event()
    with signals.calling(stop.set):
        lanes = Lanes(folder / "chdb", settings.analytics_memory * 1_000_000)
        try:
            shown = Endpoint(port=listener.getsockname()[1], token=secrets.token_urlsafe(24))
            application = _Server(lanes, shown.token, folder).application()
            runner = web.AppRunner(
                application,
                access_log=None,
                auto_decompress=False,
                handler_cancellation=True,
                shutdown_timeout=min(_STOPPING_SECONDS, settings.drain_seconds),
            )
            await runner.setup()
            await web.SockSite(runner, listener).start()
            endpoint.write(settings, shown)
            log.info("analytics answers on %s:%d", HOST, shown.port)
            await stop.wait()
            await runner.cleanup()
        finally:
            await lanes.close()


class _Server:
    def __init__(self, lanes: Lanes, token: str, folder: Path) -> None:
        self._lanes, self._token = lanes, token.encode()
        self._spool = folder / "tmp"
        self._spool.mkdir(exist_ok=True)
        for left in self._spool.iterdir():  # by a process that was killed
            left.unlink()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_LONGEST_STATEMENT)
        application.router.add_get("/ping", self._ping)
        application.router.add_route("*", "/", self._answer)
        return application

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic_ns()
        try:
            self._check(request)
            given = dict(request.query)
            body = received(request.content.iter_any(), request.headers.get("Content-Encoding", ""))
            if request.content_type == "multipart/form-data":  # curl calls any body urlencoded
                given |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
                body = _nothing()
            options = Options.of(given.items())
            if not options.query_id:
                options = Options.of({**given, "query_id": secrets.token_hex(16)}.items())
            statement, rest = await _statement(given.get("query", ""), body)
            async with self._lanes.turn(statement, options) as turn:
                if statement.takes_data:
                    return await self._insert(turn, rest, began)
                return await self._select(request, turn, began)
        except EngineError as failure:
            return web.Response(
                status=failure.status,
                text=failure.text.rstrip() + "\n",
                headers={"X-ClickHouse-Exception-Code": str(failure.code), "X-ClickHouse-Timezone": "UTC"},
            )

    def _check(self, request: web.Request) -> None:
        """Refuse a request without the token, given in one of the four ways of ClickHouse's clients."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = request.headers.get("X-ClickHouse-Key") or request.query.get("password") or value
        if scheme == "Basic":
            with contextlib.suppress(ValueError):
                token = base64.b64decode(value).decode().partition(":")[2]
        if not hmac.compare_digest(token.encode(), self._token):
            raise EngineError.because(
                AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", "The password is the token of analytics/endpoint.json"
            )

    async def _insert(self, turn: Turn, data: AsyncIterator[bytes], began: int) -> web.Response:
        await turn.insert_begin()
        async for part in _parts(data):
            await turn.insert(part)
        await turn.insert_end()
        return web.Response(headers=_headers(turn, began))

    async def _select(self, request: web.Request, turn: Turn, began: int) -> web.StreamResponse:
        if not turn.statement.is_select:
            body = await turn.run()
            return web.Response(body=body, headers=_headers(turn, began))
        async with contextlib.aclosing(turn.rows(self._spool)) as rows:
            if turn.options.waits:
                with tempfile.SpooledTemporaryFile(_HELD, dir=str(self._spool)) as held:
                    async for part in rows:
                        held.write(part)
                    held.seek(0)
                    return await _send(request, turn, began, _pieces(held))
            first = await anext(rows, b"")
            return await _send(request, turn, began, _following([first], rows))


async def _send(request: web.Request, turn: Turn, began: int, parts: AsyncIterator[bytes]) -> web.StreamResponse:
    tag = secrets.token_hex(8)
    response = web.StreamResponse(headers=_headers(turn, began) | {"X-ClickHouse-Exception-Tag": tag})
    await response.prepare(request)
    try:
        async for part in parts:
            await response.write(part)
    except EngineError as failure:
        text = failure.text.rstrip() + "\n"
        block = f"\r\n__exception__\r\n{tag}\r\n{text}{len(text.encode())} {tag}\r\n__exception__\r\n"
        await response.write(block.encode())
        if request.transport:
            request.transport.close()  # without the end of the body: the client must not take it for whole
        return response
    await response.write_eof()
    return response


def _headers(turn: Turn, began: int) -> dict[str, str]:
    result = turn.result
    summary = {
        "read_rows": result.read_rows,
        "read_bytes": result.read_bytes,
        "written_rows": result.written_rows,
        "written_bytes": result.written_bytes,
        "total_rows_to_read": result.read_rows,
        "result_rows": result.result_rows,
        "result_bytes": result.result_bytes,
        "elapsed_ns": time.monotonic_ns() - began,
    }
    headers = {
        "X-ClickHouse-Query-Id": turn.options.query_id,
        "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
        "X-ClickHouse-Server-Display-Name": "tinycdp",
        "X-ClickHouse-Timezone": "UTC",
        "Content-Type": _CONTENT_TYPES.get(turn.format, "application/octet-stream"),
    }
    if turn.statement.lane != "feed":
        headers["X-ClickHouse-Format"] = turn.format
    return headers


_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
}


async def _statement(query: str, body: AsyncIterator[bytes]) -> tuple[ParsedStatement, AsyncIterator[bytes]]:
    """The statement in the address and the body, and the data that follow it."""
    text = query.encode()
    if text and ParsedStatement.of(text).takes_data:
        statement = ParsedStatement.of(text)
        return statement, _following([statement.data], body)
    if text:
        text += b"\n"
    async for part in body:
        text += part
        if ParsedStatement.is_whole(text):
            break
        if len(text) > _LONGEST_STATEMENT:
            raise EngineError.because(SYNTAX_ERROR, "SYNTAX_ERROR", "The statement is longer than 16 MB")
    statement = ParsedStatement.of(text)
    return statement, _following([statement.data], body)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _following(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for part in first:
        if part:
            yield part
    async for part in rest:
        yield part


async def _parts(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same in larger parts."""
    held, size = [], 0
    async for part in data:
        held.append(part)
        size += len(part)
        if size >= _PART:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(_PART):
        yield piece
