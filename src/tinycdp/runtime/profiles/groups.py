"""Groups and their traits, which every member carries a copy of.

Shape   apply_call(…) adds what a transaction's group calls said; tell_members(…) is the worker's part: one batch of one
        group's members
Laws    once no change is noted, each member's copy is the group's traits. Whoever joins locks the group's row, so that
        no change passes a member by
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
from tinycdp.store.pool import Connection

BATCH = 200


async def take(
    connection: Connection, environment_id: int, messages: Iterable[Message], now: Instant
) -> dict[str, Mapping[str, Any]]:
    """Add what the group calls among the messages say. Gives the traits, as they are now, of every group they name."""
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
    """The traits of groups as messages received by an instant told them."""
    found: dict[str, dict[str, Any]] = {}
    for row in await store.traits_of_groups_at(connection, environment_id, sorted(set(keys)), at):
        found.setdefault(row.key, {})[row.name] = row.value
    return found


async def tell_members(connection: Connection, catalog: Catalog, now: Instant) -> int:
    """One batch of one group whose traits changed. Gives 0 where there is none."""
    environment_id = catalog.environment_id
    change = await store.claim_group_change(connection, environment_id)
    if change is None:
        return 0
    key, after = change.key, change.at_profile_id
    rows = await store.members_to_change(connection, environment_id, key, after, BATCH)
    members = [storage.from_row(row) for row in rows]
    # Read behind the members' locks: what is read here is no older than what any of them knows.
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
