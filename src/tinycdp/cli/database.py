"""Access to the database and environment of a command."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.store.database.pool import Pool

_Answer = TypeVar("_Answer")

# Connections of one command: one for its work, one for what runs beside it.
_CONNECTIONS = 2


def on_database(settings: Settings, use: "Callable[[Pool, int], Awaitable[_Answer]]") -> _Answer:
    """Run `use(pool, environment id)` with these settings, and return its result."""
    import asyncio

    from tinycdp.runtime.access.keys import environment_named
    from tinycdp.server.embedded_postgres import reachable
    from tinycdp.store.database.pool import open_pool

    async def run(dsn: str) -> _Answer:
        async with await open_pool(dsn, _CONNECTIONS) as pool:
            return await use(pool, await environment_named(pool, settings.environment))

    with reachable(settings) as reached:
        assert reached.database_url
        return asyncio.run(run(reached.database_url))
