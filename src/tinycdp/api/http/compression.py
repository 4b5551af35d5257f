"""JSON answers as gzip, for clients that accept it.

Shape   gzipped is a middleware of routers · accepted("br, gzip;q=0") → {"br"}
Laws    only whole answers of JSON of at least LEAST bytes are compressed: a stream passes as it is, at once.
        Routes whose latency is measured are not: decisions, and tracking, which is not behind the middleware at all
Units   bytes
"""

import asyncio
import re
import zlib
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from tinycdp.runtime.metrics import LATENCY

LEAST = 1_024
#: From here on in a thread: zlib takes a millisecond for about 40,000 bytes, and decisions do not wait for it.
_IN_THREAD = 32_000
_LEVEL = 4
#: For zlib: write the header of gzip.
_GZIP = 31
_WEIGHT_ZERO = re.compile(r"\s*q=0(\.0*)?\s*")


def accepted(header: str) -> set[str]:
    """The encodings that a header Accept-Encoding takes, in small letters."""
    taken = set[str]()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if not _WEIGHT_ZERO.fullmatch(weight):
            taken.add(coding.strip())
    return taken


def gzipped(app: ASGIApp) -> ASGIApp:
    """The app, with its JSON answers compressed."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        header = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        handler: Any = scope.get("route_handler")
        if header and LATENCY not in handler.opt and "gzip" in accepted(header.decode("latin-1")):
            send = _Compressing(send)
        await app(scope, receive, send)

    return serve


class _Compressing:
    """Sends an answer, compressed if it is JSON and comes as one whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Any = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start" and _is_json(message["headers"]):
            self._start = message  # until it is known whether the answer is whole
            return
        start, self._start = self._start, None
        if start is not None:
            body = message.get("body", b"")
            if len(body) >= LEAST and not message.get("more_body"):
                body = await asyncio.to_thread(_compress, body) if len(body) >= _IN_THREAD else _compress(body)
                start, message = _encoded(start, len(body)), {**message, "body": body}
            await self._send(start)
        await self._send(message)


def _is_json(headers: Any) -> bool:
    """Whether an answer is JSON that is not encoded already."""
    found = {name.lower(): value for name, value in headers}
    return found.get(b"content-type", b"").startswith(b"application/json") and b"content-encoding" not in found


def _compress(body: bytes) -> bytes:
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return stream.compress(body) + stream.flush()


def _encoded(start: Any, length: int) -> Any:
    headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
    headers += [
        (b"content-length", b"%d" % length),
        (b"content-encoding", b"gzip"),
        (b"vary", b"Accept-Encoding"),
    ]
    return {**start, "headers": headers}
