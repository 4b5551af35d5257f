"""One batch of the outbox, into ClickHouse.

Shape   apply(target, environment, catalogs, batch): everything of the batch is in ClickHouse when it returns
Laws    it may be killed at any instant and repeated, also by two processes at once: every statement changes nothing the
        second time. The watermark is written last: what it says is there.
        Everything is read in one snapshot, taken after the batch, so nothing of the batch is missing. What changed
        since then is in a later batch, which brings it again. The profile of an event is that of its own transaction
"""

import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing

from tinycdp.engine.catalog import Catalog
from tinycdp.model import Instant
from tinycdp.products.analytics.feed.plan import Plan, pieces, plan_of
from tinycdp.products.analytics.store.errors import QuestionFailed
from tinycdp.products.analytics.store.source import CopiedRows, Reader
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import Batch
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import snapshot

log = logging.getLogger(__name__)

#: Events of one insert.
EVENTS = 50_000
#: ClickHouse's codes for text that it cannot read.
_UNREADABLE = frozenset({6, 26, 27, 38, 41, 72, 117})
#: Before every instant that Postgres has.
_BEGINNING: Instant = -62_135_596_800_000


async def apply(target: Target, environment: Environment, catalogs: Catalogs, batch: Batch) -> None:
    """Bring ClickHouse to the end of a batch that is not empty."""
    plan = plan_of(batch)
    async with snapshot(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        zone = (await definition_store.find_environment(connection, environment.id)).zone
        await _erase(target, plan, zone)
        reader = Reader(connection, environment.id)
        await _copy_events(target, reader, plan, batch.key, zone)
        await _copy_profiles(target, reader, plan, catalog)
    await _move(target, plan)
    await target.note(plan.noted, plan.last)
    await target.insert_values("watermarks", ("position", "at"), [(plan.last, batch.rows[-1].at)])


async def _erase(target: Target, plan: Plan, zone: str) -> None:
    """Delete what was erased, and what is stored again."""
    if plan.erased_identifiers:
        await target.touch_identifiers(plan.erased_identifiers, zone, plan.last)
        for table in ("events", "said", "overrides"):
            await target.erase(table, "identifier_id", plan.erased_identifiers)
        await target.reload_who()
    for table in ("people", "moved"):
        await target.erase(table, "profile_id", plan.erased_profiles)
    await target.erase_runs("exposed", "id", plan.erased_exposures)
    await target.erase_replaced(plan.restored)


async def _copy_events(target: Target, reader: Reader, plan: Plan, key: str, zone: str) -> None:
    if plan.received is not None:
        for n, ids in enumerate(pieces(sorted(plan.events), EVENTS)):
            # The instant: positions come again if Postgres is restored from a backup.
            await _insert_events(target, reader, plan, ids, f"{key}:{plan.since}:{n}")
            await target.insert("said", await reader.copy("said_of_batch", ids, *plan.received))
            await target.insert("noted", await reader.copy("noted_of_batch", ids, *plan.received, plan.last))
            await target.insert("touched", await reader.copy("touched_by_batch", ids, *plan.received, zone, plan.last))
    if plan.overrides:
        await target.insert("touched", await reader.copy("touched_by_moves", list(plan.overrides), zone, plan.last))


async def _insert_events(
    target: Target, reader: Reader, plan: Plan, ids: list[int], token: str, *, bare: bool = False
) -> None:
    """Insert events. One whose properties ClickHouse refuses is stored without them, and holds up no other."""
    assert plan.received is not None
    profiles, restored = map(list, zip(*(plan.events[id] for id in ids), strict=True))
    rows = await reader.copy("events_of_batch", ids, profiles, restored, *plan.received, bare)
    try:
        await target.insert("events", rows, token=token)
    except QuestionFailed as failure:
        if failure.number not in _UNREADABLE or bare:
            raise
        if len(ids) == 1:
            log.error("event %d is stored without its properties: %s", ids[0], failure.text)
            await _insert_events(target, reader, plan, ids, f"{token}-", bare=True)
            return
        middle = len(ids) // 2
        await _insert_events(target, reader, plan, ids[:middle], f"{token}<")
        await _insert_events(target, reader, plan, ids[middle:], f"{token}>")


async def _copy_profiles(target: Target, reader: Reader, plan: Plan, catalog: Catalog) -> None:
    fingerprints, segments = live_segments(catalog)
    for people in pieces(sorted(plan.people), EVENTS):
        rows = await reader.copy("people_of_batch", people, fingerprints, segments, plan.last)
        await target.insert("people", rows)
    for profiles, since in ((plan.histories - plan.anew, plan.since), (plan.anew, _BEGINNING)):
        if profiles:
            await target.insert("moved", await reader.copy("moved_of_batch", sorted(profiles), since))
    if plan.exposures or plan.rejoined or plan.people:
        firsts, lasts = [first for first, _ in plan.exposures], [last for _, last in plan.exposures]
        rows = await reader.copy(
            "exposed_of_batch", firsts, lasts, sorted(plan.rejoined), plan.since, sorted(plan.people)
        )
        await target.insert("exposed", _noting_flags(rows, plan))


def _noting_flags(rows: CopiedRows, plan: Plan) -> CopiedRows:
    """The exposures as they are; whose flags they are is noted as they pass."""
    place = rows.columns.index("definition_id")

    async def passing() -> AsyncGenerator[bytes, None]:
        async with aclosing(rows.chunks) as chunks:
            async for chunk in chunks:
                flags = {bytes(line.split(b"\t", place + 1)[place]) for line in chunk.splitlines()}
                plan.noted |= {("flag", flag.decode()) for flag in flags}
                yield chunk

    return CopiedRows(rows.columns, passing())


async def _move(target: Target, plan: Plan) -> None:
    rows = [(identifier, profile, version) for identifier, (profile, version) in plan.overrides.items()]
    if rows:
        await target.insert_values("overrides", ("identifier_id", "profile_id", "version"), rows)
        await target.reload_who()


def live_segments(catalog: Catalog) -> tuple[list[int], list[int]]:
    """The fingerprints of the live segments, and their ids."""
    live: Mapping[int, int] = {one.fingerprint: one.id for one in catalog.segments if not one.is_candidate}
    fingerprints: Collection[int] = sorted(live)
    return list(fingerprints), [live[one] for one in fingerprints]
