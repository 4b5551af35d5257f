"""Routes of environments: list, create, rename.

Laws    An admin key of any environment lists the project's and creates one: it is empty, and its first key is in the
        answer. Only a key of an environment renames it
Source  docs/reference/authentication.md "Environments"
"""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from tinycdp.api.access.routes import created
from tinycdp.api.access.schemas import (
    CreatedEnvironment,
    EnvironmentBody,
    EnvironmentRename,
    Environments,
    ListedEnvironment,
)
from tinycdp.api.http.parts import Injected
from tinycdp.errors import Forbidden, NotFound
from tinycdp.runtime.access import environments
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.environment import Environment


@get("/v1/admin/environments", summary="List the project's environments", tags=["Operation"], scope="admin")
async def list_environments(environment: Injected[Environment]) -> Environments:
    return await _listed(environment)


@post(
    "/v1/admin/environments",
    summary="Create an environment; only this answer has its first key",
    tags=["Operation"],
    scope="admin",
    example={"key": "staging"},
)
async def create_environment(
    actor: Injected[Actor],
    environment: Injected[Environment],
    keyring: Injected[Keyring],
    data: JSONBody[EnvironmentBody],
) -> CreatedEnvironment:
    made = await environments.create_environment(environment, data.key, data.zone, author=actor.name)
    await keyring.load()
    return CreatedEnvironment(made.id, made.key, made.zone, created(made.admin_key))


@post(
    "/v1/admin/environments/{name:str}/rename",
    status_code=200,
    summary="Rename the key's own environment",
    tags=["Operation"],
    scope="admin",
    example={"key": "production"},
)
async def rename_environment(
    environment: Injected[Environment], name: FromPath[str], data: JSONBody[EnvironmentRename]
) -> Environments:
    """Ids, keys and data stay. Set TINYCDP_ENVIRONMENT before the next start if it names this environment."""
    known = {row.key: row.id for row in await environments.list_environments(environment)}
    if name not in known:
        raise NotFound("NOT_FOUND", f"There is no environment {name!r}.")
    if known[name] != environment.id:
        message = f"This key is not of the environment {name!r}; rename it with an admin key of its own."
        raise Forbidden("OTHER_ENVIRONMENT", message)
    await environments.rename_environment(environment, data.key)
    return await _listed(environment)


async def _listed(environment: Environment) -> Environments:
    rows = await environments.list_environments(environment)
    return Environments(
        [
            ListedEnvironment(row.id, row.key, row.zone, row.revision if own else None, own)
            for row in rows
            for own in [row.id == environment.id]
        ]
    )


ROUTES = [list_environments, create_environment, rename_environment]
