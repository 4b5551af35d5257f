"""One run of a sync: who may have changed, what failed before, and at night all.

Shape   SyncRun(environment, sync, program, outlet, …).run() → RunResult
Laws    people are looked at in parts. What a part will send is written down before it is sent, and what was answered
        after it: whenever the run dies, the ledger says `sending` of all that may have arrived.
        What an attempt failed is tried after all else: records that never pass hold up no others.
        Only the newest run of a sync writes: another owner, or another document, raises the generation.
        A person is in one part at a time, so records of one person arrive in order. Removals are sent last, after
        those whose key another person has taken over were struck out
Errors  OvertakenRun
Source  docs/decisions/0048-syncs.md
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.kinds import SYNC_CONSUMER
from tinycdp.products.delivery.definitions.syncs.schemas import policy_of
from tinycdp.products.delivery.ledger import UNSETTLED, Ledger, LedgerRemoval, RecordSend, WantedRecord
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.syncs.outlets import SyncAnswer, SyncOutlet
from tinycdp.products.delivery.syncs.records import SyncProgram, keys_in, records_of
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import Connection, acquired, snapshot, transaction

#: People in one part.
PART = 200
#: A smaller number of removals never stops a run.
FEWEST_BRAKED = 10
#: After the id of every profile.
_EVERYBODY = 2**62
#: After so many failures in a row that say nothing about a record, the run ends.
_AWAY = 5


def is_braked(brake: float, leaving: int, of: int) -> bool:
    """Whether so many removals, of so many records, stop a run."""
    return leaving >= FEWEST_BRAKED and leaving > brake * of


class OvertakenRun(Exception):
    """Another run of the sync has begun, or has to: its document, or a definition that it names, changed."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    problem     why it ended before its end, "" if it did not
    is_weighed  whether the brake was asked. braked: how many removals wait for it then, and of how many"""

    problem: str = ""
    is_weighed: bool = False
    braked: tuple[int, int] | None = None
    retry_after: float = 0.0


class _Away(Exception):
    """The receiver does not work."""


class SyncRun:
    """One run. row: the sync as this run began"""

    def __init__(
        self,
        environment: Environment,
        definition_id: int,
        row: store.SyncRow,
        program: SyncProgram,
        outlet: SyncOutlet,
    ) -> None:
        self._environment = environment
        self._ids = (environment.id, definition_id)
        self._row = row
        self._program = program
        self._outlet = outlet
        self._policy = policy_of(program.document)
        #: Changes up to this position were marked, and looked at.
        self._settled = row.mark
        self._failures = 0
        self._retry_after = 0.0
        self._differences = 0
        self._is_weighed = False
        self._braked: tuple[int, int] | None = None
        #: Whether everybody was looked at.
        self.is_scanned = False

    async def run(self) -> RunResult:
        """Run to the end, or until the receiver is away."""
        problem = ""
        try:
            if self._policy.on_leave == "nothing":
                await self._forget_removals()
            await self._marked()
            await self._due()
            await self._unsettled()
            if self._row.scan:
                await self._scan()
                self.is_scanned = True
            await self._removals()
            await self._retries()
        except _Away as failure:
            problem = str(failure)
        return RunResult(problem, self._is_weighed, self._braked, self._retry_after if problem else 0.0)

    # Who is looked at

    async def _marked(self) -> None:
        after = (self._row.mark, self._row.mark_profile)
        async with acquired(self._environment.pool) as connection:
            upto = await store.marked_to(connection, self._environment.id, SYNC_CONSUMER)
        while True:
            async with acquired(self._environment.pool) as connection:
                found = await store.marked_profiles(connection, self._environment.id, after, upto, PART)
            if not found:
                break
            last_id, mark = found[-1]  # a person who is marked once more comes later

            async def move(connection: Connection, at: tuple[int, int] = (mark, last_id)) -> None:
                await store.move_mark(connection, *self._ids, *at)

            await self._part([id for id, _ in found], move)
            after = (mark, last_id)
        if upto > after[0]:
            async with transaction(self._environment.pool) as connection:
                await self._hold(connection)
                await store.move_mark(connection, *self._ids, upto, _EVERYBODY)
            self._settled = upto

    async def _due(self) -> None:
        seen: set[int] = set()
        while True:
            async with acquired(self._environment.pool) as connection:
                ids = await store.due_records(connection, *self._ids, self._environment.now(), PART)
            if not (ids := [id for id in ids if id not in seen]):
                return
            seen.update(ids)
            await self._part(ids)

    async def _unsettled(self) -> None:
        after = 0
        while True:
            async with acquired(self._environment.pool) as connection:
                ids = await store.unsettled_records(connection, *self._ids, self._row.last_run, after, PART)
            if not ids:
                return
            await self._part(ids)
            after = ids[-1]

    async def _retries(self) -> None:
        """Try again what an attempt failed: records, and removals even if the records get no answer."""
        away: _Away | None = None
        try:
            await self._retried_records()
        except _Away as failure:
            away, self._failures = failure, 0
        await self._remove(store.removals_to_retry)
        if away is not None:
            raise away

    async def _retried_records(self) -> None:
        seen: set[int] = set()
        while True:
            async with acquired(self._environment.pool) as connection:
                ids = await store.records_to_retry(connection, *self._ids, self._row.last_run, PART)
            if not (ids := [id for id in ids if id not in seen]):
                return
            seen.update(ids)
            await self._part(ids, retries=True)

    async def _scan(self) -> None:
        after, fingerprint = self._row.scan_after, self._program.fingerprint
        while True:
            async with acquired(self._environment.pool) as connection:
                ids = await store.candidates(connection, *self._ids, fingerprint, after, PART)
            if not ids:
                return
            after = ids[-1]

            async def move(connection: Connection, at: int = after, n: int = len(ids)) -> None:
                await store.move_scan(connection, *self._ids, at, n, self._differences)

            await self._part(ids, move)

    # One part

    async def _part(
        self,
        ids: Collection[int],
        move: Callable[[Connection], Awaitable[None]] | None = None,
        *,
        retries: bool = False,
    ) -> None:
        """Look at some profiles, and send what follows.

        move: what is written with the last of it; retries: send what failed already, too"""
        now = self._environment.now()
        async with snapshot(self._environment.pool) as connection:
            environment = await definition_store.find_environment(connection, self._environment.id)
            if environment.live_revision != self._program.catalog.revision:
                raise OvertakenRun  # the state of profiles may fit other definitions by now
            wanted, survivors = await records_of(connection, self._program, ids, now)
            profiles = {*ids, *survivors.values()}
            entries = await store.find_entries(connection, *self._ids, profiles, keys_in(wanted))
            keys = keys_in(wanted) | {one.match_key for one in entries if one.match_key is not None}
            removals = await store.find_removals(connection, *self._ids, keys)
        numbers = _Numbers()
        ledger = Ledger(self._policy, entries, removals, numbers.draw)
        self._differences = self._differing(ledger, wanted, now)
        for id, survivor in survivors.items():
            if id != survivor:
                ledger.absorb(id, survivor)
        # Those who leave first: who takes over a key finds it free.
        ordered = sorted(wanted, key=lambda one: one.match_key is not None)
        if not retries:
            ordered = [one for one in ordered if not ledger.put_off(one)]
        sends = [send for one in ordered if (send := ledger.want(one, self._row.last_run)) is not None]
        sends.sort(key=lambda send: ledger.entries[send.profile_id].attempts)
        erased = [one.profile_id for one in wanted if one.is_erased]
        await self._deliver(ledger, numbers, sends, move, erased)

    def _differing(self, ledger: Ledger, wanted: Sequence[WantedRecord], now: Instant) -> int:
        """How many of these people a comparison finds different, although nothing of them was to be done."""
        found = 0
        for one in wanted:
            entry = ledger.entries.get(one.profile_id)
            if one.version is None or one.version > self._settled:
                continue  # marked since
            if entry is None:
                found += one.match_key is not None
            elif entry.state in UNSETTLED or (entry.next_change_at is not None and entry.next_change_at <= now):
                continue
            elif entry.state == "sent":
                found += (entry.match_key, entry.hash) != (one.match_key, one.hash)
            else:
                found += one.match_key is not None
        return found

    async def _forget_removals(self) -> None:
        async with transaction(self._environment.pool) as connection:
            await self._hold(connection)
            await store.forget_removals(connection, *self._ids)

    async def _removals(self) -> None:
        """Send removals, unless they are too many at once."""
        async with transaction(self._environment.pool) as connection:
            await self._hold(connection)
            counted = await store.count_leaving(connection, *self._ids)
            # Of what the receiver had before: what was added since does not make the removals fewer.
            of = max(counted.leaving, counted.before or counted.leaving + counted.known)
            if is_braked(self._program.document.brake, counted.leaving, of):
                self._braked = (counted.leaving, of)
            else:
                await store.allow_removals(connection, *self._ids, counted.known)
            self._is_weighed = True
        await self._remove(store.removals_to_send)

    async def _remove(self, read: Callable[..., Awaitable[list[LedgerRemoval]]]) -> None:
        """Send the removals that the brake let pass, as `read` finds them."""
        while True:
            async with acquired(self._environment.pool) as connection:
                removals = await read(connection, *self._ids, self._row.last_run, PART)
            if not removals:
                return
            numbers = _Numbers()
            ledger = Ledger(self._policy, [], removals, numbers.draw)
            sends = [ledger.removing(one.match_key, self._row.last_run) for one in removals]
            await self._deliver(ledger, numbers, sends)

    async def _hold(self, connection: Connection) -> int:
        """Keep other runs out until the transaction ends. Returns the number of the last send."""
        last = await store.hold_sync(connection, *self._ids, self._row.generation)
        if last is None:
            raise OvertakenRun
        return last

    async def _deliver(
        self,
        ledger: Ledger,
        numbers: "_Numbers",
        sends: list[RecordSend],
        move: Callable[[Connection], Awaitable[None]] | None = None,
        erased: Sequence[int] = (),
    ) -> None:
        """Write down what is sent, send it, and write down what was answered."""
        if not (sends or ledger.changed_profiles or ledger.changed_keys or move is not None or erased):
            return
        async with transaction(self._environment.pool) as connection:
            last = await self._hold(connection)
            if numbers.drawn:
                sends = numbers.settle(ledger, sends, last)
                await store.number_sends(connection, *self._ids, last + numbers.drawn)
            await self._save(connection, ledger)
            await store.allow_erased(connection, *self._ids, erased)
            if move is not None and not sends:
                await move(connection)
        if not sends:
            return
        answers = await self._send(sends)
        now = self._environment.now()
        ledger.changed_profiles.clear()
        ledger.changed_keys.clear()
        sent = removed = 0
        failure = ""
        for send, answer in zip(sends, answers, strict=True):
            error = answer.error if answer is not None else "It was not sent, because the receiver is away."
            ledger.answered(send, error, tries=int(answer is not None))
            if answer is not None and error:
                failure = error
            elif answer is None:
                continue
            elif send.operation == self._policy.change:
                sent += 1
            else:
                removed += 1
        async with transaction(self._environment.pool) as connection:
            await self._hold(connection)
            await self._save(connection, ledger)
            if move is not None:
                await move(connection)
            success_at, failure_at = now if sent or removed else None, now if failure else None
            await store.count_sends(connection, *self._ids, sent, removed, success_at, failure_at, failure)
        if self._failures >= _AWAY:
            raise _Away(failure)

    async def _save(self, connection: Connection, ledger: Ledger) -> None:
        profiles, keys = ledger.changed_profiles, ledger.changed_keys
        if profiles:
            await store.release_keys(connection, *self._ids, profiles)
            if gone := profiles - ledger.entries.keys():
                await store.drop_entries(connection, *self._ids, gone)
            await store.put_entries(connection, *self._ids, [ledger.entries[id] for id in profiles - gone])
        if keys:
            if gone_keys := keys - ledger.removals.keys():
                await store.drop_removals(connection, *self._ids, gone_keys)
            await store.put_removals(connection, *self._ids, [ledger.removals[key] for key in keys - gone_keys])

    async def _send(self, sends: Sequence[RecordSend]) -> "list[SyncAnswer | None]":
        """Send as many at once as the destination allows; None for what was not sent, because the receiver is away."""
        answers: list[SyncAnswer | None] = [None] * len(sends)
        waiting = iter(enumerate(sends))

        async def work() -> None:
            for n, send in waiting:
                if self._failures >= _AWAY:
                    return
                answer = answers[n] = await self._outlet.send(send, self._program.document)
                self._failures = self._failures + 1 if answer.is_away else 0
                self._retry_after = max(self._retry_after, answer.retry_after)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._outlet.at_once, len(sends))):
                group.create_task(work())
        return answers


class _Numbers:
    """Numbers of sends: drawn below zero, and settled when the row that has the last one is held."""

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self) -> int:
        self.drawn += 1
        return -self.drawn

    def settle(self, ledger: Ledger, sends: list[RecordSend], last: int) -> list[RecordSend]:
        """Give the sends, and what the ledger says of them, their numbers."""
        return ledger.renumbered(sends, lambda number: last - number if number < 0 else number)
