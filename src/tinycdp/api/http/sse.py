"""Server-sent events: a connection to one client, to which other tasks write.

Shape   Outlet takes text with write(…) and end(…); serve(…) sends it until the client disconnects.
        streaming(…) answers a request with an ASGI application, such as one around an Outlet
Units   texts are complete events of the stream, with their empty line
Laws    a write never waits. A client that does not read is disconnected once more than `most` bytes wait for it
"""

import asyncio
import contextlib
from typing import Any

from litestar import Response
from litestar.types import ASGIApp, HTTPResponseBodyEvent, Receive, Send

from tinycdp.errors import TooSlow

MEDIA_TYPE = "text/event-stream"

_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_TOO_SLOW = b": too slow: the client reads less than is sent\n\n"


class Outlet:
    """The buffer of one client.

    `serve` waits until it disconnects; short tasks send what is written."""

    __slots__ = ("_ended", "_most", "_send", "_sending", "_size", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._send: Send | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []
        self._size = 0
        self._ended = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._waiting

    async def serve(self, receive: Receive, send: Send, retry_ms: int) -> None:
        """Send what is written until the client disconnects. retry_ms: after which it reconnects."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send(_chunk(b"retry: %d\n\n" % retry_ms))
        self._send = send
        self._flush()
        with contextlib.suppress(TooSlow):  # of a request that began a body
            while (await receive())["type"] != "http.disconnect":
                pass

    def write(self, text: bytes) -> None:
        """Send this, unless the stream has ended."""
        if self._ended:
            return
        if self._size + len(text) > self._most:
            self._waiting, self._size = [], 0
            self.end(_TOO_SLOW)
            return
        self._waiting.append(text)
        self._size += len(text)
        self._flush()

    def end(self, text: bytes = b"") -> None:
        """Send this, and nothing after it."""
        if not self._ended:
            self._waiting.append(text)
            self._ended = True
            self._flush()

    def _flush(self) -> None:
        if self._send is not None and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._deliver(self._send))

    async def _deliver(self, send: Send) -> None:
        with contextlib.suppress(OSError):  # `receive` notices that the client disconnected
            while self._waiting:
                text = b"".join(self._waiting)
                self._waiting, self._size = [], 0
                await send(_chunk(text))
            if self._ended:
                await send(_chunk(b"", more=False))


def _chunk(body: bytes, *, more: bool = True) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}


def streaming(application: ASGIApp) -> Response[bytes]:
    """A response that this ASGI application sends."""
    return _Streaming(application)


class _Streaming(Response[bytes]):
    def __init__(self, application: ASGIApp) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE)
        self._application = application

    def to_asgi_response(self, *given: Any, **options: Any) -> Any:
        return self._application
