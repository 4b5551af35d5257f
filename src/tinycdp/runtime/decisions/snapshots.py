"""Profiles kept in memory, so that a decision needs no I/O.

Shape   find(environment, identifier) is a dictionary look-up; load(…) reads Postgres. A Snapshot is a FlagActivation
        with the profile's state, and is recomputed in place when its results expire
Laws    a snapshot older than a notification about its profile is served only while Postgres is away, marked stale.
        It has the state that the catalog in memory reads: a row of a revision which is not in memory yet brings
        that revision with it, and where memory has a newer one the row is read again.
        Unknown profiles are not remembered.
        What this process commits takes the place of what it keeps, if that is of the version that was changed: then
        its identifiers are known to be the same
Units   at most `size` identifiers are kept, each with its profile's snapshot; the longest unused leave first
Errors  Unavailable when Postgres is away and the profile is not known here
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import FlagActivation
from tinycdp.engine.profile import Profile, StoredProfile
from tinycdp.errors import Unavailable
from tinycdp.model import ANY_KIND, STRENGTH, Identifier, IdentifierKind, Instant
from tinycdp.runtime.decisions.misses import Misses
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.notifications import digest_of
from tinycdp.store import outbox as outbox_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import DATABASE_AWAY, Pool, acquired

_Name = tuple[int, str, str]  # (environment id, identifier kind, identifier value)

#: Between two requests that ask whether a database that does not answer answers again.
_ASK_SECONDS = 0.5
#: Digits of the greatest id that Postgres can hold, less one.
_LONGEST_ID = 18


class Snapshot(FlagActivation):
    """One profile at one version; `epoch` is when it was last known to be current.

    kept_at  the revision for which `kept_variants` were read; -1 for none"""

    __slots__ = ("epoch", "kept_at", "profile_id", "stored", "version")

    profile_id: int
    stored: StoredProfile | None
    version: int
    epoch: int
    kept_at: int

    def bind(self, catalog: Catalog) -> None:
        """Answer by this catalog from now on."""
        if self.evaluators is not catalog.live.evaluators:
            self.evaluators = catalog.live.evaluators
            self.calendar = catalog.calendar
            self.results.clear()

    def moved_to(self, now: Instant) -> "Snapshot":
        """A copy for an instant that is not before `now`: what the profile is by then if nothing arrives."""
        moved = copy(self)
        moved.now, moved.results = now, {}
        return moved

    def release(self) -> None:
        """Release what only an evaluation needs: a hundred thousand kept profiles have to stay small."""
        if self.stored is not None:
            self.stored.release()


def snapshot_of(
    profile: Profile,
    catalog: Catalog,
    identifiers: Sequence[str],
    now: Instant,
    stored: StoredProfile | None = None,
) -> Snapshot:
    """A snapshot of a profile.

    identifiers  "kind value" pairs
    stored       the profile's state, which stays encoded; by default the state of the profile itself"""
    snapshot = Snapshot(
        now,
        calendar=catalog.calendar,
        properties=profile.properties,
        state=profile.state if stored is None else stored.state,
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
        evaluators=catalog.live.evaluators,
        group=profile.group_traits,
        listed=profile.listed,
    )
    snapshot.stored = stored
    _name(snapshot, catalog, profile.id, profile.version, profile.bucketing_key, identifiers)
    return snapshot


def _of_row(row: profile_store.LoadedProfileRow, catalog: Catalog, now: Instant) -> Snapshot:
    """The same of a stored profile, whose state stays encoded."""
    stored = StoredProfile(row.state)
    group, listed = stored.group_traits_and_lists()
    snapshot = Snapshot(
        now,
        calendar=catalog.calendar,
        properties=row.properties,
        state=stored.state,
        first_seen=row.first_seen_at,
        last_seen=row.last_seen_at,
        evaluators=catalog.live.evaluators,
        group=group,
        listed=listed,
    )
    snapshot.stored = stored
    _name(snapshot, catalog, row.id, row.version, row.bucketing_key, row.identifiers)
    return snapshot


def _name(snapshot: Snapshot, catalog: Catalog, id: int, version: int, unit: str, identifiers: Sequence[str]) -> None:
    snapshot.profile_id = id
    snapshot.version = version
    snapshot.names = (f"profileId {id}", *identifiers)
    snapshot.unit = unit
    snapshot.killed = catalog.killed
    snapshot.epoch = 0
    snapshot.kept_at = -1


def unknown_profile(catalog: Catalog, identifier: Identifier | None, now: Instant) -> Snapshot:
    """An unknown profile: no properties, no events. It buckets as it will when it is created."""
    snapshot = snapshot_of(Profile(0, identifier.value if identifier is not None else "", now), catalog, (), now)
    snapshot.unit = identifier.value if identifier is not None else None
    if identifier is None:
        snapshot.names = ()
    else:
        kind = identifier.kind if identifier.kind != ANY_KIND else IdentifierKind.USER
        snapshot.names = (f"{kind} {identifier.value}",)
    return snapshot


@dataclass(frozen=True, slots=True)
class _Written:
    """What a transaction of this process writes. It counts once it is known to be committed.

    epoch   when it was written
    former  the version of each profile that it changes"""

    version: int
    epoch: int
    profiles: Mapping[int, Profile]
    former: Mapping[int, int]


class Snapshots:
    """Kept by identifier, so that finding one is a single look-up.

    kinds  of identifiers of an environment, in the order in which a targeting key is looked up"""

    def __init__(
        self,
        pool: Pool,
        size: int,
        catalogs: Catalogs,
        kinds: Callable[[int], Sequence[str]] = lambda environment_id: tuple(STRENGTH),
    ) -> None:
        self._pool = pool
        self._misses = Misses(pool)
        self._catalogs = catalogs
        self._kinds = kinds
        # Values of any kind that are being read from Postgres, by the digest that notifications have.
        self._readings: dict[tuple[int, str], list[_Reading]] = {}
        self._cache = _Cache(size)
        # The newest version announced, so that an older row that was read before is not kept: of the `size` profiles
        # announced last. It is written for every profile of every commit, where an LRUCache costs several times
        # as much.
        self._latest: OrderedDict[tuple[int, int], int] = OrderedDict()
        # What the last transaction of each environment writes: they follow one another.
        self._written: dict[int, _Written] = {}
        self._size = size
        self._epoch = self._grown = 1
        self.away = True
        self._answers, self._ask_at = True, 0.0

    def __len__(self) -> int:
        return len(self._cache)

    # Notifications

    def writing(
        self,
        environment_id: int,
        version: int,
        catalog: Catalog,
        profiles: Mapping[int, Profile],
        former: Mapping[int, int],
    ) -> None:
        """A transaction of this process is about to commit these profiles, which keep their identifiers.

        former  the version of each before"""
        known = self._catalogs.current(environment_id)
        if known is not None and (known.revision, known.head) == (catalog.revision, catalog.head):
            self._written[environment_id] = _Written(version, self._epoch, profiles, former)

    def changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        """Drop the kept snapshots of these profiles, which have a newer version, or keep the newer if we wrote it."""
        latest, written = self._latest, self._written.get(environment_id)
        if written is not None and (written.version != version or written.epoch != self._epoch):
            written = None
        for id in profile_ids:
            name = (environment_id, id)
            # Our own commits are announced twice, and before the notifications of what came before them.
            if latest.get(name, 0) < version:
                latest[name] = version
                latest.move_to_end(name)
                if written is not None and (profile := written.profiles.get(id)) is not None:
                    self._keep_written(name, profile, written.former[id])
                self._cache.forget(name, version)
        while len(latest) > self._size:
            latest.popitem(last=False)

    def written(self, environment_id: int) -> None:
        """The transaction has ended, and `changed` knows of it: its profiles are let go."""
        self._written.pop(environment_id, None)

    def _keep_written(self, name: tuple[int, int], profile: Profile, former_version: int) -> None:
        catalog = self._catalogs.current(name[0])
        former = self._cache.of_profile(name)
        if catalog is None or former is None or former.version != former_version or former.epoch != self._epoch:
            return
        snapshot = snapshot_of(profile, catalog, former.names[1:], former.now, StoredProfile(profile.saved_state))
        snapshot.epoch = self._epoch
        self._cache.renew(name, former_version, snapshot)

    def created(self, environment_id: int, values: Iterable[str]) -> None:
        """Drop what is kept by these values of any kind: a stronger identifier with the value may lead elsewhere."""
        self.created_elsewhere(environment_id, map(digest_of, values))

    def created_elsewhere(self, environment_id: int, digests: Iterable[str]) -> None:
        """The same of values by their digests."""
        if self._readings or self._cache.has_any_kind:
            for digest in digests:
                for reading in self._readings.get((environment_id, digest), ()):
                    reading.is_overtaken = True
                self._cache.forget_value((environment_id, digest))

    def rules_changed(self) -> None:
        """Drop everything that is kept by a value of any kind: another kind may be the strongest."""
        for readings in self._readings.values():
            for reading in readings:
                reading.is_overtaken = True
        self._cache.forget_values()

    def disconnected(self) -> None:
        """Notifications may be missed from now on; Postgres may be away."""
        self.away, self._answers = True, True

    def outgrown(self) -> None:
        """Distrust what is kept: the catalog reads state that it may lack."""
        self._epoch += 1
        self._grown = self._epoch

    def reconnected(self) -> None:
        """Notifications arrive again; what is kept may have missed some."""
        self.away = False
        self._epoch += 1
        self._latest.clear()  # a database that was restored may never reach those versions

    # Reading

    def find(self, environment_id: int, kind: str, value: str) -> Snapshot | None:
        """The current snapshot of a profile, None if Postgres has to be read."""
        snapshot = self._cache.get((environment_id, kind, value))
        return snapshot if snapshot is not None and snapshot.epoch == self._epoch else None

    def find_stale(self, environment_id: int, kind: str, value: str) -> Snapshot | None:
        """The last known snapshot of a profile, current or not; None if the catalog needs more."""
        snapshot = self._cache.get((environment_id, kind, value))
        return snapshot if snapshot is not None and snapshot.epoch >= self._grown else None

    async def load(self, environment_id: int, identifier: Identifier, now: Instant) -> Snapshot | None:
        """Read the snapshot from Postgres; None for an unknown profile.

        "profileId" names a profile's id, ANY_KIND an identifier of any kind."""
        if not self.away:
            return await self._load_by(environment_id, identifier, now)
        # Perhaps only notifications are lost. While others do not answer either, one request a moment asks.
        time = asyncio.get_running_loop().time
        if not self._answers and time() < self._ask_at:
            raise Unavailable(DATABASE_AWAY, "The database cannot be reached, and this profile is not in memory.")
        self._ask_at = time() + _ASK_SECONDS
        try:
            found = await self._load_by(environment_id, identifier, now)
        except Unavailable:
            self._answers = False
            raise
        self._answers = True
        return found

    async def _load_by(self, environment_id: int, identifier: Identifier, now: Instant) -> Snapshot | None:
        if identifier.kind != ANY_KIND:
            return await self._load(environment_id, identifier, now, _Reading())
        value, reading = (environment_id, digest_of(identifier.value)), _Reading()
        self._readings.setdefault(value, []).append(reading)
        try:
            return await self._load(environment_id, identifier, now, reading)
        finally:
            self._readings[value].remove(reading)
            if not self._readings[value]:
                del self._readings[value]

    async def _load(
        self, environment_id: int, identifier: Identifier, now: Instant, reading: "_Reading"
    ) -> Snapshot | None:
        while True:
            epoch = self._epoch
            reading.is_overtaken = False
            row = await self._read(environment_id, identifier)
            if row is None:
                return None
            catalog = self._catalogs.current(environment_id)
            if catalog is None or row.live_revision > catalog.revision:
                # The writer of this row may have dropped what only an older revision reads.
                await self._catalogs.refresh(self._pool, environment_id, least=row.live_revision)
                continue
            if reading.is_overtaken or epoch != self._epoch:
                continue
            if self._latest.get((environment_id, row.id), 0) <= row.version:
                break
        snapshot = _of_row(row, catalog, now)
        snapshot.epoch = epoch
        self._cache.keep(
            (environment_id, identifier.kind, identifier.value), (environment_id, snapshot.profile_id), snapshot
        )
        return snapshot

    async def writes(self, environment_id: int) -> tuple[int, set[str]]:
        """The newest version that was drawn, and the environment's writes that may not be visible yet."""
        async with acquired(self._pool) as connection:
            newest = await outbox_store.last_position(connection)  # before the writers: see `outbox_store`
            return newest, await outbox_store.writers(connection, environment_id)

    async def _read(self, environment_id: int, identifier: Identifier) -> profile_store.LoadedProfileRow | None:
        if identifier.kind not in (ANY_KIND, "profileId"):
            return await self._misses.read(environment_id, identifier.kind, identifier.value)
        async with acquired(self._pool) as connection:
            if identifier.kind == ANY_KIND:
                kinds = self._kinds(environment_id)
                return await profile_store.load_by_value(connection, environment_id, identifier.value, kinds)
            if not (identifier.value.isascii() and identifier.value.isdecimal()) or len(identifier.value) > _LONGEST_ID:
                return None
            return await profile_store.load_by_id(connection, environment_id, int(identifier.value))


class _Reading:
    """One read of a value of any kind. is_overtaken: an identifier with the value was created meanwhile"""

    __slots__ = ("is_overtaken",)

    def __init__(self) -> None:
        self.is_overtaken = False


class _Cache:
    """Snapshots by identifier, with the way back from a profile to the identifiers it is kept by.

    At most `size` are kept; the least recently used leaves first."""

    def __init__(self, size: int) -> None:
        self._size = size
        # Each decision reads it: an LRUCache, which is Python code, would cost as much as the rest of the look-up.
        self._snapshots: OrderedDict[_Name, Snapshot] = OrderedDict()
        self._names: dict[tuple[int, int], list[_Name]] = {}
        # Those kept by a value of any kind, by the digest that notifications have.
        self._values: dict[tuple[int, str], _Name] = {}

    @property
    def has_any_kind(self) -> bool:
        return bool(self._values)

    def __len__(self) -> int:
        return len(self._snapshots)

    def get(self, name: _Name) -> Snapshot | None:
        """The snapshot kept by this identifier, which thereby becomes the most recently used."""
        snapshot = self._snapshots.get(name)
        if snapshot is not None:
            self._snapshots.move_to_end(name)
        return snapshot

    def keep(self, name: _Name, profile: tuple[int, int], snapshot: Snapshot) -> None:
        if (before := self._snapshots.pop(name, None)) is not None:  # of another profile, if the identifier moved
            self._unname(name, before)
        elif len(self._snapshots) >= self._size:
            self._unname(*self._snapshots.popitem(last=False))
        self._names.setdefault(profile, []).append(name)
        self._snapshots[name] = snapshot
        if name[1] == ANY_KIND:
            self._values[name[0], digest_of(name[2])] = name

    def forget_value(self, value: tuple[int, str]) -> None:
        """Drop what is kept by a value of any kind."""
        if (name := self._values.get(value)) is not None:
            self._unname(name, self._snapshots.pop(name))

    def forget_values(self) -> None:
        """Drop all that is kept by values of any kind."""
        for value in list(self._values):
            self.forget_value(value)

    def of_profile(self, profile: tuple[int, int]) -> Snapshot | None:
        """The newest snapshot that is kept of a profile."""
        names = self._names.get(profile)
        return self._snapshots[names[-1]] if names else None

    def renew(self, profile: tuple[int, int], version: int, snapshot: Snapshot) -> None:
        """Replace what is kept of a profile's version."""
        for name in self._names[profile]:
            kept = self._snapshots[name]
            if kept.version == version and kept.epoch == snapshot.epoch:
                self._snapshots[name] = snapshot

    def forget(self, profile: tuple[int, int], version: int) -> None:
        """Drop what is older than a version."""
        for name in [name for name in self._names.get(profile, ()) if self._snapshots[name].version < version]:
            self._unname(name, self._snapshots.pop(name))

    def _unname(self, name: _Name, snapshot: Snapshot) -> None:
        profile = (name[0], snapshot.profile_id)
        names = self._names[profile]
        names.remove(name)
        if name[1] == ANY_KIND:
            self._values.pop((name[0], digest_of(name[2])), None)
        if not names:
            del self._names[profile]
