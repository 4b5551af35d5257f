"""The HTTP application: all routes, their guards, dependencies and error handlers.

Shape   litestar(lifespan) → the routes; fast_lanes(litestar) → the routes behind the lanes that answer from memory
Laws    routes translate; they decide nothing. All errors are answered by errors.HANDLERS
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from tinycdp.api.decisions.fast_lane import FAILED, fast_lane, key_of
from tinycdp.api.decisions.profile_query import provide_profile_query
from tinycdp.api.definitions.editing import provide_editing
from tinycdp.api.definitions.workspaces import provide_workspace
from tinycdp.api.http import auth
from tinycdp.api.http.access_log import logged
from tinycdp.api.http.bodies import BODY_LIMIT, punctual
from tinycdp.api.http.compression import gzipped
from tinycdp.api.http.errors import HANDLERS
from tinycdp.api.http.openapi import Schemas
from tinycdp.api.http.params import check_address, check_no_body
from tinycdp.api.http.requests import ExactRequest, with_encoded_slashes
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.ofrep import routes as ofrep
from tinycdp.api.operations.routes import STARTED, count_request
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED, GUARDED, OPEN, PAGES
from tinycdp.errors import TinyCDPError
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.processes import report_to_parent

log = logging.getLogger(__name__)

#: The parts that handlers may use, by the names of their parameters.
PARTS = (
    "bulk",
    "catalogs",
    "profile_loader",
    "decision_service",
    "erasures",
    "event_streams",
    "exports",
    "lists",
    "local_snapshots",
    "exposures",
    "imports",
    "ingest",
    "keyring",
    "merges",
    "metrics",
    "mirror",
    "now",
    "past",
    "pipeline",
    "plans",
    "pool",
    "previews",
    "privacy",
    "change_streams",
    "registry",
    "screening",
    "seen_properties",
    "snapshots",
    "event_names",
)

Connection = ASGIConnection[Any, Any, Any, Any]

_CORS = CORSConfig(
    allow_origins=["*"],
    expose_headers=[
        "ETag",
        "Retry-After",
        "X-As-Of",
        "X-Valid-For",
        "X-Row-Count",
        "X-Warnings",
        "Content-Disposition",
    ],
    max_age=86_400,
)


_FAST_HEADERS = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]


# One guard for each kind of route. They are coroutines, because the framework calls plain functions in a thread.


async def _admit(connection: Connection, handler: BaseRouteHandler) -> None:
    auth.admit(connection, handler)


async def _check(connection: Connection, handler: BaseRouteHandler) -> None:
    check_address(connection, handler)
    if isinstance(connection, ExactRequest):
        await check_no_body(connection, handler)


async def _admit_and_check(connection: Connection, handler: BaseRouteHandler) -> None:
    auth.admit(connection, handler)
    failure: Any = connection.scope.get(FAILED)
    if failure is not None:
        raise failure
    await _check(connection, handler)


class _Application(Litestar):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        timely = punctual(receive) if scope["type"] == ScopeType.HTTP else receive
        await super().__call__(with_encoded_slashes(scope), timely, send)


def litestar(
    lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]],
    product_routes: Sequence[BaseRouteHandler] = (),
    product_parts: Sequence[str] = (),
    open_routes: Sequence[BaseRouteHandler] = (),
    pages: Sequence[BaseRouteHandler] = (),
) -> Litestar:
    """The application; its lifespan keeps the parts of its handlers in `state.parts`.

    product_routes, product_parts  guarded routes of products, and the names of the parts that they use
    open_routes, pages  routes of products that need no key, and their pages"""

    def provider(name: str) -> Callable[[], Any]:
        return lambda: getattr(application.state.parts, name)

    def environment_of_key(request: Request[Any, Any, Any]) -> Environment:
        found: Environment = application.state.parts.environment(request.auth.environment_id)
        return found

    application = _Application(
        [
            Router("/", route_handlers=[*FOREIGN, *PAGES, *pages]),
            Router("/", route_handlers=FOREIGN_GUARDED, guards=[_admit]),
            Router("/", route_handlers=[*OPEN, *open_routes], guards=[_check], middleware=[gzipped]),
            Router("/", route_handlers=[*GUARDED, *product_routes], guards=[_admit_and_check], middleware=[gzipped]),
        ],
        lifespan=[lifespan],
        request_class=ExactRequest,
        response_class=ExactResponse,
        plugins=[Schemas()],
        dependencies={
            "actor": Provide(auth.provide_actor, sync_to_thread=False),
            "environment": Provide(environment_of_key, sync_to_thread=False),
            "editing": Provide(provide_editing, sync_to_thread=False),
            "profile_query": Provide(provide_profile_query, sync_to_thread=False),
            "workspace": Provide(provide_workspace),
            **{name: Provide(provider(name), sync_to_thread=False) for name in (*PARTS, *product_parts)},
        },
        exception_handlers=HANDLERS,
        cors_config=_CORS,
        request_max_body_size=BODY_LIMIT,
        # openapi.py makes the document on request; the framework's own pages load scripts from other hosts.
        openapi_config=None,
        before_send=[count_request],
        logging_config=None,
    )
    _provide_one_after_another(application)
    return application


def _provide_one_after_another(application: Litestar) -> None:
    """Run providers one after another.

    They return at once, and the framework's task for each costs more."""
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            for _, model in route.route_handler_map.values():
                model.dependency_batches = [{one} for batch in model.dependency_batches for one in batch]


def fast_lanes(application: Litestar) -> ASGIApp:
    """The routes, behind the lanes that answer from memory."""
    state = application.state

    def key_id(scope: Any) -> int | None:
        key = scope.get("auth") or key_of(state.parts, scope["headers"])
        return None if key is None else key.id

    async def serve(scope: Any, receive: Receive, send: Send) -> None:
        body = None
        if scope["type"] == "lifespan":
            return await _live(application, scope, receive, send)
        if scope["type"] == ScopeType.HTTP:
            if scope["method"] == "GET" and scope["path"] == "/v1/decide":
                body = await fast_lane(state.parts, scope)
            elif scope["method"] == "POST" and scope["path"].startswith(ofrep.PREFIX):
                body, receive = await ofrep.fast_lane(state.parts, scope, receive)
        if body is not None:
            headers = [*_FAST_HEADERS, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        scope[STARTED] = perf_counter()  # the lanes measure what they answer themselves
        await application(scope, receive, send)

    return logged(serve, key_id) if state.settings.access_log else serve


async def _live(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop the application; a failure is one line of the log, and the server ends the process."""

    async def without_traceback(message: Any) -> None:
        await send({"type": message["type"]} if message["type"].endswith(".failed") else message)

    try:
        await application(scope, receive, without_traceback)
    except (Exception, asyncio.CancelledError) as failure:
        cause: BaseException = failure
        while isinstance(cause, BaseExceptionGroup):  # the framework's task group
            cause = cause.exceptions[0]
        if isinstance(cause, asyncio.CancelledError):
            os._exit(0)  # a request to stop before it has started: nothing was accepted, and nothing has failed
        if isinstance(cause, TinyCDPError):
            log.error("%s [%s]", cause.message, cause.code)
            report_to_parent(f"{cause.message} [{cause.code}]")
        else:
            log.error("the application cannot start or stop", exc_info=failure)
            report_to_parent(f"{type(cause).__name__}: {cause}")
