"""The changes of one transaction: the contract of all consumers of the outbox.

Shape   a row of the outbox is a JSON list of changes, in the order in which they took effect. changes_of(…) makes it,
        any JSON encoder of msgspec encodes it, and decode(…) reads it
Units   ids are those of the tables; instants are integer milliseconds
Laws    a row holds only ids and instants, no personal data: a consumer reads that from the tables. An id that is no
        longer in its table was erased, or its partition was dropped: skip it.
        Applied in order from the beginning, the changes give the profile of every identifier and event, and the
        segments of every profile. A consumer ignores unknown fields and rejects unknown kinds
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
    "MergeCause",
    "Merged",
    "Moved",
    "RecordedExposures",
    "StoredEvents",
    "Transitions",
    "Unmerged",
    "Written",
    "changes_of",
    "decode",
    "runs",
]


class StoredEvents(msgspec.Struct, frozen=True, tag_field="kind", tag="events"):
    """Stored messages of any kind.

    After `erased`, an anonymisation stores what it keeps again, for other profiles and identifiers. Their ids stay: a
    consumer that reads late may have them already, and replaces them.

    ids       runs (first, last) of ids in `events`, both inclusive; a run holds no other ids
    profiles  the profile of each message, in the order of ids, after this transaction
    received  the earliest and the latest `received_at`: they bound the partitions of `events` to read"""

    ids: list[tuple[int, int]]
    profiles: list[int]
    received: tuple[Instant, Instant]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(event id, profile id) of each message."""
        ids = (id for first, last in self.ids for id in range(first, last + 1))
        return zip(ids, self.profiles, strict=True)


class Crossing(NamedTuple):
    """One profile entered or left one segment.

    at     when membership changed; for the clock, earlier than the transaction
    cause  event: a message of the profile · clock: time passed · group: the traits of its group changed ·
           merge: it gained or lost identifiers · unmerge: a merge was undone, or a profile was split ·
           edit: another definition of the segment went live · repair: `doctor --verify --repair` rebuilt it ·
           anonymization: it lost what the rule asks for"""

    profile_id: int
    segment_id: int
    entered: bool
    at: Instant
    cause: Cause


class Transitions(msgspec.Struct, frozen=True, tag_field="kind", tag="transitions"):
    """Profiles that entered or left segments, as in the table `transitions`.

    Those of one profile are in order."""

    rows: list[Crossing]


class Moved(msgspec.Struct, frozen=True, tag_field="kind", tag="moved"):
    """Identifiers that moved to another profile, with all their events.

    The reason is a merge, an unmerge, or a stronger claim that arrived late.

    identifiers  their ids in `identifiers`, which are also the `identifier_id` of their events"""

    from_id: int
    to_id: int
    identifiers: list[int]


#: Why two profiles were merged: identifiers of one message, an alias call, an admin, or what is left after an undo.
MergeCause: TypeAlias = Literal["claim", "alias", "manual", "undo"]


class Merged(msgspec.Struct, frozen=True, tag_field="kind", tag="merged"):
    """Two profiles were merged.

    The survivor is in every segment that either was in, without a transition. The absorbed profile is in no segment and
    has no identifiers.

    id     of the row in `merges`
    cause  claim, alias, manual or undo, as in that row. undo: the absorbed profile now leads to another survivor,
           because the merge that had absorbed it was undone"""

    id: int
    survivor_id: int
    absorbed_id: int
    cause: MergeCause


class Unmerged(msgspec.Struct, frozen=True, tag_field="kind", tag="unmerged"):
    """Merges were undone, a profile was split, or profiles were anonymised.

    The `moved` beside it says which identifiers moved; an anonymisation moves none.

    merges    ids in `merges` of those undone; empty for a split of identifiers that no merge added, and for an
              anonymisation
    profiles  (profile id, ids of its segments) of each profile that was rebuilt, after this transaction"""

    merges: list[int]
    profiles: list[tuple[int, list[int]]]


class Erased(msgspec.Struct, frozen=True, tag_field="kind", tag="erased"):
    """Profiles were erased, or anonymised: delete them, their identifiers and events from every copy.

    After an anonymisation, `events`, `transitions` and `unmerged` beside it have what is kept, for new profiles.

    After an anonymisation, `exposures` beside it has the kept ones, which have the same ids.

    erasure_id   of the receipt in `erasures`
    profiles     including all that were merged into them
    identifiers  their ids in `identifiers`, which are also the `identifier_id` of their events
    exposures    runs (first, last) of ids in `exposures`, both inclusive; a run holds no other ids"""

    erasure_id: int
    profiles: list[int]
    identifiers: list[int]
    exposures: list[tuple[int, int]] = []


class RecordedExposures(msgspec.Struct, frozen=True, tag_field="kind", tag="exposures"):
    """Recorded exposures; in a row of their own, because they change no profile.

    After `erased`, an anonymisation gives what it keeps to other units and profiles, under the same ids.

    ids  runs (first, last) of ids in `exposures`, both inclusive; a run holds no other ids"""

    ids: list[tuple[int, int]]


class Written(msgspec.Struct, frozen=True, tag_field="kind", tag="written"):
    """Profiles that changed without a message of their own.

    They were created by an alias call that named them, or their group's traits changed. Changes by time alone are not
    included."""

    profiles: list[int]


Change: TypeAlias = StoredEvents | Transitions | Moved | Merged | Unmerged | Erased | Written | RecordedExposures

#: Decodes the JSON text of a row.
decode = msgspec.json.Decoder(list[Change]).decode


def changes_of(happened: Iterable[Change | Transition]) -> list[Change]:
    """The changes for a row, without transitions of a revision that is not live yet."""
    found: list[Change] = []
    rows: list[Crossing] | None = None
    for one in happened:
        if not isinstance(one, Transition):
            found.append(one)
            rows = None
        elif not one.is_candidate:
            if rows is None:
                rows = []
                found.append(Transitions(rows))
            rows.append(Crossing(one.profile_id, one.segment_id, one.entered, one.at, one.cause))
    return found


def runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Runs (first, last) of consecutive ids; `ids` must be ascending."""
    if ids and ids[-1] - ids[0] == len(ids) - 1:
        return [(ids[0], ids[-1])]
    found: list[tuple[int, int]] = []
    for id in ids:
        if found and found[-1][1] == id - 1:
            found[-1] = (found[-1][0], id)
        else:
            found.append((id, id))
    return found
