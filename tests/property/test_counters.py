"""When a count falls below a number is found by look-up, and it is the instant to which walking comes."""

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.dsl import ir
from tinycdp.engine.aggregates.counters import Counts
from tinycdp.model import DAY_MS, HOUR_MS

NOW = 1_790_000_000_000


@examples(100, deep=2_000)
@given(
    window=st.sampled_from([HOUR_MS, DAY_MS, 30 * DAY_MS]),
    spread=st.sampled_from([0.2, 3, 60, 120]),
    ages=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    times=st.sampled_from([1, 30, 100, 300]),
    share=st.floats(0, 1),
)
def test_the_instant_is_that_of_walking(
    window: int, spread: float, ages: list[float], times: int, share: float
) -> None:
    bucket_width = ir.bucket_width_ms(window)
    counts = Counts()
    counts.keep_buckets((bucket_width,))
    for n, age in enumerate(ages * times):  # more than are kept one by one, and many within one bucket
        counts.add(NOW - int(age * spread * bucket_width) - n, str(n), None)
    held, _ = counts.count(window, bucket_width, NOW)
    wanted = max(1, round(held * share))
    if wanted > held:
        return
    at, left = NOW, held
    while left >= wanted:
        at = counts.count(window, bucket_width, at)[1]
        left = counts.count(window, bucket_width, at)[0]
    assert counts.falls_below(wanted, window, bucket_width, NOW) == at
