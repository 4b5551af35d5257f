"""The answer to an edit that may take minutes, with its progress if the client wants it.

Shape   answer(request, edit) → the result, or for a client that accepts JSON lines: {"done", "total"} now and then,
        and last the result
Laws    what is wrong before anything changes is a usual error; what fails later is the last line.
        A client or proxy hears something at least every QUIET_SECONDS once the edit is applied.
        An edit goes on when its client leaves
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from tinycdp.api.http.encoding import as_schema, encode
from tinycdp.api.http.errors import body_of
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.segments.schemas import ListChange
from tinycdp.errors import TinyCDPError
from tinycdp.runtime.segments import lists
from tinycdp.runtime.segments.lists import OnProgress

LINES = "application/jsonl"
QUIET_SECONDS = 5.0
#: Between two lines at least.
_PACE_SECONDS = 0.2

_running: set[asyncio.Task[lists.ListChange]] = set()


async def answer(
    request: Request[Any, Any, Any], edit: Callable[[OnProgress], Awaitable[lists.ListChange]]
) -> Response[Any]:
    """Run an edit and answer it."""
    vary = {"Vary": "Accept"}
    if LINES not in request.headers.get("accept", ""):
        return ExactResponse(as_schema(await edit(lambda done, total: None), ListChange), headers=vary)
    latest: list[tuple[int, int]] = []
    news = asyncio.Event()

    def on_progress(done: int, total: int) -> None:
        latest[:] = [(done, total)]
        news.set()

    async def run() -> lists.ListChange:
        try:
            return await edit(on_progress)
        finally:
            news.set()

    task = asyncio.create_task(run())
    _running.add(task)
    task.add_done_callback(_running.discard)
    await news.wait()
    if not latest:
        return Response(encode(as_schema(await task, ListChange)) + b"\n", media_type=LINES, headers=vary)
    return Stream(_lines(task, latest, news), media_type=LINES, headers=vary)


async def _lines(
    task: asyncio.Task[lists.ListChange], latest: list[tuple[int, int]], news: asyncio.Event
) -> AsyncIterator[bytes]:
    while not task.done():
        news.clear()
        done, total = latest[0]
        yield encode({"done": done, "total": total}) + b"\n"
        await asyncio.wait({task}, timeout=_PACE_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), QUIET_SECONDS)  # the task's end is news, too
    try:
        last: Any = as_schema(await task, ListChange)
    except TinyCDPError as failure:
        last = body_of(failure.code, failure.message, **failure.details)
    yield encode(last) + b"\n"
