"""Requests with exact numbers, and with any text in the parts of their path.

Shape   ExactRequest.json() returns a handler's `data`, as the type that the handler declares
        host_of(request), scheme_of(request): the address by which a client reached the server
        with_encoded_slashes(scope) goes to the router, so that an encoded slash is part of a name
Laws    numbers are exact. No text reaches Postgres that it cannot store. An unknown field is an error.
        Any text that is percent-encoded between two slashes of a path arrives unchanged. The router sees an encoded
        slash as "%2F", so it does not split there; handlers get the decoded text of the raw path
Errors  InvalidInput INVALID_JSON, with the byte · INVALID_BODY, with the field · TooLarge BODY_TOO_LARGE
Source  ASGI's `path` is decoded, so "a%2Fb" and "a/b" are equal in it; `raw_path` is not
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
    """A request with exact decimals, a strictly checked body, and unchanged names in its path."""

    async def body(self) -> bytes:
        """The raw body; raises InvalidInput if it is empty and the handler needs one."""
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
        """The parameters in the path, decoded."""
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


def host_of(request: Request[Any, Any, Any]) -> str:
    """The host that the client called."""
    return request.headers.get("host") or request.url.netloc


def scheme_of(request: Request[Any, Any, Any]) -> str:
    """The scheme that the client used, also behind a proxy that ends TLS."""
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return forwarded if forwarded in {"http", "https"} else request.url.scheme


def read_object(raw: bytes, content_encoding: str | None) -> dict[str, Any]:
    """The JSON object of a body."""
    found = decode_json(read_body(raw, content_encoding))
    if type(found) is not dict:
        raise InvalidInput(BodyFault.INVALID_BODY, "The body must be a JSON object.")
    return found


def read_as(document: dict[str, Any], kind: type[T]) -> T:
    """The document as a struct; raises InvalidInput with the field that is wrong."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        path, what = in_words(wrong, kind, document)
        raise InvalidInput(BodyFault.INVALID_BODY, f"{path}: {what}", path=path) from None


def with_encoded_slashes(scope: Scope) -> Scope:
    """The scope with "%2F" for each encoded slash in its path."""
    raw = _raw(scope)
    if raw is None:
        return scope
    return {**scope, "path": "/".join(unquote(part).replace("/", "%2F") for part in raw.split("/"))}  # type: ignore[return-value]


def _raw(scope: Scope) -> str | None:
    """The raw path if it contains an encoded slash, else None."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1") if b"%2f" in raw.lower() else None
