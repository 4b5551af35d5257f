"""E-mail, handed to a real server: content, repetition with the same id, TLS, and what is refused."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from test_batches import put
from test_lanes import waits

from delivering import House
from postgres_over_tcp import certificate

if find_spec("aiosmtplib") is None or find_spec("aiosmtpd") is None:
    pytest.skip("needs aiosmtplib and aiosmtpd: pip install -r requirements-dev.lock", allow_module_level=True)

MAPPING = {
    "to": {"expr": "profile.email"},
    "subject": {"join": ["Welcome, ", {"expr": "profile.name"}]},
    "text": {"join": ["You are in ", {"field": "segment.key"}, " — hurray.\n.\nBye"]},
    "html": "<p>Hurray</p>",
}


class MailServer:
    """What arrived, and what is answered to the data of an e-mail: "" for what a server says that takes it."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.ids: list[str] = []
        self.answer = ""
        self.logins: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.ids.append(mail["Message-ID"])
        if self.answer:
            return self.answer
        self.mails.append(mail)
        return "250 taken"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        self.logins.append(data.password)
        return AuthResult(success=data.password == b"right", handled=False)


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    from aiosmtpd.smtp import SMTP

    running = MailServer()
    given: dict[str, Any] = {"require_starttls": tls is not None, "tls_context": tls}
    if tls is not None:
        given |= {"authenticator": running.login, "auth_required": True}
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(running, **given), "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()


def document_of(server: MailServer, **given: Any) -> dict[str, Any]:
    return {
        "type": "smtp", "host": "localhost", "port": server.port, "tls": "off", "from": "Shop <hello@shop.example>",
        "mapping": MAPPING, **given,
    }  # fmt: skip


async def enter(house: House, user: str, **traits: Any) -> None:
    await house.app.track({"type": "identify", "userId": user, "messageId": f"{user}-is", "traits": traits})
    await house.enter(user)


async def test_an_email_is_repeated_with_its_id_until_the_server_takes_it(house: House) -> None:
    async with mail_server() as server, house.delivering():
        server.answer = "451 try again later"
        await put(house, "mail", **document_of(server))
        await enter(house, "ada", email="ada@example.com", name="Ada\r\nBcc: eve@example.com")
        found = await waits(house, "mail", waiting=1)
        assert found["lastFailure"] == "The server answered 451."
        server.answer = ""
        house.clock.now += 6_000
        await waits(house, "mail", waiting=0, delivered=1)
        (mail,) = server.mails
        assert len(server.ids) == 2
        assert len(set(server.ids)) == 1
        assert server.ids[0].endswith("@shop.example>")
        assert (mail["From"], mail["To"]) == ("Shop <hello@shop.example>", "ada@example.com")
        assert mail["Subject"] == "Welcome, Ada Bcc: eve@example.com"
        assert mail["Bcc"] is None
        text = mail.get_body(("plain",))
        assert text is not None
        assert text.get_content().splitlines() == ["You are in went — hurray.", ".", "Bye"]
        # An address that cannot be one is tried again, as its person may be mended; others are sent.
        await enter(house, "bob", email="bob@example.com, eve@example.com", name="Bob")
        await enter(house, "cyd", email="cyd@example.com", name="Cyd")
        found = await waits(house, "mail", waiting=1, delivered=2)
        assert "`to` is no address" in found["lastFailure"]
        # A server that refuses one person takes the others: it is not away.
        server.answer = "550 no such mailbox"
        for n in range(6):
            await enter(house, f"user{n}", email=f"user{n}@example.com", name="x")
        await waits(house, "mail", waiting=7)
        server.answer = ""
        await enter(house, "dan", email="dan@example.com", name="Dan")
        await waits(house, "mail", delivered=3)


async def test_an_email_is_sent_to_the_server_of_the_document_alone(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, pem = certificate(tmp_path, "localhost")
    monkeypatch.setenv("DELIVERY_CA", pem)
    monkeypatch.setenv("DELIVERY_PASSWORD", "right")
    login = {"user": "shop", "password": {"env": "DELIVERY_PASSWORD"}}
    async with mail_server(context) as server:
        safe = document_of(server, tls="starttls", ca={"env": "DELIVERY_CA"}, **login)
        await put(house, "mail", **safe)
        await enter(house, "ada", email="ada@example.com", name="Ada")
        asked = {"type": "segment.entered", "profile": "1"}
        shown = await house.post("mail", "test", {**asked, "dryRun": True})
        assert (shown["body"]["to"], shown["body"]["subject"]) == ("ada@example.com", "Welcome, Ada")
        assert "right" not in str(shown)
        assert (await house.post("mail", "test", asked))["delivered"] is True
        assert server.logins == [b"right"]
        monkeypatch.setenv("DELIVERY_PASSWORD", "wrong")
        refused = await house.post("mail", "test", asked)
        assert (refused["status"], refused["error"]) == (535, "The server answered 535.")
        await put(house, "mail", 200, **{**safe, "host": "127.0.0.1"})
        refused = await house.post("mail", "test", asked)
        assert "certificate" in refused["error"].lower(), refused
        monkeypatch.delenv("DELIVERY_PASSWORD")
        assert "DELIVERY_PASSWORD is not set" in (await house.post("mail", "test", asked, 409))["message"]
        assert len(server.mails) == 1
        for path, wrong in (
            ("$.from", {"from": "Shop <hello>"}),
            ("$.from", {"from": "Shop\r\nBcc: x@example.com <hello@shop.example>"}),
            ("$.mapping", {"mapping": {"to": "x@example.com", "subject": "x"}}),
            ("$.mapping.bcc", {"mapping": {**MAPPING, "bcc": "x"}}),
            ("$.mapping.to", {"mapping": {**MAPPING, "to": {"expr": "nonsense("}}}),
            ("$.host", {"host": "smtp.example.com", "tls": "off"}),
            ("$.host", {"host": "10.0.0.1"}),
        ):
            answer = await put(house, "x", 400, **{**safe, **wrong})
            assert path in str(answer), answer
