"""A person and the definitions as of a past instant: what a decision saw then.

Shape   Past.look(environment, alias, at) → View: the catalog that served, and the person as they were known.
        people_as_of(…) are several people of today at an instant, by any catalog
Laws    a decision made of a View is the one that was made at its instant, but for messages that were still on their way
        into the database. Nothing is written, and nothing of the present is read but who has which identifier now:
        the journal of moves leads back from there, raw messages tell the rest
Errors  NotFound REVISION_NOT_FOUND; EVENTS_DROPPED where raw messages that count are gone
Source  docs/decisions/0017-preview-and-replay.md
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cachetools import LRUCache

from tinycdp.dsl import ir
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Name, Universe
from tinycdp.engine.identity.identifiers import IdentifierRow, bucketing_key
from tinycdp.engine.profile import Profile
from tinycdp.errors import NotFound
from tinycdp.model import DAY_MS, NEVER, Alias, Instant
from tinycdp.runtime.decisions.snapshots import Snapshot, snapshot_of, stranger
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.catalogs import compiled, definitions_at
from tinycdp.runtime.definitions.references import closure, references_of
from tinycdp.runtime.profiles import groups
from tinycdp.runtime.profiles.storage import message_from_row
from tinycdp.store import definitions, past
from tinycdp.store.pool import Connection, Pool, snapshot
from tinycdp.times import iso

#: Compiled catalogs of the past that are kept: one replays many decisions of the same day.
_CATALOGS = 8
#: Digits of the greatest id that Postgres can hold, less one.
_LONGEST_ID = 18


@dataclass(frozen=True, slots=True)
class View:
    """What a decision at an instant was made of. since: when the person was first known, None for a stranger."""

    catalog: Catalog
    subject: Snapshot
    since: Instant | None
    _oldest: Instant | None

    def require(self, names: Iterable[Name], at: Instant) -> None:
        """Raise EVENTS_DROPPED where these definitions ask for messages that are not kept any more."""
        oldest = self._oldest if self._oldest is not None else NEVER
        if self.since is None or self.since >= oldest:
            return
        needed = _reach(self.catalog.live, names, at)
        if needed is None or needed < min(oldest, at):
            kept = f"Raw events are kept from {iso(oldest)} on" if oldest < NEVER else "No raw events are kept"
            raise NotFound("EVENTS_DROPPED", f"{kept}, and this decision looked further back.")


class Past:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._catalogs: LRUCache[tuple[int, int, int], Catalog] = LRUCache(_CATALOGS)

    async def look(self, environment_id: int, alias: Alias | None, at: Instant, revision: int | None = None) -> View:
        """What was known at an instant; by the definitions that served then, or by those of a revision.

        The kind "profileId" names a profile's id. Someone unknown at the time is a stranger, as they were then."""
        async with snapshot(self._pool) as connection:
            catalog = await self._catalog(connection, environment_id, at, revision)
            found = await _person(connection, environment_id, alias, at) if alias is not None else None
            if found is None:
                return View(catalog, stranger(catalog, alias, at), None, None)
            id, aliases = found
            messages = await past.messages_until(connection, environment_id, [a.id for a in aliases], at, None)
            oldest = await past.oldest_arrival(connection, environment_id)
            # In a thread: some people have sent a hundred thousand messages, and decisions go on meanwhile.
            profile = await asyncio.to_thread(_remembered, catalog, id, aliases, messages)
            await _regroup(connection, environment_id, [profile], at)
        return View(catalog, snapshot_of(profile, catalog, _names(aliases), at), profile.created_at, oldest)

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
            catalog = await compiled(environment_id, environment.zone, before, after, live, head)
            self._catalogs[environment_id, live, head] = catalog
        return replace(catalog, killed=await kill_switches.in_force(connection, environment_id, at))


async def people_as_of(
    connection: Connection, catalog: Catalog, ids: Sequence[int], at: Instant, most_messages: int
) -> dict[int, Snapshot]:
    """These profiles with the identifiers they have now, as of an instant; nobody where they sent too many messages."""
    environment_id = catalog.environment_id
    aliases: dict[int, list[past.OwnedIdentifierRow]] = {}
    for row in await past.aliases_of(connection, environment_id, ids):
        aliases.setdefault(row.profile_id, []).append(row)
    all_ids = [row.id for rows in aliases.values() for row in rows]
    messages: dict[int, list[past.PastMessageRow]] = {}
    found = await past.messages_until(connection, environment_id, all_ids, at, most_messages + 1)
    if len(found) > most_messages:
        return {}
    for message in found:
        messages.setdefault(message.alias_id, []).append(message)
    people = {}
    for id, rows in aliases.items():
        own = [message for row in rows for message in messages.get(row.id, ())]
        people[id] = _remembered(catalog, id, rows, own)
    await _regroup(connection, environment_id, people.values(), at)
    return {id: snapshot_of(profile, catalog, _names(aliases[id]), at) for id, profile in people.items()}


def _remembered(
    catalog: Catalog, id: int, aliases: Sequence[past.OwnedIdentifierRow], messages: Iterable[past.PastMessageRow]
) -> Profile:
    """Whoever has these identifiers, as these messages tell of them."""
    rows = [IdentifierRow(row.id, Alias(row.kind, row.value), id, row.created_at) for row in aliases]
    profile = Profile(id, *bucketing_key(rows), warmed=catalog.head)
    for message in messages:
        recompute.apply_message(profile, message_from_row(message), catalog, complete=True)
    return profile


async def _regroup(connection: Connection, environment_id: int, profiles: Iterable[Profile], at: Instant) -> None:
    """Members have the traits that their groups had at an instant."""
    members = [(profile, profile.group[2]) for profile in profiles if profile.group is not None]
    if members:
        traits = await groups.traits_at(connection, environment_id, (key for _, key in members), at)
        for profile, key in members:
            profile.set_group_traits(traits.get(key, {}))


def _names(aliases: Iterable[past.OwnedIdentifierRow]) -> list[str]:
    return [f"{alias.kind} {alias.value}" for alias in aliases]


async def _person(
    connection: Connection, environment_id: int, alias: Alias, at: Instant
) -> tuple[int, list[past.OwnedIdentifierRow]] | None:
    """The profile an identifier led to at an instant, and the identifiers it had; None where nobody had it yet."""
    if alias.kind == "profileId":
        if not (alias.value.isascii() and alias.value.isdecimal() and len(alias.value) <= _LONGEST_ID):
            return None
        target = await past.survivor_at(connection, environment_id, int(alias.value), at)
        homes, rows = await _homes(connection, environment_id, target, at)
    else:
        row = await past.find_alias(connection, environment_id, alias.kind, alias.value)
        if row is None or row.created_at > at:
            return None
        homes, rows = await _homes(connection, environment_id, row.profile_id, at)
        target = homes[row.id]
    own = [other for other in rows if homes[other.id] == target and other.created_at <= at]
    return (target, own) if own else None


async def _homes(
    connection: Connection, environment_id: int, start: int, at: Instant
) -> tuple[Mapping[int, int], list[past.OwnedIdentifierRow]]:
    """Whose each identifier was, of all that changed hands with this profile since; and these identifiers."""
    reached: set[int] = set()
    grown = {start}
    while grown != reached:
        reached = grown
        moves = await past.moves_since(connection, environment_id, sorted(reached), at)
        grown = reached | {id for move in moves for id in (move.from_id, move.to_id)}
    rows = await past.aliases_of(connection, environment_id, sorted(reached))
    homes = {row.id: row.profile_id for row in rows}
    for move in moves:
        homes.update(dict.fromkeys(move.alias_ids, move.from_id))
    return homes, rows


def _reach(universe: Universe, names: Iterable[Name], at: Instant) -> Instant | None:
    """The earliest instant whose messages matter to these definitions, None for the beginning."""
    start = list(names)
    edges = {name: references_of(definition) for name, definition in universe.definitions.items()}
    earliest = at
    for name in (*start, *closure(start, edges)):
        watch = universe.dependencies.get(name)
        if watch is not None and (watch.seen or watch.properties or watch.group):
            return None
        for read in universe.reads.get(name, ()):
            needed = _span(read)
            if needed is None:
                return None
            earliest = min(earliest, at - needed)
    return earliest


def _span(read: ir.AggregateRead) -> int | None:
    """How far back a read looks, in milliseconds: its window, and the tile its edge may lie in."""
    if read.days is not None:
        return (read.days + 1) * DAY_MS
    start = read.window.start_ms
    return start + ir.hop_ms(start) if start is not None else None
