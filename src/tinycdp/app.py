"""The composition root: settings → parts → application. Nothing else puts parts together.

Shape   create_app() is what the server runs: the routes, behind the lanes that answer from memory
        open_parts(settings) → Parts, also for an import from the command line
        work(settings) is the background worker · open_erasures(pool) serves `tinycdp forget`
Laws    parts start in the order in which they need each other, and stop the other way round: what was accepted is
        answered first, the database is let go last
        the HTTP application is loaded only where it is served: commands and the worker start without it
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinycdp.api.decisions.answers import Desk
from tinycdp.api.ofrep.bulk import Bulk
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import Pushes
from tinycdp.runtime.decisions.decide import Decisions
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.session_variants import Holds
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames
from tinycdp.runtime.identity.merges import Merges
from tinycdp.runtime.ingest.event_stream import Live
from tinycdp.runtime.ingest.group_commit import Committed, Ingest
from tinycdp.runtime.ingest.pipeline import Door
from tinycdp.runtime.memory_budget import Room
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.mirror import Mirror
from tinycdp.runtime.outbox import Bell
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.enrichment import Enricher
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy, Rules, rules_of
from tinycdp.runtime.policies.limits import Limiter
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.privacy.erasure import Erasures
from tinycdp.runtime.processes import also_on_stop
from tinycdp.runtime.schema.editor import Sightings
from tinycdp.runtime.schema.registry import Registry
from tinycdp.runtime.schema.registry_reads import declared
from tinycdp.runtime.schema.tracking_plan import Plans
from tinycdp.runtime.time_travel.as_of import Past
from tinycdp.runtime.time_travel.preview import Previews
from tinycdp.runtime.transfer.export import Exports
from tinycdp.runtime.transfer.import_queue import Uploads
from tinycdp.settings import Settings, load
from tinycdp.store.pool import Pool, open_pool

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import ASGIApp

    from tinycdp.runtime.policies.redis_limits import Shared

_WORKER_CONNECTIONS = 4


@dataclass
class Parts:
    """What one HTTP process works with. A handler names the parts it needs, and `now` is the process's clock."""

    settings: Settings
    pool: Pool
    now: Clock
    metrics: Metrics
    catalogs: Catalogs
    snapshots: Snapshots
    keyring: Keyring
    policies: Policies
    privacy: Privacy
    decisions: Decisions
    holds: Holds
    exposures: Exposures
    desk: Desk
    pushes: Pushes
    registry: Registry
    plans: Plans
    live: Live
    outbox: Bell
    mirror: Mirror
    bulk: Bulk
    event_names: EventNames
    sightings: Sightings
    room: Room
    shared: "Shared | None"
    limiter: Limiter
    door: Door
    ingest: Ingest
    merges: Merges
    erasures: Erasures
    exports: Exports
    imports: Uploads
    past: Past
    previews: Previews

    async def start(self) -> None:
        """Follow the database, then start what writes behind the answers."""
        await self.mirror.start()
        self.exposures.start()
        self.registry.start()
        self.live.start()
        self.pushes.start()

    def leave(self) -> None:
        """End the streams, which would never end by themselves, and open no more."""
        self.pushes.leave()
        self.live.leave()

    async def stop(self) -> None:
        """Answer what was accepted, then let go of the database."""
        await self.pushes.stop()
        await self.live.stop()
        await self.imports.stop()
        await self.ingest.drain()
        await self.exposures.stop()
        await self.registry.stop()
        await self.mirror.stop()
        if self.shared is not None:
            await self.shared.close()
        await self.pool.close()


async def open_parts(settings: Settings, now: Clock = clock.now) -> Parts:
    """Started parts, with every environment's catalog and every key in memory."""
    assert settings.database_url is not None
    parts = _assemble(settings, await open_pool(settings.database_url, settings.database_pool), now)
    await parts.start()
    return parts


def _assemble(settings: Settings, pool: Pool, now: Clock) -> Parts:
    """The parts, each made from those above it."""
    dsn, size = settings.database_url, settings.snapshot_cache_size
    assert dsn is not None
    metrics = Metrics()
    # These two know each other.
    catalogs = Catalogs(lambda: snapshots.outgrown(), metrics.mismatched)  # noqa: PLW0108
    snapshots = Snapshots(pool, size, catalogs)
    keyring = Keyring(pool)
    policies = Policies()
    privacy = Privacy()
    decisions = Decisions(catalogs, snapshots)
    holds = Holds(pool, size)
    exposures = Exposures(pool, metrics.exposures)
    registry = Registry(pool, now, metrics.observed)
    plans = Plans(policies, registry)
    shared = _shared(settings.redis_url) if settings.redis_url else None
    limiter = Limiter(settings.workers, shared)
    door = Door(policies, catalogs, Enricher(settings.geoip_file), limiter, privacy)
    event_names = EventNames(lambda environment_id: declared(plans.of(environment_id)))

    def is_usable(key_id: int) -> bool:
        return keyring.by_id(key_id) is not None

    pushes = Pushes(decisions, catalogs.serving, is_usable, now, settings.stream_limit)
    live = Live(pool, now, catalogs.current, is_usable)
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
        pushes=pushes,
        live=live,
    )

    def identity_rules(environment_id: int) -> Rules:
        return rules_of(policies.of(environment_id, IdentityPolicy))

    def committed(group: Committed) -> None:
        mirror.profiles_changed(group.environment_id, group.version, [*group.touched, *group.merged])
        registry.committed(group.environment_id, group.messages)
        live.committed(group)

    ingest = Ingest(
        pool,
        catalogs,
        now,
        committed,
        batch=settings.ingest_batch,
        queue=settings.ingest_queue,
        rules=identity_rules,
        plan=plans.screen,
    )
    return Parts(
        settings=settings,
        pool=pool,
        now=now,
        metrics=metrics,
        catalogs=catalogs,
        snapshots=snapshots,
        keyring=keyring,
        policies=policies,
        privacy=privacy,
        decisions=decisions,
        holds=holds,
        exposures=exposures,
        desk=Desk(decisions, holds, exposures, metrics),
        pushes=pushes,
        registry=registry,
        plans=plans,
        live=live,
        outbox=outbox,
        mirror=mirror,
        bulk=Bulk(
            decisions=decisions,
            holds=holds,
            exposures=exposures,
            metrics=metrics,
            pushes=pushes,
            mirror=mirror,
            keyring=keyring,
        ),
        event_names=event_names,
        sightings=Sightings(),
        room=Room(),
        shared=shared,
        limiter=limiter,
        door=door,
        ingest=ingest,
        merges=Merges(pool, catalogs, identity_rules, now, mirror.profiles_changed),
        erasures=Erasures(pool, catalogs, privacy, now, exposures.flush, mirror.profiles_changed),
        exports=Exports(dsn, catalogs),
        imports=Uploads(pool, ingest, door, now, settings.data_dir / "imports", lambda: metrics.asked),
        past=Past(pool),
        previews=Previews(pool, event_names),
    )


def _shared(redis_url: str) -> "Shared":
    from tinycdp.runtime.policies.redis_limits import Shared  # noqa: PLC0415 - Redis' client is slow to load, and few have one

    return Shared(redis_url)


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

    They are made for `state.settings` and by the clock `state.now`, as these are when the application starts."""
    from tinycdp.api.application import litestar  # noqa: PLC0415 - only where HTTP is served
    from tinycdp.api.ingest.adapters.history import PARSE  # noqa: PLC0415

    @asynccontextmanager
    async def serving(app: Any) -> AsyncIterator[None]:
        parts = app.state.parts = await open_parts(app.state.settings, app.state.now)
        parts.imports.start(PARSE)
        also_on_stop(parts.leave)
        try:
            yield
        finally:
            await parts.stop()

    application = litestar(serving)
    application.state.settings, application.state.now = settings, now
    return application


def _collect_seldom() -> None:
    """Look for garbage cycles seldom: there are hardly any here, and walking a full cache of snapshots to find none
    would hold up every decision.

    This is a setting of the whole process, and what is frozen is never freed: only a process that serves one
    application until it ends may do it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


# The worker


async def work(settings: Settings, now: Clock = clock.now) -> None:
    """Work until SIGTERM or SIGINT; a batch under way is finished first."""
    from tinycdp.runtime.worker.loops import Worker  # noqa: PLC0415 - the HTTP process does without

    assert settings.database_url is not None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with await open_pool(settings.database_url, _WORKER_CONNECTIONS) as pool:
        worker = Worker(
            pool, Catalogs(), now, settings.warm_up_share, settings.exposure_days, outbox_days=settings.outbox_days
        )
        await worker.run(stop)


# The command line


async def open_erasures(pool: Pool, now: Clock = clock.now) -> Erasures:
    """What erases profiles, for one command."""
    return Erasures(pool, Catalogs(), await open_privacy(pool), now)


async def open_privacy(pool: Pool) -> Privacy:
    """The suppressions of every environment, for one command."""
    privacy = Privacy()
    await privacy.load(pool)
    return privacy
