"""Aggregate states over sets of values: distinct counts, most frequent, percentiles.

Shape   Uniques: hash of a value → its latest instant. Percentiles and Tops: logs whose fold is a Tally, value → count
Units   a value is canonical: nanos (int), (True,) or (False,), or text. So 1 and 1.0 are one value; 1, true and "1" are
        three. In Percentiles it is a grade: see `grade`
Laws    those of windows. Uniques: a value is in W until its latest instant + W. The MOST_VALUES greatest
        (instant, hash) are kept, and only a later event brings a dropped one back, so it too depends only on the set.
        Tops: unknown if more than MOST_VALUES different values are inside, so a bucket stops counting there
Errors  none: a value that is not a number, bool or text has no canonical form
Source  dsl/SPEC.md "Windows" and "State"; docs/decisions/0006-entries-and-buckets.md
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import blake2b
from heapq import heapify, heappop, heapreplace
from operator import itemgetter
from typing import Any, ClassVar

from tinycdp.dsl.ir import Family
from tinycdp.dsl.values.numbers import nanos
from tinycdp.engine.aggregates.event_log import Entry, ValuedLog
from tinycdp.model import NEVER, Instant

#: How many different values unique() and top() distinguish.
MOST_VALUES = 1_000

Key = int | str | tuple[bool]
#: How often each value occurred; None if there were more than MOST_VALUES, so that top() is unknown.
Tally = dict[Key, int] | None
#: (window in ms or None for a lifetime, bucket width, quantile or None)
_Query = tuple[int | None, int, Fraction | None]
#: What leaves a window at which instant, in ascending order; the last at NEVER.
Leaving = list[tuple[Instant, Tally]]
#: The value of a window from each instant on, in ascending order; the last at NEVER.
Steps = Iterator[tuple[Instant, Key | None]]


def canonical(value: Any) -> Key | None:
    """The value in a form where equal values are equal, and order and hash alike.

    Returns None unless number, bool or text."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    return (value,) if kind is bool else nanos(value)


def grade(scaled: int) -> int:
    """The grade of nanos: their rank among all numbers of three digits; 0 has rank 0.

    Nanos are first rounded to three digits, half away from zero.

    A grade fits 16 bits and a sign, where nanos need 128, and has the order of the numbers: 1 to 900 are 1.00 to 9.99
    nanos, 901 to 1800 are 10.0 to 99.9 nanos, and so on."""
    if not scaled:
        return 0
    magnitude = abs(scaled)
    decade = len(str(magnitude)) - 1
    if decade > 2:
        unit = int(10 ** (decade - 2))
        digits = (magnitude + unit // 2) // unit  # 1000 on a carry, which is the first of the next decade
    else:
        digits = magnitude * int(10 ** (2 - decade))
    place = decade * 900 + digits - 99
    return place if scaled > 0 else -place


def graded(place: int) -> int:
    """The nanos of a grade: at most 0.5 % off the graded value."""
    if not place:
        return 0
    decade, digits = divmod(abs(place) - 1, 900)
    magnitude = (digits + 100) * 10**decade // 100
    return int(magnitude) if place > 0 else -int(magnitude)


class Uniques:
    """Different values and when each was last seen.

    Serves unique. Instants and hashes, ascending by both."""

    family: ClassVar[Family] = Family.UNIQUE
    __slots__ = ("hashes", "latest", "ts")

    def __init__(self) -> None:
        self.ts: list[Instant] = []
        self.hashes: list[bytes] = []
        self.latest: dict[bytes, Instant] = {}

    def add(self, ts: Instant, message_id: str, value: Key) -> None:
        self._see(ts, _hash(value))

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add many events at once. Each value is processed once, however often it occurs."""
        latest: dict[Key, Instant] = {}
        for ts, _, value in entries:
            if latest.get(value, ts) <= ts:
                latest[value] = ts
        for value, ts in latest.items():
            self._see(ts, _hash(value))

    def absorb(self, other: "Uniques") -> None:
        for ts, hash in zip(other.ts, other.hashes, strict=True):
            self._see(ts, hash)

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        return True

    def _see(self, ts: Instant, hash: bytes) -> None:
        known = self.latest.get(hash)
        if known is not None:
            if ts <= known:
                return
            at = self._position(known, hash)
            del self.ts[at], self.hashes[at]
        at = self._position(ts, hash)
        self.ts.insert(at, ts)
        self.hashes.insert(at, hash)
        self.latest[hash] = ts
        if len(self.ts) > MOST_VALUES:
            del self.ts[0], self.latest[self.hashes.pop(0)]

    def _position(self, ts: Instant, hash: bytes) -> int:
        low = bisect_left(self.ts, ts)
        return bisect_left(self.hashes, hash, low, bisect_right(self.ts, ts, low))

    def count(self, window_ms: int | None, bucket_width: int, now: Instant) -> tuple[int, Instant]:
        """How many different values the trailing window holds. A window_ms of None means all time."""
        if window_ms is None:
            return len(self.ts), NEVER
        first = bisect_right(self.ts, now - window_ms)
        n = len(self.ts) - first
        return n, self.ts[first] + window_ms if n else NEVER

    def falls_below(self, n: int, window_ms: int, bucket_width: int, now: Instant) -> Instant:
        """When a trailing window that holds n or more values (n >= 1) will hold fewer."""
        return self.ts[-n] + window_ms


def _hash(value: Key) -> bytes:
    """64 bits of a value and its type.

    Two of a thousand values collide with a probability of 1 in 10^13."""
    match value:
        case int():
            text = f"n{value}"
        case str():
            text = f"s{value}"
        case _:
            text = f"b{value[0]:d}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()


class Tallies(ValuedLog):
    """A log whose fold is a Tally. It is read once, and then followed by look-up as time passes."""

    __slots__ = ("_trail",)

    def __init__(self) -> None:
        super().__init__()
        self._trail: _Trail | None = None

    def _empty(self) -> Tally:
        return {}

    def _fold(self, tally: Tally, entry: Entry) -> Tally:
        assert tally is not None
        tally[entry[2]] = tally.get(entry[2], 0) + 1
        return tally

    def _join(self, left: Tally, right: Tally) -> Tally:
        assert left is not None and right is not None
        for value, n in right.items():
            left[value] = left.get(value, 0) + n
        return left

    def add(self, ts: Instant, message_id: str, value: Any) -> None:
        self._trail = None
        super().add(ts, message_id, value)

    def extend(self, entries: Sequence[Entry]) -> None:
        self._trail = None
        super().extend(entries)

    def keep_buckets(self, bucket_widths: tuple[int, ...]) -> bool:
        self._trail = None
        return super().keep_buckets(bucket_widths)

    def absorb(self, other: "Tallies") -> None:
        self._trail = None
        super().absorb(other)

    def _read(self, asked: _Query, now: Instant) -> tuple[Key | None, Instant]:
        """The value of a window.

        The last trail is kept, since most reads are the next step along it."""
        arrives = self._next_arrival(self._end(now))
        trail = self._trail
        if trail is None or trail.asked != asked or now < trail.instants[0] or arrives < NEVER:
            trail = _Trail(asked, self._follow(asked[2], now, *self._contents(asked, now)))
            if arrives >= NEVER:
                self._trail = trail
        value, until = trail.at(now)
        return value, min(until, arrives)

    @staticmethod
    def _follow(quantile: Fraction | None, now: Instant, counts: dict[Key, int], leaving: Leaving) -> Steps:
        """Yield the values of a window over time.

        Static: a trail must not hold the state that holds it."""
        raise NotImplementedError

    def _contents(self, asked: _Query, now: Instant) -> tuple[dict[Key, int], Leaving]:
        """What the window holds, and the order in which it leaves.

        What never leaves has the instant NEVER."""
        window_ms, bucket_width, _ = asked
        if window_ms is None:
            first, end = 0, self._end(now)
            leaving: Leaving = [(NEVER, self.dropped)]
        else:
            first, end = self._span(window_ms, now)
            buckets = self.buckets.get(bucket_width, {})
            leaving = [
                (start + bucket_width + window_ms, buckets[start])
                for start in self._buckets_in(window_ms, bucket_width, now)
            ]
        counts: dict[Key, int] = dict(Counter(self.values[first:end]))
        for _, tally in leaving:
            for value, n in (tally or {}).items():
                counts[value] = counts.get(value, 0) + n
        if window_ms is not None:
            entries = zip(self.ts[first:end], self.values[first:end], strict=True)
            leaving += [(ts + window_ms, {value: 1}) for ts, value in entries]
            leaving.sort(key=itemgetter(0))
        leaving.append((NEVER, {}))
        return counts, leaving


class _Trail:
    """The values of a window from `now` on if nothing is added, computed as far as needed."""

    __slots__ = ("_steps", "asked", "instants", "values")

    def __init__(self, asked: _Query, steps: Steps) -> None:
        self.asked = asked
        self._steps = steps
        instant, value = next(steps)
        self.instants, self.values = [instant], [value]

    def at(self, now: Instant) -> tuple[Key | None, Instant]:
        """The value at an instant of the trail, and the next instant at which it changes."""
        instants, values = self.instants, self.values
        while instants[-1] <= now:
            instant, value = next(self._steps)
            if value != values[-1] or instant >= NEVER:
                instants.append(instant)
                values.append(value)
        at = bisect_right(instants, now)
        return values[at - 1], instants[at]


class Percentiles(Tallies):
    """Numbers by grade.

    Serves percentile. A bucket holds at most 900 grades for each decade and sign."""

    family = Family.HISTOGRAM
    __slots__ = ()

    def percentile(
        self, window_ms: int | None, bucket_width: int, quantile: Fraction, now: Instant
    ) -> tuple[int | None, Instant]:
        """The value of the nearest rank in the trailing window, in nanos.

        Returns None if the window is empty."""
        place, until = self._read((window_ms, bucket_width, quantile), now)
        return (graded(place) if isinstance(place, int) else None), until

    @staticmethod
    def _follow(quantile: Fraction | None, now: Instant, counts: dict[Key, int], leaving: Leaving) -> Steps:
        assert quantile is not None
        numerator, denominator = quantile.as_integer_ratio()
        order: list[Any] = sorted(counts)
        total = sum(counts.values())
        place, below = 0, 0  # of the answer in `order`, and how many numbers are less than it
        at = now
        for instant, tally in leaving:
            if instant != at:
                rank = -(-numerator * total // denominator)
                if total:
                    while below >= rank:
                        place -= 1
                        below -= counts[order[place]]
                    while below + counts[order[place]] < rank:
                        below += counts[order[place]]
                        place += 1
                yield at, order[place] if total else None
                at = instant
            for value, n in (tally or {}).items():
                counts[value] -= n
                total -= n
                if value < order[place]:
                    below -= n
        yield NEVER, None


class Tops(Tallies):
    """Values of any type.

    Serves top. A bucket with more than MOST_VALUES different values stores None."""

    family = Family.TOP
    __slots__ = ()

    def top(self, window_ms: int | None, bucket_width: int, now: Instant) -> tuple[Key | None, Instant]:
        """The most frequent value in the trailing window; of equally frequent ones the first.

        Returns None if the window is empty, or holds more than MOST_VALUES different values."""
        return self._read((window_ms, bucket_width, None), now)

    def _fold(self, tally: Tally, entry: Entry) -> Tally:
        return None if tally is None else _counted(super()._fold(tally, entry))

    def _join(self, left: Tally, right: Tally) -> Tally:
        return None if left is None or right is None else _counted(super()._join(left, right))

    @staticmethod
    def _follow(quantile: Fraction | None, now: Instant, counts: dict[Key, int], leaving: Leaving) -> Steps:
        uncounted = sum(tally is None for _, tally in leaving)
        # Counts only fall, so an outdated count in the heap is too high. It is corrected when it reaches the top.
        heap = [(-n, _order(value), value) for value, n in counts.items()]
        heapify(heap)
        at = now
        for instant, tally in leaving:
            if instant != at:
                while heap and counts.get(heap[0][2]) != -heap[0][0]:
                    _, order, value = heap[0]
                    if value in counts:
                        heapreplace(heap, (-counts[value], order, value))
                    else:
                        heappop(heap)
                known = heap and not uncounted and len(counts) <= MOST_VALUES
                yield at, heap[0][2] if known else None
                at = instant
            if tally is None:
                uncounted -= 1
                continue
            for value, n in tally.items():
                if counts[value] == n:
                    del counts[value]
                else:
                    counts[value] -= n
        yield NEVER, None


def _counted(tally: Tally) -> Tally:
    return tally if tally is not None and len(tally) <= MOST_VALUES else None


def _order(value: Key) -> tuple[int, Any]:
    """The order of values: numbers, then false, then true, then text by code points."""
    return (0, value) if type(value) is int else (1, value) if type(value) is tuple else (2, value)
