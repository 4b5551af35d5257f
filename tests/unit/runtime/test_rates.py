"""Rates, shares of events, and that what is not stored costs nothing."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.errors import Overloaded
from tinycdp.model import Identifier, Message
from tinycdp.runtime.policies.limits import FACTOR, KeyLimits, Limiter, Limits, Rate, Sampling

NOW = 1_750_000_000_000
MINUTE = 60_000


def message(n: int = 0, name: str = "tick", person: str = "ada", **fields: Any) -> Message:
    return Message(
        kind="track",
        message_id=f"m{n}",
        identifiers=(Identifier("userId", person),),
        occurred_at=NOW,
        received_at=NOW,
        name=name,
        **fields,
    )


async def wait_of(limiter: Limiter, limits: Limits, n: int, now: int, key: int = 1) -> int | None:
    """None where the events are taken, else the seconds of Retry-After."""
    try:
        await limiter.admit(limits, 1, key, n, now)
    except Overloaded as refused:
        assert refused.code == "RATE_LIMIT"
        return refused.retry_after_seconds
    return None


async def test_a_key_may_send_a_burst_and_then_its_rate() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(10, burst=25))
    assert await wait_of(limiter, limits, 25, NOW) is None
    assert await wait_of(limiter, limits, 1, NOW) == 1
    assert await wait_of(limiter, limits, 1, NOW + 99) == 1
    assert await wait_of(limiter, limits, 1, NOW + 100) is None
    assert await wait_of(limiter, limits, 20, NOW + 100) == 2
    assert await wait_of(limiter, limits, 20, NOW + 2_100) is None


async def test_more_than_a_burst_is_taken_when_nothing_was_sent_and_paid_for_afterwards() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(10))
    assert await wait_of(limiter, limits, 100, NOW) is None
    assert await wait_of(limiter, limits, 1, NOW) == 10  # 9.1 seconds, in whole ones
    assert await wait_of(limiter, limits, 1, NOW + 9_099) == 1
    assert await wait_of(limiter, limits, 1, NOW + 9_100) is None


async def test_the_hint_is_never_longer_than_clients_wait() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(1))
    assert await wait_of(limiter, limits, 10_000, NOW) is None
    assert await wait_of(limiter, limits, 1, NOW) == 300


async def test_keys_have_buckets_of_their_own_and_may_have_rates_of_their_own() -> None:
    limiter = Limiter()
    limits = Limits(events=Rate(1), requests=Rate(1), keys=(KeyLimits(2, events=Rate(100)), KeyLimits(3)))
    assert await wait_of(limiter, limits, 1, NOW, key=1) is None
    assert await wait_of(limiter, limits, 1, NOW, key=1) == 1
    assert await wait_of(limiter, limits, 1, NOW, key=4) is None
    assert [await wait_of(limiter, limits, 100, NOW, key=2) for _ in range(2)] == [None, 1]
    assert [await wait_of(limiter, limits, 1_000, NOW, key=3) for _ in range(3)] == [None, None, None]
    await limiter.request(limits, 1, NOW)
    with pytest.raises(Overloaded):
        await limiter.request(limits, 1, NOW)
    await limiter.request(limits, 3, NOW)
    await limiter.request(limits, 3, NOW)


async def test_processes_share_a_rate() -> None:
    limits = Limits(events=Rate(10, burst=30))
    shares = [Limiter(3), Limiter(3), Limiter(3)]
    assert [await wait_of(share, limits, 10, NOW) for share in shares] == [None, None, None]
    assert [await wait_of(share, limits, 1, NOW) for share in shares] == [1, 1, 1]
    assert [await wait_of(share, limits, 1, NOW + 300) for share in shares] == [None, None, None]


async def test_a_clock_that_is_set_back_gives_nothing_twice() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(10))
    assert await wait_of(limiter, limits, 10, NOW) is None
    assert await wait_of(limiter, limits, 1, NOW - 60_000) == 1
    assert await wait_of(limiter, limits, 1, NOW + 100) is None
    assert await wait_of(limiter, limits, 1, NOW + 100) == 1


async def test_what_could_not_be_stored_costs_nothing() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(1, burst=5), profile_events_per_minute=5)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with await limiter.admit(limits, 1, 1, 5, NOW) as charge:
                limited = limiter.apply_limits(limits, 1, [message(n) for n in range(5)], charge)
                assert (len(limited.messages), limited.rejections) == (5, [])
                raise RuntimeError
    async with await limiter.admit(limits, 1, 1, 5, NOW) as charge:
        assert len(limiter.apply_limits(limits, 1, [message(n) for n in range(5)], charge).messages) == 5
    assert await wait_of(limiter, limits, 5, NOW) == 5
    charge = await limiter.admit(limits, 1, 9, 1, NOW)
    assert limiter.apply_limits(limits, 1, [message()], charge).rejections[0].code == "PROFILE_RATE_LIMIT"


async def test_who_hangs_up_has_paid() -> None:
    limiter, limits = Limiter(), Limits(events=Rate(1, burst=5))
    with pytest.raises(asyncio.CancelledError):
        async with await limiter.admit(limits, 1, 1, 5, NOW):
            raise asyncio.CancelledError
    assert await wait_of(limiter, limits, 5, NOW) == 5


async def test_a_profile_that_sends_too_many_is_rejected_and_no_other_is() -> None:
    limiter, limits = Limiter(), Limits(profile_events_per_minute=3)
    flood = [message(n) for n in range(5)] + [message(9, person="bob")]
    limited = limiter.apply_limits(limits, 1, flood, await limiter.admit(limits, 1, 1, 6, NOW))
    assert [m.message_id for m in limited.messages] == ["m0", "m1", "m2", "m9"]
    assert [r.code for r in limited.rejections] == ["PROFILE_RATE_LIMIT"] * 2
    assert msgspec.json.decode(limited.rejections[0].payload)["messageId"] == "m3"
    later = limiter.apply_limits(limits, 1, flood, await limiter.admit(limits, 1, 1, 6, NOW + 20_000))
    assert [m.message_id for m in later.messages] == ["m0", "m9"]
    elsewhere = limiter.apply_limits(limits, 2, flood[:5], await limiter.admit(limits, 2, 1, 6, NOW + 20_000))
    assert len(elsewhere.messages) == 3
    assert limiter.apply_limits(limits, 1, flood, None).messages == flood, "history that is imported"


@given(sends=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 5)), max_size=60), rate=st.integers(1, 20))
async def test_a_person_never_has_more_than_a_minutes_worth_and_the_refill(
    sends: list[tuple[int, int]], rate: int
) -> None:
    limiter, limits = Limiter(), Limits(profile_events_per_minute=rate)
    now, taken = NOW, []
    for pause, n in sends:
        now += pause
        charge = await limiter.admit(limits, 1, 1, n, now)
        taken += [now] * len(limiter.apply_limits(limits, 1, [message(i) for i in range(n)], charge).messages)
    for index, since in enumerate(taken):
        for count, until in enumerate(taken[index:], 1):
            assert count <= rate + (until - since) * rate / MINUTE


async def test_memory_for_people_is_bounded_and_lasts_a_minute() -> None:
    limiter, limits = Limiter(most_profiles=50), Limits(profile_events_per_minute=1)
    for n in range(1_000):
        charge = await limiter.admit(limits, 1, 1, 1, NOW)
        limiter.apply_limits(limits, 1, [message(n, person=f"p{n}")], charge)
    assert limiter.profiles_remembered <= 100
    charge = await limiter.admit(limits, 1, 1, 1, NOW + 59_999)
    assert limiter.apply_limits(limits, 1, [message(person="p999")], charge).rejections, "a minute has not passed"


def test_sampling_keeps_the_same_at_every_try_and_about_the_share() -> None:
    limits = Limits(sampling=(Sampling("tick", 10), Sampling("tock", 25, "message")))
    ticks = [message(n, person=f"p{n}") for n in range(5_000)]
    kept = Limiter().apply_limits(limits, 1, ticks, None)
    assert Limiter().apply_limits(limits, 7, ticks, None).messages == kept.messages
    assert 400 < len(kept.messages) < 600
    assert kept.sampled == 5_000 - len(kept.messages)
    more = Limiter().apply_limits(Limits(sampling=(Sampling("tick", 20),)), 1, ticks, None)
    assert set(map(id, kept.messages)) < set(map(id, more.messages)), "raising a share removes no profile"
    again = [message(5_000 + n, person=m.identifiers[0].value) for n, m in enumerate(kept.messages)]
    assert Limiter().apply_limits(limits, 1, again, None).sampled == 0, "the same people, whatever they send"

    tocks = [message(n, "tock") for n in range(4_000)]
    assert 900 < len(Limiter().apply_limits(limits, 1, tocks, None).messages) < 1_100
    other = [message(n, "other") for n in range(10)]
    who = [msgspec.structs.replace(message(n), kind="identify", name="") for n in range(10)]
    assert Limiter().apply_limits(limits, 1, [*other, *who], None).messages == [*other, *who]


def test_a_kept_event_says_how_many_it_stands_for() -> None:
    limits = Limits(sampling=(Sampling("tick", 10), Sampling("tock", 30), Sampling("all", 100)))

    def factor(name: str, **properties: Any) -> Any:
        return Limiter().add_sample_factor(limits, 1, message(name=name, properties=properties)).properties.get(FACTOR)

    assert factor("tick") == 10
    assert factor("tock") == Decimal("3.333333")
    assert (factor("all"), factor("other")) == (None, None)
    assert factor("tick", _sample_factor=5) == 50, "what a client has sampled before"
    assert factor("tick", _sample_factor="nonsense") == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": {"perSecond": 0}},
        {"events": 5},
        {"sampling": [{"event": "a", "percent": 0}]},
        {"sampling": [{"event": "a", "percent": 101}]},
        {"sampling": [{"event": "a", "percent": 0.0001}]},
        {"sampling": [{"event": "a", "percent": 1}, {"event": "a", "percent": 2}]},
        {"keys": [{"key": 1}, {"key": 1}]},
        {"profileEventsPerMinute": -1},
        {"profilEventsPerMinute": 5},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Limits)
