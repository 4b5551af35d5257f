"""What one process says to the others, over the notifications of a real Postgres."""

import asyncio
import inspect
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from postgres_over_tcp import over_tcp
from serving import PATIENCE_SECONDS, eventually
from tinycdp.errors import Unavailable
from tinycdp.runtime import notifications
from tinycdp.runtime.notifications import Listener, announce_keys, announce_profiles, digest_of
from tinycdp.store.database import pool as database
from tinycdp.store.database.pool import Pool, acquired, connect, open_pool, transaction


class Recorder:
    """Records notifications, until one of keys arrives."""

    def __init__(self) -> None:
        self.profiles: list[tuple[int, int, int]] = []
        self.digests: list[str] = []
        self.notices = 0
        self.done = asyncio.Event()

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self.notices += 1
        self.profiles += [(environment_id, version, id) for id in profile_ids]

    def profiles_created(self, environment_id: int, digests: Sequence[str]) -> None:
        self.digests += digests

    def keys_changed(self) -> None:
        self.done.set()

    def revision_changed(self, environment_id: int) -> None: ...
    def policies_changed(self, environment_id: int) -> None: ...
    def stream_read(self, environment_id: int, reader: str, filter_text: str) -> None: ...
    def disconnected(self) -> None: ...
    def reconnected(self) -> None: ...


async def test_a_thousand_profiles_are_announced_completely_and_in_order(dsn: str, pool: Pool) -> None:
    recorder = Recorder()
    listener = Listener(dsn, recorder)
    await listener.start()
    said: list[str] = []
    ids = range(10**17, 10**17 + 1_000)
    people = [f"user-{n}" for n in range(1_500)]
    try:
        async with transaction(pool) as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
            await announce_profiles(connection, 3, 7, ids, people)
            await announce_profiles(connection, 3, 7, [])
            await announce_keys(connection)
        await asyncio.wait_for(recorder.done.wait(), PATIENCE_SECONDS)
    finally:
        await listener.stop()
    assert recorder.profiles == [(3, 7, id) for id in ids]
    assert recorder.notices > 1, "they are more than one notification holds"
    assert recorder.digests == [digest_of(one) for one in people]
    assert len([query for query in said if "pg_notify" in query]) == 2, "one statement for each transaction's profiles"


class Watcher(Recorder):
    """Records the order in which a connection is lost and replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def disconnected(self) -> None:
        self.steps.append("disconnected")

    def reconnected(self) -> None:
        self.steps.append("reconnected")

    async def took(self, steps: list[str]) -> None:
        async def they_are_taken() -> bool:
            return self.steps == steps

        await eventually(they_are_taken)


async def test_a_lost_connection_is_reported_at_once_and_replaced(
    dsn: str, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher()
    listener = Listener(dsn, watcher)
    await listener.start()
    assert watcher.steps == ["reconnected"]
    try:
        for lost in range(1, 3):
            with caplog.at_level(logging.WARNING):
                caplog.clear()
                await end_listeners(pool)
                await watcher.took(["reconnected", *["disconnected", "reconnected"] * lost])
            lines = [record for record in caplog.records if "notifications" in record.getMessage()]
            assert len(lines) <= 1
            assert not any(record.exc_info for record in caplog.records)
        async with transaction(pool) as connection:
            await announce_keys(connection)
        await asyncio.wait_for(watcher.done.wait(), PATIENCE_SECONDS)
    finally:
        await listener.stop()
    assert watcher.steps == ["reconnected", *["disconnected", "reconnected"] * 2, "disconnected"]


async def test_a_listener_starts_when_it_can_connect(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it cannot, start() does not return, and it says why once."""
    failures = [Unavailable("DATABASE_AWAY", "away"), Unavailable("DATABASE_AWAY", "away")]

    async def connect(address: str) -> Any:
        if failures:
            raise failures.pop()
        return await database.connect(address)

    monkeypatch.setattr(notifications, "connect", connect)
    watcher = Watcher()
    listener = Listener(dsn, watcher)
    await asyncio.wait_for(listener.start(), PATIENCE_SECONDS)
    assert (failures, watcher.steps) == ([], ["reconnected"])
    await listener.stop()
    await listener.stop()
    assert watcher.steps == ["reconnected", "disconnected"]


async def test_connections_to_a_machine_that_is_gone_are_ended(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failover without a farewell the address leads to another machine, and one that is open to nothing."""
    monkeypatch.setattr(notifications, "_PING_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "_ANSWER_SECONDS", 0.5)
    async with over_tcp(dsn) as far:
        address = f"postgresql://{urlsplit(dsn).username}@127.0.0.1:{far.port}/{far.database}"
        listener = Listener(address, Watcher())
        async with await open_pool(address, 1) as pool:
            await listener.start()
            far.vanish()
            kept = await connect(address)
            async with asyncio.timeout(PATIENCE_SECONDS):
                with pytest.raises(Unavailable):
                    async with acquired(pool) as connection:
                        await connection.fetchval("SELECT 1")
                async with acquired(pool) as connection:
                    assert await connection.fetchval("SELECT 1") == 1
            assert await kept.fetchval("SELECT 1") == 1, "what the new one knows is not ended"
            kept.terminate()
            await listener.stop()


async def test_a_server_that_falls_silent_while_it_is_connected_to_holds_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first statements of a connection, nor LISTEN."""
    monkeypatch.setattr(database, "READY_SECONDS", 0.05)
    monkeypatch.setattr(notifications, "_ANSWER_SECONDS", 0.05)

    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as one:
        one.setattr(database, "_set_codecs", silent)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(Unavailable):
                await connect(dsn)
            with pytest.raises(Unavailable):
                await open_pool(dsn, 1)
    watcher = Watcher()
    listener = Listener(dsn, watcher)
    with monkeypatch.context() as one:
        one.setattr(database._Connection, "add_listener", silent)
        starting = asyncio.create_task(listener.start())
        failed = asyncio.Event()
        terminate = database._Connection.terminate

        def noticed(connection: Any) -> None:
            failed.set()
            terminate(connection)

        one.setattr(database._Connection, "terminate", noticed)
        await asyncio.wait_for(failed.wait(), PATIENCE_SECONDS)
    await asyncio.wait_for(starting, PATIENCE_SECONDS)
    await listener.stop()
    assert watcher.steps == ["reconnected", "disconnected"]


async def end_listeners(pool: Pool) -> None:
    """End the connections of this database that listen."""
    query = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"""
    assert await pool.fetchval(query) == 1


async def test_every_notice_names_its_environment_but_that_of_keys() -> None:
    """So that a process may listen to those it serves. A key is what says which environment is meant."""
    said: list[str] = []

    class Connection:
        async def execute(self, statement: str, payloads: Sequence[str]) -> None:
            said.extend(payloads)

    values: dict[str, Any] = {"environment_id": 3, "version": 7, "profile_ids": [1], "created": ["ada"]}
    values |= {"reader": "r", "filter_text": "-"}
    speakers = {name: one for name, one in vars(notifications).items() if name.startswith("announce_")}
    for name, announce in speakers.items():
        if name != "announce_keys":
            _, *parameters = inspect.signature(announce).parameters
            await announce(Connection(), **{parameter: values[parameter] for parameter in parameters})
    assert len(said) == len(speakers)  # new identifiers go out beside profiles; keys do not
    assert {notice.split(" ")[1] for notice in said} == {"3"}
