"""Who was given what: counts, checks and lists of exposures, and the flags that nobody needs.

Laws    what this process answered before the request is counted; what others answered, within a second
Errors  404 NOT_FOUND, PROFILE_NOT_FOUND · 400 INVALID_REQUEST, INVALID_CURSOR
Source  docs/reference/exposures.md
"""

from datetime import date, timedelta
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import Limit, answer, readable, workspace_of
from tinycdp.errors import InvalidInput
from tinycdp.runtime import experiments, people
from tinycdp.runtime.experiments import ExposurePage, FlagExposures
from tinycdp.runtime.service import Service
from tinycdp.runtime.staleness import StaleFlags, stale_flags

_DEFAULT_DAYS = 30

First = Annotated[
    date | None,
    QueryParameter(name="from", description="first day in UTC, as 2026-11-01; 30 days with `to` if left out"),
]
Last = Annotated[date | None, QueryParameter(name="to", description="last day in UTC; today where it is left out")]


@get(
    "/v1/admin/flags/{name:str}/exposures",
    operation_id="countExposures",
    summary="Who got what of a flag, per day, and whether its splits were given out as they say",
    tags=["Exposures"],
    scope="admin",
    answer=FlagExposures,
    guards=[readable],
)
async def count_exposures(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], first: First = None, last: Last = None
) -> Response[bytes]:
    """Counts are of distinct units: somebody who was asked about every day counts once in `variants`."""
    service: Service = request.app.state.service
    now = service.now()
    await service.exposures.flush()
    since, until = days_between(first, last, experiments.day_of(now))
    found = await experiments.counts(service.pool, service.catalogs, key.environment_id, name, since, until, now)
    return answer(found)


@get(
    "/v1/admin/exposures",
    operation_id="listExposures",
    summary="Exposures one by one: of a flag, a unit or a person, the newest day first",
    tags=["Exposures"],
    scope="admin",
    answer=ExposurePage,
    guards=[readable],
)
async def list_exposures(
    request: Request[Any, Any, Any],
    key: Bearer,
    flag: Annotated[str | None, QueryParameter(description="a flag's key")] = None,
    variant: Annotated[str | None, QueryParameter(description="only this variant")] = None,
    unit: Annotated[str | None, QueryParameter(description="a bucketing key")] = None,
    person: Annotated[str | None, QueryParameter(description="any identifier; merged people are one")] = None,
    first: First = None,
    last: Last = None,
    after: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> Response[bytes]:
    """Name at least one of `flag`, `unit` and `person`."""
    service: Service = request.app.state.service
    now = service.now()
    if flag is None and unit is None and person is None:
        raise InvalidInput("INVALID_REQUEST", "Name a `flag`, a `unit` or a `person`.")
    await service.exposures.flush()
    profile_id = None
    if person is not None:
        found = await people.find_person(service.pool, service.catalogs, key.environment_id, person, None, now)
        profile_id = int(found.id)
    since, until = days_between(first, last, experiments.day_of(now))
    page = await experiments.page(
        service.pool,
        service.catalogs,
        key.environment_id,
        since,
        until,
        limit,
        flag=flag,
        variant=variant,
        unit=unit,
        profile_id=profile_id,
        after=after,
    )
    return answer(page)


@get(
    "/v1/admin/stale-flags",
    operation_id="listStaleFlags",
    summary="Flags that have done their work, with reasons and what to do",
    tags=["Exposures"],
    scope="admin",
    answer=StaleFlags,
)
async def list_stale_flags(
    request: Request[Any, Any, Any],
    key: Bearer,
    days: Annotated[int, QueryParameter(ge=1, le=3650, description="how long something has to have been so")] = 30,
) -> Response[bytes]:
    service: Service = request.app.state.service
    now = service.now()
    await service.exposures.flush()
    workspace = await workspace_of(service, key)
    return answer(await stale_flags(service.pool, workspace, days, now))


def days_between(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """The days from the first to the last, both included."""
    until = last if last is not None else today
    since = first if first is not None else until - min(timedelta(_DEFAULT_DAYS - 1), until - date.min)
    if since > until:
        raise InvalidInput("INVALID_REQUEST", f"from: {since} is after {until}, the last day.")
    return since, until


ROUTES = [count_exposures, list_exposures, list_stale_flags]
