"""The route of a profile's history.

Shape   GET /v1/profiles/{id}/history: what changed, when, and by which message
Errors  404 PROFILE_NOT_FOUND, NOT_FOUND, EVENTS_DROPPED · 400 INVALID_REQUEST, INVALID_CURSOR · 413 HISTORY_TOO_LARGE
Source  docs/reference/profiles.md "The history of a profile"
"""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit, instant_parameter
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.routes import By, Cursor
from tinycdp.api.profiles.schemas import ProfileHistory
from tinycdp.api.profiles.segment_history import Since, Until
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.time_travel.history import Wanted, history

Keys = Annotated[list[str] | None, QueryParameter(description="only these; repeat it for more. All if none is named")]


@get(
    "/v1/profiles/{id:str}/history",
    summary="What changed in a profile, when, and by which message",
    tags=["Profiles"],
    scope="read",
)
async def get_history(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    id: FromPath[str],
    by: By = None,
    trait: Keys = None,
    segment: Keys = None,
    property_name: Annotated[list[str] | None, QueryParameter(name="property", description="only these")] = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ProfileHistory:
    wanted = Wanted(trait or (), segment or (), property_name or ())
    span = instant_parameter(since, "from"), instant_parameter(until, "to")
    found = await history(environment, catalogs, id, by, wanted, *span, cursor, limit)
    return as_schema(found, ProfileHistory)


ROUTES = [get_history]
