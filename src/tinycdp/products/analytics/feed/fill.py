"""Makes an environment's copy from the tables of Postgres.

Shape   fill(target, environment, catalogs) → its position; is_complete(…) says whether that is needed
        request(environment): `tinycdp analytics rebuild`, which the feed notices
Laws    a consumer is registered at a position, and the tables are read as they are at that position: no event is
        missing or comes twice when the outbox goes on from there.
        The copy is made beside the one that is read, which goes on to answer, as of its own instant. While the two
        change places the environment has no cursor, and so no watermark: no answer mixes them.
        Killed at any instant, it begins again: only a cursor that has the consumer's name is of a whole copy
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from tinycdp.engine.catalog import Catalog
from tinycdp.products.analytics.feed.apply import live_segments
from tinycdp.products.analytics.store import source
from tinycdp.products.analytics.store.source import CopiedRows, Reader
from tinycdp.products.analytics.store.target import EVERYBODY, Target
from tinycdp.runtime import outbox
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store import outbox as outbox_store
from tinycdp.store.database.pool import Connection, acquired, transaction

log = logging.getLogger(__name__)

#: The consumer whose cursor is how far a copy is.
CONSUMER = "analytics"
#: The consumer that a copy is begun with, and by which it is asked for.
FILLING = "analytics-fill"
_POLL_SECONDS = 0.5
#: CopiedRows of one insert.
ROWS = 100_000


async def request(environment: Environment) -> None:
    """Ask for a new copy; the process that feeds the environment makes it."""
    await outbox.register(environment, FILLING)


async def rebuild(environment: Environment, report: Callable[[str], None]) -> None:
    """Ask for a new copy, and wait for it."""
    await request(environment)
    while await is_requested(environment):
        report("the worker makes the copy; stopping this command does not stop it")
        await asyncio.sleep(_POLL_SECONDS)


async def is_requested(environment: Environment) -> bool:
    """Whether a copy was asked for, or begun, and is not finished."""
    async with acquired(environment.pool) as connection:
        return await outbox_store.find_cursor(connection, environment.id, FILLING) is not None


async def is_complete(target: Target, environment: Environment) -> bool:
    """Whether ClickHouse has what the cursor says.

    Not on the first start, after the consumer lapsed, or if one of the two databases was lost or restored."""
    before = await _positions(environment)
    if before is None:
        return False
    here = await target.watermark()
    after = await _positions(environment)
    # Read on both sides, because another process may be at work.
    return after is not None and here in before | after


async def _positions(environment: Environment) -> set[int | None] | None:
    """Where the copy may be: at the cursor, or at the end of the batch that is claimed."""
    async with acquired(environment.pool) as connection:
        cursor = await outbox_store.find_cursor(connection, environment.id, CONSUMER)
    if cursor is None or cursor.lapsed_at is not None:
        return None
    return {cursor.position} if cursor.claimed is None else {cursor.position, cursor.claimed}


async def fill(target: Target, environment: Environment, catalogs: Catalogs) -> int:
    """Make the copy, and put it in its place. Returns its position."""
    log.info("environment %d: analytics is filled from the tables", environment.id)
    beside = await target.make_beside()
    async with outbox.register_anew(environment, FILLING) as (connection, position):
        catalog = await catalogs.current_in(connection, environment.id)
        zone = (await definition_store.find_environment(connection, environment.id)).zone
        await connection.execute("SET LOCAL jit = off")
        rows = await _copy(beside, connection, catalog, position)
    await beside.touch_everything(zone, position)
    await outbox.unregister(environment, CONSUMER)
    await target.take(beside)
    await target.reload_who()
    await target.note([EVERYBODY], position)
    await target.insert_values("watermarks", ("position", "at"), [(position, environment.now())])
    async with transaction(environment.pool) as connection:
        await source.rename_cursor(connection, environment.id, FILLING, CONSUMER)
    log.info("environment %d: analytics has %d rows, as of position %d", environment.id, rows, position)
    return position


async def _copy(beside: Target, connection: Connection, catalog: Catalog, position: int) -> int:
    reader = Reader(connection, beside.environment_id)
    n = 0
    for table, *values in (
        ("events",),
        ("said",),
        ("people", *live_segments(catalog), position),
        ("moved",),
        ("exposed",),
    ):
        rows = await reader.copy(f"all_{table}", *values)
        async with aclosing(rows.chunks):
            pieces = _Pieces(rows, ROWS)
            while not pieces.done:
                await beside.insert(str(table), pieces.next())
        n += pieces.rows
    return n


class _Pieces:
    """A result in pieces of about so many rows; each must be read to its end before the next."""

    def __init__(self, rows: CopiedRows, size: int) -> None:
        self._whole = rows
        self._size = size
        self.rows = 0
        self.done = False

    def next(self) -> CopiedRows:
        return CopiedRows(self._whole.columns, self._read())

    async def _read(self) -> AsyncGenerator[bytes, None]:
        end = self.rows + self._size
        while self.rows < end:
            chunk = await anext(self._whole.chunks, None)
            if chunk is None:
                self.done = True
                return
            self.rows += chunk.count(b"\n")
            yield chunk
