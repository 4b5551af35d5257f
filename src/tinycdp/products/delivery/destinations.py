"""The destinations of an environment as lanes and the log need them.

Shape   Destinations().of(connection, environment_id) → the destinations, in memory until a save changes them
        wants(destination) → WantedHappenings · facts_of(connection, …) → what bodies say of some happenings
Laws    never stale: each call reads the number of the newest save, one entry of an index
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND
from tinycdp.products.delivery.definitions.schemas import DestinationDocument
from tinycdp.products.delivery.happenings import Happening, WantedHappenings
from tinycdp.products.delivery.messages import MessageFacts, ProfileFacts, RevisionFacts
from tinycdp.products.delivery.store import log as store
from tinycdp.store import definitions as definition_store
from tinycdp.store import identity as identity_store
from tinycdp.store.database.pool import Connection
from tinycdp.store.products import saved as saved_store


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination: its lane's id, its document, and the segments that it names."""

    id: int
    key: str
    document: DestinationDocument
    wanted: WantedHappenings


class Destinations:
    """The destinations of each environment, in memory."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, list[Destination]]] = {}

    async def of(self, connection: Connection, environment_id: int) -> list[Destination]:
        """All destinations."""
        change = await saved_store.newest_change(connection, environment_id)
        known = self._known.get(environment_id)
        if known is not None and known[0] == change:
            return known[1]
        rows = await DESTINATIONS.current(connection, environment_id)
        found = []
        if rows:
            head = (await definition_store.find_environment(connection, environment_id)).head_revision
            ids = {
                row.key: row.definition_id
                for row in await definition_store.definitions_at(connection, environment_id, head)
                if row.kind == "segment"
            }
            for row in rows:
                document = DESTINATIONS.documents.read(KIND, row.document or {})
                segments = frozenset(ids[key] for key in document.segments if key in ids) if document.segments else None
                wanted = WantedHappenings(frozenset(document.events), segments)
                found.append(Destination(row.definition_id, row.key, document, wanted))
        self._known[environment_id] = (change, found)
        return found


async def facts_of(connection: Connection, environment_id: int, happenings: Sequence[Happening]) -> MessageFacts:
    """What is true now of the profiles and definitions of some happenings."""
    asked = asyncio.get_running_loop().time()
    environment = await definition_store.find_environment(connection, environment_id)
    profile_ids = {id for one in happenings for id in (one.profile_id, one.other_id) if id is not None}
    profiles: dict[int, ProfileFacts] = {}
    if profile_ids:
        survivors = await store.survivors(connection, environment_id, sorted(profile_ids))
        identifiers: dict[int, list[tuple[str, str]]] = {id: [] for id in survivors.values()}
        for row in await identity_store.identifiers_of_profiles(connection, environment_id, sorted(identifiers)):
            identifiers[row.profile_id].append((row.kind, row.value))
        profiles = {id: ProfileFacts(now, identifiers[now]) for id, now in survivors.items()}
    of_definitions = {
        one.object_id for one in happenings if one.object_id is not None and not one.type.startswith("profile.")
    }
    names = await store.names_of_definitions(connection, environment_id, sorted(of_definitions))
    numbers = {one.revision for one in happenings if one.revision is not None}
    revisions = await store.find_revisions(connection, environment_id, sorted(numbers)) if numbers else {}
    return MessageFacts(
        environment.key,
        profiles,
        names,
        {number: RevisionFacts(*said) for number, said in revisions.items()},
        asked,
        frozenset(profile_ids - profiles.keys()),
    )
