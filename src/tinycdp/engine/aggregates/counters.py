"""Aggregate states: what is kept of a profile's events to answer any rolling window.

Shape   one state per aggregate: Counts (instants); Numbers, Firsts, Percentiles, Tops (instant, message id, value);
        Latest, Uniques, DayMap, Extent. If windows are read, the first five keep their newest KEEP entries one by one;
        all older ones are folded into buckets, one set for each width the windows need, and into `dropped`, their total
        over all time. event_log.py is the base of these five. Percentiles, Tops and Uniques are in distributions.py,
        DayMap and Extent in calendar_days.py; codec.py stores them all
Units   instants and widths in milliseconds; numbers in nanos; a window of length W at `now` is now − W < ts <= now
Laws    a state is a function of the set of events added: order and grouping never matter, and
        merged(state(a), state(b)) == state(a ∪ b) for disjoint a and b (a message id counts once per environment).
        An entry leaves a window exactly at ts + W, a bucket of width h at start + h + W.
        Every read returns (value, until): the value is valid for all t in [now, until) if nothing more is added
Errors  none
Source  dsl/SPEC.md "Windows" and "State"; docs/decisions/0006-entries-and-buckets.md
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, ClassVar

from tinycdp.dsl.ir import Family
from tinycdp.engine.aggregates.event_log import Entry, Log, ValuedLog, rank
from tinycdp.model import NEVER, Instant

#: n, sum, min, max of some numbers. If n is 0, the others have no meaning.
Summary = tuple[int, int, int, int]
NOTHING: Summary = (0, 0, 0, 0)


class Counts(Log):
    """The instants at which something happened.

    Serves count, exists and rate. A fold is a number of events."""

    family = Family.COUNT
    __slots__ = ()

    def _empty(self) -> int:
        return 0

    def _fold(self, summary: int, entry: Entry) -> int:
        return summary + 1

    def _fold_all(self, entries: list[Entry]) -> int:
        return len(entries)

    def _join(self, left: int, right: int) -> int:
        return left + right

    def count(self, window_ms: int | None, bucket_width: int, now: Instant) -> tuple[int, Instant]:
        """How many events the trailing window holds. A window_ms of None means all time."""
        if window_ms is None:
            end = self._end(now)
            return end + self.dropped, self._next_arrival(end)
        first, end = self._span(window_ms, now)
        n, until = end - first, self._next_arrival(end)
        if n:
            until = min(until, self.ts[first] + window_ms)
        if self.dropped:
            starts = self._buckets_in(window_ms, bucket_width, now)
            if starts:
                buckets = self.buckets[bucket_width]
                n += sum(buckets[start] for start in starts)
                until = min(until, starts[0] + bucket_width + window_ms)
        return n, until

    def falls_below(self, n: int, window_ms: int, bucket_width: int, now: Instant) -> Instant | None:
        """When a trailing window that holds n or more events (n >= 1) will hold fewer.

        Returns None if some entries are in the future: a look-up is then not enough, and the caller must walk."""
        end = len(self.ts)
        if end and self.ts[-1] > now:
            return None
        if n <= end and not self.dropped:
            return self.ts[end - n] + window_ms
        # Count from what leaves last. A bucket is older than every entry, but rounded up: it may outlast some entries.
        buckets = self.buckets.get(bucket_width, {})
        starts = self._buckets_in(window_ms, bucket_width, now)
        held, leaves = 0, now
        while held < n:
            if starts and (not end or starts[-1] + bucket_width >= self.ts[end - 1]):
                start = starts.pop()
                held, leaves = held + buckets[start], start + bucket_width + window_ms
            elif end:
                end -= 1
                held, leaves = held + 1, self.ts[end] + window_ms
            else:
                return None
        return leaves


class Numbers(ValuedLog):
    """Numbers with their instants. Serves sum, avg, min and max. A fold is a Summary."""

    family = Family.NUMBER
    __slots__ = ()

    def _empty(self) -> Summary:
        return NOTHING

    def _fold(self, summary: Summary, entry: Entry) -> Summary:
        value = entry[2]
        return self._join(summary, (1, value, value, value))

    def _fold_all(self, entries: list[Entry]) -> Summary:
        return _summary([value for _, _, value in entries])

    def _join(self, left: Summary, right: Summary) -> Summary:
        if not left[0]:
            return right
        if not right[0]:
            return left
        return (left[0] + right[0], left[1] + right[1], min(left[2], right[2]), max(left[3], right[3]))

    def summary(self, window_ms: int | None, bucket_width: int, now: Instant) -> tuple[Summary, Instant]:
        """n, sum, min and max of the trailing window. A window_ms of None means all time."""
        if window_ms is None:
            end = self._end(now)
            return self._join(self.dropped, self._summarise(0, end)), self._next_arrival(end)
        first, end = self._span(window_ms, now)
        summary, until = self._summarise(first, end), self._next_arrival(end)
        if first < end:
            until = min(until, self.ts[first] + window_ms)
        starts = self._buckets_in(window_ms, bucket_width, now)
        if starts:
            until = min(until, starts[0] + bucket_width + window_ms)
            for start in starts:
                summary = self._join(summary, self.buckets[bucket_width][start])
        return summary, until

    def trail(self, window_ms: int | None, bucket_width: int, now: Instant) -> Iterator[tuple[Instant, Summary]]:
        """Yield the summary now, then after each instant at which it changes.

        The last one is that of the empty window.

        It costs one pass over the window, however far it is followed."""
        if window_ms is None or (self.ts and self.ts[-1] > now):
            at = now
            while at < NEVER:
                summary, until = self.summary(window_ms, bucket_width, at)
                yield at, summary
                at = until
            return
        first, end = self._span(window_ms, now)
        starts = self._buckets_in(window_ms, bucket_width, now)
        # Suffixes: item i is the fold of the newest i entries, or of the newest i buckets.
        newest = self.values[first:end][::-1]
        sums = list(accumulate(newest, initial=0))
        lows, highs = list(accumulate(newest, min)), list(accumulate(newest, max))
        folded = list(
            accumulate((self.buckets[bucket_width][s] for s in reversed(starts)), self._join, initial=NOTHING)
        )
        leaving = [(ts + window_ms, 1, 0) for ts in self.ts[first:end]]
        leaving += [(start + bucket_width + window_ms, 0, 1) for start in starts]
        leaving.sort()
        at, kept, bucketed = now, len(newest), len(starts)
        for instant, entries, buckets in leaving:
            if instant != at:
                own = (kept, sums[kept], lows[kept - 1], highs[kept - 1]) if kept else NOTHING
                yield at, self._join(folded[bucketed], own)
            at, kept, bucketed = instant, kept - entries, bucketed - buckets
        yield at, NOTHING

    def _summarise(self, first: int, end: int) -> Summary:
        return _summary(self.values[first:end])

    def spread(self, start_ms: int, end_ms: int, bucket_width: int, now: Instant) -> tuple[Summary, Instant]:
        """n, sum, min and max between two edges.

        Extremes need the members themselves, not a difference.

        Both edges round dropped events down to buckets of the older edge's width."""
        summary = self._summarise(bisect_right(self.ts, now - start_ms), bisect_right(self.ts, now - end_ms))
        moves = [ts + edge for ts in self.ts for edge in (start_ms, end_ms)]
        oldest, newest = (now - start_ms) // bucket_width * bucket_width, (now - end_ms) // bucket_width * bucket_width
        for start, bucket in self.buckets.get(bucket_width, {}).items():
            moves += [start + bucket_width + edge for edge in (start_ms, end_ms)]
            if oldest <= start < newest:
                summary = self._join(summary, bucket)
        return summary, min((at for at in moves if at > now), default=NEVER)


def _summary(values: list[int]) -> Summary:
    return (len(values), sum(values), min(values), max(values)) if values else NOTHING


class Firsts(ValuedLog):
    """Values of any type with their instants.

    Serves first. A fold is the earliest of the dropped entries."""

    family = Family.FIRST
    __slots__ = ()

    def _empty(self) -> None:
        return None

    def _fold(self, summary: Entry | None, entry: Entry) -> Entry | None:
        return self._join(summary, entry)

    def _join(self, left: Entry | None, right: Entry | None) -> Entry | None:
        if left is None or right is None:
            return left or right
        return min(left, right, key=rank)

    def first(self, window_ms: int | None, bucket_width: int, now: Instant) -> tuple[Entry | None, Instant]:
        """The oldest entry of the trailing window; None if the window is empty."""
        if window_ms is None and self.dropped is not None:
            return self.dropped, NEVER
        starts = self._buckets_in(window_ms, bucket_width, now) if window_ms is not None else []
        if window_ms is not None and starts:
            return self.buckets[bucket_width][starts[0]], starts[0] + bucket_width + window_ms
        index, end = self._span(window_ms, now) if window_ms is not None else (0, self._end(now))
        if index < end:
            oldest = (self.ts[index], self.ids[index], self.values[index])
            return oldest, NEVER if window_ms is None else oldest[0] + window_ms
        return None, self._next_arrival(end)


class Latest:
    """The newest value and its instant.

    Serves last: in any window only the newest event can be the last."""

    family: ClassVar[Family] = Family.LAST
    __slots__ = ("entry",)

    def __init__(self) -> None:
        self.entry: Entry | None = None

    def add(self, ts: Instant, message_id: str, value: Any) -> None:
        entry = (ts, message_id, value)
        if self.entry is None or rank(self.entry) < rank(entry):
            self.entry = entry

    def extend(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.add(*max(entries, key=rank))

    def absorb(self, other: "Latest") -> None:
        if other.entry is not None:
            self.add(*other.entry)

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        return True

    def last(self, window_ms: int | None, now: Instant) -> tuple[Entry | None, Instant]:
        """The newest entry if the trailing window holds it, otherwise None."""
        if self.entry is None or window_ms is None:
            return self.entry, NEVER
        leaves = self.entry[0] + window_ms
        return (self.entry, leaves) if leaves > now else (None, NEVER)
