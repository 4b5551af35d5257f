"""People made one, or several again, by an admin.

Shape   Merges.merge(names) joins people for good · undo(id) takes a merge back · split(person, identifiers) parts one.
        Each with `dry` does everything and keeps nothing, so that what it says is what would happen
Laws    one transaction each: a crash leaves either world. After an undo everything is as if the two people had never
        been said to be one; it stays so, until an alias call or an admin says it anew
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
from tinycdp.engine.profile import Profile
from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded
from tinycdp.model import Alias
from tinycdp.runtime import identity, parting, profiles
from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.graphs import find_named
from tinycdp.runtime.identity import Cause, People, Restart
from tinycdp.runtime.identity_rules import Rules
from tinycdp.runtime.news import announce_profiles
from tinycdp.runtime.people import Identifier
from tinycdp.runtime.times import iso
from tinycdp.store import definitions as definition_store
from tinycdp.store import identity as store
from tinycdp.store import messages
from tinycdp.store.messages import Row
from tinycdp.store.pool import RETRY, Connection, Pool, transaction

#: How often it begins anew because somebody else changed these people meanwhile.
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

        async def work(people: People) -> _Done[Merged]:
            return await _merge(people, names, survivor, author, note, dry=dry)

        return await self._do(environment_id, work, dry=dry)

    async def undo(
        self, environment_id: int, merge_id: int, author: str, note: str = "", *, dry: bool = False
    ) -> Parted:
        """The two people of this merge are two again."""

        async def work(people: People) -> _Done[Parted]:
            return await _undo(people, merge_id, author, note, dry=dry)

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

        async def work(people: People) -> _Done[Parted]:
            return await _split(people, name, identifiers, author, note, dry=dry)

        return await self._do(environment_id, work, dry=dry)

    async def _do(self, environment_id: int, work: Callable[[People], Awaitable["_Done[T]"]], *, dry: bool) -> T:
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

    async def _begin(self, connection: Connection, environment_id: int) -> People:
        await messages.begin_group(connection, environment_id)
        environment = await definition_store.find_environment(connection, environment_id)
        catalog = await self._catalogs.at(
            connection, environment_id, environment["live_revision"], environment["head_revision"]
        )
        return People(connection, environment_id, catalog, self._now(), self._rules(environment_id))


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    answer: T
    version: int
    touched: Sequence[int]


async def _merge(
    people: People, names: Sequence[str], survivor: str | None, author: str, note: str, *, dry: bool
) -> _Done[Merged]:
    connection, environment_id, catalog = people.connection, people.environment_id, people.catalog
    ids = [(await find_named(people.connection, people.environment_id, name))["id"] for name in names]
    if len(set(ids)) == 1:
        raise Conflict("SAME_PERSON", "All of these are one person already.")
    survivor_id = (
        (await find_named(people.connection, people.environment_id, survivor))["id"] if survivor is not None else None
    )
    if survivor_id is not None and survivor_id not in ids:
        raise InvalidInput("INVALID_BODY", "$.survivor: one of those in $.profiles.", path="$.survivor")
    rows = await _lock(people, sorted(set(ids)))
    transitions = [
        transition
        for profile in people.profiles.values()
        for transition in recompute.advance(profile, catalog, people.now)
    ]
    before = [_standing(profile, rows[id], catalog) for id, profile in people.profiles.items()]
    conflicts = _conflicts(people.profiles.values())
    speaks = {id: min(own, key=lambda row: parting.speaking_order(people, row))["id"] for id, own in rows.items()}
    first, *others = sorted(people.profiles, key=lambda id: (id != survivor_id, identity.age_of(_first(rows[id]))))
    for other in others:
        cause = Cause("manual", speaks[other], speaks[first], "", author, note)
        if reason := await identity.merge(people, first, other, cause, survivor_id):
            raise Conflict(
                "MERGE_REFUSED",
                f"They would have more identifiers of one kind than the environment's policy allows ({reason}).",
                reason=reason,
            )
        people.say((speaks[other], speaks[first], True), identity.by_hand(people.now))
    await identity.rekey(people)
    await identity.flush(people)
    profile = people.profiles[first]
    transitions += recompute.review_all(profile, catalog, people.now)
    version = await profiles.save(
        connection, environment_id, people.now, people.profiles.values(), transitions, merged=people.merged
    )
    answer = Merged(
        survivor=str(first),
        merges=[] if dry else [str(id) for id in people.journal],
        moved=[_identifier(row) for other in others for row in rows[other]],
        conflicts=conflicts,
        before=before,
        after=_standing(profile, [row for own in rows.values() for row in own], catalog),
        dry=dry,
    )
    return _Done(answer, version, [first, *others])


async def _undo(people: People, merge_id: int, author: str, note: str, *, dry: bool) -> _Done[Parted]:
    connection, environment_id = people.connection, people.environment_id
    merge = await store.find_merge(connection, environment_id, merge_id)
    if merge is None:
        raise NotFound("MERGE_NOT_FOUND", f"There is no merge {merge_id}.")
    if merge["undone_at"] is not None:
        raise Conflict(
            "MERGE_UNDONE",
            f"This merge was undone by {merge['undone_by']} at {iso(merge['undone_at'])}. To make them one again, merge"
            " them by hand.",
        )
    absorbed = set(merge["alias_ids"])
    pair: tuple[int, int] | None = (merge["link_alias_id"], merge["link_owner_id"])
    others = set(merge["survivor_alias_ids"])
    if merge["link_alias_id"] is None:  # journaled before merges could be undone: by what there is now
        homes = {row["profile_id"] for row in await store.identifiers_by_id(connection, environment_id, [*absorbed])}
        rows = await store.identifiers_of_profiles(connection, environment_id, sorted(homes))
        absorbed |= _owned(rows, absorbed)
        others = {row["id"] for row in rows} - absorbed
        if not others:
            raise Conflict("NOTHING_LEFT", "Nobody is left to part these identifiers from.")
        pair = None
    parted = await _cut(people, absorbed, others, pair=pair, undone=merge, together=False, author=author, note=note)
    await store.undo_merge(connection, environment_id, [merge_id], people.now, author, note)
    return _Done(_parted(parted, people.catalog, dry=dry), parted.version, parted.touched)


async def _split(
    people: People, name: str, identifiers: Sequence[Alias], author: str, note: str, *, dry: bool
) -> _Done[Parted]:
    profile_id = (await find_named(people.connection, people.environment_id, name))["id"]
    rows = await store.identifiers_of_profiles(people.connection, people.environment_id, [profile_id])
    by_alias = {Alias(row["kind"], row["value"]): row["id"] for row in rows}
    if missing := next((alias for alias in identifiers if alias not in by_alias), None):
        message = f"This person has no {missing.kind} {missing.value[:100]!r}."
        raise NotFound("IDENTIFIER_NOT_FOUND", message)
    side = {by_alias[alias] for alias in identifiers}
    side |= _owned(rows, side)
    others = {row["id"] for row in rows} - side
    if not others or not side:
        raise Conflict("NOTHING_LEFT", "A split needs identifiers on both sides; these, with what they own, are all.")
    parted = await _cut(people, side, others, pair=None, undone=None, together=True, author=author, note=note)
    await store.append_split(
        people.connection, people.environment_id, profile_id, sorted(side), author, note, people.now
    )
    return _Done(_parted(parted, people.catalog, dry=dry), parted.version, parted.touched)


def _owned(rows: Iterable[Row], ids: set[int]) -> set[int]:
    """These identifiers, what they claim, and what that claims in turn."""
    found = set(ids)
    while more := {row["id"] for row in rows if row["owner_id"] in found} - found:
        found |= more
    return found


async def _cut(people: People, *sides: set[int], **how: Any) -> parting.Parted:
    try:
        return await parting.cut(people, *sides, **how)
    except parting.Held as held:
        path = [f"{alias.kind} {alias.value}" for alias in held.path]
        raise Conflict(
            "STILL_JOINED",
            f"Without this they are one person still, by way of {', '.join(path)}: undo or split that as well.",
            path=path,
        ) from None


async def _lock(people: People, ids: Sequence[int]) -> dict[int, list[Row]]:
    """These profiles, locked and in memory; gives the identifiers of each."""
    connection, environment_id = people.connection, people.environment_id
    for row in await messages.lock_profiles(connection, environment_id, ids):
        if row["merged_into"] is not None:
            raise Restart
        people.profiles[row["id"]] = profiles.from_row(row)
    found: dict[int, list[Row]] = {id: [] for id in ids}
    for row in await store.identifiers_of_profiles(connection, environment_id, ids):
        found[row["profile_id"]].append(row)
    if not all(found.values()):
        raise Restart
    return found


def _first(rows: Iterable[Row]) -> Row:
    return min(rows, key=identity.age_of)


def _identifier(row: Row) -> Identifier:
    return Identifier(row["kind"], row["value"])


def _standing(profile: Profile, rows: Iterable[Row], catalog: Catalog) -> Standing:
    return Standing(
        str(profile.id),
        profile.bucketing_key,
        [_identifier(row) for row in sorted(rows, key=lambda row: int(row["id"]))],
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


def _parted(parted: parting.Parted, catalog: Catalog, *, dry: bool) -> Parted:
    return Parted(
        [Pair(_identifier(one), _identifier(other)) for one, other in parted.apart],
        [_standing(*person, catalog) for person in parted.before],
        [_standing(*person, catalog) for person in parted.after],
        dry,
    )
