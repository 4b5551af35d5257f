"""Authentication: the API key of a request, wherever the client puts it.

Shape   presented(request) finds the key, recognise(…) checks it; a route names the scope it needs with
        `scope="admin"`. admit_from(…) is for keys that are found by a signed token
Laws    the first form that is present counts, so that a masked key in a body never overrides the header.
        An expired key is answered as a revoked one
Errors  Unauthenticated INVALID_KEY · Forbidden MISSING_SCOPE, ORIGIN_NOT_ALLOWED
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
from tinycdp.times import iso

#: Where the scope of a request has the Key that an address that opens once was created with.
REDEEMED = "tinycdp.redeemed"

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


def recognise(connection: ASGIConnection[Any, Any, Any, Any], text: str | None, scope: str) -> Key:
    """The key with this text, as the key of this request.

    Raises Unauthenticated if it is unknown or expired, Forbidden if it lacks the scope or is not for this origin."""
    if not text:
        raise Unauthenticated("MISSING_KEY", f"This needs an API key: {_FORMS}.")
    keyring: Keyring = connection.app.state.parts.keyring
    key = keyring.find(text)
    if key is None and ":" in text:
        # Jitsu's clients only accept keys with a colon: the key is on one side of it, and the other side is ignored.
        key = next(filter(None, map(keyring.find, reversed(text.split(":", 1)))), None)
    if key is None:
        # RudderStack's mobile SDKs stop and report the reason when they read "invalid write key".
        message = (
            f"Invalid {_noun(scope)} key: there is no such key on this server, or it was revoked. Check it for typos."
        )
        raise Unauthenticated("INVALID_KEY", message)
    if key.restrictions is not None:
        admit_from(connection, key, scope)
    allow(key, scope)
    keyring.used[key.id] = key.environment_id
    return key


def admit_from(connection: ASGIConnection[Any, Any, Any, Any], key: Key, scope: str) -> None:
    """Raises unless the key may be used now, and from the website that the request comes from."""
    if key.restrictions is None:
        return
    if key.expired(connection.app.state.parts.now()):
        at = iso(key.restrictions.expires_at)
        raise Unauthenticated("INVALID_KEY", f"Invalid {_noun(scope)} key: it expired at {at}. Use its successor.")
    origin = connection.headers.get("origin")
    if not key.restrictions.origins.allow(origin):
        listed = ", ".join(key.restrictions.origins.patterns)
        message = f"This key may not be used by pages of {origin}; it is for {listed}. Add the origin to the key."
        raise Forbidden("ORIGIN_NOT_ALLOWED", message)


def _noun(scope: str) -> str:
    return "write" if scope == "write" else "API"


def allow(actor: Actor | Key, scope: str) -> None:
    """Raises Forbidden unless the scope is granted."""
    if not actor.may(scope):
        has = ", ".join(sorted(actor.scopes))
        raise Forbidden("MISSING_SCOPE", f"This needs a key with the scope {scope!r}; this one has only {has}.")


def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of a route with `scope="admin"`.

    Raises unless the request has a key with that scope."""
    scope = handler.opt.get("scope")
    redeemed: Key | None = connection.scope.get(REDEEMED)  # type: ignore[assignment]
    if redeemed is not None:
        admit_redeemed(connection, handler, redeemed)
    elif scope is not None:
        connection.scope["auth"] = recognise(connection, presented(connection), scope)


def admit_redeemed(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler, key: Key) -> None:
    """Raises unless the route is that of a file which this key may read now, from where the request comes."""
    if not handler.opt.get("downloadable"):
        raise Forbidden("INVALID_DOWNLOAD_LINK", "This address opens no file.")
    admit_from(connection, key, handler.opt["scope"])
    allow(key, handler.opt["scope"])
    connection.scope["auth"] = key


def provide_actor(request: Request[Any, Any, Any]) -> Actor:
    """The actor of the key that the guard admitted."""
    return actor_of(request.auth)
