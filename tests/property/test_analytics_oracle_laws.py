"""Laws of the oracle of analytics: what its answers must satisfy whatever the history is.

Source  docs/reference/analytics-meanings.md
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_oracle import World, answer, disagreements
from analytics_oracle.calendar import duration, range_of
from analytics_oracle.experiment import chance, quantile_of_t, tail_of_chi_squared, tail_of_t
from analytics_oracle.funnel import Chain, Walk, walks_of
from analytics_oracle.strategies import questions, rearranged, worlds
from analytics_oracle.vectors import Case, cases, differences
from laws import examples
from tinycdp.products.analytics.questions.schemas import Series, TrendQuestion

Ask = Callable[[World], Any]
_SEED = st.integers(0, 10**6)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_vectors(case: Case) -> None:
    assert differences(answer(case.world, case.question), case.expected) == []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_vectors_in_any_order_of_arrival(case: Case) -> None:
    for seed in range(3):
        assert differences(answer(rearranged(case.world, seed), case.question), case.expected) == []


@examples(100, deep=20_000)
@given(worlds(), questions(), _SEED)
def test_the_order_of_arrival_changes_nothing(world: World, ask: Ask, seed: int) -> None:
    question = ask(world)
    assert disagreements(answer(rearranged(world, seed), question), answer(world, question)) == []


@examples(60, deep=5_000)
@given(worlds(), questions())
def test_a_merge_that_was_undone_never_was(world: World, ask: Ask) -> None:
    """An override that puts an identifier where its events say it belongs says nothing."""
    never = replace(world, owners={})
    stored = {event.identifier_id: event.stored_profile_id for event in world.events}
    events = tuple(replace(event, stored_profile_id=stored[event.identifier_id]) for event in world.events)
    never, undone = replace(never, events=events), replace(never, events=events, owners=stored)
    assert disagreements(answer(undone, ask(world)), answer(never, ask(world))) == []


@examples(100, deep=10_000)
@given(worlds(), questions("funnel"))
def test_statuses_add_up(world: World, ask: Ask) -> None:
    question = ask(world)
    found = answer(world, question)
    for group in (*found.groups, *(group for bucket in found.trend for group in bucket.groups)):
        assert group.converted + group.in_progress + group.excluded + group.dropped == group.reached
        reached = [step.reached for step in group.steps]
        assert reached == sorted(reached, reverse=True)
        assert (reached[0], reached[-1]) == (group.reached, group.converted)
        for n, step in enumerate(group.steps):
            left = step.reached - reached[n + 1] if n + 1 < len(reached) else 0
            assert step.in_progress + step.excluded + step.dropped == left
            assert sum(one.people for one in step.times) == (step.reached if n else 0)
        assert sum(one.people for one in group.times) == group.converted


@examples(100, deep=10_000)
@given(worlds(), questions("funnel"))
def test_groups_of_a_funnel_add_up(world: World, ask: Ask) -> None:
    question = ask(world)
    whole = answer(world, msgspec.structs.replace(question, breakdown=()))
    divided = answer(world, question)
    for name in ("reached", "converted", "in_progress", "excluded", "dropped"):
        assert sum(getattr(group, name) for group in divided.groups) == getattr(whole.groups[0], name)


@examples(60, deep=5_000)
@given(worlds(), questions("funnel"))
def test_nothing_that_narrows_a_funnel_adds_to_it(world: World, ask: Ask) -> None:
    question = ask(world)
    if question.order == "any":
        return
    free = msgspec.structs.replace(question, exclude=(), hold=(), order="ordered", breakdown=(), bucket="")
    narrow = msgspec.structs.replace(question, breakdown=(), bucket="")
    before = [step.reached for step in answer(world, free).groups[0].steps]
    after = [step.reached for step in answer(world, narrow).groups[0].steps]
    assert all(a <= b for a, b in zip(after, before, strict=True))


@examples(100, deep=10_000)
@given(worlds(), questions("trend"))
def test_counts_of_groups_and_buckets_add_up(world: World, ask: Ask) -> None:
    question = ask(world)
    series = tuple(msgspec.structs.replace(one, measure="count") for one in question.series[:1])
    counted = msgspec.structs.replace(
        question, series=series, formula="", cumulative=False, rolling=0, compare="", unit="person"
    )
    divided = answer(world, counted)
    whole = answer(world, msgspec.structs.replace(counted, breakdown=())).lines[0]
    assert sum(value for value in whole.values if value is not None) == whole.total
    assert sum(line.total for line in divided.lines) == whole.total
    for n, value in enumerate(whole.values):
        if value is not None:
            assert sum(line.values[n] for line in divided.lines) == value
    people = msgspec.structs.replace(
        counted, breakdown=(), series=tuple(msgspec.structs.replace(one, measure="people") for one in series)
    )
    distinct = answer(world, people).lines[0]
    assert all(value is None or value <= distinct.total for value in distinct.values)
    assert distinct.total <= sum(value for value in distinct.values if value is not None)
    cumulative = answer(world, msgspec.structs.replace(people, cumulative=True)).lines[0]
    begun = [value for value in cumulative.values if value is not None]
    assert begun == sorted(begun)
    assert not begun or begun[-1] == distinct.total


@examples(60, deep=5_000)
@given(worlds(), questions("active"))
def test_active_people_of_one_day_are_the_people_of_that_day(world: World, ask: Ask) -> None:
    question = msgspec.structs.replace(ask(world), bucket="day", days=(1, 2, 7))
    active = answer(world, question)
    series = Series(question.event, question.where, "people")
    trend = TrendQuestion(
        from_=question.from_, to=question.to, last=question.last, people=question.people, series=(series,)
    )
    people = answer(world, trend).lines[0].values
    one, two, seven = (line.values for line in active.lines)
    for n, bucket in enumerate(active.buckets):
        assert not bucket.complete or one[n] == people[n]
        assert (one[n] is None) is (two[n] is None) is (seven[n] is None)
        assert one[n] is None or one[n] <= two[n] <= seven[n]


@examples(60, deep=5_000)
@given(worlds(), questions("stickiness", "frequency"))
def test_rows_of_people_add_up(world: World, ask: Ask) -> None:
    question = ask(world)
    found = answer(world, question)
    if question.__struct_config__.tag == "frequency":
        below = question.edges[0] - 1
        assert sum(row.people for row in found.rows) == found.people or below
    else:
        assert sum(row.exactly for row in found.rows) == found.people
        assert [row.at_least for row in found.rows] == [
            sum(row.exactly for row in found.rows[n:]) for n in range(len(found.rows))
        ]


@examples(60, deep=5_000)
@given(worlds(), questions("lifecycle"))
def test_each_person_of_a_bucket_is_one_thing(world: World, ask: Ask) -> None:
    """Who is here in one bucket is returning or dormant in the next."""
    rows = [row for row in answer(world, ask(world)).rows if row.new is not None]
    for row, following in itertools.pairwise(rows):
        here = row.new + row.returning + row.resurrecting
        assert following.returning + following.dormant == here


@examples(100, deep=10_000)
@given(worlds(), questions("retention"))
def test_returns(world: World, ask: Ask) -> None:
    question = ask(world)
    on = answer(world, msgspec.structs.replace(question, mode="on"))
    later = answer(world, msgspec.structs.replace(question, mode="on_or_after"))
    assert on.periods == later.periods
    for group, group_later in zip(on.groups, later.groups, strict=True):
        for cohort, cohort_later in zip(group.cohorts, group_later.cohorts, strict=True):
            assert cohort.people == cohort_later.people
            came = [cell.people for cell in cohort_later.cells]
            assert came == sorted(came, reverse=True)
            assert all(cell.people <= n <= cohort.people for cell, n in zip(cohort.cells, came, strict=True))
    whole = answer(world, msgspec.structs.replace(question, breakdown=()))
    for n, cohort in enumerate(whole.groups[0].cohorts):
        assert sum(group.cohorts[n].people for group in answer(world, question).groups) == cohort.people


@examples(60, deep=5_000)
@given(worlds(), questions("sessions"))
def test_sessions_add_up(world: World, ask: Ask) -> None:
    question = msgspec.structs.replace(ask(world), top=1_000)
    found = answer(world, question)
    rows = [row for row in found.rows if row is not None]
    assert sum(row.sessions for row in rows) == found.total.sessions
    assert sum(row.bounces for row in rows) == found.total.bounces <= found.total.sessions
    assert found.total.people <= found.total.sessions
    for ends in (found.entries, found.exits):
        assert sum(one.sessions for one in ends) == found.total.sessions


@examples(60, deep=5_000)
@given(worlds(), questions("paths"))
def test_what_comes_to_a_label_leaves_it(world: World, ask: Ask) -> None:
    """Each path that is at a label goes on from there, or ends."""
    question = ask(world)
    found = answer(world, msgspec.structs.replace(question, top=1_000))
    first = [link.sessions for link in found.links if link.step == 1]
    assert sum(first) == found.sessions
    for step in range(1, question.depth - 1):
        arrived = Counter[str]()
        left = Counter[str]()
        for link in found.links:
            if link.step == step and link.target is not None:
                arrived[link.target] += link.sessions
            if link.step == step + 1:
                left[link.source] += link.sessions
        assert arrived == left
    few = answer(world, question)
    for step in range(1, question.depth):
        of_step = [[link for link in one.links if link.step == step] for one in (found, few)]
        assert sum(link.sessions for link in of_step[0]) == sum(link.sessions for link in of_step[1])


@examples(60, deep=5_000)
@given(worlds(), questions("experiment"))
def test_units_add_up(world: World, ask: Ask) -> None:
    found = answer(world, ask(world))
    for metric in found.metrics:
        for units, result in zip(found.variants, metric.variants, strict=True):
            assert result.units + result.open + units.crossovers == units.units
            assert result.p is None or 0 <= result.p <= 1
            if result.interval is not None:
                low, high = result.interval
                assert low < result.difference < high
                wide_low, wide_high = result.always_valid
                assert wide_low < low and high < wide_high


@examples(100, deep=20_000)
@given(worlds(), questions("funnel"))
def test_one_walk_with_a_state_for_each_step_finds_the_same(world: World, ask: Ask) -> None:
    """Why a funnel can be computed in one pass: a later attempt at a step is never worse than the one it replaces."""
    question = ask(world)
    if question.order == "any":
        return
    for history in world.histories.values():
        for events in walks_of(world, question, history):
            walk = Walk(question, events, range_of(question, world), world.as_of)
            speaker, states = _in_one_pass(walk)
            assert len(speaker) == walk.depth
            if speaker:
                assert [event.id for event in speaker] == [event.id for event in walk.speaker]
                assert any(walk.may_go_on(state, walk.as_of) for state in states if state) is walk.in_progress


def _in_one_pass(walk: Walk) -> tuple[Chain, list[Chain]]:
    """The attempt that got deepest first, and the latest attempt at each step."""
    steps = walk.question.steps
    states: list[Chain] = [()] * (len(steps) + 1)
    speaker: Chain = ()
    by_instant = groupby(sorted(walk.events, key=lambda event: event.place), key=lambda event: event.at)
    for at, simultaneous in by_instant:
        here = list(simultaneous)
        for event in here:
            for step in sorted(event.steps, reverse=True):
                before = states[step - 1]
                if step == 1:
                    taken = (event,) if walk.entry.has(at) else ()
                else:
                    taken = (*before, event) if before and _in_time(walk, before, at) else ()
                if taken:
                    states[step] = taken
                    speaker = taken if len(taken) > len(speaker) else speaker
        for step, state in enumerate(states):
            ends = [step in e.excludes or (walk.question.order == "strict" and step not in e.steps) for e in here]
            if state and state[-1].at < at and any(ends):
                states[step] = ()
    return speaker, states


def _in_time(walk: Walk, chain: Chain, at: int) -> bool:
    following = walk.question.steps[len(chain)].within
    return at - chain[0].at < walk.within and (not following or at - chain[-1].at < duration(following))


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706205), (2, 4.302653), (5, 2.570582), (10, 2.228139), (30, 2.042272), (1000, 1.962339)]
)
def test_the_table_of_students_distribution(freedom: int, t: float) -> None:
    assert quantile_of_t(float(freedom)) == pytest.approx(t, abs=1e-6)
    assert tail_of_t(t, float(freedom)) == pytest.approx(0.05, abs=1e-7)


@pytest.mark.parametrize(
    ("freedom", "x", "p"), [(1, 3.841459, 0.05), (2, 5.991465, 0.05), (3, 7.814728, 0.05), (6, 16.811894, 0.01)]
)
def test_the_table_of_chi_squared(freedom: int, x: float, p: float) -> None:
    assert tail_of_chi_squared(x, freedom) == pytest.approx(p, abs=1e-7)


def test_the_chance_to_win() -> None:
    """By hand: of a uniform rate against Beta(2, 1) it is the mean of that, 2/3; of equal ones 1/2."""
    assert chance(0, 0, 1, 1) == Fraction(2, 3)
    assert chance(1, 2, 2, 2) == Fraction(4, 5)
    assert chance(7, 31, 7, 31) == Fraction(1, 2)
    assert chance(40, 100, 50, 100) == 1 - chance(50, 100, 40, 100)
