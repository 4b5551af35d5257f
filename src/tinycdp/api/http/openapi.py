"""The OpenAPI document: the framework's, with additions of this application.

Shape   document(app) → the document, made on the first request.
        Schemas shows the framework structs and their docstrings; Documented(…) shows a plain object as a struct;
        takes(…) documents a body that its handler reads itself
Laws    every route is in it. A handler's signature, docstring and keywords are the only source: `scope="admin"`,
        `example={…}`, `media=(…)` for answers that are not JSON, `also={status: meaning}`
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Components,
    License,
    OpenAPI,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.params import JSONBody
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.types import Empty
from litestar.types.internal_types import PathParameterDefinition
from litestar.typing import FieldDefinition

from tinycdp import __version__
from tinycdp.api.http.encoding import Documented
from tinycdp.runtime.access.keys import ANY_SCOPE

_DESCRIBED = "described_body"
_METHODS = ("get", "put", "post", "patch", "delete")
#: A line in a struct's docstring that describes one or several fields.
_FIELD = re.compile(r"\s*([a-z_]+(?:, [a-z_]+)*)  +(\S.*)")
_SNAKE = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
_CAPITAL = re.compile(r"[A-Z]")
_INTRODUCTION = """\
TinyCDP takes events. It answers at once, and exactly, what is known of a profile, which segments it is \
in and which variants it gets. Times are ISO 8601 in UTC, numbers are exact, names are camelCase. Every error is a \
JSON object with a stable `code`, and a `message` that says what to do. Unknown fields and parameters are errors."""

_TAGS = {
    "Tracking": "Send events. An answer of 200 means stored and applied: the next decision uses them.",
    "Decisions": "Evaluate flags: a value, its reasons, and until when it is valid.",
    "Profiles": "Their properties, traits, segments and events, as of this instant.",
    "Definitions": "Write, check and publish traits, segments and flags.",
    "Analytics": "Ask questions about all profiles: counts, funnels, retention, experiments.",
    "Destinations": "Send what happens to receivers: signed, in order, again if it fails.",
    "Syncs": "Keep a receiver's records of people as a segment has them.",
    "Saved analytics": "Save reports, metrics, derived events and dashboards, in versions.",
    "Segments": "Lists of static segments: read, change, upload.",
    "Exposures": "Which variants were given to which profiles, and which flags are no longer needed.",
    "Registry": "The events and properties received, their types, the tracking plan, and a live stream of events.",
    "Editing": "The expression language for editors: check, complete, format, hover. Nothing is saved.",
    "Export": "Segments and exposures as files of any size.",
    "Operation": "Keys, metrics, health.",
    "Identity": "",
    "Import": "",
    "Policies": "",
    "Privacy": "",
}

_PROBLEMS = {
    "400": ("BadRequest", "The request is wrong; `message` says where, and what to do."),
    "401": ("Unauthenticated", "The key is missing or unknown."),
    "403": ("Forbidden", "The key lacks the scope."),
    "404": ("NotFound", "The requested resource does not exist."),
    "409": ("Conflict", "The change conflicts with the current state."),
    "413": ("TooLarge", "The body is larger than 4 MB, or has too many events."),
    "429": ("Overloaded", "Too many requests are waiting; retry after `Retry-After` seconds."),
    "503": ("Unavailable", "The database cannot be reached; retry after `Retry-After` seconds."),
}


_SHOWN: dict[tuple[type, str], Any] = {}


def shows(struct: type[msgspec.Struct], **fields: Any) -> None:
    """Show fields of a struct as these types in the document, if its module cannot import them."""
    _SHOWN.update({(struct, name): kind for name, kind in fields.items()})


def takes(kind: Any) -> dict[str, Provide]:
    """Dependencies that document the body of a handler that reads it itself.

    They are never called."""

    def described(data: JSONBody[kind]) -> None:
        pass

    return {_DESCRIBED: Provide(described, sync_to_thread=False)}


class Schemas(OpenAPISchemaPlugin):
    """Structs as msgspec encodes them, with descriptions of fields from their docstrings.

    Decimals are numbers."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return inspect.isclass(value) and (issubclass(value, msgspec.Struct | Decimal) or is_dataclass(value))

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return _documented(field_definition) is not None or self.is_plugin_supported_type(field_definition.annotation)

    @staticmethod
    def is_undefined_sentinel(value: Any) -> bool:
        return value is msgspec.UNSET or value is msgspec.UnsetType

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Any:
        if (shown := _documented(field_definition)) is not None:
            return schema_creator.for_field_definition(FieldDefinition.from_annotation(shown.kind))
        struct = field_definition.annotation
        if struct is Decimal:
            return Schema(type=OpenAPIType.NUMBER)
        hints = field_definition.get_type_hints(include_extras=True, resolve_generics=True)
        information: Any = msgspec.inspect.type_info(struct)
        fields = {
            field.encode_name: FieldDefinition.from_annotation(
                _shown(struct, field.name, hints[field.name]), name=field.encode_name, default=_default(field)
            )
            for field in information.fields
        }
        required = [field.encode_name for field in information.fields if field.required]
        schema = schema_creator.create_component_schema(field_definition, required=required, property_fields=fields)
        schema.properties = {name: _only_choice(shown) for name, shown in schema.properties.items()}
        _constrain(schema, information.fields)
        _distinguish(schema, information)
        _explain(schema, struct)
        return schema


def document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document of an application, as plain data."""
    # The framework is configured only now, so that it adds no routes of its own and does not slow down the start.
    app.plugins.get("OpenAPIPlugin").on_app_init(AppConfig(openapi_config=_config()))
    for _, handler, _ in _handlers(app):
        if (kind := handler.opt.get("answer")) is not None:
            handler.responses = {handler.status_code: ResponseSpec(kind, generate_examples=False, description="Done.")}
    found: OpenAPI = app.openapi_schema
    used: set[str] = set()
    for route, handler, method in _handlers(app):
        assert found.paths is not None
        operation = getattr(found.paths[route.path_format], method)
        _complete(operation, route.path_parameters, handler)
        used.update(operation.tags or ())
    assert isinstance(found.components, Components) and found.components.schemas is not None
    for schema in found.components.schemas.values():
        if isinstance(schema.default, msgspec.Struct):
            schema.default = None  # the default body of a handler
    found.components.schemas = dict(sorted({**found.components.schemas, "Problem": _PROBLEM}.items()))
    found.tags = [Tag(name, text or None) for name, text in _TAGS.items() if name in used]
    plain = found.to_schema()
    for route, handler, method in _handlers(app):
        if (scope := scope_of(handler)) is not None:
            plain["paths"][route.path_format][method]["x-scope"] = scope
        if (query := handler.opt.get("query")) is not None:
            plain["paths"][route.path_format][method]["x-query"] = query
    return plain


def reads_body(handler: HTTPRouteHandler) -> bool:
    """Whether a route has a body to document."""
    return "data" in handler.parsed_fn_signature.parameters or _DESCRIBED in (handler.dependencies or {})


def scope_of(handler: HTTPRouteHandler) -> str | None:
    """The scope a route needs.

    Tracking routes check it without the guard: the key may be in the body."""
    scope: str | None = handler.opt.get("scope")
    return "write" if scope is None and "Tracking" in (handler.tags or ()) else scope


def operation_id(handler: HTTPRouteHandler, method: Any, path: Any) -> str:
    """The operation id of a route, from its function's name: list_keys becomes listKeys."""
    first, *rest = handler.handler_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="TinyCDP",
        version=__version__,
        description=_INTRODUCTION,
        license=License("Apache-2.0", identifier="Apache-2.0"),
        operation_id_creator=operation_id,
        use_handler_docstrings=True,
        components=Components(
            responses={name: _problem(status, text) for status, (name, text) in _PROBLEMS.items()},
            security_schemes={
                "bearer": SecurityScheme("http", scheme="bearer", description="An API key."),
                "basic": SecurityScheme("http", scheme="basic", description="The key as user name, no password."),
                "header": SecurityScheme("apiKey", security_scheme_in="header", name="X-API-Key"),
            },
        ),
    )


def _handlers(app: Litestar) -> Iterator[tuple[HTTPRoute, HTTPRouteHandler, str]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    for method in _METHODS:
                        if method.upper() in handler.http_methods:
                            yield route, handler, method


def _documented(field: FieldDefinition) -> Documented | None:
    return next((one for one in field.metadata if isinstance(one, Documented)), None)


def _shown(struct: type, name: str, hint: Any) -> Any:
    """The type as which a field, inherited or not, is shown."""
    return next((_SHOWN[base, name] for base in struct.__mro__ if (base, name) in _SHOWN), hint)


def _default(field: Any) -> Any:
    if field.default_factory in (list, dict, tuple):
        return field.default_factory()
    plain = isinstance(field.default, str | int | float | bool) and field.default != ""
    return field.default if plain else Empty


def _only_choice(shown: Schema | Reference) -> Schema | Reference:
    """The type of a field when present: the only member that a union with UNSET has left."""
    if isinstance(shown, Schema) and shown.one_of and len(shown.one_of) == 1:
        return shown.one_of[0]
    return shown


_BOUNDS = {"ge": "minimum", "gt": "exclusive_minimum", "le": "maximum", "lt": "exclusive_maximum", "pattern": "pattern"}


def _constrain(schema: Schema, fields: Any) -> None:
    """Add the bounds that msgspec checks."""
    for field in fields:
        shown = (schema.properties or {})[field.encode_name]
        if not isinstance(shown, Schema):
            continue
        for name, meant in _BOUNDS.items():
            if (bound := getattr(field.type, name, None)) is not None:
                setattr(shown, meant, bound)
        what = "items" if shown.type == OpenAPIType.ARRAY else "length"
        for side in ("min", "max"):
            if (bound := getattr(field.type, f"{side}_length", None)) is not None:
                setattr(shown, f"{side}_{what}", bound)


def _distinguish(schema: Schema, information: Any) -> None:
    """Add the field that tells the structs of a union apart: msgspec has it beside the others."""
    if (tag := getattr(information, "tag", None)) is not None:
        shown = Schema(type=OpenAPIType.STRING, enum=[tag])
        schema.properties = {information.tag_field: shown, **(schema.properties or {})}
        schema.required = [information.tag_field, *(schema.required or ())]


def _explain(schema: Schema, struct: type) -> None:
    """Move lines `name  text` of the docstrings to the descriptions of their fields."""
    properties = schema.properties or {}
    snake = {_CAPITAL.sub(lambda found: "_" + found[0].lower(), name): name for name in properties}
    by_field: dict[str, list[str]] = {}
    rest: list[str] = []
    here = rest
    for line in "\n\n".join(filter(None, _docstrings(struct))).splitlines():
        words = line.strip()
        if (found := _FIELD.match(line)) and set(found[1].split(", ")) <= snake.keys():
            here, words = by_field.setdefault(found[1], []), found[2]
        elif not words:
            here = rest
        here.append(_SNAKE.sub(lambda name: snake.get(name[0], name[0]), words))
    for names, lines in by_field.items():
        for name in names.split(", "):
            shown = properties[snake[name]]
            if isinstance(shown, Reference):
                shown = properties[snake[name]] = Schema(all_of=[shown])
            shown.description = " ".join(lines)
    schema.description = "\n".join(rest).strip() or None


def _docstrings(struct: type) -> Iterator[str]:
    """The docstrings of a struct and of its bases."""
    for base in struct.__mro__:
        words = base.__dict__.get("__doc__") or ""
        # A dataclass without a docstring has its signature instead.
        if base not in (msgspec.Struct, object) and not words.startswith(f"{base.__name__}("):
            yield inspect.cleandoc(words)


def _complete(
    operation: Operation, path_parameters: dict[str, PathParameterDefinition], handler: HTTPRouteHandler
) -> None:
    """Add scope, key, example and errors to an operation."""
    scope, opt = scope_of(handler), handler.opt
    words = [operation.description or ""]
    operation.parameters = operation.parameters or []
    operation.security = [{"bearer": []}, {"basic": []}, {"header": []}] if scope else []
    if scope:
        words.append("Needs a key, with any scope." if scope == ANY_SCOPE else f"Needs a key with the scope `{scope}`.")
    operation.description = "\n\n".join(filter(None, words)) or None
    if opt.get("takes_file"):
        operation.request_body = RequestBody({"application/octet-stream": OpenAPIMediaType(Schema())}, required=True)
    body = operation.request_body
    if body is not None and not isinstance(body, Reference):
        field = handler.parsed_fn_signature.parameters.get("data")
        body.required = field is None or not field.has_default
        if (example := opt.get("example")) is not None:
            body.content["application/json"].example = example
    responses = operation.responses or {}
    done = responses[str(handler.status_code)]
    if isinstance(done, OpenAPIResponse):
        done.description = "Done."
        if media := opt.get("media"):
            done.content = {one.split(";")[0]: OpenAPIMediaType(Schema(type=OpenAPIType.STRING)) for one in media}
        done.headers = done.headers or None
        for status, meaning in opt.get("also", {}).items():
            content = None if status >= 300 else done.content
            responses[str(status)] = OpenAPIResponse(meaning[0].upper() + meaning[1:] + ".", content=content)
    for status in _errors(path_parameters, handler, has_body=body is not None):
        responses.setdefault(status, Reference(f"#/components/responses/{_PROBLEMS[status][0]}"))
    responses["400"] = Reference("#/components/responses/BadRequest")
    operation.responses = dict(sorted(responses.items()))


def _errors(
    path_parameters: dict[str, PathParameterDefinition], handler: HTTPRouteHandler, *, has_body: bool
) -> Iterator[str]:
    """The error statuses of a route besides 400."""
    tags = set(handler.tags or ())
    if scope_of(handler):
        yield from ("401", "403", "503")
    if path_parameters or "flag" in handler.parsed_fn_signature.parameters:
        yield "404"
    if has_body:
        yield "413"
    if tags & {"Tracking", "Export"}:
        yield "429"
    if "Definitions" in tags and handler.http_methods & {"POST", "PUT", "DELETE"}:
        yield "409"
    if "Operation" in tags or "media" in handler.opt:
        yield "503"


def _problem(status: str, text: str) -> OpenAPIResponse:
    headers: dict[str, Any] = {}
    if status in {"429", "503"}:
        headers["Retry-After"] = OpenAPIHeader(Schema(type=OpenAPIType.INTEGER), description="seconds")
    if status == "401":
        headers["WWW-Authenticate"] = OpenAPIHeader(Schema(type=OpenAPIType.STRING))
    content = {"application/json": OpenAPIMediaType(Reference("#/components/schemas/Problem"))}
    return OpenAPIResponse(text, headers=headers or None, content=content)


_TEXT = Schema(type=OpenAPIType.STRING)
_PROBLEM = Schema(
    type=OpenAPIType.OBJECT,
    title="Problem",
    description="The body of every error. Some have more fields, such as `diagnostics`, `usedBy` or `path`.",
    properties={
        "success": Schema(type=OpenAPIType.BOOLEAN, const=False),
        "code": _TEXT,
        "message": _TEXT,
        "error": _TEXT,
    },
    required=["success", "code", "message", "error"],
)
