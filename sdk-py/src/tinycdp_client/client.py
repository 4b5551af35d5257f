"""The client for threads: sends events in the background, and asks for flags.

Shape   Client(write_key, read_key, endpoint).track(…), .identify(…) … · .decide(…) · .flush() · .shutdown()
Laws    a call that sends returns at once, and never raises for what the network, the server or the disk do
        a decision that cannot be had is the default of the caller, with the code of what went wrong
        a decision includes the client's own events that the server has taken
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

from . import forks
from .deciding import Decider, Question
from .decisions import Decision, ProfileOptions, no_decision, profile_named
from .messages import Invalid, MessageOptions, encode
from .problems import OnError, Problem, Reporter
from .queues import open_queue
from .sender import Sender
from .snapshots import Watch
from .transport import Transport


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
    evaluation: Literal["server", "local"]
    snapshot_age: float


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
    evaluation       "local" decides here, by snapshots of profiles, with the answers the server would give
    snapshot_age     the seconds for which a snapshot is used without asking whether it has changed

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
        evaluation: Literal["server", "local"] = "server",
        snapshot_age: float = 10.0,
    ) -> None:
        if evaluation not in ("server", "local"):
            raise ValueError(f'evaluation is {evaluation!r}; it may be "server" or "local"')
        self._shutdown_timeout = shutdown_timeout
        self._reporter = Reporter(on_error)
        self._transport = Transport(endpoint, ssl_context)
        self._sender: Sender | None = None
        self._decider = Decider(
            self._transport,
            read_key,
            self._reporter,
            self._expose if write_key else None,
            seconds=decide_timeout,
            is_local=evaluation == "local",
            snapshot_age=snapshot_age,
        )
        parts: list[forks.Part] = [*self._decider.parts(), self._transport, self._reporter]
        if write_key:
            waiting = open_queue(queue, queue_messages, queue_size, self._queue_trouble)
            self._sender = Sender(
                self._transport,
                write_key,
                waiting,
                self._reporter,
                self._decider.own_writes.sent,
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
        question = Question(profile_named(user_id, profile), [flag], context, session_id, min_version, exposure)
        found = self._decider.decide(question)
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
        question = Question(profile_named(user_id, profile), None, context, session_id, min_version, exposure)
        found = self._decider.decide(question)
        return {} if isinstance(found, Problem) else found

    def evaluate(self, flag: str, context: Mapping[str, Any]) -> Decision:
        """OpenFeature's question, as its provider asks it: the context names the profile, by `targetingKey` or a field.

        The value without an answer is None, and `error` has OpenFeature's code."""
        return self._decider.evaluate(flag, context)

    def watch(
        self,
        user_id: str | int | None = None,
        *,
        on_change: Callable[[], None] | None = None,
        **profile: Unpack[ProfileOptions],
    ) -> Watch:
        """Keeps one profile's snapshot fresh by a stream, for local evaluation: close it, or use it in a `with`.

        For a process that decides for one profile, such as a device. on_change is called in a thread, after each change
        of the profile's answers."""
        return Watch(self._decider.snapshots, self._transport, profile_named(user_id, profile), on_change)

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

    def _expose(self, option: str, value: str, properties: Mapping[str, Any]) -> None:
        user_id = value if option == "user_id" else None
        self._put("exposure", user_id, {"properties": properties}, {option: value} if user_id is None else {})

    def _queue_trouble(self, error: Exception) -> None:
        self._reporter.report(
            Problem("QUEUE_UNUSABLE", f"The folder of the queue cannot be used, so memory is: {error}.")
        )
