"""What clients and server exchange about identity."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.http.params import Note
from tinycdp.api.profiles.schemas import IdentifierRef

#: Why two identifiers were not joined.
RejectionReason = Literal["CLAIMED", "LIMIT", "NEW_LIMIT", "RULE", "KEPT_APART"]


class MergeBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Profiles to merge.

    profiles  2 to 20, each by an identifier, as `kind:value`, or as `profileId:number`
    survivor  the profile that keeps its id, by default the oldest. The bucketing key is always that of the oldest
    note      the reason, for the history
    dry_run   change nothing; answer what would happen"""

    profiles: list[str]
    survivor: str | None = None
    note: Note = ""
    dry_run: bool = False


class UndoBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """How to undo a merge.

    note     the reason, for the history
    dry_run  change nothing; answer what would happen"""

    note: Note = ""
    dry_run: bool = False


class SplitBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Identifiers to split off.

    identifiers  become a profile of their own, together with the identifiers that they own
    note         the reason, for the history
    dry_run      change nothing; answer what would happen"""

    identifiers: Annotated[list[IdentifierRef], msgspec.Meta(min_length=1, max_length=1_000)]
    note: Note = ""
    dry_run: bool = False


class SegmentEntry(msgspec.Struct, frozen=True):
    """A segment, and when the profile entered it."""

    key: str
    since: str


class ProfileState(msgspec.Struct, frozen=True, rename="camel"):
    """A profile before or after the change."""

    id: str
    bucketing_key: str
    identifiers: list[IdentifierRef]
    properties: dict[str, Any]
    segments: list[SegmentEntry]


class PropertyConflict(msgspec.Struct, frozen=True, rename="camel"):
    """A property that has different values in several profiles; the latest written wins.

    winner              the profile whose value is kept
    values, written_at  by profile"""

    property: str
    winner: str
    values: dict[str, Any]
    written_at: dict[str, str]


class MergeResult(msgspec.Struct, frozen=True, rename="camel"):
    """What a merge did, or with `dryRun` would do.

    merges  their ids, to undo them; empty for a dry run"""

    survivor: str
    merges: list[str]
    moved: list[IdentifierRef]
    conflicts: list[PropertyConflict]
    before: list[ProfileState]
    after: ProfileState
    dry_run: bool


class IdentifierPair(msgspec.Struct, frozen=True):
    """Two identifiers that are kept apart until an alias call or an admin joins them again."""

    one: IdentifierRef
    other: IdentifierRef


class UnmergeResult(msgspec.Struct, frozen=True, rename="camel"):
    """What an undo or a split did, or with `dryRun` would do.

    before, after  the profiles whose identifiers changed"""

    kept_apart: list[IdentifierPair]
    before: list[ProfileState]
    after: list[ProfileState]
    dry_run: bool


class GraphNode(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier.

    outside  it belongs to another profile, but is linked to this one"""

    id: str
    kind: str
    value: str
    profile_id: str
    first_seen: str
    outside: bool = False


class GraphEdge(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A link between two nodes: `from` claims `to`, or they are joined.

    state       holds; beaten: a better claim on `to` holds; apart: withdrawn by an undo or a split
    said_at     the instant of the message by the client's corrected clock; of an admin's join, when it was made
    message_id  the best message that links them; null if an admin did
    linked_at   when the link was first stored"""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    kind: Literal["claim", "join"]
    state: Literal["holds", "beaten", "apart"]
    said_at: str
    message_id: str | None
    linked_at: str
    apart_at: str | None


class Merge(msgspec.Struct, frozen=True, rename="camel"):
    """Two profiles that became one.

    cause  claim; alias: an alias call; manual: an admin; undo: the absorbed profile went on below another survivor
    by     the pair of identifiers that caused it
    moved  the identifiers of the absorbed profile"""

    id: str
    survivor: str
    absorbed: str
    cause: str
    by: list[IdentifierRef]
    message_id: str | None
    merged_at: str
    author: str | None
    note: str
    moved: list[IdentifierRef]
    undone_at: str | None
    undone_by: str | None
    undo_note: str


class Split(msgspec.Struct, frozen=True, rename="camel"):
    """Identifiers that an admin split off into a profile of their own."""

    id: str
    identifiers: list[IdentifierRef]
    author: str
    note: str
    split_at: str


class RejectedClaim(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier that was not joined with `other`.

    reason  CLAIMED, LIMIT, NEW_LIMIT, RULE or KEPT_APART
    kept    the identifier that owns it, or itself if it has no owner"""

    id: str
    reason: str
    identifier: IdentifierRef
    kept: IdentifierRef
    other: IdentifierRef
    profile_id: str
    other_profile_id: str
    message_id: str
    rejected_at: str


class BlockedValue(msgspec.Struct, frozen=True, rename="camel"):
    """A value that identifies no one, and how many messages had it beside valid identifiers."""

    kind: str
    value: str
    messages: int
    first_at: str
    last_at: str


class IdentityGraph(msgspec.Struct, frozen=True, rename="camel"):
    """A profile with everything that formed it. Merges, splits and rejected claims are newest first."""

    profile_id: str
    bucketing_key: str
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    merges: list[Merge]
    splits: list[Split]
    rejected_claims: list[RejectedClaim]


class Merges(msgspec.Struct):
    """Newest first."""

    merges: list[Merge]
    next: str | None


class RejectedClaims(msgspec.Struct, rename="camel"):
    """Newest first."""

    rejected_claims: list[RejectedClaim]
    next: str | None


class BlockedValues(msgspec.Struct):
    """The most frequent first."""

    blocked: list[BlockedValue]
