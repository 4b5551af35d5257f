"""What clients and server exchange about profiles and groups."""

from typing import Any

import msgspec

from tinycdp.runtime.profiles.views import Event, Person, PersonSummary, Transition


class WholePerson(msgspec.Struct, rename="camel"):
    """A person with what they did lately, and the segments they entered and left."""

    profile: Person
    recent_events: list[Event]
    transitions: list[Transition]


class Group(msgspec.Struct, rename="camel", omit_defaults=True):
    """members  how many people belong to it; in answers about one group"""

    key: str
    traits: dict[str, Any]
    created_at: str
    changed_at: str
    members: int | msgspec.UnsetType = msgspec.UNSET


class Groups(msgspec.Struct):
    """In the order of their keys. `next` is what `after` takes for the following page."""

    groups: list[Group]
    next: str | None


class GroupMembers(msgspec.Struct):
    """In the order of profile ids. `next` is what `after` takes for the following page."""

    members: list[PersonSummary]
    next: str | None
