"""A profile and the definitions as of a past instant: what a decision saw then.

Shape   Past.view(environment, alias, at) → View: the catalog that served, and the profile as it was known.
        profiles_as_of(…) → several profiles of today at an instant, by any catalog
Laws    a decision made from a View equals the one that was made at its instant, except for messages that had not been
        committed by then. Nothing is written. Of the present only the owners of identifiers are read: the journal of
        moves leads back from there, and raw messages give the rest
Errors  NotFound REVISION_NOT_FOUND · EVENTS_DROPPED if raw messages that the decision needs are deleted
Source  docs/decisions/0017-preview-and-replay.md
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cachetools import LRUCache

from tinycdp.dsl import ir
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, CompiledSet, Name
from tinycdp.engine.identity.identifiers import IdentifierRow, bucketing_key
from tinycdp.engine.profile import Profile
from tinycdp.errors import NotFound
from tinycdp.model import DAY_MS, NEVER, Identifier, Instant
from tinycdp.runtime.decisions.snapshots import Snapshot, snapshot_of, unknown_profile
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.catalogs import compile_catalog, definitions_at
from tinycdp.runtime.definitions.references import closure, references_of
from tinycdp.runtime.profiles import groups
from tinycdp.runtime.profiles.storage import message_from_row
from tinycdp.store import definitions
from tinycdp.store.database.pool import Connection, Pool, snapshot
from tinycdp.store.history import past
from tinycdp.times import iso

#: How many compiled catalogs of the past are kept: replays often ask for many decisions of the same day.
_CATALOGS = 8
#: Every number with this many digits fits Postgres' bigint.
_LONGEST_ID = 18


@dataclass(frozen=True, slots=True)
class View:
    """What a decision at an instant saw.

    since  when the profile was created; None if it was unknown
    """

    catalog: Catalog
    snapshot: Snapshot
    since: Instant | None
    _oldest: Instant | None

    def require(self, names: Iterable[Name], at: Instant) -> None:
        """Raise EVENTS_DROPPED if these definitions need messages that are deleted."""
        oldest = self._oldest if self._oldest is not None else NEVER
        if self.since is None or self.since >= oldest:
            return
        needed = _earliest_needed(self.catalog.live, names, at)
        if needed is None or needed < min(oldest, at):
            kept = f"Raw events are kept from {iso(oldest)} on" if oldest < NEVER else "No raw events are kept"
            raise NotFound("EVENTS_DROPPED", f"{kept}, and this decision needs older ones.")


class Past:
    """Views of past instants, with a cache of compiled catalogs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._catalogs: LRUCache[tuple[int, int, int], Catalog] = LRUCache(_CATALOGS)

    async def view(
        self, environment_id: int, identifier: Identifier | None, at: Instant, revision: int | None = None
    ) -> View:
        """What was known at an instant, by the definitions live then or by those of a revision.

        The kind "profileId" names a profile's id. A profile unknown at the time has no events."""
        async with snapshot(self._pool) as connection:
            catalog = await self._catalog(connection, environment_id, at, revision)
            return await view_by(connection, catalog, identifier, at)

    async def _catalog(self, connection: Connection, environment_id: int, at: Instant, revision: int | None) -> Catalog:
        if revision is None:
            live, head = await past.revisions_at(connection, environment_id, at)
        elif revision and await definitions.find_revision(connection, environment_id, revision) is None:
            raise NotFound("REVISION_NOT_FOUND", f"There is no revision {revision}.")
        else:
            live = head = revision
        catalog = self._catalogs.get((environment_id, live, head))
        if catalog is None:
            environment = await definitions.find_environment(connection, environment_id)
            before = await definitions_at(connection, environment_id, live)
            after = await definitions_at(connection, environment_id, head) if head != live else before
            catalog = await compile_catalog(environment_id, environment.zone, before, after, live, head)
            self._catalogs[environment_id, live, head] = catalog
        return replace(catalog, killed=await kill_switches.in_force(connection, environment_id, at))


async def view_by(connection: Connection, catalog: Catalog, identifier: Identifier | None, at: Instant) -> View:
    """A profile at an instant, by any catalog. At a future one it has the messages of today."""
    environment_id = catalog.environment_id
    found = await _profile_at(connection, environment_id, identifier, at) if identifier is not None else None
    if found is None:
        return View(catalog, unknown_profile(catalog, identifier, at), None, None)
    id, identifiers = found
    messages = await past.messages_until(connection, environment_id, [a.id for a in identifiers], at, None)
    oldest = await past.oldest_arrival(connection, environment_id)
    # In a thread: a profile may have a hundred thousand messages, and decisions must not wait.
    profile = await asyncio.to_thread(_profile_from, catalog, id, identifiers, messages)
    await _regroup(connection, environment_id, [profile], at)
    await _relist(connection, catalog, [(profile, identifiers)], at)
    return View(catalog, snapshot_of(profile, catalog, _names(identifiers), at), profile.created_at, oldest)


async def profiles_as_of(
    connection: Connection, catalog: Catalog, ids: Sequence[int], at: Instant, most_messages: int
) -> dict[int, Snapshot]:
    """These profiles, with the identifiers they have now, as of an instant.

    Returns nothing if they have more than `most_messages` messages."""
    environment_id = catalog.environment_id
    identifiers: dict[int, list[past.OwnedIdentifierRow]] = {}
    for row in await past.identifiers_of(connection, environment_id, ids):
        identifiers.setdefault(row.profile_id, []).append(row)
    all_ids = [row.id for rows in identifiers.values() for row in rows]
    messages: dict[int, list[past.PastMessageRow]] = {}
    found = await past.messages_until(connection, environment_id, all_ids, at, most_messages + 1)
    if len(found) > most_messages:
        return {}
    for message in found:
        messages.setdefault(message.identifier_id, []).append(message)
    profiles = {}
    for id, rows in identifiers.items():
        own = [message for row in rows for message in messages.get(row.id, ())]
        profiles[id] = _profile_from(catalog, id, rows, own)
    await _regroup(connection, environment_id, profiles.values(), at)
    await _relist(connection, catalog, [(profile, identifiers[id]) for id, profile in profiles.items()], at)
    return {id: snapshot_of(profile, catalog, _names(identifiers[id]), at) for id, profile in profiles.items()}


def _profile_from(
    catalog: Catalog, id: int, identifiers: Sequence[past.OwnedIdentifierRow], messages: Iterable[past.PastMessageRow]
) -> Profile:
    """The profile with these identifiers, computed from these messages."""
    rows = [IdentifierRow(row.id, Identifier(row.kind, row.value), id, row.created_at) for row in identifiers]
    profile = Profile(id, *bucketing_key(rows), backfilled=catalog.head)
    for message in messages:
        recompute.apply_message(profile, message_from_row(message), catalog, complete=True)
    return profile


async def _regroup(connection: Connection, environment_id: int, profiles: Iterable[Profile], at: Instant) -> None:
    """Give members the traits that their groups had at an instant."""
    members = [(profile, profile.group[2]) for profile in profiles if profile.group is not None]
    if members:
        traits = await groups.traits_at(connection, environment_id, (key for _, key in members), at)
        for profile, key in members:
            profile.set_group_traits(traits.get(key, {}))


async def _relist(
    connection: Connection,
    catalog: Catalog,
    profiles: Sequence[tuple[Profile, Sequence[past.OwnedIdentifierRow]]],
    at: Instant,
) -> None:
    """Put profiles on the lists that their identifiers were on at an instant."""
    if not catalog.lists:
        return
    owners = {row.id: profile for profile, rows in profiles for row in rows}
    for identifier_id, list_id in await past.lists_at(connection, catalog.environment_id, list(owners), at):
        owners[identifier_id].listed |= {list_id}


def _names(identifiers: Iterable[past.OwnedIdentifierRow]) -> list[str]:
    return [f"{identifier.kind} {identifier.value}" for identifier in identifiers]


async def _profile_at(
    connection: Connection, environment_id: int, identifier: Identifier, at: Instant
) -> tuple[int, list[past.OwnedIdentifierRow]] | None:
    """The profile of an identifier at an instant, with its identifiers then; None if absent."""
    if identifier.kind == "profileId":
        if not (identifier.value.isascii() and identifier.value.isdecimal() and len(identifier.value) <= _LONGEST_ID):
            return None
        target = await past.survivor_at(connection, environment_id, int(identifier.value), at)
        owners, rows = await _owners_at(connection, environment_id, target, at)
    else:
        row = await past.find_identifier(connection, environment_id, identifier.kind, identifier.value)
        if row is None or row.created_at > at:
            return None
        owners, rows = await _owners_at(connection, environment_id, row.profile_id, at)
        target = owners[row.id]
    own = [other for other in rows if owners[other.id] == target and other.created_at <= at]
    return (target, own) if own else None


async def _owners_at(
    connection: Connection, environment_id: int, start: int, at: Instant
) -> tuple[Mapping[int, int], list[past.OwnedIdentifierRow]]:
    """The owner of each identifier at an instant, and these identifiers.

    They are those of this profile, and of all profiles that exchanged identifiers with it since."""
    reached: set[int] = set()
    reached_next = {start}
    while reached_next != reached:
        reached = reached_next
        moves = await past.moves_since(connection, environment_id, sorted(reached), at)
        reached_next = reached | {id for move in moves for id in (move.from_id, move.to_id)}
    rows = await past.identifiers_of(connection, environment_id, sorted(reached))
    owners = {row.id: row.profile_id for row in rows}
    for move in moves:
        owners.update(dict.fromkeys(move.identifier_ids, move.from_id))
    return owners, rows


def _earliest_needed(compiled_set: CompiledSet, names: Iterable[Name], at: Instant) -> Instant | None:
    """The earliest instant whose messages these definitions need; None means the beginning."""
    start = list(names)
    edges = {name: references_of(definition) for name, definition in compiled_set.definitions.items()}
    earliest = at
    for name in (*start, *closure(start, edges)):
        watch = compiled_set.dependencies.get(name)
        if watch is not None and (watch.seen or watch.properties or watch.group):
            return None
        for read in compiled_set.reads.get(name, ()):
            needed = _lookback(read)
            if needed is None:
                return None
            earliest = min(earliest, at - needed)
    return earliest


def _lookback(read: ir.AggregateRead) -> int | None:
    """How far back a read reaches, in milliseconds: its window, and the bucket of its edge."""
    if read.days is not None:
        return (read.days + 1) * DAY_MS
    start = read.window.start_ms
    return start + ir.bucket_width_ms(start) if start is not None else None
