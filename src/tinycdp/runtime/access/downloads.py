"""Addresses that open a file once, for browsers, which send no key with a link.

Shape   create(environment, key_id, path) → Download · take(pool, keyring, text, now) → the key and the path
Units   an address is valid for VALID_MS
Laws    An address opens one path, once, in whichever process it is opened, and nothing once its key is revoked or
        expired. Only a hash of it is stored
Errors  Forbidden INVALID_DOWNLOAD_LINK
Source  docs/reference/export.md "Addresses that open once"
"""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from tinycdp.errors import Forbidden
from tinycdp.model import SECOND_MS, Instant
from tinycdp.runtime.access.keys import Key, Keyring
from tinycdp.runtime.environment import Environment
from tinycdp.store import keys as store
from tinycdp.store.database.pool import Pool, acquired

VALID_MS = 60 * SECOND_MS
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Download:
    """The text for an address, and until when it opens the file."""

    token: str
    until: Instant


async def create(environment: Environment, key_id: int, path: str) -> Download:
    """An address of this path with its query, with the rights of this key."""
    now = environment.now()
    secret, until = secrets.token_urlsafe(24), now + VALID_MS
    async with acquired(environment.pool) as connection:
        await store.create_download(connection, environment.id, _digest(secret), key_id, path, until, now)
    return Download(f"{environment.id}.{secret}", until)


async def take(pool: Pool, keyring: Keyring, token: str, now: Instant) -> tuple[Key, str]:
    """The key and the path of an address, which is used up. Raises Forbidden if it opens nothing."""
    environment_id, _, secret = token.partition(".")
    if not (environment_id.isascii() and environment_id.isdecimal() and len(environment_id) <= _MOST_DIGITS):
        raise _invalid()
    async with acquired(pool) as connection:
        row = await store.take_download(connection, int(environment_id), _digest(secret), now)
    found = keyring.usable(row.key_id, now) if row is not None else None
    if row is None or found is None or found[0].environment_id != int(environment_id):
        raise _invalid()
    return found[0], row.path


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _invalid() -> Forbidden:
    message = "This address was opened before, has expired, or its key was revoked; request another one."
    return Forbidden("INVALID_DOWNLOAD_LINK", message)
