"""The plan of what messages, or an admin, change about identity, before anything is written.

Shape   plan_resolution(evidence, facts, …) → ResolutionPlan, or Missing: load that, add it to the facts and plan again.
        plan_merge(…) → the ResolutionPlan of an admin's merge
Laws    which profile an identifier belongs to is a function of the set of messages, never of their order:
        · a first claim merges the profile of the identifier into its owner's
        · a claim that loses is recorded; so that the winner can be taken back, and the loser hold again
        · a better claim that comes late moves the identifier, and what it owns, to its rightful owner; to a new profile
          with this owner, if only the identifier connected it with the others
        · of two profiles that merge the older survives, and keeps its bucketing key
        What was taken back counts again only if an alias call, or an admin, says it anew
Errors  MergeRejected if an admin's merge exceeds a limit
Source  docs/decisions/0010-claims.md, docs/decisions/0021-undo.md

The tablet `d1` was first seen alone (profile 7) at 8, the users u1 (profile 5) at 5 and u2 (profile 6) at 6. Two
messages come, the later one first:

    message  at  carries  says           now                    steps of the plan             d1 belongs to
    m2       20  u2 d1    u2 claims d1   nothing claims d1      Merge 7 into 6                u2, rank (0, 20, m2)
    m1       10  u1 d1    u1 claims d1   (0, 10) < (0, 20):     Move d1 from 6 to 5;          u1, rank (0, 10, m1)
                                         it came late           6 and 5 are rebuilt
                                                                rejected: u2's claim, CLAIMED

Both links, d1–u2 and d1–u1, are remembered. Had m1 come first, u1's claim would have merged 7 into 5, and u2's would
have been rejected: the same owner, the same links.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from tinycdp.engine.identity.claims import Claim, Evidence, Join, is_allowed
from tinycdp.engine.identity.components import components
from tinycdp.engine.identity.identifiers import IdentifierRow, Rank, age_of, bucketing_key
from tinycdp.engine.identity.limits import Counts, LimitRules, count, exceeded
from tinycdp.model import Identifier, Instant

#: (identifier, its owner, whether it is a join), by id
Pair = tuple[int, int, bool]


class Cause(NamedTuple):
    """Why two profiles merged: the pair of identifiers that was said to be one profile's, and by which message or
    admin."""

    kind: Literal["claim", "alias", "manual"]
    identifier_id: int
    owner_id: int
    message_id: str = ""
    author: str | None = None
    note: str = ""


class MergeStep(NamedTuple):
    """One profile is absorbed by another.

    moved, kept  the identifiers of each, by id
    takes_key    the absorbed profile is the older one: its bucketing key stays"""

    survivor_id: int
    absorbed_id: int
    cause: Cause
    moved: Sequence[int]
    kept: Sequence[int]
    takes_key: bool


class MoveStep(NamedTuple):
    """Some identifiers of one profile are another's: both have to be rebuilt from raw events. The target may be new."""

    source_id: int
    target_id: int
    moved: Sequence[int]


class RejectedClaim(NamedTuple):
    """A claim that did not take effect. reason: CLAIMED, LIMIT, NEW_LIMIT, RULE or KEPT_APART"""

    identifier_id: int
    kept_owner_id: int
    other_owner_id: int
    message_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is stored of everything a plan may concern.

    rows        the identifiers that the messages name
    created_at  of their profiles
    claimed     rows created just now with a claim, which is not saved yet
    new         profiles created just now: all their identifiers are in `rows`
    joined      stored profiles in which an identifier was created just now
    links       pair → its best rank; None if the pair is kept apart. Only of pairs that the messages name
    members     profile → all its identifiers
    joins       what alias calls and admins joined, of the identifiers in `joins_known`
    spare_ids   of profiles that do not exist yet"""

    rows: Mapping[Identifier, IdentifierRow]
    created_at: Mapping[int, Instant]
    claimed: Sequence[IdentifierRow] = ()
    new: Set[int] = frozenset()
    joined: Set[int] = frozenset()
    links: Mapping[Pair, Rank | None] = field(default_factory=dict)
    members: Mapping[int, Sequence[IdentifierRow]] = field(default_factory=dict)
    joins: Collection[tuple[int, int]] = ()
    joins_known: Set[int] = frozenset()
    spare_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """What to load before the plan can be made: the members of profiles, the joins of identifiers, and so many ids of
    new profiles."""

    members: Set[int]
    joins: Set[int]
    ids: int


@dataclass(frozen=True, slots=True)
class ResolutionPlan:
    """What to do, and to save.

    steps     in this order: later ones build on earlier ones
    changed   the identifiers whose claim or profile is another one than in the facts
    claims    the identifiers whose claim has to be saved
    links     pair → rank, to be remembered
    rejected  to be recorded
    keys      profile → bucketing key and creation instant, of those whose identifiers changed otherwise than by a merge
    """

    steps: Sequence[MergeStep | MoveStep] = ()
    changed: Sequence[IdentifierRow] = ()
    claims: Sequence[IdentifierRow] = ()
    links: Mapping[Pair, Rank] = field(default_factory=dict)
    rejected: Set[RejectedClaim] = frozenset()
    keys: Mapping[int, tuple[str, Instant]] = field(default_factory=dict)


class MergeRejected(Exception):
    """The profiles together would exceed a limit. reason: LIMIT or NEW_LIMIT"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def links_to_load(evidence: Evidence, rows: Mapping[Identifier, IdentifierRow]) -> set[Pair]:
    """The pairs of which it has to be known whether they were said before. The commonest, an identifier and the owner
    it has, is told by its own row."""
    wanted = set()
    for claim in evidence.claims:
        row, owner = rows[claim.identifier], rows[claim.owner]
        if row.owner_id != owner.id:
            wanted.add((row.id, owner.id, False))
    for join in evidence.joins:
        wanted.add((rows[join.known].id, rows[join.by].id, True))
    return wanted


def plan_resolution(evidence: Evidence, facts: Facts, rules: LimitRules, now: Instant) -> ResolutionPlan | Missing:
    """What the messages change. Claims come first, the best before those it beats; then joins."""
    draft = _Draft(facts, rules, now)
    draft.know_links(evidence.claims)
    for claim in evidence.claims:
        draft.claim(claim)
    for join in evidence.joins:
        draft.join(join)
    return draft.finish()


def plan_merge(
    facts: Facts, survivor_id: int | None, author: str, note: str, rules: LimitRules, now: Instant
) -> tuple[ResolutionPlan, int]:
    """An admin merges all profiles of the facts; also the id of the one that survives.

    survivor_id  None: the profile with the oldest identifier"""
    draft = _Draft(facts, rules, now)
    draft.know_members()
    speakers = {id: min(rows, key=lambda row: strongest_first(row, rules)).id for id, rows in facts.members.items()}
    first, *others = sorted(facts.members, key=lambda id: (id != survivor_id, min(map(age_of, facts.members[id]))))
    for other in others:
        cause = Cause("manual", speakers[other], speakers[first], "", author, note)
        if reason := draft.merge(draft.profile_of(speakers[first]), other, cause, survivor_id):
            raise MergeRejected(reason)
        draft.record_link((speakers[other], speakers[first], True), by_admin(now))
    plan = draft.finish()
    assert isinstance(plan, ResolutionPlan), "the facts name all members"
    return plan, draft.profile_of(speakers[first])


def by_admin(now: Instant) -> Rank:
    """The rank of an admin's join: any message that says the same is remembered in its place."""
    return 2**15 - 1, now, ""


def strongest_first(row: IdentifierRow, rules: LimitRules) -> tuple[int, Instant, int]:
    """The order in which identifiers represent their profile in an admin's join: a strong one seldom changes hands."""
    return rules.strength(row.identifier.kind), row.created_at, row.id


class _Draft:
    """A plan in the making: the facts as the steps so far would have changed them.

    If a step lacks facts, it is left out and the draft goes on, only to find what else is missing. Such a draft never
    becomes a plan."""

    def __init__(self, facts: Facts, rules: LimitRules, now: Instant) -> None:
        self._facts = facts
        self._rules = rules
        self._now = now
        self._rows = {row.id: row for row in facts.rows.values()}
        self._created_at = dict(facts.created_at)
        self._members: dict[int, set[int]] = {}
        self._new_members: dict[int, set[int]] | None = None
        self._links = dict(facts.links)
        self._missing_members: set[int] = set()
        self._missing_joins: set[int] = set()
        self._missing_ids = 0
        self._spare_ids = list(facts.spare_ids)
        self._steps: list[MergeStep | MoveStep] = []
        self._absorbed: set[int] = set()
        self._changed: set[int] = set()
        self._claims: set[int] = set()
        self._new_links: dict[Pair, Rank] = {}
        self._rejected: set[RejectedClaim] = set()
        #: Profiles that may have another bucketing key now. A profile as old as this transaction may get an older one
        #: by an identifier of the same instant.
        self._rekeyed = {id for id in facts.joined if facts.created_at[id] == now}
        for row in facts.claimed:
            assert row.owner_id is not None and row.rank is not None
            self._claims.add(row.id)
            self.record_link((row.id, row.owner_id, False), row.rank)

    # Messages

    def claim(self, claim: Claim) -> None:
        """Apply a claim, or record that it does not take effect."""
        row, owner = self._named(claim.identifier), self._named(claim.owner)
        if reason := self._forbidden(claim, row, owner):
            self._reject(row, owner, claim, reason)
        elif row.owner_id is None or row.rank is None:
            self._claim_first(claim, row, owner)
        elif row.rank <= claim.rank:
            self._claim_in_vain(claim, row, owner)
        else:
            self._claim_better(claim, row, owner)

    def _forbidden(self, claim: Claim, row: IdentifierRow, owner: IdentifierRow) -> str | None:
        """Why the claim may not even be considered."""
        pair = row.id, owner.id, False
        if not claim.explicit and pair in self._links and self._links[pair] is None:
            return "KEPT_APART"
        return None if is_allowed(claim, self._rules) else "RULE"

    def _claim_first(self, claim: Claim, row: IdentifierRow, owner: IdentifierRow) -> None:
        """Nothing claims the identifier yet: its profile becomes part of the owner's."""
        cause = Cause("alias" if claim.explicit else "claim", row.id, owner.id, claim.rank[2])
        if reason := self.merge(row.profile_id, owner.profile_id, cause):
            self._reject(row, owner, claim, reason)
        else:
            self._set_owner(row, owner, claim.rank)

    def _claim_in_vain(self, claim: Claim, row: IdentifierRow, owner: IdentifierRow) -> None:
        """The claim that holds is better: this one is remembered, and recorded if it is new and another profile's."""
        is_new = self.record_link((row.id, owner.id, False), claim.rank)
        if is_new and row.profile_id != owner.profile_id:
            self._reject(row, owner, claim, "CLAIMED")

    def _claim_better(self, claim: Claim, row: IdentifierRow, owner: IdentifierRow) -> None:
        """The claim beats the one that holds: the identifier, and all that it owns, belongs to this owner."""
        moves = row.profile_id != owner.profile_id
        if moves and (reason := self._move(row, owner, claim.rank[2])):
            return self._reject(row, owner, claim, reason)
        if moves or self._leave(row, owner):
            self._rejected.add(RejectedClaim(row.id, owner.id, _holder(row), claim.rank[2], "CLAIMED"))
        return self._set_owner(row, owner, claim.rank)

    def join(self, join: Join) -> None:
        """Apply a join, or record that it does not take effect."""
        known, by = self._named(join.known), self._named(join.by)
        reason: str | None = "RULE"
        if self._rules.may_claim(join.by, join.known):
            cause = Cause("alias", known.id, by.id, join.message_id)
            reason = self.merge(known.profile_id, by.profile_id, cause)
        if reason:
            self._rejected.add(RejectedClaim(known.id, known.id, by.id, join.message_id, reason))
        else:
            self.record_link((known.id, by.id, True), (0, join.at, join.message_id))

    # Steps

    def merge(self, one: int, other: int, cause: Cause, survivor_id: int | None = None) -> str | None:
        """Make one profile of two, or return the reason why not. The older survives, unless another is named."""
        if one == other or not self._have_members(one, other):
            return None
        if self._rules.limited and (reason := exceeded(self._rules, [self._count(one), self._count(other)])):
            return reason
        older, younger = sorted((one, other), key=self._seniority)
        survivor, absorbed = (younger, older) if survivor_id == younger else (older, younger)
        moved, kept = self._members.pop(absorbed), self._members[survivor]
        takes_key = survivor == younger
        self._steps.append(MergeStep(survivor, absorbed, cause, sorted(moved), sorted(kept), takes_key))
        self._absorbed.add(absorbed)
        self._created_at[survivor] = self._created_at[older]
        if takes_key or not self._rekeyed.isdisjoint((one, other)):
            self._rekeyed.add(survivor)
        self._assign(moved, survivor)
        return None

    def _move(self, row: IdentifierRow, owner: IdentifierRow, message_id: str) -> str | None:
        """Move an identifier, and what is connected with it but for its old claim, to another profile."""
        source, target = row.profile_id, owner.profile_id
        if not self._have_members(source, target) or not self._have_joins(self._members[source]):
            return None
        members = self._members[source]
        moved = self._connected(row, members)
        if len(moved) == len(members):
            return self.merge(source, target, Cause("claim", row.id, owner.id, message_id))
        if self._rules.limited:
            coming = [{self._rows[id].identifier.kind: (1, 1)} for id in moved]
            if reason := exceeded(self._rules, [self._count(target), *coming]):
                return reason
        self._reassign(moved, source, target)
        return None

    def _leave(self, row: IdentifierRow, owner: IdentifierRow) -> bool:
        """The new owner is in the same profile as the old one. If only the identifier connects the two, as it may where
        it owns the new owner in turn, both leave for a new profile. Returns whether they do."""
        source = row.profile_id
        if self._have_common_owner(row, owner):
            return False
        if not self._have_members(source) or self._have_common_owner(row, owner):  # asked again: all rows are known now
            return False
        if not self._have_joins(self._members[source]):
            return False
        moved = self._connected(row, self._members[source])
        if owner.id not in moved or len(moved) == len(self._members[source]):
            return False
        if not self._spare_ids:
            self._missing_ids += 1
            return False
        target = self._spare_ids.pop()
        self._members[target] = set()
        self._created_at[target] = min(self._rows[id].created_at for id in moved)
        self._reassign(moved, source, target)
        return True

    def _have_common_owner(self, row: IdentifierRow, owner: IdentifierRow) -> bool:
        """Whether the old and the new owner of an identifier have one first owner, without the identifier itself."""
        return self._first_owner(_holder(row), row) == self._first_owner(owner.id, row)

    def _first_owner(self, id: int, without: IdentifierRow) -> int:
        """The end of the chain of owners that begins with an identifier and does not lead through another; as far as
        rows are known."""
        seen = {without.id}
        while id not in seen and (row := self._rows.get(id)) and row.owner_id and row.owner_id not in seen:
            seen.add(id)
            id = row.owner_id
        return id

    def _reassign(self, moved: Set[int], source: int, target: int) -> None:
        self._steps.append(MoveStep(source, target, sorted(moved)))
        self._rekeyed |= {source, target}
        self._members[source] = self._members[source] - moved
        self._assign(moved, target)

    def _connected(self, row: IdentifierRow, members: Set[int]) -> Set[int]:
        """The members that stay with an identifier when it is no longer claimed by its owner."""
        edges = [(id, owner_id) for id in members if id != row.id and (owner_id := self._rows[id].owner_id) is not None]
        return next(part for part in components(members, [*edges, *self._facts.joins]) if row.id in part)

    def _assign(self, moved: Set[int], profile_id: int) -> None:
        for id in moved:
            self._rows[id] = msgspec.structs.replace(self._rows[id], profile_id=profile_id)
        self._changed |= moved
        self._members[profile_id] = self._members[profile_id] | moved

    def _count(self, profile_id: int) -> Counts:
        return count((self._rows[id] for id in self._members[profile_id]), self._rules, self._now)

    def _seniority(self, profile_id: int) -> tuple[Instant, tuple[int, str, str] | tuple[()], int]:
        """The order of profiles by age: of the same instant by their oldest identifiers."""
        oldest = min((age_of(self._rows[id]) for id in self._members[profile_id]), default=None)
        return self._created_at[profile_id], oldest[1:] if oldest else (), profile_id

    # What is recorded

    def know_links(self, claims: Iterable[Claim]) -> None:
        """An identifier's own row tells the link to the owner it has."""
        for claim in claims:
            row, owner = self._named(claim.identifier), self._named(claim.owner)
            if row.owner_id == owner.id:
                self._links.setdefault((row.id, owner.id, False), row.rank)

    def record_link(self, pair: Pair, rank: Rank) -> bool:
        """Remember that a pair was said to be one profile's. True if it is new, or was kept apart."""
        before = self._links.get(pair)
        if before is None or rank < before:
            self._new_links[pair] = self._links[pair] = rank
        return before is None

    def _set_owner(self, row: IdentifierRow, owner: IdentifierRow, rank: Rank) -> None:
        self.record_link((row.id, owner.id, False), rank)
        self._rows[row.id] = msgspec.structs.replace(self._rows[row.id], owner_id=owner.id, rank=rank)
        self._changed.add(row.id)
        self._claims.add(row.id)

    def _reject(self, row: IdentifierRow, owner: IdentifierRow, claim: Claim, reason: str) -> None:
        self._rejected.add(RejectedClaim(row.id, _holder(row), owner.id, claim.rank[2], reason))

    # Facts

    def know_members(self) -> None:
        """Take in the members of all profiles that the facts name."""
        self._have_members(*self._facts.members)

    def profile_of(self, identifier_id: int) -> int:
        """The profile an identifier has after the steps so far."""
        return self._rows[identifier_id].profile_id

    def _named(self, identifier: Identifier) -> IdentifierRow:
        return self._rows[self._facts.rows[identifier].id]

    def _have_members(self, *profile_ids: int) -> bool:
        """Whether all identifiers of these profiles are known; notes those that are missing."""
        for id in profile_ids:
            if id in self._members:
                continue
            if id in self._facts.new:
                self._members[id] = self._members_of_new(id)
            elif id in self._facts.members:
                for row in self._facts.members[id]:
                    self._rows.setdefault(row.id, row)  # what the messages name is known better already
                self._members[id] = {row.id for row in self._facts.members[id]}
            else:
                self._missing_members.add(id)
        return self._missing_members.isdisjoint(profile_ids)

    def _members_of_new(self, profile_id: int) -> set[int]:
        if self._new_members is None:
            self._new_members = {}
            for row in self._facts.rows.values():
                self._new_members.setdefault(row.profile_id, set()).add(row.id)
        return self._new_members[profile_id]

    def _have_joins(self, ids: Set[int]) -> bool:
        """Whether all joins among these identifiers are known; notes those that are missing."""
        missing = ids - self._facts.joins_known if len(ids) > 1 else set()
        self._missing_joins |= missing
        return not missing

    def finish(self) -> ResolutionPlan | Missing:
        """The plan, or what is missing for it."""
        rekeyed = sorted(self._rekeyed - self._absorbed)
        self._have_members(*rekeyed)
        if self._missing_members or self._missing_joins or self._missing_ids:
            return Missing(self._missing_members, self._missing_joins, self._missing_ids)
        return ResolutionPlan(
            steps=self._steps,
            changed=[self._rows[id] for id in sorted(self._changed)],
            claims=[self._rows[id] for id in sorted(self._claims)],
            links=self._new_links,
            rejected=self._rejected,
            keys={id: bucketing_key(self._rows[one] for one in self._members[id]) for id in rekeyed},
        )


def _holder(row: IdentifierRow) -> int:
    """The identifier that holds this one: its owner, or itself."""
    return row.owner_id if row.owner_id is not None else row.id
