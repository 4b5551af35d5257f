"""The HTTP yardstick: an ASGI application that returns a fixed body and does nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

_BODY = b'{"flag":"premium","allow":true,"variant":"on","value":true}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))],
}
_REST = {"type": "http.response.body", "body": _BODY, "more_body": False}


async def app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] == "http":
        await send(_START)
        await send(_REST)
