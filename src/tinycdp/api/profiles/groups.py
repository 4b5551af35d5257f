"""Groups of people and their traits.

Shape   all groups page by page, one with its number of members, its members page by page
Errors  404 NOT_FOUND
Source  docs/reference/admin.md "Groups"
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import AfterProfile, Limit, answer, readable
from tinycdp.errors import NotFound
from tinycdp.runtime.people import PersonSummary, summary_of
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso
from tinycdp.store import groups as store
from tinycdp.store.messages import Row
from tinycdp.store.pool import acquired


class Group(msgspec.Struct, rename="camel", omit_defaults=True):
    """members  how many people belong to it; in answers about one group"""

    key: str
    traits: dict[str, Any]
    created_at: str
    changed_at: str
    members: int | msgspec.UnsetType = msgspec.UNSET


class Groups(msgspec.Struct):
    """In the order of their keys. `next` is what `after` takes for the following page."""

    groups: list[Group]
    next: str | None


class GroupMembers(msgspec.Struct):
    """In the order of profile ids. `next` is what `after` takes for the following page."""

    members: list[PersonSummary]
    next: str | None


@get(
    "/v1/admin/groups",
    operation_id="listGroups",
    summary="Groups with their traits, page by page",
    tags=["People"],
    scope="admin",
    answer=Groups,
    guards=[readable],
)
async def list_groups(
    request: Request[Any, Any, Any],
    key: Bearer,
    after: Annotated[str, QueryParameter(description="the last key of the page before")] = "",
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    async with acquired(service.pool) as connection:
        rows = await store.list_groups(connection, key.environment_id, after, limit)
    found = [_group(row) for row in rows]
    return answer(Groups(found, found[-1].key if len(rows) == limit else None))


@get(
    "/v1/admin/groups/{name:str}",
    operation_id="getGroup",
    summary="One group, with its number of members",
    tags=["People"],
    scope="admin",
    answer=Group,
    guards=[readable],
)
async def get_group(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    async with acquired(service.pool) as connection:
        row = await store.find_group(connection, key.environment_id, name)
    if row is None:
        raise NotFound("NOT_FOUND", f"There is no group {name!r}.")
    found = _group(row)
    found.members = row["members"]
    return answer(found)


@get(
    "/v1/admin/groups/{name:str}/members",
    operation_id="listGroupMembers",
    summary="The people of a group, page by page",
    tags=["People"],
    scope="admin",
    answer=GroupMembers,
    guards=[readable],
)
async def list_group_members(
    request: Request[Any, Any, Any],
    key: Bearer,
    name: FromPath[str],
    after: AfterProfile = 0,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    async with acquired(service.pool) as connection:
        rows = await store.members_of_group(connection, key.environment_id, name, after, limit)
    members = [summary_of(row) for row in rows]
    return answer(GroupMembers(members, members[-1].id if len(rows) == limit else None))


def _group(row: Row) -> Group:
    return Group(row["key"], row["traits"], iso(row["created_at"]), iso(row["changed_at"]))


ROUTES = [list_groups, get_group, list_group_members]
