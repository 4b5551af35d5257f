"""Kill switches: turn a flag off at once.

Shape   POST …/kill and …/revive act, GET …/kills lists the kills with their authors
Laws    a repeated request changes nothing: the first author is kept
Errors  404 NOT_FOUND
Source  docs/reference/definitions.md "Kill switch"
"""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from tinycdp.api.definitions.schemas import Kill, KillBody, Kills
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment


@post(
    "/v1/admin/flags/{name:str}/kill",
    status_code=200,
    summary="Turn a flag off: serve its off variant from now on",
    tags=["Definitions"],
    scope="admin",
    example={"note": "checkout fails"},
)
async def kill_flag(
    actor: Injected[Actor],
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    data: JSONBody[KillBody] = KillBody(),
) -> Kills:
    """Applies at once, even during a backfill. No publish undoes it."""
    await kill_switches.kill(environment, name, Edit(actor.name, environment.now(), data.note))
    return await _kills(environment, catalogs, name)


@post(
    "/v1/admin/flags/{name:str}/revive",
    status_code=200,
    summary="Turn a killed flag on again",
    tags=["Definitions"],
    scope="admin",
)
async def revive_flag(
    actor: Injected[Actor], environment: Injected[Environment], catalogs: Injected[Catalogs], name: FromPath[str]
) -> Kills:
    await kill_switches.revive(environment, name, Edit(actor.name, environment.now()))
    return await _kills(environment, catalogs, name)


@get(
    "/v1/admin/flags/{name:str}/kills",
    summary="List the kills of a flag, newest first",
    tags=["Definitions"],
    scope="read",
)
async def list_kills(
    actor: Injected[Actor],
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    name: FromPath[str],
    limit: Limit = 50,
) -> Kills:
    return await _kills(environment, catalogs, name, limit)


async def _kills(environment: Environment, catalogs: Catalogs, name: str, limit: int = 50) -> Kills:
    # This process uses it at once; the others are notified.
    await catalogs.refresh(environment.pool, environment.id)
    found = as_schema(await kill_switches.history(environment, name, limit), list[Kill])
    return Kills(name, bool(found) and found[0].revived_at is None, found)


ROUTES = [kill_flag, revive_flag, list_kills]
