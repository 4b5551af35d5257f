"""Tickets: what the address of a stream says, signed, because a browser's EventSource sends no key.

Shape   issue(keyring, ticket) → text for a URL · redeem(keyring, text, now) → Ticket
Units   a window is six hours; a ticket opens streams in the window it was issued in and in the next
Laws    a ticket opens nothing but the stream of one person in one context, and nothing once its key is revoked: it is
        signed with what Postgres keeps of the key, so that every process can read it and nothing else has to be kept.
        The same question in the same window gets the same ticket, but for `mark`
Errors  Forbidden INVALID_TICKET
Source  docs/decisions/0019-pushes.md
"""

import base64
import binascii
import hmac
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.errors import Forbidden
from tinycdp.model import Instant
from tinycdp.runtime.access.keys import Key, Keyring

WINDOW_MS = 6 * 60 * 60 * 1000
#: Of the context as JSON. It stands in a URL, and proxies take some 8 KB of one.
LONGEST_CONTEXT = 4_096
_PURPOSE = b"tinycdp ofrep stream 1\0"
_SIGNATURE_LENGTH = 16


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """mark  of the answers that came with the ticket"""

    key_id: int
    window: int
    context: dict[str, Any]
    mark: int

    @property
    def scope(self) -> bytes:
        """Everything but the mark: two answers that bring the same scope need not bring a new ticket."""
        return _encode((self.key_id, self.window, self.context))


_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_decode = msgspec.json.Decoder(Ticket, float_hook=Decimal).decode


def window_of(now: Instant) -> int:
    return now // WINDOW_MS


def fits(context: dict[str, Any]) -> bool:
    """Whether a ticket can hold the context."""
    return len(_encode(context)) <= LONGEST_CONTEXT


def issue(keyring: Keyring, ticket: Ticket) -> str:
    """The ticket as it stands in a URL."""
    payload = _encode(ticket)
    found = keyring.by_id(ticket.key_id)
    secret = found[1] if found is not None else b""
    return f"{_text(payload)}.{_text(_signature(secret, payload))}"


def redeem(keyring: Keyring, text: str, now: Instant) -> tuple[Ticket, Key]:
    """The ticket, and the key that asked for it."""
    encoded, _, signature = text.partition(".")
    try:
        payload, signed = _bytes(encoded), _bytes(signature)
        ticket = _decode(payload)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _refused() from None
    found = keyring.by_id(ticket.key_id)
    if found is None or not hmac.compare_digest(_signature(found[1], payload), signed):
        raise _refused()
    if abs(window_of(now) - ticket.window) > 1:  # one ahead: the clocks of two machines
        raise _refused()
    return ticket, found[0]


def _signature(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + payload, "sha256")[:_SIGNATURE_LENGTH]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _refused() -> Forbidden:
    return Forbidden("INVALID_TICKET", "This address has expired, or is not ours: evaluate the flags again.")
