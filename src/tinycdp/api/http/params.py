"""Parameters that many routes share, and checks of all parameters.

Shape   Limit, Before, AfterProfile are for pages; IfMatch, DryRun, Note for changes
        check_address is for guards: no U+0000, and only parameters that the route declares
Errors  400 INVALID_REQUEST · UNKNOWN_PARAMETER, which lists the valid parameters, the nearest first
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, QueryParameter
from litestar.types import Scope
from litestar.utils.signature import ParsedSignature

from tinycdp.dsl.fields import valid_instead
from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.publish import LONGEST_NOTE
from tinycdp.times import iso

MOST_ON_A_PAGE = 200
#: Larger than any id, but within Postgres' bigint.
LAST_ID = 2**62

Limit = Annotated[int, QueryParameter(ge=1, le=MOST_ON_A_PAGE, description="most entries on a page")]
Before = Annotated[
    int, QueryParameter(ge=0, le=LAST_ID, description="entries older than this: `next` of the last page")
]
AfterProfile = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="the last profile id of the previous page")]
DryRun = Annotated[bool, QueryParameter(name="dryRun", description="save nothing; return what would happen")]
IfMatch = Annotated[str | None, HeaderParameter(name="If-Match", description="the version to replace, from its ETag")]
SaveNote = Annotated[str, QueryParameter(max_length=LONGEST_NOTE, description="the reason, shown in the history")]
Note = Annotated[str, msgspec.Meta(max_length=LONGEST_NOTE)]

#: Clients that cannot set headers send their key in this parameter, on any route.
KEY_PARAMETER = "writeKey"

_declared: dict[Any, tuple[str, ...]] = {}

#: Litestar's type suffix of a path parameter's name.
_TYPES = re.compile(r":\w+\}")


def version_of(if_match: str | None) -> int | None:
    """The version to replace, None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 9:
        raise InvalidInput("INVALID_REQUEST", 'If-Match is not an ETag; send the one that came with it, such as "3".')
    return int(text)


def past_instant(text: str, now: Instant, path: str) -> Instant:
    """The past instant that a body has at this path."""
    at = parse_instant(text)
    if at is None:
        message = f"{path}: {text!r} is not an instant with a zone, such as 2026-12-01T09:00:00Z."
        raise InvalidInput("INVALID_REQUEST", message, path=path)
    if at > now:
        raise InvalidInput("INVALID_REQUEST", f"{path}: {iso(at)} is in the future; now is {iso(now)}.", path=path)
    return at


def instant_parameter(text: str | None, name: str) -> Instant | None:
    """The instant of a query parameter, None if it is absent."""
    if text is None:
        return None
    at = parse_instant(text)
    if at is None:
        message = f"{name}: {text!r} is not an instant with a zone, such as 2026-12-01T09:00:00Z. Write + as %2B."
        raise InvalidInput("INVALID_REQUEST", message, path=name)
    return at


def route_of(scope: Scope) -> str:
    """The declared path of the requested route, "unknown" if none matches.

    Metrics and logs use it, because addresses are unbounded and may contain a key or an identifier."""
    handler = scope.get("route_handler")
    return _TYPES.sub("}", min(handler.paths)) if handler is not None else "unknown"


def check_address(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Reject U+0000 in the address, and parameters that the route does not declare."""
    query: bytes = connection.scope["query_string"]
    if "\0" in connection.scope["path"] or "\0" in unquote(query.decode("latin-1")):
        raise InvalidInput("INVALID_REQUEST", "The address contains U+0000; remove it.")
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
    # Cached by function: guards get a copy of the handler with each request.
    if (known := _declared.get(handler.fn)) is not None:
        return known
    _declared[handler.fn] = found = tuple(
        _query_parameters(handler.parsed_fn_signature, handler.resolve_dependencies())
    )
    return found


def _query_parameters(signature: ParsedSignature, injected: Mapping[str, Provide]) -> Iterator[str]:
    """The query parameters of a signature, and of the parts that it injects."""
    for name, field in signature.parameters.items():
        kwarg = field.kwarg_definition
        if name in injected:
            yield from _query_parameters(injected[name].parsed_fn_signature, injected)
        elif isinstance(kwarg, ParameterKwarg) and kwarg.param_type == ParamType.QUERY:
            yield kwarg.name or name
