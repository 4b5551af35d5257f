"""People who are forgotten, suppressed, or ask what is known of them.

Shape   DELETE …/profiles/{id} and POST …/erasures erase; GET …/erasures are receipts, POST …/erasures/{id}/check looks
        for what is left; POST and DELETE …/suppressions; GET …/profiles/{id}/export is all that is known
Laws    with `dry` nothing is kept, and the answer is what would happen. Identifiers travel in bodies where they can,
        since addresses end up in logs
Errors  404 PROFILE_NOT_FOUND, ERASURE_NOT_FOUND · 400 INVALID_BODY, TOO_MANY_SUPPRESSIONS · 429 CONTENTION
Source  docs/reference/privacy.md
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import LAST_ID, Before, Limit, Note, answer, read_as, read_json, readable
from tinycdp.api.http.openapi import takes
from tinycdp.model import Alias
from tinycdp.runtime import erasure, privacy
from tinycdp.runtime.erasure import Check, Erasure
from tinycdp.runtime.people import Identifier
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso

_TAGS = ["Privacy"]


class ErasureBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """profiles  1 to 1,000 people, each by an identifier, as `kind:value`, or as `profileId:number`
    note      why, for whoever reads the receipt; without personal data
    suppress  refuse messages of these identifiers from now on, too
    dry       keep nothing; say what would go"""

    profiles: list[str]
    note: Note = ""
    suppress: bool = False
    dry: bool = False


class SuppressionBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  whose messages are refused
    note         why, for whoever reads the list"""

    identifiers: Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=10_000)]
    note: Note = ""


class CheckBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  of the erased people, to be looked for as well; they are not kept"""

    identifiers: list[Identifier] = []


class Changed(msgspec.Struct):
    """How many identifiers were added to the list, or taken from it."""

    changed: int


class Erasures(msgspec.Struct):
    """Newest first."""

    erasures: list[Erasure]
    next: str | None


class Suppressed(msgspec.Struct, rename="camel"):
    """digest  the keyed hash of an identifier, which is not kept itself"""

    id: str
    digest: str
    kind: str
    note: str
    created_at: str
    created_by: str


class Suppressions(msgspec.Struct):
    """Newest first."""

    suppressions: list[Suppressed]
    next: str | None


@delete(
    "/v1/admin/profiles/{id:str}",
    status_code=200,
    operation_id="eraseProfile",
    summary="A person was never here",
    tags=_TAGS,
    scope="admin",
    answer=Erasure,
    guards=[readable],
)
async def erase_profile(
    request: Request[Any, Any, Any],
    key: Bearer,
    id: FromPath[str],
    dry: Annotated[bool, QueryParameter(description="keep nothing; say what would go")] = False,
    suppress: Annotated[bool, QueryParameter(description="refuse messages of these identifiers, too")] = False,
) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await service.erasures.erase(key.environment_id, [id], key.name, refuse=suppress, dry=dry))


@post(
    "/v1/admin/erasures",
    status_code=200,
    operation_id="eraseProfiles",
    summary="Several people were never here",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(ErasureBody),
    answer=Erasure,
    example={"profiles": ["nobody-yet"], "note": "ticket 4711", "dry": True},
)
async def erase_profiles(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), ErasureBody)
    receipt = await service.erasures.erase(
        key.environment_id, body.profiles, key.name, body.note, refuse=body.suppress, dry=body.dry
    )
    return answer(receipt)


@get(
    "/v1/admin/erasures",
    operation_id="listErasures",
    summary="Receipts of erasures, newest first",
    tags=_TAGS,
    scope="admin",
    answer=Erasures,
)
async def list_erasures(
    request: Request[Any, Any, Any], key: Bearer, before: Before = LAST_ID, limit: Limit = 50
) -> Response[bytes]:
    service: Service = request.app.state.service
    found = await erasure.listed(service.pool, key.environment_id, before, limit)
    return answer(Erasures(found, found[-1].id if len(found) == limit else None))


@get(
    "/v1/admin/erasures/{id:int}",
    operation_id="getErasure",
    summary="The receipt of an erasure",
    tags=_TAGS,
    scope="admin",
    answer=Erasure,
)
async def get_erasure(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await erasure.find(service.pool, key.environment_id, id))


@post(
    "/v1/admin/erasures/{id:int}/check",
    status_code=200,
    operation_id="checkErasure",
    summary="Look into every table for what should be gone",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(CheckBody),
    answer=Check,
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def check_erasure(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> Response[bytes]:
    """Reads every table from end to end: minutes, where there is much."""
    service: Service = request.app.state.service
    body = read_as(await read_json(request, optional=True), CheckBody)
    found = await erasure.check(service.pool, service.privacy, key.environment_id, id, body.identifiers)
    return answer(found)


@get(
    "/v1/admin/profiles/{id:str}/export",
    operation_id="exportProfile",
    summary="Everything that is known of a person",
    tags=_TAGS,
    scope="admin",
    media=("application/json",),
    guards=[readable],
)
async def export_profile(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> ASGIStreamingResponse:
    """Streamed; the raw events come last, however many they are."""
    service: Service = request.app.state.service
    parts = await erasure.held(service.pool, service.catalogs, key.environment_id, id, service.now())
    headers = {"Content-Disposition": 'attachment; filename="person.json"', "Cache-Control": "no-store"}
    return ASGIStreamingResponse(iterator=parts, media_type="application/json", headers=headers)


@post(
    "/v1/admin/suppressions",
    status_code=200,
    operation_id="suppress",
    summary="Refuse messages that name these identifiers",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(SuppressionBody),
    answer=Changed,
    example={"identifiers": [{"kind": "userId", "value": "ada"}], "note": "objected"},
)
async def suppress(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), SuppressionBody)
    n = await privacy.suppress(
        service.pool, service.privacy, key.environment_id, _aliases(body), key.name, body.note, service.now()
    )
    return answer(Changed(n))


@delete(
    "/v1/admin/suppressions",
    status_code=200,
    operation_id="release",
    summary="Take messages that name these identifiers again",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(SuppressionBody),
    answer=Changed,
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def release(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), SuppressionBody)
    return answer(Changed(await privacy.release(service.pool, service.privacy, key.environment_id, _aliases(body))))


@get(
    "/v1/admin/suppressions",
    operation_id="listSuppressions",
    summary="How many identifiers are refused, since when and why",
    tags=_TAGS,
    scope="admin",
    answer=Suppressions,
)
async def list_suppressions(
    request: Request[Any, Any, Any], key: Bearer, before: Before = LAST_ID, limit: Limit = 50
) -> Response[bytes]:
    service: Service = request.app.state.service
    rows = await privacy.suppressions(service.pool, key.environment_id, before, limit)
    found = [Suppressed(str(r.id), r.digest, r.kind, r.note, iso(r.created_at), r.created_by) for r in rows]
    return answer(Suppressions(found, found[-1].id if len(found) == limit else None))


def _aliases(body: SuppressionBody) -> list[Alias]:
    return [Alias(identifier.kind, identifier.value) for identifier in body.identifiers]


ROUTES = [
    erase_profile,
    erase_profiles,
    list_erasures,
    get_erasure,
    check_erasure,
    export_profile,
    suppress,
    release,
    list_suppressions,
]
