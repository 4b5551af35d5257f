"""Profiles merged, unmerged and split by an admin.

Shape   Merges.merge(names) merges profiles · undo(id) undoes a merge · split(name, identifiers) makes identifiers a
        profile of their own. With `dry_run` each does everything and rolls back: the result is what would happen
Laws    each is one transaction: after a crash all of it is stored, or nothing. After an undo everything is as if the
        two profiles had never been linked; they stay apart until an alias call or an admin joins them again
Errors  NotFound PROFILE_NOT_FOUND, MERGE_NOT_FOUND, IDENTIFIER_NOT_FOUND · Conflict SAME_PROFILE, MERGE_REJECTED,
        MERGE_UNDONE, STILL_JOINED, NOTHING_LEFT · Overloaded CONTENTION
Source  docs/decisions/0021-undo.md, docs/reference/identity.md
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.engine.identity.resolution import Facts, MergeRejected, plan_merge
from tinycdp.engine.identity.unmerge import Cut, StillConnected, owned_by
from tinycdp.engine.profile import Profile
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import Identifier
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.identity import resolution, unmerge
from tinycdp.runtime.identity.graph import find_profile
from tinycdp.runtime.identity.resolution import IdentityTransaction, Restart, identifier_row
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.identifier_rules import IdentifierRules
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.views import IdentifierRef
from tinycdp.runtime.transactions import commit_with_retry
from tinycdp.store import events as event_store
from tinycdp.store import identity as store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import RETRY, Connection, Pool
from tinycdp.times import iso

#: The most profiles that one request merges.
MOST_MERGED = 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment, and when the profile entered it."""

    key: str
    since: str


@dataclass(frozen=True, slots=True)
class ProfileState:
    """A profile before or after the change."""

    id: str
    bucketing_key: str
    identifiers: list[IdentifierRef]
    properties: dict[str, Any]
    segments: list[SegmentEntry]


@dataclass(frozen=True, slots=True)
class PropertyConflict:
    """A property that has different values in several profiles; the latest written wins.

    winner              the profile whose value is kept
    values, written_at  by profile"""

    property: str
    winner: str
    values: dict[str, Any]
    written_at: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """What a merge by an admin did, or would do. merges: their ids; empty for a dry run"""

    survivor: str
    merges: list[str]
    moved: list[IdentifierRef]
    conflicts: list[PropertyConflict]
    before: list[ProfileState]
    after: ProfileState
    dry_run: bool


@dataclass(frozen=True, slots=True)
class IdentifierPair:
    """Two identifiers that are kept apart until an alias call or an admin joins them again."""

    one: IdentifierRef
    other: IdentifierRef


@dataclass(frozen=True, slots=True)
class UnmergeResult:
    """What an undo or a split did, or would do.

    before, after: the profiles whose identifiers changed"""

    kept_apart: list[IdentifierPair]
    before: list[ProfileState]
    after: list[ProfileState]
    dry_run: bool


class Merges:
    """Merges, undoes and splits.

    `committed` is called with (environment, version, profiles) before the result."""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        rules: Callable[[int], IdentifierRules],
        now: Clock,
        committed: Callable[[int, int, Sequence[int]], None],
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._rules = rules
        self._now = now
        self._committed = committed

    async def merge(
        self,
        environment_id: int,
        names: Sequence[str],
        author: str,
        note: str = "",
        *,
        survivor: str | None = None,
        dry_run: bool = False,
    ) -> MergeResult:
        """Merge these profiles. survivor: the one that keeps its id, None for the oldest"""
        if not 2 <= len(names) <= MOST_MERGED:
            raise InvalidInput("INVALID_BODY", f"$.profiles: name 2 to {MOST_MERGED} profiles.", path="$.profiles")

        async def work(tx: IdentityTransaction) -> _Done[MergeResult]:
            return await _merge(tx, names, survivor, author, note, dry_run=dry_run)

        return await self._commit(environment_id, work, dry_run=dry_run)

    async def undo(
        self, environment_id: int, merge_id: int, author: str, note: str = "", *, dry_run: bool = False
    ) -> UnmergeResult:
        """Make the two profiles of this merge two again."""

        async def work(tx: IdentityTransaction) -> _Done[UnmergeResult]:
            return await _undo(tx, merge_id, author, note, dry_run=dry_run)

        return await self._commit(environment_id, work, dry_run=dry_run)

    async def split(
        self,
        environment_id: int,
        name: str,
        identifiers: Sequence[Identifier],
        author: str,
        note: str = "",
        *,
        dry_run: bool = False,
    ) -> UnmergeResult:
        """Make these identifiers of a profile, and those that they own, a profile of their own."""

        async def work(tx: IdentityTransaction) -> _Done[UnmergeResult]:
            return await _split(tx, name, identifiers, author, note, dry_run=dry_run)

        return await self._commit(environment_id, work, dry_run=dry_run)

    async def _commit(
        self, environment_id: int, work: Callable[[IdentityTransaction], Awaitable["_Done[T]"]], *, dry_run: bool
    ) -> T:
        async def attempt(connection: Connection) -> _Done[T]:
            done = await work(await self._begin(connection, environment_id))
            await announce_profiles(connection, environment_id, done.version, done.touched)
            return done

        done = await commit_with_retry(self._pool, attempt, again=(Restart, *RETRY), dry_run=dry_run)
        if not dry_run:
            self._committed(environment_id, done.version, done.touched)
        return done.result

    async def _begin(self, connection: Connection, environment_id: int) -> IdentityTransaction:
        await event_store.begin_group(connection, environment_id)
        catalog = await self._catalogs.current_in(connection, environment_id)
        return IdentityTransaction(connection, environment_id, catalog, self._now(), self._rules(environment_id))


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    result: T
    version: int
    touched: Sequence[int]


async def _merge(
    tx: IdentityTransaction, names: Sequence[str], survivor: str | None, author: str, note: str, *, dry_run: bool
) -> _Done[MergeResult]:
    ids = [(await find_profile(tx.connection, tx.environment_id, name)).id for name in names]
    if len(set(ids)) == 1:
        raise Conflict("SAME_PROFILE", "All of these are one profile already.")
    survivor_id = (await find_profile(tx.connection, tx.environment_id, survivor)).id if survivor is not None else None
    if survivor_id is not None and survivor_id not in ids:
        raise InvalidInput("INVALID_BODY", "$.survivor: name one of $.profiles.", path="$.survivor")
    rows = await _lock(tx, sorted(set(ids)))
    passed = [
        transition for profile in tx.profiles.values() for transition in recompute.advance(profile, tx.catalog, tx.now)
    ]
    before = [_state_of(profile, rows[id], tx.catalog) for id, profile in tx.profiles.items()]
    conflicts = _conflicts(tx.profiles.values())
    facts = Facts(rows={}, created_at={id: profile.created_at for id, profile in tx.profiles.items()}, members=rows)
    try:
        plan, kept = plan_merge(facts, survivor_id, author, note, tx.rules, tx.now)
    except MergeRejected as rejected:
        raise Conflict(
            "MERGE_REJECTED",
            f"The profile would have more identifiers of one kind than the identity policy allows ({rejected.reason}).",
            reason=rejected.reason,
        ) from None
    await resolution.apply(tx, plan)
    profile = tx.profiles[kept]
    happened = [*passed, *tx.changes, *recompute.review_all(profile, tx.catalog, tx.now)]
    version = await storage.save(
        tx.connection, tx.environment_id, tx.now, tx.profiles.values(), happened, merged=tx.merged, catalog=tx.catalog
    )
    result = MergeResult(
        survivor=str(kept),
        merges=[] if dry_run else [str(id) for id in tx.merges],
        moved=[_identifier(row) for absorbed_id in tx.merged for row in rows[absorbed_id]],
        conflicts=conflicts,
        before=before,
        after=_state_of(profile, [row for own in rows.values() for row in own], tx.catalog),
        dry_run=dry_run,
    )
    return _Done(result, version, [kept, *tx.merged])


async def _undo(
    tx: IdentityTransaction, merge_id: int, author: str, note: str, *, dry_run: bool
) -> _Done[UnmergeResult]:
    merge = await store.find_merge(tx.connection, tx.environment_id, merge_id)
    if merge is None:
        raise NotFound("MERGE_NOT_FOUND", f"There is no merge {merge_id}.")
    if merge.undone_at is not None:
        raise Conflict(
            "MERGE_UNDONE",
            f"This merge was undone by {merge.undone_by} at {iso(merge.undone_at)}. To join the profiles again, merge"
            " them.",
        )
    unmerged = await _unmerge(tx, await _cut_of(tx, merge), undone=merge, author=author, note=note)
    await store.undo_merge(tx.connection, tx.environment_id, [merge_id], tx.now, author, note)
    return _Done(_result_of(unmerged, tx.catalog, dry_run=dry_run), unmerged.version, unmerged.touched)


async def _cut_of(tx: IdentityTransaction, merge: store.JournaledMergeRow) -> Cut:
    """What undoing a merge withdraws: every link between the absorbed profile and the survivor."""
    absorbed = frozenset(merge.identifier_ids)
    if merge.link_identifier_id is not None and merge.link_owner_id is not None:
        pair = merge.link_identifier_id, merge.link_owner_id
        return Cut(absorbed, frozenset(merge.survivor_identifier_ids), pair, merge.id)
    # Old rows have no pair: the present identifiers give the sides.
    named = await store.identifiers_by_id(tx.connection, tx.environment_id, sorted(absorbed))
    rows = await _identifiers(tx, sorted({row.profile_id for row in named}))
    side = owned_by(absorbed, rows)
    others = {row.id for row in rows} - side
    if not others:
        raise Conflict("NOTHING_LEFT", "The profile has no other identifiers to separate these from.")
    return Cut(frozenset(side), frozenset(others), None, merge.id)


async def _split(
    tx: IdentityTransaction, name: str, identifiers: Sequence[Identifier], author: str, note: str, *, dry_run: bool
) -> _Done[UnmergeResult]:
    profile_id = (await find_profile(tx.connection, tx.environment_id, name)).id
    rows = await _identifiers(tx, [profile_id])
    ids = {row.identifier: row.id for row in rows}
    if missing := next((identifier for identifier in identifiers if identifier not in ids), None):
        message = f"This profile has no {missing.kind} {missing.value[:100]!r}."
        raise NotFound("IDENTIFIER_NOT_FOUND", message)
    side = owned_by({ids[identifier] for identifier in identifiers}, rows)
    others = set(ids.values()) - side
    if not others or not side:
        raise Conflict(
            "NOTHING_LEFT", "These identifiers, with those that they own, are the whole profile; leave at least one."
        )
    cut = Cut(frozenset(side), frozenset(others), together=True)
    unmerged = await _unmerge(tx, cut, undone=None, author=author, note=note)
    await store.append_split(tx.connection, tx.environment_id, profile_id, sorted(side), author, note, tx.now)
    return _Done(_result_of(unmerged, tx.catalog, dry_run=dry_run), unmerged.version, unmerged.touched)


async def _unmerge(
    tx: IdentityTransaction, cut: Cut, *, undone: store.JournaledMergeRow | None, author: str, note: str
) -> unmerge.UnmergeOutcome:
    try:
        return await unmerge.unmerge(tx, cut, undone=undone, author=author, note=note)
    except StillConnected as connected:
        path = [f"{identifier.kind} {identifier.value}" for identifier in connected.path]
        raise Conflict(
            "STILL_JOINED",
            f"Other links still connect the profiles, by way of {', '.join(path)}. Undo or split these as well.",
            path=path,
        ) from None


async def _lock(tx: IdentityTransaction, ids: Sequence[int]) -> dict[int, list[IdentifierRow]]:
    """Lock and load these profiles; returns the identifiers of each."""
    for row in await profile_store.lock_profiles(tx.connection, tx.environment_id, ids):
        if row.merged_into is not None:
            raise Restart
        tx.profiles[row.id] = storage.from_row(row)
    found: dict[int, list[IdentifierRow]] = {id: [] for id in ids}
    for identifier in await _identifiers(tx, ids):
        found[identifier.profile_id].append(identifier)
    if not all(found.values()):
        raise Restart
    return found


async def _identifiers(tx: IdentityTransaction, profile_ids: Sequence[int]) -> list[IdentifierRow]:
    rows = await store.identifiers_of_profiles(tx.connection, tx.environment_id, profile_ids)
    return [identifier_row(row) for row in rows]


def _identifier(row: IdentifierRow) -> IdentifierRef:
    return IdentifierRef(row.identifier.kind, row.identifier.value)


def _state_of(profile: Profile, rows: Iterable[IdentifierRow], catalog: Catalog) -> ProfileState:
    return ProfileState(
        str(profile.id),
        profile.bucketing_key,
        [_identifier(row) for row in sorted(rows, key=lambda row: row.id)],
        dict(profile.properties),
        [
            SegmentEntry(segment.name[1], iso(profile.memberships[segment.fingerprint]))
            for segment in catalog.segments
            if not segment.is_candidate and segment.fingerprint in profile.memberships
        ],
    )


def _conflicts(profiles: Iterable[Profile]) -> list[PropertyConflict]:
    having: dict[str, list[Profile]] = {}
    for profile in profiles:
        for name in profile.properties:
            having.setdefault(name, []).append(profile)
    return [
        PropertyConflict(
            name,
            str(max(own, key=lambda profile: profile.stamps[name]).id),
            {str(profile.id): profile.properties[name] for profile in own},
            {str(profile.id): iso(profile.stamps[name][0]) for profile in own},
        )
        for name, own in sorted(having.items())
        if any(profile.properties[name] != own[0].properties[name] for profile in own)
    ]


def _result_of(unmerged: unmerge.UnmergeOutcome, catalog: Catalog, *, dry_run: bool) -> UnmergeResult:
    return UnmergeResult(
        [IdentifierPair(_identifier(one), _identifier(other)) for one, other in unmerged.apart],
        [_state_of(*profile, catalog) for profile in unmerged.before],
        [_state_of(*profile, catalog) for profile in unmerged.after],
        dry_run,
    )
