"""Who was active, how often: active people, stickiness and frequency.

Shape   compile_active, compile_stickiness, compile_frequency. Each has a table with a row per person, which its answer
        counts and behind.py lists: ActiveDays.of, by_buckets, by_times
Laws    a person active on some days is active in a window of n days from each of them on, for n days: windows that meet
        are one run. A run adds one where it begins and takes one away where it ends, so a running sum over days counts
        people. There is no row per day and window. A change is one number, twice its day and one more for a begin
Source  docs/reference/analytics-meanings.md "Active", "Stickiness", "Frequency"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tinycdp.dsl.values.calendar import days_in
from tinycdp.model import NEVER, Instant
from tinycdp.products.analytics.answers.schemas import (
    ActiveAnswer,
    ActiveLine,
    FrequencyAnswer,
    FrequencyRow,
    StickinessAnswer,
    StickinessRow,
)
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, invalid, span_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import ActiveQuestion, FrequencyQuestion, StickinessQuestion

MOST_WINDOWS = 5
LONGEST_WINDOW = 400
MOST_EDGES = 50


def place_in(starts: Sequence[Instant], parameters: Parameters, at: str = "at") -> str:
    """SQL of the number of the bucket, from 0, that an instant is in; `starts` are their first instants, in order."""
    numbers = {start: n for n, start in enumerate(starts)}  # of empty buckets, which a zone may have, the last counts
    edges = parameters.wholes(numbers)
    return f"transform(roundDown({at}, {edges}), {edges}, {parameters.wholes(numbers.values())}, -1)"


@dataclass(frozen=True, slots=True)
class ActiveDays:
    """The days on which people were active, numbered from the first that any window needs.

    ends   of each bucket, the number of the day that its windows end with
    count  how many days there are
    table  person, days: their numbers, in order; one for each event"""

    buckets: Buckets
    ends: tuple[int, ...]
    count: int
    scan: Scan
    table: str

    @classmethod
    def of(cls, question: ActiveQuestion, world: World) -> "ActiveDays":
        if not 1 <= len(question.days) <= MOST_WINDOWS or not all(1 <= n <= LONGEST_WINDOW for n in question.days):
            raise invalid("days", f"Give 1 to {MOST_WINDOWS} windows of 1 to {LONGEST_WINDOW} days.")
        span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
        buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
        days = days_in(world.zone)
        ends = [
            days.day(min(end, span.until, max(world.as_of, start + 1)) - 1)
            for start, end in zip(buckets.edges, buckets.edges[1:], strict=False)
        ]
        first = ends[0] + 1 - max(question.days)
        starts = [days.first_instant(day) for day in range(first, ends[-1] + 1)]
        scan = Scan.of(question, world, TimeRange(starts[0], span.until))
        scan.match(question.event, question.where, "")
        place = place_in(starts, scan.parameters)
        table = f"SELECT person, arraySort(groupArray(toInt16({place}))) AS days\nFROM {scan.source()}\nGROUP BY person"
        return cls(buckets, tuple(end - first for end in ends), len(starts), scan, table)


def compile_active(question: ActiveQuestion, world: World) -> Compiled[ActiveAnswer]:
    """People active in the days before each bucket's end."""
    active = ActiveDays.of(question, world)
    buckets, parameters = active.buckets, active.scan.parameters
    lengths = sorted(set(question.days))
    # The days of a person are copied for each window but a single one.
    window = parameters.whole(lengths[0]) if len(lengths) == 1 else f"arrayJoin({parameters.wholes(lengths)})"
    # A pause is a day and the days since the one before it; a day that is there twice begins none.
    pauses = "arrayFilter((day, gap) -> gap > n, days, gaps) AS began, arrayFilter(gap -> gap > n, gaps) AS pauses"
    sql = (
        "SELECT n, change, count()\nFROM (\n"
        "  SELECT n, arrayJoin(arrayConcat(\n"
        "    [days[1] * 2 + 1, (days[-1] + n) * 2],\n"
        "    arrayMap(day -> day * 2 + 1, began),\n"
        "    arrayMap((day, gap) -> (day - gap + n) * 2, began, pauses)\n"
        f"  )) AS change\n  FROM (\n    SELECT n, days, {pauses}\n    FROM (\n"
        f"      SELECT days, arrayDifference(days) AS gaps, {window} AS n\n"
        f"      FROM (\n        {indented(active.table, 8)}\n      )\n    )\n  )\n)\nGROUP BY n, change"
    )

    def read(rows: Rows) -> ActiveAnswer:
        changes: dict[int, dict[int, int]] = {n: {} for n in question.days}
        for n, change, people in rows[0]:
            day, begins = divmod(int(change), 2)
            changes[int(n)][day] = changes[int(n)].get(day, 0) + (int(people) if begins else -int(people))
        lines = []
        for n in question.days:
            counts = list(accumulate(changes[n].get(day, 0) for day in range(active.count)))
            shown = [counts[end] for end in active.ends[: buckets.begun]]
            lines.append(ActiveLine(n, (*shown, *[None] * (len(buckets) - len(shown)))))
        return ActiveAnswer(buckets=buckets.spans(), lines=tuple(lines), warnings=active.scan.notices)

    # The value of the present bucket is that of today.
    days = days_in(world.zone)
    tomorrow = days.first_instant(days.day(world.as_of) + 1) if world.as_of < buckets.span.until else NEVER
    reads, holds_until = active.scan.reads(), min(tomorrow, buckets.holds_until)
    return Compiled((Statement(sql, parameters.values),), read, reads, holds_until)


def by_buckets(question: StickinessQuestion, world: World) -> tuple[str, Buckets, Scan]:
    """A table of people with n, the number of buckets in which they were active."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    scan = Scan.of(question, world, span)
    scan.match(question.event, question.where, "")
    bucket = f"roundDown(at, {scan.parameters.wholes(buckets.starts)})"
    return f"SELECT person, uniqExact({bucket}) AS n\nFROM {scan.source()}\nGROUP BY person", buckets, scan


def compile_stickiness(question: StickinessQuestion, world: World) -> Compiled[StickinessAnswer]:
    """People by the number of buckets in which they were active."""
    of_person, buckets, scan = by_buckets(question, world)
    sql = f"SELECT n, count() FROM (\n  {indented(of_person)}\n)\nGROUP BY n"

    def read(rows: Rows) -> StickinessAnswer:
        exactly = {int(n): int(people) for n, people in rows[0]}
        total = sum(exactly.values())
        found, left = [], total
        for n in range(1, len(buckets) + 1):
            found.append(StickinessRow(n, exactly.get(n, 0), left))
            left -= exactly.get(n, 0)
        return StickinessAnswer(people=total, rows=tuple(found), warnings=scan.notices)

    return Compiled((Statement(sql, scan.parameters.values),), read, scan.reads(), NEVER)


def by_times(question: FrequencyQuestion, world: World) -> tuple[str, Scan]:
    """A table of people with n, how often they did it."""
    edges = list(question.edges)
    if not 1 <= len(edges) <= MOST_EDGES or edges != sorted(set(edges)) or edges[0] < 1:
        raise invalid("edges", f"Give 1 to {MOST_EDGES} whole numbers from 1 on, each greater than the one before.")
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    scan = Scan.of(question, world, span)
    scan.match(question.event, question.where, "")
    return f"SELECT person, toInt64(count()) AS n\nFROM {scan.source()}\nGROUP BY person", scan


def compile_frequency(question: FrequencyQuestion, world: World) -> Compiled[FrequencyAnswer]:
    """People by how often they did something."""
    of_person, scan = by_times(question, world)
    edges = question.edges
    least = scan.parameters.wholes(edges)
    sql = (
        f"SELECT if(n < {edges[0]}, 0, roundDown(n, {least})) AS least, count() FROM (\n  {indented(of_person)}\n)\n"
        "GROUP BY least"
    )

    def read(rows: Rows) -> FrequencyAnswer:
        found = {int(n): int(people) for n, people in rows[0]}
        bounds = [*(edge - 1 for edge in edges[1:]), None]
        shown = tuple(FrequencyRow(n, most, found.get(n, 0)) for n, most in zip(edges, bounds, strict=True))
        return FrequencyAnswer(people=sum(found.values()), rows=shown, warnings=scan.notices)

    return Compiled((Statement(sql, scan.parameters.values),), read, scan.reads(), NEVER)
