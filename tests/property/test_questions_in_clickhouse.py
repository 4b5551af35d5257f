"""Every question in ClickHouse is answered as the oracle says, and the people behind a number are as many as it says.

Many worlds are in one table, each in an environment of its own.
"""

from collections.abc import Callable, Iterator
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
from tinycdp.products.analytics.answers.schemas import Answer, FunnelAnswer, Group, RetentionAnswer, TrendAnswer
from tinycdp.products.analytics.compile.behind import people_of
from tinycdp.products.analytics.questions.schemas import (
    Cell,
    CellGroup,
    FunnelCell,
    Question,
    RetentionCellOf,
    TrendCell,
    TrendQuestion,
)

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


@examples(12, deep=1_000)
@given(worlds(), questions("funnel", "retention", "trend"), _SEED)
def test_the_people_behind_a_number_are_as_many_as_it_says(world: oracle.World, ask: Ask, seed: int) -> None:
    question, copy = ask(world), copied(world)
    numbers = list(_numbers(question, copy.answer(question)))
    some = [number for number in numbers if number[0]]
    for number, cell in Random(seed).sample(some, min(2, len(some))) + numbers[:1]:
        found = [profile for (profile,) in rows(people_of(question, copy.world, cell))]
        assert len(found) == len(set(found)) == number, cell
        assert found == sorted(found)


def _numbers(question: Question, answer: Answer) -> Iterator[tuple[Any, Cell]]:
    """Every number of an answer that counts people, and where it is."""
    match answer:
        case FunnelAnswer():
            for bucket, groups in [("", answer.groups), *((one.bucket.start, one.groups) for one in answer.trend)]:
                for group in groups:
                    which = {"group": _group(group.group), "bucket": bucket}
                    yield group.converted, FunnelCell(status="converted", **which)
                    for n, step in enumerate(group.steps, 1):
                        for status in ("reached", "in_progress", "excluded", "dropped"):
                            yield getattr(step, status), FunnelCell(step=n, status=status, **which)
        case RetentionAnswer():
            for one in answer.groups:
                yield one.people, RetentionCellOf(group=_group(one.group))
                for cohort in one.cohorts:
                    which = {"group": _group(one.group), "bucket": cohort.bucket.start}
                    yield cohort.people, RetentionCellOf(**which)
                    for n, cell in enumerate(cohort.cells):
                        yield cell.people, RetentionCellOf(period=n, **which)
        case TrendAnswer():
            assert isinstance(question, TrendQuestion)
            people = [chr(ord("A") + n) for n, series in enumerate(question.series) if series.measure == "people"]
            if question.unit == "person" and not question.rolling:
                for line in (line for line in answer.lines if line.series in people):
                    yield line.total, TrendCell(series=line.series, group=_group(line.group))
                    for bucket, value in zip(answer.buckets, line.values, strict=True):
                        if value is not None:
                            yield value, TrendCell(series=line.series, group=_group(line.group), bucket=bucket.start)


def _group(group: Group | None) -> CellGroup | None:
    return CellGroup(group.kind, group.values) if group is not None else None
