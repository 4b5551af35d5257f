"""One person made several again: what was said of them is taken back, and everything else holds as it always did.

Shape   cut(people, one_side, other_side, …) → Parted: every link said between the two sides is withdrawn, and whoever
        that touches is grouped, keyed and relived as if it had never been said
Laws    who is whom afterwards is what the claims and joins that are left make of it, by the rules of identity.py
        A profile comes back under its id where identifiers it had then are apart again
        Everything happens in the caller's transaction, under the locks of all profiles concerned
Errors  identity.Restart where another process moved somebody meanwhile · Held where other links join the two sides
Source  docs/decisions/0021-undo.md
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinycdp.engine import outbox
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.engine.recompute import Transition
from tinycdp.engine.replay_history import ProfileHistory, replay_history
from tinycdp.model import Alias, Instant, Message
from tinycdp.runtime.identity import resolution
from tinycdp.runtime.identity.resolution import People, Restart, components, key_of
from tinycdp.runtime.profiles import storage
from tinycdp.store import groups as group_store
from tinycdp.store import identity as store
from tinycdp.store import messages
from tinycdp.store.messages import Row


class Held(Exception):
    """The two sides are one person without what was taken back; `path` leads from one to the other, by identifiers."""

    def __init__(self, path: Sequence[Alias]) -> None:
        super().__init__()
        self.path = path


class Person(NamedTuple):
    """Somebody, with all their identifiers."""

    profile: Profile
    identifiers: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Parted:
    """before, after  everyone whose identifiers changed
    apart    pairs of identifiers that join nobody any more
    version  of the profiles written
    touched  profiles that others have to hear of"""

    before: Sequence[Person]
    after: Sequence[Person]
    apart: Sequence[tuple[Row, Row]]
    version: int
    touched: Sequence[int]


@dataclass(slots=True)
class _Ground:
    """Everyone a parting may reach, as the database has them.

    rows   identifiers by id; links: what was said of them and holds; below: merges in force beneath their profiles
    owners  the claim that holds for each identifier once the cut is made, where it is another one than now"""

    rows: dict[int, Row]
    links: list[Row]
    below: list[Row]
    cut: list[Row]
    owners: dict[int, Row | None]

    @property
    def profile_ids(self) -> set[int]:
        return {row["profile_id"] for row in self.rows.values()} | {row["absorbed_id"] for row in self.below}

    def edges(self) -> list[tuple[int, int]]:
        """What holds identifiers together after the cut."""
        gone = {(link["alias_id"], link["owner_id"]) for link in self.cut}
        found = [
            (link["alias_id"], link["owner_id"])
            for link in self.links
            if link["is_join"] and (link["alias_id"], link["owner_id"]) not in gone
        ]
        for id, row in self.rows.items():
            claim = self.owners.get(id, row)
            if claim is not None and claim["owner_id"] is not None:
                found.append((id, claim["owner_id"]))
        return found


async def cut(
    people: People,
    one_side: Collection[int],
    other_side: Collection[int],
    *,
    pair: tuple[int, int] | None,
    undone: Row | None,
    together: bool,
    author: str,
    note: str,
) -> Parted:
    """Take back everything said between identifiers of the two sides.

    pair      one identifier of each, which have to be different people's afterwards; None: any two of them
    undone    the merge this is the undoing of
    together  one_side becomes one person, whatever holds it together"""
    locked = (await _survey(people, one_side, other_side)).profile_ids
    stored = {row["id"]: row for row in await _lock(people, locked)}
    ground = await _survey(people, one_side, other_side)  # once more: whoever held the locks may have moved somebody
    if not ground.profile_ids <= locked:
        raise Restart
    await _part(people, ground)
    if together:
        await _hold_together(people, ground, one_side)
    edges = ground.edges()
    groups = components(ground.rows, edges)
    for group in groups:
        crossing = pair
        if pair is None and not (set(group).isdisjoint(one_side) or set(group).isdisjoint(other_side)):
            crossing = min(set(group) & set(one_side)), min(set(group) & set(other_side))
        if crossing is not None and set(crossing) <= set(group):
            raise Held(_path(ground, edges, *crossing))
    return await _settle(people, ground, groups, stored, undone, author, note)


async def _survey(people: People, one_side: Collection[int], other_side: Collection[int]) -> _Ground:
    connection, environment_id = people.connection, people.environment_id
    named = await store.identifiers_by_id(connection, environment_id, sorted({*one_side, *other_side}))
    profile_ids = {row["profile_id"] for row in named}
    while True:
        rows = {
            row["id"]: row
            for row in await store.identifiers_of_profiles(connection, environment_id, sorted(profile_ids))
        }
        said = await store.links_of_identifiers(connection, environment_id, sorted(rows))
        links = sorted((link for link in said if link["apart_at"] is None), key=lambda link: tuple(link.values())[:3])
        gone = [link for link in links if _crosses(link, one_side, other_side)]
        owners = _owners_without(rows, links, gone)
        # An identifier may fall to somebody whose claim was worse until now.
        strangers = {claim["owner_id"] for claim in owners.values() if claim is not None} - rows.keys()
        if not strangers:
            below = await store.merges_below(connection, environment_id, sorted(profile_ids))
            return _Ground(rows, links, below, gone, owners)
        found = await store.identifiers_by_id(connection, environment_id, sorted(strangers))
        profile_ids |= {row["profile_id"] for row in found}


def _crosses(link: Row, one_side: Collection[int], other_side: Collection[int]) -> bool:
    alias, owner = link["alias_id"], link["owner_id"]
    return (alias in one_side and owner in other_side) or (alias in other_side and owner in one_side)


def _owners_without(rows: Mapping[int, Row], links: Iterable[Row], gone: Iterable[Row]) -> dict[int, Row | None]:
    """Who claims the identifiers whose claim is taken back: the best of the other claims, None for nobody."""
    taken = {(link["alias_id"], link["owner_id"]) for link in gone}
    owners: dict[int, Row | None] = {
        id: None for id, row in rows.items() if row["owner_id"] is not None and (id, row["owner_id"]) in taken
    }
    for link in links:
        id = link["alias_id"]
        if id in owners and not link["is_join"] and (id, link["owner_id"]) not in taken:
            best = owners[id]
            if best is None or _rank(link) < _rank(best):
                owners[id] = link
    return owners


def _rank(link: Row) -> resolution.Rank:
    return link["strength"], link["said_at"], link["said_by"]


async def _lock(people: People, profile_ids: Collection[int]) -> list[Row]:
    return await messages.lock_profiles(people.connection, people.environment_id, sorted(profile_ids))


async def _part(people: People, ground: _Ground) -> None:
    connection, environment_id = people.connection, people.environment_id
    pairs = sorted({(link["alias_id"], link["owner_id"]) for link in ground.cut})
    await store.part_links(connection, environment_id, pairs, people.now)
    await store.drop_claims(connection, environment_id, [id for id, claim in ground.owners.items() if claim is None])
    claims = [(id, claim["owner_id"], *_rank(claim)) for id, claim in ground.owners.items() if claim is not None]
    await messages.save_claims(connection, environment_id, claims)


async def _hold_together(people: People, ground: _Ground, side: Collection[int]) -> None:
    """Where a side would fall apart, join its parts by hand, each by its strongest identifier."""
    parts = components([id for id in ground.rows if id in side], ground.edges())
    leaders = sorted(min(part, key=lambda id: speaking_order(people, ground.rows[id])) for part in parts)
    said = [(leader, leaders[0], True, *resolution.by_hand(people.now)) for leader in leaders[1:]]
    await store.save_links(people.connection, people.environment_id, said, people.now)
    ground.links += [
        {"alias_id": alias_id, "owner_id": owner_id, "is_join": True, "linked_at": people.now}
        for alias_id, owner_id, *_ in said
    ]


def speaking_order(people: People, row: Row) -> tuple[Any, ...]:
    """Which identifier speaks for a person when an admin joins them: the strongest, which changes hands least."""
    return people.rules.strength(row["kind"]), row["created_at"], row["id"]


def _path(ground: _Ground, edges: Iterable[tuple[int, int]], start: int, end: int) -> list[Alias]:
    beside: dict[int, set[int]] = {}
    for one, other in edges:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    came_from: dict[int, int] = {start: start}
    front = [start]
    for id in front:
        for other in sorted(beside[id] - came_from.keys()):
            came_from[other] = id
            front.append(other)
    path = [end]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return [Alias(ground.rows[id]["kind"], ground.rows[id]["value"]) for id in path if id in ground.rows]


# Which profile each group of identifiers has from now on


@dataclass(slots=True)
class _Home:
    """One group of identifiers with its profile.

    lives   of this profile, and of those that became part of it: the identifiers each brought
    merged  (profile, another, when): what a merge in force made one"""

    id: int
    group: Collection[int]
    lives: dict[int, set[int]]
    merged: list[tuple[int, int, Instant]]


async def _settle(
    people: People,
    ground: _Ground,
    groups: Sequence[Collection[int]],
    stored: Mapping[int, Row],
    undone: Row | None,
    author: str,
    note: str,
) -> Parted:
    connection, environment_id, now = people.connection, people.environment_id, people.now
    homes = await _homes(people, ground, groups)
    await _move_identifiers(people, ground, homes)
    over = await _rewrite_journal(people, ground, homes, undone, author, note)
    gone = await _absorb_others(people, ground, homes, stored)
    changed = [home for home in homes if set(home.group) != _had(ground, home.id)]
    lives = await _lives(people, ground, changed)
    traits = await _group_traits(people, lives)
    relived = await asyncio.to_thread(lambda: [replay_history(life, people.catalog, traits, now) for life in lives])

    since = await store.segments_since(connection, environment_id)
    before_merge = undone if undone is not None and await _is_telling(people, undone) else None
    after: list[Person] = []
    transitions: list[Transition] = []
    for home, profile in zip(changed, relived, strict=True):
        rows = [ground.rows[id] for id in home.group]
        profile.id = home.id
        profile.bucketing_key, profile.created_at = key_of(rows)
        profile.properties_changed = profile.group_changed = True
        if home.id in stored:
            profile.saved_memberships = _memberships(stored[home.id]["state"])
        _date_entries(profile, people.catalog, since, before_merge)
        transitions += _transitions(profile, _shown(ground, stored, home.id), people.catalog, now)
        after.append(Person(profile, rows))
    merges = sorted({*over, *((undone["id"],) if undone is not None else ())})
    unmerged = outbox.Unmerged(merges, [(profile.id, _segments(profile, people.catalog)) for profile, _ in after])
    version = await storage.save(
        connection,
        environment_id,
        now,
        [profile for profile, _ in (*after, *gone) if profile.id in stored],
        [*people.changes, *transitions, unmerged],
        new=[profile for profile, _ in after if profile.id not in stored],
        merged={profile.id: survivor_id for profile, survivor_id in gone},
    )
    keys = [(p.id, p.bucketing_key, p.created_at) for p, _ in after if p.id in stored]
    await store.rekey_profiles(connection, environment_id, keys)
    before_ids = sorted({ground.rows[id]["profile_id"] for home in changed for id in home.group})
    return Parted(
        before=[
            Person(storage.from_row(stored[id]), [ground.rows[own] for own in _had(ground, id)]) for id in before_ids
        ],
        after=after,
        # What an admin joined is taken back, and that is all: nobody's messages said it.
        apart=[
            (ground.rows[link["alias_id"]], ground.rows[link["owner_id"]]) for link in ground.cut if link["said_by"]
        ],
        version=version,
        touched=sorted({*before_ids, *(profile.id for profile, _ in (*after, *gone))}),
    )


def _had(ground: _Ground, profile_id: int) -> set[int]:
    return {id for id, row in ground.rows.items() if row["profile_id"] == profile_id}


def _brought(ground: _Ground) -> dict[int, set[int]]:
    """The identifiers that each profile, also an absorbed one, had by itself."""
    left, found = set(ground.rows), dict[int, set[int]]()
    for merge in ground.below:  # the oldest first: what it absorbed is not what the later ones did
        found[merge["absorbed_id"]] = left.intersection(merge["alias_ids"])
        left -= found[merge["absorbed_id"]]
    for id in left:
        found.setdefault(ground.rows[id]["profile_id"], set()).add(id)
    return found


async def _homes(people: People, ground: _Ground, groups: Sequence[Collection[int]]) -> list[_Home]:
    """Each group goes by the profile that its oldest identifier had: one that lives rather than one absorbed, a new one
    where there is none."""
    brought = _brought(ground)
    living = {row["profile_id"] for row in ground.rows.values()}
    # One that has lost what it brought still lives, by what it absorbed.
    brought.update({id: brought.get(id, set()) for id in living})
    anchors = {
        id: min(own or _had(ground, id), key=lambda own_id: resolution.age_of(ground.rows[own_id]))
        for id, own in brought.items()
        if own or id in living
    }
    homes = []
    for group in groups:
        candidates = [id for id, anchor in anchors.items() if anchor in group]
        if candidates:
            chosen = min(candidates, key=lambda id: (id not in living, resolution.age_of(ground.rows[anchors[id]]), id))
        else:
            [chosen] = await messages.next_profile_ids(people.connection, 1)
        lives = {id: brought[id].intersection(group) for id in candidates}
        lives.setdefault(chosen, set()).update(set(group).difference(*lives.values()))
        homes.append(_Home(chosen, group, lives, []))
    return homes


async def _move_identifiers(people: People, ground: _Ground, homes: Iterable[_Home]) -> None:
    for home in homes:
        moved = sorted(id for id in home.group if ground.rows[id]["profile_id"] != home.id)
        if moved:
            await people.move(moved, home.id)


async def _rewrite_journal(
    people: People, ground: _Ground, homes: Sequence[_Home], undone: Row | None, author: str, note: str
) -> list[int]:
    """Merges in force are those of people who are still one. One whose survivor is somebody else now is undone, and
    goes on below whoever has the absorbed profile's identifiers. Gives the ids of those undone."""
    connection, environment_id, now = people.connection, people.environment_id, people.now
    home_of = {id: home for home in homes for id in home.lives}
    over, redirected = list[int](), list[tuple[int, int]]()
    for merge in ground.below:
        absorbed_id, survivor_id = merge["absorbed_id"], merge["survivor_id"]
        home = home_of.get(absorbed_id)
        is_undone = undone is not None and merge["id"] == undone["id"]
        if home is None:
            over += [merge["id"]] if is_undone else []
            continue
        if home.id == absorbed_id or (is_undone and home.id == survivor_id):
            over.append(merge["id"])
            continue
        stays = survivor_id in home.lives and not is_undone
        if not stays:
            over.append(merge["id"])
            redirected.append((absorbed_id, home.id))
            journaled = await store.append_merge(
                connection, environment_id, home.id, absorbed_id, merge["message_id"], now, merge["alias_ids"],
                merge["survivor"], merge["survivor_state"], merge["absorbed"], merge["absorbed_state"],
                "undo", merge["link_alias_id"], merge["link_owner_id"],
                sorted(set(home.group).difference(merge["alias_ids"])), author, note,
            )  # fmt: skip
            people.changes.append(outbox.Merged(journaled, home.id, absorbed_id, "undo"))
        if {merge["link_alias_id"], merge["link_owner_id"]} <= {*home.group, None}:
            home.merged.append((absorbed_id, survivor_id if stays else home.id, merge["merged_at"]))
    await store.undo_merge(connection, environment_id, over, now, author, note)
    await store.redirect_profiles(connection, environment_id, redirected)
    return over


async def _absorb_others(
    people: People, ground: _Ground, homes: Sequence[_Home], stored: Mapping[int, Row]
) -> list[tuple[Profile, int]]:
    """Living profiles that another claim, which holds now, makes one with another; each with its survivor."""
    connection, environment_id, now = people.connection, people.environment_id, people.now
    gone = []
    living = {row["profile_id"] for row in ground.rows.values()}
    for home in homes:
        for id in sorted(living.intersection(home.lives) - {home.id}):
            survivor, absorbed = storage.from_row(stored[home.id]), storage.from_row(stored[id])
            link = next(
                claim
                for alias_id, claim in ground.owners.items()
                if alias_id in home.group and claim is not None and claim["owner_id"] in home.group
            )
            journaled = await store.append_merge(
                connection, environment_id, home.id, id, link["said_by"], now, sorted(_had(ground, id)),
                storage.summary(survivor), survivor.encode(), storage.summary(absorbed), absorbed.encode(),
                "claim", link["alias_id"], link["owner_id"], sorted(_had(ground, home.id)), None, "",
            )  # fmt: skip
            people.changes.append(outbox.Merged(journaled, home.id, id, "claim"))
            absorbed.memberships, absorbed.recompute_at = {}, None
            gone.append((absorbed, home.id))
    return gone


# Their history, lived again


async def _lives(people: People, ground: _Ground, homes: Sequence[_Home]) -> list[ProfileHistory]:
    ids = sorted(id for home in homes for id in home.group)
    arrivals: dict[int, list[tuple[Instant, Message]]] = {id: [] for id in ids}
    async for rows in store.messages_of_identifiers(people.connection, people.environment_id, ids):
        for row in rows:
            # Nobody was there before the message that brought them.
            arrived = max(row["received_at"], ground.rows[row["alias_id"]]["created_at"])
            arrivals[row["alias_id"]].append((arrived, storage.message_from_row(row)))

    def life(
        home: _Home, meetings: Mapping[int, Sequence[tuple[int, Instant]]], id: int, since: int | None
    ) -> ProfileHistory:
        own = home.lives[id]
        joined = [(at, life(home, meetings, other, id)) for other, at in meetings[id] if other != since]
        begun = min(ground.rows[alias_id]["created_at"] for alias_id in own or home.group)
        return ProfileHistory(begun, [arrival for alias_id in own for arrival in arrivals[alias_id]], joined)

    return [life(home, _meetings(ground, home), home.id, None) for home in homes]


def _meetings(ground: _Ground, home: _Home) -> dict[int, list[tuple[int, Instant]]]:
    """With whom each life of a person became one, and when: a tree of them all. A merge in force tells; where none
    does, what was said first of what holds now. A life that nothing joins was the person's own."""
    life_of = {alias_id: id for id, own in home.lives.items() for alias_id in own}
    held = {frozenset(edge) for edge in ground.edges()}
    said = []
    for link in ground.links:
        alias_id, owner_id = link["alias_id"], link["owner_id"]
        if frozenset((alias_id, owner_id)) in held and alias_id in life_of and owner_id in life_of:
            said.append((life_of[alias_id], life_of[owner_id], link["linked_at"]))
    whole = {id: id for id in home.lives}  # life → one of those it is one with
    found: dict[int, list[tuple[int, Instant]]] = {id: [] for id in home.lives}

    def root(id: int) -> int:
        while whole[id] != id:
            id = whole[id]
        return id

    for one, other, at in (*sorted(home.merged, key=_when), *sorted(said, key=_when)):
        if one in whole and other in whole and root(one) != root(other):
            whole[root(one)] = root(other)
            found[one].append((other, at))
            found[other].append((one, at))
    for id in list(home.lives):
        if root(id) != root(home.id):
            home.lives[home.id] |= home.lives.pop(id)
    return found


def _when(meeting: tuple[int, int, Instant]) -> Instant:
    return meeting[2]


async def _group_traits(people: People, lives: Iterable[ProfileHistory]) -> Mapping[str, Mapping[str, Any]]:
    """The traits of all groups they ever belonged to, which nobody changes before the members are saved."""
    waiting, keys = list(lives), set[str]()
    while waiting:
        life = waiting.pop()
        waiting += [other for _, other in life.merged]
        keys |= {message.group_id for _, message in life.arrivals if message.group_id is not None}
    if not keys:
        return {}
    rows = await group_store.lock_groups(people.connection, people.environment_id, sorted(keys), people.now)
    return {row["key"]: row["traits"] for row in rows}


def _memberships(state: bytes) -> dict[int, Instant]:
    profile = Profile(0, "", 0)
    profile.decode(state)
    return profile.memberships


def _shown(ground: _Ground, stored: Mapping[int, Row], id: int) -> Mapping[int, Instant]:
    """The segments a profile was last shown in: an absorbed one's are those it had then."""
    for merge in reversed(ground.below):
        if merge["absorbed_id"] == id:
            return _memberships(merge["absorbed_state"])
    return _memberships(stored[id]["state"]) if id in stored else {}


async def _is_telling(people: People, merge: Row) -> bool:
    """Whether the journal has both people as they would have been: not where it has a merge that was undone since."""
    ids = [merge["survivor_id"], merge["absorbed_id"]]
    others = await store.list_merges(people.connection, people.environment_id, ids, merge["id"], 1_000)
    return len(others) < 1_000 and all(other["undone_at"] is None for other in others)


def _date_entries(profile: Profile, catalog: Catalog, since: Mapping[int, Instant], undone: Row | None) -> None:
    """Nobody entered a segment before it was defined, and who was in it when the merge came had entered it before."""
    segments = {segment.fingerprint: segment.id for segment in catalog.segments}
    before: Mapping[int, Instant] = {}
    if undone is not None and profile.id == undone["survivor_id"]:
        before = _memberships(undone["survivor_state"])
    elif undone is not None and profile.id == undone["absorbed_id"]:
        before = _memberships(undone["absorbed_state"])
    for fingerprint, entered_at in profile.memberships.items():
        if undone is not None and fingerprint in before and entered_at <= undone["merged_at"]:
            profile.memberships[fingerprint] = before[fingerprint]
        else:
            profile.memberships[fingerprint] = max(entered_at, since.get(segments[fingerprint], entered_at))


def _transitions(profile: Profile, before: Mapping[int, Instant], catalog: Catalog, now: Instant) -> list[Transition]:
    return [
        Transition(
            profile.id,
            segment.id,
            segment.fingerprint,
            segment.fingerprint in profile.memberships,
            now,
            segment.is_next,
            "unmerge",
        )
        for segment in catalog.segments
        if (segment.fingerprint in before) is not (segment.fingerprint in profile.memberships)
    ]


def _segments(profile: Profile, catalog: Catalog) -> list[int]:
    """The ids of the segments it is in."""
    return [one.id for one in catalog.segments if not one.is_next and one.fingerprint in profile.memberships]
