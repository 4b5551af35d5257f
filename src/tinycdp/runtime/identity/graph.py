"""Reads of identity: the graph of a profile, merges, rejected claims and blocked values.

Shape   find_graph(profile) → identifiers as nodes, links as edges, and the history; list_merges, list_rejected_claims
        and list_blocked return pages
Laws    a graph is complete: it also has the claims that lost, the pairs that are kept apart and the rejected claims
Errors  NotFound PROFILE_NOT_FOUND · TooLarge GRAPH_TOO_LARGE
Source  docs/reference/identity.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tinycdp.errors import TooLarge
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.views import IdentifierRef, find_row
from tinycdp.store import identity as store
from tinycdp.store.database.pool import Connection, snapshot
from tinycdp.store.identifiers import StoredIdentifierRow
from tinycdp.store.profiles import LoadedProfileRow
from tinycdp.times import iso, iso_or_none

#: The most identifiers that a graph shows.
MOST_NODES = 2_000
_MOST_REJECTED = 200
_MOST_MERGES = 1_000
_LAST_ID = 2**62


@dataclass(frozen=True, slots=True)
class GraphNode:
    """An identifier. outside: it belongs to another profile, but is linked to this one"""

    id: str
    kind: str
    value: str
    profile_id: str
    first_seen: str
    outside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """A link between two nodes: `source` claims `target`, or they are joined.

    said_at     the instant of the message by the client's corrected clock; of an admin's join, when it was made
    message_id  the best message that links them; None if an admin did
    linked_at   when the link was first stored"""

    source: str
    target: str
    kind: Literal["claim", "join"]
    state: Literal["holds", "beaten", "apart"]
    said_at: str
    message_id: str | None
    linked_at: str
    apart_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Two profiles that became one.

    moved: the identifiers of the absorbed one; by: the pair that caused it"""

    id: str
    survivor: str
    absorbed: str
    cause: str
    by: list[IdentifierRef]
    message_id: str | None
    merged_at: str
    author: str | None
    note: str
    moved: list[IdentifierRef]
    undone_at: str | None
    undone_by: str | None
    undo_note: str


@dataclass(frozen=True, slots=True)
class Split:
    """Identifiers that an admin split off into a profile of their own."""

    id: str
    identifiers: list[IdentifierRef]
    author: str
    note: str
    split_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedClaim:
    """An identifier that was not joined with `other`.

    kept: its owner, or the identifier itself if it has none"""

    id: str
    reason: str
    identifier: IdentifierRef
    kept: IdentifierRef
    other: IdentifierRef
    profile_id: str
    other_profile_id: str
    message_id: str
    rejected_at: str


@dataclass(frozen=True, slots=True)
class BlockedValue:
    """A value that identifies no one, and how many messages had it beside valid identifiers."""

    kind: str
    value: str
    messages: int
    first_at: str
    last_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityGraph:
    """A profile with everything that formed it.

    Merges, splits and rejected claims are newest first."""

    profile_id: str
    bucketing_key: str
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    merges: list[Merge]
    splits: list[Split]
    rejected_claims: list[RejectedClaim]


async def find_graph(environment: Environment, name: str) -> IdentityGraph:
    """The graph of a profile."""
    async with snapshot(environment.pool) as connection:
        profile = await find_profile(connection, environment.id, name)
        rows = await store.identifiers_of_profiles(connection, environment.id, [profile.id])
        if len(rows) > MOST_NODES:
            raise TooLarge(
                "GRAPH_TOO_LARGE",
                f"This profile has {len(rows):,} identifiers; a graph shows at most {MOST_NODES:,}.",
                limit=MOST_NODES,
            )
        own = {row.id: row for row in rows}
        links = await store.links_of_identifiers(connection, environment.id, sorted(own))
        outside = {id for link in links for id in (link.identifier_id, link.owner_id)} - own.keys()
        found = await store.identifiers_by_id(connection, environment.id, sorted(outside))
        known = own | {row.id: row for row in found}
        merges = await _merges_of(connection, environment.id, profile.id)
        moved = await _identifiers_of_merges(connection, environment.id, merges)
        splits = await store.splits_of_profile(connection, environment.id, profile.id)
        split_off = await _identifiers(
            connection, environment.id, (id for split in splits for id in split.identifier_ids)
        )
        rejected = await store.list_rejected_claims(
            connection, environment.id, None, sorted(own), _LAST_ID, _MOST_REJECTED
        )
    return IdentityGraph(
        profile_id=str(profile.id),
        bucketing_key=profile.bucketing_key,
        nodes=[
            GraphNode(str(row.id), row.kind, row.value, str(row.profile_id), iso(row.created_at), row.id not in own)
            for row in known.values()
        ],
        edges=[
            _edge(link, known)
            for link in sorted(links, key=lambda link: (link.linked_at, link.identifier_id, link.owner_id))
        ],
        merges=[_merge(row, moved) for row in merges],
        splits=[
            Split(str(row.id), _named(row.identifier_ids, split_off), row.author, row.note, iso(row.split_at))
            for row in reversed(splits)
        ],
        rejected_claims=[_rejected_claim(row) for row in rejected],
    )


async def list_merges(environment: Environment, name: str | None, before: int, n: int) -> list[Merge]:
    """A page of merges, of all profiles or of one."""
    async with snapshot(environment.pool) as connection:
        if name is None:
            rows = await store.list_merges(connection, environment.id, None, before, n)
        else:
            profile = await find_profile(connection, environment.id, name)
            rows = await _merges_of(connection, environment.id, profile.id, before, n)
        known = await _identifiers_of_merges(connection, environment.id, rows)
    return [_merge(row, known) for row in rows]


async def list_rejected_claims(
    environment: Environment, reason: str | None, name: str | None, before: int, n: int
) -> list[RejectedClaim]:
    """A page of rejected claims, all or only of one reason or profile."""
    async with snapshot(environment.pool) as connection:
        ids = None
        if name is not None:
            profile = await find_profile(connection, environment.id, name)
            ids = [row.id for row in await store.identifiers_of_profiles(connection, environment.id, [profile.id])]
        found = await store.list_rejected_claims(connection, environment.id, reason, ids, before, n)
    return [_rejected_claim(row) for row in found]


async def list_blocked(environment: Environment, n: int) -> list[BlockedValue]:
    """The blocked values, the most frequent first."""
    async with snapshot(environment.pool) as connection:
        rows = await store.list_blocked(connection, environment.id, n)
    return [BlockedValue(row.kind, row.value, row.messages, iso(row.first_at), iso(row.last_at)) for row in rows]


async def find_profile(connection: Connection, environment_id: int, name: str) -> LoadedProfileRow:
    """A profile by an identifier, by `kind:value`, or by `profileId:number`."""
    by, colon, id = name.partition(":")
    if colon and by == "profileId":
        return await find_row(connection, environment_id, id, by)
    return await find_row(connection, environment_id, name, None)


async def _merges_of(
    connection: Connection, environment_id: int, profile_id: int, before: int = _LAST_ID, n: int = _MOST_MERGES
) -> list[store.MergeRow]:
    """The merges of a profile and of those absorbed into it, newest first."""
    below = await store.merges_below(connection, environment_id, [profile_id])
    ids = sorted({profile_id, *(merge.absorbed_id for merge in below)})
    return await store.list_merges(connection, environment_id, ids, before, n)


async def _identifiers_of_merges(
    connection: Connection, environment_id: int, rows: Sequence[store.MergeRow]
) -> dict[int, IdentifierRef]:
    ids = {id for row in rows for id in row.identifier_ids}
    return await _identifiers(connection, environment_id, ids.union(*map(_pair, rows)))


async def _identifiers(connection: Connection, environment_id: int, ids: Iterable[int]) -> dict[int, IdentifierRef]:
    found = await store.identifiers_by_id(connection, environment_id, sorted(set(ids)))
    return {row.id: IdentifierRef(row.kind, row.value) for row in found}


def _named(ids: Iterable[int], known: Mapping[int, IdentifierRef]) -> list[IdentifierRef]:
    return [known[id] for id in ids if id in known]


def _pair(merge: store.MergeRow) -> list[int]:
    """The identifiers whose link caused a merge; empty for an old row."""
    return [id for id in (merge.link_identifier_id, merge.link_owner_id) if id is not None]


def _merge(row: store.MergeRow, known: Mapping[int, IdentifierRef]) -> Merge:
    return Merge(
        id=str(row.id),
        survivor=str(row.survivor_id),
        absorbed=str(row.absorbed_id),
        cause=row.cause,
        by=_named(_pair(row), known),
        message_id=row.message_id or None,
        merged_at=iso(row.merged_at),
        author=row.author,
        note=row.note,
        moved=_named(row.identifier_ids, known),
        undone_at=iso_or_none(row.undone_at),
        undone_by=row.undone_by,
        undo_note=row.undo_note,
    )


def _edge(link: store.LinkRow, known: Mapping[int, StoredIdentifierRow]) -> GraphEdge:
    state: Literal["holds", "beaten", "apart"] = "holds"
    if link.apart_at is not None:
        state = "apart"
    elif not link.is_join and known[link.identifier_id].owner_id != link.owner_id:
        state = "beaten"
    return GraphEdge(
        source=str(link.owner_id),
        target=str(link.identifier_id),
        kind="join" if link.is_join else "claim",
        state=state,
        said_at=iso(link.said_at),
        message_id=link.said_by or None,
        linked_at=iso(link.linked_at),
        apart_at=iso_or_none(link.apart_at),
    )


def _rejected_claim(row: store.RejectedClaimRow) -> RejectedClaim:
    return RejectedClaim(
        id=str(row.id),
        reason=row.reason,
        identifier=IdentifierRef(row.kind, row.value),
        kept=IdentifierRef(row.kept_kind, row.kept_value),
        other=IdentifierRef(row.other_kind, row.other_value),
        profile_id=str(row.profile_id),
        other_profile_id=str(row.other_profile_id),
        message_id=row.message_id,
        rejected_at=iso(row.rejected_at),
    )
