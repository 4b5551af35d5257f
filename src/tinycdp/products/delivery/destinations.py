"""The destinations of an environment as lanes and the log need them.

Shape   Destinations().of(connection, environment_id) → the destinations, in memory until a save changes them
        facts_of(connection, …) → what bodies say of some happenings; Destinations.facts(…) with values of expressions
Laws    never stale: each call reads the number of the newest save, one entry of an index
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND
from tinycdp.products.delivery.definitions.requests import RequestPlans, plans_of
from tinycdp.products.delivery.definitions.schemas import (
    AnyDestination,
    BatchDestination,
    DestinationDocument,
    HttpDocument,
    SmtpDocument,
)
from tinycdp.products.delivery.happenings import EVENT, Happening, WantedHappenings
from tinycdp.products.delivery.mapping.nodes import RecordMapping
from tinycdp.products.delivery.mapping.reading import read_mapping
from tinycdp.products.delivery.messages import EventFacts, MessageFacts, ProfileFacts, RevisionFacts
from tinycdp.products.delivery.store import log as store
from tinycdp.products.delivery.values import GivenEvent, OutdatedExpression, ProfileValues
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store import identity as identity_store
from tinycdp.store.database.pool import Connection
from tinycdp.store.products import saved as saved_store


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination: its lane's id, its document, and the segments that it names.

    plans        how its requests are made, by type
    record       makes the data of records in batches, or e-mails
    expressions  that its mappings read"""

    id: int
    key: str
    document: DestinationDocument
    wanted: WantedHappenings
    plans: RequestPlans | None = None
    record: RecordMapping | None = None
    expressions: tuple[str, ...] = ()


class Destinations:
    """The destinations of each environment, in memory."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, list[Destination]]] = {}
        self._values = ProfileValues()

    async def of(self, connection: Connection, environment_id: int) -> list[Destination]:
        """All destinations."""
        change = await saved_store.newest_change(connection, environment_id)
        known = self._known.get(environment_id)
        if known is not None and known[0] == change:
            return known[1]
        rows = [row for row in await DESTINATIONS.current(connection, environment_id) if row.kind == KIND]
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
                names = frozenset(document.event_names) or None
                wanted = WantedHappenings(frozenset(document.events), segments, names)
                plans = plans_of(document) if isinstance(document, HttpDocument) else None
                read = [one for path, document_ in document.mappings() if (one := read_mapping(document_, path)[0])]
                sources = tuple(dict.fromkeys(source for one in read for source in one.expressions))
                record = read[0] if read and isinstance(document, SmtpDocument | BatchDestination) else None
                found.append(Destination(row.definition_id, row.key, document, wanted, plans, record, sources))
        self._known[environment_id] = (change, found)
        return found

    async def facts(
        self,
        connection: Connection,
        environment: Environment,
        destination: Destination,
        happenings: Sequence[Happening],
    ) -> MessageFacts:
        """What is true now of some happenings, with the values that the destination's mappings read."""
        while (facts := await self._facts(connection, environment, destination, happenings)) is None:
            pass  # a profile was merged or erased between two reads
        return facts

    async def _facts(
        self,
        connection: Connection,
        environment: Environment,
        destination: Destination,
        happenings: Sequence[Happening],
    ) -> MessageFacts | None:
        """The same, None if the profiles changed meanwhile: a person who is not found must not count as left out."""
        facts = await facts_of(connection, environment.id, happenings)
        document = destination.document
        left_out = {one.seq for one in happenings if _is_denied(document, facts.events.get(one.object_id or 0), one)}
        if not destination.expressions and not document.where and document.sample == 1:
            return replace(facts, left_out=frozenset(left_out))
        profile_of = {
            one.seq: facts.profiles[one.profile_id].id
            for one in happenings
            if one.profile_id is not None and one.profile_id in facts.profiles
        }
        ids = set(profile_of.values())
        read = await self._values.read(connection, environment.id, ids, environment.now())
        if not ids <= set(read.ids):
            return None
        try:
            values = {id: read.values(id, destination.expressions) for id in ids}
            for one in happenings:
                if (id := profile_of.get(one.seq)) is not None and not (
                    _is_sampled(destination, id)
                    and (not document.where or read.passes(id, document.where, _given(facts, one)))
                ):
                    left_out.add(one.seq)
        except OutdatedExpression as outdated:
            return replace(facts, problem=str(outdated))
        plain = {id: {source: one.value for source, one in found.items()} for id, found in values.items()}
        return replace(facts, values=plain, left_out=frozenset(left_out))


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
        one.object_id
        for one in happenings
        if one.object_id is not None and one.type != EVENT and not one.type.startswith("profile.")
    }
    events = [one for one in happenings if one.type == EVENT and one.object_id is not None]
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
        await _events(connection, environment_id, events),
    )


async def _events(
    connection: Connection, environment_id: int, happenings: Sequence[Happening]
) -> dict[int, EventFacts]:
    if not happenings:
        return {}
    ids = [one.object_id or 0 for one in happenings]
    rows = await store.forwarded_events(connection, environment_id, ids, min(one.at for one in happenings))
    return {
        row.id: EventFacts(row.kind, row.name, row.message_id, row.received_at, row.properties, row.context)
        for row in rows
    }


def _given(facts: MessageFacts, happening: Happening) -> GivenEvent | None:
    if happening.type != EVENT or (event := facts.events.get(happening.object_id or 0)) is None:
        return None
    return GivenEvent(event.properties, event.context)


def _is_denied(document: AnyDestination, event: EventFacts | None, happening: Happening) -> bool:
    """Whether a message says that one of the destination's purposes was not granted."""
    if not document.consent or happening.type != EVENT or event is None:
        return False
    consent = event.context.get("consent")
    stated = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    preferences = stated if isinstance(stated, dict) else {}
    return any(preferences.get(purpose, True) is not True for purpose in document.consent)


def _is_sampled(destination: Destination, profile_id: int) -> bool:
    """Whether a profile is in the sample: always the same ones, and others for another destination."""
    share = destination.document.sample
    if share >= 1:
        return True
    digest = hashlib.blake2b(f"{destination.id}:{profile_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64
