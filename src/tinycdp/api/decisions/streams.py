"""The ETag, and the stream's address, of answers that have a stream of their changes.

Shape   etag_of(digest, token) · matches(If-None-Match, etag) · address_of(keyring, token)
"""

import re
from hashlib import blake2b

from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.access.stream_tokens import StreamToken

STREAM = "/ofrep/v1/stream"

_ETAGS = re.compile(r'(?:W/)?("[^"]*")|\*')


def etag_of(digest: bytes, stream_token: StreamToken | None) -> str:
    """For these answers together with this stream."""
    scope = stream_token.scope if stream_token is not None else b""
    return f'"{blake2b(digest + scope, digest_size=12).hexdigest()}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether a list of ETags, weak or not, or `*` names this one."""
    return any(found[0] == "*" or found[1] == etag for found in _ETAGS.finditer(if_none_match or ""))


def address_of(keyring: Keyring, stream_token: StreamToken) -> str:
    """Where the stream is, relative to this server."""
    return f"{STREAM}?token={stream_tokens.issue(keyring, stream_token)}"
