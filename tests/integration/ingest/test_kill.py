"""kill -9 in the middle of a stream of acknowledged batches: nothing acknowledged is lost, nothing counts twice."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from serving import (
    READ_KEY,
    WRITE_KEY,
    Server,
    define,
    eventually,
    free_port,
    served,
    until,
    waiting_for_a_lock,
)
from tinycdp.engine.outbox import StoredEvents, decode
from tinycdp.runtime import clock, outbox
from tinycdp.runtime.environment import Environment
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool

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

    def __init__(self, server: Server, prefix: str = "batch") -> None:
        super().__init__()
        self._server = server
        self._prefix = prefix
        self.acknowledged: list[int] = []
        self.attempted = 0
        self.gone = threading.Event()
        self.running = True

    def run(self) -> None:
        while self.running:
            self.attempted = len(self.acknowledged)
            try:
                answer = self._server.batch(batch(self.attempted, self._prefix))
            except httpx.TransportError:
                self.gone.set()
                return
            if answer.status_code == 200:
                self.acknowledged.append(self.attempted)
            else:
                assert answer.status_code in (429, 503), answer.text
                assert int(answer.headers["retry-after"]) >= 1
                time.sleep(0.05)  # a client that asked without a pause would take the processor from what comes back


def batch(number: int, prefix: str = "batch") -> list[dict[str, Any]]:
    return [
        {"type": "track", "event": "open", "userId": f"u{n % PEOPLE}", "messageId": f"{prefix}-{number}-{n}"}
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
    assert len({tuple(row) for row in log}) == len(log), "a profile entered twice"
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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
async def test_kill_of_a_consumer_of_the_outbox(dsn: str, tmp_path: Path, kills: int) -> None:
    """Two processes ingest, and a process with two consumers is killed again and again: each has every row, the one
    that writes to Postgres once, the other under a key that shows what it has had already."""
    dice, file = random.Random(kills), tmp_path / "consumed.txt"
    await prepare(Settings(database_url=dsn, bootstrap_write_key=WRITE_KEY, bootstrap_read_key=READ_KEY), clock.now())
    await define(dsn, COUNTING, clock.now())
    with served(tmp_path / "a", dsn=dsn, role="api") as a, served(tmp_path / "b", dsn=dsn, role="api") as b:
        async with await open_pool(dsn, 2) as pool:
            await pool.execute("CREATE TABLE consumed (position bigint PRIMARY KEY)")
            for name in ("table", "file"):
                await outbox.register(Environment(1, pool, clock.now), name)
            streams = [Stream(server, prefix) for server, prefix in ((a, "a"), (b, "b"))]
            for stream in streams:
                stream.start()

            async def consumed() -> int:
                return int(await pool.fetchval("SELECT count(*) FROM consumed"))

            for _ in range(kills):
                process, goal = consume(dsn, file), await consumed() + dice.randint(1, 20)

                async def is_further(process: Any = process, goal: int = goal) -> bool:
                    assert process.poll() is None, "the consumer ended by itself"
                    return await consumed() >= goal

                await eventually(is_further)
                await asyncio.sleep(dice.random() * 0.03)
                process.kill()
                process.wait()
            for stream in streams:
                stream.running = False
                await asyncio.to_thread(stream.join, 30)
            process = consume(dsn, file)

            async def everything() -> bool:
                return all(lag.rows == 0 for lag in await outbox.lags(pool, clock.now()))

            await eventually(everything)
            process.kill()
            process.wait()
            positions = [row["position"] for row in await pool.fetch("SELECT position FROM outbox ORDER BY position")]
            stored = await pool.fetch("SELECT changes::text AS changes FROM outbox ORDER BY position")
            events = [row["id"] for row in await pool.fetch("SELECT id FROM events ORDER BY id")]
            kept = [row["position"] for row in await pool.fetch("SELECT position FROM consumed ORDER BY position")]
    in_outbox = [
        id
        for row in stored
        for change in decode(row["changes"])
        if isinstance(change, StoredEvents)
        for id, _ in change.pairs()
    ]
    assert sorted(in_outbox) == events and len(events) == sum(len(stream.acknowledged) for stream in streams) * BATCH
    assert kept == positions
    assert once_by_key(file.read_text()) == positions


def consume(dsn: str, file: Path) -> "subprocess.Popen[bytes]":
    """The consumers' process, which shares nothing with this one."""
    argv = [sys.executable, str(Path(__file__).parents[2] / "outbox_consumer.py"), dsn, str(file)]
    return subprocess.Popen(argv)


def once_by_key(text: str) -> list[int]:
    """The positions in a file of batches of which some were begun, or written, more than once."""
    batches: dict[str, list[int]] = {}
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # cut short by a kill: the batch came again
            key, position = json.loads(line)
            known = batches.setdefault(key, [])
            if position not in known:
                assert not known or position > known[-1], "a batch is the same whenever it comes"
                known.append(position)
    return [position for known in batches.values() for position in known]
