"""Compares the copy in ClickHouse with Postgres, at one watermark.

Shape   verify(clickhouse, environment, catalogs) → list of CountDifference, empty if they agree
Laws    events by name and local day, profiles, and members of each live segment. Events that the feed has not read yet
        are not missing: the outbox names them. Only what differs in TRIES comparisons is a difference, because the feed
        goes on meanwhile
"""

import asyncio
from dataclasses import dataclass

from tinycdp.engine import outbox as changes
from tinycdp.products.analytics.feed.apply import live_segments
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
    async with snapshot(environment.pool) as connection:
        cursor = await outbox_store.find_cursor(connection, environment.id, "analytics")
        after = cursor.position if cursor is not None else 0
        unread = await outbox_store.read_outbox(connection, environment.id, after, 2**62)
        catalog = await catalogs.current_in(connection, environment.id)
        zone = (await definition_store.find_environment(connection, environment.id)).zone
        lacking = [
            id
            for row in unread
            for change in changes.decode(row.changes)
            if isinstance(change, changes.StoredEvents)
            for id, _ in change.pairs()
        ]
        days = await source.counts_by_day(connection, environment.id, zone, lacking)
        theirs: Counts = {("events", row.name, row.day.isoformat()): row.events for row in days}
        theirs["profiles",] = await source.counts_of_people(connection, environment.id)
        for row in await source.counts_of_members(connection, environment.id, *live_segments(catalog)):
            theirs["segment", str(row.segment_id)] = row.members
    ours = await Target(clickhouse, environment.id).counts(zone)
    what = sorted(theirs.keys() | ours.keys())
    return [
        CountDifference(one, theirs.get(one, 0), ours.get(one, 0))
        for one in what
        if theirs.get(one, 0) != ours.get(one, 0)
    ]


def in_words(found: list[CountDifference]) -> list[str]:
    """A line for each difference, and what to do."""
    lines = [f"{' '.join(one.what)}: Postgres {one.postgres:,}, ClickHouse {one.clickhouse:,}" for one in found]
    return [*lines, "Make the copy again: tinycdp analytics rebuild"] if lines else []
