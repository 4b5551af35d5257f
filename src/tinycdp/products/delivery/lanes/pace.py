"""How fast a lane goes: its breaker, its rate, and how many deliveries at once.

Shape   LanePace(rate, concurrency) · may_start(running) → yes, no, or a probe · answered(), slow(…), failed(…)
Units   seconds of the event loop's clock
Laws    pure but for the jitter. After FAILURES in a row without an answer that shows life the lane stops, and tries one
        delivery at a time after pauses that double.
        A receiver that asks for less gets half as much at once, and more again as it answers
"""

import random
from enum import Enum

FAILURES = 5
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_ANSWERS_PER_STEP = 20


class Start(Enum):
    """What may be started."""

    NOTHING = "nothing"
    ONE = "one"
    PROBE = "probe"


class LanePace:
    """The pace of one lane."""

    def __init__(self, rate: int, concurrency: int) -> None:
        self.rate, self.most = rate, concurrency
        self.at_once = concurrency
        self._answers = 0
        self._failures = 0
        self._pause = _SHORTEST_PAUSE
        self._open_until: float | None = None
        self._not_before = 0.0
        self._tokens = float(rate)
        self._filled_at = 0.0

    def set(self, rate: int, concurrency: int) -> None:
        """Follow a changed document."""
        if (rate, concurrency) != (self.rate, self.most):
            self.rate, self.most, self.at_once = rate, concurrency, concurrency

    @property
    def state(self) -> str:
        """closed, or open: the receiver does not answer."""
        return "closed" if self._open_until is None else "open"

    def probe_in(self, now: float) -> float | None:
        """Seconds until a receiver that does not answer is tried again; None while it answers."""
        return None if self._open_until is None else max(self._open_until - now, 0.0)

    def may_start(self, running: int, now: float) -> Start:
        """What may be started now, besides what is running. Takes its share of the rate."""
        if now < self._not_before:
            return Start.NOTHING
        if self._open_until is not None:
            if running or now < self._open_until:
                return Start.NOTHING
            return Start.PROBE if self._take(now) else Start.NOTHING
        if running >= self.at_once or not self._take(now):
            return Start.NOTHING
        return Start.ONE

    def give_back(self) -> None:
        """Nothing was started after all."""
        self._tokens += 1

    def _take(self, now: float) -> bool:
        if not self.rate:
            return True
        self._tokens = min(float(self.rate), self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait(self, now: float) -> float:
        """Seconds until something may be started, if something may not be now."""
        found = max(self._not_before - now, (self._open_until or 0.0) - now, 0.0)
        if self.rate and self._tokens < 1:
            found = max(found, (1 - self._tokens) / self.rate)
        return found

    def answered(self) -> bool:
        """The receiver answered, whatever it was. Returns whether the breaker was open."""
        was_open = self._open_until is not None
        self._failures, self._pause, self._open_until = 0, _SHORTEST_PAUSE, None
        self._answers += 1
        if self._answers >= _ANSWERS_PER_STEP and self.at_once < self.most:
            self._answers, self.at_once = 0, self.at_once + 1
        return was_open

    def slow(self, now: float, retry_after: float | None) -> None:
        """The receiver asked for less."""
        self._answers, self.at_once = 0, max(1, self.at_once // 2)
        if retry_after is not None:
            self._not_before = max(self._not_before, now + retry_after)

    def failed(self, now: float) -> None:
        """The receiver is away, or in trouble. Of those that fail together, the first opens the breaker."""
        if self._open_until is not None and now < self._open_until:
            return
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = now + self._pause * random.uniform(0.8, 1.2)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
