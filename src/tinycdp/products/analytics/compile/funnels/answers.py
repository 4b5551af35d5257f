"""Funnels: how many people take the steps one after another.

Shape   compile_funnel(question, world) → Compiled[FunnelAnswer]
Laws    converted + in progress + excluded + dropped = reached, of each group and bucket. Groups add up
Source  docs/reference/analytics-meanings.md "Funnel"
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tinycdp.dsl.values.numbers import SCALE, divide, number
from tinycdp.model import NEVER, Instant
from tinycdp.products.analytics.answers.schemas import (
    FunnelAnswer,
    FunnelGroup,
    FunnelStep,
    FunnelTrend,
    Group,
    HistogramBin,
    Number,
)
from tinycdp.products.analytics.compile.funnels.counting import (
    CONVERTED,
    DEPTHS,
    DROPPED,
    EDGES,
    EXCLUDED,
    IN_PROGRESS,
    TIMES,
    counted,
)
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.groups import Cell
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import Event, FunnelQuestion

_WHOLE_RANGE = 0


def compile_funnel(question: FunnelQuestion, world: World) -> Compiled[FunnelAnswer]:
    """The statement of a funnel, and what reads it."""
    plan = FunnelPlan.of(question, world)
    statement = Statement(counted(plan), plan.parameters.values)
    names = [step.name or _name(step.event) for step in question.steps]

    def read(rows: Rows) -> FunnelAnswer:
        found = {(tuple(row[0]), int(row[1])): _Counts.of(row[2:-1]) for row in rows[0]}
        cells: list[Cell] = [()]
        if plan.breakdowns:
            cells = sorted({cell for cell, _ in found}, key=plan.breakdowns.place)

        def groups(bucket: int) -> tuple[FunnelGroup, ...]:
            return tuple(
                found.get((cell, bucket), _NOTHING).group(
                    plan.breakdowns.group_of(cell) if plan.breakdowns else None, names
                )
                for cell in cells
            )

        trend: tuple[FunnelTrend, ...] = ()
        if plan.buckets is not None:
            spans = enumerate(plan.buckets.spans(), start=_WHOLE_RANGE + 1)
            trend = tuple(FunnelTrend(span, groups(bucket)) for bucket, span in spans)
        return FunnelAnswer(groups=groups(_WHOLE_RANGE), trend=trend, warnings=plan.scan.notices)

    def holds_until(rows: Rows) -> Instant:
        """When the next person is no longer in progress, or a bucket begins or is complete."""
        ends = [int(row[-1]) + plan.before for row in rows[0] if row[-1]]
        return min([*ends, NEVER if plan.buckets is None else plan.buckets.holds_until])

    return Compiled((statement,), read, plan.scan.reads(), holds_until)


def _name(event: Event) -> str:
    return event if isinstance(event, str) else event.derived or "any"


@dataclass(frozen=True, slots=True)
class _Counts:
    """People of one group and bucket.

    people     by depth and status
    medians    of each step after the first; medians and times in milliseconds
    times      people by step, from 2, and least time of their bin; step 1 has the times of the whole"""

    people: Mapping[tuple[int, int], int]
    medians: Sequence[int]
    times: Mapping[int, Mapping[int, int]]
    whole: int | None

    @classmethod
    def of(cls, cells: Sequence[Any]) -> "_Counts":
        statuses, medians, times, whole = cells
        by_step: dict[int, dict[int, int]] = {}
        for key, people in zip(*times, strict=True):
            step, least = divmod(int(key), TIMES)
            by_step.setdefault(step + 1, {})[least] = int(people)
        people = {divmod(int(key), DEPTHS): int(found) for key, found in zip(*statuses, strict=True)}
        return cls(people, [int(median) for median in medians], by_step, int(whole))

    def group(self, group: Group | None, names: Sequence[str]) -> FunnelGroup:
        count = len(names)
        reached = [sum(n for (depth, _), n in self.people.items() if depth >= step) for step in range(1, count + 1)]
        steps = tuple(
            FunnelStep(
                name=name,
                reached=reached[n],
                in_progress=self.people.get((n + 1, IN_PROGRESS), 0),
                excluded=self.people.get((n + 1, EXCLUDED), 0),
                dropped=self.people.get((n + 1, DROPPED), 0),
                rate=_share(reached[n], reached[0]),
                from_previous=_share(reached[n], reached[n - 1]) if n else None,
                median_ms=self.medians[n - 1] if n and reached[n] else None,
                times=_histogram(self.times.get(n + 1, {})) if n else (),
            )
            for n, name in enumerate(names)
        )
        converted = self._with(CONVERTED)
        return FunnelGroup(
            group=group,
            reached=reached[0],
            converted=converted,
            in_progress=self._with(IN_PROGRESS),
            excluded=self._with(EXCLUDED),
            dropped=self._with(DROPPED),
            rate=_share(converted, reached[0]),
            median_ms=self.whole if converted else None,
            steps=steps,
            times=_histogram(self.times.get(1, {})),
        )

    def _with(self, status: int) -> int:
        return sum(people for (_, found), people in self.people.items() if found == status)


_NOTHING = _Counts({}, (), {}, None)


def _share(part: int, whole: int) -> Number:
    found = divide(part * SCALE, whole * SCALE)
    return None if found is None else number(found)  # type: ignore[return-value]


def _histogram(times: Mapping[int, int]) -> tuple[HistogramBin, ...]:
    """The bins from the first with people in it to the last."""
    bins = [HistogramBin(least, below, times.get(least, 0)) for least, below in pairwise(EDGES)]
    filled = [n for n, one in enumerate(bins) if one.people]
    return tuple(bins[filled[0] : filled[-1] + 1]) if filled else ()
