"""Add many past events to one aggregate at once, for backfills and rebuilds.

Shape   PastEvents: the events of one profile with one name, as columns · Rebuilder(kept) adds them · needs(kept): which
        parts of the events must be read for that
Laws    a rebuild leaves the same state as adding the events one by one, in any order; no state if no event matches
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
from tinycdp.engine.aggregates.codec import empty
from tinycdp.engine.aggregates.event_log import Entry, rank
from tinycdp.engine.catalog import KeptAggregate
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant

#: The families whose state does not use message ids.
_WITHOUT_IDS = frozenset({Family.COUNT, Family.DAYS, Family.SPAN, Family.UNIQUE})

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Needs:
    """The parts of past events that some aggregates need.

    names       names of the events; None for all
    properties  names of the properties, at the top level
    ids         whether message ids are needed"""

    names: frozenset[str] | None
    properties: frozenset[str]
    ids: bool


@dataclass(frozen=True, slots=True)
class PastEvents:
    """Events of one profile with one name, in any order.

    ids and properties may be None if they are not needed."""

    name: str
    instants: Sequence[Instant]
    ids: Sequence[str] | None
    properties: Sequence[Properties] | None


def needs(kept: Iterable[KeptAggregate]) -> Needs:
    """The parts of past events that these aggregates need."""
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


class Rebuilder:
    """Rebuilds one aggregate's state from past events, for any number of profiles."""

    def __init__(self, kept: KeptAggregate, calendar: Days) -> None:
        self.kept = kept
        self._calendar = calendar

    def rebuild(self, profile: Profile, pasts: Iterable[PastEvents]) -> None:
        """Set the profile's state of this aggregate to that of these events.

        They must be all the events it ever had."""
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
        state.keep_buckets(self.kept.bucket_widths)
        match state:
            case DayMap():
                state.extend({self._calendar.day(entry[0]) for entry in found})
            case Extent():
                state.extend([entry[0] for entry in found])
            case _:
                state.extend(found)

    def _matching(self, rows: Iterable[tuple[Instant, str, Properties]]) -> Iterable[Entry]:
        """The events that count, each with its value."""
        matches, value_of = self.kept.matches, self.kept.value_of
        if matches is not None:
            rows = (row for row in rows if matches(row[2]))
        if value_of is None:
            return ((ts, id, None) for ts, id, _ in rows)
        return ((ts, id, value) for ts, id, properties in rows if (value := value_of(properties)) is not None)


def _rows(past: PastEvents) -> Iterable[tuple[Instant, str, Properties]]:
    return zip(past.instants, past.ids or repeat(""), past.properties or repeat({}), strict=False)


def _newest_first(past: PastEvents) -> Iterable[tuple[Instant, str, Properties]]:
    return sorted(_rows(past), key=rank, reverse=True)
