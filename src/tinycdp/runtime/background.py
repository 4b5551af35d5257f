"""Work that a process repeats beside its requests, until it is stopped.

Shape   Loop(name, work, pause) · start() and stop(), or run() and finish() · wake() ends the pause.
        EnvironmentLoops: one for each environment
        BufferedWriter: buffers in memory, and writes with flush(), which stop() calls once more
Units   seconds of the event loop's clock
Laws    no exception of the work ends a loop. One line says that it fails, and one that it works again; an exception
        that is not expected is logged with its traceback, and again only after an hour or if it is another one.
        A database that is away is logged by the pool, once for all loops
"""

import asyncio
import contextlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from tinycdp.errors import Unavailable
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import DATABASE_AWAY, RETRY, Pool, acquired

log = logging.getLogger(__name__)

#: Errors that pass by themselves.
PASSING = (Unavailable, *RETRY)
_REMIND_SECONDS = 3600.0
#: How often new environments are looked for.
_ENVIRONMENTS_SECONDS = 5.0


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
        trouble = _Trouble(self._name)
        while not self._finishing:
            self._woken.clear()
            try:
                seconds = await self._work()
                pause = seconds if seconds is not None else self._pause
                trouble.passed()
            except Exception as failure:
                trouble.met(failure)
                pause = self._failed
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0 or self._woken.is_set():
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


class EnvironmentLoops:
    """A loop for each environment, those that are created later included.

    begin  makes the loop of an environment when it is first seen"""

    def __init__(self, name: str, pool: Pool, begin: Callable[[int], Loop]) -> None:
        self._pool = pool
        self._begin = begin
        self._loops: dict[int, Loop] = {}
        self._finding = Loop(f"environments of {name}", self._find, _ENVIRONMENTS_SECONDS)

    def start(self) -> None:
        """Start to look for environments."""
        self._finding.start()

    async def stop(self) -> None:
        """Stop all loops, and cancel what they do."""
        await self._finding.stop()
        for loop in self._loops.values():
            await loop.stop()

    def wake(self, environment_id: int) -> None:
        """There is news in an environment."""
        if (loop := self._loops.get(environment_id)) is not None:
            loop.wake()

    def wake_all(self) -> None:
        """There may be news anywhere."""
        for loop in self._loops.values():
            loop.wake()

    async def _find(self) -> None:
        async with acquired(self._pool) as connection:
            known = [row.id for row in await definition_store.list_environments(connection)]
        for environment_id in known:
            if environment_id not in self._loops:
                loop = self._loops[environment_id] = self._begin(environment_id)
                loop.start()


class _Trouble:
    """The failures of one loop since its work last succeeded."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._kind: tuple[type, str] | None = None
        self._logged_at = 0.0

    def met(self, failure: Exception) -> None:
        """Log the failure, unless it is the one before again."""
        self._failures += 1
        if isinstance(failure, Unavailable) and failure.code == DATABASE_AWAY:
            return
        kind, now = (type(failure), str(failure)), time.monotonic()
        if kind == self._kind and now - self._logged_at < _REMIND_SECONDS:
            return
        self._kind, self._logged_at = kind, now
        if isinstance(failure, PASSING):
            log.warning("%s: failed, will try again: %s", self._name, failure)
        else:
            log.error("%s: failed, will try again", self._name, exc_info=failure)

    def passed(self) -> None:
        """Log that the work succeeded again, if its failure was logged."""
        if self._kind is not None:
            log.info("%s: works again after %d failed tries", self._name, self._failures)
            self._kind = None
        self._failures = 0


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
