"""Saved reports, metrics, derived events and dashboards.

Shape   the routes of every kind of definition; saves with their restoring; POST …/reports/{key}/run answers a report
Errors  those of api/definitions/kinds.py
Source  docs/reference/analytics-definitions.md
"""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import routes_of
from tinycdp.api.definitions.saved import SavedDefinitionKind
from tinycdp.api.definitions.schemas import NamedDefinition, Published, RestoreBody
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.definitions.checks import check
from tinycdp.products.analytics.definitions.kinds import SAVED
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
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.dashboards import answered_report, answered_tiles
from tinycdp.runtime.definitions.saved.product import SavedEntry
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


class _SavedKind(SavedDefinitionKind):
    """Reports, metrics, derived events or dashboards."""

    product = SAVED
    version = SavedVersion
    prefix = "/v1/analytics"
    tags = _TAGS
    reads = "read"
    one = SavedDefinition
    versions = SavedVersions
    about_one = "with its warnings"
    about_renaming = "what names it"
    about_restoring = (
        "Other definitions go by their current keys. A deleted one returns with its history.\n\n"
        "A version that deleted the definition deletes it again."
    )
    rename_example = "weekly_buyers"

    def __init__(self, kind: str, many: Any, document: Any) -> None:
        super().__init__(kind, _CALLED.get(kind, kind))
        self.many, self.document, self.example = many, document, _EXAMPLES[kind]

    def answer(self, one: SavedEntry) -> SavedDefinition:
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

    async def show(self, editing: Editing, key: str) -> SavedDefinition:
        one = await SAVED.found(editing.environment, self.name, key)
        documents = await SAVED.plain_documents(editing.environment)
        names = names_of(await editing.workspace(), editing.environment.now())
        warnings = [SavedWarning(w.path, w.message) for w in check(documents, names, [(self.name, key)])]
        return msgspec.structs.replace(self.answer(one), warnings=warnings)


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
        for save in await SAVED.saves(environment, before, limit)
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
    changes = await SAVED.restored_save(editing.environment, min(revision, _LATEST))
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
    *routes_of(_SavedKind("report", SavedReports, ReportDocument)),
    *routes_of(_SavedKind("metric", SavedMetrics, MetricDocument)),
    *routes_of(_SavedKind("event", SavedEvents, EventDocument)),
    *routes_of(_SavedKind("dashboard", SavedDashboards, DashboardDocument)),
]
