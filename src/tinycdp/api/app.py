"""The HTTP service: every route on one page, and what surrounds them.

Shape   create_app() is what the server runs: an ASGI application that takes the fast lane where it can
Laws    routes translate; they decide nothing. All errors leave through HANDLERS
"""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from tinycdp.api.decisions import ofrep
from tinycdp.api.decisions import routes as decide
from tinycdp.api.http import addresses, auth
from tinycdp.api.http.bodies import BODY_LIMIT
from tinycdp.api.http.errors import HANDLERS
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.api.operations.routes import count_request
from tinycdp.api.routes import GUARDED, OPEN
from tinycdp.runtime.processes import also_on_stop
from tinycdp.runtime.service import Service
from tinycdp.settings import Settings, load

_CORS = CORSConfig(
    allow_origins=["*"],
    expose_headers=["ETag", "Retry-After", "X-As-Of", "Content-Disposition"],
    max_age=86_400,
)
_FAST_HEADERS = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application, for the settings of the environment where none are given."""
    chosen = settings if settings is not None else load(os.environ)
    return fast_lanes(create_litestar(chosen))


def fast_lanes(litestar: Litestar) -> ASGIApp:
    """The routes, behind the lanes that answer from memory."""
    state = litestar.state

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = None
        if scope["type"] == ScopeType.HTTP:
            if scope["method"] == "GET" and scope["path"] == "/v1/decide":
                body = decide.fast_lane(state.service, scope)
            elif scope["method"] == "POST" and scope["path"].startswith(ofrep.PREFIX):
                body, receive = await ofrep.fast_lane(state.service, scope, receive)
        if body is not None:
            headers = [*_FAST_HEADERS, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        await litestar(scope, receive, send)

    return application


def _calm_collector() -> None:
    """Look for garbage cycles seldom: there are hardly any here, and walking a full cache of snapshots to find none
    would hold up every decision."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Application(Litestar):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(addresses.kept(scope), receive, send)


def create_litestar(settings: Settings) -> Litestar:
    """The routes with their service, which lives as long as the application."""

    @asynccontextmanager
    async def serving(app: Litestar) -> AsyncIterator[None]:
        app.state.service = await Service.start(settings)
        app.state.service.imports.start(PARSE)
        also_on_stop(app.state.service.leave)
        _calm_collector()
        try:
            yield
        finally:
            await app.state.service.stop()

    return _Application(
        [*OPEN, Router("/", route_handlers=GUARDED, guards=[auth.guard])],
        lifespan=[serving],
        request_class=addresses.NamedRequest,
        dependencies={"key": Provide(auth.provide_key, sync_to_thread=False)},
        exception_handlers=HANDLERS,
        cors_config=_CORS,
        request_max_body_size=BODY_LIMIT,
        # The document and its page are our own (reference.py): Litestar's pages load their scripts from elsewhere.
        openapi_config=None,
        before_send=[count_request],
        logging_config=None,
    )
