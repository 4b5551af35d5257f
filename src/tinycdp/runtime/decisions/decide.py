"""Decisions, from memory where possible.

Shape   known(…) finds whom to decide for, and by which catalog; decide_one(…) decides
Laws    a decision on the process that took the event reflects it at once. With `min_version`, the answer is at least
        as new. With Postgres away, known people are still decided, marked stale
Errors  NotFound FLAG_NOT_FOUND · Unavailable where Postgres is away and the person is not known here
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision, decide
from tinycdp.errors import NotFound, Unavailable
from tinycdp.model import Identifier, Instant
from tinycdp.runtime.decisions.snapshots import Snapshot, Snapshots, stranger
from tinycdp.runtime.definitions.catalogs import Catalogs

NO_CONTEXT: Mapping[str, Any] = {}


class Known(NamedTuple):
    """Whom to decide for, by which catalog, and whether what is known of them may be out of date."""

    catalog: Catalog
    subject: Snapshot
    stale: bool


class Decisions:
    def __init__(self, catalogs: Catalogs, snapshots: Snapshots) -> None:
        self._catalogs = catalogs
        self._snapshots = snapshots

    def at_hand(self, environment_id: int, identifier: Identifier, min_version: int) -> Snapshot | None:
        """The person's snapshot where memory has it, current and new enough."""
        snapshot = self._snapshots.find(environment_id, identifier.kind, identifier.value)
        return snapshot if snapshot is not None and snapshot.version >= min_version else None

    async def known(
        self, environment_id: int, identifier: Identifier | None, now: Instant, min_version: int = 0
    ) -> Known:
        """What is known of a person, with the catalog it fits: both may have become others while one was read."""
        subject, stale = None, False
        if identifier is not None:
            subject, stale = await self._find(environment_id, identifier, now, min_version)
        catalog = self._catalogs.serving(environment_id)
        return Known(catalog, subject if subject is not None else stranger(catalog, identifier, now), stale)

    async def _find(
        self, environment_id: int, identifier: Identifier, now: Instant, min_version: int
    ) -> tuple[Snapshot | None, bool]:
        if not self._snapshots.away:
            if (snapshot := self.at_hand(environment_id, identifier, min_version)) is not None:
                return snapshot, False
            try:
                return await self._snapshots.load(environment_id, identifier, now), False
            except Unavailable:
                pass
        if (snapshot := self._snapshots.find_stale(environment_id, identifier.kind, identifier.value)) is not None:
            return snapshot, True
        raise Unavailable("DATABASE_AWAY", "The database cannot be reached, and this person is not known here.")


def decide_one(
    catalog: Catalog, key: str, subject: Snapshot, now: Instant, context: Mapping[str, Any] = NO_CONTEXT
) -> Decision:
    """One flag's decision. Raises NotFound for a flag that does not exist."""
    program = catalog.live.flags.get(key)
    if program is None:
        raise NotFound("FLAG_NOT_FOUND", f"There is no flag {key!r}.")
    prepare(catalog, subject, now, context)
    decision = decide(program, subject, now)
    subject.release()
    return decision


def prepare(catalog: Catalog, subject: Snapshot, now: Instant, context: Mapping[str, Any] = NO_CONTEXT) -> None:
    """Set what the next evaluations of the subject see. Nothing may be awaited between this and them."""
    subject.bind(catalog)
    subject.now = max(subject.now, now)
    subject.context = context
    subject.killed = catalog.killed
