"""Retention: cohorts by the bucket of their start, and who came back in which period.

Laws    periods are 0 to `periods` − 1. A return is later than the person's first start in the bucket, by a millisecond
        or more. Period k of the calendar is the k-th bucket after the cohort's, whole; an elapsed one begins k units
        after the start. `on_or_after` counts a return in the period or later; its cell is complete when the period is
        over for everybody, as with `on`. A cohort whose bucket has not begun is left out. Of several starts at the
        first instant the one with the first value speaks
"""

from datetime import timedelta

from analytics_oracle.breakdowns import Cell, Division, breakdowns_of, divide, parts_of, parts_order, whole
from analytics_oracle.calendar import DAY, Bucket, buckets, day_of, first_instant, months_on, range_of
from analytics_oracle.filters import is_person, matches
from analytics_oracle.values import ratio
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import Cohort, Group, RetentionAnswer, RetentionCell, RetentionGroup
from tinycdp.products.analytics.questions.schemas import RetentionQuestion

UNIT = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY}

#: A person in a cohort: who, when the first start of the bucket was, and the cell of the breakdown.
Member = tuple[int, int, Cell | None]


def retention(world: World, question: RetentionQuestion) -> RetentionAnswer:
    spans = [bucket for bucket in buckets(range_of(question, world), question.bucket, world) if bucket.begun]
    cohorts = [_members(world, question, bucket) for bucket in spans]
    division = Division(divided=False)
    if breakdowns_of(question):
        cells = {cell for members in cohorts for _, _, cell in members}
        totals = {cell: len({who for members in cohorts for who, _, its in members if its == cell}) for cell in cells}
        division = divide(totals, question.top)
    periods = question.brackets or tuple((n, n) for n in range(question.periods))
    groups = []
    for place, group in enumerate(division.groups()):
        in_group = [[one for one in members if division.place(one[2]) == place] for members in cohorts]
        groups.append(_group(world, question, group, periods, list(zip(spans, in_group, strict=True))))
    return RetentionAnswer(periods=periods, groups=tuple(groups))


def _members(world: World, question: RetentionQuestion, bucket: Bucket) -> list[Member]:
    """The people of one cohort."""
    found = []
    for profile, history in world.histories.items():
        if not is_person(profile, question.people, world):
            continue
        starts = [e for e in history if matches(e, question.start.event, question.start.where, world)]
        if question.cohort == "first_time":
            starts = [start for start in starts if start.occurred_at == starts[0].occurred_at]
        here = [start for start in starts if bucket.part.has(start.occurred_at)]
        if here:
            found.append((profile, here[0].occurred_at, _cell(world, question, here)))
    return found


def _cell(world: World, question: RetentionQuestion, starts: list[RawEvent]) -> Cell | None:
    """Of the first start; of several at its instant the first value, unknown last."""
    first = [start for start in starts if start.occurred_at == starts[0].occurred_at]
    return whole(min((parts_of(start, breakdowns_of(question), world) for start in first), key=parts_order))


def _group(
    world: World,
    question: RetentionQuestion,
    group: Group | None,
    periods: tuple[tuple[int, int], ...],
    cohorts: list[tuple[Bucket, list[Member]]],
) -> RetentionGroup:
    rows = []
    for bucket, members in cohorts:
        cells = []
        for period in periods:
            came = sum(_came_back(world, question, bucket, member, period) for member in members)
            complete = _last_instant(world, question, bucket, period) < world.as_of
            cells.append(RetentionCell(came, ratio(came, len(members)), complete))
        rows.append(Cohort(bucket.span(world.zone), len(members), tuple(cells)))
    average = []
    for n in range(len(periods)):
        complete = [row for row in rows if row.cells[n].complete]
        average.append(ratio(sum(row.cells[n].people for row in complete), sum(row.people for row in complete)))
    people = len({who for _, members in cohorts for who, _, _ in members})
    return RetentionGroup(group, people, tuple(rows), tuple(average))


def _came_back(
    world: World, question: RetentionQuestion, bucket: Bucket, member: Member, period: tuple[int, int]
) -> bool:
    who, start, _ = member
    since, until = _period(world, question, bucket, start, period)
    return any(
        since <= event.occurred_at
        and (event.occurred_at < until or question.mode == "on_or_after")
        and event.occurred_at > start
        and matches(event, question.returns.event, question.returns.where, world)
        for event in world.histories[who]
    )


def _period(
    world: World, question: RetentionQuestion, bucket: Bucket, start: int, period: tuple[int, int]
) -> tuple[int, int]:
    """The instants of a period, or bracket of periods, of a person with this start: [since, until)."""
    first, last = period
    if question.window == "elapsed":
        unit = UNIT[question.bucket]
        return start + first * unit, start + (last + 1) * unit
    return _on(world, question, bucket, first), _on(world, question, bucket, last + 1)


def _on(world: World, question: RetentionQuestion, bucket: Bucket, n: int) -> int:
    """The first instant of the n-th bucket after this one."""
    day = day_of(bucket.start, world.zone)
    match question.bucket:
        case "day":
            day += timedelta(n)
        case "week":
            day += timedelta(7 * n)
        case "month":
            day = months_on(day, n)
    return first_instant(day, world.zone)


def _last_instant(world: World, question: RetentionQuestion, bucket: Bucket, period: tuple[int, int]) -> int:
    """The last possible instant of a cell: of the period of a person who started at the cohort's last instant."""
    return _period(world, question, bucket, bucket.part.until - 1, period)[1] - 1
