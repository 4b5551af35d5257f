"""Results of the product as JSON of the wire, with exact numbers.

Shape   as_schema(found, Schema) converts a result of runtime to its wire struct · encode(…) writes it.
        Documented(…) shows a plain object as a struct in the document of the API
Laws    without the framework: the worker and the commands answer in the same words
"""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

encode = msgspec.json.Encoder(decimal_format="number").encode


class Documented:
    """A marker of a plain object that the document shows as a struct.

    Example: `Annotated[dict[str, Any], Documented(FlagBody)]`"""

    def __init__(self, kind: Any) -> None:
        self.kind = kind


def as_schema(found: Any, schema: type[T]) -> T:
    """Convert a result of runtime to its wire struct, field by field by name, nested ones too."""
    return msgspec.convert(found, schema, from_attributes=True)


def etag(version: int) -> dict[str, str]:
    """The ETag header for a version."""
    return {"ETag": f'"{version}"'}
