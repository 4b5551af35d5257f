"""From the bytes of a request to JSON: decompressed, bounded and storable.

Shape   punctual(receive) bounds the time in which a body arrives, for every route
        read_body (decompress) -> clean (make storable) -> decode_json, or `decode` with an adapter's decoder.
        unwrap, between the first two, is for a protocol that wraps JSON in forms and base64
Units   limits in bytes; BODY_SECONDS in seconds
Laws    memory is bounded by `limit`, whatever the compressed body claims to hold.
        Numbers are exact: integers stay int, everything else is a Decimal.
        What decodes can be stored in Postgres: no U+0000, no half surrogate pair, no number it cannot hold
Errors  InvalidInput with a code of `BodyFault`; TooLarge for BODY_TOO_LARGE; TooSlow for BODY_TOO_SLOW
Source  docs/reference/tracking.md "Bodies"
"""

import asyncio
import base64
import binascii
import re
import zlib
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from tinycdp.dsl.fields import in_words
from tinycdp.errors import InvalidInput, TooLarge, TooSlow

if TYPE_CHECKING:  # commands read bodies, too, without the framework
    from litestar.types import Receive

T = TypeVar("T")

BODY_LIMIT = 4 * 1024 * 1024
#: In which a body arrives, and a second more for so many bytes of it.
BODY_SECONDS = 30.0
BYTES_A_SECOND = 16 * 1024

#: The expression language has 38 digits, 9 of them fractional: it cannot hold numbers from here on.
NUMBER_LIMIT_EXPONENT = 29
NUMBER_LIMIT = 10**NUMBER_LIMIT_EXPONENT

# The smallest double is 5e-324; smaller numbers are zero to every client that computes with doubles.
_SMALLEST_EXPONENT = -400
_NUMBER_MAX_CHARACTERS = 1_000

_GZIP_MAGIC = b"\x1f\x8b"
_BASE64 = bytes.maketrans(b"-_ ", b"+/+")
_UTF8_BOM = b"\xef\xbb\xbf"


class BodyFault(StrEnum):
    """Why a whole body was rejected."""

    INVALID_GZIP = "INVALID_GZIP"
    INVALID_BASE64 = "INVALID_BASE64"
    UNSUPPORTED_ENCODING = "UNSUPPORTED_ENCODING"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    INVALID_JSON = "INVALID_JSON"
    INVALID_BODY = "INVALID_BODY"
    NUMBER_OUT_OF_RANGE = "NUMBER_OUT_OF_RANGE"
    TOO_DEEP = "TOO_DEEP"
    TOO_MANY_EVENTS = "TOO_MANY_EVENTS"


def punctual(receive: "Receive") -> "Receive":
    """`receive`, which raises TooSlow if the body does not arrive in time.

    What has arrived lengthens the time: a large file is read for as long as it takes, and silence is not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BODY_SECONDS
    complete = expired = False

    async def bounded() -> Any:
        nonlocal deadline, complete, expired
        if complete:  # what comes now says that the client has gone: streams wait for it
            return await receive()
        reader = asyncio.current_task()
        assert reader is not None

        def expire() -> None:
            nonlocal expired
            expired = reader.cancel()

        timer = loop.call_at(deadline, expire)  # asyncio.timeout takes twice as long
        try:
            message: Any = await receive()
        except asyncio.CancelledError:
            if expired and reader.uncancel() == 0:
                raise TooSlow("BODY_TOO_SLOW", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
            raise
        finally:
            timer.cancel()
        complete = not message.get("more_body", False)
        deadline += len(message.get("body", b"")) / BYTES_A_SECOND
        return message

    return bounded


def read_body(raw: bytes, content_encoding: str | None, limit: int = BODY_LIMIT) -> bytes:
    """The body, decompressed if it is gzip by its header or its first two bytes, or deflate.

    SDKs for browsers send gzip as text/plain without a header, and no JSON text begins with those two bytes.
    """
    if len(raw) > limit:
        raise too_large(limit, len(raw))
    encoding = (content_encoding or "").strip().lower()
    if encoding in {"gzip", "x-gzip"} or raw.startswith(_GZIP_MAGIC):
        return _inflate(raw, limit, zlib.MAX_WBITS | 16)
    if encoding == "deflate":
        return _inflate(raw, limit, zlib.MAX_WBITS)
    if encoding not in {"", "identity"}:
        raise InvalidInput(
            BodyFault.UNSUPPORTED_ENCODING,
            f"Content-Encoding {encoding[:40]!r} is not supported; send gzip, deflate or none.",
        )
    return raw


def unwrap(body: bytes, limit: int = BODY_LIMIT) -> bytes:
    """The JSON in a body that may be a form with a field `data`, base64, or gzip in base64.

    Browsers send such forms without a preflight request, for which a page that is being closed has no time.
    """
    text = body.strip()
    if text.startswith(b"data="):
        text = unquote_to_bytes(text[len(b"data=") :].partition(b"&")[0].replace(b"+", b" ")).strip()
    if text[:1] in {b"{", b"["} or text.startswith(_UTF8_BOM):
        return text
    # Base64 has no spaces: a "+" was not escaped. Padding is often lost, and some clients use the URL-safe alphabet.
    text = text.translate(_BASE64).rstrip(b"=")
    try:
        raw = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise InvalidInput(BodyFault.INVALID_BASE64, "The body is neither JSON nor base64 of JSON.") from None
    return read_body(raw, None, limit)


def decode_json(raw: bytes) -> Any:
    """The value of a JSON text, with exact numbers."""
    return decode(_JSON, clean(raw))


def clean(raw: bytes) -> bytes:
    """The JSON text without a byte order mark, and with U+FFFD for every escaped U+0000.

    Postgres cannot store U+0000. Replacing it keeps the event; rejecting it would lose the event for a stray byte.
    """
    if raw.startswith(_UTF8_BOM):
        raw = raw[len(_UTF8_BOM) :]
    return _replace_unstorable(raw) if b"\\u0000" in raw else raw


def decode(decoder: "msgspec.json.Decoder[T]", raw: bytes) -> T:
    """Decode a clean text; raises InvalidInput with the place of an error."""
    try:
        return _decode(decoder, raw)
    except msgspec.DecodeError:
        # Browsers cut strings in the middle of an emoji, which leaves half a surrogate pair: not valid Unicode.
        # The replacement has the same length, so offsets stay correct.
        replaced = _replace_unstorable(raw)
    try:
        return _decode(decoder, replaced)
    except msgspec.DecodeError as error:
        reason, _, place = str(error).removeprefix("JSON is malformed: ").partition(" (byte ")
        raise _malformed(raw, int(place.rstrip(")")) if place else len(raw), reason) from None


def number(text: str) -> Decimal:
    """The exact value of a JSON number with a point or an exponent.

    Raises ValueError if it is out of range."""
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent that Decimal cannot represent
        value = Decimal("-Infinity") if "e-" not in text.lower() else Decimal(0)
    if not value:
        return Decimal(0)
    if not value.is_finite() or value.adjusted() >= NUMBER_LIMIT_EXPONENT or len(text) > _NUMBER_MAX_CHARACTERS:
        raise ValueError(f"number out of range: {text[:40]}")
    return value if value.adjusted() > _SMALLEST_EXPONENT else Decimal(0)


_JSON: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder(float_hook=number)


def _inflate(raw: bytes, limit: int, wbits: int) -> bytes:
    inflater = zlib.decompressobj(wbits=wbits)
    try:
        # One byte beyond the limit is enough to know; the rest of a zip bomb is never decompressed.
        body = inflater.decompress(raw, limit + 1)
    except zlib.error:
        message = "The body is sent as compressed, and cannot be decompressed. Send plain JSON, or all of the gzip."
        raise InvalidInput(BodyFault.INVALID_GZIP, message) from None
    if len(body) > limit:
        raise too_large(limit)
    if not inflater.eof:
        raise InvalidInput(BodyFault.INVALID_GZIP, "The compressed body is truncated.")
    if inflater.unused_data:
        raise InvalidInput(BodyFault.INVALID_GZIP, "The compressed body is followed by other bytes.")
    return body


def too_large(limit: int, size: int | None = None) -> TooLarge:
    """The error of a body above the limit. size: its bytes, where they are known before all of it was read"""
    has = f"has {size:,} bytes" if size is not None else "is larger"
    message = f"The body {has}; the limit is {limit:,} bytes, also after decompression. Send less in one request."
    return TooLarge(BodyFault.BODY_TOO_LARGE, message, limit=limit, **({} if size is None else {"size": size}))


def _decode(decoder: "msgspec.json.Decoder[T]", raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise InvalidInput(BodyFault.TOO_DEEP, "The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise _invalid_utf8(raw) from None
    except msgspec.ValidationError as error:
        if "out of range" in str(error):  # the decoder says it of `number`, too
            message = f"A number is out of range: below 1e{NUMBER_LIMIT_EXPONENT} can be held exactly."
            raise InvalidInput(BodyFault.NUMBER_OUT_OF_RANGE, message) from None
        path, what = in_words(error, decoder.type, msgspec.json.decode(raw))
        raise InvalidInput(BodyFault.INVALID_BODY, f"{path}: {what}", path=path) from None


def _invalid_utf8(raw: bytes) -> InvalidInput:
    try:
        raw.decode()
        offset = 0
    except UnicodeDecodeError as error:
        offset = error.start
    return _malformed(raw, offset, "UTF-8")


#: What the decoder found wrong, in words: what belongs there instead.
_INSTEAD = {
    "object keys must be strings": "a field's name has double quotes",
    "trailing comma in object": "the comma before it is one too many",
    "trailing comma in array": "the comma before it is one too many",
    "trailing characters": "the JSON has ended before it",
    "expected ':'": "a colon belongs there",
    "expected ',' or '}'": "a comma or `}` belongs there",
    "expected ',' or ']'": "a comma or `]` belongs there",
    "invalid number": "a number cannot be written so",
    "UTF-8": "text is UTF-8",
}


def _malformed(raw: bytes, offset: int, reason: str) -> InvalidInput:
    if reason == "trailing characters" or (offset >= len(raw) and reason != "Input data was truncated"):
        offset = max(offset - 1, 0)  # the decoder is one character further
    line = raw.count(b"\n", 0, offset) + 1
    column = offset - raw.rfind(b"\n", 0, offset)
    message = "The body is empty; send JSON."
    if raw.strip():
        instead = f": {_INSTEAD[reason]}" if reason in _INSTEAD else ""
        message = f"The body is not JSON: found {_found_at(raw, offset)} at line {line}, column {column}{instead}."
    return InvalidInput(BodyFault.INVALID_JSON, message, byte=offset, line=line, column=column)


def _found_at(raw: bytes, offset: int) -> str:
    """What a message says is at a byte: the character, or the end."""
    if offset >= len(raw):
        return "the end, before it is complete,"
    first = raw[offset : offset + 4].decode("utf-8", "replace")[:1]
    return f"`{first}`" if first.isprintable() and first not in "`\ufffd" else f"the byte 0x{raw[offset]:02x}"


# An odd run of backslashes before the "u" is an escape; an even one is text. Possessive, so that many backslashes cost
# one pass. Complete pairs are matched, too, so that neither half of one is mistaken for a lone half.
_ESCAPE = re.compile(
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
)


def _replace_unstorable(raw: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: found[0] if found[2] else found[1] + b"\\ufffd", raw)
