"""A flood: more data than can be stored, from too many clients.

Memory must stay bounded, and no answer may be a 5xx.

    python -m loadtests.flood --connections 128 --seconds 10

Shape   one kind of body after the other, each in its own server: small events, events of 30 KB, the same compressed,
        and clients that send one byte a second. At the end every acknowledged event must be stored
Units   memory is the largest resident size of the HTTP process, compared with its size before the flood"""

import argparse
import asyncio
import gzip
import json
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import uvloop

from loadtests import servers
from loadtests.driver import request
from loadtests.streams import http_process
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.flood", description=__doc__)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=BODIES, help="one kind of body")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for kind in [arguments.only] if arguments.only else BODIES:
        with (
            tempfile.TemporaryDirectory() as folder,
            EmbeddedPostgres(Path(folder) / "pg") as postgres,
            servers.ours(Path(folder), postgres.dsn) as server,
        ):
            uvloop.run(_flood(kind, arguments.connections, arguments.seconds, server))


def _events(n: int, size: int, seed: int) -> bytes:
    """A batch with distinct profiles and message ids."""
    events = [
        {
            "type": "track",
            "userId": f"user-{seed}-{index}",
            "event": "flood",
            "messageId": f"{seed}-{index}",
            "properties": {f"p{m}": f"{index}{m}" for m in range(5)} | {"text": "x" * size},
        }
        for index in range(n)
    ]
    return json.dumps({"batch": events}).encode()


_DIFFERENT = 40
BODIES: dict[str, Callable[[int], tuple[bytes, bool]]] = {
    "small events": lambda seed: (_events(10_000, 0, seed), False),
    "large events": lambda seed: (_events(130, 30_000, seed), False),
    "compressed": lambda seed: (gzip.compress(_events(130, 30_000, seed), 1), True),
    "slow clients": lambda seed: (_events(130, 30_000, seed), False),
}


async def _flood(kind: str, connections: int, seconds: float, server: servers.Ours) -> None:
    pid = http_process(server.pid)
    before = _most_resident(pid)
    bodies = [BODIES[kind](seed) for seed in range(_DIFFERENT)]  # made ahead: making them would disturb the measurement
    statuses: Counter[int] = Counter()
    accepted = 0
    stop = time.monotonic() + seconds

    async def client(seed: int) -> None:
        nonlocal accepted
        chance = random.Random(seed)
        turn = 0
        while time.monotonic() < stop:
            turn += 1
            body, zipped = bodies[(seed + turn) % _DIFFERENT]
            sent = request("POST", "/v1/batch", server.write, body)
            if zipped:
                sent = sent.replace(b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type", 1)
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                if kind == "slow clients":
                    writer.write(sent[: len(sent) // 2])
                    while time.monotonic() < stop and not reader.at_eof():
                        writer.write(b" ")
                        await asyncio.sleep(1)
                    writer.close()
                    return
                writer.write(sent)
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                answer = json.loads(await reader.readexactly(length))
                writer.close()
            except (OSError, RuntimeError, asyncio.IncompleteReadError):
                statuses[0] += 1
                continue
            status = int(head[9:12])
            statuses[status] += 1
            if status == 200:
                accepted += answer["accepted"]
            else:
                await asyncio.sleep(chance.uniform(0.05, 0.2))  # far sooner than the server asked for

    began = time.monotonic()
    clients = asyncio.gather(*map(client, range(connections)))
    probe = await _patience(server.port, stop)
    await clients
    took = time.monotonic() - began
    grown = (_most_resident(pid) - before) / 1024
    async with await open_pool(server.dsn, 1) as pool:
        stored = await pool.fetchval("SELECT count(*) FROM events")
    assert stored >= accepted, (stored, accepted)
    text = ", ".join(f"{n} × {status or 'cut off'}" for status, n in sorted(statuses.items()))
    print(
        f"{kind:<14} {connections} connections, {took:.0f} s: {text or 'no answer'}; {accepted / took:,.0f} events/s;"
        f" memory {before / 1024:.0f} MB + {grown:.0f} MB; a health check takes up to {probe:.2f} s",
        flush=True,
    )


async def _patience(port: int, stop: float) -> float:
    """The longest time that another client's request took meanwhile."""
    longest = 0.0
    while time.monotonic() < stop:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.1)
    return longest


def _most_resident(pid: int) -> int:
    """The peak resident size so far, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
