"""The registry of events and properties, and the tracking plan.

Shape   GET of what was observed, GET, PUT and DELETE of what is planned
Laws    what this process stored before the request is in the answer; what others stored, within seconds.
        If-Match names the version of an entry that shall be replaced
Errors  400 INVALID_PLAN · 404 NOT_FOUND · 409 VERSION_CONFLICT
Source  docs/reference/registry.md
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import IfMatch, Limit, answer, etag, read_json, readable, version_of, workspace_of
from tinycdp.api.http.openapi import takes
from tinycdp.engine.plan import Entry
from tinycdp.errors import NotFound
from tinycdp.runtime import observations, tracking_plan
from tinycdp.runtime.observations import Broken, EventPage, Events, PropertyPage, Sdks, Violations, broken_by
from tinycdp.runtime.service import Service
from tinycdp.runtime.tracking_plan import PlanEntry

EVENTS = "/v1/registry/events"
PLAN = "/v1/registry/plan"

_EXAMPLE = {
    "description": "Somebody paid.",
    "owner": "checkout",
    "properties": {"amount": {"type": "number", "required": True, "minimum": 0}, "currency": {"type": "string"}},
}


class WholePlan(msgspec.Struct, frozen=True):
    """By event."""

    entries: list[PlanEntry]


class EntryVersions(msgspec.Struct, frozen=True):
    """Newest first; `entry` is null where it was removed."""

    event: str
    versions: list[PlanEntry]


class Saved(msgspec.Struct, frozen=True, rename="camel"):
    """The entry as it is in force, and the definitions whose expressions contradict the types it declares."""

    saved: PlanEntry
    breaks: list[Broken]


@get(
    EVENTS,
    operation_id="listEvents",
    summary="Every event that came or is planned, the busiest first",
    tags=["Registry"],
    scope="read",
    answer=Events,
)
async def list_events(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    await service.registry.flush()
    plan = service.plans.of(key.environment_id)
    return answer(await observations.events(service.pool, plan, key.environment_id, service.now()))


@get(
    f"{EVENTS}/{{name:str}}",
    operation_id="getEvent",
    summary="An event: its volume, its properties with their types and states, by which SDKs, against its plan",
    tags=["Registry"],
    scope="read",
    answer=EventPage,
    guards=[readable],
)
async def get_event(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    await service.registry.flush()
    plan = service.plans.of(key.environment_id)
    return answer(await observations.event(service.pool, plan, key.environment_id, name, service.now()))


@get(
    f"{EVENTS}/{{name:str}}/properties/{{property_name:str}}",
    operation_id="getProperty",
    summary="A property of an event: which types came when, and by which SDK",
    tags=["Registry"],
    scope="read",
    answer=PropertyPage,
    guards=[readable],
)
async def get_property(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], property_name: FromPath[str]
) -> Response[bytes]:
    service: Service = request.app.state.service
    await service.registry.flush()
    environment_id, plan = key.environment_id, service.plans.of(key.environment_id)
    found = await observations.property_of(service.pool, plan, environment_id, name, property_name, service.now())
    return answer(found)


@get(
    "/v1/registry/sdks",
    operation_id="listSdks",
    summary="By which libraries, versions and platforms messages came",
    tags=["Registry"],
    scope="read",
    answer=Sdks,
)
async def list_sdks(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    await service.registry.flush()
    return answer(await observations.sdks(service.pool, key.environment_id))


@get(
    "/v1/registry/violations",
    operation_id="listViolations",
    summary="What the tracking plan did not expect, per event, kind and day",
    tags=["Registry"],
    scope="read",
    answer=Violations,
    guards=[readable],
)
async def list_violations(
    request: Request[Any, Any, Any],
    key: Bearer,
    event: Annotated[str | None, QueryParameter(description="only of this event")] = None,
    days: Annotated[int, QueryParameter(ge=1, le=400, description="so many days back, with today")] = 7,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    await service.registry.flush()
    now = service.now()
    return answer(await observations.violations(service.pool, key.environment_id, event, days, now, limit))


@get(
    PLAN,
    operation_id="getPlan",
    summary="The tracking plan: what is expected of each event",
    tags=["Registry"],
    scope="read",
    answer=WholePlan,
)
async def get_plan(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(WholePlan(await tracking_plan.entries(service.pool, key.environment_id)))


@put(
    f"{PLAN}/{{name:str}}",
    operation_id="putPlanEntry",
    summary="What is expected of an event from now on",
    tags=["Registry"],
    scope="admin",
    dependencies=takes(Entry),
    answer=Saved,
    example=_EXAMPLE,
    guards=[readable],
)
async def put_entry(
    request: Request[Any, Any, Any],
    key: Bearer,
    name: FromPath[str],
    if_match: IfMatch = None,
    dry: Annotated[bool, QueryParameter(description="only say what it would break; version 0 is none")] = False,
) -> Response[bytes]:
    """Types count for new messages from now on: what is stored stays as it is."""
    service: Service = request.app.state.service
    document, expects = await read_json(request), version_of(if_match)
    environment_id, now = key.environment_id, service.now()
    entry = tracking_plan.checked(document)
    if dry:
        found = tracking_plan.unsaved(name, entry, key.name, now)
    else:
        found = await tracking_plan.save(service.pool, environment_id, name, document, key.name, now, expects)
        # The process that was asked goes by it at once; the others hear of it.
        await service.mirror.load_policies()
    workspace = await workspace_of(service, key)
    breaks = broken_by(workspace, service.plans.of(environment_id), name, entry)
    return answer(Saved(found, breaks), headers=etag(found.version))


@delete(
    f"{PLAN}/{{name:str}}",
    status_code=200,
    operation_id="deletePlanEntry",
    summary="Expect nothing of an event any more; its versions are kept",
    tags=["Registry"],
    scope="admin",
    answer=PlanEntry,
    guards=[readable],
)
async def delete_entry(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], if_match: IfMatch = None
) -> Response[bytes]:
    service: Service = request.app.state.service
    expects = version_of(if_match)
    now, environment_id = service.now(), key.environment_id
    found = await tracking_plan.save(service.pool, environment_id, name, None, key.name, now, expects)
    await service.mirror.load_policies()
    return answer(found)


@get(
    f"{PLAN}/{{name:str}}/versions",
    operation_id="listPlanVersions",
    summary="Who changed the plan of an event when, newest first",
    tags=["Registry"],
    scope="read",
    answer=EntryVersions,
    guards=[readable],
)
async def list_versions(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], limit: Limit = 50
) -> Response[bytes]:
    service: Service = request.app.state.service
    found = await tracking_plan.versions(service.pool, key.environment_id, name, limit)
    if not found:
        raise NotFound("NOT_FOUND", f"The tracking plan never had an event {name!r}.")
    return answer(EntryVersions(name, found))


ROUTES = [
    list_events,
    get_event,
    get_property,
    list_sdks,
    list_violations,
    get_plan,
    put_entry,
    delete_entry,
    list_versions,
]
