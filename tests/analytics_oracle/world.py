"""What the oracle is asked about: every event, who said what, and who is who now, as plain data.

Shape   World(zone, as_of, events, said, moved, people, exposures, owners, …); the indexes are computed when asked for
Units   instants in milliseconds UTC
Laws    all of it was acknowledged before `as_of`, so no event is later. The order of each tuple means nothing
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from tinycdp.products.analytics.questions.schemas import DerivedEvent


@dataclass(frozen=True)
class RawEvent:
    """A track, page or screen call, as it was accepted.

    identifier_id      the identifier it was sent for
    stored_profile_id  the profile that the identifier belonged to when the event arrived"""

    id: int
    name: str
    occurred_at: int
    received_at: int
    identifier_id: int
    stored_profile_id: int
    kind: Literal["track", "page", "screen"] = "track"
    active: bool = True
    message_id: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What one identify call set a property to; None removes it."""

    identifier_id: int
    property: str
    at: int
    message_id: str
    value: Any


@dataclass(frozen=True)
class Moved:
    """A profile that entered a segment or left it."""

    profile_id: int
    segment: str
    at: int
    entered: bool
    id: int = 0


@dataclass(frozen=True)
class Person:
    """A profile as it is now.

    group   the key of its group; group_traits are that group's"""

    properties: Mapping[str, Any] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    group: str | None = None
    group_traits: Mapping[str, Any] = field(default_factory=dict)
    alive: bool = True


@dataclass(frozen=True)
class Exposure:
    """A unit that saw a variant of a flag, first at this instant."""

    flag: str
    unit: str
    profile_id: int
    variant: str
    first_at: int
    rule: str = ""
    version: int = 1


@dataclass(frozen=True)
class Flag:
    """What an experiment needs to know of a flag.

    variants  in their order; splits: rule → variant → its share"""

    variants: tuple[str, ...]
    off: str
    splits: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """All that answers are computed from.

    owners   identifier → the profile it belongs to now; an identifier that is not here belongs where its events say
    derived  the saved events that questions name
    flags    by key"""

    zone: str
    as_of: int
    events: tuple[RawEvent, ...] = ()
    said: tuple[Said, ...] = ()
    moved: tuple[Moved, ...] = ()
    people: Mapping[int, Person] = field(default_factory=dict)
    exposures: tuple[Exposure, ...] = ()
    owners: Mapping[int, int] = field(default_factory=dict)
    derived: Mapping[str, DerivedEvent] = field(default_factory=dict)
    flags: Mapping[str, Flag] = field(default_factory=dict)

    def owner(self, event: RawEvent) -> int:
        """The profile that an event belongs to now."""
        return self.owners.get(event.identifier_id, event.stored_profile_id)

    def person(self, profile: int) -> Person:
        """A profile that nothing is known of has no properties."""
        return self.people.get(profile, Person())

    @cached_property
    def histories(self) -> dict[int, tuple[RawEvent, ...]]:
        """The events of each profile that is alive, by instant. Ties are by id, which no answer may depend on."""
        found: dict[int, list[RawEvent]] = {}
        for event in sorted(self.events, key=lambda e: (e.occurred_at, e.id)):
            if self.person(self.owner(event)).alive:
                found.setdefault(self.owner(event), []).append(event)
        return {profile: tuple(found[profile]) for profile in sorted(found)}

    @cached_property
    def identifiers(self) -> dict[int, set[int]]:
        """The identifiers of each profile now."""
        found: dict[int, set[int]] = {}
        for identifier, profile in self.owners.items():
            found.setdefault(profile, set()).add(identifier)
        for event in self.events:
            found.setdefault(self.owner(event), set()).add(event.identifier_id)
        return found
