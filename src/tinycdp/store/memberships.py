"""Statements about memberships of segments and their transitions."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow, SummaryRow

_SQL = load("memberships")


async def enter_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int]]) -> None:
    """`rows` are (fingerprint, profile id, entered at)."""
    if rows:
        await connection.execute(_SQL["enter_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def leave_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """`rows` are (fingerprint, profile id)."""
    if rows:
        await connection.execute(_SQL["leave_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def append_transitions(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[int, int, bool, int]]
) -> None:
    """`rows` are (segment id, profile id, entered, at)."""
    if rows:
        await connection.execute(_SQL["append_transitions"], environment_id, now, *map(list, zip(*rows, strict=True)))


@dataclass(slots=True)
class MemberProfileRow(ProfileRow):
    """A member of a segment, with the first identifier of each kind."""

    entered_at: int
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class MemberRow(SummaryRow):
    """A member of a segment in a list, with the instant it entered."""

    entered_at: int


@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A profile entered or left a segment; last_key is the segment's last key."""

    id: int
    segment_id: int
    entered: bool
    at: int
    recorded_at: int
    last_key: str | None


async def transitions_of_profile(
    connection: Connection, environment_id: int, profile_id: int, n: int
) -> list[TransitionRow]:
    return TransitionRow.every(await connection.fetch(_SQL["transitions_of_profile"], environment_id, profile_id, n))


async def count_members(connection: Connection, environment_id: int, fingerprints: Sequence[int]) -> dict[int, int]:
    return dict(await connection.fetch(_SQL["count_members"], environment_id, fingerprints))


async def members(
    connection: Connection, environment_id: int, fingerprint: int, *, with_state: bool
) -> AsyncIterator[list[MemberProfileRow]]:
    """All members of a segment, 200 at a time, so the event loop is not blocked.

    It runs inside a transaction, so all batches see one snapshot."""
    cursor = await connection.cursor(_SQL["members"], environment_id, fingerprint, with_state)
    while rows := await cursor.fetch(200, timeout=60):
        yield MemberProfileRow.every(rows)


async def property_names_of_members(
    connection: Connection, environment_id: int, fingerprint: int, n: int, timeout_seconds: float
) -> list[str]:
    rows = await connection.fetch(
        _SQL["property_names_of_members"], environment_id, fingerprint, n, timeout=timeout_seconds
    )
    return [row["name"] for row in rows]


async def members_page(
    connection: Connection, environment_id: int, fingerprint: int, after_id: int, n: int
) -> list[MemberRow]:
    return MemberRow.every(await connection.fetch(_SQL["members_page"], environment_id, fingerprint, after_id, n))
