"""Wire structs of imports and exports."""

from typing import Annotated, Literal

import msgspec


class ImportProgress(msgspec.Struct, frozen=True, rename="camel"):
    """The progress of an import. share: of the file read so far, 0 to 1.

    status    interrupted: resumed by a server that has the file, or when it is sent again; failed: see `error`
    rejected  rows that were rejected; the rejections list says why
    rate      rows per second since it last started; null if it does not run in this process"""

    id: str
    name: str
    form: str
    status: Literal["running", "interrupted", "failed", "done"]
    rows: int
    share: float
    accepted: int
    duplicates: int
    rejected: int
    author: str
    started_at: str
    advanced_at: str
    finished_at: str | None
    error: str | None
    rate: float | None = None


class Imports(msgspec.Struct):
    """Imports, newest first."""

    imports: list[ImportProgress]


class SegmentDownload(msgspec.Struct, rename="camel"):
    """Where to download the members of a segment.

    download_url  valid for at least an hour, without a key
    user_count    members as of as_of; the file has those of the moment of its download"""

    download_url: str
    filename: str
    user_count: int
    as_of: str


class AvailableExport(SegmentDownload, rename="camel"):
    """An export of a segment.

    etag  changes with the segment's meaning and with the number of its members
    size  in bytes; null, because the file is made when it is downloaded"""

    name: str
    etag: str
    size: int | None = None


class DownloadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file to open: its address on this server with its query, from the first slash on."""

    path: Annotated[str, msgspec.Meta(max_length=4_000)]


class DownloadAddress(msgspec.Struct, frozen=True):
    """Opens the file once, until then."""

    url: str
    until: str


class AvailableExports(msgspec.Struct):
    """An export for each live segment, by key."""

    exports: list[AvailableExport]
