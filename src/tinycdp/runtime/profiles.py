"""Profiles between their rows and the engine.

Shape   from_row, save: a row in, a row out · rebuild: the state as raw events tell it
Laws    rebuild(p) leaves what taking all of p's messages in any order would
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.engine.windows import State, empty
from tinycdp.model import Instant, Message
from tinycdp.store import messages as store
from tinycdp.store.pool import Connection


def from_row(row: store.Row) -> Profile:
    """The working copy of a stored profile."""
    profile = Profile(row["id"], row["bucketing_key"], row["created_at"])
    profile.first_seen, profile.last_seen = row["first_seen_at"], row["last_seen_at"]
    profile.properties = row["properties"]
    profile.version = row["version"]
    profile.recompute_at = row["recompute_at"]
    profile.decode(row["state"])
    profile.saved_memberships = dict(profile.memberships)
    return profile


def summary(profile: Profile) -> dict[str, Any]:
    """The parts of a profile that are not in its state, for the merge journal."""
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
    transitions: Sequence[recompute.Transition] = (),
    *,
    new: Iterable[Profile] = (),
    merged: Mapping[int, int] = MappingProxyType({}),
) -> int:
    """Write profiles, memberships and transitions; the version they now have. `merged` maps absorbed → survivor."""
    changed, new = list(changed), list(new)
    version = await store.save_profiles(
        connection,
        environment_id,
        [
            (
                p.id,
                p.first_seen,
                p.last_seen,
                p.properties if p.properties_changed else None,
                p.encode(),
                p.recompute_at,
                merged.get(p.id),
            )
            for p in changed
        ],
    )
    await store.insert_profiles(
        connection,
        environment_id,
        version,
        [
            (p.id, p.bucketing_key, p.created_at, p.first_seen, p.last_seen, p.properties, p.encode(), p.recompute_at)
            for p in new
        ],
    )
    entered, left = [], []
    for p in (*changed, *new):
        p.version = version
        entered += [(fp, p.id, at) for fp, at in p.memberships.items() if p.saved_memberships.get(fp) != at]
        left += [(fp, p.id) for fp in p.saved_memberships if fp not in p.memberships]
    await store.enter_segments(connection, environment_id, entered)
    await store.leave_segments(connection, environment_id, left)
    # What happens in a revision that still warms up becomes history only when it goes live.
    settled = [(t.segment_id, t.profile_id, t.entered, t.at) for t in transitions if not t.is_next]
    await store.append_transitions(connection, environment_id, now, settled)
    return version


async def rebuild(
    connection: Connection,
    environment_id: int,
    catalog: Catalog,
    rebuilt: Sequence[Profile],
    keys: Collection[str] | None = None,
) -> int:
    """Make the state of these aggregates, or everything (keys None), what the stored messages tell. Gives how many."""
    names: list[str] | None = None
    by_id = {profile.id: profile for profile in rebuilt}
    kept = [catalog.kept[key] for key in keys] if keys is not None else None
    if kept is not None and all(k.spec.event is not None for k in kept):
        names = sorted({k.spec.event for k in kept if k.spec.event is not None})
    for profile in rebuilt:
        if keys is None:
            profile.reset(catalog.head)
        else:
            for key in keys:
                profile.forget(key)
                profile.states[key] = empty_state(catalog, key)
    rows = await store.events_of_profiles(connection, environment_id, list(by_id), names)
    for row in rows:
        profile, message = by_id[row["profile_id"]], message_from_row(row)
        if kept is None:
            recompute.take(profile, message, catalog, complete=True)
        elif message.name:
            for k in kept:
                if k.spec.event is None or k.spec.event == message.name:
                    k.take(profile, message, catalog.calendar, complete=True)
    return len(rows)


async def complete(connection: Connection, catalog: Catalog, batch: Sequence[Profile]) -> None:
    """Give the profiles every aggregate state of the catalog, from raw events where what is kept cannot serve it."""
    lacking: dict[tuple[str, ...], list[Profile]] = {}
    for profile in batch:
        keys = []
        for key, kept in catalog.kept.items():
            state = profile.state(key)
            if (state is None and kept.warming and profile.warmed < catalog.head) or (
                state is not None and not state.serve(kept.hops)
            ):
                keys.append(key)
        for key in profile.keys() - catalog.kept.keys():
            profile.forget(key)
        if keys:
            lacking.setdefault(tuple(keys), []).append(profile)
    for missing, wanting in lacking.items():
        await rebuild(connection, catalog.environment_id, catalog, wanting, missing)
    for profile in batch:
        profile.warmed = catalog.head


def empty_state(catalog: Catalog, key: str) -> State:
    """The state of an aggregate before its first event, with the tiles the catalog asks for."""
    kept = catalog.kept[key]
    state = empty(kept.spec.family)
    state.serve(kept.hops)
    return state


def message_from_row(row: store.Row) -> Message:
    """A stored message as the engine takes it; what only the identity rules need is left out."""
    return Message(
        kind=row["kind"],
        message_id=row["message_id"],
        aliases=(),
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        name=row["name"],
        properties=row["properties"],
        group_id=row["target"] if row["kind"] == "group" else None,
        active=not row["inactive"],
    )
