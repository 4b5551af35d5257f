"""The events of each person as a sorted array: what the walks of a funnel go through.

Shape   walks(plan) → SQL with a row per walk: person, bucket, the values held, until (an attempt begins before it), and
        the arrays t, takes, flags, ends, one element per entry; with breakdowns also value_places, and given1 … that
        these are places in
Units   t: milliseconds from just before the range; the arrays of numbers have one bit per step
Laws    entries are sorted by (instant, lowest step they can take, the steps they can take, value), so simultaneous
        events take steps in the order of steps, and the order of arrival means nothing.
        An entry is one number, [instant | lowest | steps], so sorting is fast; with breakdowns, the place of its values
        follows. The values themselves are not moved, and compared only where two entries of a person are alike.
        An event that ends attempts makes two more entries: at the beginning of its instant, which says who is
        excluded, and at its end. So what happens at a step's very instant is not between.
        bucket 0 is the whole range; others are buckets of entry, each walked on its own
"""

from collections.abc import Sequence

from tinycdp.dsl.sql.clickhouse import scalar_order
from tinycdp.products.analytics.compile.activity import place_in
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.sql import layered, listed

#: The lowest step of entries that take none: at the beginning of an instant, and at its end.
_FIRST, _LAST = 0, 31
_LOWEST_BITS = 5
#: Of the place of an entry's values; none without breakdowns.
_PLACE_BITS = 32


def walks(plan: FunnelPlan) -> str:
    """The SQL of all walks."""
    table = _sorted(plan)
    if plan.buckets is not None:
        table = _of_each_bucket(plan, table)
    else:
        until = plan.parameters.whole(plan.span.until - plan.before)
        table = layered(table, "0 AS bucket", f"{until} AS until")
    return _apart(plan, table)


def bits(columns: Sequence[tuple[str, int]]) -> str:
    """A number with a bit for each (condition, number of a step)."""
    return " + ".join(f"toUInt64({condition}) * {1 << (step - 1)}" for condition, step in columns) or "toUInt64(0)"


def _rows(plan: FunnelPlan) -> str:
    """The events that matter, each with what it can do."""
    steps = list(enumerate((step.column for step in plan.steps), start=1))
    lowest = ", ".join(f"{column}, {number}" for number, column in steps)
    columns = [
        "person",
        "at",
        *plan.hold,
        *(f"ifNull({column}, '') AS scalar{n}" for n, column in enumerate(plan.breakdowns.columns, start=1)),
        f"bitShiftLeft(toUInt64(at - {plan.parameters.whole(plan.before)}), {len(steps) + _LOWEST_BITS}) AS instant",
        f"{bits([(column, number) for number, column in steps])} AS can",
        f"bitShiftLeft(multiIf({lowest}, 0), {len(steps)}) AS lowest",
        f"{_begins(plan)} AND at < {plan.parameters.whole(plan.span.until)} AS entry",
    ]
    if plan.marked:
        between = range(1, len(steps))
        excluding = [(" OR ".join(found), k) for k in between if (found := plan.excluding_after(k))]
        ending = excluding
        if plan.strict:
            ending = [(" OR ".join([f"NOT {plan.steps[k - 1].column}", *plan.excluding_after(k)]), k) for k in between]
        columns += [f"{bits(excluding)} AS excludes", f"{bits(ending)} AS ending"]
    held = " AND ".join(f"isNotNull({column})" for column in plan.hold)
    return f"SELECT {listed(columns)}\nFROM {plan.scan.source()}" + (f"\nWHERE {held}" if held else "")


def _begins(plan: FunnelPlan) -> str:
    if not plan.any_order:
        return plan.steps[0].column
    return "(" + " OR ".join(dict.fromkeys(step.column for step in plan.steps)) + ")"


def _sorted(plan: FunnelPlan) -> str:
    """The entries of each person, and of each tuple of held values."""
    shift = len(plan.steps)
    arrays = ["groupArrayIf(instant + lowest + can, can != 0)" if plan.marked else "groupArray(instant + lowest + can)"]
    if plan.marked:
        arrays.append(f"groupArrayIf(instant + {_LAST << shift} + ending, ending != 0)")
        if plan.exclusions:
            arrays.append(f"groupArrayIf(instant + {_FIRST << shift} + excludes, excludes != 0)")
    gathered = f"arrayConcat({', '.join(arrays)})" if len(arrays) > 1 else arrays[0]
    values = range(1, len(plan.breakdowns.columns) + 1)
    columns = ["person", *plan.hold, f"{gathered} AS unsorted" if values else f"arraySort({gathered}) AS entries"]
    # Entries that take no step come last, and have no values.
    columns += [f"groupArrayIf(scalar{n}, can != 0) AS given{n}" for n in values]
    if plan.buckets is not None:
        columns.append(f"groupUniqArrayIf({place_in(plan.buckets.starts, plan.parameters)} + 1, entry) AS entered")
    keys = ", ".join(["person", *plan.hold])
    table = f"SELECT {listed(columns)}\nFROM (\n{_rows(plan)}\n)\nGROUP BY {keys}\nHAVING max(entry)"
    return _with_places(table, len(values)) if values else table


def _with_places(table: str, count: int) -> str:
    """The same with sorted entries that know the place of their values."""
    entry = f"bitShiftLeft(toUInt128({{}}), {_PLACE_BITS}) + {{}}"
    numbered = f"arrayMap((key, place) -> {entry.format('key', 'place')}, unsorted, arrayEnumerate(unsorted))"
    table = layered(table, f"arraySort({numbered}) AS by_key")
    names = [f"value{n}" for n in range(1, count + 1)]
    orders = ", ".join(f"tuple({name} = '', {scalar_order(name)})" for name in names)
    values = ", ".join(f"arrayResize(given{n}, length(unsorted), '')" for n in range(1, count + 1))
    by_value = (
        f"arraySort(arrayMap((key, place, {', '.join(names)}) -> tuple(key, tuple({orders}), place), "
        f"unsorted, arrayEnumerate(unsorted), {values}))"
    )
    by_value = f"arrayMap(one -> {entry.format('one.1', 'one.3')}, {by_value})"
    same = f"bitShiftRight(one, {_PLACE_BITS}) = bitShiftRight(next, {_PLACE_BITS})"
    alike = f"arrayExists((one, next) -> {same}, arrayPopBack(by_key), arrayPopFront(by_key))"
    return layered(table, f"if({alike}, {by_value}, by_key) AS entries")


def _place_bits(plan: FunnelPlan) -> int:
    return _PLACE_BITS if plan.breakdowns else 0


def _of_each_bucket(plan: FunnelPlan, table: str) -> str:
    """A walk for the range, and one for each bucket in which the person may begin."""
    assert plan.buckets is not None
    edges = plan.buckets.edges
    since = [max(edge, plan.span.since) - plan.before for edge in edges[:-1]]
    until = [min(edge, plan.span.until) - plan.before for edge in edges[1:]]
    p = plan.parameters
    table = layered(table, "arrayJoin(arrayPushFront(entered, 0)) AS bucket")
    table = layered(
        table,
        f"if(bucket = 0, {p.whole(since[0])}, {p.wholes(since)}[bucket]) AS since",
        f"if(bucket = 0, {p.whole(until[-1])}, {p.wholes(until)}[bucket]) AS until",
    )
    shift = len(plan.steps) + _LOWEST_BITS + _place_bits(plan)
    instant = f"toInt64(bitShiftRight(entry, {shift}))"
    here = f"{instant} >= since AND {instant} < until + {p.whole(plan.within)}"
    return (
        "SELECT * REPLACE (if(bucket = 0, entries, arrayFilter(entry -> " + here + f", entries)) AS entries)\n"
        f"FROM (\n{table}\n)"
    )


def _apart(plan: FunnelPlan, table: str) -> str:
    """The parts of entries as arrays."""
    shift, low = len(plan.steps), _place_bits(plan)
    keys = f"arrayMap(entry -> toUInt64(bitShiftRight(entry, {low})), entries)" if low else "entries"
    table = layered(table, f"{keys} AS keys")
    steps = f"bitAnd(key, {(1 << shift) - 1})"
    columns = [f"arrayMap(key -> toInt64(bitShiftRight(key, {shift + _LOWEST_BITS})), keys) AS t"]
    if plan.marked:
        lowest = f"bitAnd(bitShiftRight(key, {shift}), 31)"
        columns += [
            f"arrayMap(key -> toUInt32(if({lowest} IN ({_FIRST}, {_LAST}), 0, {steps})), keys) AS takes",
            f"arrayMap(key -> toUInt32(if({lowest} = {_FIRST}, {steps}, 0)), keys) AS flags",
            f"arrayMap(key -> toUInt32(if({lowest} = {_LAST}, {steps}, 0)), keys) AS ends",
        ]
    else:
        columns.append(f"arrayMap(key -> toUInt32({steps}), keys) AS takes")
    if low:
        columns.append("arrayMap(entry -> toUInt32(entry), entries) AS value_places")
    return layered(table, *columns)
