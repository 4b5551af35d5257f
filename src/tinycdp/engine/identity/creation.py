"""Rows for new identifiers: in a profile of their own, or in the profile of their owner.

Shape   plan_creation(evidence, rows) → Creation, again and again until every identifier has a row ·
        without_room(…) → those that a limit keeps out · with_claims(…) → the claims they are created with
Laws    an identifier without an owner starts a profile. One with an owner is created in the owner's profile, already
        claimed, so that nothing has to be merged. One whose owner's profile is full starts a profile too

A new browser signs up: m1 carries u1 and a1, and nothing is stored.

    1  u1 has no owner      → starts profile 1
    2  a1 follows u1        → is created in profile 1, claimed by u1
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from tinycdp.engine.identity.claims import Evidence
from tinycdp.engine.identity.identifiers import IdentifierRow, bucketing_key
from tinycdp.engine.identity.limits import Counts, LimitRules, exceeded
from tinycdp.model import Identifier

Rows = Mapping[Identifier, IdentifierRow]


@dataclass(frozen=True, slots=True)
class Creation:
    """The next rows to create.

    starting  identifiers that start a profile each
    joining   identifier → the profile it is created in; empty while others have to be created first"""

    starting: list[Identifier] = field(default_factory=list)
    joining: dict[Identifier, int] = field(default_factory=dict)


def plan_creation(evidence: Evidence, rows: Rows) -> Creation:
    """What to create next, given the rows there are."""
    missing = [identifier for identifier in evidence.identifiers if identifier not in rows]
    starting = [identifier for identifier in missing if identifier not in evidence.owners]
    if starting:
        return Creation(starting)
    return Creation([], {identifier: _profile_of(identifier, evidence, rows) for identifier in missing})


def without_room(
    joining: Mapping[Identifier, int], counts: Mapping[int, Counts], rules: LimitRules
) -> list[Identifier]:
    """Those of these identifiers that their profile has enough of, counting the ones before them.

    counts  of each profile that one of a limited kind is to join"""
    parts: dict[int, list[Counts]] = {}
    kept_out = []
    for identifier, profile_id in joining.items():
        if identifier.kind in rules.limited:
            so_far = parts.setdefault(profile_id, [counts[profile_id]])
            more: Counts = {identifier.kind: (1, 1)}
            if exceeded(rules, [*so_far, more]):
                kept_out.append(identifier)
            else:
                so_far.append(more)
    return kept_out


def with_claims(created: Iterable[Identifier], evidence: Evidence, rows: Rows) -> list[IdentifierRow]:
    """The rows of identifiers that were created in their owner's profile, with the claim that put them there."""
    found = []
    for identifier in created:
        claim = evidence.winners.get(identifier)
        if claim is not None and evidence.owners.get(identifier) == claim.owner:
            owner_id = rows[claim.owner].id
            found.append(msgspec.structs.replace(rows[identifier], owner_id=owner_id, rank=claim.rank))
    return found


def first_keys(rows: Iterable[IdentifierRow], new: Iterable[int]) -> dict[int, str]:
    """The bucketing keys of new profiles, by profile. rows: all their identifiers, and others"""
    members: dict[int, list[IdentifierRow]] = {id: [] for id in new}
    for row in rows:
        if row.profile_id in members:
            members[row.profile_id].append(row)
    return {id: bucketing_key(own)[0] for id, own in members.items()}


def _profile_of(identifier: Identifier, evidence: Evidence, rows: Rows) -> int:
    owner = evidence.owners[identifier]
    while owner not in rows:
        owner = evidence.owners[owner]
    return rows[owner].profile_id
