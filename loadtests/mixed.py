"""How decisions fare while events come in, over many people: the load that a product really has.

    python -m loadtests.mixed [--profiles 100000] [--events 3000] [--decisions 1000] [--seconds 20] [--workers 1]

Shape   `tinycdp serve` on an embedded Postgres, without analytics; what sends events and what asks for decisions are
        processes of their own. Three times: with an empty memory, with everybody, and with as many events as it takes
Units   milliseconds from when a request was due; cores of processor time that the HTTP processes used, and all of it"""

import argparse
import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import uvloop

from loadtests import servers, workload
from loadtests.__main__ import define
from loadtests.driver import Outcome, closed_loop, open_loop
from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import EmbeddedPostgres

_BATCH = 30
#: Batches at once when there are as many as the server takes.
_SATURATED = 16


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.mixed", description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=3_000, help="a second")
    parser.add_argument("--decisions", type=int, default=1_000, help="a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--workers", type=int, default=1, help="HTTP processes")
    arguments = parser.parse_args()
    os.environ["TINYCDP_ANALYTICS"] = "false"
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        with servers.ours(Path(folder), postgres.dsn, core=None, workers=arguments.workers) as server:
            asyncio.run(define(server))
            bodies = workload.identifies(server.write, arguments.profiles)
            uvloop.run(closed_loop(server.port, bodies, 4, 600.0, backfill=0.0))
        with (
            servers.ours(Path(folder), postgres.dsn, core=None, workers=arguments.workers) as server,
            ProcessPoolExecutor(2) as pool,
        ):
            load = _Load(server, pool, arguments)
            load.measure("an empty memory", _paced)
            everybody = (workload.ask(server.read, n) for n in range(arguments.profiles))
            uvloop.run(closed_loop(server.port, everybody, 16, 120.0, backfill=0.0))
            load.measure("a full memory", _paced)
            load.measure("as many events as it takes", _saturated)


class _Load:
    """Events and decisions at the same time."""

    def __init__(self, server: servers.Ours, pool: ProcessPoolExecutor, arguments: argparse.Namespace) -> None:
        self._server, self._pool, self._given = server, pool, arguments
        self._seeds = itertools.count(1)

    def measure(self, name: str, sent: "Callable[[servers.Ours, argparse.Namespace, int], Outcome]") -> None:
        """Print what became of both."""
        seed = next(self._seeds)
        used, began = servers.cpu_seconds(self._server.pid), time.perf_counter()
        ingesting = self._pool.submit(sent, self._server, self._given, seed)
        deciding = self._pool.submit(_decided, self._server, self._given, seed)
        events, decisions = ingesting.result(), deciding.result()
        cores = (servers.cpu_seconds(self._server.pid) - used) / (time.perf_counter() - began)
        print(f"{name}: {cores:.2f} cores of the server, without Postgres")
        _line("events", events, events.per_second * _BATCH)
        _line("decisions", decisions, decisions.per_second)


def _line(name: str, outcome: Outcome, per_second: float) -> None:
    percentiles = "  ".join(f"p{share * 100:g} {outcome.percentile(share):.1f}" for share in (0.5, 0.95, 0.99))
    print(f"  {name:9} {per_second:>7,.0f}/s  {percentiles} ms" + (f"  {outcome.statuses}" if outcome.failures else ""))


def _paced(server: servers.Ours, given: argparse.Namespace, seed: int) -> Outcome:
    batches = workload.batches(server.write, _BATCH, given.profiles, clock.now(), seed, f"mixed{seed}")
    return uvloop.run(open_loop(server.port, batches, given.events / _BATCH, given.seconds))


def _saturated(server: servers.Ours, given: argparse.Namespace, seed: int) -> Outcome:
    batches = workload.batches(server.write, _BATCH, given.profiles, clock.now(), seed, f"mixed{seed}")
    return uvloop.run(closed_loop(server.port, batches, _SATURATED, given.seconds))


def _decided(server: servers.Ours, given: argparse.Namespace, seed: int) -> Outcome:
    asked = workload.decisions(server.read, given.profiles, seed)
    return uvloop.run(open_loop(server.port, asked, given.decisions, given.seconds, connections=16))


if __name__ == "__main__":
    main()
