"""What is kept of people, held against what their raw events say by SQL; and mended where it differs.

Shape   verify(pool, environment, …) → Report; with `repair`, the people who differ are rebuilt and looked at again
Laws    every batch of people is read in one snapshot and asked about one instant, so live traffic raises no alarm, nor
        does a wake-up that is due or a group's change that members have not heard of: both happen to the copy that is
        compared. Only repair writes
        Someone whose first message is no longer stored cannot be verified, and is never repaired: it would forget
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
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.views import plain
from tinycdp.store import groups, messages
from tinycdp.store import verify as store
from tinycdp.store.messages import ProfileRow
from tinycdp.store.pool import Connection, Pool, acquired, snapshot, transaction
from tinycdp.times import iso

log = logging.getLogger(__name__)

#: How many people are looked at unless the caller says otherwise.
SAMPLE = 1_000
BATCH = 500
_REPAIR_BATCH = 100
_LISTED = 20
#: So many definitions are asked of one statement, which then stays small enough to plan in a moment.
_COLUMNS = 40

_SEEN: tuple[tuple[Name, ir.Node], ...] = (
    (("profile", "first_seen_at"), ir.Seen(Type.DATETIME, "first")),
    (("profile", "last_seen_at"), ir.Seen(Type.DATETIME, "last")),
)

#: What reading a damaged state, or a damaged part of one, ends in.
_UNREADABLE = (msgspec.MsgspecError, LookupError, TypeError, ValueError)

_TYPES = {"profile": Type.DATETIME, "segment": Type.BOOL, "membership": Type.BOOL}

Progress = Callable[[int, int], None]


class Difference(msgspec.Struct, frozen=True):
    """kind: trait, segment, membership (the table of members) or profile (when it was seen, or its state where that
    cannot be read). true: by raw events."""

    profile: str
    kind: str
    key: str
    kept: Any
    true: Any


class Report(msgspec.Struct, rename="camel"):
    """What was looked at and what was found.

    people       how many were verified; `of` how many there are
    incomplete   further ones, whose first message is no longer stored: nothing can be said of them
    differences  how many; `listed` holds the first of them, `different_people` counts whom they are about
    repaired     how many were rebuilt; what differs even then is what is reported
    """

    revision: int
    as_of: str
    of: int
    traits: int = 0
    segments: int = 0
    people: int = 0
    incomplete: int = 0
    differences: int = 0
    different_people: int = 0
    repaired: int = 0
    listed: list[Difference] = []


async def verify(
    pool: Pool,
    environment_id: int,
    now: Clock,
    *,
    sample: int | None = SAMPLE,
    repair: bool = False,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Every trait and segment of so many people, chosen anew each time, or of all (sample None)."""
    check = _Check(pool, environment_id, now)
    async with acquired(pool) as connection:
        total = await store.count_profiles(connection, environment_id)
        chosen = None if sample is None else await store.sample_profiles(connection, environment_id, sample, now())
    expected = total if chosen is None else len(chosen)
    findings = _Findings()
    done = 0
    async for ids in _batches(pool, environment_id, chosen):
        findings.add(await check.look(ids))
        done += len(ids)
        progress(min(done, expected), expected)
    wrong = findings.different
    repaired = 0
    if repair and wrong:
        for start in range(0, len(wrong), _REPAIR_BATCH):
            repaired += await check.repair(wrong[start : start + _REPAIR_BATCH])
        findings.forget_differences()
        for start in range(0, len(wrong), BATCH):
            findings.add(await check.look(wrong[start : start + BATCH]), again=True)
    catalog = check.catalog or await Catalogs().refresh(pool, environment_id)
    kinds = [kind for kind, _ in catalog.live.nodes.keys() - catalog.warming]
    return Report(
        revision=catalog.revision,
        as_of=iso(now()),
        of=total,
        traits=kinds.count("trait"),
        segments=kinds.count("segment"),
        people=findings.people,
        incomplete=findings.incomplete,
        differences=findings.differences,
        different_people=len(findings.different),
        repaired=repaired,
        listed=findings.listed,
    )


def told(report: Report) -> str:
    """The report as people read it."""
    lines = [
        f"verified {report.people:,} of {report.of:,} people at revision {report.revision}: "
        f"{report.traits} traits, {report.segments} segments, as of {report.as_of}"
    ]
    if report.incomplete:
        lines.append(f"{report.incomplete:,} more cannot be verified: their first message is no longer stored")
    if report.repaired:
        lines.append(f"rebuilt {report.repaired:,} people from their raw events, and looked at them again")
    if not report.differences:
        return "\n".join([*lines, "no differences"])
    lines.append(f"{report.differences:,} differences, of {report.different_people:,} people:")
    for found in report.listed:
        kept, true = (msgspec.json.encode(value).decode() for value in (found.kept, found.true))
        lines.append(f"  profile {found.profile}  {found.kind} {found.key}: kept {kept}, by raw events {true}")
    if report.differences > len(report.listed):
        lines.append(f"  and {report.differences - len(report.listed):,} more")
    return "\n".join(lines)


async def _batches(pool: Pool, environment_id: int, chosen: Sequence[int] | None) -> AsyncIterator[Sequence[int]]:
    if chosen is not None:
        for start in range(0, len(chosen), BATCH):
            yield chosen[start : start + BATCH]
        return
    after = 0
    while True:
        async with acquired(pool) as connection:
            ids = await store.profile_ids_after(connection, environment_id, after, BATCH)
        if not ids:
            return
        yield ids
        after = ids[-1]


@dataclass
class _Looked:
    """What one batch came to."""

    people: int = 0
    incomplete: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass
class _Findings:
    """`different` are profile ids in the order they were found; `listed` is bounded, they are not: repair needs all."""

    people: int = 0
    incomplete: int = 0
    differences: int = 0
    different: list[int] = field(default_factory=list)
    listed: list[Difference] = field(default_factory=list)

    def add(self, looked: _Looked, *, again: bool = False) -> None:
        if not again:
            self.people += looked.people
            self.incomplete += looked.incomplete
        self.differences += len(looked.differences)
        self.listed += looked.differences[: _LISTED - len(self.listed)]
        self.different += dict.fromkeys(int(found.profile) for found in looked.differences)

    def forget_differences(self) -> None:
        self.differences, self.different, self.listed = 0, [], []


class _Check:
    """The statements of one catalog, made once. `catalog` is the one of the last batch."""

    def __init__(self, pool: Pool, environment_id: int, now: Clock) -> None:
        self._pool = pool
        self._environment_id = environment_id
        self._now = now
        self._catalogs = Catalogs()
        self._questions: list[tuple[Sequence[tuple[Name, ir.Node]], str]] = []
        self.catalog: Catalog | None = None

    async def look(self, ids: Sequence[int]) -> _Looked:
        """Compare these people as one snapshot of the database has them."""
        async with snapshot(self._pool) as connection:
            catalog = await self._bind(connection)
            rows = await store.load_profiles(connection, self._environment_id, ids)
            by_fingerprint = {s.fingerprint: s.name for s in catalog.segments if not s.is_next}
            table: dict[int, set[Name]] = {row.id: set() for row in rows}
            for member in await store.memberships_of_profiles(
                connection, self._environment_id, list(by_fingerprint), list(table)
            ):
                table[member.profile_id].add(by_fingerprint[member.fingerprint])
            # Another machine's clock may be ahead of ours: no message is to lie in the future.
            at = max(self._now(), await store.newest_event_at(connection, self._environment_id, list(table)) or 0)
            true = await self._told(connection, at, list(table))
            changing = {row.key: row.traits for row in await groups.changing_groups(connection, self._environment_id)}
        looked = _Looked()
        for row in rows:
            told = true[row.id]
            first = told["profile", "first_seen_at"]
            if row.first_seen_at is not None and (first is None or first > row.first_seen_at):
                looked.incomplete += 1
                continue
            looked.people += 1
            try:
                looked.differences += self._compare(catalog, row, table[row.id], told, changing, at)
            except _UNREADABLE:
                looked.differences.append(Difference(str(row.id), "profile", "state", "unreadable", None))
        return looked

    async def _bind(self, connection: Connection) -> Catalog:
        """The catalog that is live in this transaction."""
        catalog = await self._catalogs.current_in(connection, self._environment_id)
        if catalog is not self.catalog:
            self.catalog = catalog
            nodes = {name: node for name, node in catalog.live.nodes.items() if name not in catalog.warming}
            # By reference: a segment is then what its members are, and never unknown.
            asked = [*_SEEN, *((name, ir.Reference(node.type, *name)) for name, node in nodes.items())]
            chunks = [asked[start : start + _COLUMNS] for start in range(0, len(asked), _COLUMNS)]
            self._questions = [
                (chunk, select([node for _, node in chunk], resolve=nodes.get, zone=catalog.zone)) for chunk in chunks
            ]
        return catalog

    async def _told(self, connection: Connection, at: Instant, ids: Sequence[int]) -> dict[int, dict[Name, Any]]:
        """What raw events say of each of these people."""
        told: dict[int, dict[Name, Any]] = {id: {} for id in ids}
        for asked, statement in self._questions:
            for id, *values in await store.worth(connection, statement, self._environment_id, at, ids):
                told[id] |= {
                    name: read_value(value, node.type) for value, (name, node) in zip(values, asked, strict=True)
                }
        return told

    def _compare(
        self,
        catalog: Catalog,
        row: ProfileRow,
        table: set[Name],
        told: dict[Name, Any],
        changing: Mapping[str, Mapping[str, Any]],
        at: Instant,
    ) -> list[Difference]:
        profile = storage.from_row(row)
        fingerprints = {segment.name: segment.fingerprint for segment in catalog.segments if not segment.is_next}
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

        for name, true in told.items():
            kind, key = name
            if kind == "profile":
                note(kind, name, seen[key], true)
                continue
            value = activation.result(name, at)[0]
            note(kind, name, value, true)
            if kind == "segment":
                # Someone whose wake-up is due is in the table as before it; the copy that is compared has woken up.
                member, was_member = fingerprints[name] in profile.memberships, fingerprints[name] in saved
                note("membership", name, member, true)
                if member is true:
                    note("membership", name, name in table, was_member)
        return found

    async def repair(self, ids: Sequence[int]) -> int:
        """Rebuild these people from raw events, tell of what changes, and give how many they were."""
        async with transaction(self._pool) as connection:
            await messages.begin_group(connection, self._environment_id)
            catalog = await self._bind(connection)
            rows = [
                row
                for row in await messages.lock_profiles(connection, self._environment_id, ids)
                if row.merged_into is None
            ]
            batch, unreadable = _read(rows)
            await self._as_in_the_table(connection, catalog, [*batch, *unreadable])
            for profile in unreadable:
                profile.memberships = dict(profile.saved_memberships)
                profile.group_changed = True
            batch += unreadable
            await storage.rebuild(connection, catalog, batch)
            now = self._now()
            transitions = [t for profile in batch for t in recompute.review_all(profile, catalog, now, "repair")]
            version = await storage.save(connection, self._environment_id, now, batch, transitions)
            await announce_profiles(connection, self._environment_id, version, [profile.id for profile in batch])
        log.warning("rebuilt %d people of environment %d from raw events", len(batch), self._environment_id)
        return len(batch)

    async def _as_in_the_table(self, connection: Connection, catalog: Catalog, batch: Sequence[Profile]) -> None:
        """What will be written is the difference to the rows there are, not to those there should be."""
        by_id = {profile.id: profile for profile in batch}
        for profile in batch:
            profile.saved_memberships = {}
        fingerprints = [segment.fingerprint for segment in catalog.segments]
        for row in await store.memberships_of_profiles(connection, self._environment_id, fingerprints, list(by_id)):
            by_id[row.profile_id].saved_memberships[row.fingerprint] = row.entered_at


def _read(rows: Iterable[ProfileRow]) -> tuple[list[Profile], list[Profile]]:
    """The profiles of these rows, and apart from them those whose state cannot be read, without it."""
    readable, unreadable = [], []
    for row in rows:
        try:
            readable.append(storage.from_row(row))
        except _UNREADABLE:
            unreadable.append(storage.without_state(row))
    return readable, unreadable


def _equal(one: Any, other: Any) -> bool:
    """Whether two values of the language are one: 1 and 1.0 are, 1 and true are not."""
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
