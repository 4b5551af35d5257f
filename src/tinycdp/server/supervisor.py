"""The processes of one machine, started by one command and stopped in order.

Shape   serve --role all   this process: Postgres, and as children the two commands that run apart on many machines:
                           `serve --role api` (the HTTP server) and `work` (the background worker); and `analytics`
                           (the embedded ClickHouse), unless CLICKHOUSE_URL names another
        serve --role api   this process: granian and its workers on tinycdp.app:create_app
Laws    a request to stop is heeded at every instant. HTTP (requests in flight finish) and the worker stop together,
        then Postgres: nothing accepted is lost.
        Each process is given longer to stop than those under it: granian's workers TINYCDP_DRAIN_SECONDS, a child of
        this process a few seconds more.
        A process that dies is restarted; one that dies five times in a row soon after its start ends the command with
        status 1 and its last reason. Not so analytics, which nothing else needs, and the embedded Postgres, whose disk
        may be full: they are tried again for ever.
        Whatever is killed, no process is left: each child dies with its parent
Source  docs/decisions/0003-granian.md
"""

import asyncio
import contextlib
import errno
import gc
import http.client
import importlib
import logging
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any, Literal

import msgspec
from granian import Granian
from granian import _signals as granian_signals
from granian._granian import WorkerSignal
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from tinycdp import __version__
from tinycdp.errors import Conflict, TinyCDPError, Unavailable
from tinycdp.products.analytics.packages import AnalyticsMissing, check_engine
from tinycdp.runtime import clock
from tinycdp.runtime.processes import (
    REASON_DESCRIPTOR,
    allow_files,
    die_with_parent,
    fork_cleanly,
    report_to_parent,
    spawn,
    stop_on_signals,
)
from tinycdp.runtime.stopping import StopRequested, StopSignals
from tinycdp.server.bootstrap import check, check_files, is_empty, prepare, prepare_page, usable_keys
from tinycdp.server.demo import Demo
from tinycdp.server.embedded_postgres import EmbeddedPostgres, reachable
from tinycdp.server.first_keys import FirstKeys, has_keys, welcome
from tinycdp.server.logs import configure, granian_logging
from tinycdp.settings import PLAIN_NAMES, Settings, load, to_environ

Role = Literal["all", "api"]

#: A child that ends sooner than this has failed to start. Granian gives its own workers two tries in that time.
_YOUNG_SECONDS = 60.0
_YOUNG_DEATHS = 5
#: How much longer this process waits for a child to stop than the child waits for its requests.
_MARGIN_SECONDS = 5.0
LONGEST_BACKOFF_SECONDS = 5.0
#: For a process that the others can do without.
_LONGEST_OPTIONAL_BACKOFF_SECONDS = 60.0
# Connections that the kernel queues while a worker is busy, and requests that one worker runs at once before the rest
# wait in that queue. Above the ingest queue's batch size, so that the ingest queue's own limit (429) is reached first.
_BACKLOG = 2048
_CONCURRENT_REQUESTS = 1024
_LISTING_TRIES = 5_000

log = logging.getLogger(__name__)


def serve(settings: Settings, signals: StopSignals, role: Role = "all", *, demo: bool = False, remedy: str = "") -> int:
    """Serve until a request to stop, and return the exit status.

    demo    fill an empty database with the example
    remedy  how to choose another port if this one is taken"""
    log.info("TinyCDP %s starts (%s)", __version__, "HTTP server" if role == "api" else "all parts")
    with contextlib.suppress(StopRequested), contextlib.ExitStack() as stack:
        check_files(settings)
        settings = msgspec.structs.replace(settings, url=None, key=None, source_key=None)  # those are for commands
        _check_port(settings, remedy)
        if role == "api":
            reached = stack.enter_context(reachable(settings, pause=signals.pause))
            asyncio.run(signals.unless_stopped(check(reached)))
            return _serve_http(reached, signals)
        server = None
        if settings.database_url is None:
            server = EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_bin, pause=signals.pause)
            settings = msgspec.structs.replace(settings, database_url=stack.enter_context(server).dsn)
        is_new = demo and not Demo.is_in(settings.data_dir)
        example = Demo.of(settings.data_dir, clock.now()) if demo else None
        keys = None if example or has_keys(settings) else FirstKeys.random()
        if example:
            settings = example.given_to(settings)
        wanted = keys.given_to(settings) if keys else settings
        prepared = asyncio.run(signals.unless_stopped(prepare(wanted, clock.now())))
        if example and is_new and not asyncio.run(is_empty(settings)):
            example.discard(settings.data_dir)
            message = "The example shop is not added to a project that has data; choose another --data-dir."
            raise Conflict("DEMO_REFUSED", message)
        if example:
            asyncio.run(signals.unless_stopped(prepare_page(settings, clock.now())))
        return _supervise(settings, server, example, keys if prepared.created_keys else None, signals)
    return 0


def command(*arguments: str) -> list[str]:
    """The argv of a `tinycdp` command, run by this interpreter."""
    return [sys.executable, "-P", "-m", "tinycdp", *arguments]


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with exactly these settings in it."""
    ours = to_environ(settings)
    foreign = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TINYCDP_") and name not in PLAIN_NAMES.values()
    }
    return foreign | ours


class Child:
    """A `tinycdp` command as a child process, restarted when it ends."""

    def __init__(self, name: str, arguments: Sequence[str], settings: Settings, *, vital: bool = True) -> None:
        """vital: the others cannot do without it."""
        self.name = name
        self._vital = vital
        self._arguments = arguments
        self._environment = child_environment(settings)
        self._young_deaths = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._reasons = -1
        self._started = self._restart_at = 0.0
        self.start()

    def start(self) -> None:
        """Start the process."""
        self._close_reasons()
        self._reasons, writer = os.pipe()
        for descriptor in (self._reasons, writer):
            os.set_blocking(descriptor, False)
        try:
            self._process = spawn(
                command(*self._arguments),
                death_signal=signal.SIGKILL,
                env=self._environment | {REASON_DESCRIPTOR: str(writer)},
                output=None,
                pass_fds=[writer],
            )
        finally:
            os.close(writer)
        self._started = time.monotonic()

    def tend(self) -> None:
        """Restart it if it ended, after a longer pause each time.

        Raises Unavailable if a vital one always ends soon."""
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
        elif (status := self._process.poll()) is not None:
            self._process = None
            young = time.monotonic() - self._started < _YOUNG_SECONDS
            self._young_deaths = self._young_deaths + 1 if young else 1
            ended = f"status {status}" if status >= 0 else f"signal {-status}"
            if reason := self._reason():
                ended += f": {reason}"
            if self._vital and self._young_deaths >= _YOUNG_DEATHS:
                message = f"The {self.name} ended {_YOUNG_DEATHS} times, each time soon after its start. Last: {ended}"
                raise Unavailable("CHILD_FAILED", message)
            longest = LONGEST_BACKOFF_SECONDS if self._vital else _LONGEST_OPTIONAL_BACKOFF_SECONDS
            delay = min(0.1 * 4 ** (self._young_deaths - 1), longest)
            self._restart_at = time.monotonic() + delay
            log.warning("the %s ended (%s); restarting it in %.1f s", self.name, ended, delay)

    def wait(self, signals: StopSignals) -> int:
        """Wait for its end and return its exit status; a request to stop kills it."""
        try:
            while self._process and self._process.poll() is None:
                signals.pause(0.5)
        except StopRequested:
            self.kill()
            raise
        return self._process.returncode if self._process else 1

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Request it to stop."""
        if self._process is not None and self.runs:
            self._process.terminate()

    def kill(self) -> None:
        """Kill its whole group: granian's workers, too."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _reason(self) -> str:
        """What it told before it ended, "" if nothing."""
        with contextlib.suppress(OSError):
            return os.read(self._reasons, 65_536).decode(errors="replace").strip().rpartition("\n")[2]
        return ""

    def _close_reasons(self) -> None:
        if self._reasons >= 0:
            os.close(self._reasons)
            self._reasons = -1


def _stop(children: Sequence[Child], signals: StopSignals, seconds: float) -> None:
    """Terminate all, and kill what is left after this time, or at a second request to stop."""
    patience, deadline = max(signals.requests, 1), time.monotonic() + seconds
    for child in children:
        child.terminate()
    while running := [child for child in children if child.runs]:
        signals.wait(0.2)
        if time.monotonic() > deadline or signals.requests > patience:
            for child in running:
                log.warning("the %s did not stop in time and is killed", child.name)
                child.kill()


def _supervise(
    settings: Settings, server: EmbeddedPostgres | None, demo: Demo | None, keys: FirstKeys | None, signals: StopSignals
) -> int:
    children: list[Child] = []
    database = _Database(server)
    announced = False
    try:
        if demo and not demo.done and Child("demo", demo.apply_arguments(), settings).wait(signals) != 0:
            raise Unavailable("DEMO_FAILED", "The example definitions could not be applied; see the log above.")
        api = Child("HTTP server", ("serve", "--role", "api"), settings)
        children += [api, Child("worker", ("work",), settings)]
        if _runs_analytics(settings):
            children.append(Child("analytics engine", ("analytics",), settings, vital=False))
        while not signals.requests:
            database.tend()
            for child in children:
                child.tend()
            if not announced and _answers(settings):
                if demo and not demo.done and Child("demo", demo.seed_arguments(settings), settings).wait(signals) == 0:
                    demo.finish(settings.data_dir)
                print(_banner(settings, demo, keys), flush=True)
                if not demo and Demo.is_in(settings.data_dir):
                    log.info("%s has the example shop; an empty project needs another folder", settings.data_dir)
                announced = True
            signals.wait(1.0 if announced else 0.05)
        return 0
    except Unavailable as failure:
        log.error("%s [%s]", failure.message, failure.code)
        return 1
    finally:
        if keys and not announced:
            print(f"The first keys of this project, shown only now:\n{keys}", flush=True)
        _stop(children, signals, settings.drain_seconds + _MARGIN_SECONDS)


def _runs_analytics(settings: Settings) -> bool:
    if settings.clickhouse_url or not settings.analytics:
        return False
    try:
        check_engine()
    except AnalyticsMissing as missing:
        log.info("%s Everything else works without it", missing.message)
        return False
    return True


def _banner(settings: Settings, demo: Demo | None, keys: FirstKeys | None) -> str:
    if demo is None:
        return welcome(settings, keys)
    try:
        usable = asyncio.run(usable_keys(settings, clock.now()))
    except TinyCDPError:
        usable = frozenset()
    return demo.banner(settings, usable)


class _Database:
    """The embedded Postgres, restarted when it ends, and tried again for as long as that fails.

    Its disk may be full: the HTTP server decides by what it has in memory until there is space."""

    def __init__(self, server: EmbeddedPostgres | None) -> None:
        self._server = server
        self._failures = 0
        self._again_at = 0.0

    def tend(self) -> None:
        if self._server is None or time.monotonic() < self._again_at:
            return
        try:
            self._server.tend()
        except (Unavailable, OSError) as failure:
            self._failures += 1
            delay = min(0.1 * 4**self._failures, LONGEST_BACKOFF_SECONDS)
            self._again_at = time.monotonic() + delay
            message = failure.message if isinstance(failure, Unavailable) else str(failure)
            log.warning("%s\nThe database is tried again in %.1f s; profiles in memory are decided", message, delay)
        else:
            if self._failures:
                log.info("the database runs again, after %d tries", self._failures)
            self._failures, self._again_at = 0, 0.0


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


def _check_port(settings: Settings, remedy: str) -> None:
    # granian shares its port with other processes that allow it: a second server would silently get half the requests.
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if not isinstance(error, socket.gaierror) and error.errno != errno.EADDRNOTAVAIL:
            message = f"Cannot listen on {where}: {error.strerror}. {remedy}"
            raise Unavailable("PORT_TAKEN", message) from error
        message = f"Cannot listen on {where}: {error.strerror}. Choose another --host or TINYCDP_HOST."
        raise Unavailable("PORT_TAKEN", message) from error


def _serve_http(settings: Settings, signals: StopSignals) -> int:
    # In each of granian's workers the application factory reads its settings from the environment.
    os.environ.update(to_environ(settings))
    allow_files(_BACKLOG + _CONCURRENT_REQUESTS + settings.stream_limit)
    quiet = LogLevels.warning if settings.log_level == "info" else LogLevels(settings.log_level)
    server = Granian(
        "tinycdp.app:create_app",
        interface=Interfaces.ASGI,
        # To also detect HTTP/2, it would wait for the first bytes without a limit; browsers use that over TLS only.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.idle_seconds * 1000),
        loop=Loops.uvloop,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        backlog=_BACKLOG,
        backpressure=_CONCURRENT_REQUESTS + settings.stream_limit,  # each open stream is a request
        log_level=quiet,
        log_dictconfig=granian_logging(),
        log_access=False,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=settings.drain_seconds,
    )
    server.main_loop_interrupt = _Interrupt(server)  # type: ignore[assignment]

    @server.on_startup
    def has_handlers() -> None:
        signals.check()  # from here on granian has the handlers
        signal.signal(signal.SIGHUP, server.signal_handler_interrupt)

    logging.getLogger("_granian").addFilter(lambda record: _is_news(record, server))
    fork_cleanly()
    try:
        server.serve(target_loader=_Loader(os.getpid()))
    except SystemExit as end:
        if not server.interrupt_signal:
            return int(end.code or 0)
    return 0


def _is_news(record: logging.LogRecord, server: Any) -> bool:
    """Whether a line of granian's log says something that was not requested.

    A service manager signals all processes at once, and a worker may end before granian asks it to. Its exit status
    says so; whether granian has seen its own signal yet is chance. And two of granian's threads wait for each worker:
    the one that comes second takes a worker that has ended for one that refuses to."""
    if killing := re.match(r"Killing worker-(\d+)", str(record.msg)):
        return not wait([server.wrks[int(killing[1]) - 1].inner.sentinel], 0)
    found = re.match(r"Unexpected exit from worker-(\d+)", str(record.msg))
    if found is None:
        return True
    index = int(found[1]) - 1
    for _ in range(_LISTING_TRIES):  # granian lists a worker just after it has started the thread that logs this
        if index < len(server.wrks):
            return bool(server.wrks[index].inner.exitcode != -signal.SIGTERM)
        time.sleep(0.001)
    return True


class _Interrupt:
    """What granian's main thread waits for, instead of a threading.Event.

    An Event may not be set from a signal handler while the same thread waits for it: its lock is not reentrant. And
    granian clears it when a worker ended, together with a request to stop that came at the same time."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        self._wakes.put(None)

    def clear(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._wakes.get_nowait()

    def wait(self) -> None:
        if not self._server.interrupt_signal:
            self._wakes.get()


class _Loader(msgspec.Struct, frozen=True):
    """Runs first in each granian worker: makes it die with granian, then builds the application."""

    parent: int

    def __call__(self, target: str) -> Any:
        die_with_parent(signal.SIGKILL, self.parent)
        configure(load(os.environ))  # a process that is not forked begins without
        module, _, factory = target.partition(":")
        gc.disable()  # loaded modules stay in memory: looking for garbage among them takes a tenth of the time
        try:
            application = getattr(importlib.import_module(module), factory)()
        except TinyCDPError as failure:
            log.error("%s [%s]", failure.message, failure.code)
            report_to_parent(f"{failure.message} [{failure.code}]")
            raise SystemExit(1) from None
        except Exception as failure:
            log.exception("the application cannot be built")
            report_to_parent(f"{type(failure).__name__}: {failure}")
            raise SystemExit(1) from None
        finally:
            gc.enable()
        granian_signals.set_loop_signals = _set_loop_signals
        return application


def _set_loop_signals(loop: asyncio.AbstractEventLoop) -> WorkerSignal:
    """Granian's function of this name, but no signal is lost.

    Granian's blocks the loop at a second signal, and uvloop drops one between two runs of the loop."""
    event = WorkerSignal()
    stop_on_signals(loop, event.set)
    return event
