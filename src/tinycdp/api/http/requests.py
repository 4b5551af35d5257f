"""Requests whose numbers are exact and whose addresses hold any name.

Shape   ExactRequest.json() gives a handler's `data`, as the type the handler declares
        kept(scope) goes to the router, so that an encoded slash is part of a name
Laws    numbers are exact. No text reaches Postgres that it cannot store. An unknown field is an error
        whatever text is percent-encoded whole between two slashes of an address arrives as it was. The router sees an
        encoded slash as "%2F", so that it is none to it; handlers get what the raw address says
Errors  InvalidInput INVALID_JSON, naming the byte · INVALID_BODY, naming the field · TooLarge BODY_TOO_LARGE
Source  ASGI's `path` is decoded, so that "a%2Fb" and "a/b" are one there; `raw_path` is not
"""

from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from litestar import Request
from litestar.types import Scope

from tinycdp.api.http.bodies import BodyFault, decode_json, read_body
from tinycdp.dsl.fields import in_words
from tinycdp.errors import InvalidInput

T = TypeVar("T")


class ExactRequest(Request[Any, Any, Any]):
    """A request that parses decimals, checks its body strictly, and keeps the names in its address."""

    async def body(self) -> bytes:
        """The raw body. An empty one is no JSON, unless the handler can do without."""
        raw = await super().body()
        if not raw and (data := self._data) is not None and not data.has_default:
            decode_json(raw)
        return raw

    async def json(self) -> Any:
        """The body as the type that the handler declares for `data`."""
        document = read_object(await super().body(), self.headers.get("content-encoding"))
        data = self._data
        return document if data is None else read_as(document, data.annotation)

    @property
    def path_params(self) -> dict[str, Any]:
        """The parameters in the address, as the client named them."""
        found: dict[str, Any] = self.scope["path_params"]
        raw = _raw(self.scope)
        if raw is None or not found:
            return found
        template = self.scope["path_template"].split("/")
        parts = dict(zip((part for part in template if part), (part for part in raw.split("/") if part), strict=False))
        return {
            name: unquote(parts.get(f"{{{name}}}", value)) if type(value) is str else value
            for name, value in found.items()
        }

    @property
    def _data(self) -> Any:
        return self.route_handler.parsed_fn_signature.parameters.get("data")


def read_object(raw: bytes, content_encoding: str | None) -> dict[str, Any]:
    """The JSON object of a body."""
    found = decode_json(read_body(raw, content_encoding))
    if type(found) is not dict:
        raise InvalidInput(BodyFault.INVALID_BODY, "The body is a JSON object.")
    return found


def read_as(document: dict[str, Any], kind: type[T]) -> T:
    """The document as a struct."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        path, what = in_words(wrong, kind)
        raise InvalidInput(BodyFault.INVALID_BODY, f"{path}: {what}", path=path) from None


def kept(scope: Scope) -> Scope:
    """The scope, in whose path encoded slashes are none."""
    raw = _raw(scope)
    if raw is None:
        return scope
    return {**scope, "path": "/".join(unquote(part).replace("/", "%2F") for part in raw.split("/"))}  # type: ignore[return-value]


def _raw(scope: Scope) -> str | None:
    """The raw address, if it holds an encoded slash."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1") if b"%2f" in raw.lower() else None
