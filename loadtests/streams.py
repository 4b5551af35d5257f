"""Event streams: the cost of idle ones, and the delay until a change reaches its reader.

    python -m loadtests.streams --streams 5000

Each stream belongs to another profile. An identify call changes one profile's flag. The latency of a push is the time
from the call's answer, which confirms the commit, to the event on that profile's stream. A message that arrives before
the answer counts as 0."""

import argparse
import asyncio
import json
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop

from loadtests import servers
from loadtests.driver import request
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.pool import open_pool

_ALL = "/ofrep/v1/evaluate/flags"
_FLAGS = [{"key": f"flag_{n}", "rule": f'profile.plan == "plan_{n}"'} for n in range(19)]
_CONNECTING = 64


class _Http(asyncio.Protocol):
    """A keep-alive connection that handles one request at a time."""

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        self._buffer, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return cast("tuple[int, bytes]", await self._answer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found:
            at = head.lower().find(b"content-length:")
            if len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0]) and not self._answer.done():
                self._answer.set_result((int(head[9:12]), body))


class _Stream(asyncio.Protocol):
    """One reader: its number of messages, when the last one arrived, and its heartbeats."""

    def __init__(self) -> None:
        self.messages = 0
        self.last = 0.0
        self.beats = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            assert data.startswith(b"HTTP/1.1 200"), data[:200]
            self.opened.set_result(None)
        self.beats += data.count(b"\n:\n")
        if (received := data.count(b"refetchEvaluation")) > 0:
            self.messages += received
            self.last = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long idle streams are measured")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as postgres:
        servers.pin(1)
        uvloop.run(_measure(arguments.streams, arguments.seconds, Path(folder), postgres.dsn))


async def _measure(n: int, seconds: float, folder: Path, dsn: str) -> None:
    with servers.ours(folder, dsn) as server:
        side = [{"key": "side", "rule": 'profile.side == "b"'}]
        await _define(dsn, _FLAGS + side)
        pid = http_process(server.pid)
        client = await _connected(_Http(), server.port)
        for first in range(0, n, 100):
            batch = [
                {"type": "identify", "userId": f"user-{m}", "traits": {"side": "a"}} for m in range(first, first + 100)
            ]
            status, answer = await client.ask(_post("/v1/batch", server.write, {"batch": batch}))
            assert status == 200, answer
        for profile in range(n):  # all profiles are in memory before memory is measured
            await client.ask(request("GET", f"/v1/decide?userId=user-{profile}&flag=side", server.read))
        await asyncio.sleep(2)
        before = _resident(pid)
        started = time.perf_counter()
        streams = await _open(n, server)
        took = time.perf_counter() - started
        await asyncio.sleep(2)
        _line(f"{n:,} streams opened, with a bulk evaluation each", f"{n / took:,.0f}/s")
        _line("memory for each", f"{(_resident(pid) - before) / n / 1024:.1f} KiB")
        assert not any(stream.messages for stream in streams)

        used, beats = servers.cpu_seconds(pid), sum(stream.beats for stream in streams)
        await asyncio.sleep(seconds)
        used = (servers.cpu_seconds(pid) - used) / seconds
        beats = sum(stream.beats for stream in streams) - beats
        _line("idle: processor, heartbeats", f"{used:.1%} of a core, {beats / seconds / n * 15:.2f} each in 15 s")

        clients = [await _connected(_Http(), server.port) for _ in range(4)]  # the server closes idle ones after 30 s
        profiles = random.Random(1).sample(range(n), min(n, 1_000))
        _latencies(
            "a push after an identify, one after the other", await _turn(clients[:1], server, streams, profiles, "b")
        )
        _latencies("the same, four at once", await _turn(clients, server, streams, profiles, "a"))

        had = [stream.messages for stream in streams]
        started = time.perf_counter()
        await _define(dsn, [*_FLAGS, {"key": "side", "rule": 'profile.side != "b"'}])
        while any(stream.messages == earlier for stream, earlier in zip(streams, had, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        last = max(stream.last for stream in streams)
        _line(f"a publish that changes all {n:,} profiles' answers", f"all notified after {last - started:.2f} s")


async def _turn(
    clients: list[_Http], server: servers.Ours, streams: list[_Stream], profiles: list[int], side: str
) -> list[float]:
    """Change each profile's flag and wait for the push.

    Returns milliseconds from the answer to the message."""
    left, found = list(profiles), list[float]()

    async def work(client: _Http) -> None:
        while left:
            profile = left.pop()
            stream = streams[profile]
            had = stream.messages
            body = {"userId": f"user-{profile}", "traits": {"side": side}}
            status, answer = await client.ask(_post("/v1/identify", server.write, body))
            answered = time.perf_counter()
            assert status == 200, answer
            while stream.messages == had:
                await asyncio.sleep(0)
                assert time.perf_counter() < answered + 10, "no message arrived"
            found.append(max(0.0, stream.last - answered) * 1000)

    await asyncio.gather(*map(work, clients))
    return found


async def _open(n: int, server: servers.Ours) -> list[_Stream]:
    streams: list[_Stream | None] = [None] * n
    left = list(range(n))

    async def work() -> None:
        http = await _connected(_Http(), server.port)
        while left:
            profile = left.pop()
            status, body = await http.ask(_post(_ALL, server.read, {"context": {"targetingKey": f"user-{profile}"}}))
            assert status == 200, body
            uri = json.loads(body)["eventStreams"][0]["endpoint"]["requestUri"]
            transport, stream = await asyncio.get_running_loop().create_connection(_Stream, "127.0.0.1", server.port)
            streams[profile] = stream
            transport.write(f"GET {uri} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
            await stream.opened

    await asyncio.gather(*(work() for _ in range(_CONNECTING)))
    return [stream for stream in streams if stream is not None]


async def _connected(http: _Http, port: int) -> _Http:
    await asyncio.get_running_loop().create_connection(lambda: http, "127.0.0.1", port)
    return http


async def _define(dsn: str, flags: list[dict[str, str]]) -> None:
    async with await open_pool(dsn, 2) as pool:
        await apply_documents(Environment(1, pool, clock.now), [{"flags": flags}], Edit("benchmark", clock.now()))


def _post(path: str, key: str, body: object) -> bytes:
    return request("POST", path, key, json.dumps(body).encode())


def http_process(root: int) -> int:
    """The process under `root` that serves HTTP.

    It is the one with the most memory among those without children."""
    parents = {int(stat.parent.name): int(_stat(stat)[1]) for stat in Path("/proc").glob("[0-9]*/stat")}
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return max(family - set(parents.values()), key=_resident)


def _stat(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "0"]  # it has ended


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def _latencies(name: str, found: list[float]) -> None:
    ordered = sorted(found)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    _line(name, f"p50 {p50:.2f}  p99 {p99:.2f} ms, of {len(ordered):,}")


def _line(name: str, text: str) -> None:
    print(f"{name:52}{text}", flush=True)


if __name__ == "__main__":
    main()
