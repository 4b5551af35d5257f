"""Routes of the registry of events and properties, and of the tracking plan.

Shape   GET for the registry · GET, PUT and DELETE for the plan
Laws    The answer includes messages that this process stored before the request; those of other processes follow
        within seconds. If-Match names the version of an entry to replace.
Errors  400 INVALID_PLAN · 404 NOT_FOUND · 409 VERSION_CONFLICT
Source  docs/reference/registry.md
"""

from typing import Annotated

from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.http.encoding import as_schema, etag
from tinycdp.api.http.params import DryRun, IfMatch, Limit, version_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.schema.schemas import (
    Broken,
    Dictionary,
    EntryDocument,
    EventPage,
    Events,
    Names,
    PlanEntry,
    PlanVersions,
    PropertyPage,
    Saved,
    Sdks,
    Violation,
    Violations,
    WholePlan,
)
from tinycdp.errors import NotFound
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.definitions import observed
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.mirror import Mirror
from tinycdp.runtime.schema import dictionary, registry_reads, tracking_plan
from tinycdp.runtime.schema.registry import Registry
from tinycdp.runtime.schema.screening import Screening
from tinycdp.runtime.schema.tracking_plan import Plans

EVENTS = "/v1/registry/events"
PLAN = "/v1/registry/plan"

_EXAMPLE = {
    "description": "A customer paid.",
    "owner": "checkout",
    "properties": {"amount": {"type": "number", "required": True, "minimum": 0}, "currency": {"type": "string"}},
}


@get(
    EVENTS,
    summary="Every event that was seen or is planned, the most frequent first",
    tags=["Registry"],
    scope="read",
)
async def list_events(
    environment: Injected[Environment], registry: Injected[Registry], plans: Injected[Plans]
) -> Events:
    await registry.flush()
    plan = plans.of(environment.id)
    return as_schema(await registry_reads.events(environment, plan), Events)


@get(
    f"{EVENTS}/{{name:str}}",
    summary="An event: its volume, properties with types and states, SDKs, and plan",
    tags=["Registry"],
    scope="read",
)
async def get_event(
    environment: Injected[Environment],
    registry: Injected[Registry],
    plans: Injected[Plans],
    screening: Injected[Screening],
    name: FromPath[str],
) -> EventPage:
    await registry.flush()
    plan, reads = plans.of(environment.id), screening.number_reads(environment.id)
    return as_schema(await registry_reads.event(environment, plan, name, reads), EventPage)


@get(
    f"{EVENTS}/{{name:str}}/properties/{{property_name:str}}",
    summary="A property of an event: its types by day and SDK",
    tags=["Registry"],
    scope="read",
)
async def get_property(
    environment: Injected[Environment],
    registry: Injected[Registry],
    plans: Injected[Plans],
    screening: Injected[Screening],
    name: FromPath[str],
    property_name: FromPath[str],
) -> PropertyPage:
    await registry.flush()
    plan, reads = plans.of(environment.id), screening.number_reads(environment.id)
    return as_schema(await registry_reads.property_of(environment, plan, name, property_name, reads), PropertyPage)


@get(
    "/v1/registry/properties",
    summary="The dictionary of properties over all events, by name",
    tags=["Registry"],
    scope="read",
)
async def list_properties(
    environment: Injected[Environment],
    registry: Injected[Registry],
    plans: Injected[Plans],
    prefix: Annotated[str, QueryParameter(description="only names that begin with this")] = "",
    after: Annotated[str, QueryParameter(description="`next` of the page before")] = "",
    limit: Limit = 50,
) -> Dictionary:
    await registry.flush()
    found = await dictionary.properties(environment, plans.of(environment.id), prefix, after, limit)
    return as_schema(found, Dictionary)


@get(
    "/v1/registry/names",
    summary="The names of events and properties that definitions are checked against",
    tags=["Registry"],
    scope="read",
)
async def list_names(environment: Injected[Environment], registry: Injected[Registry]) -> Names:
    """A definition that reads another name gets a warning."""
    await registry.flush()
    known = await observed.names_of(environment)
    events = {event: sorted(known.events[event]) for event in sorted(known.events)}
    return Names(events, sorted(known.profile), sorted(known.group))


@get(
    "/v1/registry/sdks",
    summary="Libraries, versions and platforms that sent messages",
    tags=["Registry"],
    scope="read",
)
async def list_sdks(environment: Injected[Environment], registry: Injected[Registry]) -> Sdks:
    await registry.flush()
    return as_schema(await registry_reads.sdks(environment), Sdks)


@get(
    "/v1/registry/violations",
    summary="Violations of the tracking plan and the policy `validation`, by event, kind and day",
    tags=["Registry"],
    scope="read",
)
async def list_violations(
    environment: Injected[Environment],
    registry: Injected[Registry],
    event: Annotated[str | None, QueryParameter(description="only of this event")] = None,
    days: Annotated[int, QueryParameter(ge=1, le=400, description="days back, today included")] = 7,
    limit: Limit = 50,
) -> Violations:
    await registry.flush()
    found = await registry_reads.violations(environment, event, days, limit)
    return Violations(as_schema(found, list[Violation]))


@get(
    PLAN,
    summary="The tracking plan: the expected properties of each event",
    tags=["Registry"],
    scope="read",
)
async def get_plan(environment: Injected[Environment]) -> WholePlan:
    return WholePlan(as_schema(await tracking_plan.entries(environment), list[PlanEntry]))


@put(
    f"{PLAN}/{{name:str}}",
    summary="Set the plan of an event",
    tags=["Registry"],
    scope="admin",
    example=_EXAMPLE,
)
async def put_plan_entry(
    editing: Injected[Editing],
    plans: Injected[Plans],
    mirror: Injected[Mirror],
    name: FromPath[str],
    data: JSONBody[EntryDocument],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> ExactResponse[Saved]:
    """Types apply to later messages; stored messages do not change.

    A dry run answers with version 0 and the definitions that would break."""
    actor, entry = editing.actor, tracking_plan.checked(data)
    edit = Edit(actor.name, editing.environment.now(), expected_version=version_of(if_match), dry_run=dry_run)
    found = await tracking_plan.save(editing.environment, name, data, edit)
    # This process applies it at once; the others are notified.
    await mirror.load_policies()
    breaks = registry_reads.broken_by(await editing.workspace(), plans.of(actor.environment_id), name, entry)
    saved = Saved(as_schema(found, PlanEntry), as_schema(breaks, list[Broken]))
    return ExactResponse(saved, headers=etag(found.version))


@delete(
    f"{PLAN}/{{name:str}}",
    status_code=200,
    summary="Remove an event from the plan; its versions are kept",
    tags=["Registry"],
    scope="admin",
)
async def delete_plan_entry(
    actor: Injected[Actor],
    environment: Injected[Environment],
    mirror: Injected[Mirror],
    name: FromPath[str],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> PlanEntry:
    """A dry run answers with version 0."""
    edit = Edit(actor.name, environment.now(), expected_version=version_of(if_match), dry_run=dry_run)
    found = await tracking_plan.save(environment, name, None, edit)
    await mirror.load_policies()
    return as_schema(found, PlanEntry)


@get(
    f"{PLAN}/{{name:str}}/versions",
    summary="The versions of an event's plan and their authors, newest first",
    tags=["Registry"],
    scope="read",
)
async def list_plan_versions(
    environment: Injected[Environment], name: FromPath[str], limit: Limit = 50
) -> PlanVersions:
    found = await tracking_plan.versions(environment, name, limit)
    if not found:
        raise NotFound("NOT_FOUND", f"The tracking plan never had an event {name!r}.")
    return PlanVersions(name, as_schema(found, list[PlanEntry]))


ROUTES = [
    list_events,
    get_event,
    get_property,
    list_properties,
    list_names,
    list_sdks,
    list_violations,
    get_plan,
    put_plan_entry,
    delete_plan_entry,
    list_plan_versions,
]
