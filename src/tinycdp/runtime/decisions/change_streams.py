"""The open streams of one process, which are notified when their answers change.

Shape   open(watch) and close(watch); changes are reported to profiles_changed, profiles_created, published,
        keys_changed and reconnected. One task looks again at the watches that any of it concerns, with one heap for the
        clock
Laws    a watch is told when the answers it may know of differ from those of now, whatever made them differ: an event,
        a merge, a definition, the clock. It is told once, however much happens meanwhile; and a look that found nothing
        new tells nothing
Units   a watch that was just told waits QUIET_SECONDS for the next time: readers put off reading while they are told.
        One in BEATS of all watches gets a heartbeat each second
Errors  Unavailable TOO_MANY_STREAMS
Source  docs/decisions/0019-pushes.md
"""

import asyncio
import heapq
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from tinycdp.engine.catalog import Catalog
from tinycdp.errors import Unavailable
from tinycdp.model import NEVER, Identifier, Instant
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import Decisions
from tinycdp.runtime.decisions.evaluations import Evaluations, decide_all, evaluations
from tinycdp.runtime.notifications import digest_of

log = logging.getLogger(__name__)

BEATS = 15
QUIET_SECONDS = 0.25
#: Watches looked at before anything else of the process has its turn; they may hold so many connections to Postgres.
_AT_ONCE = 4
_RETRY_SECONDS = 5

_Home = tuple[int, int | str]  # environment id; a profile's id, or the news' name of someone never seen


class Watch(ABC):
    """A stream's reader: whose answers it reads, in which context, and what it knows of them.

    mark     of the answers it has
    version  of the profile when the answers were last computed"""

    __slots__ = (
        "beat",
        "context",
        "due",
        "environment_id",
        "home",
        "identifier",
        "key_id",
        "mark",
        "pending",
        "quiet",
        "version",
    )

    def __init__(
        self, key_id: int, environment_id: int, context: Mapping[str, Any], identifier: Identifier | None, mark: int
    ):
        self.key_id = key_id
        self.environment_id = environment_id
        self.context = context
        self.identifier = identifier
        self.mark = mark
        self.version = 0
        self.home: _Home | None = None
        self.due: Instant = NEVER
        self.beat = 0
        self.quiet = self.pending = False

    @abstractmethod
    def tell(self, answers: Evaluations, now: Instant) -> None:
        """Send that the answers changed."""

    @abstractmethod
    def keep_alive(self) -> None:
        """Send a heartbeat."""

    @abstractmethod
    def end(self) -> None:
        """Close the stream."""


class Pushes:
    """All watches of the process. `usable` says whether a key still is valid."""

    def __init__(
        self,
        decisions: Decisions,
        catalog: Callable[[int], Catalog],
        usable: Callable[[int], bool],
        now: Clock,
        limit: int,
    ) -> None:
        self._decisions = decisions
        self._catalog = catalog
        self._usable = usable
        self._now = now
        self._limit = limit
        self._watches: tuple[dict[Watch, None], ...] = tuple({} for _ in range(BEATS))
        self._open = 0
        self._homes: dict[_Home, list[Watch]] = {}
        self._changed: dict[Watch, None] = {}
        self._timers: list[tuple[Instant, int, Watch]] = []
        self._order = count()
        self._published: dict[int, Catalog] = {}
        self._loop = Loop("streams", self.tick, QUIET_SECONDS)
        self._beat, self._next_beat = 0, 0.0
        self._leaving = self._looking = False
        self.told = 0

    def __len__(self) -> int:
        return self._open

    @property
    def watches(self) -> Sequence[Watch]:
        return [watch for beat in self._watches for watch in beat]

    @property
    def full(self) -> bool:
        return self._open >= self._limit

    @property
    def busy(self) -> bool:
        """Whether a change has not been sent yet."""
        return bool(self._changed) or self._looking

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        self.leave()
        await self._loop.stop()

    def leave(self) -> None:
        """End every stream and open no more: the clients reconnect to another process."""
        self._leaving = True
        for watch in self.watches:
            watch.end()

    def open(self, watch: Watch) -> None:
        """Notify it from now on; at once if it does not have the current answers."""
        if self.full or self._leaving:
            raise Unavailable(
                "TOO_MANY_STREAMS",
                "This process has reached its limit of open streams.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        watch.beat = min(range(BEATS), key=lambda beat: len(self._watches[beat]))
        self._watches[watch.beat][watch] = None
        self._open += 1
        self._move(watch, _stranger(watch))
        self._mark(watch)

    def close(self, watch: Watch) -> None:
        if watch in self._watches[watch.beat]:
            del self._watches[watch.beat][watch]
            self._open -= 1
            self._move(watch, None)
            self._changed.pop(watch, None)
            watch.due = NEVER

    # What happens

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Iterable[int]) -> None:
        if self._homes:
            for id in profile_ids:
                for watch in self._homes.get((environment_id, id), ()):
                    if watch.version < version:
                        self._mark(watch)

    def profiles_created(self, environment_id: int, names: Iterable[str]) -> None:
        """User ids of these names have just got a profile."""
        if self._homes:
            for name in names:
                for watch in self._homes.get((environment_id, name), ()):
                    self._mark(watch)

    def published(self, environment_id: int) -> None:
        """The environment may have another catalog."""
        catalog = self._catalog(environment_id)
        if self._published.get(environment_id) is not catalog:
            self._published[environment_id] = catalog
            for watch in self.watches:
                if watch.environment_id == environment_id:
                    self._mark(watch)

    def keys_changed(self) -> None:
        for watch in self.watches:
            if not self._usable(watch.key_id):
                watch.end()

    def reconnected(self) -> None:
        """Check every watch: notifications may be lost, and a restored database may restart its versions."""
        for watch in self.watches:
            watch.version = 0
            self._mark(watch)

    # Looking again

    def _mark(self, watch: Watch) -> None:
        if watch.quiet:
            watch.pending = True
        else:
            self._changed[watch] = None
            self._loop.wake()

    def _calm(self, watch: Watch) -> None:
        watch.quiet = False
        if watch.pending:
            watch.pending = False
            if watch in self._watches[watch.beat]:
                self._mark(watch)

    async def tick(self) -> float:
        """Check some of the changed watches. Returns the seconds until the next tick."""
        now, time = self._now(), asyncio.get_running_loop().time
        while self._timers and self._timers[0][0] <= now:
            due, _, watch = heapq.heappop(self._timers)
            if watch.due == due:
                watch.due = NEVER
                self._mark(watch)
        if time() >= self._next_beat:
            self._beat, self._next_beat = (self._beat + 1) % BEATS, max(self._next_beat + 1, time())
            for watch in list(self._watches[self._beat]):
                watch.keep_alive()
        if self._changed:
            self._looking = True
            try:
                await self._look()
            finally:
                self._looking = False
            return 0.0
        seconds = self._next_beat - time()
        if self._timers:
            seconds = min(seconds, (self._timers[0][0] - now) / 1000)
        return max(seconds, 0.001)

    async def _look(self) -> None:
        """Check the first few watches; those with a profile not in memory wait for Postgres together."""
        some = [watch for watch, _ in zip(self._changed, range(_AT_ONCE), strict=False)]
        for watch in some:
            del self._changed[watch]
        absent = [watch for watch in some if not self._is_at_hand(watch)]
        for watch in some:
            if watch not in absent:
                await self._check(watch)
        if absent:
            await asyncio.gather(*map(self._check, absent))

    def _is_at_hand(self, watch: Watch) -> bool:
        return (
            watch.identifier is None or self._decisions.at_hand(watch.environment_id, watch.identifier, 0) is not None
        )

    async def _check(self, watch: Watch) -> None:
        try:
            catalog, subject, stale = await self._decisions.known(watch.environment_id, watch.identifier, self._now())
        except Unavailable:
            return  # everything is looked at again when the database is found
        except Exception:
            log.exception("a stream's answers could not be computed")
            return
        if stale or watch not in self._watches[watch.beat]:
            return
        now = self._now()
        answers = evaluations(catalog, decide_all(catalog, subject, now, watch.context))
        watch.version = subject.version
        self._move(watch, (watch.environment_id, subject.profile_id) if subject.profile_id else _stranger(watch))
        self._time(watch, answers.until)
        if answers.mark != watch.mark:
            watch.mark = answers.mark
            watch.quiet = True
            asyncio.get_running_loop().call_later(QUIET_SECONDS, self._calm, watch)
            self.told += 1
            watch.tell(answers, now)

    def _move(self, watch: Watch, home: _Home | None) -> None:
        """Keep the watch where changes of its profile find it."""
        if watch.home == home:
            return
        if watch.home is not None:
            listed = self._homes[watch.home]
            listed.remove(watch)
            if not listed:
                del self._homes[watch.home]
        watch.home = home
        if home is not None:
            self._homes.setdefault(home, []).append(watch)

    def _time(self, watch: Watch, due: Instant) -> None:
        if watch.due != due:
            watch.due = due
            if due != NEVER:
                heapq.heappush(self._timers, (due, next(self._order), watch))
                if len(self._timers) > 2 * self._open + 64:  # most of them are of the past
                    self._timers = [timer for timer in self._timers if timer[2].due == timer[0]]
                    heapq.heapify(self._timers)


def _stranger(watch: Watch) -> _Home | None:
    return (watch.environment_id, digest_of(watch.identifier.value)) if watch.identifier is not None else None
