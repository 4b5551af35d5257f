"""Impact: what people do before and after their first use of a feature, against people who do not use it.

Laws    users are people whose first use ever is in the range; it is their day 0. Others are people without a use before
        the range's end, with any event around day 0: for them the first instant of the local day of the first user's.
        Before is [day 0 − within, day 0), after is [day 0, day 0 + within). A user whose time after is not over is left
        out and counted in `unfinished`; others are left out alike.
        The interval here is the one of a normal distribution. The product resamples people, so they only resemble
"""

from decimal import Decimal
from fractions import Fraction
from math import sqrt

from analytics_oracle.calendar import day_of, duration, first_instant, range_of
from analytics_oracle.filters import is_person, matches
from analytics_oracle.values import exact, mean, value_at
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import ImpactAnswer, ImpactSide
from tinycdp.products.analytics.questions.schemas import ImpactQuestion

#: Before and after, of one person.
Figures = tuple[Fraction, Fraction]


def impact(world: World, question: ImpactQuestion) -> ImpactAnswer:
    asked, within = range_of(question, world), duration(question.within)
    people = {
        profile: history for profile, history in world.histories.items() if is_person(profile, question.people, world)
    }
    first_use = {}
    for profile, history in people.items():
        uses = [e.occurred_at for e in history if matches(e, question.feature.event, question.feature.where, world)]
        if uses and uses[0] < asked.until:
            first_use[profile] = uses[0]
    starts = {profile: at for profile, at in first_use.items() if asked.has(at)}
    if starts:
        day = first_instant(day_of(min(starts.values()), world.zone), world.zone)
        for profile, history in people.items():
            around = any(day - within <= event.occurred_at < day + within for event in history)
            if profile not in first_use and around:
                starts[profile] = day
    users: list[Figures] = []
    others: list[Figures] = []
    unfinished = 0
    for profile, start in starts.items():
        if start + within > world.as_of:
            unfinished += profile in first_use
            continue
        before = _outcome(world, question, people[profile], start - within, start)
        after = _outcome(world, question, people[profile], start, start + within)
        (users if profile in first_use else others).append((before, after))
    return _answer(users, others, unfinished)


def _outcome(world: World, question: ImpactQuestion, history: tuple[RawEvent, ...], since: int, until: int) -> Fraction:
    events = [
        event
        for event in history
        if since <= event.occurred_at < until and matches(event, question.outcome.event, question.outcome.where, world)
    ]
    if question.measure == "count":
        return Fraction(len(events))
    values = [value_at(event.properties, question.property) for event in events]
    return sum((Fraction(value) for value in values if isinstance(value, Decimal)), Fraction())


def _answer(users: list[Figures], others: list[Figures], unfinished: int) -> ImpactAnswer:
    difference, interval = None, (None, None)
    if users and others:
        changes = [[after - before for before, after in side] for side in (users, others)]
        means = [sum(side, Fraction()) / len(side) for side in changes]
        middle = means[0] - means[1]
        variance = sum(
            sum((change - m) ** 2 for change in side) / len(side) ** 2 for side, m in zip(changes, means, strict=True)
        )
        half = Fraction(1.959963985 * sqrt(variance))
        difference, interval = exact(middle), (exact(middle - half), exact(middle + half))
    return ImpactAnswer(
        users=_side(users), others=_side(others), unfinished=unfinished, difference=difference, interval=interval
    )


def _side(people: list[Figures]) -> ImpactSide:
    return ImpactSide(len(people), mean([before for before, _ in people]), mean([after for _, after in people]))
