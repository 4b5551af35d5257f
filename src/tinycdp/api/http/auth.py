"""Authentication: the API key of a request, wherever the client puts it.

Shape   presented(request) finds the key, recognise(…) checks it; a route names the scope it needs with
        `scope="admin"`
Laws    the first form that is present counts, so that a masked key in a body never overrides the header
Errors  Unauthenticated INVALID_KEY · Forbidden MISSING_SCOPE
"""

import base64
import binascii
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from tinycdp.errors import Forbidden, Unauthenticated
from tinycdp.runtime.access.actor import Actor, actor_of
from tinycdp.runtime.access.keys import Key, Keyring

_FORMS = "send it as `Authorization: Bearer <key>`, as `X-API-Key`, or as the user name of Basic"


def text_of_header(authorization: str) -> str:
    """The key in an Authorization header: Bearer, or Basic with the key as user name."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                # Some clients omit the padding; more than needed does no harm.
                name = base64.b64decode(value.strip() + "==", validate=False).decode()
            except (binascii.Error, ValueError):
                return ""
            return name.partition(":")[0]
        case _:
            return ""


def presented(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The key in a request's headers or query, None if absent."""
    text = in_headers(connection)
    return text if text is not None else connection.query_params.get("writeKey")


def in_headers(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The key in a request's headers, None if absent."""
    headers = connection.headers
    if (authorization := headers.get("authorization")) is not None:
        return text_of_header(authorization)
    for name in ("x-api-key", "x-write-key"):
        if (text := headers.get(name)) is not None:
            return text
    return None


def recognise(keyring: Keyring, text: str | None, scope: str) -> Key:
    """The key with this text.

    Raises Unauthenticated if unknown, Forbidden if it lacks the scope."""
    if not text:
        raise Unauthenticated("MISSING_KEY", f"This needs an API key: {_FORMS}.")
    key = keyring.find(text)
    if key is None and ":" in text:
        # Jitsu's clients only accept keys with a colon: the key is on one side of it, and the other side is ignored.
        key = next(filter(None, map(keyring.find, reversed(text.split(":", 1)))), None)
    if key is None:
        # RudderStack's mobile SDKs stop and report the reason when they read "invalid write key".
        which = "write" if scope == "write" else "API"
        message = f"Invalid {which} key: there is no such key on this server, or it was revoked. Check it for typos."
        raise Unauthenticated("INVALID_KEY", message)
    allow(key, scope)
    return key


def allow(actor: Actor | Key, scope: str) -> None:
    """Raises Forbidden unless the scope is granted."""
    if not actor.may(scope):
        has = ", ".join(sorted(actor.scopes))
        raise Forbidden("MISSING_SCOPE", f"This needs a key with the scope {scope!r}; this one has only {has}.")


def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of a route with `scope="admin"`.

    Raises unless the request has a key with that scope."""
    scope = handler.opt.get("scope")
    if scope is not None:
        keyring: Keyring = connection.app.state.parts.keyring
        connection.scope["auth"] = recognise(keyring, presented(connection), scope)


def provide_actor(request: Request[Any, Any, Any]) -> Actor:
    """The actor of the key that the guard admitted."""
    return actor_of(request.auth)
