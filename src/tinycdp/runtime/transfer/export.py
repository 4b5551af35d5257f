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

import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.schema.tracking_plan import TRAITS_OF
from tinycdp.errors import Conflict, InvalidInput, Overloaded
from tinycdp.model import Instant
from tinycdp.runtime.decisions import exposure_stats
from tinycdp.runtime.decisions.exposure_stats import Exposure
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.runtime.profiles.views import evaluate, plain
from tinycdp.store import memberships as membership_store
from tinycdp.store import registry as registry_store
from tinycdp.store.database.pool import Connection, connect, frozen, reaching, snapshot
from tinycdp.times import iso_or_none

Form = Literal["csv", "jsonl"]
_FORMS: dict[str, Form] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

#: The first columns of every file of members.
COLUMNS = ("profile_id", "user_id", "anonymous_id", "entered_at", "first_seen", "last_seen")
EXPOSURE_COLUMNS = tuple(Exposure.__annotations__)
_EXPOSURE_NAMES = tuple(re.sub("_(.)", lambda found: found[1].upper(), column) for column in EXPOSURE_COLUMNS)
#: Most property columns of a CSV file whose request does not name them.
MOST_COLUMNS = 1_000
#: Exports of one process at a time. Each holds a connection and a snapshot of the database.
AT_ONCE = 4
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PATIENCE_SECONDS = 600.0

_encode = msgspec.json.Encoder(decimal_format="number").encode


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

    def __init__(
        self,
        connection: Connection,
        catalog: Catalog,
        wanted: SegmentRequest,
        columns: Sequence[str],
        now: Instant,
        as_of: Instant,
    ) -> None:
        super().__init__(f"{wanted.segment}.{wanted.form}", as_of)
        self._connection = connection
        self._catalog = catalog
        self._wanted = wanted
        self._columns = columns
        self._now = now
        self.profiles = 0

    async def parts(self) -> AsyncIterator[bytes]:
        wanted, catalog = self._wanted, self._catalog
        line = csv_lines(raw=wanted.raw)
        if as_csv := wanted.form == "csv":
            yield line([*COLUMNS, *self._columns, *wanted.traits])

        def write(row: membership_store.MemberProfileRow) -> bytes:
            return line(self._cells(row)) if as_csv else self._json_line(row)

        fingerprint = catalog.live.fingerprints["segment", wanted.segment]
        with_state = bool(wanted.traits)
        members = membership_store.members(self._connection, catalog.environment_id, fingerprint, with_state=with_state)
        with reaching():
            async for rows in members:
                self.profiles += len(rows)
                yield b"".join(map(write, rows))

    def _cells(self, row: membership_store.MemberProfileRow) -> list[Any]:
        properties, traits = row.properties, self._traits(row)
        return [*_leading(row), *map(properties.get, self._columns), *map(traits.get, self._wanted.traits)]

    def _json_line(self, row: membership_store.MemberProfileRow) -> bytes:
        names = ("profileId", "userId", "anonymousId", "enteredAt", "firstSeen", "lastSeen")
        properties = row.properties
        line = dict(zip(names, _leading(row), strict=True)) | {
            "properties": {name: properties[name] for name in self._columns if name in properties}
            if self._wanted.columns is not None
            else properties,
        }
        if self._wanted.traits:
            line["traits"] = self._traits(row)
        return _encode(line) + b"\n"

    def _traits(self, row: membership_store.MemberProfileRow) -> dict[str, Any]:
        if not self._wanted.traits:
            return {}
        values = evaluate(
            storage.from_row(row), self._catalog, self._now, [("trait", key) for key in self._wanted.traits]
        )
        nodes = self._catalog.live.nodes
        return {key: plain(value, nodes["trait", key].type) for (_, key), (value, _) in values.items()}


class ExposuresExport(Export):
    """The exposures of a flag, the newest day first."""

    def __init__(self, wanted: ExposuresRequest, exposures: AsyncIterator[list[Exposure]], now: Instant) -> None:
        super().__init__(f"{wanted.flag}-exposures.{wanted.form}", now)
        self._wanted = wanted
        self._exposures = exposures

    async def parts(self) -> AsyncIterator[bytes]:
        line = csv_lines(raw=self._wanted.raw)
        if as_csv := self._wanted.form == "csv":
            yield line(EXPOSURE_COLUMNS)

        def write(exposure: Exposure) -> bytes:
            cells = [getattr(exposure, column) for column in EXPOSURE_COLUMNS]
            return line(cells) if as_csv else _encode(dict(zip(_EXPOSURE_NAMES, cells, strict=True))) + b"\n"

        with reaching():
            async for exposures in self._exposures:
                yield b"".join(map(write, exposures))


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
    catalog = await catalogs.current_in(connection, environment_id)
    name = ("segment", wanted.segment)
    _check_exportable(catalog, wanted.segment)
    for key in wanted.traits:
        if ("trait", key) not in catalog.live.definitions:
            raise unknown("trait", key, catalog.live.definitions)
    columns = wanted.columns
    await _check_columns(connection, environment_id, catalog.live.fingerprints[name], columns or ())
    if columns is None and wanted.form == "csv":
        columns = await membership_store.property_names_of_members(
            connection, environment_id, catalog.live.fingerprints[name], MOST_COLUMNS + 1, _PATIENCE_SECONDS
        )
        if len(columns) > MOST_COLUMNS:
            message = f"The members have more than {MOST_COLUMNS} different properties; choose with `columns`."
            raise InvalidInput("TOO_MANY_COLUMNS", message)
    return MembersExport(
        connection, catalog, wanted, columns or (), now, await memberships_as_of(connection, environment_id, now)
    )


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
            _check_exportable(catalog, segment)
        keys = [
            key
            for kind, key in sorted(catalog.live.definitions)
            if kind == "segment" and ("segment", key) not in catalog.backfilling and segment in {None, key}
        ]
        prints = [catalog.live.fingerprints["segment", key] for key in keys]
        counted = await membership_store.count_members(connection, environment.id, prints)
        as_of = await memberships_as_of(connection, environment.id, environment.now())
    return [SegmentSize(key, fp, counted.get(fp, 0)) for key, fp in zip(keys, prints, strict=True)], as_of


def _check_exportable(catalog: Catalog, segment: str) -> None:
    name = ("segment", segment)
    if name not in catalog.live.definitions:
        raise unknown("segment", segment, catalog.live.definitions)
    if name in catalog.backfilling:
        raise Conflict("BACKFILLING", f"The segment {segment!r} is still being computed; try again when it is live.")


async def _check_columns(connection: Connection, environment_id: int, fingerprint: int, columns: Sequence[str]) -> None:
    """Raise InvalidInput for a column that no profile has or had: the name is misspelt, and all of it is empty."""
    if not columns:
        return
    seen = await registry_store.registry_types_of(connection, environment_id, TRAITS_OF["identify"])
    known = {row.property.partition(".")[0] for row in seen} - {""}
    if set(columns) <= known:
        return
    # What was stored a moment ago, or before there was a registry, is only in the profiles.
    known |= set(
        await membership_store.property_names_of_members(
            connection, environment_id, fingerprint, MOST_COLUMNS + 1, _PATIENCE_SECONDS
        )
    )
    for column in columns:
        if column not in known:
            message = f"`columns`: no profile has a property {column!r}.{did_you_mean(column, known)}"
            raise InvalidInput("UNKNOWN_COLUMN", message)


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


def _leading(row: membership_store.MemberProfileRow) -> Iterator[str | None]:
    yield str(row.id)
    yield row.user_id
    yield row.anonymous_id
    yield from map(iso_or_none, (row.entered_at, row.first_seen_at, row.last_seen_at))


def csv_lines(*, raw: bool) -> Callable[[Iterable[Any]], bytes]:
    """A function that returns one row as CSV."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    guard = _plain_cell if raw else _safe_cell

    def line(cells: Iterable[Any]) -> bytes:
        writer.writerow([guard(cell) for cell in cells])
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text.encode("utf-8", "replace")

    return line


def _safe_cell(value: Any) -> str:
    """The cell, with an apostrophe before a text that a spreadsheet would run as a formula."""
    text = _plain_cell(value)
    return "'" + text if type(value) is str and text.startswith(_FORMULA) else text


def _plain_cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case int():
            return str(value)
        case _:
            return _encode(value).decode()
