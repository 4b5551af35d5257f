"""The composition root: settings → parts → application.

Shape   create_app() is what the server runs: an ASGI application that takes the fast lanes where it can
"""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from tinycdp.api.application import litestar
from tinycdp.api.decisions import routes as decisions
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.api.ofrep import routes as ofrep
from tinycdp.runtime.processes import also_on_stop
from tinycdp.runtime.service import Service
from tinycdp.settings import Settings, load

_FAST_HEADERS = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application, by default for the settings of the environment."""
    chosen = settings if settings is not None else load(os.environ)
    return fast_lanes(create_litestar(chosen))


def create_litestar(settings: Settings) -> Litestar:
    """The routes with their parts, which live as long as the application."""

    @asynccontextmanager
    async def serving(app: Litestar) -> AsyncIterator[None]:
        parts = app.state.parts = app.state.service = await Service.start(settings)
        parts.imports.start(PARSE)
        also_on_stop(parts.leave)
        _collect_seldom()
        try:
            yield
        finally:
            await parts.stop()

    application = litestar(serving, lambda name: getattr(application.state.parts, name))
    return application


def fast_lanes(application: Litestar) -> ASGIApp:
    """The routes, behind the lanes that answer from memory."""
    state = application.state

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        body = None
        if scope["type"] == ScopeType.HTTP:
            if scope["method"] == "GET" and scope["path"] == "/v1/decide":
                body = decisions.fast_lane(state.parts, scope)
            elif scope["method"] == "POST" and scope["path"].startswith(ofrep.PREFIX):
                body, receive = await ofrep.fast_lane(state.parts, scope, receive)
        if body is not None:
            headers = [*_FAST_HEADERS, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        await application(scope, receive, send)

    return serve


def _collect_seldom() -> None:
    """Look for garbage cycles seldom: there are hardly any here, and walking a full cache of snapshots to find none
    would hold up every decision."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
