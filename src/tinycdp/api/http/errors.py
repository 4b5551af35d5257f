"""Errors as one JSON shape, with a stable code.

Shape   {"success": false, "code", "message", "error", …details}; tracking clients read `code` and `message`
Laws    a client's mistake is never a 5xx, and no answer shows a stack trace. An error that may pass has a Retry-After
        header, in whole seconds. Neither answers nor logs repeat an address: it may contain a key
Source  docs/reference/errors.md
"""

import logging
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from tinycdp.api.http.mistakes import explained
from tinycdp.api.http.params import route_of
from tinycdp.api.http.responses import ExactResponse
from tinycdp.errors import Retryable, TinyCDPError

log = logging.getLogger(__name__)

INTERNAL = "An internal error, not caused by your request. The server's log has the details."


def body_of(code: str, message: str, **details: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"success": False, "code": code, "message": message, "error": message, **details}


def _known(request: Request[Any, Any, Any], error: TinyCDPError) -> ExactResponse[dict[str, Any]]:
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, Retryable) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="TinyCDP"'
    return ExactResponse(
        body_of(error.code, error.message, **error.details),
        status_code=error.status,
        headers=headers,
        media_type="application/json",
    )


def _http(request: Request[Any, Any, Any], error: HTTPException) -> ExactResponse[dict[str, Any]]:
    known = explained(request, error)
    if known is None:
        return _unexpected(request, error)
    response = _known(request, known)
    if error.status_code == 405 and error.headers:
        response.headers["Allow"] = ", ".join(sorted(error.headers["allow"].split(", ")))
    return response


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> ExactResponse[dict[str, Any]]:
    log.exception("%s %s failed", request.method, route_of(request.scope), exc_info=error)
    return ExactResponse(body_of("INTERNAL", INTERNAL), status_code=500, media_type="application/json")


HANDLERS: ExceptionHandlersMap = {
    TinyCDPError: _known,
    HTTPException: _http,
    Exception: _unexpected,
}
