"""What keeps the tables of analytics small, and free of what was erased.

Shape   fold(target, …) after a batch · tidy(…) a few times an hour, delete_for_good(…) once a day, in one process
Laws    none of it changes an answer, except that months that Postgres dropped are dropped here
"""

import logging

from tinycdp.model import Instant
from tinycdp.products.analytics.store import source, target
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.target import Target
from tinycdp.store.database.pool import Pool, acquired
from tinycdp.times import day_of

log = logging.getLogger(__name__)

#: With more overrides than this they are folded at once.
MOST_OVERRIDES = 20_000


async def fold(copy: Target, *, at_least: int) -> bool:
    """Write overrides into the events, if there are so many."""
    n, newest = await copy.overrides()
    if n < at_least:
        return False
    await copy.fold(newest)
    return True


async def tidy(clickhouse: ClickHouse, pool: Pool, now: Instant, keep_exposures_ms: int) -> None:
    """Drop what Postgres has dropped, and exposures that are too old."""
    async with acquired(pool) as connection:
        known = await source.months_of_events(connection)
    for month in sorted(await target.months(clickhouse) - known):
        log.info("analytics: dropped the events that arrived in %d, as Postgres did", month)
        await target.drop_month(clickhouse, month)
    await target.delete_exposures_before(clickhouse, day_of(now - keep_exposures_ms))


async def delete_for_good(clickhouse: ClickHouse) -> None:
    """Write the parts anew that still have deleted rows. It may take a while, and is for once a day."""
    await target.delete_for_good(clickhouse)
