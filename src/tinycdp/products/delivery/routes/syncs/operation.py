"""Syncs as definitions, and in operation: health, records, runs, releases, previews.

Shape   the routes of every kind of definition, and those of a sync's runs
Errors  those of api/definitions/kinds.py · 409 NOT_BRAKED, SYNC_NOT_READY
Source  docs/reference/syncs.md
"""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import routes_of
from tinycdp.api.definitions.saved import SavedDefinitionKind
from tinycdp.api.http.params import LAST_ID, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, SYNC
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.ledger import State
from tinycdp.products.delivery.routes.syncs.schemas import (
    PreviewedRecord,
    RecordState,
    ReleaseBody,
    ReleasedRemovals,
    RunBody,
    Sync,
    SyncCounts,
    SyncHealth,
    SyncPreview,
    SyncPreviewBody,
    SyncRecord,
    SyncRecords,
    SyncRemoval,
    SyncRemovals,
    Syncs,
    SyncVersion,
    SyncVersions,
)
from tinycdp.products.delivery.service import Delivery
from tinycdp.products.delivery.syncs import service
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.saved.product import SavedEntry
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso, iso_or_none

TAGS = ["Syncs"]
#: What a list shows unless it is asked for a state: what may need work.
_TROUBLED: tuple[State, ...] = ("failed", "sending", "waiting", "unmatched")

_AfterProfile = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="the last profile of the previous page")]
_AfterKey = Annotated[str, QueryParameter(max_length=1_000, description="`next` of the previous page")]
_State = Annotated[
    RecordState | None,
    QueryParameter(
        name="state", description="only records in this state; by default all that failed, wait, or have no match key"
    ),
]


class _Kind(SavedDefinitionKind):
    """Syncs."""

    product = DESTINATIONS
    version = SyncVersion
    prefix = "/v1"
    tags = TAGS
    reads = "admin"
    one = Sync
    many = Syncs
    versions = SyncVersions
    document = SyncDocument
    about_one = "without its records"
    about_renaming = "nothing else: what it knows of the receiver stays"
    about_restoring = (
        "Segments, traits and destinations go by their current keys. A deleted sync returns with its history, but "
        "without what it knew of the receiver: everybody's record is sent anew.\n\n"
        "A version that deleted it deletes it again."
    )
    rename_example = "crm-contacts"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.example = {
            "destination": "crm",
            "segment": "customers",
            "mapping": {"email": {"expr": "profile.email"}, "spend": {"expr": "spend_90d"}},
            "match": ["email"],
            "mode": "mirror",
        }

    def answer(self, one: SavedEntry) -> Sync:
        row, document = one.row, one.document
        return Sync(
            key=row.key,
            version=row.version,
            name=document.name or row.key,
            description=document.description,
            document=row.document or {},
            saved_at=iso(row.saved_at),
            saved_by=row.author,
            note=row.note,
        )


async def _health(delivery: Delivery, environment: Environment, name: str) -> SyncHealth:
    found = await service.health(delivery.syncs, environment, name)
    sync, row, counts = found.sync, found.row, found.counts
    state, reason = row.state, row.reason
    if sync.document.paused:
        state, reason = "paused", "Its document says so."
    elif sync.destination.document.paused:
        state, reason = "paused", f"The document of the destination {sync.destination.key!r} says so."
    return SyncHealth(
        key=sync.key,
        state=state,
        reason=reason,
        problem=row.problem,
        is_requested=row.is_requested,
        next_run_at=iso_or_none(row.next_run_at),
        ran_at=iso_or_none(row.ran_at),
        scan=row.scan,
        scanned=row.scan_profiles if row.scan else 0,
        counts=SyncCounts(
            counts.sent,
            counts.failed,
            counts.waiting,
            counts.unmatched,
            counts.left,
            counts.removals,
            counts.failed_removals,
        ),
        sent=row.sent,
        removed=row.removed,
        last_success_at=iso_or_none(row.last_success_at),
        last_failure_at=iso_or_none(row.last_failure_at),
        last_failure=row.last_failure,
        next_proof_at=iso_or_none(row.next_proof_at),
        proved_at=iso_or_none(row.proved_at),
        proof_profiles=row.proof_profiles,
        proof_differences=row.proof_differences,
        differences=row.differences,
        timestamp=iso(environment.now()),
    )


@get("/v1/syncs/{name:str}/health", summary="How a sync is", tags=TAGS, scope="admin")
async def get_sync_health(
    environment: Injected[Environment], delivery: Injected[Delivery], name: FromPath[str]
) -> SyncHealth:
    return await _health(delivery, environment, name)


@get(
    "/v1/syncs/{name:str}/records",
    summary="List the records of a sync that failed or wait, with the reason",
    tags=TAGS,
    scope="admin",
)
async def list_sync_records(
    environment: Injected[Environment],
    delivery: Injected[Delivery],
    name: FromPath[str],
    wanted: _State = None,
    after: _AfterProfile = 0,
    limit: Limit = 50,
) -> SyncRecords:
    """With `state`, those in any one state."""
    states: tuple[State, ...] = _TROUBLED if wanted is None else (wanted,)
    found = await service.records(delivery.syncs, environment, name, states, after, limit)
    records = [
        SyncRecord(
            profile_id=str(one.profile_id),
            state=one.state,
            key=msgspec.json.decode(one.match_key) if one.match_key is not None else None,
            next_change_at=iso_or_none(one.next_change_at),
            attempts=one.attempts,
            reason=one.reason,
        )
        for one in found
    ]
    return SyncRecords(records, found[-1].profile_id if len(found) == limit else None)


@get(
    "/v1/syncs/{name:str}/removals",
    summary="List the keys that have to leave the receiver of a sync",
    tags=TAGS,
    scope="admin",
)
async def list_sync_removals(
    environment: Injected[Environment],
    delivery: Injected[Delivery],
    name: FromPath[str],
    after: _AfterKey = "",
    limit: Limit = 50,
) -> SyncRemovals:
    """They failed, wait for the next run, or for a release."""
    found = await service.removals(delivery.syncs, environment, name, after, limit)
    removals = [
        SyncRemoval(
            profile_id=str(one.profile_id),
            key=msgspec.json.decode(one.match_key),
            is_braked=not one.is_allowed,
            attempts=one.attempts,
            reason=one.reason,
        )
        for one in found
    ]
    return SyncRemovals(removals, found[-1].match_key if len(found) == limit else None)


@post(
    "/v1/syncs/{name:str}/run",
    status_code=200,
    summary="Run a sync now",
    tags=TAGS,
    scope="admin",
    example={"prove": True},
)
async def run_sync(
    environment: Injected[Environment],
    delivery: Injected[Delivery],
    name: FromPath[str],
    data: JSONBody[RunBody] = RunBody(),
) -> SyncHealth:
    """The worker begins within a second. `ranAt` says when it did."""
    await service.request_run(delivery.syncs, environment, name, prove=data.prove)
    return await _health(delivery, environment, name)


@post(
    "/v1/syncs/{name:str}/release",
    status_code=200,
    summary="Let a braked sync remove what it would remove",
    tags=TAGS,
    scope="admin",
    example={"dryRun": True},
)
async def release_sync(
    environment: Injected[Environment],
    delivery: Injected[Delivery],
    name: FromPath[str],
    data: JSONBody[ReleaseBody] = ReleaseBody(),
) -> ReleasedRemovals:
    """The removals that wait now are sent by the next run, which begins at once. Later ones count anew."""
    n = await service.release(delivery.syncs, environment, name, dry_run=data.dry_run)
    return ReleasedRemovals(n, data.dry_run)


@post(
    "/v1/syncs/{name:str}/preview",
    status_code=200,
    summary="Count what a sync would send, with examples, before it is saved",
    tags=TAGS,
    scope="admin",
    example={"examples": 3},
)
async def preview_sync(
    editing: Injected[Editing],
    environment: Injected[Environment],
    delivery: Injected[Delivery],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    data: JSONBody[SyncPreviewBody] = SyncPreviewBody(),
) -> SyncPreview:
    """The document is checked as PUT checks it. Of more than 200,000 people the first ones are looked at."""
    if data.document is None:
        document: Any = (await DESTINATIONS.found(environment, SYNC, name)).row.document
    else:
        change = read_change(SYNC, {**data.document, "key": name})
        await editing.save(change, "", dry_run=True)
        document = change.document
    found = await service.preview(delivery.destinations, catalogs, environment, name, document, data.examples)
    return SyncPreview(
        profiles=found.profiles,
        of=found.of,
        is_complete=found.is_complete,
        added=found.added,
        changed=found.changed,
        unchanged=found.unchanged,
        removed=found.removed,
        unmatched=found.unmatched,
        why_unmatched=found.why_unmatched,
        would_brake=found.would_brake,
        examples=[
            PreviewedRecord(
                change=one.change,
                operation=one.operation,
                profile_id=str(one.profile_id),
                key=one.key,
                record=one.record,
            )
            for one in found.examples
        ],
    )


ROUTES = [
    *routes_of(_Kind(SYNC)),
    get_sync_health,
    list_sync_records,
    list_sync_removals,
    run_sync,
    release_sync,
    preview_sync,
]
