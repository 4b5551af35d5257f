"""Work that a process repeats beside its requests, until it is stopped.

Shape   Loop(name, work, pause) · start() and stop(), or run() and finish() · wake() ends the pause.
        BufferedWriter: buffers in memory, and writes with flush(), which stop() calls once more
Units   seconds of the event loop's clock
Laws    no exception of the work ends a loop. A database that is away, or a conflict with another transaction, is logged
        once until the work succeeds again; any other exception is logged with its traceback
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from tinycdp.errors import Unavailable
from tinycdp.store.database.pool import RETRY

log = logging.getLogger(__name__)

#: Errors that pass by themselves.
PASSING = (Unavailable, *RETRY)


class Loop:
    """One piece of work, repeated.

    work    returns how many seconds to wait before the next run; None for `pause`
    failed  seconds to wait after a failure; None for `pause`"""

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
        """Start to repeat the work."""
        self._task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        """Stop, and cancel the run in progress."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake(self) -> None:
        """Run the work now, or once more if it is running."""
        self._woken.set()

    def finish(self) -> None:
        """Let run() return when the current run is done."""
        self._finishing = True
        self._woken.set()

    async def run(self) -> None:
        """Repeat the work until finish()."""
        failing = False
        while not self._finishing:
            self._woken.clear()
            try:
                seconds = await self._work()
                pause = seconds if seconds is not None else self._pause
                failing = False
            except PASSING as failure:
                if not failing:
                    log.warning("%s: failed, will try again: %s", self._name, failure)
                failing, pause = True, self._failed
            except Exception:
                log.exception("%s: failed, will try again", self._name)
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
    """A buffer in memory that is written every few seconds, and when it is stopped."""

    #: How long the last flush may take.
    DRAIN_SECONDS = 5.0

    def __init__(self, name: str, pause: float, *, failed: float | None = None) -> None:
        self._name = name
        self.loop = Loop(name, self.tick, pause, failed=failed)

    @abstractmethod
    async def flush(self) -> None:
        """Write the whole buffer; if the database is away, keep it and raise Unavailable."""

    async def tick(self) -> float | None:
        """Run once by the loop; returns the seconds until the next run, None for the usual pause."""
        await self.flush()
        return None

    def start(self) -> None:
        """Start to write regularly."""
        self.loop.start()

    async def stop(self) -> None:
        """Stop, after a last flush of at most DRAIN_SECONDS."""
        await self.loop.stop()
        try:
            async with asyncio.timeout(self.DRAIN_SECONDS):
                await self.flush()
        except (TimeoutError, *PASSING) as failure:
            log.warning("%s: the rest of the buffer is lost: %s", self._name, failure)
