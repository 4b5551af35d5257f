"""Wire structs of imports."""

from typing import Literal

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
