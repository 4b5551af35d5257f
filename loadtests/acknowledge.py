"""The cost of acknowledging an event and of a decision, compared with another commit.

    python -m loadtests.acknowledge [--against ac53a42] [--rounds 5] [--consumer]

Shape   each commit has its own process with the whole application, and its own Postgres. A request begins where the
        HTTP server hands it over and ends with its answer, so what is timed is our own code, the Postgres driver and
        the framework
Units   microseconds of the process's processor time for one event or one decision, without Postgres' own
Laws    the two commits take turns, and each round is the best of several parts: disturbances only slow it down
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the two processes run this file by its path

PROFILES = 10_000
_PARTS = 5
_KEYS = {scope: f"bench-{scope}-0123456789" for scope in ("write", "read")}

#: What analytics.js sends around an event.
_BROWSER = {
    "library": {"name": "analytics.js", "version": "2.1.0"},
    "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
    "ip": "81.2.69.142",
    "locale": "de-DE",
}

Call = Callable[[str, str, bytes, bytes], Awaitable[None]]


def _page(n: int) -> dict[str, str]:
    search = f"?id={n % 50}&utm_source=letter" if n % 10 == 0 else f"?id={n % 50}"
    url = f"https://shop.example/product{search}"
    return {"url": url, "path": "/product", "search": search, "referrer": "https://www.google.com/"}


def _bodies(size: int, seed: int, prefix: str, *, browser: bool) -> Iterator[bytes]:
    """Requests with `size` events each, or single events without a batch."""
    from loadtests import workload

    events = workload.events(PROFILES, int(time.time() * 1000), seed, f"{prefix} {seed}")
    for start in itertools.count(step=size):
        part = list(itertools.islice(events, size))
        for n, event in enumerate(part if browser else ()):
            event["context"] = {**_BROWSER, "page": _page(start + n)}
        yield json.dumps(part[0] if size == 1 else {"batch": part}).encode()


#: name → (events per request, whether sent by browsers, concurrent requests, requests per part)
INGEST = {
    "events in batches of 100": (100, False, 8, 20),
    "events of browsers in batches of 100": (100, True, 8, 20),
    "single events, 64 at once": (1, False, 64, 1_000),
    "single events, one after another": (1, False, 1, 200),
}
#: Names are what two commits agree on: keep them.
DECIDE = "decisions, warm, of random people"


async def _measure(call: Call, name: str, seed: int) -> float:
    """The best of several parts."""
    best = float("inf")
    if name == DECIDE:
        asked = [(f"userId=user-{n}&flag=flag_7".encode(), b"") for n in range(PROFILES)]
        random.Random(seed).shuffle(asked)
        for query, body in asked:
            await call("GET", "/v1/decide", query, body)
        for start in range(0, PROFILES, PROFILES // _PARTS):
            part = asked[start : start + PROFILES // _PARTS]
            before = time.process_time()
            for query, body in part:
                await call("GET", "/v1/decide", query, body)
            best = min(best, (time.process_time() - before) / len(part))
        return best * 1e6
    size, browser, at_once, requests = INGEST[name]
    bodies = _bodies(size, seed, name, browser=browser)
    path = "/v1/track" if size == 1 else "/v1/batch"
    for _ in range(_PARTS):
        ready = iter(list(itertools.islice(bodies, requests)))

        async def client(ready: Iterator[bytes] = ready) -> None:
            for body in ready:
                await call("POST", path, b"", body)

        before = time.process_time()
        await asyncio.gather(*(client() for _ in range(at_once)))
        best = min(best, (time.process_time() - before) / requests / size)
    return best * 1e6


@asynccontextmanager
async def _application(dsn: str, folder: Path) -> AsyncIterator[Call]:
    """The application as an HTTP worker runs it, with definitions and profiles."""
    from loadtests import workload
    from tinycdp.app import create_app
    from tinycdp.runtime import clock
    from tinycdp.runtime.definitions.publish import apply_documents
    from tinycdp.runtime.edits import Edit
    from tinycdp.runtime.environment import Environment
    from tinycdp.server.bootstrap import prepare
    from tinycdp.settings import load
    from tinycdp.store.database.pool import open_pool

    keys = {f"TINYCDP_BOOTSTRAP_{scope.upper()}_KEY": key for scope, key in _KEYS.items()}
    settings = load({"DATABASE_URL": dsn, "TINYCDP_DATA_DIR": str(folder), "TINYCDP_LOG_LEVEL": "warning", **keys})
    await prepare(settings, clock.now())
    async with await open_pool(dsn, 2) as pool:
        await apply_documents(Environment(1, pool, clock.now), [workload.DEFINITIONS], Edit("benchmark", clock.now()))
    application: Any = create_app(settings)
    started, ended = asyncio.Event(), asyncio.Event()

    async def next_phase() -> dict[str, str]:
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await ended.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: dict[str, Any]) -> None:
        assert "failed" not in message["type"], message
        started.set()

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.create_task(application(scope, next_phase, send))
    await started.wait()
    call = _caller(application)
    for request in workload.identifies(_KEYS["write"], PROFILES):
        await call("POST", "/v1/batch", b"", request.partition(b"\r\n\r\n")[2])
    yield call
    ended.set()
    await life


def _caller(application: Any) -> Call:
    async def call(method: str, path: str, query: bytes, body: bytes) -> None:
        key = _KEYS["write" if body else "read"].encode()
        headers = [(b"host", b"localhost"), (b"authorization", b"Bearer " + key)]
        headers.append((b"content-length", str(len(body)).encode()))
        parts = [{"type": "http.request", "body": body, "more_body": False}]
        statuses = []

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            statuses.append(message.get("status"))

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query, "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}, "extensions": {},
        }  # fmt: skip
        await application(scope, receive, send)
        assert statuses[0] == 200, statuses

    return call


async def _follow(dsn: str) -> None:
    """Register a consumer of the outbox, so that its rows are written."""
    from tinycdp.runtime import clock, outbox
    from tinycdp.runtime.environment import Environment
    from tinycdp.store.database.pool import open_pool

    async with await open_pool(dsn, 1) as pool:
        await outbox.register(Environment(1, pool, clock.now), "benchmark")


async def _serve(dsn: str, folder: Path, *, consumer: bool) -> None:
    """Run as one of the two processes: for each line read, measure what it names."""
    async with _application(dsn, folder) as call:
        if consumer:
            await _follow(dsn)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, seed = json.loads(line)
            print(await _measure(call, name, seed), flush=True)


class _Tree:
    """A process that runs one tree's code by the tree's own copy of this file.

    Modules move between commits."""

    def __init__(self, root: Path, *options: str) -> None:
        environ = dict(os.environ) | {"PYTHONPATH": str(root / "src")}
        command = [sys.executable, str(root / "loadtests" / "acknowledge.py"), "--serve", *options]
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        if self._from.readline() != "ready\n":
            raise SystemExit(f"the application of {root} did not start")

    def measure(self, name: str, seed: int) -> float:
        print(json.dumps([name, seed]), file=self._to, flush=True)
        return float(self._from.readline())

    def close(self) -> None:
        self._to.close()
        self._process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.acknowledge", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--against", metavar="REV", default="HEAD~1", help="commit to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="how many turns each commit gets")
    parser.add_argument("--consumer", action="store_true", help="with a consumer of the outbox, in this tree only")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        import uvloop

        from tinycdp.server.embedded_postgres import EmbeddedPostgres

        with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
            uvloop.run(_serve(postgres.dsn, Path(folder), consumer=arguments.consumer))
        return
    from loadtests.engine import git, worktree

    with worktree(arguments.against) as tree:
        if tree is None:
            raise SystemExit(f"unknown commit {arguments.against}")
        trees = [_Tree(ROOT, *(["--consumer"] if arguments.consumer else [])), _Tree(tree)]
        print(f"commit {git('rev-parse', '--short', 'HEAD')}, against {git('rev-parse', '--short', arguments.against)}")
        try:
            for name in (*INGEST, DECIDE):
                pairs = [[one.measure(name, seed) for one in trees] for seed in range(arguments.rounds)]
                ratio = median(mine / other for mine, other in pairs)
                mine, other = (min(column) for column in zip(*pairs, strict=True))
                print(f"{name:40}{mine:>8.1f} µs, {other:>6.1f} there {ratio:>8.2f}", flush=True)
        finally:
            for one in trees:
                one.close()


if __name__ == "__main__":
    main()
