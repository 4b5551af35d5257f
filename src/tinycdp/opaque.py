"""Texts that clients keep for us: cursors of pages, tokens of streams, links to files.

Shape   text_of(bytes) ↔ bytes_of(text), base64 for URLs · decoded(bytes, decoder) → what JSON of ours says
Laws    whatever a client sends, the answer is a value or Unreadable: no nesting, number or character raises another
        error. No text in the value has U+0000, which Postgres cannot compare
Errors  Unreadable
"""

import base64
import binascii
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Unreadable(ValueError):
    """The text is not one of ours."""


def text_of(raw: bytes) -> str:
    """Bytes as text for a URL."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """The bytes of such a text."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):  # the latter for what is not ASCII
        raise Unreadable from None


def exact(text: str) -> Decimal:
    """A number of JSON with a point or an exponent: the float_hook of decoders for `decoded`."""
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that Decimal cannot represent; not a ValueError
        raise Unreadable from None


def decoded(raw: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """The value of a JSON text."""
    if b"\\u0000" in raw:  # the only way in: JSON has no raw control characters
        raise Unreadable
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Unreadable from None
