"""The key figures of an environment minute by minute, of all processes together.

Shape   the metrics count in memory; MetricsHistory writes them; history(…) reads them
Units   a minute of the clock. Each process writes a minute once, right after its end, with one statement for an
        environment; what it counted after its last write is written when it stops
Laws    nothing that was counted is lost while the database is away: it is written later, with the minute
        in which the outage began. A write that is cancelled goes on, and is counted once.
        Only environments that the process has counted something of are written
Source  docs/reference/operations.md "History"
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.model import MINUTE_MS, Instant
from tinycdp.runtime.background import BufferedWriter
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.metrics import MINUTE_BOUNDS_MS, Metrics, Minute
from tinycdp.store.database import figures as store
from tinycdp.store.database.pool import Pool, acquired
from tinycdp.times import iso

MOST_MINUTES = 1_440
_RETRY_SECONDS = 5.0


class MetricsHistory(BufferedWriter):
    """Writes what one process has counted."""

    def __init__(self, metrics: Metrics, pool: Pool, now: Clock) -> None:
        super().__init__("history of metrics", MINUTE_MS / 1000, failed=_RETRY_SECONDS)
        self._metrics = metrics
        self._pool = pool
        self._now = now
        self._minute = _start(now())

    async def tick(self) -> float:
        """Write the minute that has ended; returns the seconds until the next one ends."""
        now = self._now()
        if _start(now) > self._minute:
            await self.flush()
            self._minute = _start(now)
        return (MINUTE_MS - self._now() % MINUTE_MS) / 1000

    async def flush(self) -> None:
        """Write what was counted, as of the minute in which counting began."""
        for environment_id in list(self._metrics.minutes):
            writing = asyncio.create_task(self._write(environment_id))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait({writing}, timeout=self.DRAIN_SECONDS)
                raise

    async def _write(self, environment_id: int) -> None:
        counted = self._metrics.minutes[environment_id]
        self._metrics.minutes[environment_id] = Minute()
        counts = (counted.accepted, counted.duplicates, counted.rejected, counted.decisions)
        try:
            async with acquired(self._pool) as connection:
                await store.add_minute(
                    connection, environment_id, self._minute, counts, counted.ingest.counts, self._now()
                )
        except BaseException:
            self._metrics.minutes[environment_id].add(counted)
            raise


def _start(now: Instant) -> Instant:
    return now - now % MINUTE_MS


@dataclass(frozen=True, slots=True)
class MinuteFigures:
    """One minute of an environment.

    ingest_p50_ms, ingest_p99_ms  how long tracking requests waited for their commit; None if there were none
    lag_ms  how long the most overdue wake-up had waited; None if no process has written the minute"""

    at: str
    accepted: int
    duplicates: int
    rejected: int
    decisions: int
    ingest_p50_ms: float | None
    ingest_p99_ms: float | None
    lag_ms: int | None


@dataclass(frozen=True, slots=True)
class FiguresHistory:
    """Minutes, the oldest first. The last one has ended; a process may write it a few seconds later."""

    minutes: list[MinuteFigures]
    as_of: str


async def history(environment: Environment, n: int, until: Instant | None = None) -> FiguresHistory:
    """The last n minutes that ended by an instant, by default by now."""
    now = environment.now()
    end = _start(min(until, now) if until is not None else now)
    starts = range(end - n * MINUTE_MS, end, MINUTE_MS)
    async with acquired(environment.pool) as connection:
        rows = await store.list_minutes(connection, environment.id, starts[0], end)
    by_minute = {row.minute: _figures(row) for row in rows}
    return FiguresHistory([by_minute.get(at) or _nothing(at) for at in starts], iso(now))


def _nothing(at: Instant) -> MinuteFigures:
    return MinuteFigures(iso(at), 0, 0, 0, 0, None, None, None)


def _figures(row: store.MinuteRow) -> MinuteFigures:
    return MinuteFigures(
        iso(row.minute),
        row.accepted,
        row.duplicates,
        row.rejected,
        row.decisions,
        percentile(row.ingest, 0.5),
        percentile(row.ingest, 0.99),
        row.lag_ms,
    )


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The duration in milliseconds that this share does not exceed, interpolated inside its bucket.

    It is None without durations, and the last bound at most."""
    wanted, below, lower = sum(counts) * share, 0, 0.0
    if not wanted:
        return None
    for bound, count in zip(MINUTE_BOUNDS_MS, counts, strict=False):
        if count and below + count >= wanted:
            return round(lower + (bound - lower) * (wanted - below) / count, 2)
        below, lower = below + count, bound
    return float(MINUTE_BOUNDS_MS[-1])
