"""Statements about profiles: locks, saves, wake-ups, backfills, reads and searches."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("profiles")


@dataclass(slots=True)
class ProfileRow(Row):
    """A stored profile; not frozen, because a group of messages reads one for each of its profiles."""

    id: int
    bucketing_key: str
    created_at: int
    first_seen_at: int | None
    last_seen_at: int | None
    properties: dict[str, Any]
    state: bytes
    version: int
    recompute_at: int | None
    merged_into: int | None


async def next_profile_ids(connection: Connection, n: int) -> list[int]:
    return await connection.fetchval(_SQL["next_profile_ids"], n) if n else []


async def lock_profiles(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["lock_profiles"], environment_id, ids))


async def claim_due_profiles(connection: Connection, environment_id: int, now: int, n: int) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["claim_due_profiles"], environment_id, now, n))


async def postpone_profile(connection: Connection, environment_id: int, id: int, recompute_at: int) -> None:
    await connection.execute(_SQL["postpone_profile"], environment_id, id, recompute_at)


async def next_due_at(connection: Connection, environment_id: int) -> int | None:
    return await connection.fetchval(_SQL["next_due_at"], environment_id)


async def try_backfill(connection: Connection, environment_id: int) -> bool:
    """Whether this connection got the backfill lock, which it holds until it returns to its pool."""
    connection.linger()
    return await connection.fetchval(_SQL["try_backfill"], environment_id)


async def write_behind(connection: Connection) -> None:
    """Commit without waiting for the disk.

    If the machine fails, the work of this transaction is repeated."""
    await connection.execute(_SQL["write_behind"])


async def profiles_to_backfill(
    connection: Connection, environment_id: int, after_id: int, last_id: int, n: int
) -> list[ProfileRow]:
    return ProfileRow.every(await connection.fetch(_SQL["profiles_to_backfill"], environment_id, after_id, last_id, n))


async def claim_unchanged_profiles(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]
) -> set[int]:
    """Lock the profiles that still have these versions.

    `rows` are (id, version); returns the locked ids."""
    ids, versions = map(list, zip(*rows, strict=True))
    claimed = await connection.fetch(_SQL["claim_unchanged_profiles"], environment_id, ids, versions)
    return {row["id"] for row in claimed}


async def save_profiles(
    connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]], now: int, changes: Sequence[Any]
) -> int:
    """Save profiles and write the outbox; returns the new version.

    `rows` are (id, first seen, last seen, properties or None, state, recompute at, merged into)."""
    columns = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in range(7)]
    return await connection.fetchval(_SQL["save_profiles"], environment_id, *columns, now, changes or None)


async def next_version(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["next_version"], environment_id)


async def insert_profiles(
    connection: Connection, environment_id: int, version: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert new profiles.

    `rows` are (id, bucketing key, created at, first seen, last seen, properties, state, recompute at)."""
    if rows:
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_SQL["insert_profiles"], environment_id, version, *columns)


@dataclass(slots=True)
class LoadedProfileRow(ProfileRow):
    """A profile with its identifiers as "kind value", and the revision live at the time."""

    identifiers: list[str]
    live_revision: int


@dataclass(slots=True)
class NamedProfileRow(LoadedProfileRow):
    """The same, with the identifier by which it was asked for."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class SummaryRow(Row):
    """A profile in a list, with its identifiers as "kind value"."""

    id: int
    properties: dict[str, Any]
    first_seen_at: int | None
    last_seen_at: int | None
    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class FoundRow(SummaryRow):
    """A profile in a list, with the identifier that matched the search."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class PropertyNameRow(Row):
    """A property's name and the kinds of its values."""

    name: str
    kinds: list[str]


async def load_by_identifier(
    connection: Connection, environment_id: int, kind: str, value: str
) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_identifier"], environment_id, kind, value))


async def load_by_identifiers(
    connection: Connection, environment_id: int, names: Collection[tuple[str, str]]
) -> list[NamedProfileRow]:
    """The same of many (kind, value) at once; those that do not exist are left out."""
    kinds, values = map(list, zip(*names, strict=True))
    return NamedProfileRow.every(await connection.fetch(_SQL["load_by_identifiers"], environment_id, kinds, values))


async def load_by_value(
    connection: Connection, environment_id: int, value: str, kinds: Sequence[str]
) -> LoadedProfileRow | None:
    """The profile of an identifier of any kind, the first of `kinds` first."""
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_value"], environment_id, value, kinds))


async def load_by_id(connection: Connection, environment_id: int, id: int) -> LoadedProfileRow | None:
    return LoadedProfileRow.maybe(await connection.fetchrow(_SQL["load_by_id"], environment_id, id))


@dataclass(frozen=True, slots=True)
class IdentifierKeyRow(Row):
    """An identifier by which a search is ordered."""

    value: str
    kind: str


@dataclass(frozen=True, slots=True)
class Having:
    """What wanted profiles have.

    values    a JSON object that the properties contain
    prefixes  (path, beginning of the text at that path)
    fingerprint  of a segment they are in; None for all"""

    values: dict[str, Any]
    prefixes: Sequence[tuple[str, str]] = ()
    fingerprint: int | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.prefixes or self.fingerprint is not None)

    @property
    def columns(self) -> tuple[list[str], list[str]]:
        return [path for path, _ in self.prefixes], [prefix for _, prefix in self.prefixes]


async def search_by_identifier(
    connection: Connection,
    environment_id: int,
    prefix: str,
    after: tuple[str, str],
    n: int,
    reach: int,
    having: Having,
) -> list[FoundRow]:
    """Profiles that have an identifier with the prefix, among the next `reach` identifiers.

    `after` is the (value, kind) of the last identifier of the previous page; two empty texts for the first page."""
    return FoundRow.every(
        await connection.fetch(
            _SQL["search_by_identifier"], environment_id, *between(prefix), *after, n, reach, having.values,
            *having.columns, having.fingerprint,
        )
    )  # fmt: skip


async def identifier_at(
    connection: Connection, environment_id: int, prefix: str, after: tuple[str, str], reach: int
) -> IdentifierKeyRow | None:
    """The last of the next `reach` identifiers with the prefix; None if there are fewer."""
    return IdentifierKeyRow.maybe(
        await connection.fetchrow(_SQL["identifier_at"], environment_id, *between(prefix), *after, reach)
    )


def between(prefix: str) -> tuple[str, str]:
    """The bounds of all texts that begin so, both inclusive."""
    # U+10FFFF is the last character, so this is the upper bound of all values with the prefix.
    return prefix, prefix + "\U0010ffff"


async def search_by_properties(
    connection: Connection, environment_id: int, having: Having, before_id: int, n: int
) -> list[SummaryRow]:
    return SummaryRow.every(
        await connection.fetch(
            _SQL["search_by_properties"],
            environment_id,
            having.values,
            before_id,
            n,
            *having.columns,
            having.fingerprint,
        )
    )


async def newest_profiles(
    connection: Connection, environment_id: int, before_id: int, n: int, reach: int, having: Having
) -> list[SummaryRow]:
    """The newest profiles with the prefixes, among the next `reach` of them."""
    return SummaryRow.every(
        await connection.fetch(_SQL["newest_profiles"], environment_id, before_id, n, reach, *having.columns)
    )


async def newest_members(
    connection: Connection, environment_id: int, before_id: int, n: int, reach: int, having: Having
) -> list[SummaryRow]:
    """The newest profiles in the segment with the prefixes, among the next `reach` of its members."""
    arguments = (before_id, n, reach, *having.columns, having.fingerprint)
    return SummaryRow.every(await connection.fetch(_SQL["newest_members"], environment_id, *arguments))


async def newest_member_at(
    connection: Connection, environment_id: int, before_id: int, reach: int, fingerprint: int
) -> int | None:
    """The id of the last of the next `reach` members; None if there are fewer."""
    return await connection.fetchval(_SQL["newest_member_at"], environment_id, before_id, reach, fingerprint)


async def newest_profile_at(connection: Connection, environment_id: int, before_id: int, reach: int) -> int | None:
    """The id of the last of the next `reach` profiles; None if there are fewer."""
    return await connection.fetchval(_SQL["newest_profile_at"], environment_id, before_id, reach)


async def property_names_of_profiles(
    connection: Connection, environment_id: int, sample: int, n: int
) -> list[PropertyNameRow]:
    return PropertyNameRow.every(await connection.fetch(_SQL["property_names_of_profiles"], environment_id, sample, n))
