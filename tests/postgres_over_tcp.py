"""The tests' Postgres, which listens on a Unix socket alone, on a port of loopback: with TLS, and to be cut off.

Shape   `async with over_tcp(dsn, tls=…) as far` · far.port · far.cut(): it is away until far.listen() · far.vanish()
        certificate(folder, name) → (a context of a server, its certificate in PEM)
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_TLS_REQUEST = bytes.fromhex("0000000804d2162f")


class FarPostgres:
    """A port that leads to a socket."""

    def __init__(self, dsn: str, tls: ssl.SSLContext | None) -> None:
        found = parse_qs(urlsplit(dsn).query)
        self._socket = f"{found['host'][0]}/.s.PGSQL.{found['port'][0]}"
        self.database = urlsplit(dsn).path.removeprefix("/")
        self._tls = tls
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._copying: dict[asyncio.Future[list[None]], asyncio.StreamWriter] = {}

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections, and take none."""
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    def vanish(self) -> None:
        """The machine is gone without a farewell, as in a failover: what is open hangs, new connections work."""
        for copying, back in self._copying.items():
            copying.cancel()
            back.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self._tls is not None:
                assert await reader.readexactly(8) == _TLS_REQUEST
                writer.write(b"S")
                await writer.drain()
                plain = writer.transport
                try:
                    await writer.start_tls(self._tls)
                except AttributeError:  # the client refused, and Python 3.11 forgets what there is to close
                    writer._transport = plain  # type: ignore[attr-defined]
                    return
            there, back = await asyncio.open_unix_connection(self._socket)
            self._open.add(back)
            copying = asyncio.gather(copied(reader, back), copied(there, writer))
            self._copying[copying] = back
            with contextlib.suppress(asyncio.CancelledError):
                await copying

    async def close(self) -> None:
        await self.cut()


async def copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """All that comes from one side, to the other."""
    while part := await source.read(65_536):
        target.write(part)
        await target.drain()
    target.close()


@asynccontextmanager
async def over_tcp(dsn: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[FarPostgres]:
    far = FarPostgres(dsn, tls)
    await far.listen()
    try:
        yield far
    finally:
        await far.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A certificate for a name, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, pem.decode()
