"""Lifecycle: new, returning, resurrecting and dormant people of each bucket.

Shape   compile_lifecycle(question, world) → Compiled[LifecycleAnswer]
Laws    the first bucket is whole, also where the range begins inside it.
        new: the first matching event ever is in this bucket · returning: also active in the bucket before ·
        resurrecting: active in this one, not in the one before, and not new · dormant: active in the one before only
Source  docs/reference/analytics-meanings.md "Lifecycle"
"""

from tinycdp.products.analytics.answers.schemas import LifecycleAnswer, LifecycleRow
from tinycdp.products.analytics.compile.activity import place_in
from tinycdp.products.analytics.compile.calendar import BEGINNING, Buckets, TimeRange, span_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import LifecycleQuestion

NEW, RETURNING, RESURRECTING, DORMANT = range(4)


def compile_lifecycle(question: LifecycleQuestion, world: World) -> Compiled[LifecycleAnswer]:
    """People of each bucket, by what they did before it."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    extended = buckets.before(question.bucket, 1)
    parameters = Parameters()
    # The first event ever may be long before the range.
    scan = Scan.of(question, world, TimeRange(BEGINNING, span.until), parameters)
    scan.match(question.event, question.where, "")
    since = parameters.whole(extended.edges[0])
    place = place_in(extended.starts, parameters)
    of_person = (
        f"SELECT arraySort(groupUniqArrayIf({place}, at >= {since})) AS places,\n"
        f"  if(min(at) < {since}, -1, {place_in(extended.starts, parameters, 'min(at)')}) AS first\n"
        f"FROM {scan.source()}\nGROUP BY person\nHAVING notEmpty(places)"
    )
    sql = (
        "SELECT found.1 AS place, found.2 AS kind, count() FROM (\n"
        "  SELECT arrayJoin(arrayConcat(\n"
        f"    arrayMap((place, before) -> (place, multiIf(place = first, {NEW}, before = place - 1, {RETURNING}, "
        f"{RESURRECTING})), places, arrayPushFront(arrayPopBack(places), -9)),\n"
        f"    arrayMap(place -> (place + 1, {DORMANT}), arrayFilter((place, after) -> after != place + 1, places, "
        "arrayPushBack(arrayPopFront(places), -9)))\n"
        f"  )) AS found\n  FROM (\n    {indented(of_person, 4)}\n  )\n)\nGROUP BY place, kind"
    )

    def read(rows: Rows) -> LifecycleAnswer:
        counts = {(int(place), int(kind)): int(people) for place, kind, people in rows[0]}
        shown = []
        for n in range(1, len(buckets) + 1):
            of_bucket = [counts.get((n, kind), 0) for kind in range(4)]
            shown.append(LifecycleRow(*of_bucket) if n <= buckets.begun else LifecycleRow(None, None, None, None))
        return LifecycleAnswer(buckets=buckets.spans(), rows=tuple(shown), warnings=scan.notices)

    return Compiled((Statement(sql, parameters.values),), read, scan.reads(), buckets.holds_until)
