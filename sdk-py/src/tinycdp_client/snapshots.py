"""Snapshots of recent profiles, and when each is fetched anew.

Shape   Snapshots(fetch).get(profile, min_version) → Known, or a problem · Watch keeps one fresh by its stream
Laws    a snapshot is used only while it is exact: not after its validUntil, not without the client's own events, and
        not longer than max_age without asking the server, unless a stream is open that would have said so
        of many threads that need one snapshot one fetches it, and the others wait
        if the server is away, what is known goes on, marked STALE, until it ends
Source  dsl/SNAPSHOT.md "When it holds"
"""

import json
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self

from . import clock
from .local import Snapshot, UnknownFormat
from .problems import Problem
from .sender import pause
from .transport import Answer, Transport, Unreachable

_MOST_PROFILES = 1_000
#: The server sends something every 15 seconds.
_SILENCE_SECONDS = 45.0
_LONGEST_PAUSE = 30.0

#: Asks for a profile's snapshot: (profile, least version, the ETag that is known, the ETag that a stream announced) →
#: the answer, or a problem.
Fetch = Callable[[Mapping[str, str], int, str | None, str | None], Answer | Problem]


@dataclass(frozen=True, slots=True)
class Known:
    """A snapshot, and the server's time now in milliseconds."""

    snapshot: Snapshot
    now: int
    stale: bool


class _Held:
    """What is known of one profile."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.snapshot: Snapshot | None = None
        self.etag: str | None = None
        self.received = 0.0  # when the snapshot came, whose asOf was then
        self.checked = 0.0  # when the server last said that it holds
        self.includes = 0  # the version that it is sure to include
        self.failed = False
        self.streams = 0
        self.changed = False  # says the stream
        self.announced: str | None = None  # the ETag it named

    def now(self) -> int:
        assert self.snapshot is not None
        return self.snapshot.as_of + int((clock.monotonic() - self.received) * 1000)

    def is_fresh(self, min_version: int, max_age: float) -> bool:
        if self.snapshot is None or self.changed or min_version > self.includes:
            return False
        if self.snapshot.valid_until is not None and self.now() >= self.snapshot.valid_until:
            return False
        return self.streams > 0 or clock.monotonic() < self.checked + max_age


class Snapshots:
    """The snapshots of the 1,000 profiles that were decided last."""

    def __init__(self, fetch: Fetch, max_age: float) -> None:
        self._fetch = fetch
        self.max_age = max_age
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[tuple[str, str], ...], _Held] = OrderedDict()

    def held(self, profile: Mapping[str, str]) -> _Held:
        """What is known of a profile; a watched one is not forgotten."""
        key = tuple(profile.items())
        with self._lock:
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = _Held()
            self._held.move_to_end(key)
            if len(self._held) > _MOST_PROFILES:
                oldest = next((key for key, one in self._held.items() if not one.streams), key)
                del self._held[oldest]
            return held

    def get(self, profile: Mapping[str, str], min_version: int) -> Known | Problem:
        """The profile's snapshot, fetched if it has to be. An old one if the server is away, else the problem."""
        held = self.held(profile)
        if not held.is_fresh(min_version, self.max_age):
            with held.lock:
                # Another thread may have been here first.
                is_fresh = held.is_fresh(min_version, self.max_age)
                if not is_fresh and (problem := self.refresh(profile, held, min_version)):
                    return problem
        assert held.snapshot is not None
        return Known(held.snapshot, held.now(), held.failed)

    def refresh(self, profile: Mapping[str, str], held: _Held, min_version: int) -> Problem | None:
        """Asks the server; the caller holds the lock of what is held. Returns why nothing is known, if so."""
        changed, held.changed = held.changed, False
        etag = held.etag if held.snapshot is not None else None
        answer = self._fetch(profile, min_version, etag, held.announced)
        received = clock.monotonic()
        if isinstance(answer, Answer) and answer.status == 200:
            try:
                held.snapshot = Snapshot(answer.fields)
            except (UnknownFormat, KeyError, TypeError) as error:
                return Problem("UNKNOWN_SNAPSHOT", f"{error}: update tinycdp-client.")
            held.etag, held.received = answer.headers.get("etag"), received
        elif not (isinstance(answer, Answer) and answer.status == 304 and held.snapshot is not None):
            held.changed = changed
            if held.snapshot is None or (held.snapshot.valid_until or held.now() + 1) <= held.now():
                return answer if isinstance(answer, Problem) else Problem("GENERAL", f"HTTP {answer.status}")
            held.failed, held.checked = True, received  # not asked again for each decision of an outage
            return None
        held.failed, held.checked = False, received
        held.includes = max(held.includes, min_version, held.snapshot.version if held.snapshot else 0)
        return None

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        """The parent's threads may have held any lock, and its streams do not come along."""
        self._lock = threading.Lock()
        self._held.clear()


class Watch:
    """Keeps one profile's snapshot fresh: the server says when something changes. Close it, or use it in a `with`.

    Shape   a thread reads the stream; without one, or when it breaks, the snapshot is asked for at each decision that
            comes more than max_age after the last"""

    def __init__(
        self,
        snapshots: Snapshots,
        transport: Transport,
        profile: Mapping[str, str],
        on_change: Callable[[], None] | None,
    ) -> None:
        self._snapshots, self._transport, self._profile, self._on_change = snapshots, transport, profile, on_change
        self._held = snapshots.held(profile)
        self._closed = threading.Event()
        self.connected = threading.Event()
        self._connection: HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="tinycdp-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the stream."""
        self._closed.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)
        self._thread.join(1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        failures, last_id = 0, None
        while not self._closed.is_set():
            with self._held.lock:
                self._snapshots.refresh(self._profile, self._held, 0)
                address = self._held.snapshot.stream if self._held.snapshot is not None else None
            if address is not None:
                last_id, read = self._follow(address, last_id)
                failures = 0 if read else failures + 1
            else:
                failures += 1
            self._closed.wait(pause(failures + 1, 0.5, _LONGEST_PAUSE, random.random()))

    def _follow(self, address: str, last_id: str | None) -> tuple[str | None, bool]:
        """Reads a stream until it ends. Returns the last id, and whether it was open at all."""
        try:
            self._connection, response = self._transport.stream(address, _SILENCE_SECONDS, last_id)
        except Unreachable:
            return last_id, False
        try:
            if response.status != 200:
                self._held.etag = None  # the address is no longer good: have another one
                return None, False
            self._held.streams += 1
            self.connected.set()
            try:
                while not self._closed.is_set() and (line := response.readline()):
                    if line.startswith(b"id:"):
                        last_id = line[3:].strip().decode()
                    elif line.startswith(b"data:"):
                        self._take(line[5:])
            finally:
                self._held.streams -= 1
                self._held.changed = True  # until the server says otherwise
                self.connected.clear()
        except (OSError, HTTPException, ValueError):
            pass
        finally:
            self._connection.close()
        return last_id, True

    def _take(self, data: bytes) -> None:
        """An event of the stream: fetch what has changed, at once."""
        event: dict[str, Any] = {}
        with suppress(ValueError):
            event = json.loads(data)
        self._held.changed, self._held.announced = True, event.get("etag")
        with self._held.lock:
            before = self._held.etag
            self._snapshots.refresh(self._profile, self._held, 0)
            changed = before != self._held.etag
        if changed and self._on_change is not None and not self._closed.is_set():
            self._on_change()
