"""Saved reports, metrics, derived events and dashboards.

Shape   the same routes for each kind, as for segments; POST …/reports/{key}/run answers a report
Laws    a save is one publish: all or nothing, with its author and a note. With `dryRun` nothing is saved, and the
        answer is that of a publish. PUT and DELETE take If-Match with the version to replace
Errors  400 with the path of each mistake · 404 NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
Source  docs/reference/analytics-definitions.md
"""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.schemas import Deleted, NamedDefinition, Published, RenameBody, RestoreBody
from tinycdp.api.http.params import DryRun, IfMatch, Limit, SaveNote, version_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse, etag
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.definitions.checks import check
from tinycdp.products.analytics.definitions.documents import written
from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
)
from tinycdp.products.analytics.routes.queries import QueryId
from tinycdp.products.analytics.routes.schemas import (
    AnsweredDashboard,
    AnsweredTile,
    SavedDashboards,
    SavedDefinition,
    SavedEvents,
    SavedMetrics,
    SavedReports,
    SavedRevision,
    SavedRevisions,
    SavedStep,
    SavedVersion,
    SavedVersions,
    SavedWarning,
    TileError,
)
from tinycdp.products.analytics.service import saved as service
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.dashboards import answered_report, answered_tiles
from tinycdp.products.analytics.service.saved import SavedEntry
from tinycdp.runtime.definitions.change_set import read_change, read_key
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.workspace import names_of
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

_TAGS = ["Saved analytics"]
_LATEST = 2**31 - 1

_PURCHASES = {"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "report": {"name": "Buyers", "question": _PURCHASES},
    "metric": {"name": "Revenue", "event": "purchase", "measure": "sum", "property": "amount"},
    "event": {"name": "Activation", "any": [{"event": "purchase"}, {"event": "trial", "where": "days >= 7"}]},
    "dashboard": {"name": "Weekly", "tiles": [{"text": "# This week"}, {"title": "Buyers", "question": _PURCHASES}]},
}
_CALLED = {"event": "derived event"}


def _routes(kind: str, many: Any, document: Any) -> list[HTTPRouteHandler]:
    """The routes of a kind: its struct for many, and the document to save."""
    path, called = f"/v1/analytics/{kind}s", _CALLED.get(kind, kind)
    noun = "".join(word.capitalize() for word in called.split())

    @get(path, operation_id=f"list{noun}s", summary=f"List all {called}s", tags=_TAGS, scope="read")
    async def list_definitions(environment: Injected[Environment]) -> many:
        return many([_answer(one) for one in await service.listed(environment, kind)])

    @get(
        f"{path}/{{name:str}}",
        operation_id=f"get{noun}",
        summary=f"Show one {called}, with its warnings",
        tags=_TAGS,
        scope="read",
    )
    async def get_definition(editing: Injected[Editing], name: FromPath[str]) -> ExactResponse[SavedDefinition]:
        saved = await _one(editing, kind, name)
        return ExactResponse(saved, headers=etag(saved.version))

    @put(
        f"{path}/{{name:str}}",
        operation_id=f"put{noun}",
        summary=f"Create a {called}, or replace it",
        tags=_TAGS,
        scope="admin",
        example=_EXAMPLES[kind],
        also={201: "it was created"},
    )
    async def put_definition(
        editing: Injected[Editing],
        name: FromPath[str],
        data: JSONBody[document],
        if_match: IfMatch = None,
        note: SaveNote = "",
        dry_run: DryRun = False,
    ) -> ExactResponse[SavedDefinition | Published]:
        """A dry run answers with 200, as `publish` does."""
        if data.key not in ("", name):
            message = f"$.key: expected {name!r} as in the path. To rename it, POST {path}/{name}/rename."
            raise InvalidInput("KEY_MISMATCH", message, path="$.key")
        change = read_change(kind, {**written(data), "key": name})
        change = msgspec.structs.replace(change, expects=version_of(if_match))
        plan = await editing.save(change, note, dry_run=dry_run)
        if dry_run:
            return ExactResponse(await editing.published(plan, dry_run=True), status_code=200)
        saved = await _one(editing, kind, name)
        status = 201 if plan.steps[0].action == "create" else 200
        return ExactResponse(saved, status_code=status, headers=etag(saved.version))

    @delete(
        f"{path}/{{name:str}}",
        status_code=200,
        operation_id=f"delete{noun}",
        summary=f"Delete a {called} that nothing refers to",
        tags=_TAGS,
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

    @get(
        f"{path}/{{name:str}}/versions",
        operation_id=f"list{noun}Versions",
        summary=f"List the versions of a {called}, newest first",
        tags=_TAGS,
        scope="read",
    )
    async def list_versions(environment: Injected[Environment], name: FromPath[str]) -> SavedVersions:
        """Finds deleted definitions too, and former keys."""
        return SavedVersions(
            [
                SavedVersion(row.version, row.key, row.document, iso(row.saved_at), row.author, row.note)
                for row in await service.versions_of(environment, kind, name)
            ]
        )

    @post(
        f"{path}/{{name:str}}/rename",
        status_code=200,
        operation_id=f"rename{noun}",
        summary=f"Rename a {called}, and rewrite what names it",
        tags=_TAGS,
        scope="admin",
        example={"key": "weekly_buyers"},
    )
    async def rename(
        editing: Injected[Editing], name: FromPath[str], data: JSONBody[RenameBody], if_match: IfMatch = None
    ) -> Published:
        read_key(kind, data.key, "$.key")
        one = await service.found(editing.environment, kind, name)
        change = Change(
            kind=kind, key=data.key, document=one.row.document, expects=version_of(if_match), was=one.row.key
        )
        plan = await editing.save(change, data.note, dry_run=data.dry_run)
        return await editing.published(plan, dry_run=data.dry_run)

    @post(
        f"{path}/{{name:str}}/versions/{{version:int}}/restore",
        status_code=200,
        operation_id=f"restore{noun}",
        summary=f"Restore an older version of a {called}",
        tags=_TAGS,
        scope="admin",
        example={"note": "as it was"},
    )
    async def restore_version(
        editing: Injected[Editing],
        name: FromPath[str],
        version: FromPath[int],
        if_match: IfMatch = None,
        data: JSONBody[RestoreBody] = RestoreBody(),
    ) -> Published:
        """Other definitions go by their current keys. A deleted one returns with its history.

        A version that deleted the definition deletes it again."""
        change = await service.restored_version(editing.environment, kind, name, version)
        change = msgspec.structs.replace(change, expects=version_of(if_match))
        plan = await editing.save(change, data.note, dry_run=data.dry_run)
        return await editing.published(plan, dry_run=data.dry_run)

    return [
        list_definitions,
        get_definition,
        put_definition,
        delete_definition,
        list_versions,
        rename,
        restore_version,
    ]


async def _one(editing: Editing, kind: str, key: str) -> SavedDefinition:
    one = await service.found(editing.environment, kind, key)
    documents = await service.plain_documents(editing.environment)
    names = names_of(await editing.workspace(), editing.environment.now())
    warnings = [SavedWarning(w.path, w.message) for w in check(documents, names, [(kind, key)])]
    return msgspec.structs.replace(_answer(one), warnings=warnings)


def _answer(one: SavedEntry) -> SavedDefinition:
    row, document = one.row, one.document
    return SavedDefinition(
        key=row.key,
        version=row.version,
        name=document.name or row.key,
        description=document.description,
        document=row.document or {},
        saved_at=iso(row.saved_at),
        saved_by=row.author,
        note=row.note,
        used_by=[NamedDefinition(*name) for name in one.used_by],
    )


@get("/v1/analytics/revisions", summary="List the saves, newest first", tags=_TAGS, scope="read")
async def list_saved_revisions(
    environment: Injected[Environment],
    before: Annotated[int, QueryParameter(ge=0, le=_LATEST, description="older than this revision")] = _LATEST,
    limit: Limit = 50,
) -> SavedRevisions:
    """Each save of reports, metrics, derived events and dashboards has a number of its own."""
    found = [
        SavedRevision(
            revision=save.number,
            author=save.rows[0].author,
            note=save.rows[0].note,
            saved_at=iso(save.rows[0].saved_at),
            saved=[SavedStep(row.kind, row.key, row.version, row.document is None) for row in save.rows],
        )
        for save in await service.saves(environment, before, limit)
    ]
    return SavedRevisions(found, found[-1].revision if len(found) == limit else None)


@post(
    "/v1/analytics/revisions/{revision:int}/restore",
    status_code=200,
    summary="Restore all saved definitions as a save left them",
    tags=_TAGS,
    scope="admin",
    example={"dryRun": True},
)
async def restore_saved_revision(
    editing: Injected[Editing], revision: FromPath[int], data: JSONBody[RestoreBody] = RestoreBody()
) -> Published:
    """Deleted definitions return with their history; newer ones are deleted.

    Segments and flags go by their current keys."""
    changes = await service.restored_save(editing.environment, min(revision, _LATEST))
    plan = await editing.save_all(changes, data.note, dry_run=data.dry_run)
    return await editing.published(plan, dry_run=data.dry_run)


@post(
    "/v1/analytics/reports/{name:str}/run",
    status_code=200,
    summary="Answer a saved report",
    tags=_TAGS,
    scope="read",
)
async def run_report(
    environment: Injected[Environment], analytics: Injected[Analytics], name: FromPath[str], id: QueryId = ""
) -> Answer:
    return await answered_report(analytics, environment, name, id)


@post(
    "/v1/analytics/dashboards/{name:str}/run",
    status_code=200,
    summary="Answer all tiles of a dashboard",
    tags=_TAGS,
    scope="read",
)
async def run_dashboard(
    environment: Injected[Environment], analytics: Injected[Analytics], name: FromPath[str]
) -> AnsweredDashboard:
    """A tile that cannot be answered has its error, and the others have their answers."""
    return await answered_dashboard(analytics, environment, name)


async def answered_dashboard(analytics: Analytics, environment: Environment, key: str) -> AnsweredDashboard:
    """All tiles of a dashboard, for clients."""
    tiles = await answered_tiles(analytics, environment, key)
    return AnsweredDashboard(
        [AnsweredTile(t.tile, t.title, t.answer, None if t.error is None else TileError(*t.error)) for t in tiles]
    )


ROUTES = [
    list_saved_revisions,
    restore_saved_revision,
    run_report,
    run_dashboard,
    *_routes("report", SavedReports, ReportDocument),
    *_routes("metric", SavedMetrics, MetricDocument),
    *_routes("event", SavedEvents, EventDocument),
    *_routes("dashboard", SavedDashboards, DashboardDocument),
]
