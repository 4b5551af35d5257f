"""Two consumers of the outbox in a process of their own, to be killed at any instant.

    python tests/outbox_consumer.py DSN FILE

Shape   `table` keeps positions and changes in the table consumed, in the transaction that moves its cursor; `file`
        claims a batch, appends it to a file with its key, and acknowledges it then
"""

import asyncio
import json
import sys
from pathlib import Path

from tinycdp.runtime import clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import Batch, Consumer
from tinycdp.store.database.pool import Pool, open_pool, transaction

ENVIRONMENT = 1
ROWS = 20


async def into_the_table(pool: Pool, consumer: Consumer, batch: Batch) -> None:
    async with transaction(pool) as connection:
        for row in batch.rows:
            await connection.execute("INSERT INTO consumed VALUES ($1)", row.position)
        await consumer.acknowledge(connection, batch, clock.now())


async def into_the_file(pool: Pool, consumer: Consumer, batch: Batch, path: Path) -> None:
    await consumer.claim(batch)
    with path.open("a") as file:
        for row in batch.rows:
            # A line is begun by its newline, so that one cut short spoils no other.
            file.write("\n" + json.dumps([batch.key, row.position]))
    async with transaction(pool) as connection:
        await consumer.acknowledge(connection, batch, clock.now())


async def main(dsn: str, path: Path) -> None:
    async with await open_pool(dsn, 2) as pool:
        table, file = [Consumer(Environment(ENVIRONMENT, pool, clock.now), name) for name in ("table", "file")]
        while True:
            one, other = await table.read(ROWS), await file.read(ROWS)
            if one:
                await into_the_table(pool, table, one)
            if other:
                await into_the_file(pool, file, other, path)
            if not one and not other:
                await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
