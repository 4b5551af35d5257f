"""Routes that read the history of a segment.

Shape   the local hours, days or weeks of a segment; a page of its transitions
Errors  404 NOT_FOUND · 400 INVALID_REQUEST, INVALID_CURSOR
Source  docs/reference/profiles.md "Segments over time"
"""

from typing import Annotated, Literal

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit, instant_parameter
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import SegmentHistory, SegmentTransitions
from tinycdp.dsl.values.calendar import Bucket
from tinycdp.engine.recompute import Cause
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import segment_history

Since = Annotated[str | None, QueryParameter(name="from", description="the first instant, ISO 8601 with a zone")]
Until = Annotated[
    str | None, QueryParameter(name="to", description="the end, exclusive, ISO 8601 with a zone; now if absent")
]


@get(
    "/v1/admin/segments/{name:str}/history",
    summary="Members, entries and exits of a segment per hour, day or week",
    tags=["Profiles"],
    scope="read",
)
async def get_segment_history(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    bucket: Annotated[Bucket, QueryParameter(description="in the time zone of the environment")] = "day",
    since: Since = None,
    until: Until = None,
) -> SegmentHistory:
    span = instant_parameter(since, "from"), instant_parameter(until, "to")
    return as_schema(await segment_history.history(environment, catalogs, name, bucket, *span), SegmentHistory)


@get(
    "/v1/admin/segments/{name:str}/transitions",
    summary="The entries and exits of a segment, newest first",
    tags=["Profiles"],
    scope="read",
)
async def list_segment_transitions(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    kind: Annotated[Literal["entered", "left"] | None, QueryParameter(description="only entries or exits")] = None,
    cause: Annotated[Cause | None, QueryParameter(description="only those with this cause")] = None,
    since: Since = None,
    until: Until = None,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> SegmentTransitions:
    found = await segment_history.transitions(
        environment,
        catalogs,
        name,
        since=instant_parameter(since, "from"),
        until=instant_parameter(until, "to"),
        entered=None if kind is None else kind == "entered",
        cause=cause,
        cursor=cursor,
        n=limit,
    )
    return as_schema(found, SegmentTransitions)


ROUTES = [get_segment_history, list_segment_transitions]
