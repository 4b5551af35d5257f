"""Unmerges profiles: withdraws links, and replays the profiles without them.

Shape   unmerge(tx, cut, …) → UnmergeOutcome: load the graph, lock its profiles, load it again, plan, save which
        profile has which identifier, replay the histories, save the profiles
Laws    engine.identity.unmerge plans; this module only reads, locks, replays and writes.
        Everything happens in the caller's transaction, under the locks of all profiles that may change
Errors  identity.Restart if another process changed the profiles · StillConnected if other links connect the sides
Source  docs/decisions/0021-undo.md

Merge 21 made profile 1 of u1 (profile 1) and a1 (profile 2). It is undone, and u2 (profile 3) has the next best claim
on a1; engine.identity.unmerge has the full example:

    load     profile 1 with its links; a1 falls to u2, so profile 3 too; merge 21
    lock     profiles 1, 2 and 3, and load again
    plan     groups {u1}: profile 1, and {u2, a1}: profile 3
    save     u1–a1 is kept apart; u2 claims a1, which moves to profile 3; merge 21 is undone, and journaled again with
             profile 3 as its survivor
    replay   profile 1 from u1's messages; profile 3 from u2's, joined by a1's when u2's claim was first stored
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinycdp.engine import outbox
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.engine.identity.unmerge import (
    NEW_PROFILE,
    Branch,
    Cut,
    Link,
    MergeRecord,
    StoredGraph,
    UnmergePlan,
    owners_to_load,
    plan_unmerge,
)
from tinycdp.engine.profile import Profile
from tinycdp.engine.recompute import Transition
from tinycdp.engine.replay_history import Listing, ProfileHistory, replay_history
from tinycdp.model import Instant, Message
from tinycdp.runtime.identity.resolution import IdentityTransaction, Restart, identifier_row
from tinycdp.runtime.profiles import storage
from tinycdp.store import groups as group_store
from tinycdp.store import identifiers as identifier_store
from tinycdp.store import identity as store
from tinycdp.store import memberships as membership_store
from tinycdp.store import profiles as profile_store

#: The most merges of two profiles that are read to find one that was undone.
_MOST_MERGES = 1_000


class ProfileIdentifiers(NamedTuple):
    """A profile, with all its identifiers."""

    profile: Profile
    identifiers: Sequence[IdentifierRow]


@dataclass(frozen=True, slots=True)
class UnmergeOutcome:
    """What an unmerge did.

    before, after  the profiles whose identifiers changed
    apart          pairs of identifiers that are kept apart from now on
    version        of the profiles written
    touched        profiles to be announced"""

    before: Sequence[ProfileIdentifiers]
    after: Sequence[ProfileIdentifiers]
    apart: Sequence[tuple[IdentifierRow, IdentifierRow]]
    version: int
    touched: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Stored:
    """The stored data. profiles: locked, by id; merges: of the graph, as rows"""

    graph: StoredGraph
    profiles: Mapping[int, profile_store.ProfileRow]
    merges: Mapping[int, store.JournaledMergeRow]

    def copy(self, profile_id: int) -> Profile:
        """A fresh copy of a stored profile."""
        return storage.from_row(self.profiles[profile_id])

    def memberships(self, profile_id: int) -> Mapping[int, Instant]:
        """The last segments of a profile; of an absorbed one, those at the time of the merge."""
        for merge in reversed(list(self.merges.values())):
            if merge.absorbed_id == profile_id:
                return _memberships(merge.absorbed_state)
        return _memberships(self.profiles[profile_id].state) if profile_id in self.profiles else {}


async def unmerge(
    tx: IdentityTransaction, cut: Cut, *, undone: store.JournaledMergeRow | None, author: str, note: str
) -> UnmergeOutcome:
    """Withdraw every link between the two sides.

    undone: the merge that is undone, None for a split"""
    graph, _ = await _load(tx, cut)
    locked = await profile_store.lock_profiles(tx.connection, tx.environment_id, sorted(graph.profile_ids))
    expected = graph.profile_ids
    graph, merges = await _load(tx, cut)  # again, because another process may have changed it before the locks
    if not graph.profile_ids <= expected:
        raise Restart
    stored = _Stored(graph, {row.id: row for row in locked}, merges)
    plan = plan_unmerge(graph, cut, tx.rules, tx.now)
    profile_ids = await _save_identifiers(tx, plan)
    await _save_merges(tx, plan, stored, author, note)
    absorbed = await _absorb(tx, plan, stored)
    before_merge = undone if undone is not None and await _is_conclusive(tx, undone) else None
    replayed = await _replay(tx, plan, stored, profile_ids, before_merge)
    undone_ids = {*plan.undone, *((undone.id,) if undone is not None else ())}
    return await _save_profiles(tx, plan, stored, replayed, absorbed, sorted(undone_ids))


# Load


async def _load(tx: IdentityTransaction, cut: Cut) -> tuple[StoredGraph, dict[int, store.JournaledMergeRow]]:
    """Everything that the unmerge may change; also the merges as rows, by id."""
    connection, environment_id = tx.connection, tx.environment_id
    named = await store.identifiers_by_id(connection, environment_id, sorted(cut.one_side | cut.other_side))
    profile_ids = {row.profile_id for row in named}
    while True:
        found = await store.identifiers_of_profiles(connection, environment_id, sorted(profile_ids))
        rows = {row.id: identifier_row(row) for row in found}
        said = await store.links_of_identifiers(connection, environment_id, sorted(rows))
        links = sorted(map(_link, filter(_is_in_force, said)), key=lambda link: (*link.edge, link.is_join))
        graph = StoredGraph(rows, links)
        outside = owners_to_load(graph, cut)
        if not outside:
            merges = await store.merges_below(connection, environment_id, sorted(profile_ids))
            return StoredGraph(rows, links, list(map(_merge_record, merges))), {row.id: row for row in merges}
        owners = await store.identifiers_by_id(connection, environment_id, sorted(outside))
        profile_ids |= {row.profile_id for row in owners}


def _is_in_force(row: store.LinkRow) -> bool:
    return row.apart_at is None


def _link(row: store.LinkRow) -> Link:
    rank = row.strength, row.said_at, row.said_by
    return Link(row.identifier_id, row.owner_id, row.is_join, rank, row.linked_at)


def _merge_record(row: store.JournaledMergeRow) -> MergeRecord:
    link = frozenset(id for id in (row.link_identifier_id, row.link_owner_id) if id is not None)
    moved = frozenset(row.identifier_ids)
    return MergeRecord(row.id, row.survivor_id, row.absorbed_id, moved, link, row.merged_at)


# Save identifiers and merges


async def _save_identifiers(tx: IdentityTransaction, plan: UnmergePlan) -> list[int]:
    """Withdraw links, save the claims that hold instead, move identifiers.

    Returns the profile of each group."""
    connection, environment_id, now = tx.connection, tx.environment_id, tx.now
    await store.part_links(connection, environment_id, sorted({link.edge for link in plan.withdrawn}), now)
    await store.drop_claims(connection, environment_id, [id for id, claim in plan.owners.items() if claim is None])
    claims = [(id, claim.owner_id, *claim.rank) for id, claim in plan.owners.items() if claim is not None]
    await identifier_store.save_claims(connection, environment_id, claims)
    await store.save_links(connection, environment_id, [(*pair, *rank) for pair, rank in plan.joins], now)
    n = sum(group.profile_id == NEW_PROFILE for group in plan.groups)
    new_ids = iter(await profile_store.next_profile_ids(connection, n))
    profile_ids = [group.profile_id if group.profile_id != NEW_PROFILE else next(new_ids) for group in plan.groups]
    for group, profile_id in zip(plan.groups, profile_ids, strict=True):
        if group.moved:
            await tx.move(group.moved, profile_id)
    return profile_ids


async def _save_merges(tx: IdentityTransaction, plan: UnmergePlan, stored: _Stored, author: str, note: str) -> None:
    """Undo the merges of profiles that are no longer one.

    If an absorbed profile is now part of another survivor, its merge is journaled again for that one."""
    connection, environment_id, now = tx.connection, tx.environment_id, tx.now
    for continued in plan.continued:
        merge = stored.merges[continued.merge_id]
        merge_id = await store.append_merge(
            connection, environment_id, continued.survivor_id, continued.absorbed_id, merge.message_id, now,
            merge.identifier_ids, merge.survivor, merge.survivor_state, merge.absorbed, merge.absorbed_state,
            "undo", merge.link_identifier_id, merge.link_owner_id, continued.kept, author, note,
        )  # fmt: skip
        tx.changes.append(outbox.Merged(merge_id, continued.survivor_id, continued.absorbed_id, "undo"))
    await store.undo_merge(connection, environment_id, plan.undone, now, author, note)
    redirected = [(continued.absorbed_id, continued.survivor_id) for continued in plan.continued]
    await store.redirect_profiles(connection, environment_id, redirected)


async def _absorb(tx: IdentityTransaction, plan: UnmergePlan, stored: _Stored) -> list[tuple[Profile, int]]:
    """Journal the merges by claims that hold now.

    Returns the absorbed profiles with their survivors."""
    found = []
    for merge in plan.merged:
        survivor, absorbed = stored.copy(merge.survivor_id), stored.copy(merge.absorbed_id)
        link = merge.link
        merge_id = await store.append_merge(
            tx.connection, tx.environment_id, survivor.id, absorbed.id, link.rank[2], tx.now, merge.moved,
            storage.summary(survivor), survivor.encode(), storage.summary(absorbed), absorbed.encode(),
            "claim", link.identifier_id, link.owner_id, merge.kept, None, "",
        )  # fmt: skip
        tx.changes.append(outbox.Merged(merge_id, survivor.id, absorbed.id, "claim"))
        absorbed.memberships, absorbed.recompute_at = {}, None
        found.append((absorbed, survivor.id))
    return found


# Replay histories


@dataclass(frozen=True, slots=True)
class _Replayed:
    """Replayed profiles. transitions: the segments that differ from before"""

    profiles: Sequence[ProfileIdentifiers]
    transitions: Sequence[Transition]


async def _replay(
    tx: IdentityTransaction,
    plan: UnmergePlan,
    stored: _Stored,
    profile_ids: Sequence[int],
    before_merge: store.JournaledMergeRow | None,
) -> _Replayed:
    graph, changed = stored.graph, []
    for group, profile_id in zip(plan.groups, profile_ids, strict=True):
        if group.history is not None:
            changed.append((group, group.history, profile_id))
    histories = await _histories(tx, [history for _, history, _ in changed], graph)
    traits = await _group_traits(tx, histories)
    replayed = await asyncio.to_thread(
        lambda: [replay_history(history, tx.catalog, traits, tx.now) for history in histories]
    )
    since = await store.segments_since(tx.connection, tx.environment_id)
    found, transitions = [], []
    for (group, _, profile_id), profile in zip(changed, replayed, strict=True):
        profile.id = profile_id
        profile.bucketing_key, profile.created_at = group.key
        profile.properties_changed = profile.group_changed = True
        if profile_id in stored.profiles:
            profile.saved_memberships = dict(_memberships(stored.profiles[profile_id].state))
        _date_memberships(profile, tx.catalog, since, before_merge)
        transitions += _transitions(profile, stored.memberships(profile_id), tx.catalog, tx.now)
        found.append(ProfileIdentifiers(profile, [graph.rows[id] for id in sorted(group.identifiers)]))
    return _Replayed(found, transitions)


async def _histories(tx: IdentityTransaction, branches: Sequence[Branch], graph: StoredGraph) -> list[ProfileHistory]:
    """The branches with their messages."""
    ids = sorted(id for branch in branches for id in branch.all_identifiers())
    arrivals: dict[int, list[tuple[Instant, Message]]] = {id: [] for id in ids}
    listings: dict[int, list[Listing]] = {id: [] for id in ids}
    if tx.catalog.lists:
        for listing in await membership_store.listings_of(tx.connection, tx.environment_id, ids):
            since = max(listing.listed_at, graph.rows[listing.identifier_id].created_at)
            listings[listing.identifier_id].append((since, listing.unlisted_at, listing.segment_id))
    async for rows in store.messages_of_identifiers(tx.connection, tx.environment_id, ids):
        for row in rows:
            # No message arrived before its identifier was created.
            arrived = max(row.received_at, graph.rows[row.identifier_id].created_at)
            arrivals[row.identifier_id].append((arrived, storage.message_from_row(row)))

    def history(branch: Branch) -> ProfileHistory:
        own = [arrival for id in branch.identifiers for arrival in arrivals[id]]
        on_lists = [listing for id in branch.identifiers for listing in listings[id]]
        return ProfileHistory(branch.begun, own, [(at, history(other)) for at, other in branch.joined], on_lists)

    return list(map(history, branches))


async def _group_traits(
    tx: IdentityTransaction, histories: Iterable[ProfileHistory]
) -> Mapping[str, Mapping[str, Any]]:
    """The traits of all groups that the messages name, locked until the members are saved."""
    waiting, keys = list(histories), set[str]()
    while waiting:
        history = waiting.pop()
        waiting += [other for _, other in history.merged]
        keys |= {message.group_id for _, message in history.arrivals if message.group_id is not None}
    if not keys:
        return {}
    rows = await group_store.lock_groups(tx.connection, tx.environment_id, sorted(keys), tx.now)
    return {row.key: row.traits for row in rows}


def _memberships(state: bytes) -> Mapping[int, Instant]:
    profile = Profile(0, "", 0)
    profile.decode(state)
    return profile.memberships


async def _is_conclusive(tx: IdentityTransaction, merge: store.JournaledMergeRow) -> bool:
    """Whether a merge's journal is still valid: no other merge of its profiles was undone."""
    ids = [merge.survivor_id, merge.absorbed_id]
    others = await store.list_merges(tx.connection, tx.environment_id, ids, merge.id, _MOST_MERGES)
    return len(others) < _MOST_MERGES and all(other.undone_at is None for other in others)


def _date_memberships(
    profile: Profile, catalog: Catalog, since: Mapping[int, Instant], undone: store.JournaledMergeRow | None
) -> None:
    """Set when each membership began: not before its segment was defined.

    A membership that the profile had at the merge keeps its start."""
    segments = {segment.fingerprint: segment.id for segment in catalog.segments}
    before: Mapping[int, Instant] = {}
    if undone is not None and profile.id == undone.survivor_id:
        before = _memberships(undone.survivor_state)
    elif undone is not None and profile.id == undone.absorbed_id:
        before = _memberships(undone.absorbed_state)
    for fingerprint, entered_at in profile.memberships.items():
        if undone is not None and fingerprint in before and entered_at <= undone.merged_at:
            profile.memberships[fingerprint] = before[fingerprint]
        else:
            profile.memberships[fingerprint] = max(entered_at, since.get(segments[fingerprint], entered_at))


def _transitions(profile: Profile, before: Mapping[int, Instant], catalog: Catalog, now: Instant) -> list[Transition]:
    found = []
    for segment in catalog.segments:
        entered = segment.fingerprint in profile.memberships
        if (segment.fingerprint in before) is not entered:
            found.append(
                Transition(profile.id, segment.id, segment.fingerprint, entered, now, segment.is_candidate, "unmerge")
            )
    return found


def _segments(profile: Profile, catalog: Catalog) -> list[int]:
    """Ids of the live segments that a profile is in."""
    return [one.id for one in catalog.segments if not one.is_candidate and one.fingerprint in profile.memberships]


# Save the profiles


async def _save_profiles(
    tx: IdentityTransaction,
    plan: UnmergePlan,
    stored: _Stored,
    replayed: _Replayed,
    absorbed: Sequence[tuple[Profile, int]],
    undone_ids: list[int],
) -> UnmergeOutcome:
    graph, after = stored.graph, replayed.profiles
    changed = [profile for profile, _ in (*after, *absorbed)]
    change = outbox.Unmerged(undone_ids, [(profile.id, _segments(profile, tx.catalog)) for profile, _ in after])
    version = await storage.save(
        tx.connection,
        tx.environment_id,
        tx.now,
        [profile for profile in changed if profile.id in stored.profiles],
        [*tx.changes, *replayed.transitions, change],
        new=[profile for profile in changed if profile.id not in stored.profiles],
        merged={profile.id: survivor_id for profile, survivor_id in absorbed},
        catalog=tx.catalog,
    )
    keys = [(p.id, p.bucketing_key, p.created_at) for p, _ in after if p.id in stored.profiles]
    await store.rekey_profiles(tx.connection, tx.environment_id, keys)
    before_ids = sorted({row.profile_id for _, identifiers in after for row in identifiers})
    before = [ProfileIdentifiers(stored.copy(id), [graph.rows[own] for own in graph.members(id)]) for id in before_ids]
    # A join by an admin is withdrawn, but not kept apart: no message repeats it.
    apart = [(graph.rows[link.identifier_id], graph.rows[link.owner_id]) for link in plan.withdrawn if link.by_message]
    return UnmergeOutcome(before, after, apart, version, sorted({*before_ids, *(profile.id for profile in changed)}))
