"""Node for tests: unmodified JavaScript clients led step by step, and the tools of the project's own packages.

Shape   JavaScript.script(name) runs tests/e2e/js/<name> · Script.ask(step, …) → what its step answers
        Package(folder).run("vitest", "run") → what the tool printed
Laws    packages are installed from the lock file, once, however many test runs begin together
        Node is that of the environment, from its wheel, else the system's
Errors  whatever the script throws, or the tool reports, fails the test with its text
"""

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from serving import PATIENCE_SECONDS

FOLDER = Path(__file__).parent / "e2e" / "js"
_OLDEST_NODE = 20
_INSTALL_SECONDS = 500


class Missing(pytest.skip.Exception):
    """Why something cannot be tested on this machine: the test that needs it is skipped, with this reason."""


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


#: Where programs are looked for: first beside Python.
PATH = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def need_node() -> None:
    """Raises Missing where there is no Node, or one that is too old."""
    for program in ("node", "npm"):
        if shutil.which(program, path=PATH) is None:
            raise Missing(f"{program} is not installed: nothing of JavaScript is tested")
    version = subprocess.run([_program("node"), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        raise Missing(f"Node {version} is too old to test what is made of JavaScript: it takes {_OLDEST_NODE}")


def _program(name: str) -> str:
    return shutil.which(name, path=PATH) or name


class Package:
    """A folder with a package.json, its packages installed; raises Missing where there is no Node."""

    def __init__(self, folder: Path) -> None:
        need_node()
        _install(folder)
        self.folder = folder

    def run(self, tool: str, *arguments: str, folder: Path | None = None) -> str:
        """What a tool of the package printed; its failure fails the test."""
        return self._run([str(self.folder / "node_modules" / ".bin" / tool), *arguments], folder)

    def node(self, script: str) -> str:
        """What a script of the package printed."""
        return self._run([_program("node"), script], None)

    def _run(self, command: list[str], folder: Path | None) -> str:
        environment = os.environ | {"PATH": PATH, "CI": "true", "NO_COLOR": "1"}
        environment.pop("FORCE_COLOR", None)
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{Path(command[0]).name} {command[1:2]} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def script(self, file: str, *arguments: str, folder: Path | None = None) -> str:
        """What a script printed that Node ran; its failure fails the test."""
        done = subprocess.run(
            [_program("node"), file, *arguments],
            cwd=folder or self.folder,
            env=os.environ | {"PATH": PATH, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{file} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def build(self) -> Path:
        """`dist`, built from the sources as they are: once, however many test runs ask for it at the same time."""
        files = [*sorted((self.folder / "src").rglob("*.*")), *sorted(self.folder.glob("*.*"))]
        wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()
        dist = self.folder / "dist"
        stamp = self.folder / "node_modules" / ".built"
        with _locked(self.folder):
            if not (dist.is_dir() and stamp.exists() and stamp.read_text() == wanted):
                self.run("tsdown")
                stamp.write_text(wanted)
        return dist


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While the block runs, no other test run does the same in this folder."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class JavaScript:
    """Node with the clients' packages; raises Missing where there is no Node."""

    def __init__(self) -> None:
        need_node()
        _install(FOLDER)

    @contextlib.contextmanager
    def script(self, name: str, folder: Path, **environment: str) -> Iterator[Script]:
        """The script, until the block ends; what it prints besides its answers goes to the folder."""
        said = folder / f"{name}.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                [_program("node"), FOLDER / name],
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


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[TextIO]:
    """The package's lock file, while no other test run has it."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _install(folder: Path) -> None:
    """`node_modules` is what the lock file says."""
    with _locked(folder) as lock:
        wanted, stamp = lock.read(), folder / "node_modules" / ".installed-lock.json"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = [_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": PATH},
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
        stamp.write_text(wanted)
