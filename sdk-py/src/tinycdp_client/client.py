"""The client for threads: sends events in the background, and asks for flags.

Shape   Client(write_key, read_key, endpoint).track(…), .identify(…) … · .decide(…) · .flush() · .shutdown()
Laws    a call that sends returns at once, and never raises for what the network, the server or the disk do
        a decision that cannot be had is the default of the caller, with the code of what went wrong
        a decision includes the client's own events that the server has taken
"""

import json
import os
import ssl
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from . import clock, forks
from .decisions import PROFILE_FIELDS, Decision, ProfileOptions, no_decision, profile_named, read_decision
from .messages import Invalid, MessageOptions, encode, to_json
from .problems import OnError, Problem, Reporter
from .queues import Waiting, open_queue
from .sender import Sender
from .transport import Answer, Transport, Unreachable

#: Later every process of the server knows of a write by itself.
_OWN_WRITES_SECONDS = 60.0
_MOST_OWN_WRITES = 10_000
#: What the server answers if only a lower `minVersion` would help.
_TOO_NEW = ("VERSION_AHEAD", "DATABASE_AWAY")


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of this process.

    waiting     in the queue now; of a folder, those of other processes too
    sent        that the server has taken
    duplicates  of these, those it knew before
    lost        that were dropped, by code"""

    waiting: int
    sent: int
    duplicates: int
    lost: Mapping[str, int]


class ClientOptions(TypedDict, total=False):
    """The options of both clients; Client explains them."""

    flush_at: int
    flush_interval: float
    queue: str | os.PathLike[str]
    on_error: OnError | None
    queue_messages: int | None
    queue_size: int | None
    decide_timeout: float
    shutdown_timeout: float
    first_retry: float
    longest_retry: float
    ssl_context: ssl.SSLContext | None


class Client:
    """A connection to TinyCDP. Make one for the process and share it: all methods may be called by many threads.

    write_key        sends events; a key with the scope `write`
    read_key         asks for flags; a key with the scope `decide`
    endpoint         the server's address, such as https://cdp.example.com
    flush_at         this many waiting events are sent at once
    flush_interval   seconds after which fewer are sent, too
    queue            "memory", or a folder: what waits there survives the process
    on_error         is called with a Problem, once for each cause; by default it is logged as a warning
    queue_messages   the most messages that wait: 10,000 in memory, 100,000 in a folder
    queue_size       the most bytes of them: 32 MB in memory, 256 MB in a folder
    decide_timeout   the seconds that a decision may take before the caller's default is the answer
    shutdown_timeout the seconds for what waits when the process ends
    first_retry, longest_retry  the pauses, in seconds, between attempts to send: from the one, doubling, to the other
    ssl_context      for certificates of your own

    Errors  ValueError for an endpoint that is not an address; nothing else is raised for what happens later"""

    def __init__(
        self,
        write_key: str | None = None,
        read_key: str | None = None,
        endpoint: str = "http://127.0.0.1:8000",
        *,
        flush_at: int = 20,
        flush_interval: float = 10.0,
        queue: str | os.PathLike[str] = "memory",
        on_error: OnError | None = None,
        queue_messages: int | None = None,
        queue_size: int | None = None,
        decide_timeout: float = 3.0,
        shutdown_timeout: float = 5.0,
        first_retry: float = 1.0,
        longest_retry: float = 300.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._read_key = read_key
        self._decide_timeout, self._shutdown_timeout = decide_timeout, shutdown_timeout
        self._reporter = Reporter(on_error)
        self._transport = Transport(endpoint, ssl_context)
        self._own_writes = OwnWrites()
        self._sender: Sender | None = None
        parts: list[forks.Part] = [self._own_writes, self._transport, self._reporter]
        if write_key:
            waiting = open_queue(queue, queue_messages, queue_size, self._queue_trouble)
            self._sender = Sender(
                self._transport,
                write_key,
                waiting,
                self._reporter,
                self._own_writes.sent,
                flush_at=flush_at,
                flush_interval=flush_interval,
                first_retry=first_retry,
                longest_retry=longest_retry,
            )
            forks.drain_at_exit(self._sender, shutdown_timeout)
            parts = [self._sender, waiting, *parts]
        forks.carry(self, parts)

    # Events

    def track(
        self,
        user_id: str | int | None = None,
        event: str = "",
        properties: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Something happened. Returns the message's id, or None if it cannot be sent, which `on_error` explains."""
        return self._put("track", user_id, {"event": event, "properties": properties}, options)

    def identify(
        self,
        user_id: str | int | None = None,
        traits: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Properties of a profile; those that are left out stay as they are."""
        return self._put("identify", user_id, {"traits": traits}, options)

    def page(
        self,
        user_id: str | int | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """A page was seen: an event named `page`."""
        return self._put("page", user_id, {"name": name, "category": category, "properties": properties}, options)

    def screen(
        self,
        user_id: str | int | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """A screen of an app was seen: an event named `screen`."""
        return self._put("screen", user_id, {"name": name, "category": category, "properties": properties}, options)

    def group(
        self,
        user_id: str | int | None = None,
        group_id: str | int | None = None,
        traits: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """The account that the profile belongs to, with the account's traits."""
        return self._put("group", user_id, {"groupId": group_id, "traits": traits}, options)

    def alias(
        self,
        user_id: str | int | None = None,
        previous_id: str | int | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Two identifiers are one profile."""
        return self._put("alias", user_id, {"previousId": previous_id}, options)

    def flush(self, timeout: float = 10.0) -> bool:
        """Sends what waits now. Returns whether all of it has left the queue within so many seconds."""
        return self._sender is None or self._sender.flush(timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Sends what waits and ends. The end of the process calls it by itself. Returns whether everything has left."""
        done = True
        if self._sender is not None:
            done = self._sender.stop(self._shutdown_timeout if timeout is None else timeout)
            forks.drained(self._sender)
        self._transport.close()
        return done

    def stats(self) -> Stats:
        """How many messages wait, were sent and were dropped by this process."""
        sender = self._sender
        if sender is None:
            return Stats(0, 0, 0, dict(self._reporter.lost))
        return Stats(len(sender), sender.sent, sender.duplicates, dict(self._reporter.lost))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    # Flags

    def decide(
        self,
        flag: str,
        user_id: str | int | None = None,
        *,
        default: Any = False,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        min_version: int | None = None,
        exposure: bool = True,
        **profile: Unpack[ProfileOptions],
    ) -> Decision:
        """One flag's answer. Without an answer `value` is the default, and `error` says why.

        min_version  the least version to decide by; by default that of this client's own events about the profile"""
        found = self._decide([flag], user_id, profile, context, session_id, min_version, exposure)
        if isinstance(found, Problem):
            return no_decision(flag, default, found.code, found.message)
        return found.get(flag) or no_decision(flag, default, "FLAG_NOT_FOUND", f"There is no flag {flag!r}.")

    def decide_all(
        self,
        user_id: str | int | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        min_version: int | None = None,
        exposure: bool = True,
        **profile: Unpack[ProfileOptions],
    ) -> dict[str, Decision]:
        """The answers of all flags, by key; empty if there is no answer, which `on_error` explains."""
        found = self._decide(None, user_id, profile, context, session_id, min_version, exposure)
        return {} if isinstance(found, Problem) else found

    def _decide(
        self,
        flags: list[str] | None,
        user_id: str | int | None,
        profile: Mapping[str, Any],
        context: Mapping[str, Any] | None,
        session_id: str | None,
        min_version: int | None,
        exposure: bool,
    ) -> dict[str, Decision] | Problem:
        named = profile_named(user_id, profile)
        question: dict[str, Any] = {**named, "context": dict(context or {}), "exposure": exposure}
        if flags is not None:
            question["flags"] = flags
        if session_id is not None:
            question["sessionId"] = session_id
        own = min_version is None
        question["minVersion"] = self._own_writes.version(named) if min_version is None else min_version
        answer = self._ask("/v1/decide", question)
        if isinstance(answer, Problem) and answer.code in _TOO_NEW and own and question["minVersion"]:
            # An older answer is better than none; who asks for a version by hand wants that one.
            answer = self._ask("/v1/decide", question | {"minVersion": 0})
        if isinstance(answer, Problem):
            self._reporter.report(answer)
            return answer
        self._reporter.over("UNREACHABLE")
        return {key: read_decision(one) for key, one in answer.fields["flags"].items()}

    def _ask(self, path: str, question: Mapping[str, Any]) -> Answer | Problem:
        """The server's answer to a question, or why there is none."""
        if not self._read_key:
            return Problem("MISSING_KEY", "To ask for flags, give the client a read_key.")
        try:
            body = to_json(question)
            answer = self._transport.request(path, key=self._read_key, body=body, seconds=self._decide_timeout)
        except Invalid as error:
            return Problem(error.code, str(error))
        except Unreachable as error:
            return Problem("UNREACHABLE", str(error))
        if answer.status == 200 and isinstance(answer.fields.get("flags"), dict):
            return answer
        if code := answer.fields.get("code"):
            return Problem(str(code), str(answer.fields.get("message")), answer.status)
        return Problem(
            "WRONG_ENDPOINT", f"What answers there ({answer.status}) is not TinyCDP. Check the endpoint.", answer.status
        )

    def _put(
        self, type: str, user_id: str | int | None, fields: Mapping[str, Any], options: Mapping[str, Any]
    ) -> str | None:
        if self._sender is None:
            self._reporter.report(Problem("MISSING_KEY", "To send events, give the client a write_key.", lost=1))
            return None
        try:
            id, body = encode(type, user_id, fields, **options)
        except Invalid as error:
            self._reporter.report(Problem(error.code, str(error), lost=1))
            return None
        self._sender.put(body)
        return id

    def _queue_trouble(self, error: Exception) -> None:
        self._reporter.report(
            Problem("QUEUE_UNUSABLE", f"The folder of the queue cannot be used, so memory is: {error}.")
        )


class OwnWrites:
    """The versions that this client's own events got, by the identifiers they name, for as long as that matters."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def sent(self, batch: Sequence[Waiting], answer: Mapping[str, Any]) -> None:
        """Messages that the server has taken, and its answer to them."""
        version, now = int(answer.get("version") or 0), clock.monotonic()
        named = set()
        for waiting in batch:
            message = json.loads(waiting.body)
            named |= {(kind, str(message[kind])) for kind in PROFILE_FIELDS.values() if message.get(kind)}
            named |= {(kind, str(value)) for kind, value in (message.get("identifiers") or {}).items()}
            if previous := message.get("previousId"):
                named |= {(kind, str(previous)) for kind in ("userId", "anonymousId")}
        with self._lock:
            for identifier in named:
                self._versions[identifier] = version, now
                self._versions.move_to_end(identifier)
            while len(self._versions) > _MOST_OWN_WRITES:
                self._versions.popitem(last=False)

    def version(self, identifier: Mapping[str, str]) -> int:
        """The version that a decision about this profile has to include; 0 if it does not matter."""
        with self._lock:
            found = [self._versions.get(item, (0, 0.0)) for item in identifier.items()]
        oldest = clock.monotonic() - _OWN_WRITES_SECONDS
        return max((version for version, at in found if at >= oldest), default=0)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()
