"""The bytes of request bodies that one process holds at a time, from their arrival to the answer.

Shape   with room.holding() as held: held.add(n), for each n bytes that come; all of it is free again at the end
Units   bytes as read; what is parsed of them takes several times as much
Laws    what is held never exceeds `most`; one request alone, however large it may be, always finds room
Errors  Overloaded INGEST_QUEUE_FULL
Source  docs/decisions/0026-limits.md
"""

from types import TracebackType
from typing import Self

from tinycdp.errors import Overloaded

MOST = 32 * 1024 * 1024


class Room:
    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.held = 0

    def holding(self) -> "Holding":
        return Holding(self)

    def check(self, n: int) -> None:
        """Refuse a request that is about to send n bytes, where they have no room."""
        if self.held and self.held + n > self.most:
            raise Overloaded("INGEST_QUEUE_FULL", "Too much is waiting to be stored; try again shortly.")


class Holding:
    """What one request holds."""

    __slots__ = ("_n", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.held -= self._n

    def add(self, n: int) -> None:
        if self._room.held > self._n:  # somebody else is there, too
            self._room.check(n)
        self._n += n
        self._room.held += n
