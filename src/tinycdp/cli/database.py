"""Access to the database and environment of a command."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.runtime.environment import Environment

_Answer = TypeVar("_Answer")

# Connections of one command: one for its work, one for what runs beside it.
_CONNECTIONS = 2


def on_database(settings: Settings, use: "Callable[[Environment], Awaitable[_Answer]]") -> _Answer:
    """Run `use(environment)` on the environment of these settings, and return its result."""
    import asyncio

    from tinycdp.runtime import clock
    from tinycdp.runtime.access.keys import environment_named
    from tinycdp.runtime.environment import Environment
    from tinycdp.server.embedded_postgres import reachable
    from tinycdp.store.database.migrations import open_migrated

    async def run(dsn: str) -> _Answer:
        async with await open_migrated(dsn, _CONNECTIONS) as pool:
            return await use(Environment(await environment_named(pool, settings.environment), pool, clock.now))

    with reachable(settings) as reached:
        assert reached.database_url
        return asyncio.run(run(reached.database_url))
