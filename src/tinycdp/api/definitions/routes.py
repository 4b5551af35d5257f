"""Traits, segments and flags, one by one.

Shape   the same five routes for each kind; lifecycle.py has publishing, renaming and history
Laws    a save is all or nothing, and its answer is what GET answers next; with `dryRun` nothing is saved, and the
        answer is that of a publish. PUT and DELETE take If-Match with the version to replace. Warnings do not prevent
        a save
Errors  400 with every diagnostic · 404 NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
Source  docs/reference/definitions.md
"""

from typing import Any

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.schemas import (
    Backfill,
    BackfillProgress,
    Backfills,
    CreatedFlag,
    CreatedSegment,
    CreatedTrait,
    Deleted,
    ExpressionDocument,
    Flag,
    FlagDocument,
    Flags,
    Published,
    Segment,
    SegmentDocument,
    Segments,
    Trait,
    Traits,
)
from tinycdp.api.exposures.schemas import RecentExposures
from tinycdp.api.http.params import AfterProfile, DryRun, IfMatch, Limit, SaveNote, version_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse, as_schema, etag
from tinycdp.api.profiles.schemas import ProfileSummary
from tinycdp.api.segments.schemas import Member, Members
from tinycdp.errors import InvalidInput
from tinycdp.runtime.decisions.exposure_stats import recent_exposures
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.definitions import workspace as workspaces
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.definitions.workspace import Kind
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.runtime.profiles.views import summary_of
from tinycdp.store import definitions as store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import acquired, snapshot
from tinycdp.times import iso, iso_or_none

KINDS: tuple[Kind, ...] = ("trait", "segment", "flag")

_EXAMPLES: dict[Kind, dict[str, Any]] = {
    "trait": {"key": "orders_90d", "expression": "events.purchase.count_90d"},
    "segment": {"key": "regulars", "rule": "events.purchase.count_90d >= 3"},
    "flag": {"key": "thanks", "rule": "events.purchase.sum(amount, 30d) >= 20"},
}


def _routes(kind: Kind, one: Any, many: Any, created: Any, document: Any) -> list[HTTPRouteHandler]:
    """The routes of a kind: its structs for one, for many and for a new one, and the document to save."""
    path, noun, tags = f"/v1/admin/{kind}s", kind.capitalize(), ["Definitions"]
    example = _EXAMPLES[kind]

    @get(path, operation_id=f"list{noun}s", summary=f"List all {kind}s", tags=tags, scope="admin")
    async def list_definitions(editing: Injected[Editing]) -> many:
        workspace = await editing.workspace()
        described = await editing.describe(workspace, workspace.of_kind(kind))
        return many(described, workspace.catalog.head)

    @get(
        f"{path}/{{name:str}}",
        operation_id=f"get{noun}",
        summary=f"Show one {kind}, with its meaning and cost",
        tags=tags,
        scope="admin",
    )
    async def get_definition(
        editing: Injected[Editing], exposures: Injected[Exposures], name: FromPath[str]
    ) -> ExactResponse[one]:
        found = await editing.find(kind, name)
        if isinstance(found, Flag):
            await exposures.flush()
            recent = await recent_exposures(editing.environment, editing.catalogs, name)
            found.exposures = as_schema(recent, RecentExposures) if recent is not None else None
        return ExactResponse(found, headers=etag(found.version))

    @post(
        path,
        operation_id=f"create{noun}",
        summary=f"Create a {kind}",
        tags=tags,
        scope="admin",
        example=example,
        also={200: "a dry run"},
    )
    async def create_definition(
        editing: Injected[Editing], data: JSONBody[document], note: SaveNote = "", dry_run: DryRun = False
    ) -> ExactResponse[created | Published]:
        """A dry run answers with 200, as `publish` does."""
        change = msgspec.structs.replace(read_change(kind, data), expects=0)
        answer = await _save(editing, kind, change, note, dry_run=dry_run)
        if dry_run:
            return answer
        answer.content = created(**msgspec.structs.asdict(answer.content), **{kind: answer.content})
        return answer

    @put(
        f"{path}/{{name:str}}",
        operation_id=f"put{noun}",
        summary=f"Create a {kind}, or replace it",
        tags=tags,
        scope="admin",
        example={name: value for name, value in example.items() if name != "key"},
        also={201: "it was created"},
    )
    async def put_definition(
        editing: Injected[Editing],
        name: FromPath[str],
        data: JSONBody[document],
        if_match: IfMatch = None,
        note: SaveNote = "",
        dry_run: DryRun = False,
    ) -> ExactResponse[one | Published]:
        """A dry run answers with 200, as `publish` does."""
        if data.setdefault("key", name) != name:
            message = f"$.key: expected {name!r} as in the path. To rename it, POST {path}/{name}/rename."
            raise InvalidInput("KEY_MISMATCH", message, path="$.key")
        change = msgspec.structs.replace(read_change(kind, data), expects=version_of(if_match))
        return await _save(editing, kind, change, note, dry_run=dry_run)

    @delete(
        f"{path}/{{name:str}}",
        status_code=200,
        operation_id=f"delete{noun}",
        summary=f"Delete a {kind} that nothing refers to",
        tags=tags,
        scope="admin",
    )
    async def delete_definition(
        editing: Injected[Editing],
        name: FromPath[str],
        if_match: IfMatch = None,
        note: SaveNote = "",
        dry_run: DryRun = False,
    ) -> Deleted:
        change = Change(kind=kind, key=name, document=None, expects=version_of(if_match))
        plan = await editing.save(change, note, dry_run=dry_run)
        return Deleted(name, plan.revision, plan.backfilling, dry_run)

    return [list_definitions, get_definition, create_definition, put_definition, delete_definition]


@get(
    "/v1/admin/segments/{name:str}/members",
    summary="List the members of a segment, page by page",
    tags=["Definitions"],
    scope="admin",
)
async def list_members(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    after: AfterProfile = 0,
    limit: Limit = 50,
) -> Members:
    instant = environment.now()
    async with snapshot(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        fingerprint = catalog.live.fingerprints.get(("segment", name))
        if fingerprint is None:
            raise unknown("segment", name, catalog.live.definitions)
        as_of = await memberships_as_of(connection, environment.id, instant)
        rows = await membership_store.members_page(connection, environment.id, fingerprint, after, limit)
    summaries = as_schema([summary_of(row) for row in rows], list[ProfileSummary])
    members = [
        Member(**msgspec.structs.asdict(summary), entered_at=iso(row.entered_at))
        for summary, row in zip(summaries, rows, strict=True)
    ]
    return Members(members, members[-1].id if len(rows) == limit else None, iso(as_of))


@get(
    "/v1/admin/backfills",
    summary="List the newest backfills with their progress",
    tags=["Definitions"],
    scope="admin",
)
async def list_backfills(environment: Injected[Environment], limit: Limit = 20) -> Backfills:
    async with acquired(environment.pool) as connection:
        rows = await store.list_backfills(connection, environment.id, limit)
    instant = environment.now()
    return Backfills(
        [
            Backfill(
                row.revision,
                iso(row.started_at),
                iso_or_none(row.finished_at),
                row.status,
                BackfillProgress(row.done, row.total, None, None)
                if row.status == "superseded"
                else as_schema(workspaces.progress_of(row, instant), BackfillProgress),
            )
            for row in rows
        ]
    )


async def _save(editing: Editing, kind: Kind, change: Change, note: str, *, dry_run: bool) -> ExactResponse[Any]:
    plan = await editing.save(change, note, dry_run=dry_run)
    if dry_run:
        return ExactResponse(await editing.published(plan, dry_run=True), status_code=200)
    found = await editing.find(kind, change.key)
    found.revision, found.backfilling = plan.revision, plan.backfilling
    status = 201 if plan.steps[0].action == "create" else 200
    return ExactResponse(found, status_code=status, headers=etag(found.version))


ROUTES = [
    *_routes("trait", Trait, Traits, CreatedTrait, ExpressionDocument),
    *_routes("segment", Segment, Segments, CreatedSegment, SegmentDocument),
    *_routes("flag", Flag, Flags, CreatedFlag, FlagDocument),
    list_members,
    list_backfills,
]
