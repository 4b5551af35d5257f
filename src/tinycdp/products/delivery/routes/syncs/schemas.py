"""What clients and server exchange about syncs."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.http.encoding import Documented
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument

#: What PUT takes, as a plain object.
Document = Annotated[dict[str, Any], Documented(SyncDocument)]


class Sync(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A sync. document: as PUT takes it"""

    key: str
    version: int
    name: str
    description: str
    document: Document
    saved_at: str
    saved_by: str
    note: str


class Syncs(msgspec.Struct, frozen=True):
    """By key."""

    syncs: list[Sync]


class SyncVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version. document: null if the version deleted the sync"""

    version: int
    key: str
    document: Document | None
    saved_at: str
    saved_by: str
    note: str


class SyncVersions(msgspec.Struct, frozen=True):
    """Newest first."""

    versions: list[SyncVersion]


class SyncCounts(msgspec.Struct, frozen=True, rename="camel"):
    """Records by state.

    sent       the receiver acknowledged them
    failed     the last attempt failed; the next run tries again
    waiting    another person has the same match key
    unmatched  members without a record, because a match field is missing
    left       no members any more; the receiver keeps their records
    removals   keys that have to leave the receiver · failed_removals: of these, those that failed before"""

    sent: int
    failed: int
    waiting: int
    unmatched: int
    left: int
    removals: int
    failed_removals: int


class SyncHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How a sync is.

    state              active · braked: removals wait for a release · paused: by its document, or its destination's
    reason             why it is not active
    problem            why the last run ended early; empty if it did not
    scan               all or proof, while everybody is compared · scanned: how many people were
    sent, removed      records and removals that were ever acknowledged
    proved_at          when everybody was compared last
    proof_differences  what that found different, although nothing had changed; it was sent
    differences        of all comparisons"""

    key: str
    state: str
    reason: str
    problem: str
    is_requested: bool
    next_run_at: str | None
    ran_at: str | None
    scan: str
    scanned: int
    counts: SyncCounts
    sent: int
    removed: int
    last_success_at: str | None
    last_failure_at: str | None
    last_failure: str
    next_proof_at: str | None
    proved_at: str | None
    proof_profiles: int
    proof_differences: int
    differences: int
    timestamp: str


RecordState = Literal["sent", "sending", "failed", "waiting", "unmatched", "left", "out"]


class SyncRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the receiver has of a profile.

    key             the match fields; null if the receiver has nothing
    next_change_at  when the record may change with time alone
    attempts        in a row that failed"""

    profile_id: str
    state: RecordState
    key: dict[str, Any] | None
    next_change_at: str | None
    attempts: int
    reason: str


class SyncRecords(msgspec.Struct, frozen=True):
    """By profile. next: `after` of the following page; null after the last"""

    records: list[SyncRecord]
    next: int | None


class SyncRemoval(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key that has to leave the receiver. is_braked: it waits for a release"""

    profile_id: str
    key: dict[str, Any]
    is_braked: bool
    attempts: int
    reason: str


class SyncRemovals(msgspec.Struct, frozen=True):
    """By key. next: `after` of the following page; null after the last"""

    removals: list[SyncRemoval]
    next: str | None


class RunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """prove: compare everybody too, as every night"""

    prove: bool = False


class ReleaseBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """dry_run: only count"""

    dry_run: bool = False


class ReleasedRemovals(msgspec.Struct, frozen=True, rename="camel"):
    """How many removals the next run sends."""

    removals: int
    dry_run: bool


class SyncPreviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """document: as PUT takes it; by default the one that is saved · examples: of each kind of change"""

    document: Document | None = None
    examples: Annotated[int, msgspec.Meta(ge=0, le=50)] = 5


class PreviewedRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A record that would be sent.

    change     added, changed or removed
    operation  upsert, add, clear, remove or delete"""

    change: str
    operation: str
    profile_id: str
    key: dict[str, Any]
    record: Any


class SyncPreview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the next run would do if the document were saved.

    profiles       that were looked at · of: that there are · is_complete: all of them were
    added          records that the receiver does not have · changed: that it has otherwise
    removed        keys that would leave the receiver
    unmatched      members without a record, because a match field is missing · why_unmatched: an example
    would_brake    so many would be removed that the run would stop"""

    profiles: int
    of: int
    is_complete: bool
    added: int
    changed: int
    unchanged: int
    removed: int
    unmatched: int
    why_unmatched: str
    would_brake: bool
    examples: list[PreviewedRecord]
