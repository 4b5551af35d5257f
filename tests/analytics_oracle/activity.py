"""Who was active when: active people, stickiness, frequency, lifecycle, adoption.

Laws    every event that matches counts, also one with `active: false`. Nothing at or after the range's end counts.
        What was before its start counts where a meaning looks back: the days of `active`, the first bucket of a
        lifecycle, which is whole, and whatever is about the first time ever
"""

from datetime import timedelta
from typing import Any

from analytics_oracle.calendar import Bucket, buckets, day_of, range_of, start_before
from analytics_oracle.filters import is_person, matches
from analytics_oracle.values import ratio
from analytics_oracle.world import World
from tinycdp.products.analytics.answers.schemas import (
    ActiveAnswer,
    ActiveLine,
    AdoptionAnswer,
    AdoptionRow,
    FrequencyAnswer,
    FrequencyRow,
    LifecycleAnswer,
    LifecycleRow,
    StickinessAnswer,
    StickinessRow,
)
from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    FrequencyQuestion,
    LifecycleQuestion,
    StickinessQuestion,
)


def instants(world: World, question: Any, event: Any, where: str) -> dict[int, list[int]]:
    """When each person that the question is about had such an event, ever, in order."""
    found = {
        profile: [e.occurred_at for e in history if matches(e, event, where, world)]
        for profile, history in world.histories.items()
        if is_person(profile, question.people, world)
    }
    return {profile: when for profile, when in found.items() if when}


def active(world: World, question: ActiveQuestion) -> ActiveAnswer:
    """Of each bucket: the people with an event on one of the last days up to its last day, or to today."""
    asked = range_of(question, world)
    spans = buckets(asked, question.bucket, world)
    days = {
        profile: {day_of(instant, world.zone) for instant in when if instant < asked.until}
        for profile, when in instants(world, question, question.event, question.where).items()
    }

    def people(bucket: Bucket, n: int) -> int | None:
        if not bucket.begun:
            return None
        last = day_of(min(bucket.part.until, world.as_of) - 1, world.zone)
        window = {last - timedelta(back) for back in range(n)}
        return sum(bool(window & of_person) for of_person in days.values())

    return ActiveAnswer(
        buckets=tuple(bucket.span(world.zone) for bucket in spans),
        lines=tuple(ActiveLine(n, tuple(people(bucket, n) for bucket in spans)) for n in question.days),
    )


def stickiness(world: World, question: StickinessQuestion) -> StickinessAnswer:
    """People by the number of buckets in which they had an event; a row for each number up to that of the buckets."""
    asked = range_of(question, world)
    spans = buckets(asked, question.bucket, world)
    counts = [
        sum(any(bucket.part.has(instant) for instant in when) for bucket in spans)
        for when in instants(world, question, question.event, question.where).values()
    ]
    rows = tuple(
        StickinessRow(n, sum(count == n for count in counts), sum(count >= n for count in counts))
        for n in range(1, len(spans) + 1)
    )
    return StickinessAnswer(people=sum(count > 0 for count in counts), rows=rows)


def frequency(world: World, question: FrequencyQuestion) -> FrequencyAnswer:
    """People by how often they did it in the range; those who did not are nowhere."""
    asked = range_of(question, world)
    counts = [sum(map(asked.has, when)) for when in instants(world, question, question.event, question.where).values()]
    rows = []
    for n, least in enumerate(question.edges):
        most = question.edges[n + 1] - 1 if n + 1 < len(question.edges) else None
        people = sum(count >= least and (most is None or count <= most) for count in counts if count)
        rows.append(FrequencyRow(least, most, people))
    return FrequencyAnswer(people=sum(count > 0 for count in counts), rows=tuple(rows))


def lifecycle(world: World, question: LifecycleQuestion) -> LifecycleAnswer:
    asked = range_of(question, world)
    spans = buckets(asked, question.bucket, world)
    people = instants(world, question, question.event, question.where)
    rows = []
    for bucket in spans:
        if not bucket.begun:
            rows.append(LifecycleRow(None, None, None, None))
            continue
        earlier = start_before(bucket.start, question.bucket, world.zone)
        new = returning = resurrecting = dormant = 0
        for when in people.values():
            here = any(bucket.start <= instant < bucket.part.until for instant in when)
            in_last = any(earlier <= instant < bucket.start for instant in when)
            first_here = here and when[0] >= bucket.start
            new += first_here
            returning += here and in_last
            resurrecting += here and not in_last and not first_here
            dormant += in_last and not here
        rows.append(LifecycleRow(new, returning, resurrecting, dormant))
    return LifecycleAnswer(buckets=tuple(bucket.span(world.zone) for bucket in spans), rows=tuple(rows))


def adoption(world: World, question: AdoptionQuestion) -> AdoptionAnswer:
    """Of the people active in each bucket: who used the feature in it, for the first time in it, in it or before."""
    asked = range_of(question, world)
    spans = buckets(asked, question.bucket, world)
    uses = instants(world, question, question.feature.event, question.feature.where)
    activity = instants(world, question, question.active.event, question.active.where)
    rows: list[AdoptionRow | None] = []
    for bucket in spans:
        if not bucket.begun:
            rows.append(None)
            continue
        people = [profile for profile, when in activity.items() if any(map(bucket.part.has, when))]
        used = [uses.get(profile, []) for profile in people]
        users = sum(any(map(bucket.part.has, when)) for when in used)
        first_time = sum(bool(when) and bucket.part.has(when[0]) for when in used)
        ever = sum(bool(when) and when[0] < bucket.part.until for when in used)
        rows.append(AdoptionRow(len(people), users, first_time, ever, ratio(users, len(people))))
    return AdoptionAnswer(buckets=tuple(bucket.span(world.zone) for bucket in spans), rows=tuple(rows))
