"""Aggregate states without windows: local days with events, first and last instants.

Shape   DayMap: a bitmap of local days; Extent: two instants
Units   a day is a day number of `Days`, local to the workspace's time zone; instants in milliseconds
Laws    a state is a function of the set of events added; absorbing is the union.
        Every read returns (value, until): the value is valid for all t in [now, until) if nothing more is added
Errors  none
Source  dsl/SPEC.md "Time" and "State"
"""

from collections.abc import Collection
from typing import ClassVar

from tinycdp.dsl.ir import Family
from tinycdp.dsl.values.calendar import Days
from tinycdp.model import NEVER, Instant


class DayMap:
    """The local days on which something happened. Serves unique_days and streak_days.

    Bit i of `bits` stands for the day `base + i`; base is the earliest day."""

    family: ClassVar[Family] = Family.DAYS
    __slots__ = ("base", "bits")

    def __init__(self) -> None:
        self.base = 0
        self.bits = 0

    def add_day(self, day: int) -> None:
        if not self.bits:
            self.base, self.bits = day, 1
        elif day >= self.base:
            self.bits |= 1 << (day - self.base)
        else:
            self.base, self.bits = day, (self.bits << (self.base - day)) | 1

    def extend(self, days: Collection[int]) -> None:
        for day in days:
            self.add_day(day)

    def absorb(self, other: "DayMap") -> None:
        if not self.bits:
            self.base, self.bits = other.base, other.bits
        elif other.bits:
            base = min(self.base, other.base)
            self.bits = (self.bits << (self.base - base)) | (other.bits << (other.base - base))
            self.base = base

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        return True

    def unique_days(self, days: int, calendar: Days, now: Instant) -> tuple[int, Instant]:
        """How many local dates in [today − days + 1, today] have an event."""
        today = calendar.day(now)
        oldest = today - days + 1
        inside = self.bits >> (oldest - self.base) if oldest > self.base else self.bits
        n = inside.bit_count()
        if not n:
            return 0, NEVER
        first = max(oldest, self.base) + (inside & -inside).bit_length() - 1
        return n, calendar.first_instant(first + days)

    def streak_days(self, calendar: Days, now: Instant) -> tuple[int, Instant]:
        """How many days in a row, up to today, or up to yesterday if today has no event yet."""
        if not self.bits:
            return 0, NEVER
        newest = self.base + self.bits.bit_length() - 1
        if newest < calendar.day(now) - 1:
            return 0, NEVER
        # The run of ones at the top ends at the first zero below them.
        gaps = ~self.bits & ((1 << self.bits.bit_length()) - 1)
        return self.bits.bit_length() - gaps.bit_length(), calendar.first_instant(newest + 2)


class Extent:
    """The first and last instant of something.

    Serves first_at, last_at and the *_ago of an event."""

    family: ClassVar[Family] = Family.SPAN
    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first: Instant | None = None
        self.last: Instant | None = None

    def add_instant(self, ts: Instant) -> None:
        if self.first is None or ts < self.first:
            self.first = ts
        if self.last is None or ts > self.last:
            self.last = ts

    def extend(self, instants: Collection[Instant]) -> None:
        if instants:
            self.add_instant(min(instants))
            self.add_instant(max(instants))

    def absorb(self, other: "Extent") -> None:
        for ts in (other.first, other.last):
            if ts is not None:
                self.add_instant(ts)

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        return True
