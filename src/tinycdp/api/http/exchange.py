"""What every route does with a request's text and an answer's values.

Shape   read_json(request) in, answer(value) out; `readable` is a guard; Limit, Before and AfterProfile are of pages,
        IfMatch, version_of(…) and etag(…) of what has versions
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
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import Scope

from tinycdp.api.http.bodies import BodyFault, decode_json, read_body
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions import LONGEST_NOTE

Struct = TypeVar("Struct", bound=msgspec.Struct)

encode = msgspec.json.Encoder(decimal_format="number").encode

#: What Litestar writes behind a path parameter's name.
_TYPES = re.compile(r":\w+\}")

MOST_ON_A_PAGE = 200
Limit = Annotated[int, QueryParameter(ge=1, le=MOST_ON_A_PAGE, description="most entries on a page")]
#: Larger than any id, and a number that Postgres can hold.
LAST_ID = 2**62
Before = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="older than this one: `next` of the page before")]
AfterProfile = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="the last profile id of the page before")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="the version that shall be replaced, as ETag gave it")
]
Note = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]


async def read_json(request: Request[Any, Any, Any], *, optional: bool = False) -> dict[str, Any]:
    """The object a request's body holds; where it is `optional`, an empty one for no body."""
    if optional and not await request.body():
        return {}
    found = decode_json(read_body(await request.body(), request.headers.get("content-encoding")))
    if type(found) is not dict:
        raise InvalidInput(BodyFault.INVALID_BODY, "The body is a JSON object.")
    return found


def read_as(document: dict[str, Any], kind: type[Struct]) -> Struct:
    """The document as a struct."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        what, _, where = str(wrong).partition(" - at ")
        path = where.strip("`") or "$"
        if path == "$" and "unknown field" in what:
            what += f"; it takes {', '.join(field.encode_name for field in msgspec.structs.fields(kind))}"
        raise InvalidInput(BodyFault.INVALID_BODY, f"{path}: {what}.", path=path) from None


def route_of(scope: Scope) -> str:
    """The route that was asked, as it is declared, "unknown" for none. Addresses come from clients: there is no end of
    them, and a key or a person's identifier may stand in one."""
    handler = scope.get("route_handler")
    return _TYPES.sub("}", min(handler.paths)) if handler is not None else "unknown"


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json", headers=headers)


def version_of(if_match: str | None) -> int | None:
    """The version that shall be replaced; None for whichever there is."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput("INVALID_REQUEST", 'If-Match: send the ETag that came with it, such as "3".')
    return int(text)


def etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def readable(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse an address that holds U+0000, which no stored text does."""
    if "\0" in connection.scope["path"] or "\0" in unquote(connection.scope["query_string"].decode("latin-1")):
        raise InvalidInput("INVALID_REQUEST", "The address holds U+0000.")
