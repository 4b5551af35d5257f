"""The composition root: settings → parts → application. No other module constructs parts.

Shape   create_app() is what the server runs: the routes, behind the lanes that answer from memory
        open_parts(settings) → Parts, also for `tinycdp import`
        work(settings) is the background worker · open_erasures(pool) is for `tinycdp forget`
Laws    parts start in the order of their dependencies and stop in reverse: accepted requests are answered first, the
        database pool is closed last.
        The HTTP application is imported only by the HTTP process: commands and the worker start without it
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinycdp.api.decisions.answers import DecisionService
from tinycdp.api.decisions.local import LocalSnapshots
from tinycdp.api.ofrep.bulk import Bulk
from tinycdp.model import IdentifierKind
from tinycdp.products import register_products
from tinycdp.runtime import clock
from tinycdp.runtime.access.key_uses import KeyUses
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStreams
from tinycdp.runtime.decisions.decide import ProfileLoader
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.profile_variants import ProfileVariants
from tinycdp.runtime.decisions.session_variants import SessionVariants
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.identity.merges import Merges
from tinycdp.runtime.ingest.event_stream import EventStreams
from tinycdp.runtime.ingest.group_commit import Committed, Ingest
from tinycdp.runtime.ingest.pipeline import Pipeline
from tinycdp.runtime.memory_budget import MemoryBudget
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.metrics_history import MetricsHistory
from tinycdp.runtime.mirror import Mirror
from tinycdp.runtime.outbox import Bell
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.enrichment import Enricher
from tinycdp.runtime.policies.identifier_rules import IdentifierRules, IdentityPolicy, rules_of
from tinycdp.runtime.policies.limits import Limiter
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.privacy.erasure import Eraser
from tinycdp.runtime.processes import also_on_stop
from tinycdp.runtime.schema.editor import SeenPropertiesCache
from tinycdp.runtime.schema.registry import Registry
from tinycdp.runtime.schema.registry_reads import declared
from tinycdp.runtime.schema.screening import Screening
from tinycdp.runtime.schema.tracking_plan import Plans
from tinycdp.runtime.segments.lists import Lists
from tinycdp.runtime.stopping import StopSignals
from tinycdp.runtime.time_travel.as_of import Past
from tinycdp.runtime.time_travel.preview import Previews
from tinycdp.runtime.transfer.export import Exports
from tinycdp.runtime.transfer.import_queue import ImportQueue
from tinycdp.settings import Settings, load
from tinycdp.store.database.migrations import open_migrated
from tinycdp.store.database.pool import Pool, abandon, close_pool

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp

    from tinycdp.products.analytics.service.answering import Analytics
    from tinycdp.products.analytics.service.sql import Sql
    from tinycdp.products.delivery.service import Delivery
    from tinycdp.products.exports.running import ExportRuns
    from tinycdp.products.exports.service import ExportJobs
    from tinycdp.runtime.policies.redis_limits import RedisMeter

register_products()

_WORKER_CONNECTIONS = 4
#: Two batches and a copy of a whole environment, each with a snapshot.
_FEED_CONNECTIONS = 6
#: The log, and the lanes, which use one for a moment each.
_DELIVERY_CONNECTIONS = 6
#: For a moment each: an export reads on a connection of its own.
_EXPORT_CONNECTIONS = 2


@dataclass
class Parts:
    """The parts of one HTTP process.

    A handler names the parts it needs; `now` is the process's clock."""

    settings: Settings
    pool: Pool
    now: Clock
    metrics: Metrics
    metrics_history: MetricsHistory
    catalogs: Catalogs
    snapshots: Snapshots
    keyring: Keyring
    key_uses: KeyUses
    policies: Policies
    privacy: Privacy
    profile_loader: ProfileLoader
    session_variants: SessionVariants
    exposures: Exposures
    decision_service: DecisionService
    change_streams: ChangeStreams
    registry: Registry
    plans: Plans
    screening: Screening
    event_streams: EventStreams
    outbox: Bell
    mirror: Mirror
    bulk: Bulk
    local_snapshots: LocalSnapshots
    event_names: EventNames
    seen_properties: SeenPropertiesCache
    memory_budget: MemoryBudget
    shared: "RedisMeter | None"
    limiter: Limiter
    pipeline: Pipeline
    ingest: Ingest
    merges: Merges
    erasures: Eraser
    lists: Lists
    exports: Exports
    imports: ImportQueue
    past: Past
    previews: Previews
    analytics: "Analytics"
    analytics_sql: "Sql"
    delivery: "Delivery"
    export_jobs: "ExportJobs"

    def environment(self, id: int) -> Environment:
        """An environment, as this process serves it."""
        return Environment(id, self.pool, self.now)

    async def start(self) -> None:
        """Listen for changes in the database, then start the background writers."""
        await self.mirror.start()
        self.key_uses.start()
        self.metrics_history.start()
        self.exposures.start()
        self.registry.start()
        self.event_streams.start()
        self.change_streams.start()

    def leave(self) -> None:
        """End all event streams, which never end by themselves, and open no new ones."""
        self.change_streams.leave()
        self.event_streams.end_all()

    async def stop(self) -> None:
        """Answer accepted requests, then close the database pool."""
        await self.change_streams.stop()
        await self.event_streams.stop()
        await self.imports.stop()
        await self.lists.stop()
        await self.ingest.drain()
        await self.exposures.stop()
        await self.key_uses.stop()
        await self.metrics_history.stop()
        await self.registry.stop()
        await self.mirror.stop()
        await self.analytics.close()
        await self.delivery.close()
        if self.shared is not None:
            await self.shared.close()
        await close_pool(self.pool)


async def open_parts(settings: Settings, now: Clock = clock.now) -> Parts:
    """Construct and start all parts, with every environment's catalog and every key in memory."""
    assert settings.database_url is not None
    parts = _assemble(settings, await open_migrated(settings.database_url, settings.database_pool), now)
    await parts.start()
    return parts


def _assemble(settings: Settings, pool: Pool, now: Clock) -> Parts:
    """Construct the parts, each from those before it."""
    dsn, size = settings.database_url, settings.snapshot_cache_size
    assert dsn is not None
    metrics = Metrics()
    # These two refer to each other.
    catalogs = Catalogs(lambda: snapshots.outgrown(), metrics.mismatched)  # noqa: PLW0108
    snapshots = Snapshots(pool, size, catalogs, lambda environment_id: kinds_of(policies, environment_id))
    keyring = Keyring(pool, lambda environments: catalogs.learn(pool, environments))
    policies = Policies()
    privacy = Privacy()
    profile_variants = ProfileVariants(pool)
    profile_loader = ProfileLoader(catalogs, snapshots, profile_variants)
    session_variants = SessionVariants(pool, size)
    exposures = Exposures(pool, metrics.exposures, now)
    registry = Registry(pool, now, metrics.observed)
    plans = Plans(policies, registry)
    screening = Screening(plans, catalogs)
    shared = _shared(settings.redis_url) if settings.redis_url else None
    limiter = Limiter(settings.workers, shared)
    pipeline = Pipeline(policies, catalogs, Enricher(settings.geoip_file), limiter, privacy, registry)
    event_names = EventNames(lambda environment_id: declared(plans.of(environment_id)))

    def is_usable(key_id: int) -> bool:
        return keyring.usable(key_id, now()) is not None

    change_streams = ChangeStreams(profile_loader, catalogs.serving, is_usable, now, settings.stream_limit)
    event_streams = EventStreams(pool, now, catalogs.current, is_usable)
    outbox = Bell()
    mirror = Mirror(
        dsn,
        pool,
        now,
        outbox=outbox,
        catalogs=catalogs,
        snapshots=snapshots,
        keyring=keyring,
        policies=policies,
        privacy=privacy,
        plans=plans,
        change_streams=change_streams,
        event_streams=event_streams,
    )

    def identity_rules(environment_id: int) -> IdentifierRules:
        return rules_of(policies.of(environment_id, IdentityPolicy))

    def committed(group: Committed) -> None:
        mirror.profiles_changed(group.environment_id, group.version, [*group.touched, *group.merged])
        snapshots.written(group.environment_id)
        snapshots.created(group.environment_id, group.created)
        registry.committed(group.environment_id, group.messages)
        event_streams.committed(group)

    ingest = Ingest(
        pool,
        catalogs,
        now,
        committed,
        writing=snapshots.writing,
        batch=settings.ingest_batch,
        queue=settings.ingest_queue,
        rules=identity_rules,
        plan=screening.screen,
    )
    from tinycdp.products.analytics.service.sql import Sql  # noqa: PLC0415 - not needed by the worker and most commands
    from tinycdp.products.delivery.gauges import gauges  # noqa: PLC0415 - as above
    from tinycdp.products.delivery.service import Delivery  # noqa: PLC0415
    from tinycdp.products.exports.service import ExportJobs  # noqa: PLC0415

    metrics.sources.append(lambda: gauges(pool, now()))
    analytics = _analytics(settings, catalogs, event_names)
    return Parts(
        settings=settings,
        pool=pool,
        now=now,
        metrics=metrics,
        metrics_history=MetricsHistory(metrics, pool, now),
        catalogs=catalogs,
        snapshots=snapshots,
        keyring=keyring,
        key_uses=KeyUses(keyring, pool, now),
        policies=policies,
        privacy=privacy,
        profile_loader=profile_loader,
        session_variants=session_variants,
        exposures=exposures,
        decision_service=DecisionService(pool, profile_loader, profile_variants, session_variants, exposures, metrics),
        change_streams=change_streams,
        registry=registry,
        plans=plans,
        screening=screening,
        event_streams=event_streams,
        outbox=outbox,
        mirror=mirror,
        bulk=Bulk(
            profile_loader=profile_loader,
            profile_variants=profile_variants,
            session_variants=session_variants,
            exposures=exposures,
            metrics=metrics,
            change_streams=change_streams,
            mirror=mirror,
            keyring=keyring,
        ),
        local_snapshots=LocalSnapshots(profile_loader, change_streams, mirror, keyring),
        event_names=event_names,
        seen_properties=SeenPropertiesCache(),
        memory_budget=MemoryBudget(),
        shared=shared,
        limiter=limiter,
        pipeline=pipeline,
        ingest=ingest,
        merges=Merges(pool, catalogs, identity_rules, now, mirror.profiles_changed),
        erasures=Eraser(pool, catalogs, privacy, now, exposures.flush, mirror.profiles_changed),
        lists=Lists(pool, catalogs, privacy, now, mirror.profiles_changed),
        exports=Exports(dsn, catalogs),
        imports=ImportQueue(pool, ingest, pipeline, now, settings.data_dir / "imports", lambda: metrics.asked),
        past=Past(pool),
        previews=Previews(pool, event_names),
        analytics=analytics,
        analytics_sql=Sql(analytics),
        delivery=Delivery(settings),
        export_jobs=ExportJobs(settings),
    )


def _analytics(settings: Settings, catalogs: Catalogs, event_names: EventNames) -> "Analytics":
    from tinycdp.products.analytics.service.answering import Analytics  # noqa: PLC0415 - as above
    from tinycdp.products.analytics.service.cache import AnswerCache  # noqa: PLC0415
    from tinycdp.products.analytics.service.worlds import Worlds  # noqa: PLC0415
    from tinycdp.products.analytics.store.clickhouse import ClickHouse  # noqa: PLC0415

    clickhouse = ClickHouse(settings)  # connects when it is first asked
    worlds = Worlds(clickhouse, catalogs, event_names)
    return Analytics(clickhouse, worlds, AnswerCache(redis_url=settings.redis_url), settings.analytics_memory * 2**20)


def _shared(redis_url: str) -> "RedisMeter":
    from tinycdp.runtime.policies.redis_limits import RedisMeter  # noqa: PLC0415 - slow to import, and optional

    return RedisMeter(redis_url)


def kinds_of(policies: Policies, environment_id: int) -> list[str]:
    """The kinds of identifiers by which a targeting key is looked up: the user id, then by the identifier rules."""
    kinds = rules_of(policies.of(environment_id, IdentityPolicy)).kinds
    return [IdentifierKind.USER, *(kind for kind in kinds if kind != IdentifierKind.USER)]


# The HTTP process


def create_app(settings: Settings | None = None) -> "ASGIApp":
    """The application, by default for the settings of the environment."""
    from tinycdp.api.application import fast_lanes  # noqa: PLC0415 - only where HTTP is served

    chosen = settings if settings is not None else load(os.environ)
    application = create_litestar(chosen)
    application.on_startup.append(_collect_seldom)
    return fast_lanes(application)


def create_litestar(settings: Settings, now: Clock = clock.now) -> "Litestar":
    """The routes with their parts, which start and stop with the application.

    The parts use `state.settings` and the clock `state.now` as they are when the application starts."""
    from tinycdp.api.application import litestar  # noqa: PLC0415 - only where HTTP is served
    from tinycdp.api.ingest.adapters.history import PARSE  # noqa: PLC0415
    from tinycdp.products.analytics import routes as analytics  # noqa: PLC0415
    from tinycdp.products.delivery import routes as delivery  # noqa: PLC0415
    from tinycdp.products.demo_shop import routes as demo_shop  # noqa: PLC0415
    from tinycdp.products.exports import routes as exports  # noqa: PLC0415

    @asynccontextmanager
    async def serving(app: Any) -> AsyncIterator[None]:
        opening = asyncio.ensure_future(open_parts(app.state.settings, app.state.now))
        # While the database is away, opening may take for ever.
        with also_on_stop(lambda: opening.result().leave() if opening.done() else opening.cancel()):
            parts = app.state.parts = await opening
            parts.imports.start(PARSE)
            try:
                yield
            finally:
                await parts.stop()

    demo = settings.demo_key is not None
    application = litestar(
        serving,
        [*analytics.GUARDED, *delivery.GUARDED, *exports.GUARDED],
        (*analytics.PARTS, *delivery.PARTS, *exports.PARTS, *demo_shop.PARTS),
        open_routes=[*exports.OPEN, *(demo_shop.OPEN if demo else [])],
        pages=demo_shop.PAGES if demo else [],
    )
    application.state.settings, application.state.now = settings, now
    return application


def _collect_seldom() -> None:
    """Make garbage collection rare.

    There are hardly any cycles, and walking a full cache of snapshots delays decisions.
    It applies to the whole process, and frozen objects are never freed, so only a process that serves one application
    until it ends may call it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


# The worker


async def work(settings: Settings, signals: StopSignals, now: Clock = clock.now) -> None:
    """Run the background worker until a request to stop.

    The current batches are finished first; what takes longer than the drain time is rolled back."""
    from tinycdp.runtime.worker.loops import Worker  # noqa: PLC0415 - not needed by the HTTP process

    assert settings.database_url is not None
    stop = asyncio.Event()
    opening = open_migrated(
        settings.database_url,
        _WORKER_CONNECTIONS + _FEED_CONNECTIONS + _DELIVERY_CONNECTIONS + _EXPORT_CONNECTIONS,
    )
    pool = await signals.unless_stopped(opening)
    worker = Worker(
        pool, Catalogs(), now, settings.backfill_share, settings.exposure_days, outbox_days=settings.outbox_days
    )
    feeding = asyncio.create_task(_feed(settings, pool, stop, now))
    delivering = asyncio.create_task(_deliver(settings, pool, stop, now))
    exporting = asyncio.create_task(_export(settings, pool, stop, now))
    # A database that has stopped does not even answer that a statement is cancelled.
    giving_up = asyncio.create_task(_abandon_after(settings.database_url, stop, settings.drain_seconds + 1))
    try:
        with signals.calling(stop.set):
            await worker.run(stop, settings.drain_seconds)
        await feeding
        await delivering
        await exporting
    finally:
        giving_up.cancel()
        await close_pool(pool)


async def _abandon_after(dsn: str, stop: asyncio.Event, seconds: float) -> None:
    """End the connections that are still in use so long after a request to stop."""
    await stop.wait()
    await asyncio.sleep(seconds)
    abandon(dsn)


async def _feed(settings: Settings, pool: Pool, stop: asyncio.Event, now: Clock) -> None:
    """Feed ClickHouse until `stop` is set, if this installation has one."""
    from tinycdp.products.analytics.packages import has_client, has_engine  # noqa: PLC0415

    if not (has_client() if settings.clickhouse_url else settings.analytics and has_engine()):
        return
    from tinycdp.products.analytics.feed.loop import Feed  # noqa: PLC0415 - the packages are optional
    from tinycdp.products.analytics.store.clickhouse import ClickHouse  # noqa: PLC0415

    assert settings.database_url is not None
    async with ClickHouse(settings) as clickhouse:
        await Feed(clickhouse, settings.database_url, pool, now, exposure_days=settings.exposure_days).run(stop)


async def _deliver(settings: Settings, pool: Pool, stop: asyncio.Event, now: Clock) -> None:
    """Deliver to destinations until `stop` is set."""
    from tinycdp.products.delivery.lanes.supervisor import Deliveries  # noqa: PLC0415 - only the worker delivers
    from tinycdp.products.delivery.reach import Reach  # noqa: PLC0415
    from tinycdp.products.delivery.syncs.worker import SyncWorker  # noqa: PLC0415

    assert settings.database_url is not None
    dsn, reach = settings.database_url, Reach.of(settings)
    deliveries = Deliveries(dsn, pool, now, reach, days=settings.delivery_days)
    await asyncio.gather(deliveries.run(stop), SyncWorker(dsn, pool, now, reach).run(stop))


async def _export(settings: Settings, pool: Pool, stop: asyncio.Event, now: Clock) -> None:
    """Write exports until `stop` is set."""
    await open_exports(settings, pool, now).run(stop)


# The command line


def open_exports(settings: Settings, pool: Pool, now: Clock = clock.now) -> "ExportRuns":
    """What writes exports, for the worker or for one command."""
    from tinycdp.products.exports.running import ExportRuns  # noqa: PLC0415 - only the worker and few commands
    from tinycdp.products.exports.storage import storage_of  # noqa: PLC0415

    assert settings.database_url is not None
    return ExportRuns(settings.database_url, pool, now, storage_of(settings), days=settings.export_days)


async def open_erasures(pool: Pool, now: Clock = clock.now) -> Eraser:
    """The eraser of profiles, for one command."""
    return Eraser(pool, Catalogs(), await open_privacy(pool), now)


def open_analytics(settings: Settings) -> "Analytics":
    """The questions of analytics, for one command."""
    return _analytics(settings, Catalogs(), EventNames())


async def open_lists(pool: Pool, now: Clock = clock.now) -> Lists:
    """The editor of lists, for one command."""
    return Lists(pool, Catalogs(), await open_privacy(pool), now)


async def open_privacy(pool: Pool) -> Privacy:
    """The suppressed identifiers of every environment, for one command."""
    privacy = Privacy()
    await privacy.load(pool)
    return privacy
