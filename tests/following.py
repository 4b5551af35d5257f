"""A consumer of the outbox that knows nothing but what it reads there, and the truth it is compared with.

Shape   Replay(environment).follow(pool, consumer) reads and acknowledges until nothing is left · differences(pool) is
        empty where what was replayed is what the tables have
"""

from collections import Counter, defaultdict
from typing import Any

from tinycdp.engine import outbox as changes
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.outbox import CommittedChanges, Consumer
from tinycdp.store.database.pool import Connection, Pool, transaction


class Replay:
    """events    event id → identifier id, of those that were there when they were read
    owners    identifier id → profile id
    members   profile id → its segments
    entries   transitions, as (profile, segment, entered, at)
    merges    id → [survivor, absorbed, whether it was undone]"""

    def __init__(self, environment_id: int) -> None:
        self.environment_id = environment_id
        self.positions: list[int] = []
        self.events: dict[int, int] = {}
        self.owners: dict[int, int] = {}
        self.members: defaultdict[int, set[int]] = defaultdict(set)
        self.entries: list[tuple[int, int, bool, Instant]] = []
        self.causes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.merges: dict[int, list[Any]] = {}
        self.erasures: list[int] = []

    async def follow(self, pool: Pool, consumer: Consumer, now: Instant, most: int = 7) -> None:
        while batch := await consumer.read(most):
            async with transaction(pool) as connection:
                for row in batch.rows:
                    await self.apply(connection, row)
                await consumer.acknowledge(connection, batch, now)

    async def apply(self, connection: Connection, row: CommittedChanges) -> None:
        assert not self.positions or row.position > self.positions[-1], "in order, and once"
        self.positions.append(row.position)
        for change in row.changes:
            self.kinds[type(change).__name__] += 1
            match change:
                case changes.StoredEvents():
                    await self._store(connection, change)
                case changes.Transitions(rows=crossings):
                    for one in crossings:
                        self.causes[one.cause] += 1
                        self.entries.append((one.profile_id, one.segment_id, one.entered, one.at))
                        members = self.members[one.profile_id]
                        (members.add if one.entered else members.discard)(one.segment_id)
                case changes.Moved(to_id=to_id, identifiers=identifiers):
                    self.owners.update(dict.fromkeys(identifiers, to_id))
                case changes.Merged(id=id, survivor_id=survivor, absorbed_id=absorbed):
                    self.members[survivor] |= self.members.pop(absorbed, set())
                    self.merges[id] = [survivor, absorbed, False]
                case changes.Unmerged(merges=undone, profiles=made):
                    for id in undone:
                        self.merges[id][2] = True
                    self.members.update({id: set(segments) for id, segments in made})
                case changes.Erased(erasure_id=id, profiles=profiles, identifiers=identifiers):
                    self.erasures.append(id)
                    self._forget(set(profiles), set(identifiers))
                case changes.Written() | changes.RecordedExposures():
                    pass

    async def _store(self, connection: Connection, change: changes.StoredEvents) -> None:
        owners = dict(change.pairs())
        for first, last in change.ids:
            rows = await connection.fetch(
                "SELECT id, identifier_id FROM events WHERE environment_id = $1 AND id BETWEEN $2 AND $3"
                " AND received_at BETWEEN $4 AND $5",
                self.environment_id, first, last, *change.received,
            )  # fmt: skip
            for id, identifier_id in rows:
                assert id not in self.events or self.erasures, "an event comes once, and again if it was kept"
                self.events[id] = identifier_id
                self.owners[identifier_id] = owners[id]

    def _forget(self, profiles: set[int], identifiers: set[int]) -> None:
        self.events = {
            id: identifier_id for id, identifier_id in self.events.items() if identifier_id not in identifiers
        }
        self.entries = [entry for entry in self.entries if entry[0] not in profiles]
        for id in profiles:
            self.members.pop(id, None)

    async def differences(self, pool: Pool) -> dict[str, Any]:
        """What the tables have otherwise than it was replayed, by table."""
        catalog = await Catalogs().refresh(pool, self.environment_id)
        segments = {one.fingerprint: one.id for one in catalog.segments if not one.is_candidate}
        async with pool.acquire() as connection:

            async def rows(query: str) -> list[Any]:
                return await connection.fetch(query, self.environment_id)

            events = await rows(
                "SELECT e.id, a.profile_id FROM events e JOIN identifiers a USING (environment_id)"
                " WHERE environment_id = $1 AND a.id = e.identifier_id"
            )
            entries = await rows(
                "SELECT profile_id, segment_id, entered, at FROM transitions"
                " WHERE environment_id = $1 AND cause IS DISTINCT FROM 'moved' ORDER BY id"
            )
            memberships = await rows("SELECT profile_id, fingerprint FROM memberships WHERE environment_id = $1")
            merges = await rows("SELECT id, survivor_id, absorbed_id, undone_at FROM merges WHERE environment_id = $1")
            erasures = await rows("SELECT id FROM erasures WHERE environment_id = $1 ORDER BY id")
        members: defaultdict[int, set[int]] = defaultdict(set)
        for profile_id, fingerprint in memberships:
            if fingerprint in segments:
                members[profile_id].add(segments[fingerprint])
        undone = {row["id"]: [row["survivor_id"], row["absorbed_id"], row["undone_at"] is not None] for row in merges}
        # An erasure takes the merges along that any of the identifiers had a part in.
        kept = {id: one for id, one in self.merges.items() if id in undone or not self.erasures}
        pairs = {
            "events": (
                dict(map(tuple, events)),
                {id: self.owners[identifier] for id, identifier in self.events.items()},
            ),
            "transitions": (by_profile(map(tuple, entries)), by_profile(self.entries)),
            "memberships": (dict(members), {id: found for id, found in self.members.items() if found}),
            "merges": (undone, kept),
            "erasures": ([row["id"] for row in erasures], self.erasures),
        }
        return {table: both for table, both in pairs.items() if both[0] != both[1]}


def by_profile(entries: Any) -> dict[int, list[Any]]:
    """Transitions, those of each profile in their order; those of one instant, whose order means nothing, sorted."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for profile_id, *entry in entries:
        found[profile_id].append(tuple(entry))
    return {id: found[id] for id in sorted(found)}
