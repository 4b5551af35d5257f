"""Where deliveries may go: the written list of tricks, each refused; and what is allowed."""

import asyncio
import socket
from typing import Any

import pytest

from tinycdp.products.delivery import reach as module
from tinycdp.products.delivery.reach import NotAllowed, Reach, is_public

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1",
    "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::1", "2001::1",
    "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::808:808"]

#: Every way to write what must not be reached.
TRICKS = {
    "a scheme without encryption": "http://example.com/",
    "another scheme": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:25/",
    "ftp": "ftp://example.com/",
    "no scheme": "example.com/hook",
    "no host": "https:///hook",
    "loopback": "https://127.0.0.1/",
    "loopback, short": "https://127.1/",
    "loopback, shorter": "https://127.0.1/",
    "loopback, decimal": "https://2130706433/",
    "loopback, hexadecimal": "https://0x7f000001/",
    "loopback, hexadecimal parts": "https://0x7f.0x0.0x0.0x1/",
    "loopback, octal": "https://0177.0.0.1/",
    "loopback, octal as one number": "https://017700000001/",
    "loopback, mixed": "https://0x7f.1/",
    "zero": "https://0/",
    "loopback with a dot at its end": "https://127.0.0.1./",
    "private": "https://10.0.0.1/",
    "carrier": "https://100.64.0.1/",
    "metadata": "https://169.254.169.254/latest/meta-data/",
    "metadata, decimal": "https://2852039166/",
    "metadata, hexadecimal": "https://0xa9fea9fe/",
    "IPv6 loopback": "https://[::1]/",
    "IPv6 unspecified": "https://[::]/",
    "IPv6 mapped": "https://[::ffff:127.0.0.1]/",
    "IPv6 mapped, hexadecimal": "https://[::ffff:7f00:1]/",
    "IPv6 compatible": "https://[::127.0.0.1]/",
    "IPv6 link-local": "https://[fe80::1]/",
    "IPv6 with a zone": "https://[fe80::1%25eth0]/",
    "IPv6 unique local": "https://[fd00:ec2::254]/",
    "NAT64": "https://[64:ff9b::7f00:1]/",
    "6to4": "https://[2002:7f00:1::]/",
    "Teredo": "https://[2001:0:7f00:1::]/",
    "a user that looks like a host": "https://example.com@127.0.0.1/",
    "a user": "https://user:password@example.com/",
    "a backslash": "https://example.com\\@127.0.0.1/",
    "a tab": "https://127.0.0\t.1/",
    "a new line": "https://example.com/\r\nHost: internal",
    "a space": "https:// 127.0.0.1/",
    "circled digits": "https://①②⑦.⓪.⓪.①/",
    "full-width digits": "https://１２７.０.０.１/",
    "an ideographic dot": "https://127。0。0。1/",
    "percent-encoded": "https://%31%32%37.0.0.1/",
    "a port of Redis": "https://example.com:6379/",
    "a port of SSH": "https://example.com:22/",
    "port 80": "https://example.com:80/",
    "port 0": "https://example.com:0/",
    "a port that cannot be": "https://example.com:99999/",
    "too long": "https://example.com/" + "x" * 2_000,
}


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_that_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_trick_is_refused(trick: str) -> None:
    with pytest.raises(NotAllowed):
        await Reach().check(TRICKS[trick])


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
async def test_a_name_of_this_machine_is_refused(name: str) -> None:
    with pytest.raises(NotAllowed):
        await Reach().check(f"https://{name}/")


def _answers(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let names resolve to these addresses, one list after another."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, *_: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found
        ]

    monkeypatch.setattr(module.socket, "getaddrinfo", getaddrinfo)


async def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
        await Reach().check("https://mixed.example/")


async def test_a_public_name_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, ["93.184.216.34", "2606:4700:4700::1111"])
    await Reach().check("https://public.example:443/hook?a=b")


async def test_an_unknown_name_may_be_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(module.socket, "getaddrinfo", getaddrinfo)
    await Reach().check("https://unknown.example/")


async def test_a_named_host_may_be_private_and_plain() -> None:
    named = Reach(frozenset({"127.0.0.1", "intern:8080"}), frozenset({443}))
    await named.check("http://127.0.0.1:9000/")
    assert named.place_of("http://intern:8080/").named
    for other in ("http://127.0.0.2/", "https://intern:8081/", "http://intern/", "ftp://127.0.0.1/"):
        with pytest.raises(NotAllowed):
            await named.check(other)


async def test_an_answer_that_changes_after_the_check_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is public when it is saved, and loopback when it is connected to."""
    from tinycdp.products.delivery.lanes.sender import Sender

    accepted = []
    listening = await asyncio.start_server(lambda reader, writer: accepted.append(writer.close()), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    reach = Reach(ports=frozenset({port}))
    _answers(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    sender = Sender(reach)
    try:
        await reach.check(f"https://changing.example:{port}/")
        result = await sender.send("POST", f"https://changing.example:{port}/", {}, b"{}")
    finally:
        await sender.close()
        listening.close()
        await listening.wait_closed()
    assert result.status is None
    assert "no public address" in result.error
    assert accepted == []


async def test_the_last_check_is_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if a resolver lets an address through, no socket is made for it."""
    from tinycdp.products.delivery.lanes import sender as sending

    accepted = []
    listening = await asyncio.start_server(lambda reader, writer: accepted.append(writer.close()), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    _answers(monkeypatch, ["127.0.0.1"])
    monkeypatch.setattr(sending, "resolve", sending.lookup)
    sender = sending.Sender(Reach(ports=frozenset({port})))
    try:
        result = await sender.send("POST", f"https://changing.example:{port}/", {}, b"{}")
    finally:
        await sender.close()
        listening.close()
        await listening.wait_closed()
    assert "no public address" in result.error
    assert accepted == []
