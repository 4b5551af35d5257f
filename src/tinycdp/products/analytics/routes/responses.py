"""Files as responses.

Shape   first_part(parts) waits for the first part, so that an error is an answer with a status
        file_of(…) → the response
Laws    streamed, in constant memory. A client that hangs up ends what writes the file. A failure in the middle breaks
        the connection, so half a file is never mistaken for a complete one
"""

from collections.abc import AsyncGenerator, AsyncIterator

from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

MEDIA = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class FileResponse(ASGIStreamingResponse):
    """A file that ends when it is sent, when its client disconnects, and when anything fails."""

    def __init__(self, parts: AsyncGenerator[bytes], media_type: str, headers: dict[str, str]) -> None:
        super().__init__(iterator=parts, media_type=media_type, headers=headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._parts.aclose()


async def first_part(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same parts; the first is there already."""
    first = await anext(parts, b"")

    async def all_parts() -> AsyncGenerator[bytes]:
        try:
            yield first
            async for part in parts:
                yield part
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()

    return all_parts()


def file_of(parts: AsyncGenerator[bytes], name: str, as_of: str, rows: int | None = None) -> FileResponse:
    """The response of a file. rows: how many it has, if that is known."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-As-Of": as_of, "Cache-Control": "no-store"}
    if rows is not None:
        headers["X-Row-Count"] = str(rows)
    return FileResponse(parts, MEDIA[name.rpartition(".")[2]], headers)
