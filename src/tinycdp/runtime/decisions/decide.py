"""Decisions, from memory where possible.

Shape   ProfileLoader.load(…) finds the profile to decide for, and the catalog; decide_one(…) decides
Laws    a decision on the process that took the event reflects it at once. With `min_version`, the answer is at least
        as new. With Postgres away, profiles in memory are still decided, marked stale
Errors  NotFound FLAG_NOT_FOUND · Unavailable if Postgres is away and the profile is not in memory
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision, decide
from tinycdp.errors import NotFound, Unavailable
from tinycdp.model import ANY_KIND, STRENGTH, Identifier, Instant
from tinycdp.runtime.decisions.snapshots import Snapshot, Snapshots, unknown_profile
from tinycdp.runtime.definitions.catalogs import Catalogs

NO_CONTEXT: Mapping[str, Any] = {}


class LoadedProfile(NamedTuple):
    """A profile, the catalog to decide by, and whether the profile may be out of date."""

    catalog: Catalog
    snapshot: Snapshot
    stale: bool


class ProfileLoader:
    """Finds profiles in memory or in Postgres."""

    def __init__(self, catalogs: Catalogs, snapshots: Snapshots) -> None:
        self._catalogs = catalogs
        self._snapshots = snapshots

    def cached(self, environment_id: int, identifier: Identifier, min_version: int) -> Snapshot | None:
        """The profile's snapshot if memory has it, current and new enough; otherwise None."""
        snapshot = self._snapshots.find(environment_id, identifier.kind, identifier.value)
        return snapshot if snapshot is not None and snapshot.version >= min_version else None

    async def load(
        self, environment_id: int, identifier: Identifier | None, now: Instant, min_version: int = 0
    ) -> LoadedProfile:
        """The profile with the catalog that serves now. An unknown identifier gives an unknown profile."""
        snapshot, stale = None, False
        if identifier is not None:
            snapshot, stale = await self._find(environment_id, identifier, now, min_version)
        catalog = self._catalogs.serving(environment_id)
        return LoadedProfile(
            catalog, snapshot if snapshot is not None else unknown_profile(catalog, identifier, now), stale
        )

    async def _find(
        self, environment_id: int, identifier: Identifier, now: Instant, min_version: int
    ) -> tuple[Snapshot | None, bool]:
        if not self._snapshots.away:
            if (snapshot := self.cached(environment_id, identifier, min_version)) is not None:
                return snapshot, False
            try:
                return await self._snapshots.load(environment_id, identifier, now), False
            except Unavailable:
                pass
        if (snapshot := self._snapshots.find_stale(environment_id, identifier.kind, identifier.value)) is not None:
            return snapshot, True
        if identifier.kind == ANY_KIND:
            # It may be in memory by an exact name.
            for kind in STRENGTH:
                if (snapshot := self._snapshots.find_stale(environment_id, kind, identifier.value)) is not None:
                    return snapshot, True
        raise Unavailable("DATABASE_AWAY", "The database cannot be reached, and this profile is not in memory.")


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
