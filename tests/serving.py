"""What integration and end-to-end tests share: server processes with a client, environments, and ways to wait.

Shape   services(dsn, n, clock) → the working parts of n processes, in this one · ManualClock
        served(settings…) → Server: a real `tinycdp serve`, stopped and swept up at the end · Server.batch, .decide …
        without_database(parts) · new_environment(pool, document) → id
        until(check) and eventually(check) wait for a condition
        with_cluster(folder) → the folder, which need not make its cluster
Laws    keys are the same for every server, so that two of them may share one database
        of a run in parallel each worker process has ports of its own
"""

import asyncio
import atexit
import contextlib
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tinycdp.app import Parts, open_parts
from tinycdp.errors import Unavailable
from tinycdp.model import Identifier, Instant
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.store import definitions as tenancy
from tinycdp.store.database.pool import DATABASE_AWAY, Pool, open_pool

WRITE_KEY, READ_KEY, ADMIN_KEY = "write-key-of-the-tests", "read-key-of-the-tests", "admin-key-of-the-tests"
KEYS = {
    "TINYCDP_BOOTSTRAP_WRITE_KEY": WRITE_KEY,
    "TINYCDP_BOOTSTRAP_READ_KEY": READ_KEY,
    "TINYCDP_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
}
BINARIES = "" if (chosen := os.environ.get("TEST_POSTGRES", "wheel")) == "system" else chosen
#: When to give up on what does not come. It ends what hangs; no test is decided by it, however busy the machine.
PATIENCE_SECONDS = 120.0
#: Below those that systems give to outgoing connections.
_FIRST_PORT, _LAST_PORT, _MOST_WORKERS = 20_000, 32_000, 64
_CHANCE = random.SystemRandom()  # Hypothesis seeds the other one
T = TypeVar("T")


class Server:
    """A running server and a client of it. Its process leads a group of its own, as a terminal gives it."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], log: Path, port: int, cwd: Path | None) -> None:
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(("TINYCDP_", "DATABASE_"))}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv, env=foreign | dict(environ), stdout=output, stderr=output, start_new_session=True, cwd=cwd
            )
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS)

    def wait_until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"the server ended:\n{self.said()}"
            try:
                return self.http.get("/v1/decide", headers=bearer(READ_KEY)).status_code < 500
            except httpx.TransportError:
                return False

        until(ready, seconds, self.said)

    def said(self) -> str:
        return self.log.read_text()[-4000:]

    def batch(self, events: Sequence[Mapping[str, Any]], key: str = WRITE_KEY) -> httpx.Response:
        return self.http.post("/v1/batch", json={"batch": list(events)}, headers=bearer(key))

    def track(self, event: Mapping[str, Any], key: str = WRITE_KEY) -> httpx.Response:
        return self.http.post("/v1/track", json=event, headers=bearer(key))

    def decide(self, flag: str, user_id: str, key: str = READ_KEY, **query: Any) -> httpx.Response:
        return self.http.get("/v1/decide", params={"userId": user_id, "flag": flag, **query}, headers=bearer(key))

    def holds(self, flag: str, user_id: str, **context: Any) -> bool:
        """Whether a boolean flag is on for the user, in this context."""
        question = {"userId": user_id, "flags": [flag], "context": context}
        answer = self.http.post("/v1/decide", json=question, headers=bearer(READ_KEY))
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["flags"][flag]["allow"])

    def family(self) -> list[int]:
        """The process and everything under it that lives."""
        parents = living()
        found = {self.process.pid} & parents.keys()
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def kill(self) -> None:
        """kill -9 of every process at once: the supervisor, the HTTP server, the worker, and an embedded Postgres."""
        family = self.family()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not alive(*family))

    def stop(self) -> None:
        """Ctrl-C; returns when nothing is left of it."""
        family = self.family()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(PATIENCE_SECONDS)
            until(lambda: not alive(*family), said=self.said)
        finally:
            self.http.close()


@contextlib.contextmanager
def served(
    folder: Path, *, dsn: str | None = None, role: str = "all", port: int | None = None, **settings: Any
) -> Iterator[Server]:
    """A ready server: on the database `dsn`, or on an embedded one in the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    port = port or free_port()
    data = with_cluster(folder / "data") if dsn is None else folder / "data"
    ours = {"TINYCDP_PORT": str(port), "TINYCDP_DATA_DIR": str(data), "TINYCDP_POSTGRES_BIN": BINARIES}
    ours["TINYCDP_ANALYTICS"] = "false"  # a second of processor time for each server; a test that needs it says so
    ours |= {f"TINYCDP_{name.upper()}": str(value) for name, value in settings.items()}
    if dsn is not None:
        ours["DATABASE_URL"] = dsn
    argv = [sys.executable, "-m", "tinycdp", "serve", "--role", role]
    server = Server(argv, KEYS | ours, folder / "serve.log", port, None)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


@functools.cache
def _cluster() -> Path:
    """An empty cluster of Postgres, made once: to copy one takes a tenth of what it takes to make one."""
    data = Path(tempfile.mkdtemp(prefix="tinycdp-cluster-"))
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    with EmbeddedPostgres(data, binaries=BINARIES or None):
        pass
    return data / "postgres"


def with_cluster(data: Path) -> Path:
    """The data folder, with a cluster in it as the first start would make it."""
    if not (data / "postgres").exists():
        data.mkdir(exist_ok=True, parents=True)
        subprocess.run(["cp", "-a", str(_cluster()), str(data / "postgres")], check=True)
    return data


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def free_port() -> int:
    """A port that is free now and stays so: no other worker process asks for it, and no outgoing connection gets it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS
    while True:
        port = _CHANCE.randrange(_FIRST_PORT + worker, _LAST_PORT, _MOST_WORKERS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def living(*pids: int) -> dict[int, int]:
    """Of these processes, or of all: those that live, each with its parent."""
    which = ["-p", ",".join(map(str, pids))] if pids else ["-A"]
    # Fails if it lists none.
    listed = subprocess.run(["ps", *which, "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=False)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def alive(*pids: int) -> bool:
    """Whether any of these processes lives."""
    return bool(pids) and bool(living(*pids))


def until(check: Callable[[], T], seconds: float = PATIENCE_SECONDS, said: Callable[[], str] = lambda: "") -> T:
    """What the check answers once that is true."""
    deadline, pauses = time.monotonic() + seconds, _pauses()
    while not (found := check()):
        assert time.monotonic() < deadline, f"not in {seconds} s\n{said()}"
        time.sleep(next(pauses))
    return found


async def eventually(check: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """The same for a check that is awaited."""
    pauses = _pauses()
    async with asyncio.timeout(seconds):
        while not (found := await check()):  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(next(pauses))
    return found


def _pauses() -> Iterator[float]:
    """Short at first: what takes long, as a server's start, would take longer if it were asked all the time."""
    pause = 0.01
    while True:
        yield pause
        pause = min(pause * 1.3, 0.1)


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: Instant) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


@contextlib.asynccontextmanager
async def services(dsn: str, n: int, now: Clock, **settings: Any) -> AsyncIterator[list[Parts]]:
    """So many processes' worth of service on one database, in this process."""
    started = [await open_parts(Settings(database_url=dsn, **settings), now) for _ in range(n)]
    try:
        yield started
    finally:
        for service in started:
            await service.stop()


async def holds_for(
    service: Parts, environment_id: int, flag: str, identifier: Identifier, min_version: int = 0
) -> bool:
    """Whether a boolean flag is on for a person, asked of the service as a request handler does."""
    catalog, snapshot, _ = await service.profile_loader.load(environment_id, identifier, service.now(), min_version)
    return decide_one(catalog, flag, snapshot, service.now()).value is True


@contextlib.contextmanager
def without_database(service: Parts) -> Iterator[None]:
    """Meanwhile notifications are lost, and no profile can be read."""

    async def away(*asked: Any) -> Any:
        raise Unavailable(DATABASE_AWAY, "The database of this test is away.")

    service.mirror.disconnected()
    service.snapshots._read = away  # type: ignore[method-assign]
    try:
        yield
    finally:
        del service.snapshots._read  # type: ignore[method-assign]
        service.mirror.reconnected()


async def waiting_for_a_lock(connection: Any, n: int) -> None:
    """Returns once so many transactions of this database wait for someone else's lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def enough() -> bool:
        return bool(await connection.fetchval(query) >= n)

    await eventually(enough)


async def new_environment(pool: Pool, name: str, document: Mapping[str, Any], now: Instant) -> int:
    """A new environment with these definitions; its id."""
    async with pool.acquire() as connection:
        await tenancy.create_tenancy(connection, name, "p", [name], "UTC")
        id = await tenancy.find_environment_named(connection, name)
    assert id is not None
    await apply_documents(Environment(id, pool, lambda: now), [document], Edit("test", now))
    return id


async def define(dsn: str, document: Mapping[str, Any], now: Instant, environment: str = "prod") -> None:
    """Publish definitions in a database that a server serves."""
    async with await open_pool(dsn, 1) as pool:
        id = await environment_named(pool, environment)
        await apply_documents(Environment(id, pool, lambda: now), [document], Edit("test", now))
