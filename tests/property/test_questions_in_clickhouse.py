"""Every question in ClickHouse is answered as the oracle says, and the people behind a number are as many as it says.

Many worlds are in one table, each in an environment of its own.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analytics_oracle as oracle
from analytics_oracle import disagreements
from analytics_oracle.strategies import questions, rearranged, worlds
from analytics_oracle.vectors import Case, cases, differences
from laws import examples
from tinycdp.products.analytics.compile.behind import people_of

pytest.importorskip("chdb", reason="chdb has no wheel for this platform")
from analytics_asked import copied, rows

Ask = Callable[[oracle.World], Any]
_SEED = st.integers(0, 10**6)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_vectors(case: Case) -> None:
    assert differences(copied(case.world).answer(case.question), case.expected) == []


@examples(12, deep=2_000)
@given(worlds(), questions("funnel"), _SEED)
def test_a_funnel_is_what_the_oracle_says(world: oracle.World, ask: Ask, seed: int) -> None:
    """In any order of arrival."""
    question = ask(world)
    found = copied(rearranged(world, seed)).answer(question)
    assert disagreements(found, oracle.answer(world, question)) == []
    for group in found.groups:
        assert group.converted + group.in_progress + group.excluded + group.dropped == group.reached


@examples(12, deep=2_000)
@given(worlds(), questions("retention"), _SEED)
def test_retention_is_what_the_oracle_says(world: oracle.World, ask: Ask, seed: int) -> None:
    """In any order of arrival."""
    question = ask(world)
    found = copied(rearranged(world, seed)).answer(question)
    assert disagreements(found, oracle.answer(world, question)) == []


@examples(30, deep=5_000)
@given(worlds(), questions("trend"), _SEED)
def test_a_trend_is_what_the_oracle_says(world: oracle.World, ask: Ask, seed: int) -> None:
    """In any order of arrival."""
    question = ask(world)
    found = copied(rearranged(world, seed)).answer(question)
    assert disagreements(found, oracle.answer(world, question)) == []


@pytest.mark.parametrize(
    "kind",
    ["active", "stickiness", "frequency", "lifecycle", "sessions", "paths", "adoption", "impact", "experiment"],
)
@examples(6, deep=1_000)
@given(worlds(), st.data(), _SEED)
def test_an_answer_is_what_the_oracle_says(kind: str, world: oracle.World, data: st.DataObject, seed: int) -> None:
    """In any order of arrival."""
    question = data.draw(questions(kind))(world)
    found = copied(rearranged(world, seed)).answer(question)
    assert disagreements(found, oracle.answer(world, question)) == []


@pytest.mark.parametrize("kind", oracle.KINDS)
@examples(6, deep=500)
@given(worlds(), st.data(), _SEED)
def test_the_people_behind_a_number_are_as_many_as_it_says(
    kind: str, world: oracle.World, data: st.DataObject, seed: int
) -> None:
    """And they are those without whom the number would be less."""
    question = data.draw(questions(kind))(world)
    copy = copied(world)
    numbers = list(oracle.numbers(question, oracle.answer(world, question)))
    some = [number for number in numbers if number.value]
    for number in Random(seed).sample(some, min(3, len(some))) + numbers[:1]:
        found = [profile for (profile,) in rows(people_of(question, copy.world, number.cell))]
        assert found == sorted(oracle.people(world, question, number.cell)), number.cell
        if number.of_people:
            assert len(found) == number.value, number.cell
