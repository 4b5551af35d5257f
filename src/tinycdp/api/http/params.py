"""Parameters that many routes share, and checks of all parameters.

Shape   Limit, Before, AfterProfile are for pages; IfMatch, DryRun, Note for changes
        check_address and check_no_body are for guards: only what the route declares, each once
Errors  400 INVALID_REQUEST · INVALID_BODY · UNKNOWN_PARAMETER, which lists the valid parameters, the nearest first
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import unquote, unquote_plus

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, QueryParameter
from litestar.types import Scope
from litestar.typing import FieldDefinition
from litestar.utils.signature import ParsedSignature
from msgspec import inspect

from tinycdp.dsl.fields import kind_in_words, valid_instead
from tinycdp.dsl.values.scalars import is_date, parse_instant
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

_declared: dict[Any, dict[str, str | None]] = {}

#: The parameters of a handler that may occur several times.
_REPEATED: dict[Any, frozenset[str]] = {}

_NAME = re.compile(r"[A-Za-z][\w.]{0,23}")
_CHUNKED = "transfer-encoding"

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


def instant_of_body(text: str, path: str) -> Instant:
    """The instant that a body has at this path."""
    at = parse_instant(text)
    if at is None:
        message = f"{path}: {text!r} is not an instant with a zone, such as 2026-12-01T09:00:00Z."
        raise InvalidInput("INVALID_REQUEST", message, path=path)
    return at


def past_instant(text: str, now: Instant, path: str) -> Instant:
    """The past instant that a body has at this path."""
    at = instant_of_body(text, path)
    if at > now:
        raise InvalidInput("INVALID_REQUEST", f"{path}: {iso(at)} is in the future; now is {iso(now)}.", path=path)
    return at


def instant_parameter(text: str | None, name: str) -> Instant | None:
    """The instant of a query parameter, None if it is absent; a day is its start in UTC."""
    if not text:
        return None
    at = parse_instant(f"{text}T00:00:00Z" if is_date(text) else text)
    if at is None:
        message = (
            f"{name}: {text[:40]!r} is not an instant with a zone, such as 2026-12-01T09:00:00Z, nor a day, such as "
            "2026-12-01. Write + as %2B."
        )
        raise InvalidInput("INVALID_REQUEST", message, path=name)
    return at


def route_of(scope: Scope) -> str:
    """The declared path of the requested route, "unknown" if none matches.

    Metrics and logs use it, because addresses are unbounded and may contain a key or an identifier."""
    handler = scope.get("route_handler")
    return _TYPES.sub("}", min(handler.paths)) if handler is not None else "unknown"


def check_address(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Reject U+0000 in the address, and parameters that are not declared, are repeated, or have no value.

    The framework would ignore all of these, and `?dryRun` would not be a dry run."""
    query: bytes = connection.scope["query_string"]
    if "\0" in connection.scope["path"] or "\0" in unquote(query.decode("latin-1")):
        raise InvalidInput("INVALID_REQUEST", "The address contains U+0000; remove it.")
    if not query or "OPTIONS" in getattr(handler, "http_methods", ()):
        return
    declared = declared_parameters(handler)
    seen = set()
    for part in filter(None, query.decode("latin-1").split("&")):
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name == KEY_PARAMETER and name not in declared:
            continue
        if name not in declared:
            raise _unknown_parameter(name, handler, declared)
        if name in seen and name not in _REPEATED.get(handler.fn, ()):
            raise InvalidInput("INVALID_REQUEST", f"The parameter `{name}` occurs twice; send it once.", name=name)
        if not value and (kind := declared[name]) is not None:
            message = f"The parameter `{name}` has no value: give {kind}, or leave it out."
            raise InvalidInput("INVALID_REQUEST", message, name=name)
        seen.add(name)


def check_types(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Reject values that are not of the declared types, as the framework does before it calls the route."""
    for name, field, rules in parameters_of(handler):
        if rules.param_type == ParamType.QUERY and (values := connection.query_params.getall(name, [])):
            value = values if is_list(field.annotation) else values[0]
            try:
                msgspec.convert(value, field.annotation, strict=False)
            except msgspec.ValidationError:
                message = f"The parameter `{name}` is {values[-1][:40]!r}: give {kind_in_words(field.annotation)}."
                raise InvalidInput("INVALID_REQUEST", message, name=name) from None


async def check_no_body(request: Request[Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Reject a body where the route takes none: it would be ignored, and a `dryRun` in it would not be one."""
    parameters = handler.parsed_fn_signature.parameters
    if "data" in parameters or "request" in parameters:  # the latter reads the body itself
        return
    headers = request.headers
    if request.method in {"GET", "HEAD", "OPTIONS"} and not ("content-length" in headers or _CHUNKED in headers):
        return
    raw = (await Request.body(request)).strip()
    if raw in {b"", b"{}", b"null"}:
        return
    declared = declared_parameters(handler)
    meant = [name for name in declared if re.search(rb"\b%b\b" % name.encode(), raw)]
    instead = f" Send {' and '.join(f'`{name}`' for name in meant)} in the address, after `?`." if meant else ""
    raise InvalidInput("INVALID_BODY", f"{request.method} {route_of(request.scope)} takes no body.{instead}")


def _unknown_parameter(name: str, handler: BaseRouteHandler, declared: Iterable[str]) -> InvalidInput:
    # What does not look like a name may be a key, which is never repeated.
    called = f" {name!r}" if _NAME.fullmatch(name) else ""
    body = handler.parsed_fn_signature.parameters.get("data")
    fields = inspect.type_info(body.annotation) if body is not None else None
    if isinstance(fields, inspect.StructType) and any(field.encode_name == name for field in fields.fields):
        advice = f"Send `{name}` in the body."
    else:
        advice = valid_instead(name, declared) if declared else "This address takes no parameters."
    details = {"name": name} if called else {}
    return InvalidInput("UNKNOWN_PARAMETER", f"Unknown parameter{called}. {advice}", **details)


def parameters_of(handler: BaseRouteHandler) -> Iterator[tuple[str, FieldDefinition, ParameterKwarg]]:
    """The parameters of a route in its query and headers: the name on the wire, the field, and its rules."""
    yield from _parameters(handler.parsed_fn_signature, handler.resolve_dependencies())


def declared_parameters(handler: BaseRouteHandler) -> dict[str, str | None]:
    """The query parameters of a route in the order of its signature, with what they take; None for text.

    An empty text is the same as none, as clients with forms send it."""
    # Cached by function: guards get a copy of the handler with each request.
    if (known := _declared.get(handler.fn)) is not None:
        return known
    _REPEATED[handler.fn] = frozenset(name for name, field, _ in parameters_of(handler) if is_list(field.annotation))
    _declared[handler.fn] = found = {
        name: None if (kind := kind_in_words(field.annotation)) == kind_in_words(str) else kind
        for name, field, rules in parameters_of(handler)
        if rules.param_type == ParamType.QUERY
    }
    return found


def _parameters(
    signature: ParsedSignature, injected: Mapping[str, Provide]
) -> Iterator[tuple[str, FieldDefinition, ParameterKwarg]]:
    """The same of a signature, and of the parts that it injects."""
    for name, field in signature.parameters.items():
        rules = field.kwarg_definition
        if name in injected:
            yield from _parameters(injected[name].parsed_fn_signature, injected)
        elif isinstance(rules, ParameterKwarg) and rules.param_type != ParamType.PATH:
            yield rules.name or name, field, rules


def is_list(kind: Any) -> bool:
    """Whether a parameter of this type may occur several times."""
    found = inspect.type_info(kind)
    return any(
        isinstance(one, inspect.ListType) for one in (found.types if isinstance(found, inspect.UnionType) else (found,))
    )
