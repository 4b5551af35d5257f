"""What is measured of destinations, for Prometheus.

Shape   gauges(pool, now) → the series of the first MOST destinations, as the database has them
Laws    one read, however many destinations there are
Source  docs/reference/operations.md
"""

from collections.abc import Callable

from tinycdp.model import Instant
from tinycdp.products.delivery.store import lanes as store
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


async def gauges(pool: Pool, now: Instant) -> list[LabelledGauge]:
    """All series of destinations."""
    async with acquired(pool) as connection:
        rows = await store.lane_figures(connection, MOST)
    return [
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
