"""What can go wrong, as values: it is reported, and never raised into the code that sends.

Shape   Problem: a code, a sentence, how many messages it cost · Reporter reports each cause once
Laws    a cause is reported when it first happens; an outage that ended is reported again if it returns
        an `on_error` that raises harms nothing but itself
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("tinycdp_client")


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause of trouble.

    code      stable, to match on: a code of the server, or one of the client's own in docs/how-to/python.md
    message   what is wrong and what to do, for people
    status    the HTTP status if the server answered, else None
    lost      how many messages were dropped for it when it was reported; 0 if they are kept and sent later"""

    code: str
    message: str
    status: int | None = None
    lost: int = 0

    def __str__(self) -> str:
        lost = f" ({self.lost} messages dropped)" if self.lost else ""
        return f"{self.code}: {self.message}{lost}"


OnError = Callable[[Problem], None]


def log_problem(problem: Problem) -> None:
    """What `on_error` is by default: a warning of the logger `tinycdp_client`."""
    log.warning("%s", problem)


class Reporter:
    """Reports each cause once, and counts what each has cost."""

    def __init__(self, on_error: OnError | None) -> None:
        self._on_error = on_error or log_problem
        self._lock = threading.Lock()
        self._reported: set[str] = set()
        self.lost: Counter[str] = Counter()

    def report(self, problem: Problem) -> None:
        with self._lock:
            if problem.lost:
                self.lost[problem.code] += problem.lost
            if problem.code in self._reported:
                return
            self._reported.add(problem.code)
        try:
            self._on_error(problem)
        except Exception:
            log.exception("on_error raised for %s", problem.code)

    def over(self, *codes: str) -> None:
        """These causes went away: if they return they are new."""
        if self._reported:
            with self._lock:
                self._reported.difference_update(codes)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()
        self.lost = Counter()
