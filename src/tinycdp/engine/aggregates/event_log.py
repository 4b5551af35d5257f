"""Base of event logs: newest events one by one, all older ones folded into summaries.

Shape   Log: instants; ValuedLog: instants, message ids and values. Subclasses define the fold of older events
Units   instants and widths in milliseconds; a window of length W at `now` is now − W < ts <= now
Laws    the kept entries are chosen by rank, (instant, message id), never by arrival; folds join in any order.
        A fold may be changed in place, so it must not be shared
Errors  none
Source  dsl/SPEC.md "Windows" and "State"; docs/decisions/0006-entries-and-buckets.md
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Self

from tinycdp.dsl.ir import BUCKET_WIDTHS_MS, Family
from tinycdp.model import DAY_MS, NEVER, Instant

#: How many of the newest events are kept one by one. A window that holds no more than these has an exact edge.
KEEP = 256
#: The longest window. A bucket is dropped once it is older than the longest window it can serve.
LONGEST_MS = 400 * DAY_MS

#: (ts, message id, value)
Entry = tuple[Instant, str, Any]
#: The order of entries: by instant, then by message id. Where ids are kept, no two entries are equal.
rank = itemgetter(0, 1)


def _retention_ms(bucket_width: int) -> int:
    """How long buckets of one width are useful: until the next width takes over at 60 of its own."""
    wider = [h for h in BUCKET_WIDTHS_MS if h > bucket_width]
    return min(60 * wider[0], LONGEST_MS) if wider else LONGEST_MS


_RETENTION_MS = {bucket_width: _retention_ms(bucket_width) for bucket_width in BUCKET_WIDTHS_MS}


class Log:
    """The newest events one by one, older ones folded. Each subclass defines its fold."""

    family: ClassVar[Family]
    __slots__ = ("buckets", "dropped", "ts")

    def __init__(self) -> None:
        self.ts: list[Instant] = []
        self.dropped: Any = self._empty()
        self.buckets: dict[int, dict[Instant, Any]] = {}

    def _empty(self) -> Any:
        raise NotImplementedError

    def _fold(self, summary: Any, entry: Entry) -> Any:
        raise NotImplementedError

    def _join(self, left: Any, right: Any) -> Any:
        raise NotImplementedError

    def _insert(self, at: int, entry: Entry) -> None:
        self.ts.insert(at, entry[0])

    def _pop_oldest(self) -> Entry:
        return (self.ts.pop(0), "", None)

    def _replace(self, entries: list[Entry]) -> None:
        self.ts = [entry[0] for entry in entries]

    def _position(self, entry: Entry) -> int:
        return bisect_right(self.ts, entry[0])

    def entries(self) -> list[Entry]:
        return [(ts, "", None) for ts in self.ts]

    # Writing

    def add(self, ts: Instant, message_id: str, value: Any) -> None:
        """Add one event. The caller must ensure that its message id has not been added before."""
        entry = (ts, message_id, value)
        last = not self.ts or ts > self.ts[-1]
        self._insert(len(self.ts) if last else self._position(entry), entry)
        if len(self.ts) > (KEEP if self.buckets else 0):
            self._drop(self._pop_oldest())

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add many events at once. Same result as adding them one by one, for the cost of a sort."""
        ordered = sorted((*self.entries(), *entries), key=rank)
        older = max(0, len(ordered) - (KEEP if self.buckets else 0))
        self._replace(ordered[older:])
        if older:
            self._drop_all(ordered[:older])

    def _drop_all(self, entries: list[Entry]) -> None:
        """Fold entries, in ascending order.

        Wider buckets are joined from the narrower ones they consist of."""
        self.dropped = self._join(self.dropped, self._fold_all(entries))
        narrower: dict[Instant, Any] = {}
        for bucket_width in sorted(self.buckets):
            if narrower:
                parts = list(narrower.items())
            else:
                same = groupby(entries, key=lambda entry: entry[0] // bucket_width)
                parts = [(start * bucket_width, self._fold_all(list(group))) for start, group in same]
            buckets, narrower = self.buckets[bucket_width], {}
            for at, part in parts:
                start = at // bucket_width * bucket_width
                narrower[start] = self._join(narrower[start] if start in narrower else self._empty(), part)
            for start, part in narrower.items():
                buckets[start] = self._join(buckets[start] if start in buckets else self._empty(), part)

    def _fold_all(self, entries: list[Entry]) -> Any:
        """The fold of many entries."""
        summary = self._empty()
        for entry in entries:
            summary = self._fold(summary, entry)
        return summary

    def _drop(self, entry: Entry) -> None:
        self.dropped = self._fold(self.dropped, entry)
        for bucket_width, buckets in self.buckets.items():
            start = entry[0] // bucket_width * bucket_width
            buckets[start] = self._fold(buckets[start] if start in buckets else self._empty(), entry)

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        """Keep buckets of exactly these widths from now on.

        With no widths, no window is read and no entry is kept.

        Returns False if it is too late: events were dropped without these buckets, so only a rebuild can help."""
        missing = [bucket_width for bucket_width in bucket_widths if bucket_width not in self.buckets]
        if missing and self.dropped != self._empty():
            return False
        for bucket_width in missing:
            self.buckets[bucket_width] = {}
        for bucket_width in self.buckets.keys() - set(bucket_widths):
            del self.buckets[bucket_width]
        while self.ts and not self.buckets:
            self._drop(self._pop_oldest())
        return True

    def absorb(self, other: Self) -> None:
        """Merge another profile's state of the same aggregate into this one.

        Both must have the same widths."""
        self.dropped = self._join(self.dropped, other.dropped)
        for bucket_width, buckets in other.buckets.items():
            mine = self.buckets.setdefault(bucket_width, {})
            for start, summary in buckets.items():
                mine[start] = self._join(mine[start] if start in mine else self._empty(), summary)
        for entry in other.entries():
            self.add(*entry)

    def reachable(self) -> dict[int, dict[Instant, Any]]:
        """The buckets that a window can still reach.

        They are counted from the newest entry, so that they depend only on the set."""
        if not self.buckets or self.dropped == self._empty():
            return {bucket_width: {} for bucket_width in self.buckets}
        return {
            bucket_width: {
                start: bucket
                for start, bucket in buckets.items()
                if start + bucket_width + _RETENTION_MS[bucket_width] > self.ts[-1]
            }
            for bucket_width, buckets in self.buckets.items()
        }

    # Reading

    def _span(self, window_ms: int, now: Instant) -> tuple[int, int]:
        """The kept entries in the trailing window, as a slice."""
        edge, ts = now - window_ms, self.ts
        first = 0 if not ts or ts[0] > edge else bisect_right(ts, edge)
        return first, self._end(now)

    def _end(self, now: Instant) -> int:
        """The index after the last entry that has happened by `now`; nearly always the end."""
        ts = self.ts
        return len(ts) if not ts or ts[-1] <= now else bisect_right(ts, now)

    def _next_arrival(self, end: int) -> Instant:
        """When the next entry with a later instant enters.

        NEVER, unless a history is read at a past instant."""
        return self.ts[end] if end < len(self.ts) else NEVER

    def _buckets_in(self, window_ms: int, bucket_width: int, now: Instant) -> list[Instant]:
        """The starts of the buckets in the trailing window, oldest first."""
        if self.dropped == self._empty():
            return []
        edge = (now - window_ms) // bucket_width * bucket_width
        return sorted(start for start in self.buckets.get(bucket_width, ()) if start >= edge)


class ValuedLog(Log):
    """A log whose entries carry a message id and a value."""

    __slots__ = ("ids", "values")

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.values: list[Any] = []

    def _insert(self, at: int, entry: Entry) -> None:
        self.ts.insert(at, entry[0])
        self.ids.insert(at, entry[1])
        self.values.insert(at, entry[2])

    def _pop_oldest(self) -> Entry:
        return (self.ts.pop(0), self.ids.pop(0), self.values.pop(0))

    def _replace(self, entries: list[Entry]) -> None:
        self.ts = [entry[0] for entry in entries]
        self.ids = [entry[1] for entry in entries]
        self.values = [entry[2] for entry in entries]

    def _position(self, entry: Entry) -> int:
        low = bisect_left(self.ts, entry[0])
        return bisect_left(self.ids, entry[1], low, bisect_right(self.ts, entry[0], low))

    def entries(self) -> list[Entry]:
        return list(zip(self.ts, self.ids, self.values, strict=True))
