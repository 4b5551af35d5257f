"""Statements that give events, transitions and exposures of erased profiles to new profiles.

Shape   one function per statement of sql/anonymization.sql
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("anonymization")


@dataclass(frozen=True, slots=True)
class PlannedEventRow(Row):
    """An event whose name the tracking plan has."""

    id: int
    name: str
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeptEventRow(Row):
    """A kept event, with its new profile."""

    id: int
    profile_id: int
    received_at: int


@dataclass(frozen=True, slots=True)
class KeptTransitionRow(Row):
    """A kept transition, with its new profile."""

    id: int
    profile_id: int
    segment_id: int
    entered: bool
    at: int
    cause: str | None


async def copy_identifiers(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, str, int]]
) -> dict[int, int]:
    """`rows` are (identifier id, new value, new profile id). Returns the new ids by the old ones."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    found = await connection.fetch(_SQL["copy_identifiers"], environment_id, *columns)
    return {row["id"]: row["new_id"] for row in found}


async def planned_events(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], names: Sequence[str]
) -> list[PlannedEventRow]:
    return PlannedEventRow.every(await connection.fetch(_SQL["planned_events"], environment_id, identifier_ids, names))


async def keep_events(
    connection: Connection, environment_id: int, identifiers: Mapping[int, int]
) -> list[KeptEventRow]:
    """Give all events of these identifiers to others, without what they say; by id."""
    old, new = list(identifiers), list(identifiers.values())
    return KeptEventRow.every(await connection.fetch(_SQL["keep_events"], environment_id, old, new))


async def keep_properties(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], properties: Mapping[int, Any]
) -> None:
    """`properties` by event id, of events of these identifiers."""
    ids, values = list(properties), list(properties.values())
    await connection.execute(_SQL["keep_properties"], environment_id, identifier_ids, ids, values)


async def keep_transitions(
    connection: Connection, environment_id: int, profiles: Mapping[int, int]
) -> list[KeptTransitionRow]:
    """Give the transitions of profiles to others; in order."""
    old, new = list(profiles), list(profiles.values())
    return KeptTransitionRow.every(await connection.fetch(_SQL["keep_transitions"], environment_id, old, new))


async def keep_exposures(
    connection: Connection, environment_id: int, units: Mapping[str, str], profiles: Mapping[int, int]
) -> int:
    """Give the exposures of units and profiles to others; returns the number of rows."""
    columns = list(units), list(units.values()), list(profiles), list(profiles.values())
    status: str = await connection.execute(_SQL["keep_exposures"], environment_id, *columns)
    return int(status.rpartition(" ")[2])
