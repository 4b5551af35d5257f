"""Routes of privacy: erase, anonymise, suppress and export profiles.

Shape   DELETE …/profiles/{id} and POST …/erasures erase; POST …/profiles/{id}/anonymize keeps events without
        who; GET …/erasures lists receipts, POST …/erasures/{id}/check searches for what is left; POST and DELETE
        …/suppressions; GET …/profiles/{id}/export
Laws    with `dryRun` nothing changes, and the answer is what would happen. Identifiers are sent in bodies where
        possible, because addresses end up in logs
Errors  404 PROFILE_NOT_FOUND, ERASURE_NOT_FOUND · 400 INVALID_BODY, TOO_MANY_SUPPRESSIONS · 429 CONTENTION
Source  docs/reference/privacy.md
"""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse

from tinycdp.api.http.encoding import as_schema, encode
from tinycdp.api.http.params import LAST_ID, Before, DryRun, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.privacy.schemas import (
    AnonymizationBody,
    CheckBody,
    Erasure,
    ErasureBody,
    ErasureCheck,
    Erasures,
    ProfileExport,
    SuppressedIdentifier,
    SuppressionBody,
    SuppressionChange,
    Suppressions,
)
from tinycdp.api.profiles.schemas import Event
from tinycdp.model import Identifier
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.policies import privacy_rules as lists
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.privacy import erasure
from tinycdp.runtime.privacy.erasure import Eraser
from tinycdp.runtime.profiles import views
from tinycdp.times import iso

_TAGS = ["Privacy"]


@delete("/v1/admin/profiles/{id:str}", status_code=200, summary="Erase a profile", tags=_TAGS, scope="admin")
async def erase_profile(
    actor: Injected[Actor],
    erasures: Injected[Eraser],
    id: FromPath[str],
    dry_run: DryRun = False,
    suppress: Annotated[
        bool, QueryParameter(description="also reject messages with these identifiers from now on")
    ] = False,
) -> Erasure:
    found = await erasures.erase(actor.environment_id, [id], actor.name, also_suppress=suppress, dry_run=dry_run)
    return as_schema(found, Erasure)


@post(
    "/v1/admin/profiles/{id:str}/anonymize",
    status_code=200,
    summary="Keep the events of a profile, and drop who they are of",
    tags=_TAGS,
    scope="admin",
    example={"note": "ticket 4711", "dryRun": True},
)
async def anonymize_profile(
    actor: Injected[Actor],
    erasures: Injected[Eraser],
    id: FromPath[str],
    data: JSONBody[AnonymizationBody] = AnonymizationBody(),
) -> Erasure:
    """An erasure that first gives events, transitions and exposures to a new profile with random identifiers."""
    found = await erasures.erase(
        actor.environment_id, [id], actor.name, data.note,
        also_suppress=data.suppress, dry_run=data.dry_run, kind="anonymization",
    )  # fmt: skip
    return as_schema(found, Erasure)


@post(
    "/v1/admin/erasures",
    status_code=200,
    summary="Erase or anonymise several profiles",
    tags=_TAGS,
    scope="admin",
    example={"profiles": ["unknown-id"], "note": "ticket 4711", "dryRun": True},
)
async def erase_profiles(actor: Injected[Actor], erasures: Injected[Eraser], data: JSONBody[ErasureBody]) -> Erasure:
    found = await erasures.erase(
        actor.environment_id, data.profiles, actor.name, data.note,
        also_suppress=data.suppress, dry_run=data.dry_run, kind=data.kind,
    )  # fmt: skip
    return as_schema(found, Erasure)


@get("/v1/admin/erasures", summary="List receipts of erasures, newest first", tags=_TAGS, scope="admin")
async def list_erasures(environment: Injected[Environment], before: Before = LAST_ID, limit: Limit = 50) -> Erasures:
    found = await erasure.list_erasures(environment, before, limit)
    return Erasures(as_schema(found, list[Erasure]), found[-1].id if len(found) == limit else None)


@get("/v1/admin/erasures/{id:int}", summary="The receipt of an erasure", tags=_TAGS, scope="admin")
async def get_erasure(environment: Injected[Environment], id: FromPath[int]) -> Erasure:
    return as_schema(await erasure.find(environment, id), Erasure)


@post(
    "/v1/admin/erasures/{id:int}/check",
    status_code=200,
    summary="Search every table for what should be gone",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def check_erasure(
    environment: Injected[Environment],
    privacy: Injected[Privacy],
    id: FromPath[int],
    data: JSONBody[CheckBody] = CheckBody(),
) -> ErasureCheck:
    """Reads every table completely: this takes minutes on a large database."""
    identifiers = [Identifier(identifier.kind, identifier.value) for identifier in data.identifiers]
    return as_schema(await erasure.check(environment, privacy, id, identifiers), ErasureCheck)


@get(
    "/v1/admin/profiles/{id:str}/export",
    summary="Export everything stored about a profile",
    tags=_TAGS,
    scope="admin",
    media=("application/json",),
)
async def export_profile(
    environment: Injected[Environment], catalogs: Injected[Catalogs], id: FromPath[str]
) -> ASGIStreamingResponse:
    """Streamed; all raw events follow at the end."""
    found, events = await erasure.export(environment, catalogs, id)
    parts = _parts(as_schema(found, ProfileExport), events)
    headers = {"Content-Disposition": 'attachment; filename="profile.json"', "Cache-Control": "no-store"}
    return ASGIStreamingResponse(iterator=parts, media_type="application/json", headers=headers)


async def _parts(document: ProfileExport, events: AsyncIterator[list[views.Event]]) -> AsyncIterator[bytes]:
    """One JSON object: the document, with its events as they are read."""
    yield encode(document)[:-1] + b',"events":['
    comma = b""
    async for batch in events:
        yield comma + b",".join(map(encode, as_schema(batch, list[Event])))
        comma = b","
    yield b"]}\n"


@post(
    "/v1/admin/suppressions",
    status_code=200,
    summary="Reject messages with these identifiers from now on",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}], "note": "objected"},
)
async def suppress(
    actor: Injected[Actor],
    environment: Injected[Environment],
    privacy: Injected[Privacy],
    data: JSONBody[SuppressionBody],
) -> SuppressionChange:
    edit = Edit(actor.name, environment.now(), data.note, dry_run=data.dry_run)
    return SuppressionChange(await lists.suppress(environment, privacy, _identifiers(data), edit), data.dry_run)


@delete(
    "/v1/admin/suppressions",
    status_code=200,
    summary="Accept messages with these identifiers again",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def release(
    environment: Injected[Environment], privacy: Injected[Privacy], data: JSONBody[SuppressionBody]
) -> SuppressionChange:
    changed = await lists.release(environment, privacy, _identifiers(data), dry_run=data.dry_run)
    return SuppressionChange(changed, data.dry_run)


@get(
    "/v1/admin/suppressions",
    summary="List suppressed identifiers, with dates and reasons",
    tags=_TAGS,
    scope="admin",
)
async def list_suppressions(
    environment: Injected[Environment], before: Before = LAST_ID, limit: Limit = 50
) -> Suppressions:
    rows = await lists.suppressions(environment, before, limit)
    found = [SuppressedIdentifier(str(r.id), r.digest, r.kind, r.note, iso(r.created_at), r.created_by) for r in rows]
    return Suppressions(found, found[-1].id if len(found) == limit else None)


def _identifiers(body: SuppressionBody) -> list[Identifier]:
    return [Identifier(identifier.kind, identifier.value) for identifier in body.identifiers]


ROUTES = [
    erase_profile,
    anonymize_profile,
    erase_profiles,
    list_erasures,
    get_erasure,
    check_erasure,
    export_profile,
    suppress,
    release,
    list_suppressions,
]
