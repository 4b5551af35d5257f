"""The stories of the docstrings of engine.identity, played."""

from memory import NOW, Memory
from tinycdp.engine.identity.claims import evidence_of
from tinycdp.engine.identity.creation import plan_creation
from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.engine.identity.resolution import MoveStep
from tinycdp.engine.identity.unmerge import Cut, plan_unmerge
from tinycdp.model import STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.policies.identifier_rules import DEFAULT, IdentifierRules, IdentityPolicy, KindPolicy

U1, U2 = Identifier(IdentifierKind.USER, "u1"), Identifier(IdentifierKind.USER, "u2")
A1, D1 = Identifier(IdentifierKind.ANONYMOUS, "a1"), Identifier(IdentifierKind.DEVICE, "d1")


def sent(id: str, at: int, *carried: Identifier, previous: str | None = None) -> Message:
    kind = "track" if previous is None else "alias"
    return Message(
        kind=kind,  # type: ignore[arg-type]
        message_id=id,
        identifiers=tuple(sorted(carried, key=lambda identifier: STRENGTH[identifier.kind])),
        occurred_at=at,
        received_at=NOW,
        previous=previous,
    )


def test_claims() -> None:
    messages = [sent("m1", 1, A1), sent("m2", 5, U1, A1), sent("m3", 3, U2, A1, D1), sent("m4", 9, A1, D1)]
    for ordered in (messages, messages[::-1]):
        evidence = evidence_of(ordered, DEFAULT)
        assert [(claim.rank, claim.identifier, claim.owner) for claim in evidence.claims] == [
            ((0, 3, "m3"), A1, U2),
            ((0, 3, "m3"), D1, U2),
            ((0, 5, "m2"), A1, U1),
            ((2, 9, "m4"), D1, A1),
        ]
        assert {identifier: claim.owner for identifier, claim in evidence.winners.items()} == {A1: U2, D1: U2}
        assert evidence.owners == {A1: U2, D1: U2}


def test_creation() -> None:
    evidence = evidence_of([sent("m1", 1, U1, A1)], DEFAULT)
    first = plan_creation(evidence, {})
    assert (first.starting, first.joining) == ([U1], {})
    second = plan_creation(evidence, {U1: IdentifierRow(1, U1, 1, NOW)})
    assert (second.starting, second.joining) == ([], {A1: 1})


def test_resolution() -> None:
    memory = Memory()
    for now, identifier in ((5, U1), (6, U2), (8, D1)):
        memory.now = now
        memory.take([sent(f"s{now}", now, identifier)])
    u1, u2, d1 = (memory.profile_of(identifier) for identifier in (U1, U2, D1))
    memory.now = 30
    [merge] = memory.take([sent("m2", 20, U2, D1)]).steps
    assert (merge.survivor_id, merge.absorbed_id) == (u2, d1)  # type: ignore[union-attr]
    assert memory.owners() == {D1: (U2, (0, 20, "m2"))}
    plan = memory.take([sent("m1", 10, U1, D1)])
    assert plan.steps == [MoveStep(u2, u1, [memory.id_of(D1)])]
    assert memory.owners() == {D1: (U1, (0, 10, "m1"))}
    assert {(claim.kept_owner_id, claim.other_owner_id, claim.reason) for claim in plan.rejected} == {
        (memory.id_of(U1), memory.id_of(U2), "CLAIMED")
    }
    assert memory.said().keys() == {(D1, U1, False), (D1, U2, False)}
    assert memory.profiles() == {frozenset((U1, D1)), frozenset((U2,))}


def shared_tablet(*messages: Message) -> Memory:
    memory = Memory()
    for now, identifier in enumerate((U1, A1, U2)):
        memory.now = now
        memory.take([sent(f"s{now}", now, identifier)])
    memory.now = 30
    for message in messages:
        memory.take([message])
    return memory


def test_unmerge() -> None:
    memory = shared_tablet(sent("m1", 10, U1, A1), sent("m2", 20, U2, A1))
    u1, a1, u2 = (memory.id_of(identifier) for identifier in (U1, A1, U2))
    p1, p3 = memory.profile_of(U1), memory.profile_of(U2)
    [merge] = memory.merges.values()
    p2 = merge.record.absorbed_id
    assert memory.profiles() == {frozenset((U1, A1)), frozenset((U2,))}
    assert [claim.reason for claim in memory.rejected] == ["CLAIMED"]

    cut = Cut(merge.record.moved, merge.kept, merge.pair, merge.record.id)
    plan = plan_unmerge(memory.graph(cut), cut, memory.rules, memory.now)
    assert [link.edge for link in plan.withdrawn] == [(a1, u1)]
    [(id, claim)] = plan.owners.items()
    assert (id, claim.owner_id, claim.rank) == (a1, u2, (0, 20, "m2"))  # type: ignore[union-attr]
    assert {(group.profile_id, *sorted(group.identifiers), group.key[0]) for group in plan.groups} == {
        (p1, u1, "u1"),
        (p3, a1, u2, "a1"),
    }
    assert all(group.history is not None for group in plan.groups)
    assert plan.undone == [merge.record.id]
    assert [(merge.survivor_id, merge.absorbed_id) for merge in plan.continued] == [(p3, p2)]
    assert not plan.merged


def test_unmerge_where_nothing_else_claims_the_identifier() -> None:
    memory = shared_tablet(sent("m1", 10, U1, A1))
    [merge] = memory.merges.values()
    memory.undo(merge.record.id)
    assert memory.profile_of(A1) == merge.record.absorbed_id
    assert memory.profile_of(U1) == merge.record.survivor_id
    assert merge.undone


def test_a_history_joins_where_the_profiles_did() -> None:
    """u1 had a1 since 40 and d1 since 50. d1 leaves; what a1 brought joins at 40 as it did."""
    memory = shared_tablet(sent("s", 3, D1))
    memory.now = 40
    memory.take([sent("m1", 10, U1, A1)])
    memory.now = 50
    memory.take([sent("m2", 20, U1, D1)])
    last = memory.merges[max(memory.merges)]
    cut = Cut(last.record.moved, last.kept, last.pair, last.record.id)
    plan = plan_unmerge(memory.graph(cut), cut, memory.rules, memory.now)
    histories = {group.profile_id: group.history for group in plan.groups}
    history = histories[memory.profile_of(U1)]
    assert history is not None
    assert history.identifiers == {memory.id_of(U1)}
    [(at, joined)] = history.joined
    assert (at, joined.identifiers) == (40, {memory.id_of(A1)})
    alone = histories[last.record.absorbed_id]
    assert alone is not None
    assert (alone.begun, alone.joined) == (30, [])


def test_a_better_claim_by_what_an_identifier_owns_takes_both_away() -> None:
    """d1 belongs to the user `a1`, the anonymous a1 to d1. Where anonymous ids are the strongest, a1 then claims d1:
    only d1 connected the user with the rest."""
    kinds = (IdentifierKind.ANONYMOUS, IdentifierKind.USER, IdentifierKind.DEVICE)
    memory = Memory(IdentifierRules(IdentityPolicy(kinds=tuple(KindPolicy(kind=kind) for kind in kinds))))
    user = Identifier(IdentifierKind.USER, "a1")
    memory.take([sent("m1", 10, D1, previous="a1")])
    assert memory.profiles() == {frozenset((user, A1, D1))}
    plan = memory.take([sent("m2", 20, A1, D1)])
    assert memory.profiles() == {frozenset((user,)), frozenset((A1, D1))}
    assert [claim.reason for claim in plan.rejected] == ["CLAIMED"]
