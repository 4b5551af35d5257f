"""Where the analytics engine listens: a file beside its data, readable only by its owner.

Laws    the file is replaced as a whole, so a reader sees an old endpoint or a new one
        the token in it is what lets a client in: another account of this machine cannot read it
"""

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from tinycdp.settings import Settings

HOST = "127.0.0.1"
USER = "tinycdp"
_FILE = "endpoint.json"


class Endpoint(msgspec.Struct, frozen=True):
    """A port of the loopback address, and the password for it."""

    port: int
    token: str


def folder(settings: Settings) -> Path:
    """The folder of the engine."""
    return settings.data_dir / "analytics"


def read(settings: Settings) -> Endpoint | None:
    """The last endpoint that was written, None if there never was one."""
    try:
        return msgspec.json.decode((folder(settings) / _FILE).read_bytes(), type=Endpoint)
    except (OSError, msgspec.DecodeError):
        return None


def write(settings: Settings, endpoint: Endpoint) -> None:
    """Replace the file."""
    path = folder(settings) / _FILE
    written = path.with_name(f"{_FILE}.{secrets.token_hex(4)}")
    try:
        with open(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(endpoint))
        written.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            written.unlink()
