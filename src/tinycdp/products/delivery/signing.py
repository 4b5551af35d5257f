"""Signatures of Standard Webhooks 1.0.0: v1, HMAC-SHA-256, and v1a, Ed25519.

Shape   new_key(algorithm) → SigningKey · shown(key) → whsec_… or whpk_…, as receivers configure it
        signature(keys, id, at, body) → the header's value
Laws    of a v1a key only the public half ever leaves, so a receiver can check a message and cannot make one
Errors  PackageMissing `PACKAGE_MISSING`: v1a needs the extra `ed25519`
Source  https://www.standardwebhooks.com
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

from tinycdp.errors import TinyCDPError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Algorithm = Literal["v1", "v1a"]

_BYTES = 32


class PackageMissing(TinyCDPError):
    """This installation cannot sign with Ed25519."""

    status: ClassVar[int] = 501

    def __init__(self) -> None:
        super().__init__(
            "PACKAGE_MISSING",
            "Signatures v1a need cryptography. Install TinyCDP with its extra: pip install 'tinycdp[ed25519]'.",
        )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs. secret: the key of an HMAC, or the seed of an Ed25519 key"""

    algorithm: Algorithm
    secret: bytes


def new_key(algorithm: Algorithm) -> SigningKey:
    """A random key."""
    key = SigningKey(algorithm, secrets.token_bytes(_BYTES))
    if algorithm == "v1a":
        _private(key.secret)  # fails here, and not when the first message is to be signed
    return key


def shown(key: SigningKey) -> str:
    """What a receiver configures: the secret of v1, the public key of v1a."""
    if key.algorithm == "v1":
        return "whsec_" + base64.b64encode(key.secret).decode()
    return "whpk_" + base64.b64encode(_private(key.secret).public_key().public_bytes_raw()).decode()


def signature(keys: Sequence[SigningKey], id: str, seconds: int, body: bytes) -> str:
    """One signature for each key, separated by spaces: a receiver accepts any."""
    signed = f"{id}.{seconds}.".encode() + body
    return " ".join(f"{key.algorithm},{base64.b64encode(_sign(key, signed)).decode()}" for key in keys)


def _sign(key: SigningKey, signed: bytes) -> bytes:
    if key.algorithm == "v1":
        return hmac.digest(key.secret, signed, hashlib.sha256)
    return _private(key.secret).sign(signed)


@lru_cache(256)
def _private(seed: bytes) -> "Ed25519PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - an extra
    except ImportError:
        raise PackageMissing from None
    return Ed25519PrivateKey.from_private_bytes(seed)
