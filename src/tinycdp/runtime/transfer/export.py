"""Exports of a segment's members or a flag's exposures as a file of any size.

Shape   open_export(…) fixes what is exported, and as of when; Export.parts() yields the file from a server-side cursor.
        Exports bounds how many run in a process; write_segment is for the command line
Units   at most 200 rows are in memory at a time, whatever the size of the file
Laws    one snapshot of the database from the first row to the last: no profile appears twice, or is missing because it
        moved meanwhile. Each export has its own connection, so that no message waits for it; the connection is closed
        when the file ends, or its client disconnects.
        CSV is RFC 4180 in UTF-8. A text that a spreadsheet would run as a formula gets an apostrophe in front
Errors  NotFound for a segment, flag, column or trait that does not exist · Conflict BACKFILLING for a segment that was
        never live · Overloaded EXPORTS_BUSY · InvalidInput TOO_MANY_COLUMNS, EXPORT_FORMAT
Source  docs/reference/export.md; docs/reference/exposures.md "As a file"
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from tinycdp.errors import InvalidInput, Overloaded
from tinycdp.model import Instant
from tinycdp.runtime.decisions import exposure_stats
from tinycdp.runtime.decisions.exposure_stats import Exposure
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.runtime.transfer.rows import (
    ProfileRows,
    RowColumn,
    RowsRequest,
    camel,
    check_exportable,
    columns_of,
    open_profiles,
)
from tinycdp.runtime.transfer.writers import CsvWriter, JsonLinesWriter, TextWriter
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import Connection, connect, frozen, reaching, snapshot

Form = Literal["csv", "jsonl"]
_FORMS: dict[str, Form] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

EXPOSURE_COLUMNS = tuple(Exposure.__annotations__)
#: Exports of one process at a time. Each holds a connection and a snapshot of the database.
AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRequest:
    """A request for a segment's members.

    columns  names of properties, None for all
    raw      do not escape formulas"""

    segment: str
    form: Form = "csv"
    columns: Sequence[str] | None = None
    traits: Sequence[str] = ()
    raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposuresRequest:
    """A request for a flag's exposures.

    days: the first and the last (UTC); variant: only this one."""

    flag: str
    days: tuple[date, date]
    form: Form = "csv"
    variant: str | None = None
    raw: bool = False


class Export(ABC):
    """One file being written; its rows are true as of `as_of`."""

    def __init__(self, name: str, as_of: Instant) -> None:
        self.name = name
        self.as_of = as_of
        self.release: Callable[[], None] | None = None

    @abstractmethod
    def parts(self) -> AsyncIterator[bytes]:
        """Yield the file, up to 200 rows at a time."""

    def close(self) -> None:
        """Release the connection, even in the middle of the file. Closing again does nothing."""
        release, self.release = self.release, None
        if release is not None:
            release()


class MembersExport(Export):
    """The members of a segment. profiles: the number written so far."""

    def __init__(self, rows: ProfileRows, wanted: SegmentRequest, writer: TextWriter) -> None:
        super().__init__(f"{wanted.segment}.{wanted.form}", rows.as_of)
        self._rows, self._writer = rows, writer
        self.profiles = 0

    async def parts(self) -> AsyncIterator[bytes]:
        if head := self._writer.head():
            yield head
        async for rows in self._rows.batches():
            self.profiles += len(rows)
            yield self._writer.part(rows)


class ExposuresExport(Export):
    """The exposures of a flag, the newest day first."""

    def __init__(self, wanted: ExposuresRequest, exposures: AsyncIterator[list[Exposure]], now: Instant) -> None:
        super().__init__(f"{wanted.flag}-exposures.{wanted.form}", now)
        self._exposures = exposures
        columns = [RowColumn(name, (camel(name),)) for name in EXPOSURE_COLUMNS]
        self._writer = CsvWriter(columns, raw=wanted.raw) if wanted.form == "csv" else JsonLinesWriter()

    async def parts(self) -> AsyncIterator[bytes]:
        if head := self._writer.head():
            yield head
        with reaching():
            async for exposures in self._exposures:
                yield self._writer.part([_as_row(exposure) for exposure in exposures])


def _as_row(exposure: Exposure) -> dict[str, Any]:
    return {camel(name): getattr(exposure, name) for name in EXPOSURE_COLUMNS}


class Exports:
    """The exports of one process, at most AT_ONCE."""

    def __init__(self, dsn: str, catalogs: Catalogs) -> None:
        self._dsn = dsn
        self._catalogs = catalogs
        self.running = 0

    async def open(self, environment_id: int, wanted: SegmentRequest | ExposuresRequest, now: Instant) -> Export:
        """Open an export on its own connection; the caller closes it.

        Raises every error that can be known before the first byte."""
        if self.running >= AT_ONCE:
            raise Overloaded(
                "EXPORTS_BUSY", f"{AT_ONCE} exports are running here; try again shortly.", retry_after_seconds=10
            )
        self.running += 1
        connection: Any = None
        try:
            with reaching():
                connection = await connect(self._dsn)
                await frozen(connection).start()
                export: Export
                if isinstance(wanted, SegmentRequest):
                    export = await open_export(connection, self._catalogs, environment_id, wanted, now)
                else:
                    export = await _open_exposures(connection, self._catalogs, environment_id, wanted, now)
        except BaseException:
            self._release(connection)
            raise
        export.release = lambda: self._release(connection)
        return export

    def _release(self, connection: Any) -> None:
        self.running -= 1
        if connection is not None:
            # Nothing to commit, and unread rows are not waited for.
            connection.terminate()


async def write_segment(
    environment: Environment, wanted: SegmentRequest, write: Callable[[bytes], object]
) -> MembersExport:
    """Write the whole file, and return its export."""
    async with snapshot(environment.pool) as connection:
        export = await open_export(connection, Catalogs(), environment.id, wanted, environment.now())
        async for part in export.parts():
            write(part)
    return export


async def open_export(
    connection: Connection, catalogs: Catalogs, environment_id: int, wanted: SegmentRequest, now: Instant
) -> MembersExport:
    """Open an export of what the connection's transaction sees."""
    request = RowsRequest(kind="segment", segment=wanted.segment, columns=wanted.columns, traits=wanted.traits)
    rows = await open_profiles(connection, catalogs, environment_id, request, now)
    writer: TextWriter = JsonLinesWriter()
    if wanted.form == "csv":
        names = wanted.columns if wanted.columns is not None else await rows.property_names()
        writer = CsvWriter(columns_of(rows, names), raw=wanted.raw)
    return MembersExport(rows, wanted, writer)


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """A live segment and how many members it has."""

    segment: str
    fingerprint: int
    members: int


async def segment_sizes(
    environment: Environment, catalogs: Catalogs, segment: str | None = None
) -> tuple[list[SegmentSize], Instant]:
    """The segments that can be exported, by key, or one of them; and the instant as of which they were counted.

    Raises NotFound or Conflict if the one cannot be exported."""
    async with snapshot(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        if segment is not None:
            check_exportable(catalog, segment)
        keys = [
            key
            for kind, key in sorted(catalog.live.definitions)
            if kind == "segment" and ("segment", key) not in catalog.backfilling and segment in {None, key}
        ]
        prints = [catalog.live.fingerprints["segment", key] for key in keys]
        counted = await membership_store.count_members(connection, environment.id, prints)
        as_of = await memberships_as_of(connection, environment.id, environment.now())
    return [SegmentSize(key, fp, counted.get(fp, 0)) for key, fp in zip(keys, prints, strict=True)], as_of


async def _open_exposures(
    connection: Connection, catalogs: Catalogs, environment_id: int, wanted: ExposuresRequest, now: Instant
) -> ExposuresExport:
    found = await exposure_stats.every(connection, catalogs, environment_id, wanted.flag, wanted.variant, wanted.days)
    return ExposuresExport(wanted, found, now)


def form_of(path: Path | None, form: str | None = None) -> Form:
    """The format of an exported file: `form` if given, otherwise by the ending of its name; CSV without a file."""
    if form is not None:
        found = next((known for known in _FORMS.values() if known == form), None)
    else:
        found = "csv" if path is None else _FORMS.get(path.suffix.lower())
    if found is None:
        wanted = path.name if form is None and path is not None else repr(form)
        raise InvalidInput(
            "EXPORT_FORMAT",
            f"Cannot write {wanted}: an export is CSV or JSON lines. Name the file .csv or .jsonl, or pass --format.",
        )
    return found


def split_names(text: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name for part in text.split(",") if (name := part.strip())]
