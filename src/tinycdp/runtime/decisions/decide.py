"""Decisions, from memory where possible.

Shape   ProfileLoader.load(…) finds the profile to decide for, and the catalog; decide_one(…) decides
Laws    a decision on the process that took the event reflects it at once. With `min_version`, the answer is at least
        as new. With Postgres away, profiles in memory are still decided, marked stale
Errors  NotFound FLAG_NOT_FOUND · Unavailable DATABASE_AWAY if Postgres is away and the profile is not in memory, or not
        in that version; VERSION_AHEAD for a version that nothing has yet
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision, decide
from tinycdp.errors import NotFound, Unavailable
from tinycdp.model import ANY_KIND, STRENGTH, Identifier, Instant
from tinycdp.runtime.decisions.profile_variants import ProfileVariants
from tinycdp.runtime.decisions.snapshots import Snapshot, Snapshots, unknown_profile
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.store.database.pool import DATABASE_AWAY, DATABASE_BUSY

NO_CONTEXT: Mapping[str, Any] = {}

#: While Postgres cannot be read, what is in memory is decided.
_STALE_IF = {DATABASE_AWAY, DATABASE_BUSY}
#: How long a decision waits for a version that nothing has yet.
_PAUSES_SECONDS = (0.005, 0.015, 0.03, 0.05, 0.1, 0.2, 0.3, 0.3)


class LoadedProfile(NamedTuple):
    """A profile, the catalog to decide by, and whether the profile may be out of date."""

    catalog: Catalog
    snapshot: Snapshot
    stale: bool


class ProfileLoader:
    """Finds profiles in memory or in Postgres."""

    def __init__(self, catalogs: Catalogs, snapshots: Snapshots, profile_variants: ProfileVariants) -> None:
        self._catalogs = catalogs
        self._snapshots = snapshots
        self._profile_variants = profile_variants

    def cached(self, environment_id: int, identifier: Identifier, min_version: int) -> Snapshot | None:
        """The profile's snapshot if memory has it, current and new enough; otherwise None."""
        snapshot = self._snapshots.find(environment_id, identifier.kind, identifier.value)
        return snapshot if snapshot is not None and snapshot.version >= min_version else None

    async def load(
        self,
        environment_id: int,
        identifier: Identifier | None,
        now: Instant,
        min_version: int = 0,
        flags: Collection[str] | None = None,
    ) -> LoadedProfile:
        """The profile with the catalog that serves now. An unknown identifier gives an unknown profile.

        flags  that will be decided, None for any: only sticky ones need the variants that the profile keeps"""
        snapshot, stale = None, False
        if identifier is not None:
            snapshot, stale = await self._find(environment_id, identifier, now, min_version)
        catalog = self._catalogs.serving(environment_id)
        if snapshot is None:
            snapshot = unknown_profile(catalog, identifier, now)
        if not stale:
            await self._profile_variants.read(catalog, snapshot, flags)
        return LoadedProfile(catalog, snapshot, stale)

    async def read_kept(self, catalog: Catalog, snapshot: Snapshot, flags: Collection[str]) -> None:
        """Give a snapshot of raw messages the variants that its profile keeps of these flags."""
        await self._profile_variants.read(catalog, snapshot, flags)

    async def _find(
        self, environment_id: int, identifier: Identifier, now: Instant, min_version: int
    ) -> tuple[Snapshot | None, bool]:
        away = self._snapshots.away
        if not away:
            if (snapshot := self.cached(environment_id, identifier, min_version)) is not None:
                return snapshot, False
            try:
                return await self._read(environment_id, identifier, now, min_version), False
            except Unavailable as unavailable:
                if unavailable.code not in _STALE_IF:
                    raise
        held = "not in memory"
        # By whatever kind it was found, it may be in memory by an exact name.
        for kind in (identifier.kind, *(STRENGTH if identifier.kind == ANY_KIND else ())):
            if (snapshot := self._snapshots.find_stale(environment_id, kind, identifier.value)) is not None:
                if snapshot.version >= min_version:
                    return snapshot, True
                held = f"in memory only at version {snapshot.version}"
        if away:  # perhaps only to notifications
            with contextlib.suppress(Unavailable):
                return await self._read(environment_id, identifier, now, min_version), False
        raise Unavailable(
            DATABASE_AWAY, f"The database cannot be reached, and this profile is {held}. Ask again shortly."
        )

    async def _read(
        self, environment_id: int, identifier: Identifier, now: Instant, min_version: int
    ) -> Snapshot | None:
        """The profile from Postgres, at this version or a newer one."""
        snapshot = await self._snapshots.load(environment_id, identifier, now)
        if min_version > (snapshot.version if snapshot is not None else 0):
            return await self._no_older(environment_id, identifier, now, min_version)
        return snapshot

    async def _no_older(
        self, environment_id: int, identifier: Identifier, now: Instant, min_version: int
    ) -> Snapshot | None:
        """The profile, read when all writes up to this version have ended, whichever profiles they were of.

        Raises Unavailable if that does not happen soon."""
        pending: set[str] | None = None
        for pause in _PAUSES_SECONDS:
            newest, running = await self._snapshots.writes(environment_id)
            if newest >= min_version:
                # A version is drawn before its write is visible: these may be about to commit it.
                pending = running if pending is None else pending & running
                if not pending:
                    return await self._snapshots.load(environment_id, identifier, now)
            await asyncio.sleep(pause)
        message = (
            f"Nothing has version {min_version} yet; the newest is {newest}. `minVersion` is the `version` in this "
            "server's answer to a tracking call. Ask again in a second, or leave it out."
        )
        raise Unavailable("VERSION_AHEAD", message, newest=newest)


def decide_one(
    catalog: Catalog, key: str, snapshot: Snapshot, now: Instant, context: Mapping[str, Any] = NO_CONTEXT
) -> Decision:
    """One flag's decision. Raises NotFound for a flag that does not exist."""
    program = catalog.live.flags.get(key)
    if program is None:
        raise NotFound("FLAG_NOT_FOUND", f"There is no flag {key!r}.")
    prepare(catalog, snapshot, now, context)
    decision = decide(program, snapshot, now)
    snapshot.release()
    return decision


def prepare(catalog: Catalog, snapshot: Snapshot, now: Instant, context: Mapping[str, Any] = NO_CONTEXT) -> None:
    """Set what the next evaluations of the snapshot read. Nothing may be awaited between this and them."""
    snapshot.bind(catalog)
    snapshot.now = max(snapshot.now, now)
    snapshot.context = context
    snapshot.killed = catalog.killed
