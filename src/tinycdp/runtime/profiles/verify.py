"""Compares stored profiles with their raw events, read by SQL, and repairs differences.

Shape   verify(environment, …) → Report; with `repair`, profiles that differ are rebuilt and compared again
Laws    a batch of profiles is read in one snapshot and compared at one instant, so live traffic causes no differences.
        Due wake-ups and changes of groups that members do not have yet are applied to the compared copy. Only repair
        writes. A profile whose first message is no longer stored cannot be verified; it is never repaired, because that
        would lose data
Units   instants in milliseconds; values as JSON has them
Source  docs/decisions/0014-sql-oracle.md, docs/how-to/operate.md "Is it right?"
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql import read_value, select
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.views import plain
from tinycdp.store import events as event_store
from tinycdp.store import groups
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection, acquired, snapshot, transaction
from tinycdp.store.history import verify as store
from tinycdp.store.profiles import ProfileRow
from tinycdp.times import iso

log = logging.getLogger(__name__)

#: The default number of profiles.
SAMPLE = 1_000
BATCH = 500
_REPAIR_BATCH = 100
_LISTED = 20
#: The most definitions per statement, so that Postgres plans it quickly.
_COLUMNS = 40

_SEEN: tuple[tuple[Name, ir.Node], ...] = (
    (("profile", "first_seen_at"), ir.Seen(Type.DATETIME, "first")),
    (("profile", "last_seen_at"), ir.Seen(Type.DATETIME, "last")),
)

#: The errors of reading a damaged state.
_UNREADABLE = (msgspec.MsgspecError, LookupError, TypeError, ValueError)

_TYPES = {"profile": Type.DATETIME, "segment": Type.BOOL, "membership": Type.BOOL}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored value that differs from the raw events. kept: as stored; true: by the raw events

    kind  trait, segment, membership (the table of members) or profile (first and last seen, or an unreadable state)"""

    profile: str
    kind: str
    key: str
    kept: Any
    true: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a verification.

    profiles          how many profiles were verified; of: how many exist
    incomplete        further profiles whose first message is no longer stored; they cannot be verified
    differences       how many; listed: the first of them
    different_profiles  how many profiles differ
    repaired          how many were rebuilt; the differences are those that are left"""

    revision: int
    as_of: str
    of: int
    traits: int
    segments: int
    profiles: int
    incomplete: int
    differences: int
    different_profiles: int
    repaired: int
    listed: list[Difference]


async def verify(
    environment: Environment,
    *,
    sample: int | None = SAMPLE,
    repair: bool = False,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Verify every trait and segment of `sample` random profiles; None for all."""
    check = _Check(environment)
    async with acquired(environment.pool) as connection:
        total = await store.count_profiles(connection, environment.id)
        chosen = None
        if sample is not None:
            chosen = await store.sample_profiles(connection, environment.id, sample, environment.now())
    expected = total if chosen is None else len(chosen)
    findings = _Findings()
    done = 0
    async for ids in _batches(environment, chosen):
        findings.add(await check.compare(ids))
        done += len(ids)
        progress(min(done, expected), expected)
    wrong = findings.different
    repaired = 0
    if repair and wrong:
        for start in range(0, len(wrong), _REPAIR_BATCH):
            repaired += await check.repair(wrong[start : start + _REPAIR_BATCH])
        findings.clear_differences()
        for start in range(0, len(wrong), BATCH):
            findings.add(await check.compare(wrong[start : start + BATCH]), again=True)
    catalog = check.catalog or await Catalogs().refresh(environment.pool, environment.id)
    kinds = [kind for kind, _ in catalog.live.nodes.keys() - catalog.backfilling]
    return Report(
        revision=catalog.revision,
        as_of=iso(environment.now()),
        of=total,
        traits=kinds.count("trait"),
        segments=kinds.count("segment"),
        profiles=findings.verified,
        incomplete=findings.incomplete,
        differences=findings.differences,
        different_profiles=len(findings.different),
        repaired=repaired,
        listed=findings.listed,
    )


def as_text(report: Report) -> str:
    """The report for the command line."""
    lines = [
        f"verified {report.profiles:,} of {report.of:,} profiles at revision {report.revision}: "
        f"{report.traits} traits, {report.segments} segments, as of {report.as_of}"
    ]
    if report.incomplete:
        lines.append(f"{report.incomplete:,} more cannot be verified: their first message is no longer stored")
    if report.repaired:
        lines.append(f"rebuilt {report.repaired:,} profiles from their raw events, and compared them again")
    if not report.differences:
        return "\n".join([*lines, "no differences"])
    lines.append(f"{report.differences:,} differences, in {report.different_profiles:,} profiles:")
    for found in report.listed:
        kept, true = (msgspec.json.encode(value).decode() for value in (found.kept, found.true))
        lines.append(f"  profile {found.profile}  {found.kind} {found.key}: kept {kept}, by raw events {true}")
    if report.differences > len(report.listed):
        lines.append(f"  and {report.differences - len(report.listed):,} more")
    return "\n".join(lines)


async def _batches(environment: Environment, chosen: Sequence[int] | None) -> AsyncIterator[Sequence[int]]:
    if chosen is not None:
        for start in range(0, len(chosen), BATCH):
            yield chosen[start : start + BATCH]
        return
    after = 0
    while True:
        async with acquired(environment.pool) as connection:
            ids = await store.profile_ids_after(connection, environment.id, after, BATCH)
        if not ids:
            return
        yield ids
        after = ids[-1]


@dataclass
class _BatchResult:
    """The result of one batch."""

    verified: int = 0
    incomplete: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass
class _Findings:
    """The results of all batches.

    different  ids of profiles, in the order they were found; all of them, because repair needs them
    listed     the first differences"""

    verified: int = 0
    incomplete: int = 0
    differences: int = 0
    different: list[int] = field(default_factory=list)
    listed: list[Difference] = field(default_factory=list)

    def add(self, result: _BatchResult, *, again: bool = False) -> None:
        if not again:
            self.verified += result.verified
            self.incomplete += result.incomplete
        self.differences += len(result.differences)
        self.listed += result.differences[: _LISTED - len(self.listed)]
        self.different += dict.fromkeys(int(found.profile) for found in result.differences)

    def clear_differences(self) -> None:
        self.differences, self.different, self.listed = 0, [], []


class _Check:
    """The statements of a catalog, built once. catalog: of the last batch"""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._catalogs = Catalogs()
        self._questions: list[tuple[Sequence[tuple[Name, ir.Node]], str]] = []
        self.catalog: Catalog | None = None

    async def compare(self, ids: Sequence[int]) -> _BatchResult:
        """Compare these profiles in one snapshot of the database."""
        async with snapshot(self._environment.pool) as connection:
            catalog = await self._bind(connection)
            rows = await store.load_profiles(connection, self._environment.id, ids)
            by_fingerprint = {s.fingerprint: s.name for s in catalog.segments if not s.is_candidate}
            table: dict[int, set[Name]] = {row.id: set() for row in rows}
            for member in await store.memberships_of_profiles(
                connection, self._environment.id, list(by_fingerprint), list(table)
            ):
                table[member.profile_id].add(by_fingerprint[member.fingerprint])
            # The clock of another machine may be ahead: no message may be in the future.
            at = max(
                self._environment.now(), await store.newest_event_at(connection, self._environment.id, list(table)) or 0
            )
            true = await self._by_raw_events(connection, at, list(table))
            changing = {row.key: row.traits for row in await groups.changing_groups(connection, self._environment.id)}
        result = _BatchResult()
        for row in rows:
            values = true[row.id]
            first = values["profile", "first_seen_at"]
            if row.first_seen_at is not None and (first is None or first > row.first_seen_at):
                result.incomplete += 1
                continue
            result.verified += 1
            try:
                result.differences += self._compare(catalog, row, table[row.id], values, changing, at)
            except _UNREADABLE:
                result.differences.append(Difference(str(row.id), "profile", "state", "unreadable", None))
        return result

    async def _bind(self, connection: Connection) -> Catalog:
        """The live catalog of this transaction; builds its statements if it is new."""
        catalog = await self._catalogs.current_in(connection, self._environment.id)
        if catalog is not self.catalog:
            self.catalog = catalog
            nodes = {name: node for name, node in catalog.live.nodes.items() if name not in catalog.backfilling}
            # By reference, because then a segment is true or false, never unknown.
            asked = [*_SEEN, *((name, ir.Reference(node.type, *name)) for name, node in nodes.items())]
            chunks = [asked[start : start + _COLUMNS] for start in range(0, len(asked), _COLUMNS)]
            self._questions = [
                (chunk, select([node for _, node in chunk], resolve=nodes.get, zone=catalog.zone)) for chunk in chunks
            ]
        return catalog

    async def _by_raw_events(
        self, connection: Connection, at: Instant, ids: Sequence[int]
    ) -> dict[int, dict[Name, Any]]:
        """The values of each of these profiles by its raw events."""
        found: dict[int, dict[Name, Any]] = {id: {} for id in ids}
        for asked, statement in self._questions:
            for id, *values in await store.evaluate(connection, statement, self._environment.id, at, ids):
                found[id] |= {
                    name: read_value(value, node.type) for value, (name, node) in zip(values, asked, strict=True)
                }
        return found

    def _compare(
        self,
        catalog: Catalog,
        row: ProfileRow,
        table: set[Name],
        values: dict[Name, Any],
        changing: Mapping[str, Mapping[str, Any]],
        at: Instant,
    ) -> list[Difference]:
        profile = storage.from_row(row)
        fingerprints = {segment.name: segment.fingerprint for segment in catalog.segments if not segment.is_candidate}
        saved = profile.saved_memberships
        recompute.advance(profile, catalog, at)
        if profile.group is not None and profile.group[2] in changing:
            recompute.apply_group_traits(profile, changing[profile.group[2]], catalog, at)
        activation = catalog.activation(catalog.live, profile, at)
        seen = {"first_seen_at": profile.first_seen, "last_seen_at": profile.last_seen}
        found: list[Difference] = []

        def note(kind: str, name: Name, kept: Any, true: Any) -> None:
            if not _equal(kept, true):
                type_ = catalog.live.nodes[name].type if kind == "trait" else _TYPES[kind]
                found.append(Difference(str(profile.id), kind, name[1], plain(kept, type_), plain(true, type_)))

        for name, true in values.items():
            kind, key = name
            if kind == "profile":
                note(kind, name, seen[key], true)
                continue
            value = activation.result(name, at)[0]
            note(kind, name, value, true)
            if kind == "segment":
                # If a wake-up is due, the table is as before it, but the compared copy has applied it.
                member, was_member = fingerprints[name] in profile.memberships, fingerprints[name] in saved
                note("membership", name, member, true)
                if member is true:
                    note("membership", name, name in table, was_member)
        return found

    async def repair(self, ids: Sequence[int]) -> int:
        """Rebuild these profiles from raw events and announce the changes.

        Returns how many were rebuilt."""
        async with transaction(self._environment.pool) as connection:
            await event_store.begin_group(connection, self._environment.id)
            catalog = await self._bind(connection)
            rows = [
                row
                for row in await profile_store.lock_profiles(connection, self._environment.id, ids)
                if row.merged_into is None
            ]
            batch, unreadable = _read(rows)
            await self._load_saved_memberships(connection, catalog, [*batch, *unreadable])
            for profile in unreadable:
                profile.memberships = dict(profile.saved_memberships)
                profile.group_changed = True
            batch += unreadable
            await storage.rebuild(connection, catalog, batch)
            now = self._environment.now()
            transitions = [t for profile in batch for t in recompute.review_all(profile, catalog, now, "repair")]
            version = await storage.save(connection, self._environment.id, now, batch, transitions)
            await announce_profiles(connection, self._environment.id, version, [profile.id for profile in batch])
        log.warning("rebuilt %d profiles of environment %d from raw events", len(batch), self._environment.id)
        return len(batch)

    async def _load_saved_memberships(self, connection: Connection, catalog: Catalog, batch: Sequence[Profile]) -> None:
        """Set saved memberships to those of the table, so that saving writes what differs from it."""
        by_id = {profile.id: profile for profile in batch}
        for profile in batch:
            profile.saved_memberships = {}
        fingerprints = [segment.fingerprint for segment in catalog.segments]
        for row in await store.memberships_of_profiles(connection, self._environment.id, fingerprints, list(by_id)):
            by_id[row.profile_id].saved_memberships[row.fingerprint] = row.entered_at


def _read(rows: Iterable[ProfileRow]) -> tuple[list[Profile], list[Profile]]:
    """The profiles of these rows, and those with an unreadable state, without their state."""
    readable, unreadable = [], []
    for row in rows:
        try:
            readable.append(storage.from_row(row))
        except _UNREADABLE:
            unreadable.append(storage.without_state(row))
    return readable, unreadable


def _equal(one: Any, other: Any) -> bool:
    """Whether two values of the language are equal: 1 and 1.0 are, 1 and true are not."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return one is other
        case (int() | Decimal(), int() | Decimal()):
            return bool(one == other)
        case (list() | tuple(), list() | tuple()):
            return len(one) == len(other) and all(map(_equal, one, other))
        case (dict(), dict()):
            return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
        case _:
            return bool(one == other)
