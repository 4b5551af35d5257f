"""Runs `tinycdp` commands that receive a signal at a named instant of their start or life.

Shape   python -m stopped_at   reads a request a line: {"command", "phase", "signal_name", "log", "environment"}
        answers two lines: the process id, then the exit status
        PHASES lists the instants of each process
Laws    the instant is before or after one function. A phase of an HTTP worker signals the process that forked it, as a
        supervisor does, and then waits for what reaches the worker itself
        each command is a process and a session of its own, forked from this one, which has imported everything and
        built the application: that takes longer than all that is tested here
"""

import functools
import gc
import importlib
import inspect
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from litestar import Litestar

from tinycdp import app
from tinycdp.runtime import clock
from tinycdp.runtime.clock import Clock
from tinycdp.settings import Settings


class Phase(NamedTuple):
    """An instant: before or after a function, named as `module:attribute.attribute`."""

    function: str
    after: bool = False
    in_worker: bool = False


SUPERVISOR = {
    "counting signals": Phase("tinycdp.runtime.stopping:StopSignals.__enter__", after=True),
    "starting Postgres": Phase("tinycdp.server.embedded_postgres:EmbeddedPostgres.__enter__"),
    "making the cluster": Phase("tinycdp.server.embedded_postgres:EmbeddedPostgres._make_cluster"),
    "launching Postgres": Phase("tinycdp.server.embedded_postgres:EmbeddedPostgres._launch"),
    "Postgres runs": Phase("tinycdp.server.embedded_postgres:EmbeddedPostgres._launch", after=True),
    "migrating": Phase("tinycdp.store.database.migrations:_apply_missing"),
    "first keys": Phase("tinycdp.runtime.access.keys:bootstrap"),
    "prepared": Phase("tinycdp.server.bootstrap:prepare", after=True),
    "supervising": Phase("tinycdp.server.supervisor:_supervise"),
    "a child spawned": Phase("tinycdp.server.supervisor:Child.start", after=True),
    "tending": Phase("tinycdp.server.supervisor:Child.tend"),
    "asking whether it answers": Phase("tinycdp.server.supervisor:_answers"),
    "announced": Phase("tinycdp.server.supervisor:_banner", after=True),
}
HTTP = {
    "counting signals": Phase("tinycdp.runtime.stopping:StopSignals.__enter__", after=True),
    "checking the database": Phase("tinycdp.store.database.migrations:open_migrated"),
    "before granian": Phase("tinycdp.server.supervisor:_serve_http"),
    "starting granian": Phase("granian.server.common:AbstractServer.startup"),
    "granian's handlers": Phase("granian.server.common:set_main_signals", after=True),
    "binding": Phase("granian.server.mp:MPServer._init_shared_socket"),
    "forking a worker": Phase("granian.server.mp:WorkerProcess._spawn", after=True),
    "forked a worker": Phase("granian.server.common:AbstractServer._spawn_workers", after=True),
    "waiting": Phase("granian.server.common:AbstractServer._serve_loop"),
    "the worker begins": Phase("granian.server.mp:configure_logging", in_worker=True),
    "the worker loads": Phase("tinycdp.server.supervisor:_Loader.__call__", in_worker=True),
    "the worker has loaded": Phase("tinycdp.server.supervisor:_Loader.__call__", after=True, in_worker=True),
    "the worker's handlers": Phase("tinycdp.server.supervisor:_set_loop_signals", in_worker=True),
    "the worker has handlers": Phase("tinycdp.server.supervisor:_set_loop_signals", after=True, in_worker=True),
    "the application starts": Phase("tinycdp.app:open_parts", in_worker=True),
    "the application has started": Phase("tinycdp.app:open_parts", after=True, in_worker=True),
    "the application is wrapped": Phase("granian.server.mp:_asgi_call_wrap", in_worker=True),
    "between two runs of the loop": Phase("granian._futures:_new_cbscheduler", in_worker=True),
}
WORKER = {
    "counting signals": Phase("tinycdp.runtime.stopping:StopSignals.__enter__", after=True),
    "opening the pool": Phase("tinycdp.store.database.migrations:open_migrated"),
    "the pool is open": Phase("tinycdp.store.database.migrations:open_migrated", after=True),
    "starting the loops": Phase("tinycdp.runtime.worker.loops:Worker.run"),
    "waking profiles": Phase("tinycdp.runtime.worker.loops:Worker.wake_due"),
    "maintaining": Phase("tinycdp.runtime.worker.loops:Worker.maintain"),
    "maintained": Phase("tinycdp.runtime.worker.loops:Worker.maintain", after=True),
}
PHASES: dict[str, tuple[list[str], dict[str, Phase]]] = {
    "serve": (["serve"], SUPERVISOR),
    "api": (["serve", "--role", "api"], HTTP),
    "work": (["work"], WORKER),
}
#: How long a worker waits for its parent to send on what it received.
_ARRIVAL_SECONDS = 30.0


def run(phase: Phase, number: signal.Signals, argv: list[str]) -> int:
    """Run the command, and return its exit status."""
    pid, arrived, sent = os.getpid(), False, -1

    def arrive() -> None:
        nonlocal arrived
        if arrived or (phase.in_worker and os.getpid() == pid):  # the parent, too, calls what the worker calls
            return
        arrived = True
        print("stopped_at: now", file=sys.stderr, flush=True)
        os.kill(pid, number)
        if phase.in_worker:
            select.select([sent], [], [], _ARRIVAL_SECONDS)

    _patch(phase, arrive)
    if phase.in_worker:
        sent, sending = os.pipe()
        _patch(Phase("granian.server.mp:WorkerProcess.terminate", after=True), lambda: os.write(sending, b".") and None)
    from tinycdp.cli.main import main

    return main(argv)


def _patch(phase: Phase, arrive: Callable[[], None]) -> None:
    module_name, _, path = phase.function.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module_name)
    for one in owners:
        owner = getattr(owner, one)
    function = getattr(owner, name)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def patched(*given: Any, **options: Any) -> Any:
            if not phase.after:
                arrive()
            found = await function(*given, **options)
            if phase.after:
                arrive()
            return found
    else:

        @functools.wraps(function)
        def patched(*given: Any, **options: Any) -> Any:
            if not phase.after:
                arrive()
            found = function(*given, **options)
            if phase.after:
                arrive()
            return found

    for place in _places(owner, name, function):
        setattr(place, name, patched)


def _places(owner: Any, name: str, function: Any) -> list[Any]:
    """Where the function is found: its owner, and every module that has imported it by its name."""
    modules = [module for module in list(sys.modules.values()) if getattr(module, "__dict__", {}).get(name) is function]
    return [owner, *(module for module in modules if module is not owner)]


#: What the commands import while they run, and building the application does not.
_IMPORTED = (
    "granian.server.mp",
    "tinycdp.cli.main",
    "tinycdp.cli.server",
    "tinycdp.products.analytics.feed.loop",
    "tinycdp.products.analytics.service.sql",
    "tinycdp.runtime.worker.loops",
    "tinycdp.server.bootstrap",
    "tinycdp.server.supervisor",
    "uvloop",
)


def main() -> int:
    """Fork a process for each request, until there are no more."""
    for name in _IMPORTED:
        importlib.import_module(name)
    _build_once()
    gc.freeze()  # what is imported need not be searched for garbage, and copied for that, by each process
    while line := sys.stdin.readline():
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            return _command(**request)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return 0


def _build_once() -> None:
    """Have the application that each HTTP worker builds built before the forks: that takes longer than all the rest."""
    built = app.create_litestar(Settings())

    def again(settings: Settings, now: Clock = clock.now) -> Litestar:
        built.state.settings, built.state.now = settings, now
        return built

    app.create_litestar = again


def _command(command: str, phase: str, signal_name: str, log: str, environment: dict[str, str]) -> int:
    """In the new process: what a shell does before it runs a command, then the command."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    arguments, phases = PHASES[command]
    return run(phases[phase], signal.Signals[signal_name], arguments)


if __name__ == "__main__":
    sys.exit(main())
