"""Statements about exposures: written many at a time, counted, paged, forgotten.

Units   days are dates in UTC and ranges of them inclusive; instants are milliseconds
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row, affected
from tinycdp.store.database.statements import load
from tinycdp.store.events import begin_group

_SQL = load("exposures")

#: (environment id, definition id, version, stage, variant, unit or None, profile id or None, rule, revision, first at,
#: kind and value of the identifier whose profile they are of, None and None if unit and profile are given)
Exposed = tuple[int, int, int, int, str, str | None, int | None, str, int, int, str | None, str | None]
#: (day, definition id, version, stage, rule, variant, unit) of the last row of a page
Place = tuple[date, int, int, int, str, str, str]
Days = tuple[date, date]


@dataclass(frozen=True, slots=True)
class UnitsRow(Row):
    """How many units a rule gave a variant on a day."""

    day: date
    variant: str
    rule: str
    units: int


@dataclass(frozen=True, slots=True)
class SampleRow(Row):
    """How many units were given a variant, and how many of them another one as well."""

    variant: str
    units: int
    crossed: int


@dataclass(frozen=True, slots=True)
class ExposedRow(SampleRow):
    """The same, with the numbers of all variants together."""

    all_units: int
    all_crossed: int


@dataclass(frozen=True, slots=True)
class ExposureRow(Row):
    """An exposure; flag is the key the definition has, or had last."""

    definition_id: int
    day: date
    version: int
    stage: int
    variant: str
    unit: str
    profile_id: int | None
    rule: str
    revision: int
    first_at: int
    flag: str


@dataclass(frozen=True, slots=True)
class UseRow(Row):
    """From when to when a rule answered."""

    definition_id: int
    rule: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class FlagVersionRow(Row):
    """A version of a flag."""

    definition_id: int
    version: int
    document: dict[str, Any]
    published_at: int
    live_at: int | None


async def record_exposures(connection: Connection, rows: Sequence[Exposed], now: int) -> int:
    """Insert the rows; returns how many were new.

    Registering a consumer waits for this transaction. The locks come in the order in which an erasure takes them.

    A row without a unit and an identifier is a use without an exposure. An identifier that no profile has is the unit
    by itself, as in a decision about an unknown profile, unless data was erased since: it may have been this."""
    by_environment: dict[int, list[Exposed]] = {}
    for row in rows:
        by_environment.setdefault(row[0], []).append(row)
    stored = 0
    async with connection.transaction():
        for environment_id in sorted(by_environment):
            await begin_group(connection, environment_id)
        await connection.execute(_SQL["begin_recording"])
        for environment_id in sorted(by_environment):
            stored += await _record(connection, environment_id, by_environment[environment_id], now)
    return stored


async def _record(connection: Connection, environment_id: int, rows: Sequence[Exposed], now: int) -> int:
    named = {(kind, value) for *_, kind, value in rows if kind is not None and value is not None}
    units: dict[tuple[str | None, str | None], tuple[str, int]] = {}
    if named:
        kinds, values = map(list, zip(*sorted(named), strict=True))
        for row in await connection.fetch(_SQL["units_of_identifiers"], environment_id, kinds, values):
            units[row["kind"], row["value"]] = (row["bucketing_key"], row["id"])
    absent = named - units.keys()
    erased_at = await connection.fetchval(_SQL["newest_erasure"], environment_id) if absent else None
    whole = []
    for _, definition_id, version, stage, variant, unit, profile_id, rule, revision, first_at, kind, value in rows:
        whose: tuple[str | None, int | None] = (unit, profile_id)
        if kind is not None:
            unknown = value if erased_at is None or erased_at < first_at else None
            whose = units.get((kind, value), (unknown, None))
        whole.append((definition_id, version, stage, variant, *whose, rule, revision, first_at))
    columns = map(list, zip(*whole, strict=True))
    return await connection.fetchval(_SQL["record_exposures"], environment_id, *columns, now)


async def count_exposures(
    connection: Connection, environment_id: int, definition_id: int, days: Days
) -> list[UnitsRow]:
    return UnitsRow.every(await connection.fetch(_SQL["count_exposures"], environment_id, definition_id, *days))


async def count_exposed(
    connection: Connection, environment_id: int, definition_id: int, days: Days, timeout_seconds: float | None = None
) -> list[ExposedRow]:
    return ExposedRow.every(
        await connection.fetch(_SQL["count_exposed"], environment_id, definition_id, *days, timeout=timeout_seconds)
    )


async def sample_of_rule(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    rule: str,
    since: tuple[int, int],
    variants: Sequence[str],
    days: Days,
    afresh_since: int | None,
) -> list[SampleRow]:
    """`since` is (version, stage). Units that keep a variant from before `afresh_since` are left out."""
    return SampleRow.every(
        await connection.fetch(
            _SQL["sample_of_rule"], environment_id, definition_id, rule, *since, variants, *days, afresh_since
        )
    )


async def exposures_of_flag(
    connection: Connection,
    environment_id: int,
    definition_id: int,
    variant: str | None,
    days: Days,
    before: Place,
    n: int,
) -> list[ExposureRow]:
    day, _, *place = before
    return ExposureRow.every(
        await connection.fetch(_SQL["exposures_of_flag"], environment_id, definition_id, variant, *days, day, *place, n)
    )


async def every_exposure_of_flag(
    connection: Connection, environment_id: int, definition_id: int, variant: str | None, days: Days, before: Place
) -> AsyncIterator[list[ExposureRow]]:
    """The same without an end, a few at a time; inside a transaction, whose snapshot all of them share."""
    day, _, *place = before
    cursor = await connection.cursor(
        _SQL["exposures_of_flag"], environment_id, definition_id, variant, *days, day, *place, None
    )
    while rows := await cursor.fetch(200, timeout=60):
        yield ExposureRow.every(rows)


async def exposures_of_units(
    connection: Connection,
    environment_id: int,
    units: Sequence[str],
    definition_id: int | None,
    variant: str | None,
    days: Days,
    before: Place,
    n: int,
) -> list[ExposureRow]:
    return ExposureRow.every(
        await connection.fetch(
            _SQL["exposures_of_units"], environment_id, units, definition_id, variant, *days, *before, n
        )
    )


async def units_of_profile(connection: Connection, environment_id: int, profile_id: int) -> list[str]:
    rows = await connection.fetch(_SQL["units_of_profile"], environment_id, profile_id)
    return [row["unit"] for row in rows]


async def exposures_of_erased_units(connection: Connection, environment_id: int, units: Sequence[str]) -> list[int]:
    """The ids of all exposures of these units, ascending."""
    return [row["id"] for row in await connection.fetch(_SQL["exposures_of_erased_units"], environment_id, units)]


async def delete_exposures_of_units(connection: Connection, environment_id: int, units: Sequence[str]) -> int:
    """Delete the exposures of units; returns how many."""
    return affected(await connection.execute(_SQL["delete_exposures_of_units"], environment_id, units))


async def prune_exposures(connection: Connection, environment_id: int, before: date, n: int) -> int:
    """Delete exposures before a day, the oldest of each flag first; returns how many, at most n."""
    gone = 0
    for flag in await connection.fetch(_SQL["flags_exposed_before"], environment_id, before):
        if gone >= n:
            break
        kept = await connection.fetchrow(_SQL["nth_exposure"], environment_id, flag["id"], before, n - gone)
        place = tuple(kept) if kept is not None else (before, 0, 0, "", "", "")
        gone += affected(await connection.execute(_SQL["prune_exposures"], environment_id, flag["id"], *place))
    return gone


async def recording_since(connection: Connection) -> int:
    return await connection.fetchval(_SQL["recording_since"])


async def uses_of_flags(connection: Connection, environment_id: int) -> list[UseRow]:
    return UseRow.every(await connection.fetch(_SQL["uses_of_flags"], environment_id))


async def versions_of_flags(
    connection: Connection, environment_id: int, definition_ids: Sequence[int]
) -> list[FlagVersionRow]:
    return FlagVersionRow.every(await connection.fetch(_SQL["versions_of_flags"], environment_id, definition_ids))
