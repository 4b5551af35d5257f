"""The only module that reads the clock; everything else takes `now` as a parameter.

Units   integer milliseconds since 1970-01-01T00:00:00Z
"""

import time
from collections.abc import Callable

from tinycdp.model import Instant

Clock = Callable[[], Instant]


def now() -> Instant:
    """The current instant.

    Not monotonic: the clock may be set back, so nothing may rely on its order."""
    return time.time_ns() // 1_000_000
