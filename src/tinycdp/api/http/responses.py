"""Responses with exact numbers.

Shape   a handler returns a struct, or ExactResponse[…] if it sets a status or headers
        as_schema(found, Schema) converts a result of runtime to its wire struct
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


def as_schema(found: Any, schema: type[T]) -> T:
    """Convert a result of runtime to its wire struct, field by field by name, nested ones too."""
    return msgspec.convert(found, schema, from_attributes=True)


def etag(version: int) -> dict[str, str]:
    """The ETag header for a version."""
    return {"ETag": f'"{version}"'}
