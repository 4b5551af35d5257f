"""One command runs everything, in real processes: what dies comes back, what stops drains, nothing stays behind."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickhouse_engine import need_chdb
from serving import PATIENCE_SECONDS, alive, free_port, until, with_cluster
from tinycdp.errors import Unavailable
from tinycdp.runtime.stopping import StopSignals
from tinycdp.server import supervisor
from tinycdp.settings import Settings

CHOSEN = "" if (choice := os.environ.get("TEST_POSTGRES", "wheel")) == "system" else choice


class Served:
    """A running `tinycdp serve`, and the processes under it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.log = folder / "serve.log"
        folder.mkdir(exist_ok=True)
        foreign = ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL")
        environment = {name: value for name, value in os.environ.items() if name not in foreign}
        ours = {"TINYCDP_DATA_DIR": str(folder), "TINYCDP_PORT": str(port), "TINYCDP_POSTGRES_BIN": CHOSEN}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tinycdp", "serve"],
                env=environment | ours,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own, as a terminal gives it: Ctrl-C is a signal to that group
            )

    def said(self) -> str:
        return self.log.read_text()[-3000:]

    def ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def children(self) -> dict[str, list[int]]:
        """Live processes of this tree by what they are."""
        listed = subprocess.run(["ps", "-Awwo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
        living = {int(pid): (int(parent), args) for pid, parent, state, args in rows if not state.startswith("Z")}
        found: dict[str, list[int]] = {"postgres": [], "http": [], "granian": [], "worker": [], "analytics": []}
        for pid, (parent, args) in living.items():
            if str(self.folder / "postgres") in args:
                found["postgres"].append(pid)
            elif parent == self.process.pid and args.endswith("tinycdp work"):
                found["worker"].append(pid)
            elif parent == self.process.pid and args.endswith("tinycdp analytics"):
                found["analytics"].append(pid)
            elif parent == self.process.pid and args.endswith("--role api"):
                found["http"].append(pid)
            elif living.get(parent, (0, ""))[0] == self.process.pid and args.endswith("--role api"):
                found["granian"].append(pid)
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with _serving(tmp_path_factory.mktemp("serve") / "data", free_port()) as served:
        yield served


@contextlib.contextmanager
def _serving(folder: Path, port: int) -> Iterator[Served]:
    served = Served(folder, port)
    try:
        until(served.ready, said=served.said)
        yield served
    finally:
        everything = [pid for pids in served.children().values() for pid in pids]
        served.process.terminate()
        served.process.wait(PATIENCE_SECONDS)
        until(lambda: not alive(*everything), said=served.said)


@pytest.mark.parametrize("victim", ["worker", "http", "granian", "postgres", "analytics"])
def test_whatever_is_killed_comes_back(running: Served, victim: str) -> None:
    need_chdb()
    until(lambda: all(running.children().values()), said=running.said)
    before = running.children()
    os.kill(before[victim][0], signal.SIGKILL)

    def healed() -> bool:
        now = running.children()
        return all(now.values()) and now[victim] != before[victim] and running.ready()

    until(healed, said=running.said)


def test_a_taken_port_is_refused_in_words(running: Served, tmp_path: Path) -> None:
    second = Served(tmp_path / "other", running.port)
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "Choose another TINYCDP_PORT" in second.log.read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_is_orderly_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    with _serving(with_cluster(tmp_path / "data"), free_port()) as served:
        family = [pid for pids in served.children().values() for pid in pids]
        os.killpg(served.process.pid, how)
        assert served.process.wait(PATIENCE_SECONDS) == 0
        assert not alive(*family)
        log = (served.folder / "postgres.log").read_text()
        assert log.count("database system is shut down") >= 1
        assert "interrupted" not in log


def test_killing_the_command_kills_everything_and_the_next_start_works(tmp_path: Path) -> None:
    port = free_port()
    with _serving(with_cluster(tmp_path / "data"), port) as served:
        family = [pid for pids in served.children().values() for pid in pids]
        served.process.kill()
        served.process.wait()
        until(lambda: not alive(*family), said=served.said)
    with _serving(tmp_path / "data", port):
        pass


def test_a_child_that_never_lives_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_BACKOFF_SECONDS", 0.0)
    child = supervisor.Child("broken one", ("no-such-command",), Settings())
    with pytest.raises(Unavailable, match="The broken one ended 5 times"), StopSignals() as signals:
        while True:
            child.tend()
            signals.wait(0.5)
