"""Local days in one time zone.

Shape   Days(zone): instant → day number, day number → its first instant
Units   a day number is the proleptic ordinal of the local date (date.toordinal)
Laws    first_instant(day) is the earliest instant whose local date is that day, also around daylight-saving changes
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from tinycdp.model import DAY_MS, HOUR_MS, Instant

Bucket: TypeAlias = Literal["hour", "day", "week"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Days:
    """The calendar of one zone. Use `days_in(zone)`, which returns one shared instance per zone."""

    __slots__ = ("_is_utc", "_last", "_zone", "name")

    def __init__(self, zone: str) -> None:
        self.name = zone
        self._zone = ZoneInfo(zone)
        self._is_utc = zone in {"UTC", "Etc/UTC"}
        # The span of the last day computed: most events of a batch fall on the same day.
        self._last: tuple[Instant, Instant, int] = (0, 0, 0)

    def day(self, instant: Instant) -> int:
        """The local day that contains the instant."""
        if self._is_utc:
            return instant // DAY_MS + _EPOCH_DAY
        start, end, day = self._last
        if start <= instant < end:
            return day
        local = _EPOCH + timedelta(milliseconds=instant)
        day = local.astimezone(self._zone).toordinal()
        start, end = self.first_instant(day), self.first_instant(day + 1)
        if start <= instant < end:
            self._last = (start, end, day)
        return day

    def first_instant(self, day: int) -> Instant:
        """The instant at which a local day begins."""
        if self._is_utc:
            return (day - _EPOCH_DAY) * DAY_MS
        # If the clock skips midnight, fold=0 applies the offset before the gap: the first instant after the gap.
        midnight = datetime.combine(date.fromordinal(day), time(), self._zone)
        return round((midnight - _EPOCH) / timedelta(milliseconds=1))

    def buckets(self, width: Bucket, since: Instant, until: Instant) -> Iterator[Instant]:
        """The local hours, days or weeks that contain an instant of [since, until), each by its first instant.

        Weeks begin on Monday. An hour in which the clock changes may be longer or shorter."""
        start = self._bucket(width, since)
        while start < until:
            yield start
            match width:
                case "hour":
                    start = self._bucket(width, start + HOUR_MS + HOUR_MS // 2)
                case "day":
                    start = self.first_instant(self.day(start) + 1)
                case "week":
                    start = self.first_instant(self.day(start) + 7)

    def _bucket(self, width: Bucket, instant: Instant) -> Instant:
        """The first instant of the local hour, day or week that contains the instant."""
        match width:
            case "hour":
                local = (_EPOCH + timedelta(milliseconds=instant)).astimezone(self._zone)
                return instant - (local.minute * 60 + local.second) * 1000 - local.microsecond // 1000
            case "day":
                return self.first_instant(self.day(instant))
            case "week":
                day = self.day(instant)
                return self.first_instant(day - (day - 1) % 7)


@lru_cache(maxsize=1024)
def days_in(zone: str) -> Days:
    """The calendar of a zone. Raises KeyError (ZoneInfoNotFoundError) for an unknown zone."""
    return Days(zone)
