"""Turns: how many questions run at once, and in which order.

Shape   async with turns.turn(environment_id): …
Laws    at most `running` at once and `waiting` in line; the next is of the environment that has had the fewest turns at
        once, then of the one that waits longest: one busy environment does not keep the others out
Errors  Overloaded ANALYTICS_BUSY if the line is full
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tinycdp.errors import Overloaded

RUNNING, WAITING = 4, 20


class Turns:
    """The line of one process."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._most_running = running
        self._most_waiting = waiting
        self._running: Counter[int] = Counter()
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, environment_id: int) -> AsyncIterator[None]:
        """Wait for a turn, and give it back at the end."""
        if self._running.total() < self._most_running and not self._line:
            self._running[environment_id] += 1
        else:
            await self._wait(environment_id)
        try:
            yield
        finally:
            self._running[environment_id] -= 1
            self._next()

    async def _wait(self, environment_id: int) -> None:
        if len(self._line) >= self._most_waiting:
            raise Overloaded(
                "ANALYTICS_BUSY",
                f"{self._most_running} questions are running and {self._most_waiting} are waiting. Ask again soon.",
                retry_after_seconds=2,
            )
        place = (environment_id, asyncio.get_running_loop().create_future())
        self._line.append(place)
        try:
            await place[1]
        except asyncio.CancelledError:
            if place in self._line:
                self._line.remove(place)
            else:  # the turn was given in the same moment
                self._running[environment_id] -= 1
                self._next()
            raise

    def _next(self) -> None:
        while self._line and self._running.total() < self._most_running:
            place = min(self._line, key=lambda waiting: self._running[waiting[0]])
            self._line.remove(place)
            if not place[1].done():
                self._running[place[0]] += 1
                place[1].set_result(None)
