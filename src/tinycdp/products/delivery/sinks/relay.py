"""A way out for libraries that make their own connections: a proxy that checks addresses.

Shape   Relay(reach) · url(): what a library takes as its proxy · close()
Laws    it listens on loopback, and serves only who has the token. Each connection is made to an address that was
        checked right before
"""

import asyncio
import base64
import contextlib
import hmac
import secrets

from tinycdp.products.delivery.reach import HostToReach, NotAllowed, Reach, address_for

_CONNECT_SECONDS = 10.0
_PART = 65_536


class Relay:
    """A proxy that knows CONNECT alone."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._token = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._open: set[asyncio.Task[None]] = set()

    async def url(self) -> str:
        """Where it listens, with its token; it listens from now on."""
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://tinycdp:{self._token}@127.0.0.1:{port}"

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._through(reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # close() waits for this task, and nothing else does
        finally:
            self._open.discard(task)
            writer.close()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, _, rest = head[0].partition(" ")
            host, _, port = rest.partition(" ")[0].rpartition(":")
            if method != "CONNECT" or not self._is_ours(head[1:]):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            try:
                address = await address_for(self._reach, HostToReach("", host.strip("[]"), int(port)))
                there, back = await asyncio.open_connection(address, int(port))
            except NotAllowed:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            except OSError:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
        try:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()

    def _is_ours(self, headers: list[str]) -> bool:
        wanted = "Basic " + base64.b64encode(f"tinycdp:{self._token}".encode()).decode()
        given = (line.partition(":")[2].strip() for line in headers if line.lower().startswith("proxy-authorization:"))
        return any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """All that comes, and then that nothing comes any more."""
    while part := await source.read(_PART):
        target.write(part)
        await target.drain()
    with contextlib.suppress(OSError):
        if target.can_write_eof():
            target.write_eof()
