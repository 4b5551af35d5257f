"""`make load`: scenarios of load with an HTML report each, one after the other.

    python -m loadtests.scenarios [--seconds 60] [--profiles 10000] [--only mixed] [--to load-reports]

Shape   `tinycdp serve` on an embedded Postgres for each scenario; Locust in a process of its own
Laws    traffic goes to loopback only. Reports are written to a folder that Git ignores
Units   milliseconds"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import uvloop

from loadtests import servers, workload
from loadtests.__main__ import define
from loadtests.driver import closed_loop
from tinycdp.server.embedded_postgres import EmbeddedPostgres

_FOLDER = Path(__file__).parent
#: Entering takes a while, and then a window of two minutes has to slide.
_UNTIL_LEAVING_SECONDS = 45


@dataclass(frozen=True)
class Scenario:
    """What happens at the same time.

    users      classes of users.py · is_warm: everybody is in memory before it begins
    analytics  whether there is an engine
    meanwhile  called in the middle of the run"""

    about: str
    users: tuple[str, ...]
    is_warm: bool = True
    analytics: bool = False
    meanwhile: Callable[[servers.Ours], None] | None = None


def _publish(server: servers.Ours) -> None:
    """A trait and a segment that have to be backfilled."""
    headers = {"Authorization": f"Bearer {server.admin}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60) as client:
        client.put(
            "/v1/admin/traits/seen_90d", json={"expression": "events.product_viewed.count(90d)"}
        ).raise_for_status()
        client.put("/v1/admin/segments/lookers", json={"rule": "seen_90d >= 2"}).raise_for_status()


SCENARIOS = {
    "ingest": Scenario("3,000 events a second", ("Sender",), is_warm=False),
    "hot": Scenario("1,000 decisions a second about a hundred people", ("HotDecider",)),
    "cold": Scenario("1,000 decisions a second, with an empty memory", ("Decider",), is_warm=False),
    "mixed": Scenario("events and decisions", ("Sender", "Decider")),
    "expiry": Scenario("all people leave a segment in the same seconds, beside decisions", ("Leaver", "Decider")),
    "merges": Scenario("devices become known people, beside events and decisions", ("Merger", "Sender", "Decider")),
    "streams": Scenario("streams open and close, beside decisions", ("Reconnecting", "Decider")),
    "backfill": Scenario("a revision is published under load", ("Sender", "Decider"), meanwhile=_publish),
    "analytics": Scenario("questions beside events and decisions", ("Analyst", "Sender", "Decider"), analytics=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.scenarios", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--only", choices=SCENARIOS, action="append")
    parser.add_argument("--to", type=Path, default=Path("load-reports"))
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or SCENARIOS:
        _run(name, SCENARIOS[name], arguments)


def _run(name: str, scenario: Scenario, given: argparse.Namespace) -> None:
    print(f"{name}: {scenario.about}", flush=True)
    os.environ["TINYCDP_ANALYTICS"] = str(scenario.analytics).lower()
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        with servers.ours(Path(folder), postgres.dsn, core=None) as server:
            asyncio.run(define(server))
            uvloop.run(closed_loop(server.port, workload.identifies(server.write, given.profiles), 4, 600.0, 0.0))
        with servers.ours(Path(folder), postgres.dsn, core=None) as server:
            if name == "expiry":
                headers = {"Authorization": f"Bearer {server.admin}"}
                url = f"http://127.0.0.1:{server.port}/v1/admin/segments/just_now"
                httpx.put(url, json={"rule": "events.look.count(2m) >= 1"}, headers=headers).raise_for_status()
            if scenario.is_warm:
                asked = (workload.ask(server.read, n) for n in range(given.profiles))
                uvloop.run(closed_loop(server.port, asked, 16, 120.0, 0.0))
            used, began = servers.cpu_seconds(server.pid), time.monotonic()
            _locust(name, scenario, server, given)
            cores = (servers.cpu_seconds(server.pid) - used) / (time.monotonic() - began)
            print(f"  {cores:.2f} cores of the server, without Postgres", flush=True)
            if name == "expiry":
                asyncio.run(_report_lateness(postgres.dsn, given.profiles))


def _locust(name: str, scenario: Scenario, server: servers.Ours, given: argparse.Namespace) -> None:
    """Run Locust; print what its report says of each kind of request."""
    report = given.to / f"{name}.html"
    seconds = max(given.seconds, _UNTIL_LEAVING_SECONDS + 30) if name == "expiry" else given.seconds
    environment = os.environ | {
        "LOAD_KEYS": json.dumps({"write": server.write, "read": server.read}),
        "LOAD_PROFILES": str(given.profiles),
        "LOAD_RUN": str(int(time.time())),
        "LOAD_LEAVING_AT": str(time.time() + _UNTIL_LEAVING_SECONDS),
    }
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"
        options = f"--headless --spawn-rate 10 --users {len(scenario.users)} --run-time {seconds}s --skip-log"
        command = [sys.executable, "-m", "locust", "--locustfile", str(_FOLDER / "users.py"), *options.split()]
        command += ["--host", f"http://127.0.0.1:{server.port}", "--html", str(report), "--json-file", str(found)]
        process = subprocess.Popen([*command, *scenario.users], env=environment)
        try:
            if scenario.meanwhile is not None:
                time.sleep(seconds / 2)
                scenario.meanwhile(server)
            process.wait(seconds + 60)
        finally:
            process.kill()
        for entry in json.loads(found.with_suffix(".json").read_text()):
            _line(entry)
    print(f"  {report}", flush=True)


def _line(entry: dict[str, Any]) -> None:
    times = sorted((float(ms), n) for ms, n in entry["response_times"].items())
    failures = f"  {entry['num_failures']:,} failed" if entry["num_failures"] else ""
    p50, p99 = _percentile(times, 0.5), _percentile(times, 0.99)
    print(f"  {entry['name']:26}{entry['num_requests']:>9,}  p50 {p50:,.0f}  p99 {p99:,.0f} ms{failures}", flush=True)


def _percentile(times: list[tuple[float, int]], share: float) -> float:
    left = sum(n for _, n in times) * share
    for ms, n in times:
        left -= n
        if left <= 0:
            return ms
    return float("nan")


async def _report_lateness(dsn: str, profiles: int) -> None:
    """How long after its instant each transition by the clock was recorded."""
    connection = await asyncpg.connect(dsn)
    asked = (
        "SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY recorded_at - at),"
        " percentile_cont(0.99) WITHIN GROUP (ORDER BY recorded_at - at), max(recorded_at - at)"
        " FROM transitions WHERE cause = 'clock' AND NOT entered"
    )
    n, p50, p99, most = await connection.fetchrow(asked)
    await connection.close()
    late = "  ".join(
        f"{name} {at.total_seconds() if at else float('nan'):.2f}"
        for name, at in (("p50", p50), ("p99", p99), ("most", most))
    )
    print(f"  {n:,} of {profiles:,} people left; recorded after their instant: {late} s", flush=True)


if __name__ == "__main__":
    main()
