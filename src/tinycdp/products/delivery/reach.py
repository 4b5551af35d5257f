"""Which addresses deliveries may reach: public ones, and hosts that the operator names.

Shape   Reach(private_hosts, ports) · place_of(url) → UrlPlace · check(url), also resolves the name · is_public(address)
        HostToReach: the same of what is not HTTP · address_for(reach, host) → the address to connect to
Laws    every address that a name resolves to has to be public, else none is used. Each connection checks the address it
        connects to, so an answer that changes after a check changes nothing.
        What reads the URL here is what the client reads it with
Errors  NotAllowed, with what to do
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from yarl import URL

from tinycdp.settings import Settings

#: What is no part of a URL, as clients write it: also what some resolvers read as a slash.
_UNFIT = re.compile(r"[^!-~]|\\")
_LONGEST = 2_000
_PATIENCE_SECONDS = 2.0
#: Names are looked up in threads of their own: one that takes long does not hold up others.
_threads = ThreadPoolExecutor(32, "resolver")

_GLOBAL = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: What `is_global` takes for public, in some version of Python: protocols, relays of 6to4, Teredo and 6to4, which have
#: an IPv4 address in them, and examples.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)


class NotAllowed(Exception):
    """An address that deliveries must not reach."""


@dataclass(frozen=True, slots=True)
class UrlPlace:
    """Where a URL leads. named: a host that the operator allows to be private"""

    url: URL
    host: str
    port: int
    named: bool


@dataclass(frozen=True, slots=True)
class HostToReach:
    """Where a connection that is not HTTP is to lead.

    path           of the field of a document that says so
    usual          a port that is allowed as well
    named_because  why only a host is used that the operator names; "" if any public one is"""

    path: str
    host: str
    port: int
    usual: int | None = None
    named_because: str = ""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and not found.is_reserved and not _is_special(found)
    if found.scope_id is not None:
        return False
    if found in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return found in _GLOBAL and found.is_global and not _is_special(found)


def _is_special(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(found in network for network in _SPECIAL)


def _literal(host: str) -> str | None:
    """The address that a host is in any notation, None for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:  # 127.1, 2130706433, 0x7f.0.0.1, 0177.0.0.1: as the resolver reads them
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Reach:
    """What an installation allows."""

    private_hosts: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({443})

    @staticmethod
    def of(settings: Settings) -> "Reach":
        """What these settings allow."""
        hosts = {host.strip().lower() for host in (settings.delivery_private_hosts or "").split(",")} - {""}
        ports = {int(port) for port in settings.delivery_ports.split(",") if port.strip()}
        return Reach(frozenset(hosts), frozenset(ports))

    def place_of(self, text: str, *, is_encoded: bool = False) -> UrlPlace:
        """Where a URL leads, unless its form says already that it must not. is_encoded: it stays as it is"""
        if len(text) > _LONGEST:
            raise NotAllowed(f"a URL has at most {_LONGEST:,} characters.")
        if _UNFIT.search(text):
            raise NotAllowed("a URL has no spaces, backslashes or letters beyond ASCII; write names in Punycode.")
        try:
            url = URL(text, encoded=is_encoded)
            host, port = (url.host or "").rstrip(".").lower(), url.port
        except ValueError as wrong:
            raise NotAllowed(f"it is no URL: {wrong}.") from None
        if not host or port is None or "%" in host:
            raise NotAllowed("it has no host; write https://host/path.")
        if url.user is not None or url.password is not None:
            raise NotAllowed("a URL has no user and no password; use a header.")
        if self._names(host, port):
            if url.scheme not in ("https", "http"):
                raise NotAllowed(f"the scheme is {url.scheme!r}; use https or http.")
            return UrlPlace(url, host, port, named=True)
        if url.scheme != "https":
            raise NotAllowed(f"the scheme is {url.scheme!r}; use https.")
        if port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise NotAllowed(f"port {port} is not allowed; use {allowed}. The operator sets TINYCDP_DELIVERY_PORTS.")
        if (address := _literal(host)) is not None and not is_public(address):
            raise _not_public(host, address)
        return UrlPlace(url, host, port, named=False)

    def place_for(self, to: HostToReach) -> UrlPlace:
        """Where a connection leads that is not HTTP."""
        if to.named_because and not self._names(to.host.rstrip(".").lower(), to.port):
            raise NotAllowed(
                f"{to.host}:{to.port} is not among the hosts that the operator names in "
                f"TINYCDP_DELIVERY_PRIVATE_HOSTS: {to.named_because}."
            )
        ports = self.ports if to.usual is None else self.ports | {to.usual}
        host = f"[{to.host}]" if ":" in to.host else to.host
        return replace(self, ports=ports).place_of(f"https://{host}:{to.port}/")

    def _names(self, host: str, port: int) -> bool:
        return host in self.private_hosts or f"{host}:{port}" in self.private_hosts

    async def check(self, text: str) -> None:
        """Refuse a URL that leads to an address that is not public. A name that is unknown now is not refused."""
        await _check(self.place_of(text))

    async def check_host(self, to: HostToReach) -> None:
        """The same of a connection that is not HTTP."""
        await _check(self.place_for(to))


async def _check(place: UrlPlace) -> None:
    if not place.named:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await resolve(place.host, place.port)
        except (OSError, TimeoutError):
            return


async def lookup(host: str, port: int, family: int = socket.AF_UNSPEC) -> Sequence[Any]:
    """The addresses of a name, whatever they are."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    )


async def resolve(host: str, port: int, family: int = socket.AF_UNSPEC) -> Sequence[Any]:
    """The addresses of a name, all of them public."""
    found = await lookup(host, port, family)
    for *_, address in found:
        if not is_public(address[0]) or (len(address) > 3 and address[3] != 0):
            raise _not_public(host, address[0])
    return found


async def address_for(reach: Reach, to: HostToReach) -> str:
    """The address to connect to, checked now."""
    place = reach.place_for(to)
    found = await (lookup if place.named else resolve)(place.host, place.port)
    return str(found[0][4][0])


def _not_public(host: str, address: str) -> NotAllowed:
    named = f"{host} is" if host != address else "this is"
    return NotAllowed(
        f"{named} {address}, which is no public address. The operator can name hosts that may be private in "
        "TINYCDP_DELIVERY_PRIVATE_HOSTS."
    )
