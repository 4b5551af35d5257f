"""Signed tokens in stream URLs, because a browser's EventSource sends no API key.

Shape   issue(keyring, token) → text for a URL · redeem(keyring, text, now) → StreamToken and its key
Units   A window is six hours. A token is valid in the window it was issued in and in the next.
Laws    A token opens only the stream of one context, and nothing once its key is revoked or expired.
        It is signed with the stored hash of the key, so every process can verify it and nothing else is stored.
        The same question in the same window gets the same token, except for `mark`.
Errors  Forbidden INVALID_STREAM_TOKEN
Source  docs/decisions/0019-change-streams.md
"""

import hmac
from typing import Any

import msgspec

from tinycdp.errors import Forbidden
from tinycdp.model import Instant
from tinycdp.opaque import Unreadable, bytes_of, decoded, exact, text_of
from tinycdp.runtime.access.keys import Key, Keyring

WINDOW_MS = 6 * 60 * 60 * 1000
#: Characters of the context as JSON. Proxies accept URLs of about 8 KB.
LONGEST_CONTEXT = 4_096
_PURPOSE = b"tinycdp ofrep stream 1\0"
_SIGNATURE_LENGTH = 16


class StreamToken(msgspec.Struct, frozen=True, array_like=True):
    """The content of a token.

    mark   that of the answers sent with it
    local  the answers are a snapshot, and the context has nothing but the identifier, by its kind"""

    key_id: int
    window: int
    context: dict[str, Any]
    mark: int
    local: bool = False

    @property
    def scope(self) -> bytes:
        """Everything but the mark. Answers with the same scope can reuse a token."""
        scope = (self.key_id, self.window, self.context)
        return _encode((*scope, True) if self.local else scope)


_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_DECODER = msgspec.json.Decoder(StreamToken, float_hook=exact)


def window_of(now: Instant) -> int:
    """The number of the window of an instant."""
    return now // WINDOW_MS


def fits(context: dict[str, Any]) -> bool:
    """Whether a token can hold the context."""
    return len(_encode(context)) <= LONGEST_CONTEXT


def issue(keyring: Keyring, token: StreamToken) -> str:
    """The signed token as text for a URL."""
    payload = _encode(token)
    found = keyring.by_id(token.key_id)
    secret = found[1] if found is not None else b""
    return f"{text_of(payload)}.{text_of(_signature(secret, payload))}"


def redeem(keyring: Keyring, text: str, now: Instant) -> tuple[StreamToken, Key]:
    """The token and the key it was issued for. Raises Forbidden if it is invalid or expired."""
    encoded, _, signature = text.partition(".")
    try:
        payload, signed = bytes_of(encoded), bytes_of(signature)
        token = decoded(payload, _DECODER)
    except Unreadable:
        raise _invalid() from None
    found = keyring.usable(token.key_id, now)
    if found is None or not hmac.compare_digest(_signature(found[1], payload), signed):
        raise _invalid()
    if abs(window_of(now) - token.window) > 1:  # one ahead is allowed: clocks of two machines differ
        raise _invalid()
    return token, found[0]


def _signature(secret: bytes, payload: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + payload, "sha256")[:_SIGNATURE_LENGTH]


def _invalid() -> Forbidden:
    return Forbidden("INVALID_STREAM_TOKEN", "The stream URL is invalid or has expired; evaluate the flags again.")
