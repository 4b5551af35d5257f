"""Which environments a process works for: one process at a time for each.

Shape   Ownership(dsn, try_lock) · take(environment_id) → whether this process works for it from now on · close()
Laws    the locks are advisory ones of Postgres, on a connection of their own. If it is lost, another process may take
        over before this one notices: what they write has to bear two owners for a moment
Errors  Unavailable
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tinycdp.store.database.pool import Connection, connect, reaching

#: How often the connection is tried: Postgres may have given its locks to another process.
_PING_SECONDS = 5.0


class Ownership:
    """The environments of one kind of work.

    try_lock  takes the lock of an environment, unless another process has it"""

    def __init__(self, dsn: str, try_lock: Callable[[Connection, int], Awaitable[bool]]) -> None:
        self._dsn = dsn
        self._try_lock = try_lock
        self._connection: Any = None
        self._held: set[int] = set()
        self._using = asyncio.Lock()
        self._tried_at = 0.0

    async def take(self, environment_id: int) -> bool:
        """Whether this process works for the environment from now on."""
        async with self._using:
            if self._connection is None or self._connection.is_closed() or not await self._answers():
                self._held.clear()
                self._connection = await connect(self._dsn)
            if environment_id not in self._held and await self._try_lock(self._connection, environment_id):
                self._held.add(environment_id)
            return environment_id in self._held

    async def _answers(self) -> bool:
        """Whether the connection still works, tried now and then."""
        time = asyncio.get_running_loop().time()
        if time - self._tried_at < _PING_SECONDS:
            return True
        try:
            with reaching():
                await self._connection.execute("SELECT 1", timeout=_PING_SECONDS)
        except Exception:
            self._connection.terminate()
            return False
        self._tried_at = time
        return True

    async def close(self) -> None:
        """Leave all environments to other processes."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
