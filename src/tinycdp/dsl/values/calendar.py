"""Local days in one zone.

Shape   Days(zone): instant → day number, day number → its first instant
Units   a day number is the proleptic ordinal of the local date (date.toordinal)
Laws    first_instant(day) is the earliest instant whose local date is that day, whatever daylight saving does
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tinycdp.model import DAY_MS, Instant

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Days:
    """The calendar of one zone. Instances are cheap to share: `days_in(zone)` returns one per zone."""

    __slots__ = ("_is_utc", "_last", "_zone", "name")

    def __init__(self, zone: str) -> None:
        self.name = zone
        self._zone = ZoneInfo(zone)
        self._is_utc = zone in {"UTC", "Etc/UTC"}
        # The span of the day last asked for: events of a batch mostly fall on the same one.
        self._last: tuple[Instant, Instant, int] = (0, 0, 0)

    def day(self, instant: Instant) -> int:
        """The local day that holds the instant."""
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
        # Where the clock skips midnight, fold=0 applies the offset before the gap, which is the first instant after it.
        midnight = datetime.combine(date.fromordinal(day), time(), self._zone)
        return round((midnight - _EPOCH) / timedelta(milliseconds=1))


@lru_cache(maxsize=1024)
def days_in(zone: str) -> Days:
    """The calendar of a zone. Raises KeyError (ZoneInfoNotFoundError) for a name that is no zone."""
    return Days(zone)
