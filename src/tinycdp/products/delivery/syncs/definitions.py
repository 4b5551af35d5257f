"""The syncs of an environment, as runs and routes need them.

Shape   SavedSyncs(destinations).of(connection, environment_id) → the syncs, in memory until a save changes them
        program_of(sync, catalogs, …) → a sync compiled for the definitions that are live
Laws    never stale: each call reads the number of the newest save
"""

from dataclasses import dataclass

from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, SYNC
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.destinations import Destination, Destinations
from tinycdp.store.database.pool import Connection
from tinycdp.store.products import saved as saved_store


@dataclass(frozen=True, slots=True)
class SavedSync:
    """A sync, and the destination that it names."""

    id: int
    key: str
    version: int
    document: SyncDocument
    destination: Destination


class SavedSyncs:
    """The syncs of each environment, in memory."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._known: dict[int, tuple[int, list[SavedSync]]] = {}

    async def of(self, connection: Connection, environment_id: int) -> list[SavedSync]:
        """All syncs."""
        change = await saved_store.newest_change(connection, environment_id)
        known = self._known.get(environment_id)
        if known is not None and known[0] == change:
            return known[1]
        rows = [row for row in await DESTINATIONS.current(connection, environment_id) if row.kind == SYNC]
        found = []
        if rows:
            destinations = {one.key: one for one in await self._destinations.of(connection, environment_id)}
            for row in rows:
                document: SyncDocument = DESTINATIONS.documents.read(SYNC, row.document or {})
                if document.destination in destinations:  # saved a moment later otherwise
                    destination = destinations[document.destination]
                    found.append(SavedSync(row.definition_id, row.key, row.version, document, destination))
        self._known[environment_id] = (change, found)
        return found
