"""kill -9 in the middle of a stream of acknowledged batches: nothing acknowledged is lost, nothing counts twice."""

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from serving import Server, define, eventually, free_port, served, until, waiting_for_a_lock
from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import EmbeddedPostgres

COUNTING = {
    "traits": [{"key": "opens", "expression": "events.open.count()"}],
    "segments": [{"key": "fans", "rule": "opens >= 10"}],
    "flags": [{"key": "counted", "rule": "opens == context.n"}, {"key": "fan", "rule": 'segment("fans")'}],
}
PEOPLE = 7
BATCH = 20
BEFORE_THE_KILL = 25


class Stream(threading.Thread):
    """Sends numbered batches one after the other, as a client would: what is not acknowledged is sent again."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.acknowledged: list[int] = []
        self.attempted = 0
        self.gone = threading.Event()
        self.running = True

    def run(self) -> None:
        while self.running:
            self.attempted = len(self.acknowledged)
            try:
                answer = self._server.batch(batch(self.attempted))
            except httpx.TransportError:
                self.gone.set()
                return
            if answer.status_code == 200:
                self.acknowledged.append(self.attempted)
            else:
                assert answer.status_code in (429, 503), answer.text
                assert int(answer.headers["retry-after"]) >= 1


def batch(number: int) -> list[dict[str, Any]]:
    return [
        {"type": "track", "event": "open", "userId": f"u{n % PEOPLE}", "messageId": f"batch-{number}-{n}"}
        for n in range(BATCH)
    ]


def counts(batches: int) -> dict[str, int]:
    """How many opens each person has after so many batches."""
    return {f"u{person}": batches * len(range(person, BATCH, PEOPLE)) for person in range(PEOPLE)}


async def assert_counted(server: Server, dsn: str, batches: int) -> None:
    """Each message of these batches once, by SQL over the events and by a trait over HTTP."""
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM events") == batches * BATCH
    assert await connection.fetchval("SELECT count(DISTINCT message_id) FROM events") == batches * BATCH
    members = "SELECT count(*) FROM memberships"
    assert await connection.fetchval(members) == sum(n >= 10 for n in counts(batches).values())
    log = await connection.fetch("SELECT profile_id, segment_id, entered FROM transitions")
    assert len({tuple(row) for row in log}) == len(log), "somebody entered twice"
    await connection.close()
    for user, n in counts(batches).items():
        assert server.holds("counted", user, n=n), (user, n)


async def test_kill_of_everything_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """The supervisor, the HTTP server, the worker and Postgres die at one instant; the next start finds it all."""
    dsn = EmbeddedPostgres(tmp_path / "data").dsn
    port = free_port()
    with served(tmp_path, port=port) as server:
        await define(dsn, COUNTING, clock.now())
        stream = Stream(server)
        stream.start()
        until(lambda: len(stream.acknowledged) >= BEFORE_THE_KILL, said=server.said)
        server.kill()
        stream.join(30)
        assert stream.gone.is_set()
    acknowledged = len(stream.acknowledged)
    with served(tmp_path, port=port) as server:
        connection = await asyncpg.connect(dsn)
        kept = await connection.fetchval("SELECT count(*) FROM events")
        await connection.close()
        # The batch under way may have been committed without its answer; whole or not at all.
        assert kept in (acknowledged * BATCH, (acknowledged + 1) * BATCH)
        await assert_counted(server, dsn, kept // BATCH)
        for number in range(acknowledged + 1):
            answer = server.batch(batch(number)).json()
            assert answer["accepted"] == (BATCH if number * BATCH >= kept else 0)
        await assert_counted(server, dsn, acknowledged + 1)


@pytest.mark.parametrize("victim", ["postmaster", "backend", "http"])
async def test_kill_of_one_part_is_survived_by_the_stream(tmp_path: Path, victim: str) -> None:
    """Postgres, one of its backends, or the HTTP server dies, and comes back by itself; the client only tries again."""
    dsn = EmbeddedPostgres(tmp_path / "data").dsn
    with served(tmp_path) as server:
        await define(dsn, COUNTING, clock.now())
        stream = Stream(server)
        stream.start()
        until(lambda: len(stream.acknowledged) >= BEFORE_THE_KILL, said=server.said)
        os.kill(await pid_of(victim, server, tmp_path, dsn), signal.SIGKILL)
        if victim == "http":
            stream.join(30)  # its connection broke: a client connects anew
            acknowledged, stream = stream.acknowledged, Stream(server)
            stream.acknowledged = acknowledged
            server.wait_until_ready()
            stream.start()
        goal = len(stream.acknowledged) + BEFORE_THE_KILL
        until(lambda: len(stream.acknowledged) >= goal or not stream.is_alive(), said=server.said)
        stream.running = False
        stream.join(30)
        acknowledged_batches = len(stream.acknowledged)
        assert acknowledged_batches >= goal, server.said()

        async def fresh() -> bool:
            return bool(server.decide("fan", "u0").json().get("reason") not in (None, "STALE"))

        await eventually(fresh)
        await assert_counted(server, dsn, acknowledged_batches)
        for number in range(acknowledged_batches):
            assert server.batch(batch(number)).json()["accepted"] == 0
        await assert_counted(server, dsn, acknowledged_batches)


async def test_kill_of_the_worker_in_the_middle_of_a_backfill(tmp_path: Path) -> None:
    """Its batch is undone with it; the next worker goes on where the last finished one ended."""
    dsn = EmbeddedPostgres(tmp_path / "data").dsn
    people = 900
    with served(tmp_path) as server:
        opens = [{"type": "track", "event": "open", "userId": f"u{n % people}"} for n in range(2 * people)]
        assert server.batch(opens).json()["accepted"] == len(opens)
        beside = await asyncpg.connect(dsn)
        middle = await beside.fetchval("SELECT id FROM profiles ORDER BY id OFFSET 500 LIMIT 1")
        async with beside.transaction():
            await beside.execute("SELECT FROM profiles WHERE id = $1 FOR UPDATE", middle)
            await define(dsn, {"segments": [{"key": "twice", "rule": "events.open.count() == 2"}]}, clock.now())
            await waiting_for_a_lock(beside, 1)
            assert 0 < await beside.fetchval("SELECT done FROM backfills") <= 500
            os.kill(next(pid for pid in server.family() if arguments(pid)[-1] == "work"), signal.SIGKILL)

        async def live() -> bool:
            return bool(
                await beside.fetchval("SELECT live_revision = head_revision FROM environments WHERE key = 'prod'")
            )

        await eventually(live)
        assert await beside.fetchval("SELECT done FROM backfills") == people, "each profile was done once"
        assert await beside.fetchval("SELECT count(*) FROM memberships") == people
        assert await beside.fetchval("SELECT count(*) FROM transitions WHERE entered") == people
        await beside.close()


async def pid_of(victim: str, server: Server, folder: Path, dsn: str) -> int:
    if victim == "postmaster":
        return int((folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
    if victim == "http":
        return next(pid for pid in server.family() if arguments(pid)[-2:] == ["--role", "api"])
    connection = await asyncpg.connect(dsn)
    pid = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'tinycdp' ORDER BY query_start DESC LIMIT 1"
    )
    await connection.close()
    return int(pid)


def arguments(pid: int) -> list[str]:
    listed = subprocess.run(["ps", "-wwo", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.split()
