"""What clients and server exchange about imports."""

from typing import Literal

import msgspec


class ImportProgress(msgspec.Struct, frozen=True, rename="camel"):
    """How far an import is. share: of the file that was read, 0 to 1.

    status    interrupted: it goes on where a server has the file, or once it is begun again; failed: as `error` says
    rejected  rows that were refused: the log of refusals says why
    rate      rows a second since it last began; null where it does not run here"""

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
    """Newest first."""

    imports: list[ImportProgress]
