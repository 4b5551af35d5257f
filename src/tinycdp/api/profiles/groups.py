"""Routes that read groups, their traits and their members.

Shape   a page of groups; one group with its number of members; a page of its members
Errors  404 NOT_FOUND
Source  docs/reference/profiles.md "Groups"
"""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import AfterProfile, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import Group, GroupMembers, Groups, ProfileSummary
from tinycdp.errors import NotFound
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.views import summary_of
from tinycdp.store import groups as store
from tinycdp.store.database.pool import acquired
from tinycdp.times import iso


@get(
    "/v1/admin/groups",
    summary="Groups with their traits, page by page",
    tags=["Profiles"],
    scope="admin",
)
async def list_groups(
    environment: Injected[Environment],
    after: Annotated[str, QueryParameter(description="the last key of the page before")] = "",
    limit: Limit = 50,
) -> Groups:
    async with acquired(environment.pool) as connection:
        rows = await store.list_groups(connection, environment.id, after, limit)
    found = [_group(row) for row in rows]
    return Groups(found, found[-1].key if len(rows) == limit else None)


@get(
    "/v1/admin/groups/{name:str}",
    summary="One group, with its number of members",
    tags=["Profiles"],
    scope="admin",
)
async def get_group(environment: Injected[Environment], name: FromPath[str]) -> Group:
    async with acquired(environment.pool) as connection:
        row = await store.find_group(connection, environment.id, name)
    if row is None:
        raise NotFound("NOT_FOUND", f"There is no group {name!r}.")
    found = _group(row)
    found.members = row.members
    return found


@get(
    "/v1/admin/groups/{name:str}/members",
    summary="The members of a group, page by page",
    tags=["Profiles"],
    scope="admin",
)
async def list_group_members(
    environment: Injected[Environment], name: FromPath[str], after: AfterProfile = 0, limit: Limit = 50
) -> GroupMembers:
    async with acquired(environment.pool) as connection:
        rows = await store.members_of_group(connection, environment.id, name, after, limit)
        if not rows and await store.find_group(connection, environment.id, name) is None:
            raise NotFound("NOT_FOUND", f"There is no group {name!r}.")
    members = as_schema([summary_of(row) for row in rows], list[ProfileSummary])
    return GroupMembers(members, members[-1].id if len(rows) == limit else None)


def _group(row: store.GroupRow) -> Group:
    return Group(row.key, row.traits, iso(row.created_at), iso(row.changed_at))


ROUTES = [list_groups, get_group, list_group_members]
