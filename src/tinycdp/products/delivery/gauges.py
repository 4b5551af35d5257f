"""What is measured of destinations and syncs, for Prometheus.

Shape   gauges(pool, now) → the series of the first MOST destinations and syncs, as the database has them
Laws    two reads, however many there are
Source  docs/reference/operations.md
"""

from collections.abc import Callable

from tinycdp.model import Instant
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store import syncs as sync_store
from tinycdp.runtime.metrics import LabelledGauge
from tinycdp.store.database.pool import Pool, acquired

MOST = 200

_LABELS = ("environment", "destination")
_SERIES: tuple[tuple[str, str, Callable[[store.LaneFiguresRow, Instant], float]], ...] = (
    ("active", "1 while it is sent to; 0 while it is paused or disabled.", lambda row, _: float(row.is_active)),
    ("behind", "Happenings of the log after its cursor, wanted or not.", lambda row, _: row.behind),
    ("lag_seconds", "Age of the oldest of them.", lambda row, now: seconds_since(row.oldest_at, now)),
    ("waiting", "Deliveries that wait for an attempt, at most 100,000.", lambda row, _: row.waiting),
    ("undelivered", "Deliveries that were given up, at most 100,000.", lambda row, _: row.undelivered),
    ("delivered_total", "Deliveries that arrived.", lambda row, _: row.delivered),
    ("failed_total", "Attempts that failed.", lambda row, _: row.failed),
)
_OF_SYNCS: tuple[tuple[str, str, Callable[[sync_store.SyncFiguresRow], float]], ...] = (
    (
        "active",
        "1 while it runs; 0 while it is paused, braked or its last run failed.",
        lambda row: float(row.is_active),
    ),
    ("unsettled", "Records that failed, wait or have no match key, at most 100,000.", lambda row: row.unsettled),
    ("removals", "Keys that have to leave the receiver, at most 100,000.", lambda row: row.removals),
    ("sent_total", "Records that were acknowledged.", lambda row: row.sent),
    ("removed_total", "Removals that were acknowledged.", lambda row: row.removed),
    ("differences_total", "Differences that nightly comparisons found.", lambda row: row.differences),
)


async def gauges(pool: Pool, now: Instant) -> list[LabelledGauge]:
    """All series of destinations and syncs."""
    async with acquired(pool) as connection:
        rows = await store.lane_figures(connection, MOST)
        syncs = await sync_store.sync_figures(connection, MOST)
    of_syncs: list[LabelledGauge] = [
        (
            f"tinycdp_sync_{name}",
            text,
            ("environment", "sync"),
            {(row.environment, row.sync): value(row) for row in syncs},
        )
        for name, text, value in _OF_SYNCS
    ]
    return of_syncs + [
        (
            f"tinycdp_destination_{name}",
            text,
            _LABELS,
            {(row.environment, row.destination): value(row, now) for row in rows},
        )
        for name, text, value in _SERIES
    ]


def seconds_since(at: Instant | None, now: Instant) -> float:
    """How long ago something was recorded; 0 without an instant."""
    return 0.0 if at is None else max(now - at, 0) / 1000
