"""Instants as text: ISO 8601 in UTC, with milliseconds."""

from datetime import UTC, datetime

from tinycdp.model import NEVER, Instant

#: The last instant of a year with four digits; arithmetic on dates may go beyond it.
_LAST = 253_402_300_799_999
_FIRST = -62_135_596_800_000


def iso(instant: Instant) -> str:
    """The instant as 2026-12-14T00:00:00.000Z, limited to the years 1 to 9999."""
    seconds, milliseconds = divmod(min(max(instant, _FIRST), _LAST), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03d}Z"


def iso_or_none(instant: Instant | None) -> str | None:
    """The instant as text; None if it is absent or NEVER."""
    return iso(instant) if instant is not None and instant < NEVER else None
