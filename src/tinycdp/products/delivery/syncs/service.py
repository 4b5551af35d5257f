"""Syncs for their routes: health, records, runs, releases and previews.

Shape   one function per route
Errors  NotFound · Conflict NOT_BRAKED, SYNC_NOT_READY
Source  docs/reference/syncs.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.errors import Conflict, NotFound
from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, SYNC
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.destinations import Destinations
from tinycdp.products.delivery.ledger import LedgerEntry, LedgerRemoval
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.syncs import preview as previews
from tinycdp.products.delivery.syncs.definitions import SavedSync, SavedSyncs
from tinycdp.products.delivery.syncs.preview import CountedChanges
from tinycdp.products.delivery.syncs.records import NotReady, SyncProgram
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import acquired, transaction


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How a sync is: its document, how far it is, and its records by state."""

    sync: SavedSync
    row: store.SyncRow
    counts: store.CountsRow


async def find(syncs: SavedSyncs, environment: Environment, key: str) -> SavedSync:
    """The sync of this key."""
    async with acquired(environment.pool) as connection:
        found = {one.key: one for one in await syncs.of(connection, environment.id)}
    if key not in found:
        await DESTINATIONS.found(environment, SYNC, key)  # says what is like it
    return found[key]


async def health(syncs: SavedSyncs, environment: Environment, key: str) -> SyncStatus:
    """How a sync is."""
    sync = await find(syncs, environment, key)
    async with acquired(environment.pool) as connection:
        row = await store.see_sync(connection, environment.id, sync.id)
        if row is None:
            raise NotFound("NOT_FOUND", f"The sync {key!r} was deleted.")
        counts = await store.count_records(connection, environment.id, sync.id)
    return SyncStatus(sync, row, counts)


async def records(
    syncs: SavedSyncs, environment: Environment, key: str, states: Sequence[str], after: int, limit: int
) -> list[LedgerEntry]:
    """Records in some states, by profile."""
    sync = await find(syncs, environment, key)
    async with acquired(environment.pool) as connection:
        return await store.list_records(connection, environment.id, sync.id, states, after, limit)


async def removals(
    syncs: SavedSyncs, environment: Environment, key: str, after: str, limit: int
) -> list[LedgerRemoval]:
    """Keys that have to leave the receiver."""
    sync = await find(syncs, environment, key)
    async with acquired(environment.pool) as connection:
        return await store.list_removals(connection, environment.id, sync.id, after, limit)


async def request_run(syncs: SavedSyncs, environment: Environment, key: str, *, prove: bool) -> None:
    """Let the worker run a sync now. prove: and compare everybody"""
    sync = await find(syncs, environment, key)
    async with transaction(environment.pool) as connection:
        if prove:
            await store.request_proof(connection, environment.id, sync.id)
        else:
            await store.request_run(connection, environment.id, sync.id)


async def release(syncs: SavedSyncs, environment: Environment, key: str, *, dry_run: bool) -> int:
    """Let the removals that wait for the brake be sent. Returns how many."""
    sync = await find(syncs, environment, key)
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        row = await store.see_sync(connection, environment.id, sync.id)
        if row is None or row.state != "braked":
            raise Conflict("NOT_BRAKED", f"The sync {key!r} is not braked, so there is nothing to release.")
        counted = await store.count_leaving(connection, environment.id, sync.id)
        n = await store.allow_removals(connection, environment.id, sync.id, counted.known)
        await store.set_sync_state(connection, environment.id, sync.id, "active", "")
    return n


async def preview(
    destinations: Destinations, catalogs: Catalogs, environment: Environment, key: str, document: Any, examples: int
) -> CountedChanges:
    """What a document would send, if it were saved under this key. The document has been checked."""
    read: SyncDocument = DESTINATIONS.documents.read(SYNC, document)
    async with acquired(environment.pool) as connection:
        named = await definition_store.find_environment(connection, environment.id)
        catalog = await catalogs.current_in(connection, environment.id)
        found = {one.key: one.id for one in await destinations.of(connection, environment.id)}
        rows = await DESTINATIONS.current(connection, environment.id)
    id = next((row.definition_id for row in rows if (row.kind, row.key) == (SYNC, key)), None)
    try:
        program = SyncProgram(read, catalog, named.key)
    except NotReady as reason:
        raise Conflict("SYNC_NOT_READY", str(reason)) from None
    return await previews.preview(environment, id, read, program, found[read.destination], examples)
