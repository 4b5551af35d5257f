"""What a worker delivers with, in a process of its own, to be killed at any instant.

python tests/delivery_worker.py DSN
"""

import asyncio
import sys

from tinycdp.products import register_products
from tinycdp.products.delivery.lanes.supervisor import Deliveries
from tinycdp.products.delivery.reach import Reach
from tinycdp.runtime import clock
from tinycdp.store.database.pool import open_pool


async def main(dsn: str) -> None:
    async with await open_pool(dsn, 6) as pool:
        # Hours pass in a test's seconds: what failed is tried again at once.
        deliveries = Deliveries(dsn, pool, clock.now, Reach(frozenset({"127.0.0.1"})), schedule=(50,) * 1_000)
        await deliveries.run(asyncio.Event())


if __name__ == "__main__":
    register_products()
    asyncio.run(main(sys.argv[1]))
