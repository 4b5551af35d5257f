"""Policies: what an environment does with what it is sent.

Shape   GET and PUT of one policy, GET of its versions
Laws    what a PUT leaves out has its default; If-Match names the version that shall be replaced
Errors  400 INVALID_POLICY · 404 NOT_FOUND · 409 VERSION_CONFLICT
Source  docs/reference/policies.md
"""

from typing import Any

import msgspec
from litestar import Request, Response, get, put
from litestar.params import FromPath

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import IfMatch, Limit, answer, etag, read_json, readable, version_of
from tinycdp.api.http.openapi import takes
from tinycdp.runtime import policies
from tinycdp.runtime.policies import PolicyVersion
from tinycdp.runtime.service import Service

PATH = "/v1/admin/policies/{name:str}"


class Versions(msgspec.Struct):
    """Newest first."""

    name: str
    versions: list[PolicyVersion]


@get(
    PATH,
    operation_id="getPolicy",
    summary="A policy as it is in force",
    tags=["Policies"],
    scope="admin",
    answer=PolicyVersion,
    guards=[readable],
)
async def get_policy(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    found = (await policies.versions(service.pool, key.environment_id, name, 1))[0]
    return answer(found, headers=etag(found.version))


@put(
    PATH,
    operation_id="putPolicy",
    summary="A policy as it shall be from now on",
    tags=["Policies"],
    scope="admin",
    dependencies=takes(dict[str, Any]),
    answer=PolicyVersion,
    example={},
    guards=[readable],
)
async def put_policy(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], if_match: IfMatch = None
) -> Response[bytes]:
    service: Service = request.app.state.service
    document, expects = await read_json(request), version_of(if_match)
    found = await policies.save(service.pool, key.environment_id, name, document, key.name, service.now(), expects)
    # The process that was asked goes by it at once; the others hear of it.
    await service.mirror.load_policies()
    return answer(found, headers=etag(found.version))


@get(
    f"{PATH}/versions",
    operation_id="listPolicyVersions",
    summary="Who changed a policy when, newest first",
    tags=["Policies"],
    scope="admin",
    answer=Versions,
    guards=[readable],
)
async def list_versions(
    request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], limit: Limit = 50
) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(Versions(name, await policies.versions(service.pool, key.environment_id, name, limit)))


ROUTES = [get_policy, put_policy, list_versions]
