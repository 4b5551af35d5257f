"""What one process tells the others through Postgres: profiles changed, people are new, a revision was published, keys
and policies changed.

Shape   announce_* speak inside the transaction that made the change; a Listener hears it once that is committed, on a
        connection of its own
Laws    a lost connection may have lost news: `lost` is called at once, and `found` when it listens again
Units   a notification holds at most 8,000 bytes, so that many ids go out as several
"""

import asyncio
import contextlib
import logging
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Protocol

from tinycdp.errors import Unavailable
from tinycdp.store import messages as store
from tinycdp.store.pool import Connection, connect

log = logging.getLogger(__name__)

CHANNEL = "tinycdp"
_IDS_PER_NOTICE = 380
_NAMES_PER_NOTICE = 600
_PAUSE_SECONDS = 0.25
#: How often a quiet connection is asked whether it still lives: a server that vanished says nothing.
_PING_SECONDS = 5.0


async def announce_profiles(
    connection: Connection, environment_id: int, version: int, profile_ids: Sequence[int]
) -> None:
    """Say that these profiles have a new version."""
    notices = []
    for start in range(0, len(profile_ids), _IDS_PER_NOTICE):
        ids = ",".join(map(str, profile_ids[start : start + _IDS_PER_NOTICE]))
        notices.append(f"profiles {environment_id} {version} {ids}")
    await store.announce(connection, *notices)


async def announce_people(connection: Connection, environment_id: int, user_ids: Sequence[str]) -> None:
    """Say that these user ids, which nobody had before, are somebody's."""
    notices = []
    for start in range(0, len(user_ids), _NAMES_PER_NOTICE):
        names = ",".join(map(name_of, user_ids[start : start + _NAMES_PER_NOTICE]))
        notices.append(f"people {environment_id} {names}")
    await store.announce(connection, *notices)


def name_of(user_id: str) -> str:
    """Eleven characters for a user id, which may be long, and hold anything."""
    digest = blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


async def announce_revision(connection: Connection, environment_id: int) -> None:
    """Say that the environment's definitions changed."""
    await store.announce(connection, f"revision {environment_id}")


async def announce_keys(connection: Connection) -> None:
    """Say that API keys were made or revoked."""
    await store.announce(connection, "keys")


async def announce_policies(connection: Connection) -> None:
    """Say that an environment's policies changed."""
    await store.announce(connection, "policies")


async def announce_reader(connection: Connection, environment_id: int, reader: str, wanted: str) -> None:
    """Say that a live stream is read, and what of; "-" that it no longer is. To be said again and again."""
    await store.announce(connection, f"live {environment_id} {reader} {wanted}")


class Ears(Protocol):
    """Who a Listener tells. None of these may block."""

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None: ...
    def people_born(self, environment_id: int, names: Sequence[str]) -> None: ...
    def revision_changed(self, environment_id: int) -> None: ...
    def keys_changed(self) -> None: ...
    def policies_changed(self) -> None: ...
    def reader_heard(self, environment_id: int, reader: str, wanted: str) -> None: ...
    def lost(self) -> None: ...
    def found(self) -> None: ...


class Listener:
    """Keeps listening until stopped; reconnects on its own."""

    def __init__(self, dsn: str, ears: Ears) -> None:
        self._dsn = dsn
        self._ears = ears
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def start(self) -> None:
        """Begin, and return once news can no longer be missed."""
        self._task = asyncio.create_task(self._run())
        await self._listening.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                connection = await connect(self._dsn)
            except Exception as trouble:  # a password that changes, a server that starts: to be tried until it works
                if not isinstance(trouble, Unavailable):
                    log.warning("listening cannot begin: %s", trouble)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._ended.clear()
            connection.add_termination_listener(lambda _: self._ended.set())
            try:
                await connection.add_listener(CHANNEL, self._hear)
                self._listening.set()
                self._ears.found()
                await self._until_lost(connection)
            except Exception as trouble:  # whatever ends a connection, the answer is a new one
                log.warning("listening ended: %s", trouble)
            finally:
                self._ears.lost()
                connection.terminate()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _until_lost(self, connection: Any) -> None:
        while not self._ended.is_set():
            try:
                await asyncio.wait_for(self._ended.wait(), _PING_SECONDS)
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=_PING_SECONDS)

    def _hear(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        match payload.split(" "):
            case ["profiles", environment_id, version, ids]:
                self._ears.profiles_changed(int(environment_id), int(version), [*map(int, ids.split(","))])
            case ["people", environment_id, names]:
                self._ears.people_born(int(environment_id), names.split(","))
            case ["revision", environment_id]:
                self._ears.revision_changed(int(environment_id))
            case ["keys"]:
                self._ears.keys_changed()
            case ["policies"]:
                self._ears.policies_changed()
            case ["live", environment_id, reader, wanted]:
                self._ears.reader_heard(int(environment_id), reader, wanted)
            case _:
                log.warning("news nobody understands: %.100s", payload)
