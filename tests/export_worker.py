"""What a worker writes exports with, in a process of its own, to be killed at any instant.

python tests/export_worker.py DSN FOLDER
"""

import asyncio
import sys
from pathlib import Path

from tinycdp.products import register_products
from tinycdp.products.exports.running import ExportRuns
from tinycdp.products.exports.storage import Folder
from tinycdp.runtime import clock
from tinycdp.store.database.pool import open_pool


async def main(dsn: str, folder: Path) -> None:
    async with await open_pool(dsn, 4) as pool:
        await ExportRuns(dsn, pool, clock.now, Folder(folder)).run(asyncio.Event())


if __name__ == "__main__":
    register_products()
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
