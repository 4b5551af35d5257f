"""Kill switches: a flag off for everyone, at once.

Shape   POST …/kill and …/revive act, GET …/kills tells who did what when
Laws    asking again changes nothing: the first to act is named
Errors  404 NOT_FOUND
Source  docs/reference/admin.md "Kill switch"
"""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import Limit, answer, read_as, read_json, readable
from tinycdp.api.http.openapi import takes
from tinycdp.runtime import switches
from tinycdp.runtime.keys import Key
from tinycdp.runtime.service import Service
from tinycdp.runtime.switches import Kill


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """Why; it is shown in every decision the kill makes."""

    note: str = ""


class Kills(msgspec.Struct):
    """Newest first. killed  whether the flag is off by the newest of them"""

    key: str
    killed: bool
    kills: list[Kill]


@post(
    "/v1/admin/flags/{name:str}/kill",
    status_code=200,
    operation_id="killFlag",
    summary="Serve a flag's off variant to everyone, from now on",
    tags=["Definitions"],
    scope="admin",
    dependencies=takes(Note),
    answer=Kills,
    example={"note": "checkout fails for everyone"},
    guards=[readable],
)
async def kill(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
    """Waits for no warm-up, and no publish undoes it."""
    service: Service = request.app.state.service
    note = read_as(await read_json(request), Note).note if await request.body() else ""
    await switches.kill(service.pool, key.environment_id, name, key.name, note, service.now())
    return await _kills(service, key, name)


@post(
    "/v1/admin/flags/{name:str}/revive",
    status_code=200,
    operation_id="reviveFlag",
    summary="Let a killed flag decide again",
    tags=["Definitions"],
    scope="admin",
    answer=Kills,
    guards=[readable],
)
async def revive(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    await switches.revive(service.pool, key.environment_id, name, key.name, service.now())
    return await _kills(service, key, name)


@get(
    "/v1/admin/flags/{name:str}/kills",
    operation_id="listKills",
    summary="Who switched a flag off and on again, newest first",
    tags=["Definitions"],
    scope="admin",
    answer=Kills,
    guards=[readable],
)
async def list_kills(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], limit: Limit = 50
) -> Response[bytes]:
    return await _kills(request.app.state.service, key, name, limit)


async def _kills(service: Service, key: Key, name: str, limit: int = 50) -> Response[bytes]:
    # The process that was asked decides by it at once; the others hear of it.
    await service.catalogs.refresh(service.pool, key.environment_id)
    found = await switches.history(service.pool, key.environment_id, name, limit)
    return answer(Kills(name, bool(found) and found[0].revived_at is None, found))


ROUTES = [kill, revive, list_kills]
