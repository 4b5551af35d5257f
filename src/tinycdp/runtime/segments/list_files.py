"""Files of identifiers, as CSV.

Shape   read_list(file, read, …) yields the Identifiers of a file, compressed with gzip or not
Laws    one identifier per row: of the columns that name kinds, the strongest with a value. Empty cells
        and placeholders such as "null" are skipped. Memory is bounded, whatever the file
Errors  InvalidInput LIST_MALFORMED, with the line
Source  docs/how-to/static-segments.md
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tinycdp.errors import InvalidInput
from tinycdp.model import STRENGTH, Identifier

#: Reads one value as an identifier: None for a placeholder. Raises for one that is too long.
Read = Callable[[str], str | None]

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_LISTED = 10
_KIND = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
#: The spellings of kinds in a header: as messages have them, and as exports do.
_SPELLINGS = {
    spelling: kind
    for kind in STRENGTH
    for spelling in (kind, "".join("_" + c.lower() if c.isupper() else c for c in kind))
}


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file of identifiers, and how read_list reads it."""

    path: Path
    kind: str | None = None
    column: str | None = None


def read_list(file: IO[bytes], read: Read, kind: str | None = None, column: str | None = None) -> Iterator[Identifier]:
    """The identifiers of a CSV file.

    kind    of all identifiers, which are then in one column
    column  its name; by default the kind's, or the only one, with or without a header"""
    start = file.read(2)
    file.seek(0)
    raw = gzip.GzipFile("", "rb", fileobj=file) if start == _GZIP_MAGIC else file
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, strict=True)
    try:
        yield from _identifiers(rows, read, kind, column)
    except UnicodeDecodeError as wrong:
        raise _malformed(rows.line_num + 1, "it is not UTF-8.") from wrong
    except csv.Error as wrong:
        raise _malformed(rows.line_num, f"it is not CSV: {wrong}.") from wrong
    except (EOFError, OSError, zlib.error) as wrong:
        raise _malformed(rows.line_num + 1, f"it cannot be decompressed: {wrong}.") from wrong
    finally:
        text.detach()  # the caller closes the file


def _identifiers(rows: Any, read: Read, kind: str | None, column: str | None) -> Iterator[Identifier]:
    header = next(rows, None)
    if header is None:
        return
    columns, first = _columns([name.strip() for name in header], kind, column)
    if first is not None:
        yield from _listed(first, columns, read, rows.line_num)
    for row in rows:
        yield from _listed(row, columns, read, rows.line_num)


def _columns(
    header: list[str], kind: str | None, column: str | None
) -> tuple[Sequence[tuple[int, str | int]], list[str] | None]:
    """(place, kind, or the place of the kind) of each column to read; and the first row, if it is no header."""
    if kind is not None:
        if problem := wrong_kind(kind):
            raise InvalidInput("INVALID_REQUEST", f"kind: {problem}")
        spellings = {spelling for spelling, named in _SPELLINGS.items() if named == kind} | {kind}
        wanted = {column} if column is not None else spellings
        place = next((n for n, name in enumerate(header) if name in wanted), None)
        if place is not None:
            return [(place, kind)], None
        if column is None and len(header) == 1:
            return [(0, kind)], header
        missing = column if column is not None else kind
        raise _malformed(1, f"no column is named {missing!r}; there are {_quoted(header)}.")
    if "kind" in header and "value" in header:
        return [(header.index("value"), header.index("kind"))], None
    found = sorted(
        ((n, _SPELLINGS[name]) for n, name in enumerate(header) if name in _SPELLINGS),
        key=lambda one: STRENGTH[one[1]],
    )
    if not found:
        raise _malformed(
            1,
            f"the header names no kind of identifier; there are {_quoted(header)}. Name a column userId, externalId,"
            " anonymousId or deviceId, or use the columns kind and value, or say which `kind` the file has.",
        )
    return found, None


def _listed(row: list[str], columns: Sequence[tuple[int, str | int]], read: Read, line: int) -> Iterator[Identifier]:
    for place, of in columns:
        kind = of if isinstance(of, str) else row[of].strip() if of < len(row) else ""
        text = row[place].strip() if place < len(row) else ""
        if not text:
            continue
        if problem := wrong_kind(kind):
            raise _malformed(line, problem)
        if "\0" in text:
            raise _malformed(line, "the value contains U+0000; remove it.")
        try:
            value = read(text)
        except InvalidInput as wrong:
            raise _malformed(line, wrong.message) from wrong
        if value is not None:
            yield Identifier(kind, value)
            return


def wrong_kind(kind: str) -> str | None:
    """Why a text is no kind of identifier; None if it is one."""
    if kind == "profileId":
        return "profileId is no kind of identifier: list an identifier of the profile."
    if not _KIND.fullmatch(kind):
        return f"{kind[:70]!r} is no kind of identifier; write 1 to 64 of A-Z a-z 0-9 _ . : -."
    return None


def _quoted(names: Sequence[str]) -> str:
    listed = ", ".join(repr(name[:40]) for name in names[:_MOST_LISTED])
    return listed + (f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else "")


def _malformed(line: int, what: str) -> InvalidInput:
    return InvalidInput("LIST_MALFORMED", f"Line {line}: {what}", line=line)
