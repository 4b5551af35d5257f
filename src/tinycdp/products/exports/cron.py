"""When a schedule is due: cron expressions of five fields, in a time zone.

Shape   next_run(cron, zone, after) → the first instant after that one, None if it is never due again · check(cron)
Laws    as cron does it: what falls into the hour that a change of clocks leaves out runs at its end, and what falls
        into an hour that is there twice runs once, unless it runs every hour anyway
Errors  ValueError: what is wrong with an expression
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tinycdp.model import Instant

_FIELDS = 5
_HOURS = 24
#: From this instant every expression is tried: the first of January 2024, in a leap year.
_TRIED_FROM = 1_704_067_200_000


def check(cron: str) -> None:
    """Raise ValueError unless it is an expression that is due at some time."""
    if len(cron.split()) != _FIELDS:
        raise ValueError("it has five fields: minute, hour, day of month, month, day of week, such as 0 6 * * 1")
    try:
        found = next_run(cron, "UTC", _TRIED_FROM)
    except CronSimError as wrong:
        field = str(wrong).removeprefix("Bad ")
        raise ValueError(f"its {field} is wrong") from None
    if found is None:
        raise ValueError("no day is like that")


def next_run(cron: str, zone: str, after: Instant) -> Instant | None:
    """The first instant after this one at which the expression is due."""
    local = datetime.fromtimestamp(after // 1000, UTC).astimezone(ZoneInfo(zone))
    for due in CronSim(_plain(cron, local), local):
        at = int(due.astimezone(UTC).timestamp()) * 1000
        if at > after:  # in the second half of a doubled hour, what was due in the first comes again
            return at
    return None


def _plain(cron: str, local: datetime) -> str:
    """The expression with a star only where it means every hour.

    CronSim goes by elapsed time instead of the clock if the minute or the hour begins with a star, as in */30 2."""
    minute, hour, *rest = cron.split()
    if len(CronSim(cron, local).hours) == _HOURS:
        return " ".join((minute, "*", *rest))
    if minute.startswith("*"):
        minute = "0-59" + minute[1:]
    if hour.startswith("*"):
        hour = "0-23" + hour[1:]
    return " ".join((minute, hour, *rest))
