"""Groups and their traits; every member has a copy of the traits.

Shape   apply_calls(…) applies the group calls of a transaction; update_members(…) is for the worker: one batch of one
        group's members
Laws    when no change is queued, each member's copy equals the group's traits. A transaction that adds a member locks
        the group's row, so that every change reaches every member
Source  docs/decisions/0027-groups.md
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tinycdp.engine import outbox, recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.groups import Group
from tinycdp.model import Instant, Message
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.profiles import storage
from tinycdp.store import groups as store
from tinycdp.store.database.pool import Connection

BATCH = 200


async def apply_calls(
    connection: Connection, environment_id: int, messages: Iterable[Message], now: Instant
) -> dict[str, Mapping[str, Any]]:
    """Apply the group calls among the messages.

    Returns the present traits of every group they name."""
    calls = [m for m in messages if m.kind == "group" and m.group_id is not None]
    if not calls:
        return {}
    keys = sorted({call.group_id for call in calls if call.group_id is not None})
    groups = {
        row.key: Group(row.key, row.traits, {n: (at, id) for n, (at, id) in row.stamps.items()})
        for row in await store.lock_groups(connection, environment_id, keys, now)
    }
    written, changed = set(), set()
    for call in calls:
        assert call.group_id is not None
        if call.properties:
            written.add(call.group_id)
            if groups[call.group_id].apply_call(call.properties, (call.occurred_at, call.message_id)):
                changed.add(call.group_id)
    saved = [(key, groups[key].traits, dict(groups[key].stamps)) for key in sorted(written)]
    await store.save_groups(connection, environment_id, saved, now)
    await store.note_group_changes(connection, environment_id, sorted(changed))
    return {key: group.traits for key, group in groups.items()}


async def traits_at(
    connection: Connection, environment_id: int, keys: Iterable[str], at: Instant
) -> dict[str, dict[str, Any]]:
    """The traits of groups as messages received by an instant set them."""
    found: dict[str, dict[str, Any]] = {}
    for row in await store.traits_of_groups_at(connection, environment_id, sorted(set(keys)), at):
        found.setdefault(row.key, {})[row.name] = row.value
    return found


async def update_members(connection: Connection, catalog: Catalog, now: Instant) -> int:
    """Update a batch of members of a group whose traits changed.

    Returns 0 if there is no such group, else 1."""
    environment_id = catalog.environment_id
    change = await store.claim_group_change(connection, environment_id)
    if change is None:
        return 0
    key, after = change.key, change.at_profile_id
    rows = await store.members_to_change(connection, environment_id, key, after, BATCH)
    members = [storage.from_row(row) for row in rows]
    # Read under the members' locks, so that the traits are not older than those of any member.
    current = await store.traits_of_groups(connection, environment_id, [key])
    traits = current[0].traits if current else {}
    transitions: list[recompute.Transition] = []
    changed = [member for member in members if member.group is not None and member.group[2] == key]
    changed = [member for member in changed if member.group_traits != traits]
    for member in changed:
        transitions += recompute.apply_group_traits(member, traits, catalog, now)
    if changed:
        written = outbox.Written([member.id for member in changed])
        version = await storage.save(connection, environment_id, now, changed, [written, *transitions])
        await announce_profiles(connection, environment_id, version, [member.id for member in changed])
    if len(rows) < BATCH:
        await store.finish_group_change(connection, environment_id, key, change.version)
    else:
        await store.advance_group_change(connection, environment_id, key, change.version, members[-1].id)
    return 1
