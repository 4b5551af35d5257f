"""Keeps the events of erased profiles, without who they are of.

Shape   keep(…) → Kept: gives events, transitions and exposures to new profiles, before the old ones are erased
Laws    a new profile has as many identifiers, events, transitions and exposures as the old one. Identifiers, units and
        message ids are random; nothing that a message said is left but names, instants, and what the tracking plan
        declares (`impersonal`). State is what a rebuild from the kept events gives
Source  docs/decisions/0024-privacy.md; docs/how-to/privacy.md "Anonymise a profile"
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args
from uuid import uuid4

import msgspec

from tinycdp.engine import outbox, recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.engine.schema.tracking_plan import PlannedEvent, impersonal
from tinycdp.model import Instant
from tinycdp.runtime.profiles import storage
from tinycdp.store import privacy as store
from tinycdp.store import profiles as profile_store
from tinycdp.store import registry as registry_store
from tinycdp.store.database.pool import Connection
from tinycdp.store.identifiers import StoredIdentifierRow
from tinycdp.store.privacy import LockedProfileRow

_CAUSES: dict[str, recompute.Cause] = {cause: cause for cause in get_args(recompute.Cause)}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of erased profiles.

    profiles  the new ones, to be saved
    happened  what consumers of the outbox need for their copies, after the erasure
    counts    the kept rows, by table"""

    profiles: Sequence[Profile]
    happened: Sequence[outbox.Change | recompute.Transition]
    counts: Mapping[str, int]


async def keep(
    connection: Connection,
    catalog: Catalog,
    locked: Sequence[LockedProfileRow],
    identifiers: Sequence[StoredIdentifierRow],
    units: Iterable[str],
    now: Instant,
) -> Kept:
    """Give what is kept of these profiles to new ones.

    locked       the profiles, with those merged into them
    identifiers  all of their identifiers
    units        everything that exposures may know them by"""
    environment_id = catalog.environment_id
    ids = [row.id for row in locked]
    new_ids = dict(zip(ids, await profile_store.next_profile_ids(connection, len(ids)), strict=True))
    texts = {text: _random() for text in {*units, *(row.value for row in identifiers)}}
    copies = [(row.id, texts[row.value], new_ids[row.profile_id]) for row in identifiers]
    new_identifiers = await store.copy_identifiers(connection, environment_id, copies)
    stored, events = await _keep_events(connection, environment_id, new_identifiers)
    history = await store.keep_transitions(connection, environment_id, new_ids)
    exposures = await store.keep_exposures(connection, environment_id, texts, new_ids)
    profiles = []
    for row in locked:
        if row.merged_into is None:
            profile = Profile(new_ids[row.id], texts.get(row.bucketing_key, _random()), row.created_at)
            profile.memberships = dict(_memberships(row))
            profiles.append(profile)
    await storage.rebuild(connection, catalog, profiles)
    reviewed = [one for profile in profiles for one in recompute.review_all(profile, catalog, now, "anonymization")]
    counts = {"events": events, "transitions": len(history), "exposures": exposures}
    happened = [*stored, *_history(history), *reviewed, *_rebuilt(profiles, new_ids.values(), catalog)]
    return Kept(profiles, happened, counts)


async def _keep_events(
    connection: Connection, environment_id: int, new_identifiers: Mapping[int, int]
) -> tuple[list[outbox.Change], int]:
    """Give the events to the new identifiers. Returns what consumers need, and the number of events."""
    entries = await registry_store.current_plan_entries(connection, environment_id)
    plan = {row.event: msgspec.convert(row.document, PlannedEvent) for row in entries}
    planned = await store.planned_events(connection, environment_id, list(new_identifiers), sorted(plan))
    properties = {row.id: impersonal(plan[row.name], row.properties) for row in planned}
    rows = await store.keep_events(connection, environment_id, new_identifiers)
    said = {id: kept for id, kept in properties.items() if kept}
    await store.keep_properties(connection, environment_id, list(new_identifiers.values()), said)
    if not rows:
        return [], 0
    received = [row.received_at for row in rows]
    stored = outbox.StoredEvents(
        outbox.runs([row.id for row in rows]), [row.profile_id for row in rows], (min(received), max(received))
    )
    return [stored], len(rows)


def _history(rows: Sequence[store.KeptTransitionRow]) -> list[outbox.Change]:
    """The kept transitions, for consumers; they never hear of those that only moved a membership."""
    crossings = []
    for row in rows:
        if row.cause != "moved":
            cause = _CAUSES.get(row.cause or "", "anonymization")
            crossings.append(outbox.Crossing(row.profile_id, row.segment_id, row.entered, row.at, cause))
    return [outbox.Transitions(crossings)] if crossings else []


def _rebuilt(profiles: Sequence[Profile], ids: Collection[int], catalog: Catalog) -> list[outbox.Change]:
    """The segments that each of the new profiles is in, whatever its history is."""
    live = {segment.fingerprint: segment.id for segment in catalog.segments if not segment.is_candidate}
    segments: dict[int, list[int]] = {id: [] for id in sorted(ids)}
    for profile in profiles:
        segments[profile.id] = sorted(live[one] for one in profile.memberships if one in live)
    return [outbox.Unmerged([], list(segments.items()))] if segments else []


def _memberships(row: LockedProfileRow) -> Mapping[int, Instant]:
    old = Profile(row.id, "", 0)
    old.decode(row.state)
    return old.memberships


def _random() -> str:
    """A name that leads nowhere."""
    return f"anonymous-{uuid4().hex}"
