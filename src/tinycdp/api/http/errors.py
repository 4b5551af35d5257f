"""Every error as one JSON shape, with a stable code.

Shape   {"success": false, "code", "message", "error", …details}; `code` and `message` are what tracking clients index
Laws    a client's mistake is never a 5xx, and no answer shows a stack trace. What can be tried again says when
        (Retry-After, whole seconds). Neither answers nor logs repeat an address: a key may stand in it
Source  docs/reference/errors.md
"""

import logging
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from tinycdp.api.http.params import route_of
from tinycdp.api.http.responses import ExactResponse
from tinycdp.errors import Retryable, TinyCDPError

log = logging.getLogger(__name__)

_HTTP_CODES = {404: "ROUTE_NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE", 400: "INVALID_REQUEST"}


def body_of(code: str, message: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "code": code, "message": message, "error": message, **details}


def _known(request: Request[Any, Any, Any], trouble: TinyCDPError) -> ExactResponse[dict[str, Any]]:
    headers = {"Retry-After": str(trouble.retry_after_seconds)} if isinstance(trouble, Retryable) else {}
    if trouble.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="TinyCDP"'
    return ExactResponse(
        body_of(trouble.code, trouble.message, **trouble.details),
        status_code=trouble.status,
        headers=headers,
        media_type="application/json",
    )


def _http(request: Request[Any, Any, Any], trouble: HTTPException) -> ExactResponse[dict[str, Any]]:
    code = _HTTP_CODES.get(trouble.status_code, "INVALID_REQUEST")
    message = trouble.detail
    if trouble.status_code == 404:
        message = "There is nothing at this address; /openapi.json lists what there is."
    elif trouble.status_code == 400 and isinstance(trouble.extra, list) and trouble.extra:
        # Litestar says of a query parameter that cannot be read: [{"key", "message", "source"}]
        message = "; ".join(f"{found.get('key')}: {found.get('message')}" for found in trouble.extra)
    return ExactResponse(
        body_of(code, message), status_code=trouble.status_code, headers=trouble.headers, media_type="application/json"
    )


def _unforeseen(request: Request[Any, Any, Any], trouble: Exception) -> ExactResponse[dict[str, Any]]:
    log.exception("%s %s failed", request.method, route_of(request.scope), exc_info=trouble)
    message = "Something went wrong here, not in your request. It is logged."
    return ExactResponse(body_of("INTERNAL", message), status_code=500, media_type="application/json")


HANDLERS: ExceptionHandlersMap = {
    TinyCDPError: _known,
    HTTPException: _http,
    Exception: _unforeseen,
}
