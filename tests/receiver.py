"""A receiver of webhooks for tests: real HTTP on loopback, in this process or in one of its own.

Shape   `async with receiving(answer) as receiver` · receiver.url · receiver.requests: what arrived, in order
        python tests/receiver.py PORT FILE: appends "id person" of each request to a file, and answers 200
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web


@dataclass
class Request:
    """What arrived. path: as it was written, with its query"""

    headers: dict[str, str]
    raw: bytes
    method: str = "POST"
    path: str = ""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def person(self) -> str:
        return str(self.body["data"].get("profile", {}).get("id", ""))


Answer = Callable[[Request, web.Request], Awaitable[web.StreamResponse]]


async def ok(request: Request, raw: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


@dataclass
class Receiver:
    """Where it listens, what arrived, and what it answers: change `answer` at any time."""

    port: int
    answer: Answer
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def receiving(answer: Answer = ok) -> AsyncIterator[Receiver]:
    """A receiver that records, then answers."""
    receiver = Receiver(0, answer)

    async def handle(raw: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in raw.headers.items()}
        request = Request(headers, await raw.read(), raw.method, raw.raw_path)
        receiver.requests.append(request)
        return await receiver.answer(request, raw)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def main(port: int, path: Path) -> None:
    """Record to a file, until it is killed."""

    async def handle(raw: web.Request) -> web.Response:
        request = Request({name.lower(): value for name, value in raw.headers.items()}, await raw.read())
        with path.open("a") as file:
            # A line is begun by its newline, so that one cut short spoils no other.
            file.write(f"\n{request.id} {request.person}")
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
