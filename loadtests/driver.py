"""A small HTTP/1.1 load driver, faster than any server here.

It uses raw sockets on uvloop and prepared requests.

Shape   closed_loop(…): each connection sends its next request after the last answer: throughput and its latency.
        open_loop(…): requests are sent on schedule whether or not others were answered, so that queueing shows
Units   latencies in milliseconds, from when a request was due to when its answer was complete
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Outcome:
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    #: requests sent, including those of the backfill
    sent: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")

    @property
    def failures(self) -> int:
        return sum(n for status, n in self.statuses.items() if status != 200)


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection. It passes the status of each complete answer to `answered`."""

    def __init__(self, answered: Callable[["_Connection", int], None]) -> None:
        self.answered = answered
        self.due = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, data: bytes, due: float) -> None:
        self.due = due
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self.answered(self, int(head[9:12]))


async def closed_loop(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, backfill: float = 0.5
) -> Outcome:
    """Keep `connections` requests in flight for `seconds`, after a backfill that is not counted."""
    loop = asyncio.get_running_loop()
    outcome = Outcome()
    start = time.perf_counter() + backfill
    stop = start + seconds
    open_connections = connections
    done = asyncio.Event()

    def answered(connection: _Connection, status: int) -> None:
        nonlocal open_connections
        now = time.perf_counter()
        if start <= connection.due and now <= stop:
            outcome.latencies.append((now - connection.due) * 1000)
            outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        data = next(requests, None) if now < stop else None
        if data is None:
            connection.transport.close()
            open_connections -= 1
            if not open_connections:
                done.set()
        else:
            outcome.sent += 1
            connection.send(data, now)

    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(answered), "127.0.0.1", port)
        outcome.sent += 1
        connection.send(next(requests), time.perf_counter())
    await asyncio.wait_for(done.wait(), backfill + seconds + 30)
    # A finite workload may end early.
    outcome.seconds = min(stop, time.perf_counter()) - start
    return outcome


async def open_loop(
    port: int, requests: Iterator[bytes], per_second: float, seconds: float, connections: int = 32
) -> Outcome:
    """Send at a fixed rate.

    A request waits for a free connection, and its wait counts as latency."""
    loop = asyncio.get_running_loop()
    outcome = Outcome(seconds=seconds)
    free: asyncio.Queue[_Connection] = asyncio.Queue()

    def answered(connection: _Connection, status: int) -> None:
        outcome.latencies.append((time.perf_counter() - connection.due) * 1000)
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        free.put_nowait(connection)

    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(answered), "127.0.0.1", port)
        free.put_nowait(connection)
    start = time.perf_counter()
    for n in range(int(per_second * seconds)):
        due = start + n / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        (await free.get()).send(next(requests), due)
    for _ in range(connections):
        (await asyncio.wait_for(free.get(), 30)).transport.close()
    return outcome
