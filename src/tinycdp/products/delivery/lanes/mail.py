"""E-mail: what a mapping says becomes a message, which a server takes over.

Shape   mail_of(document, record) → MailMessage · send_mail(document, reach, …) → SendResult
Laws    an address or a subject with a line break in it adds no header. `Message-ID` is the same at every attempt.
        The address of the server is checked and connected to in one step; TLS asks for the name of the document
Errors  Unsendable: the mapping gives no e-mail, or a variable or the library is missing
Source  docs/reference/destinations.md
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

import msgspec

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.schemas import ADDRESS, SmtpDocument
from tinycdp.products.delivery.lanes.sender import SECONDS, SendResult, Unsendable
from tinycdp.products.delivery.mapping.formats import text_of
from tinycdp.products.delivery.reach import NotAllowed, Reach, address_for
from tinycdp.products.delivery.sinks.sink import SinkError, library, secret_of
from tinycdp.products.delivery.sinks.tls import context_for

EXTRA = "smtp"
_LONGEST_ADDRESS, _LONGEST_TITLE, _LONGEST_TEXT = 254, 500, 200_000
#: The server ends the connection.
_CLOSING = 421
_LONGEST_ANSWER = 1_000


class MailMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """An e-mail."""

    sender: str = msgspec.field(name="from")
    to: str
    subject: str
    text: str
    html: str = ""
    reply_to: str = msgspec.field(name="replyTo", default="")


def mail_of(document: SmtpDocument, record: Any) -> MailMessage:
    """The e-mail that a mapping made."""
    if not isinstance(record, dict):
        raise Unsendable("The mapping gives no object with to, subject and text.")
    to, reply_to = _text(record, "to"), _text(record, "replyTo") if "replyTo" in record else ""
    for name, address in (("to", to), ("replyTo", reply_to or to)):
        if ADDRESS.fullmatch(address) is None or len(address) > _LONGEST_ADDRESS:
            raise Unsendable(f"`{name}` is no address of e-mail, or not one of ASCII.")
    return MailMessage(
        sender=document.sender,
        to=to,
        subject=" ".join(_text(record, "subject").split())[:_LONGEST_TITLE],
        text=_text(record, "text"),
        html=_text(record, "html") if "html" in record else "",
        reply_to=reply_to,
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    text = text_of(record.get(name))
    if not text or not text.strip():
        raise Unsendable(f"The mapping gives no `{name}`; `where` leaves people out who have none.")
    if len(text) > _LONGEST_TEXT:
        raise Unsendable(f"`{name}` has {len(text):,} characters; at most {_LONGEST_TEXT:,} are sent.")
    return text.strip() if name != "text" else text


def id_header(document: SmtpDocument, id: str) -> str:
    """The `Message-ID` of a message."""
    return f"<{id}@{parseaddr(document.sender)[1].rpartition('@')[2]}>"


def date_header(now: Instant) -> str:
    """The `Date` of an attempt."""
    return format_datetime(datetime.fromtimestamp(now / 1000, UTC))


def _built(mail: MailMessage, headers: Mapping[str, str]) -> EmailMessage:
    name, address = parseaddr(mail.sender)
    built = EmailMessage()
    built["From"] = Address(display_name=name, addr_spec=address)
    built["To"] = Address(addr_spec=mail.to)
    if mail.reply_to:
        built["Reply-To"] = Address(addr_spec=mail.reply_to)
    built["Subject"] = mail.subject
    for header, value in headers.items():
        built[header] = value
    built["Auto-Submitted"] = "auto-generated"
    built.set_content(mail.text)
    if mail.html:
        built.add_alternative(mail.html, subtype="html")
    return built


async def send_mail(document: SmtpDocument, reach: Reach, mail: MailMessage, headers: Mapping[str, str]) -> SendResult:
    """Hand an e-mail to the server."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def result(status: int | None, error: str, answer: str = "", *, works: bool = False) -> SendResult:
        duration_ms = int((loop.time() - began) * 1000)
        return SendResult(status, error, answer[:_LONGEST_ANSWER], duration_ms, is_up=works)

    try:
        smtp = library("aiosmtplib", EXTRA)
        password = secret_of(document.password) if document.password is not None else ""
        context = context_for(document.host, document.ca) if document.tls != "off" else None
    except SinkError as missing:
        raise Unsendable(missing.reason) from None
    where, is_up, is_taken = f"{document.host}:{document.port}", False, False

    def failed(error: Exception) -> SendResult:
        if isinstance(error, NotAllowed):
            return result(None, f"The address is refused: {error}")
        if isinstance(error, TimeoutError):
            return result(None, f"The server did not answer within {SECONDS:.0f} seconds.")
        if isinstance(error, smtp.SMTPRecipientsRefused):
            error = error.recipients[0]
        if not isinstance(error, smtp.SMTPResponseException):
            return result(None, f"{where} cannot be reached: {error or type(error).__name__}")
        # A server may refuse one e-mail and take others; one that says so to all is away.
        works = is_up and error.code != _CLOSING
        status = error.code if works or error.code >= 500 else None
        return result(status, f"The server answered {error.code}.", str(error.message), works=works)

    try:
        async with asyncio.timeout(SECONDS):
            client = smtp.SMTP(
                hostname=await address_for(reach, document.hosts()[0]),
                port=document.port,
                use_tls=document.tls == "tls",
                start_tls=document.tls == "starttls",
                tls_context=context,
                local_hostname=parseaddr(mail.sender)[1].rpartition("@")[2],
                timeout=SECONDS,
            )
            async with client:
                if document.user:
                    await client.login(document.user, password)
                is_up = True
                await client.send_message(_built(mail, headers))
                is_taken = True
    except (NotAllowed, OSError, smtp.SMTPException) as error:
        if not is_taken:  # saying goodbye may fail
            return failed(error)
    return result(250, "")
