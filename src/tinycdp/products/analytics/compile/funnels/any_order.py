"""The walk of a funnel whose steps are taken in any order.

Shape   any_order(plan, walks) → SQL with the columns depth, going, excluded, times and chain1 … of each walk
Laws    the depth is the most steps that different events take within the window of a first one. By Hall's theorem these
        are the fewest, over all sets of steps, of: the steps outside the set, and the events that can take one inside
        it. Only steps that one event may share matter together; equal steps are one with a number of places.
        The window that ends at an event is counted as the events up to it, less those before the window.
        The first to get to the depth speaks, of those the one that begins last; a step is taken by the event that makes
        one more possible. An exclusion after the first event ends the attempt
Errors  InvalidInput INVALID_QUESTION: too many different steps that one event may share
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from tinycdp.products.analytics.compile.calendar import invalid
from tinycdp.products.analytics.compile.funnels.ordered import of_chain
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.sql import layered

MOST_SHARED = 8


@dataclass(frozen=True, slots=True)
class _Hall:
    """A set of steps that share events.

    number   of the set
    mask     bits of its steps
    inside   how many steps are in it; part: in all that share events with them"""

    number: int
    mask: int
    inside: int
    part: int


def any_order(plan: FunnelPlan, table: str) -> str:
    """The walks with what became of each."""
    parts = _parts(plan)
    table = _windows(plan, table, parts)
    table = _first_there(plan, table)
    table = _latest_start(table, parts)
    return _chain(plan, table, parts)


def _parts(plan: FunnelPlan) -> list[list[_Hall]]:
    """The sets of steps of each part of the funnel; the parts share no events."""
    classes: dict[str, list[int]] = {}
    for number, step in enumerate(plan.steps):
        classes.setdefault(step.column, []).append(number)
    groups: list[list[str]] = []
    for column, numbers in classes.items():
        step = plan.steps[numbers[0]]
        near = [group for group in groups if any(step.may_share(plan.steps[classes[other][0]]) for other in group)]
        groups = [group for group in groups if group not in near] + [
            [*(one for group in near for one in group), column]
        ]
    found, numbered = [], 0
    for group in groups:
        if len(group) > MOST_SHARED:
            raise invalid(
                "steps",
                f"In any order, at most {MOST_SHARED} different steps may share events; these are {len(group)}. "
                "Name their events, or ask for ordered steps.",
            )
        sizes = {column: len(classes[column]) for column in group}
        halls = []
        for size in range(1, len(group) + 1):
            for chosen in combinations(group, size):
                numbered += 1
                # One bit of each class is enough: its steps are taken by the same events.
                mask = sum(1 << classes[column][0] for column in chosen)
                inside = sum(sizes[column] for column in chosen)
                halls.append(_Hall(numbered, mask, inside, sum(sizes.values())))
        found.append(halls)
    return found


def _all(parts: Iterable[Sequence[_Hall]]) -> list[_Hall]:
    return [hall for part in parts for hall in part]


def _most(parts: Sequence[Sequence[_Hall]], counts: str) -> str:
    """The most steps that events take. `counts` says how many can take one of the set {0}."""
    sums = []
    for part in parts:
        bounds = [f"{hall.part - hall.inside} + {counts.format(hall.number)}" for hall in part]
        sums.append(f"arrayMin([{', '.join([*bounds, str(part[0].part)])}])" if len(part) > 1 else _least(bounds, part))
    return " + ".join(sums)


def _least(bounds: Sequence[str], part: Sequence[_Hall]) -> str:
    return f"least(toInt64({bounds[0]}), {part[0].part})"


def _hits(hall: _Hall, array: str = "takes") -> str:
    return f"arrayMap(takes -> toInt64(bitAnd(takes, {hall.mask}) != 0), {array})"


def _windows(plan: FunnelPlan, table: str, parts: Sequence[Sequence[_Hall]]) -> str:
    """At each entry: where its window begins, the latest beginning, and the steps taken."""
    within = plan.parameters.whole(plan.within)
    if plan.marked:
        table = layered(table, "arrayFill(t -> t != 0, arrayMap((t, ends) -> if(ends != 0, t, 0), t, ends)) AS ended")
        low = f"arrayMap((t, ended) -> greatest(t - {within} + 1, ended, 0), t, ended)"
        # At the end of an instant, still the window of the instant.
        low = f"arrayFill((low, ends) -> ends = 0, {low}, ends)"
    else:
        low = f"arrayMap(t -> greatest(t - {within} + 1, 0), t)"
    begins = "arrayMap((t, takes) -> if(takes != 0 AND t < until, t, 0), t, takes)"
    table = layered(table, f"{low} AS low", f"arrayFill(t -> t != 0, {begins}) AS begun")
    # Entries and the beginnings of windows in one order: a beginning sees the entries before it.
    width = len(plan.steps)
    entries = f"arrayMap((t, takes) -> bitShiftLeft(toUInt64(t), {width + 1}) + {1 << width} + takes, t, takes)"
    beginnings = f"arrayMap(low -> bitShiftLeft(toUInt64(low), {width + 1}), low)"
    table = layered(table, f"arraySort(arrayConcat({entries}, {beginnings})) AS merged")
    is_entry = f"bitTest(merged, {width})"
    table = layered(
        table,
        f"arrayMap(merged -> NOT {is_entry}, merged) AS is_beginning",
        f"arrayMap(merged -> toUInt32(bitAnd(merged, {(1 << width) - 1})), merged) AS merged_takes",
    )
    columns = []
    for hall in _all(parts):
        before = f"arrayCumSum({_hits(hall, 'merged_takes')})"
        columns += [
            f"arrayCumSum({_hits(hall)}) AS upto{hall.number}",
            f"arrayFilter((n, is_beginning) -> is_beginning, {before}, is_beginning) AS before{hall.number}",
        ]
    table = layered(table, *columns)
    names = [f"{kind}{hall.number}" for hall in _all(parts) for kind in ("upto", "before")]
    arguments = ", ".join(["begun", "low", *names])
    most = _most(parts, "upto{0} - before{0}")
    return layered(table, f"arrayMap(({arguments}) -> if(begun != 0 AND begun >= low, {most}, 0), {arguments}) AS most")


def _first_there(plan: FunnelPlan, table: str) -> str:
    """How deep, where first, and what is left open."""
    table = layered(table, "toUInt8(arrayMax(most)) AS depth")
    now = plan.parameters.whole(plan.world.as_of - plan.before)
    within = plan.parameters.whole(plan.within)
    going = f"{now} - begun[-1] < {within}" + (" AND ended[-1] <= begun[-1]" if plan.marked else "")
    if len(plan.steps) == 1:
        going = "false"
    excluded = "false"
    if plan.exclusions and len(plan.steps) > 1:
        # Whether an attempt has begun before the instant of the exclusion, from the entry at the instant's beginning.
        earlier = "arrayFill((earlier, flags) -> flags != 0, arrayMap((begun, flags) -> begun, begun, flags), flags)"
        table = layered(table, f"{earlier} AS begun_before")
        condition = "ends != 0 AND most = depth AND begun_before != 0 AND begun_before >= low"
        excluded = f"arrayExists((ends, most, begun_before, low) -> {condition}, ends, most, begun_before, low)"
    return layered(
        table,
        "arrayFirstIndex(most -> most = depth, most) AS there",
        f"({going}) AS going",
        f"if(going, begun[-1] + {within}, 0) AS goes_until",
        f"{excluded} AS excluded",
    )


def _latest_start(table: str, parts: Sequence[Sequence[_Hall]]) -> str:
    """The latest instant from which the depth is got to that soon."""
    table = layered(table, "t[there] AS last", "low[there] AS first_low")
    kept = "arrayFilter((index, t, takes) -> takes != 0 AND t >= first_low AND t <= last, arrayEnumerate(t), t, takes)"
    table = layered(table, f"{kept} AS indexes")
    table = layered(
        table,
        "arrayFilter((t, takes) -> takes != 0 AND t >= first_low AND t <= last, t, takes) AS late_t",
        "arrayFilter((takes, t) -> takes != 0 AND t >= first_low AND t <= last, takes, t) AS late_takes",
    )
    columns = [
        f"arrayReverse(arrayCumSum(arrayReverse({_hits(hall, 'late_takes')}))) AS after{hall.number}"
        for hall in _all(parts)
    ]
    names = ", ".join(f"after{hall.number}" for hall in _all(parts))
    table = layered(table, *columns)
    table = layered(
        table, f"late_t[arrayLastIndex(({names}) -> {_most(parts, 'after{0}')} >= depth, {names})] AS latest"
    )
    return layered(table, "arrayLast(t -> t <= latest AND t < until, late_t) AS start")


def _chain(plan: FunnelPlan, table: str, parts: Sequence[Sequence[_Hall]]) -> str:
    """The attempt that speaks: its first event, then each that makes one more step possible."""
    first = "arrayLastIndex(t -> t = start, late_t)"
    table = layered(table, f"{first} AS first_place")
    # The first event, then the others from its instant on.
    others = "arrayFilter((place, t) -> t >= start AND place != first_place, arrayEnumerate(late_t), late_t)"
    table = layered(table, f"arrayPushFront({others}, first_place) AS places")
    table = layered(
        table,
        "arrayPushFront(arrayFilter((takes, t, place) -> t >= start AND place != first_place, "
        "late_takes, late_t, arrayEnumerate(late_t)), late_takes[first_place]) AS taking",
    )
    columns = [f"arrayCumSum({_hits(hall, 'taking')}) AS upto_now{hall.number}" for hall in _all(parts)]
    names = ", ".join(f"upto_now{hall.number}" for hall in _all(parts))
    table = layered(table, *columns)
    table = layered(table, f"arrayMap(({names}) -> {_most(parts, 'upto_now{0}')}, {names}) AS so_far")
    step = "arrayFilter((place, more) -> more > 0, places, arrayPushFront(arrayPopFront(arrayDifference(so_far)), 1))"
    table = layered(table, f"arraySlice({step}, 1, depth) AS taken")
    return of_chain(plan, table, [f"indexes[taken[{n}]]" for n in range(1, len(plan.steps) + 1)])
