"""Counts of an environment at a glance, exact or estimated, and by the minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("figures")


#: Up to about this many rows are counted exactly.
COUNTED_EXACTLY = 200_000


#: How many of the newest messages `figures` looks at.
LATELY = 10_000


@dataclass(frozen=True, slots=True)
class FiguresRow(Row):
    """Counts of an environment."""

    merges: int
    rejected_claims: int
    overdue: int
    next_due_at: int | None
    lately: int
    lately_oldest: int | None


async def rejections_by_code(connection: Connection, environment_id: int, n: int) -> dict[str, int]:
    """How many of the newest n rejections have each code."""
    return dict(await connection.fetch(_SQL["rejections_by_code"], environment_id, n))


async def count(
    connection: Connection, table: Literal["profiles", "events", "memberships"], environment_id: int
) -> tuple[int, bool]:
    """The number of an environment's rows, and whether it is exact.

    Of many rows it is the planner's estimate, because an exact count reads all of them."""
    statement = _SQL[f"rows_of_{table}"].rstrip(";")
    plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", environment_id)
    about = int(plan[0]["Plan"]["Plan Rows"])
    if about > COUNTED_EXACTLY:
        return about, False
    return await connection.fetchval(f"SELECT count(*) FROM ({statement}) AS counted", environment_id), True


async def figures(connection: Connection, environment_id: int, now: int, lately_since: int) -> FiguresRow:
    return FiguresRow.from_row(await connection.fetchrow(_SQL["figures"], environment_id, now, lately_since, LATELY))


@dataclass(frozen=True, slots=True)
class MinuteRow(Row):
    """What all processes counted in a minute. ingest: durations, by bounds."""

    minute: int
    accepted: int
    duplicates: int
    rejected: int
    decisions: int
    ingest: list[int]
    lag_ms: int


async def add_minute(
    connection: Connection,
    environment_id: int,
    minute: int,
    counts: tuple[int, int, int, int],
    ingest: Sequence[int],
    now: int,
) -> None:
    """Add to the minute. `counts` are accepted, duplicates, rejected and decisions."""
    await connection.execute(_SQL["add_minute"], environment_id, minute, *counts, ingest, now)


async def list_minutes(connection: Connection, environment_id: int, since: int, until: int) -> list[MinuteRow]:
    """The minutes of [since, until) in which something was counted, oldest first."""
    return MinuteRow.every(await connection.fetch(_SQL["list_minutes"], environment_id, since, until))


async def prune_minutes(connection: Connection, environment_id: int, before: int) -> None:
    await connection.execute(_SQL["prune_minutes"], environment_id, before)
