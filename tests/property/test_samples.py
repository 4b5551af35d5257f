"""An answer over a sample of people is close to the answer about all of them.

Laws    the people of a sample are those with some hashes of their ids, so it is the same every time and nothing here is
        chance. The bound is 4.5 standard deviations of a sum over people of whom each is in the sample with its share
"""

from decimal import Decimal
from functools import cache
from math import sqrt
from random import Random
from typing import Any

import msgspec
import pytest

import analytics_oracle as oracle
from tinycdp.products.analytics.answers.schemas import ExperimentAnswer, ImpactAnswer, Sampled, TrendAnswer
from tinycdp.products.analytics.questions.schemas import Question

pytest.importorskip("chdb", reason="chdb has no wheel for this platform")
from analytics_asked import Copy, copied

SHARE = Decimal("0.25")
DAY = 86_400_000
START = 1_772_323_200_000  # 2026-03-01
#: The most events, and the largest amount, of one person.
MOST, LARGEST = 4, 9
RANGE = {"from": "2026-03-01", "to": "2026-03-15"}
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"kind": "trend", "series": [{"event": "a"}, {"event": "a", "measure": "people"}], "bucket": "week"},
    {"kind": "trend", "series": [{"event": "a"}], "bucket": "week", "cumulative": True},
    {"kind": "active", "bucket": "week"},
    {"kind": "stickiness"},
    {"kind": "frequency", "event": "a", "edges": [1, 2, 3]},
    {"kind": "funnel", "steps": [{"event": "a"}, {"event": "b"}], "bucket": "week"},
    {"kind": "retention", "start": {"event": "a"}, "returns": {"event": "b"}, "bucket": "week", "periods": 2},
    {"kind": "lifecycle"},
    {"kind": "sessions", "bucket": "week"},
    {"kind": "paths"},
    {"kind": "adoption", "feature": {"event": "b"}},
)


@cache
def world() -> oracle.World:
    """Many people, each with a few events in two weeks."""
    draw = Random(7)
    events: list[oracle.RawEvent] = []
    exposures = []
    for who in range(1, 1_501):
        for _ in range(draw.randint(1, MOST)):
            at = START + draw.randrange(14 * DAY)
            name, amount = draw.choice("aab"), draw.randint(1, LARGEST)
            events.append(
                oracle.RawEvent(len(events) + 1, name, at, at, who, who, properties={"amount": amount, "plan": who % 7})
            )
        exposures.append(oracle.Exposure("test", f"u{who}", who if who % 2 else 0, "on" if who % 3 else "off", START))
    flags = {"test": oracle.Flag(("on", "off"), "off")}
    return oracle.World("UTC", START + 20 * DAY, tuple(events), exposures=tuple(exposures), flags=flags)


@cache
def copy() -> Copy:
    return copied(world())


def asked(question: dict[str, Any], **more: Any) -> Question:
    return msgspec.convert({**RANGE, **question, **more}, Question)  # type: ignore[arg-type]


def is_close(found: float, whole: float, most: float) -> bool:
    """most: of one person. The sum of the squares of the persons' parts is at most `most · whole`."""
    deviation = sqrt(most * whole * float((1 - SHARE) / SHARE))
    return abs(found - whole) <= 4.5 * deviation + 1


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["kind"])
def test_counts_over_a_sample_are_those_of_all_people(question: dict[str, Any]) -> None:
    sample = asked(question, sample=SHARE)
    whole = {repr(one.cell): one for one in oracle.numbers(sample, oracle.answer(world(), asked(question)))}
    answer = copy().answer(sample)
    found = {repr(one.cell): one.value for one in oracle.numbers(sample, comparable(answer))}
    assert answer.sampled == Sampled(SHARE, Decimal(4))
    assert max(one.value for one in whole.values()) > 500  # else the bounds say little
    for cell, number in whole.items():
        most = 1 if number.of_people else MOST
        assert is_close(found.get(cell, 0), number.value, most), (cell, number.value, found.get(cell, 0))
        assert found.get(cell, 0) % 4 == 0


def comparable(answer: Any) -> Any:
    """The answer with instants as the oracle writes them."""
    text = msgspec.json.encode(msgspec.structs.replace(answer, sampled=msgspec.UNSET)).decode()
    return msgspec.json.decode(text.replace("T00:00:00+00:00", "T00:00:00.000+00:00"), type=type(answer))


def test_a_trend_scales_what_adds_up_over_people() -> None:
    measures = ("sum", "avg", "median", "max", "distinct")
    series = [{"event": "a", "measure": measure, "property": "amount"} for measure in measures]
    series += [
        {"event": "a", "measure": "per_person"},
        {"event": "a", "measure": {"perPerson": "sum", "then": "sum"}, "property": "amount"},
        {"event": "a", "measure": {"perPerson": "sum", "then": "avg"}, "property": "amount"},
    ]
    question = {"kind": "trend", "series": series, "formula": "A / G", "bucket": "week"}
    totals = []
    for answer in (oracle.answer(world(), asked(question)), copy().answer(asked(question, sample=SHARE))):
        assert isinstance(answer, TrendAnswer)
        totals.append([float(line.total or 0) for line in answer.lines])
    (sum_, avg, median, max_, distinct, per_person, nested, mean, _), found = totals
    assert is_close(found[0], sum_, MOST * LARGEST)
    assert found[0] == found[6]
    assert nested == sum_
    for whole, of_sample in ((avg, found[1]), (median, found[2]), (per_person, found[5]), (mean, found[7])):
        assert abs(of_sample - whole) < whole / 5
    assert (found[3], found[4]) == (max_, distinct)
    assert found[8] == 1
    warned = [notice.path for notice in copy().answer(asked(question, sample=SHARE)).warnings]
    assert warned == ["series[3].measure", "series[4].measure"]


def test_experiments_and_impact_keep_the_numbers_of_the_sample() -> None:
    experiment = {"kind": "experiment", "flag": "test", "metrics": [{"event": "a"}]}
    whole, found = oracle.answer(world(), asked(experiment)), copy().answer(asked(experiment, sample=SHARE))
    assert isinstance(found, ExperimentAnswer)
    assert isinstance(whole, ExperimentAnswer)
    assert found.sampled == Sampled(SHARE, Decimal(1))
    # Units without a profile are sampled one by one, too.
    for one, of_sample in zip(whole.variants, found.variants, strict=True):
        assert is_close(of_sample.units * 4, one.units, 1)
    impact = copy().answer(
        asked({"kind": "impact", "feature": {"event": "b"}, "outcome": {"event": "a"}}, sample=SHARE)
    )
    assert isinstance(impact, ImpactAnswer)
    assert 0 < impact.users.people + impact.others.people + impact.unfinished < 1_500 / 3


def test_groups_are_no_sum_over_people_and_say_so() -> None:
    question = {"kind": "trend", "unit": "group", "series": [{"event": "a", "measure": "people"}, {"event": "a"}]}
    answer = copy().answer(asked(question, sample=SHARE))
    assert [notice.path for notice in answer.warnings] == ["series[0].measure"]
