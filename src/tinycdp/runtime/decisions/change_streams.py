"""The open streams of one process, which are notified when their answers change.

Shape   open(stream) and close(stream); changes are reported to profiles_changed, profiles_created, published,
        keys_changed and reconnected. One task checks the streams that a change concerns, with one heap for the clock
Laws    a stream sends a change when the answers its client may have differ from those of now, for whatever reason: an
        event, a merge, a definition, the clock. Changes that come together are sent once. A check that finds the same
        answers sends nothing
Units   a stream that just sent a change waits QUIET_SECONDS before the next: clients fetch after a silence.
        One in BEATS of all streams gets a heartbeat each second
Errors  Unavailable TOO_MANY_STREAMS
Source  docs/decisions/0019-change-streams.md
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
from tinycdp.model import ANY_KIND, NEVER, Identifier, Instant
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import ProfileLoader
from tinycdp.runtime.decisions.evaluations import Evaluations, decide_all, evaluations
from tinycdp.runtime.decisions.local_snapshots import LocalAnswers, local_answers
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.notifications import digest_of

log = logging.getLogger(__name__)

BEATS = 15
QUIET_SECONDS = 0.25
#: Streams checked before other tasks of the process run; at most as many connections to Postgres are held.
_AT_ONCE = 4
_RETRY_SECONDS = 5

_ProfileKey = tuple[int, int | str]  # environment id; a profile's id, or the digest of an unknown user id


class ChangeStream(ABC):
    """One open stream: the profile and the context of its answers, and which answers its client has.

    mark     of the answers that the client has
    version  of the profile when the answers were last computed
    local    the client decides by itself: its answers are a snapshot, which has no context"""

    __slots__ = (
        "beat",
        "context",
        "due",
        "environment_id",
        "identifier",
        "key_id",
        "local",
        "mark",
        "pending",
        "profile_key",
        "quiet",
        "version",
    )

    def __init__(
        self,
        key_id: int,
        environment_id: int,
        context: Mapping[str, Any],
        identifier: Identifier | None,
        mark: int,
        *,
        local: bool = False,
    ):
        self.key_id = key_id
        self.environment_id = environment_id
        self.context = context
        self.identifier = identifier
        self.mark = mark
        self.local = local
        self.version = 0
        self.profile_key: _ProfileKey | None = None
        self.due: Instant = NEVER
        self.beat = 0
        self.quiet = self.pending = False

    def answers(self, catalog: Catalog, snapshot: Snapshot, now: Instant) -> Evaluations | LocalAnswers:
        """What the client should have."""
        if self.local:
            return local_answers(catalog, snapshot, now)
        return evaluations(catalog, decide_all(catalog, snapshot, now, self.context))

    @abstractmethod
    def send_change(self, answers: Evaluations | LocalAnswers, now: Instant) -> None:
        """Send that the answers changed."""

    @abstractmethod
    def keep_alive(self) -> None:
        """Send a heartbeat."""

    @abstractmethod
    def end(self) -> None:
        """Close the stream."""


class ChangeStreams:
    """All streams of the process. `usable` says whether a key still is valid."""

    def __init__(
        self,
        profile_loader: ProfileLoader,
        catalog: Callable[[int], Catalog],
        usable: Callable[[int], bool],
        now: Clock,
        limit: int,
    ) -> None:
        self._profile_loader = profile_loader
        self._catalog = catalog
        self._usable = usable
        self._now = now
        self._limit = limit
        self._streams: tuple[dict[ChangeStream, None], ...] = tuple({} for _ in range(BEATS))
        self._open = 0
        self._by_profile: dict[_ProfileKey, list[ChangeStream]] = {}
        # Streams of a targeting key: a stronger identifier with its value gives them another profile.
        self._by_value: dict[_ProfileKey, list[ChangeStream]] = {}
        self._changed: dict[ChangeStream, None] = {}
        self._timers: list[tuple[Instant, int, ChangeStream]] = []
        self._order = count()
        self._published: dict[int, Catalog] = {}
        self._loop = Loop("streams", self.tick, QUIET_SECONDS)
        self._beat, self._next_beat = 0, 0.0
        self._leaving = self._checking = False
        self.changes_sent = 0

    def __len__(self) -> int:
        return self._open

    @property
    def streams(self) -> Sequence[ChangeStream]:
        return [stream for beat in self._streams for stream in beat]

    @property
    def full(self) -> bool:
        return self._open >= self._limit

    @property
    def busy(self) -> bool:
        """Whether a change has not been sent yet."""
        return bool(self._changed) or self._checking

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        self.leave()
        await self._loop.stop()

    def leave(self) -> None:
        """End every stream and open no more: the clients reconnect to another process."""
        self._leaving = True
        for stream in self.streams:
            stream.end()

    def open(self, stream: ChangeStream) -> None:
        """Send changes from now on; at once if the client does not have the current answers."""
        if self.full or self._leaving:
            raise Unavailable(
                "TOO_MANY_STREAMS",
                "This process has reached its limit of open streams.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        stream.beat = min(range(BEATS), key=lambda beat: len(self._streams[beat]))
        self._streams[stream.beat][stream] = None
        self._open += 1
        if (value := _targeting_key(stream)) is not None:
            self._by_value.setdefault(value, []).append(stream)
        self._index(stream, _unseen(stream))
        self._mark(stream)

    def close(self, stream: ChangeStream) -> None:
        if stream in self._streams[stream.beat]:
            del self._streams[stream.beat][stream]
            self._open -= 1
            if (value := _targeting_key(stream)) is not None:
                self._by_value[value].remove(stream)
                if not self._by_value[value]:
                    del self._by_value[value]
            self._index(stream, None)
            self._changed.pop(stream, None)
            stream.due = NEVER

    # What happens

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Iterable[int]) -> None:
        if self._by_profile:
            for id in profile_ids:
                for stream in self._by_profile.get((environment_id, id), ()):
                    if stream.version < version:
                        self._mark(stream)

    def profiles_created(self, environment_id: int, names: Iterable[str]) -> None:
        """Identifiers with values of these digests have just got a profile."""
        if self._by_profile:
            for name in names:
                for streams in (self._by_profile, self._by_value):
                    for stream in streams.get((environment_id, name), ()):
                        self._mark(stream)

    def published(self, environment_id: int) -> None:
        """The environment may have another catalog."""
        catalog = self._catalog(environment_id)
        if self._published.get(environment_id) is not catalog:
            self._published[environment_id] = catalog
            for stream in self.streams:
                if stream.environment_id == environment_id:
                    self._mark(stream)

    def keys_changed(self) -> None:
        for stream in self.streams:
            if not self._usable(stream.key_id):
                stream.end()

    def reconnected(self) -> None:
        """Check every stream: notifications may be lost, and a restored database may restart its versions."""
        for stream in self.streams:
            stream.version = 0
            self._mark(stream)

    # Checking

    def _mark(self, stream: ChangeStream) -> None:
        if stream.quiet:
            stream.pending = True
        else:
            self._changed[stream] = None
            self._loop.wake()

    def _end_quiet(self, stream: ChangeStream) -> None:
        stream.quiet = False
        if stream.pending:
            stream.pending = False
            if stream in self._streams[stream.beat]:
                self._mark(stream)

    async def tick(self) -> float:
        """Check some of the changed streams. Returns the seconds until the next tick."""
        now, time = self._now(), asyncio.get_running_loop().time
        while self._timers and self._timers[0][0] <= now:
            due, _, stream = heapq.heappop(self._timers)
            if stream.due == due:
                stream.due = NEVER
                self._mark(stream)
        if time() >= self._next_beat:
            self._beat, self._next_beat = (self._beat + 1) % BEATS, max(self._next_beat + 1, time())
            for stream in list(self._streams[self._beat]):
                stream.keep_alive()
        if self._changed:
            self._checking = True
            try:
                await self._check_some()
            finally:
                self._checking = False
            return 0.0
        seconds = self._next_beat - time()
        if self._timers:
            seconds = min(seconds, (self._timers[0][0] - now) / 1000)
        return max(seconds, 0.001)

    async def _check_some(self) -> None:
        """Check the first few streams; those with a profile not in memory wait for Postgres together."""
        some = [stream for stream, _ in zip(self._changed, range(_AT_ONCE), strict=False)]
        for stream in some:
            del self._changed[stream]
        absent = [stream for stream in some if not self._is_cached(stream)]
        for stream in some:
            if stream not in absent:
                await self._check(stream)
        if absent:
            await asyncio.gather(*map(self._check, absent))

    def _is_cached(self, stream: ChangeStream) -> bool:
        return (
            stream.identifier is None
            or self._profile_loader.cached(stream.environment_id, stream.identifier, 0) is not None
        )

    async def _check(self, stream: ChangeStream) -> None:
        try:
            catalog, snapshot, stale = await self._profile_loader.load(
                stream.environment_id, stream.identifier, self._now()
            )
        except Unavailable:
            return  # all streams are checked again when the database is back
        except Exception:
            log.exception("a stream's answers could not be computed")
            return
        if stale or stream not in self._streams[stream.beat]:
            return
        now = self._now()
        answers = stream.answers(catalog, snapshot, now)
        stream.version = snapshot.version
        self._index(stream, (stream.environment_id, snapshot.profile_id) if snapshot.profile_id else _unseen(stream))
        self._schedule(stream, answers.until)
        if answers.mark != stream.mark:
            stream.mark = answers.mark
            stream.quiet = True
            asyncio.get_running_loop().call_later(QUIET_SECONDS, self._end_quiet, stream)
            self.changes_sent += 1
            stream.send_change(answers, now)

    def _index(self, stream: ChangeStream, profile_key: _ProfileKey | None) -> None:
        """List the stream under its profile, where changes of the profile find it."""
        if stream.profile_key == profile_key:
            return
        if stream.profile_key is not None:
            listed = self._by_profile[stream.profile_key]
            listed.remove(stream)
            if not listed:
                del self._by_profile[stream.profile_key]
        stream.profile_key = profile_key
        if profile_key is not None:
            self._by_profile.setdefault(profile_key, []).append(stream)

    def _schedule(self, stream: ChangeStream, due: Instant) -> None:
        if stream.due != due:
            stream.due = due
            if due != NEVER:
                heapq.heappush(self._timers, (due, next(self._order), stream))
                if len(self._timers) > 2 * self._open + 64:  # most of them are of the past
                    self._timers = [timer for timer in self._timers if timer[2].due == timer[0]]
                    heapq.heapify(self._timers)


def _targeting_key(stream: ChangeStream) -> _ProfileKey | None:
    return _unseen(stream) if stream.identifier is not None and stream.identifier.kind == ANY_KIND else None


def _unseen(stream: ChangeStream) -> _ProfileKey | None:
    return (stream.environment_id, digest_of(stream.identifier.value)) if stream.identifier is not None else None
