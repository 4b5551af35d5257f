"""Routes that read profiles and their events.

Shape   one profile, briefly for read keys and in full for admins; searches, journeys, the newest events
Laws    a bare id is tried as userId, anonymousId, deviceId and externalId, then as `kind:value`; `by` names one kind
Errors  404 PROFILE_NOT_FOUND · 400 INVALID_CURSOR
Source  docs/reference/profiles.md
"""

from typing import Annotated, Any

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit, instant_parameter
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import Event, Journey, Lifetime, Profile, ProfilePage, Search, Transition
from tinycdp.errors import InvalidInput
from tinycdp.model import MessageKind
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import lifetime, views
from tinycdp.runtime.profiles.search import MOST_CONDITIONS, having, search
from tinycdp.runtime.schema.tracking_plan import Plans

_EVENTS_ON_THE_PAGE = 50
_TRANSITIONS_ON_THE_PAGE = 100

By = Annotated[str | None, QueryParameter(description="kind of the id: userId, anonymousId, profileId, …")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Where = Annotated[
    list[str] | None,
    QueryParameter(
        description="`plan.name=pro`: a property has this value; `email^=ada`: its text begins so. Repeat it for more"
    ),
]
InSegment = Annotated[str | None, QueryParameter(description="only members of this segment")]
Prefix = Annotated[str | None, QueryParameter(description="the start of an identifier")]
EventName = Annotated[str | None, QueryParameter(description="only events of this name")]
EventKind = Annotated[MessageKind | None, QueryParameter(description="only messages of this kind")]
Since = Annotated[
    str | None, QueryParameter(name="from", description="not before this instant; a day is its start in UTC")
]
Until = Annotated[str | None, QueryParameter(name="to", description="before this instant; a day is its start in UTC")]
PropertyName = Annotated[
    str | None, QueryParameter(name="property", description="the path of a property, such as plan.name")
]
PropertyValue = Annotated[
    str | None, QueryParameter(description='the exact value, as JSON if it is valid JSON: 3 is a number, "3" a text')
]


@get(
    "/v1/profiles/{id:str}",
    summary="One profile: its properties, traits and segments now",
    tags=["Profiles"],
    scope="read",
)
async def get_profile(
    environment: Injected[Environment], catalogs: Injected[Catalogs], id: FromPath[str], by: By = None
) -> Profile:
    return as_schema(await views.find_profile(environment, catalogs, id, by), Profile)


@get(
    "/v1/admin/users/{id:str}",
    summary="One profile, with recent events and transitions",
    tags=["Profiles"],
    scope="admin",
)
async def get_user(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    plans: Injected[Plans],
    id: FromPath[str],
    by: By = None,
) -> ProfilePage:
    profile = await views.find_profile(environment, catalogs, id, by)
    revenue = plans.of(environment.id).revenue()
    sums = await lifetime.lifetime(environment, catalogs, revenue, profile.id, "profileId")
    events = await views.recent_events_of(environment, int(profile.id), _EVENTS_ON_THE_PAGE)
    catalog = catalogs.serving(environment.id)
    transitions = await views.transitions_of(environment.pool, catalog, int(profile.id), _TRANSITIONS_ON_THE_PAGE)
    return ProfilePage(
        as_schema(profile, Profile),
        as_schema(sums, Lifetime),
        as_schema(events, list[Event]),
        as_schema(transitions, list[Transition]),
    )


@get(
    "/v1/profiles/{id:str}/lifetime",
    summary="What all events of a profile add up to: days, sessions, revenue",
    tags=["Profiles"],
    scope="read",
)
async def get_lifetime(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    plans: Injected[Plans],
    id: FromPath[str],
    by: By = None,
) -> Lifetime:
    revenue = plans.of(environment.id).revenue()
    return as_schema(await lifetime.lifetime(environment, catalogs, revenue, id, by), Lifetime)


@get(
    "/v1/profiles/search",
    summary="Find profiles by the start of an identifier, by properties and by a segment; without any, the newest",
    tags=["Profiles"],
    scope="read",
    query="q=ada",
)
async def search_profiles(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    q: Prefix = None,
    where: Where = None,
    segment: InSegment = None,
    property_name: PropertyName = None,
    value: PropertyValue = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Search:
    return await _search(environment, catalogs, q, where, segment, property_name, value, after, limit)


@get(
    "/v1/admin/users/search",
    summary="Find profiles, with an admin key",
    tags=["Profiles"],
    scope="admin",
    query="q=ada",
)
async def search_users(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    q: Prefix = None,
    where: Where = None,
    segment: InSegment = None,
    property_name: PropertyName = None,
    value: PropertyValue = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Search:
    return await _search(environment, catalogs, q, where, segment, property_name, value, after, limit)


async def _search(
    environment: Environment,
    catalogs: Catalogs,
    q: str | None,
    where: list[str] | None,
    segment: str | None,
    property_name: str | None,
    value: str | None,
    after: str | None,
    limit: int,
) -> Search:
    if (property_name is None) != (value is None):
        raise InvalidInput("INVALID_REQUEST", "`property` and `value` belong together: send both, or neither.")
    values, prefixes = list[tuple[str, Any]](), list[tuple[str, str]]()
    if property_name is not None and value is not None:
        values.append((property_name, _json_value(value)))
    if len(where or ()) > MOST_CONDITIONS:
        raise InvalidInput("INVALID_REQUEST", f"where: at most {MOST_CONDITIONS} conditions.", path="where")
    for condition in where or ():
        path, equals, text = condition.partition("=")
        if not equals or not path.rstrip("^"):
            message = (
                f"where: {condition[:100]!r} is no condition. Write `plan.name=pro`, or `email^=ada` for a beginning."
            )
            raise InvalidInput("INVALID_REQUEST", message, path="where")
        if path.endswith("^"):
            prefixes.append((path.removesuffix("^"), text))
        else:
            values.append((path, _json_value(text)))
    found = await search(environment, catalogs, q, having(values, prefixes), segment or None, after, limit)
    return as_schema(found, Search)


def _json_value(text: str) -> Any:
    """The value of a query parameter: as JSON if it is valid JSON, else the text itself."""
    try:
        return decode_json(text.encode())
    except InvalidInput:
        return text


@get(
    "/v1/journeys/{id:str}",
    summary="The events of one profile, newest first",
    tags=["Profiles"],
    scope="read",
)
async def get_journey(
    environment: Injected[Environment],
    id: FromPath[str],
    by: By = None,
    event: EventName = None,
    kind: EventKind = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Journey:
    first, last = instant_parameter(since, "from"), instant_parameter(until, "to")
    found = await views.journey(
        environment, id, by, cursor, limit, name=event or None, kind=kind, since=first, until=last
    )
    return as_schema(found, Journey)


async def list_recent_events(
    environment: Injected[Environment],
    event: EventName = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", description="only events of this profile")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Journey:
    """The newest events, of all names or one, of all profiles or one.

    With `event` alone, a page reads at most 200,000 events: it may be short, or empty, and still have a `next`."""
    found = await views.recent_events(environment, event or None, cursor, limit, user_id or None)
    return as_schema(found, Journey)


ROUTES = [
    search_profiles,
    get_profile,
    get_lifetime,
    search_users,
    get_user,
    get_journey,
    get(
        "/v1/events/recent",
        summary="The newest events of all profiles, by arrival",
        tags=["Profiles"],
        scope="read",
    )(list_recent_events),
    # For clients of the first source, which use no prefix.
    get("/events/recent", scope="read", include_in_schema=False)(list_recent_events),
]
