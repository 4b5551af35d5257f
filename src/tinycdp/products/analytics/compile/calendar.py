"""Ranges and buckets of a question, in the local calendar.

Shape   span_of(question, world) → TimeRange [since, until) · Buckets.over(span, width, zone, as_of)
Units   instants in milliseconds; days are numbered as in `Days` of the language
Laws    buckets are whole local hours, days, weeks from Monday, months, quarters or years; the first and last may be cut
        by the range. A bucket that has not begun has no value; one that is cut, or not over, is not complete
Errors  InvalidInput INVALID_QUESTION, with the path of the field
Source  docs/reference/analytics-meanings.md
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tinycdp.dsl.values.calendar import days_in
from tinycdp.dsl.values.scalars import parse_duration, parse_instant
from tinycdp.errors import InvalidInput
from tinycdp.model import DAY_MS, HOUR_MS, NEVER, Instant
from tinycdp.products.analytics.answers.schemas import BucketSpan
from tinycdp.products.analytics.questions.schemas import Asked

MOST_BUCKETS = 5_000
LONGEST_RANGE_DAYS = 400
#: The instants between which a table of events can hold any: the years 1900 to 2299.
BEGINNING: Instant = -2_208_988_800_000
END: Instant = 10_413_792_000_000

AskedT = TypeVar("AskedT", bound=Asked)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def invalid(path: str, message: str) -> InvalidInput:
    """The error of a question: what is wrong, at which field."""
    return InvalidInput("INVALID_QUESTION", f"{path}: {message}" if path else message, path=path)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The instants [since, until)."""

    since: Instant
    until: Instant


def instant_at(text: str, zone: str, path: str) -> Instant:
    """The instant of a local date or of an instant, as text."""
    try:
        return days_in(zone).first_instant(date.fromisoformat(text).toordinal())
    except ValueError:
        instant = parse_instant(text)
    if instant is None:
        raise invalid(path, f"{text!r} is neither a date (2026-01-31) nor an instant (2026-01-31T10:00:00Z).")
    return instant


def span_of(from_: str, to: str, last: str, zone: str, now: Instant) -> TimeRange:
    """The range of a question."""
    if last:
        if from_ or to:
            raise invalid("last", "Give either `last`, or `from` and `to`.")
        span = _last(last, zone, now)
    else:
        if not from_:
            raise invalid("from", 'Give a range: `from` and `to`, or `last`, such as "30d".')
        since = instant_at(from_, zone, "from")
        until = instant_at(to, zone, "to") if to else days_in(zone).first_instant(days_in(zone).day(now) + 1)
        span = TimeRange(since, until)
    if span.until <= span.since:
        raise invalid(
            "to", f"The range is empty or backwards: it ends at {to or 'the end of today'}, and begins at {from_}."
        )
    if span.until - span.since > LONGEST_RANGE_DAYS * DAY_MS + HOUR_MS:
        raise invalid(
            "from", f"The range is longer than {LONGEST_RANGE_DAYS} days. Ask for less, or for several ranges."
        )
    return span


def _last(text: str, zone: str, now: Instant) -> TimeRange:
    digits, unit = text[:-1], text[-1:]
    if (
        not (digits.isascii() and digits.isdigit() and len(digits) <= 5)
        or unit not in {"h", "d", "w", "m"}
        or int(digits) < 1
    ):
        raise invalid("last", f'{text!r} is not a range such as "24h", "30d", "8w" or "12m" (months).')
    days, n = days_in(zone), int(digits)
    today = days.day(now)
    tomorrow = days.first_instant(today + 1)
    match unit:
        case "h":
            *_, hour = days.buckets("hour", now, now + 1)
            return TimeRange(hour + HOUR_MS - n * HOUR_MS, hour + HOUR_MS)
        case "d":
            return TimeRange(days.first_instant(today + 1 - n), tomorrow)
        case "w":
            return TimeRange(days.first_instant(today - (today - 1) % 7 - 7 * (n - 1)), tomorrow)
        case _:
            first = date.fromordinal(today).replace(day=1)
            return TimeRange(days.first_instant(_months_on(first, 1 - n).toordinal()), tomorrow)


def resolved(question: AskedT, zone: str, now: Instant) -> AskedT:
    """The question with its range in full."""
    span = span_of(question.from_, question.to, question.last, zone, now)
    since, until = (local(instant, zone) for instant in (span.since, span.until))
    return msgspec.structs.replace(question, from_=since, to=until, last="")


def days_of(since: Instant, until: Instant, zone: str) -> tuple[date, date]:
    """The first and last local day of [since, until)."""
    days = days_in(zone)
    return date.fromordinal(days.day(since)), date.fromordinal(days.day(until - 1))


def duration_of(text: str, path: str, *, most_days: int = LONGEST_RANGE_DAYS) -> int:
    """The milliseconds of a duration such as "7d"."""
    ms = parse_duration(text)
    if ms is None or ms <= 0:
        raise invalid(path, f'{text!r} is not a duration such as "30m", "12h" or "7d".')
    if ms > most_days * DAY_MS:
        raise invalid(path, f"{text} is longer than {most_days} days.")
    return ms


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a range.

    edges  the first instant of each bucket, whole, and the end of the last
    span   the range, which may cut the first and the last"""

    edges: tuple[Instant, ...]
    span: TimeRange
    zone: str
    as_of: Instant

    @classmethod
    def over(cls, span: TimeRange, width: str, zone: str, as_of: Instant, path: str = "bucket") -> "Buckets":
        """The buckets of this width that have an instant of the range."""
        edges: list[Instant] = []
        following = _WIDTHS[width](zone)
        edge = following(span.since, 0)
        while edge < span.until:
            edges.append(edge)
            if len(edges) > MOST_BUCKETS:
                raise invalid(
                    path, f"The range has more than {MOST_BUCKETS:,} buckets of one {width}. Take wider ones."
                )
            edge = following(edge, 1)
        return cls((*edges, edge), span, zone, as_of)

    def before(self, width: str, n: int) -> "Buckets":
        """The same with n more buckets before them."""
        edges = list(self.edges)
        following = _WIDTHS[width](self.zone)
        for _ in range(n):
            edges.insert(0, following(edges[0] - 1, 0))
        return Buckets(tuple(edges), TimeRange(min(edges[0], self.span.since), self.span.until), self.zone, self.as_of)

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def starts(self) -> tuple[Instant, ...]:
        return self.edges[:-1]

    @property
    def begun(self) -> int:
        """How many buckets have begun."""
        return sum(max(start, self.span.since) < self.as_of for start in self.starts)

    @property
    def holds_until(self) -> Instant:
        """The next instant at which another bucket begins or is complete."""
        return next((edge for edge in (*self.edges, self.span.until) if edge > self.as_of), NEVER)

    def complete(self, n: int) -> bool:
        start, end = self.edges[n], self.edges[n + 1]
        return start >= self.span.since and end <= self.span.until and end <= self.as_of

    def spans(self) -> tuple[BucketSpan, ...]:
        """As the answer shows them."""
        return tuple(
            BucketSpan(local(self.edges[n], self.zone), local(self.edges[n + 1], self.zone), self.complete(n))
            for n in range(len(self))
        )


def local(instant: Instant, zone: str) -> str:
    """An instant as text with the zone's offset, without milliseconds if they are 0."""
    moment = (_EPOCH + timedelta(milliseconds=instant)).astimezone(ZoneInfo(zone))
    return moment.isoformat(timespec="milliseconds" if instant % 1000 else "seconds")


def earlier(span: TimeRange, zone: str, compare: Literal["previous", "week", "year"]) -> TimeRange:
    """The range that another is compared with: as many local days before it, a week, or a year."""
    days = days_in(zone)
    first, last = days.day(span.since), days.day(span.until - 1)
    match compare:
        case "previous":
            back = _days_back(last + 1 - first)
        case "week":
            back = _days_back(7)
        case "year":
            back = _a_year_back
    return TimeRange(_moved(span.since, zone, back), _moved(span.until, zone, back))


def _days_back(n: int) -> Callable[[date], date]:
    return lambda day: day - timedelta(n)


def _a_year_back(day: date) -> date:
    return _months_on(day, -12)


def _moved(instant: Instant, zone: str, back: Callable[[date], date]) -> Instant:
    """The same local time of another day."""
    days = days_in(zone)
    day = days.day(instant)
    there = back(date.fromordinal(day)).toordinal()
    return days.first_instant(there) + min(
        instant - days.first_instant(day), days.first_instant(there + 1) - days.first_instant(there)
    )


def _months_on(day: date, n: int) -> date:
    """n months on; the last day of a shorter month."""
    months = day.year * 12 + day.month - 1 + n
    first = date(months // 12, months % 12 + 1, 1)
    next_first = date((months + 1) // 12, (months + 1) % 12 + 1, 1)
    return first + timedelta(min(day.day, (next_first - first).days) - 1)


#: Of an instant, the first instant of its bucket (0), or of the bucket after it (1).
Following = Callable[[Instant, int], Instant]


def _hours(zone: str) -> Following:
    days = days_in(zone)

    def hour(instant: Instant, n: int) -> Instant:
        for start in days.buckets("hour", instant, instant + 3 * HOUR_MS):
            if n == 0 or start > instant:
                return start
        raise AssertionError("three hours have a full hour")

    return hour


def _by_days(zone: str, first: Callable[[date, int], date]) -> Following:
    days = days_in(zone)
    return lambda instant, n: days.first_instant(first(date.fromordinal(days.day(instant)), n).toordinal())


_WIDTHS: dict[str, Callable[[str], Following]] = {
    "hour": _hours,
    "day": lambda zone: _by_days(zone, lambda day, n: day + timedelta(n)),
    "week": lambda zone: _by_days(zone, lambda day, n: day - timedelta(day.weekday()) + timedelta(7 * n)),
    "month": lambda zone: _by_days(zone, lambda day, n: _months_on(day.replace(day=1), n)),
    "quarter": lambda zone: _by_days(
        zone, lambda day, n: _months_on(day.replace(day=1, month=day.month - (day.month - 1) % 3), 3 * n)
    ),
    "year": lambda zone: _by_days(zone, lambda day, n: date(day.year + n, 1, 1)),
}
