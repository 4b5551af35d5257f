"""The live stream: messages as they arrive, as server-sent events.

Shape   GET /v1/events/live; each message is one event, `sample` says of how many those that follow are shown
Laws    a reader that does not keep up is told so and dropped: nobody waits for it
Errors  400 INVALID_REQUEST · 503 TOO_MANY_STREAMS
Source  docs/reference/registry.md "Live stream"
"""

import asyncio
import contextlib
from typing import Annotated, Any, Literal

from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.types import HTTPResponseBodyEvent, Receive, Scope, Send

from tinycdp.api.auth import Bearer
from tinycdp.api.exchange import readable
from tinycdp.errors import InvalidInput
from tinycdp.runtime.live import Filter, Reader
from tinycdp.runtime.service import Service

#: Bytes that may wait for a reader, some seconds of the busiest stream.
MOST_WAITING = 8_000_000
_LONGEST = 256

Kind = Literal["track", "page", "screen", "identify", "group", "alias"]


@get(
    "/v1/events/live",
    operation_id="streamEvents",
    summary="Server-sent events: messages as they arrive, with their warnings and what they changed",
    tags=["Registry"],
    opt={"scope": "read", "media": ("text/event-stream",)},
    guards=[readable],
)
async def stream_events(
    request: Request[Any, Any, Any],
    key: Bearer,
    event: Annotated[str | None, QueryParameter(description="only of this name")] = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", description="only by this identifier")] = None,
    kind: Annotated[Kind | None, QueryParameter(description="only calls of this kind")] = None,
    by_key: Annotated[int | None, QueryParameter(name="key", description="only by the API key of this id")] = None,
    status: Annotated[
        Literal["accepted", "warned", "rejected"] | None, QueryParameter(description="only of this status")
    ] = None,
) -> Response[bytes]:
    """All filters hold together. Under load a sample is shown, and `event: sample` says of how many."""
    for name, text in (("event", event), ("userId", user_id)):
        if text is not None and len(text) > _LONGEST:
            raise InvalidInput("INVALID_REQUEST", f"{name}: at most {_LONGEST} characters.")
    service: Service = request.app.state.service
    stream = _Stream(service, key.environment_id, key.id, Filter(event, user_id, kind, by_key, status))
    await service.live.open(stream)
    return _Streaming(stream)


class _Stream(Reader):
    """One connection. Its task waits for the client to go; what is told meanwhile is sent by short tasks."""

    def __init__(self, service: Service, environment_id: int, key_id: int, wanted: Filter) -> None:
        super().__init__(environment_id, key_id, wanted)
        self._service = service
        self._send: Send | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = [b"retry: 2000\n\n"]
        self._size = 0
        self._last = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            self._send = send
            self._flush()
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            await self._service.live.close(self)

    def tell(self, text: bytes) -> None:
        if self._last:
            return
        if self._size + len(text) > MOST_WAITING:
            self._waiting, self._size = [], 0
            self.end(b"too slow: what comes is more than was read")
            return
        self._waiting.append(text)
        self._size += len(text)
        self._flush()

    def end(self, why: bytes) -> None:
        if not self._last:
            self._waiting.append(b": " + why + b"\n\n")
            self._last = True
            self._flush()

    def _flush(self) -> None:
        if self._send is not None and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._deliver(self._send))

    async def _deliver(self, send: Send) -> None:
        with contextlib.suppress(OSError):  # whoever has gone is found out by `receive`
            while self._waiting:
                text = b"".join(self._waiting)
                self._waiting, self._size = [], 0
                await send(_chunk(text))
            if self._last:
                await send(_chunk(b"", more=False))


def _chunk(body: bytes, *, more: bool = True) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}


class _Streaming(Response[bytes]):
    """A response that is an ASGI application of its own."""

    def __init__(self, application: _Stream) -> None:
        super().__init__(b"", media_type="text/event-stream")
        self._application = application

    def to_asgi_response(self, *given: Any, **options: Any) -> Any:
        return self._application


ROUTES = [stream_events]
