"""Reads profiles that are not in memory, all that are missed at the same time by one query.

Shape   Misses(pool).read(environment, kind, value) → its row, None for an unknown profile
Laws    a read begins after it was asked for, so it sees what was committed before.
        A value that Postgres cannot hold fails no other read
Units   an environment has at most _QUERIES under way; what is missed meanwhile is in the next one
"""

import asyncio
from collections import Counter, defaultdict

from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import UNSTORABLE, Pool, acquired

_QUERIES = 2
_MOST = 200

_Name = tuple[str, str]  # (identifier kind, identifier value)
_Row = profile_store.LoadedProfileRow
_Wanted = asyncio.Future[_Row | None]


class Misses:
    """The reads of one process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: defaultdict[int, dict[_Name, _Wanted]] = defaultdict(dict)
        self._running: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()  # a loop keeps no task by itself

    async def read(self, environment_id: int, kind: str, value: str) -> _Row | None:
        """The profile that has this identifier."""
        waiting = self._waiting[environment_id]
        row = waiting.get((kind, value))
        if row is None:
            row = waiting[kind, value] = asyncio.get_running_loop().create_future()
            if self._running[environment_id] < _QUERIES:
                self._running[environment_id] += 1
                task = asyncio.create_task(self._work(environment_id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(row)  # others may wait for the same

    async def _work(self, environment_id: int) -> None:
        """Read until nothing is missed."""
        waiting = self._waiting[environment_id]
        try:
            while waiting:
                asked = {name: waiting.pop(name) for name in list(waiting)[:_MOST]}
                if not await self._answered(environment_id, asked):
                    for name, row in asked.items():
                        await self._answered(environment_id, {name: row}, is_last=True)
        finally:  # in the same step as finding nothing: what is missed from here on begins anew
            self._running[environment_id] -= 1

    async def _answered(self, environment_id: int, asked: dict[_Name, _Wanted], *, is_last: bool = False) -> bool:
        """Read these. False if one of them has to be found that Postgres cannot hold."""
        try:
            async with acquired(self._pool) as connection:
                rows = await profile_store.load_by_identifiers(connection, environment_id, asked)
        except Exception as failure:
            if isinstance(failure, UNSTORABLE) and not is_last:
                return False
            for row in asked.values():
                row.set_exception(failure)
                row.exception()  # who asked may have gone
        else:
            found = {(row.kind, row.value): row for row in rows}
            for name, row in asked.items():
                row.set_result(found.get(name))
        return True
