"""Messages in, durable and applied when the answer goes out.

Shape   accept(environment, messages) joins the group in the making; one transaction commits the whole group
Laws    answered means committed: events, state, memberships and transitions together, or nothing.
        A message id counts once per environment, whatever the retries, endpoints, restarts or processes
Units   a group holds at most `ingest_batch` messages, unless one request alone brings more
Errors  Overloaded when too many messages wait · Unavailable when Postgres is away · InvalidInput UNSTORABLE for a
        request the database refuses; the others of its group are not harmed
Source  docs/decisions/0011-group-commit.md
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tinycdp.engine import recompute
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput, Overloaded, TinyCDPError, Unavailable
from tinycdp.model import Message, Rejection
from tinycdp.runtime import groups, identity, profiles
from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.identity_rules import DEFAULT, Rules
from tinycdp.runtime.news import announce_people, announce_profiles
from tinycdp.store import identity as identity_store
from tinycdp.store import messages as store
from tinycdp.store.pool import RETRY, UNSTORABLE, Connection, Pool, transaction

log = logging.getLogger(__name__)

#: How often a group begins anew because another process crossed it, before its clients are asked to come again.
TRIES = 8


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one request.

    version  pass it to decide as `minVersion` to read this write
    refused  messages that name nobody, by the environment's own rules"""

    version: int
    accepted: int
    duplicates: int
    refused: Sequence[Rejection] = ()


@dataclass(slots=True)
class _Request:
    messages: Sequence[Message]
    rejections: Sequence[Rejection]
    refused: Sequence[Rejection]
    api_key_id: int | None
    answer: asyncio.Future[Receipt]


@dataclass(frozen=True, slots=True)
class Committed:
    """What a group left behind, for the caches of this process."""

    environment_id: int
    version: int
    touched: dict[int, Profile]
    merged: dict[int, int]


class Ingest:
    """The group commit of one process: a lane for each environment. `committed` hears of a group before its answers."""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        clock: Clock,
        committed: Callable[[Committed], None],
        *,
        batch: int,
        queue: int,
        rules: Callable[[int], Rules] = lambda environment_id: DEFAULT,
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._clock = clock
        self._committed = committed
        self._rules = rules
        self._batch = batch
        self._queue = queue
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
        """Commit the messages, together with whatever else is in flight. Rejections are kept for their owner to see."""
        messages, refused = self._rules(environment_id).screen(messages)
        size = len(messages) + len(rejections) + len(refused)
        if self.waiting and self.waiting + size > self._queue:
            raise Overloaded("INGEST_QUEUE_FULL", "Too many messages are waiting to be stored; try again shortly.")
        answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.waiting += size
        self._lanes.setdefault(environment_id, deque()).append(
            _Request(messages, [*rejections, *refused], refused, api_key_id, answer)
        )
        if environment_id not in self._running:
            self._running[environment_id] = asyncio.create_task(self._run(environment_id))
        return await answer

    async def drain(self) -> None:
        """Wait until everything accepted is answered."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def _run(self, environment_id: int) -> None:
        lane = self._lanes[environment_id]
        try:
            while lane:
                await self._answer(environment_id, self._next_group(lane))
        finally:
            # Here and not in a callback: a request that comes in between would find a runner that has ended.
            del self._running[environment_id]

    def _next_group(self, lane: deque[_Request]) -> list[_Request]:
        group, size = [lane.popleft()], 0
        while lane and (size := size + len(group[-1].messages)) + len(lane[0].messages) <= self._batch:
            group.append(lane.popleft())
        self.waiting -= sum(len(request.messages) + len(request.rejections) for request in group)
        return group

    async def _answer(self, environment_id: int, group: list[_Request]) -> None:
        try:
            receipts = await self._commit(environment_id, group)
        except TinyCDPError as trouble:
            self._fail(group, trouble)
        except Exception as refused:
            if len(group) > 1:  # one request's fault is not to harm the others
                for request in group:
                    await self._answer(environment_id, [request])
            elif isinstance(refused, UNSTORABLE):
                log.warning("the database refused a request: %s", refused)
                self._fail(group, InvalidInput("UNSTORABLE", f"The database cannot store this: {refused}."))
            else:
                log.exception("a request failed")
                self._fail(group, Unavailable("INTERNAL", "This could not be stored; try again shortly."))
        else:
            for request, receipt in zip(group, receipts, strict=True):
                if not request.answer.done():
                    request.answer.set_result(receipt)

    @staticmethod
    def _fail(group: list[_Request], trouble: TinyCDPError) -> None:
        for request in group:
            if not request.answer.done():
                request.answer.set_exception(trouble)

    async def _commit(self, environment_id: int, group: list[_Request]) -> list[Receipt]:
        for _ in range(TRIES):
            try:
                async with transaction(self._pool) as connection:
                    fresh, committed = await self._apply(connection, environment_id, group)
            except (identity.Restart, *RETRY):
                await asyncio.sleep(random.uniform(0, 0.02))
                continue
            self._committed(committed)
            return [
                Receipt(committed.version, n, len(request.messages) - n, request.refused)
                for request, n in zip(group, fresh, strict=True)
            ]
        raise Overloaded("CONTENTION", "Many processes write to the same people at once; try again shortly.")

    async def _apply(
        self, connection: Connection, environment_id: int, group: list[_Request]
    ) -> tuple[list[int], Committed]:
        """The whole transaction. Gives how many messages of each request were new."""
        await store.begin_group(connection, environment_id)
        digests = [[_digest(message.message_id) for message in request.messages] for request in group]
        unique = list({digest for listed in digests for digest in listed})
        live, head, unseen = await store.claim_message_ids(connection, environment_id, unique)
        catalog = await self._catalogs.at(connection, environment_id, live, head)
        messages: list[Message] = []
        counts = []
        for request, listed in zip(group, digests, strict=True):
            before = len(messages)
            for message, digest in zip(request.messages, listed, strict=True):
                if digest in unseen:
                    unseen.discard(digest)
                    messages.append(message)
            counts.append(len(messages) - before)
        for request in group:
            rows = [(r.code, r.message, r.path, r.payload) for r in request.rejections]
            await store.reject_messages(connection, environment_id, request.api_key_id, self._clock(), rows)
        rules = self._rules(environment_id)
        people = identity.People(connection, environment_id, catalog, self._clock(), rules)
        ignored = Counter(alias for message in messages for alias in message.ignored)
        blocked = [(alias.kind, alias.value, n) for alias, n in ignored.items()]
        await identity_store.count_blocked(connection, environment_id, blocked, people.now)
        if not messages:
            # Newer than the commit that took the originals, whose answer may have been lost on its way.
            return counts, Committed(environment_id, await store.next_version(connection), {}, {})
        await identity.resolve(people, messages)
        await store.append_events(connection, [_event_row(environment_id, people, message) for message in messages])
        traits = await groups.take(connection, environment_id, messages, people.now)
        transitions = _apply_to_profiles(people, messages, traits)
        stored = [profile for id, profile in people.profiles.items() if id not in people.new]
        version = await profiles.save(
            connection,
            environment_id,
            people.now,
            stored,
            transitions,
            new=[people.profiles[id] for id in people.new - people.merged.keys()],
            merged=people.merged,
        )
        touched = {id: profile for id, profile in people.profiles.items() if id not in people.merged}
        await announce_profiles(connection, environment_id, version, [*touched, *people.merged])
        await announce_people(connection, environment_id, people.born)
        return counts, Committed(environment_id, version, touched, people.merged)


def _apply_to_profiles(
    people: identity.People, messages: list[Message], groups: Mapping[str, Mapping[str, Any]]
) -> list[recompute.Transition]:
    by_profile: dict[int, list[Message]] = {}
    for message in messages:
        by_profile.setdefault(people.aliases[message.aliases[0]].profile_id, []).append(message)
    transitions: list[recompute.Transition] = []
    for profile_id, own in by_profile.items():
        transitions += recompute.apply(people.profiles[profile_id], own, people.catalog, people.now, groups)
    named_only = people.new - by_profile.keys()  # by an alias call, without a message of their own
    for profile_id in (people.review | named_only) - people.merged.keys():
        transitions += recompute.review_all(people.profiles[profile_id], people.catalog, people.now)
    return transitions


def _digest(message_id: str) -> bytes:
    return blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _event_row(environment_id: int, people: identity.People, message: Message) -> tuple[object, ...]:
    return (
        environment_id,
        people.aliases[message.aliases[0]].id,
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
    )
