"""`python -m loadtests.editor`: latency of the language services over HTTP.

One request follows another, like keystrokes.

Each is measured on a typical source and on the longest allowed one, in an environment of 200 definitions."""

import argparse
import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from loadtests import servers, workload
from loadtests.driver import closed_loop, request
from loadtests.engine import LONGEST, TYPICAL
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

PROMISED_MS = 20.0
#: The largest number of tokens that fits.
LIST = f"profile.age in [{','.join(map(str, range(999)))}]"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.editor", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        servers.pin(1)
        uvloop.run(_measure(arguments.seconds, Path(folder), postgres.dsn))


async def _measure(seconds: float, folder: Path, dsn: str) -> None:
    with servers.ours(folder, dsn) as server:
        async with await open_pool(dsn, 2) as pool:
            await apply_documents(Environment(1, pool, clock.now), [_definitions()], Edit("benchmark", clock.now()))
        await asyncio.sleep(0.5)
        for body in itertools.islice(workload.batches(server.write, 100, 500, clock.now(), 1, "editor"), 50):
            await closed_loop(server.port, iter([body]), 1, 0.001, backfill=0.0)
        for name, path, body in _requests():
            asked = itertools.repeat(request("POST", path, server.admin, msgspec.json.encode(body)))
            before = servers.cpu_seconds(server.pid)
            outcome = await closed_loop(server.port, asked, 1, seconds)
            cost = (servers.cpu_seconds(server.pid) - before) * 1000 / max(1, outcome.sent)
            p50, p99 = outcome.percentile(0.5), outcome.percentile(0.99)
            late = "" if p99 < PROMISED_MS and not outcome.failures else f"  MISSED {outcome.statuses}"
            figures = f"p50 {p50:6.2f}  p99 {p99:6.2f} ms of {PROMISED_MS:.0f}, {cost:6.2f} ms of processor"
            print(f"{name:36} {figures}{late}", flush=True)


def _requests() -> list[tuple[str, str, dict[str, Any]]]:
    found: list[tuple[str, str, dict[str, Any]]] = []
    for size, source in (("usual", TYPICAL), ("longest", LONGEST), ("a list of 999", LIST)):
        position = len(source) // 2
        bodies: dict[str, dict[str, Any]] = {
            "check": {"kind": "segment", "expression": source},
            "explain": {"kind": "segment", "expression": source},
            "complete": {"kind": "segment", "source": source, "position": position},
            "complete, at the end": {"kind": "segment", "source": source + " && pur", "position": len(source) + 7},
            "format": {"source": source},
            "hover": {"kind": "segment", "source": source, "position": position},
        }
        found += [(f"{name}, {size}", f"/v1/dsl/{name.partition(',')[0]}", body) for name, body in bodies.items()]
    return found


def _definitions() -> dict[str, list[dict[str, Any]]]:
    forms = ("count_30d", "sum(amount, 30d)", "unique_days_14d", "max(amount, 90d)", "last(category)")
    return {
        "traits": [{"key": f"t{n}", "expression": f"events.e{n // 5 % 10}.{forms[n % 5]}"} for n in range(100)],
        "segments": [{"key": f"s{n}", "rule": f"t{n * 5 % 100} >= 3 && last_seen_days_ago < 30"} for n in range(60)],
        "flags": [{"key": f"f{n}", "rule": f"segments.s{n}"} for n in range(40)],
    }


if __name__ == "__main__":
    main()
