"""Instants in UTC as text, ISO 8601 with milliseconds, and as days."""

from datetime import date, datetime, timedelta

from tinycdp.model import DAY_MS, NEVER, Instant

#: The last instant of a year with four digits; arithmetic on dates may go beyond it.
_LAST = 253_402_300_799_999
_FIRST = -62_135_596_800_000
#: In UTC, and without a zone: arithmetic with one takes twice as long.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_FIRST_DAY = _EPOCH.date()


def iso(instant: Instant) -> str:
    """The instant as 2026-12-14T00:00:00.000Z, limited to the years 1 to 9999."""
    if not _FIRST <= instant <= _LAST:
        instant = min(max(instant, _FIRST), _LAST)
    seconds, milliseconds = divmod(instant, 1000)
    return f"{(_EPOCH + timedelta(0, seconds)).isoformat()}.{milliseconds:03d}Z"


def instant_of(text: str) -> Instant:
    """The instant that `iso` wrote as this text."""
    return (datetime.fromisoformat(text.removesuffix("Z")) - _EPOCH) // timedelta(milliseconds=1)


def iso_or_none(instant: Instant | None) -> str | None:
    """The instant as text; None if it is absent or NEVER."""
    return iso(instant) if instant is not None and instant < NEVER else None


def day_of(instant: Instant) -> date:
    """The day in UTC that an instant lies in."""
    return _FIRST_DAY + timedelta(instant // DAY_MS)
