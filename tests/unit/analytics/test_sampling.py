"""Answers over a sample of people: every count is scaled, and nothing else."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from tinycdp.dsl.check.expressions import Scope
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.answers.scaling import MILLION, OF_THE_SAMPLE, about, counts_of, scaled
from tinycdp.products.analytics.answers.schemas import (
    Answer,
    BucketSpan,
    Cohort,
    ImpactAnswer,
    ImpactSide,
    PathLink,
    PathsAnswer,
    RetentionAnswer,
    RetentionCell,
    RetentionGroup,
)
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import Question

#: Whole numbers that are no counts: what a row is of, and times.
NO_COUNTS = {
    *("ActiveLine.days", "StickinessRow.buckets", "FrequencyRow.least", "FrequencyRow.most", "PathLink.step"),
    *("HistogramBin.least_ms", "HistogramBin.below_ms", "FunnelStep.median_ms", "FunnelGroup.median_ms"),
    *("SessionFigures.median_ms", "RetentionAnswer.periods"),
}


def structs_of(hint: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
        for name, inner in get_type_hints(hint).items():
            if name != "question":
                yield from structs_of(inner)
    for inner in get_args(hint):
        yield from structs_of(inner)


def has_int(hint: Any) -> bool:
    return hint is int or any(map(has_int, get_args(hint)))


def test_every_whole_number_of_an_answer_is_a_count_or_says_that_it_is_none() -> None:
    whole, counts = set(), set()
    for answer in get_args(Answer):
        for struct in structs_of(answer) if answer not in OF_THE_SAMPLE else ():
            hints = get_type_hints(struct)
            whole |= {f"{struct.__name__}.{name}" for name, hint in hints.items() if has_int(hint)}
            counts |= {f"{struct.__name__}.{name}" for name in counts_of(struct)}
    assert whole - counts == NO_COUNTS
    assert not counts & NO_COUNTS


def test_counts_are_multiplied_and_shares_are_not() -> None:
    day = BucketSpan("a", "b", True)
    cohort = Cohort(day, 10, (RetentionCell(5, Decimal("0.5"), True), RetentionCell(0, Decimal(0), False)))
    answer = RetentionAnswer(periods=((0, 1),), groups=(RetentionGroup(None, 10, (cohort,), (Decimal("0.5"),)),))
    found = scaled(answer, MILLION // 4)
    assert found.groups[0].people == 40
    assert found.groups[0].cohorts[0] == Cohort(
        day, 40, (RetentionCell(20, Decimal("0.5"), True), RetentionCell(0, Decimal(0), False))
    )
    assert (found.periods, found.groups[0].average) == (((0, 1),), (Decimal("0.5"),))
    assert msgspec.json.decode(msgspec.json.encode(found))["sampled"] == {"share": "0.25", "factor": "4"}
    assert about(found).endswith("≈ a sample of 0.25 of people, counts × 4")


def test_a_count_is_rounded_to_the_nearest() -> None:
    links = tuple(PathLink(1, "a", None, n) for n in (1, 2, 3))
    found = scaled(PathsAnswer(sessions=6, links=links), 400_000)
    assert [found.sessions, *(link.sessions for link in found.links)] == [15, 3, 5, 8]  # of 2.5, 5 and 7.5


def test_what_has_statistics_keeps_the_numbers_that_these_are_of() -> None:
    side = ImpactSide(10, Decimal(1), Decimal(2))
    answer = ImpactAnswer(users=side, others=side, unfinished=3, difference=None, interval=(None, None))
    found = scaled(answer, MILLION // 4)
    assert (found.users.people, found.unfinished) == (10, 3)
    assert [notice.path for notice in found.warnings] == ["sample"]
    assert about(found).endswith("a sample of 0.25 of people, not scaled")


@pytest.mark.parametrize("sample", ["0", "0.0000001", "1.5", "-1"])
def test_a_share_that_is_none_is_an_error(sample: str) -> None:
    asked = {"kind": "stickiness", "last": "7d", "sample": sample}
    with pytest.raises(InvalidInput) as raised:
        compile_question(msgspec.convert(asked, Question), World(1, "UTC", 1, False, Scope()))  # type: ignore[arg-type]
    assert raised.value.details["path"] == "sample"
