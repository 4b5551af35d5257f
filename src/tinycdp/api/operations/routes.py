"""For machines that watch this one: is it alive, is it ready, what does it count.

Shape   /healthz · /readyz · /metrics, none of which needs a key; count_request is the application's hook before sending
Laws    alive while the process can answer at all; ready while it can do everything, the database included. A process
        that is not ready still decides for the people it knows
Source  docs/reference/operations.md
"""

import asyncio
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.enums import ScopeType
from litestar.types import Message, Scope

from tinycdp.api.http.exchange import answer, route_of
from tinycdp.errors import Unavailable
from tinycdp.runtime.metrics import CONTENT_TYPE, Gauge
from tinycdp.runtime.service import Service
from tinycdp.store import messages as store
from tinycdp.store.pool import acquired

_PATIENCE_SECONDS = 2.0


class Health(msgspec.Struct):
    status: str = "ok"


class Readiness(msgspec.Struct):
    """environments: how many this process serves."""

    ready: bool
    environments: int


@get(
    "/healthz",
    operation_id="health",
    summary="Whether the process lives",
    tags=["Operation"],
    answer=Health,
)
async def health() -> Response[bytes]:
    return answer(Health())


@get(
    "/readyz",
    operation_id="readiness",
    summary="Whether it can do everything: definitions loaded, database there",
    tags=["Operation"],
    answer=Readiness,
)
async def readiness(request: Request[Any, Any, Any]) -> Response[bytes]:
    service: Service = request.app.state.service
    if service.snapshots.away:
        raise Unavailable("DATABASE_AWAY", "The database cannot be reached; try again shortly.", ready=False)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), acquired(service.pool) as connection:
            await connection.fetchval("SELECT 1")
    except (TimeoutError, Unavailable) as away:
        raise Unavailable("DATABASE_AWAY", "The database does not answer; try again shortly.", ready=False) from away
    return answer(Readiness(True, len(service.catalogs)))


@get(
    "/metrics",
    operation_id="metrics",
    summary="Counters for Prometheus",
    tags=["Operation"],
    media=(CONTENT_TYPE,),
)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    service: Service = request.app.state.service
    gauges: list[Gauge] = [
        ("tinycdp_ingest_waiting", "Messages waiting to be stored.", service.ingest.waiting),
        ("tinycdp_exposures_waiting", "Exposures waiting to be stored.", service.exposures.waiting),
        ("tinycdp_cached_profiles", "Profiles in memory.", len(service.snapshots)),
        ("tinycdp_database_away", "1 while the database cannot be reached.", float(service.snapshots.away)),
        ("tinycdp_streams", "Event streams held open.", len(service.pushes)),
        ("tinycdp_streams_told", "Events sent over them since the process began.", service.pushes.told),
        ("tinycdp_exports_running", "Exports being streamed.", service.exports.running),
    ]
    gauges += await _lag(service)
    return Response(service.metrics.text(gauges), media_type=CONTENT_TYPE)


async def _lag(service: Service) -> list[Gauge]:
    """How far behind the clock the workers are; nothing where the database cannot tell."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), acquired(service.pool) as connection:
            due = [await store.next_due_at(connection, environment) for environment in service.catalogs]
    except (TimeoutError, Unavailable):
        return []
    now = service.now()
    late = max((now - at for at in due if at is not None), default=0)
    return [("tinycdp_wakeup_lag_seconds", "How long the most overdue wake-up waits.", max(late, 0) / 1000)]


async def count_request(message: Message, scope: Scope) -> None:
    """Count an answer by its route, as it goes out."""
    if message["type"] == "http.response.start" and scope["type"] == ScopeType.HTTP:
        app: Litestar = scope["litestar_app"]
        app.state.service.metrics.requests[scope["method"], route_of(scope), str(message["status"])] += 1


ROUTES = [health, readiness, metrics]
