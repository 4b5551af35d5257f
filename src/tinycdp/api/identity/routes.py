"""Who is who: merges by hand, undone, split, and everything that was said and refused.

Shape   POST …/profiles/merge, …/merges/{id}/undo and …/profiles/{id}/split act; GET merges, refusals, blocked values,
        and a person's graph
Laws    with `dry` nothing is kept, and the answer is what would happen. Who acted, and their note, is remembered
Errors  404 PROFILE_NOT_FOUND, MERGE_NOT_FOUND, IDENTIFIER_NOT_FOUND · 409 SAME_PERSON, MERGE_REFUSED, MERGE_UNDONE,
        STILL_JOINED, NOTHING_LEFT
Source  docs/reference/identity.md
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import LAST_ID, Before, Limit, Note, answer, read_as, read_json, readable
from tinycdp.api.http.openapi import takes
from tinycdp.model import Alias
from tinycdp.runtime import graphs
from tinycdp.runtime.graphs import Blocked, Graph, Merge, Refusal
from tinycdp.runtime.merges import Merged, Parted
from tinycdp.runtime.people import Identifier
from tinycdp.runtime.service import Service

_TAGS = ["Identity"]


class MergeBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """profiles  2 to 20 people, each by an identifier, as `kind:value`, or as `profileId:number`
    survivor  whose profile id stays; left out for the oldest's. The bucketing key is the oldest's in any case
    note      why, for whoever reads the history
    dry       keep nothing; say what would happen"""

    profiles: list[str]
    survivor: str | None = None
    note: Note = ""
    dry: bool = False


class UndoBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """note  why, for whoever reads the history
    dry   keep nothing; say what would happen"""

    note: Note = ""
    dry: bool = False


class SplitBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  of this person, to be a person of their own together with what they own
    note         why, for whoever reads the history
    dry          keep nothing; say what would happen"""

    identifiers: Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=1_000)]
    note: Note = ""
    dry: bool = False


class Merges(msgspec.Struct):
    """Newest first."""

    merges: list[Merge]
    next: str | None


class Refusals(msgspec.Struct):
    """Newest first."""

    refusals: list[Refusal]
    next: str | None


class BlockedValues(msgspec.Struct):
    """The most frequent first."""

    blocked: list[Blocked]


@post(
    "/v1/admin/profiles/merge",
    status_code=200,
    operation_id="mergeProfiles",
    summary="Several people are one",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(MergeBody),
    answer=Merged,
    example={"profiles": ["ada", "userId:ada@old"], "note": "she wrote to support", "dry": True},
)
async def merge_profiles(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), MergeBody)
    found = await service.merges.merge(
        key.environment_id, body.profiles, key.name, body.note, survivor=body.survivor, dry=body.dry
    )
    return answer(found)


@post(
    "/v1/admin/profiles/{id:str}/split",
    status_code=200,
    operation_id="splitProfile",
    summary="Some of a person's identifiers are a person of their own",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(SplitBody),
    answer=Parted,
    example={"identifiers": [{"kind": "anonymousId", "value": "browser-7"}], "dry": True},
    guards=[readable],
)
async def split_profile(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), SplitBody)
    wanted = [Alias(identifier.kind, identifier.value) for identifier in body.identifiers]
    found = await service.merges.split(key.environment_id, id, wanted, key.name, body.note, dry=body.dry)
    return answer(found)


@get(
    "/v1/admin/profiles/{id:str}/graph",
    operation_id="getGraph",
    summary="A person's identifiers, and everything that was said of them",
    tags=_TAGS,
    scope="admin",
    answer=Graph,
    guards=[readable],
)
async def get_graph(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> Response[bytes]:
    """Nodes and edges, as for a picture."""
    service: Service = request.app.state.service
    return answer(await graphs.graph(service.pool, key.environment_id, id))


@get(
    "/v1/admin/merges",
    operation_id="listMerges",
    summary="Who became one person when, and why",
    tags=_TAGS,
    scope="admin",
    answer=Merges,
    guards=[readable],
)
async def list_merges(
    request: Request[Any, Any, Any],
    key: Bearer,
    profile: Annotated[str | None, QueryParameter(description="of this person only")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    found = await graphs.merges(service.pool, key.environment_id, profile, before, limit)
    return answer(Merges(found, found[-1].id if len(found) == limit else None))


@post(
    "/v1/admin/merges/{id:int}/undo",
    status_code=200,
    operation_id="undoMerge",
    summary="Two people again, as if they had never been merged",
    tags=_TAGS,
    scope="admin",
    dependencies=takes(UndoBody),
    answer=Parted,
    example={"note": "two colleagues", "dry": True},
)
async def undo_merge(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request, optional=True), UndoBody)
    merge_id = min(max(id, 0), LAST_ID)
    found = await service.merges.undo(key.environment_id, merge_id, key.name, body.note, dry=body.dry)
    return answer(found)


@get(
    "/v1/admin/identity/refusals",
    operation_id="listIdentityRefusals",
    summary="Identifiers that were not joined, and why",
    tags=_TAGS,
    scope="admin",
    answer=Refusals,
    guards=[readable],
)
async def list_refusals(
    request: Request[Any, Any, Any],
    key: Bearer,
    reason: Annotated[
        Literal["CLAIMED", "LIMIT", "NEW_LIMIT", "RULE", "KEPT_APART"] | None,
        QueryParameter(description="only those of this reason"),
    ] = None,
    profile: Annotated[str | None, QueryParameter(description="of this person's identifiers only")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Response[bytes]:
    """One for each pair of identifiers and reason, the first time it happened."""
    service: Service = request.app.state.service
    found = await graphs.refusals(service.pool, key.environment_id, reason, profile, before, limit)
    return answer(Refusals(found, found[-1].id if len(found) == limit else None))


@get(
    "/v1/admin/identity/blocked",
    operation_id="listBlockedIdentifiers",
    summary="Identifiers that say nothing, and how often they came beside others",
    tags=_TAGS,
    scope="admin",
    answer=BlockedValues,
)
async def list_blocked(request: Request[Any, Any, Any], key: Bearer, limit: Limit = 50) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(BlockedValues(await graphs.blocked(service.pool, key.environment_id, limit)))


ROUTES = [merge_profiles, split_profile, get_graph, list_merges, undo_merge, list_refusals, list_blocked]
