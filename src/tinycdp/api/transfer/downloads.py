"""Addresses that open a file once, by which a browser downloads it without a header.

Laws    what is opened is the ordinary route, with the key that asked for the address: its scope, its expiry and its
        origins count then. Only routes with `downloadable=True` can be opened
Errors  400 INVALID_REQUEST, UNKNOWN_PARAMETER · 403 MISSING_SCOPE, INVALID_DOWNLOAD_LINK
Source  docs/reference/export.md "Addresses that open once"
"""

import re
from typing import Annotated, Any
from urllib.parse import quote, unquote

from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send
from litestar.utils.scope.state import CONNECTION_STATE_KEY

from tinycdp.api.http import auth
from tinycdp.api.http.params import KEY_PARAMETER, check_address, check_types
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest, host_of, scheme_of
from tinycdp.api.http.sse import streaming
from tinycdp.api.transfer.schemas import DownloadAddress, DownloadBody
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access import downloads
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import Pool
from tinycdp.times import iso

#: Headers of the request that are passed on. The others may name another key, or ask for a part of the file.
_PASSED_ON = (b"host", b"accept", b"origin", b"user-agent", b"x-forwarded-proto", b"x-request-id")


@post(
    "/v1/admin/downloads",
    status_code=201,
    summary="Create an address that opens a file once, without a key",
    tags=["Export"],
    scope="read",
    example={"path": "/v1/export/segment/power_users.csv"},
)
async def create_download(
    request: ExactRequest,
    actor: Injected[Actor],
    environment: Injected[Environment],
    data: JSONBody[DownloadBody],
) -> DownloadAddress:
    """It is valid for a minute. Exports, exposures, raw events and the rejected rows of imports are files."""
    path, query_mark, query = data.path.partition("?")
    handler = _file_at(request.app, path)
    if handler is None:
        message = f"$.path: {path[:200]!r} is no file. Name one such as /v1/export/segment/power_users.csv."
        raise InvalidInput("INVALID_REQUEST", message, path="$.path")
    auth.allow(actor, handler.opt["scope"])
    _check(Request(scope_of(request.scope, data.path)), handler)
    made = await downloads.create(environment, actor.key_id, path + query_mark + query)
    url = f"{scheme_of(request)}://{host_of(request)}/v1/downloads/{made.token}"
    return DownloadAddress(url, iso(made.until))


@get("/v1/downloads/{token:str}", summary="The file of an address that opens once", tags=["Export"], media=("*/*",))
async def open_download(
    request: ExactRequest,
    pool: Injected[Pool],
    keyring: Injected[Keyring],
    now: Injected[Clock],
    token: Annotated[str, PathParameter(description="the end of a `url`")],
) -> Response[bytes]:
    """The answer is that of the path the address was created for."""
    key, path = await downloads.take(pool, keyring, token, now())
    application, scope = request.app, scope_of(request.scope, path)
    scope[auth.REDEEMED] = key

    async def serve(_: Scope, receive: Receive, send: Send) -> None:
        async def careful(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"referrer-policy", b"no-referrer")]}
            await send(message)

        await application(scope, receive, careful)

    return streaming(serve)


def _file_at(application: Litestar, path: str) -> HTTPRouteHandler | None:
    """The route of a path that answers with a file; None if no route does."""
    for route in application.routes:
        if isinstance(route, HTTPRoute) and "GET" in route.route_handler_map:
            handler = route.route_handler_map["GET"][0]
            pattern = re.sub(r"\\{.+?\\}", "[^/?#]+", re.escape(route.path))
            if handler.opt.get("downloadable") and re.fullmatch(pattern, path):
                return handler
    return None


def _check(opened: Request[Any, Any, Any], handler: HTTPRouteHandler) -> None:
    """Reject parameters that the route would reject once the address is used up, and keys, which would be stored."""
    if KEY_PARAMETER in opened.query_params:
        message = f"$.path: leave `{KEY_PARAMETER}` out. The address has the rights of the key that creates it."
        raise InvalidInput("INVALID_REQUEST", message, path="$.path")
    check_address(opened, handler)
    check_types(opened, handler)


def scope_of(outer: Any, path: str) -> Any:
    """The scope of a request of the path, as the same client would send it."""
    plain, _, query = path.partition("?")
    raw = quote(plain, safe="/%:@!$&'()*+,;=~-._")
    return {
        **{name: outer[name] for name in ("type", "asgi", "http_version", "scheme", "client", "server", "root_path")},
        "method": "GET",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": quote(query, safe="%=&+!$'()*,;:@/?~-._").encode(),
        "headers": [(name, value) for name, value in outer["headers"] if name.lower() in _PASSED_ON],
        # Without what the framework has read of the outer request, such as its headers.
        "state": {name: value for name, value in outer.get("state", {}).items() if name != CONNECTION_STATE_KEY},
        "extensions": outer.get("extensions") or {},
    }


ROUTES = [create_download]

#: The address has a secret of its own.
OPEN_ROUTES = [open_download]
