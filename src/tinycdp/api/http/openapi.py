"""The HTTP interface as OpenAPI 3.1, made from the routes themselves.

Shape   describe(routes) -> the document, plain data
Laws    every route is in it: its parameters from the handler's signature; its body, answer and scope from `opt`
        ("body": a struct, "answer": a struct, "media": types of what is no JSON, "also": {status: meaning})
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from tinycdp import __version__

#: What the router or a guard gives, and no client sends.
_GIVEN = {"request", "key"}
_METHODS = ("get", "post", "put", "patch", "delete")
#: In a struct's docstring, a line that explains a field, or several.
_FIELD = re.compile(r"\s*([a-z_]+(?:, [a-z_]+)*)  +(\S.*)")
_SNAKE = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_CAPITAL = re.compile(r"[A-Z]")
_REF = "#/components/schemas/{name}"
_INTRODUCTION = """\
TinyCDP takes events about people and answers, at once and exactly, who they are, which segments they are in and what \
to show them. Times are ISO 8601 in UTC, numbers are exact, names are camelCase. Every error is a JSON object with a \
stable `code`, and a `message` that says what to do."""

_TAGS = {
    "Tracking": "Events in. An answer of 200 means stored and applied: the next decision knows it.",
    "Decisions": "Flags out: one answer, with its reasons, and until when it holds.",
    "People": "Everything known of a person, at this instant.",
    "Definitions": "Traits, segments and flags: written, checked, published.",
    "Exposures": "Who was given which variant of a flag, and which flags nobody needs any more.",
    "Registry": "Which events and properties come, of which types; what is expected of them; and all of it live.",
    "Editing": "The language for editors: check, complete, format, hover. Nothing is saved.",
    "Export": "A segment as a file of any size.",
    "Operation": "Keys, figures, health.",
}


class Problem(msgspec.Struct):
    """What every error looks like. Some have more fields, such as `diagnostics`, `usedBy` or `path`."""

    success: Literal[False]
    code: str
    message: str
    error: str


_PROBLEMS = {
    "400": ("BadRequest", "The request is wrong; `message` says where, and what to do."),
    "401": ("Unauthenticated", "There is no key, or no such key."),
    "403": ("Forbidden", "The key lacks the scope."),
    "404": ("NotFound", "The thing that was named does not exist."),
    "409": ("Conflict", "The change contradicts what is there."),
    "413": ("TooLarge", "The body is larger than 4 MB, or holds too many events."),
    "429": ("Overloaded", "Too much is waiting; come again after `Retry-After` seconds."),
    "503": ("Unavailable", "The database cannot be reached; come again after `Retry-After` seconds."),
}


def describe(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of the routes."""
    listed = [
        (route, handler)
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.include_in_schema is not False and not handler.http_methods <= {"OPTIONS", "HEAD"}
    ]
    structs = sorted({found for _, handler in listed for found in _structs(handler)} | {Problem}, key=str)
    # All at once, so that two structs of one name get two names.
    references, components = msgspec.json.schema_components(structs, ref_template=_REF)
    schemas = dict(zip(structs, references, strict=True))
    for struct, reference in schemas.items():
        told = [inspect.cleandoc(base.__dict__.get("__doc__") or "") for base in _lineage(struct)]
        components[reference["$ref"].rsplit("/", 1)[1]]["description"] = "\n\n".join(filter(None, told))
    paths: dict[str, dict[str, Any]] = {}
    for route, handler in listed:
        for method in sorted(handler.http_methods - {"HEAD", "OPTIONS"}):
            paths.setdefault(route.path_format, {})[method.lower()] = _operation(route, handler, schemas)
    for path, methods in paths.items():
        paths[path] = {method: methods[method] for method in _METHODS if method in methods}
    tags = {tag for _, handler in listed for tag in handler.tags or ()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "TinyCDP",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in tags]
        + [{"name": tag} for tag in sorted(tags - _TAGS.keys())],
        "paths": paths,
        "components": {
            "schemas": {name: _explained(schema) for name, schema in sorted(components.items())},
            "responses": {name: _problem(status, text) for status, (name, text) in _PROBLEMS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, no password."},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def scope_of(handler: HTTPRouteHandler) -> str | None:
    """The scope a route asks for. Tracking routes look for the key in the body too, and so do without the guard."""
    scope: str | None = handler.opt.get("scope")
    return "write" if scope is None and "Tracking" in (handler.tags or ()) else scope


def _structs(handler: HTTPRouteHandler) -> list[Any]:
    found = [handler.opt.get("body"), handler.opt.get("answer"), handler.parsed_return_field.annotation]
    return [one for one in found if inspect.isclass(one) and issubclass(one, msgspec.Struct)]


def _lineage(struct: type[msgspec.Struct]) -> list[type]:
    """The struct and those it inherits fields from."""
    return [base for base in struct.__mro__ if issubclass(base, msgspec.Struct) and base is not msgspec.Struct]


def _operation(route: HTTPRoute, handler: HTTPRouteHandler, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    scope, opt = scope_of(handler), handler.opt
    body = opt.get("body")
    found: dict[str, Any] = {
        "operationId": handler.operation_id or handler.handler_name,
        "summary": handler.summary or "",
        "tags": list(handler.tags or ()),
        "parameters": _parameters(route, handler),
        "responses": _responses(route, handler, schemas, body is not None),
        "security": [{"bearer": []}, {"basic": []}, {"header": []}] if scope else [],
    }
    words = [inspect.cleandoc(handler.fn.__doc__ or "")]
    if scope:
        words.append(f"Needs a key with the scope `{scope}`.")
        found["x-scope"] = scope
    if text := "\n\n".join(filter(None, words)):
        found["description"] = text
    if body is not None:
        content: dict[str, Any] = {"schema": schemas.get(body, {})}
        if (example := opt.get("example")) is not None:
            content["example"] = example
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _parameters(route: HTTPRoute, handler: HTTPRouteHandler) -> list[dict[str, Any]]:
    found = []
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name in _GIVEN:
            continue
        kwarg = field.kwarg_definition if isinstance(field.kwarg_definition, ParameterKwarg) else ParameterKwarg()
        where, sent = "query", kwarg.name or name
        if name in route.path_parameters:
            where = "path"
        elif isinstance(kwarg, HeaderParameter):
            where = "header"
        required = where == "path" or not field.has_default
        entry: dict[str, Any] = {"name": sent, "in": where, "required": required, "schema": _value(field, kwarg)}
        if kwarg.description:
            entry["description"] = kwarg.description
        found.append(entry)
    declared = {entry["name"] for entry in found}
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.path_parameters
        if name not in declared
    ] + found


def _value(field: FieldDefinition, kwarg: ParameterKwarg) -> dict[str, Any]:
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    name = {int: "integer", bool: "boolean", float: "number"}.get(kinds[0], "string")
    found: dict[str, Any] = {"type": name}
    if kwarg.ge is not None:
        found["minimum"] = kwarg.ge
    if kwarg.le is not None:
        found["maximum"] = kwarg.le
    if field.has_default and field.default not in (None, ""):
        found["default"] = field.default
    return found


def _responses(
    route: HTTPRoute, handler: HTTPRouteHandler, schemas: Mapping[Any, Any], has_body: bool
) -> dict[str, Any]:
    opt, scope = handler.opt, scope_of(handler)
    returned = handler.parsed_return_field.annotation
    kind = opt.get("answer")
    if kind is None and inspect.isclass(returned) and issubclass(returned, msgspec.Struct):
        kind = returned
    content: dict[str, Any] = {}
    if kind is not None:
        content["application/json"] = {"schema": schemas.get(kind, {})}
    for media in opt.get("media", ()):
        content[media.split(";")[0]] = {"schema": {"type": "string"}}
    done: dict[str, Any] = {"description": "Done."} | ({"content": content} if content else {})
    found = {str(handler.status_code): done}
    for status, meaning in opt.get("also", {}).items():
        found[str(status)] = done | {"description": meaning[0].upper() + meaning[1:] + "."}
    wrong = {"400"}
    if scope:
        wrong |= {"401", "403", "503"}
    if route.path_parameters or "flag" in handler.parsed_fn_signature.parameters:
        wrong.add("404")
    if has_body:
        wrong.add("413")
    if handler.tags and ("Tracking" in handler.tags or "Export" in handler.tags):
        wrong.add("429")
    if "Definitions" in (handler.tags or ()) and handler.http_methods & {"POST", "PUT", "DELETE"}:
        wrong.add("409")
    if "media" in opt or handler.opt.get("answer") is not None:
        wrong.add("503")
    for status in sorted(wrong):
        found[status] = {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
    return found


def _explained(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what its docstring says of a field, a line that begins `name  text`, put at that field."""
    fields: dict[str, dict[str, Any]] = schema.get("properties", {})
    snake = {_CAPITAL.sub(lambda found: "_" + found[0].lower(), name): name for name in fields}
    told: dict[str, list[str]] = {}
    rest: list[str] = []
    here = rest
    for line in schema.get("description", "").splitlines():
        words = line.strip()
        if (found := _FIELD.match(line)) and set(found[1].split(", ")) <= snake.keys():
            here, words = told.setdefault(found[1], []), found[2]
        elif not words:
            here = rest
        here.append(_SNAKE.sub(lambda name: snake.get(name[0], name[0]), words))
    explained = dict(fields)
    for names, lines in told.items():
        for name in names.split(", "):
            explained[snake[name]] = {**fields[snake[name]], "description": " ".join(lines)}
    changed = schema | ({"properties": explained} if fields else {})
    changed.pop("description", None)
    if text := "\n".join(rest).strip():
        changed["description"] = text
    return changed


def _problem(status: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    if status in {"429", "503"}:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    if status == "401":
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found
