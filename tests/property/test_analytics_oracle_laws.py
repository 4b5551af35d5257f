"""Laws of the oracle of analytics: what its answers must satisfy whatever the history is.

Source  docs/reference/analytics-meanings.md
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_oracle import World, answer, comparable
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


@examples(300, deep=20_000)
@given(worlds(), questions(), _SEED)
def test_the_order_of_arrival_changes_nothing(world: World, ask: Ask, seed: int) -> None:
    question = ask(world)
    assert comparable(answer(rearranged(world, seed), question)) == comparable(answer(world, question))


@examples(100, deep=5_000)
@given(worlds(), questions())
def test_a_merge_that_was_undone_never_was(world: World, ask: Ask) -> None:
    """An override that puts an identifier where its events say it belongs says nothing."""
    never = replace(world, owners={})
    stored = {event.identifier_id: event.stored_profile_id for event in world.events}
    events = tuple(replace(event, stored_profile_id=stored[event.identifier_id]) for event in world.events)
    never, undone = replace(never, events=events), replace(never, events=events, owners=stored)
    assert comparable(answer(undone, ask(world))) == comparable(answer(never, ask(world)))


@examples(150, deep=10_000)
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


@examples(150, deep=10_000)
@given(worlds(), questions("funnel"))
def test_groups_of_a_funnel_add_up(world: World, ask: Ask) -> None:
    question = ask(world)
    whole = answer(world, msgspec.structs.replace(question, breakdown=()))
    divided = answer(world, question)
    for name in ("reached", "converted", "in_progress", "excluded", "dropped"):
        assert sum(getattr(group, name) for group in divided.groups) == getattr(whole.groups[0], name)


@examples(100, deep=5_000)
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


@examples(150, deep=10_000)
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


@examples(100, deep=5_000)
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


@examples(100, deep=5_000)
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


@examples(100, deep=5_000)
@given(worlds(), questions("lifecycle"))
def test_each_person_of_a_bucket_is_one_thing(world: World, ask: Ask) -> None:
    """Who is here in one bucket is returning or dormant in the next."""
    rows = [row for row in answer(world, ask(world)).rows if row.new is not None]
    for row, following in itertools.pairwise(rows):
        here = row.new + row.returning + row.resurrecting
        assert following.returning + following.dormant == here


@examples(150, deep=10_000)
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
