"""The copy of definitions, keys, policies and profiles in a process's memory.

Shape   Mirror subscribes to a Listener: it passes profile changes on, and reloads definitions, keys and policies
Laws    start() returns only when no notification can be missed. Failed reloads are repeated while the database is away
Errors  none: what cannot be loaded is logged, and the copy in memory stays in use
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from tinycdp.errors import Unavailable
from tinycdp.model import Identifier
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStreams
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest.event_stream import EventStreams
from tinycdp.runtime.notifications import Listener
from tinycdp.runtime.outbox import Bell
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.schema.tracking_plan import Plans
from tinycdp.store import definitions as store
from tinycdp.store.database.pool import Pool, acquired

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
#: The clock may be set while a process waits for the expiry of a key.
_LONGEST_SLEEP_SECONDS = 60.0


class Mirror:
    """One process's copy of definitions, keys, policies and profiles."""

    def __init__(
        self,
        dsn: str,
        pool: Pool,
        now: Clock,
        *,
        catalogs: Catalogs,
        snapshots: Snapshots,
        keyring: Keyring,
        policies: Policies,
        privacy: Privacy,
        plans: Plans,
        change_streams: ChangeStreams,
        event_streams: EventStreams,
        outbox: Bell,
    ) -> None:
        self._pool = pool
        self._now = now
        self._catalogs = catalogs
        self._snapshots = snapshots
        self._keyring = keyring
        self._policies = policies
        self._privacy = privacy
        self._plans = plans
        self._change_streams = change_streams
        self._event_streams = event_streams
        self._outbox = outbox
        self._listener = Listener(dsn, self)
        self._reloads: set[asyncio.Task[None]] = set()
        self._expiries = Loop("expiries of keys", self._end_expired, _LONGEST_SLEEP_SECONDS)

    async def start(self) -> None:
        """Listen, then load the definitions of every environment, all keys and all policies."""
        await self._listener.start()
        await self._load_everything()
        self._expiries.start()

    async def stop(self) -> None:
        """Stop listening and reloading."""
        await self._expiries.stop()
        await self._listener.stop()
        for task in list(self._reloads):
            task.cancel()

    async def load_policies(self) -> None:
        """Load policies, suppressed identifiers and tracking plans from Postgres."""
        await self._policies.load(self._pool)
        await self._privacy.load(self._pool)
        await self._plans.load(self._pool)
        self._snapshots.rules_changed()

    async def reread(self, environment_id: int, identifier: Identifier | None) -> None:
        """Load the definitions, and the profile, from Postgres; keep those in memory if it is away."""
        with contextlib.suppress(Unavailable):
            await self._catalogs.refresh(self._pool, environment_id)
            if identifier is not None:
                await self._snapshots.load(environment_id, identifier, self._now())

    async def _load_everything(self) -> None:
        await self._load_keys()
        async with acquired(self._pool) as connection:
            environments = [row.id for row in await store.list_environments(connection)]
        for environment_id in environments:
            await self._load_catalog(environment_id)

    async def _load_catalog(self, environment_id: int) -> None:
        await self._catalogs.refresh(self._pool, environment_id)
        self._change_streams.published(environment_id)
        self._event_streams.revision_changed(environment_id)

    async def _load_keys(self) -> None:
        await self._keyring.load()
        await self.load_policies()
        self._expiries.wake()

    async def _end_expired(self) -> float:
        """End the streams of keys that were revoked or have expired. Returns the seconds until the next expiry."""
        self._change_streams.keys_changed()
        self._event_streams.keys_changed()
        now = self._now()
        return min(max((self._keyring.next_expiry(now) - now) / 1000, 0.001), _LONGEST_SLEEP_SECONDS)

    # Notifications

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self._snapshots.changed(environment_id, version, profile_ids)
        self._outbox.ring(environment_id)
        self._change_streams.profiles_changed(environment_id, version, profile_ids)

    def profiles_created(self, environment_id: int, digests: Sequence[str]) -> None:
        self._snapshots.created_elsewhere(environment_id, digests)
        self._change_streams.profiles_created(environment_id, digests)

    def revision_changed(self, environment_id: int) -> None:
        self._outbox.ring(environment_id)
        self._reload(lambda: self._load_catalog(environment_id))

    def keys_changed(self) -> None:
        self._reload(self._load_keys)

    def policies_changed(self, environment_id: int) -> None:
        self._reload(self.load_policies)

    def stream_read(self, environment_id: int, reader: str, filter_text: str) -> None:
        self._event_streams.notified(environment_id, reader, filter_text)

    def disconnected(self) -> None:
        self._snapshots.disconnected()

    def reconnected(self) -> None:
        self._snapshots.reconnected()
        self._outbox.ring_all()
        self._change_streams.reconnected()
        self._reload(self._load_everything)

    def _reload(self, load: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.create_task(self._load_with_retry(load))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _load_with_retry(self, load: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await load()
                return
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                log.exception("definitions or keys could not be loaded; those in memory stay in use")
                return
