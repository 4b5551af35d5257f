"""Profiles and their events, looked at.

Shape   a page for every read key, a longer one for admins; searches, journeys, the newest events
Laws    a bare id is tried as userId, anonymousId, deviceId and externalId, then as `kind:value`; `by` names one kind
Errors  404 PROFILE_NOT_FOUND · 400 INVALID_CURSOR
Source  docs/reference/profiles.md
"""

from typing import Annotated, Any

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import WholePerson
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.profiles import views
from tinycdp.runtime.profiles.views import Journey, Person, Search
from tinycdp.store.pool import Pool

_EVENTS_ON_THE_PAGE = 50
_TRANSITIONS_ON_THE_PAGE = 100

By = Annotated[str | None, QueryParameter(description="kind of the id: userId, anonymousId, profileId, …")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Prefix = Annotated[str | None, QueryParameter(description="the beginning of any identifier")]
PropertyName = Annotated[str | None, QueryParameter(name="property", description="the name of a property")]
PropertyValue = Annotated[
    str | None, QueryParameter(description='its exact value, as JSON where it is JSON: 3 is a number, "3" a text')
]


@get(
    "/v1/profiles/{id:str}",
    summary="One person: properties, traits and segments at this instant",
    tags=["People"],
    scope="read",
)
async def get_profile(
    actor: Injected[Actor],
    pool: Injected[Pool],
    catalogs: Injected[Catalogs],
    now: Injected[Clock],
    id: FromPath[str],
    by: By = None,
) -> Person:
    return await views.find_person(pool, catalogs, actor.environment_id, id, by, now())


@get(
    "/v1/admin/users/{id:str}",
    summary="One person, with recent events and transitions",
    tags=["People"],
    scope="admin",
)
async def get_user(
    actor: Injected[Actor],
    pool: Injected[Pool],
    catalogs: Injected[Catalogs],
    now: Injected[Clock],
    id: FromPath[str],
    by: By = None,
) -> WholePerson:
    person = await views.find_person(pool, catalogs, actor.environment_id, id, by, now())
    events = await views.recent_of(pool, actor.environment_id, int(person.id), _EVENTS_ON_THE_PAGE)
    catalog = catalogs.serving(actor.environment_id)
    transitions = await views.transitions_of(pool, catalog, int(person.id), _TRANSITIONS_ON_THE_PAGE)
    return WholePerson(person, events, transitions)


@get(
    "/v1/profiles/search",
    summary="People by the beginning of an identifier, or by a property",
    tags=["People"],
    scope="read",
)
async def search_profiles(
    actor: Injected[Actor],
    pool: Injected[Pool],
    q: Prefix = None,
    property_name: PropertyName = None,
    value: PropertyValue = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Search:
    return await _search(actor, pool, q, property_name, value, after, limit)


@get(
    "/v1/admin/users/search",
    summary="The same, under the admin's roof",
    tags=["People"],
    scope="admin",
)
async def search_users(
    actor: Injected[Actor],
    pool: Injected[Pool],
    q: Prefix = None,
    property_name: PropertyName = None,
    value: PropertyValue = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Search:
    return await _search(actor, pool, q, property_name, value, after, limit)


async def _search(
    actor: Actor,
    pool: Pool,
    q: str | None,
    property_name: str | None,
    value: str | None,
    after: str | None,
    limit: int,
) -> Search:
    if (q is None) == (property_name is None) or (property_name is None) != (value is None):
        raise InvalidInput("INVALID_REQUEST", "Search with `q`, or with `property` and `value`.")
    if q is not None:
        return await views.search(pool, actor.environment_id, q, after, limit)
    assert property_name is not None and value is not None
    wanted = _json_value(value)
    return await views.search_property(pool, actor.environment_id, property_name, wanted, after, limit)


def _json_value(text: str) -> Any:
    """What a query parameter means: the JSON value it spells, else the text itself."""
    try:
        return decode_json(text.encode())
    except InvalidInput:
        return text


@get(
    "/v1/journeys/{id:str}",
    summary="One person's events, newest first",
    tags=["People"],
    scope="read",
)
async def get_journey(
    actor: Injected[Actor],
    pool: Injected[Pool],
    id: FromPath[str],
    by: By = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Journey:
    return await views.journey(pool, actor.environment_id, id, by, cursor, limit)


@get(
    "/v1/events/recent",
    summary="The newest events of all people, by arrival",
    tags=["People"],
    scope="read",
)
async def list_recent_events(
    actor: Injected[Actor],
    pool: Injected[Pool],
    event: Annotated[str | None, QueryParameter(description="only events of this name")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Journey:
    """With `event`, one page looks back at most 200,000 events: it may be short, or empty, and still have a `next`."""
    return await views.recent(pool, actor.environment_id, event, cursor, limit)


ROUTES = [search_profiles, get_profile, search_users, get_user, get_journey, list_recent_events]
