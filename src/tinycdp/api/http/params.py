"""Parameters that many routes share, and what holds for all of them.

Shape   Limit, Before, AfterProfile are of pages; IfMatch, DryRun, Author's Note of changes
        check_address is for guards: no U+0000, and only parameters that the route declares
Errors  400 INVALID_REQUEST · UNKNOWN_PARAMETER, which lists the valid ones, the nearest first
"""

import re
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar.connection import ASGIConnection
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, QueryParameter
from litestar.types import Scope

from tinycdp.dsl.fields import valid_instead
from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.publish import LONGEST_NOTE
from tinycdp.times import iso

MOST_ON_A_PAGE = 200
#: Larger than any id, and a number that Postgres can hold.
LAST_ID = 2**62

Limit = Annotated[int, QueryParameter(ge=1, le=MOST_ON_A_PAGE, description="most entries on a page")]
Before = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="older than this one: `next` of the page before")]
AfterProfile = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="the last profile id of the page before")]
DryRun = Annotated[bool, QueryParameter(name="dryRun", description="save nothing; say what would happen")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="the version to be replaced, as ETag gave it")
]
SaveNote = Annotated[str, QueryParameter(max_length=LONGEST_NOTE, description="why, for the history")]
Note = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]

#: A client that cannot set headers puts its key here, on any route.
KEY_PARAMETER = "writeKey"

_declared: dict[Any, tuple[str, ...]] = {}

#: What Litestar writes behind a path parameter's name.
_TYPES = re.compile(r":\w+\}")


def version_of(if_match: str | None) -> int | None:
    """The version to be replaced; None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput("INVALID_REQUEST", 'If-Match: send the ETag that came with it, such as "3".')
    return int(text)


def past_instant(text: str, now: Instant, path: str) -> Instant:
    """The past instant that a body names at this path."""
    at = parse_instant(text)
    if at is None:
        message = f"{path}: {text!r} is no instant with a zone, as 2026-12-01T09:00:00Z is."
        raise InvalidInput("INVALID_REQUEST", message, path=path)
    if at > now:
        raise InvalidInput("INVALID_REQUEST", f"{path}: {iso(at)} lies in the future; now is {iso(now)}.", path=path)
    return at


def route_of(scope: Scope) -> str:
    """The route that was requested, as it is declared; "unknown" if there is none. Metrics and logs name routes by it:
    addresses come from clients, are without number, and may hold a key or an identifier."""
    handler = scope.get("route_handler")
    return _TYPES.sub("}", min(handler.paths)) if handler is not None else "unknown"


def check_address(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse U+0000, which no stored text contains, and parameters that the route does not declare."""
    query: bytes = connection.scope["query_string"]
    if "\0" in connection.scope["path"] or "\0" in unquote(query.decode("latin-1")):
        raise InvalidInput("INVALID_REQUEST", "The address holds U+0000.")
    if not query or "OPTIONS" in getattr(handler, "http_methods", ()):
        return
    declared = declared_parameters(handler)
    for name in connection.query_params:
        if name not in declared and name != KEY_PARAMETER:
            raise InvalidInput(
                "UNKNOWN_PARAMETER", f"Unknown parameter {name!r}. {valid_instead(name, declared)}", name=name
            )


def declared_parameters(handler: BaseRouteHandler) -> tuple[str, ...]:
    """The query parameters of a route, in the order of its signature."""
    # By its function: guards get a copy of the handler with each request.
    if (known := _declared.get(handler.fn)) is not None:
        return known
    injected = handler.resolve_dependencies()
    fields = ((n, field) for n, field in handler.parsed_fn_signature.parameters.items() if n not in injected)
    kwargs = ((n, field.kwarg_definition) for n, field in fields)
    _declared[handler.fn] = found = tuple(
        kwarg.name or n
        for n, kwarg in kwargs
        if isinstance(kwarg, ParameterKwarg) and kwarg.param_type == ParamType.QUERY
    )
    return found
