"""Groups of a breakdown: which group an event is in, which groups are shown, and what the rest is.

Shape   cell_of(event, breakdowns, world) → Cell or None · shown(totals, top) → the cells of the groups that are shown
        · Division: the groups of an answer, each with the events or people that are in it
Laws    an event is in the unknown group if any part of its cell is unknown; that group is never among the top, nor in
        `other`. Ties of the order are by value: numbers, false, true, texts by code point; bins by their edges
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from analytics_oracle.filters import in_segment, profile_value
from analytics_oracle.values import Value, order, value_at
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import Group
from tinycdp.products.analytics.questions.schemas import Breakdown

#: The values of one group, one for each breakdown, each with its place in the order: (order, value).
Cell: TypeAlias = tuple[tuple[tuple[Any, ...], Value], ...]


def breakdowns_of(question: Any) -> tuple[Breakdown, ...]:
    asked = question.breakdown
    return asked if isinstance(asked, tuple) else (asked,)


def parts_of(event: RawEvent, breakdowns: tuple[Breakdown, ...], world: World) -> tuple[Any, ...]:
    """The part of the cell for each breakdown; None where it is unknown."""
    return tuple(_part(event, breakdown, world) for breakdown in breakdowns)


def cell_of(event: RawEvent, breakdowns: tuple[Breakdown, ...], world: World) -> Cell | None:
    return whole(parts_of(event, breakdowns, world))


def whole(parts: tuple[Any, ...]) -> Cell | None:
    return None if None in parts else parts


def parts_order(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """The order of cells with unknown parts: those come last."""
    return tuple((0, part[0]) if part is not None else (1,) for part in parts)


def _part(event: RawEvent, breakdown: Breakdown, world: World) -> tuple[tuple[Any, ...], Value] | None:
    value = _value(event, breakdown, world)
    if breakdown.bins:
        return _bin(value, breakdown.bins) if isinstance(value, Decimal) else None
    return (order(value), value) if value is not None else None


def _value(event: RawEvent, breakdown: Breakdown, world: World) -> Value:
    person = world.person(world.owner(event))
    if breakdown.property:
        return value_at(event.properties, breakdown.property)
    if breakdown.context:
        return value_at(event.context, breakdown.context)
    if breakdown.group:
        return value_at(person.group_traits, breakdown.group)
    if breakdown.profile:
        now = breakdown.at == "now"
        return value_at(person.properties, breakdown.profile) if now else profile_value(event, breakdown.profile, world)
    now = breakdown.at == "now"
    return breakdown.segment in person.segments if now else in_segment(event, breakdown.segment, world)


def _bin(value: Decimal, edges: tuple[Decimal, ...]) -> tuple[tuple[Any, ...], Value]:
    """Below the first edge, from each edge to the next, and from the last one on."""
    place = sum(value >= edge for edge in edges)
    if place == 0:
        return (place,), f"below {edges[0]}"
    return (place,), f"{edges[-1]} and above" if place == len(edges) else f"{edges[place - 1]} to {edges[place]}"


@dataclass(frozen=True)
class Division:
    """The groups of an answer.

    shown    the cells that have a group of their own, in their order
    other    whether there are more; unknown: whether anything is without a value
    divided  False without a breakdown: all is one group"""

    shown: tuple[Cell, ...] = ()
    other: bool = False
    unknown: bool = False
    divided: bool = True

    def groups(self) -> list[Group | None]:
        if not self.divided:
            return [None]
        found: list[Group | None] = [Group("value", tuple(value for _, value in cell)) for cell in self.shown]
        return found + [Group("other")] * self.other + [Group("unknown")] * self.unknown

    def place(self, cell: Cell | None) -> int:
        """The index of the group that a cell is in; -1 if this answer has none for it."""
        if not self.divided:
            return 0
        if cell is None:
            return len(self.shown) + self.other if self.unknown else -1
        if cell in self.shown:
            return self.shown.index(cell)
        return len(self.shown) if self.other else -1


def divide(totals: Mapping[Cell | None, Any], top: int) -> Division:
    """The groups by their totals, the greatest first; an unknown total is the least."""
    cells = [cell for cell in totals if cell is not None]
    cells.sort(key=lambda cell: (totals[cell] is None, -Fraction(totals[cell] or 0), [part[0] for part in cell]))
    return Division(tuple(cells[:top]), len(cells) > top, None in totals)


def tally(cells: Iterable[Cell | None]) -> dict[Cell | None, int]:
    found: dict[Cell | None, int] = {}
    for cell in cells:
        found[cell] = found.get(cell, 0) + 1
    return found
