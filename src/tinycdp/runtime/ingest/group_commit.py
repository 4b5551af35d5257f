"""Group commit: messages are durable and applied before the answer.

Shape   accept(environment, messages) adds a request to the next group; one transaction commits the whole group
Laws    Answered means committed: events, state, memberships and transitions together, or nothing.
        A message id counts once per environment, across retries, endpoints, restarts and processes.
        A message that fails affects no other: its group is halved until the message is alone and becomes a dead letter.
Units   A group has at most `batch` messages, unless one request has more.
Errors  Overloaded if too many messages wait · Unavailable if Postgres is unreachable or broken
Source  docs/decisions/0011-group-commit.md, docs/decisions/0026-limits.md
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tinycdp.engine import outbox, recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.errors import Overloaded, TinyCDPError, Unavailable
from tinycdp.model import Message, Rejection
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.identity import resolution
from tinycdp.runtime.ingest import dead_letters
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.identifier_rules import DEFAULT, IdentifierRules
from tinycdp.runtime.policies.rejections import RejectionLog
from tinycdp.runtime.profiles import groups, storage
from tinycdp.runtime.transactions import commit_with_retry
from tinycdp.store import events as event_store
from tinycdp.store import identity as identity_store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import BROKEN, RETRY, UNSTORABLE, Connection, Pool, transaction

log = logging.getLogger(__name__)

#: Called in a transaction that is about to commit: environment, version, catalog, the profiles that it changed and
#: that keep their identifiers, and the version of each before.
Writing = Callable[[int, int, Catalog, Mapping[int, Profile], Mapping[int, int]], None]

#: Applies the tracking plan and adds warnings: the messages to store, and the rejections.
Screen = Callable[[int, Sequence[Message]], tuple[Sequence[Message], list[Rejection]]]


#: Messages that are applied before other tasks run: a few milliseconds.
_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one request.

    version   pass it to decide as `minVersion` to read this write
    rejected  by the environment's identifier rules or its tracking plan
    warned    the messages with warnings
    dead      how many became dead letters, because storing them failed"""

    version: int
    accepted: int
    duplicates: int
    rejected: Sequence[Rejection] = ()
    dead: int = 0
    warned: Sequence[Message] = ()


@dataclass(slots=True)
class _Request:
    """A request that waits for its commit.

    parts: those that are not settled; more than one only after a failure."""

    messages: Sequence[Message]
    rejections: Sequence[Rejection]
    rejected: Sequence[Rejection]
    warned: Sequence[Message]
    api_key_id: int | None
    answer: asyncio.Future[Receipt]
    parts: int = 1
    failed: bool = False
    accepted: int = 0
    duplicates: int = 0
    dead: int = 0
    version: int = 0

    def settle(self) -> None:
        """Mark one part as done; the last one sends the answer."""
        self.parts -= 1
        if not self.parts and not self.failed and not self.answer.done():
            counts = (self.accepted, self.duplicates, self.rejected, self.dead)
            self.answer.set_result(Receipt(self.version, *counts, self.warned))

    def fail(self, error: TinyCDPError) -> None:
        """Answer with the error, even if parts are stored: the client sends the whole request again."""
        self.failed = True
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some messages of a request, or its rejections, or all of it."""

    request: _Request
    messages: Sequence[Message]
    rejections: Sequence[Rejection] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group changed, for the caches and streams of this process.

    messages  the new ones
    keys      the API key of each message
    owner     returns the profile of a message
    created   values of new identifiers"""

    environment_id: int
    version: int
    touched: dict[int, Profile]
    merged: dict[int, int]
    messages: Sequence[Message] = ()
    keys: Sequence[int | None] = ()
    owner: Callable[[Message], int] = lambda message: 0
    transitions: Sequence[recompute.Transition] = ()
    rejections: Sequence[tuple[Rejection, int | None]] = ()
    created: Sequence[str] = ()


class Ingest:
    """The group commit of one process, with one queue per environment.

    `committed` is called after each commit, before the answers, and `writing` just before each."""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        clock: Clock,
        committed: Callable[[Committed], None],
        *,
        writing: Writing = lambda *_: None,
        batch: int,
        queue: int,
        rules: Callable[[int], IdentifierRules] = lambda environment_id: DEFAULT,
        plan: Screen = lambda environment_id, messages: (messages, []),
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._clock = clock
        self._committed = committed
        self._writing = writing
        self._rules = rules
        self._plan = plan
        self._batch = batch
        self._queue = queue
        self._rejection_log = RejectionLog()
        self._lanes: dict[int, deque[_Request]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self.waiting = 0

    async def accept(
        self,
        environment_id: int,
        messages: Sequence[Message],
        rejections: Sequence[Rejection] = (),
        api_key_id: int | None = None,
    ) -> Receipt:
        """Commit the messages together with other waiting requests, and log the rejections."""
        messages, rejected = self._rules(environment_id).screen(messages)
        messages, unplanned = self._plan(environment_id, messages)
        rejected += unplanned
        warned = [message for message in messages if message.warnings]
        size = len(messages) + len(rejections) + len(rejected)
        if self.waiting and self.waiting + size > self._queue:
            raise _full()
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.waiting += size
        self._lanes.setdefault(environment_id, deque()).append(
            _Request(messages, [*rejections, *rejected], rejected, warned, api_key_id, answer)
        )
        if environment_id not in self._running:
            self._running[environment_id] = asyncio.create_task(self._run(environment_id))
        return await answer

    def check_queue(self) -> None:
        """Raise Overloaded if the queue is full, before the body is read."""
        if self.waiting and self.waiting >= self._queue:
            raise _full()

    async def drain(self) -> None:
        """Wait until every accepted request is answered."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _run(self, environment_id: int) -> None:
        lane = self._lanes[environment_id]
        try:
            while lane:
                group = self._next_group(lane)
                await self._store(environment_id, [_Part(one, one.messages, one.rejections) for one in group])
        finally:
            # Here and not in a callback: a request that comes in between would find a runner that has ended.
            del self._running[environment_id]

    def _next_group(self, lane: deque[_Request]) -> list[_Request]:
        group, size = [lane.popleft()], 0
        while lane and (size := size + len(group[-1].messages)) + len(lane[0].messages) <= self._batch:
            group.append(lane.popleft())
        self.waiting -= sum(len(request.messages) + len(request.rejections) for request in group)
        return group

    async def _store(self, environment_id: int, parts: list[_Part]) -> None:
        """Commit the parts in one transaction; if that fails, each half by itself."""
        parts = [part for part in parts if not part.request.failed]
        if not parts:
            return
        try:
            fresh, version = await self._commit(environment_id, parts)
        except TinyCDPError as error:
            self._fail(parts, error)
        except Exception as fault:
            if isinstance(fault, BROKEN) and not isinstance(fault, UNSTORABLE):
                log.exception("the database cannot store a group of messages")
                self._fail(parts, Unavailable("INTERNAL", "This could not be stored; try again shortly."))
            elif halves := _halves(parts):
                for half in halves:
                    await self._store(environment_id, half)
            else:
                await self._keep_dead_letter(environment_id, parts[0], fault)
        else:
            for part, n in zip(parts, fresh, strict=True):
                part.request.accepted += n
                part.request.duplicates += len(part.messages) - n
                part.request.version = version
                part.request.settle()

    async def _keep_dead_letter(self, environment_id: int, part: _Part, fault: Exception) -> None:
        """Store the one message of a part as a dead letter."""
        request, now = part.request, self._clock()
        # A database error may quote the message, so it is not logged; an internal error is logged with its traceback.
        known = isinstance(fault, UNSTORABLE)
        log.warning("a message became a dead letter: %s", type(fault).__name__, exc_info=None if known else fault)
        try:
            async with transaction(self._pool) as connection:
                for message in part.messages:
                    digest = _digest(message.message_id)
                    await dead_letters.keep(connection, environment_id, digest, message, request.api_key_id, fault, now)
        except TinyCDPError as error:
            request.fail(error)
        except Exception:
            log.exception("a dead letter could not be stored")
            request.fail(Unavailable("INTERNAL", "This could not be stored; try again shortly."))
        else:
            request.dead += len(part.messages)
            request.settle()

    @staticmethod
    def _fail(parts: list[_Part], error: TinyCDPError) -> None:
        for part in parts:
            part.request.fail(error)

    async def _commit(self, environment_id: int, group: list[_Part]) -> tuple[list[int], int]:
        """Commit a group with retries.

        Returns the number of new messages of each part, and the version."""
        fresh, committed = await commit_with_retry(
            self._pool,
            lambda connection: self._apply(connection, environment_id, group),
            again=(resolution.Restart, *RETRY),
        )
        self._committed(committed)
        return fresh, committed.version

    async def _apply(
        self, connection: Connection, environment_id: int, group: list[_Part]
    ) -> tuple[list[int], Committed]:
        """Run the transaction. Returns the number of new messages of each part, and what changed."""
        await event_store.begin_group(connection, environment_id)
        digests = [[_digest(message.message_id) for message in part.messages] for part in group]
        unique = list({digest for listed in digests for digest in listed})
        claimed = await event_store.claim_message_ids(connection, environment_id, unique)
        unseen = claimed.digests
        catalog = await self._catalogs.at(connection, environment_id, claimed.live, claimed.head)
        messages: list[Message] = []
        keys: list[int | None] = []
        counts = []
        for part, listed in zip(group, digests, strict=True):
            before = len(messages)
            for message, digest in zip(part.messages, listed, strict=True):
                if digest in unseen:
                    unseen.discard(digest)
                    messages.append(message)
            counts.append(len(messages) - before)
            keys += [part.request.api_key_id] * counts[-1]
        rejections = [(rejection, part.request.api_key_id) for part in group for rejection in part.rejections]
        rules = self._rules(environment_id)
        identities = resolution.IdentityTransaction(connection, environment_id, catalog, self._clock(), rules)
        ignored = Counter(identifier for message in messages for identifier in message.ignored)
        blocked = [(identifier.kind, identifier.value, n) for identifier, n in ignored.items()]
        await identity_store.count_blocked(connection, environment_id, blocked, identities.now)
        if not messages:
            # All are duplicates, whose first answer may have been lost: this version is newer than their commit.
            version = await profile_store.next_version(connection, environment_id)
            await self._rejection_log.write(connection, environment_id, rejections, identities.now)
            return counts, Committed(environment_id, version, {}, {}, rejections=rejections)
        await resolution.resolve(identities, messages)
        events = zip(messages, claimed.event_ids, strict=True)
        await event_store.append_events(
            connection, [_event_row(environment_id, id, identities, one) for one, id in events]
        )
        traits = await groups.apply_calls(connection, environment_id, messages, identities.now)
        transitions = await _apply_to_profiles(identities, messages, traits)
        stored = [profile for id, profile in identities.profiles.items() if id not in identities.new]
        former = {profile.id: profile.version for profile in stored}
        version = await storage.save(
            connection,
            environment_id,
            identities.now,
            stored,
            [*_changes(identities, messages, claimed.event_ids), *transitions] if claimed.followed else transitions,
            new=[identities.profiles[id] for id in identities.new - identities.merged.keys()],
            merged=identities.merged,
            followed=claimed.followed,
            catalog=identities.catalog if identities.merged else None,
        )
        touched = {id: profile for id, profile in identities.profiles.items() if id not in identities.merged}
        created = [row.identifier.value for row in identities.created]
        await announce_profiles(connection, environment_id, version, [*touched, *identities.merged], created)
        await self._rejection_log.write(connection, environment_id, rejections, identities.now)
        if not identities.changes:  # no identifier moved
            renamed = {row.profile_id for row in identities.created}
            steady = {id: identities.profiles[id] for id in former if id not in renamed}
            self._writing(environment_id, version, catalog, steady, former)

        def owner(message: Message) -> int:
            return _owner(identities, message)

        return counts, Committed(
            environment_id, version, touched, identities.merged, messages, keys, owner, transitions, rejections, created
        )


def _full() -> Overloaded:
    return Overloaded("INGEST_QUEUE_FULL", "Too many messages are waiting to be stored; try again shortly.")


def _halves(parts: list[_Part]) -> list[list[_Part]]:
    """The same parts in two smaller transactions; empty if at most one message is left."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return [parts[:middle], parts[middle:]]
    (part,) = parts
    if part.rejections:
        pieces = [_Part(part.request, (), part.rejections), _Part(part.request, part.messages)]
        pieces = pieces if part.messages else []
    else:
        middle = len(part.messages) // 2
        halves = (part.messages[:middle], part.messages[middle:])
        pieces = [_Part(part.request, half) for half in halves] if middle else []
    part.request.parts += max(len(pieces) - 1, 0)
    return [[piece] for piece in pieces]


async def _apply_to_profiles(
    identities: resolution.IdentityTransaction, messages: list[Message], groups: Mapping[str, Mapping[str, Any]]
) -> list[recompute.Transition]:
    by_profile: dict[int, list[Message]] = {}
    for message in messages:
        by_profile.setdefault(_owner(identities, message), []).append(message)
    transitions: list[recompute.Transition] = []
    applied = 0
    for profile_id, own in by_profile.items():
        applying = recompute.Applying(identities.profiles[profile_id], identities.catalog, identities.now)
        for start in range(0, len(own), _AT_ONCE):
            piece = own[start : start + _AT_ONCE]
            if (applied := applied + len(piece)) > _AT_ONCE:
                applied = len(piece)
                await asyncio.sleep(0)  # decisions go on beside a large group, and beside one of a single profile
            applying.add(piece)
        transitions += applying.review(groups)
    named_only = identities.new - by_profile.keys()  # created by an alias call, without a message of its own
    for profile_id in (identities.review | identities.listed | named_only) - identities.merged.keys():
        cause: recompute.Cause = "merge" if profile_id in identities.review else "event"
        transitions += recompute.review_all(identities.profiles[profile_id], identities.catalog, identities.now, cause)
    return transitions


def _changes(
    identities: resolution.IdentityTransaction, messages: Sequence[Message], event_ids: list[int]
) -> list[outbox.Change]:
    """The changes for the outbox besides transitions: identities first, then the messages."""
    owners = [_owner(identities, message) for message in messages]
    received = [message.received_at for message in messages]
    stored = outbox.StoredEvents(outbox.runs(event_ids), owners, (min(received), max(received)))
    named_only = sorted(identities.new.difference(owners, identities.merged))
    return [*identities.changes, stored, *([outbox.Written(named_only)] if named_only else ())]


def _owner(identities: resolution.IdentityTransaction, message: Message) -> int:
    return identities.identifiers[message.identifiers[0]].profile_id


def _digest(message_id: str) -> bytes:
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _event_row(
    environment_id: int, id: int, identities: resolution.IdentityTransaction, message: Message
) -> tuple[object, ...]:
    return (
        environment_id,
        id,
        identities.identifiers[message.identifiers[0]].id,
        message.kind,
        message.name,
        message.message_id,
        message.occurred_at,
        message.received_at,
        message.original_at,
        message.sent_at,
        message.future,
        message.group_id if message.kind == "group" else message.previous,
        message.properties,
        message.context,
        message.warnings or None,
    )
