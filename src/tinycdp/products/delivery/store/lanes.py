"""Statements about lanes: cursors, what waits, what is undelivered, attempts, secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.signing import Algorithm, SigningKey
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load

_SQL = load("lanes", "tinycdp.products.delivery")


@dataclass(frozen=True, slots=True)
class LaneRow(Row):
    """A lane."""

    cursor: int
    from_position: int
    from_revision: int
    generation: int
    state: str
    reason: str
    delivered: int
    failing_since: int | None
    last_success_at: int | None
    last_failure_at: int | None
    last_failure: str


@dataclass(frozen=True, slots=True)
class SeenRow(Row):
    """Who has a lane, and how far the log is."""

    generation: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class MovedRow(Row):
    """A lane after a move."""

    generation: int
    state: str
    failing_since: int | None


@dataclass(frozen=True, slots=True)
class HealthRow(Row):
    """How a destination is. probe_at: when a receiver that does not answer is tried again"""

    definition_id: int
    state: str
    reason: str
    cursor: int
    last_seq: int
    delivered: int
    failed: int
    failing_since: int | None
    last_success_at: int | None
    last_failure_at: int | None
    last_failure: str
    probe_at: int | None
    lapsed_at: int | None
    waiting: int
    next_at: int | None
    undelivered: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class LaneFiguresRow(Row):
    """What is measured of a lane."""

    environment: str
    destination: str
    is_active: bool
    behind: int
    delivered: int
    failed: int
    waiting: int
    undelivered: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """What waits, and what happened."""

    happening: Happening
    attempts: int
    next_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class UndeliveredRow(Row):
    """What was given up. type, at and profile_id: None if the log dropped it"""

    seq: int
    attempts: int
    reason: str
    status: int | None
    answer: str
    died_at: int
    type: str | None
    at: int | None
    profile_id: int | None


@dataclass(frozen=True, slots=True)
class DeliveryRow(Row):
    """One attempt. seq: None for a test, the last one for a batch. records: of a batch"""

    id: int
    seq: int | None
    attempt: int
    at: int
    duration_ms: int
    status: int | None
    error: str
    answer: str
    records: int | None
    type: str | None
    happened_at: int | None
    profile_id: int | None


@dataclass(frozen=True, slots=True)
class SecretRow(Row):
    """A secret that signs."""

    id: int
    algorithm: Algorithm
    secret: bytes
    is_shown: bool
    created_at: int
    expires_at: int | None

    @property
    def key(self) -> SigningKey:
        """What signs."""
        return SigningKey(self.algorithm, self.secret)


async def open_lanes(connection: Connection, environment_id: int, definition_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["open_lanes"], environment_id, list(definition_ids))


async def count_lanes(connection: Connection, environment_id: int) -> int:
    return int(await connection.fetchval(_SQL["count_lanes"], environment_id))


async def close_lanes(connection: Connection, environment_id: int, definition_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["close_lanes"], environment_id, list(definition_ids))


async def find_lane(connection: Connection, environment_id: int, definition_id: int) -> LaneRow | None:
    return LaneRow.maybe(await connection.fetchrow(_SQL["find_lane"], environment_id, definition_id))


async def see_lane(connection: Connection, environment_id: int, definition_id: int) -> SeenRow | None:
    return SeenRow.maybe(await connection.fetchrow(_SQL["see_lane"], environment_id, definition_id))


async def take_lane(connection: Connection, environment_id: int, definition_id: int) -> LaneRow | None:
    return LaneRow.maybe(await connection.fetchrow(_SQL["take_lane"], environment_id, definition_id))


async def move_lane(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    *moved: Any,
    failed: int = 0,
    probe_at: int | None = None,
) -> MovedRow | None:
    """moved: generation, cursor, delivered, success_at, failure_at, failure, state, reason"""
    return MovedRow.maybe(
        await connection.fetchrow(_SQL["move_lane"], environment_id, definition_id, *moved, failed, probe_at)
    )


async def hold_lane(connection: Connection, environment_id: int, definition_id: int) -> str | None:
    """The lane's state."""
    return await connection.fetchval(_SQL["hold_lane"], environment_id, definition_id)


async def set_state(connection: Connection, environment_id: int, definition_id: int, state: str, reason: str) -> None:
    await connection.execute(_SQL["set_state"], environment_id, definition_id, state, reason)


async def rewind_lane(connection: Connection, environment_id: int, definition_id: int, cursor: int) -> None:
    await connection.execute(_SQL["rewind_lane"], environment_id, definition_id, cursor)


async def list_waiting(connection: Connection, environment_id: int, definition_id: int) -> list[WaitingRow]:
    rows = await connection.fetch(_SQL["list_waiting"], environment_id, definition_id)
    return [
        WaitingRow(Happening(row["seq"], *tuple(row)[4:]), row["attempts"], row["next_at"], row["reason"])
        for row in rows
    ]


async def drop_waiting(connection: Connection, environment_id: int, definition_id: int, seqs: Sequence[int]) -> None:
    if not seqs:
        return
    await connection.execute(_SQL["drop_waiting"], environment_id, definition_id, list(seqs))


async def change_waiting(
    connection: Connection, environment_id: int, definition_id: int, rows: Sequence[tuple[int, int, int, str]]
) -> None:
    """rows: seq, attempts, next_at, reason"""
    if not rows:
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(_SQL["change_waiting"], environment_id, definition_id, *columns)


async def add_waiting(
    connection: Connection, environment_id: int, definition_id: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """rows: seq, profile_ids, attempts, next_at, reason"""
    if not rows:
        return
    await connection.executemany(_SQL["add_waiting"], [(environment_id, definition_id, *row) for row in rows])


async def add_undelivered(
    connection: Connection, environment_id: int, definition_id: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """rows: seq, profile_ids, attempts, reason, status, answer, now"""
    if not rows:
        return
    await connection.executemany(_SQL["add_undelivered"], [(environment_id, definition_id, *row) for row in rows])


async def list_undelivered(
    connection: Connection, environment_id: int, definition_id: int, after: int, n: int
) -> list[UndeliveredRow]:
    return UndeliveredRow.every(
        await connection.fetch(_SQL["list_undelivered"], environment_id, definition_id, after, n)
    )


async def revive(
    connection: Connection, environment_id: int, definition_id: int, seqs: Sequence[int] | None, now: int
) -> int:
    return int(await connection.fetchval(_SQL["revive"], environment_id, definition_id, seqs, now))


async def add_deliveries(
    connection: Connection, environment_id: int, definition_id: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """rows: seq, profile_ids, attempt, at, duration_ms, status, error, answer"""
    if not rows:
        return
    await connection.executemany(_SQL["add_delivery"], [(environment_id, definition_id, *row) for row in rows])


async def list_deliveries(
    connection: Connection, environment_id: int, definition_id: int, before: int, n: int, *, only_failed: bool
) -> list[DeliveryRow]:
    return DeliveryRow.every(
        await connection.fetch(_SQL["list_deliveries"], environment_id, definition_id, before, only_failed, n)
    )


async def healths(
    connection: Connection, environment_id: int, definition_ids: Sequence[int] | None = None
) -> dict[int, HealthRow]:
    """By definition; without ids of all."""
    rows = HealthRow.every(await connection.fetch(_SQL["healths"], environment_id, definition_ids))
    return {row.definition_id: row for row in rows}


async def lane_figures(connection: Connection, n: int) -> list[LaneFiguresRow]:
    return LaneFiguresRow.every(await connection.fetch(_SQL["lane_figures"], n))


async def erase_profiles(connection: Connection, environment_id: int, profile_ids: Sequence[int]) -> None:
    await connection.execute(_SQL["erase_profiles"], environment_id, list(profile_ids))


async def prune_deliveries(connection: Connection, environment_id: int, before: int, n: int) -> int:
    return affected(await connection.execute(_SQL["prune_deliveries"], environment_id, before, n))


async def prune_undelivered(connection: Connection, environment_id: int, before: int) -> int:
    return affected(await connection.execute(_SQL["prune_undelivered"], environment_id, before))


async def list_secrets(connection: Connection, environment_id: int, definition_id: int, now: int) -> list[SecretRow]:
    return SecretRow.every(await connection.fetch(_SQL["list_secrets"], environment_id, definition_id, now))


async def add_secret(
    connection: Connection, environment_id: int, definition_id: int, key: SigningKey, now: int, *, is_shown: bool
) -> None:
    await connection.execute(
        _SQL["add_secret"], environment_id, definition_id, key.algorithm, key.secret, is_shown, now
    )


async def retire_secrets(
    connection: Connection, environment_id: int, definition_id: int, now: int, expires_at: int
) -> None:
    await connection.execute(_SQL["retire_secrets"], environment_id, definition_id, now, expires_at)
