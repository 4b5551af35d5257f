"""The cost of observing and live streams for ingestion.

Measured with no reader, with one rare filter, and with a reader of everything.

    python -m loadtests.live [--seconds 6] [--rounds 3] [--only-ingest]

--only-ingest runs without readers, so that it also works on a tree without live streams."""

import argparse
import asyncio
import itertools
import statistics
import tempfile
from pathlib import Path

import uvloop

from loadtests import servers, workload
from loadtests.driver import closed_loop
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

PROFILES = 5_000
_READERS = {"no reader": None, "one reader of one profile": "?userId=user-7", "one reader of everything": ""}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-ingest", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        servers.pin(1)
        only = arguments.only_ingest
        uvloop.run(_measure(arguments.seconds, arguments.rounds, only, Path(folder), postgres.dsn))


async def _measure(seconds: float, rounds: int, only_ingest: bool, folder: Path, dsn: str) -> None:
    now = clock.now()
    with servers.ours(folder, dsn) as server:
        async with await open_pool(server.dsn, 2) as pool:
            await apply_documents(
                Environment(1, pool, clock.now), [workload.DEFINITIONS], Edit("benchmark", clock.now())
            )
        for body in workload.identifies(server.write, PROFILES):
            await closed_loop(server.port, iter([body]), 1, 0.001, backfill=0.0)
        cases = {"no reader": None} if only_ingest else _READERS
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for n, (name, query) in itertools.product(range(rounds), cases.items()):
            requests = workload.batches(server.write, 100, PROFILES, now, n, f"{n}-{name}")
            ready = list(itertools.islice(requests, int(350 * seconds)))
            reader = asyncio.create_task(_read(server, query)) if query is not None else None
            await asyncio.sleep(0.5)
            before = servers.cpu_seconds(server.pid)
            outcome = await closed_loop(server.port, iter(ready), 32, seconds)
            spent = servers.cpu_seconds(server.pid) - before
            found[name].append((outcome.per_second * 100, spent * 1e4 / max(1, outcome.sent)))
            if reader is not None:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                await asyncio.sleep(0.5)
    for name, figures in found.items():
        rate, cost = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:30}{rate:>9,.0f} events/s {cost:>7.1f} µs of processor each, median of {rounds}")


async def _read(server: servers.Ours, query: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"GET /v1/events/live{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.read}\r\n\r\n"
    writer.write(head.encode())
    try:
        while await reader.read(1_000_000):
            pass
    finally:
        writer.close()


if __name__ == "__main__":
    main()
