"""One destination that takes batches: reads the log, writes a batch, and moves the cursor.

Shape   BatchLane(environment, destination, …).run() until it is cancelled · wake() · follow(destination)
Laws    one batch at a time, in the order of the log, and none is passed before it is written.
        Its bounds and its number are stored before the first try: after a crash, or under another owner, the same batch
        is written again, which the sink finds out by the number.
        A batch is bounded by rows and by bytes; its records are made once before it is cut, to measure them.
        No connection to our database is held while the sink writes
Units   batches are due by the clock of the environment; pauses are seconds of the event loop's
Source  docs/reference/sinks.md, docs/decisions/0047-sinks.md
"""

import asyncio
import contextlib
import logging
import random
import traceback
from collections.abc import Sequence
from dataclasses import replace

from tinycdp.errors import TinyCDPError
from tinycdp.model import MINUTE_MS, SECOND_MS
from tinycdp.products.delivery.definitions.schemas import BatchDestination
from tinycdp.products.delivery.destinations import Destination, Destinations
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.lanes.lane import PAUSED_AFTER_MS
from tinycdp.products.delivery.messages import id_of
from tinycdp.products.delivery.sinks.make import Sinks
from tinycdp.products.delivery.sinks.records import record_of
from tinycdp.products.delivery.sinks.sink import RecordBatch, Sink, SinkError, SinkRecord
from tinycdp.products.delivery.store import batches as batch_store
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store import log as log_store
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import BROKEN, acquired, transaction

log = logging.getLogger(__name__)

#: After a failure: twice the pause before, from the shortest to the longest; the longest if a person has to act.
_SHORTEST_MS, _LONGEST_MS = SECOND_MS, 5 * MINUTE_MS
_JITTER = 0.1
_WRITE_SECONDS = 90.0
#: Of the records of a batch, as they are held in memory; of one that is made again with another mapping, twice as many.
MOST_BYTES = 32_000_000
#: What a record has beside its data, about.
_BESIDE = 300
#: A batch whose records cannot be made, so that they are not measured, has at most so many.
_FEW = 100
_GROWN = (
    f"The batch has more than {2 * MOST_BYTES:,} bytes by the document of today; it was cut for another one. Until it "
    "is written, make the records smaller, or ask for fewer events."
)
#: For how many happenings the facts are read at once.
_FACTS = 500
_IDLE_SECONDS, _LOOK_SECONDS = 0.5, 0.1


class BatchLane:
    """The batches of one destination, in the process that owns its environment."""

    def __init__(
        self, environment: Environment, destination: Destination, destinations: Destinations, sinks: Sinks
    ) -> None:
        self.destination = destination
        self._destinations = destinations
        self._environment = environment
        self._sinks = sinks
        self._sink: Sink | None = None
        self._is_over = False
        self._woken = asyncio.Event()
        self._forget()

    def _forget(self) -> None:
        """Begin without what was read."""
        self._row: store.LaneRow | None = None
        self._stream = ""
        self._pending: batch_store.BatchRow | None = None
        self._has_changed = False
        self._last_seq = 0
        self._rewind(0)

    def _rewind(self, cursor: int) -> None:
        """Begin to collect after the cursor."""
        self._held: list[Happening] = []
        self._made: tuple[int, list[SinkRecord]] | None = None
        self._held_since = 0
        self._cursor = self._read_to = cursor

    @property
    def _document(self) -> BatchDestination:
        document = self.destination.document
        assert isinstance(document, BatchDestination)
        return document

    def wake(self) -> None:
        """There is news in the log, or in the destination."""
        self._woken.set()

    def follow(self, destination: Destination) -> bool:
        """Go on by a changed document. Returns False if its type is another one, now or once: then the lane ends."""
        if self._is_over or type(destination.document) is not type(self.destination.document):
            self._is_over = self._has_changed = True
            self.wake()
        elif destination != self.destination:
            self.destination = destination
            self._has_changed = True
            self.wake()
        return not self._is_over

    async def run(self) -> None:
        """Deliver until cancelled, or until the lane is closed."""
        try:
            while await self._turn():
                pass
        finally:
            await self._close_sink()
            self._forget()

    async def _turn(self) -> bool:
        """One turn. Returns whether the lane is open."""
        self._woken.clear()
        if self._is_over:
            return False
        if self._has_changed:
            await self._change()
        if self._row is None and not await self._load():
            return False
        if not await self._look():
            return True
        assert self._row is not None
        if self._row.state == "active" and not self._document.paused:
            if self._pending is None:
                await self._collect()
                await self._cut()
            pending = self._pending
            if pending is not None and pending.next_at <= self._environment.now() and await self._write(pending):
                return True
        await self._rest()
        return True

    async def _change(self) -> None:
        """What was collected, and the sink, were of another document."""
        self._has_changed = False
        await self._close_sink()
        self._rewind(self._cursor)
        if self._pending is not None:
            self._pending = replace(self._pending, next_at=min(self._pending.next_at, self._environment.now()))

    async def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            await sink.close()

    # Reading

    async def _load(self) -> bool:
        """Take the lane, with the batch that is not written yet."""
        ids = (self._environment.id, self.destination.id)
        async with transaction(self._environment.pool) as connection:
            row = await store.take_lane(connection, *ids)
            if row is None:
                return False
            cursor = await batch_store.absorb_waiting(connection, *ids)
            stream = await batch_store.find_stream(connection, *ids)
            pending = await batch_store.find_batch(connection, *ids)
        self._forget()
        self._row, self._stream = row, stream or ""
        self._rewind(row.cursor if cursor is None else cursor)
        # One that the cursor has reached was cut before the destination was of another type for a while.
        self._pending = pending if pending is not None and pending.first_seq > self._cursor else None
        return True

    async def _look(self) -> bool:
        """See how far the log is. Returns whether the lane is still ours."""
        assert self._row is not None
        async with acquired(self._environment.pool) as connection:
            found = await store.see_lane(connection, self._environment.id, self.destination.id)
        if found is None or found.generation != self._row.generation:
            self._row = None
            return False
        self._last_seq = found.last_seq
        return True

    async def _collect(self) -> None:
        """Read what follows in the log, up to a full batch, and pass what is not wanted."""
        room = self._document.rows - len(self._held)
        if room > 0 and self._read_to < self._last_seq:
            async with acquired(self._environment.pool) as connection:
                # The log up to here was written for this document, or for an older one.
                for destination in await self._destinations.of(connection, self._environment.id):
                    if destination.id == self.destination.id:
                        self.follow(destination)
            if self._has_changed:
                return
            found = await self._read(self._read_to, self._last_seq, room)
            self._read_to = found[-1].seq if len(found) == room else self._last_seq
            if found and not self._held:
                async with acquired(self._environment.pool) as connection:
                    at = await batch_store.recorded_at(connection, self._environment.id, found[0].seq)
                self._held_since = at if at is not None else self._environment.now()
            self._held += found
        if not self._held and self._cursor < self._read_to:
            await self._pass()

    async def _read(self, after: int, upto: int, n: int) -> list[Happening]:
        assert self._row is not None
        wanted = self.destination.wanted
        async with acquired(self._environment.pool) as connection:
            return await log_store.read_happenings(
                connection,
                self._environment.id,
                after,
                upto,
                sorted(wanted.types),
                None if wanted.segments is None else sorted(wanted.segments),
                (self._row.from_position, self._row.from_revision),
                n,
                None if wanted.names is None else sorted(wanted.names),
            )

    async def _pass(self) -> None:
        """Move the cursor over what the destination does not want."""
        assert self._row is not None
        ids = (self._environment.id, self.destination.id)
        async with transaction(self._environment.pool) as connection:
            moved = await store.move_lane(
                connection,
                *ids,
                self._row.generation,
                self._read_to,
                0,
                None,
                None,
                "",
                "active",
                "",
                failed=0,
                probe_at=None,
            )
        if moved is None or moved.generation != self._row.generation:
            self._row = None
        else:
            self._cursor = self._read_to

    async def _cut(self) -> None:
        """Store the bounds of a batch, if there is a full one or an old one."""
        now = self._environment.now()
        is_old = now - self._held_since >= self._document.seconds * SECOND_MS
        if self._row is None or self._has_changed or not self._held or not (is_old or self._is_full()):
            return
        held = self._held[: await self._measure()]
        if self._has_changed:
            return
        first, last = held[0].seq, held[-1].seq
        async with transaction(self._environment.pool) as connection:
            self._pending = await batch_store.cut_batch(
                connection,
                self._environment.id,
                self.destination.id,
                self._row.generation,
                first,
                last,
                len(held),
                now,
            )
        if self._pending is None:
            self._row = None

    async def _measure(self) -> int:
        """How many of the held happenings make a batch, by its bytes. Their records are kept for the first try."""
        records: list[SinkRecord] = []
        size = 0
        try:
            for begin in range(0, len(self._held), _FACTS):
                for place, record in await self._records_of(self._held[begin : begin + _FACTS]):
                    size += _size_of(record)
                    if size > MOST_BYTES and records:
                        self._made = (self._held[begin + place - 1].seq, records)
                        return begin + place
                    records.append(record)
        except (TinyCDPError, *BROKEN):  # our own database is away
            raise
        except Exception:  # trying the batch says why
            return min(len(self._held), _FEW)
        self._made = (self._held[-1].seq, records)
        return len(self._held)

    def _is_full(self) -> bool:
        return len(self._held) >= self._document.rows

    # Writing

    async def _write(self, pending: batch_store.BatchRow) -> bool:
        """Write the batch, and move the cursor, or plan the next try. Returns whether it was written."""
        loop, now = asyncio.get_running_loop(), self._environment.now()
        records: list[SinkRecord] = []
        failure: SinkError | None = None
        try:
            records = await self._records(pending)
        except SinkError as error:
            failure = error
        except (TinyCDPError, *BROKEN):  # our own database is away
            raise
        except Exception as error:
            failure = self._unexpected(pending, error)
        began = loop.time()
        if records:
            failure = await self._written(pending, records)
        await self._commit(pending, len(records), failure, now, int((loop.time() - began) * 1000))
        return failure is None

    async def _written(self, pending: batch_store.BatchRow, records: Sequence[SinkRecord]) -> SinkError | None:
        """Have the sink write the batch. Returns why it did not."""
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._opened().write(
                    RecordBatch(self._stream, pending.number, pending.first_seq, pending.last_seq, records)
                )
        except SinkError as error:
            return error
        except TimeoutError:
            return SinkError(f"It was not written within {_WRITE_SECONDS:.0f} seconds.")
        except Exception as error:
            return self._unexpected(pending, error)
        return None

    def _unexpected(self, pending: batch_store.BatchRow, error: Exception) -> SinkError:
        """An error of a library, or of ours, as any other. Its text may have values of records, and is not shown."""
        if not pending.attempts:
            places = "".join(traceback.format_tb(error.__traceback__))
            log.error("destination %s: a batch failed, %s\n%s", self.destination.key, type(error).__name__, places)
        return SinkError(f"{type(error).__name__}; the worker's log has more.")

    def _opened(self) -> Sink:
        if self._sink is None:
            self._sink = self._sinks.of(self._document)
        return self._sink

    async def _records(self, pending: batch_store.BatchRow) -> list[SinkRecord]:
        """The records of the batch; people who were erased have none."""
        made, self._made = self._made, None
        if made is not None and made[0] == pending.last_seq and not pending.attempts:
            return made[1]
        records, size, after = [], 0, pending.first_seq - 1
        while after < pending.last_seq:
            some = await self._read(after, pending.last_seq, _FACTS)
            for _, record in await self._records_of(some):
                size += _size_of(record)
                if size > 2 * MOST_BYTES:
                    raise SinkError(_GROWN, lasting=True)
                records.append(record)
            after = some[-1].seq if len(some) == _FACTS else pending.last_seq
        return records

    async def _records_of(self, happenings: Sequence[Happening]) -> list[tuple[int, SinkRecord]]:
        """The records of some happenings, with their places among them."""
        async with acquired(self._environment.pool) as connection:
            facts = await self._destinations.facts(connection, self._environment, self.destination, happenings)
        if facts.problem:
            raise SinkError(facts.problem)
        found = []
        for place, one in enumerate(happenings):
            if one.seq in facts.left_out:
                continue
            id_ = id_of(self._environment.id, self.destination.id, one.seq, one.at)
            if (record := record_of(id_, one, facts, self.destination.record)) is not None:
                found.append((place, record))
        return found

    async def _commit(
        self, pending: batch_store.BatchRow, n: int, failure: SinkError | None, now: int, duration_ms: int
    ) -> None:
        """Write what became of the batch. Another owner finds out for itself."""
        assert self._row is not None
        ids, attempt = (self._environment.id, self.destination.id), pending.attempts + 1
        reason = failure.reason if failure is not None else ""
        what: tuple[int | str | None, ...]
        if failure is None:
            what = (pending.last_seq, n, now, None, "", "active", "")
        else:
            what = (self._cursor, 0, None, now, reason, *self._next_state(now))
        next_at = now + (_pause(attempt, lasting=failure.lasting) if failure is not None else 0)
        async with transaction(self._environment.pool) as connection:
            moved = await store.move_lane(
                connection, *ids, self._row.generation, *what, failed=int(failure is not None), probe_at=None
            )
            is_ours = moved is not None and moved.generation == self._row.generation
            if is_ours:
                if failure is None:
                    await batch_store.drop_batch(connection, *ids, pending.number)
                else:
                    await batch_store.postpone_batch(connection, *ids, pending.number, attempt, next_at, reason)
                if n or failure is not None:
                    await batch_store.log_batch(
                        connection, *ids, pending.last_seq, attempt, now, duration_ms, reason, n
                    )
        if moved is None or not is_ours:
            self._row = None
            return
        if moved.state != self._row.state:
            log.warning("destination %s is %s: nothing was written for five days", self.destination.key, moved.state)
        self._row = replace(self._row, state=moved.state, failing_since=moved.failing_since)
        if failure is None:
            self._pending = None
            self._rewind(pending.last_seq)
        else:
            self._pending = replace(pending, attempts=attempt, next_at=next_at, reason=reason)

    def _next_state(self, now: int) -> tuple[str, str]:
        """The state of the lane after a failure, and why."""
        since = self._row.failing_since if self._row is not None else None
        if since is not None and now - since >= PAUSED_AFTER_MS:
            return "paused", "Nothing was delivered for five days."
        return "active", ""

    async def _rest(self) -> None:
        """Wait until something can be done."""
        if self._row is None or self._has_changed:
            return
        waits = self._pending is not None or self._held or self._read_to < self._last_seq
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS if waits else _IDLE_SECONDS):
                await self._woken.wait()


def _size_of(record: SinkRecord) -> int:
    return len(record.data) + _BESIDE


def _pause(attempt: int, *, lasting: bool) -> int:
    """Milliseconds before the next try."""
    pause = _LONGEST_MS if lasting else min(_SHORTEST_MS * 2 ** min(attempt - 1, 20), _LONGEST_MS)
    return int(pause * random.uniform(1 - _JITTER, 1 + _JITTER))
