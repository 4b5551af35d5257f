"""The walk of a funnel whose steps are taken in their order.

Shape   ordered(plan, walks) → SQL with the columns depth, going, excluded, times and chain1 … of each walk
Units   times: of each step taken, milliseconds from just before the range
Laws    of a step, the latest attempt replaces the one there: no attempt that began or got there earlier can take a
        step that the latest one cannot. So one attempt per step is enough, and each step is one pass over an array:
        start<k> has, after each entry, the first instant of the attempt at step k, and 0 before there is one.
        An attempt ends at the first entry of `ends` after its last instant; strict: also at any event that is no repeat
"""

from tinycdp.dsl.sql.clickhouse import scalar_order
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.sql import layered, narrowed

#: Steps of one layer. An alias is copied to each use, so the SQL grows by a power of its uses; layers cost planning.
_STEPS_AT_ONCE = 4


def ordered(plan: FunnelPlan, table: str) -> str:
    """The walks with what became of each."""
    count = len(plan.steps)
    columns: list[str] = []
    copies = 1
    for number in range(1, count + 1):
        columns += _step(plan, number)
        copies *= 2 if _needs_last(plan, number) else 1
        if number == count or copies > _STEPS_AT_ONCE or number % _STEPS_AT_ONCE == 0:
            table, columns, copies = layered(table, *columns), [], 1
    reached = " + ".join(f"(start{number}[-1] != 0)" for number in range(1, count + 1))
    ends = [f"{_going(plan)} AS going", f"{_goes_until(plan)} AS goes_until", f"{_excluded(plan)} AS excluded"]
    return _chain(plan, layered(table, f"toUInt8({reached}) AS depth", *ends))


def _step(plan: FunnelPlan, number: int) -> list[str]:
    """Columns: after each entry, the attempt at one step."""
    can = f"bitTest(takes, {number - 1})"
    if number == 1:
        taken = f"arrayMap((t, takes) -> if({can} AND t < until, t, 0), t, takes)"
    else:
        # The attempt at the step before as it is before this entry, which takes one step only.
        one, other = plan.steps[number - 2], plan.steps[number - 1]
        names, arrays = _state(plan, number - 1, shifted=one.may_share(other))
        alive = _alive(plan, number - 1, "t")
        arguments, values = ", ".join(["t", "takes", *names]), ", ".join(["t", "takes", *arrays])
        taken = f"arrayMap(({arguments}) -> if({can} AND {alive}, start{number - 1}, 0), {values})"
    columns = [f"{taken} AS taken{number}", f"{_filled(f'taken{number}')} AS start{number}"]
    if number > 1 and _needs_last(plan, number):
        columns.append(f"{_filled(f'arrayMap((t, taken) -> if(taken != 0, t, 0), t, taken{number})')} AS last{number}")
    if number < len(plan.steps) and _ends(plan, number):
        ended = f"arrayMap((t, ends) -> if(bitTest(ends, {number - 1}), t, 0), t, ends)"
        columns.append(f"{_filled(ended)} AS ended{number}")
    return columns


def _filled(array: str) -> str:
    """Each zero replaced by what is before it."""
    return f"arrayFill(found -> found != 0, {array})"


def _ends(plan: FunnelPlan, number: int) -> bool:
    """Whether an attempt at a step can end before its window does."""
    return plan.strict or bool(plan.excluding_after(number))


def _needs_last(plan: FunnelPlan, number: int) -> bool:
    """Whether it matters when an attempt took the step that it is at."""
    return number < len(plan.steps) and bool(plan.steps[number].within or _ends(plan, number))


def _last(number: int) -> str:
    return f"last{number}" if number > 1 else "start1"


def _state(plan: FunnelPlan, number: int, *, shifted: bool = False) -> tuple[list[str], list[str]]:
    """The arrays of the attempt at a step: names for a lambda, and their SQL."""
    names = [f"start{number}"]
    if number > 1 and _needs_last(plan, number):
        names.append(_last(number))
    arrays = [f"arrayPopBack(arrayPushFront({name}, 0))" if shifted else name for name in names]
    if _ends(plan, number):
        names.append(f"ended{number}")
        arrays.append(f"ended{number}")
    return names, arrays


def _alive(plan: FunnelPlan, number: int, t: str, suffix: str = "") -> str:
    """Whether the attempt at a step could take the next one at an instant."""
    start, last = f"start{number}{suffix}", _last(number) + suffix
    conditions = [f"{start} != 0", f"{t} - {start} < {plan.parameters.whole(plan.within)}"]
    if within := plan.steps[number].within:
        conditions.append(f"{t} - {last} < {plan.parameters.whole(within)}")
    if _ends(plan, number):
        conditions.append(f"ended{number}{suffix} <= {last}")
    return " AND ".join(conditions)


def _chain(plan: FunnelPlan, table: str) -> str:
    """The first attempt to get to the depth of the walk, and the latest steps that led there."""
    count = len(plan.steps)
    columns = []
    for number in range(count, 0, -1):
        here = f"arrayFirstIndex(taken -> taken != 0, taken{number})"
        index = f"if(depth = {number}, {here}, 0)"
        if number < count:
            before = f"arraySlice(taken{number}, 1, toInt64(index{number + 1}) - 1)"
            further = f"arrayLastIndex(taken -> taken != 0, {before})"
            index = f"multiIf(depth = {number}, {here}, depth > {number}, {further}, 0)"
        columns.append(f"{index} AS index{number}")
    return of_chain(plan, layered(table, *columns), [f"index{number}" for number in range(1, count + 1)])


def of_chain(plan: FunnelPlan, table: str, indexes: list[str]) -> str:
    """The walks with what the entries at these indexes are; those beyond the depth mean nothing."""

    def along(element: str) -> str:
        return f"arraySlice([{', '.join(element.format(index) for index in indexes)}], 1, depth)"

    values = range(1, len(plan.breakdowns.columns) + 1)
    columns = ["person", "bucket", *plan.hold, "depth", "going", "goes_until", "excluded", f"{along('t[{}]')} AS times"]
    columns += [f"{along(f'given{n}[value_places[{{}}]]')} AS chain{n}" for n in values]
    if plan.hold:
        last = f"[{', '.join(indexes)}][depth]"
        table = layered(
            table, f"keys[{last}] AS last_key", *(f"given{n}[value_places[{last}]] AS last_value{n}" for n in values)
        )
        orders = [f"last_value{n} = '', {scalar_order(f'last_value{n}')}" for n in values]
        columns.append(f"tuple({', '.join(['last_key', *orders])}) AS last_entry")
    return narrowed(table, *columns)


def _going(plan: FunnelPlan) -> str:
    """Whether some attempt could take a step at the instant of the answer."""
    now = plan.parameters.whole(plan.world.as_of - plan.before)
    numbers = range(1, len(plan.steps))
    return " OR ".join(f"({_alive(plan, number, now, '[-1]')})" for number in numbers) or "false"


def _goes_until(plan: FunnelPlan) -> str:
    """The first instant at which no attempt could take a step any more, if some could at the answer's; else 0."""
    now = plan.parameters.whole(plan.world.as_of - plan.before)
    ends = []
    for number in range(1, len(plan.steps)):
        end = f"start{number}[-1] + {plan.parameters.whole(plan.within)}"
        if within := plan.steps[number].within:
            end = f"least({end}, {_last(number)}[-1] + {plan.parameters.whole(within)})"
        ends.append(f"if({_alive(plan, number, now, '[-1]')}, {end}, 0)")
    return f"arrayMax([{', '.join(ends)}])" if ends else "toInt64(0)"


def _excluded(plan: FunnelPlan) -> str:
    """Whether an exclusion ended an attempt at the deepest step in time."""
    found = []
    for number in range(1, len(plan.steps)):
        if not plan.excluding_after(number):
            found.append("false")
            continue
        names, arrays = _state(plan, number)
        condition = f"bitTest(flags, {number - 1}) AND {_alive(plan, number, 't')}"
        arguments, values = ", ".join(["t", "flags", *names]), ", ".join(["t", "flags", *arrays])
        found.append(f"arrayExists(({arguments}) -> {condition}, {values})")
    if set(found) <= {"false"}:
        return "false"
    return f"[{', '.join(found)}, false][depth]"
