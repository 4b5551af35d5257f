"""The only module that reads the clock: instants of messages, and spans of waiting."""

import datetime as dt
import time

#: Seconds that only grow, for waiting.
monotonic = time.monotonic


def now() -> dt.datetime:
    """This instant, with its zone."""
    return dt.datetime.now(dt.UTC)


def iso(instant: dt.datetime) -> str:
    """An instant as TinyCDP writes it, in milliseconds. One without a zone is taken as local time."""
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
