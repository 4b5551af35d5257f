"""People and their events, looked at.

Shape   a page for everyone with a read key, a longer one for admins; searches, journeys, the newest events
Laws    a bare id is tried as userId, anonymousId, deviceId and externalId, then as `kind:value`; `by` names one kind
Errors  404 PROFILE_NOT_FOUND · 400 INVALID_CURSOR
Source  docs/reference/admin.md
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.exchange import Limit, answer, readable
from tinycdp.errors import InvalidInput
from tinycdp.runtime import people
from tinycdp.runtime.keys import Key
from tinycdp.runtime.people import Event, Journey, Person, Search, Transition
from tinycdp.runtime.service import Service

_EVENTS_ON_THE_PAGE = 50
_TRANSITIONS_ON_THE_PAGE = 100

By = Annotated[str | None, QueryParameter(description="kind of the id: userId, anonymousId, profileId, …")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]


class WholePerson(msgspec.Struct, rename="camel"):
    """A person with what they did lately, and the segments they entered and left."""

    profile: Person
    recent_events: list[Event]
    transitions: list[Transition]


@get(
    "/v1/profiles/{id:str}",
    operation_id="getProfile",
    summary="One person: properties, traits and segments at this instant",
    tags=["People"],
    scope="read",
    answer=Person,
    guards=[readable],
)
async def get_profile(
    request: Request[Any, Any, Any], key: Bearer, id: FromPath[str], by: By = None
) -> Response[bytes]:
    return answer(await _person(request.app.state.service, key, id, by))


@get(
    "/v1/admin/users/{id:str}",
    operation_id="getUser",
    summary="One person, with recent events and transitions",
    tags=["People"],
    scope="admin",
    answer=WholePerson,
    guards=[readable],
)
async def get_user(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str], by: By = None) -> Response[bytes]:
    service: Service = request.app.state.service
    person = await _person(service, key, id, by)
    events = await people.recent_of(service.pool, key.environment_id, int(person.id), _EVENTS_ON_THE_PAGE)
    catalog = service.catalogs.serving(key.environment_id)
    transitions = await people.transitions_of(service.pool, catalog, int(person.id), _TRANSITIONS_ON_THE_PAGE)
    return answer(WholePerson(person, events, transitions))


async def _person(service: Service, key: Key, id: str, by: str | None) -> Person:
    return await people.find_person(service.pool, service.catalogs, key.environment_id, id, by, service.now())


async def _search(
    request: Request[Any, Any, Any],
    key: Key,
    q: str | None,
    property_name: str | None,
    value: str | None,
    after: str | None,
    limit: int,
) -> Response[bytes]:
    service: Service = request.app.state.service
    if (q is None) == (property_name is None) or (property_name is None) != (value is None):
        raise InvalidInput("INVALID_REQUEST", "Search with `q`, or with `property` and `value`.")
    if q is not None:
        return answer(await people.search(service.pool, key.environment_id, q, after, limit))
    assert property_name is not None and value is not None
    wanted = _json_value(value)
    return answer(await people.search_property(service.pool, key.environment_id, property_name, wanted, after, limit))


def _json_value(text: str) -> Any:
    """What a query parameter means: the JSON value it spells, else the text itself."""
    try:
        return decode_json(text.encode())
    except InvalidInput:
        return text


Prefix = Annotated[str | None, QueryParameter(description="the beginning of any identifier")]
PropertyName = Annotated[str | None, QueryParameter(name="property", description="the name of a property")]
PropertyValue = Annotated[
    str | None, QueryParameter(description='its exact value, as JSON where it is JSON: 3 is a number, "3" a text')
]


def _searching(path: str, operation_id: str, summary: str, scope: str) -> HTTPRouteHandler:
    @get(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=["People"],
        scope=scope,
        answer=Search,
        guards=[readable],
    )
    async def handler(
        request: Request[Any, Any, Any],
        key: Bearer,
        q: Prefix = None,
        property_name: PropertyName = None,
        value: PropertyValue = None,
        after: Cursor = None,
        limit: Limit = 50,
    ) -> Response[bytes]:
        return await _search(request, key, q, property_name, value, after, limit)

    return handler


search_profiles = _searching(
    "/v1/profiles/search", "searchProfiles", "People by the beginning of an identifier, or by a property", "read"
)
search_users = _searching("/v1/admin/users/search", "searchUsers", "The same, under the admin's roof", "admin")


@get(
    "/v1/journeys/{id:str}",
    operation_id="getJourney",
    summary="One person's events, newest first",
    tags=["People"],
    scope="read",
    answer=Journey,
    guards=[readable],
)
async def get_journey(
    request: Request[Any, Any, Any],
    key: Bearer,
    id: FromPath[str],
    by: By = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await people.journey(service.pool, key.environment_id, id, by, cursor, limit))


@get(
    "/v1/events/recent",
    operation_id="listRecentEvents",
    summary="The newest events of all people, by arrival",
    tags=["People"],
    scope="read",
    answer=Journey,
    guards=[readable],
)
async def list_recent_events(
    request: Request[Any, Any, Any],
    key: Bearer,
    event: Annotated[str | None, QueryParameter(description="only events of this name")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response[bytes]:
    """With `event`, one page looks back at most 200,000 events: it may be short, or empty, and still have a `next`."""
    service: Service = request.app.state.service
    return answer(await people.recent(service.pool, key.environment_id, event, cursor, limit))


ROUTES = [search_profiles, get_profile, search_users, get_user, get_journey, list_recent_events]
