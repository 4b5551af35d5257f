"""Ranges of time in words, as local days.

Shape   Stretch: the days [first, after) · stretch_of(unit, day) the calendar unit around a day
Laws    weeks begin on Monday. Without a year, the newest month or quarter that has begun is meant; a weekday is the
        newest one, today included, unless it is said to be the last
"""

from dataclasses import dataclass
from datetime import date, timedelta

#: The letter of `last` for a unit, and how many of it the unit has.
LAST = {"hour": ("h", 1), "day": ("d", 1), "week": ("w", 1), "month": ("m", 1), "quarter": ("m", 3), "year": ("m", 12)}
UNIT_OF = {"h": "hour", "d": "day", "w": "week", "m": "month"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """The local days [first, after), or instants, as text."""

    first: str
    after: str


def stretch_of(unit: str, day: date, back: int = 0) -> Stretch:
    """The calendar unit that a day is in, or one that many units back."""
    match unit:
        case "day" | "hour":
            first = day - timedelta(back)
            return _days(first, first + timedelta(1))
        case "week":
            first = day - timedelta(day.weekday() + 7 * back)
            return _days(first, first + timedelta(7))
    months = {"month": 1, "quarter": 3, "year": 12}[unit]
    n = (day.year * 12 + day.month - 1) // months - back
    return _days(_month(n * months), _month((n + 1) * months))


def named_month(n: int, year: int | None, today: date) -> Stretch:
    """A month by its number; without a year the newest that has begun."""
    return stretch_of("month", date(year or (today.year if n <= today.month else today.year - 1), n, 1))


def named_quarter(n: int, year: int | None, today: date) -> Stretch:
    """A quarter by its number; without a year the newest that has begun."""
    first = 3 * n - 2
    return stretch_of("quarter", date(year or (today.year if first <= today.month else today.year - 1), first, 1))


def named_day(n: int, today: date, *, is_before: bool) -> Stretch:
    """The newest day with this number in the week, Monday being 0. is_before: not today."""
    back = (today.weekday() - n) % 7
    return stretch_of("day", today, back or (7 if is_before else 0))


def a_week_earlier(stretch: Stretch) -> Stretch:
    """The same days a week before."""
    first, after = (date.fromisoformat(text) - timedelta(7) for text in (stretch.first, stretch.after))
    return _days(first, after)


def moment(text: str) -> Stretch:
    """A date, or an instant, which is its own end."""
    if "T" in text:
        return Stretch(text, text)
    day = date.fromisoformat(text)
    return Stretch(text, (day + timedelta(1)).isoformat())


def _days(first: date, after: date) -> Stretch:
    return Stretch(first.isoformat(), after.isoformat())


def _month(months: int) -> date:
    return date(months // 12, months % 12 + 1, 1)
