"""Signed links to exports, which a browser opens without an API key.

Shape   DOWNLOADS, EXPORTS: the links of one kind; issue(keyring, link) → text for a URL ·
        redeem(keyring, text, now) → the link and its key
Units   a link is valid for VALID_MS at least, and for twice that at most, so that it is the same for a while
Laws    a link opens one file, and nothing once its key is revoked or expired. It is signed with the stored hash of the
        key, so every process can verify it and nothing else is stored
Errors  Forbidden INVALID_DOWNLOAD_LINK
Source  docs/reference/export.md, docs/reference/exports.md
"""

import hmac
from typing import Generic, TypeVar

import msgspec

from tinycdp.errors import Forbidden
from tinycdp.model import HOUR_MS, Instant
from tinycdp.opaque import Unreadable, bytes_of, decoded, text_of
from tinycdp.runtime.access.keys import Key, Keyring

VALID_MS = HOUR_MS
#: How long a link to an export is valid at most.
EXPORT_HOURS = 168


class DownloadLink(msgspec.Struct, frozen=True, array_like=True):
    """The content of a link. file: a segment's key and the format."""

    key_id: int
    until: Instant
    file: str


class ExportLink(msgspec.Struct, frozen=True, array_like=True):
    """The content of a link to the file of an export."""

    key_id: int
    until: Instant
    export_id: int


def link_to(key_id: int, file: str, now: Instant) -> DownloadLink:
    """A link that is valid from now on."""
    return DownloadLink(key_id, (now // VALID_MS + 2) * VALID_MS, file)


_encode = msgspec.json.Encoder().encode
_Link = TypeVar("_Link", DownloadLink, ExportLink)


class SignedLinks(Generic[_Link]):
    """Links of one kind.

    purpose     no link of one kind opens what another kind does
    longest_ms  how long one is valid at most"""

    def __init__(self, kind: type[_Link], purpose: bytes, longest_ms: int) -> None:
        self._longest_ms = longest_ms
        self._decoder: msgspec.json.Decoder[_Link] = msgspec.json.Decoder(kind)
        self._purpose = purpose

    def issue(self, keyring: Keyring, link: _Link) -> str:
        """The signed link as text for a URL."""
        payload = _encode(link)
        found = keyring.by_id(link.key_id)
        return f"{text_of(payload)}.{text_of(self._signature(found[1] if found is not None else b'', payload))}"

    def redeem(self, keyring: Keyring, text: str, now: Instant) -> tuple[_Link, Key]:
        """The link and the key it was issued for. Raises Forbidden if it is invalid or expired."""
        encoded, _, signature = text.partition(".")
        try:
            payload, signed = bytes_of(encoded), bytes_of(signature)
            link = decoded(payload, self._decoder)
        except Unreadable:
            raise _invalid() from None
        found = keyring.usable(link.key_id, now)
        if found is None or not hmac.compare_digest(self._signature(found[1], payload), signed):
            raise _invalid()
        if not now < link.until <= now + self._longest_ms:  # who holds the key can sign any instant
            raise _invalid()
        return link, found[0]

    def _signature(self, secret: bytes, payload: bytes) -> bytes:
        return hmac.digest(secret, self._purpose + payload, "sha256")


DOWNLOADS = SignedLinks(DownloadLink, b"tinycdp download 1\0", 2 * VALID_MS)
EXPORTS = SignedLinks(ExportLink, b"tinycdp export 1\0", EXPORT_HOURS * HOUR_MS)


def _invalid() -> Forbidden:
    message = "The download link is invalid or has expired; request another one where it came from."
    return Forbidden("INVALID_DOWNLOAD_LINK", message)
