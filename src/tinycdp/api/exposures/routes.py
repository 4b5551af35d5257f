"""Counts, checks and lists of exposures, and the stale flags.

Laws    answers of this process are counted at once, those of other processes within a second
Errors  404 NOT_FOUND, PROFILE_NOT_FOUND · 400 INVALID_REQUEST, INVALID_CURSOR
Source  docs/reference/exposures.md
"""

from datetime import date, timedelta
from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.exposures.schemas import ExposurePage, FlagExposures, StaleFlags
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.errors import InvalidInput
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions import exposure_stats
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.stale_flags import stale_flags
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.store.database.pool import Pool
from tinycdp.times import day_of

_DEFAULT_DAYS = 30

First = Annotated[
    date | None,
    QueryParameter(name="from", description="first day in UTC, as 2026-11-01; if absent, 29 days before `to`"),
]
Last = Annotated[date | None, QueryParameter(name="to", description="last day in UTC; today if absent")]


@get(
    "/v1/admin/flags/{name:str}/exposures",
    summary="A flag's exposures per day, and whether its splits match their weights",
    tags=["Exposures"],
    scope="read",
)
async def count_exposures(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    exposures: Injected[Exposures],
    name: FromPath[str],
    first: First = None,
    last: Last = None,
) -> FlagExposures:
    """Counts are of distinct units: a unit that was asked about every day counts once in `variants`."""
    instant = environment.now()
    await exposures.flush()
    since, until = days_between(first, last, day_of(instant))
    counted = await exposure_stats.counts(environment, catalogs, name, since, until, instant)
    return as_schema(counted, FlagExposures)


@get(
    "/v1/admin/exposures",
    summary="List the exposures of a flag, a unit or a profile, newest day first",
    tags=["Exposures"],
    scope="read",
    query="flag=premium",
)
async def list_exposures(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    exposures: Injected[Exposures],
    flag: Annotated[str | None, QueryParameter(description="a flag's key")] = None,
    variant: Annotated[str | None, QueryParameter(description="only this variant")] = None,
    unit: Annotated[str | None, QueryParameter(description="a bucketing key")] = None,
    profile: Annotated[str | None, QueryParameter(description="any identifier; merged profiles are one")] = None,
    first: First = None,
    last: Last = None,
    after: Annotated[str | None, QueryParameter(description="`next` of the previous page")] = None,
    limit: Limit = 50,
) -> ExposurePage:
    """Name at least one of `flag`, `unit` and `profile`."""
    instant = environment.now()
    if flag is None and unit is None and profile is None:
        raise InvalidInput("INVALID_REQUEST", "Name a `flag`, a `unit` or a `profile`.")
    await exposures.flush()
    profile_id = None
    if profile is not None:
        found = await views.find_profile(environment, catalogs, profile, None)
        profile_id = int(found.id)
    since, until = days_between(first, last, day_of(instant))
    page = await exposure_stats.page(
        environment,
        catalogs,
        since,
        until,
        limit,
        flag=flag,
        variant=variant,
        unit=unit,
        profile_id=profile_id,
        after=after,
    )
    return as_schema(page, ExposurePage)


@get(
    "/v1/admin/stale-flags",
    summary="Stale flags, with reasons and advice",
    tags=["Exposures"],
    scope="read",
)
async def list_stale_flags(
    pool: Injected[Pool],
    exposures: Injected[Exposures],
    editing: Injected[Editing],
    now: Injected[Clock],
    days: Annotated[int, QueryParameter(ge=1, le=3650, description="days after which a reason counts")] = 30,
) -> StaleFlags:
    instant = now()
    await exposures.flush()
    return as_schema(await stale_flags(pool, await editing.workspace(), days, instant), StaleFlags)


def days_between(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """The days from the first to the last, both included."""
    until = last if last is not None else today
    since = first if first is not None else until - min(timedelta(_DEFAULT_DAYS - 1), until - date.min)
    if since > until:
        raise InvalidInput("INVALID_REQUEST", f"from: {since} is after {until}, the last day.")
    return since, until


ROUTES = [count_exposures, list_exposures, list_stale_flags]
