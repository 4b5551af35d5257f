"""One destination's deliveries: reads the log, delivers, and moves the cursor.

Shape   Lane(environment, destination, channel, …).run() until it is cancelled · wake() · follow(destination)
Laws    nothing is skipped: the cursor passes a happening only when it was delivered, waits in a table, is undelivered,
        or is about a person who was erased. All that one commit changes is in one transaction.
        After a crash what was sent since the last commit is sent again, with the same id.
        What goes wrong with one message is an attempt of it, whatever it is.
        A document of another type ends the lane: another one delivers in its way.
        A delivery that takes long holds up only its person: it is entered as waiting, and the cursor moves on
Units   attempts are due by the clock of the environment; pauses are seconds of the event loop's
Source  docs/reference/webhooks.md
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from tinycdp.products.delivery import signing
from tinycdp.products.delivery.definitions.schemas import OneByOneDestination
from tinycdp.products.delivery.destinations import Destination, Destinations
from tinycdp.products.delivery.lanes.channels import DeliveryChannel, PlannedDelivery, only_unsendable
from tinycdp.products.delivery.lanes.order import LaneItem, Order
from tinycdp.products.delivery.lanes.pace import LanePace, Start
from tinycdp.products.delivery.lanes.sender import SendResult, Unsendable
from tinycdp.products.delivery.messages import MessageFacts, id_of
from tinycdp.products.delivery.store import batches as batch_store
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store import log as log_store
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import acquired, transaction

log = logging.getLogger(__name__)

#: After each failed attempt: the pause before the next one. After the last pause and attempt it is undelivered.
SCHEDULE: tuple[int, ...] = (
    5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS, 10 * HOUR_MS, 14 * HOUR_MS, 20 * HOUR_MS,
    24 * HOUR_MS,
)  # fmt: skip
PAUSED_AFTER_MS = 5 * DAY_MS
_JITTER = 0.1
#: Happenings read at once, and how many that are not done a lane may hold: then it reads no more.
_READ = 500
MOST_HELD = 10_000
#: How old what a body says may be, and for how many it is read at once.
_FRESH_SECONDS, _READ_AHEAD = 5.0, 100
#: Outcomes are committed together: at most so many, or after this time.
_OUTCOMES, _COMMIT_SECONDS = 250, 0.05
#: A happening that is not done after this time is entered as waiting.
_LONG_SECONDS = 1.0
_IDLE_SECONDS = 0.5
#: How often the log and the lane are looked at while there is much to do.
_LOOK_SECONDS = 0.1
#: Successful attempts that are logged, at most, in a second.
_LOGGED_PER_SECOND = 100
_KEYS_SECONDS = 1.0


class Lane:
    """The deliveries of one destination, in the process that owns its environment."""

    def __init__(
        self,
        environment: Environment,
        destination: Destination,
        destinations: Destinations,
        channel: DeliveryChannel,
        schedule: Sequence[int] = SCHEDULE,
    ) -> None:
        self.destination = destination
        self._destinations = destinations
        self._environment = environment
        self._channel = channel
        self._schedule = schedule
        self._pace = LanePace(*_limits(destination))
        self._woken = asyncio.Event()
        self._has_news = True
        self._looked_at = 0.0
        self._running: set[asyncio.Task[None]] = set()
        self._keys: tuple[float, list[signing.SigningKey]] = (float("-inf"), [])
        self._logged: tuple[int, int] = (0, 0)
        self._is_over = False
        self._forget()

    def _forget(self) -> None:
        """Begin without what was read."""
        self._order = Order()
        self._window: deque[LaneItem] = deque()
        self._facts: dict[int, MessageFacts] = {}
        self._unread: dict[int, LaneItem] = {}
        self._reading = asyncio.Lock()
        self._broken: BaseException | None = None
        self._row: store.LaneRow | None = None
        self._read_to = self._last_seq = self._cursor = 0
        self._has_news = True
        self._clear()

    def _clear(self) -> None:
        """Begin a commit."""
        self._touched: list[LaneItem] = []
        self._dead: list[tuple[Any, ...]] = []
        self._log: list[tuple[Any, ...]] = []
        self._delivered = self._failures = 0
        self._success_at: Instant | None = None
        self._failure_at: Instant | None = None
        self._failure = ""
        self._gone = False
        self._committed_at = asyncio.get_event_loop().time()

    def wake(self) -> None:
        """There is news in the log, or in the destination."""
        self._has_news = True
        self._woken.set()

    def follow(self, destination: Destination) -> bool:
        """Go on by a changed document. Returns False if its type is another one, now or once: then the lane ends."""
        if self._is_over or type(destination.document) is not type(self.destination.document):
            self._is_over = True
            self.wake()
        elif destination != self.destination:
            self.destination = destination
            self._pace.set(*_limits(destination))
            self.wake()
        return not self._is_over

    async def run(self) -> None:
        """Deliver until cancelled, or until the lane is closed."""
        try:
            while await self._turn():
                pass
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            self._running.clear()
            self._forget()

    async def _turn(self) -> bool:
        """One turn. Returns whether the lane is open."""
        self._woken.clear()
        if self._is_over:
            return False
        if self._broken is not None:  # such as when the database is away: begin again with what is stored
            raise self._broken
        if self._row is None and not await self._load():
            return False
        assert self._row is not None
        is_active = self._row.state == "active" and not self.destination.document.paused
        if await self._look() and is_active:
            await self._fill()
        if is_active and self._row is not None and not self._is_over:
            await self._start()
        if self._row is not None and self._is_due():
            await self._commit()
        await self._rest(is_active=is_active)
        return True

    # Reading

    async def _load(self) -> bool:
        """Take the lane, with what waits."""
        async with transaction(self._environment.pool) as connection:
            row = await store.take_lane(connection, self._environment.id, self.destination.id)
            if row is None:
                return False
            waiting = await store.list_waiting(connection, self._environment.id, self.destination.id)
            await batch_store.forget_batch(connection, self._environment.id, self.destination.id)
        self._forget()
        self._row, self._read_to, self._cursor = row, row.cursor, row.cursor
        for one in waiting:
            due = one.next_at if one.attempts else 0
            self._order.add(LaneItem(one.happening, one.attempts, due, one.reason, is_stored=True))
        return True

    async def _look(self) -> bool:
        """Look at the log and the lane, now and then. Returns whether there is more to read."""
        now = asyncio.get_running_loop().time()
        if not self._has_news and now - self._looked_at < _LOOK_SECONDS:
            return self._read_to < self._last_seq
        self._has_news, self._looked_at = False, now
        assert self._row is not None
        async with acquired(self._environment.pool) as connection:
            found = await store.see_lane(connection, self._environment.id, self.destination.id)
        if found is None or found.generation != self._row.generation:
            await self._reload()
            return False
        self._last_seq = found.last_seq
        return self._read_to < self._last_seq

    async def _fill(self) -> None:
        """Read what follows in the log, if there is room."""
        room = min(_READ, MOST_HELD - len(self._order))
        if room <= 0 or len(self._window) > _READ or self._pace.state == "open":
            return
        assert self._row is not None
        async with acquired(self._environment.pool) as connection:
            # The log up to here was written for this document, or for an older one.
            for destination in await self._destinations.of(connection, self._environment.id):
                if destination.id == self.destination.id and not self.follow(destination):
                    return
            wanted = self.destination.wanted
            found = await log_store.read_happenings(
                connection,
                self._environment.id,
                self._read_to,
                self._last_seq,
                sorted(wanted.types),
                None if wanted.segments is None else sorted(wanted.segments),
                (self._row.from_position, self._row.from_revision),
                room,
                None if wanted.names is None else sorted(wanted.names),
            )
            self._read_to = found[-1].seq if len(found) == room else self._last_seq
        now = asyncio.get_running_loop().time()
        for one in found:
            item = LaneItem(one, read_at=now)
            self._window.append(item)
            self._order.add(item)

    # Delivering

    async def _start(self) -> None:
        """Start what may be started."""
        if self._gone or len(self._touched) >= _OUTCOMES:
            return
        loop = asyncio.get_running_loop()
        while True:
            may = self._pace.may_start(len(self._running), loop.time())
            if may is Start.NOTHING:
                return
            now = self._environment.now()
            item = self._order.probe() if may is Start.PROBE else self._order.next(now)
            if item is None:
                self._pace.give_back()
                return
            task = loop.create_task(self._deliver(item, counts=item.due <= now))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._woken.set()
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._broken = failure

    async def _deliver(self, item: LaneItem, *, counts: bool) -> None:
        """Try one item. counts: a failure is one of the schedule's attempts"""
        facts = await self._facts_of(item)
        keys = await self._signing()
        happening, now = item.happening, self._environment.now()
        id_ = id_of(self._environment.id, self.destination.id, happening.seq, happening.at)
        destination = self.destination
        if happening.seq in facts.left_out:
            self._finish(item)
            return
        try:
            if facts.problem:
                raise Unsendable(facts.problem)
            with only_unsendable(destination):
                outgoing = self._channel.prepare(destination, PlannedDelivery(id_, happening, facts, now, keys))
                if outgoing is None:  # erased
                    self._finish(item)
                    return
                result = await self._channel.send(destination, outgoing)
        except Unsendable as reason:
            result = SendResult(None, str(reason), "", 0, is_ours=True)
        self._note(item, result, now)
        if result.is_delivered:
            self._delivered += 1
            self._success_at = now
            self._finish(item)
        else:
            self._failed(item, result, counts=counts)

    async def _facts_of(self, item: LaneItem) -> MessageFacts:
        """What its body says, read for all that need it now and soon at once."""
        if (facts := self._fresh(item)) is not None:
            return facts
        self._unread[item.seq] = item
        async with self._reading:
            if (facts := self._fresh(item)) is not None:
                return facts
            # The read before this one may have failed, or may be too old.
            asking = {item.seq: item, **self._unread, **{one.seq: one for one in self._order.upcoming(_READ_AHEAD)}}
            self._unread.clear()
            async with acquired(self._environment.pool) as connection:
                happenings = [one.happening for one in asking.values()]
                facts = await self._destinations.facts(connection, self._environment, self.destination, happenings)
            self._facts.update(dict.fromkeys(asking, facts))
        return facts

    def _fresh(self, item: LaneItem) -> MessageFacts | None:
        facts = self._facts.get(item.seq)
        is_fresh = facts is not None and asyncio.get_running_loop().time() - facts.read_at <= _FRESH_SECONDS
        return facts if is_fresh else None

    async def _signing(self) -> list[signing.SigningKey]:
        """The keys that sign; the first one is made when it is first needed."""
        read_at, keys = self._keys
        now = asyncio.get_running_loop().time()
        if now - read_at > _KEYS_SECONDS:
            keys = await keys_of(self._environment, self.destination.id)
            self._keys = (now, keys)
        return keys

    def _finish(self, item: LaneItem) -> None:
        self._order.done(item)
        self._facts.pop(item.seq, None)
        self._touched.append(item)

    def _failed(self, item: LaneItem, result: SendResult, *, counts: bool) -> None:
        """Plan the next attempt of an item, or give it up."""
        now = self._environment.now()
        self._failure_at, self._failure = now, result.error
        self._failures += 1
        item.is_failed, item.reason = True, result.error
        self._facts.pop(item.seq, None)
        if result.is_gone:
            self._gone = True
        elif counts:
            item.attempts += 1
        if item.attempts > len(self._schedule):
            self._dead.append(
                (
                    item.seq,
                    list(item.happening.profile_ids),
                    item.attempts,
                    result.error,
                    result.status,
                    result.answer,
                    now,
                )
            )
            self._finish(item)
            return
        due = item.due
        if counts and item.attempts:
            pause = self._schedule[item.attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
            due = now + int(max(pause, (result.retry_after or 0) * SECOND_MS))
        self._touched.append(item)
        self._order.again(item, due)

    def _note(self, item: LaneItem, result: SendResult, now: Instant) -> None:
        """Tell the pace, and keep the attempt for the log of deliveries."""
        at = asyncio.get_running_loop().time()
        if result.is_slow:
            self._pace.slow(at, result.retry_after)
        if result.is_away:
            self._pace.failed(at)
        elif not result.is_ours and self._pace.answered():
            self._order.hurry(now)
        if result.is_delivered:
            second, n = self._logged
            second, n = (second, n + 1) if second == int(at) else (int(at), 1)
            self._logged = (second, n)
            if n > _LOGGED_PER_SECOND:
                return
        answer = "" if result.is_delivered else result.answer
        self._log.append(
            (
                item.seq, list(item.happening.profile_ids), item.attempts + 1, now, result.duration_ms, result.status,
                result.error, answer,
            )
        )  # fmt: skip

    # Committing

    def _is_due(self) -> bool:
        if not (self._touched or self._log or self._window or self._cursor < self._read_to):
            return False
        age = asyncio.get_running_loop().time() - self._committed_at
        return len(self._touched) >= _OUTCOMES or age >= _COMMIT_SECONDS or not self._running or self._gone

    def _pass(self) -> list[LaneItem]:
        """Move the cursor in memory; returns what is entered as waiting for that."""
        now = asyncio.get_running_loop().time()
        entered = []
        while self._window:
            item = self._window[0]
            if not item.is_done and not item.is_stored:
                if not item.is_failed and now - item.read_at < _LONG_SECONDS:
                    break
                entered.append(item)
            self._cursor = max(self._cursor, item.seq)
            self._window.popleft()
        if not self._window:
            self._cursor = max(self._cursor, self._read_to)
        return entered

    async def _commit(self) -> None:
        """Write what changed since the last commit, in one transaction."""
        assert self._row is not None
        before = self._cursor
        entered = [item for item in self._pass() if not item.is_done]
        if not self._touched and not entered and not self._log and self._cursor == before:
            self._committed_at = asyncio.get_running_loop().time()
        elif not await self._write(self._row, entered):
            await self._reload()

    async def _write(self, row: store.LaneRow, entered: Sequence[LaneItem]) -> bool:
        """Write outcomes and the cursor. Returns whether the lane is still ours; if not, only outcomes were written."""
        touched = list({item.seq: item for item in self._touched}.values())
        dead, attempts = self._dead, self._log
        moved_by = (self._delivered, self._success_at, self._failure_at, self._failure)
        failed, probe_at = self._failures, self._probe_at()
        state = self._next_state(row)
        # What changes while this is written belongs to the next commit.
        self._clear()
        done = [item.seq for item in touched if item.is_done and item.is_stored]
        changed = [_columns(item) for item in touched if not item.is_done and item.is_stored]
        new = [(item.seq, list(item.happening.profile_ids), *_columns(item)[1:]) for item in entered]
        stored = {item.seq for item in touched if item.is_stored}
        ids = (self._environment.id, self.destination.id)
        async with transaction(self._environment.pool) as connection:
            moved = await store.move_lane(
                connection, *ids, row.generation, self._cursor, *moved_by, *state, failed=failed, probe_at=probe_at
            )
            is_ours = moved is not None and moved.generation == row.generation
            if moved is not None:
                # Of a lane that was rewound, what was not entered as waiting is read again.
                lost = [one for one in dead if is_ours or one[0] in stored]
                await store.drop_waiting(connection, *ids, done)
                await store.change_waiting(connection, *ids, changed)
                await store.add_undelivered(connection, *ids, lost)
                await store.add_deliveries(connection, *ids, attempts)
                if is_ours:
                    await store.add_waiting(connection, *ids, new)
        if moved is None or not is_ours:
            return False
        for item in entered:
            item.is_stored = True
            if item.is_done or item.is_failed:  # perhaps while it was entered
                self._touched.append(item)
        if moved.state != row.state:
            log.warning("destination %s is %s: %s", self.destination.key, *state)
        self._row = replace(row, state=moved.state, failing_since=moved.failing_since)
        return True

    def _next_state(self, row: store.LaneRow) -> tuple[str, str]:
        """The state of the lane, and why."""
        if self._gone:
            return "disabled", "The receiver answered 410 Gone."
        since, failed = row.failing_since, self._failure_at
        if self._success_at is None and failed is not None and since is not None and failed - since >= PAUSED_AFTER_MS:
            return "paused", "Nothing was delivered for five days."
        return "active", ""

    def _probe_at(self) -> Instant | None:
        """When a receiver that does not answer is tried again."""
        seconds = self._pace.probe_in(asyncio.get_running_loop().time())
        return None if seconds is None else self._environment.now() + int(seconds * SECOND_MS)

    async def _reload(self) -> None:
        """Read the lane anew, because another changed it. What runs is finished first, and counts."""
        row, self._row = self._row, None
        if self._running:
            await asyncio.wait(self._running)
        if row is not None and self._touched:
            await self._write(row, [])
            self._row = None

    async def _rest(self, *, is_active: bool) -> None:
        """Wait until something can be done."""
        if self._row is None:
            return
        seconds = _IDLE_SECONDS
        if self._touched or self._log or self._window:
            seconds = _COMMIT_SECONDS
        elif is_active and (due := self._order.next_due()) is not None and not self._running:
            pause = self._pace.wait(asyncio.get_running_loop().time())
            seconds = min(seconds, max(pause, min((due - self._environment.now()) / 1000, _IDLE_SECONDS), 0.001))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


def _limits(destination: Destination) -> tuple[int, int]:
    """Deliveries a second, and at once."""
    document = destination.document
    assert isinstance(document, OneByOneDestination)
    return document.rate, document.concurrency


def _columns(item: LaneItem) -> tuple[int, int, Instant, str]:
    """The columns of an item that waits, without its people."""
    return item.seq, item.attempts, item.due, item.reason


async def keys_of(environment: Environment, definition_id: int) -> list[signing.SigningKey]:
    """The keys that sign now, oldest first; the first one is made when it is needed."""
    now = environment.now()
    async with acquired(environment.pool) as connection:
        found = await store.list_secrets(connection, environment.id, definition_id, now)
    if found:
        return [row.key for row in found]
    async with transaction(environment.pool) as connection:
        await store.hold_lane(connection, environment.id, definition_id)
        if not await store.list_secrets(connection, environment.id, definition_id, now):
            key = signing.new_key("v1")
            await store.add_secret(connection, environment.id, definition_id, key, now, is_shown=False)
        found = await store.list_secrets(connection, environment.id, definition_id, now)
    return [row.key for row in found]
