"""How far an environment's copy is, and what changed in it since.

Shape   watermark(environment) → Watermark · standing(…) → the same with what else a question begins with
        lag(environment) → CopyLag
        newest_touch(…) → whether a cached answer still holds
Laws    all that was acknowledged before a watermark's `at` is in the copy. Read it before the answer it is stated with
        a cached answer made at position p holds, as of a watermark read now, if nothing it read was touched after p.
        A touch is in the copy before the watermark that includes it
Errors  Unavailable ANALYTICS_FILLING: the copy is being made, or is lost and will be made again
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from tinycdp.errors import Unavailable
from tinycdp.model import Instant
from tinycdp.products.analytics.feed.fill import CONSUMER
from tinycdp.products.analytics.store import source
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.source import StandingRow
from tinycdp.products.analytics.store.target import EVERYBODY, Target
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import MOST_COUNTED
from tinycdp.store.database.pool import Connection, acquired

_RETRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a copy is.

    position  a version of a tracking answer: everything up to it is in the copy
    at        what was acknowledged before is in the copy"""

    position: int
    at: Instant


@dataclass(frozen=True, slots=True)
class CopyLag:
    """How far a copy is behind.

    rows     transactions that it lacks, MOST_COUNTED at most
    seconds  since the oldest of them"""

    rows: int
    seconds: float


async def watermark(environment: Environment) -> Watermark:
    """The instant and the position of which answers are true."""
    # Before the statement: what is acknowledged while it runs may be missing.
    now = environment.now()
    async with acquired(environment.pool) as connection:
        found = await source.watermark(connection, environment.id, CONSUMER, now)
    if found is None:
        raise _filling()
    return Watermark(found.position, found.at)


async def standing(connection: Connection, environment: Environment) -> StandingRow:
    """The watermark, the revisions of the definitions and the newest save, in one statement."""
    now = environment.now()  # as above
    if (found := await source.standing(connection, environment.id, CONSUMER, now)) is None:
        raise _filling()
    return found


async def lag(environment: Environment) -> CopyLag:
    """How far the copy is behind."""
    async with acquired(environment.pool) as connection:
        found = await source.lag(connection, environment.id, CONSUMER, MOST_COUNTED)
    if found is None:
        raise _filling()
    seconds = max(environment.now() - found.oldest_at, 0) / 1000 if found.oldest_at is not None else 0.0
    return CopyLag(found.rows, seconds)


async def newest_touch(
    clickhouse: ClickHouse,
    environment_id: int,
    names: Collection[str] | None,
    days: tuple[date, date],
    *,
    noted: Collection[tuple[str, str]] = (),
) -> int:
    """The newest position that changed what an answer read; 0 for none.

    names   of its events, None for any
    days    the first and the last local day of its events
    noted   what it read of people"""
    everything = [*noted, EVERYBODY] if noted else []
    return await Target(clickhouse, environment_id).newest_change(names, days, everything)


def _filling() -> Unavailable:
    return Unavailable(
        "ANALYTICS_FILLING",
        "Analytics is copying the events of this environment; try again in a while.",
        retry_after_seconds=_RETRY_SECONDS,
    )
