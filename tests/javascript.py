"""Unmodified JavaScript clients, led step by step from a test.

Shape   JavaScript.script(name) runs tests/e2e/js/<name> · Script.ask(step, …) → what its step answers
Laws    packages are installed from the lock file, once, however many test runs begin together
Errors  whatever the script throws fails the test with its stack
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serving import PATIENCE_SECONDS

FOLDER = Path(__file__).parent / "e2e" / "js"
_LOCK = FOLDER / "package-lock.json"
_OLDEST_NODE = 20
_INSTALL_SECONDS = 500


class Missing(Exception):
    """Why no JavaScript can run here."""


class Script:
    """A running script, which answers one step at a time."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path) -> None:
        self._process = process
        self._said = said
        self._rest = b""

    def ask(self, step: str, **given: Any) -> Any:
        """What the step answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": step, **given}).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._line(step))
        assert "error" not in answer, f"{step}: {answer['error']}"
        return answer["answer"]

    def _line(self, step: str) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert more, f"{step}: no answer; the script said:\n{self._said.read_text()[-4000:]}"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line


class JavaScript:
    """Node with the clients' packages; raises Missing where there is no Node."""

    def __init__(self) -> None:
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                raise Missing(f"{program} is not installed: the JavaScript clients are not driven")
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
            raise Missing(f"Node {version} is too old for the JavaScript clients: they need {_OLDEST_NODE}")
        _install()

    @contextlib.contextmanager
    def script(self, name: str, folder: Path, **environment: str) -> Iterator[Script]:
        """The script, until the block ends; what it prints besides its answers goes to the folder."""
        said = folder / f"{name}.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                ["node", FOLDER / name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environment,
            )
        with process:
            try:
                yield Script(process, said)
            finally:
                process.kill()


def _install() -> None:
    """`node_modules` is what the lock file says."""
    with _LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, stamp = lock.read(), FOLDER / "node_modules" / ".installed-lock.json"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
        stamp.write_text(wanted)
