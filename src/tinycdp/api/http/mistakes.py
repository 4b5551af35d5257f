"""What the framework rejects, in our words: addresses, methods, parameters, sizes.

Shape   explained(request, error) → the same as one of our errors, whose `headers` are the framework's.
        parameter_fault(handler, request) → what is wrong with the parameters of a route
Laws    the framework's text reaches no client: it names functions and types, and repeats addresses, which may contain
        a key. A parameter is called as on the wire. This runs only after a request has failed
Source  docs/reference/errors.md
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Request
from litestar.enums import ParamType
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.routes import HTTPRoute
from litestar.types.internal_types import PathParameterDefinition
from rapidfuzz.distance import DamerauLevenshtein

from tinycdp.api.http.bodies import BODY_LIMIT, too_large
from tinycdp.api.http.params import is_list, parameters_of
from tinycdp.dsl.fields import kind_in_words, shown
from tinycdp.errors import InvalidInput, MethodNotAllowed, NotFound, TinyCDPError

_NO_METHODS = {"HEAD", "OPTIONS"}
#: Parts of an address that are easily left out, or added.
_PREFIXES = {"v1", "admin", "api"}
_PREFIX_COST = 2
_MOST_COST = 4
_MOST_PARTS = 12
_LONGEST_PART = 60


def explained(request: Request[Any, Any, Any], error: HTTPException) -> TinyCDPError | None:
    """One of our errors for a mistake of the client that the framework found; None for others."""
    match error.status_code:
        case 404:
            return _unknown_address(request)
        case 405:
            return _wrong_method(request)
        case 413:
            limit = getattr(request.scope.get("route_handler"), "request_max_body_size", None)
            return too_large(limit if isinstance(limit, int) else BODY_LIMIT, request.content_length)
        case status if 400 <= status < 500:
            handler = request.scope.get("route_handler")
            fault = parameter_fault(handler, request) if handler is not None else None
            return InvalidInput("INVALID_REQUEST", fault or "The request cannot be read; /openapi.json describes it.")
        case _:
            return None


# Parameters


def parameter_fault(handler: BaseRouteHandler, request: Request[Any, Any, Any]) -> str | None:
    """A sentence for each parameter that is missing or cannot be read; None if all can be."""
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), separator="&"))
    faults = []
    for name, field, rules in parameters_of(handler):
        in_query = rules.param_type == ParamType.QUERY
        text = query.get(name) if in_query else request.headers.get(name)
        called = f"The parameter `{name}`" if in_query else f"The header `{name}`"
        if text is None:
            if not (field.has_default or field.is_optional):
                faults.append(f"{called} is missing: give {_expected(field.annotation, rules)}{_meaning(rules)}.")
        elif not is_list(field.annotation) and not _readable(text, field.annotation, rules):
            faults.append(f"{called} is {_expected(field.annotation, rules)}, not {_cut(text)}.")
    return " ".join(faults) or None


def _readable(text: str, kind: Any, rules: ParameterKwarg) -> bool:
    try:
        value = msgspec.convert(text, kind, strict=False)
    except (msgspec.ValidationError, TypeError):
        return False
    size = len(value) if isinstance(value, str) else 0
    return all(
        (
            rules.ge is None or value >= rules.ge,
            rules.gt is None or value > rules.gt,
            rules.le is None or value <= rules.le,
            rules.lt is None or value < rules.lt,
            rules.min_length is None or size >= rules.min_length,
            rules.max_length is None or size <= rules.max_length,
        )
    )


def _expected(kind: Any, rules: ParameterKwarg) -> str:
    least = rules.ge if rules.ge is not None else rules.gt
    most = rules.le if rules.le is not None else rules.lt
    bounds = ""
    if least is not None and most is not None and most < 2**31 - 1:
        bounds = f" from {least} to {most}"
    elif least is not None:
        bounds = f", at least {least}"
    if rules.max_length is not None:
        bounds = f" of at most {rules.max_length} characters"
    return kind_in_words(kind) + bounds


def _meaning(rules: ParameterKwarg) -> str:
    return f" ({rules.description})" if rules.description else ""


def _cut(text: str) -> str:
    return shown(text).removeprefix("the string ")


# Addresses


def _templates(app: Litestar) -> Iterator[tuple[HTTPRoute, list[str | PathParameterDefinition], list[str]]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods = sorted({str(method) for method in route.route_handler_map} - _NO_METHODS)
            yield route, list(route.path_components), methods


def _parts(request: Request[Any, Any, Any]) -> list[str]:
    return [part for part in request.scope["path"].split("/") if part]


def _unknown_address(request: Request[Any, Any, Any]) -> TinyCDPError:
    parts = _parts(request)
    for route, template, _ in _templates(request.app):
        if (wrong := _unreadable_part(template, parts)) is not None:
            message = (
                f"In the address {_written(route)} the part `{{{_camel(wrong.name)}}}` is {kind_in_words(wrong.type)}."
            )
            return NotFound("NOT_FOUND", message)
    near = _nearest_route(request, parts)
    suggestion = f"Did you mean {near}?" if near is not None else "/docs lists all addresses."
    return NotFound("ROUTE_NOT_FOUND", f"There is nothing at this address. {suggestion}")


def _unreadable_part(template: list[str | PathParameterDefinition], parts: list[str]) -> PathParameterDefinition | None:
    """The parameter of a template that cannot be read from an address of this form."""
    if len(template) != len(parts):
        return None
    wrong = None
    for expected, part in zip(template, parts, strict=True):
        if isinstance(expected, str):
            if expected != part:
                return None
        elif expected.type is int and not re.fullmatch(r"-?\d+", part):
            wrong = expected
    return wrong


def _nearest_route(request: Request[Any, Any, Any], parts: list[str]) -> str | None:
    """The route that was meant, with its method; None if none is near."""
    if len(parts) > _MOST_PARTS or any(len(part) > _LONGEST_PART for part in parts):
        return None
    best: tuple[int, bool, str] | None = None
    for route, template, methods in _templates(request.app):
        listed = [h for h in route.route_handlers if h.resolve_include_in_schema() and h.http_methods - {"OPTIONS"}]
        if not listed or (cost := _cost(template, parts)) > _MOST_COST:
            continue
        fitting = request.method in methods
        method = request.method if fitting else methods[0]
        found = (cost, not fitting, f"{method} {_written(route)}")
        best = found if best is None or found < best else best
    return best[2] if best is not None else None


def _written(route: HTTPRoute) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: f"{{{_camel(found[1])}}}", route.path_format)


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _cost(template: list[str | PathParameterDefinition], parts: list[str]) -> int:
    """How far an address is from a template, part by part; a prefix may be missing or be one too many."""
    row = [0]
    for part in parts:
        row.append(row[-1] + (_PREFIX_COST if part in _PREFIXES else 100))
    for expected in template:
        absent = _PREFIX_COST if isinstance(expected, str) and expected in _PREFIXES else 100
        following = [row[0] + absent]
        for n, part in enumerate(parts):
            same = 0 if not isinstance(expected, str) else _edits(expected, part)
            extra = _PREFIX_COST if part in _PREFIXES else 100
            following.append(min(row[n] + same, row[n + 1] + absent, following[n] + extra))
        row = following
    return row[-1]


def _edits(expected: str, part: str) -> int:
    reach = 2 if len(part) > 4 else 1
    edits = DamerauLevenshtein.distance(expected, part.lower(), score_cutoff=reach)
    return edits if edits <= reach else 100


def _wrong_method(request: Request[Any, Any, Any]) -> TinyCDPError:
    parts = _parts(request)
    methods: list[str] = []
    address = "This address"
    for route, template, allowed in _templates(request.app):
        fits = len(template) == len(parts) and all(
            not isinstance(expected, str) or expected == part for expected, part in zip(template, parts, strict=True)
        )
        # A literal address comes before one with parameters, as for the router.
        if fits and (not methods or template == parts):
            methods, address = allowed, _written(route)
    takes = " or ".join(methods) or "other methods"
    return MethodNotAllowed("METHOD_NOT_ALLOWED", f"{address} does not take {request.method}. Use {takes}.")
