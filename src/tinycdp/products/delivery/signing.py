"""Signatures of Standard Webhooks 1.0.0.

Shape   new_secret() → bytes · shown(secret) → whsec_… · signature(secrets, id, at, body) → the header's value
Source  https://www.standardwebhooks.com
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> bytes:
    """A random secret."""
    return secrets.token_bytes(_BYTES)


def shown(secret: bytes) -> str:
    """A secret as receivers configure it."""
    return _PREFIX + base64.b64encode(secret).decode()


def signature(keys: Sequence[bytes], id: str, seconds: int, body: bytes) -> str:
    """One signature for each secret, separated by spaces: a receiver accepts any."""
    signed = f"{id}.{seconds}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)
