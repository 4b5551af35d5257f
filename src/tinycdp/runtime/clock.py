"""The one place that reads the clock; everything else is given `now`.

Units   integer milliseconds since 1970-01-01T00:00:00Z
"""

import time
from collections.abc import Callable

from tinycdp.model import Instant

Clock = Callable[[], Instant]


def now() -> Instant:
    """This instant. Not monotonic: the machine's clock may be set back, so order never rests on it."""
    return time.time_ns() // 1_000_000
