"""Profiles merged, unmerged and split by an admin.

Shape   Merges.merge(names) merges profiles · undo(id) undoes a merge · split(name, identifiers) makes identifiers a
        profile of their own. Each with `dry` does everything and rolls back, so that its answer is what would happen
Laws    one transaction each: a crash leaves all of it or nothing. After an undo everything is as if the two profiles
        had never been said to be one; they stay apart until an alias call or an admin joins them again
Errors  NotFound PROFILE_NOT_FOUND, MERGE_NOT_FOUND, IDENTIFIER_NOT_FOUND · Conflict SAME_PERSON, MERGE_REFUSED,
        MERGE_UNDONE, STILL_JOINED, NOTHING_LEFT · Overloaded CONTENTION
Source  docs/decisions/0021-undo.md, docs/reference/identity.md
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.engine.identity.resolution import Facts, MergeRejected, plan_merge
from tinycdp.engine.identity.unmerge import Cut, StillConnected, owned_by
from tinycdp.engine.profile import Profile
from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded
from tinycdp.model import Alias
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.identity import resolution, unmerge
from tinycdp.runtime.identity.graph import find_named
from tinycdp.runtime.identity.resolution import IdentityTransaction, Restart, identifier_row
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.identifier_rules import Rules
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.views import Identifier
from tinycdp.store import definitions as definition_store
from tinycdp.store import identity as store
from tinycdp.store import messages
from tinycdp.store.messages import Row
from tinycdp.store.pool import RETRY, Connection, Pool, transaction
from tinycdp.times import iso

#: How often a change is tried again because another process changed the same profiles.
TRIES = 8
MOST_MERGED = 20
T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """A segment, and since when somebody is in it."""

    key: str
    since: str


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """A person as they stand before or after: under which id and bucketing key, with which identifiers and segments."""

    id: str
    bucketing_key: str
    identifiers: list[Identifier]
    properties: dict[str, Any]
    segments: list[Entry]


class PropertyConflict(msgspec.Struct, frozen=True, rename="camel"):
    """A property that several of them have with different values: the latest written holds.

    values  by profile, with when each was written"""

    property: str
    winner: str
    values: dict[str, Any]
    written_at: dict[str, str]


class Merged(msgspec.Struct, frozen=True, rename="camel"):
    """What a merge by hand did, or with `dryRun` would do. merges: their ids, to undo them by; empty for a dry one"""

    survivor: str
    merges: list[str]
    moved: list[Identifier]
    conflicts: list[PropertyConflict]
    before: list[Standing]
    after: Standing
    dry: bool = msgspec.field(name="dryRun")


class Pair(msgspec.Struct, frozen=True):
    """Two identifiers that do not make their people one any more, until an alias call or an admin says so again."""

    one: Identifier
    other: Identifier


class Parted(msgspec.Struct, frozen=True, rename="camel"):
    """What an undo or a split did, or with `dryRun` would do. before and after: everyone whose identifiers changed"""

    kept_apart: list[Pair]
    before: list[Standing]
    after: list[Standing]
    dry: bool = msgspec.field(name="dryRun")


class _Dry(Exception):
    """Everything was done; nothing is to be kept."""


class Merges:
    """`committed` hears of (environment, version, profiles) before the answer."""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        rules: Callable[[int], Rules],
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
        dry: bool = False,
    ) -> Merged:
        """All of these people are one. `survivor` is whose profile id stays, None for the oldest's."""
        if not 2 <= len(names) <= MOST_MERGED:
            raise InvalidInput("INVALID_BODY", f"$.profiles: name 2 to {MOST_MERGED} people.", path="$.profiles")

        async def work(tx: IdentityTransaction) -> _Done[Merged]:
            return await _merge(tx, names, survivor, author, note, dry=dry)

        return await self._do(environment_id, work, dry=dry)

    async def undo(
        self, environment_id: int, merge_id: int, author: str, note: str = "", *, dry: bool = False
    ) -> Parted:
        """The two people of this merge are two again."""

        async def work(tx: IdentityTransaction) -> _Done[Parted]:
            return await _undo(tx, merge_id, author, note, dry=dry)

        return await self._do(environment_id, work, dry=dry)

    async def split(
        self,
        environment_id: int,
        name: str,
        identifiers: Sequence[Alias],
        author: str,
        note: str = "",
        *,
        dry: bool = False,
    ) -> Parted:
        """These identifiers of a person, and what they own, are a person of their own."""

        async def work(tx: IdentityTransaction) -> _Done[Parted]:
            return await _split(tx, name, identifiers, author, note, dry=dry)

        return await self._do(environment_id, work, dry=dry)

    async def _do(
        self, environment_id: int, work: Callable[[IdentityTransaction], Awaitable["_Done[T]"]], *, dry: bool
    ) -> T:
        for _ in range(TRIES):
            try:
                async with transaction(self._pool) as connection:
                    done = await work(await self._begin(connection, environment_id))
                    await announce_profiles(connection, environment_id, done.version, done.touched)
                    if dry:
                        raise _Dry
            except _Dry:
                return done.answer
            except (Restart, *RETRY):
                await asyncio.sleep(random.uniform(0, 0.02))
                continue
            self._committed(environment_id, done.version, done.touched)
            return done.answer
        raise Overloaded("CONTENTION", "Many processes write to the same people at once; try again shortly.")

    async def _begin(self, connection: Connection, environment_id: int) -> IdentityTransaction:
        await messages.begin_group(connection, environment_id)
        environment = await definition_store.find_environment(connection, environment_id)
        catalog = await self._catalogs.at(
            connection, environment_id, environment["live_revision"], environment["head_revision"]
        )
        return IdentityTransaction(connection, environment_id, catalog, self._now(), self._rules(environment_id))


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    answer: T
    version: int
    touched: Sequence[int]


async def _merge(
    tx: IdentityTransaction, names: Sequence[str], survivor: str | None, author: str, note: str, *, dry: bool
) -> _Done[Merged]:
    ids = [(await find_named(tx.connection, tx.environment_id, name))["id"] for name in names]
    if len(set(ids)) == 1:
        raise Conflict("SAME_PERSON", "All of these are one person already.")
    survivor_id = (await find_named(tx.connection, tx.environment_id, survivor))["id"] if survivor is not None else None
    if survivor_id is not None and survivor_id not in ids:
        raise InvalidInput("INVALID_BODY", "$.survivor: one of those in $.profiles.", path="$.survivor")
    rows = await _lock(tx, sorted(set(ids)))
    passed = [
        transition for profile in tx.profiles.values() for transition in recompute.advance(profile, tx.catalog, tx.now)
    ]
    before = [_standing(profile, rows[id], tx.catalog) for id, profile in tx.profiles.items()]
    conflicts = _conflicts(tx.profiles.values())
    facts = Facts(rows={}, created_at={id: profile.created_at for id, profile in tx.profiles.items()}, members=rows)
    try:
        plan, kept = plan_merge(facts, survivor_id, author, note, tx.rules, tx.now)
    except MergeRejected as rejected:
        raise Conflict(
            "MERGE_REFUSED",
            f"They would have more identifiers of one kind than the environment's policy allows ({rejected.reason}).",
            reason=rejected.reason,
        ) from None
    await resolution.apply(tx, plan)
    profile = tx.profiles[kept]
    happened = [*passed, *tx.changes, *recompute.review_all(profile, tx.catalog, tx.now)]
    version = await storage.save(
        tx.connection, tx.environment_id, tx.now, tx.profiles.values(), happened, merged=tx.merged
    )
    answer = Merged(
        survivor=str(kept),
        merges=[] if dry else [str(id) for id in tx.merges],
        moved=[_identifier(row) for absorbed_id in tx.merged for row in rows[absorbed_id]],
        conflicts=conflicts,
        before=before,
        after=_standing(profile, [row for own in rows.values() for row in own], tx.catalog),
        dry=dry,
    )
    return _Done(answer, version, [kept, *tx.merged])


async def _undo(tx: IdentityTransaction, merge_id: int, author: str, note: str, *, dry: bool) -> _Done[Parted]:
    merge = await store.find_merge(tx.connection, tx.environment_id, merge_id)
    if merge is None:
        raise NotFound("MERGE_NOT_FOUND", f"There is no merge {merge_id}.")
    if merge["undone_at"] is not None:
        raise Conflict(
            "MERGE_UNDONE",
            f"This merge was undone by {merge['undone_by']} at {iso(merge['undone_at'])}. To make them one again, merge"
            " them by hand.",
        )
    unmerged = await _unmerge(tx, await _cut_of(tx, merge), undone=merge, author=author, note=note)
    await store.undo_merge(tx.connection, tx.environment_id, [merge_id], tx.now, author, note)
    return _Done(_parted(unmerged, tx.catalog, dry=dry), unmerged.version, unmerged.touched)


async def _cut_of(tx: IdentityTransaction, merge: Row) -> Cut:
    """What undoing a merge withdraws: everything between what the absorbed profile had and what the survivor had."""
    absorbed = frozenset(merge["alias_ids"])
    if merge["link_alias_id"] is not None:
        pair = merge["link_alias_id"], merge["link_owner_id"]
        return Cut(absorbed, frozenset(merge["survivor_alias_ids"]), pair, merge["id"])
    # Journaled before merges could be undone: by what there is now.
    named = await store.identifiers_by_id(tx.connection, tx.environment_id, sorted(absorbed))
    rows = await _identifiers(tx, sorted({row["profile_id"] for row in named}))
    side = owned_by(absorbed, rows)
    others = {row.id for row in rows} - side
    if not others:
        raise Conflict("NOTHING_LEFT", "Nobody is left to part these identifiers from.")
    return Cut(frozenset(side), frozenset(others), None, merge["id"])


async def _split(
    tx: IdentityTransaction, name: str, identifiers: Sequence[Alias], author: str, note: str, *, dry: bool
) -> _Done[Parted]:
    profile_id = (await find_named(tx.connection, tx.environment_id, name))["id"]
    rows = await _identifiers(tx, [profile_id])
    ids = {row.identifier: row.id for row in rows}
    if missing := next((identifier for identifier in identifiers if identifier not in ids), None):
        message = f"This person has no {missing.kind} {missing.value[:100]!r}."
        raise NotFound("IDENTIFIER_NOT_FOUND", message)
    side = owned_by({ids[identifier] for identifier in identifiers}, rows)
    others = set(ids.values()) - side
    if not others or not side:
        raise Conflict("NOTHING_LEFT", "A split needs identifiers on both sides; these, with what they own, are all.")
    cut = Cut(frozenset(side), frozenset(others), together=True)
    unmerged = await _unmerge(tx, cut, undone=None, author=author, note=note)
    await store.append_split(tx.connection, tx.environment_id, profile_id, sorted(side), author, note, tx.now)
    return _Done(_parted(unmerged, tx.catalog, dry=dry), unmerged.version, unmerged.touched)


async def _unmerge(
    tx: IdentityTransaction, cut: Cut, *, undone: Row | None, author: str, note: str
) -> unmerge.Unmerged:
    try:
        return await unmerge.unmerge(tx, cut, undone=undone, author=author, note=note)
    except StillConnected as connected:
        path = [f"{identifier.kind} {identifier.value}" for identifier in connected.path]
        raise Conflict(
            "STILL_JOINED",
            f"Without this they are one person still, by way of {', '.join(path)}: undo or split that as well.",
            path=path,
        ) from None


async def _lock(tx: IdentityTransaction, ids: Sequence[int]) -> dict[int, list[IdentifierRow]]:
    """Lock and load these profiles; returns the identifiers of each."""
    for row in await messages.lock_profiles(tx.connection, tx.environment_id, ids):
        if row["merged_into"] is not None:
            raise Restart
        tx.profiles[row["id"]] = storage.from_row(row)
    found: dict[int, list[IdentifierRow]] = {id: [] for id in ids}
    for identifier in await _identifiers(tx, ids):
        found[identifier.profile_id].append(identifier)
    if not all(found.values()):
        raise Restart
    return found


async def _identifiers(tx: IdentityTransaction, profile_ids: Sequence[int]) -> list[IdentifierRow]:
    rows = await store.identifiers_of_profiles(tx.connection, tx.environment_id, profile_ids)
    return [identifier_row(row) for row in rows]


def _identifier(row: IdentifierRow) -> Identifier:
    return Identifier(row.identifier.kind, row.identifier.value)


def _standing(profile: Profile, rows: Iterable[IdentifierRow], catalog: Catalog) -> Standing:
    return Standing(
        str(profile.id),
        profile.bucketing_key,
        [_identifier(row) for row in sorted(rows, key=lambda row: row.id)],
        dict(profile.properties),
        [
            Entry(segment.name[1], iso(profile.memberships[segment.fingerprint]))
            for segment in catalog.segments
            if not segment.is_next and segment.fingerprint in profile.memberships
        ],
    )


def _conflicts(people: Iterable[Profile]) -> list[PropertyConflict]:
    having: dict[str, list[Profile]] = {}
    for profile in people:
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


def _parted(unmerged: unmerge.Unmerged, catalog: Catalog, *, dry: bool) -> Parted:
    return Parted(
        [Pair(_identifier(one), _identifier(other)) for one, other in unmerged.apart],
        [_standing(*profile, catalog) for profile in unmerged.before],
        [_standing(*profile, catalog) for profile in unmerged.after],
        dry,
    )
