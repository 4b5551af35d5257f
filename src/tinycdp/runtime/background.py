"""Work that a process does beside its requests: again and again, until it is stopped.

Shape   Loop(name, work, pause) · start() and stop(), or run() and finish() · wake() cuts the pause short.
        BufferedWriter: what waits in memory and is written by its flush(), which stop() tries once more
Units   seconds of the event loop's clock
Laws    nothing the work raises ends a loop. A database that is away, or a transaction that was crossed, is told once
        until the work succeeds again; anything else is logged with its place in the code
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from tinycdp.errors import Unavailable
from tinycdp.store.pool import RETRY

log = logging.getLogger(__name__)

#: Trouble that passes by itself.
PASSING = (Unavailable, *RETRY)


class Loop:
    """One piece of work, repeated.

    work    says by what it returns how many seconds to wait; None for `pause`
    failed  seconds to wait after it failed; None for `pause`"""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[float | None]],
        pause: float,
        *,
        failed: float | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._failed = failed if failed is not None else pause
        self._woken = asyncio.Event()
        self._finishing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Do the work from now on."""
        self._task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        """Do it no more; what is under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """Do the work now, or again when it is under way."""
        self._woken.set()

    def finish(self) -> None:
        """End run() when the work under way is done."""
        self._finishing = True
        self._woken.set()

    async def run(self) -> None:
        """Do the work again and again."""
        waiting = False
        while not self._finishing:
            self._woken.clear()
            try:
                asked = await self._work()
                pause = asked if asked is not None else self._pause
                waiting = False
            except PASSING as trouble:
                if not waiting:
                    log.warning("%s: will be tried again: %s", self._name, trouble)
                waiting, pause = True, self._failed
            except Exception:
                log.exception("%s: failed, will be tried again", self._name)
                pause = self._failed
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0 or self._woken.is_set():
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


class BufferedWriter(ABC):
    """What waits in memory to be written, and is, every few seconds and at the end."""

    #: How long the last flush may take.
    DRAIN_SECONDS = 5.0

    def __init__(self, name: str, pause: float, *, failed: float | None = None) -> None:
        self._name = name
        self.loop = Loop(name, self.tick, pause, failed=failed)

    @abstractmethod
    async def flush(self) -> None:
        """Write everything that waits; raises Unavailable, and keeps it, when the database is away."""

    async def tick(self) -> float | None:
        """What the loop does at every turn."""
        await self.flush()
        return None

    def start(self) -> None:
        """Write from now on what waits."""
        self.loop.start()

    async def stop(self) -> None:
        """Write what waits, for some seconds, and nothing from then on."""
        await self.loop.stop()
        try:
            async with asyncio.timeout(self.DRAIN_SECONDS):
                await self.flush()
        except (TimeoutError, *PASSING) as trouble:
            log.warning("%s: what was not written is lost: %s", self._name, trouble)
