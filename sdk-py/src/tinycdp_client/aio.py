"""The client for asyncio: the same calls, awaited, and the same thread that sends.

Laws    the event loop waits neither for the network nor for the disk
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from . import forks
from .client import Client, ClientOptions, Stats
from .decisions import Decision, ProfileOptions
from .messages import MessageOptions

T = TypeVar("T")
#: Requests that wait for the server at once.
_MOST_AT_ONCE = 32


class AsyncClient:
    """A Client whose calls are awaited. Its arguments and answers are those of Client.

    What sends only puts into the queue; a thread sends, as for Client. What asks runs in up to 32 threads."""

    def __init__(
        self,
        write_key: str | None = None,
        read_key: str | None = None,
        endpoint: str = "http://127.0.0.1:8000",
        **options: Unpack[ClientOptions],
    ) -> None:
        self._client = Client(write_key, read_key, endpoint, **options)
        self._in_memory = options.get("queue", "memory") == "memory"
        self._threads = _Threads()
        forks.carry(self, [self._threads])

    async def track(
        self,
        user_id: str | int | None = None,
        event: str = "",
        properties: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Something happened. Returns the message's id, or None if it cannot be sent, which `on_error` explains."""
        return await self._put(functools.partial(self._client.track, user_id, event, properties, **options))

    async def identify(
        self,
        user_id: str | int | None = None,
        traits: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Properties of a profile; those that are left out stay as they are."""
        return await self._put(functools.partial(self._client.identify, user_id, traits, **options))

    async def page(
        self,
        user_id: str | int | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """A page was seen: an event named `page`."""
        call = functools.partial(self._client.page, user_id, name, properties, category=category, **options)
        return await self._put(call)

    async def screen(
        self,
        user_id: str | int | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        category: str | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """A screen of an app was seen: an event named `screen`."""
        call = functools.partial(self._client.screen, user_id, name, properties, category=category, **options)
        return await self._put(call)

    async def group(
        self,
        user_id: str | int | None = None,
        group_id: str | int | None = None,
        traits: Mapping[str, Any] | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """The account that the profile belongs to, with the account's traits."""
        return await self._put(functools.partial(self._client.group, user_id, group_id, traits, **options))

    async def alias(
        self,
        user_id: str | int | None = None,
        previous_id: str | int | None = None,
        **options: Unpack[MessageOptions],
    ) -> str | None:
        """Two identifiers are one profile."""
        return await self._put(functools.partial(self._client.alias, user_id, previous_id, **options))

    async def flush(self, timeout: float = 10.0) -> bool:
        """Sends what waits now. Returns whether all of it has left the queue within so many seconds."""
        return await self._in_thread(functools.partial(self._client.flush, timeout))

    async def shutdown(self, timeout: float | None = None) -> bool:
        """Sends what waits and ends. The end of the process calls it by itself. Returns whether everything has left."""
        done = await self._in_thread(functools.partial(self._client.shutdown, timeout))
        self._threads.close()
        return done

    def stats(self) -> Stats:
        """How many messages wait, were sent and were dropped by this process."""
        return self._client.stats()

    async def decide(
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
        """One flag's answer. Without an answer `value` is the default, and `error` says why."""
        options: dict[str, Any] = {"context": context, "session_id": session_id, "min_version": min_version} | profile
        call = functools.partial(self._client.decide, flag, user_id, default=default, exposure=exposure, **options)
        return await self._in_thread(call)

    async def decide_all(
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
        options: dict[str, Any] = {"context": context, "session_id": session_id, "min_version": min_version} | profile
        return await self._in_thread(functools.partial(self._client.decide_all, user_id, exposure=exposure, **options))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def _put(self, call: Callable[[], str | None]) -> str | None:
        """To put into memory takes microseconds; a disk may take longer, and gets a thread."""
        return call() if self._in_memory else await self._in_thread(call)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads.pool, call)


class _Threads:
    """The threads that wait for the server. After a fork the child has none, and makes its own."""

    def __init__(self) -> None:
        self._made: ThreadPoolExecutor | None = None

    @property
    def pool(self) -> ThreadPoolExecutor:
        if self._made is None:
            self._made = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="tinycdp-ask")
        return self._made

    def close(self) -> None:
        if self._made is not None:
            self._made.shutdown(wait=False)

    def before_fork(self) -> None:
        """Nothing to hold: the event loop makes the threads, and it is not here."""

    after_fork = before_fork

    def forked(self) -> None:
        self._made = None
