"""What an import would make of the beginning of a file, without storing anything.

Shape   inspect(source, parse, now, whole, problem) → Inspection: its first rows with the messages they
        become, and how many of the rows it read would be rejected · unpack(path) before, for the beginning of a
        gzip file
Units   SHOWN rows are shown, at most MOST_ROWS or 4 MiB are read
Laws    rows are read and made into messages by the code of imports. What policies and the tracking plan do with a
        message is not looked at
Errors  InvalidInput FILE_UNREADABLE, FILE_MALFORMED, PARQUET_MISSING
Source  docs/reference/imports.md "Look before"
"""

import asyncio
import contextlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant, Message, Rejection
from tinycdp.runtime.policies.rejections import as_sent
from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, Numbered, Parse, Unread, parts

SHOWN = 20
MOST_ROWS = 2_000
#: Columns of a table that are shown; the others are read all the same.
MOST_COLUMNS = 200
_LONGEST_CELL = 200
_LONGEST_LINE = 2_000
_TOKEN = "inspected"
_MOST_UNPACKED = 16 * 1024**2
#: For zlib: expect the header of gzip.
_GZIP = 31


@dataclass(frozen=True, slots=True)
class InspectedRow:
    """A row of the file.

    cells    of a table, as texts, by column; None for JSON lines
    text     a JSON line, or its beginning; None for a table
    message  what is stored, in the form of a batch; None if the row is rejected
    code, why  of the rejection"""

    line: int
    cells: dict[str, str | None] | None
    text: str | None
    message: dict[str, Any] | None
    code: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The beginning of a file.

    rows      the first ones
    read      how many rows were read; rejected: how many of them
    rejected_rows  the first of those, besides the ones in `rows`
    complete  whether the whole file was read"""

    rows: list[InspectedRow]
    read: int
    rejected: int
    rejected_rows: list[InspectedRow]
    complete: bool


async def inspect(
    source: ImportFile, parse: Parse, now: Instant, *, whole: bool, problem: InvalidInput | None = None
) -> Inspection:
    """The beginning of a file; `whole` is False if only its beginning is there, which may end within a row.

    With a problem, for which an import would refuse the file, every row is rejected."""
    sizes = iter((MOST_ROWS + 1, 1))
    read = parts(source, 0, lambda: next(sizes))
    rows, ended = list[Numbered](), True
    async for part, _ in read:
        # How much of a packed file was read does not say whether all of it was unpacked: a second part does.
        ended = not rows and len(part) <= MOST_ROWS
        rows = rows or part
        if not ended:
            break
    await read.aclose()  # type: ignore[attr-defined]
    if not whole and ended:
        rows = rows[:-1]
    checked = parse if problem is None else _rejecting(parse, problem)
    return await asyncio.to_thread(_inspection, rows[:MOST_ROWS], source, checked, now, complete=whole and ended)


def _inspection(
    rows: Sequence[Numbered], source: ImportFile, parse: Parse, now: Instant, *, complete: bool
) -> Inspection:
    inspected = [_row(numbered, source, parse, now) for numbered in rows[:SHOWN]]
    _, rejected = parse.call(rows[SHOWN:], source.mapping, _TOKEN, now)
    numbered = dict(rows)
    others = [_rejected(line, numbered.get(line), rejection) for line, rejection in rejected[:SHOWN]]
    n = sum(one.message is None for one in inspected) + len(rejected)
    return Inspection(inspected, len(rows), n, others, complete)


def _rejecting(parse: Parse, problem: InvalidInput) -> Parse:
    """The same, but rows that could be read are rejected for the problem."""
    unusable = Rejection(code=problem.code, message=problem.message, path="$", payload=b"")

    def call(
        rows: Sequence[Numbered], mapping: FileMapping, token: str, now: int
    ) -> tuple[list[Message], list[tuple[int, Rejection]]]:
        own = dict(parse.call(rows, mapping, token, now)[1])
        return [], [(line, own.get(line, unusable)) for line, _ in rows]

    return replace(parse, call=call)


def unpack(path: Path) -> None:
    """Replace the beginning of a gzip file by what it unpacks to; other files stay as they are."""
    packed = path.read_bytes()
    if packed.startswith(b"\x1f\x8b"):
        with contextlib.suppress(zlib.error):  # then reading it says that it is damaged
            path.write_bytes(zlib.decompressobj(_GZIP).decompress(packed, _MOST_UNPACKED))


def _row(numbered: Numbered, source: ImportFile, parse: Parse, now: Instant) -> InspectedRow:
    line, content = numbered
    messages, rejected = parse.call([numbered], source.mapping, _TOKEN, now)
    if rejected:
        return _rejected(line, content, rejected[0][1])
    cells, text = _shown(content)
    return InspectedRow(line, cells, text, as_sent(messages[0]), None, None)


def _rejected(line: int, content: Any, rejection: Rejection) -> InspectedRow:
    cells, text = _shown(content)
    return InspectedRow(line, cells, text, None, rejection.code, rejection.message.removeprefix(f"line {line}: "))


def _shown(content: Any) -> tuple[dict[str, str | None] | None, str | None]:
    """The cells of a table's row, or the text of a JSON line."""
    match content:
        case None | Unread():
            return None, None
        case bytes():
            return None, content[:_LONGEST_LINE].decode("utf-8", "replace")
        case _:
            columns: Sequence[tuple[str, Any]] = list(content.items())[:MOST_COLUMNS]
            return {name: _cell(cell) for name, cell in columns if name}, None


def _cell(cell: Any) -> str | None:
    return None if cell is None else str(cell)[:_LONGEST_CELL]
