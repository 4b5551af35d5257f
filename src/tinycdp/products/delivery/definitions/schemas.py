"""Documents of destinations.

Shape   DestinationDocument: one struct for each type, told apart by `type`; without it, it is a webhook
Laws    unknown fields are errors. A document without its key is what is stored. No secret is in it
Source  docs/reference/webhooks.md
"""

from typing import Annotated

import msgspec

from tinycdp.products.delivery.happenings import Type


class FromVariable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of an environment variable of the server, whose name begins with DELIVERY_."""

    env: Annotated[str, msgspec.Meta(pattern="^DELIVERY_[A-Z0-9_]+$")]


class AnyDestination(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the document of every destination has.

    key       may be left out in a PUT, whose path has it
    name      what people call it; its key if empty
    events    the types that are sent
    segments  of segment events, only those of these segments; empty: of all
    paused    nothing is sent; what happens meanwhile waits"""

    key: str = ""
    name: str = ""
    description: str = ""
    events: Annotated[tuple[Type, ...], msgspec.Meta(min_length=1, max_length=20)]
    segments: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    paused: bool = False

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return ()


class OneByOneDestination(AnyDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A destination that gets each message on its own, over a channel.

    rate         deliveries a second at most; 0: no limit
    concurrency  deliveries at once at most"""

    rate: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8


class WebhookDocument(
    OneByOneDestination,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="type",
    tag="webhook",
):
    """Where events are sent as signed webhooks.

    url      https, on a public address
    headers  beside those of the standard; a value, or the variable that has it"""

    url: str
    headers: dict[str, str | FromVariable] = {}

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return (("$.url", self.url),)


#: A union of all types.
DestinationDocument = WebhookDocument
#: The type of a document that names none.
DEFAULT_TYPE = {"type": "webhook"}
