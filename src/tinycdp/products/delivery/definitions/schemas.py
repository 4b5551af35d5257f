"""Documents of destinations.

Laws    unknown fields are errors. A document without its key is what is stored. No secret is in it
Source  docs/reference/webhooks.md
"""

from typing import Annotated, Literal

import msgspec

from tinycdp.products.delivery.happenings import Type


class FromVariable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of an environment variable of the server, whose name begins with DELIVERY_."""

    env: Annotated[str, msgspec.Meta(pattern="^DELIVERY_[A-Z0-9_]+$")]


class DestinationDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Where events are sent.

    key          may be left out in a PUT, whose path has it
    name         what people call it; its key if empty
    url          https, on a public address
    events       the types that are sent
    segments     of segment events, only those of these segments; empty: of all
    headers      beside those of the standard; a value, or the variable that has it
    rate         deliveries a second at most; 0: no limit
    concurrency  deliveries at once at most
    paused       nothing is sent; what happens meanwhile waits"""

    key: str = ""
    name: str = ""
    description: str = ""
    type: Literal["webhook"] = "webhook"
    url: str
    events: Annotated[tuple[Type, ...], msgspec.Meta(min_length=1, max_length=20)]
    segments: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    headers: dict[str, str | FromVariable] = {}
    rate: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    paused: bool = False
