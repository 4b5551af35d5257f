"""One HTTP process's working parts, wired in one place.

Shape   Service: pool, catalogs, keyring, snapshots, ingest, decisions, exposures, exports, metrics, and the listener
        that keeps them current
Laws    start returns only when no news can be missed; stop drains what was accepted
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from tinycdp.engine.catalog import Catalog
from tinycdp.errors import Unavailable
from tinycdp.model import Alias
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import Pushes
from tinycdp.runtime.decisions.decide import Decisions
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.session_variants import Holds
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import Vocabulary
from tinycdp.runtime.identity.merges import Merges
from tinycdp.runtime.ingest.event_stream import Live
from tinycdp.runtime.ingest.group_commit import Committed, Ingest
from tinycdp.runtime.ingest.pipeline import Door
from tinycdp.runtime.memory_budget import Room
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.notifications import Listener
from tinycdp.runtime.outbox import Bell
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.enrichment import Enricher
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy, Rules, rules_of
from tinycdp.runtime.policies.limits import Limiter
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.privacy.erasure import Erasures
from tinycdp.runtime.schema.editor import Sightings
from tinycdp.runtime.schema.registry import Registry
from tinycdp.runtime.schema.registry_reads import declared
from tinycdp.runtime.schema.tracking_plan import Plans
from tinycdp.runtime.time_travel.as_of import Past
from tinycdp.runtime.time_travel.preview import Previews
from tinycdp.runtime.transfer.export import Exports
from tinycdp.runtime.transfer.import_queue import Uploads
from tinycdp.settings import Settings
from tinycdp.store import definitions as store
from tinycdp.store.pool import Pool, acquired, open_pool

if TYPE_CHECKING:
    from tinycdp.runtime.policies.redis_limits import Shared

log = logging.getLogger(__name__)

_REFRESH_PAUSE_SECONDS = 0.5


class Service:
    """Everything a request handler needs. `now` is the process's clock."""

    def __init__(self, settings: Settings, pool: Pool, now: Clock = clock.now) -> None:
        self.settings = settings
        self.pool = pool
        self.now = now
        self.metrics = Metrics()
        # These two know each other.
        self.catalogs = Catalogs(lambda: self.snapshots.outgrown(), self.metrics.mismatched)  # noqa: PLW0108
        self.snapshots = Snapshots(pool, settings.snapshot_cache_size, self.catalogs)
        self.keyring = Keyring(pool)
        self.policies = Policies()
        self.privacy = Privacy()
        self.decisions = Decisions(self.catalogs, self.snapshots)
        self.holds = Holds(pool, settings.snapshot_cache_size)
        self.pushes = Pushes(
            self.decisions, self.catalog, lambda key: self.keyring.by_id(key) is not None, now, settings.stream_limit
        )
        self.exposures = Exposures(pool, self.metrics.exposures)
        self.registry = Registry(pool, now, self.metrics.observed)
        self.plans = Plans(self.policies, self.registry)
        self.live = Live(pool, now, self.catalogs.current, lambda key: self.keyring.by_id(key) is not None)
        self.vocabulary = Vocabulary(lambda environment_id: declared(self.plans.of(environment_id)))
        self.sightings = Sightings()
        self.room = Room()
        self.shared = _shared(settings.redis_url) if settings.redis_url else None
        self.limiter = Limiter(settings.workers, self.shared)
        self.door = Door(self.policies, self.catalogs, Enricher(settings.geoip_file), self.limiter, self.privacy)
        self.ingest = Ingest(
            pool,
            self.catalogs,
            now,
            self._committed,
            batch=settings.ingest_batch,
            queue=settings.ingest_queue,
            rules=self.identity_rules,
            plan=self.plans.screen,
        )
        self.merges = Merges(pool, self.catalogs, self.identity_rules, now, self.profiles_changed)
        self.erasures = Erasures(pool, self.catalogs, self.privacy, now, self.exposures.flush, self.profiles_changed)
        assert settings.database_url is not None
        self.exports = Exports(settings.database_url, self.catalogs)
        self.imports = Uploads(
            pool, self.ingest, self.door, now, settings.data_dir / "imports", lambda: self.metrics.asked
        )
        self.past = Past(pool)
        self.outbox = Bell()
        self.previews = Previews(pool, self.vocabulary)
        self._listener = Listener(settings.database_url, self)
        self._refreshing: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, settings: Settings, now: Clock = clock.now) -> "Service":
        """A service that hears news, with every environment's catalog and every key in memory."""
        assert settings.database_url is not None
        service = cls(settings, await open_pool(settings.database_url, settings.database_pool), now)
        await service._listener.start()
        await service._load_everything()
        service.exposures.start()
        service.registry.start()
        service.live.start()
        service.pushes.start()
        return service

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
        await self._listener.stop()
        for task in list(self._refreshing):
            task.cancel()
        if self.shared is not None:
            await self.shared.close()
        await self.pool.close()

    def catalog(self, environment_id: int) -> Catalog:
        """The environment's definitions as this process knows them."""
        return self.catalogs.serving(environment_id)

    def identity_rules(self, environment_id: int) -> Rules:
        """What identifiers may do in an environment."""
        return rules_of(self.policies.of(environment_id, IdentityPolicy))

    async def reread(self, environment_id: int, alias: Alias | None) -> None:
        """Know the definitions, and the person, as Postgres has them now; what was known, where it is away."""
        with contextlib.suppress(Unavailable):
            await self.catalogs.refresh(self.pool, environment_id)
            if alias is not None:
                await self.snapshots.load(environment_id, alias, self.now())

    @property
    def database_is_away(self) -> bool:
        return self.snapshots.away

    def _committed(self, committed: Committed) -> None:
        ids = [*committed.touched, *committed.merged]
        self.profiles_changed(committed.environment_id, committed.version, ids)
        self.registry.committed(committed.environment_id, committed.messages)
        self.live.committed(committed)

    async def _load_everything(self) -> None:
        await self._load_keys()
        async with acquired(self.pool) as connection:
            environments = [row["id"] for row in await store.list_environments(connection)]
        for environment_id in environments:
            await self._load_catalog(environment_id)

    async def _load_catalog(self, environment_id: int) -> None:
        await self.catalogs.refresh(self.pool, environment_id)
        self.pushes.published(environment_id)

    async def _load_keys(self) -> None:
        await self.keyring.load()
        await self.load_policies()
        self.pushes.keys_changed()

    async def load_policies(self) -> None:
        """Go by the policies and the tracking plans as the database has them now."""
        await self.policies.load(self.pool)
        await self.privacy.load(self.pool)
        await self.plans.load(self.pool)

    # What the listener hears

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self.snapshots.changed(environment_id, version, profile_ids)
        self.outbox.ring(environment_id)
        self.pushes.profiles_changed(environment_id, version, profile_ids)

    def people_born(self, environment_id: int, names: Sequence[str]) -> None:
        self.pushes.people_born(environment_id, names)

    def revision_changed(self, environment_id: int) -> None:
        self.outbox.ring(environment_id)
        self._refresh(lambda: self._load_catalog(environment_id))

    def keys_changed(self) -> None:
        self._refresh(self._load_keys)

    def policies_changed(self, environment_id: int) -> None:
        self._refresh(self.load_policies)

    def reader_heard(self, environment_id: int, reader: str, wanted: str) -> None:
        self.live.heard(environment_id, reader, wanted)

    def lost(self) -> None:
        self.snapshots.lost()

    def found(self) -> None:
        self.snapshots.found()
        self.outbox.ring_all()
        self.pushes.found()
        self._refresh(self._load_everything)

    def _refresh(self, load: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.create_task(self._until_done(load))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def _until_done(self, load: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await load()
                return
            except Unavailable:
                await asyncio.sleep(_REFRESH_PAUSE_SECONDS)
            except Exception:
                log.exception("definitions or keys could not be loaded; the ones in memory go on serving")
                return


def _shared(redis_url: str) -> "Shared":
    from tinycdp.runtime.policies.redis_limits import Shared  # noqa: PLC0415 - Redis' client is slow to load, and few have one

    return Shared(redis_url)
