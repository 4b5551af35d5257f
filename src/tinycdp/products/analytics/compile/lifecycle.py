"""Lifecycle: new, returning, resurrecting and dormant people of each bucket.

Shape   compile_lifecycle(question, world) → Compiled[LifecycleAnswer]; by_stage is its table of people
Laws    the first bucket is whole, also where the range begins inside it.
        new: the first matching event ever is in this bucket · returning: also active in the bucket before ·
        resurrecting: active in this one, not in the one before, and not new · dormant: active in the one before only
Source  docs/reference/analytics-meanings.md "Lifecycle"
"""

from tinycdp.products.analytics.answers.schemas import LifecycleAnswer, LifecycleRow
from tinycdp.products.analytics.compile.activity import place_in
from tinycdp.products.analytics.compile.calendar import BEGINNING, Buckets, TimeRange, span_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import LifecycleQuestion

STAGES = ("new", "returning", "resurrecting", "dormant")
NEW, RETURNING, RESURRECTING, DORMANT = range(4)


def by_stage(question: LifecycleQuestion, world: World) -> tuple[str, Buckets, Scan]:
    """A table of people, once for each bucket, place, in which they have a stage; the first bucket is 1."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    extended = buckets.before(question.bucket, 1)
    # The first event ever may be long before the range.
    scan = Scan.of(question, world, TimeRange(BEGINNING, span.until))
    parameters = scan.parameters
    scan.match(question.event, question.where, "")
    since = parameters.whole(extended.edges[0])
    place = place_in(extended.starts, parameters)
    of_person = (
        f"SELECT person, arrayCompact(arraySort(groupArrayIf(toInt16({place}), at >= {since}))) AS places,\n"
        f"  if(min(at) < {since}, -1, {place_in(extended.starts, parameters, 'min(at)')}) AS first\n"
        f"FROM {scan.source()}\nGROUP BY person\nHAVING notEmpty(places)"
    )
    return (
        "SELECT person, found.1 AS place, found.2 AS stage FROM (\n"
        "  SELECT person, arrayJoin(arrayConcat(\n"
        f"    arrayMap((place, before) -> (place, multiIf(place = first, {NEW}, before = place - 1, {RETURNING}, "
        f"{RESURRECTING})), places, arrayPushFront(arrayPopBack(places), -9)),\n"
        f"    arrayMap(place -> (place + 1, {DORMANT}), arrayFilter((place, after) -> after != place + 1, places, "
        "arrayPushBack(arrayPopFront(places), -9)))\n"
        f"  )) AS found\n  FROM (\n    {indented(of_person, 4)}\n  )\n)",
        buckets,
        scan,
    )


def compile_lifecycle(question: LifecycleQuestion, world: World) -> Compiled[LifecycleAnswer]:
    """People of each bucket, by what they did before it."""
    table, buckets, scan = by_stage(question, world)
    sql = f"SELECT place, stage, count() FROM (\n  {indented(table)}\n)\nGROUP BY place, stage"

    def read(rows: Rows) -> LifecycleAnswer:
        counts = {(int(place), int(stage)): int(people) for place, stage, people in rows[0]}
        shown = []
        for n in range(1, len(buckets) + 1):
            of_bucket = [counts.get((n, stage), 0) for stage in range(len(STAGES))]
            shown.append(LifecycleRow(*of_bucket) if n <= buckets.begun else LifecycleRow(None, None, None, None))
        return LifecycleAnswer(buckets=buckets.spans(), rows=tuple(shown), warnings=scan.notices)

    return Compiled((Statement(sql, scan.parameters.values),), read, scan.reads(), buckets.holds_until)
