"""Finds the profile of each message of a group: loads rows, plans, and saves the plan.

Shape   resolve(tx, messages) finds or creates the row of every identifier, applies claims and joins, and leaves the
        profiles locked and loaded in `tx` · apply(tx, plan) is the only function that stores merges and moves
Laws    engine.identity has the rules; this module only decides when to read, lock and write.
        Everything happens in the caller's transaction. What is read before the locks is compared under them
Errors  Restart if another process changed what was read; begin the transaction again
Source  docs/decisions/0010-claims.md, docs/decisions/0021-undo.md

One message m2 carries u1 and a1. a1 is known, with profile 1; u1 is new:

    evidence_of     u1 claims a1
    find_or_create  reads a1; creates u1, which starts profile 2
    lock            profile 1; nothing about a1 changed since it was read
    plan            Missing: the members of profile 1 → load → Merge 2 into 1, claim and link a1–u1
    apply           journal the merge, move u1 to profile 1, absorb the state; save the claim and the link
"""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tinycdp.engine import outbox, recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.identity.claims import Evidence, evidence_of
from tinycdp.engine.identity.creation import first_keys, plan_creation, with_claims, without_room
from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.engine.identity.limits import Counts, is_crowded, new_since
from tinycdp.engine.identity.resolution import (
    Facts,
    MergeStep,
    Missing,
    MoveStep,
    ResolutionPlan,
    links_to_load,
    plan_resolution,
)
from tinycdp.engine.profile import Profile
from tinycdp.model import Identifier, Instant, Message
from tinycdp.runtime.policies.identifier_rules import DEFAULT, IdentifierRules
from tinycdp.runtime.profiles import storage
from tinycdp.store import identifiers as identifier_store
from tinycdp.store import identity as links
from tinycdp.store import memberships as membership_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection


class Restart(Exception):
    """Another process changed what this transaction had read; begin it again."""


@dataclass(slots=True)
class IdentityTransaction:
    """The identifiers and profiles that one transaction reads and changes.

    identifiers    of its messages
    merged         absorbed profile → survivor
    new            profiles without a row yet
    review         profiles in which every segment has to be reviewed
    created        identifiers that were created
    listed         profiles that are on a list because of them
    merges         ids of the merges made
    changes        merges and moves, for the outbox"""

    connection: Connection
    environment_id: int
    catalog: Catalog
    now: Instant
    rules: IdentifierRules = DEFAULT
    identifiers: dict[Identifier, IdentifierRow] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    review: set[int] = field(default_factory=set)
    created: list[IdentifierRow] = field(default_factory=list)
    listed: set[int] = field(default_factory=set)
    merges: list[int] = field(default_factory=list)
    changes: list[outbox.Change] = field(default_factory=list)

    async def move(self, identifier_ids: Sequence[int], profile_id: int) -> None:
        """Move these identifiers from their profiles to this one in the database."""
        moves = await identifier_store.move_identifiers(
            self.connection, self.environment_id, identifier_ids, profile_id, self.now
        )
        self.changes += [outbox.Moved(from_id, profile_id, ids) for from_id, ids in moves]


async def resolve(tx: IdentityTransaction, messages: Sequence[Message]) -> None:
    """Find or create the row and the profile of every identifier of the messages."""
    evidence = evidence_of(messages, tx.rules)
    stored, joining = await _find_or_create(tx, evidence)
    lists = await _lists_of_created(tx)
    await _lock(tx, stored)
    for row, list_id in lists:
        tx.profiles[row.profile_id].listed |= {list_id}
        tx.listed.add(row.profile_id)
    if tx.rules.limited and await _is_crowded(tx, joining):
        raise Restart  # another process created identifiers in the same profile
    await apply(tx, await _plan(tx, evidence, joining))


def identifier_row(row: identifier_store.StoredIdentifierRow) -> IdentifierRow:
    """A stored identifier for the engine."""
    rank = None
    if row.claim_strength is not None and row.claimed_at is not None and row.claimed_by is not None:
        rank = row.claim_strength, row.claimed_at, row.claimed_by
    identifier = Identifier(row.kind, row.value)
    return IdentifierRow(row.id, identifier, row.profile_id, row.created_at, row.owner_id, rank)


# Load


async def _find_or_create(
    tx: IdentityTransaction, evidence: Evidence
) -> tuple[list[Identifier], Collection[Identifier]]:
    """Make sure every identifier has a row.

    Returns those that had one, and those created in an owner's profile."""
    stored: list[Identifier] = []
    while missing := [identifier for identifier in evidence.identifiers if identifier not in tx.identifiers]:
        found = await identifier_store.resolve_identifiers(
            tx.connection, tx.environment_id, [(i.kind, i.value) for i in missing]
        )
        rows = [identifier_row(row) for row in found]
        tx.identifiers |= {row.identifier: row for row in rows}
        stored += [row.identifier for row in rows]
        creation = plan_creation(evidence, tx.identifiers)
        if creation.joining and tx.rules.limited:
            creation.starting.extend(await _without_room(tx, creation.joining))
        if creation.starting:
            await _start_profiles(tx, creation.starting)
        elif creation.joining:
            await _join_profiles(tx, creation.joining)
            return stored, creation.joining.keys()
    return stored, ()


async def _without_room(tx: IdentityTransaction, joining: dict[Identifier, int]) -> list[Identifier]:
    limited = {profile_id for identifier, profile_id in joining.items() if identifier.kind in tx.rules.limited}
    return without_room(joining, await _counts(tx, limited), tx.rules)


async def _start_profiles(tx: IdentityTransaction, identifiers: Sequence[Identifier]) -> None:
    ids = await profile_store.next_profile_ids(tx.connection, len(identifiers))
    for row in await _create(tx, zip(identifiers, ids, strict=True)):
        tx.new.add(row.profile_id)
        tx.profiles[row.profile_id] = Profile(row.profile_id, row.identifier.value, tx.now, backfilled=tx.catalog.head)


async def _join_profiles(tx: IdentityTransaction, joining: dict[Identifier, int]) -> None:
    if len(await _create(tx, joining.items())) < len(joining):
        raise Restart  # another process created one of them, and the others may belong with it
    for id, key in first_keys(tx.identifiers.values(), tx.new).items():
        tx.profiles[id].bucketing_key = key


async def _create(tx: IdentityTransaction, identifiers: Iterable[tuple[Identifier, int]]) -> list[IdentifierRow]:
    """The rows created; those that another process created first are left out."""
    wanted = [(identifier.kind, identifier.value, profile_id) for identifier, profile_id in identifiers]
    found = await identifier_store.create_identifiers(tx.connection, tx.environment_id, wanted, tx.now)
    rows = [IdentifierRow(row.id, Identifier(row.kind, row.value), row.profile_id, tx.now) for row in found]
    tx.identifiers |= {row.identifier: row for row in rows}
    tx.created += rows
    return rows


async def _lists_of_created(tx: IdentityTransaction) -> list[tuple[IdentifierRow, int]]:
    """The new identifiers that are on lists, with each list.

    The lock comes before those of profiles, as in an edit of a list. Environments without lists ask nothing."""
    if not tx.created or not tx.catalog.lists:
        return []
    await membership_store.share_lists(tx.connection, tx.environment_id)
    named = {row.identifier: row for row in tx.created}
    found = await membership_store.lists_of_identifiers(
        tx.connection, tx.environment_id, [(identifier.kind, identifier.value) for identifier in named]
    )
    return [(named[Identifier(kind, value)], list_id) for kind, value, list_id in found]


async def _lock(tx: IdentityTransaction, stored: Iterable[Identifier]) -> None:
    """Lock and load the profiles of all identifiers."""
    ids = sorted({row.profile_id for row in tx.identifiers.values()} - tx.new)
    for row in await profile_store.lock_profiles(tx.connection, tx.environment_id, ids):
        if row.merged_into is not None:
            raise Restart
        tx.profiles[row.id] = storage.from_row(row)
    if not tx.profiles.keys() >= set(ids):
        raise Restart
    # The process that held the locks may have claimed or moved an identifier since it was read.
    rows = [tx.identifiers[identifier] for identifier in stored]
    seen = [(row.id, row.profile_id, row.owner_id, row.rank[2] if row.rank else None) for row in rows]
    if await identifier_store.identifiers_changed(tx.connection, tx.environment_id, seen):
        raise Restart


async def _is_crowded(tx: IdentityTransaction, joining: Iterable[Identifier]) -> bool:
    """Whether a profile with new identifiers now has too many of a limited kind."""
    joined = {(tx.identifiers[one].profile_id, one.kind) for one in joining if one.kind in tx.rules.limited}
    counts = await _counts(tx, {id for id, _ in joined}) if joined else {}
    return any(is_crowded(tx.rules, kind, counts[id]) for id, kind in joined)


async def _counts(tx: IdentityTransaction, profile_ids: Collection[int]) -> dict[int, Counts]:
    """How many identifiers of the limited kinds each profile has."""
    kinds = [(kind, new_since(limit, tx.now)) for kind, limit in tx.rules.limited.items()]
    found: dict[int, dict[str, tuple[int, int]]] = {id: {} for id in profile_ids}
    for row in await links.count_identifiers(tx.connection, tx.environment_id, list(profile_ids), kinds):
        found[row.profile_id][row.kind] = (row.n, row.recent)
    return dict(found)


async def _plan(tx: IdentityTransaction, evidence: Evidence, joining: Collection[Identifier]) -> ResolutionPlan:
    """The plan; missing facts are loaded when the engine asks for them."""
    if not evidence.claims and not evidence.joins:
        return ResolutionPlan()
    claimed = with_claims(joining, evidence, tx.identifiers)
    tx.identifiers |= {row.identifier: row for row in claimed}
    pairs = sorted(links_to_load(evidence, tx.identifiers))
    facts = Facts(
        rows=tx.identifiers,
        created_at={id: profile.created_at for id, profile in tx.profiles.items()},
        claimed=claimed,
        new=tx.new,
        joined={tx.identifiers[identifier].profile_id for identifier in joining} - tx.new,
        links={
            (row.identifier_id, row.owner_id, row.is_join): (row.strength, row.said_at, row.said_by)
            if row.apart_at is None
            else None
            for row in await links.find_links(tx.connection, tx.environment_id, pairs)
        },
    )
    while isinstance(plan := plan_resolution(evidence, facts, tx.rules, tx.now), Missing):
        facts = await _load(tx, facts, plan)
    return plan


async def _load(tx: IdentityTransaction, facts: Facts, missing: Missing) -> Facts:
    """The facts, with those that were missing."""
    members: dict[int, list[IdentifierRow]] = {id: [] for id in missing.members}
    if members:
        for row in await links.identifiers_of_profiles(tx.connection, tx.environment_id, sorted(members)):
            members[row.profile_id].append(identifier_row(row))
    said: list[links.LinkRow] = []
    if missing.joins:
        said = await links.links_of_identifiers(tx.connection, tx.environment_id, sorted(missing.joins))
    joins = [(row.identifier_id, row.owner_id) for row in said if row.is_join and row.apart_at is None]
    spare_ids = await profile_store.next_profile_ids(tx.connection, missing.ids)
    return dataclasses.replace(
        facts,
        members={**facts.members, **members},
        joins=[*facts.joins, *joins],
        joins_known=facts.joins_known | missing.joins,
        spare_ids=[*facts.spare_ids, *spare_ids],
    )


# Save


async def apply(tx: IdentityTransaction, plan: ResolutionPlan) -> None:
    """Carry out a plan, in the database and in memory."""
    for step in plan.steps:
        if isinstance(step, MergeStep):
            await _merge(tx, step)
        else:
            await _move(tx, step)
    await _save(tx, plan)
    for row in plan.changed:
        if row.identifier in tx.identifiers:
            tx.identifiers[row.identifier] = row


async def _merge(tx: IdentityTransaction, merge: MergeStep) -> None:
    survivor, absorbed, cause = tx.profiles[merge.survivor_id], tx.profiles[merge.absorbed_id], merge.cause
    merge_id = await links.append_merge(
        tx.connection, tx.environment_id, survivor.id, absorbed.id, cause.message_id, tx.now, merge.moved,
        storage.summary(survivor), survivor.encode(), storage.summary(absorbed), absorbed.encode(),
        cause.kind, cause.identifier_id, cause.owner_id, merge.kept, cause.author, cause.note,
    )  # fmt: skip
    tx.merges.append(merge_id)
    await tx.move(merge.moved, survivor.id)
    tx.changes.append(outbox.Merged(merge_id, survivor.id, absorbed.id, cause.kind))
    if merge.takes_key:
        survivor.bucketing_key, survivor.created_at = absorbed.bucketing_key, absorbed.created_at
    rebuild = recompute.absorb(survivor, absorbed, tx.catalog)
    tx.merged[absorbed.id] = survivor.id
    tx.review.add(survivor.id)
    if rebuild:
        (await storage.recall(tx.connection, tx.catalog, [(survivor, rebuild)]))()


async def _move(tx: IdentityTransaction, move: MoveStep) -> None:
    await tx.move(move.moved, move.target_id)
    if move.target_id not in tx.profiles:
        tx.new.add(move.target_id)
        tx.profiles[move.target_id] = Profile(move.target_id, "", tx.now)  # the plan has its key
    both = [tx.profiles[move.source_id], tx.profiles[move.target_id]]
    await storage.rebuild(tx.connection, tx.catalog, both)
    tx.review.update(profile.id for profile in both)


async def _save(tx: IdentityTransaction, plan: ResolutionPlan) -> None:
    """Save everything of a plan but its steps."""
    claims = [(row.id, row.owner_id, *row.rank) for row in plan.claims if row.owner_id is not None and row.rank]
    await identifier_store.save_claims(tx.connection, tx.environment_id, claims)
    said = sorted((*pair, *rank) for pair, rank in plan.links.items())
    await links.save_links(tx.connection, tx.environment_id, said, tx.now)
    await links.reject_claims(tx.connection, tx.environment_id, sorted(plan.rejected), tx.now)
    for id, key in plan.keys.items():
        tx.profiles[id].bucketing_key, tx.profiles[id].created_at = key
    keys = [(id, *key) for id, key in plan.keys.items() if id not in tx.new]
    await links.rekey_profiles(tx.connection, tx.environment_id, keys)
