"""Funnels, by enumeration: every attempt a person made is written down, and the answer is read from the list.

Shape   funnel(world, question) → FunnelAnswer
Laws    an attempt is a chain of different events, one for each of the first steps, each later than the one before in
        the order of events: (instant, lowest step it can take, the steps it can take as a sum of powers of two, value).
        Nothing here walks through events with a state: a chain either satisfies the conditions or does not.
        Of the chains to the person's deepest step, the one with the earliest last event speaks; of those, the one with
        the latest event before it, and so on back: the latest attempt at a step replaces the one there.
        Events without a value of `hold` belong to no walk. In any order an exclusion may not name steps, and steps have
        no window of their own
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from analytics_oracle.breakdowns import Cell, Division, breakdowns_of, divide, parts_of, parts_order, tally, whole
from analytics_oracle.calendar import Range, buckets, duration, range_of
from analytics_oracle.filters import is_person, matches
from analytics_oracle.values import at_rank, order, ratio, value_at
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import (
    FunnelAnswer,
    FunnelGroup,
    FunnelStep,
    FunnelTrend,
    Group,
    HistogramBin,
)
from tinycdp.products.analytics.questions.schemas import FunnelQuestion

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
#: The edges of histograms of times.
EDGES = (
    0, SECOND, 10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY,
    14 * DAY, 30 * DAY, 90 * DAY, 400 * DAY, 4_000 * DAY,
)  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """An event of a walk: what it can do there.

    steps    the numbers of the steps it can take, from 1
    excludes the numbers of the steps after which it ends an attempt
    parts    its part of the cell for each breakdown, None where unknown"""

    id: int
    at: int
    steps: tuple[int, ...]
    excludes: frozenset[int]
    parts: tuple[Any, ...]
    hold: tuple[Any, ...]

    @cached_property
    def place(self) -> tuple[Any, ...]:
        lowest = min(self.steps, default=99)
        return (self.at, lowest, sum(2**step for step in self.steps), parts_order(self.parts), self.hold, self.id)


Chain = tuple[Taken, ...]


@dataclass(frozen=True)
class Walk:
    """The events of one person with one value of `hold`, and what attempts there are.

    entry    an attempt begins in it"""

    question: FunnelQuestion
    events: tuple[Taken, ...]
    entry: Range
    as_of: int

    @cached_property
    def attempts(self) -> list[Chain]:
        """Every attempt to every depth."""
        return list(self._any() if self.question.order == "any" else self._in_order())

    @cached_property
    def within(self) -> int:
        return duration(self.question.within)

    # One after another

    def _in_order(self) -> Iterator[Chain]:
        chains = [(event,) for event in self.events if 1 in event.steps and self.entry.has(event.at)]
        while chains:
            yield from chains
            chains = [
                (*chain, event)
                for chain in chains
                for event in self.events
                if len(chain) + 1 in event.steps and event.place > chain[-1].place and self.may_go_on(chain, event.at)
            ]

    def may_go_on(self, chain: Chain, at: int, *, excluding: bool = True) -> bool:
        """Whether an event at this instant may be the next step of an attempt."""
        if len(chain) == len(self.question.steps):
            return False
        if self.question.order == "any":
            return at - chain[0].at < self.within and not self._ended(chain[0].at, at, excluding)
        following = self.question.steps[len(chain)]
        last = chain[-1].at
        if at - chain[0].at >= self.within or (following.within and at - last >= duration(following.within)):
            return False
        between = [event for event in self.events if last < event.at < at]
        if self.question.order == "strict" and any(len(chain) not in event.steps for event in between):
            return False
        return not excluding or not any(len(chain) in event.excludes for event in between)

    # In any order

    def _any(self) -> Iterator[Chain]:
        """From each event that can take a step: the events with which one more step is taken, one after another."""
        for first in self.events:
            if first.steps and self.entry.has(first.at):
                considered: list[Taken] = []
                chain: list[Taken] = []
                here = [first, *(event for event in self.events if event.at >= first.at and event.id != first.id)]
                for event in sorted(here, key=lambda event: (event.id != first.id, event.place)):
                    if event.steps and self._is_with(first, event):
                        considered.append(event)
                        if _most_steps(considered) > len(chain):
                            chain.append(event)
                            yield tuple(chain)

    def _is_with(self, first: Taken, event: Taken) -> bool:
        return event.at - first.at < self.within and not self._ended(first.at, event.at, True)

    def _ended(self, start: int, at: int, excluding: bool) -> bool:
        return excluding and any(event.excludes and start < event.at < at for event in self.events)

    # What became of the person

    @cached_property
    def depth(self) -> int:
        return max(map(len, self.attempts), default=0)

    @cached_property
    def speaker(self) -> Chain:
        """The attempt whose times and values count."""
        deepest = [chain for chain in self.attempts if len(chain) == self.depth]
        if self.question.order == "any":
            # The first to get there; of several at that instant the one that began last.
            there = min(chain[-1].at for chain in deepest)
            return max((chain for chain in deepest if chain[-1].at == there), key=lambda chain: chain[0].place)
        there = min(chain[-1].place for chain in deepest)
        return max(
            (chain for chain in deepest if chain[-1].place == there),
            key=lambda chain: [event.place for event in reversed(chain)],
        )

    @cached_property
    def in_progress(self) -> bool:
        """Whether some attempt could take its next step with an event at this very moment."""
        return any(self.may_go_on(chain, self.as_of) for chain in self.attempts)

    @cached_property
    def excluded(self) -> bool:
        """Whether an exclusion ended an attempt at the deepest step that could have gone on until then."""
        return any(
            self._excludes(event, chain) and self.may_go_on(chain, event.at)
            for chain in self.attempts
            if len(chain) == self.depth
            for event in self.events
        )

    def _excludes(self, event: Taken, chain: Chain) -> bool:
        if self.question.order == "any":
            return bool(event.excludes) and event.at > chain[0].at
        return len(chain) in event.excludes and event.at > chain[-1].at


def _most_steps(events: list[Taken]) -> int:
    """The most steps that different events take, by trying."""

    @cache
    def most(n: int, free: frozenset[int]) -> int:
        """By the events from the n-th on, of the steps that are free."""
        if n == len(events):
            return 0
        taking_one = [1 + most(n + 1, free - {step}) for step in events[n].steps if step in free]
        return max([most(n + 1, free), *taking_one])

    return most(0, frozenset(step for event in events for step in event.steps))


@dataclass(frozen=True)
class Outcome:
    """Where one person got: the depth, the status, the attempt that speaks, and the cell it is counted in."""

    depth: int
    status: str
    chain: Chain
    cell: Cell | None


def funnel(world: World, question: FunnelQuestion) -> FunnelAnswer:
    asked = range_of(question, world)
    outcomes = _outcomes(world, question, asked)
    spans = buckets(asked, question.bucket, world) if question.bucket else []
    of_buckets = [(bucket.span(world.zone), _outcomes(world, question, bucket.part)) for bucket in spans]
    division = Division(divided=False)
    if breakdowns_of(question):
        # A group that only a bucket has has no people in the whole range.
        elsewhere = {outcome.cell: 0 for _, found in of_buckets for outcome in found}
        division = divide(elsewhere | tally(outcome.cell for outcome in outcomes), question.top)
    trend = tuple(FunnelTrend(span, _groups(question, division, found)) for span, found in of_buckets)
    return FunnelAnswer(groups=_groups(question, division, outcomes), trend=trend)


def _outcomes(world: World, question: FunnelQuestion, entry: Range) -> list[Outcome]:
    """The people who made an attempt that began in `entry`."""
    found = []
    for profile, history in world.histories.items():
        if is_person(profile, question.people, world):
            walks = [Walk(question, events, entry, world.as_of) for events in walks_of(world, question, history)]
            if walks := [walk for walk in walks if walk.depth]:
                found.append(_outcome(question, walks))
    return found


def walks_of(world: World, question: FunnelQuestion, history: tuple[RawEvent, ...]) -> list[tuple[Taken, ...]]:
    """A person's events, apart for each value of `hold`."""
    walks: dict[Any, list[Taken]] = {}
    for event in history:
        held = [value_at(event.properties, path) for path in question.hold]
        if None not in held:
            taken = _taken(world, question, event, tuple(map(order, held)))
            walks.setdefault(taken.hold, []).append(taken)
    return [tuple(events) for events in walks.values()]


def _taken(world: World, question: FunnelQuestion, event: RawEvent, hold: tuple[Any, ...]) -> Taken:
    steps = [n for n, step in enumerate(question.steps, 1) if matches(event, step.event, step.where, world)]
    everywhere = range(1, len(question.steps))
    excludes = {
        n
        for exclusion in question.exclude
        if matches(event, exclusion.event, exclusion.where, world)
        for n in exclusion.after or everywhere
    }
    parts = parts_of(event, breakdowns_of(question), world)
    return Taken(event.id, event.occurred_at, tuple(steps), frozenset(excludes), parts, hold)


def _outcome(question: FunnelQuestion, walks: list[Walk]) -> Outcome:
    """A person is where the best walk got; of several, the first to get there."""
    depth = max(walk.depth for walk in walks)
    best = min((walk for walk in walks if walk.depth == depth), key=lambda walk: walk.speaker[-1].place)
    if depth == len(question.steps):
        status = "converted"
    elif any(walk.in_progress for walk in walks):
        status = "in_progress"
    elif any(walk.excluded for walk in walks if walk.depth == depth):
        status = "excluded"
    else:
        status = "dropped"
    return Outcome(depth, status, best.speaker, _cell(question, best.speaker))


def _cell(question: FunnelQuestion, chain: Chain) -> Cell | None:
    """The first or last known value along the attempt, of each breakdown by itself, or the value at one step."""
    if question.attribution.startswith("step:"):
        step = int(question.attribution.removeprefix("step:"))
        return whole(chain[step - 1].parts) if step <= len(chain) else None
    along = chain if question.attribution == "first" else chain[::-1]
    known = [[event.parts[n] for event in along if event.parts[n] is not None] for n in range(len(chain[0].parts))]
    return whole(tuple(values[0] if values else None for values in known))


# Counting


def _groups(question: FunnelQuestion, division: Division, outcomes: list[Outcome]) -> tuple[FunnelGroup, ...]:
    return tuple(
        _group(question, group, [outcome for outcome in outcomes if division.place(outcome.cell) == place])
        for place, group in enumerate(division.groups())
    )


def _group(question: FunnelQuestion, group: Group | None, outcomes: list[Outcome]) -> FunnelGroup:
    steps = []
    before = first = len(outcomes)
    for n, step in enumerate(question.steps, 1):
        here = [outcome.status for outcome in outcomes if outcome.depth == n]
        reached = sum(outcome.depth >= n for outcome in outcomes)
        times = [o.chain[n - 1].at - o.chain[n - 2].at for o in outcomes if o.depth >= n] if n > 1 else []
        steps.append(
            FunnelStep(
                name=step.name,
                reached=reached,
                in_progress=here.count("in_progress"),
                excluded=here.count("excluded"),
                dropped=here.count("dropped"),
                rate=ratio(reached, first),
                from_previous=ratio(reached, before) if n > 1 else None,
                median_ms=at_rank(times, 50),
                times=histogram(times),
            )
        )
        before = reached
    statuses = [outcome.status for outcome in outcomes]
    times = [o.chain[-1].at - o.chain[0].at for o in outcomes if o.status == "converted"]
    return FunnelGroup(
        group=group,
        reached=len(outcomes),
        converted=statuses.count("converted"),
        in_progress=statuses.count("in_progress"),
        excluded=statuses.count("excluded"),
        dropped=statuses.count("dropped"),
        rate=ratio(statuses.count("converted"), len(outcomes)),
        median_ms=at_rank(times, 50),
        steps=tuple(steps),
        times=histogram(times),
    )


def histogram(times: list[int]) -> tuple[HistogramBin, ...]:
    """The bins from the first with people in it to the last."""
    bins = [
        HistogramBin(least, below, sum(least <= time < below for time in times))
        for least, below in itertools.pairwise(EDGES)
    ]
    filled = [n for n, one in enumerate(bins) if one.people]
    return tuple(bins[filled[0] : filled[-1] + 1]) if filled else ()
