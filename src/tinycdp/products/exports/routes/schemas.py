"""What clients and server exchange about exports and their schedules."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tinycdp.api.http.encoding import Documented
from tinycdp.products.exports.schemas import ExportBody, Format, ScheduleDocument
from tinycdp.runtime.access.download_links import EXPORT_HOURS

Status = Literal["waiting", "running", "done", "failed", "canceled", "removed"]


class ExportFault(msgspec.Struct, frozen=True):
    """Why an export failed."""

    code: str
    message: str


class ExportJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An export.

    status      waiting: for its turn; running: also while the server restarts, and then it begins anew;
                done: its file is there; removed: it was there
    request     what was asked for
    name        of its file
    rows        that were written so far
    total       null until they are counted
    share       of the work, 0 to 1
    size        of the file, in bytes
    as_of       the instant as of which all rows are true
    schedule    the key of the schedule that it is of
    expires_at  when the file is removed
    note        what the format could not hold, or why the file was removed"""

    id: int
    status: Status
    name: str
    format: Format
    request: ExportBody
    rows: int
    total: int | None
    share: float
    size: int | None
    as_of: str | None
    author: str
    schedule: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    expires_at: str | None
    note: str
    error: ExportFault | None


class ExportList(msgspec.Struct, frozen=True):
    """Exports, newest first. next: `before` of the next page, null on the last"""

    exports: list[ExportJob]
    next: int | None


class LinkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long a link is valid."""

    hours: Annotated[int, Meta(ge=1, le=EXPORT_HOURS)] = 24


class ExportLink(msgspec.Struct, frozen=True):
    """Opens the file until then, without a key."""

    url: str
    until: str


Document = Annotated[dict[str, Any], Documented(ScheduleDocument)]


class Schedule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A schedule of exports.

    document  as PUT takes it
    zone      of its cron expression
    next_at   when it is due, null if it is paused
    last      its newest export, null before the first"""

    key: str
    version: int
    name: str
    description: str
    document: Document
    saved_at: str
    saved_by: str
    note: str
    zone: str
    next_at: str | None
    last: ExportJob | None


class Schedules(msgspec.Struct, frozen=True):
    """By key."""

    schedules: list[Schedule]


class ScheduleVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version. document: null if the version deleted the schedule"""

    version: int
    key: str
    document: Document | None
    saved_at: str
    saved_by: str
    note: str


class ScheduleVersions(msgspec.Struct, frozen=True):
    """Newest first."""

    versions: list[ScheduleVersion]
