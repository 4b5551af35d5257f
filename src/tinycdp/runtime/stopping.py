"""Requests to stop a long-running command: SIGTERM, SIGINT and SIGHUP.

Shape   StopSignals() is a context that counts them. wait() ends at a signal; pause() and unless_stopped()
        raise StopRequested
Laws    a handler only counts. An exception out of a handler would land between any two instructions, also in an import,
        a finaliser or a callback that swallows it, and the request would be lost
"""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequested(BaseException):
    """The command was requested to stop.

    Not an Exception, so that no repeated work takes it for a failure."""


class StopSignals:
    """Counts requests to stop in `requests`. The end of a child ends a wait, too."""

    def __init__(self) -> None:
        self.requests = 0

    def __enter__(self) -> "StopSignals":
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._count) for number in STOPS}
        self._handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def check(self) -> None:
        """Raise StopRequested after a request."""
        if self.requests:
            raise StopRequested

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most this long."""
        if select.select([self._reader], [], [], seconds)[0]:
            self._read()

    def pause(self, seconds: float) -> None:
        """Like time.sleep, but a request ends it with StopRequested."""
        self.check()
        self.wait(seconds)
        self.check()

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine; a request cancels it and raises StopRequested."""
        task = asyncio.ensure_future(work)
        with self.calling(task.cancel):
            try:
                return await task
            except asyncio.CancelledError:
                self.check()
                raise

    @contextlib.contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call this in the running loop at each request, and at once if there was one."""
        loop = asyncio.get_running_loop()

        def signalled() -> None:
            self._read()
            if self.requests:
                callback()

        loop.add_reader(self._reader, signalled)
        if self.requests:
            loop.call_soon(callback)
        try:
            yield
        finally:
            loop.remove_reader(self._reader)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 512)

    def _count(self, number: int, frame: object) -> None:
        self.requests += 1
