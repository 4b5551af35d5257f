"""Event streams, read inside a test as a browser or an SSE client reads them.

Shape   Reader: the stream of decision changes (OFREP) · Stream, watching(…): the live stream of events
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from application import KEYS, Application
from serving import PATIENCE_SECONDS

PATH = "/v1/events/live"


class Reader:
    """An event stream, read as a browser's EventSource reads it."""

    def __init__(self, app: Application, uri: str, last_event_id: str | None) -> None:
        self.status: int | None = None
        self.body = b""
        self.ended = False
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._moved = asyncio.Event()
        self._gone = asyncio.Event()
        path, _, query = uri.partition("?")
        headers = [(b"origin", b"https://shop.example")]
        headers += [(b"last-event-id", last_event_id.encode())] if last_event_id else []
        self._scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "client": ("::1", 1),
            "server": ("test", 80), "asgi": {"version": "3.0"}, "app": app.litestar, "state": {},
        }  # fmt: skip
        self._asked = False
        self.task = asyncio.create_task(app.litestar(self._scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.body += message["body"]
            if not message.get("more_body"):
                self.ended = True
                self._gone.set()
        self._moved.set()

    @property
    def messages(self) -> list[dict[str, Any]]:
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
            if "data" in fields:
                found.append({"id": fields["id"], **json.loads(fields["data"])})
        return found

    async def until(self, check: Any) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := check(self)):
                self._moved.clear()
                await self._moved.wait()
        return found

    async def received(self, times: int) -> dict[str, Any]:
        """The last of so many messages."""
        await self.until(lambda reader: len(reader.messages) >= times)
        assert len(self.messages) == times
        return self.messages[-1]

    async def leave(self) -> None:
        self._gone.set()
        await self.task


class Stream:
    """A live stream, read as an ASGI server would send it. `may_read` cleared, its reader takes nothing."""

    def __init__(self, app: Application, query: str = "", key: str = KEYS["read"]) -> None:
        self.status = 0
        self.body = b""
        self.ended = False
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._gone, self._moved, self._asked = asyncio.Event(), asyncio.Event(), False
        scope = {
            "type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": query.encode(),
            "headers": [(b"authorization", f"Bearer {key}".encode())], "http_version": "1.1", "scheme": "http",
            "root_path": "", "client": ("::1", 1), "server": ("test", 80), "asgi": {"version": "3.0"},
            "app": app.litestar, "state": {},
        }  # fmt: skip
        self.task = asyncio.create_task(app.litestar(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message["body"]
            if not message.get("more_body"):
                self.ended = True
                self._gone.set()
        self._moved.set()

    def received(self, kind: str = "message") -> list[dict[str, Any]]:
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            if "data" in fields and fields.get("event", "message") == kind:
                found.append(json.loads(fields["data"]))
        return found

    async def until(self, check: Callable[["Stream"], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := check(self)):
                self._moved.clear()
                await self._moved.wait()
        return found

    async def messages(self, n: int) -> list[dict[str, Any]]:
        """The first n messages."""
        await self.until(lambda stream: len(stream.received()) >= n)
        return self.received()

    async def leave(self) -> None:
        self._gone.set()
        self.may_read.set()
        await self.task


@asynccontextmanager
async def watching(app: Application, query: str = "", key: str = KEYS["read"]) -> AsyncIterator[Stream]:
    stream = Stream(app, query, key)
    await stream.until(lambda stream: stream.body or stream.ended)
    try:
        yield stream
    finally:
        await stream.leave()
