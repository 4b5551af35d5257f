"""What the feed reads from Postgres: whole results of COPY, and its own bookkeeping.

Shape   Reader(connection, environment).copy("events_of_batch", …) → CopiedRows: columns, and chunks of whole lines
        one function per statement that is no copy
Laws    Python does not look into a line: COPY writes what ClickHouse's TabSeparated reads
Source  sql/feed.sql
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tinycdp.model import Instant
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("feed", "tinycdp.products.analytics")
#: A copy of a whole environment may take hours.
_LONGEST_COPY_SECONDS = 24 * 3600.0
_LONGEST_COUNT_SECONDS = 3600.0
#: Chunks between Postgres and ClickHouse that wait, some 64 KB each.
_CHUNKS = 16


@dataclass(frozen=True, slots=True)
class CopiedRows:
    """A result of COPY: its columns, and its lines in chunks. No line is split."""

    columns: Sequence[str]
    chunks: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True)
class WatermarkRow(Row):
    """How far a copy is, and what is in it: everything acknowledged before `at`."""

    position: int
    at: int


@dataclass(frozen=True, slots=True)
class StandingRow(Row):
    """A watermark, the revisions of the definitions, and the number of the newest save, of one instant."""

    position: int
    at: int
    live_revision: int
    head_revision: int
    saved: int


@dataclass(frozen=True, slots=True)
class CopyLagRow(Row):
    """Unread rows, and when the oldest was made."""

    rows: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class EventsOfDayRow(Row):
    """Events of a name on a local day."""

    name: str
    day: date
    events: int


@dataclass(frozen=True, slots=True)
class MembersOfSegmentRow(Row):
    """Members of a segment."""

    segment_id: int
    members: int


class Reader:
    """Copies what one environment has, as one connection sees it."""

    def __init__(self, connection: Connection, environment_id: int) -> None:
        self.connection = connection
        self.environment_id = environment_id

    async def copy(self, statement: str, *values: Any) -> CopiedRows:
        """The result of a named statement; read it to its end, or close it."""
        sql = _SQL[statement].removesuffix(";")
        prepared = await self.connection.prepare(sql)
        columns = [column.name for column in prepared.get_attributes()]
        return CopiedRows(columns, self._chunks(sql, values))

    async def _chunks(self, sql: str, values: Sequence[Any]) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)

        async def copy() -> None:
            await self.connection.copy_from_query(
                sql, self.environment_id, *values, output=queue.put, timeout=_LONGEST_COPY_SECONDS
            )
            await queue.put(None)

        copying = asyncio.create_task(copy())
        try:
            while True:
                getting = asyncio.create_task(queue.get())
                await asyncio.wait({getting, copying}, return_when=asyncio.FIRST_COMPLETED)
                if not getting.done() and queue.empty():  # the copy failed, or its last word was taken
                    getting.cancel()
                    await copying
                    return
                chunk = await getting
                if chunk is None:
                    return
                yield chunk
        finally:
            copying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await copying


async def try_feed(connection: Connection, environment_id: int) -> bool:
    """Take the environment's feed, for as long as this connection lives; False if another process has it."""
    return await connection.fetchval(_SQL["try_feed"], environment_id)


async def leave_feed(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["leave_feed"], environment_id)


async def rename_cursor(connection: Connection, environment_id: int, consumer: str, new: str) -> None:
    await connection.execute(_SQL["rename_cursor"], environment_id, consumer, new)


async def watermark(connection: Connection, environment_id: int, consumer: str, now: Instant) -> WatermarkRow | None:
    return WatermarkRow.maybe(await connection.fetchrow(_SQL["watermark"], environment_id, consumer, now))


async def standing(connection: Connection, environment_id: int, consumer: str, now: Instant) -> StandingRow | None:
    return StandingRow.maybe(await connection.fetchrow(_SQL["standing"], environment_id, consumer, now))


async def lag(connection: Connection, environment_id: int, consumer: str, most: int) -> CopyLagRow | None:
    return CopyLagRow.maybe(await connection.fetchrow(_SQL["lag"], environment_id, consumer, most))


async def months_of_events(connection: Connection) -> set[int]:
    return {row["month"] for row in await connection.fetch(_SQL["months_of_events"])}


async def counts_by_day(connection: Connection, environment_id: int, zone: str) -> list[EventsOfDayRow]:
    rows = await connection.fetch(_SQL["counts_by_day"], environment_id, zone, timeout=_LONGEST_COUNT_SECONDS)
    return EventsOfDayRow.every(rows)


async def counts_of_people(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["counts_of_people"], environment_id)


async def counts_of_members(
    connection: Connection, environment_id: int, fingerprints: Sequence[int], segment_ids: Sequence[int]
) -> list[MembersOfSegmentRow]:
    return MembersOfSegmentRow.every(
        await connection.fetch(_SQL["counts_of_members"], environment_id, fingerprints, segment_ids)
    )
