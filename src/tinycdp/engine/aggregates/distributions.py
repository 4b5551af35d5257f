"""How many different values, which is the most frequent, where the middle lies: what is kept of values as a crowd.

Shape   Uniques: hash of a value → its latest instant. Percentiles and Tops: logs whose fold is a Tally, value → count
Units   a value is canonical: nanos (int), (True,) or (False,), or text; so 1 and 1.0 are one, and 1, true and "1"
        three. In Percentiles it is a grade: see `grade`
Laws    those of windows. Uniques: a value is in W until its latest instant + W; the MOST_VALUES greatest
        (instant, hash) are kept, and one that was dropped comes back by a later event only, so this too is of the set.
        Tops: unknown where more than MOST_VALUES different values are inside, so a tile stops counting there
Errors  none: what is no number, bool or text has no canonical value
Source  dsl/SPEC.md "Windows" and "State"; docs/decisions/0006-entries-and-tiles.md
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

#: So many different values are told apart by unique() and top().
MOST_VALUES = 1_000

Key = int | str | tuple[bool]
#: How often each value occurred; None where there were more than MOST_VALUES, of which top() has nothing to say.
Tally = dict[Key, int] | None
#: (window in ms or None for a lifetime, tile width, quantile or None)
_Asked = tuple[int | None, int, Fraction | None]
#: What leaves a window at which instant, ascending; the last at NEVER.
Leaving = list[tuple[Instant, Tally]]
#: What a window is worth from each instant on, ascending; the last at NEVER.
Steps = Iterator[tuple[Instant, Key | None]]


def canonical(value: Any) -> Key | None:
    """The value so that equal ones are equal and order and hash alike; None for what is no number, bool or text."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    return (value,) if kind is bool else nanos(value)


def grade(scaled: int) -> int:
    """Nanos rounded to three digits, half away from zero, as their place among all such numbers; 0 has place 0.

    A grade fits 16 bits and a sign, where nanos take 128, and orders as what it stands for: 1 to 900 are 1.00 to 9.99
    nanos, 901 to 1800 are 10.0 to 99.9 nanos, and so on."""
    if not scaled:
        return 0
    magnitude = abs(scaled)
    decade = len(str(magnitude)) - 1
    if decade > 2:
        unit = int(10 ** (decade - 2))
        digits = (magnitude + unit // 2) // unit  # 1000 where it carries, which is the next decade's first
    else:
        digits = magnitude * int(10 ** (2 - decade))
    place = decade * 900 + digits - 99
    return place if scaled > 0 else -place


def graded(place: int) -> int:
    """The nanos a grade stands for: off by 0.5 % at most from what was graded."""
    if not place:
        return 0
    decade, digits = divmod(abs(place) - 1, 900)
    magnitude = (digits + 100) * 10**decade // 100
    return int(magnitude) if place > 0 else -int(magnitude)


class Uniques:
    """Different values and when each was last seen: serves unique. Instants and hashes, ascending by both."""

    family: ClassVar[Family] = Family.UNIQUE
    __slots__ = ("hashes", "latest", "ts")

    def __init__(self) -> None:
        self.ts: list[Instant] = []
        self.hashes: list[bytes] = []
        self.latest: dict[bytes, Instant] = {}

    def add(self, ts: Instant, message_id: str, value: Key) -> None:
        self._see(ts, _hash(value))

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add many events at once: each value is looked at once, however often it came."""
        latest: dict[Key, Instant] = {}
        for ts, _, value in entries:
            if latest.get(value, ts) <= ts:
                latest[value] = ts
        for value, ts in latest.items():
            self._see(ts, _hash(value))

    def absorb(self, other: "Uniques") -> None:
        for ts, hash in zip(other.ts, other.hashes, strict=True):
            self._see(ts, hash)

    def serve(self, hops: tuple[int, ...]) -> bool:
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

    def count(self, window_ms: int | None, hop: int, now: Instant) -> tuple[int, Instant]:
        """How many different values the trailing window holds; window_ms None means since ever."""
        if window_ms is None:
            return len(self.ts), NEVER
        first = bisect_right(self.ts, now - window_ms)
        n = len(self.ts) - first
        return n, self.ts[first] + window_ms if n else NEVER

    def falls_below(self, n: int, window_ms: int, hop: int, now: Instant) -> Instant:
        """When a trailing window that holds n or more values (n >= 1) will hold fewer."""
        return self.ts[-n] + window_ms


def _hash(value: Key) -> bytes:
    """64 bits of a value and its type: two of a thousand values are taken for one in a case out of 10^13."""
    match value:
        case int():
            text = f"n{value}"
        case str():
            text = f"s{value}"
        case _:
            text = f"b{value[0]:d}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()


class Tallies(ValuedLog):
    """A log of values whose fold is a Tally, and which is followed: read once, and then by look-up as time passes."""

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

    def serve(self, hops: tuple[int, ...]) -> bool:
        self._trail = None
        return super().serve(hops)

    def absorb(self, other: "Tallies") -> None:
        self._trail = None
        super().absorb(other)

    def _read(self, asked: _Asked, now: Instant) -> tuple[Key | None, Instant]:
        """What a window is worth. The last trail is kept: most reads are the next step along it."""
        arrives = self._arrives(self._end(now))
        trail = self._trail
        if trail is None or trail.asked != asked or now < trail.instants[0] or arrives < NEVER:
            trail = _Trail(asked, self._follow(asked[2], now, *self._contents(asked, now)))
            if arrives >= NEVER:
                self._trail = trail
        value, until = trail.at(now)
        return value, min(until, arrives)

    @staticmethod
    def _follow(quantile: Fraction | None, now: Instant, counts: dict[Key, int], leaving: Leaving) -> Steps:
        """Static, or a trail would hold the state that holds it."""
        raise NotImplementedError

    def _contents(self, asked: _Asked, now: Instant) -> tuple[dict[Key, int], Leaving]:
        """What the window holds, and in which order it goes: what has no instant of leaving goes at NEVER."""
        window_ms, hop, _ = asked
        if window_ms is None:
            first, end = 0, self._end(now)
            leaving: Leaving = [(NEVER, self.dropped)]
        else:
            first, end = self._span(window_ms, now)
            tiles = self.tiles.get(hop, {})
            leaving = [(start + hop + window_ms, tiles[start]) for start in self._tiles_in(window_ms, hop, now)]
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
    """What a window is worth from `now` on if nothing is added, worked out as far as it is asked for."""

    __slots__ = ("_steps", "asked", "instants", "values")

    def __init__(self, asked: _Asked, steps: Steps) -> None:
        self.asked = asked
        self._steps = steps
        instant, value = next(steps)
        self.instants, self.values = [instant], [value]

    def at(self, now: Instant) -> tuple[Key | None, Instant]:
        """The value at an instant not before the trail's beginning, and the next at which it is another."""
        instants, values = self.instants, self.values
        while instants[-1] <= now:
            instant, value = next(self._steps)
            if value != values[-1] or instant >= NEVER:
                instants.append(instant)
                values.append(value)
        at = bisect_right(instants, now)
        return values[at - 1], instants[at]


class Percentiles(Tallies):
    """Numbers by their grade: serves percentile. A tile holds at most 900 of them for each decade and sign."""

    family = Family.HISTOGRAM
    __slots__ = ()

    def percentile(
        self, window_ms: int | None, hop: int, quantile: Fraction, now: Instant
    ) -> tuple[int | None, Instant]:
        """The value of the nearest rank in the trailing window, in nanos; None where it is empty."""
        place, until = self._read((window_ms, hop, quantile), now)
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
    """Values of any type: serves top. A tile that saw more than MOST_VALUES different ones is None."""

    family = Family.TOP
    __slots__ = ()

    def top(self, window_ms: int | None, hop: int, now: Instant) -> tuple[Key | None, Instant]:
        """The most frequent value in the trailing window, the first in order of several.

        None where the window is empty, and where it holds more than MOST_VALUES different ones."""
        return self._read((window_ms, hop, None), now)

    def _fold(self, tally: Tally, entry: Entry) -> Tally:
        return None if tally is None else _counted(super()._fold(tally, entry))

    def _join(self, left: Tally, right: Tally) -> Tally:
        return None if left is None or right is None else _counted(super()._join(left, right))

    @staticmethod
    def _follow(quantile: Fraction | None, now: Instant, counts: dict[Key, int], leaving: Leaving) -> Steps:
        uncounted = sum(tally is None for _, tally in leaving)
        # Counts only fall, so one in the heap that is out of date stands too high, and is put right when it is on top.
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
    """Numbers before false before true before text; text by code points."""
    return (0, value) if type(value) is int else (1, value) if type(value) is tuple else (2, value)
