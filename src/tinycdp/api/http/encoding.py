"""Results of the product as JSON of the wire, with exact numbers.

Shape   as_schema(found, Schema) converts a result of runtime to its wire struct · encode(…) writes it
Laws    without the framework: the worker and the commands answer in the same words
"""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

encode = msgspec.json.Encoder(decimal_format="number").encode


def as_schema(found: Any, schema: type[T]) -> T:
    """Convert a result of runtime to its wire struct, field by field by name, nested ones too."""
    return msgspec.convert(found, schema, from_attributes=True)


def etag(version: int) -> dict[str, str]:
    """The ETag header for a version."""
    return {"ETag": f'"{version}"'}
