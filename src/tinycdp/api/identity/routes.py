"""Which identifiers are one profile: merges by hand, undone, split, and everything that was said and refused.

Shape   POST …/profiles/merge, …/merges/{id}/undo and …/profiles/{id}/split act; GET merges, refusals, blocked values,
        and a profile's graph
Laws    with `dryRun` nothing is kept, and the answer is what would happen. The actor and their note are remembered
Errors  404 PROFILE_NOT_FOUND, MERGE_NOT_FOUND, IDENTIFIER_NOT_FOUND · 409 SAME_PERSON, MERGE_REFUSED, MERGE_UNDONE,
        STILL_JOINED, NOTHING_LEFT
Source  docs/reference/identity.md
"""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.http.params import LAST_ID, Before, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.identity.schemas import (
    BlockedValues,
    IdentityRefusals,
    MergeBody,
    Merges,
    RefusalReason,
    SplitBody,
    UndoBody,
)
from tinycdp.model import Alias
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.identity import graph
from tinycdp.runtime.identity.graph import Graph
from tinycdp.runtime.identity.merges import Merged, Parted
from tinycdp.runtime.identity.merges import Merges as Merger
from tinycdp.store.pool import Pool

_TAGS = ["Identity"]


@post(
    "/v1/admin/profiles/merge",
    status_code=200,
    summary="Several people are one",
    tags=_TAGS,
    scope="admin",
    example={"profiles": ["ada", "userId:ada@old"], "note": "she wrote to support", "dryRun": True},
)
async def merge_profiles(actor: Injected[Actor], merges: Injected[Merger], data: JSONBody[MergeBody]) -> Merged:
    return await merges.merge(
        actor.environment_id, data.profiles, actor.name, data.note, survivor=data.survivor, dry=data.dry_run
    )


@post(
    "/v1/admin/profiles/{id:str}/split",
    status_code=200,
    summary="Some of a person's identifiers are a person of their own",
    tags=_TAGS,
    scope="admin",
    example={"identifiers": [{"kind": "anonymousId", "value": "browser-7"}], "dryRun": True},
)
async def split_profile(
    actor: Injected[Actor], merges: Injected[Merger], id: FromPath[str], data: JSONBody[SplitBody]
) -> Parted:
    wanted = [Alias(identifier.kind, identifier.value) for identifier in data.identifiers]
    return await merges.split(actor.environment_id, id, wanted, actor.name, data.note, dry=data.dry_run)


@get(
    "/v1/admin/profiles/{id:str}/graph",
    summary="A person's identifiers, and everything that was said of them",
    tags=_TAGS,
    scope="admin",
)
async def get_graph(actor: Injected[Actor], pool: Injected[Pool], id: FromPath[str]) -> Graph:
    """Nodes and edges, as for a picture."""
    return await graph.graph(pool, actor.environment_id, id)


@get(
    "/v1/admin/merges",
    summary="Who became one person when, and why",
    tags=_TAGS,
    scope="admin",
)
async def list_merges(
    actor: Injected[Actor],
    pool: Injected[Pool],
    profile: Annotated[str | None, QueryParameter(description="of this person only")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Merges:
    found = await graph.merges(pool, actor.environment_id, profile, before, limit)
    return Merges(found, found[-1].id if len(found) == limit else None)


@post(
    "/v1/admin/merges/{id:int}/undo",
    status_code=200,
    summary="Two people again, as if they had never been merged",
    tags=_TAGS,
    scope="admin",
    example={"note": "two colleagues", "dryRun": True},
)
async def undo_merge(
    actor: Injected[Actor], merges: Injected[Merger], id: FromPath[int], data: JSONBody[UndoBody] = UndoBody()
) -> Parted:
    merge_id = min(max(id, 0), LAST_ID)
    return await merges.undo(actor.environment_id, merge_id, actor.name, data.note, dry=data.dry_run)


@get(
    "/v1/admin/identity/refusals",
    summary="Identifiers that were not joined, and why",
    tags=_TAGS,
    scope="admin",
)
async def list_identity_refusals(
    actor: Injected[Actor],
    pool: Injected[Pool],
    reason: Annotated[RefusalReason | None, QueryParameter(description="only those of this reason")] = None,
    profile: Annotated[str | None, QueryParameter(description="of this person's identifiers only")] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> IdentityRefusals:
    """One for each pair of identifiers and reason, the first time it happened."""
    found = await graph.refusals(pool, actor.environment_id, reason, profile, before, limit)
    return IdentityRefusals(found, found[-1].id if len(found) == limit else None)


@get(
    "/v1/admin/identity/blocked",
    summary="Identifiers that say nothing, and how often they came beside others",
    tags=_TAGS,
    scope="admin",
)
async def list_blocked_identifiers(actor: Injected[Actor], pool: Injected[Pool], limit: Limit = 50) -> BlockedValues:
    return BlockedValues(await graph.blocked(pool, actor.environment_id, limit))


ROUTES = [
    merge_profiles,
    split_profile,
    get_graph,
    list_merges,
    undo_merge,
    list_identity_refusals,
    list_blocked_identifiers,
]
