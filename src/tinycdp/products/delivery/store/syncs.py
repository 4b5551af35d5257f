"""Statements about syncs: how far they are, who was marked, and what receivers have."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from tinycdp.products.delivery.ledger import LedgerEntry, LedgerRemoval
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow

_SQL = load("syncs", "tinycdp.products.delivery")


@dataclass(frozen=True, slots=True)
class SyncRow(Row):
    """How far a sync is. The columns are explained where the table is made."""

    destination_id: int | None
    meaning: bytes
    generation: int
    mark: int
    mark_profile: int
    scan: str
    scan_after: int
    scan_profiles: int
    scan_differences: int
    last_run: int
    last_number: int
    state: str
    reason: str
    is_requested: bool
    next_run_at: int | None
    ran_at: int | None
    problem: str
    last_success_at: int | None
    last_failure_at: int | None
    last_failure: str
    sent: int
    removed: int
    next_proof_at: int | None
    proved_at: int | None
    proof_profiles: int
    proof_differences: int
    differences: int


@dataclass(slots=True)
class SyncedProfileRow(ProfileRow):
    """A profile with its identifiers as "kind value"."""

    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class LeavingRow(Row):
    """Removals that wait for the brake, and how many keys the receiver has.

    known   without those that wait
    before  when the brake last let everything pass; 0 before the first time"""

    leaving: int
    known: int
    before: int


@dataclass(frozen=True, slots=True)
class CountsRow(Row):
    """How many records are in each state. failed_removals: of the removals"""

    sent: int
    failed: int
    waiting: int
    unmatched: int
    left: int
    removals: int
    failed_removals: int


@dataclass(frozen=True, slots=True)
class SyncFiguresRow(Row):
    """What is measured of a sync. unsettled: records that failed, wait, or have no match key, at most 100,000"""

    environment: str
    sync: str
    is_active: bool
    sent: int
    removed: int
    differences: int
    unsettled: int
    removals: int
    last_success_at: int | None


async def open_syncs(connection: Connection, environment_id: int, definition_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["open_syncs"], environment_id, list(definition_ids))


async def overtake_syncs(connection: Connection, environment_id: int, destination_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["overtake_syncs"], environment_id, list(destination_ids))


async def close_syncs(connection: Connection, environment_id: int, definition_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["close_syncs"], environment_id, list(definition_ids))


async def count_syncs(connection: Connection, environment_id: int) -> int:
    return int(await connection.fetchval(_SQL["count_syncs"], environment_id))


async def drop_marks(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["drop_marks"], environment_id)


async def try_sync(connection: Connection, environment_id: int) -> bool:
    return bool(await connection.fetchval(_SQL["try_sync"], environment_id))


async def mark_profiles(connection: Connection, environment_id: int, marks: dict[int, int]) -> None:
    """marks: of each profile the position of its last change"""
    if marks:
        # In order of id, so that two processes cannot deadlock.
        ids = sorted(marks)
        await connection.execute(_SQL["mark_profiles"], environment_id, ids, [marks[id] for id in ids])


async def prune_marks(connection: Connection, environment_id: int, n: int) -> int:
    return affected(await connection.execute(_SQL["prune_marks"], environment_id, n))


async def rescan_syncs(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["rescan_syncs"], environment_id)


async def see_sync(connection: Connection, environment_id: int, definition_id: int) -> SyncRow | None:
    return SyncRow.maybe(await connection.fetchrow(_SQL["see_sync"], environment_id, definition_id))


async def begin_run(
    connection: Connection, environment_id: int, definition_id: int, generation: int, now: int
) -> SyncRow | None:
    """None if another run, or another document, came first."""
    return SyncRow.maybe(await connection.fetchrow(_SQL["begin_run"], environment_id, definition_id, generation, now))


async def begin_scan(
    connection: Connection, environment_id: int, definition_id: int, generation: int, scan: str, meaning: bytes
) -> bool:
    found = await connection.execute(_SQL["begin_scan"], environment_id, definition_id, generation, scan, meaning)
    return affected(found) > 0


async def begin_anew(
    connection: Connection, environment_id: int, definition_id: int, generation: int, destination_id: int
) -> None:
    await connection.execute(_SQL["begin_anew"], environment_id, definition_id, generation, destination_id)


async def hold_sync(connection: Connection, environment_id: int, definition_id: int, generation: int) -> int | None:
    """The number of the last send; None if the run was overtaken."""
    return await connection.fetchval(_SQL["hold_sync"], environment_id, definition_id, generation)


async def number_sends(connection: Connection, environment_id: int, definition_id: int, last_number: int) -> None:
    await connection.execute(_SQL["number_sends"], environment_id, definition_id, last_number)


async def count_sends(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    sent: int,
    removed: int,
    success_at: int | None,
    failure_at: int | None,
    failure: str,
) -> None:
    await connection.execute(
        _SQL["count_sends"], environment_id, definition_id, sent, removed, success_at, failure_at, failure
    )


async def move_mark(
    connection: Connection, environment_id: int, definition_id: int, mark: int, profile_id: int
) -> None:
    await connection.execute(_SQL["move_mark"], environment_id, definition_id, mark, profile_id)


async def move_scan(
    connection: Connection, environment_id: int, definition_id: int, after: int, profiles: int, differences: int
) -> None:
    await connection.execute(_SQL["move_scan"], environment_id, definition_id, after, profiles, differences)


async def end_scan(
    connection: Connection, environment_id: int, definition_id: int, generation: int, now: int, next_proof_at: int
) -> None:
    await connection.execute(_SQL["end_scan"], environment_id, definition_id, generation, now, next_proof_at)


async def end_run(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    generation: int,
    next_run_at: int,
    problem: str,
    state: tuple[str, str],
) -> None:
    """state: with its reason"""
    await connection.execute(_SQL["end_run"], environment_id, definition_id, generation, next_run_at, problem, *state)


async def marked_profiles(
    connection: Connection, environment_id: int, after: tuple[int, int], upto: int, n: int
) -> list[tuple[int, int]]:
    """(profile id, mark) after a (mark, profile id), in order."""
    return [tuple(row) for row in await connection.fetch(_SQL["marked_profiles"], environment_id, *after, upto, n)]


async def marked_to(connection: Connection, environment_id: int, consumer: str) -> int:
    """The position up to which people are marked."""
    return await connection.fetchval(_SQL["marked_to"], environment_id, consumer) or 0


async def due_records(connection: Connection, environment_id: int, definition_id: int, now: int, n: int) -> list[int]:
    rows = await connection.fetch(_SQL["due_records"], environment_id, definition_id, now, n)
    return [row["profile_id"] for row in rows]


async def next_due(connection: Connection, environment_id: int, definition_id: int) -> int | None:
    return await connection.fetchval(_SQL["next_due"], environment_id, definition_id)


async def unsettled_records(
    connection: Connection, environment_id: int, definition_id: int, run: int, after: int, n: int
) -> list[int]:
    """Those that no run since this one tried, and that no attempt failed."""
    rows = await connection.fetch(_SQL["unsettled_records"], environment_id, definition_id, run, after, n)
    return [row["profile_id"] for row in rows]


async def records_to_retry(
    connection: Connection, environment_id: int, definition_id: int, run: int, n: int
) -> list[int]:
    """Those that an attempt failed, and that no run since this one tried."""
    rows = await connection.fetch(_SQL["records_to_retry"], environment_id, definition_id, run, n)
    return [row["profile_id"] for row in rows]


async def candidates(
    connection: Connection, environment_id: int, definition_id: int, fingerprint: int | None, after: int, n: int
) -> list[int]:
    """fingerprint: of the segment; None for all people"""
    rows = await connection.fetch(_SQL["candidates"], environment_id, definition_id, fingerprint, after, n)
    return [row["id"] for row in rows]


async def synced_profiles(
    connection: Connection, environment_id: int, profile_ids: Sequence[int]
) -> list[SyncedProfileRow]:
    return SyncedProfileRow.every(await connection.fetch(_SQL["synced_profiles"], environment_id, list(profile_ids)))


async def find_entries(
    connection: Connection, environment_id: int, definition_id: int, profile_ids: Iterable[int], keys: Iterable[str]
) -> list[LedgerEntry]:
    rows = await connection.fetch(_SQL["find_entries"], environment_id, definition_id, list(profile_ids), list(keys))
    return [LedgerEntry(*row) for row in rows]


async def find_removals(
    connection: Connection, environment_id: int, definition_id: int, keys: Iterable[str]
) -> list[LedgerRemoval]:
    rows = await connection.fetch(_SQL["find_removals"], environment_id, definition_id, list(keys))
    return [LedgerRemoval(*row) for row in rows]


async def release_keys(
    connection: Connection, environment_id: int, definition_id: int, profile_ids: Iterable[int]
) -> None:
    await connection.execute(_SQL["release_keys"], environment_id, definition_id, list(profile_ids))


async def drop_entries(
    connection: Connection, environment_id: int, definition_id: int, profile_ids: Iterable[int]
) -> None:
    await connection.execute(_SQL["drop_entries"], environment_id, definition_id, list(profile_ids))


async def put_entries(
    connection: Connection, environment_id: int, definition_id: int, entries: Sequence[LedgerEntry]
) -> None:
    if entries:
        columns = [list(column) for column in zip(*map(astuple, entries), strict=True)]
        await connection.execute(_SQL["put_entries"], environment_id, definition_id, *columns)


async def drop_removals(connection: Connection, environment_id: int, definition_id: int, keys: Iterable[str]) -> None:
    await connection.execute(_SQL["drop_removals"], environment_id, definition_id, list(keys))


async def put_removals(
    connection: Connection, environment_id: int, definition_id: int, removals: Sequence[LedgerRemoval]
) -> None:
    if removals:
        columns = [list(column) for column in zip(*map(astuple, removals), strict=True)]
        await connection.execute(_SQL["put_removals"], environment_id, definition_id, *columns)


async def count_leaving(connection: Connection, environment_id: int, definition_id: int) -> LeavingRow:
    return LeavingRow.from_row(await connection.fetchrow(_SQL["count_leaving"], environment_id, definition_id))


async def allow_removals(connection: Connection, environment_id: int, definition_id: int, keys: int) -> int:
    """keys: that the receiver has without them"""
    return affected(await connection.execute(_SQL["allow_removals"], environment_id, definition_id, keys))


async def forget_removals(connection: Connection, environment_id: int, definition_id: int) -> None:
    await connection.execute(_SQL["forget_removals"], environment_id, definition_id)


async def allow_erased(
    connection: Connection, environment_id: int, definition_id: int, profile_ids: Sequence[int]
) -> None:
    if profile_ids:
        await connection.execute(_SQL["allow_erased"], environment_id, definition_id, list(profile_ids))


async def removals_to_send(
    connection: Connection, environment_id: int, definition_id: int, run: int, n: int
) -> list[LedgerRemoval]:
    """Those that no run since this one tried, and that no attempt failed."""
    rows = await connection.fetch(_SQL["removals_to_send"], environment_id, definition_id, run, n)
    return [LedgerRemoval(*row) for row in rows]


async def removals_to_retry(
    connection: Connection, environment_id: int, definition_id: int, run: int, n: int
) -> list[LedgerRemoval]:
    """Those that an attempt failed, and that no run since this one tried."""
    rows = await connection.fetch(_SQL["removals_to_retry"], environment_id, definition_id, run, n)
    return [LedgerRemoval(*row) for row in rows]


async def request_run(connection: Connection, environment_id: int, definition_id: int) -> None:
    await connection.execute(_SQL["request_run"], environment_id, definition_id)


async def request_proof(connection: Connection, environment_id: int, definition_id: int) -> None:
    await connection.execute(_SQL["request_proof"], environment_id, definition_id)


async def set_sync_state(
    connection: Connection, environment_id: int, definition_id: int, state: str, reason: str
) -> None:
    await connection.execute(_SQL["set_sync_state"], environment_id, definition_id, state, reason)


async def count_records(connection: Connection, environment_id: int, definition_id: int) -> CountsRow:
    return CountsRow.from_row(await connection.fetchrow(_SQL["count_records"], environment_id, definition_id))


async def list_records(
    connection: Connection, environment_id: int, definition_id: int, states: Sequence[str], after: int, n: int
) -> list[LedgerEntry]:
    rows = await connection.fetch(_SQL["list_records"], environment_id, definition_id, list(states), after, n)
    return [LedgerEntry(*row) for row in rows]


async def list_removals(
    connection: Connection, environment_id: int, definition_id: int, after: str, n: int
) -> list[LedgerRemoval]:
    rows = await connection.fetch(_SQL["list_removals"], environment_id, definition_id, after, n)
    return [LedgerRemoval(*row) for row in rows]


async def count_candidates(connection: Connection, environment_id: int, fingerprint: int | None) -> int:
    return int(await connection.fetchval(_SQL["count_candidates"], environment_id, fingerprint))


async def sync_figures(connection: Connection, n: int) -> list[SyncFiguresRow]:
    return SyncFiguresRow.every(await connection.fetch(_SQL["sync_figures"], n))
