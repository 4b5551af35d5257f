"""One stream of server-sent events, against a client that reads, does not read, or goes."""

import asyncio
from typing import Any

from tinycdp.api.http.sse import Outlet

OPENED = b"retry: 2000\n\n"


class Client:
    """The far end of a connection. While `reads` is not set, nothing more is taken."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.body = b""
        self.over = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.heard = asyncio.Event()

    async def expects(self, text: bytes) -> None:
        while text not in self.body:
            self.heard.clear()
            await self.heard.wait()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if self.gone.is_set():
            raise BrokenPipeError
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.body += message["body"]
        self.heard.set()
        if not message["more_body"]:
            self.over.set()


def served(outlet: Outlet, client: Client) -> "asyncio.Task[None]":
    return asyncio.create_task(outlet.serve(client.receive, client.send, 2_000))


async def test_everything_is_sent_in_its_order_and_nothing_after_the_end() -> None:
    outlet, client = Outlet(100), Client()
    outlet.write(b"data: before\n\n")  # while the connection is being opened
    serving = served(outlet, client)
    outlet.write(b"data: 1\n\n")
    outlet.end(b": done\n\n")
    outlet.write(b"data: 2\n\n")
    outlet.end(b": again\n\n")
    await client.over.wait()
    assert (client.status, client.body) == (200, OPENED + b"data: before\n\ndata: 1\n\n: done\n\n")
    assert outlet.idle
    client.gone.set()
    await serving


async def test_a_client_that_does_not_read_is_cut_off_with_the_reason() -> None:
    outlet, client = Outlet(20), Client()
    client.reads.clear()
    serving = served(outlet, client)
    for n in range(5):
        outlet.write(b"data: %d\n\n" % n)
    assert not outlet.idle
    client.reads.set()
    await client.over.wait()
    assert client.body.startswith(OPENED + b": too slow")
    assert b"data" not in client.body
    client.gone.set()
    await serving


async def test_a_client_that_reads_takes_any_amount() -> None:
    outlet, client = Outlet(20), Client()
    serving = served(outlet, client)
    for n in range(50):
        outlet.write(b"data: %d\n\n" % n)
        await client.expects(b"data: %d\n\n" % n)
    outlet.end()
    await client.over.wait()
    assert client.body.count(b"data: ") == 50
    client.gone.set()
    await serving


async def test_a_client_that_has_gone_is_no_failure() -> None:
    outlet, client = Outlet(100), Client()
    serving = served(outlet, client)
    outlet.write(b"data: 1\n\n")
    await client.expects(b"data: 1\n\n")
    client.gone.set()
    outlet.write(b"data: 2\n\n")
    await serving
    assert client.body == OPENED + b"data: 1\n\n"
