"""Who is who, looked at: a person's graph, merges, and what was refused.

Shape   graph(person) → identifiers as nodes, what was said of them as edges, and its history; merges, refusals and
        blocked are pages
Laws    nothing is left out that made somebody who they are: claims that lost, pairs kept apart and refusals stand
        beside what holds
Errors  NotFound PROFILE_NOT_FOUND
Source  docs/reference/identity.md
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tinycdp.errors import TooLarge
from tinycdp.runtime.profiles.views import Identifier, find_row
from tinycdp.store import identity as store
from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection, Pool, snapshot
from tinycdp.store.reads import LoadedProfileRow
from tinycdp.times import iso, iso_or_none

#: A picture of more identifiers than this is none.
MOST_NODES = 2_000
_MOST_REFUSALS = 200
_MOST_MERGES = 1_000
_LAST_ID = 2**62


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """One identifier. outside: of somebody else, shown because of what was said of them and one of this person's"""

    id: str
    kind: str
    value: str
    profile_id: str
    first_seen: str
    outside: bool = False


class Edge(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What was said of two nodes: `from` claims `to`, or both are joined.

    state       holds · beaten (a better claim on `to` holds) · apart (taken back by an undo or a split)
    said_at     when that happened by the client's clock, corrected; of an admin's join, when it was made
    message_id  the best message that said so; null where an admin did
    linked_at   when it was heard of first"""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    kind: Literal["claim", "join"]
    state: Literal["holds", "beaten", "apart"]
    said_at: str
    message_id: str | None
    linked_at: str
    apart_at: str | None


class Merge(msgspec.Struct, frozen=True, rename="camel"):
    """Two people who became one. cause: claim, alias (a call), manual, or undo: it went on below another survivor.

    moved  the identifiers that the absorbed profile had; by: the two that were said to be one person's"""

    id: str
    survivor: str
    absorbed: str
    cause: str
    by: list[Identifier]
    message_id: str | None
    merged_at: str
    author: str | None
    note: str
    moved: list[Identifier]
    undone_at: str | None
    undone_by: str | None
    undo_note: str


class Split(msgspec.Struct, frozen=True, rename="camel"):
    """Identifiers that an admin made a person of their own."""

    id: str
    identifiers: list[Identifier]
    author: str
    note: str
    split_at: str


class Refusal(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier that was not joined with `other`.

    reason  CLAIMED, LIMIT, NEW_LIMIT, RULE or KEPT_APART
    kept    whose it stayed, itself where nobody claims it"""

    id: str
    reason: str
    identifier: Identifier
    kept: Identifier
    other: Identifier
    profile_id: str
    other_profile_id: str
    message_id: str
    refused_at: str


class Blocked(msgspec.Struct, frozen=True, rename="camel"):
    """A value that identifies nobody, and how many messages brought it beside others that do."""

    kind: str
    value: str
    messages: int
    first_at: str
    last_at: str


class Graph(msgspec.Struct, frozen=True, rename="camel"):
    """A person with all that made them. Merges, splits and refusals are newest first."""

    profile_id: str
    bucketing_key: str
    nodes: list[Node]
    edges: list[Edge]
    merges: list[Merge]
    splits: list[Split]
    refusals: list[Refusal]


async def graph(pool: Pool, environment_id: int, name: str) -> Graph:
    """Everything said of a person's identifiers."""
    async with snapshot(pool) as connection:
        person = await find_named(connection, environment_id, name)
        rows = await store.identifiers_of_profiles(connection, environment_id, [person.id])
        if len(rows) > MOST_NODES:
            raise TooLarge(
                "GRAPH_TOO_LARGE",
                f"This person has {len(rows):,} identifiers; a graph shows {MOST_NODES:,}.",
                limit=MOST_NODES,
            )
        own = {row["id"]: row for row in rows}
        links = await store.links_of_identifiers(connection, environment_id, sorted(own))
        strangers = {id for link in links for id in (link["alias_id"], link["owner_id"])} - own.keys()
        known = dict(own)
        for row in await store.identifiers_by_id(connection, environment_id, sorted(strangers)):
            known[row["id"]] = row
        below = await store.merges_below(connection, environment_id, [person.id])
        ids = sorted({person.id, *(merge["absorbed_id"] for merge in below)})
        made = await store.list_merges(connection, environment_id, ids, _LAST_ID, _MOST_MERGES)
        moved = await _identifiers(connection, environment_id, made)
        splits = await store.splits_of_profile(connection, environment_id, person.id)
        split_off = await _identifiers(connection, environment_id, splits)
        refused = await store.list_refusals(connection, environment_id, None, sorted(own), _LAST_ID, _MOST_REFUSALS)
    return Graph(
        profile_id=str(person.id),
        bucketing_key=person["bucketing_key"],
        nodes=[
            Node(
                str(row["id"]),
                row["kind"],
                row["value"],
                str(row["profile_id"]),
                iso(row["created_at"]),
                row["id"] not in own,
            )
            for row in known.values()
        ],
        edges=[
            _edge(link, known)
            for link in sorted(links, key=lambda link: (link["linked_at"], link["alias_id"], link["owner_id"]))
        ],
        merges=[_merge(row, moved) for row in made],
        splits=[
            Split(str(row["id"]), _named(row["alias_ids"], split_off), row["author"], row["note"], iso(row["split_at"]))
            for row in reversed(splits)
        ],
        refusals=[_refusal(row) for row in refused],
    )


async def merges(pool: Pool, environment_id: int, name: str | None, before: int, n: int) -> list[Merge]:
    """A page of merges, of everybody or of one person."""
    async with snapshot(pool) as connection:
        ids = None
        if name is not None:
            person = await find_named(connection, environment_id, name)
            below = await store.merges_below(connection, environment_id, [person.id])
            ids = sorted({person.id, *(merge["absorbed_id"] for merge in below)})
        rows = await store.list_merges(connection, environment_id, ids, before, n)
        known = await _identifiers(connection, environment_id, rows)
    return [_merge(row, known) for row in rows]


async def refusals(
    pool: Pool, environment_id: int, reason: str | None, name: str | None, before: int, n: int
) -> list[Refusal]:
    """A page of refusals, of all reasons or one, of everybody or one person's identifiers."""
    async with snapshot(pool) as connection:
        ids = None
        if name is not None:
            person = await find_named(connection, environment_id, name)
            rows = await store.identifiers_of_profiles(connection, environment_id, [person.id])
            ids = [row["id"] for row in rows]
        found = await store.list_refusals(connection, environment_id, reason, ids, before, n)
    return [_refusal(row) for row in found]


async def blocked(pool: Pool, environment_id: int, n: int) -> list[Blocked]:
    """The values that say nothing, as they came."""
    async with snapshot(pool) as connection:
        rows = await store.list_blocked(connection, environment_id, n)
    return [
        Blocked(row["kind"], row["value"], row["messages"], iso(row["first_at"]), iso(row["last_at"])) for row in rows
    ]


async def find_named(connection: Connection, environment_id: int, name: str) -> LoadedProfileRow:
    """A person by an identifier, by `kind:value`, or by `profileId:number`."""
    by, colon, id = name.partition(":")
    if colon and by == "profileId":
        return await find_row(connection, environment_id, id, by)
    return await find_row(connection, environment_id, name, None)


async def _identifiers(connection: Connection, environment_id: int, rows: Sequence[Row]) -> dict[int, Identifier]:
    ids = {id for row in rows for id in row["alias_ids"]}
    ids |= {id for row in rows for id in (row.get("link_alias_id"), row.get("link_owner_id")) if id is not None}
    found = await store.identifiers_by_id(connection, environment_id, sorted(ids))
    return {row["id"]: Identifier(row["kind"], row["value"]) for row in found}


def _named(ids: Sequence[int], known: Mapping[int, Identifier]) -> list[Identifier]:
    return [known[id] for id in ids if id in known]


def _merge(row: Row, known: Mapping[int, Identifier]) -> Merge:
    by = [id for id in (row["link_alias_id"], row["link_owner_id"]) if id is not None]
    return Merge(
        id=str(row["id"]),
        survivor=str(row["survivor_id"]),
        absorbed=str(row["absorbed_id"]),
        cause=row["cause"],
        by=_named(by, known),
        message_id=row["message_id"] or None,
        merged_at=iso(row["merged_at"]),
        author=row["author"],
        note=row["note"],
        moved=_named(row["alias_ids"], known),
        undone_at=iso_or_none(row["undone_at"]),
        undone_by=row["undone_by"],
        undo_note=row["undo_note"],
    )


def _edge(link: Row, known: Mapping[int, Row]) -> Edge:
    state: Literal["holds", "beaten", "apart"] = "holds"
    if link["apart_at"] is not None:
        state = "apart"
    elif not link["is_join"] and known[link["alias_id"]]["owner_id"] != link["owner_id"]:
        state = "beaten"
    return Edge(
        source=str(link["owner_id"]),
        target=str(link["alias_id"]),
        kind="join" if link["is_join"] else "claim",
        state=state,
        said_at=iso(link["said_at"]),
        message_id=link["said_by"] or None,
        linked_at=iso(link["linked_at"]),
        apart_at=iso_or_none(link["apart_at"]),
    )


def _refusal(row: Row) -> Refusal:
    return Refusal(
        id=str(row["id"]),
        reason=row["reason"],
        identifier=Identifier(row["kind"], row["value"]),
        kept=Identifier(row["kept_kind"], row["kept_value"]),
        other=Identifier(row["other_kind"], row["other_value"]),
        profile_id=str(row["profile_id"]),
        other_profile_id=str(row["other_profile_id"]),
        message_id=row["message_id"],
        refused_at=iso(row["refused_at"]),
    )
