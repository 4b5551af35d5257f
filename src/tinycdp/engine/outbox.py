"""What one transaction changed: the contract of everything that follows the outbox (analytics, delivery, alerts).

Shape   a row of the outbox is a JSON list of changes, in the order in which they took effect. changes_of(…) makes one
        from what happened, encoded by any JSON encoder of msgspec; decode(…) reads it
Units   ids are those of the tables; instants are integer milliseconds
Laws    a row holds ids and instants only, never what a person said: a consumer reads that from the tables. A row that
        is gone by then was erased since, or its partition was dropped: skip it.
        Applied in order from the beginning, the changes give the profile of every identifier and event, and the
        segments of every profile. A consumer ignores fields it does not know and refuses kinds it does not know
Source  docs/decisions/0029-outbox.md; docs/architecture.md "The outbox"
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from tinycdp.engine.recompute import Cause, Transition
from tinycdp.model import Instant

__all__ = [
    "Cause",
    "Change",
    "Crossing",
    "Erased",
    "Events",
    "MergeCause",
    "Merged",
    "Moved",
    "Transitions",
    "Unmerged",
    "Written",
    "changes_of",
    "decode",
    "runs",
]


class Events(msgspec.Struct, frozen=True, tag_field="kind", tag="events"):
    """Messages that are stored now, of whatever kind.

    ids       runs (first, last) of ids in `events`, both inclusive; inside a run no id belongs to anything else
    profiles  the profile of each message, in the order of ids, as it is after this transaction
    received  the earliest and the latest `received_at`: they say which partitions of `events` to look into"""

    ids: list[tuple[int, int]]
    profiles: list[int]
    received: tuple[Instant, Instant]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(event id, profile id) of each message."""
        ids = (id for first, last in self.ids for id in range(first, last + 1))
        return zip(ids, self.profiles, strict=True)


class Crossing(NamedTuple):
    """One profile entered or left one segment.

    at     when the truth changed, which for the clock is earlier than the transaction
    cause  event: a message of the profile · clock: time passed · group: the traits of its group changed ·
           merge: identifiers became its own or another's · unmerge: a merge was taken back, or a profile was split ·
           edit: another definition of the segment went live · repair: `doctor --verify --repair` rebuilt it"""

    profile_id: int
    segment_id: int
    entered: bool
    at: Instant
    cause: Cause


class Transitions(msgspec.Struct, frozen=True, tag_field="kind", tag="transitions"):
    """Profiles that entered or left segments, as in the table `transitions`. Those of one profile are in order."""

    rows: list[Crossing]


class Moved(msgspec.Struct, frozen=True, tag_field="kind", tag="moved"):
    """Identifiers, with all their events, that belong to another profile from now on: by a merge, an unmerge, or a
    stronger claim that came late.

    identifiers  their ids in `aliases`, which are also the `alias_id` of their events"""

    from_id: int
    to_id: int
    identifiers: list[int]


#: What made two profiles one: the identifiers of a message, an alias call, an admin, or an undo that left this much.
MergeCause: TypeAlias = Literal["claim", "alias", "manual", "undo"]


class Merged(msgspec.Struct, frozen=True, tag_field="kind", tag="merged"):
    """Two profiles are one. The survivor is in every segment that either was in, without a transition; the absorbed
    profile is in none and has no identifiers.

    id     of the row in `merges`
    cause  claim, alias, manual or undo, as in that row. undo: the absorbed profile now leads to another survivor,
           because the merge it was absorbed by was taken back"""

    id: int
    survivor_id: int
    absorbed_id: int
    cause: MergeCause


class Unmerged(msgspec.Struct, frozen=True, tag_field="kind", tag="unmerged"):
    """Merges were taken back, or a profile was split. Which identifiers moved is in the `moved` beside it.

    merges    ids in `merges` of those undone; none for a split of identifiers that no merge brought
    profiles  (profile id, ids of its segments) of each profile made anew, as it is after this transaction"""

    merges: list[int]
    profiles: list[tuple[int, list[int]]]


class Erased(msgspec.Struct, frozen=True, tag_field="kind", tag="erased"):
    """Profiles that were never here: forget them, their identifiers and the events of these, in every copy.

    erasure_id   of the receipt in `erasures`
    profiles     with all that were merged into them
    identifiers  their ids in `aliases`, which are also the `alias_id` of their events"""

    erasure_id: int
    profiles: list[int]
    identifiers: list[int]


class Written(msgspec.Struct, frozen=True, tag_field="kind", tag="written"):
    """Profiles that changed without a message of their own: made by an alias call that named them, or members of a
    group whose traits changed. Profiles that only time changed are not among them."""

    profiles: list[int]


Change: TypeAlias = Events | Transitions | Moved | Merged | Unmerged | Erased | Written

#: The JSON text of a row, read.
decode = msgspec.json.Decoder(list[Change]).decode


def changes_of(happened: Iterable[Change | Transition]) -> list[Change]:
    """What happened, as a row has it. Transitions of a revision that is not live yet are left out."""
    found: list[Change] = []
    rows: list[Crossing] | None = None
    for one in happened:
        if not isinstance(one, Transition):
            found.append(one)
            rows = None
        elif not one.is_next:
            if rows is None:
                rows = []
                found.append(Transitions(rows))
            rows.append(Crossing(one.profile_id, one.segment_id, one.entered, one.at, one.cause))
    return found


def runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending ids as runs (first, last) without a gap."""
    if ids and ids[-1] - ids[0] == len(ids) - 1:
        return [(ids[0], ids[-1])]
    found: list[tuple[int, int]] = []
    for id in ids:
        if found and found[-1][1] == id - 1:
            found[-1] = (found[-1][0], id)
        else:
            found.append((id, id))
    return found
