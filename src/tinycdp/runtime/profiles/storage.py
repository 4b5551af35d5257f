"""Profiles between their rows and the engine.

Shape   from_row, save: read and write rows · rebuild, recall: recompute state from raw events, all of it or a part
Laws    both give the state that applying all of a profile's messages, in any order, gives
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias, TypedDict

import msgspec

from tinycdp.engine import outbox, recompute
from tinycdp.engine.aggregates.bulk import PastEvents, Rebuilder, needs
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant, Message
from tinycdp.store import events as event_store
from tinycdp.store import groups as group_store
from tinycdp.store import memberships as membership_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection

#: (segment id, profile id, entered, at, cause)
_StoredTransition: TypeAlias = tuple[int, int, bool, Instant, str]


def from_row(row: profile_store.ProfileRow) -> Profile:
    """The working copy of a stored profile."""
    profile = without_state(row)
    profile.decode(row.state)
    profile.saved_memberships = dict(profile.memberships)
    return profile


def without_state(row: profile_store.ProfileRow) -> Profile:
    """A stored profile without its state."""
    profile = Profile(row.id, row.bucketing_key, row.created_at)
    profile.first_seen, profile.last_seen = row.first_seen_at, row.last_seen_at
    profile.properties = row.properties
    profile.version = row.version
    profile.recompute_at = row.recompute_at
    return profile


def summary(profile: Profile) -> dict[str, Any]:
    """What the state of a profile does not contain, for the merge journal."""
    return {
        "bucketingKey": profile.bucketing_key,
        "createdAt": profile.created_at,
        "firstSeen": profile.first_seen,
        "lastSeen": profile.last_seen,
        "properties": profile.properties,
    }


async def save(
    connection: Connection,
    environment_id: int,
    now: Instant,
    changed: Iterable[Profile],
    happened: Sequence[recompute.Transition | outbox.Change] = (),
    *,
    new: Iterable[Profile] = (),
    merged: Mapping[int, int] = MappingProxyType({}),
    encoded: Mapping[int, bytes] = MappingProxyType({}),
    followed: bool = True,
    catalog: Catalog | None = None,
) -> int:
    """Save profiles, memberships and transitions, and write the changes to the outbox.

    Returns the new version.

    happened  in the order in which it took effect
    merged    absorbed profile → survivor
    encoded   states that were encoded before the rows were locked
    followed  False if the environment's outbox has no consumer
    catalog   needed if identities changed: then memberships may have moved without a transition"""
    changed, new = list(changed), list(new)
    for p in (*changed, *new):
        p.saved_state = encoded[p.id] if p.id in encoded else p.encode()
    version = await profile_store.save_profiles(
        connection,
        environment_id,
        [
            (
                p.id,
                p.first_seen,
                p.last_seen,
                p.properties if p.properties_changed else None,
                p.saved_state,
                p.recompute_at,
                merged.get(p.id),
            )
            for p in changed
        ],
        now,
        outbox.changes_of(happened) if followed else (),
    )
    await profile_store.insert_profiles(
        connection,
        environment_id,
        version,
        [
            (
                p.id,
                p.bucketing_key,
                p.created_at,
                p.first_seen,
                p.last_seen,
                p.properties,
                p.saved_state,
                p.recompute_at,
            )
            for p in new
        ],
    )
    moved = [(p.id, p.group[2] if p.group is not None else None) for p in (*changed, *new) if p.group_changed]
    await group_store.join_groups(connection, environment_id, moved)
    entered, left = [], []
    for p in (*changed, *new):
        p.version = version
        entered += [(fp, p.id, at) for fp, at in p.memberships.items() if p.saved_memberships.get(fp) != at]
        left += [(fp, p.id) for fp in p.saved_memberships if fp not in p.memberships]
    await membership_store.enter_segments(connection, environment_id, entered)
    await membership_store.leave_segments(connection, environment_id, left)
    # Transitions of a revision that is backfilling become history only when it goes live.
    settled: list[_StoredTransition] = [
        (t.segment_id, t.profile_id, t.entered, t.at, t.cause)
        for t in happened
        if isinstance(t, recompute.Transition) and not t.is_candidate
    ]
    if catalog is not None:
        settled += _moved((*changed, *new), settled, catalog, now)
    await membership_store.append_transitions(connection, environment_id, now, settled)
    return version


def _moved(
    profiles: Iterable[Profile], settled: Sequence[_StoredTransition], catalog: Catalog, now: Instant
) -> list[_StoredTransition]:
    """The memberships that a merge, or its undo, moved from one profile to another.

    With them, the sum of a segment's transitions is its number of members."""
    explained: Counter[tuple[int, int]] = Counter()
    for segment_id, profile_id, entered, _, _ in settled:
        explained[segment_id, profile_id] += 1 if entered else -1
    live = [segment for segment in catalog.segments if not segment.is_candidate]
    moved = []
    for profile in profiles:
        for segment in live:
            change = (segment.fingerprint in profile.memberships) - (segment.fingerprint in profile.saved_memberships)
            if change != explained[segment.id, profile.id]:
                moved.append((segment.id, profile.id, change > explained[segment.id, profile.id], now, "moved"))
    return moved


async def rebuild(connection: Connection, catalog: Catalog, rebuilt: Sequence[Profile]) -> None:
    """Recompute these profiles from their stored messages."""
    by_id = {profile.id: profile for profile in rebuilt}
    for profile in rebuilt:
        profile.reset(catalog.head)
    if catalog.lists:
        listed = await membership_store.lists_of_profiles(connection, catalog.environment_id, list(by_id))
        for profile in rebuilt:
            profile.listed = frozenset(listed.get(profile.id, ()))
    for row in await event_store.events_of_profiles(connection, catalog.environment_id, list(by_id)):
        recompute.apply_message(by_id[row.profile_id], message_from_row(row), catalog, complete=True)
    grouped = [(profile, profile.group[2]) for profile in rebuilt if profile.group is not None]
    if grouped:
        keys = sorted({key for _, key in grouped})
        found = await group_store.traits_of_groups(connection, catalog.environment_id, keys)
        traits = {row.key: row.traits for row in found}
        for profile, key in grouped:
            profile.set_group_traits(traits.get(key, {}))


async def recall(
    connection: Connection, catalog: Catalog, wanting: Sequence[tuple[Profile, Collection[str]]]
) -> Callable[[], int]:
    """Read the events that these aggregates, named by their keys, need of these profiles.

    The returned function recomputes the aggregates and returns the number of events. It takes most of the time, and may
    run in any thread."""
    recalls = {
        key: Rebuilder(catalog.kept[key], catalog.calendar) for key in {key for _, keys in wanting for key in keys}
    }
    asked = needs(one.kept for one in recalls.values())
    rows = await event_store.history_of_profiles(
        connection,
        catalog.environment_id,
        [profile.id for profile, _ in wanting],
        sorted(asked.names) if asked.names is not None else None,
        with_ids=asked.ids,
        with_properties=bool(asked.properties),
    )

    def apply() -> int:
        decode = _properties_decoder(asked.properties)
        pasts: dict[int, list[PastEvents]] = {}
        for id, name, instants, ids, properties in rows:
            past = PastEvents(name, instants, ids, decode(properties) if properties is not None else None)
            pasts.setdefault(id, []).append(past)
        for profile, keys in wanting:
            for key in keys:
                recalls[key].rebuild(profile, pasts.get(profile.id, ()))
        return sum(len(past.instants) for found in pasts.values() for past in found)

    return apply


@lru_cache(maxsize=64)
def _properties_decoder(names: frozenset[str]) -> Callable[[str], list[dict[str, Any]]]:
    """Decodes a list of objects, and skips all properties but these."""
    wanted = TypedDict("wanted", dict.fromkeys(names, Any), total=False)  # type: ignore[misc]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[wanted], float_hook=Decimal)
    return decoder.decode


def lacking(profile: Profile, catalog: Catalog, keys: Iterable[str]) -> tuple[str, ...]:
    """Those of these aggregates whose state lacks what the catalog needs; raw events have it."""
    found = []
    for key in keys:
        kept, state = catalog.kept[key], profile.state(key)
        if (
            not state.keep_buckets(kept.bucket_widths)
            if state is not None
            else kept.backfilling and profile.backfilled < catalog.head
        ):
            found.append(key)
    return tuple(found)


def unready(catalog: Catalog) -> list[str]:
    """The aggregates that some profile may lack; the others are complete, and stay encoded."""
    complete = catalog.complete
    return [
        key
        for key, kept in catalog.kept.items()
        if any((key, bucket_width) not in complete for bucket_width in (0, *kept.bucket_widths))
    ]


def message_from_row(row: event_store.MessageRow) -> Message:
    """A stored message for the engine, without what only the identity rules need."""
    return Message(
        kind=row.kind,
        message_id=row.message_id,
        identifiers=(),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        name=row.name,
        properties=row.properties,
        group_id=row.target if row.kind == "group" else None,
        active=not row.inactive,
    )
