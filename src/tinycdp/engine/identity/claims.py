"""Evidence in messages: which identifier claims which, and which known users are joined.

Shape   evidence_of(messages, rules) → Evidence: claims and joins, and the owner each identifier gets if nothing else
        is known of it
Laws    a message belongs to the strongest identifier it carries; that one claims the weaker ones beside it.
        Of several claims on one identifier the one by the strongest kind wins, then the earliest by (instant, message
        id). Only an alias call joins two user ids. One without a user id lets the previous id, as a user's, claim
        what it carries
Source  docs/decisions/0010-claims.md

Four messages about one browser `a1` and one tablet `d1`:

    message  at  carries    says                    rank
    m1       1   a1         nothing
    m2       5   u1 a1      u1 claims a1            (0, 5, m2)
    m3       3   u2 a1 d1   u2 claims a1            (0, 3, m3)
                            u2 claims d1            (0, 3, m3)
    m4       9   a1 d1      a1 claims d1            (2, 9, m4)

u2 wins a1: both claims are by a user id, and 3 is before 5. u2 wins d1: a user id (0) is stronger than an anonymous id
(2). So `winners` is {a1: u2, d1: u2}, whichever order the four arrive in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinycdp.engine.identity.identifiers import Rank
from tinycdp.engine.identity.limits import LimitRules
from tinycdp.model import Identifier, IdentifierKind, Instant, Message


class Claim(NamedTuple):
    """One message says that an identifier belongs to a stronger one beside it. explicit: an alias call says so"""

    rank: Rank
    identifier: Identifier
    owner: Identifier
    explicit: bool


class Join(NamedTuple):
    """An alias call says that two user ids are one profile's."""

    known: Identifier
    by: Identifier
    at: Instant
    message_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What some messages say.

    identifiers  all that they name, sorted
    claims       the ones that win before the ones they beat
    winners      identifier → the claim that wins, of those that the rules allow
    owners       identifier → the one it follows if neither is stored yet; without cycles"""

    identifiers: Sequence[Identifier]
    claims: Sequence[Claim]
    joins: Sequence[Join]
    winners: Mapping[Identifier, Claim]
    owners: Mapping[Identifier, Identifier]


def evidence_of(messages: Sequence[Message], rules: LimitRules) -> Evidence:
    """Everything the messages say of identifiers."""
    claims, joins = _claims(messages, rules), _joins(messages)
    named = {identifier for message in messages for identifier in message.identifiers}
    named.update(join.known for join in joins)
    for claim in claims:
        named |= {claim.identifier, claim.owner}
    winners = claim_winners(claims, rules)
    return Evidence(sorted(named), claims, joins, winners, _owners(winners, joins, rules))


def claim_winners(claims: Iterable[Claim], rules: LimitRules) -> dict[Identifier, Claim]:
    """For each identifier the claim that wins. The claims come the best first."""
    winners: dict[Identifier, Claim] = {}
    for claim in claims:
        if is_allowed(claim, rules):
            winners.setdefault(claim.identifier, claim)
    return winners


def is_allowed(claim: Claim, rules: LimitRules) -> bool:
    """Whether the rules allow the claim. Of two user ids neither claims the other: only an alias call joins them."""
    both_users = claim.owner.kind == claim.identifier.kind == IdentifierKind.USER
    return not both_users and rules.may_claim(claim.owner, claim.identifier)


def _claims(messages: Iterable[Message], rules: LimitRules) -> list[Claim]:
    found = []
    for message in messages:
        owner = message.identifiers[0]
        pairs = [(weaker, owner) for weaker in message.identifiers[1:]]
        if message.previous is not None:
            # An alias call does not say whether it names an anonymous id or a user id. It is taken as both.
            pairs.append((Identifier(IdentifierKind.ANONYMOUS, message.previous), owner))
            if owner.kind != IdentifierKind.USER:
                pairs.append((owner, Identifier(IdentifierKind.USER, message.previous)))
        for identifier, by in pairs:
            rank = (rules.strength(by.kind), message.occurred_at, message.message_id)
            found.append(Claim(rank, identifier, by, message.previous is not None))
    return sorted(found)


def _joins(messages: Iterable[Message]) -> list[Join]:
    return [
        Join(
            Identifier(IdentifierKind.USER, message.previous),
            message.identifiers[0],
            message.occurred_at,
            message.message_id,
        )
        for message in messages
        if message.previous is not None and message.identifiers[0].kind == IdentifierKind.USER
    ]


def _owners(
    winners: Mapping[Identifier, Claim], joins: Iterable[Join], rules: LimitRules
) -> dict[Identifier, Identifier]:
    pairs = [(claim.identifier, claim.owner) for claim in winners.values()]
    pairs += [(join.known, join.by) for join in joins if rules.may_claim(join.by, join.known)]
    owners: dict[Identifier, Identifier] = {}
    for identifier, owner in pairs:
        if identifier not in owners and _last(owners, owner) != identifier:
            owners[identifier] = owner
    return owners


def _last(owners: Mapping[Identifier, Identifier], identifier: Identifier) -> Identifier:
    while identifier in owners:
        identifier = owners[identifier]
    return identifier
