"""Statements about environments, definitions, revisions and their backfill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("definitions")


@dataclass(frozen=True, slots=True)
class EnvironmentRow(Row):
    """An environment; project and organisation are their keys."""

    id: int
    key: str
    zone: str
    live_revision: int
    head_revision: int
    project: str
    organisation: str


@dataclass(frozen=True, slots=True)
class DefinitionRow(Row):
    """A definition at a revision."""

    definition_id: int
    kind: str
    version: int
    meaning: int
    key: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionRow(DefinitionRow):
    """A version of a definition, with the revision that published it."""

    from_revision: int
    until_revision: int | None
    author: str
    note: str
    published_at: int
    live_at: int | None


@dataclass(frozen=True, slots=True)
class BackfillRow(Row):
    """The progress of a revision's backfill. rate: in profiles per second."""

    revision: int
    last_profile_id: int
    at_profile_id: int
    total: int
    done: int
    events: int
    rate: float | None
    started_at: int
    advanced_at: int | None
    finished_at: int | None


@dataclass(frozen=True, slots=True)
class ListedBackfillRow(BackfillRow):
    """A backfill with what became of it: `running`, `finished`, or `superseded` by a later revision."""

    status: str


@dataclass(frozen=True, slots=True)
class RevisionRow(Row):
    """A published revision."""

    revision: int
    author: str
    note: str
    published_at: int
    live_at: int | None


@dataclass(frozen=True, slots=True)
class ChangedRow(Row):
    """A definition that a revision changed. was: its key before; None if it was created."""

    revision: int
    kind: str
    key: str
    was: str | None
    deleted: bool


async def find_environment(connection: Connection, id: int) -> EnvironmentRow:
    return EnvironmentRow.from_row(await connection.fetchrow(_SQL["find_environment"], id))


async def list_environments(connection: Connection) -> list[EnvironmentRow]:
    return EnvironmentRow.every(await connection.fetch(_SQL["list_environments"]))


async def list_environments_beside(connection: Connection, environment_id: int) -> list[EnvironmentRow]:
    """The environments of the same project."""
    return EnvironmentRow.every(await connection.fetch(_SQL["list_environments_beside"], environment_id))


async def create_environment(connection: Connection, environment_id: int, key: str, zone: str | None) -> int | None:
    """Add an environment beside this one; returns its id, or None if the key is taken."""
    return await connection.fetchval(_SQL["create_environment"], environment_id, key, zone)


async def rename_environment(connection: Connection, environment_id: int, key: str) -> bool:
    """Change an environment's key. Returns False if the key is taken."""
    return await connection.fetchval(_SQL["rename_environment"], environment_id, key) is not None


async def create_tenancy(
    connection: Connection, organisation: str, project: str, environments: Sequence[str], zone: str
) -> None:
    await connection.execute(_SQL["create_tenancy"], organisation, project, environments, zone)


async def begin_publish(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["begin_publish"], environment_id)


async def definitions_at(connection: Connection, environment_id: int, revision: int) -> list[DefinitionRow]:
    return DefinitionRow.every(await connection.fetch(_SQL["definitions_at"], environment_id, revision))


async def create_definition(connection: Connection, environment_id: int, kind: str, now: int) -> int:
    return await connection.fetchval(_SQL["create_definition"], environment_id, kind, now)


async def close_version(connection: Connection, environment_id: int, definition_id: int, revision: int) -> None:
    await connection.execute(_SQL["close_version"], environment_id, definition_id, revision)


async def append_version(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    version: int,
    meaning: int,
    key: str,
    document: dict[str, Any],
    revision: int,
) -> None:
    await connection.execute(
        _SQL["append_version"], environment_id, definition_id, version, meaning, key, document, revision
    )


async def append_revision(
    connection: Connection, environment_id: int, revision: int, author: str, note: str, now: int
) -> None:
    await connection.execute(_SQL["append_revision"], environment_id, revision, author, note, now)


async def set_revisions(connection: Connection, environment_id: int, live: int, head: int) -> None:
    await connection.execute(_SQL["set_revisions"], environment_id, live, head)


async def mark_live(connection: Connection, environment_id: int, revision: int, now: int) -> None:
    await connection.execute(_SQL["mark_live"], environment_id, revision, now)


async def start_backfill(connection: Connection, environment_id: int, revision: int, now: int) -> int:
    """Start the backfill of a revision. Returns the number of profiles to compute."""
    return await connection.fetchval(_SQL["start_backfill"], environment_id, revision, now)


async def find_backfill(connection: Connection, environment_id: int, revision: int) -> BackfillRow | None:
    return BackfillRow.maybe(await connection.fetchrow(_SQL["find_backfill"], environment_id, revision))


async def list_backfills(connection: Connection, environment_id: int, n: int) -> list[ListedBackfillRow]:
    return ListedBackfillRow.every(await connection.fetch(_SQL["list_backfills"], environment_id, n))


async def advance_backfill(
    connection: Connection, environment_id: int, revision: int, *, at: int, n: int, events: int, rate: float, now: int
) -> None:
    """Record n more profiles as done, up to the id `at`.

    events: how many were read for them; rate: profiles per second."""
    await connection.execute(_SQL["advance_backfill"], environment_id, revision, at, n, events, rate, now)


async def finish_backfill(connection: Connection, environment_id: int, revision: int, now: int) -> None:
    await connection.execute(_SQL["finish_backfill"], environment_id, revision, now)


async def settle_transitions(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[int, int | None, int | None]]
) -> None:
    """`rows` are (segment id, old fingerprint or None, new fingerprint or None)."""
    if rows:
        await connection.execute(_SQL["settle_transitions"], environment_id, now, *map(list, zip(*rows, strict=True)))


async def sweep_memberships(connection: Connection, environment_id: int, fingerprints: Sequence[int]) -> None:
    await connection.execute(_SQL["sweep_memberships"], environment_id, fingerprints)


async def find_environment_named(connection: Connection, key: str) -> int | None:
    """The id of the environment with this key; the oldest, if several projects have one.

    None if absent, or if the database was never migrated."""
    try:
        return await connection.fetchval(_SQL["find_environment_named"], key)
    except asyncpg.UndefinedTableError:
        return None


async def list_revisions(connection: Connection, environment_id: int, before: int, n: int) -> list[RevisionRow]:
    return RevisionRow.every(await connection.fetch(_SQL["list_revisions"], environment_id, before, n))


async def changed_between(connection: Connection, environment_id: int, first: int, last: int) -> list[ChangedRow]:
    """What these revisions changed, newest first."""
    return ChangedRow.every(await connection.fetch(_SQL["changed_between"], environment_id, first, last))


async def find_definition(connection: Connection, environment_id: int, kind: str, key: str) -> int | None:
    """The id of the definition that has this key, else of the one that had it last."""
    return await connection.fetchval(_SQL["find_definition"], environment_id, kind, key)


async def list_versions(connection: Connection, environment_id: int, definition_id: int) -> list[VersionRow]:
    """Newest first."""
    return VersionRow.every(await connection.fetch(_SQL["list_versions"], environment_id, definition_id))


async def authors_of(
    connection: Connection, environment_id: int, versions: Mapping[int, int]
) -> dict[int, tuple[str, int]]:
    """The author of each of these versions, by id of the definition, and the instant of its publish."""
    rows = await connection.fetch(_SQL["authors_of"], environment_id, list(versions), list(versions.values()))
    return {row["definition_id"]: (row["author"], row["published_at"]) for row in rows}


async def last_versions(connection: Connection, environment_id: int, ids: Sequence[int]) -> dict[int, int]:
    """The number of the last version of each definition, by id."""
    return dict(await connection.fetch(_SQL["last_versions"], environment_id, ids))


async def keys_of(connection: Connection, environment_id: int, definition_id: int) -> set[str]:
    """Every key a definition ever had."""
    return {row["key"] for row in await connection.fetch(_SQL["keys_of"], environment_id, definition_id)}


async def find_revision(connection: Connection, environment_id: int, revision: int) -> RevisionRow | None:
    return RevisionRow.maybe(await connection.fetchrow(_SQL["find_revision"], environment_id, revision))
