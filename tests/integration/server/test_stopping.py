"""A request to stop is heeded at every instant of a command's start and life, and nothing has to be killed for it."""

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import BINARIES, PATIENCE_SECONDS, alive, free_port, until, with_cluster
from stopped_at import PHASES

#: Longer than a test waits for the end: only a request that was lost would take so long, and its process be killed.
_DRAIN_SECONDS = 3_600
_TESTS = Path(__file__).parents[2]
#: What a log says if something had to be killed, or a request ended in an exception.
_LOST = ("Killing", "is killed", "Traceback", "SystemExit", "Unexpected exit")


def _environment(folder: Path, dsn: str | None) -> dict[str, str]:
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("TINYCDP_", "DATABASE_"))}
    ours = {
        "PYTHONPATH": os.pathsep.join([str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH", "")])]),
        "TINYCDP_PORT": str(free_port()),
        "TINYCDP_DATA_DIR": str(folder / "data"),
        "TINYCDP_POSTGRES_BIN": BINARIES,
        "TINYCDP_DRAIN_SECONDS": str(_DRAIN_SECONDS),
        "TINYCDP_WORKERS": "1",
        "TINYCDP_ANALYTICS": "false",  # a second of processor time; one instant of a life with all processes is tested
    }
    return foreign | ours | ({"DATABASE_URL": dsn} if dsn else {})


@contextlib.contextmanager
def _started(argv: list[str], folder: Path, dsn: str | None) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    folder.mkdir(exist_ok=True, parents=True)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *argv],
            env=_environment(folder, dsn),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Forks:
    """The process of `stopped_at`, which forks a command for each request."""

    def __init__(self) -> None:
        argv = [sys.executable, "-m", "stopped_at"]
        environment = _environment(_TESTS, None)
        self._process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    def run(self, request: dict[str, Any]) -> int:
        """The exit status of the command, once it has ended by itself."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        pid = int(self._line())
        try:
            return int(self._line())
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
            self._line()
            pytest.fail(f"it does not stop:\n{Path(request['log']).read_text()[-4000:]}")

    def _line(self) -> bytes:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise TimeoutError
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it, as it has no more requests."""
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def forks() -> Iterator[_Forks]:
    started = _Forks()
    yield started
    started.close()


def _ended(process: "subprocess.Popen[bytes]", log: Path) -> tuple[int, str]:
    """Its exit status and its log, once it has ended by itself."""
    try:
        status = process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it does not stop:\n{log.read_text()[-4000:]}")
    return status, log.read_text()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(("command", "phase"), [(c, phase) for c, (_, phases) in PHASES.items() for phase in phases])
def test_a_request_at_this_instant_stops_it(
    forks: _Forks, dsn: str, tmp_path: Path, command: str, phase: str, number: str
) -> None:
    embedded, log = "Postgres" in phase or "cluster" in phase, tmp_path / "log"
    if "Postgres" in phase:
        with_cluster(tmp_path / "data")
    environment = _environment(tmp_path, None if embedded else dsn)
    if phase == "announced":
        environment["TINYCDP_ANALYTICS"] = "true"
    status = forks.run(
        {"command": command, "phase": phase, "signal_name": number, "log": str(log), "environment": environment}
    )
    said = log.read_text()
    assert "stopped_at: now" in said, f"the instant was never reached\n{said}"
    assert status == 0, said
    assert not [word for word in _LOST if word in said], said


def test_a_second_signal_does_not_stop_the_stop(dsn: str, tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches granian and its workers, and granian then signals the workers again."""
    with _started(["-m", "tinycdp", "serve", "--role", "api"], tmp_path, dsn) as (process, log):
        until(lambda: _children(process.pid), said=log.read_text)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            os.killpg(process.pid, number)
        status, said = _ended(process, log)
    assert status == 0, said
    assert not [word for word in _LOST if word in said], said


_COMMANDS = (["serve"], ["serve", "--role", "api"], ["work"])
_INSTANTS = 200
#: Start takes most of it; later instants are in its life.
_LATEST_SECONDS = 6.0


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_it_stops_at_any_of_many_random_instants(dsn: str, tmp_path: Path) -> None:
    chance, lost = random.Random(), []
    for n in range(_INSTANTS):
        argv, number = _COMMANDS[n % len(_COMMANDS)], chance.choice((signal.SIGTERM, signal.SIGINT))
        seconds = chance.uniform(0, _LATEST_SECONDS)
        with _started(["-m", "tinycdp", *argv], tmp_path / str(n), dsn) as (process, log):
            time.sleep(seconds)
            family = _children(process.pid)
            process.send_signal(number)
            status, said = _ended(process, log)
            until(lambda family=family: not any(map(alive, family)))  # type: ignore[misc]
        # Before the command has begun, the signal itself ends it.
        if status not in (0, -number) or any(word in said for word in _LOST):
            lost.append((argv, number, seconds, status, said))
    assert not lost, f"{len(lost)} of {_INSTANTS}: {lost[:3]}"


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]
