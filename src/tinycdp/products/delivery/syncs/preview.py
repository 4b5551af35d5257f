"""What a document would send, before it is saved.

Shape   preview(environment, sync, document, …) → CountedChanges
Units   at most MOST_PROFILES profiles, for at most SECONDS: of more, the counts are of those that were looked at
Laws    nothing is written, and nothing is sent. A record counts as the next run would treat it, if no profile changes
"""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument, policy_of
from tinycdp.products.delivery.ledger import LedgerEntry, RecordSend, WantedRecord
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.syncs.records import SyncProgram, payload_of, records_of
from tinycdp.products.delivery.syncs.run import is_braked
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import snapshot

MOST_PROFILES = 200_000
SECONDS = 20.0
_PART = 500
_NOBODY = 0

Change = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class ExampleRecord:
    """One record that would be sent. record: what is sent of it"""

    change: Change
    operation: str
    profile_id: int
    key: dict[str, Any]
    record: Any


@dataclass(slots=True)
class CountedChanges:
    """What the next run would do.

    profiles     that were looked at, of all that would have to be
    added        records that the receiver does not have · changed: that it has otherwise
    removed      keys that would leave the receiver, in the way that onLeave says
    unmatched    members without a record, because a match field is missing
    would_brake  so many would be removed that the run would stop"""

    profiles: int = 0
    of: int = 0
    is_complete: bool = True
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    unmatched: int = 0
    would_brake: bool = False
    examples: list[ExampleRecord] = field(default_factory=list)
    why_unmatched: str = ""


async def preview(
    environment: Environment,
    definition_id: int | None,
    document: SyncDocument,
    program: SyncProgram,
    destination_id: int,
    examples: int,
) -> CountedChanges:
    """Compare a document with what the receiver has. definition_id: None for a sync that was never saved"""
    now, began = environment.now(), time.monotonic()
    found = CountedChanges()
    ids = (environment.id, definition_id if definition_id is not None else _NOBODY)
    after = known = 0
    async with snapshot(environment.pool) as connection:
        row = await store.see_sync(connection, *ids) if definition_id is not None else None
        if row is None or row.destination_id != destination_id:  # another receiver has nothing yet
            ids = (environment.id, _NOBODY)
        found.of = await store.count_candidates(connection, environment.id, program.fingerprint)
        while profiles := await store.candidates(connection, *ids, program.fingerprint, after, _PART):
            if found.profiles >= MOST_PROFILES or time.monotonic() - began > SECONDS:
                found.is_complete = False
                break
            after = profiles[-1]
            wanted, survivors = await records_of(connection, program, profiles, now)
            entries = {
                one.profile_id: one for one in await store.find_entries(connection, *ids, {*profiles, *survivors}, ())
            }
            found.profiles += len(profiles)
            known += sum(one.match_key is not None for one in entries.values())
            for one in wanted:
                _count(found, document, one, entries.get(one.profile_id), examples)
        # What is incomplete has the share of those who were looked at.
        before = (await store.count_leaving(connection, *ids)).before if found.is_complete else 0
    found.of = max(found.of, found.profiles)
    found.would_brake = is_braked(document.brake, found.removed, before or known)
    return found


def _count(
    found: CountedChanges, document: SyncDocument, wanted: WantedRecord, entry: LedgerEntry | None, examples: int
) -> None:
    policy = policy_of(document)
    had = entry.match_key if entry is not None else None
    if wanted.reason:
        found.unmatched += 1
        found.why_unmatched = found.why_unmatched or wanted.reason
    change: Change | None = None
    if wanted.match_key is not None:
        is_known = entry is not None and entry.state in {"sent", "left"} and entry.hash == wanted.hash
        if wanted.match_key != had:
            change = "added"
            found.added += 1
        elif is_known:
            found.unchanged += 1
        else:
            change = "changed"
            found.changed += 1
        if change is not None:
            send = RecordSend(policy.change, wanted.profile_id, wanted.match_key, 0, wanted.record or {})
            _show(found, document, change, send, examples)
    if had is not None and had != wanted.match_key and policy.on_leave != "nothing":
        found.removed += 1
        _show(found, document, "removed", RecordSend(policy.on_leave, wanted.profile_id, had, 0), examples)


def _show(found: CountedChanges, document: SyncDocument, change: Change, send: RecordSend, most: int) -> None:
    if sum(one.change == change for one in found.examples) < most:
        key = msgspec.json.decode(send.match_key)
        record = payload_of(send, document)
        found.examples.append(ExampleRecord(change, send.operation, send.profile_id, key, record))
