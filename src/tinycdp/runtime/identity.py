"""Who a message belongs to: aliases resolved, created, claimed and joined.

Shape   resolve(people, messages) gives every alias of a group of messages its row and applies their claims
Laws    which profile an alias belongs to is a function of the set of messages, never of their order:
        · a message belongs to the strongest alias it carries; that alias claims the weaker ones beside it
        · of several claims the one by the strongest kind holds, then the earliest by (instant, message id)
        · an alias call joins two known people (two user ids); nothing else ever does. One that carries no user id lets
          the previous id, as a user's, claim what it carries
        A claim that loses is recorded. One that wins late moves the alias, and both people are rebuilt from raw events
Errors  Restart where another process moved a profile meanwhile: the group begins anew
Source  docs/decisions/0010-claims.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import STRENGTH, Alias, AliasKind, Instant, Message
from tinycdp.runtime import profiles
from tinycdp.store import messages as store
from tinycdp.store import past
from tinycdp.store.pool import Connection

_WEAKEST = len(STRENGTH)

#: A claim's place in the order that decides between claims: the smallest holds.
Rank = tuple[int, Instant, str]


class Restart(Exception):
    """Another process changed what this group had read; begin the transaction anew."""


@dataclass(slots=True)
class AliasRow:
    id: int
    alias: Alias
    profile_id: int
    owner_id: int | None = None
    rank: Rank | None = None


@dataclass(slots=True)
class People:
    """The aliases and profiles of one group of messages, as they change inside its transaction.

    merged  absorbed profile → survivor
    new     profiles without a row yet
    claims  alias rows whose claim is not saved yet
    review  profiles of which every segment has to be looked at again
    born    user ids nobody had before"""

    connection: Connection
    environment_id: int
    catalog: Catalog
    now: Instant
    aliases: dict[Alias, AliasRow] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    claims: dict[int, AliasRow] = field(default_factory=dict)
    review: set[int] = field(default_factory=set)
    born: list[str] = field(default_factory=list)


def strength(kind: str) -> int:
    return STRENGTH.get(kind, _WEAKEST)


class _Claim(NamedTuple):
    """What one message says of one alias: that it is the same person as a stronger one beside it."""

    rank: Rank
    alias: Alias
    owner: Alias


def _claims(messages: Iterable[Message]) -> list[_Claim]:
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
            found.append(_Claim((strength(by.kind), message.occurred_at, message.message_id), alias, by))
    return sorted(found)


def _joins(messages: Iterable[Message]) -> list[tuple[Alias, Alias, str]]:
    """The pairs of known people that alias calls join, each with the id of the message."""
    return [
        (Alias(AliasKind.USER, message.previous), message.aliases[0], message.message_id)
        for message in messages
        if message.previous is not None and message.aliases[0].kind == AliasKind.USER
    ]


async def resolve(people: People, messages: Sequence[Message]) -> None:
    """Every alias the messages name has its row, and the claims they make are applied. The profiles they belong to are
    locked, loaded and merged in memory; aliases move at once."""
    claims, joins = _claims(messages), _joins(messages)
    best: dict[Alias, _Claim] = {}
    for claim in claims:
        best.setdefault(claim.alias, claim)
    homes: dict[Alias, Alias] = {}
    for alias, owner in [*((c.alias, c.owner) for c in best.values()), *((known, by) for known, by, _ in joins)]:
        if alias not in homes and _end(homes, owner) != alias:
            homes[alias] = owner
    wanted = {alias for message in messages for alias in message.aliases} | {known for known, _, _ in joins}
    for claim in claims:
        wanted |= {claim.alias, claim.owner}
    found = await _find_or_create(people, sorted(wanted), homes, best)
    await _lock(people, found)
    for claim in claims:
        await _claim(people, people.aliases[claim.alias], people.aliases[claim.owner], claim.rank)
    for known, owner, message_id in joins:
        await _merge(people, people.aliases[known].profile_id, people.aliases[owner].profile_id, message_id)
    await _flush_claims(people)


def _end(homes: Mapping[Alias, Alias], alias: Alias) -> Alias:
    while alias in homes:
        alias = homes[alias]
    return alias


async def _find_or_create(
    people: People, wanted: list[Alias], homes: Mapping[Alias, Alias], best: Mapping[Alias, _Claim]
) -> list[Alias]:
    """All aliases have a row; gives those that had one before. A new alias is born into its home's profile, claimed;
    one without a home founds a profile of its own."""
    connection, environment_id = people.connection, people.environment_id
    found: list[Alias] = []
    while missing := [alias for alias in wanted if alias not in people.aliases]:
        for row in await store.resolve_aliases(connection, environment_id, [(a.kind, a.value) for a in missing]):
            people.aliases[Alias(row["kind"], row["value"])] = _row(row)
        found += [alias for alias in missing if alias in people.aliases]
        missing = [alias for alias in missing if alias not in people.aliases]
        if founders := [alias for alias in missing if alias not in homes]:
            await _found(people, founders)
        elif missing:
            await _bear(people, missing, homes, best)
    return found


async def _found(people: People, founders: list[Alias]) -> None:
    ids = await store.next_profile_ids(people.connection, len(founders))
    rows = [(alias.kind, alias.value, id) for alias, id in zip(founders, ids, strict=True)]
    for row in await store.create_aliases(people.connection, people.environment_id, rows, people.now):
        alias, profile_id = Alias(row["kind"], row["value"]), row["profile_id"]
        people.aliases[alias] = AliasRow(row["id"], alias, profile_id)
        if alias.kind == AliasKind.USER:
            people.born.append(alias.value)
        people.new.add(profile_id)
        people.profiles[profile_id] = Profile(profile_id, alias.value, people.now, warmed=people.catalog.head)


async def _bear(
    people: People, missing: list[Alias], homes: Mapping[Alias, Alias], best: Mapping[Alias, _Claim]
) -> None:
    rows = []
    for alias in missing:
        home = homes[alias]
        while home not in people.aliases:
            home = homes[home]
        rows.append((alias.kind, alias.value, people.aliases[home].profile_id))
    born = await store.create_aliases(people.connection, people.environment_id, rows, people.now)
    if len(born) < len(rows):
        raise Restart  # one of them exists since a moment ago, and the others may belong with it
    for row in born:
        alias = Alias(row["kind"], row["value"])
        people.aliases[alias] = AliasRow(row["id"], alias, row["profile_id"])
        if alias.kind == AliasKind.USER:
            people.born.append(alias.value)
    for alias in missing:
        claim = best.get(alias)
        if claim is not None and homes[alias] == claim.owner:
            own = people.aliases[alias]
            own.owner_id, own.rank = people.aliases[claim.owner].id, claim.rank
            people.claims[own.id] = own


async def _lock(people: People, found: list[Alias]) -> None:
    ids = sorted({row.profile_id for row in people.aliases.values()} - people.new)
    for row in await store.lock_profiles(people.connection, people.environment_id, ids):
        if row["merged_into"] is not None:
            raise Restart
        people.profiles[row["id"]] = profiles.from_row(row)
    if not people.profiles.keys() >= set(ids):
        raise Restart
    # Whoever held the locks may have claimed or moved an alias since it was read.
    read = [people.aliases[alias] for alias in found]
    seen = [(row.id, row.profile_id, row.owner_id, row.rank[2] if row.rank else None) for row in read]
    if await store.aliases_changed(people.connection, people.environment_id, seen):
        raise Restart


def _row(row: store.Row) -> AliasRow:
    rank = (row["claim_strength"], row["claimed_at"], row["claimed_by"]) if row["owner_id"] is not None else None
    return AliasRow(row["id"], Alias(row["kind"], row["value"]), row["profile_id"], row["owner_id"], rank)


async def _flush_claims(people: People) -> None:
    rows = [
        (r.id, r.owner_id, *r.rank) for r in people.claims.values() if r.owner_id is not None and r.rank is not None
    ]
    people.claims.clear()
    await store.save_claims(people.connection, people.environment_id, sorted(rows))


async def _claim(people: People, alias: AliasRow, owner: AliasRow, rank: Rank) -> None:
    if alias.owner_id is None or alias.rank is None:
        await _merge(people, alias.profile_id, owner.profile_id, rank[2])
    elif alias.profile_id != owner.profile_id:
        loser = owner.id if alias.rank < rank else alias.owner_id
        keeper = alias.owner_id if loser == owner.id else owner.id
        await store.refuse_claim(people.connection, people.environment_id, alias.id, keeper, loser, rank[2], people.now)
        if loser == owner.id:
            return
        await _move(people, alias, owner)
    elif alias.rank <= rank:
        return
    alias.owner_id, alias.rank = owner.id, rank
    people.claims[alias.id] = alias


async def _merge(people: People, one: int, other: int, message_id: str) -> None:
    """Two profiles are one: the older survives and keeps its bucketing key."""
    if one == other:
        return
    survivor, absorbed = sorted(
        (people.profiles[one], people.profiles[other]), key=lambda profile: (profile.created_at, profile.id)
    )
    connection, environment_id = people.connection, people.environment_id
    rows = await store.aliases_of_profiles(connection, environment_id, [absorbed.id])
    moved = [row["id"] for row in rows]
    await store.append_merge(
        connection, environment_id, survivor.id, absorbed.id, message_id, people.now, moved,
        profiles.summary(survivor), survivor.encode(), profiles.summary(absorbed), absorbed.encode(),
    )  # fmt: skip
    await store.move_aliases(connection, environment_id, moved, survivor.id)
    for row in people.aliases.values():
        if row.profile_id == absorbed.id:
            row.profile_id = survivor.id
    rebuild = recompute.absorb(survivor, absorbed, people.catalog)
    people.merged[absorbed.id] = survivor.id
    people.review.add(survivor.id)
    if rebuild:
        (await profiles.recall(connection, people.catalog, [survivor], rebuild))()


async def _move(people: People, alias: AliasRow, owner: AliasRow) -> None:
    """An earlier or stronger claim came late: the alias, and all it owns, belongs to someone else after all."""
    await _flush_claims(people)
    connection, environment_id, source = people.connection, people.environment_id, alias.profile_id
    rows = await store.aliases_of_profiles(connection, environment_id, [source])
    moved = {alias.id}
    while grown := {row["id"] for row in rows if row["owner_id"] in moved} - moved:
        moved |= grown
    await store.move_aliases(connection, environment_id, sorted(moved), owner.profile_id)
    await past.append_move(connection, environment_id, source, owner.profile_id, sorted(moved), people.now)
    for row in people.aliases.values():
        if row.id in moved:
            row.profile_id = owner.profile_id
    both = [people.profiles[source], people.profiles[owner.profile_id]]
    await profiles.rebuild(connection, people.catalog, both)
    people.review.update(profile.id for profile in both)
