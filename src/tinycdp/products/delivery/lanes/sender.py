"""One HTTP request of a delivery, to an address that was checked.

Shape   Sender(reach).send(url, headers, body) → Result; never raises for what a receiver does
Laws    each connection goes to an address that was checked for it; redirects are not followed; no proxies, no cookies;
        at most ANSWER_BYTES of an answer are read, within SECONDS. What is said of a failure has no URL in it
Source  docs/decisions/0045-delivery.md: why this client
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from tinycdp import __version__
from tinycdp.products.delivery.reach import NotAllowed, Reach, is_public, lookup, resolve

SECONDS = 15.0
ANSWER_BYTES = 16_384
_SHOWN_CHARACTERS = 1_000
_KEEP_ALIVE_SECONDS = 30.0
#: A receiver that asks for more is asked again after this time.
_LONGEST_PAUSE_SECONDS = 3600
#: The beginning of an answer is shown as it comes, so it must not be compressed.
_HEADERS = {"User-Agent": f"TinyCDP/{__version__} (webhooks)", "Accept-Encoding": "identity"}


class Unsendable(Exception):
    """Why a message cannot be sent: it is tried again, because a document or a variable may be mended meanwhile."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a request.

    status   None without an answer · error: why it failed, "" if it did not
    is_ours  it was not sent: the receiver has no part in it
    is_gone  the receiver wants nothing any more
    is_up    the receiver works, though its status is one of servers in trouble"""

    status: int | None
    error: str
    answer: str
    duration_ms: int
    retry_after: float | None = None
    is_ours: bool = False
    is_gone: bool = False
    is_up: bool = False

    @property
    def is_delivered(self) -> bool:
        return not self.error

    @property
    def is_slow(self) -> bool:
        """The receiver asks for less."""
        return bool(self.error) and (self.status in (429, 502, 503, 504) or self.retry_after is not None)

    @property
    def is_away(self) -> bool:
        """The receiver does not work, whatever it is sent."""
        is_in_trouble = self.status is None or self.status >= 500 or self.status == 429
        return bool(self.error) and not (self.is_ours or self.is_up) and is_in_trouble


class _NotAllowed(OSError):
    """A refused address, as what the client expects of a resolver."""


class _Resolver(AbstractResolver):
    def __init__(self, *, only_public: bool) -> None:
        self._look = resolve if only_public else lookup

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> Any:
        try:
            found = await self._look(host.rstrip("."), port, family)
        except NotAllowed as error:
            raise _NotAllowed(str(error)) from None
        return [
            {"hostname": host, "host": address[0], "port": port, "family": kind, "proto": proto, "flags": 0}
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        pass


def _public_socket(info: Any) -> socket.socket:
    """A socket for one address: the last thing that happens before a connection."""
    family, kind, proto, _, address = info
    if not is_public(address[0]):
        raise _NotAllowed(f"{address[0]} is no public address.")
    return socket.socket(family, kind, proto)


def _session(*, only_public: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=0,  # the lanes limit
        resolver=_Resolver(only_public=only_public),
        socket_factory=_public_socket if only_public else None,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None),
    )


class Sender:
    """Sends requests of all lanes of a process."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        is_encoded: bool = False,
        seconds: float | None = None,
    ) -> SendResult:
        """Send a request, and read the beginning of its answer. An empty body is not sent.

        is_encoded: the URL is sent as it is · seconds: until it is given up, SECONDS if left out"""
        began = time.monotonic()
        patience = SECONDS if seconds is None else seconds

        def result(status: int | None, error: str, answer: str = "", retry_after: float | None = None) -> SendResult:
            return SendResult(status, error, answer, int((time.monotonic() - began) * 1000), retry_after)

        try:
            place = self._reach.place_of(url, is_encoded=is_encoded)
            session = self._sessions.get(place.named)
            if session is None:
                session = self._sessions[place.named] = _session(only_public=not place.named)
            async with asyncio.timeout(patience):
                async with session.request(
                    method, place.url, data=body or None, headers={**_HEADERS, **headers}, allow_redirects=False
                ) as answer:
                    text = await _beginning(answer)
                    error = "" if 200 <= answer.status < 300 else _said(answer.status)
                    return result(answer.status, error, text, wait_asked_for(answer.headers.get("Retry-After")))
        except NotAllowed as error:
            return result(None, f"The address is refused: {error}")
        except TimeoutError:
            return result(None, f"The receiver did not answer within {patience:.0f} seconds.")
        except Exception as failure:  # whatever the client makes of an answer is the receiver's failure
            if (why := _not_allowed_in(failure)) is not None:
                return result(None, f"The address is refused: {why}")
            return result(None, reason_of(failure))


def reason_of(failure: Exception) -> str:
    """Why a request failed, without its URL: that may have values of people, and of variables."""
    said = failure.message if isinstance(failure, aiohttp.ClientResponseError) else str(failure)
    line = said.partition("\n")[0].replace("\x00", "\ufffd").strip()
    if not line or "://" in line:
        return type(failure).__name__
    return f"{type(failure).__name__}: {line}"[:_SHOWN_CHARACTERS]


def _not_allowed_in(failure: BaseException | None) -> str | None:
    """Why an address was refused, if that is what a failure came from."""
    while failure is not None:
        if isinstance(failure, _NotAllowed):
            return str(failure)
        failure = failure.__cause__ or failure.__context__
    return None


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """The beginning of an answer; the connection of a longer one is closed."""
    read = b""
    while len(read) < ANSWER_BYTES:
        part = await answer.content.read(ANSWER_BYTES - len(read))
        if not part:
            return _shown(read)
        read += part
    answer.close()
    return _shown(read)


def _shown(read: bytes) -> str:
    """Text that Postgres can hold."""
    return read[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "replace").replace("\x00", "\ufffd")[:_SHOWN_CHARACTERS]


def _said(status: int) -> str:
    if 300 <= status < 400:
        return f"The receiver answered {status}; redirects are not followed."
    return f"The receiver answered {status}."


def wait_asked_for(value: str | None) -> float | None:
    """The seconds that a receiver asks to wait, an hour at most."""
    if value is None:
        return None
    try:
        return float(min(max(0, int(value)), _LONGEST_PAUSE_SECONDS))
    except ValueError:  # a date, or thousands of digits
        pass
    try:
        at = parsedate_to_datetime(value)
        return min(max(0.0, at.timestamp() - _wall()), _LONGEST_PAUSE_SECONDS)
    except (ValueError, TypeError, OverflowError):
        return None


def _wall() -> float:
    from tinycdp.runtime import clock  # noqa: PLC0415 - a date is compared with the wall, whatever the lanes' clock

    return clock.now() / 1000
