"""The history of a profile: what changed, when, and by which message.

Shape   history(environment, catalogs, …) → a page, oldest change first
Units   instants are ISO 8601 in UTC, durations are seconds
Laws    computed from raw messages when it is asked for: ingestion pays nothing, and windows that slid are included.
        Definitions, identifiers and groups are those of today; a message counts from its arrival on. A page visits at
        most MOST_INSTANTS instants: it may be short, and still have a next
Errors  NotFound PROFILE_NOT_FOUND, NOT_FOUND, EVENTS_DROPPED · InvalidInput INVALID_REQUEST, INVALID_CURSOR ·
        TooLarge HISTORY_TOO_LARGE
Source  docs/reference/profiles.md "The history of a profile"
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.profile import Profile
from tinycdp.engine.value_history import ValueChange, value_changes
from tinycdp.errors import InvalidInput, NotFound, TooLarge
from tinycdp.model import DAY_MS, Instant, Message
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.runtime.profiles.storage import message_from_row
from tinycdp.runtime.profiles.views import plain
from tinycdp.store import groups as group_store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import snapshot
from tinycdp.store.history import past
from tinycdp.times import iso

#: The most instants that one page visits.
MOST_INSTANTS = 2_000
MOST_MESSAGES = 100_000
_SPAN = 30 * DAY_MS


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message that changed something. event: empty for identify, group and alias calls"""

    message_id: str
    type: str
    event: str


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """One change of a value.

    cause     event; edit: the list of a static segment was edited; clock: time passed
    messages  those that arrived at this instant"""

    at: str
    kind: str
    key: str
    before: Any
    after: Any
    cause: str
    messages: list[HistoryMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """A page of changes, oldest first.

    truncated  the page ended because it visited as many instants as it may"""

    profile_id: str
    revision: int
    changes: list[HistoryChange]
    truncated: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a history is asked for; without traits, segments and properties, everything."""

    traits: Sequence[str]
    segments: Sequence[str]
    properties: Sequence[str]

    def names(self, catalog: Catalog) -> list[Name]:
        """The definitions to follow. Raises NotFound for one that is not live."""
        if not (self.traits or self.segments or self.properties):
            return sorted(name for name in catalog.live.nodes if name[0] in {"trait", "segment"})
        names = [*(("trait", key) for key in self.traits), *(("segment", key) for key in self.segments)]
        for kind, key in names:
            if (kind, key) not in catalog.live.definitions:
                raise NotFound("NOT_FOUND", f"There is no {kind} {key!r}.")
        return names

    def followed_properties(self) -> Sequence[str] | None:
        """The properties to follow, None for all."""
        return self.properties if self.traits or self.segments or self.properties else None


async def history(
    environment: Environment,
    catalogs: Catalogs,
    id: str,
    by: str | None,
    wanted: Wanted,
    since: Instant | None,
    until: Instant | None,
    cursor: str | None,
    n: int,
) -> HistoryPage:
    """The changes of a profile in [since, until), by default those of the last 30 days."""
    now = environment.now()
    until = min(until, now + 1) if until is not None else now + 1
    start = since if since is not None else until - _SPAN
    if start >= until:
        raise InvalidInput("INVALID_REQUEST", f"`from` is {iso(start)}; it must be before `to` and before now.")
    skipped = 0
    if cursor is not None:
        start, skipped = views.position(cursor)
    async with snapshot(environment.pool) as connection:
        row = await views.find_row(connection, environment.id, id, by)
        catalog = await catalogs.current_in(connection, environment.id)
        identifiers = await past.identifiers_of(connection, environment.id, [row.id])
        rows = await past.messages_until(
            connection, environment.id, [one.id for one in identifiers], until, MOST_MESSAGES + 1
        )
        listed = (
            await membership_store.listings_of(connection, environment.id, [one.id for one in identifiers])
            if catalog.lists
            else []
        )
        oldest = await past.oldest_arrival(connection, environment.id)
        groups = {one.target for one in rows if one.kind == "group" and one.target is not None}
        traits = await group_store.traits_of_groups(connection, environment.id, sorted(groups))
    if len(rows) > MOST_MESSAGES:
        message = f"The profile has more than {MOST_MESSAGES:,} messages, more than a history is computed from."
        raise TooLarge("HISTORY_TOO_LARGE", message)
    if oldest is None or row.created_at < oldest:
        kept = f"Raw events are kept from {iso(oldest)} on" if oldest is not None else "No raw events are kept"
        raise NotFound("EVENTS_DROPPED", f"{kept}, and the history of this profile needs older ones.")
    created = {one.id: one.created_at for one in identifiers}
    listings = [(max(one.listed_at, created[one.identifier_id]), one.unlisted_at, one.segment_id) for one in listed]
    names, properties = wanted.names(catalog), wanted.followed_properties()
    profile = Profile(row.id, row.bucketing_key, row.created_at, backfilled=catalog.head)
    # No message arrived before its identifier was created.
    arrivals = [(max(one.received_at, created[one.identifier_id]), message_from_row(one)) for one in rows]
    by_group = {one.key: one.traits for one in traits}

    def replay() -> tuple[list[ValueChange], bool, tuple[Instant, int] | None]:
        """The changes, whether there may be more, and where the next page begins: (instant, changes to leave out)."""
        steps = value_changes(profile, arrivals, catalog, names, properties, by_group, listings, start, until)
        found: list[ValueChange] = []
        for visited, step in enumerate(steps):
            if visited >= MOST_INSTANTS:
                return found, True, (step.at, 0)
            done = skipped if step.at == start else 0
            changes = step.changes[done:]
            room = n - len(found)
            if len(changes) > room:
                return [*found, *changes[:room]], False, (step.at, done + room)
            found += changes
        return found, False, None

    # In a thread: a profile may have many messages, and decisions must not wait.
    changes, truncated, following = await asyncio.to_thread(replay)
    return HistoryPage(
        profile_id=str(row.id),
        revision=catalog.revision,
        changes=[_change(one, catalog) for one in changes],
        truncated=truncated,
        next=views.cursor_of(*following) if following is not None else None,
    )


def _change(change: ValueChange, catalog: Catalog) -> HistoryChange:
    kind, key = change.name
    before, after = change.before, change.after
    if kind != "property":
        type = catalog.live.nodes[change.name].type
        before, after = plain(before, type), plain(after, type)
    return HistoryChange(iso(change.at), kind, key, before, after, change.cause, _messages(change.messages))


def _messages(messages: Iterable[Message]) -> list[HistoryMessage]:
    return [HistoryMessage(one.message_id, one.kind, one.name) for one in messages][:10]
