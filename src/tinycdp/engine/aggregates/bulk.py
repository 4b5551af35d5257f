"""Many past events taken into one aggregate at once: what a warm-up and a rebuild do.

Shape   Past: the events of one profile and one name, as columns · Recall(kept) takes them · needs(kept): what of the
        events has to be read for that
Laws    recall leaves the state that taking the events one by one, in any order, would leave, and none where no event
        matches
Source  docs/decisions/0016-backfill.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.ir import Family
from tinycdp.dsl.values.calendar import Days
from tinycdp.engine.aggregates.calendar_days import DayMap, Extent
from tinycdp.engine.aggregates.counters import empty
from tinycdp.engine.aggregates.event_log import Entry, rank
from tinycdp.engine.catalog import Kept
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant

#: The families whose state has no use for message ids.
_WITHOUT_IDS = frozenset({Family.COUNT, Family.DAYS, Family.SPAN, Family.UNIQUE})

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Needs:
    """What of past events some aggregates ask for.

    names       of the events, None for any
    properties  the names of the properties, at the top level
    ids         whether message ids are needed"""

    names: frozenset[str] | None
    properties: frozenset[str]
    ids: bool


@dataclass(frozen=True, slots=True)
class Past:
    """Events of one profile and one name, in any order. ids and properties are None where nobody asked for them."""

    name: str
    instants: Sequence[Instant]
    ids: Sequence[str] | None
    properties: Sequence[Properties] | None


def needs(kept: Iterable[Kept]) -> Needs:
    names: set[str] | None = set()
    properties: set[str] = set()
    ids = False
    for each in kept:
        spec = each.spec
        ids = ids or spec.family not in _WITHOUT_IDS
        properties.update(spec.path[:1])
        if spec.where is not None:
            properties.update(node.path[0] for node in ir.walk(spec.where) if isinstance(node, ir.EventProperty))
        if spec.event is None:
            names = None
        elif names is not None:
            names.add(spec.event)
    return Needs(frozenset(names) if names is not None else None, frozenset(properties), ids)


class Recall:
    """One aggregate, ready to take the past of any number of profiles."""

    def __init__(self, kept: Kept, calendar: Days) -> None:
        self.kept = kept
        self._calendar = calendar

    def recall(self, profile: Profile, pasts: Iterable[Past]) -> None:
        """Make the profile's state of this aggregate what these events, all it ever had, tell."""
        event = self.kept.spec.event
        profile.forget(self.kept.key)
        mine = [past for past in pasts if event is None or event == past.name]
        if self.kept.spec.family is Family.LAST:
            found = [entry for past in mine for entry in islice(self._matching(_newest_first(past)), 1)]
        else:
            found = [entry for past in mine for entry in self._matching(_rows(past))]
        if not found:
            return
        state = profile.states[self.kept.key] = empty(self.kept.spec.family)
        state.serve(self.kept.hops)
        match state:
            case DayMap():
                state.extend({self._calendar.day(entry[0]) for entry in found})
            case Extent():
                state.extend([entry[0] for entry in found])
            case _:
                state.extend(found)

    def _matching(self, rows: Iterable[tuple[Instant, str, Properties]]) -> Iterable[Entry]:
        """The events that count, each with what it is worth."""
        matches, worth = self.kept.matches, self.kept.worth
        if matches is not None:
            rows = (row for row in rows if matches(row[2]))
        if worth is None:
            return ((ts, id, None) for ts, id, _ in rows)
        return ((ts, id, value) for ts, id, properties in rows if (value := worth(properties)) is not None)


def _rows(past: Past) -> Iterable[tuple[Instant, str, Properties]]:
    return zip(past.instants, past.ids or repeat(""), past.properties or repeat({}), strict=False)


def _newest_first(past: Past) -> Iterable[tuple[Instant, str, Properties]]:
    return sorted(_rows(past), key=rank, reverse=True)
