"""People who are forgotten, and people who ask what is known of them.

Shape   Erasures.erase(…) removes people and leaves a receipt; check(…) looks for what should be gone in every table;
        held(…) is everything there is of a person, as parts of one JSON document
Laws    afterwards everybody else is as if these had never sent anything, and a message of theirs that is sent again is
        known for a repetition. A message under way goes before, and is erased, or after, and is a stranger's. A receipt
        holds no personal data
Errors  NotFound PROFILE_NOT_FOUND, ERASURE_NOT_FOUND · InvalidInput INVALID_BODY · Overloaded CONTENTION
Source  docs/decisions/0024-privacy.md; docs/how-to/privacy.md
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tinycdp.engine import outbox
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Alias, AliasKind, Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.identity import graph
from tinycdp.runtime.identity.resolution import Restart
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.privacy_rules import Privacy, leaves, suppress
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles import views as people
from tinycdp.runtime.profiles.views import Identifier
from tinycdp.runtime.transactions import commit_with_retry
from tinycdp.store import exposures as exposure_store
from tinycdp.store import groups as group_store
from tinycdp.store import identity as identity_store
from tinycdp.store import messages, reads
from tinycdp.store import privacy as store
from tinycdp.store.messages import ProfileRow, Row
from tinycdp.store.pool import RETRY, Connection, Pool, acquired, snapshot
from tinycdp.times import iso

MOST_ERASED = 1_000
_EVENTS_AT_ONCE = 500
_END_OF_TIME: Instant = 253_402_300_799_999
_LAST_ID = 2**62

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|["\\/])')

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Erasure(msgspec.Struct, frozen=True, rename="camel"):
    """A receipt. id is null for a dry run.

    counts       rows that went, by table; `blanked` are rows of others that lost what they said of these people
    digests      keyed hashes of the identifiers: with an identifier, `check` finds its own again
    profile_ids  what they were called here; nothing has these ids any more"""

    id: str | None
    people: int
    identifiers: int
    counts: dict[str, int]
    digests: list[str]
    profile_ids: list[str]
    note: str
    erased_at: str
    erased_by: str
    dry: bool = msgspec.field(default=False, name="dryRun")


class Trace(msgspec.Struct, frozen=True):
    """So many rows of a table that still mention them."""

    table: str
    rows: int


class Check(msgspec.Struct, frozen=True):
    """What a look into every table found."""

    clean: bool
    found: list[Trace]


class Erasures:
    """`committed` hears of (environment, version, profiles) before the answer; `flush` writes what this process has
    recorded of people and not written yet."""

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
        refuse: bool = False,
        dry: bool = False,
    ) -> Erasure:
        """These people, and everyone merged into them, were never here. `refuse` suppresses their identifiers first."""
        if not 0 < len(names) <= MOST_ERASED:
            raise InvalidInput("INVALID_BODY", f"$.profiles: name 1 to {MOST_ERASED:,} people.", path="$.profiles")
        if refuse and not dry:
            async with acquired(self._pool) as connection:
                alive, strangers = await _find(connection, environment_id, names)
                rows = await identity_store.identifiers_of_profiles(connection, environment_id, sorted(alive))
            aliases = [*strangers, *(Alias(row["kind"], row["value"]) for row in rows)]
            await suppress(self._pool, self._privacy, environment_id, aliases, Edit(author, self._now(), note))
        if self._flush is not None:
            await self._flush()

        async def work(connection: Connection) -> tuple[Erasure, int, list[int]]:
            done = await self._erase(connection, environment_id, names, author, note, dry=dry)
            _, version, ids = done
            await announce_profiles(connection, environment_id, version, ids)
            return done

        receipt, version, ids = await commit_with_retry(self._pool, work, again=(Restart, *RETRY), dry_run=dry)
        if not dry:
            self._committed(environment_id, version, ids)
        return receipt

    async def _erase(
        self, connection: Connection, environment_id: int, names: Sequence[str], author: str, note: str, *, dry: bool
    ) -> tuple[Erasure, int, list[int]]:
        await messages.begin_group(connection, environment_id)
        catalog = await self._catalogs.current_in(connection, environment_id)
        alive, strangers = await _find(connection, environment_id, names)
        await store.hold_exposures(connection)
        below = await identity_store.merges_below(connection, environment_id, sorted(alive))
        ids = sorted(alive | {merge["absorbed_id"] for merge in below})
        locked = await store.lock_people(connection, environment_id, ids)
        if {row.id for row in locked if row.merged_into is None} != alive:
            raise Restart  # somebody merged, parted or erased one of them meanwhile
        # Behind the locks: who was born to them while we waited belongs to them, too.
        if await identity_store.merges_below(connection, environment_id, sorted(alive)) != below:
            raise Restart
        rows = await identity_store.identifiers_of_profiles(connection, environment_id, sorted(alive))
        units: set[str] = set()
        for id in alive:
            units.update(await exposure_store.units_of_profile(connection, environment_id, id))
        gone = _Gone(ids, rows, strangers, units, sorted(_fingerprints(locked, catalog)))
        counts = await _remove(connection, environment_id, gone, self._now())
        now = self._now()
        digests = sorted(self._privacy.digest(environment_id, alias) for alias in gone.aliases)
        number = await store.append_erasure(
            connection, environment_id, gone.people, ids, gone.alias_ids, digests, counts, note, now, author
        )
        receipt = Erasure(
            None if dry else str(number), gone.people, len(gone.aliases), counts, [digest.hex() for digest in digests],
            [str(id) for id in ids], note, iso(now), author, dry,
        )  # fmt: skip
        erased = outbox.Erased(number, ids, gone.alias_ids)
        return receipt, await storage.save(connection, environment_id, now, (), [erased]), ids


async def _find(connection: Connection, environment_id: int, names: Sequence[str]) -> tuple[set[int], list[Alias]]:
    """The profiles of these people; of those who have none, but were decided for or refused, how they are called."""
    ids: set[int] = set()
    strangers: list[Alias] = []
    for name in names:
        try:
            ids.add((await graph.find_named(connection, environment_id, name)).id)
        except NotFound:
            kind, _, value = name.partition(":")
            alias = Alias(kind, value) if kind in people.KINDS and value else Alias(AliasKind.USER, name)
            traces = (store.is_unit, _refused, _dead)
            if not any([await trace(connection, environment_id, [alias.value]) for trace in traces]):
                raise
            strangers.append(alias)
    return ids, strangers


class _Gone:
    """Whom an erasure is about.

    strangers     those without a profile
    units         what exposures and holds know them by
    fingerprints  of segments that they may be in"""

    def __init__(
        self, ids: list[int], rows: Sequence[Row], strangers: list[Alias], units: set[str], fingerprints: list[int]
    ) -> None:
        self.ids = ids
        self.people = len({row["profile_id"] for row in rows}) + len(strangers)
        self.alias_ids = sorted(row["id"] for row in rows)
        self.aliases = [*strangers, *(Alias(row["kind"], row["value"]) for row in rows)]
        self.values = sorted({alias.value for alias in self.aliases})
        self.units = sorted(units.union(alias.value for alias in strangers))
        self.fingerprints = fingerprints


def _fingerprints(rows: Sequence[store.LockedProfileRow], catalog: Catalog) -> set[int]:
    found = {segment.fingerprint for segment in catalog.segments}
    for row in rows:
        profile = Profile(row.id, "", 0)
        profile.decode(row.state)
        found |= profile.memberships.keys()
    return found


async def _remove(connection: Connection, environment_id: int, gone: _Gone, now: Instant) -> dict[str, int]:
    """Everything of these people, the people last. Gives how many rows went, by table."""
    calls = await store.group_calls_of(connection, environment_id, gone.alias_ids)
    blanked = await store.erase(connection, "forget_previous", environment_id, gone.alias_ids, gone.values)
    counts = {}
    for table, *values in (
        ("events", gone.alias_ids),
        ("memberships", gone.ids, gone.fingerprints),
        ("transitions", gone.ids),
        ("exposures", gone.units),
        ("flag_holds", gone.units),
        ("identity_links", gone.alias_ids),
        ("refused_claims", gone.alias_ids),
        ("alias_moves", gone.ids, gone.alias_ids),
        ("splits", gone.ids, gone.alias_ids),
        ("merges", gone.ids, gone.alias_ids),
        ("rejected_messages", await _refused(connection, environment_id, gone.values)),
        ("dead_letters", await _dead(connection, environment_id, gone.values)),
        ("aliases", gone.ids),
        ("profiles", gone.ids),
    ):
        counts[table] = await store.erase(connection, f"erase_{table}", environment_id, *values)
    blanked += await store.erase(connection, "blank_merges", environment_id, gone.alias_ids)
    blanked += await store.erase(connection, "drop_claims_of", environment_id, gone.alias_ids)
    blanked += await _untell_groups(connection, environment_id, calls, now)
    counts["blanked"] = blanked
    # Not counted: a moment later they are gone by themselves.
    await store.erase(connection, "erase_live_batches", environment_id, _forms(gone.values))
    return counts


async def _refused(connection: Connection, environment_id: int, values: Collection[str]) -> list[int]:
    return _naming(values, await store.rejections_naming(connection, environment_id, _forms(values)))


async def _dead(connection: Connection, environment_id: int, values: Collection[str]) -> list[int]:
    return _naming(values, await store.dead_letters_naming(connection, environment_id, _forms(values)))


def _naming(values: Collection[str], rows: Iterable[store.PayloadRow]) -> list[int]:
    """Logged payloads in which one of the identifiers stands as a value, and those whose reason quotes one."""
    quoted = {repr(value[:40]) for value in values}

    def names(row: store.PayloadRow) -> bool:
        named = leaves(row.payload)
        return (
            not set(values).isdisjoint(named)
            or any(text in row.message for text in quoted)
            # What cannot be read may have it anywhere: better one refusal too many is gone than one too few.
            or (not named and any(value in _unescaped(row.payload) for value in values))
        )

    return [row.id for row in rows if names(row)]


def _unescaped(payload: bytes) -> str:
    """The text of what is no JSON, or only the beginning of some, as though it were a string of it."""
    text = payload.decode("utf-8", "replace")
    text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else escape[0][1], text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _forms(values: Iterable[str]) -> list[str]:
    return sorted({form for value in values for form in store.in_json(value)})


async def _untell_groups(
    connection: Connection, environment_id: int, calls: Sequence[store.GroupCallRow], now: Instant
) -> int:
    """Groups forget what only these people said of them; what somebody else said before holds again."""
    if not calls:
        return 0
    keys, said = sorted({call.key for call in calls}), {call.message_id for call in calls}
    rows = await group_store.lock_groups(connection, environment_id, keys, now)
    told = {(row.key, row.name): row for row in await store.group_traits_told(connection, environment_id, keys)}
    saved = []
    for row in rows:
        traits, stamps = dict(row.traits), dict(row.stamps)
        for name in [name for name, stamp in row.stamps.items() if stamp[1] in said]:
            if (other := told.get((row.key, name))) is not None:
                traits[name], stamps[name] = other.value, [other.occurred_at, other.message_id]
            else:
                del traits[name], stamps[name]
        if stamps != row.stamps:
            saved.append((row.key, traits, stamps))
    await group_store.save_groups(connection, environment_id, saved, now)
    await group_store.note_group_changes(connection, environment_id, [key for key, _, _ in saved])
    return len(saved) + await store.erase(connection, "erase_empty_groups", environment_id, keys)


# Receipts


async def find(pool: Pool, environment_id: int, id: int) -> Erasure:
    async with acquired(pool) as connection:
        return _receipt(await _row(connection, environment_id, id))


async def listed(pool: Pool, environment_id: int, before: int, n: int) -> list[Erasure]:
    """A page of receipts, newest first."""
    async with acquired(pool) as connection:
        return [_receipt(row) for row in await store.list_erasures(connection, environment_id, before, n)]


async def check(pool: Pool, privacy: Privacy, environment_id: int, id: int, identifiers: Sequence[Identifier]) -> Check:
    """Look for the erased people in every table: by what they were called here, and by their identifiers, which only
    the caller has still. They have to be of this erasure."""
    aliases = [Alias(identifier.kind, identifier.value) for identifier in identifiers]
    async with acquired(pool) as connection:
        row = await _row(connection, environment_id, id)
        for n, alias in enumerate(aliases):
            if privacy.digest(environment_id, alias) not in row.digests:
                where = f"$.identifiers[{n}]"
                raise InvalidInput("INVALID_BODY", f"{where}: not of a person of this erasure.", path=where)
        texts = sorted({alias.value for alias in aliases})
        found = dict(await store.find_traces(connection, environment_id, row.profile_ids, row.alias_ids, texts))
        for table, naming in (("rejected_messages", _refused), ("dead_letters", _dead)):
            if named := len(await naming(connection, environment_id, texts)):
                found[table] = max(named, found.get(table, 0))
    return Check(not found, [Trace(table, n) for table, n in sorted(found.items())])


async def _row(connection: Connection, environment_id: int, id: int) -> store.ErasureRow:
    row = await store.find_erasure(connection, environment_id, min(max(id, 0), _LAST_ID))
    if row is None:
        raise NotFound("ERASURE_NOT_FOUND", f"There is no erasure {id}.")
    return row


def _receipt(row: store.ErasureRow) -> Erasure:
    return Erasure(
        str(row.id), row.people, len(row.digests), row.counts, [digest.hex() for digest in row.digests],
        [str(id) for id in row.profile_ids], row.note, iso(row.erased_at), row.erased_by,
    )  # fmt: skip


# What is known of a person


async def held(pool: Pool, catalogs: Catalogs, environment_id: int, name: str, now: Instant) -> AsyncIterator[bytes]:
    """Everything kept of a person, as the parts of one JSON object. NotFound comes before the first."""
    async with snapshot(pool) as connection:
        row = await graph.find_named(connection, environment_id, name)
        catalog = await catalogs.current_in(connection, environment_id)
        id = row.id
        units = await exposure_store.units_of_profile(connection, environment_id, id)
        values = [alias.value for alias in people.person_of(row, catalog, now).aliases]
        refused = await _refused(connection, environment_id, values)
        document: dict[str, Any] = {
            "profile": people.person_of(row, catalog, now),
            "group": _group(row),
            "exposures": [_exposure(one) for one in await store.exposures_held(connection, environment_id, units)],
            "holds": [_held_variant(one) for one in await store.holds_held(connection, environment_id, units)],
            "refusedMessages": [str(id) for id in refused],
        }
    document["graph"] = await graph.graph(pool, environment_id, f"profileId:{id}")
    document["transitions"] = await people.transitions_of(pool, catalog, id, _LAST_ID)

    async def parts() -> AsyncIterator[bytes]:
        yield _encode(document)[:-1] + b',"events":['
        at, last, comma = _END_OF_TIME, _LAST_ID, b""
        while True:
            async with acquired(pool) as connection:
                rows = await reads.events_of_profile(connection, environment_id, id, (at, last), _EVENTS_AT_ONCE)
            if rows:
                yield comma + b",".join(_encode(people.event_of(row, id)) for row in rows)
                at, last, comma = rows[-1].occurred_at, rows[-1].id, b","
            if len(rows) < _EVENTS_AT_ONCE:
                break
        yield b"]}\n"

    return parts()


def _group(row: ProfileRow) -> Mapping[str, Any] | None:
    profile = storage.from_row(row)
    return None if profile.group is None else {"id": profile.group[2], "since": iso(profile.group[0])}


def _exposure(row: store.HeldExposureRow) -> dict[str, Any]:
    return {
        "day": row.day,
        "version": row.version,
        "variant": row.variant,
        "rule": row.rule,
        "unit": row.unit,
        "firstAt": iso(row.first_at),
        "flag": row.flag,
    }


def _held_variant(row: store.HeldVariantRow) -> dict[str, Any]:
    return {"unit": row.unit, "session": row.session, "variant": row.variant, "heldUntil": iso(row.held_until)}
