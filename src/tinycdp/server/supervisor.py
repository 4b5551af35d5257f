"""The processes of one machine, started by one command and stopped in order.

Shape   serve --role all   this process: Postgres, and as children the two commands that run apart on many machines:
                           `serve --role api` (the HTTP server) and `work` (the background worker)
        serve --role api   this process: granian and its workers on tinycdp.app:create_app
Laws    HTTP stops first (requests in flight finish), then the worker, then Postgres: nothing accepted is lost.
        A process that dies is restarted; one that dies five times in a row soon after its start ends the command with
        status 1.
        Whatever is killed, no process is left: each child dies with its parent
Source  docs/decisions/0003-granian.md
"""

import asyncio
import contextlib
import gc
import http.client
import importlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from tinycdp.errors import Unavailable
from tinycdp.runtime import clock
from tinycdp.runtime.processes import allow_files, die_with_parent, spawn
from tinycdp.server.bootstrap import prepare
from tinycdp.server.demo import Demo
from tinycdp.server.embedded_postgres import EmbeddedPostgres, reachable
from tinycdp.settings import Settings, to_environ

Role = Literal["all", "api"]

_YOUNG_SECONDS = 5.0
_YOUNG_DEATHS = 5
LONGEST_BACKOFF_SECONDS = 5.0
# Connections that the kernel queues while a worker is busy, and requests that one worker runs at once before the rest
# wait in that queue. Above the ingest queue's batch size, so that the ingest queue's own limit (429) is reached first.
_BACKLOG = 2048
_CONCURRENT_REQUESTS = 1024

log = logging.getLogger(__name__)


def serve(settings: Settings, role: Role = "all", *, demo: bool = False) -> int:
    """Serve until a signal to stop, and return the exit status.

    demo: fill an empty database with the example."""
    if role == "api":
        with reachable(settings) as reached:
            _serve_http(reached)
        return 0
    _check_port(settings)
    with contextlib.ExitStack() as stack:
        server = None
        if settings.database_url is None:
            server = stack.enter_context(EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_bin))
            settings = msgspec.structs.replace(settings, database_url=server.dsn)
        example = Demo.of(settings.data_dir, clock.now()) if demo else None
        if example:
            settings = example.with_keys(settings)
        asyncio.run(prepare(settings, clock.now()))
        return _supervise(settings, server, example, stack.enter_context(Signals()))


def command(*arguments: str) -> list[str]:
    """The argv of a `tinycdp` command, run by this interpreter."""
    return [sys.executable, "-P", "-m", "tinycdp", *arguments]


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with exactly these settings in it."""
    ours = to_environ(settings)
    foreign = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TINYCDP_") and name not in ("DATABASE_URL", "REDIS_URL")
    }
    return foreign | ours


class Signals:
    """Waits for signals: a request to stop, or the end of a child, ends the wait at once."""

    def __init__(self) -> None:
        self.stop_requests = 0

    def __enter__(self) -> "Signals":
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        stops = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._handlers = {number: signal.signal(number, self._count) for number in stops}
        self._handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most this long."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 512)

    def _count(self, number: int, frame: object) -> None:
        self.stop_requests += 1


class Child:
    """A `tinycdp` command as a child process, restarted when it ends."""

    def __init__(self, name: str, arguments: Sequence[str], settings: Settings) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = child_environment(settings)
        self._young_deaths = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._restart_at = 0.0
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._process = spawn(
            command(*self._arguments), death_signal=signal.SIGKILL, env=self._environment, output=None
        )
        self._started = time.monotonic()

    def tend(self) -> None:
        """Restart it if it ended, after a longer pause each time.

        Raises Unavailable if it always ends soon."""
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
        elif (status := self._process.poll()) is not None:
            self._process = None
            young = time.monotonic() - self._started < _YOUNG_SECONDS
            self._young_deaths = self._young_deaths + 1 if young else 1
            if self._young_deaths >= _YOUNG_DEATHS:
                raise Unavailable("CHILD_FAILED", f"The {self.name} ended {_YOUNG_DEATHS} times; see its log above.")
            delay = min(0.1 * 4 ** (self._young_deaths - 1), LONGEST_BACKOFF_SECONDS)
            self._restart_at = time.monotonic() + delay
            log.warning("the %s ended with status %s; restarting it in %.1f s", self.name, status, delay)

    def wait(self, signals: Signals) -> int:
        """Wait for its end and return its exit status; kill it on a request to stop."""
        while self._process and self._process.poll() is None:
            signals.wait(0.5)
            if signals.stop_requests:
                self._kill()
        return self._process.returncode if self._process else 1

    def stop(self, signals: Signals, seconds: float) -> None:
        """Terminate it, and kill it after this time, or at a second request to stop."""
        if self._process is None or self._process.poll() is not None:
            return
        patience, deadline = signals.stop_requests, time.monotonic() + seconds
        self._process.terminate()
        while self._process.poll() is None:
            signals.wait(0.2)
            if time.monotonic() > deadline or signals.stop_requests > max(patience, 1):
                log.warning("the %s did not stop in time and is killed", self.name)
                self._kill()

    def _kill(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the whole group: granian's workers, too
            self._process.wait()


def _supervise(settings: Settings, server: EmbeddedPostgres | None, demo: Demo | None, signals: Signals) -> int:
    children: list[Child] = []
    try:
        if demo and not demo.done and Child("demo", demo.apply_arguments(), settings).wait(signals) != 0:
            raise Unavailable("DEMO_FAILED", "The example definitions could not be applied; see the log above.")
        api = Child("HTTP server", ("serve", "--role", "api"), settings)
        children += [api, Child("worker", ("work",), settings)]
        announced = False
        while not signals.stop_requests:
            _tend(server)
            for child in children:
                child.tend()
            if not announced and _answers(settings):
                if demo and not demo.done and Child("demo", demo.seed_arguments(settings), settings).wait(signals) == 0:
                    demo.finish(settings.data_dir)
                print(demo.banner(settings) if demo else f"TinyCDP serves {settings.url}", flush=True)
                announced = True
            signals.wait(1.0 if announced else 0.05)
        return 0
    except Unavailable as failure:
        log.error("%s", failure.message)
        return 1
    finally:
        for child in children:
            child.stop(signals, settings.drain_seconds)


def _tend(server: EmbeddedPostgres | None) -> None:
    if server is None:
        return
    for last in (False, False, True):
        try:
            return server.tend()
        except Unavailable as failure:
            if last:
                raise
            log.warning("%s", failure.message)


def _answers(settings: Settings) -> bool:
    """Whether the HTTP server is up: it answers with a status below 500."""
    connection = http.client.HTTPConnection(settings.local_host, settings.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _check_port(settings: Settings) -> None:
    # granian shares its port with other processes that allow it: a second server would silently get half the requests.
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        message = f"Cannot listen on {where}: {error.strerror}. Choose another TINYCDP_PORT or TINYCDP_HOST."
        raise Unavailable("PORT_TAKEN", message) from error


def _serve_http(settings: Settings) -> None:
    # In each of granian's workers the application factory reads its settings from the environment.
    os.environ.update(to_environ(settings))
    allow_files(_BACKLOG + _CONCURRENT_REQUESTS + settings.stream_limit)
    quiet = LogLevels.warning if settings.log_level == "info" else LogLevels(settings.log_level)
    Granian(
        "tinycdp.app:create_app",
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        backlog=_BACKLOG,
        backpressure=_CONCURRENT_REQUESTS + settings.stream_limit,  # each open stream is a request
        log_level=quiet,
        log_access=False,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=settings.drain_seconds,
    ).serve(target_loader=_Loader(os.getpid()))


class _Loader(msgspec.Struct, frozen=True):
    """Runs first in each granian worker: makes it die with granian, then builds the application."""

    parent: int

    def __call__(self, target: str) -> Any:
        die_with_parent(signal.SIGKILL, self.parent)
        module, _, factory = target.partition(":")
        gc.disable()  # loaded modules stay in memory: looking for garbage among them takes a tenth of the time
        try:
            return getattr(importlib.import_module(module), factory)()
        finally:
            gc.enable()
