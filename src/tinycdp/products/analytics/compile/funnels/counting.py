"""People of a funnel, and how many of them there are.

Shape   people(plan) → SQL with a row per person and bucket: depth, status, times, and with a breakdown k, its group
        counted(plan) → SQL with a row per group and bucket, which answers.py reads
        listed_people(plan, cell) → SQL of the profiles behind one number
Laws    a person is where the best walk got; of several, the first to get there. The statuses of a person are one of
        CONVERTED, IN_PROGRESS, EXCLUDED, DROPPED, so they add up.
        The groups that are shown are those of the most people in the whole range, in the order of values
"""

from tinycdp.dsl.sql.clickhouse import scalar_order
from tinycdp.model import DAY_MS, HOUR_MS
from tinycdp.products.analytics.compile.funnels.any_order import any_order
from tinycdp.products.analytics.compile.funnels.entries import walks
from tinycdp.products.analytics.compile.funnels.ordered import ordered
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.groups import ranked
from tinycdp.products.analytics.compile.sql import layered, listed

CONVERTED, IN_PROGRESS, EXCLUDED, DROPPED = 1, 2, 3, 4
#: A depth and a status as one number.
DEPTHS = 8
#: A step and a time as one number.
TIMES = 1 << 44

_SECOND, _MINUTE = 1_000, 60_000
#: The edges of histograms of times; the last is longer than any window.
EDGES = (
    0, _SECOND, 10 * _SECOND, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, HOUR_MS, 4 * HOUR_MS, 12 * HOUR_MS, DAY_MS,
    2 * DAY_MS, 4 * DAY_MS, 7 * DAY_MS, 14 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS, 400 * DAY_MS, 4_000 * DAY_MS,
)  # fmt: skip


def people(plan: FunnelPlan) -> str:
    """A row per person and bucket."""
    table = walks(plan)
    table = any_order(plan, table) if plan.any_order else ordered(plan, table)
    table = layered(
        table, *(f"{_attributed(plan, n)} AS scalar{n}" for n in range(1, len(plan.breakdowns.columns) + 1))
    )
    if plan.hold:
        table = _best(plan, table)
    count = len(plan.steps)
    status = f"multiIf(depth = {count}, {CONVERTED}, going, {IN_PROGRESS}, excluded, {EXCLUDED}, {DROPPED})"
    columns = [f"{status} AS status"]
    if plan.breakdowns:
        scalars = [f"scalar{n}" for n in range(1, len(plan.breakdowns.columns) + 1)]
        unknown = " OR ".join(f"{scalar} = ''" for scalar in scalars)
        columns.append(f"if({unknown}, [], [{', '.join(scalars)}]) AS k")
    return layered(table, *columns)


def _attributed(plan: FunnelPlan, n: int) -> str:
    """The value of a breakdown that counts; empty if unknown."""
    match plan.attribution:
        case "first":
            return f"arrayFirst(value -> value != '', chain{n})"
        case "last":
            return f"arrayLast(value -> value != '', chain{n})"
        case step:
            return f"chain{n}[{step}]"


def _best(plan: FunnelPlan, table: str) -> str:
    """Of a person's walks the one that got furthest, then first; ties by the values held."""
    held = ", ".join(f"{scalar_order(name)}" for name in plan.hold)
    scalars = [f"scalar{n}" for n in range(1, len(plan.breakdowns.columns) + 1)]
    best = ["depth", "times", *scalars]
    columns = [
        "person",
        "bucket",
        f"argMin(tuple({', '.join(best)}), tuple(-toInt16(depth), last_entry, {held})) AS best",
        "max(going) AS is_going",
        "max(goes_until) AS end",
        "groupArrayIf(depth, excluded) AS excluded_at",
    ]
    table = f"SELECT {listed(columns)}\nFROM (\n{table}\n)\nGROUP BY person, bucket"
    names = [f"best.{n} AS {name}" for n, name in enumerate(best, start=1)]
    return layered(table, *names, "is_going AS going", "end AS goes_until", "has(excluded_at, best.1) AS excluded")


def counted(plan: FunnelPlan) -> str:
    """A row per group and bucket: g, bucket, statuses, medians, times, the whole's median, and an instant.

    That is when the next person is no longer in progress; 0 for never."""
    edges = plan.parameters.wholes(EDGES)
    table = layered(
        people(plan),
        "arrayPopFront(arrayDifference(times)) AS steps_ms",
        "times[-1] - times[1] AS whole_ms",
        f"status = {CONVERTED} AS converted",
    )
    placed = f"arrayMap((ms, n) -> toInt64(n) * {TIMES} + roundDown(ms, {edges}), steps_ms, arrayEnumerate(steps_ms))"
    table = layered(table, f"arrayPushBack({placed}, roundDown(whole_ms, {edges})) AS placed")
    # Times of each step, and under 0 those of the whole, of people who converted.
    placed = "if(converted, placed, arrayPopBack(placed))"
    aggregates = [
        ("sumMap", "", f"[toInt64(depth) * {DEPTHS} + status], [toUInt64(1)]"),
        ("quantileExactLowForEach", "(0.5)", "steps_ms"),
        ("sumMap", "", f"{placed}, arrayMap(n -> toUInt64(1), {placed})"),
        ("quantileExactLowIf", "(0.5)", "whole_ms, converted"),
        ("minIf", "", f"goes_until, status = {IN_PROGRESS}"),
    ]
    return ranked(plan.breakdowns, table, "bucket", "count()", aggregates)
