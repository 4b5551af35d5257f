"""Who a message belongs to: aliases resolved, created, claimed and joined.

Shape   resolve(people, messages) gives every alias of a group of messages its row and applies their claims.
        merge(…) makes two people one, whoever says so; components(…) and founder(…) are what undoing asks too
Laws    which profile an alias belongs to is a function of the set of messages, never of their order:
        · a message belongs to the strongest alias it carries; that alias claims the weaker ones beside it
        · of several claims the one by the strongest kind holds, then the earliest by (instant, message id)
        · an alias call joins two known people (two user ids); nothing else ever does. One that carries no user id lets
          the previous id, as a user's, claim what it carries
        A claim that loses is recorded. One that wins late moves the alias, and both people are rebuilt from raw events.
        Everything said is remembered, so that it can be taken back. What an admin took back counts again only when an
        alias call, or an admin, says it anew.
        A person's bucketing key is the alias first seen of theirs; of those of one instant the strongest, by value
Errors  Restart where another process moved a profile meanwhile: the group begins anew
Source  docs/decisions/0010-claims.md, docs/decisions/0021-undo.md
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinycdp.engine import outbox, recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import SECOND_MS, STRENGTH, Alias, AliasKind, Instant, Message
from tinycdp.runtime.policies.identifier_rules import DEFAULT, Rules
from tinycdp.runtime.profiles import storage as profiles
from tinycdp.store import identity as links
from tinycdp.store import messages as store
from tinycdp.store.pool import Connection

_WEAKEST = len(STRENGTH)

#: A claim's place in the order that decides between claims: the smallest holds.
Rank = tuple[int, Instant, str]

#: (alias id, owner's id, whether it is a join)
Pair = tuple[int, int, bool]

#: Of each limited kind how many aliases there are, and how many of them are new.
_Counts = dict[str, tuple[int, int]]


def by_hand(now: Instant) -> Rank:
    """The rank of what an admin says: whatever a message says of the same pair is remembered in its place."""
    return 2**15 - 1, now, ""


class Restart(Exception):
    """Another process changed what this group had read; begin the transaction anew."""


@dataclass(slots=True)
class AliasRow:
    id: int
    alias: Alias
    profile_id: int
    owner_id: int | None = None
    rank: Rank | None = None


class Cause(NamedTuple):
    """Why two people became one: the pair of aliases that was said to be one person's, and by whom.

    kind  claim, alias, manual or undo, as in the column"""

    kind: outbox.MergeCause
    alias_id: int
    owner_id: int
    message_id: str = ""
    author: str | None = None
    note: str = ""


@dataclass(slots=True)
class People:
    """The aliases and profiles of one group of messages, as they change inside its transaction.

    merged   absorbed profile → survivor
    new      profiles without a row yet
    claims   alias rows whose claim is not saved yet
    said     pairs of aliases that are not saved yet; known: those that are, with their rank, None where kept apart
    refused  (alias, kept owner, other owner, message, reason) not saved yet
    review   profiles of which every segment has to be looked at again
    rekey    profiles whose bucketing key may be another one now
    founder  the alias that gives a new profile its bucketing key
    nursed   stored profiles that aliases were born into
    born     user ids nobody had before
    journal  the merges made
    changes  merges and moves, for the outbox"""

    connection: Connection
    environment_id: int
    catalog: Catalog
    now: Instant
    rules: Rules = DEFAULT
    aliases: dict[Alias, AliasRow] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    claims: dict[int, AliasRow] = field(default_factory=dict)
    said: dict[Pair, Rank] = field(default_factory=dict)
    known: dict[Pair, Rank | None] = field(default_factory=dict)
    refused: list[tuple[int, int, int, str, str]] = field(default_factory=list)
    review: set[int] = field(default_factory=set)
    rekey: set[int] = field(default_factory=set)
    founder: dict[int, Alias] = field(default_factory=dict)
    nursed: set[int] = field(default_factory=set)
    born: list[str] = field(default_factory=list)
    journal: list[int] = field(default_factory=list)
    changes: list[outbox.Change] = field(default_factory=list)

    def say(self, pair: Pair, rank: Rank) -> bool:
        """Remember that a pair was said to be one person's. False where that was known already."""
        before = self.known.get(pair)
        if before is None or rank < before:
            self.said[pair] = self.known[pair] = rank
        return before is None

    async def move(self, alias_ids: Sequence[int], profile_id: int) -> None:
        """These aliases, wherever they were, are this profile's in the database."""
        moves = await store.move_aliases(self.connection, self.environment_id, alias_ids, profile_id, self.now)
        self.changes += [outbox.Moved(from_id, profile_id, ids) for from_id, ids in moves]

    def refuse(self, alias: AliasRow, keeper_id: int, other_id: int, message_id: str, reason: str) -> None:
        self.refused.append((alias.id, keeper_id, other_id, message_id, reason))


class _Claim(NamedTuple):
    """What one message says of one alias: that it is the same person as a stronger one beside it.

    explicit  an alias call says so, which is said to join"""

    rank: Rank
    alias: Alias
    owner: Alias
    explicit: bool


class _Join(NamedTuple):
    known: Alias
    by: Alias
    at: Instant
    message_id: str


def _claims(messages: Iterable[Message], rules: Rules) -> list[_Claim]:
    """Every claim the messages make, the one that holds before those it beats."""
    found = []
    for message in messages:
        owner = message.aliases[0]
        pairs = [(weaker, owner) for weaker in message.aliases[1:]]
        if message.previous is not None:
            # What an alias call names may be an anonymous id or a known one; it is joined as both.
            pairs.append((Alias(AliasKind.ANONYMOUS, message.previous), owner))
            if owner.kind != AliasKind.USER:
                pairs.append((owner, Alias(AliasKind.USER, message.previous)))
        for alias, by in pairs:
            rank = (rules.strength(by.kind), message.occurred_at, message.message_id)
            found.append(_Claim(rank, alias, by, message.previous is not None))
    return sorted(found)


def _is_lawful(rules: Rules, claim: _Claim) -> bool:
    """Whether this kind may claim that one. Of two user ids in one message none claims the other: `_joins` does."""
    return not claim.owner.kind == claim.alias.kind == AliasKind.USER and rules.may_claim(claim.owner, claim.alias)


def _joins(messages: Iterable[Message]) -> list[_Join]:
    """The pairs of known people that alias calls join."""
    return [
        _Join(Alias(AliasKind.USER, message.previous), message.aliases[0], message.occurred_at, message.message_id)
        for message in messages
        if message.previous is not None and message.aliases[0].kind == AliasKind.USER
    ]


async def resolve(people: People, messages: Sequence[Message]) -> None:
    """Every alias the messages name has its row, and the claims they make are applied. The profiles they belong to are
    locked, loaded and merged in memory; aliases move at once."""
    rules = people.rules
    claims, joins = _claims(messages, rules), _joins(messages)
    best: dict[Alias, _Claim] = {}
    for claim in claims:
        if _is_lawful(rules, claim):
            best.setdefault(claim.alias, claim)
    homes: dict[Alias, Alias] = {}
    lawful = [(join.known, join.by) for join in joins if rules.may_claim(join.by, join.known)]
    for alias, owner in [*((c.alias, c.owner) for c in best.values()), *lawful]:
        if alias not in homes and _end(homes, owner) != alias:
            homes[alias] = owner
    wanted = {alias for message in messages for alias in message.aliases} | {join.known for join in joins}
    for claim in claims:
        wanted |= {claim.alias, claim.owner}
    found, born = await _find_or_create(people, sorted(wanted), homes, best)
    await _lock(people, found)
    if rules.limited and await _crowded(people, born):
        raise Restart  # others were born to the same person meanwhile
    await _know(people, claims, joins)
    for claim in claims:
        await _claim(people, claim)
    for join in joins:
        await _join(people, join)
    await rekey(people)
    await flush(people)


def _end(homes: Mapping[Alias, Alias], alias: Alias) -> Alias:
    while alias in homes:
        alias = homes[alias]
    return alias


async def _find_or_create(
    people: People, wanted: list[Alias], homes: Mapping[Alias, Alias], best: Mapping[Alias, _Claim]
) -> tuple[list[Alias], list[Alias]]:
    """All aliases have a row; gives those that had one before, and those born to someone. A new alias is born into its
    home's profile, claimed; one without a home, or whose home has no room, founds a profile of its own."""
    connection, environment_id = people.connection, people.environment_id
    found: list[Alias] = []
    born: list[Alias] = []
    while missing := [alias for alias in wanted if alias not in people.aliases]:
        for row in await store.resolve_aliases(connection, environment_id, [(a.kind, a.value) for a in missing]):
            people.aliases[Alias(row["kind"], row["value"])] = alias_row(row)
        found += [alias for alias in missing if alias in people.aliases]
        missing = [alias for alias in missing if alias not in people.aliases]
        founders = [alias for alias in missing if alias not in homes]
        if not founders and missing and people.rules.limited:
            founders = await _without_room(people, missing, homes)
        if founders:
            await _found(people, founders)
        elif missing:
            await _bear(people, missing, homes, best)
            born = missing
    return found, born


def _home(people: People, homes: Mapping[Alias, Alias], alias: Alias) -> int:
    """The profile a new alias is to be born into."""
    home = homes[alias]
    while home not in people.aliases:
        home = homes[home]
    return people.aliases[home].profile_id


async def _without_room(people: People, missing: list[Alias], homes: Mapping[Alias, Alias]) -> list[Alias]:
    """New aliases whose kind their home's profile has enough of: they found profiles, and their claims are refused."""
    homeless: list[Alias] = []
    coming: dict[int, list[_Counts]] = {}
    for alias in missing:
        if alias.kind in people.rules.limited:
            home = _home(people, homes, alias)
            if home not in coming:
                coming[home] = list((await _counts(people, [home])).values())
            parts = [*coming[home], {alias.kind: (1, 1)}]
            if _over_limit(people.rules, parts):
                homeless.append(alias)
            else:
                coming[home] = parts
    return homeless


async def _found(people: People, founders: list[Alias]) -> None:
    ids = await store.next_profile_ids(people.connection, len(founders))
    rows = [(alias.kind, alias.value, id) for alias, id in zip(founders, ids, strict=True)]
    for row in await store.create_aliases(people.connection, people.environment_id, rows, people.now):
        alias, profile_id = Alias(row["kind"], row["value"]), row["profile_id"]
        people.aliases[alias] = AliasRow(row["id"], alias, profile_id)
        if alias.kind == AliasKind.USER:
            people.born.append(alias.value)
        people.new.add(profile_id)
        people.founder[profile_id] = alias
        people.profiles[profile_id] = Profile(profile_id, alias.value, people.now, warmed=people.catalog.head)


async def _bear(
    people: People, missing: list[Alias], homes: Mapping[Alias, Alias], best: Mapping[Alias, _Claim]
) -> None:
    rows = [(alias.kind, alias.value, _home(people, homes, alias)) for alias in missing]
    born = await store.create_aliases(people.connection, people.environment_id, rows, people.now)
    if len(born) < len(rows):
        raise Restart  # one of them exists since a moment ago, and the others may belong with it
    for row in born:
        alias = Alias(row["kind"], row["value"])
        people.aliases[alias] = AliasRow(row["id"], alias, row["profile_id"])
        if alias.kind == AliasKind.USER:
            people.born.append(alias.value)
        if row["profile_id"] not in people.new:
            people.nursed.add(row["profile_id"])
        elif _age(people.now, alias) < _age(people.now, people.founder[row["profile_id"]]):
            people.founder[row["profile_id"]] = alias
            people.profiles[row["profile_id"]].bucketing_key = alias.value
    for alias in missing:
        claim = best.get(alias)
        if claim is not None and homes[alias] == claim.owner:
            own = people.aliases[alias]
            own.owner_id, own.rank = people.aliases[claim.owner].id, claim.rank
            people.claims[own.id] = own
            people.say((own.id, own.owner_id, False), claim.rank)


async def _lock(people: People, found: list[Alias]) -> None:
    ids = sorted({row.profile_id for row in people.aliases.values()} - people.new)
    for row in await store.lock_profiles(people.connection, people.environment_id, ids):
        if row["merged_into"] is not None:
            raise Restart
        people.profiles[row["id"]] = profiles.from_row(row)
    if not people.profiles.keys() >= set(ids):
        raise Restart
    # Whoever held the locks may have claimed or moved an alias since it was read.
    if await changed(people, [people.aliases[alias] for alias in found]):
        raise Restart


async def changed(people: People, read: Iterable[AliasRow]) -> bool:
    """Whether any of these aliases is another's, or otherwise claimed, than when it was read."""
    seen = [(row.id, row.profile_id, row.owner_id, row.rank[2] if row.rank else None) for row in read]
    return await store.aliases_changed(people.connection, people.environment_id, seen)


def alias_row(row: store.Row) -> AliasRow:
    rank = (row["claim_strength"], row["claimed_at"], row["claimed_by"]) if row["owner_id"] is not None else None
    return AliasRow(row["id"], Alias(row["kind"], row["value"]), row["profile_id"], row["owner_id"], rank)


async def _know(people: People, claims: Iterable[_Claim], joins: Iterable[_Join]) -> None:
    """What was said before of the pairs that these messages name. Of the commonest, an alias with the owner it has, its
    own row tells."""
    wanted = set()
    for claim in claims:
        alias, owner = people.aliases[claim.alias], people.aliases[claim.owner]
        if alias.owner_id == owner.id and alias.rank is not None:
            people.known.setdefault((alias.id, owner.id, False), alias.rank)
        else:
            wanted.add((alias.id, owner.id, False))
    for join in joins:
        wanted.add((people.aliases[join.known].id, people.aliases[join.by].id, True))
    for row in await links.find_links(people.connection, people.environment_id, sorted(wanted)):
        rank = (row["strength"], row["said_at"], row["said_by"])
        people.known[row["alias_id"], row["owner_id"], row["is_join"]] = None if row["apart_at"] is not None else rank


async def flush(people: People) -> None:
    """Save what was claimed, said and refused so far."""
    connection, environment_id = people.connection, people.environment_id
    rows = [
        (r.id, r.owner_id, *r.rank) for r in people.claims.values() if r.owner_id is not None and r.rank is not None
    ]
    await store.save_claims(connection, environment_id, sorted(rows))
    said = sorted((*pair, *rank) for pair, rank in people.said.items())
    await links.save_links(connection, environment_id, said, people.now)
    await links.refuse_claims(connection, environment_id, sorted(set(people.refused)), people.now)
    people.claims.clear()
    people.said.clear()
    people.refused.clear()


async def _claim(people: People, claim: _Claim) -> None:
    alias, owner, rank = people.aliases[claim.alias], people.aliases[claim.owner], claim.rank
    pair, message_id = (alias.id, owner.id, False), rank[2]
    keeper = alias.owner_id if alias.owner_id is not None else alias.id
    if pair in people.known and people.known[pair] is None and not claim.explicit:
        return people.refuse(alias, keeper, owner.id, message_id, "KEPT_APART")
    if not _is_lawful(people.rules, claim):
        return people.refuse(alias, keeper, owner.id, message_id, "RULE")
    if alias.owner_id is None or alias.rank is None:
        cause = Cause("alias" if claim.explicit else "claim", alias.id, owner.id, message_id)
        if reason := await merge(people, alias.profile_id, owner.profile_id, cause):
            return people.refuse(alias, keeper, owner.id, message_id, reason)
        people.say(pair, rank)
    elif alias.rank <= rank:
        if people.say(pair, rank) and alias.profile_id != owner.profile_id:
            people.refuse(alias, keeper, owner.id, message_id, "CLAIMED")
        return None
    elif alias.profile_id != owner.profile_id:
        if reason := await _move(people, alias, owner, message_id):
            return people.refuse(alias, keeper, owner.id, message_id, reason)
        people.refuse(alias, owner.id, keeper, message_id, "CLAIMED")
        people.say(pair, rank)
    else:
        people.say(pair, rank)
    alias.owner_id, alias.rank = owner.id, rank
    people.claims[alias.id] = alias
    return None


async def _join(people: People, join: _Join) -> None:
    known, by = people.aliases[join.known], people.aliases[join.by]
    reason: str | None = "RULE"
    if people.rules.may_claim(join.by, join.known):
        cause = Cause("alias", known.id, by.id, join.message_id)
        reason = await merge(people, known.profile_id, by.profile_id, cause)
    if reason:
        people.refuse(known, known.id, by.id, join.message_id, reason)
    else:
        people.say((known.id, by.id, True), (0, join.at, join.message_id))


async def merge(people: People, one: int, other: int, cause: Cause, survivor_id: int | None = None) -> str | None:
    """Two profiles are one, or the reason why not.

    The older survives, unless another is named; the person keeps the older's bucketing key in any case."""
    if one == other:
        return None
    connection, environment_id = people.connection, people.environment_id
    if people.rules.limited:
        counts = await _counts(people, [one, other])
        if reason := _over_limit(people.rules, list(counts.values())):
            return reason
    aliases: dict[int, list[store.Row]] = {one: [], other: []}
    for row in await links.identifiers_of_profiles(connection, environment_id, [one, other]):
        aliases[row["profile_id"]].append(row)
    older, younger = sorted((one, other), key=lambda id: _seniority(people.profiles[id], aliases[id]))
    survivor, absorbed = people.profiles[older], people.profiles[younger]
    if survivor_id == younger:
        survivor, absorbed = absorbed, survivor
    moved = [row["id"] for row in aliases[absorbed.id]]
    journaled = await links.append_merge(
        connection, environment_id, survivor.id, absorbed.id, cause.message_id, people.now, moved,
        profiles.summary(survivor), survivor.encode(), profiles.summary(absorbed), absorbed.encode(),
        cause.kind, cause.alias_id, cause.owner_id, [row["id"] for row in aliases[survivor.id]],
        cause.author, cause.note,
    )  # fmt: skip
    people.journal.append(journaled)
    if survivor.id == younger:
        survivor.bucketing_key, survivor.created_at = absorbed.bucketing_key, absorbed.created_at
    if survivor.id == younger or not people.rekey.isdisjoint((one, other)):
        people.rekey.add(survivor.id)
    await people.move(moved, survivor.id)
    people.changes.append(outbox.Merged(journaled, survivor.id, absorbed.id, cause.kind))
    for alias in people.aliases.values():
        if alias.profile_id == absorbed.id:
            alias.profile_id = survivor.id
    rebuild = recompute.absorb(survivor, absorbed, people.catalog)
    people.merged[absorbed.id] = survivor.id
    people.review.add(survivor.id)
    if rebuild:
        (await profiles.recall(connection, people.catalog, [(survivor, rebuild)]))()
    return None


async def _move(people: People, alias: AliasRow, owner: AliasRow, message_id: str) -> str | None:
    """An earlier or stronger claim came late: the alias, and all that hangs on it, belongs to someone else after all.
    Gives the reason where it cannot."""
    await flush(people)
    connection, environment_id, source = people.connection, people.environment_id, alias.profile_id
    rows = await links.identifiers_of_profiles(connection, environment_id, [source])
    edges = [(row["id"], row["owner_id"]) for row in rows if row["owner_id"] is not None and row["id"] != alias.id]
    if len(rows) > 1:
        said = await links.links_of_identifiers(connection, environment_id, [row["id"] for row in rows])
        edges += [(row["alias_id"], row["owner_id"]) for row in said if row["is_join"] and row["apart_at"] is None]
    moved = next(part for part in components((row["id"] for row in rows), edges) if alias.id in part)
    if len(moved) == len(rows):
        return await merge(people, source, owner.profile_id, Cause("claim", alias.id, owner.id, message_id))
    if people.rules.limited:
        counts = await _counts(people, [owner.profile_id])
        coming = [{row["kind"]: (1, 1)} for row in rows if row["id"] in moved]
        if reason := _over_limit(people.rules, [*counts.values(), *coming]):
            return reason
    await people.move(sorted(moved), owner.profile_id)
    for other in people.aliases.values():
        if other.id in moved:
            other.profile_id = owner.profile_id
    both = [people.profiles[source], people.profiles[owner.profile_id]]
    await profiles.rebuild(connection, people.catalog, both)
    people.review.update(profile.id for profile in both)
    people.rekey.update(profile.id for profile in both)
    return None


async def _counts(people: People, profile_ids: Collection[int]) -> dict[int, _Counts]:
    """Of each profile how many aliases it has of the kinds that are limited."""
    kinds = [(kind, people.now - rule.new_seconds * SECOND_MS) for kind, rule in people.rules.limited.items()]
    found: dict[int, _Counts] = {id: {} for id in profile_ids}
    for row in await links.count_identifiers(people.connection, people.environment_id, list(profile_ids), kinds):
        found[row["profile_id"]][row["kind"]] = (row["n"], row["recent"])
    return found


def _over_limit(rules: Rules, parts: Sequence[_Counts]) -> str | None:
    """Why these cannot be one person: LIMIT or NEW_LIMIT, None where they can. A kind that only one of them brings is
    as it was: nobody is refused for what they had before there was a limit."""
    for kind, rule in rules.limited.items():
        held = [part[kind] for part in parts if kind in part]
        if len(held) < 2:
            continue
        if rule.limit is not None and sum(n for n, _ in held) > rule.limit:
            return "LIMIT"
        if rule.new_limit is not None and sum(recent for _, recent in held) > rule.new_limit:
            return "NEW_LIMIT"
    return None


async def _crowded(people: People, born: Iterable[Alias]) -> bool:
    """Whether any profile has too many of a kind that was born to it."""
    homes = {(people.aliases[alias].profile_id, alias.kind) for alias in born if alias.kind in people.rules.limited}
    counts = await _counts(people, {id for id, _ in homes}) if homes else {}
    for id, kind in homes:
        n, recent = counts[id][kind]
        limit, new_limit = people.rules.limited[kind].limit, people.rules.limited[kind].new_limit
        if (limit is not None and n > limit) or (new_limit is not None and recent > new_limit):
            return True
    return False


async def rekey(people: People) -> None:
    """Every profile whose aliases changed otherwise than by a merge has the key of the first of those it has now."""
    born_with = {id for id in people.nursed if people.profiles[id].created_at == people.now}
    ids = sorted((people.rekey | born_with) - people.merged.keys())
    if not ids:
        return
    aliases: dict[int, list[store.Row]] = {}
    for row in await links.identifiers_of_profiles(people.connection, people.environment_id, ids):
        aliases.setdefault(row["profile_id"], []).append(row)
    for id, own in aliases.items():
        people.profiles[id].bucketing_key, people.profiles[id].created_at = key_of(own)
    rows = [
        (id, people.profiles[id].bucketing_key, people.profiles[id].created_at) for id in ids if id not in people.new
    ]
    await links.rekey_profiles(people.connection, people.environment_id, rows)


def key_of(rows: Iterable[store.Row]) -> tuple[str, Instant]:
    """The bucketing key of whoever has these aliases, and since when they are known."""
    first = min(rows, key=age_of)
    return first["value"], first["created_at"]


def _age(created_at: Instant, alias: Alias) -> tuple[Instant, int, str, str]:
    """An alias's place among those of a person: the first gives the bucketing key."""
    return created_at, STRENGTH.get(alias.kind, _WEAKEST), alias.kind, alias.value


def age_of(row: store.Row) -> tuple[Instant, int, str, str]:
    """The same of a stored one."""
    return _age(row["created_at"], Alias(row["kind"], row["value"]))


def _seniority(profile: Profile, rows: Iterable[store.Row]) -> tuple[Any, ...]:
    first = min(map(age_of, rows), default=())
    return profile.created_at, first[1:], profile.id


def components(ids: Iterable[int], edges: Iterable[tuple[int, int]]) -> list[Collection[int]]:
    """The ids in groups of those that hang together. Edges to others count for nothing."""
    group = {id: {id} for id in ids}
    for one, other in edges:
        if one in group and other in group and group[one] is not group[other]:
            union = group[one] | group[other]
            for member in union:
                group[member] = union
    return list({id(members): members for members in group.values()}.values())
