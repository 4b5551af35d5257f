"""Adoption: how many active people use a feature, for the first time, and ever.

Shape   compile_adoption(question, world) → Compiled[AdoptionAnswer]; by_use is its table of people
Laws    of the people active in a bucket: those who use the feature in it, whose first use ever is in it, and those
        whose first use is in it or before
Source  docs/reference/analytics-meanings.md "Adoption"
"""

from tinycdp.dsl.values.numbers import SCALE, divide, number
from tinycdp.products.analytics.answers.schemas import AdoptionAnswer, AdoptionRow
from tinycdp.products.analytics.compile.activity import place_in
from tinycdp.products.analytics.compile.calendar import BEGINNING, Buckets, TimeRange, span_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import AdoptionQuestion

#: Which of the people active in the bucket `place` each number counts, as conditions on a row of by_use.
NUMBERS = {
    "active": "true",
    "users": "has(used, place)",
    "firstTime": "ever_used AND first = place",
    "ever": "ever_used AND first <= place",
}


def by_use(question: AdoptionQuestion, world: World) -> tuple[str, Buckets, Scan]:
    """A table of people active in the range, once for each bucket, place, in which they were."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    # The first use ever may be long before the range.
    scan = Scan.of(question, world, TimeRange(BEGINNING, span.until))
    parameters = scan.parameters
    uses = scan.match(question.feature.event, question.feature.where, "feature")
    active = scan.match(question.active.event, question.active.where, "active")
    since = parameters.whole(span.since)
    place = place_in(buckets.starts, parameters)
    of_person = (
        f"SELECT person, groupUniqArrayIf({place}, {active} AND at >= {since}) AS here,\n"
        f"  groupUniqArrayIf({place}, {uses} AND at >= {since}) AS used,\n"
        f"  minIf(at, {uses}) AS first_at, countIf({uses}) > 0 AS ever_used,\n"
        f"  if(first_at < {since}, -1, {place_in(buckets.starts, parameters, 'first_at')}) AS first\n"
        f"FROM {scan.source()}\nGROUP BY person\nHAVING notEmpty(here)"
    )
    columns = "person, arrayJoin(here) AS place, used, ever_used, first"
    return f"SELECT {columns}\nFROM (\n  {indented(of_person)}\n)", buckets, scan


def compile_adoption(question: AdoptionQuestion, world: World) -> Compiled[AdoptionAnswer]:
    """Active people of each bucket, by their use of a feature."""
    table, buckets, scan = by_use(question, world)
    counts = ", ".join(f"countIf({condition})" for condition in NUMBERS.values())
    sql = f"SELECT place, {counts}\nFROM (\n  {indented(table)}\n)\nGROUP BY place"

    def read(rows: Rows) -> AdoptionAnswer:
        found = {int(row[0]): _row(*map(int, row[1:])) for row in rows[0]}
        shown = [found.get(n, _row(0, 0, 0, 0)) for n in range(buckets.begun)]
        empty: list[AdoptionRow | None] = [None] * (len(buckets) - len(shown))
        return AdoptionAnswer(buckets=buckets.spans(), rows=(*shown, *empty), warnings=scan.notices)

    return Compiled((Statement(sql, scan.parameters.values),), read, scan.reads(), buckets.holds_until)


def _row(active: int, users: int, first_time: int, ever: int) -> AdoptionRow:
    rate = divide(users * SCALE, active * SCALE)
    return AdoptionRow(active, users, first_time, ever, number(rate) if rate is not None else None)  # type: ignore[arg-type]
