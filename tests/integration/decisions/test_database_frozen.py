"""A database that is there and does not answer: each request ends, and what is in memory is decided."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from serving import (
    ADMIN_KEY,
    BINARIES,
    PATIENCE_SECONDS,
    READ_KEY,
    WRITE_KEY,
    Server,
    bearer,
    define,
    eventually,
    living,
    new_environment,
    served,
    services,
    until,
)
from tinycdp.model import Identifier, Message
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings

SHOP = {"flags": [{"key": "opened", "rule": "events.open.exists()"}]}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data", binaries=BINARIES or None, durable=False) as running:
        yield running


def family_of(pid: int) -> list[int]:
    parents = living()
    return [pid, *(child for child, parent in parents.items() if parent == pid)]


def send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, number)


def opened(user: str) -> dict[str, Any]:
    return {"event": "open", "userId": user}


@contextlib.asynccontextmanager
async def shop(postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[Server]:
    """A server that knows one person."""
    keys = {"bootstrap_write_key": WRITE_KEY, "bootstrap_read_key": READ_KEY}
    await prepare(Settings(database_url=postgres.dsn, **keys), clock.now())
    await define(postgres.dsn, SHOP, clock.now())
    with served(folder, dsn=postgres.dsn, role="api") as server:
        assert server.track(opened("ada")).status_code == 200
        assert server.decide("opened", "ada").json()["allow"]
        yield server


@pytest.mark.slow
async def test_each_request_ends_while_the_database_is_frozen(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    async with shop(postgres, tmp_path) as server:
        with ThreadPoolExecutor(8) as threads:

            def asked() -> list[httpx.Response]:
                """Writes, strangers and a known person at once, each on a connection of its own."""
                calls = [
                    *(threads.submit(server.track, opened(f"eve{n}")) for n in range(3)),
                    *(threads.submit(server.decide, "opened", f"stranger{n}") for n in range(3)),
                    threads.submit(server.decide, "opened", "ada"),
                ]
                return [call.result(PATIENCE_SECONDS) for call in calls]

            assert postgres.process is not None
            frozen = family_of(postgres.process.pid)
            send(signal.SIGSTOP, frozen)
            try:
                *refused, known = await asyncio.to_thread(asked)
                assert {answer.status_code for answer in refused} == {503}, [answer.text for answer in refused]
                assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
                assert known.json()["allow"]
                assert _is_stale(server)
            finally:
                send(signal.SIGCONT, frozen)
            until(lambda: server.decide("opened", "ada").json()["reason"] == "TARGETING_MATCH", said=server.said)
            until(lambda: server.track(opened("eve")).status_code == 200, said=server.said)


async def test_each_request_ends_while_a_table_is_locked_or_the_disk_full(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with shop(postgres, tmp_path) as server:
        connection = await asyncpg.connect(postgres.dsn)
        async with connection.transaction():
            await connection.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
            refused = [await asyncio.to_thread(server.track, opened("ada"))]
            assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "DATABASE_BUSY")]
        assert server.track(opened("ada")).status_code == 200
        await connection.execute(FULL)
        full = server.track(opened("ada"))
        assert (full.status_code, full.json()["code"]) == (503, "DATABASE_FULL")
        assert server.decide("opened", "ada").json()["allow"]
        await connection.execute("DROP TRIGGER full_disk ON events")
        assert server.track(opened("ada")).status_code == 200
        await connection.close()


#: What Postgres says when it cannot extend a table.
FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk();
"""


async def test_profiles_are_read_though_notifications_are_lost(dsn: str, maintenance: asyncpg.Connection) -> None:
    """A server that takes no new connections cannot be listened to; those that are open answer."""
    async with services(dsn, 1, clock.now) as [service]:
        environment = await new_environment(service.pool, "shop", SHOP, clock.now())
        await service.catalogs.refresh(service.pool, environment)
        database = await service.pool.fetchval("SELECT current_database()")

        async def arrives(user: str) -> None:
            now, who = clock.now(), (Identifier("userId", user),)
            event = Message(
                kind="track", message_id=f"{user}{now}", identifiers=who, occurred_at=now, received_at=now, name="open"
            )
            await service.ingest.accept(environment, [event])

        await arrives("ada")
        await maintenance.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        try:
            await maintenance.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = $1 AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')", database
            )  # fmt: skip

            async def away() -> bool:
                return bool(service.snapshots.away)

            await eventually(away)
            for user in ("ada", "bob"):
                await arrives(user)
                found = await service.profile_loader.load(environment, Identifier("userId", user), clock.now())
                assert found.snapshot.profile_id > 0
            stranger = await service.profile_loader.load(environment, Identifier("userId", "eve"), clock.now())
            assert (stranger.snapshot.profile_id, stranger.stale) == (0, False)
        finally:
            await maintenance.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


@pytest.mark.slow
def test_serve_outlives_a_database_that_cannot_start(tmp_path: Path) -> None:
    """As with a full disk. It decides, says what is wrong, and goes on when that is mended; and stops when frozen."""
    with served(tmp_path, drain_seconds=1) as server:
        postmaster = tmp_path / "data" / "postgres" / "postmaster.pid"
        needed = tmp_path / "data" / "postgres" / "global" / "pg_control"
        assert server.track(opened("ada")).status_code == 200
        flag = {"key": "opened", "rule": "events.open.exists()"}
        assert server.http.post("/v1/admin/flags", json=flag, headers=bearer(ADMIN_KEY)).status_code == 201
        until(lambda: server.decide("opened", "ada").status_code == 200 and server.holds("opened", "ada"))
        needed.rename(needed.with_suffix(".away"))
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
        until(lambda: server.said().count("The database is tried again") >= 2, said=server.said)
        assert server.process.poll() is None
        assert server.decide("opened", "ada").json()["reason"] == "STALE"
        needed.with_suffix(".away").rename(needed)
        until(lambda: server.track(opened("ada")).status_code == 200, said=server.said)
        assert "the database runs again" in server.said()
        until(lambda: not _is_stale(server), said=server.said)

        frozen = family_of(int(postmaster.read_text().split()[0]))
        send(signal.SIGSTOP, frozen)
        try:
            family = server.family()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(PATIENCE_SECONDS)
            until(lambda: not living(*family), said=server.said)
        finally:
            send(signal.SIGCONT, [pid for pid in frozen if living(pid)])


def _is_stale(server: Server) -> bool:
    """Whether a person in memory is decided without the database."""
    return bool(server.decide("opened", "ada").json()["reason"] == "STALE")
