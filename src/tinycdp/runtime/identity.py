"""Who a message belongs to: aliases resolved, created, claimed and joined.

Shape   resolve(group) gives every alias of a group of messages its row; join(group) applies their claims
Laws    which profile an alias belongs to is a function of the set of messages, never of their order:
        · a message belongs to the strongest alias it carries; that alias claims the weaker ones beside it
        · of several claims the one by the strongest kind holds, then the earliest by (instant, message id)
        · an alias call joins two known people; nothing else ever does
        A claim that loses is recorded. One that wins late moves the alias, and both people are rebuilt from raw events
Errors  Restart where another process moved a profile meanwhile: the group begins anew
Source  docs/decisions/0010-claims.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import STRENGTH, Alias, AliasKind, Instant, Message
from tinycdp.runtime import profiles
from tinycdp.store import messages as store
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
    review  profiles of which every segment has to be looked at again"""

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

    def profile_of(self, alias: Alias) -> Profile:
        return self.profiles[self.aliases[alias].profile_id]


def strength(kind: str) -> int:
    return STRENGTH.get(kind, _WEAKEST)


def _named(message: Message) -> Iterable[Alias]:
    yield from message.aliases
    if message.previous is not None:
        # What an alias call names may be an anonymous id or a known one; it is joined as both, whichever was seen first.
        yield Alias(AliasKind.USER, message.previous)
        yield Alias(AliasKind.ANONYMOUS, message.previous)


async def resolve(people: People, messages: Iterable[Message]) -> None:
    """Find or create the row of every alias the messages name, then lock and load the profiles they belong to."""
    primary: dict[Alias, Alias] = {}
    for message in messages:
        for alias in _named(message):
            if alias not in primary or strength(message.aliases[0].kind) < strength(primary[alias].kind):
                primary[alias] = message.aliases[0]
    wanted = sorted(primary)
    connection, environment_id = people.connection, people.environment_id
    while missing := [alias for alias in wanted if alias not in people.aliases]:
        pairs = [(alias.kind, alias.value) for alias in missing]
        for row in await store.resolve_aliases(connection, environment_id, pairs):
            people.aliases[Alias(row["kind"], row["value"])] = _row(row)
        missing = [alias for alias in missing if alias not in people.aliases]
        if not missing:
            break
        await _create(people, missing, primary)
    ids = sorted({row.profile_id for row in people.aliases.values()} - people.new)
    await _lock(people, ids)


async def _create(people: People, missing: list[Alias], primary: dict[Alias, Alias]) -> None:
    """Create alias rows: first those that stand for themselves, each with a profile of its own; once these are known,
    those that appear only beside a stronger one, born into that one's profile."""
    founders = [alias for alias in missing if primary[alias] == alias]
    if founders:
        ids = await store.next_profile_ids(people.connection, len(founders))
        rows = [(alias.kind, alias.value, id) for alias, id in zip(founders, ids, strict=True)]
    else:
        rows = [(alias.kind, alias.value, _home(alias, people, primary)) for alias in missing]
    for row in await store.create_aliases(people.connection, people.environment_id, rows, people.now):
        alias, profile_id = Alias(row["kind"], row["value"]), row["profile_id"]
        people.aliases[alias] = AliasRow(row["id"], alias, profile_id)
        if founders:
            people.new.add(profile_id)
            people.profiles[profile_id] = Profile(profile_id, alias.value, people.now, warmed=people.catalog.head)


def _home(alias: Alias, people: People, primary: dict[Alias, Alias]) -> int:
    while alias not in people.aliases:
        alias = primary[alias]
    return people.aliases[alias].profile_id


async def _lock(people: People, ids: list[int]) -> None:
    for row in await store.lock_profiles(people.connection, people.environment_id, ids):
        if row["merged_into"] is not None:
            raise Restart
        people.profiles[row["id"]] = profiles.from_row(row)
    if not people.profiles.keys() >= set(ids):
        raise Restart


def _row(row: store.Row) -> AliasRow:
    rank = (row["claim_strength"], row["claimed_at"], row["claimed_by"]) if row["owner_id"] is not None else None
    return AliasRow(row["id"], Alias(row["kind"], row["value"]), row["profile_id"], row["owner_id"], rank)


async def join(people: People, messages: Iterable[Message]) -> None:
    """Apply every claim the messages make. Profiles are merged in memory; aliases move at once."""
    for message in messages:
        owner = people.aliases[message.aliases[0]]
        for weaker in message.aliases[1:]:
            await _claim(people, people.aliases[weaker], owner, message)
        if message.previous is not None:
            known = people.aliases[Alias(AliasKind.USER, message.previous)]
            if known.profile_id != owner.profile_id:
                await _merge(people, known.profile_id, owner.profile_id, message)
            await _claim(people, people.aliases[Alias(AliasKind.ANONYMOUS, message.previous)], owner, message)
    await _flush_claims(people)


async def _flush_claims(people: People) -> None:
    rows = [
        (r.id, r.owner_id, *r.rank) for r in people.claims.values() if r.owner_id is not None and r.rank is not None
    ]
    people.claims.clear()
    await store.save_claims(people.connection, people.environment_id, sorted(rows))


async def _claim(people: People, alias: AliasRow, owner: AliasRow, message: Message) -> None:
    rank = (strength(owner.alias.kind), message.occurred_at, message.message_id)
    if alias.owner_id is None or alias.rank is None:
        if alias.profile_id != owner.profile_id:
            await _merge(people, alias.profile_id, owner.profile_id, message)
    elif alias.profile_id != owner.profile_id:
        loser = owner.id if alias.rank < rank else alias.owner_id
        keeper = alias.owner_id if loser == owner.id else owner.id
        await store.refuse_claim(
            people.connection, people.environment_id, alias.id, keeper, loser, message.message_id, people.now
        )
        if loser == owner.id:
            return
        await _move(people, alias, owner)
    elif alias.rank <= rank:
        return
    alias.owner_id, alias.rank = owner.id, rank
    people.claims[alias.id] = alias


async def _merge(people: People, one: int, other: int, message: Message) -> None:
    """Make two profiles one: the older survives and keeps its bucketing key."""
    survivor, absorbed = sorted(
        (people.profiles[one], people.profiles[other]), key=lambda profile: (profile.created_at, profile.id)
    )
    connection, environment_id = people.connection, people.environment_id
    rows = await store.aliases_of_profiles(connection, environment_id, [absorbed.id])
    moved = [row["id"] for row in rows]
    await store.append_merge(
        connection, environment_id, survivor.id, absorbed.id, message.message_id, people.now, moved,
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
        await profiles.rebuild(connection, environment_id, people.catalog, [survivor], rebuild)


async def _move(people: People, alias: AliasRow, owner: AliasRow) -> None:
    """An earlier or stronger claim came late: the alias, and all it owns, belongs to someone else after all."""
    await _flush_claims(people)
    connection, environment_id, source = people.connection, people.environment_id, alias.profile_id
    rows = await store.aliases_of_profiles(connection, environment_id, [source])
    moved = {alias.id}
    while grown := {row["id"] for row in rows if row["owner_id"] in moved} - moved:
        moved |= grown
    await store.move_aliases(connection, environment_id, sorted(moved), owner.profile_id)
    for row in people.aliases.values():
        if row.id in moved:
            row.profile_id = owner.profile_id
    both = [people.profiles[source], people.profiles[owner.profile_id]]
    await profiles.rebuild(connection, environment_id, people.catalog, both)
    people.review.update(profile.id for profile in both)
