"""Statements about flags' kill switches and the variants that sessions hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load

_SQL = load("flags")


@dataclass(frozen=True, slots=True)
class KillRow(Row):
    """A kill in force."""

    definition_id: int
    killed_at: int
    killed_by: str
    note: str


@dataclass(frozen=True, slots=True)
class PastKillRow(Row):
    """A kill of one flag, in force or not."""

    killed_at: int
    killed_by: str
    note: str
    revived_at: int | None
    revived_by: str | None


@dataclass(frozen=True, slots=True)
class ProfileVariantRow(Row):
    """A variant that a profile keeps of a sticky flag."""

    definition_id: int
    variant: str


async def kill_flag(
    connection: Connection, environment_id: int, definition_id: int, now: int, author: str, note: str
) -> bool:
    """Kill a flag; False if it was killed already."""
    killed = await connection.fetchval(_SQL["kill_flag"], environment_id, definition_id, now, author, note)
    return killed is not None


async def revive_flag(connection: Connection, environment_id: int, definition_id: int, now: int, author: str) -> bool:
    """Revive a flag; False if it was not killed."""
    return await connection.fetchval(_SQL["revive_flag"], environment_id, definition_id, now, author) is not None


async def kills_at(connection: Connection, environment_id: int, at: int | None = None) -> list[KillRow]:
    """The kills in force at an instant; None for now."""
    return KillRow.every(await connection.fetch(_SQL["kills_at"], environment_id, at))


async def kills_of_flag(connection: Connection, environment_id: int, definition_id: int, n: int) -> list[PastKillRow]:
    return PastKillRow.every(await connection.fetch(_SQL["kills_of_flag"], environment_id, definition_id, n))


async def keep_session_variant(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    unit: str,
    session: str,
    variant: str,
    now: int,
    kept_until: int,
) -> str:
    """The variant the session holds from now on."""
    return await connection.fetchval(
        _SQL["keep_session_variant"], environment_id, definition_id, unit, session, variant, now, kept_until
    )


async def profile_variants(
    connection: Connection, environment_id: int, definition_ids: Sequence[int], units: Sequence[str]
) -> list[ProfileVariantRow]:
    return ProfileVariantRow.every(
        await connection.fetch(_SQL["profile_variants"], environment_id, definition_ids, units)
    )


async def keep_profile_variant(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    unit: str,
    variant: str,
    profile_id: int,
    servable: Sequence[str],
    now: int,
) -> str | None:
    """The variant the profile keeps from now on; None if it was erased."""
    variant_kept: str | None = await connection.fetchval(
        _SQL["keep_profile_variant"], environment_id, definition_id, unit, variant, profile_id, servable, now
    )
    return variant_kept


async def prune_session_variants(connection: Connection, environment_id: int, before: int) -> None:
    await connection.execute(_SQL["prune_session_variants"], environment_id, before)


async def prune_variants_of_deleted_flags(connection: Connection, environment_id: int, before: int, n: int) -> int:
    """Returns how many were deleted, at most n."""
    return affected(await connection.execute(_SQL["prune_variants_of_deleted_flags"], environment_id, before, n))
