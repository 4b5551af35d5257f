"""Traits, segments and flags, one by one.

Shape   for each kind the routes of kinds.py, creating one, and its impact; lifecycle.py has publishing and revisions
Laws    the answer of a save is what GET answers next. Warnings do not prevent a save
Errors  400 with every diagnostic, and those of kinds.py
Source  docs/reference/definitions.md
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import DefinitionKind, routes_of, save
from tinycdp.api.definitions.schemas import (
    Backfill,
    BackfillProgress,
    Backfills,
    CreatedFlag,
    CreatedSegment,
    CreatedTrait,
    DefinitionVersions,
    ExpressionDocument,
    Flag,
    FlagDocument,
    Flags,
    Impact,
    Published,
    RenameBody,
    RestoreBody,
    Segment,
    SegmentDocument,
    Segments,
    Trait,
    Traits,
    Version,
)
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import AfterProfile, DryRun, Limit, SaveNote
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.profiles.schemas import ProfileSummary
from tinycdp.api.segments.schemas import Member, Members
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions import publish, revisions
from tinycdp.runtime.definitions import workspace as workspaces
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import PublishPlan
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.definitions.workspace import Kind, Workspace, impact_of
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.runtime.profiles.views import summary_of
from tinycdp.store import definitions as store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import acquired, snapshot
from tinycdp.times import iso, iso_or_none

LATEST = 2**31 - 1
#: On one page. A list on a screen is scrolled to any place in one request.
MOST_MEMBERS = 1_000

_EXAMPLES: dict[Kind, dict[str, Any]] = {
    "trait": {"key": "orders_90d", "expression": "events.purchase.count_90d"},
    "segment": {"key": "regulars", "rule": "events.purchase.count_90d >= 3"},
    "flag": {"key": "thanks", "rule": "events.purchase.sum(amount, 30d) >= 20"},
}


class _CoreKind(DefinitionKind):
    """Traits, segments or flags."""

    prefix = "/v1/admin"
    tags: ClassVar = ["Definitions"]
    reads = "read"
    versions = DefinitionVersions
    about_one = "with its meaning and cost"
    about_renaming = "all references to it"
    about_restoring = "Other definitions go by their current keys. A deleted one returns with its id and salt."
    rename_example = "loyal"

    def __init__(self, kind: Kind, one: Any, many: Any, document: Any) -> None:
        super().__init__(kind)
        self.kind: Kind = kind
        self.one, self.many, self.document = one, many, document
        self.whole_example = _EXAMPLES[kind]
        self.example = {name: value for name, value in self.whole_example.items() if name != "key"}

    async def list_all(self, editing: Editing) -> Any:
        workspace = await editing.workspace()
        described = await editing.describe(workspace, workspace.of_kind(self.kind))
        return self.many(described, workspace.catalog.head)

    async def show(self, editing: Editing, key: str) -> Any:
        return await editing.show(self.kind, key)

    def read(self, key: str, body: Any) -> Change:
        return read_change(self.kind, {**body, "key": key})

    async def saved(self, editing: Editing, key: str, plan: PublishPlan) -> Any:
        found = await editing.find(self.kind, key)
        found.revision, found.backfilling = plan.revision, plan.backfilling
        return found

    async def list_versions(self, environment: Environment, key: str) -> Any:
        return DefinitionVersions(as_schema(await revisions.versions(environment, self.kind, key), list[Version]))

    async def rename(self, editing: Editing, key: str, body: RenameBody, expects: int | None) -> PublishPlan:
        return await publish.rename(editing.environment, self.kind, key, body.key, _edit(editing, body, expects))

    async def restore(
        self, editing: Editing, key: str, version: int, body: RestoreBody, expects: int | None
    ) -> PublishPlan:
        edit, number = _edit(editing, body, expects), version_number(version)
        return await publish.restore_version(editing.environment, self.kind, key, number, edit)


def _edit(editing: Editing, body: RenameBody | RestoreBody, expects: int | None) -> Edit:
    now = editing.environment.now()
    return Edit(editing.actor.name, now, body.note, expected_version=expects, dry_run=body.dry_run)


def _routes(kind: _CoreKind, created: Any, document: Any) -> list[HTTPRouteHandler]:
    """The routes of a kind: those of every kind, creating one, and its impact."""
    name = kind.kind

    @post(
        kind.path,
        operation_id=f"create{kind.noun}",
        summary=f"Create a {name}",
        tags=kind.tags,
        scope="admin",
        example=kind.whole_example,
        also={200: "a dry run"},
    )
    async def create_definition(
        editing: Injected[Editing], data: JSONBody[document], note: SaveNote = "", dry_run: DryRun = False
    ) -> ExactResponse[created | Published]:
        """A dry run answers with 200, as `publish` does."""
        change = msgspec.structs.replace(read_change(name, data), expects=0)
        answer = await save(kind, editing, change, note, dry_run=dry_run)
        if dry_run:
            return answer
        answer.content = created(**msgspec.structs.asdict(answer.content), **{name: answer.content})
        return answer

    @get(
        f"{kind.path}/{{name:str}}/impact",
        operation_id=f"get{kind.noun}Impact",
        summary=f"Show what depends on a {name}, and what it depends on",
        tags=kind.tags,
        scope="read",
    )
    async def get_impact(workspace: Injected[Workspace], name: FromPath[str]) -> Impact:
        if workspace.find((kind.kind, name)) is None:
            raise unknown(kind.kind, name, workspace.head.definitions)
        return as_schema(impact_of(workspace, (kind.kind, name)), Impact)

    return [*routes_of(kind), create_definition, get_impact]


@get(
    "/v1/admin/segments/{name:str}/members",
    summary="List the members of a segment, page by page",
    tags=["Definitions"],
    scope="read",
)
async def list_members(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    after: AfterProfile = 0,
    offset: Annotated[
        int, QueryParameter(ge=0, le=LATEST, description="how many members to skip, in place of `after`")
    ] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_MEMBERS, description="most members on a page")] = 50,
    order: Annotated[
        Literal["profileId", "entered"], QueryParameter(description="entered: the last one to enter is first")
    ] = "profileId",
    q: Annotated[str, QueryParameter(description="only members with an identifier that begins so")] = "",
    counted: Annotated[
        bool, QueryParameter(name="total", description="count all of them; without it a page is there sooner")
    ] = True,
) -> Members:
    """By position with `offset`, or in the order of profile ids after a profile with `after`."""
    searched = q != "" or order != "profileId"
    if after and (offset or searched):
        raise InvalidInput("INVALID_REQUEST", "Send `after` alone, or `offset` with `order` and `q`.", path="after")
    instant = environment.now()
    async with snapshot(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        fingerprint = catalog.live.fingerprints.get(("segment", name))
        if fingerprint is None:
            raise unknown("segment", name, catalog.live.definitions)
        as_of = await memberships_as_of(connection, environment.id, instant)
        rows: Sequence[membership_store.MemberRow]
        total: int | None
        if searched:
            asked = (connection, environment.id, fingerprint, q)
            found = await membership_store.members_found(*asked, limit, offset, by_entry=order == "entered")
            rows, total = found, None
            if counted:
                # A page beyond the last member does not say how many there are.
                first = found or await membership_store.members_found(*asked, 1, 0, by_entry=False)
                total = first[0].total if first else 0
        else:
            rows = await membership_store.members_page(connection, environment.id, fingerprint, after, limit, offset)
            # Reads the segment's whole index: not on each page of those that walk through all of it.
            total = None
            if counted and not after:
                numbers = await membership_store.count_members(connection, environment.id, [fingerprint])
                total = numbers.get(fingerprint, 0)
    summaries = as_schema([summary_of(row) for row in rows], list[ProfileSummary])
    members = [
        Member(**msgspec.structs.asdict(summary), entered_at=iso(row.entered_at))
        for summary, row in zip(summaries, rows, strict=True)
    ]
    return Members(
        members,
        members[-1].id if len(rows) == limit and not searched else None,
        iso(as_of),
        total,
    )


@get(
    "/v1/admin/backfills",
    summary="List the newest backfills with their progress",
    tags=["Definitions"],
    scope="read",
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


def version_number(number: int) -> int:
    """The number, limited to what a column can hold: there are no versions and revisions beyond."""
    return min(max(number, -1), LATEST)


ROUTES = [
    *_routes(_CoreKind("trait", Trait, Traits, ExpressionDocument), CreatedTrait, ExpressionDocument),
    *_routes(_CoreKind("segment", Segment, Segments, SegmentDocument), CreatedSegment, SegmentDocument),
    *_routes(_CoreKind("flag", Flag, Flags, FlagDocument), CreatedFlag, FlagDocument),
    list_members,
    list_backfills,
]
