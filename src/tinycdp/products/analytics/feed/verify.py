"""Compares the copy in ClickHouse with Postgres, at one watermark.

Shape   verify(clickhouse, environment, catalogs) → list of CountDifference, empty if they agree
Laws    events by name and local day, profiles, and members of each live segment. The feed goes on meanwhile: ClickHouse
        is counted before Postgres, and again when it has all that Postgres had. What is counted there has to lie
        between the two. Only what differs in TRIES comparisons is a difference
"""

import asyncio
import contextlib
from dataclasses import dataclass

from tinycdp.products.analytics.feed.apply import live_segments
from tinycdp.products.analytics.feed.fill import CONSUMER
from tinycdp.products.analytics.feed.lag import watermark
from tinycdp.products.analytics.store import source
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store import outbox as outbox_store
from tinycdp.store.database.pool import snapshot

TRIES = 4
_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1
_LAST_POSITION = 2**62

#: What is counted, such as ("events", "purchase", "2026-03-01"), ("segment", "12") or ("profiles",) → how many.
Counts = dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class CountDifference:
    """A number that is not the same in both."""

    what: tuple[str, ...]
    postgres: int
    clickhouse: int


async def verify(clickhouse: ClickHouse, environment: Environment, catalogs: Catalogs) -> list[CountDifference]:
    """What differs. Raises Unavailable while the copy is being made."""
    lasting: set[tuple[str, ...]] | None = None
    for n in range(TRIES):
        await watermark(environment)
        found = await _compare(clickhouse, environment, catalogs)
        lasting = {one.what for one in found} if lasting is None else lasting & {one.what for one in found}
        if not lasting:
            return []
        if n + 1 < TRIES:
            await asyncio.sleep(_PAUSE_SECONDS)
    return [one for one in found if lasting and one.what in lasting]


async def _compare(clickhouse: ClickHouse, environment: Environment, catalogs: Catalogs) -> list[CountDifference]:
    target = Target(clickhouse, environment.id)
    async with snapshot(environment.pool) as connection:
        zone = (await definition_store.find_environment(connection, environment.id)).zone
    before = await target.counts(zone)
    async with snapshot(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        cursor = await outbox_store.find_cursor(connection, environment.id, CONSUMER)
        after = cursor.position if cursor is not None else 0
        unread = await outbox_store.read_outbox(connection, environment.id, after, _LAST_POSITION)
        theirs: Counts = {
            ("events", row.name, row.day.isoformat()): row.events
            for row in await source.counts_by_day(connection, environment.id, zone)
        }
        theirs["profiles",] = await source.counts_of_people(connection, environment.id)
        for row in await source.counts_of_members(connection, environment.id, *live_segments(catalog)):
            theirs["segment", str(row.segment_id)] = row.members
    if unread:
        await _wait_for(environment, unread[-1].position)
    later = await target.counts(zone)
    found = []
    for what in sorted(theirs.keys() | before.keys() | later.keys()):
        least, most = sorted((before.get(what, 0), later.get(what, 0)))
        if not least <= theirs.get(what, 0) <= most:
            found.append(CountDifference(what, theirs.get(what, 0), later.get(what, 0)))
    return found


async def _wait_for(environment: Environment, position: int) -> None:
    """Wait until the feed is there, for a while at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (await watermark(environment)).position < position:  # noqa: ASYNC110 - the feed may be elsewhere
                await asyncio.sleep(_POLL_SECONDS)


def in_words(found: list[CountDifference]) -> list[str]:
    """A line for each difference, and what to do."""
    lines = [f"{' '.join(one.what)}: Postgres {one.postgres:,}, ClickHouse {one.clickhouse:,}" for one in found]
    return [*lines, "Make the copy again: tinycdp analytics rebuild"] if lines else []
