"""Counts of a flag's exposures, and whether its splits match their weights.

Shape   counts(…) counts a flag's exposures over a range of days, with a sample-ratio check for each split.
        page(…) lists exposures, and every(…) streams all exposures of a flag. recent_exposures(…) is the summary on
        a flag's page. ratio(…) and survival(…) are pure arithmetic
Units   days in UTC, ranges inclusive; weights in hundred-thousandths; a p-value is a fraction
Laws    a unit counts once, however often it was asked about. A check counts units under what the split gave them first
        since it last changed, whatever another rule or older weights gave them
Errors  NotFound for a flag that does not exist · InvalidInput INVALID_CURSOR
Source  docs/reference/exposures.md; docs/decisions/0015-exposures.md
"""

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec

from tinycdp import opaque
from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.engine.flags.document import Flag, read_flag, stages
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.store import exposures as store
from tinycdp.store.database.pool import Connection, acquired, snapshot
from tinycdp.times import day_of, iso

#: A p-value below this raises the alarm. A check that is read every day must not raise it by chance every month.
ALARM_P = 0.001
LEAST_UNITS = 100
#: What each variant must expect for the chi-squared distribution to describe its counts.
LEAST_EXPECTED = 5
_RECENT_DAYS = 7
_RECENT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Share:
    """share  of all units, as a fraction"""

    variant: str
    units: int
    share: float


@dataclass(frozen=True, slots=True)
class DayCount:
    """The units that were given a variant on a day. `rule` is None if no rule matched."""

    day: str
    variant: str
    rule: str | None
    units: int


@dataclass(frozen=True, slots=True)
class Arm:
    """expected  units, by the weight"""

    variant: str
    weight: int
    units: int
    expected: float


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the units of one rule's split match its weights.

    since, version  units are counted from this instant and this version of the flag
    chi_square, p  how far the counts are from the weights, and how likely chance is to go as far; None if there are
                   too few units to tell
    mismatch       whether chance is ruled out
    crossovers     units among them that were given another of these variants afterwards"""

    rule: str
    since: str
    version: int
    units: int
    arms: list[Arm]
    chi_square: float | None
    p: float | None
    mismatch: bool
    crossovers: int
    sentence: str


@dataclass(frozen=True, slots=True)
class FlagExposures:
    """A flag's exposures from a first to a last day.

    units       that were given any variant
    crossovers  units that were given more than one variant"""

    flag: str
    first: str
    last: str
    units: int
    crossovers: int
    variants: list[Share]
    days: list[DayCount]
    sample_ratio: list[SampleRatio]
    as_of: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one unit was given on one day.

    profile_id  None if no message of the unit was ever received
    rule        that gave the variant; None for an override, the default, and a flag that is off
    version     of the flag; revision: of all definitions"""

    flag: str
    day: str
    variant: str
    unit: str
    profile_id: str | None
    rule: str | None
    version: int
    revision: int
    first_at: str


@dataclass(frozen=True, slots=True)
class ExposurePage:
    """The newest day first. `next` is the cursor of the following page, None after the last."""

    exposures: list[Exposure]
    next: str | None


@dataclass(frozen=True, slots=True)
class RecentExposures:
    """Units per variant: of this day (UTC), and of the seven days that end with it."""

    today: dict[str, int]
    seven_days: dict[str, int]


# Arithmetic


def survival(statistic: float, degrees: int) -> float:
    """The probability that chi-squared with these degrees of freedom is at least the statistic.

    The regularised upper incomplete gamma function of whole and half numbers has a finite sum; its terms are added as
    logarithms, so that none of them overflows.

    >>> round(survival(3.841458820694124, 1), 12)
    0.05
    """
    if statistic <= 0:
        return 1.0
    x = statistic / 2
    whole, half = divmod(degrees, 2)
    first = math.erfc(math.sqrt(x)) if half else 0.0
    terms = (math.exp((i + half / 2) * math.log(x) - x - math.lgamma(i + half / 2 + 1)) for i in range(whole))
    return min(1.0, math.fsum([first, *terms]))


def ratio(weights: Mapping[str, int], counted: Mapping[str, int]) -> tuple[float | None, float | None]:
    """(chi-squared, p) of counts against weights; None if the counts are too low.

    A variant of weight 0 expects no units, and any unit there is proof."""
    total = sum(counted.values())
    if any(counted.get(variant, 0) for variant, weight in weights.items() if not weight):
        return math.inf, 0.0
    expected = {variant: total * weight / BUCKETS for variant, weight in weights.items() if weight}
    if total < LEAST_UNITS or len(expected) < 2 or min(expected.values()) < LEAST_EXPECTED:
        return None, None
    statistic = math.fsum((counted.get(variant, 0) - e) ** 2 / e for variant, e in expected.items())
    return statistic, survival(statistic, len(expected) - 1)


# Questions


async def counts(
    environment: Environment, catalogs: Catalogs, key: str, first: date, last: date, now: Instant
) -> FlagExposures:
    """A flag's exposures from the first to the last day, both included."""
    days = (first, last)
    async with snapshot(environment.pool) as connection:
        definition, live = await _find(connection, catalogs, environment.id, key)
        rows = await store.count_exposures(connection, environment.id, definition.id, days)
        totals = await store.count_exposed(connection, environment.id, definition.id, days)
        checks = []
        if live is not None:
            versions = await store.versions_of_flags(connection, environment.id, [live.id])
            for sample in split_samples(live, versions, now):
                found = await store.sample_of_rule(
                    connection,
                    environment.id,
                    live.id,
                    sample.rule,
                    (sample.version, sample.stage),
                    list(sample.weights),
                    days,
                    sample.since if sample.sticky else None,
                )
                checks.append(_check(sample, found))
    units = totals[0].all_units if totals else 0
    return FlagExposures(
        flag=key,
        first=first.isoformat(),
        last=last.isoformat(),
        units=units,
        crossovers=totals[0].all_crossed if totals else 0,
        variants=[Share(row.variant, row.units, round(row.units / units, 6)) for row in totals],
        days=[DayCount(r.day.isoformat(), r.variant, r.rule or None, r.units) for r in rows],
        sample_ratio=checks,
        as_of=iso(now),
    )


async def page(
    environment: Environment,
    catalogs: Catalogs,
    first: date,
    last: date,
    n: int,
    *,
    flag: str | None = None,
    variant: str | None = None,
    unit: str | None = None,
    profile_id: int | None = None,
    after: str | None = None,
) -> ExposurePage:
    """Exposures of a flag, of a unit, or of every unit of a profile, newest day first."""
    days = (first, last)
    before = _place(after) if after else _behind(last)
    async with snapshot(environment.pool) as connection:
        definition = (await _find(connection, catalogs, environment.id, flag))[0] if flag is not None else None
        id = definition.id if definition is not None else None
        if unit is None and profile_id is None:
            assert id is not None
            rows = await store.exposures_of_flag(connection, environment.id, id, variant, days, before, n)
        else:
            units = [unit] if unit is not None else []
            if profile_id is not None:
                theirs = await store.units_of_profile(connection, environment.id, profile_id)
                units = theirs if unit is None else [u for u in units if u in theirs]
            rows = await store.exposures_of_units(connection, environment.id, units, id, variant, days, before, n)
    following = _cursor(rows[-1]) if len(rows) == n else None
    return ExposurePage([_exposure(row) for row in rows], following)


async def every(
    connection: Connection,
    catalogs: Catalogs,
    environment_id: int,
    flag: str,
    variant: str | None,
    days: tuple[date, date],
) -> AsyncIterator[list[Exposure]]:
    """All exposures of a flag, as `page` lists them, a few at a time, of what the connection's transaction sees."""
    definition = (await _find(connection, catalogs, environment_id, flag))[0]
    found = store.every_exposure_of_flag(connection, environment_id, definition.id, variant, days, _behind(days[1]))
    return ([_exposure(row) for row in rows] async for rows in found)


async def recent_exposures(environment: Environment, catalogs: Catalogs, key: str) -> RecentExposures | None:
    """What a flag did this week, None where counting takes longer than one waits for a page."""
    today = day_of(environment.now())
    async with acquired(environment.pool) as connection:
        definition_id = (await _find(connection, catalogs, environment.id, key))[0].id
        try:
            of_day, of_week = [
                await store.count_exposed(connection, environment.id, definition_id, (first, today), _RECENT_SECONDS)
                for first in (today, today - timedelta(days=_RECENT_DAYS - 1))
            ]
        except TimeoutError:
            return None
    return RecentExposures(*({row.variant: row.units for row in rows} for rows in (of_day, of_week)))


def _behind(last: date) -> store.Place:
    """The place from which on nothing of a last day is shown yet."""
    return min(last, date.max - timedelta(1)) + timedelta(1), 0, 0, 0, "", "", ""


async def _find(
    connection: Connection, catalogs: Catalogs, environment_id: int, key: str
) -> tuple[Definition, Definition | None]:
    """A flag as it was last saved, and as it serves, which may be not yet."""
    catalog = await catalogs.current_in(connection, environment_id)
    head = (catalog.candidate or catalog.live).definitions.get(("flag", key))
    live = catalog.live.definitions.get(("flag", key))
    if (found := head or live) is None:
        raise unknown("flag", key, catalog.live.definitions)
    return found, live if live is not None and ("flag", key) not in catalog.backfilling else None


# Samples


class SplitSample(msgspec.Struct, frozen=True):
    """From when on a split gives out what it gives out now."""

    rule: str
    weights: dict[str, int]
    version: int
    stage: int
    since: Instant
    sticky: bool


def split_samples(live: Definition, versions: Sequence[store.FlagVersionRow], now: Instant) -> Iterator[SplitSample]:
    """The samples of a flag's splits; `versions` of the flag, the newest first."""
    history = list(_history(live, versions, now))
    if not history:
        return
    for rule in history[0][3].rules:
        meaning = _meaning(history[0][3], rule.id)
        if meaning is None or sum(weight > 0 for _, weight in meaning[1]) < 2:
            continue
        version, stage, since, _ = history[0]
        for version_before, stage_before, since_before, flag in history[1:]:
            if _meaning(flag, rule.id) != meaning:
                break
            version, stage, since = version_before, stage_before, since_before
        yield SplitSample(rule.id, dict(meaning[1]), version, stage, since, history[0][3].sticky)


def _history(
    live: Definition, versions: Sequence[store.FlagVersionRow], now: Instant
) -> Iterator[tuple[int, int, Instant, Flag]]:
    """(version, stage, since when, flag): every form the flag had, the present one first."""
    ended = now
    for row in versions:
        if row.version > live.version:
            continue
        began = row.live_at if row.live_at is not None else row.published_at
        try:
            forms = [(n, at, flag) for n, (at, flag) in enumerate(stages(read_flag(row.document, "")))]
        except InvalidInput:
            return  # a document of an old format: what came before it is another sample
        for n, at, flag in reversed(forms):
            if at is None or at <= ended:
                yield row.version, n, began if at is None else max(began, at), flag
        ended = began


def _meaning(flag: Flag, id: str) -> tuple[str, tuple[tuple[str, int], ...], Any] | None:
    """What places units in a split: if any of it changes, units move."""
    rule = next((rule for rule in flag.rules if rule.id == id), None)
    return (flag.salt, tuple(rule.split.items()), rule.exposure) if rule is not None and rule.split else None


def _check(sample: SplitSample, rows: Sequence[store.SampleRow]) -> SampleRatio:
    counted = {row.variant: row.units for row in rows}
    total, crossed = sum(counted.values()), sum(row.crossed for row in rows)
    statistic, p = ratio(sample.weights, counted)
    mismatch = p is not None and p < ALARM_P
    arms = [
        Arm(variant, weight, counted.get(variant, 0), round(total * weight / BUCKETS, 1))
        for variant, weight in sample.weights.items()
    ]
    return SampleRatio(
        rule=sample.rule,
        since=iso(sample.since),
        version=sample.version,
        units=total,
        arms=arms,
        chi_square=round(statistic, 4) if statistic is not None and math.isfinite(statistic) else None,
        p=p,
        mismatch=mismatch,
        crossovers=crossed,
        sentence=_sentence(arms, total, p, mismatch) + _of_crossovers(crossed),
    )


def _sentence(arms: Sequence[Arm], total: int, p: float | None, mismatch: bool) -> str:
    if p is None:
        weight = min(arm.weight for arm in arms if arm.weight)
        needed = max(LEAST_UNITS, math.ceil(LEAST_EXPECTED * BUCKETS / weight))
        return f"Too few to tell: {total:,} of at least {needed:,} units."
    if not mismatch:
        return f"The variants were given out as the weights say (p = {p:.2g})."
    worst = max(arms, key=lambda arm: abs(arm.units - arm.expected) / math.sqrt(arm.expected or 1))
    return (
        f"Sample-ratio mismatch: {worst.variant!r} has {worst.units:,} units where {worst.expected:,.0f} were expected"
        f" (p = {p:.2g}). Do not trust a comparison of these variants: depending on what they were given, units are"
        " missing or extra. Look for a variant after which units are asked about again or no more, for answers kept"
        " from before the split changed, for exposure=false on one side only, and for bots."
    )


def _of_crossovers(crossed: int) -> str:
    if not crossed:
        return ""
    units = "1 unit was" if crossed == 1 else f"{crossed:,} units were"
    return f" {units} given another of these variants afterwards: by another rule, an override or an older version."


# Pages


def _exposure(row: store.ExposureRow) -> Exposure:
    return Exposure(
        flag=row.flag,
        day=row.day.isoformat(),
        variant=row.variant,
        unit=row.unit,
        profile_id=str(row.profile_id) if row.profile_id is not None else None,
        rule=row.rule or None,
        version=row.version,
        revision=row.revision,
        first_at=iso(row.first_at),
    )


def _cursor(row: store.ExposureRow) -> str:
    place: store.Place = (
        row.day, row.definition_id, row.version, row.stage, row.rule, row.variant, row.unit
    )  # fmt: skip
    return opaque.text_of(msgspec.json.encode(place))


_PLACE = msgspec.json.Decoder(store.Place)


def _place(cursor: str) -> store.Place:
    foreign = InvalidInput("INVALID_CURSOR", "This cursor is invalid. Start without one.")
    try:
        day, definition_id, version, stage, *texts = opaque.decoded(opaque.bytes_of(cursor), _PLACE)
    except opaque.Unreadable:
        raise foreign from None
    if min(definition_id, version, stage) < 0 or max(definition_id, version, stage << 16) >= 2**31:
        raise foreign
    return day, definition_id, version, stage, texts[0], texts[1], texts[2]
