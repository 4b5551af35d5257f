"""Notifications of changes between processes, through Postgres.

They are of profiles, definitions, keys, policies and readers of the live stream.

Shape   announce_* notify in the transaction that made the change; a Listener receives it after the commit, on its own
        connection, and calls its Subscriber
Laws    a lost connection may have missed notifications: `disconnected` is called at once, and `reconnected` when the
        Listener listens again.
        Every notification but `keys` names its environment.
        A server that does not answer holds no request for ever: the connections of the process are ended. If it
        answers again, or another one in its place, those are ended that it does not know
Units   a notification holds at most 8,000 bytes, so many ids go out in several
"""

import asyncio
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Protocol

from tinycdp.errors import Unavailable
from tinycdp.runtime.background import Loop
from tinycdp.store.database import notifications as notification_store
from tinycdp.store.database.pool import Connection, abandon, abandon_lost, connect, reaching

log = logging.getLogger(__name__)

CHANNEL = "tinycdp"
_IDS_PER_NOTICE = 380
_DIGESTS_PER_NOTICE = 600
#: Between two tries to connect.
_PAUSE_SECONDS = 0.25
#: How often a quiet connection is tested: a server that vanished does not close it.
_PING_SECONDS = 2.0
#: A server that has not answered by then, and then takes no connection either, is stopped or unreachable.
_ANSWER_SECONDS = 4.0


async def announce_profiles(
    connection: Connection, environment_id: int, version: int, profile_ids: Sequence[int], created: Sequence[str] = ()
) -> None:
    """Notify that these profiles have a new version.

    created  values of identifiers that belonged to no profile before, now have one"""
    notices = []
    for start in range(0, len(profile_ids), _IDS_PER_NOTICE):
        ids = ",".join(map(str, profile_ids[start : start + _IDS_PER_NOTICE]))
        notices.append(f"profiles {environment_id} {version} {ids}")
    for start in range(0, len(created), _DIGESTS_PER_NOTICE):
        digests = ",".join(map(digest_of, created[start : start + _DIGESTS_PER_NOTICE]))
        notices.append(f"created {environment_id} {digests}")
    await notification_store.announce(connection, *notices)


def digest_of(value: str) -> str:
    """A hash of an identifier's value in eleven characters.

    The value itself may be long, and hold any character."""
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


async def announce_revision(connection: Connection, environment_id: int) -> None:
    """Notify that the environment's definitions changed."""
    await notification_store.announce(connection, f"revision {environment_id}")


async def announce_keys(connection: Connection) -> None:
    """Notify that API keys were created or revoked."""
    await notification_store.announce(connection, "keys")


async def announce_policies(connection: Connection, environment_id: int) -> None:
    """Notify that the environment's policies changed."""
    await notification_store.announce(connection, f"policies {environment_id}")


async def announce_reader(connection: Connection, environment_id: int, reader: str, filter_text: str) -> None:
    """Notify that a client reads the live stream with this filter, or "-": that it stopped.

    Repeat it while the client reads: other processes forget a reader that is not repeated."""
    await notification_store.announce(connection, f"live {environment_id} {reader} {filter_text}")


class Subscriber(Protocol):
    """The methods that a Listener calls. None of them may block."""

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None: ...
    def profiles_created(self, environment_id: int, digests: Sequence[str]) -> None: ...
    def revision_changed(self, environment_id: int) -> None: ...
    def keys_changed(self) -> None: ...
    def policies_changed(self, environment_id: int) -> None: ...
    def stream_read(self, environment_id: int, reader: str, filter_text: str) -> None: ...
    def disconnected(self) -> None: ...
    def reconnected(self) -> None: ...


class Waker:
    """Wakes the work on an environment when its profiles or definitions have changed; ignores all else."""

    def __init__(self, wake: Callable[[int], None], wake_all: Callable[[], None]) -> None:
        self._wake, self._wake_all = wake, wake_all

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self._wake(environment_id)

    def revision_changed(self, environment_id: int) -> None:
        self._wake(environment_id)

    def reconnected(self) -> None:
        self._wake_all()

    def profiles_created(self, environment_id: int, digests: Sequence[str]) -> None: ...
    def keys_changed(self) -> None: ...
    def policies_changed(self, environment_id: int) -> None: ...
    def stream_read(self, environment_id: int, reader: str, filter_text: str) -> None: ...
    def disconnected(self) -> None: ...


class Listener:
    """Listens until it is stopped; reconnects by itself."""

    def __init__(self, dsn: str, subscriber: Subscriber) -> None:
        self._dsn = dsn
        self._subscriber = subscriber
        self._connection: Any = None
        self._connected = self._is_silent = False
        self._started = asyncio.Event()
        self._loop = Loop("notifications", self._turn, _PING_SECONDS, failed=_PAUSE_SECONDS)

    async def start(self) -> None:
        """Start, and return once no notification can be missed."""
        self._loop.start()
        await self._started.wait()

    async def stop(self) -> None:
        """Stop listening, and close the connection."""
        await self._loop.stop()
        self._close()

    async def _turn(self) -> None:
        """Connect if there is no connection, otherwise test it. A lost one is closed, and fails the turn."""
        if self._connection is None:
            await self._connect()
            return
        try:
            with reaching():
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._connection.execute("SELECT 1")
        except Exception as failure:
            self._close()
            self._is_silent = isinstance(failure.__cause__, TimeoutError)
            raise

    async def _connect(self) -> None:
        try:
            connection = await connect(self._dsn)
        except Unavailable as away:
            # Once may be this machine's own pause; an export need not end for it.
            if self._is_silent and isinstance(away.__cause__, TimeoutError):
                abandon(self._dsn)
            raise
        connection.add_termination_listener(lambda _: self._lost(connection))
        try:
            with reaching():
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if self._is_silent:
                        await abandon_lost(connection)
                    await connection.add_listener(CHANNEL, self._dispatch)
            self._subscriber.reconnected()
        except BaseException as failure:
            connection.terminate()
            self._is_silent |= isinstance(failure.__cause__, TimeoutError)
            raise
        self._is_silent = False
        self._connection, self._connected = connection, True
        self._started.set()
        if connection.is_closed():  # while it was made
            self._lost(connection)

    def _lost(self, connection: Any) -> None:
        """Notify the subscriber at once; the next turn closes the connection."""
        if connection is self._connection and self._connected:
            self._connected = False
            self._subscriber.disconnected()
            self._loop.wake()

    def _close(self) -> None:
        connection = self._connection
        if connection is not None:
            self._lost(connection)
            self._connection = None
            connection.terminate()

    def _dispatch(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        match payload.split(" "):
            case ["profiles", environment_id, version, ids]:
                self._subscriber.profiles_changed(int(environment_id), int(version), [*map(int, ids.split(","))])
            case ["created", environment_id, digests]:
                self._subscriber.profiles_created(int(environment_id), digests.split(","))
            case ["revision", environment_id]:
                self._subscriber.revision_changed(int(environment_id))
            case ["keys"]:
                self._subscriber.keys_changed()
            case ["policies", environment_id]:
                self._subscriber.policies_changed(int(environment_id))
            case ["live", environment_id, reader, filter_text]:
                self._subscriber.stream_read(int(environment_id), reader, filter_text)
            case _:
                log.warning("unknown notification, ignored: %.100s", payload)
