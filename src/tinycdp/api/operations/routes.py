"""Routes for monitoring: health, readiness, metrics.

Shape   /healthz · /readyz · /metrics, without a key; count_request is the application's hook before a response is sent
Laws    a process is healthy while it answers; it is ready while it can do everything, the database included. A process
        that is not ready still decides for the profiles in its memory
Source  docs/reference/operations.md
"""

import asyncio
from time import perf_counter

from litestar import Litestar, Response, get
from litestar.enums import ScopeType
from litestar.types import Message, Scope

from tinycdp.api.http.auth import REDEEMED
from tinycdp.api.http.params import route_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.operations.schemas import Health, Readiness
from tinycdp.errors import Unavailable
from tinycdp.model import Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStreams
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.metrics import CONTENT_TYPE, LATENCY, Gauge, LabelledGauge, Metrics
from tinycdp.runtime.outbox import lags
from tinycdp.runtime.transfer.export import Exports
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Pool, acquired

_PATIENCE_SECONDS = 2.0
#: Where a request's scope keeps when it began.
STARTED = "tinycdp.started"


@get(
    "/healthz",
    summary="Whether the process is running",
    tags=["Operation"],
)
async def health() -> Health:
    return Health()


@get(
    "/readyz",
    summary="Whether the process is ready: definitions loaded, database reachable",
    tags=["Operation"],
)
async def readiness(pool: Injected[Pool], snapshots: Injected[Snapshots], catalogs: Injected[Catalogs]) -> Readiness:
    if snapshots.away:
        raise Unavailable("DATABASE_AWAY", "The database cannot be reached; try again shortly.", ready=False)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), acquired(pool) as connection:
            await connection.fetchval("SELECT 1")
    except (TimeoutError, Unavailable) as away:
        raise Unavailable("DATABASE_AWAY", "The database does not answer; try again shortly.", ready=False) from away
    return Readiness(True, len(catalogs))


@get(
    "/metrics",
    summary="Counters for Prometheus",
    tags=["Operation"],
    media=(CONTENT_TYPE,),
)
async def metrics(
    pool: Injected[Pool],
    catalogs: Injected[Catalogs],
    snapshots: Injected[Snapshots],
    ingest: Injected[Ingest],
    exposures: Injected[Exposures],
    change_streams: Injected[ChangeStreams],
    exports: Injected[Exports],
    metrics: Injected[Metrics],
    now: Injected[Clock],
) -> Response[bytes]:
    gauges: list[Gauge] = [
        ("tinycdp_ingest_waiting", "Messages waiting to be stored.", ingest.waiting),
        ("tinycdp_exposures_waiting", "Exposures waiting to be stored.", exposures.waiting),
        ("tinycdp_cached_profiles", "Profiles in memory.", len(snapshots)),
        ("tinycdp_database_away", "1 while the database cannot be reached.", float(snapshots.away)),
        ("tinycdp_streams", "Open event streams.", len(change_streams)),
        (
            "tinycdp_stream_changes_sent",
            "Changes sent over them since the process started.",
            change_streams.changes_sent,
        ),
        ("tinycdp_exports_running", "Exports in progress.", exports.running),
    ]
    gauges += await _lag(pool, catalogs, now())
    labelled = [*await _outbox(pool, now()), *await _of_products(metrics)]
    return Response(metrics.text(gauges, labelled), media_type=CONTENT_TYPE)


async def _lag(pool: Pool, catalogs: Catalogs, now: Instant) -> list[Gauge]:
    """How far behind the clock the workers are; empty if the database does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), acquired(pool) as connection:
            due = [await profile_store.next_due_at(connection, environment) for environment in catalogs]
    except (TimeoutError, Unavailable):
        return []
    late = max((now - at for at in due if at is not None), default=0)
    return [("tinycdp_wakeup_lag_seconds", "How long the most overdue wake-up has waited.", max(late, 0) / 1000)]


async def _outbox(pool: Pool, now: Instant) -> list[LabelledGauge]:
    """How far behind each consumer of the outbox is; empty if the database does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), acquired(pool) as connection:
            found = {(lag.environment, lag.consumer): lag for lag in await lags(connection, now)}
    except (TimeoutError, Unavailable):
        return []
    labels = ("environment", "consumer")
    return [
        (
            "tinycdp_outbox_lag_rows",
            "Committed changes a consumer has not read, at most 100,000.",
            labels,
            {names: lag.rows for names, lag in found.items()},
        ),
        (
            "tinycdp_outbox_lag_seconds",
            "Age of the oldest of these changes.",
            labels,
            {names: lag.seconds for names, lag in found.items()},
        ),
        (
            "tinycdp_outbox_lapsed",
            "1 for a consumer that fell too far behind and has to register again.",
            labels,
            {names: float(lag.lapsed) for names, lag in found.items()},
        ),
    ]


async def _of_products(metrics: Metrics) -> list[LabelledGauge]:
    """What products measure; empty if the database does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return [gauge for source in metrics.sources for gauge in await source()]
    except (TimeoutError, Unavailable):
        return []


async def count_request(message: Message, scope: Scope) -> None:
    """Count a response by its route, with its latency, before it is sent."""
    if REDEEMED in scope:
        return  # a part of the request that is counted
    if message["type"] == "http.response.start" and scope["type"] == ScopeType.HTTP:
        app: Litestar = scope["litestar_app"]
        metrics: Metrics = app.state.parts.metrics
        metrics.requests[scope["method"], route_of(scope), str(message["status"])] += 1
        handler, start = scope.get("route_handler"), scope.get(STARTED)
        if handler is not None and type(start) is float and message["status"] < 400:
            kind = handler.opt.get(LATENCY)
            if kind is not None:
                metrics.latencies[kind].observe(perf_counter() - start)


ROUTES = [health, readiness, metrics]
