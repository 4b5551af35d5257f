"""Statements about the log of what happened, and about what is said of it."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from tinycdp.products.delivery.happenings import Happening, NamedEvent
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load

_SQL = load("log", "tinycdp.products.delivery")


@dataclass(frozen=True, slots=True)
class LogRow(Row):
    """How far a log is."""

    last_seq: int
    revision: int
    live_revision: int


@dataclass(frozen=True, slots=True)
class ChangedFlagRow(Row):
    """A flag that a revision changed. live_at: None if a later revision went live instead"""

    revision: int
    definition_id: int
    change: str
    live_at: int | None


async def open_log(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["open_log"], environment_id)


async def try_deliver(connection: Connection, environment_id: int) -> bool:
    return bool(await connection.fetchval(_SQL["try_deliver"], environment_id))


async def hold_log(connection: Connection, environment_id: int) -> LogRow | None:
    return LogRow.maybe(await connection.fetchrow(_SQL["hold_log"], environment_id))


async def see_log(connection: Connection, environment_id: int) -> LogRow | None:
    return LogRow.maybe(await connection.fetchrow(_SQL["see_log"], environment_id))


async def move_log(connection: Connection, environment_id: int, last_seq: int, revision: int) -> None:
    await connection.execute(_SQL["move_log"], environment_id, last_seq, revision)


async def lapse_log(connection: Connection, environment_id: int, now: int) -> None:
    await connection.execute(_SQL["lapse_log"], environment_id, now)


async def append_happenings(
    connection: Connection, environment_id: int, now: int, happenings: Sequence[Happening]
) -> None:
    columns = [list(column) for column in zip(*map(astuple, happenings), strict=True)]
    await connection.execute(_SQL["append_happenings"], environment_id, now, *columns)


async def changed_flags(connection: Connection, environment_id: int, after: int, upto: int) -> list[ChangedFlagRow]:
    return ChangedFlagRow.every(await connection.fetch(_SQL["changed_flags"], environment_id, after, upto))


async def read_happenings(
    connection: Connection,
    environment_id: int,
    after: int,
    upto: int,
    types: Sequence[str],
    segments: Sequence[int] | None,
    since: tuple[int, int],
    n: int,
    names: Sequence[str] | None,
) -> list[Happening]:
    """since: the position and the revision after which a destination gets what happens"""
    rows = await connection.fetch(
        _SQL["read_happenings"], environment_id, after, upto, list(types), segments, *since, n, names
    )
    return [Happening(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class ForwardedEventRow(Row):
    """A message that is forwarded."""

    id: int
    kind: str
    name: str
    message_id: str
    occurred_at: int
    received_at: int
    properties: dict[str, Any]
    context: dict[str, Any]


async def named_events(
    connection: Connection,
    environment_id: int,
    ids: Sequence[int],
    received: tuple[int, int],
    names: Collection[str] | None,
) -> dict[int, NamedEvent]:
    """Messages of these names by id. received: the earliest and the latest arrival"""
    wanted = None if names is None else sorted(names)
    rows = await connection.fetch(_SQL["named_events"], environment_id, list(ids), *received, wanted)
    return {row["id"]: NamedEvent(row["name"], row["occurred_at"]) for row in rows}


async def forwarded_events(
    connection: Connection, environment_id: int, ids: Sequence[int], since: int
) -> list[ForwardedEventRow]:
    """Messages with all that is said of them; since: the earliest instant of one"""
    return ForwardedEventRow.every(await connection.fetch(_SQL["forwarded_events"], environment_id, list(ids), since))


async def find_happening(connection: Connection, environment_id: int, seq: int) -> Happening | None:
    row = await connection.fetchrow(_SQL["find_happening"], environment_id, seq)
    return None if row is None else Happening(*row)


async def seq_at(connection: Connection, environment_id: int, at: int) -> int:
    return int(await connection.fetchval(_SQL["seq_at"], environment_id, at))


async def seq_before_position(connection: Connection, environment_id: int, position: int) -> int:
    return int(await connection.fetchval(_SQL["seq_before_position"], environment_id, position))


async def prune_happenings(connection: Connection, environment_id: int, before: int, n: int) -> int:
    return affected(await connection.execute(_SQL["prune_happenings"], environment_id, before, n))


async def survivors(connection: Connection, environment_id: int, profile_ids: Sequence[int]) -> dict[int, int]:
    """Profile id → id of the profile that it is part of now; erased ones are left out."""
    rows = await connection.fetch(_SQL["survivors"], environment_id, list(profile_ids))
    return {row["wanted"]: row["id"] for row in rows}


async def names_of_definitions(
    connection: Connection, environment_id: int, definition_ids: Sequence[int]
) -> dict[int, tuple[str, str]]:
    """(key, name) of each."""
    rows = await connection.fetch(_SQL["names_of_definitions"], environment_id, list(definition_ids))
    return {row["definition_id"]: (row["key"], row["name"]) for row in rows}


async def find_revisions(
    connection: Connection, environment_id: int, revisions: Sequence[int]
) -> dict[int, tuple[str, str]]:
    """(author, note) of each."""
    rows = await connection.fetch(_SQL["find_revisions"], environment_id, list(revisions))
    return {row["revision"]: (row["author"], row["note"]) for row in rows}
