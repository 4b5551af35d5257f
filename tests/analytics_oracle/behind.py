"""The people behind a number: those without whom it would be less.

Shape   numbers(question, answer) → Number of each number that counts people, or what they did
        people(world, question, cell) → profile ids
Laws    every number here is a sum over people, once it is of a group that others cannot push out of the answer. So the
        people are found without saying again what any number means: each is left out of the world, one at a time.
        What an answer shows as `other` is all that it would show if it had room
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from analytics_oracle.world import World
from tinycdp.products.analytics.answers import schemas as answers
from tinycdp.products.analytics.answers.schemas import Answer, Group
from tinycdp.products.analytics.cells.schemas import (
    ActiveCell,
    AdoptionCell,
    Cell,
    CellGroup,
    ExperimentCell,
    FrequencyCell,
    FunnelCell,
    ImpactCell,
    LifecycleCell,
    PathsCell,
    RetentionCellOf,
    SessionsCell,
    StickinessCell,
    TrendCell,
)
from tinycdp.products.analytics.questions.schemas import Question, TrendQuestion

ROOM = 1_000


@dataclass(frozen=True)
class Number:
    """A number of an answer. of_people: whether it is how many people there are, and not what they did."""

    cell: Cell
    value: int
    of_people: bool = True


def people(world: World, question: Question, cell: Cell, answer_of: Any) -> set[int]:
    """The people behind a number. answer_of: the oracle's answer to a question about a world."""
    roomy = msgspec.structs.replace(question, top=ROOM) if hasattr(question, "top") else question
    cells = [cell]
    if _is_other(cell):
        shown = [one.cell for one in numbers(question, answer_of(world, question))]
        cells = [one.cell for one in numbers(roomy, answer_of(world, roomy)) if _is_hidden(one.cell, cell, shown)]
    with_all = _values(roomy, answer_of(world, roomy))
    found = set()
    for profile in {*world.histories, *(one.profile_id for one in world.exposures if one.profile_id)}:
        without = _values(roomy, answer_of(_without(world, profile), roomy))
        if any(with_all.get(repr(one), 0) > without.get(repr(one), 0) for one in cells):
            found.add(profile)
    if isinstance(cell, ImpactCell) and cell.number == "others":
        # Without the first user, others are around another day; the users are not among them.
        for number in ("users", "unfinished"):
            found -= people(world, question, ImpactCell(number=number), answer_of)  # type: ignore[arg-type]
    return found


def _without(world: World, profile: int) -> World:
    return replace(
        world,
        events=tuple(event for event in world.events if world.owner(event) != profile),
        exposures=tuple(one for one in world.exposures if one.profile_id != profile),
    )


def _values(question: Question, answer: Answer) -> dict[str, int]:
    """By the text of the cell: True is equal to 1. Of empty buckets with one start, which a zone may have, the last."""
    return {repr(one.cell): one.value for one in numbers(question, answer)}


def _is_other(cell: Cell) -> bool:
    group = getattr(cell, "group", None)
    return cell.other if isinstance(cell, PathsCell) else group is not None and group.kind == "other"


def _is_hidden(cell: Cell, other: Cell, shown: list[Cell]) -> bool:
    """Whether a number of a roomy answer is part of what an answer with less room shows as other."""
    if isinstance(cell, PathsCell):
        assert isinstance(other, PathsCell)
        return cell.step == other.step and repr(cell) not in map(repr, shown)
    group = cell.group  # type: ignore[union-attr]
    groups = {repr(one.group) for one in shown}  # type: ignore[union-attr]
    hidden = group is not None and group.kind == "value" and repr(group) not in groups
    return hidden and msgspec.structs.replace(cell, group=None) == msgspec.structs.replace(other, group=None)


def numbers(question: Question, answer: Answer) -> Iterator[Number]:
    """Every number that has people behind it; unknown ones are left out."""
    for found in _KINDS[type(answer)](question, answer):
        if found.value is not None:
            yield found


def _trend(question: TrendQuestion, answer: answers.TrendAnswer) -> Iterator[Number]:
    if question.unit != "person" or question.rolling:
        return
    counts = {chr(ord("A") + n): one.measure for n, one in enumerate(question.series)}
    for line in answer.lines:
        if counts.get(line.series) in {"people", "count"}:
            of_people, group = counts[line.series] == "people", _group(line.group)
            yield Number(TrendCell(series=line.series, group=group), _whole(line.total), of_people)
            for bucket, value in zip(answer.buckets, line.values, strict=True):
                cell = TrendCell(series=line.series, group=group, bucket=bucket.start)
                yield Number(cell, _whole(value), of_people)


def _active(question: Question, answer: answers.ActiveAnswer) -> Iterator[Number]:
    for line in answer.lines:
        for bucket, value in zip(answer.buckets, line.values, strict=True):
            yield Number(ActiveCell(days=line.days, bucket=bucket.start), value)  # type: ignore[arg-type]


def _stickiness(question: Question, answer: answers.StickinessAnswer) -> Iterator[Number]:
    yield Number(StickinessCell(), answer.people)
    for row in answer.rows:
        yield Number(StickinessCell(buckets=row.buckets, number="exactly"), row.exactly)
        yield Number(StickinessCell(buckets=row.buckets, number="atLeast"), row.at_least)


def _frequency(question: Question, answer: answers.FrequencyAnswer) -> Iterator[Number]:
    yield Number(FrequencyCell(), answer.people)
    for row in answer.rows:
        yield Number(FrequencyCell(least=row.least), row.people)


def _funnel(question: Question, answer: answers.FunnelAnswer) -> Iterator[Number]:
    for bucket, groups in [("", answer.groups), *((one.bucket.start, one.groups) for one in answer.trend)]:
        for group in groups:
            which: dict[str, Any] = {"group": _group(group.group), "bucket": bucket}
            for status in ("reached", "converted", "in_progress", "excluded", "dropped"):
                yield Number(FunnelCell(status=status, **which), getattr(group, status))  # type: ignore[arg-type]
            for one in group.times:
                yield Number(FunnelCell(status="converted", least_ms=one.least_ms, **which), one.people)
            for n, step in enumerate(group.steps, 1):
                for one in step.times:
                    yield Number(FunnelCell(step=n, least_ms=one.least_ms, **which), one.people)
                for status in ("reached", "in_progress", "excluded", "dropped"):
                    yield Number(FunnelCell(step=n, status=status, **which), getattr(step, status))  # type: ignore[arg-type]


def _retention(question: Question, answer: answers.RetentionAnswer) -> Iterator[Number]:
    for one in answer.groups:
        yield Number(RetentionCellOf(group=_group(one.group)), one.people)
        for cohort in one.cohorts:
            which: dict[str, Any] = {"group": _group(one.group), "bucket": cohort.bucket.start}
            yield Number(RetentionCellOf(**which), cohort.people)
            for n, cell in enumerate(cohort.cells):
                yield Number(RetentionCellOf(period=n, **which), cell.people)


def _lifecycle(question: Question, answer: answers.LifecycleAnswer) -> Iterator[Number]:
    for bucket, row in zip(answer.buckets, answer.rows, strict=True):
        for number in ("new", "returning", "resurrecting", "dormant"):
            yield Number(LifecycleCell(bucket=bucket.start, number=number), getattr(row, number))  # type: ignore[arg-type]


def _sessions(question: Question, answer: answers.SessionsAnswer) -> Iterator[Number]:
    starts = ["", *(bucket.start for bucket in answer.buckets)]
    for start, row in zip(starts, (answer.total, *answer.rows), strict=True):
        if row is not None:
            yield Number(SessionsCell(bucket=start), row.people)
            yield Number(SessionsCell(bucket=start, number="bounces"), row.bounces, of_people=False)
    for one in answer.entries:
        yield Number(SessionsCell(number="entries", label=one.label), one.sessions, of_people=False)
    for one in answer.exits:
        yield Number(SessionsCell(number="exits", label=one.label), one.sessions, of_people=False)


def _paths(question: Question, answer: answers.PathsAnswer) -> Iterator[Number]:
    yield Number(PathsCell(), answer.sessions, of_people=False)
    for link in answer.links:
        cell = PathsCell(step=link.step, source=link.source, target=link.target, other=link.other)
        yield Number(cell, link.sessions, of_people=False)


def _adoption(question: Question, answer: answers.AdoptionAnswer) -> Iterator[Number]:
    for bucket, row in zip(answer.buckets, answer.rows, strict=True):
        if row is not None:
            for number, value in (("active", row.active), ("users", row.users), ("ever", row.ever)):
                yield Number(AdoptionCell(bucket=bucket.start, number=number), value)  # type: ignore[arg-type]
            yield Number(AdoptionCell(bucket=bucket.start, number="firstTime"), row.first_time)


def _impact(question: Question, answer: answers.ImpactAnswer) -> Iterator[Number]:
    yield Number(ImpactCell(number="users"), answer.users.people)
    yield Number(ImpactCell(number="unfinished"), answer.unfinished)
    yield Number(ImpactCell(number="others"), answer.others.people)


def _experiment(question: Question, answer: answers.ExperimentAnswer) -> Iterator[Number]:
    for one in answer.variants:
        yield Number(ExperimentCell(variant=one.variant), one.units)
        yield Number(ExperimentCell(variant=one.variant, number="crossovers"), one.crossovers)
    for n, metric in enumerate(answer.metrics):
        for result in metric.variants:
            for number in ("units", "open", "conversions"):
                cell = ExperimentCell(variant=result.variant, metric=n, number=number)  # type: ignore[arg-type]
                yield Number(cell, getattr(result, number))


def _group(group: Group | None) -> CellGroup | None:
    return CellGroup(group.kind, group.values) if group is not None else None


def _whole(value: Any) -> Any:
    return int(value) if value is not None else None


_KINDS: dict[type, Any] = {
    answers.TrendAnswer: _trend,
    answers.ActiveAnswer: _active,
    answers.StickinessAnswer: _stickiness,
    answers.FrequencyAnswer: _frequency,
    answers.FunnelAnswer: _funnel,
    answers.RetentionAnswer: _retention,
    answers.LifecycleAnswer: _lifecycle,
    answers.SessionsAnswer: _sessions,
    answers.PathsAnswer: _paths,
    answers.AdoptionAnswer: _adoption,
    answers.ImpactAnswer: _impact,
    answers.ExperimentAnswer: _experiment,
}
