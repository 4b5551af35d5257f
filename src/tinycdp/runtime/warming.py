"""Waiting until a revision serves, and lending a hand meanwhile.

Laws    it ends whether a worker runs or not: who waits does a worker's part of the warm-up, and workers share it
"""

import asyncio
from collections.abc import Callable

from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.worker import TICK_SECONDS, Worker
from tinycdp.store import definitions as store
from tinycdp.store.pool import Pool, acquired

Report = Callable[[int, int], None]


async def wait_until_live(pool: Pool, environment_id: int, revision: int, now: Clock, report: Report) -> None:
    """The revision, or a later one, is live. `report` is told how many profiles of how many are done."""
    worker = Worker(pool, Catalogs(), now)
    while True:
        async with acquired(pool) as connection:
            environment = await store.find_environment(connection, environment_id)
            backfill = await store.find_backfill(connection, environment_id, environment["head_revision"])
        if environment["live_revision"] >= revision:
            return
        if backfill is not None:
            report(backfill["done"], backfill["total"])
        if not await worker.warm_up():
            await asyncio.sleep(TICK_SECONDS)
