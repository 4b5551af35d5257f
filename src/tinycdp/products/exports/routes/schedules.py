"""Schedules of exports as definitions: their list, versions, renames.

Shape   the routes of every kind of definition
Errors  those of api/definitions/kinds.py
Source  docs/reference/exports.md "Schedules"
"""

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import routes_of
from tinycdp.api.definitions.saved import SavedDefinitionKind
from tinycdp.products.exports import service
from tinycdp.products.exports.kinds import KIND, SCHEDULES
from tinycdp.products.exports.routes.jobs import TAGS, job_of
from tinycdp.products.exports.routes.schemas import Schedule, Schedules, ScheduleVersion, ScheduleVersions
from tinycdp.products.exports.schemas import ScheduleDocument
from tinycdp.products.exports.service import SchedulePlan
from tinycdp.runtime.definitions.saved.product import SavedEntry
from tinycdp.times import iso, iso_or_none


class _Kind(SavedDefinitionKind):
    """Schedules."""

    product = SCHEDULES
    version = ScheduleVersion
    prefix = "/v1/exports"
    tags = TAGS
    reads = "read"
    one = Schedule
    many = Schedules
    versions = ScheduleVersions
    document = ScheduleDocument
    about_one = "with its next run and its newest export"
    about_renaming = "nothing else"
    about_restoring = (
        "Segments and traits go by their current keys. It is due next after now.\n\n"
        "A version that deleted it deletes it again."
    )
    rename_example = "monday_regulars"

    def __init__(self, name: str) -> None:
        super().__init__(name, "schedule")
        self.example = {"cron": "0 6 * * 1", "what": "segment", "segment": "power_users", "format": "xlsx"}

    def answer(self, one: SavedEntry) -> Schedule:
        raise AssertionError("a schedule is answered with its plan")

    async def list_all(self, editing: Editing) -> Schedules:
        found = await self.product.listed(editing.environment, self.name)
        plan = await service.plan_of(editing.environment, [one.row.definition_id for one in found])
        return Schedules([_answer(one, plan) for one in found])

    async def show(self, editing: Editing, key: str) -> Schedule:
        one = await self.product.found(editing.environment, self.name, key)
        return _answer(one, await service.plan_of(editing.environment, [one.row.definition_id]))


def _answer(one: SavedEntry, plan: SchedulePlan) -> Schedule:
    row, document = one.row, one.document
    last = plan.last.get(row.definition_id)
    return Schedule(
        key=row.key,
        version=row.version,
        name=document.name or row.key,
        description=document.description,
        document=row.document or {},
        saved_at=iso(row.saved_at),
        saved_by=row.author,
        note=row.note,
        zone=plan.zone,
        next_at=iso_or_none(plan.next_at.get(row.definition_id)),
        last=job_of(last, row.key) if last is not None else None,
    )


ROUTES = routes_of(_Kind(KIND))
