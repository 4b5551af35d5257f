"""Answers, with every digit of their numbers.

Shape   a handler returns a struct, or ExactResponse[…] if it sets a status or headers
"""

from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.types import Serializer

T = TypeVar("T")

encode = msgspec.json.Encoder(decimal_format="number").encode


class ExactResponse(Response[T]):
    """A response that writes decimals as JSON numbers."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = str) -> bytes:
        """The content as bytes: JSON, unless it is text or bytes already."""
        if type(content) is bytes:
            return content
        if type(content) is str and not media_type.startswith("application/json"):
            return content.encode()
        return encode(content) if content is not None else b""


def etag(version: int) -> dict[str, str]:
    """The header that names the version of what is answered."""
    return {"ETag": f'"{version}"'}
