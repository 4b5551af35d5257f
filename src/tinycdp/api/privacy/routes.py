"""Profiles that are forgotten or suppressed, and everything that is known of one.

Shape   DELETE …/profiles/{id} and POST …/erasures erase; GET …/erasures are receipts, POST …/erasures/{id}/check looks
        for what is left; POST and DELETE …/suppressions; GET …/profiles/{id}/export is all that is known
Laws    with `dryRun` nothing is kept, and the answer is what would happen. Identifiers travel in bodies where they can,
        since addresses end up in logs
Errors  404 PROFILE_NOT_FOUND, ERASURE_NOT_FOUND · 400 INVALID_BODY, TOO_MANY_SUPPRESSIONS · 429 CONTENTION
Source  docs/reference/privacy.md
"""

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse

from tinycdp.api.http.params import LAST_ID, Before, DryRun, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.privacy.schemas import (
    CheckBody,
    ErasureBody,
    Erasures,
    Suppressed,
    SuppressionBody,
    SuppressionChange,
    Suppressions,
)
from tinycdp.model import Alias
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.policies import privacy_rules as lists
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.privacy import erasure
from tinycdp.runtime.privacy.erasure import Check, Erasure
from tinycdp.runtime.privacy.erasure import Erasures as Eraser
from tinycdp.store.pool import Pool
from tinycdp.times import iso

_TAGS = ["Privacy"]


@delete("/v1/admin/profiles/{id:str}", status_code=200, summary="Erase a profile", tags=_TAGS, scope="admin")
async def erase_profile(
    actor: Injected[Actor],
    erasures: Injected[Eraser],
    id: FromPath[str],
    dry_run: DryRun = False,
    suppress: Annotated[bool, QueryParameter(description="refuse messages of these identifiers, too")] = False,
) -> Erasure:
    return await erasures.erase(actor.environment_id, [id], actor.name, refuse=suppress, dry=dry_run)


@post(
    "/v1/admin/erasures",
    status_code=200,
    summary="Erase several profiles",
    tags=_TAGS,
    scope="admin",
    example={"profiles": ["nobody-yet"], "note": "ticket 4711", "dryRun": True},
)
async def erase_profiles(actor: Injected[Actor], erasures: Injected[Eraser], data: JSONBody[ErasureBody]) -> Erasure:
    return await erasures.erase(
        actor.environment_id, data.profiles, actor.name, data.note, refuse=data.suppress, dry=data.dry_run
    )


@get("/v1/admin/erasures", summary="Receipts of erasures, newest first", tags=_TAGS, scope="admin")
async def list_erasures(
    actor: Injected[Actor], pool: Injected[Pool], before: Before = LAST_ID, limit: Limit = 50
) -> Erasures:
    found = await erasure.listed(pool, actor.environment_id, before, limit)
    return Erasures(found, found[-1].id if len(found) == limit else None)


@get("/v1/admin/erasures/{id:int}", summary="The receipt of an erasure", tags=_TAGS, scope="admin")
async def get_erasure(actor: Injected[Actor], pool: Injected[Pool], id: FromPath[int]) -> Erasure:
    return await erasure.find(pool, actor.environment_id, id)


@post(
    "/v1/admin/erasures/{id:int}/check",
    status_code=200,
    summary="Look into every table for what should be gone",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def check_erasure(
    actor: Injected[Actor],
    pool: Injected[Pool],
    privacy: Injected[Privacy],
    id: FromPath[int],
    data: JSONBody[CheckBody] = CheckBody(),
) -> Check:
    """Reads every table from end to end: minutes, if there is much."""
    return await erasure.check(pool, privacy, actor.environment_id, id, data.identifiers)


@get(
    "/v1/admin/profiles/{id:str}/export",
    summary="Everything that is known of a profile",
    tags=_TAGS,
    scope="admin",
    media=("application/json",),
)
async def export_profile(
    actor: Injected[Actor],
    pool: Injected[Pool],
    catalogs: Injected[Catalogs],
    now: Injected[Clock],
    id: FromPath[str],
) -> ASGIStreamingResponse:
    """Streamed; the raw events come last, however many they are."""
    parts = await erasure.held(pool, catalogs, actor.environment_id, id, now())
    headers = {"Content-Disposition": 'attachment; filename="person.json"', "Cache-Control": "no-store"}
    return ASGIStreamingResponse(iterator=parts, media_type="application/json", headers=headers)


@post(
    "/v1/admin/suppressions",
    status_code=200,
    summary="Refuse messages that name these identifiers",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}], "note": "objected"},
)
async def suppress(
    actor: Injected[Actor],
    pool: Injected[Pool],
    privacy: Injected[Privacy],
    now: Injected[Clock],
    data: JSONBody[SuppressionBody],
) -> SuppressionChange:
    aliases = _aliases(data)
    return SuppressionChange(
        await lists.suppress(pool, privacy, actor.environment_id, aliases, Edit(actor.name, now(), data.note))
    )


@delete(
    "/v1/admin/suppressions",
    status_code=200,
    summary="Take messages that name these identifiers again",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "userId", "value": "ada"}]},
)
async def release(
    actor: Injected[Actor], pool: Injected[Pool], privacy: Injected[Privacy], data: JSONBody[SuppressionBody]
) -> SuppressionChange:
    return SuppressionChange(await lists.release(pool, privacy, actor.environment_id, _aliases(data)))


@get(
    "/v1/admin/suppressions",
    summary="How many identifiers are refused, since when and why",
    tags=_TAGS,
    scope="admin",
)
async def list_suppressions(
    actor: Injected[Actor], pool: Injected[Pool], before: Before = LAST_ID, limit: Limit = 50
) -> Suppressions:
    rows = await lists.suppressions(pool, actor.environment_id, before, limit)
    found = [Suppressed(str(r.id), r.digest, r.kind, r.note, iso(r.created_at), r.created_by) for r in rows]
    return Suppressions(found, found[-1].id if len(found) == limit else None)


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
