"""Names in addresses, any of them: what is percent-encoded is part of the name, a slash too.

Shape   kept(scope) goes to the router, NamedRequest.path_params to the handlers
Laws    whatever text is percent-encoded whole between two slashes of an address arrives as it was. The router sees an
        encoded slash as "%2F", so that it is none to it; handlers get what the raw address says
Source  ASGI's `path` is decoded, so that "a%2Fb" and "a/b" are one there; `raw_path` is not
"""

from typing import Any
from urllib.parse import unquote

from litestar import Request
from litestar.types import Scope


def kept(scope: Scope) -> Scope:
    """The scope, in whose path encoded slashes are none."""
    raw = _raw(scope)
    if raw is None:
        return scope
    return {**scope, "path": "/".join(unquote(part).replace("/", "%2F") for part in raw.split("/"))}  # type: ignore[return-value]


class NamedRequest(Request[Any, Any, Any]):
    """A request whose parameters in its address are as its client named them."""

    @property
    def path_params(self) -> dict[str, Any]:
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


def _raw(scope: Scope) -> str | None:
    """The raw address, where it holds an encoded slash."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.decode("latin-1") if b"%2f" in raw.lower() else None
