"""What random histories hardly reach: the bounds of the states that see values as a crowd, and their encoding.

The bounds are lowered, so that a few values pass them; the naive answers are computed from the same events at once.
"""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from oracle import three_digits
from tinycdp.dsl.values.numbers import SCALE
from tinycdp.engine.aggregates import distributions, event_log
from tinycdp.engine.aggregates.codec import pack, unpack
from tinycdp.engine.aggregates.distributions import Percentiles, Tops, Uniques, canonical, grade, graded
from tinycdp.model import NEVER

KEEP, MOST, WINDOW, BUCKET_WIDTH = 4, 3, 3_600_000, 60_000
VALUES = (1, 2, Decimal("1.0"), Decimal("0.1"), -3, True, False, "1", "a", "b", 10**20)
law = examples(200)

Event = tuple[int, str, Any]


@pytest.fixture
def low_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "KEEP", KEEP)
    monkeypatch.setattr(distributions, "MOST_VALUES", MOST)


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    instants = st.integers(0, 8).map(lambda n: n * 20_000) | st.integers(0, 2 * WINDOW)
    few = draw(st.permutations(VALUES))[: draw(st.integers(1, MOST + 2))]
    drawn = draw(st.lists(st.tuples(instants, st.sampled_from(few)), min_size=draw(st.integers(0, 20)), max_size=20))
    return [(ts, f"m{n}", canonical(value)) for n, (ts, value) in enumerate(drawn)]


def state_of(kind: type, added: list[Event], owners: list[int]) -> Any:
    """The events split over two states, each stored and read back between any two events, then merged."""
    split = [kind(), kind()]
    for state in split:
        state.keep_buckets((BUCKET_WIDTH,))
    for n, event in enumerate(added):
        owner = owners[n % len(owners)]
        split[owner].add(*event)
        split[owner] = stored(split[owner])
    split[0].absorb(split[1])
    return stored(split[0])


def stored(state: Any) -> Any:
    return unpack(msgspec.msgpack.decode(msgspec.msgpack.encode(pack(state)), strict=False))


def inside(added: list[Event], window_ms: int | None, now: int) -> list[Any]:
    ranked = sorted(added, key=lambda e: (e[0], e[1]), reverse=True)
    if window_ms is None:
        return [value for _, _, value in ranked]
    edge = now - window_ms
    return [
        v
        for n, (ts, _, v) in enumerate(ranked)
        if (ts > edge if n < KEEP else ts >= edge // BUCKET_WIDTH * BUCKET_WIDTH)
    ]


def most_frequent(values: list[Any]) -> Any:
    counts = Counter(values)
    if not 0 < len(counts) <= MOST:
        return None
    kinds = [int, tuple, str]
    return min(counts, key=lambda value: (-counts[value], kinds.index(type(value)), value))


def different(added: list[Event], window_ms: int | None, now: int) -> int:
    latest = {value: ts for ts, _, value in sorted(added, key=lambda e: e[0])}
    return min(MOST, sum(window_ms is None or ts > now - window_ms for ts in latest.values()))


def nearest_rank(values: list[int], quantile: Fraction) -> int | None:
    rank = -(-quantile.numerator * len(values) // quantile.denominator)
    return graded(sorted(values)[rank - 1]) if values else None


@law
@given(
    added=events(),
    owners=st.lists(st.integers(0, 1), min_size=1, max_size=5),
    window_ms=st.sampled_from((WINDOW, WINDOW, None)),
    later=st.lists(st.integers(0, WINDOW + 2 * BUCKET_WIDTH), min_size=1, max_size=4).map(sorted),
    quantile=st.sampled_from((Fraction(1, 2), Fraction(1, 1000), Fraction(99, 100))),
)
def test_at_their_bounds_they_are_what_the_events_say(
    low_bounds: None,
    added: list[Event],
    owners: list[int],
    window_ms: int | None,
    later: list[int],
    quantile: Fraction,
) -> None:
    numbers = [(ts, id, grade(value)) for ts, id, value in added if type(value) is int]
    tops, uniques = state_of(Tops, added, owners), state_of(Uniques, added, owners)
    percentiles = state_of(Percentiles, numbers, owners)
    assert len(uniques.ts) <= MOST
    assert all(tally is None or len(tally) <= MOST for tally in (tops.dropped, *tops.buckets[BUCKET_WIDTH].values()))
    now = max((ts for ts, _, _ in added), default=0)
    edges = {ts + WINDOW + step for ts, _, _ in added for step in (0, BUCKET_WIDTH - ts % BUCKET_WIDTH)}
    for moment in [now, *(now + step for step in later)]:
        readings = [
            (tops.top(window_ms, BUCKET_WIDTH, moment), lambda at: most_frequent(inside(added, window_ms, at))),
            (uniques.count(window_ms, BUCKET_WIDTH, moment), lambda at: different(added, window_ms, at)),
            (
                percentiles.percentile(window_ms, BUCKET_WIDTH, quantile, moment),
                lambda at: nearest_rank(inside(numbers, window_ms, at), quantile),
            ),
        ]
        for (value, until), expected in readings:
            assert value == expected(moment)
            assert until > moment
            assert until == NEVER or window_ms is not None
            probes = {edge + step for edge in edges for step in (-1, 0)} | ({until - 1} if until < NEVER else set())
            assert all(expected(probe) == value for probe in probes if moment <= probe < until)


@law
@given(added=events(), order=st.randoms(use_true_random=False))
def test_what_is_stored_is_a_function_of_the_set(low_bounds: None, added: list[Event], order: Any) -> None:
    shuffled = order.sample(added, len(added))
    for kind in (Tops, Uniques):
        one, other = state_of(kind, added, [0]), state_of(kind, shuffled, [0, 1])
        names = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if name != "_trail"]
        assert all(getattr(one, name) == getattr(other, name) for name in names)


@given(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-2_000, 2_000), st.integers(-2_000, 10**38 - 1))
def test_a_grade_is_three_digits_in_order(scaled: int, other: int) -> None:
    rounded = graded(grade(scaled))
    assert Decimal(rounded) == three_digits(Decimal(scaled))
    assert grade(rounded) == grade(scaled)
    assert abs(rounded - scaled) * 200 <= abs(scaled)
    assert abs(grade(scaled)) < 2**16
    if scaled <= other:
        assert grade(scaled) <= grade(other)


def test_a_thousand_values_and_one_more() -> None:
    """The bounds as they are: `unique` stays at 1,000, and `top` is unknown until the surplus has left."""
    tops, uniques = Tops(), Uniques()
    for state in (tops, uniques):
        state.keep_buckets((BUCKET_WIDTH,))
        for n in range(1_001):
            state.add(n * 1_000, f"m{n:04d}", n * SCALE)
    now = 1_000_000
    assert uniques.count(WINDOW, BUCKET_WIDTH, now)[0] == 1_000
    assert uniques.falls_below(1_000, WINDOW, 0, now) == 1_000 + WINDOW
    assert tops.top(WINDOW, BUCKET_WIDTH, now) == (None, BUCKET_WIDTH + WINDOW)
    assert tops.top(WINDOW, BUCKET_WIDTH, BUCKET_WIDTH + WINDOW)[0] == 60 * SCALE
