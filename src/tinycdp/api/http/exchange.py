"""Bodies and answers by hand, until every route declares its types."""

from typing import Any

from litestar import Request, Response

from tinycdp.api.http.params import LAST_ID, AfterProfile, Before, IfMatch, Limit, Note, route_of, version_of
from tinycdp.api.http.requests import read_as, read_object
from tinycdp.api.http.responses import encode, etag
from tinycdp.runtime.workspace import read_workspace

__all__ = [
    "LAST_ID",
    "AfterProfile",
    "Before",
    "IfMatch",
    "Limit",
    "Note",
    "answer",
    "encode",
    "etag",
    "read_as",
    "read_json",
    "readable",
    "route_of",
    "version_of",
    "workspace_of",
]


async def read_json(request: Request[Any, Any, Any], *, optional: bool = False) -> dict[str, Any]:
    raw = await request.body()
    return {} if optional and not raw else read_object(raw, request.headers.get("content-encoding"))


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json", headers=headers)


def readable(connection: Any, handler: Any) -> None:
    """Checked for every route now."""


async def workspace_of(service: Any, key: Any) -> Any:
    return await read_workspace(service.pool, service.catalogs, service.vocabulary, key.environment_id, service.now())
