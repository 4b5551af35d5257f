"""The plan of an unmerge: the profiles that remain once two sides are taken apart.

Shape   owners_to_load(graph, cut) → ids to add to the graph first · plan_unmerge(graph, cut, …) → UnmergePlan
Laws    which identifiers make one profile afterwards is what the claims and joins that are left make of them, as though
        the withdrawn ones had never been said. Pairs that were never said stay free.
        A profile that was absorbed comes back under its id if the identifiers it brought are separate again
Errors  StillConnected if other links connect the two sides
Source  docs/decisions/0021-undo.md

A shared tablet. u1 started profile 1, the anonymous id a1 profile 2, u2 profile 3, in this order. Before:

    m1  u1 a1   u1 claims a1, rank (0, 10, m1)     merge 21: profile 1 absorbs profile 2; key "u1"
    m2  u2 a1   u2 claims a1, rank (0, 20, m2)     rejected, CLAIMED; the link is remembered

    profile 1: u1 a1    profile 3: u2

Merge 21 is undone. One side is {a1}, the other {u1}, so the link u1–a1 is withdrawn and its pair is kept apart. The
best claim left on a1 is u2's:

    owners      a1: u2, rank (0, 20, m2)
    groups      {u1}      profile 1, key "u1"
                {u2, a1}  profile 3, which lives; key "a1", which was seen before u2
    undone      merge 21
    continued   merge 21 as a new one: profile 3 absorbs profile 2

The histories of profiles 1 and 3 are replayed. Had m2 never come, nothing would claim a1 now, and profile 2 would come
back for it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tinycdp.engine.identity.components import Edge, components, path
from tinycdp.engine.identity.identifiers import IdentifierRow, Rank, age_of, bucketing_key
from tinycdp.engine.identity.limits import LimitRules
from tinycdp.engine.identity.resolution import Pair, by_admin, strongest_first
from tinycdp.model import Identifier, Instant

#: The id of a profile that does not exist yet.
NEW_PROFILE = 0


class Link(msgspec.Struct, frozen=True):
    """Two identifiers that were said to be one profile's, and were not kept apart since. linked_at: when it was heard
    first"""

    identifier_id: int
    owner_id: int
    is_join: bool
    rank: Rank
    linked_at: Instant

    @property
    def edge(self) -> Edge:
        """The two ids."""
        return self.identifier_id, self.owner_id

    @property
    def by_message(self) -> bool:
        """Whether a message said so, not only an admin."""
        return bool(self.rank[2])


class MergeRecord(msgspec.Struct, frozen=True):
    """A merge in force. moved: the identifiers the absorbed profile had; link: the pair it was for, without those that
    are unknown"""

    id: int
    survivor_id: int
    absorbed_id: int
    moved: frozenset[int]
    link: frozenset[int]
    merged_at: Instant


@dataclass(frozen=True, slots=True)
class Cut:
    """What is asked for: every link between the two sides is withdrawn.

    pair      one identifier of each side; they have to be in different profiles afterwards. None: any two of them
    undone    the merge that is undone, None for a split
    together  one_side becomes one profile, even if nothing else connects it"""

    one_side: frozenset[int]
    other_side: frozenset[int]
    pair: Edge | None = None
    undone: int | None = None
    together: bool = False

    def crosses(self, link: Link) -> bool:
        """Whether a link is between the two sides."""
        one, other = link.edge
        return (one in self.one_side and other in self.other_side) or (
            one in self.other_side and other in self.one_side
        )


@dataclass(frozen=True, slots=True)
class StoredGraph:
    """What is stored of all profiles that an unmerge may change.

    rows    all their identifiers, by id
    links   what was said of them, in force
    merges  those that made the profiles what they are, the oldest first"""

    rows: Mapping[int, IdentifierRow]
    links: Sequence[Link]
    merges: Sequence[MergeRecord] = ()

    @property
    def profile_ids(self) -> set[int]:
        """The profiles, absorbed ones too."""
        return {row.profile_id for row in self.rows.values()} | {merge.absorbed_id for merge in self.merges}

    def members(self, profile_id: int) -> set[int]:
        """The identifiers of a profile, before the unmerge."""
        return {id for id, row in self.rows.items() if row.profile_id == profile_id}


@dataclass(frozen=True, slots=True)
class Branch:
    """What one profile contributes to a history: its own messages, and branches that joined it, each at an instant.

    begun  when the first of its identifiers was seen"""

    begun: Instant
    identifiers: Set[int]
    joined: Sequence[tuple[Instant, "Branch"]] = ()

    def all_identifiers(self) -> Iterator[int]:
        """Of this branch and those that joined it."""
        yield from self.identifiers
        for _, branch in self.joined:
            yield from branch.all_identifiers()


class ResultingProfile(NamedTuple):
    """Identifiers that are one profile afterwards.

    profile_id  NEW_PROFILE if none of the profiles there were comes back for them
    moved       those that had another profile
    history     the whole of it, to be replayed; None if the profile has the same identifiers as before
    key         bucketing key and creation instant"""

    profile_id: int
    identifiers: Set[int]
    moved: Sequence[int]
    history: Branch | None
    key: tuple[str, Instant]


class ContinuedMerge(NamedTuple):
    """A merge whose absorbed profile goes on as part of another survivor. kept: the survivor's identifiers"""

    merge_id: int
    absorbed_id: int
    survivor_id: int
    kept: Sequence[int]


class NewMerge(NamedTuple):
    """A living profile that is absorbed, because a claim that was beaten until now holds. moved, kept: the identifiers
    of each before the unmerge"""

    survivor_id: int
    absorbed_id: int
    link: Link
    moved: Sequence[int]
    kept: Sequence[int]


@dataclass(frozen=True, slots=True)
class UnmergePlan:
    """What to save.

    withdrawn  links whose pairs are kept apart from now on
    owners     identifier → the claim that holds now, None if nothing claims it; of those whose claim is withdrawn
    joins      links that hold one side together
    groups     all profiles there are afterwards
    undone     merges that are not in force any more"""

    withdrawn: Sequence[Link]
    owners: Mapping[int, Link | None]
    joins: Sequence[tuple[Pair, Rank]]
    groups: Sequence[ResultingProfile]
    undone: Sequence[int]
    continued: Sequence[ContinuedMerge]
    merged: Sequence[NewMerge]


class StillConnected(Exception):
    """Other links make one profile of the two sides. path: the identifiers that lead from one to the other"""

    def __init__(self, path: Sequence[Identifier]) -> None:
        super().__init__()
        self.path = path


def owners_to_load(graph: StoredGraph, cut: Cut) -> set[int]:
    """Identifiers outside the graph that claim one of it once the links are withdrawn: their profiles belong to it."""
    owners = _owners_after(graph, _withdrawn(graph, cut))
    return {link.owner_id for link in owners.values() if link is not None} - graph.rows.keys()


def plan_unmerge(graph: StoredGraph, cut: Cut, rules: LimitRules, now: Instant) -> UnmergePlan:
    """What withdrawing the links changes."""
    withdrawn = _withdrawn(graph, cut)
    owners = _owners_after(graph, withdrawn)
    joins: list[Link] = []
    if cut.together:
        joins = _joins_within(cut.one_side, graph, _edges_after(graph, withdrawn, owners), rules, now)
        graph = StoredGraph(graph.rows, [*graph.links, *joins], graph.merges)
    edges = _edges_after(graph, withdrawn, owners)
    members = components(graph.rows, edges)
    _check_separate(members, graph, edges, cut)
    drafts = _choose_profiles(members, graph)
    undone, continued = _rewrite_merges(drafts, graph, cut.undone)
    merged = _new_merges(drafts, graph, owners)  # before the histories, which join what nothing tells apart
    return UnmergePlan(
        withdrawn=withdrawn,
        owners=owners,
        joins=[((*link.edge, True), link.rank) for link in joins],
        groups=[_group(draft, graph, edges) for draft in drafts],
        undone=undone,
        continued=continued,
        merged=merged,
    )


def owned_by(identifiers: Set[int], rows: Iterable[IdentifierRow]) -> set[int]:
    """These identifiers, what they claim, and what that claims in turn."""
    found, rows = set(identifiers), list(rows)
    while more := {row.id for row in rows if row.owner_id in found} - found:
        found |= more
    return found


# What is withdrawn, and what holds instead


def _withdrawn(graph: StoredGraph, cut: Cut) -> list[Link]:
    return [link for link in graph.links if cut.crosses(link)]


def _owners_after(graph: StoredGraph, withdrawn: Iterable[Link]) -> dict[int, Link | None]:
    """The claims that hold in place of those withdrawn: the best that is left."""
    gone = {link.edge for link in withdrawn}
    owners: dict[int, Link | None] = {id: None for id, row in graph.rows.items() if (id, row.owner_id) in gone}
    for link in graph.links:
        if link.identifier_id in owners and not link.is_join and link.edge not in gone:
            best = owners[link.identifier_id]
            if best is None or link.rank < best.rank:
                owners[link.identifier_id] = link
    return owners


def _edges_after(graph: StoredGraph, withdrawn: Iterable[Link], owners: Mapping[int, Link | None]) -> list[Edge]:
    """What connects identifiers afterwards: the joins and claims that hold."""
    gone = {link.edge for link in withdrawn}
    edges = [link.edge for link in graph.links if link.is_join and link.edge not in gone]
    for id, row in graph.rows.items():
        claim = owners.get(id, row)
        if claim is not None and claim.owner_id is not None:
            edges.append((id, claim.owner_id))
    return edges


def _joins_within(
    side: Set[int], graph: StoredGraph, edges: Iterable[Edge], rules: LimitRules, now: Instant
) -> list[Link]:
    """Joins between the parts that a side would fall into, each by its strongest identifier."""
    parts = components([id for id in graph.rows if id in side], edges)
    leaders = sorted(min(part, key=lambda id: strongest_first(graph.rows[id], rules)) for part in parts)
    return [Link(leader, leaders[0], True, by_admin(now), now) for leader in leaders[1:]]


def _check_separate(members: Iterable[Set[int]], graph: StoredGraph, edges: Iterable[Edge], cut: Cut) -> None:
    for group in members:
        pair = cut.pair
        if pair is None and not (group.isdisjoint(cut.one_side) or group.isdisjoint(cut.other_side)):
            pair = min(group & cut.one_side), min(group & cut.other_side)
        if pair is not None and group >= set(pair):
            ids = path(edges, *pair)
            raise StillConnected([graph.rows[id].identifier for id in ids if id in graph.rows])


# Which profile each group has


@dataclass(slots=True)
class _Draft:
    """A group with its profile.

    brought  of this profile, and of each that is part of it: the identifiers it brought
    merged   (profile, another, when): what a merge in force made one"""

    profile_id: int
    identifiers: Set[int]
    brought: dict[int, set[int]]
    merged: list[tuple[int, int, Instant]] = field(default_factory=list)


def _choose_profiles(members: Iterable[Set[int]], graph: StoredGraph) -> list[_Draft]:
    """Each group gets the profile that its oldest identifier had: one that lives before one that was absorbed, a new
    one if there is neither."""
    living = {row.profile_id for row in graph.rows.values()}
    brought = _brought(graph, living)

    def oldest(ids: Iterable[int]) -> int:
        return min(ids, key=lambda id: age_of(graph.rows[id]))

    anchors = {
        profile_id: oldest(own or graph.members(profile_id))
        for profile_id, own in brought.items()
        if own or profile_id in living
    }
    drafts = []
    for group in members:
        candidates = [id for id, anchor in anchors.items() if anchor in group]
        chosen = min(
            candidates,
            key=lambda id: (id not in living, age_of(graph.rows[anchors[id]]), id),
            default=NEW_PROFILE,
        )
        parts = {id: brought[id] & group for id in candidates}
        parts.setdefault(chosen, set()).update(group - set().union(*parts.values()))
        drafts.append(_Draft(chosen, group, parts))
    return drafts


def _brought(graph: StoredGraph, living: Iterable[int]) -> dict[int, set[int]]:
    """Profile → the identifiers it had before merges. An absorbed one has what its merge moved and no earlier one did;
    a living one the rest, which may be nothing."""
    left, found = set(graph.rows), dict[int, set[int]]()
    for merge in graph.merges:
        found[merge.absorbed_id] = left & merge.moved
        left -= merge.moved
    for id in left:
        found.setdefault(graph.rows[id].profile_id, set()).add(id)
    for profile_id in living:
        found.setdefault(profile_id, set())
    return found


# What becomes of the merges


def _rewrite_merges(
    drafts: Sequence[_Draft], graph: StoredGraph, undone_id: int | None
) -> tuple[list[int], list[ContinuedMerge]]:
    """Merges that are undone, and those that continue below another survivor. Notes in the drafts what stays merged."""
    draft_of = {profile_id: draft for draft in drafts for profile_id in draft.brought}
    undone, continued = [], []
    for merge in graph.merges:
        draft, is_undone = draft_of.get(merge.absorbed_id), merge.id == undone_id
        if draft is None:  # nothing is left of the absorbed profile
            undone += [merge.id] if is_undone else []
            continue
        comes_back = draft.profile_id == merge.absorbed_id
        if comes_back or (is_undone and draft.profile_id == merge.survivor_id):
            undone.append(merge.id)
            continue
        stays = merge.survivor_id in draft.brought and not is_undone
        if not stays:
            kept = sorted(draft.identifiers - merge.moved)
            undone.append(merge.id)
            continued.append(ContinuedMerge(merge.id, merge.absorbed_id, draft.profile_id, kept))
        if merge.link <= draft.identifiers:
            survivor_id = merge.survivor_id if stays else draft.profile_id
            draft.merged.append((merge.absorbed_id, survivor_id, merge.merged_at))
    return undone, continued


def _new_merges(drafts: Iterable[_Draft], graph: StoredGraph, owners: Mapping[int, Link | None]) -> list[NewMerge]:
    living = {row.profile_id for row in graph.rows.values()}
    found = []
    for draft in drafts:
        for absorbed_id in sorted(living.intersection(draft.brought) - {draft.profile_id}):
            link = next(
                claim
                for id, claim in owners.items()
                if id in draft.identifiers and claim is not None and claim.owner_id in draft.identifiers
            )
            moved, kept = graph.members(absorbed_id), graph.members(draft.profile_id)
            found.append(NewMerge(draft.profile_id, absorbed_id, link, sorted(moved), sorted(kept)))
    return found


# Which history each profile has


def _group(draft: _Draft, graph: StoredGraph, edges: Collection[Edge]) -> ResultingProfile:
    rows = [graph.rows[id] for id in sorted(draft.identifiers)]
    changed = draft.identifiers != graph.members(draft.profile_id)
    return ResultingProfile(
        profile_id=draft.profile_id,
        identifiers=draft.identifiers,
        moved=[row.id for row in rows if row.profile_id != draft.profile_id],
        history=_history(draft, graph, edges) if changed else None,
        key=bucketing_key(rows),
    )


def _history(draft: _Draft, graph: StoredGraph, edges: Iterable[Edge]) -> Branch:
    """The tree of the profiles that are part of a group: each joined another when they became one."""
    meetings, brought = _meetings(draft, graph, edges)

    def branch(profile_id: int, parent: int | None) -> Branch:
        own = brought[profile_id]
        joined = [(at, branch(other, profile_id)) for other, at in meetings[profile_id] if other != parent]
        begun = min(graph.rows[id].created_at for id in own or draft.identifiers)
        return Branch(begun, frozenset(own), joined)

    return branch(draft.profile_id, None)


def _meetings(
    draft: _Draft, graph: StoredGraph, edges: Iterable[Edge]
) -> tuple[dict[int, list[tuple[int, Instant]]], dict[int, set[int]]]:
    """With which other each profile of a group became one, and when: a tree. A merge in force tells; otherwise the link
    that was said first, of those that hold. A profile that nothing connects is counted as the group's own: the second
    result is what each profile brought, with this correction."""
    profile_of = {id: profile_id for profile_id, own in draft.brought.items() for id in own}
    holding = {frozenset(edge) for edge in edges}
    said = [
        (profile_of[link.identifier_id], profile_of[link.owner_id], link.linked_at)
        for link in graph.links
        if frozenset(link.edge) in holding and profile_of.keys() >= set(link.edge)
    ]
    find, unite = _disjoint_sets(draft.brought)
    meetings: dict[int, list[tuple[int, Instant]]] = {id: [] for id in draft.brought}
    for one, other, at in (*sorted(draft.merged, key=_when), *sorted(said, key=_when)):
        if one in meetings and other in meetings and find(one) != find(other):
            unite(one, other)
            meetings[one].append((other, at))
            meetings[other].append((one, at))
    brought: dict[int, set[int]] = {}
    for profile_id, own in draft.brought.items():
        reached = profile_id if find(profile_id) == find(draft.profile_id) else draft.profile_id
        brought.setdefault(reached, set()).update(own)
    return meetings, brought


def _when(meeting: tuple[int, int, Instant]) -> Instant:
    return meeting[2]


def _disjoint_sets(ids: Iterable[int]) -> tuple[Callable[[int], int], Callable[[int, int], None]]:
    """find(id) → the same id for all that were united; unite(one, other)."""
    parent = {id: id for id in ids}

    def find(id: int) -> int:
        while parent[id] != id:
            id = parent[id]
        return id

    def unite(one: int, other: int) -> None:
        parent[find(one)] = find(other)

    return find, unite
