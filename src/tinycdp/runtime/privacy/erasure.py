"""Erasure and anonymisation of profiles, and the export of everything stored about one.

Shape   Eraser.erase(…) deletes or anonymises profiles and returns a receipt; check(…) searches every table
        for what should be gone; export(…) returns everything stored about a profile
Laws    an anonymisation is an erasure that first gives what it keeps to new profiles (anonymization.py);
        afterwards all other profiles are as if the erased ones had never sent a message; an erased message that is sent
        again is a duplicate. A message in progress is either stored before the erasure, and erased, or stored after it,
        for a new profile. A receipt has no personal data
Errors  NotFound PROFILE_NOT_FOUND, ERASURE_NOT_FOUND · InvalidInput INVALID_BODY · Overloaded CONTENTION
Source  docs/decisions/0024-privacy.md; docs/how-to/privacy.md
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinycdp.engine import outbox
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Identifier, IdentifierKind, Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.identity import graph
from tinycdp.runtime.identity.graph import IdentityGraph
from tinycdp.runtime.identity.resolution import Restart
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.privacy_rules import Privacy, leaves, suppress
from tinycdp.runtime.privacy import anonymization
from tinycdp.runtime.profiles import storage, views
from tinycdp.runtime.profiles.views import Event, ProfileView, Transition
from tinycdp.runtime.transactions import commit_with_retry
from tinycdp.store import events as event_store
from tinycdp.store import exposures as exposure_store
from tinycdp.store import groups as group_store
from tinycdp.store import identity as identity_store
from tinycdp.store import memberships as membership_store
from tinycdp.store import privacy as store
from tinycdp.store.database.pool import RETRY, Connection, Pool, acquired, snapshot
from tinycdp.store.identifiers import StoredIdentifierRow
from tinycdp.times import iso, iso_or_none

#: What a receipt is of. anonymization: events stay, without who they are of.
Kind: TypeAlias = Literal["erasure", "anonymization"]

MOST_ERASED = 1_000
_EVENTS_AT_ONCE = 500
_END_OF_TIME: Instant = 253_402_300_799_999
_LAST_ID = 2**62

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|["\\/])')


@dataclass(frozen=True, slots=True)
class Erasure:
    """A receipt. id is None for a dry run.

    kind         whether events were deleted, or kept without who they are of
    profiles       how many profiles and unknown identifiers were erased
    counts       deleted rows, by table; `blanked` are rows of other profiles without what mentioned these. Events,
                 transitions and exposures of an anonymisation are kept rows
    digests      keyed hashes of the identifiers: `check` verifies identifiers against them
    profile_ids  the erased profiles; the ids are never used again"""

    id: str | None
    profiles: int
    identifiers: int
    counts: dict[str, int]
    digests: list[str]
    profile_ids: list[str]
    note: str
    erased_at: str
    erased_by: str
    dry_run: bool = False
    kind: Kind = "erasure"


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of a table that still mention the erased profiles."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class Check:
    """The result of searching every table."""

    clean: bool
    found: list[Trace]


@dataclass(frozen=True, slots=True)
class ExportedExposure:
    """An exposure of a profile."""

    day: str
    version: int
    variant: str
    rule: str
    unit: str
    first_at: str
    flag: str


@dataclass(frozen=True, slots=True)
class ExportedVariant:
    """A variant that a session of a profile keeps, or the profile itself.

    session, kept_until  empty and null if the profile keeps it"""

    unit: str
    session: str
    variant: str
    kept_until: str | None


@dataclass(frozen=True, slots=True)
class ExportedListing:
    """An identifier of a profile on the list of a static segment, now or in the past."""

    segment: str
    kind: str
    value: str
    listed_at: str
    unlisted_at: str | None


@dataclass(frozen=True, slots=True)
class ProfileExport:
    """Everything stored about a profile but its events."""

    profile: ProfileView
    group: views.ProfileGroup | None
    exposures: list[ExportedExposure]
    variants: list[ExportedVariant]
    lists: list[ExportedListing]
    rejected_messages: list[str]
    graph: IdentityGraph
    transitions: list[Transition]


class Eraser:
    """Erases and anonymises profiles.

    flush      writes the records of this process that are not written yet
    committed  is called with (environment, version, profiles) before the result"""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        privacy: Privacy,
        now: Clock,
        flush: Callable[[], Awaitable[None]] | None = None,
        committed: Callable[[int, int, Sequence[int]], None] = lambda environment_id, version, ids: None,
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._privacy = privacy
        self._now = now
        self._flush = flush
        self._committed = committed

    async def erase(
        self,
        environment_id: int,
        names: Sequence[str],
        author: str,
        note: str = "",
        *,
        also_suppress: bool = False,
        dry_run: bool = False,
        kind: Kind = "erasure",
    ) -> Erasure:
        """Erase these profiles, with those merged into them.

        also_suppress  suppress their identifiers first
        kind           anonymization: keep their events, transitions and exposures, without who they are of"""
        if not 0 < len(names) <= MOST_ERASED:
            raise InvalidInput("INVALID_BODY", f"$.profiles: name 1 to {MOST_ERASED:,} profiles.", path="$.profiles")
        if also_suppress and not dry_run:
            async with acquired(self._pool) as connection:
                alive, unknown = await _find(connection, environment_id, names)
                rows = await identity_store.identifiers_of_profiles(connection, environment_id, sorted(alive))
            identifiers = [*unknown, *(Identifier(row.kind, row.value) for row in rows)]
            await suppress(
                Environment(environment_id, self._pool, self._now),
                self._privacy,
                identifiers,
                Edit(author, self._now(), note),
            )
        if self._flush is not None:
            await self._flush()

        async def work(connection: Connection) -> tuple[Erasure, int, list[int]]:
            done = await self._erase(connection, environment_id, names, author, note, dry_run=dry_run, kind=kind)
            _, version, ids = done
            await announce_profiles(connection, environment_id, version, ids)
            return done

        receipt, version, ids = await commit_with_retry(self._pool, work, again=(Restart, *RETRY), dry_run=dry_run)
        if not dry_run:
            self._committed(environment_id, version, ids)
        return receipt

    async def _erase(
        self,
        connection: Connection,
        environment_id: int,
        names: Sequence[str],
        author: str,
        note: str,
        *,
        dry_run: bool,
        kind: Kind,
    ) -> tuple[Erasure, int, list[int]]:
        await event_store.begin_group(connection, environment_id)
        await membership_store.hold_lists(connection, environment_id)
        catalog = await self._catalogs.current_in(connection, environment_id)
        alive, unknown = await _find(connection, environment_id, names)
        await store.hold_exposures(connection)
        below = await identity_store.merges_below(connection, environment_id, sorted(alive))
        ids = sorted(alive | {merge.absorbed_id for merge in below})
        locked = await store.lock_erased_profiles(connection, environment_id, ids)
        if {row.id for row in locked if row.merged_into is None} != alive:
            raise Restart  # another process merged, unmerged or erased one of them
        # Under the locks: another process may have merged more profiles into these.
        if await identity_store.merges_below(connection, environment_id, sorted(alive)) != below:
            raise Restart
        rows = await identity_store.identifiers_of_profiles(connection, environment_id, sorted(alive))
        units: set[str] = set()
        for id in alive:
            units.update(await exposure_store.units_of_profile(connection, environment_id, id))
        target = _Target(ids, rows, unknown, units, sorted(_fingerprints(locked, catalog)))
        now = self._now()
        # Read before their events and exposures are kept for others, and needed afterwards.
        exposures = await exposure_store.exposures_of_erased_units(connection, environment_id, target.units)
        calls = await store.group_calls_of(connection, environment_id, target.identifier_ids)
        blanked = await store.erase(connection, "forget_previous", environment_id, target.identifier_ids, target.values)
        kept = _NOTHING
        if kind == "anonymization":
            kept = await anonymization.keep(connection, catalog, locked, rows, target.units, now)
        counts = await _remove(connection, environment_id, target)
        blanked += await _withdraw_group_traits(connection, environment_id, calls, now)
        counts = {**counts, **kept.counts, "blanked": counts["blanked"] + blanked}
        digests = sorted(self._privacy.digest(environment_id, identifier) for identifier in target.identifiers)
        number = await store.append_erasure(
            connection,
            environment_id,
            target.profiles,
            ids,
            target.identifier_ids,
            digests,
            counts,
            note,
            now,
            author,
            kind,
        )
        receipt = Erasure(
            None if dry_run else str(number), target.profiles, len(target.identifiers), counts,
            [digest.hex() for digest in digests], [str(id) for id in ids], note, iso(now), author, dry_run,
            kind,
        )  # fmt: skip
        erased = outbox.Erased(number, ids, target.identifier_ids, outbox.runs(exposures))
        happened = [erased, *kept.happened]
        if kind == "anonymization" and exposures:
            happened.append(outbox.RecordedExposures(outbox.runs(exposures)))
        version = await storage.save(connection, environment_id, now, (), happened, new=kept.profiles)
        return receipt, version, [*ids, *(profile.id for profile in kept.profiles)]


_NOTHING = anonymization.Kept((), (), {})


async def _find(connection: Connection, environment_id: int, names: Sequence[str]) -> tuple[set[int], list[Identifier]]:
    """The profiles with these names, and the names that only decisions, rejections or lists have."""
    ids: set[int] = set()
    unknown: list[Identifier] = []
    for name in names:
        try:
            ids.add((await graph.find_profile(connection, environment_id, name)).id)
        except NotFound:
            kind, _, value = name.partition(":")
            identifier = (
                Identifier(kind, value) if kind in views.KINDS and value else Identifier(IdentifierKind.USER, name)
            )
            traces = (store.is_unit, _rejected, _dead_letters)
            found = [await trace(connection, environment_id, [identifier.value]) for trace in traces]
            if not any(found) and not await store.is_listed(connection, environment_id, [identifier]):
                raise
            unknown.append(identifier)
    return ids, unknown


class _Target:
    """What an erasure deletes.

    unknown       identifiers without a profile
    units         the units of their exposures and session variants
    fingerprints  of the segments that the profiles may be in"""

    def __init__(
        self,
        ids: list[int],
        rows: Sequence[StoredIdentifierRow],
        unknown: list[Identifier],
        units: set[str],
        fingerprints: list[int],
    ) -> None:
        self.ids = ids
        self.profiles = len({row.profile_id for row in rows}) + len(unknown)
        self.identifier_ids = sorted(row.id for row in rows)
        self.identifiers = [*unknown, *(Identifier(row.kind, row.value) for row in rows)]
        self.pairs = [one.kind for one in self.identifiers], [one.value for one in self.identifiers]
        self.values = sorted({identifier.value for identifier in self.identifiers})
        self.units = sorted(units.union(identifier.value for identifier in unknown))
        self.fingerprints = fingerprints


def _fingerprints(rows: Sequence[store.LockedProfileRow], catalog: Catalog) -> set[int]:
    found = {segment.fingerprint for segment in catalog.segments}
    for row in rows:
        profile = Profile(row.id, "", 0)
        profile.decode(row.state)
        found |= profile.memberships.keys()
    return found


async def _remove(connection: Connection, environment_id: int, target: _Target) -> dict[str, int]:
    """Delete everything about these profiles, the profiles last.

    Returns the deleted rows by table."""
    counts = {}
    for table, *values in (
        ("events", target.identifier_ids),
        ("memberships", target.ids, target.fingerprints),
        ("listed_identifiers", *target.pairs),
        ("list_edits", *target.pairs),
        ("transitions", target.ids),
        ("exposures", target.units),
        ("session_variants", target.units),
        ("identity_links", target.identifier_ids),
        ("rejected_claims", target.identifier_ids),
        ("identifier_moves", target.ids, target.identifier_ids),
        ("splits", target.ids, target.identifier_ids),
        ("merges", target.ids, target.identifier_ids),
        ("rejected_messages", await _rejected(connection, environment_id, target.values)),
        ("dead_letters", await _dead_letters(connection, environment_id, target.values)),
        ("identifiers", target.ids),
        ("profiles", target.ids),
    ):
        counts[table] = await store.erase(connection, f"erase_{table}", environment_id, *values)
    blanked = await store.erase(connection, "blank_merges", environment_id, target.identifier_ids)
    blanked += await store.erase(connection, "drop_claims_of", environment_id, target.identifier_ids)
    counts["blanked"] = blanked
    # Not counted: they expire in a moment.
    await store.erase(connection, "erase_live_batches", environment_id, _forms(target.values))
    return counts


async def _rejected(connection: Connection, environment_id: int, values: Collection[str]) -> list[int]:
    return _naming(values, await store.rejections_naming(connection, environment_id, _forms(values)))


async def _dead_letters(connection: Connection, environment_id: int, values: Collection[str]) -> list[int]:
    return _naming(values, await store.dead_letters_naming(connection, environment_id, _forms(values)))


def _naming(values: Collection[str], rows: Iterable[store.PayloadRow]) -> list[int]:
    """The payloads with one of the identifiers as a value, or whose message quotes one."""
    quoted = {repr(value[:40]) for value in values}

    def names(row: store.PayloadRow) -> bool:
        named = leaves(row.payload)
        return (
            not set(values).isdisjoint(named)
            or any(text in row.message for text in quoted)
            # Invalid JSON may have it anywhere: rather delete one payload too many than one too few.
            or (not named and any(value in _unescaped(row.payload) for value in values))
        )

    return [row.id for row in rows if names(row)]


def _unescaped(payload: bytes) -> str:
    """The text of invalid or truncated JSON, with its escapes resolved."""
    text = payload.decode("utf-8", "replace")
    text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else escape[0][1], text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _forms(values: Iterable[str]) -> list[str]:
    return sorted({form for value in values for form in store.in_json(value)})


async def _withdraw_group_traits(
    connection: Connection, environment_id: int, calls: Sequence[store.GroupCallRow], now: Instant
) -> int:
    """Withdraw the group traits that erased messages set.

    The latest value that another message set holds again."""
    if not calls:
        return 0
    keys, erased = sorted({call.key for call in calls}), {call.message_id for call in calls}
    rows = await group_store.lock_groups(connection, environment_id, keys, now)
    remaining = await store.stored_group_traits(connection, environment_id, keys)
    others = {(row.key, row.name): row for row in remaining}
    saved = []
    for row in rows:
        traits, stamps = dict(row.traits), dict(row.stamps)
        for name in [name for name, stamp in row.stamps.items() if stamp[1] in erased]:
            if (other := others.get((row.key, name))) is not None:
                traits[name], stamps[name] = other.value, [other.occurred_at, other.message_id]
            else:
                del traits[name], stamps[name]
        if stamps != row.stamps:
            saved.append((row.key, traits, stamps))
    await group_store.save_groups(connection, environment_id, saved, now)
    await group_store.note_group_changes(connection, environment_id, [key for key, _, _ in saved])
    return len(saved) + await store.erase(connection, "erase_empty_groups", environment_id, keys)


# Receipts


async def find(environment: Environment, id: int) -> Erasure:
    """A receipt."""
    async with acquired(environment.pool) as connection:
        return _receipt(await _row(connection, environment.id, id))


async def list_erasures(environment: Environment, before: int, n: int) -> list[Erasure]:
    """A page of receipts, newest first."""
    async with acquired(environment.pool) as connection:
        return [_receipt(row) for row in await store.list_erasures(connection, environment.id, before, n)]


async def check(environment: Environment, privacy: Privacy, id: int, identifiers: Sequence[Identifier]) -> Check:
    """Search every table for the erased profiles, by their ids and by these identifiers of them.

    Only the caller still has the identifiers; they are verified against the receipt."""
    async with acquired(environment.pool) as connection:
        row = await _row(connection, environment.id, id)
        for n, identifier in enumerate(identifiers):
            if privacy.digest(environment.id, identifier) not in row.digests:
                where = f"$.identifiers[{n}]"
                raise InvalidInput("INVALID_BODY", f"{where}: this erasure did not erase this identifier.", path=where)
        texts = sorted({identifier.value for identifier in identifiers})
        found = dict(await store.find_traces(connection, environment.id, row.profile_ids, row.identifier_ids, texts))
        for table, naming in (("rejected_messages", _rejected), ("dead_letters", _dead_letters)):
            if named := len(await naming(connection, environment.id, texts)):
                found[table] = max(named, found.get(table, 0))
    return Check(not found, [Trace(table, n) for table, n in sorted(found.items())])


async def _row(connection: Connection, environment_id: int, id: int) -> store.ErasureRow:
    row = await store.find_erasure(connection, environment_id, min(max(id, 0), _LAST_ID))
    if row is None:
        raise NotFound("ERASURE_NOT_FOUND", f"There is no erasure {id}.")
    return row


def _receipt(row: store.ErasureRow) -> Erasure:
    return Erasure(
        str(row.id), row.profiles, len(row.digests), row.counts, [digest.hex() for digest in row.digests],
        [str(id) for id in row.profile_ids], row.note, iso(row.erased_at), row.erased_by,
        kind=row.kind,
    )  # fmt: skip


# Export


async def export(
    environment: Environment, catalogs: Catalogs, name: str
) -> tuple[ProfileExport, AsyncIterator[list[Event]]]:
    """Everything stored about a profile; its events follow in batches, newest first."""
    async with snapshot(environment.pool) as connection:
        row = await graph.find_profile(connection, environment.id, name)
        catalog = await catalogs.current_in(connection, environment.id)
        units = await exposure_store.units_of_profile(connection, environment.id, row.id)
        profile = views.view_of(row, catalog, environment.now())
        values = [identifier.value for identifier in profile.identifiers]
        rejected = await _rejected(connection, environment.id, values)
        exposures = await store.exposures_held(connection, environment.id, units)
        variants = await store.session_variants_held(connection, environment.id, units)
        named = [Identifier(identifier.kind, identifier.value) for identifier in profile.identifiers]
        listings = await store.listings_held(connection, environment.id, named)
    document = ProfileExport(
        profile=profile,
        group=profile.group,
        exposures=[
            ExportedExposure(one.day, one.version, one.variant, one.rule, one.unit, iso(one.first_at), one.flag)
            for one in exposures
        ],
        variants=[ExportedVariant(one.unit, one.session, one.variant, iso_or_none(one.kept_until)) for one in variants],
        lists=[
            ExportedListing(one.segment, one.kind, one.value, iso(one.listed_at), iso_or_none(one.unlisted_at))
            for one in listings
        ],
        rejected_messages=[str(id) for id in rejected],
        graph=await graph.find_graph(environment, f"profileId:{row.id}"),
        transitions=await views.transitions_of(environment.pool, catalog, row.id, _LAST_ID),
    )
    return document, _events(environment, row.id)


async def _events(environment: Environment, profile_id: int) -> AsyncIterator[list[Event]]:
    at, last = _END_OF_TIME, _LAST_ID
    while True:
        async with acquired(environment.pool) as connection:
            rows = await event_store.events_of_profile(
                connection, environment.id, profile_id, (at, last), _EVENTS_AT_ONCE
            )
        if rows:
            yield [views.event_of(row, profile_id) for row in rows]
            at, last = rows[-1].occurred_at, rows[-1].id
        if len(rows) < _EVENTS_AT_ONCE:
            return
