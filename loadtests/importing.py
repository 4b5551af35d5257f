"""`python -m loadtests.importing`: imports of history compared with live events.

It also measures live traffic during an import.

The three ways take turns, so that other load on the machine affects all of them: N events in batches of 100 over HTTP,
N in a file sent to the server, N in a file read by the command. Then live traffic without an import and during one, in
turns, too. All events belong to the same profiles, which exist already."""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from loadtests import servers, workload
from loadtests.backfill import ask_all_profiles, line, traffic, traffic_names
from loadtests.driver import Outcome, closed_loop
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

_BATCH = 100
_CONNECTIONS = 32
#: After this long without traffic, a server considers itself idle.
_QUIET_SECONDS = 8.0
_LIVE, _SENT, _READ = (
    "sent live, batches of 100, 32 connections",
    "a file sent to the server",
    "a file read by the command",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.importing", description=__doc__)
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=100_000, help="events per round and way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement of live traffic")
    parser.add_argument(
        "--load", type=float, default=1.0, help="live traffic as a share of 3,000 events and 1,000 decisions"
    )
    parser.add_argument("--only", choices=("speed", "beside"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres((folder := Path(name)) / "pg") as postgres:
        servers.pin(1)
        with servers.ours(folder, postgres.dsn) as server:
            uvloop.run(_measure(server, folder, arguments))


async def _measure(server: servers.Ours, folder: Path, arguments: argparse.Namespace) -> None:
    async with await open_pool(server.dsn, 2) as pool:
        await apply_documents(Environment(1, pool, clock.now), [workload.DEFINITIONS], Edit("benchmark", clock.now()))
    for body in workload.identifies(server.write, arguments.profiles):
        await closed_loop(server.port, iter([body]), 1, 0.001, backfill=0.0)
    if arguments.only != "beside":
        await _speed(server, folder, arguments)
    if arguments.only != "speed":
        await _beside(server, folder, arguments)


async def _speed(server: servers.Ours, folder: Path, arguments: argparse.Namespace) -> None:
    profiles, now = arguments.profiles, clock.now()
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for n in range(arguments.rounds):
        bodies = list(_bodies(server, profiles, arguments.events, now, n))
        with _spending(spent[_LIVE], server.pid):
            outcome = await closed_loop(server.port, iter(bodies), _CONNECTIONS, 3600.0, backfill=0.0)
        assert not outcome.failures, outcome.statuses
        path = _file(folder, profiles, arguments.events, now, n, "sent")
        await asyncio.sleep(_QUIET_SECONDS)
        with _spending(spent[_SENT], server.pid):
            await _until(server, await _send(server, path), "done")
        path = _file(folder, profiles, arguments.events, now, n, "read")
        with _spending(spent[_READ], None):
            await asyncio.to_thread(_command, server, path)
    rates = {}
    for name, rounds in spent.items():
        events = arguments.events * len(rounds)
        rates[name] = events / sum(seconds for seconds, _ in rounds)
        cost = sum(cpu for _, cpu in rounds) / events * 1e6
        share = rates[name] / rates[_LIVE]
        line(name, f"{rates[name]:>9,.0f} events/s, {share:5.2f} of live  {cost:6.1f} µs of processor an event")


async def _beside(server: servers.Ours, folder: Path, arguments: argparse.Namespace) -> None:
    profiles, seconds, load = arguments.profiles, arguments.seconds, arguments.load
    await ask_all_profiles(server, profiles)
    quiet: list[list[Outcome]] = []
    busy: list[list[Outcome]] = []
    imported = 0
    for n in range(arguments.rounds):
        quiet.append(await traffic(server, profiles, seconds, load, f"quiet-{n}"))
        id = await _send(server, _file(folder, profiles, int(10_000 * seconds), clock.now(), n, "beside"))
        start = (await _progress(server, id))["rows"]
        busy.append(await traffic(server, profiles, seconds, load, f"beside-{n}"))
        progress = await _progress(server, id)
        assert progress["status"] == "running", "the file was too short"
        imported += progress["rows"] - start
        await asyncio.to_thread(_ask, server, "DELETE", f"/{id}")
        await _until(server, id, "failed")
    for name, alone, beside in zip(traffic_names(load), _pooled(quiet), _pooled(busy), strict=True):
        for share in (0.5, 0.99):
            one, other = alone.percentile(share), beside.percentile(share)
            text = f"p{share * 100:.0f} {one:7.2f} ms, during an import {other:7.2f} ms: {other / one:5.2f} times"
            line(name if share == 0.5 else "", text)
    line("", f"{imported / seconds / arguments.rounds:,.0f} events a second were imported meanwhile")


def _pooled(rounds: list[list[Outcome]]) -> list[Outcome]:
    """Merge several outcomes of each kind into one."""
    return [
        Outcome(latencies=[latency for outcome in outcomes for latency in outcome.latencies])
        for outcomes in zip(*rounds, strict=True)
    ]


@contextmanager
def _spending(spent: list[tuple[float, float]], pid: int | None) -> Iterator[None]:
    """Add the elapsed seconds, and the processor seconds of a process and its descendants.

    A pid of None means a child of this process that ends meanwhile."""

    def used() -> float:
        return servers.cpu_seconds(pid) if pid is not None else sum(os.times()[2:4])

    start, before = time.perf_counter(), used()
    yield
    spent.append((time.perf_counter() - start, used() - before))


def _events(profiles: int, n: int, now: int, seed: int, prefix: str) -> Iterator[dict[str, Any]]:
    return itertools.islice(workload.events(profiles, now, seed, f"{prefix}-{seed}"), n)


def _bodies(server: servers.Ours, profiles: int, n: int, now: int, seed: int) -> Iterator[bytes]:
    events = _events(profiles, n, now, seed, "live")
    while batch := list(itertools.islice(events, _BATCH)):
        yield workload.request("POST", "/v1/batch", server.write, msgspec.json.encode({"batch": batch}))


def _file(folder: Path, profiles: int, n: int, now: int, seed: int, prefix: str) -> Path:
    path = folder / f"{prefix}-{seed}.jsonl"
    with path.open("wb") as file:
        for event in _events(profiles, n, now, seed, prefix):
            file.write(msgspec.json.encode(event) + b"\n")
    return path


def _command(server: servers.Ours, path: Path) -> None:
    environ = dict(os.environ) | {"DATABASE_URL": server.dsn, "TINYCDP_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "tinycdp", "import", str(path)]
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)


async def _send(server: servers.Ours, path: Path) -> str:
    """Send a file to the server. Returns the id of the import that it started."""

    def send() -> str:
        with path.open("rb") as file:
            headers = {"Content-Length": str(path.stat().st_size)}
            id: str = _ask(server, "POST", f"?name={path.name}", file, headers)["id"]
            return id

    return await asyncio.to_thread(send)


async def _progress(server: servers.Ours, id: str) -> dict[str, Any]:
    return await asyncio.to_thread(_ask, server, "GET", f"/{id}")


async def _until(server: servers.Ours, id: str, wanted: str) -> None:
    while (status := (await _progress(server, id))["status"]) != wanted:
        assert status == "running", status
        await asyncio.sleep(0.25)  # each query costs the server time too


def _ask(
    server: servers.Ours, method: str, rest: str, body: Any = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/admin/imports{rest}",
        data=body,
        method=method,
        headers={"Authorization": f"Bearer {server.admin}", **(headers or {})},
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        found: dict[str, Any] = msgspec.json.decode(answer.read())
        return found


if __name__ == "__main__":
    main()
