"""The HTTP service: every route on one page, and what surrounds them.

Shape   create_app() is what the server runs: an ASGI application that takes the fast lane where it can
Laws    routes translate; they decide nothing. All errors leave through problems.HANDLERS
"""

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from tinycdp.api import (
    addresses,
    admin,
    auth,
    decide,
    definitions,
    explain,
    export,
    exposures,
    groups,
    identity,
    imports,
    language,
    lifecycle,
    limits,
    live,
    ofrep,
    ops,
    people,
    policies,
    posthog,
    preview,
    privacy,
    problems,
    reference,
    registry,
    replay,
    sources,
    switches,
    tracking,
)
from tinycdp.api.wire.body import BODY_LIMIT
from tinycdp.api.wire.history import PARSE
from tinycdp.runtime import clock
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.processes import also_on_stop
from tinycdp.runtime.service import Service
from tinycdp.settings import Settings, load

#: These need no key, or, as tracking does, find it by themselves: it may stand in the body.
OPEN = [*tracking.ROUTES, *sources.ROUTES, *posthog.ROUTES, *ofrep.OPEN_ROUTES, *ops.ROUTES, *reference.ROUTES]

#: These say by `opt={"scope": …}` which scope they need.
GUARDED = [
    *decide.ROUTES,
    *replay.ROUTES,
    *ofrep.ROUTES,
    *people.ROUTES,
    *identity.ROUTES,
    *groups.ROUTES,
    *definitions.ROUTES,
    *lifecycle.ROUTES,
    *preview.ROUTES,
    *switches.ROUTES,
    *policies.ROUTES,
    *privacy.ROUTES,
    *registry.ROUTES,
    *live.ROUTES,
    *exposures.ROUTES,
    *language.ROUTES,
    *explain.ROUTES,
    *export.ROUTES,
    *imports.ROUTES,
    *admin.ROUTES,
    *limits.ROUTES,
]

_CORS = CORSConfig(
    allow_origins=["*"],
    expose_headers=["ETag", "Retry-After", "X-As-Of", "Content-Disposition"],
    max_age=86_400,
)
_FAST_HEADERS = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The application, for the settings of the environment where none are given."""
    chosen = settings if settings is not None else load(os.environ)
    litestar = create_litestar(chosen)
    litestar.on_startup.append(_calm_collector)
    return fast_lanes(litestar)


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
    would hold up every decision. It is a setting of the whole process, and what is frozen is never freed: only a
    process that serves one application until it ends may do this."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Application(Litestar):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(addresses.kept(scope), receive, send)


def create_litestar(settings: Settings, now: Clock = clock.now) -> Litestar:
    """The routes with their service, which starts and stops with the application: by `state.settings` and by the clock
    `state.now`, as they are when it starts."""

    @asynccontextmanager
    async def serving(app: Litestar) -> AsyncIterator[None]:
        app.state.service = await Service.start(app.state.settings, app.state.now)
        app.state.service.imports.start(PARSE)
        also_on_stop(app.state.service.leave)
        try:
            yield
        finally:
            await app.state.service.stop()

    return _Application(
        [*OPEN, Router("/", route_handlers=GUARDED, guards=[auth.guard])],
        lifespan=[serving],
        request_class=addresses.NamedRequest,
        dependencies={"key": Provide(auth.provide_key, sync_to_thread=False)},
        exception_handlers=problems.HANDLERS,
        cors_config=_CORS,
        request_max_body_size=BODY_LIMIT,
        # The document and its page are our own (reference.py): Litestar's pages load their scripts from elsewhere.
        openapi_config=None,
        before_send=[ops.count_request],
        logging_config=None,
        state=State({"settings": settings, "now": now}),
    )
