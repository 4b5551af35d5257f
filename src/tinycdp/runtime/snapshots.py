"""Profiles kept in memory, so that a decision needs no I/O.

Shape   find(environment, alias) is a dictionary look-up; load(…) reads Postgres. A Snapshot is a Subject: it carries
        the profile's state, and is recomputed in place when its clock runs out
Laws    a snapshot older than news about its profile is never served, but where Postgres is away: then it is, marked
        stale. Nothing is remembered of people who do not exist
Units   at most `size` snapshots and twice as many identifiers, the longest unused leave first
Errors  Unavailable when Postgres is away and the profile is not known here
"""

from collections.abc import Sequence

from cachetools import LRUCache

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.decide import Subject
from tinycdp.engine.profile import Profile
from tinycdp.errors import Unavailable
from tinycdp.model import Alias, Instant
from tinycdp.runtime import profiles
from tinycdp.store import reads
from tinycdp.store.pool import Pool, acquired

_Name = tuple[int, str, str]  # (environment id, alias kind, alias value)


class Snapshot(Subject):
    """One profile at one version. `aliases` are "kind value" pairs; `epoch` is when it was last known to be current."""

    __slots__ = ("aliases", "epoch", "profile", "version")

    profile: Profile
    version: int
    aliases: frozenset[str]
    epoch: int

    def bind(self, catalog: Catalog) -> None:
        """Answer by this catalog from now on."""
        if self.steps is not catalog.live.steps:
            self.steps = catalog.live.steps
            self.calendar = catalog.calendar
            self.results.clear()


def snapshot_of(profile: Profile, catalog: Catalog, aliases: Sequence[str], now: Instant) -> Snapshot:
    """A snapshot of a profile and what identifies it."""
    snapshot = Snapshot(
        now,
        calendar=catalog.calendar,
        properties=profile.properties,
        state=profile.state,
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
        steps=catalog.live.steps,
    )
    snapshot.profile = profile
    snapshot.version = profile.version
    snapshot.aliases = frozenset(aliases)
    snapshot.unit = profile.bucketing_key
    snapshot.identifiers = frozenset(
        (str(profile.id), profile.bucketing_key, *(alias.partition(" ")[2] for alias in aliases))
    )
    snapshot.epoch = 0
    return snapshot


def stranger(catalog: Catalog, unit: str | None, now: Instant) -> Snapshot:
    """Someone no message was ever received of: no properties, no events. Buckets as they will when they are."""
    snapshot = snapshot_of(Profile(0, unit or "", now), catalog, (), now)
    snapshot.unit = unit
    snapshot.identifiers = frozenset((unit,) if unit is not None else ())
    return snapshot


class Snapshots:
    def __init__(self, pool: Pool, size: int) -> None:
        self._pool = pool
        self._by_id: LRUCache[tuple[int, int], Snapshot] = LRUCache(size)
        self._ids: LRUCache[_Name, int] = LRUCache(2 * size)
        # The newest version heard of, so that a row read before the news is not kept after it.
        self._heard: LRUCache[tuple[int, int], int] = LRUCache(size)
        self._epoch = 1
        self.away = True

    def __len__(self) -> int:
        return len(self._by_id)

    # News

    def changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        """These profiles have a newer version: what is kept of them is dropped."""
        for id in profile_ids:
            name = (environment_id, id)
            self._heard[name] = version
            known = self._by_id.get(name)
            if known is not None and known.version < version:
                del self._by_id[name]

    def lost(self) -> None:
        """News may be missed from now on; Postgres may be away."""
        self.away = True

    def found(self) -> None:
        """News arrives again; everything kept so far may have missed some."""
        self.away = False
        self._epoch += 1

    # Reading

    def find(self, environment_id: int, alias: Alias) -> Snapshot | None:
        """The current snapshot of a person, None where Postgres has to be asked."""
        id = self._ids.get((environment_id, alias.kind, alias.value))
        if id is None:
            return None
        snapshot = self._by_id.get((environment_id, id))
        if snapshot is None or snapshot.epoch != self._epoch or f"{alias.kind} {alias.value}" not in snapshot.aliases:
            return None
        return snapshot

    def find_stale(self, environment_id: int, alias: Alias) -> Snapshot | None:
        """What was last known of a person."""
        id = self._ids.get((environment_id, alias.kind, alias.value))
        return None if id is None else self._by_id.get((environment_id, id))

    async def load(self, environment_id: int, alias: Alias, catalog: Catalog, now: Instant) -> Snapshot | None:
        """The snapshot as Postgres has it, None for someone never seen. The kind "profileId" names a profile's own id."""
        if self.away:
            raise Unavailable("DATABASE_AWAY", "The database cannot be reached, and this person is not known here.")
        while True:
            epoch = self._epoch
            async with acquired(self._pool) as connection:
                if alias.kind == "profileId":
                    id = int(alias.value) if alias.value.isdecimal() and len(alias.value) < 19 else 0
                    row = await reads.load_by_id(connection, environment_id, id)
                else:
                    row = await reads.load_by_alias(connection, environment_id, alias.kind, alias.value)
            if row is None or row["merged_into"] is not None:
                return None
            profile = profiles.from_row(row)
            name = (environment_id, profile.id)
            if self._heard.get(name, 0) <= profile.version and epoch == self._epoch:
                break
        aliases = [*row["aliases"], f"profileId {profile.id}", f"{alias.kind} {alias.value}"]
        snapshot = snapshot_of(profile, catalog, aliases, now)
        snapshot.epoch = epoch
        self._by_id[name] = snapshot
        self._ids[environment_id, alias.kind, alias.value] = profile.id
        return snapshot
