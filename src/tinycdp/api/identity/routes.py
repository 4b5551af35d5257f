"""Routes of identity: merges, undoes, splits, rejected claims and blocked values.

Shape   POST …/profiles/merge, …/merges/{id}/undo and …/profiles/{id}/split change profiles; GET lists merges, rejected
        claims and blocked values, and shows a profile's graph
Laws    with `dryRun` nothing changes, and the answer is what would happen. The actor and the note are stored
Errors  404 PROFILE_NOT_FOUND, MERGE_NOT_FOUND, IDENTIFIER_NOT_FOUND · 409 SAME_PROFILE, MERGE_REJECTED, MERGE_UNDONE,
        STILL_JOINED, NOTHING_LEFT
Source  docs/reference/identity.md
"""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import LAST_ID, Before, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.identity.schemas import (
    BlockedValue,
    BlockedValues,
    IdentityGraph,
    Merge,
    MergeBody,
    MergeResult,
    Merges,
    RejectedClaim,
    RejectedClaims,
    RejectionReason,
    SplitBody,
    UndoBody,
    UnmergeResult,
)
from tinycdp.model import Identifier
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.identity import graph
from tinycdp.runtime.identity.merges import Merges as Merger

_TAGS = ["Identity"]


@post(
    "/v1/admin/profiles/merge",
    status_code=200,
    summary="Merge several profiles",
    tags=_TAGS,
    scope="admin",
    example={"profiles": ["ada", "userId:ada@old"], "note": "confirmed by support", "dryRun": True},
)
async def merge_profiles(actor: Injected[Actor], merges: Injected[Merger], data: JSONBody[MergeBody]) -> MergeResult:
    found = await merges.merge(
        actor.environment_id, data.profiles, actor.name, data.note, survivor=data.survivor, dry_run=data.dry_run
    )
    return as_schema(found, MergeResult)


@post(
    "/v1/admin/profiles/{id:str}/split",
    status_code=200,
    summary="Split identifiers off into a profile of their own",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "anonymousId", "value": "browser-7"}], "dryRun": True},
)
async def split_profile(
    actor: Injected[Actor], merges: Injected[Merger], id: FromPath[str], data: JSONBody[SplitBody]
) -> UnmergeResult:
    wanted = [Identifier(identifier.kind, identifier.value) for identifier in data.identifiers]
    found = await merges.split(actor.environment_id, id, wanted, actor.name, data.note, dry_run=data.dry_run)
    return as_schema(found, UnmergeResult)


@get(
    "/v1/admin/profiles/{id:str}/graph",
    summary="The identifiers of a profile, and the links between them",
    tags=_TAGS,
    scope="admin",
)
async def get_graph(environment: Injected[Environment], id: FromPath[str]) -> IdentityGraph:
    """Nodes and edges, with merges, splits and rejected claims."""
    return as_schema(await graph.find_graph(environment, id), IdentityGraph)


@get(
    "/v1/admin/merges",
    summary="List merges: when and why profiles became one",
    tags=_TAGS,
    scope="admin",
)
async def list_merges(
    environment: Injected[Environment],
    profile: Annotated[str | None, QueryParameter(description="only of this profile")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Merges:
    found = await graph.list_merges(environment, profile, before, limit)
    return Merges(as_schema(found, list[Merge]), found[-1].id if len(found) == limit else None)


@post(
    "/v1/admin/merges/{id:int}/undo",
    status_code=200,
    summary="Undo a merge, as if it had never happened",
    tags=_TAGS,
    scope="admin",
    example={"note": "two colleagues", "dryRun": True},
)
async def undo_merge(
    actor: Injected[Actor], merges: Injected[Merger], id: FromPath[int], data: JSONBody[UndoBody] = UndoBody()
) -> UnmergeResult:
    merge_id = min(max(id, 0), LAST_ID)
    found = await merges.undo(actor.environment_id, merge_id, actor.name, data.note, dry_run=data.dry_run)
    return as_schema(found, UnmergeResult)


@get(
    "/v1/admin/identity/rejected-claims",
    summary="List claims that were rejected, and why",
    tags=_TAGS,
    scope="admin",
)
async def list_rejected_claims(
    environment: Injected[Environment],
    reason: Annotated[RejectionReason | None, QueryParameter(description="only with this reason")] = None,
    profile: Annotated[str | None, QueryParameter(description="only of this profile's identifiers")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> RejectedClaims:
    """One entry per pair of identifiers and reason: the first time it happened."""
    found = await graph.list_rejected_claims(environment, reason, profile, before, limit)
    return RejectedClaims(as_schema(found, list[RejectedClaim]), found[-1].id if len(found) == limit else None)


@get(
    "/v1/admin/identity/blocked",
    summary="List values that identify no one, and how often they were sent",
    tags=_TAGS,
    scope="admin",
)
async def list_blocked_identifiers(environment: Injected[Environment], limit: Limit = 50) -> BlockedValues:
    found = await graph.list_blocked(environment, limit)
    return BlockedValues(as_schema(found, list[BlockedValue]))


ROUTES = [
    merge_profiles,
    split_profile,
    get_graph,
    list_merges,
    undo_merge,
    list_rejected_claims,
    list_blocked_identifiers,
]
