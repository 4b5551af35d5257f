"""How fast a lane goes: rate, concurrency, breaker."""

from tinycdp.products.delivery.lanes.pace import FAILURES, LanePace, Start


def test_the_breaker_opens_tries_one_and_closes() -> None:
    pace = LanePace(0, 4)
    for _ in range(FAILURES - 1):
        pace.failed(0.0)
    assert (pace.state, pace.may_start(0, 0.0)) == ("closed", Start.ONE)
    pace.failed(0.0)
    assert (pace.state, pace.may_start(0, 0.0)) == ("open", Start.NOTHING)
    assert pace.may_start(0, 10.0) is Start.PROBE
    assert pace.may_start(1, 10.0) is Start.NOTHING, "one at a time"
    assert pace.answered(), "it was open"
    assert (pace.state, pace.may_start(0, 10.0)) == ("closed", Start.ONE)
    assert not pace.answered()


def test_pauses_of_an_open_breaker_double_up_to_a_limit() -> None:
    pace, now, waits = LanePace(0, 1), 0.0, []
    for _ in range(FAILURES - 1 + 12):
        pace.failed(now)
        if pace.state == "open":
            waits.append(pace.wait(now))
            now += waits[-1]
    assert all(0.8 * 2**n <= wait <= 1.2 * 2**n for n, wait in enumerate(waits[:8]))
    assert all(wait <= 360 for wait in waits)


def test_failures_of_one_moment_open_the_breaker_once() -> None:
    pace = LanePace(0, 64)
    for _ in range(64):
        pace.failed(0.0)
    assert pace.wait(0.0) <= 1.2


def test_at_most_so_many_at_once_and_a_second() -> None:
    pace = LanePace(2, 3)
    assert [pace.may_start(n, 0.0) for n in range(3)] == [Start.ONE, Start.ONE, Start.NOTHING]
    assert pace.may_start(0, 0.5) is Start.ONE
    assert pace.may_start(0, 0.5) is Start.NOTHING
    assert 0 < pace.wait(0.5) <= 0.5
    free = LanePace(0, 3)
    assert free.may_start(2, 0.0) is Start.ONE
    assert free.may_start(3, 0.0) is Start.NOTHING


def test_a_receiver_that_asks_for_less_gets_less_and_more_again() -> None:
    pace = LanePace(0, 8)
    pace.slow(0.0, 30.0)
    assert pace.may_start(0, 29.9) is Start.NOTHING
    assert pace.wait(0.0) == 30.0
    assert (pace.at_once, pace.may_start(0, 30.0)) == (4, Start.ONE)
    for _ in range(5):
        pace.slow(31.0, None)
    assert pace.at_once == 1
    for _ in range(400):
        pace.answered()
    assert pace.at_once == 8
