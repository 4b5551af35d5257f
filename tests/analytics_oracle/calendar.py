"""Local days and buckets, by stepping through time.

Shape   range_of(question, world) → Range · buckets(range, width, world) → list of Bucket · before(range, compare, zone)
Units   instants in milliseconds UTC
Laws    a day begins at the first instant that has its local date; here in steps of a quarter of an hour, since every
        zone changes its clock at one
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from analytics_oracle.world import World
from tinycdp.products.analytics.answers.schemas import BucketSpan

HOUR = 3_600_000
DAY = 24 * HOUR
QUARTER_OF_AN_HOUR = HOUR // 4
UNITS = {"s": 1_000, "m": 60_000, "h": HOUR, "d": DAY, "w": 7 * DAY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Range:
    """The instants [since, until)."""

    since: int
    until: int

    def has(self, instant: int) -> bool:
        return self.since <= instant < self.until


@dataclass(frozen=True)
class Bucket:
    """A whole local hour, day, week, month, quarter or year, and the part of the range in it."""

    start: int
    end: int
    part: Range
    begun: bool
    complete: bool

    def span(self, zone: str) -> BucketSpan:
        return BucketSpan(as_text(self.start, zone), as_text(self.end, zone), self.complete)


def local(instant: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone))


def as_text(instant: int, zone: str) -> str:
    return local(instant, zone).isoformat(timespec="milliseconds")


def from_text(text: str) -> int:
    """The instant of a text with an offset or Z."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None, text
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def day_of(instant: int, zone: str) -> date:
    return local(instant, zone).date()


@lru_cache(maxsize=65_536)
def first_instant(day: date, zone: str) -> int:
    """The first instant whose local date is this day; of a day that a zone left out, the next day's."""
    instant = (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) - 16 * HOUR
    while day_of(instant, zone) < day:
        instant += QUARTER_OF_AN_HOUR
    return instant


def months_on(day: date, months: int) -> date:
    """As many months on; the last day of a month that is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def duration(text: str) -> int:
    """The milliseconds of a duration such as "7d"."""
    return int(text[:-1]) * UNITS[text[-1]]


# Ranges


def range_of(question: Any, world: World) -> Range:
    zone = world.zone
    today = day_of(world.as_of, zone)
    tomorrow = first_instant(today + timedelta(1), zone)
    if question.last:
        n, unit = int(question.last[:-1]), question.last[-1]
        if unit == "h":
            end = hour_of(world.as_of, zone) + HOUR
            return Range(end - n * HOUR, end)
        if unit == "d":
            return Range(first_instant(today - timedelta(n - 1), zone), tomorrow)
        if unit == "w":
            monday = today - timedelta(today.weekday())
            return Range(first_instant(monday - timedelta(7 * (n - 1)), zone), tomorrow)
        return Range(first_instant(months_on(today.replace(day=1), 1 - n), zone), tomorrow)
    return Range(_edge(question.from_, zone), _edge(question.to, zone) if question.to else tomorrow)


def _edge(text: str, zone: str) -> int:
    return first_instant(date.fromisoformat(text), zone) if len(text) == len("2026-01-01") else from_text(text)


def before(asked: Range, compare: str, zone: str) -> Range:
    """The range that another is compared with: as many local days before it as it touches, a week, or a year."""
    first, last = day_of(asked.since, zone), day_of(asked.until - 1, zone)

    def back(day: date) -> date:
        if compare == "year":
            return months_on(day, -12)
        return day - timedelta(7 if compare == "week" else (last - first).days + 1)

    def moved(instant: int) -> int:
        """As far into that day, or its end if it is shorter."""
        day = day_of(instant, zone)
        there = back(day)
        into = instant - first_instant(day, zone)
        return min(first_instant(there, zone) + into, first_instant(there + timedelta(1), zone))

    return Range(moved(asked.since), moved(asked.until))


# Buckets


def hour_of(instant: int, zone: str) -> int:
    """The instant at which the clock last showed a whole hour."""
    moment = local(instant, zone)
    return instant - (moment.minute * 60 + moment.second) * 1_000 - moment.microsecond // 1_000


def start_of(instant: int, width: str, zone: str) -> int:
    """The first instant of the bucket that an instant lies in."""
    if width == "hour":
        return hour_of(instant, zone)
    return first_instant(_first_day(day_of(instant, zone), width), zone)


def end_of(start: int, width: str, zone: str) -> int:
    """The first instant after the bucket that begins here."""
    if width == "hour":
        return start + HOUR
    first = _first_day(day_of(start, zone), width)
    following = {
        "day": first + timedelta(1),
        "week": first + timedelta(7),
        "month": months_on(first, 1),
        "quarter": months_on(first, 3),
        "year": months_on(first, 12),
    }
    return first_instant(following[width], zone)


def start_before(start: int, width: str, zone: str) -> int:
    """The first instant of the bucket before the one that begins here."""
    return start_of(start - 1, width, zone)


def _first_day(day: date, width: str) -> date:
    match width:
        case "week":
            return day - timedelta(day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        case "year":
            return date(day.year, 1, 1)
    return day


def buckets(asked: Range, width: str, world: World) -> list[Bucket]:
    """The buckets that the range touches."""
    found = []
    start = start_of(asked.since, width, world.zone)
    while start < asked.until:
        end = end_of(start, width, world.zone)
        part = Range(max(start, asked.since), min(end, asked.until))
        whole = part == Range(start, end)
        found.append(Bucket(start, end, part, part.since < world.as_of, whole and end <= world.as_of))
        start = end
    return found
