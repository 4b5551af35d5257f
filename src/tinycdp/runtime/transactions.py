"""Transactions that are repeated when they conflict with another one.

Shape   commit_with_retry(pool, work, again=…) returns the result of the work, committed
Laws    each try runs the whole work again: changes that it makes in memory must not count until this returns
Errors  Overloaded CONTENTION after TRIES tries; any other exception of the work at once
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tinycdp.errors import Overloaded
from tinycdp.store.database.pool import RETRY, Connection, Pool, transaction

T = TypeVar("T")

TRIES = 8
#: The longest wait between two tries. It is random, so that the same two transactions do not conflict again.
_SPREAD_SECONDS = 0.02


async def commit_with_retry(
    pool: Pool,
    work: Callable[[Connection], Awaitable[T]],
    *,
    again: tuple[type[Exception], ...] = RETRY,
    dry_run: bool = False,
) -> T:
    """Do the work in a transaction and commit it, or roll it back with `dry_run`.

    Repeat it on errors in `again`."""
    for _ in range(TRIES):
        try:
            async with transaction(pool, dry_run=dry_run) as connection:
                return await work(connection)
        except again:
            await asyncio.sleep(random.uniform(0, _SPREAD_SECONDS))
    raise Overloaded("CONTENTION", "Many requests change the same profiles at once; try again shortly.")
