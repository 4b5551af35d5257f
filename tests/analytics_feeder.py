"""The feed in a process of its own, to be killed at any instant.

python tests/analytics_feeder.py DSN DATA_DIR
"""

import asyncio
import sys
from pathlib import Path

from tinycdp.products.analytics.feed.loop import Feed
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime import clock
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool


async def main(dsn: str, folder: Path) -> None:
    async with await open_pool(dsn, 6) as pool, ClickHouse(Settings(data_dir=folder)) as clickhouse:
        await Feed(clickhouse, dsn, pool, clock.now).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
