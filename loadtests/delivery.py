"""How many webhooks a second leave, what one costs, and how soon a transition is at its receiver.

    python -m loadtests.delivery [--happenings 20000] [--probes 300] [--concurrency 32]

Shape   `tinycdp serve` on an embedded Postgres, without analytics, and a receiver in a process of its own. First the
        backlog of a paused destination is delivered, then single events are sent one after another: to it alone, to
        ten destinations, and to ten of which one is dead and one does not answer for half a minute
Units   deliveries a second; microseconds of processor time of all processes but the receiver's, for one delivery;
        milliseconds from sending an event to the arrival of its webhook, answered event included, at the receiver that
        is watched"""

import argparse
import asyncio
import itertools
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from loadtests import servers
from tinycdp.server.embedded_postgres import EmbeddedPostgres

_BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.delivery", description=__doc__)
    parser.add_argument("--happenings", type=int, default=20_000)
    parser.add_argument("--probes", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=32)
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.Process(target=_receive, args=(there,), daemon=True)
    receiver.start()
    port = here.recv()
    os.environ |= {"TINYCDP_DELIVERY_PRIVATE_HOSTS": "127.0.0.1", "TINYCDP_ANALYTICS": "false"}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "pg") as postgres,
        servers.ours(Path(folder), postgres.dsn, core=None) as server,
    ):
        asyncio.run(_measure(server, f"http://127.0.0.1:{port}/", here, arguments))
    receiver.kill()


def _receive(pipe: Connection) -> None:
    """Count what arrives; any message through the pipe is answered with the count and the last arrival."""

    async def serve() -> None:
        count, last = 0, 0.0

        async def handle(request: web.Request) -> web.Response:
            nonlocal count, last
            await request.read()
            count, last = count + 1, time.monotonic()
            return web.Response()

        async def beside(request: web.Request) -> web.Response:
            await request.read()
            return web.Response()

        async def hang(_: web.Request) -> web.Response:
            await asyncio.sleep(30)
            return web.Response()

        app = web.Application()
        app.router.add_post("/", handle)
        app.router.add_post("/beside", beside)
        app.router.add_post("/hang", hang)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: (pipe.recv(), pipe.send((count, last))))
        await asyncio.Event().wait()

    asyncio.run(serve())


def _arrived(pipe: Connection) -> tuple[int, float]:
    pipe.send(None)
    found: tuple[int, float] = pipe.recv()
    return found


async def _measure(server: servers.Ours, url: str, pipe: Connection, arguments: argparse.Namespace) -> None:
    base = f"http://127.0.0.1:{server.port}"
    async with (
        httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {server.admin}"}, timeout=60) as admin,
        httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {server.write}"}, timeout=60) as write,
    ):

        async def put(path: str, document: Any) -> None:
            (await admin.put(path, json=document)).raise_for_status()

        destination = {"url": url, "events": ["segment.entered"], "concurrency": arguments.concurrency}
        await put("/v1/admin/segments/went", {"rule": "events.go.count(30d) >= 1"})
        await put("/v1/destinations/bench", destination | {"paused": True})
        for first in range(0, arguments.happenings, _BATCH):
            events = [{"type": "track", "event": "go", "userId": f"user-{first + n}"} for n in range(_BATCH)]
            (await write.post("/v1/batch", json={"batch": events})).raise_for_status()

        async def behind() -> int:
            return int((await admin.get("/v1/destinations/bench/health")).json()["behind"])

        await _until(behind, lambda n: n >= arguments.happenings, 0.2)

        began, used = time.monotonic(), servers.cpu_seconds(os.getpid()) - servers.cpu_seconds(_receiver_of())
        await put("/v1/destinations/bench", destination)
        count, _ = await _until(lambda: _asked(pipe), lambda found: found[0] >= arguments.happenings, 0.1)
        seconds = _arrived(pipe)[1] - began
        used = servers.cpu_seconds(os.getpid()) - servers.cpu_seconds(_receiver_of()) - used
        print(f"backlog: {count / seconds:,.0f} deliveries/s, {used / count * 1e6:,.0f} µs of processor time for one")

        async def probe(about: str) -> None:
            took = []
            for n in range(arguments.probes):
                before = _arrived(pipe)[0]
                sent = time.monotonic()
                event = {"event": "go", "userId": f"{about}-{n}"}
                (await write.post("/v1/track", json=event)).raise_for_status()
                found = await _until(lambda: _asked(pipe), lambda found, before=before: found[0] > before, 0.001)
                took.append((found[1] - sent) * 1000)
                await asyncio.sleep(0.02)
            took.sort()
            p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
            print(f"event to receiver, {about}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")

        await probe("one destination")
        for n in range(9):
            await put(f"/v1/destinations/beside{n}", destination | {"url": f"{url}beside"})
        await probe("ten destinations")
        # Nothing listens on port 9, where messages once were thrown away.
        await put("/v1/destinations/beside0", destination | {"url": "http://127.0.0.1:9/"})
        await put("/v1/destinations/beside1", destination | {"url": f"{url}hang"})
        await probe("ten, of them one dead and one slow")


async def _asked(pipe: Connection) -> tuple[int, float]:
    return _arrived(pipe)


async def _until(ask: Any, holds: Any, pause: float) -> Any:
    """Ask until the answer holds."""
    for _ in itertools.count():
        if holds(found := await ask()):
            return found
        await asyncio.sleep(pause)


def _receiver_of() -> int:
    return multiprocessing.active_children()[0].pid or 0


if __name__ == "__main__":
    main()
