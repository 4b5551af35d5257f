"""Documents of syncs.

Laws    unknown fields are errors. A document without its key is what is stored
Source  docs/reference/syncs.md
"""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.products.delivery.definitions.schemas import HttpVariant
from tinycdp.products.delivery.ledger import OnLeave, Operation, SyncPolicy

_ON_LEAVE: dict[str, OnLeave] = {"upsert": "nothing", "mirror": "delete", "audience": "remove"}

Mode = Literal["upsert", "mirror", "audience"]


class SyncDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Records of people that a destination is kept in step with.

    key            may be left out in a PUT, whose path has it
    name           what people call it; its key if empty
    destination    where records are sent: a webhook, or an HTTP API
    segment        of whom: its members; empty: of all people
    filter         only of those for whom this expression is true
    mapping        the record of a person
    match          the fields of the record by which the receiver knows the person; dots lead into objects
    mode           upsert: create and change · mirror: the receiver has the members and no one else · audience: add and
                   remove
    on_leave       what is sent when a person is no member any more; by default nothing for upsert, delete for mirror,
                   remove for audience
    clear          for `clear`: the fields that are sent as null
    brake          a run that would remove more than this share stops and asks; 1: never
    requests       of an HTTP destination: what is different for an operation
    every_seconds  between runs
    nightly        when all people are compared, in the time zone of the environment
    paused         no run; what changes meanwhile waits"""

    key: str = ""
    name: str = ""
    description: str = ""
    destination: Annotated[str, msgspec.Meta(min_length=1)]
    segment: str = ""
    filter: str = ""
    mapping: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]
    match: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], msgspec.Meta(min_length=1, max_length=5)
    ]
    mode: Mode = "upsert"
    on_leave: Literal["nothing", "clear", "remove", "delete"] | None = None
    clear: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], msgspec.Meta(max_length=100)
    ] = ()
    requests: dict[Operation, HttpVariant] = {}
    brake: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2
    every_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    nightly: Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "03:00"
    paused: bool = False


def policy_of(document: SyncDocument) -> SyncPolicy:
    """What is sent when a record changes, and when a person leaves."""
    return SyncPolicy("add" if document.mode == "audience" else "upsert", document.on_leave or _ON_LEAVE[document.mode])
