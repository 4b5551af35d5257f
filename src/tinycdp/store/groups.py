"""Statements about groups, their traits and their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow, SummaryRow

_SQL = load("groups")


@dataclass(frozen=True, slots=True)
class LockedGroupRow(Row):
    """A locked group. stamps: the message that set each trait"""

    key: str
    traits: dict[str, Any]
    stamps: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GroupTraitsRow(Row):
    """The traits of a group."""

    key: str
    traits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GroupTraitRow(Row):
    """One trait of a group."""

    key: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class GroupChangeRow(Row):
    """A change of a group's traits. at_profile_id: the last member that has it"""

    key: str
    version: int
    at_profile_id: int


@dataclass(frozen=True, slots=True)
class GroupRow(Row):
    """A group."""

    key: str
    traits: dict[str, Any]
    created_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class CountedGroupRow(GroupRow):
    """A group with the number of its members."""

    members: int


async def lock_groups(
    connection: Connection, environment_id: int, keys: Sequence[str], now: int
) -> list[LockedGroupRow]:
    """The groups, created if new, in order of key, and locked until the transaction ends."""
    await connection.execute(_SQL["add_groups"], environment_id, keys, now)
    return LockedGroupRow.every(await connection.fetch(_SQL["lock_groups"], environment_id, keys))


async def save_groups(
    connection: Connection, environment_id: int, rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]], now: int
) -> None:
    """`rows` are (key, traits, stamps)."""
    if rows:
        await connection.execute(_SQL["save_groups"], environment_id, *map(list, zip(*rows, strict=True)), now)


async def note_group_changes(connection: Connection, environment_id: int, keys: Sequence[str]) -> None:
    if keys:
        await connection.execute(_SQL["note_group_changes"], environment_id, keys)


async def traits_of_groups(connection: Connection, environment_id: int, keys: Sequence[str]) -> list[GroupTraitsRow]:
    return GroupTraitsRow.every(await connection.fetch(_SQL["traits_of_groups"], environment_id, keys))


async def traits_of_groups_at(
    connection: Connection, environment_id: int, keys: Sequence[str], at: int
) -> list[GroupTraitRow]:
    return GroupTraitRow.every(await connection.fetch(_SQL["traits_of_groups_at"], environment_id, keys, at))


async def join_groups(connection: Connection, environment_id: int, rows: Sequence[tuple[int, str | None]]) -> None:
    """`rows` are (profile id, group key or None)."""
    if rows:
        await connection.execute(_SQL["join_groups"], environment_id, *map(list, zip(*rows, strict=True)))


async def claim_group_change(connection: Connection, environment_id: int) -> GroupChangeRow | None:
    return GroupChangeRow.maybe(await connection.fetchrow(_SQL["claim_group_change"], environment_id))


async def changing_groups(connection: Connection, environment_id: int) -> list[GroupTraitsRow]:
    return GroupTraitsRow.every(await connection.fetch(_SQL["changing_groups"], environment_id))


async def members_to_change(
    connection: Connection, environment_id: int, key: str, after: int, n: int
) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["members_to_change"], environment_id, key, after, n))


async def advance_group_change(connection: Connection, environment_id: int, key: str, version: int, at: int) -> None:
    await connection.execute(_SQL["advance_group_change"], environment_id, key, version, at)


async def finish_group_change(connection: Connection, environment_id: int, key: str, version: int) -> None:
    await connection.execute(_SQL["finish_group_change"], environment_id, key, version)


async def list_groups(connection: Connection, environment_id: int, after: str, n: int) -> list[GroupRow]:
    return GroupRow.every(await connection.fetch(_SQL["list_groups"], environment_id, after, n))


async def find_group(connection: Connection, environment_id: int, key: str) -> CountedGroupRow | None:
    return CountedGroupRow.maybe(await connection.fetchrow(_SQL["find_group"], environment_id, key))


async def members_of_group(
    connection: Connection, environment_id: int, key: str, after: int, n: int
) -> list[SummaryRow]:
    return SummaryRow.every(await connection.fetch(_SQL["members_of_group"], environment_id, key, after, n))


async def trait_names_of_groups(connection: Connection, environment_id: int, sample: int, n: int) -> list[str]:
    rows = await connection.fetch(_SQL["trait_names_of_groups"], environment_id, sample, n)
    return [row["name"] for row in rows]
