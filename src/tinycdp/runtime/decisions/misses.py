"""Reads profiles that are not in memory, all that are missed at the same time by one query.

Shape   Misses(pool).read(environment, kind, value) → its row, None for an unknown profile
Laws    a read begins after it was asked for, so it sees what was committed before.
        A value that Postgres cannot hold fails no other read. If Postgres is away, all that wait are told at once
Units   an environment has at most _QUERIES under way; what is missed meanwhile is in the next one
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Collection

from tinycdp.errors import Unavailable
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Pool, acquired

_QUERIES = 2
_MOST = 200

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

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
        if _UNSTORABLE.search(value):  # Postgres refuses it, and would refuse all that is asked for with it
            return (await self._rows(environment_id, [(kind, value)])).get((kind, value))
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
                try:
                    found = await self._rows(environment_id, asked)
                except Exception as failure:
                    if isinstance(failure, Unavailable):
                        # What waits has waited as long as these: no other time-out is spent on them.
                        asked |= waiting
                        waiting.clear()
                    for row in asked.values():
                        row.set_exception(failure)
                        row.exception()  # who asked may have gone
                else:
                    for name, row in asked.items():
                        row.set_result(found.get(name))
        finally:  # in the same step as finding nothing: what is missed from here on begins anew
            self._running[environment_id] -= 1

    async def _rows(self, environment_id: int, names: Collection[_Name]) -> dict[_Name, _Row]:
        async with acquired(self._pool) as connection:
            rows = await profile_store.load_by_identifiers(connection, environment_id, names)
        return {(row.kind, row.value): row for row in rows}
