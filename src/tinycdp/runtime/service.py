"""One HTTP process's working parts, wired in one place.

Shape   Service: pool, catalogs, keyring, snapshots, ingest, decisions, exposures, exports, metrics, and the listener
        that keeps them current
Laws    start returns only when no news can be missed; stop drains what was accepted
"""

import logging
from typing import TYPE_CHECKING

from tinycdp.engine.catalog import Catalog
from tinycdp.runtime import clock
from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions import Decisions
from tinycdp.runtime.door import Door
from tinycdp.runtime.enrichment import Enricher
from tinycdp.runtime.erasure import Erasures
from tinycdp.runtime.export import Exports
from tinycdp.runtime.exposures import Exposures
from tinycdp.runtime.holds import Holds
from tinycdp.runtime.identity_rules import IdentityPolicy, Rules, rules_of
from tinycdp.runtime.ingest import Committed, Ingest
from tinycdp.runtime.keys import Keyring
from tinycdp.runtime.language import Sightings
from tinycdp.runtime.limits import Limiter
from tinycdp.runtime.live import Live
from tinycdp.runtime.merges import Merges
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.mirror import Mirror
from tinycdp.runtime.observations import declared
from tinycdp.runtime.past import Past
from tinycdp.runtime.policies import Policies
from tinycdp.runtime.preview import Previews
from tinycdp.runtime.privacy import Privacy
from tinycdp.runtime.pushes import Pushes
from tinycdp.runtime.registry import Registry
from tinycdp.runtime.room import Room
from tinycdp.runtime.snapshots import Snapshots
from tinycdp.runtime.tracking_plan import Plans
from tinycdp.runtime.uploads import Uploads
from tinycdp.runtime.workspace import Vocabulary
from tinycdp.settings import Settings
from tinycdp.store.pool import Pool, open_pool

if TYPE_CHECKING:
    from tinycdp.runtime.shared_limits import Shared

log = logging.getLogger(__name__)

_REFRESH_PAUSE_SECONDS = 0.5


class Service:
    """Everything a request handler needs. `now` is the process's clock."""

    def __init__(self, settings: Settings, pool: Pool, now: Clock = clock.now) -> None:
        assert settings.database_url is not None
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
        self.mirror = Mirror(
            settings.database_url,
            pool,
            now,
            catalogs=self.catalogs,
            snapshots=self.snapshots,
            keyring=self.keyring,
            policies=self.policies,
            privacy=self.privacy,
            plans=self.plans,
            pushes=self.pushes,
            live=self.live,
        )
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
        self.merges = Merges(pool, self.catalogs, self.identity_rules, now, self.mirror.profiles_changed)
        self.erasures = Erasures(
            pool,
            self.catalogs,
            self.privacy,
            now,
            self.exposures.flush,
            self.mirror.profiles_changed,
        )
        self.exports = Exports(settings.database_url, self.catalogs)
        self.imports = Uploads(
            pool, self.ingest, self.door, now, settings.data_dir / "imports", lambda: self.metrics.asked
        )
        self.past = Past(pool)
        self.previews = Previews(pool, self.vocabulary)

    @classmethod
    async def start(cls, settings: Settings, now: Clock = clock.now) -> "Service":
        """A service that hears news, with every environment's catalog and every key in memory."""
        assert settings.database_url is not None
        service = cls(settings, await open_pool(settings.database_url, settings.database_pool), now)
        await service.mirror.start()
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
        await self.mirror.stop()
        if self.shared is not None:
            await self.shared.close()
        await self.pool.close()

    def catalog(self, environment_id: int) -> Catalog:
        """The environment's definitions as this process knows them."""
        return self.catalogs.serving(environment_id)

    def identity_rules(self, environment_id: int) -> Rules:
        """What identifiers may do in an environment."""
        return rules_of(self.policies.of(environment_id, IdentityPolicy))

    @property
    def database_is_away(self) -> bool:
        return self.snapshots.away

    def _committed(self, committed: Committed) -> None:
        ids = [*committed.touched, *committed.merged]
        self.mirror.profiles_changed(committed.environment_id, committed.version, ids)
        self.registry.committed(committed.environment_id, committed.messages)
        self.live.committed(committed)


def _shared(redis_url: str) -> "Shared":
    from tinycdp.runtime.shared_limits import Shared  # noqa: PLC0415 - Redis' client is slow to load, and few have one

    return Shared(redis_url)
