"""Work that is begun anew when another transaction crosses it.

Shape   commit_with_retry(pool, work, again=…) -> what the work gave, committed
Laws    the work runs once for each try, from its beginning: what it leaves in memory must not count until this returns
Errors  Overloaded CONTENTION after TRIES tries; whatever else the work raises, at once
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tinycdp.errors import Overloaded
from tinycdp.store.pool import RETRY, Connection, Pool, transaction

T = TypeVar("T")

TRIES = 8
#: The longest wait between two tries. It is random, so that two that met do not meet again.
_SPREAD_SECONDS = 0.02


class _RolledBack(Exception):
    pass


async def commit_with_retry(
    pool: Pool,
    work: Callable[[Connection], Awaitable[T]],
    *,
    again: tuple[type[Exception], ...] = RETRY,
    dry_run: bool = False,
) -> T:
    """Do the work in a transaction and commit it; with `dry_run`, roll it back. Errors in `again` begin it anew."""
    for _ in range(TRIES):
        try:
            async with transaction(pool) as connection:
                done = await work(connection)
                if dry_run:
                    raise _RolledBack
        except _RolledBack:
            return done
        except again:
            await asyncio.sleep(random.uniform(0, _SPREAD_SECONDS))
        else:
            return done
    raise Overloaded("CONTENTION", "Many processes write to the same people at once; try again shortly.")
