"""Identity without Postgres: the tables of one environment in memory, changed by the plans of engine.identity.

Shape   Memory.take(messages) is a group of messages; merge, undo and split are an admin's; profiles() is what came out
Laws    a plan gets what it asks for and nothing else, as the runtime loads it. It is applied literally: which profile
        has which identifier follows from the steps, claims and links from what the plan says is to be saved
"""

import itertools
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec

from tinycdp.engine.identity.claims import Evidence, evidence_of
from tinycdp.engine.identity.creation import first_keys, plan_creation, with_claims, without_room
from tinycdp.engine.identity.identifiers import IdentifierRow, Rank
from tinycdp.engine.identity.limits import count
from tinycdp.engine.identity.resolution import (
    Facts,
    MergeStep,
    Missing,
    Pair,
    RejectedClaim,
    ResolutionPlan,
    links_to_load,
    plan_merge,
    plan_resolution,
)
from tinycdp.engine.identity.unmerge import (
    NEW_PROFILE,
    Branch,
    Cut,
    Link,
    MergeRecord,
    StoredGraph,
    UnmergePlan,
    owned_by,
    owners_to_load,
    plan_unmerge,
)
from tinycdp.model import Identifier, Instant, Message
from tinycdp.runtime.policies.identifier_rules import DEFAULT, IdentifierRules

NOW: Instant = 1_790_000_000_000

#: (identifier, its owner, whether it is a join)
Said = tuple[Identifier, Identifier, bool]


@dataclass(slots=True)
class StoredLink:
    rank: Rank
    linked_at: Instant
    apart: bool = False


@dataclass(slots=True)
class StoredMerge:
    record: MergeRecord
    pair: tuple[int, int]
    kept: frozenset[int]
    undone: bool = False


@dataclass
class Memory:
    """One environment. keys: the bucketing key and creation instant of each living profile"""

    rules: IdentifierRules = DEFAULT
    now: Instant = NOW
    rows: dict[int, IdentifierRow] = field(default_factory=dict)
    keys: dict[int, tuple[str, Instant]] = field(default_factory=dict)
    links: dict[Pair, StoredLink] = field(default_factory=dict)
    merges: dict[int, StoredMerge] = field(default_factory=dict)
    rejected: set[RejectedClaim] = field(default_factory=set)
    loads: int = 0
    _profile_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _merge_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # Looking

    def id_of(self, identifier: Identifier) -> int:
        return next(row.id for row in self.rows.values() if row.identifier == identifier)

    def profile_of(self, identifier: Identifier) -> int:
        return self.rows[self.id_of(identifier)].profile_id

    def members(self, profile_id: int) -> list[IdentifierRow]:
        return [row for row in self.rows.values() if row.profile_id == profile_id]

    def profiles(self) -> set[frozenset[Identifier]]:
        """The identifiers of each profile."""
        return {frozenset(row.identifier for row in self.members(id)) for id in self.keys}

    def owners(self) -> dict[Identifier, tuple[Identifier, Rank]]:
        """The claim that holds for each identifier."""
        return {
            row.identifier: (self.rows[row.owner_id].identifier, row.rank)
            for row in self.rows.values()
            if row.owner_id is not None and row.rank is not None
        }

    def said(self) -> dict[Said, Rank]:
        """What was said of pairs of identifiers, and was not taken back."""
        return {
            (self.rows[id].identifier, self.rows[owner_id].identifier, is_join): link.rank
            for (id, owner_id, is_join), link in self.links.items()
            if not link.apart
        }

    # Messages

    def take(self, messages: Sequence[Message]) -> ResolutionPlan:
        """A group of messages in one transaction; the plan that was carried out."""
        kept, _ = self.rules.screen(messages)
        evidence = evidence_of(kept, self.rules)
        before = set(self.keys)
        joining = self._create(evidence)
        plan = self.plan(evidence, joining, set(self.keys) - before)
        self._apply(plan)
        return plan

    def _create(self, evidence: Evidence) -> dict[Identifier, int]:
        while True:
            named = self.named(evidence)
            creation = plan_creation(evidence, named)
            if creation.joining:
                counts = {id: count(self.members(id), self.rules, self.now) for id in creation.joining.values()}
                creation.starting.extend(without_room(creation.joining, counts, self.rules))
            for identifier in creation.starting:
                row = self._insert(identifier, next(self._profile_ids))
                self.keys[row.profile_id] = identifier.value, self.now
            if not creation.starting:
                for identifier, profile_id in creation.joining.items():
                    self._insert(identifier, profile_id)
                return creation.joining

    def _insert(self, identifier: Identifier, profile_id: int) -> IdentifierRow:
        row = IdentifierRow(len(self.rows) + 1, identifier, profile_id, self.now)
        self.rows[row.id] = row
        return row

    def named(self, evidence: Evidence) -> dict[Identifier, IdentifierRow]:
        """The rows of what the messages name."""
        return {row.identifier: row for row in self.rows.values() if row.identifier in evidence.identifiers}

    def plan(
        self, evidence: Evidence, joining: dict[Identifier, int], new: Set[int], *, eager: bool = False
    ) -> ResolutionPlan:
        """The plan, by what it asks for; or, eagerly, by all there is."""
        named = self.named(evidence)
        claimed = with_claims(joining, evidence, named)
        named |= {row.identifier: row for row in claimed}
        pairs = links_to_load(evidence, named)
        facts = Facts(
            rows=named,
            created_at={row.profile_id: self.keys[row.profile_id][1] for row in named.values()},
            claimed=claimed,
            new=new,
            joined=set(joining.values()) - new,
            links={pair: None if link.apart else link.rank for pair, link in self.links.items() if pair in pairs},
        )
        if eager:
            facts = self._load(facts, Missing(set(self.keys) - new, set(self.rows), 0))
        self.loads = 0
        while isinstance(plan := plan_resolution(evidence, facts, self.rules, self.now), Missing):
            assert plan.members.isdisjoint({*facts.members, *new}), "asked twice"
            assert plan.joins.isdisjoint(facts.joins_known), "asked twice"
            assert plan.members or plan.joins or plan.ids
            facts = self._load(facts, plan)
            self.loads += 1
        self._first_keys(new)
        return plan

    def _load(self, facts: Facts, missing: Missing) -> Facts:
        joins = [
            (id, owner_id)
            for (id, owner_id, is_join), link in self.links.items()
            if is_join and not link.apart and not missing.joins.isdisjoint((id, owner_id))
        ]
        return replace(
            facts,
            members={**facts.members, **{id: self.members(id) for id in missing.members}},
            joins=[*facts.joins, *joins],
            joins_known=facts.joins_known | missing.joins,
            spare_ids=[*facts.spare_ids, *(next(self._profile_ids) for _ in range(missing.ids))],
        )

    def _first_keys(self, new: Set[int]) -> None:
        for id, key in first_keys(self.rows.values(), new).items():
            self.keys[id] = key, self.now

    def _apply(self, plan: ResolutionPlan) -> None:
        for step in plan.steps:
            if isinstance(step, MergeStep):
                survivor, absorbed = step.survivor_id, step.absorbed_id
                assert {row.id for row in self.members(absorbed)} == set(step.moved)
                assert {row.id for row in self.members(survivor)} == set(step.kept)
                record = MergeRecord(
                    next(self._merge_ids), survivor, absorbed, frozenset(step.moved),
                    frozenset((step.cause.identifier_id, step.cause.owner_id)), self.now,
                )  # fmt: skip
                pair = step.cause.identifier_id, step.cause.owner_id
                self.merges[record.id] = StoredMerge(record, pair, frozenset(step.kept))
                absorbed_key = self.keys.pop(absorbed)
                if step.takes_key:
                    self.keys[survivor] = absorbed_key
                self._move(step.moved, survivor)
            else:
                assert set(step.moved) < {row.id for row in self.members(step.source_id)}
                self._move(step.moved, step.target_id)
        for row in plan.claims:
            self.rows[row.id] = msgspec.structs.replace(self.rows[row.id], owner_id=row.owner_id, rank=row.rank)
        for pair, rank in plan.links.items():
            self._save_link(pair, rank)
        self.rejected |= plan.rejected
        self.keys |= plan.keys
        assert all(self.rows[row.id] == row for row in plan.changed), "what changed is what is saved"

    def _move(self, ids: Sequence[int], profile_id: int) -> None:
        for id in ids:
            self.rows[id] = msgspec.structs.replace(self.rows[id], profile_id=profile_id)

    def _save_link(self, pair: Pair, rank: Rank) -> None:
        link = self.links.get(pair)
        if link is None or link.apart:
            self.links[pair] = StoredLink(rank, self.now)
        else:
            assert rank < link.rank, "a link is saved only if it is better"
            link.rank = rank

    # An admin

    def merge(self, profile_ids: Sequence[int], survivor_id: int | None = None) -> list[int]:
        """Merge profiles; the ids of the merges."""
        before = set(self.merges)
        facts = Facts(
            rows={},
            created_at={id: self.keys[id][1] for id in profile_ids},
            members={id: self.members(id) for id in profile_ids},
        )
        plan, kept = plan_merge(facts, survivor_id, "ann", "", self.rules, self.now)
        self._apply(plan)
        assert {row.profile_id for id in profile_ids for row in facts.members[id]} == set(profile_ids)
        assert self.members(kept)
        return sorted(self.merges.keys() - before)

    def undo(self, merge_id: int) -> set[Said]:
        """Undo a merge; what was withdrawn."""
        merge = self.merges[merge_id]
        found = self._cut(Cut(merge.record.moved, merge.kept, merge.pair, merge_id))
        merge.undone = True
        return found

    def split(self, identifiers: Sequence[Identifier]) -> set[Said]:
        """Make identifiers of a profile, with what they own, a profile of their own; what was withdrawn.

        Empty if nothing would be left of the profile."""
        rows = self.members(self.profile_of(identifiers[0]))
        side = owned_by({self.id_of(identifier) for identifier in identifiers}, rows)
        others = {row.id for row in rows} - side
        if not others:
            return set()
        return self._cut(Cut(frozenset(side), frozenset(others), together=True))

    def _cut(self, cut: Cut) -> set[Said]:
        plan = plan_unmerge(self.graph(cut), cut, self.rules, self.now)
        self._apply_unmerge(plan)
        return {
            (self.rows[link.identifier_id].identifier, self.rows[link.owner_id].identifier, link.is_join)
            for link in plan.withdrawn
        }

    def graph(self, cut: Cut) -> StoredGraph:
        """What the runtime would load for a cut."""
        profile_ids = {self.rows[id].profile_id for id in cut.one_side | cut.other_side}
        while True:
            rows = {row.id: row for id in profile_ids for row in self.members(id)}
            links = [
                Link(id, owner_id, is_join, link.rank, link.linked_at)
                for (id, owner_id, is_join), link in sorted(self.links.items())
                if not link.apart and not rows.keys().isdisjoint((id, owner_id))
            ]
            outside = owners_to_load(StoredGraph(rows, links), cut)
            if not outside:
                return StoredGraph(rows, links, self._merges_below(profile_ids))
            profile_ids |= {self.rows[id].profile_id for id in outside}

    def _merges_below(self, survivor_ids: Set[int]) -> list[MergeRecord]:
        reached = set(survivor_ids)
        while True:
            found = [m.record for m in self.merges.values() if not m.undone and m.record.survivor_id in reached]
            if {record.absorbed_id for record in found} <= reached:
                return found
            reached |= {record.absorbed_id for record in found}

    def _apply_unmerge(self, plan: UnmergePlan) -> None:
        for link in plan.withdrawn:
            for is_join in (True, False):
                if (stored := self.links.get((*link.edge, is_join))) is not None:
                    stored.apart = True
        for id, claim in plan.owners.items():
            owner_id, rank = (claim.owner_id, claim.rank) if claim is not None else (None, None)
            self.rows[id] = msgspec.structs.replace(self.rows[id], owner_id=owner_id, rank=rank)
        for pair, rank in plan.joins:
            self._save_link(pair, rank)
        for merge in plan.continued:
            old = self.merges[merge.merge_id]
            record = msgspec.structs.replace(
                old.record, id=next(self._merge_ids), survivor_id=merge.survivor_id, merged_at=self.now
            )
            self.merges[record.id] = StoredMerge(record, old.pair, frozenset(merge.kept))
        for id in plan.undone:
            self.merges[id].undone = True
        for new in plan.merged:
            pair = new.link.edge
            record = MergeRecord(
                next(self._merge_ids), new.survivor_id, new.absorbed_id, frozenset(new.moved), frozenset(pair), self.now
            )
            self.merges[record.id] = StoredMerge(record, pair, frozenset(new.kept))
        for group in plan.groups:
            profile_id = group.profile_id if group.profile_id != NEW_PROFILE else next(self._profile_ids)
            self._move(group.moved, profile_id)
            if group.history is not None:
                self.keys[profile_id] = group.key
                assert sorted(group.history.all_identifiers()) == sorted(group.identifiers), "each is replayed once"
                assert _begun(group.history) == group.key[1]
        for new in plan.merged:
            del self.keys[new.absorbed_id]


def _begun(branch: Branch) -> Instant:
    return min([branch.begun, *(_begun(other) for _, other in branch.joined)])
