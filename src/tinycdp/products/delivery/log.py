"""Writes what happened and some destination wants: a consumer of the outbox.

Shape   HappeningLog(environment, destinations).step() → how many happenings were written, and whether more waits
Laws    the happenings of a batch are written in the transaction that moves the consumer's cursor: none twice, no gaps.
        seq has no gaps, and its order is that of commits, because the log's row is held while they are written
Errors  Overtaken: another process was quicker · NoSuchConsumer: there is no destination
Source  docs/decisions/0045-delivery.md
"""

import logging
from dataclasses import dataclass, replace

from tinycdp.products.delivery.definitions.kinds import CONSUMER
from tinycdp.products.delivery.destinations import Destinations
from tinycdp.products.delivery.happenings import (
    EVENT,
    Happening,
    NamedEvent,
    erased_in,
    happenings_of,
    of_all,
    stored_in,
)
from tinycdp.products.delivery.store import lanes as lane_store
from tinycdp.products.delivery.store import log as store
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import Batch, Consumer, Lapsed, register_in, unregister_in
from tinycdp.store.database.pool import Connection, acquired, transaction

log = logging.getLogger(__name__)

_ROWS = 500


@dataclass(frozen=True, slots=True)
class LogStep:
    """What a step wrote, and whether more waits. last_seq: of the newest happening"""

    written: int
    last_seq: int
    is_behind: bool


class HappeningLog:
    """The log of one environment."""

    def __init__(self, environment: Environment, destinations: Destinations) -> None:
        self._environment = environment
        self._destinations = destinations
        self._consumer = Consumer(environment, CONSUMER)

    async def step(self) -> LogStep | None:
        """Write one batch; None if there is no log."""
        try:
            batch = await self._consumer.read(_ROWS)
        except Lapsed:
            await self._begin_again()
            batch = await self._consumer.read(_ROWS)
        async with acquired(self._environment.pool) as connection:
            seen = await store.see_log(connection, self._environment.id)
        if seen is None:
            return None
        if not batch and seen.revision == seen.live_revision:
            return LogStep(0, seen.last_seq, is_behind=False)
        return await self._write(batch)

    async def _write(self, batch: Batch) -> LogStep | None:
        environment_id, now = self._environment.id, self._environment.now()
        async with transaction(self._environment.pool) as connection:
            held = await store.hold_log(connection, environment_id)
            if held is None:
                return None
            wanted = of_all(one.wanted for one in await self._destinations.of(connection, environment_id))
            events = await self._events(connection, batch, wanted.names) if EVENT in wanted.types else {}
            found: list[Happening] = []
            erased: list[int] = []
            for row in batch.rows:
                found += filter(wanted.has, happenings_of(row.position, row.at, row.changes, events))
                erased += erased_in(row.changes)
            if held.revision != held.live_revision:
                flags = await self._flags(connection, held.revision, held.live_revision, batch.last, now)
                found += filter(wanted.has, flags)
            if erased:
                await lane_store.erase_profiles(connection, environment_id, erased)
            numbered = [replace(one, seq=held.last_seq + n) for n, one in enumerate(found, 1)]
            if numbered:
                await store.append_happenings(connection, environment_id, now, numbered)
            last = held.last_seq + len(numbered)
            await store.move_log(connection, environment_id, last, held.live_revision)
            if batch:
                await self._consumer.acknowledge(connection, batch, now)
        return LogStep(len(numbered), last, is_behind=len(batch.rows) >= _ROWS)

    async def _events(
        self, connection: Connection, batch: Batch, wanted: frozenset[str] | None
    ) -> dict[int, NamedEvent]:
        """A batch's messages of these names; None for all."""
        stored = [one for row in batch.rows for one in stored_in(row.changes)]
        if not stored:
            return {}
        received = (min(one.received[0] for one in stored), max(one.received[1] for one in stored))
        ids = [id for one in stored for id, _ in one.pairs()]
        return await store.named_events(connection, self._environment.id, ids, received, wanted)

    async def _flags(self, connection: Connection, after: int, upto: int, position: int, now: int) -> list[Happening]:
        return [
            Happening(
                0,
                position,
                row.live_at if row.live_at is not None else now,
                "flag.changed",
                object_id=row.definition_id,
                revision=row.revision,
                cause=row.change,
            )
            for row in await store.changed_flags(connection, self._environment.id, after, upto)
        ]

    async def _begin_again(self) -> None:
        """Register anew after a time that is lost."""
        now = self._environment.now()
        log.error("delivery of environment %d lapsed: what happened meanwhile is not sent", self._environment.id)
        async with transaction(self._environment.pool) as connection:
            await unregister_in(connection, self._environment.id, CONSUMER)
            await register_in(connection, self._environment.id, CONSUMER, now)
            await store.lapse_log(connection, self._environment.id, now)
