"""Who is who, as a pure function: the plans of engine.identity against a naive reading of the rules.

Shape   people_by_the_rules(messages) says naively which identifiers make one profile, who owns each, and what was said;
        Memory carries plans out without a database · the laws compare the two
Laws    any order and grouping of the same messages gives the same owners, profiles, links and bucketing keys; saying it
        again changes nothing; what was undone was never said; limits hold; blocked values are never there
Source  engine/identity, docs/decisions/0010-claims.md, docs/decisions/0021-undo.md
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from memory import NOW, Memory, Said
from tinycdp.engine.identity.claims import evidence_of
from tinycdp.engine.identity.components import components, path
from tinycdp.engine.identity.identifiers import Rank, bucketing_key
from tinycdp.engine.identity.resolution import MergeRejected
from tinycdp.engine.identity.unmerge import StillConnected
from tinycdp.model import STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.policies.identifier_rules import IdentifierRules, IdentityPolicy, KindPolicy

VALUES = {
    IdentifierKind.USER: ("u1", "u2", "u3"),
    IdentifierKind.EXTERNAL: ("e1", "e2"),
    IdentifierKind.ANONYMOUS: ("a1", "a2", "a3"),
    IdentifierKind.DEVICE: ("d1", "d2"),
}

DEEP = os.environ.get("TINYCDP_HYPOTHESIS") == "deep"
law = settings(
    max_examples=20_000 if DEEP else 100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
pytestmark = pytest.mark.timeout(0 if DEEP else 180)


# The rules, naively


@dataclass
class People:
    """What a set of messages makes of identifiers.

    said  pair → the best rank at which it was said; third: whether it is a join"""

    profiles: set[frozenset[Identifier]]
    owners: dict[Identifier, tuple[Identifier, Rank]]
    said: dict[Said, Rank]


def people_by_the_rules(sent: Iterable[Message], rules: IdentifierRules, never: Set[Said] = frozenset()) -> People:
    """Every identifier follows its best claim, joins are for ever, and what is connected is one profile.

    never  what was never said, though messages say so"""
    said: dict[Said, Rank] = {}
    seen: set[Identifier] = set()

    def say(identifier: Identifier, owner: Identifier, is_join: bool, rank: Rank) -> None:
        both_users = identifier.kind == owner.kind == IdentifierKind.USER and not is_join
        if both_users or not rules.may_claim(owner, identifier) or (identifier, owner, is_join) in never:
            return
        said[identifier, owner, is_join] = min(rank, said.get((identifier, owner, is_join), rank))

    for m in sent:
        by, *weaker = sorted(m.identifiers, key=lambda identifier: rules.strength(identifier.kind))
        seen |= {by, *weaker}
        for identifier in weaker:
            say(identifier, by, False, (rules.strength(by.kind), m.occurred_at, m.message_id))
        if m.previous is not None:
            user, anonymous = (
                Identifier(IdentifierKind.USER, m.previous),
                Identifier(IdentifierKind.ANONYMOUS, m.previous),
            )
            seen |= {user, anonymous}
            say(anonymous, by, False, (rules.strength(by.kind), m.occurred_at, m.message_id))
            if by.kind == IdentifierKind.USER:
                say(user, by, True, (0, m.occurred_at, m.message_id))
            else:
                say(by, user, False, (rules.strength(IdentifierKind.USER), m.occurred_at, m.message_id))
    owners: dict[Identifier, tuple[Identifier, Rank]] = {}
    for (identifier, owner, is_join), rank in said.items():
        if not is_join and (identifier not in owners or rank < owners[identifier][1]):
            owners[identifier] = (owner, rank)
    edges = [(identifier, owner) for identifier, owner, is_join in said if is_join]
    edges += [(identifier, owner) for identifier, (owner, _) in owners.items()]
    return People(connected(seen, edges), owners, said)


def connected(ids: Iterable[Identifier], edges: Iterable[tuple[Identifier, Identifier]]) -> set[frozenset[Identifier]]:
    """Groups, by spreading until nothing changes."""
    group = {id: frozenset((id,)) for id in ids}
    while joined := next(((one, other) for one, other in edges if group[one] != group[other]), None):
        union = group[joined[0]] | group[joined[1]]
        group |= dict.fromkeys(union, union)
    return set(group.values())


def check(memory: Memory, expected: People) -> None:
    """The two agree, and what is stored is sound."""
    assert memory.profiles() == expected.profiles
    assert memory.owners() == expected.owners
    assert memory.said() == expected.said
    check_keys(memory)


def check_keys(memory: Memory) -> None:
    """Each profile has the key of the identifier that was seen first, whatever merged, moved or came back."""
    assert memory.keys.keys() == {row.profile_id for row in memory.rows.values()}
    for id, key in memory.keys.items():
        assert key == bucketing_key(memory.members(id))


# Messages


@st.composite
def messages(draw: st.DrawFn, prefix: str = "m", most: int = 9, *, alias_calls: bool = True) -> list[Message]:
    """A handful of calls by few users on shared devices."""
    return [
        draw(message(f"{prefix}{n}", alias_calls=alias_calls)) for n in range(draw(st.integers(min(2, most), most)))
    ]


@st.composite
def message(draw: st.DrawFn, id: str, *, alias_calls: bool) -> Message:
    kind = draw(st.sampled_from(("track", "track", "alias") if alias_calls else ("track",)))
    carried = draw(st.lists(st.sampled_from(tuple(VALUES)), min_size=1, max_size=3, unique=True))
    identifiers = [Identifier(k, draw(st.sampled_from(VALUES[k]))) for k in sorted(carried, key=STRENGTH.__getitem__)]
    previous = None
    if kind == "alias":
        names = ("u1", "u2", "a1", "a2")
        previous = draw(st.sampled_from(names).filter(lambda value: value not in {a.value for a in identifiers}))
    return Message(
        kind=kind,
        message_id=id,
        identifiers=tuple(identifiers),
        occurred_at=NOW - draw(st.integers(0, 3)),
        received_at=NOW,
        name="open" if kind == "track" else "",
        previous=previous,
    )


@st.composite
def policies(draw: st.DrawFn) -> IdentifierRules:
    """Kinds in any order of strength, some of which may claim only some."""
    names = draw(st.permutations(tuple(IdentifierKind)))
    some = st.none() | st.lists(st.sampled_from(names), unique=True).map(tuple)
    return IdentifierRules(IdentityPolicy(kinds=tuple(KindPolicy(kind=name, claims=draw(some)) for name in names)))


def groups_of(data: st.DataObject, sent: Sequence[Message]) -> list[list[Message]]:
    """The messages shuffled and cut into groups."""
    shuffled = data.draw(st.permutations(sent))
    edges = sorted(data.draw(st.sets(st.integers(1, max(len(sent) - 1, 1)), max_size=len(sent) - 1)))
    return [list(shuffled[a:b]) for a, b in itertools.pairwise([0, *edges, len(shuffled)]) if a < b]


# The laws of messages


@law
@given(sent=messages(), data=st.data())
def test_order_and_grouping_do_not_matter(sent: list[Message], data: st.DataObject) -> None:
    memory = Memory()
    for group in groups_of(data, sent):
        memory.take(group)
    check(memory, people_by_the_rules(sent, memory.rules))
    strongest = {
        min(own, key=lambda identifier: (STRENGTH[identifier.kind], *astuple(identifier))).value
        for own in memory.profiles()
    }
    assert {key for key, _ in memory.keys.values()} == strongest, "all were seen in one instant"


@law
@given(sent=messages(), rules=policies(), data=st.data())
def test_nor_do_they_under_any_policy(sent: list[Message], rules: IdentifierRules, data: st.DataObject) -> None:
    memory = Memory(rules)
    for group in groups_of(data, sent):
        memory.take(group)
    check(memory, people_by_the_rules(sent, rules))


@law
@given(sent=messages(), data=st.data())
def test_a_key_is_the_first_identifier_seen_however_profiles_merge(sent: list[Message], data: st.DataObject) -> None:
    memory = Memory()
    first: dict[Identifier, int] = {}
    for group in groups_of(data, sent):
        memory.now += data.draw(st.integers(0, 2))
        for identifier in evidence_of(group, memory.rules).identifiers:
            first.setdefault(identifier, memory.now)
        memory.take(group)
        check_keys(memory)
    assert {row.identifier: row.created_at for row in memory.rows.values()} == first
    check(memory, people_by_the_rules(sent, memory.rules))


@law
@given(sent=messages(), rules=policies(), data=st.data())
def test_what_was_said_says_nothing_again(sent: list[Message], rules: IdentifierRules, data: st.DataObject) -> None:
    memory = Memory(rules)
    for group in groups_of(data, sent):
        memory.take(group)
    before = dict(memory.rows)
    for group in groups_of(data, sent):
        plan = memory.take(group)
        assert not plan.steps
        assert not plan.changed
        assert not plan.claims
        assert not plan.links
        assert {claim.reason for claim in plan.rejected} <= {"RULE"}
    assert memory.rows == before


@law
@given(sent=messages(), more=messages("n", 4), data=st.data())
def test_a_plan_asks_for_all_it_needs(sent: list[Message], more: list[Message], data: st.DataObject) -> None:
    """Whatever else is loaded does not change it."""
    memory = Memory()
    for group in groups_of(data, sent):
        memory.take(group)
    known = [m for m in more if all(any(row.identifier == a for row in memory.rows.values()) for a in m.identifiers)]
    evidence = evidence_of([m for m in known if m.previous is None], memory.rules)
    assert memory.plan(evidence, {}, set()) == memory.plan(evidence, {}, set(), eager=True)


@law
@given(sent=messages())
def test_of_several_claims_the_strongest_then_the_earliest_holds(sent: list[Message]) -> None:
    memory = Memory()
    for m in sent:
        memory.take([m])
    for identifier, (owner, rank) in memory.owners().items():
        claims = [
            (rank, by)
            for (claimed, by, is_join), rank in memory.said().items()
            if claimed == identifier and not is_join
        ]
        assert min(claims) == (rank, owner)
        assert rank[0] == min(STRENGTH[by.kind] for _, by in claims)
        assert rank[1:] == min(r[1:] for r, by in claims if STRENGTH[by.kind] == rank[0])


def test_new_identifiers_and_known_ones_need_no_look_at_other_rows() -> None:
    """The common calls are planned by what they name: only a merge of stored profiles reads their members."""
    memory = Memory()
    u1, a1, a2 = (
        Identifier(IdentifierKind.USER, "u1"),
        Identifier(IdentifierKind.ANONYMOUS, "a1"),
        Identifier(IdentifierKind.ANONYMOUS, "a2"),
    )
    memory.take([opened("m1", a1)])
    assert memory.loads == 0, "a new anonymous profile"
    memory.take([opened("m2", a1)])
    assert memory.loads == 0, "a known one"
    memory.now += 1
    memory.take([opened("m3", u1, a1)])
    assert memory.loads == 1, "identify: the members of the anonymous profile"
    memory.take([opened("m4", u1, a1)])
    assert memory.loads == 0, "and again"
    memory.now += 1
    memory.take([opened("m5", u1, a2)])
    assert memory.loads == 0, "another browser is created where it belongs"
    assert len(memory.profiles()) == 1


# Limits and blocked values


@law
@given(
    sent=messages(most=12),
    kind=st.sampled_from(tuple(VALUES)),
    most=st.integers(1, 2),
    is_new=st.booleans(),
    data=st.data(),
)
def test_no_profile_has_more_than_its_limit(
    sent: list[Message], kind: str, most: int, is_new: bool, data: st.DataObject
) -> None:
    limited = KindPolicy(kind=kind, new_limit=most) if is_new else KindPolicy(kind=kind, limit=most)
    kinds = tuple(limited if name == kind else KindPolicy(kind=name) for name in IdentifierKind)
    memory, free = Memory(IdentifierRules(IdentityPolicy(kinds=kinds))), Memory()
    for group in groups_of(data, sent):
        memory.take(group)
        free.take(group)
    for own in memory.profiles():
        assert Counter(identifier.kind for identifier in own)[kind] <= most
    check_keys(memory)
    reasons = {claim.reason for claim in memory.rejected}
    assert reasons <= {"CLAIMED", "RULE", "NEW_LIMIT" if is_new else "LIMIT"}
    if any(Counter(identifier.kind for identifier in own)[kind] > most for own in free.profiles()):
        assert reasons & {"NEW_LIMIT", "LIMIT"}, "what is kept out is recorded"


@law
@given(sent=messages(), blocked=st.sets(st.sampled_from([v for own in VALUES.values() for v in own]), max_size=3))
def test_blocked_values_are_as_though_never_carried(sent: list[Message], blocked: set[str]) -> None:
    kinds = tuple(KindPolicy(kind=name, blocked=tuple(sorted(blocked))) for name in IdentifierKind)
    memory, without = Memory(IdentifierRules(IdentityPolicy(kinds=kinds))), Memory()
    memory.take(sent)
    kept = [
        msgspec.structs.replace(
            m,
            identifiers=tuple(identifier for identifier in m.identifiers if identifier.value not in blocked),
            previous=m.previous if m.previous not in blocked else None,
        )
        for m in sent
        if any(identifier.value not in blocked for identifier in m.identifiers)
    ]
    without.take(kept)
    assert not {row.identifier.value for row in memory.rows.values()} & blocked
    assert (memory.profiles(), memory.owners(), memory.said()) == (without.profiles(), without.owners(), without.said())
    check(memory, people_by_the_rules(kept, without.rules))


# The laws of unmerging


@law
@given(before=messages(most=6), after=messages("n", 3), last=messages("o", 2, alias_calls=False), data=st.data())
def test_what_was_undone_was_never_said(
    before: list[Message], after: list[Message], last: list[Message], data: st.DataObject
) -> None:
    memory, seen = strangers()
    before = [*seen, *before]
    for group in groups_of(data, before[len(seen) :]):
        memory.now += data.draw(st.integers(0, 1))
        memory.take(group)
    assume(memory.merges)
    chosen = data.draw(st.sampled_from(sorted(memory.merges)))
    for group in groups_of(data, after):
        memory.now += data.draw(st.integers(0, 1))
        memory.take(group)
    never = undone(memory, chosen)
    check(memory, people_by_the_rules([*before, *after], memory.rules, never))
    check_merges(memory)
    for group in groups_of(data, last):
        memory.take(group)
    check(memory, people_by_the_rules([*before, *after, *last], memory.rules, never))


@law
@given(sent=messages(), data=st.data())
def test_a_merge_by_hand_that_was_undone_was_never_made(sent: list[Message], data: st.DataObject) -> None:
    memory = Memory()
    for group in groups_of(data, sent):
        memory.now += 1
        memory.take(group)
    assume(len(memory.keys) > 1)
    before, keys = memory.profiles(), dict(memory.keys)
    ids = data.draw(st.lists(st.sampled_from(sorted(memory.keys)), min_size=2, max_size=3, unique=True))
    survivor = data.draw(st.sampled_from((None, *ids)))
    merged = memory.merge(ids, survivor)
    assert len(merged) == len(ids) - 1
    assert memory.keys.keys() == keys.keys() - {memory.merges[id].record.absorbed_id for id in merged}
    check_keys(memory)
    for id in data.draw(st.permutations(merged)):
        memory.undo(id)
    assert memory.profiles() == before
    check_keys(memory)
    check_merges(memory)


@law
@given(sent=messages(), data=st.data())
def test_all_that_merged_can_be_undone_in_any_order(sent: list[Message], data: st.DataObject) -> None:
    """And what was withdrawn by one undo stays withdrawn by the next."""
    memory, seen = strangers()
    for group in groups_of(data, sent):
        memory.now += data.draw(st.integers(0, 1))
        memory.take(group)
    sent = [*seen, *sent]
    never: set[Said] = set()
    for id in data.draw(st.permutations(sorted(memory.merges))):
        if not memory.merges[id].undone:
            try:
                never |= memory.undo(id)
            except StillConnected as still:
                assert_path(memory, still.path)
        check(memory, people_by_the_rules(sent, memory.rules, never))
        check_merges(memory)


@law
@given(sent=messages(), data=st.data())
def test_a_split_separates_and_holds_together(sent: list[Message], data: st.DataObject) -> None:
    memory = Memory()
    for group in groups_of(data, sent):
        memory.now += 1
        memory.take(group)
    own = data.draw(st.sampled_from(sorted(map(sorted, memory.profiles()))))
    chosen = data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=2, unique=True))
    try:
        never = memory.split(chosen)
    except StillConnected as still:
        return assert_path(memory, still.path)
    assume(never)
    people = people_by_the_rules(sent, memory.rules, never)
    joined = [pair for *pair, is_join in memory.said() if is_join and (*pair, True) not in people.said]
    assert all(rank[2] == "" for (*_, is_join), rank in memory.said().items() if not is_join and not rank[2])
    edges = [(one, other) for one, other, is_join in memory.said() if is_join]
    edges += [(identifier, owner) for identifier, (owner, _) in people.owners.items()]
    assert memory.owners() == people.owners
    assert memory.profiles() == connected({row.identifier for row in memory.rows.values()}, edges)
    assert len({memory.profile_of(identifier) for identifier in chosen}) == 1
    assert all(memory.profile_of(one) == memory.profile_of(other) for one, other in joined)
    check_keys(memory)
    return None


def test_an_alias_call_joins_again_what_was_undone_and_nothing_else_does() -> None:
    memory = Memory()
    u1, a1 = Identifier(IdentifierKind.USER, "u1"), Identifier(IdentifierKind.ANONYMOUS, "a1")
    memory.take([opened("m1", a1)])
    memory.take([opened("m2", u1, a1)])
    assert memory.undo(1) == {(a1, u1, False)}
    memory.take([opened("m0", u1, a1)])
    assert memory.profiles() == {frozenset((u1,)), frozenset((a1,))}
    assert {claim.reason for claim in memory.rejected} == {"KEPT_APART"}
    memory.take([msgspec.structs.replace(opened("m3", u1), kind="alias", previous="a1")])
    assert frozenset((u1, a1)) <= next(own for own in memory.profiles() if u1 in own)
    assert memory.owners()[a1][1][2] == "m3", "what was withdrawn does not count again"


def strangers() -> tuple[Memory, list[Message]]:
    """Identifiers that were seen alone, so that most of what is said of them later merges profiles."""
    memory = Memory()
    sent = [opened(f"s{n}", Identifier(kind, value)) for n, (kind, value) in enumerate(SEEN)]
    for one in sent:
        memory.now += 1
        memory.take([one])
    return memory, sent


SEEN = (
    (IdentifierKind.ANONYMOUS, "a1"),
    (IdentifierKind.USER, "u1"),
    (IdentifierKind.DEVICE, "d1"),
    (IdentifierKind.ANONYMOUS, "a2"),
    (IdentifierKind.EXTERNAL, "e1"),
)


def undone(memory: Memory, merge_id: int) -> set[Said]:
    """The pairs that an undo withdrew; the two it was for are different profiles then."""
    pair = memory.merges[merge_id].pair
    state = dict(memory.rows)
    try:
        never = memory.undo(merge_id)
    except StillConnected as still:
        assert memory.rows == state
        assert_path(memory, still.path)
        assume(False)
    one, other = (memory.rows[id].profile_id for id in pair)
    assert one != other
    return never


def assert_path(memory: Memory, way: Sequence[Identifier]) -> None:
    """A path leads from one identifier to another by what was said."""
    said = {frozenset((one, other)) for one, other, _ in memory.said()}
    assert len(way) > 1
    assert all(frozenset(step) in said for step in itertools.pairwise(way))


def check_merges(memory: Memory) -> None:
    """No profile that lives was absorbed by a merge in force, and none was absorbed twice."""
    absorbed = Counter(merge.record.absorbed_id for merge in memory.merges.values() if not merge.undone)
    assert not absorbed.keys() & memory.keys.keys()
    assert all(n == 1 for n in absorbed.values())


def opened(id: str, *identifiers: Identifier) -> Message:
    return Message(kind="track", message_id=id, identifiers=identifiers, occurred_at=NOW, received_at=NOW, name="open")


def astuple(identifier: Identifier) -> tuple[str, str]:
    return identifier.kind, identifier.value


# Components

edges_of = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=10)


@law
@given(ids=st.sets(st.integers(0, 6)), edges=edges_of, data=st.data())
def test_components_are_what_is_connected(ids: set[int], edges: list[tuple[int, int]], data: st.DataObject) -> None:
    found = components(ids, edges)
    assert sorted(id for group in found for id in group) == sorted(ids)
    again = components(data.draw(st.permutations(sorted(ids))), data.draw(st.permutations(edges)))
    assert set(map(frozenset, found)) == set(map(frozenset, again))
    group_of = {id: frozenset(group) for group in found for id in group}
    inside = [(one, other) for one, other in edges if one in ids and other in ids]
    assert all(group_of[one] == group_of[other] for one, other in inside)
    for group in found:
        start = min(group)
        for end in group - {start}:
            way = path(inside, start, end)
            assert way[0] == end
            assert way[-1] == start
            steps = set(map(frozenset, inside))
            assert all(frozenset(step) in steps for step in itertools.pairwise(way))


def test_a_merge_by_hand_that_exceeds_a_limit_is_rejected() -> None:
    kinds = (KindPolicy(kind=IdentifierKind.USER, limit=1), KindPolicy(kind=IdentifierKind.DEVICE))
    memory = Memory(IdentifierRules(IdentityPolicy(kinds=kinds)))
    memory.take(
        [opened("m1", Identifier(IdentifierKind.USER, "u1")), opened("m2", Identifier(IdentifierKind.USER, "u2"))]
    )
    with pytest.raises(MergeRejected) as rejected:
        memory.merge(sorted(memory.keys))
    assert rejected.value.reason == "LIMIT"
    assert len(memory.profiles()) == 2
