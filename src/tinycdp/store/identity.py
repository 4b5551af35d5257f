"""Statements about who is who: identifiers, what was said of them, merges, refusals.

Shape   one function per statement of sql/identity.sql
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("identity")


def _columns(rows: Sequence[Sequence[Any]]) -> Iterable[list[Any]]:
    return map(list, zip(*rows, strict=True))


async def identifiers_of_profiles(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[Row]:
    return await connection.fetch(_SQL["identifiers_of_profiles"], environment_id, ids)


async def identifiers_by_id(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[Row]:
    return await connection.fetch(_SQL["identifiers_by_id"], environment_id, ids)


async def count_identifiers(
    connection: Connection, environment_id: int, profile_ids: Sequence[int], kinds: Sequence[tuple[str, int]]
) -> list[Row]:
    """`kinds` are (kind, since which instant its identifiers are recent)."""
    return await connection.fetch(_SQL["count_identifiers"], environment_id, profile_ids, *_columns(kinds))


async def find_links(connection: Connection, environment_id: int, pairs: Sequence[tuple[int, int, bool]]) -> list[Row]:
    """`pairs` are (alias id, owner's id, whether it is a join)."""
    return await connection.fetch(_SQL["find_links"], environment_id, *_columns(pairs)) if pairs else []


async def save_links(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, bool, int, int, str]], now: int
) -> None:
    """`rows` are (alias id, owner's id, whether it is a join, strength, said at, said by)."""
    if rows:
        await connection.execute(_SQL["save_links"], environment_id, *_columns(rows), now)


async def links_of_identifiers(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[Row]:
    return await connection.fetch(_SQL["links_of_identifiers"], environment_id, ids)


async def messages_of_identifiers(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> AsyncIterator[list[Row]]:
    """A few at a time, so that nothing else in the process waits long while they are decoded; in a transaction."""
    cursor = await connection.cursor(_SQL["messages_of_identifiers"], environment_id, ids)
    while rows := await cursor.fetch(1_000, timeout=60):
        yield rows


async def part_links(connection: Connection, environment_id: int, pairs: Sequence[tuple[int, int]], now: int) -> None:
    """`pairs` are (alias id, owner's id)."""
    if pairs:
        await connection.execute(_SQL["part_links"], environment_id, *_columns(pairs), now)


async def drop_claims(connection: Connection, environment_id: int, ids: Sequence[int]) -> None:
    await connection.execute(_SQL["drop_claims"], environment_id, ids)


async def rekey_profiles(connection: Connection, environment_id: int, rows: Sequence[tuple[int, str, int]]) -> None:
    """`rows` are (id, bucketing key, created at)."""
    if rows:
        await connection.execute(_SQL["rekey_profiles"], environment_id, *_columns(rows))


async def redirect_profiles(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """`rows` are (id, the profile it leads to)."""
    if rows:
        await connection.execute(_SQL["redirect_profiles"], environment_id, *_columns(rows))


async def append_merge(connection: Connection, *values: Any) -> int:
    return await connection.fetchval(_SQL["append_merge"], *values)


async def find_merge(connection: Connection, environment_id: int, id: int) -> Row | None:
    return await connection.fetchrow(_SQL["find_merge"], environment_id, id)


async def undo_merge(
    connection: Connection, environment_id: int, ids: Sequence[int], now: int, author: str, note: str
) -> None:
    await connection.execute(_SQL["undo_merge"], environment_id, ids, now, author, note)


async def merges_below(connection: Connection, environment_id: int, survivor_ids: Sequence[int]) -> list[Row]:
    return await connection.fetch(_SQL["merges_below"], environment_id, survivor_ids)


async def list_merges(
    connection: Connection, environment_id: int, profile_ids: Sequence[int] | None, before_id: int, n: int
) -> list[Row]:
    return await connection.fetch(_SQL["list_merges"], environment_id, profile_ids, before_id, n)


async def append_split(
    connection: Connection,
    environment_id: int,
    profile_id: int,
    alias_ids: Sequence[int],
    author: str,
    note: str,
    now: int,
) -> int:
    return await connection.fetchval(_SQL["append_split"], environment_id, profile_id, alias_ids, author, note, now)


async def splits_of_profile(connection: Connection, environment_id: int, profile_id: int) -> list[Row]:
    return await connection.fetch(_SQL["splits_of_profile"], environment_id, profile_id)


async def refuse_claims(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int, str, str]], now: int
) -> None:
    """`rows` are (alias id, kept owner's id, other owner's id, message id, reason)."""
    if rows:
        await connection.execute(_SQL["refuse_claims"], environment_id, *_columns(rows), now)


async def list_refusals(
    connection: Connection,
    environment_id: int,
    reason: str | None,
    alias_ids: Sequence[int] | None,
    before_id: int,
    n: int,
) -> list[Row]:
    return await connection.fetch(_SQL["list_refusals"], environment_id, reason, alias_ids, before_id, n)


async def count_blocked(
    connection: Connection, environment_id: int, rows: Sequence[tuple[str, str, int]], now: int
) -> None:
    """`rows` are (kind, value, messages)."""
    if rows:
        await connection.execute(_SQL["count_blocked"], environment_id, *_columns(rows), now)


async def list_blocked(connection: Connection, environment_id: int, n: int) -> list[Row]:
    return await connection.fetch(_SQL["list_blocked"], environment_id, n)


async def segments_since(connection: Connection, environment_id: int) -> dict[int, int]:
    """Definition id → the instant."""
    return dict(await connection.fetch(_SQL["segments_since"], environment_id))
