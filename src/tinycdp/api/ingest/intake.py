"""Reads the body of a tracking request, within the memory budget.

Laws    If the queue or the memory is full, the body is not read. A slow client reserves only the bytes it has sent.
Errors  413 BODY_TOO_LARGE · 429 INGEST_QUEUE_FULL · 408 BODY_TOO_SLOW, which clients retry · 400 BODY_CUT_OFF
Source  docs/reference/tracking.md
"""

from typing import Any, Protocol

from litestar import Request
from litestar.exceptions import InternalServerException

from tinycdp.api.http.bodies import read_body
from tinycdp.errors import InvalidInput
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.memory_budget import MemoryBudget, Reservation


class AdmissionParts(Protocol):
    """The parts that limit what is read: the ingest queue and the memory budget."""

    @property
    def ingest(self) -> Ingest: ...
    @property
    def memory_budget(self) -> MemoryBudget: ...


async def inflated(request: Request[Any, Any, Any], parts: AdmissionParts, reservation: Reservation) -> bytes:
    """The decompressed body."""
    parts.ingest.check_queue()
    parts.memory_budget.check(request.content_length or 0)
    raw = await _read(request, reservation)
    body = read_body(raw, request.headers.get("content-encoding"))
    reservation.add(max(len(body) - len(raw), 0))
    return body


async def _read(request: Request[Any, Any, Any], reservation: Reservation) -> bytes:
    parts = []
    try:
        async for part in request.stream():
            reservation.add(len(part))
            parts.append(part)
    except InternalServerException:
        raise InvalidInput("BODY_CUT_OFF", "The connection ended before the body did.") from None
    return b"".join(parts)
