"""Wire structs of imports and exports."""

from typing import Annotated, Any, Literal

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


class ImportFileInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A file in the server's import folder. form: by its ending, null if that gives none; size: in bytes."""

    name: str
    form: Literal["jsonl", "csv", "parquet"] | None
    size: int
    modified_at: str


class ImportFiles(msgspec.Struct, frozen=True):
    """Files in the server's import folder, by name. folder: its path on the machine that answers."""

    folder: str
    files: list[ImportFileInfo]


class ImportColumn(msgspec.Struct, frozen=True):
    """A column of a table. field: what its cells become; null for properties or traits under the column's name."""

    name: str
    field: str | None


class ImportMapping(msgspec.Struct, frozen=True):
    """How columns are read: field → column, field → fixed value, columns whose numbers stay texts."""

    columns: dict[str, str]
    fixed: dict[str, str]
    text: tuple[str, ...]


class InspectedRow(msgspec.Struct, frozen=True):
    """A row of the file.

    cells    of a table, as texts, by column; null for JSON lines
    text     a JSON line, or its beginning; null for a table
    message  what is stored, in the form of a batch; null if the row is rejected
    code, why  of the rejection"""

    line: int
    cells: dict[str, str | None] | None
    text: str | None
    message: dict[str, Any] | None
    code: str | None
    why: str | None


class InspectedFile(msgspec.Struct, frozen=True, rename="camel"):
    """What an import would make of the beginning of a file.

    columns   of a table; empty for JSON lines
    mapping   the one that was used: the request's, else a guess
    fields    that a mapping may name, besides properties.…, traits.… and context.…
    problem   why an import would refuse the file with this mapping; every row is then rejected
    rows      the first 20
    read, rejected  how many rows were read, and how many of them an import would reject
    rejected_rows   the first 20 of those that are not in `rows`
    complete  whether the whole file was read"""

    form: Literal["jsonl", "csv", "parquet"]
    columns: list[ImportColumn]
    mapping: ImportMapping
    fields: tuple[str, ...]
    problem: str | None
    rows: list[InspectedRow]
    read: int
    rejected: int
    rejected_rows: list[InspectedRow]
    complete: bool


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
