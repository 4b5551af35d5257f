"""Statements about what was observed, the tracking plan, and what is on its way to live streams.

Units   days are counted since 1970 where they go in and come out as numbers; first days of a range are dates
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("registry")


async def add_types(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, property, type, n, first at, last at), sorted."""
    await _add(connection, "add_types", environment_id, rows)


async def add_days(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, day, property, type, sdk, n), sorted."""
    await _add(connection, "add_days", environment_id, rows)


async def add_hours(connection: Connection, environment_id: int, rows: Sequence[tuple[str, int, int]]) -> None:
    """`rows` are (event, instant of the hour's beginning, n), sorted."""
    await _add(connection, "add_hours", environment_id, rows)


async def add_sdks(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (library, version, platform, n, first at, last at), sorted."""
    await _add(connection, "add_sdks", environment_id, rows)


async def add_violations(connection: Connection, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows` are (event, day, code, path, refused, n, first at, last at), sorted."""
    await _add(connection, "add_violations", environment_id, rows)


async def _add(connection: Connection, statement: str, environment_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await connection.execute(_SQL[statement], environment_id, *map(list, zip(*rows, strict=True)))


async def known_names(connection: Connection, environment_id: int) -> list[tuple[str, str]]:
    """(event, property), property "" for the event itself."""
    rows = await connection.fetch(_SQL["known_names"], environment_id)
    return [(row["event"], row["property"]) for row in rows]


async def known_sdks(connection: Connection, environment_id: int) -> list[Row]:
    """The most frequent first."""
    return await connection.fetch(_SQL["known_sdks"], environment_id)


async def lock_registry(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["lock_registry"], environment_id)


async def forget_observations(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["forget_observations"], environment_id)


async def events_to_observe(connection: Connection, environment_id: int, after_id: int, n: int) -> list[Row]:
    return await connection.fetch(_SQL["events_to_observe"], environment_id, after_id, n)


async def prune_registry(connection: Connection, environment_id: int, day: date, hour: int) -> None:
    await connection.execute(_SQL["prune_registry"], environment_id, day, hour)


async def registry_events(connection: Connection, environment_id: int, first: date, today: date) -> list[Row]:
    return await connection.fetch(_SQL["registry_events"], environment_id, first, today)


async def registry_event_names(connection: Connection, environment_id: int, since: int) -> list[str]:
    """The most frequent first."""
    rows = await connection.fetch(_SQL["registry_event_names"], environment_id, since)
    return [row["event"] for row in rows]


async def registry_types_of(connection: Connection, environment_id: int, event: str) -> list[Row]:
    return await connection.fetch(_SQL["registry_types_of"], environment_id, event)


async def registry_types_seen(connection: Connection, environment_id: int) -> list[Row]:
    return await connection.fetch(_SQL["registry_types_seen"], environment_id)


async def registry_days_of(connection: Connection, environment_id: int, event: str, first: date) -> list[Row]:
    return await connection.fetch(_SQL["registry_days_of"], environment_id, event, first)


async def registry_sdks_of(
    connection: Connection, environment_id: int, event: str, property: str, first: date
) -> list[Row]:
    return await connection.fetch(_SQL["registry_sdks_of"], environment_id, event, property, first)


async def registry_hours_of(connection: Connection, environment_id: int, event: str, first: int) -> list[Row]:
    return await connection.fetch(_SQL["registry_hours_of"], environment_id, event, first)


async def newest_properties(
    connection: Connection, environment_id: int, kind: str | None, name: str, reach: int, n: int
) -> list[Mapping[str, Any]]:
    """Newest first, of the `reach` newest messages."""
    rows = await connection.fetch(_SQL["newest_properties"], environment_id, kind, name, reach, n)
    return [row["properties"] for row in rows]


async def plan_violations_since(
    connection: Connection, environment_id: int, event: str | None, first: date, n: int
) -> list[Row]:
    return await connection.fetch(_SQL["plan_violations_since"], environment_id, event, first, n)


async def current_plan_entries(connection: Connection, environment_id: int | None = None) -> list[Row]:
    """Of one environment, or of all."""
    return await connection.fetch(_SQL["current_plan_entries"], environment_id)


async def plan_entry_versions(connection: Connection, environment_id: int, event: str, n: int) -> list[Row]:
    return await connection.fetch(_SQL["plan_entry_versions"], environment_id, event, n)


async def append_plan_entry(
    connection: Connection,
    environment_id: int,
    event: str,
    version: int,
    document: dict[str, Any] | None,
    now: int,
    author: str,
) -> bool:
    """False where the version exists already. Without a document the entry is removed."""
    values = (environment_id, event, version, document, now, author)
    return await connection.fetchval(_SQL["append_plan_entry"], *values) is not None


async def append_live_batches(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[str, int, bytes]]
) -> None:
    """`rows` are (reader, how many matched, items as JSON)."""
    await connection.execute(_SQL["append_live_batches"], environment_id, now, *map(list, zip(*rows, strict=True)))


async def take_live_batches(connection: Connection, environment_id: int, readers: Sequence[str]) -> list[Row]:
    return await connection.fetch(_SQL["take_live_batches"], environment_id, readers)


async def prune_live_batches(connection: Connection, environment_id: int, before: int) -> None:
    await connection.execute(_SQL["prune_live_batches"], environment_id, before)
