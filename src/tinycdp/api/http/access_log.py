"""The access log: one line for each request that was answered.

Shape   logged(application, key_of) wraps the whole application, lanes that answer from memory included
Units   duration in milliseconds until the last byte was handed over; bytes of the body
Laws    nothing is wrapped, and nothing costs, unless TINYCDP_ACCESS_LOG is on.
        No line has a query string, a header, a body or the text of a key: a key is shown by its id, and a path with a
        key in it without that part
Source  docs/reference/operations.md
"""

import logging
import re
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

log = logging.getLogger("tinycdp.access")

#: Addresses with a key in them, by which SDKs ask for their settings, or with a secret that opens a file.
_SECRET_IN_PATH = re.compile(r"^/(array(?=/[^/]+/)|v1/projects(?=/[^/]+/)|v1/downloads|v1/exports?/download)/[^/]+")
#: What a client may choose as the id of its request.
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}\Z", re.ASCII)


def logged(application: ASGIApp, key_id: Callable[[Any], int | None]) -> ASGIApp:
    """The application with an access log. key_id: the id of the key of a request, None without a valid one."""
    log.setLevel(logging.INFO)  # it was asked for, whatever the least severe line of the others is

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await application(scope, receive, send)
        start, status, sent = time.perf_counter(), 0, 0
        request_id = _request_id(scope)

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await application(scope, receive, counted)
        finally:
            fields = {
                "method": scope["method"],
                "path": _SECRET_IN_PATH.sub(r"/\1/***", scope["path"]),
                "status": status,
                "durationMs": round((time.perf_counter() - start) * 1000, 3),
                "bytes": sent,
                "requestId": request_id,
                "keyId": key_id(scope),
            }
            line = "%(method)s %(path)s %(status)s %(durationMs)s ms %(bytes)s bytes key=%(keyId)s id=%(requestId)s"
            log.info(_one_line(line % fields), extra={"fields": fields})

    return serve


def _request_id(scope: Any) -> str:
    """The client's X-Request-Id, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _REQUEST_ID.match(text):
                return text
    return token_hex(8)


def _one_line(text: str) -> str:
    """Text with control characters escaped: a path may hold a line break, and a line must stay one."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()
