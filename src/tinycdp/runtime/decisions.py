"""Decisions, from memory where possible.

Shape   decide(…) for one flag and decide_all(…) for several, each for one person named by an alias
Laws    a decision on the process that took the event reflects it at once. With `min_version`, the answer is at least
        as new. With Postgres away, known people are still decided, marked stale
Errors  NotFound FLAG_NOT_FOUND · Unavailable where Postgres is away and the person is not known here
"""

from collections.abc import Mapping
from typing import Any

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.decide import Decision, decide
from tinycdp.errors import NotFound, Unavailable
from tinycdp.model import Alias, Instant
from tinycdp.runtime.snapshots import Snapshot, Snapshots, stranger

NO_CONTEXT: Mapping[str, Any] = {}


class Decisions:
    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def at_hand(self, environment_id: int, alias: Alias, min_version: int) -> Snapshot | None:
        """The person's snapshot where memory has it, current and new enough."""
        snapshot = self._snapshots.find(environment_id, alias.kind, alias.value)
        return snapshot if snapshot is not None and snapshot.version >= min_version else None

    async def subject(
        self, catalog: Catalog, alias: Alias | None, now: Instant, min_version: int = 0
    ) -> tuple[Snapshot, bool]:
        """Whom to decide for, and whether what is known of them may be out of date."""
        if alias is None:
            return stranger(catalog, None, now), False
        environment_id = catalog.environment_id
        if not self._snapshots.away:
            if (snapshot := self.at_hand(environment_id, alias, min_version)) is not None:
                return snapshot, False
            try:
                loaded = await self._snapshots.load(environment_id, alias, catalog, now)
            except Unavailable:
                pass
            else:
                return loaded if loaded is not None else stranger(catalog, alias, now), False
        if (snapshot := self._snapshots.find_stale(environment_id, alias.kind, alias.value)) is not None:
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
    subject.profile.look_away()
    return decision


def prepare(catalog: Catalog, subject: Snapshot, now: Instant, context: Mapping[str, Any] = NO_CONTEXT) -> None:
    """Set what the next evaluations of the subject see. Nothing may be awaited between this and them."""
    subject.bind(catalog)
    subject.now = max(subject.now, now)
    subject.context = context
    subject.killed = catalog.killed
