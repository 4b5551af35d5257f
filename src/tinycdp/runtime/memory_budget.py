"""A limit on the bytes of request bodies that one process holds at a time.

Shape   with budget.reserve() as reservation: reservation.add(n) for each n bytes that arrive; all are released at the
        end, when the request is answered
Units   bytes as read; parsed, they take several times as much
Laws    the total never exceeds `most`; a single request, however large, is always admitted
Errors  Overloaded INGEST_QUEUE_FULL
Source  docs/decisions/0026-limits.md
"""

from types import TracebackType
from typing import Self

from tinycdp.errors import Overloaded

MOST = 32 * 1024 * 1024


class MemoryBudget:
    """The bytes that all requests of a process may hold together. used: what they hold now."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.used = 0

    def reserve(self) -> "Reservation":
        """A reservation for one request, empty at first."""
        return Reservation(self)

    def check(self, n: int) -> None:
        """Raise Overloaded if n more bytes would exceed the budget."""
        if self.used and self.used + n > self.most:
            raise Overloaded("INGEST_QUEUE_FULL", "Too much is waiting to be stored; try again shortly.")


class Reservation:
    """The bytes that one request holds, until the end of its `with` block."""

    __slots__ = ("_budget", "_n")

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.used -= self._n

    def add(self, n: int) -> None:
        """Reserve n more bytes; raises Overloaded if they exceed the budget."""
        if self._budget.used > self._n:  # other requests hold bytes, too
            self._budget.check(n)
        self._n += n
        self._budget.used += n
