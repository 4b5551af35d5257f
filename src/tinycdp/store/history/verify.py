"""Statements that read profiles as they are stored, and their values by raw events.

Shape   one function per statement of sql/verify.sql, and evaluate(), which runs a statement of dsl.sql
Laws    no statement locks a row, so all may run beside live traffic
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow

_SQL = load("verify")

#: Includes every message in the database, even if the clock of another process was ahead.
_END_OF_TIME = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class MembershipRow(Row):
    """A membership."""

    fingerprint: int
    profile_id: int
    entered_at: int


async def count_profiles(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["count_profiles"], environment_id)


async def sample_profiles(connection: Connection, environment_id: int, n: int, seed: int) -> list[int]:
    return [row["id"] for row in await connection.fetch(_SQL["sample_profiles"], environment_id, n, seed)]


async def profile_ids_after(connection: Connection, environment_id: int, after_id: int, n: int) -> list[int]:
    return [row["id"] for row in await connection.fetch(_SQL["profile_ids_after"], environment_id, after_id, n)]


async def load_profiles(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["load_profiles"], environment_id, ids))


async def newest_event_at(connection: Connection, environment_id: int, ids: Sequence[int]) -> int | None:
    return await connection.fetchval(_SQL["newest_event_at"], environment_id, ids)


async def memberships_of_profiles(
    connection: Connection, environment_id: int, fingerprints: Sequence[int], ids: Sequence[int]
) -> list[MembershipRow]:
    return MembershipRow.every(
        await connection.fetch(_SQL["memberships_of_profiles"], environment_id, fingerprints, ids)
    )


async def evaluate(
    connection: Connection, statement: str, environment_id: int, at: int, ids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Run a statement of dsl.sql for these profiles; returns rows of (profile id, v0, v1, …).

    Call it in a transaction; it changes the transaction's settings: JIT compilation of such a statement takes longer
    than running it, and a generic plan is slow for a few profiles."""
    await connection.execute("SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan")
    return [tuple(row) for row in await connection.fetch(statement, environment_id, at, _END_OF_TIME, ids)]
