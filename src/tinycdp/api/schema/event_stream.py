"""Route of the live stream: messages and what they change, as server-sent events.

Shape   GET /v1/events/live; each message is one event; an event `sample` says how many the next ones represent.
        `transition`, `revision` and `progress` are events of their own, for clients that include them
Laws    A reader that is too slow is disconnected with a message; no other reader waits for it.
Errors  400 INVALID_REQUEST · 404 NOT_FOUND for a segment · 503 TOO_MANY_STREAMS
Source  docs/reference/live-stream.md
"""

from typing import Annotated, Literal

from litestar import Response, get
from litestar.params import QueryParameter
from litestar.types import Receive, Scope, Send

from tinycdp.api.http.params import LAST_ID
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.sse import MEDIA_TYPE, Outlet, streaming
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import MessageKind
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest.event_stream import EventStreams
from tinycdp.runtime.ingest.stream_readers import Filter, Included, StreamReader

#: Bytes that may wait for a reader: some seconds of the busiest stream.
MOST_WAITING = 8_000_000
_RETRY_MS = 2_000
_LONGEST = 256


@get(
    "/v1/events/live",
    summary="Server-sent events: messages as they arrive, and segments that are entered and left",
    tags=["Registry"],
    scope="read",
    media=(MEDIA_TYPE,),
)
async def stream_events(
    actor: Injected[Actor],
    event_streams: Injected[EventStreams],
    catalogs: Injected[Catalogs],
    event: Annotated[str | None, QueryParameter(description="only of this name")] = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", description="only by this identifier")] = None,
    kind: Annotated[MessageKind | None, QueryParameter(description="only calls of this kind")] = None,
    by_key: Annotated[int | None, QueryParameter(name="key", description="only by the API key of this id")] = None,
    status: Annotated[
        Literal["accepted", "warned", "rejected"] | None, QueryParameter(description="only of this status")
    ] = None,
    profile_id: Annotated[
        int | None, QueryParameter(name="profileId", ge=1, le=LAST_ID, description="only of the profile with this id")
    ] = None,
    segment: Annotated[
        str | None, QueryParameter(description="only of profiles in this segment, or that enter or leave it")
    ] = None,
    include: Annotated[
        list[Included] | None,
        QueryParameter(description="what to send: message, the default, transition, revision, progress; repeat it"),
    ] = None,
) -> Response[bytes]:
    """A message has to match all filters; a transition those of profile and segment.

    Under load a sample is sent, and `event: sample` says of how many."""
    for name, text in (("event", event), ("userId", user_id)):
        if text is not None and len(text) > _LONGEST:
            raise InvalidInput("INVALID_REQUEST", f"{name}: at most {_LONGEST} characters.")
    if segment is not None and ("segment", segment) not in catalogs.serving(actor.environment_id).live.definitions:
        raise NotFound("NOT_FOUND", f"There is no live segment {segment[:_LONGEST]!r}.")
    wanted = Filter(event, user_id, kind, by_key, status, profile_id, segment)
    includes = frozenset(include or ("message",))
    stream = _Stream(event_streams, actor.environment_id, actor.key_id, wanted, includes)
    await event_streams.open(stream)
    return streaming(stream)


class _Stream(StreamReader):
    """One client's stream."""

    def __init__(
        self,
        event_streams: EventStreams,
        environment_id: int,
        key_id: int,
        wanted: Filter,
        includes: frozenset[Included],
    ) -> None:
        super().__init__(environment_id, key_id, wanted, includes)
        self._event_streams = event_streams
        self._outlet = Outlet(MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._outlet.serve(receive, send, _RETRY_MS)
        finally:
            await self._event_streams.close(self)

    def send(self, text: bytes) -> None:
        self._outlet.write(text)

    def end(self, why: bytes) -> None:
        self._outlet.end(b": " + why + b"\n\n")


ROUTES = [stream_events]
