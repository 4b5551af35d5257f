"""What is exported: the request of an export, and the document of a schedule.

Laws    unknown fields are errors. A document without its key is what is stored
Source  docs/reference/exports.md
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

What = Literal["segment", "profiles", "events"]
Format = Literal["csv", "json", "jsonl", "xlsx", "parquet"]
Names = Annotated[tuple[str, ...], Meta(max_length=1_000)]
Span = Annotated[str, Meta(max_length=20)]


class ExportBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is exported.

    what         segment: its members; profiles: all of them; events
    segment      the segment's key
    columns      properties, null for all; of 1,000 at most in a table
    traits       of profiles
    events       names of events, empty for all
    from_, to    of events, when they happened: an instant with a zone, or a day in UTC
    last         of events instead: `24h`, `7d` or `4w` before the export
    raw          in CSV, do not escape formulas"""

    what: What
    segment: str = ""
    columns: Names | None = None
    traits: Names = ()
    events: Names = ()
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    last: Span | None = None
    format: Format = "csv"
    raw: bool = False


class ScheduleDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An export that is repeated.

    key     may be left out in a PUT, whose path has it
    name    what people call it; its key if empty
    cron    minute, hour, day of month, month, day of week, in the environment's zone
    paused  nothing is exported
    The other fields are those of an export."""

    key: str = ""
    name: str = ""
    description: str = ""
    cron: Annotated[str, Meta(max_length=200)]
    what: What
    segment: str = ""
    columns: Names | None = None
    traits: Names = ()
    events: Names = ()
    last: Span | None = None
    format: Format = "csv"
    raw: bool = False
    paused: bool = False
