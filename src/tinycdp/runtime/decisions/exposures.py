"""The exposures that decisions cause, on their way into Postgres.

Shape   record(…) after each decision, on the request's path and without I/O; record_reported(…) when a client reports
        what it showed. A task writes new rows once a second; flush() writes them at once, stop() at the end
Units   a unit counts once per flag, variant, rule and day (UTC) under each version of the flag and stage of its
        schedule. At most WAITING rows wait to be written, and at most REMEMBERED are known to be written
Laws    a decision never waits for its exposure, and never fails by it. What finds no room is counted and dropped, and
        the profile's next decision tries again. With Postgres away rows wait; a crash loses the last second.
        What memory forgets, Postgres knows: a row that exists already stays as it is
Errors  none from record. flush raises Unavailable and keeps its rows
Source  docs/decisions/0015-exposures.md
"""

import asyncio
import logging
from collections import Counter

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision, Program
from tinycdp.model import DAY_MS, Identifier, Instant
from tinycdp.runtime import clock
from tinycdp.runtime.background import PASSING, BufferedWriter
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.store import exposures as store
from tinycdp.store.database.pool import Pool, acquired

log = logging.getLogger(__name__)

#: Rows that wait at most, some 300 bytes each.
WAITING = 50_000
#: Answers remembered as recorded at most, some 75 bytes each.
REMEMBERED = 500_000
#: Rows of one statement: a few milliseconds of this process's time.
BATCH = 1_000
#: An impression older than this when a client reports it is not recorded.
REPORTED_WITHIN = 7 * DAY_MS
_PAUSE_SECONDS = 1.0
#: No identifier of a profile is longer, and a key of Postgres's index holds some 2,700 bytes.
_LONGEST_UNIT = 256
_LONGEST_NAME = 200


class Exposures(BufferedWriter):
    """The exposures of one process. `counts` counts those stored and those dropped."""

    def __init__(
        self,
        pool: Pool,
        counts: Counter[str],
        now: Clock = clock.now,
        *,
        waiting: int = WAITING,
        remembered: int = REMEMBERED,
    ) -> None:
        super().__init__("exposures", _PAUSE_SECONDS, failed=2 * _PAUSE_SECONDS)
        self._pool = pool
        self._now = now
        self.counts = counts
        self._most_waiting = waiting
        self._generation = max(remembered // 2, 1)
        # Marks of what is recorded: when the young ones are many they become the old ones, and those are forgotten.
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._day_begins = self._day_ends = 0
        self._rows: list[store.Exposed] = []
        self._flushing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def record(
        self, catalog: Catalog, decision: Decision, snapshot: Snapshot, now: Instant, *, exposed: bool = True
    ) -> None:
        """Record that the profile was given the decision's variant.

        If no profile was named, or `exposed` is False, record only that the flag was asked for."""
        definition = catalog.live.definitions["flag", decision.flag]
        program = catalog.live.flags[decision.flag]
        stage = 0 if now < program.until else _stage(program, now)
        unit = snapshot.unit if exposed else None
        # The profile, too: after an erasure the same unit is another profile, without exposures.
        whose = (unit, snapshot.profile_id)
        mark = hash(
            (catalog.environment_id, definition.id, definition.version, stage, decision.variant, decision.rule, whose)
        )
        if not self._day_begins <= now < self._day_ends:
            self._turn(now)
        if mark in self._young:
            return
        row = (
            catalog.environment_id,
            definition.id,
            definition.version,
            stage,
            decision.variant,
            unit,
            snapshot.profile_id or None,
            decision.rule or "",
            catalog.revision,
            now,
            None,
            None,
        )
        if mark in self._old or self._wait(row):
            self._remember(mark)

    def record_reported(
        self,
        catalog: Catalog,
        flag: str,
        variant: str,
        rule: str | None,
        identifier: Identifier,
        at: Instant,
        now: Instant,
    ) -> None:
        """Record that a client showed this variant to the profile of an identifier.

        The profile and its unit are looked up in Postgres when the row is written."""
        if at <= now - REPORTED_WITHIN:
            return
        definition = catalog.live.definitions["flag", flag]
        stage = _stage(catalog.live.flags[flag], at)
        name = (catalog.environment_id, definition.id, definition.version, stage)
        mark = hash((name, variant, rule, identifier.kind, identifier.value, at // DAY_MS))
        if not self._day_begins <= now < self._day_ends:
            self._turn(now)
        if mark in self._young:
            return
        row = (*name, variant, None, None, rule or "", catalog.revision, at, identifier.kind, identifier.value)
        if mark in self._old or self._wait(row):
            self._remember(mark)

    def _wait(self, row: store.Exposed) -> bool:
        """Queue the row if it can be written and there is room; False if not."""
        if len(self._rows) >= self._most_waiting or not _storable(row):
            self.counts["dropped"] += 1
            return False
        self._rows.append(row)
        if len(self._rows) == BATCH:
            self.loop.wake()
        return True

    def _remember(self, mark: int) -> None:
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, set()
        self._young.add(mark)

    def _turn(self, now: Instant) -> None:
        """Start another day: every unit counts again."""
        self._day_begins = now - now % DAY_MS
        self._day_ends = self._day_begins + DAY_MS
        self._young, self._old = set(), set()

    async def flush(self) -> None:
        """Write everything recorded until now."""
        async with self._flushing:
            left = len(self._rows)
            while left > 0:
                batch = self._rows[: min(left, BATCH)]
                stored = 0
                try:
                    async with acquired(self._pool) as connection:
                        stored = await store.record_exposures(connection, batch, self._now())
                except PASSING:
                    raise
                except Exception:
                    # It would fail the next time as well, and everything behind it would wait for ever.
                    log.exception("%d exposures cannot be written", len(batch))
                    self.counts["dropped"] += len(batch)
                self.counts["stored"] += stored
                del self._rows[: len(batch)]
                left -= len(batch)


def _stage(program: Program, now: Instant) -> int:
    """How many steps of the flag's schedule are due."""
    stage = 0
    while program.until <= now and program.then is not None:
        program, stage = program.then, stage + 1
    return stage


def _storable(row: store.Exposed) -> bool:
    """Whether Postgres takes these texts, and its index their length. Identifiers of profiles are always accepted."""
    variant, unit, rule = row[4], row[5] or "", row[7]
    if len(unit) > _LONGEST_UNIT or len(variant) > _LONGEST_NAME or len(rule) > _LONGEST_NAME:
        return False
    text = variant + rule + unit
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
