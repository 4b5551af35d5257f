"""The servers to measure: ours, and a bare ASGI answer on the same HTTP server.

If there are two cores, each HTTP process is pinned to one and the driver to another; Postgres is not pinned."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True)
class Ours:
    port: int
    admin: str
    write: str
    read: str
    dsn: str
    pid: int


_KEYS = {scope: f"bench-{scope}-{secrets.token_hex(8)}" for scope in ("admin", "write", "read")}


def pin(core: int) -> None:
    """Keep this process on one core, if there are several."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[core % len(CORES)]})


def own_cpu_seconds(pid: int) -> float:
    """Processor time used so far by a process without its descendants, to the nanosecond; Linux only.

    The number is that of clock_getcpuclockid(3), which Python does not have."""
    return time.clock_gettime(~pid << 3 | 2)


def cpu_seconds(root: int) -> float:
    """Processor time used so far by a process and its descendants, in hundredths; NaN without /proc."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        pid = int(stat.parent.name)
        parents[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / tick
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(used[pid] for pid in family if pid in used) if used else float("nan")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def bare(core: int = 0) -> Iterator[tuple[int, int]]:
    """A bare ASGI answer on granian, run like our server: (port, pid)."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "--no-ws"]
    command += ["--loop", "uvloop", "--workers", "1", "loadtests.bare:app"]
    with _running(command, dict(os.environ), core, f"http://127.0.0.1:{port}/") as pid:
        yield port, pid


@contextlib.contextmanager
def ours(data_dir: Path, dsn: str, *, core: int | None = 0, workers: int = 1) -> Iterator[Ours]:
    """`tinycdp serve` on a running Postgres."""
    port = free_port()
    keys = _KEYS
    environ = dict(os.environ) | {
        "DATABASE_URL": dsn,
        "TINYCDP_PORT": str(port),
        "TINYCDP_WORKERS": str(workers),
        "TINYCDP_DATA_DIR": str(data_dir),
        "TINYCDP_LOG_LEVEL": "warning",
        **{f"TINYCDP_BOOTSTRAP_{scope.upper()}_KEY": key for scope, key in keys.items()},
    }
    command = [sys.executable, "-m", "tinycdp", "serve"]
    with _running(command, environ, core, f"http://127.0.0.1:{port}/v1/decide") as pid:
        yield Ours(port, keys["admin"], keys["write"], keys["read"], dsn, pid)


@contextlib.contextmanager
def _running(command: list[str], environ: dict[str, str], core: int | None, url: str) -> Iterator[int]:
    def prepare() -> None:
        if core is not None:
            pin(core)

    process = subprocess.Popen(command, env=environ, preexec_fn=prepare, stdout=subprocess.DEVNULL)  # noqa: PLW1509
    try:
        _wait_for(url, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server exited with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2)
        except urllib.error.HTTPError:
            return  # any answer at all: the server is listening
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no answer from {url}")
