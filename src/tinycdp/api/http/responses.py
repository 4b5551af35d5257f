"""Responses with exact numbers.

Shape   a handler returns a struct, or ExactResponse[…] if it sets a status or headers
"""

from typing import Any, TypeVar

from litestar import Response
from litestar.types import Serializer

from tinycdp.api.http.encoding import encode

T = TypeVar("T")


class ExactResponse(Response[T]):
    """A response that writes decimals as JSON numbers."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = str) -> bytes:
        """The content as bytes: JSON, unless it is text or bytes already."""
        if type(content) is bytes:
            return content
        if type(content) is str and not media_type.startswith("application/json"):
            return content.encode()
        return encode(content) if content is not None else b""
