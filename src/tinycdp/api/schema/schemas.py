"""What clients and server exchange about the registry and the tracking plan."""

from typing import Annotated, Any

import msgspec

from tinycdp.api.http.openapi import Documented
from tinycdp.engine.plan import Entry
from tinycdp.runtime.observations import Broken
from tinycdp.runtime.tracking_plan import PlanEntry

#: What PUT takes: tracking_plan.py reads it, and names what is wrong.
EntryDocument = Annotated[dict[str, Any], Documented(Entry)]


class WholePlan(msgspec.Struct, frozen=True):
    """By event."""

    entries: list[PlanEntry]


class PlanVersions(msgspec.Struct, frozen=True):
    """Newest first; `entry` is null where it was removed."""

    event: str
    versions: list[PlanEntry]


class Saved(msgspec.Struct, frozen=True, rename="camel"):
    """The entry as it is in force, and the definitions whose expressions contradict the types it declares."""

    saved: PlanEntry
    breaks: list[Broken]
