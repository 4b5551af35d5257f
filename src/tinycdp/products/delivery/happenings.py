"""What happens and can be sent: its types, and which of it a destination wants.

Shape   Happening · WantedHappenings: what some destinations want
        happenings_of(…) → those of one row of the outbox
Laws    pure. A happening holds ids and instants; what is sent is read when it is sent
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from tinycdp.engine import outbox
from tinycdp.model import Instant

Type = Literal["segment.entered", "segment.exited", "profile.merged", "profile.unmerged", "flag.changed", "event"]
TYPES: tuple[Type, ...] = get_args(Type)
OF_SEGMENTS = frozenset({"segment.entered", "segment.exited"})
EVENT = "event"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened; seq is 0 before it is in the log. The other fields are those of the table.

    Of an event, object_id is its id and cause its name."""

    seq: int
    position: int
    at: Instant
    type: str
    profile_id: int | None = None
    other_id: int | None = None
    object_id: int | None = None
    revision: int | None = None
    cause: str = ""

    @property
    def profile_ids(self) -> tuple[int, ...]:
        """Whose it is: deliveries of one person are in order. A flag counts as a person of its own."""
        if self.profile_id is None:
            return (-(self.object_id or 0),)
        return (self.profile_id,) if self.other_id in (None, self.profile_id) else (self.profile_id, self.other_id)


@dataclass(frozen=True, slots=True)
class WantedHappenings:
    """Types, of segment events the segments, and of events the names; None for all."""

    types: frozenset[str]
    segments: frozenset[int] | None = None
    names: frozenset[str] | None = None

    def has(self, happening: Happening) -> bool:
        """Whether it is wanted."""
        if happening.type not in self.types:
            return False
        if happening.type == EVENT:
            return self.names is None or happening.cause in self.names
        return self.segments is None or happening.type not in OF_SEGMENTS or happening.object_id in self.segments


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event as the log needs it. name: of a call without one, $identify, $group or $alias"""

    name: str
    at: Instant


_NO_EVENTS: Mapping[int, NamedEvent] = MappingProxyType({})


def of_all(each: Iterable[WantedHappenings]) -> WantedHappenings:
    """What at least one of these wants, and perhaps a little more."""
    types: set[str] = set()
    segments: set[int] | None = set()
    names: set[str] | None = set()
    for one in each:
        types |= one.types
        if one.types & OF_SEGMENTS:
            segments = None if segments is None or one.segments is None else segments | one.segments
        if EVENT in one.types:
            names = None if names is None or one.names is None else names | one.names
    return WantedHappenings(
        frozenset(types),
        None if segments is None else frozenset(segments),
        None if names is None else frozenset(names),
    )


def stored_in(changes: Iterable[outbox.Change]) -> list[outbox.StoredEvents]:
    """The messages that a transaction stored; what an anonymisation keeps is stored again, and is not news."""
    changes = list(changes)
    if any(isinstance(change, outbox.Erased) for change in changes):
        return []
    return [change for change in changes if isinstance(change, outbox.StoredEvents)]


def happenings_of(
    position: int, at: Instant, changes: Iterable[outbox.Change], events: Mapping[int, NamedEvent] = _NO_EVENTS
) -> Iterator[Happening]:
    """What happened in one transaction, in order. events: those of it that are wanted, by id"""
    changes = list(changes)
    erases = any(isinstance(change, outbox.Erased) for change in changes)
    for change in changes:
        match change:
            case outbox.StoredEvents() if not erases:
                for id, profile_id in change.pairs():
                    if (event := events.get(id)) is not None:
                        yield Happening(0, position, event.at, EVENT, profile_id, object_id=id, cause=event.name)
            case outbox.Transitions(rows):
                for row in rows:
                    type_ = "segment.entered" if row.entered else "segment.exited"
                    yield Happening(
                        0, position, row.at, type_, row.profile_id, object_id=row.segment_id, cause=row.cause
                    )
            case outbox.Merged():
                yield Happening(
                    0, position, at, "profile.merged", change.survivor_id, change.absorbed_id, change.id, None,
                    change.cause,
                )  # fmt: skip
            case outbox.Unmerged() if not erases:  # what an anonymisation keeps belongs to no profile
                merge = change.merges[0] if change.merges else None
                pairs = dict.fromkeys((one.from_id, one.to_id) for one in changes if isinstance(one, outbox.Moved))
                for from_id, to_id in pairs:
                    cause = "undo" if change.merges else "split"
                    yield Happening(0, position, at, "profile.unmerged", from_id, to_id, merge, None, cause)


def erased_in(changes: Iterable[outbox.Change]) -> list[int]:
    """The profiles that a transaction erased."""
    return [id for change in changes if isinstance(change, outbox.Erased) for id in change.profiles]
