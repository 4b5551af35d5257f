"""Outages of what this process needs: one line in the log when one begins, one when it ends."""

import logging
import time

log = logging.getLogger(__name__)


class Outage:
    """Whether something that this process needs is away.

    began  the monotonic time since which it is away; None while it answers"""

    __slots__ = ("_name", "began")

    def __init__(self, name: str) -> None:
        self._name = name
        self.began: float | None = None

    def noticed(self, error: BaseException, consequence: str = "will try again") -> None:
        """Log the beginning; further failures until it ends are the same outage."""
        if self.began is None:
            self.began = time.monotonic()
            said = str(error).partition("\n")[0]
            log.warning("%s is away, %s: %s", self._name, consequence, said or type(error).__name__)

    def ended(self) -> None:
        """Log the end."""
        if self.began is not None:
            log.info("%s is back after %.1f s", self._name, time.monotonic() - self.began)
            self.began = None
