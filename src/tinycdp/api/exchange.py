"""What every route does with a request's text and an answer's values.

Shape   read_json(request) in, answer(value) out; `readable` is a guard; Limit is a page's size
Laws    numbers are exact both ways. No text reaches Postgres that it cannot store
Errors  InvalidInput INVALID_JSON, naming the byte · TooLarge BODY_TOO_LARGE
"""

import re
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Scope

from tinycdp.api.wire.body import BodyFault, decode_json, read_body
from tinycdp.errors import InvalidInput

Struct = TypeVar("Struct", bound=msgspec.Struct)

encode = msgspec.json.Encoder(decimal_format="number").encode

#: What Litestar writes behind a path parameter's name.
_TYPES = re.compile(r":\w+\}")

MOST_ON_A_PAGE = 200
Limit = Annotated[int, QueryParameter(ge=1, le=MOST_ON_A_PAGE, description="most entries on a page")]


async def read_json(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The object a request's body holds."""
    found = decode_json(read_body(await request.body(), request.headers.get("content-encoding")))
    if type(found) is not dict:
        raise InvalidInput(BodyFault.INVALID_BODY, "The body is a JSON object.")
    return found


def read_as(document: dict[str, Any], kind: type[Struct]) -> Struct:
    """The document as a struct."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        raise InvalidInput(BodyFault.INVALID_BODY, f"The body cannot be read: {wrong}.") from None


def route_of(scope: Scope) -> str:
    """The route that was asked, as it is declared, "unknown" for none. Addresses come from clients: there is no end of
    them, and a key or a person's identifier may stand in one."""
    handler = scope.get("route_handler")
    return _TYPES.sub("}", min(handler.paths)) if handler is not None else "unknown"


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json", headers=headers)


def readable(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse an address that holds U+0000, which no stored text does."""
    if "\0" in connection.scope["path"] or "\0" in unquote(connection.scope["query_string"].decode("latin-1")):
        raise InvalidInput("INVALID_REQUEST", "The address holds U+0000.")
