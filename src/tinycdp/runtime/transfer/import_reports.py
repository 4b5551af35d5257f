"""Reports of imports: the rejected rows of each, as a file of JSON lines beside the uploads.

Shape   append(folder, …) adds rows · parts(folder, …) reads a report · remove_old(folder, now)
Laws    a row is in the report before the import's progress counts it; after a crash it may be there twice.
        A report has at most MOST_BYTES, and its last line says if it is full. It is kept for KEPT_MS after its last row
Source  docs/reference/imports.md
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from tinycdp.model import DAY_MS, Instant, Rejection

MOST_BYTES = 64 * 1024**2
KEPT_MS = DAY_MS
_PART_BYTES = 1 << 16
ENDING = ".report"


class RejectedRow(msgspec.Struct, frozen=True):
    """A line of a report. line: null if it is not known"""

    line: int | None
    code: str
    message: str


#: Called with the name of a file and rejected rows of it.
OnRejectedRows = Callable[[str, Sequence[RejectedRow]], None]

_FULL = RejectedRow(None, "REPORT_FULL", f"More rows were rejected; a report has at most {MOST_BYTES >> 20} MiB.")


def rows_of(rejected: Sequence[tuple[int, Rejection]]) -> list[RejectedRow]:
    """The lines that rejected rows have in a report: (line, or 0 if unknown; rejection)."""
    return [RejectedRow(line or None, one.code, one.message) for line, one in rejected]


def append(folder: Path, environment_id: int, id: str, rejected: Sequence[tuple[int, Rejection]]) -> None:
    """Add the rejected rows of a part."""
    if not rejected:
        return
    with _path(folder, environment_id, id).open("ab") as file:
        if file.tell() >= MOST_BYTES:
            return
        file.write(msgspec.json.Encoder().encode_lines(rows_of(rejected)))
        if file.tell() >= MOST_BYTES:
            file.write(msgspec.json.encode(_FULL) + b"\n")


def exists(folder: Path, environment_id: int, id: str) -> bool:
    return _path(folder, environment_id, id).is_file()


async def parts(folder: Path, environment_id: int, id: str) -> AsyncIterator[bytes]:
    """A report in parts; nothing if it does not exist."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_path(folder, environment_id, id).open("rb"))
        except FileNotFoundError:
            return
        while part := await asyncio.to_thread(file.read, _PART_BYTES):
            yield part


def remove_old(folder: Path, now: Instant) -> None:
    """Delete the reports to which nothing was added for long."""
    for path in folder.glob(f"*{ENDING}"):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime * 1000 > KEPT_MS:
                path.unlink()


def _path(folder: Path, environment_id: int, id: str) -> Path:
    return folder / f"{environment_id}-{id}{ENDING}"
