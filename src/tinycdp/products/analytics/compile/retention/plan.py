"""A retention's question, checked, over its events.

Shape   RetentionPlan.of(question, world) → events(): SQL with person, at, starts, returns, and a scalar per breakdown
Laws    the first start ever may be long before the range, so starts are then read from the beginning, and returns
        from the range on. Events that are both are read once
Errors  InvalidInput INVALID_QUESTION, with the path of the field
Source  docs/reference/analytics-meanings.md "Retention"
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_

from tinycdp.model import DAY_MS, Instant
from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import (
    BEGINNING,
    END,
    LONGEST_RANGE_DAYS,
    Buckets,
    TimeRange,
    invalid,
    span_of,
)
from tinycdp.products.analytics.compile.groups import Breakdowns
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters, listed
from tinycdp.products.analytics.compile.world import Reads, World
from tinycdp.products.analytics.questions.schemas import RetentionQuestion

MOST_BRACKETS = 50
_DAYS = {"day": 1, "week": 7, "month": 30}
_LONGEST = {"day": 25 / 24, "week": 8, "month": 31}


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """A retention over one or two scans.

    periods  first and last period of each cell
    buckets  cohorts
    edges    of the buckets of the calendar, from the first cohort's to the last period of the last, and one more
    scans    of starts and of returns; one of both if they are read together"""

    question: RetentionQuestion
    world: World
    parameters: Parameters
    span: TimeRange
    buckets: Buckets
    periods: tuple[tuple[int, int], ...]
    edges: tuple[Instant, ...]
    scans: tuple[Scan, ...]
    starts: str
    returns: str
    breakdowns: Breakdowns

    @classmethod
    def of(cls, question: RetentionQuestion, world: World) -> "RetentionPlan":
        """The plan of a question; raises if it cannot be asked."""
        span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
        buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
        periods = _periods(question)
        last = max(until for _, until in periods)
        edges = _edges_on(buckets, question.bucket, last + 2)
        until = END
        if question.mode == "on":
            until = edges[len(buckets) + last + 1]
            if question.window == "elapsed":
                until = span.until + (last + 1) * _DAYS[question.bucket] * DAY_MS
        parameters = Parameters()
        ever = question.cohort == "first_time"
        scan = Scan.of(question, world, TimeRange(BEGINNING if ever else span.since, until), parameters)
        starts = scan.match(question.start.event, question.start.where, "start")
        scans: tuple[Scan, ...] = (scan,)
        together = not ever or question.start == question.returns
        if together:
            returns = scan.match(question.returns.event, question.returns.where, "returns")
        else:
            scan.span = TimeRange(BEGINNING, span.until)
            other = Scan.of(question, world, TimeRange(span.since, until), parameters)
            returns = other.match(question.returns.event, question.returns.where, "returns")
            scans = (scan, other)
        breakdowns = Breakdowns.over(scan, question.breakdown, question.top)
        return cls(question, world, parameters, span, buckets, periods, edges, scans, starts, returns, breakdowns)

    @property
    def unit_ms(self) -> int:
        """The length of an elapsed period."""
        return _DAYS[self.question.bucket] * DAY_MS

    def events(self) -> str:
        """The events that start or return."""
        until = self.parameters.whole(self.span.until)
        scalars = [f"ifNull({column}, '') AS scalar{n}" for n, column in enumerate(self.breakdowns.columns, start=1)]
        nothing = [f"'' AS scalar{n}" for n in range(1, len(scalars) + 1)]
        if len(self.scans) == 1:
            flags = [f"{self.starts} AND at < {until} AS starts", f"{self.returns} AS returns"]
            return f"SELECT {listed(['person', 'at', *flags, *scalars])}\nFROM {self.scans[0].source()}"
        begun = ["person", "at", "true AS starts", "false AS returns", *scalars]
        came = ["person", "at", "false AS starts", "true AS returns", *nothing]
        parts = [
            f"SELECT {listed(columns)}\nFROM {scan.source()}"
            for columns, scan in zip((begun, came), self.scans, strict=True)
        ]
        return "\nUNION ALL\n".join(parts)

    def last_instant(self, cohort: int, cell: int) -> Instant:
        """The last instant at which a person of a cohort can come back in a cell."""
        last = self.periods[cell][1]
        if self.question.window == "calendar":
            return self.edges[cohort + last + 1] - 1
        started = min(self.buckets.edges[cohort + 1], self.span.until) - 1
        return started + (last + 1) * self.unit_ms - 1

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(dict.fromkeys(notice for scan in self.scans for notice in scan.notices))

    def reads(self) -> Reads:
        """What the answer depends on."""
        return reduce(or_, (scan.reads() for scan in self.scans))


def _periods(question: RetentionQuestion) -> tuple[tuple[int, int], ...]:
    most = LONGEST_RANGE_DAYS // _DAYS[question.bucket]
    unit = question.bucket
    if not question.brackets:
        if not 1 <= question.periods <= most:
            raise invalid("periods", f"Ask for 1 to {most} periods of a {unit}, not {question.periods}.")
        return tuple((n, n) for n in range(question.periods))
    if len(question.brackets) > MOST_BRACKETS:
        raise invalid("brackets", f"At most {MOST_BRACKETS} brackets; these are {len(question.brackets)}.")
    for n, (first, last) in enumerate(question.brackets):
        if not 0 <= first <= last < most:
            raise invalid(
                f"brackets[{n}]",
                f"[{first}, {last}] is no bracket: give its first and last period, from 0 to {most - 1} of a {unit}.",
            )
    return question.brackets


def _edges_on(buckets: Buckets, width: str, more: int) -> tuple[Instant, ...]:
    """The edges of buckets, and of so many more after them."""
    end = buckets.edges[-1] + int(more * _LONGEST[width] * DAY_MS) + DAY_MS
    found = Buckets.over(TimeRange(buckets.edges[0], end), width, buckets.zone, buckets.as_of, "from").edges
    return found[: len(buckets) + 1 + more]
