"""kill -9 of every part at random instants under load: nothing acknowledged is lost, nothing counts twice.

`make test-faults` runs it, FAULT_KILLS says how often it kills, and prints what came of it. Short tests of the same,
each with one part, are test_kill.py, test_feed_killed.py, test_delivery_killed.py and test_shared_limits.py.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from analytics_copy import differences
from clickhouse_engine import running_engine
from redis_server import needs_redis
from serving import (
    ADMIN_KEY,
    BINARIES,
    KEYS,
    PATIENCE_SECONDS,
    READ_KEY,
    WRITE_KEY,
    bearer,
    define,
    eventually,
    free_port,
    living,
    until,
)
from tinycdp.products.analytics.feed import lag
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime import clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.verify import verify
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool

KILLS = int(os.environ.get("FAULT_KILLS", "100"))
LONGEST_PAUSE_SECONDS = 0.8
PEOPLE, BATCH, CLIENTS = 40, 15, 3
SHOP = {
    "traits": [{"key": "opens", "expression": "events.open.count()"}],
    "segments": [{"key": "fans", "rule": "opens >= 10"}, {"key": "now", "rule": "events.open.exists(1m)"}],
    "flags": [{"key": "fan", "rule": 'segment("fans")'}],
}
#: As no client exceeds them, each request is counted in Redis and none is rejected.
LIMITS = {"requests": {"perSecond": 100_000}, "events": {"perSecond": 1_000_000}}


class Client(threading.Thread):
    """Sends batches one after another, each until it is acknowledged, and asks for a decision after each."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._url = url
        self._chance = random.Random(name)
        self.running = True
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        number = 0
        while self.running:
            number += 1
            ids = [f"{self.name}-{number}-{n}" for n in range(BATCH)]
            events = [
                {"type": "track", "event": "open", "userId": f"u{self._chance.randrange(PEOPLE)}", "messageId": id}
                for id in ids
            ]
            while not self._sent(events):
                time.sleep(0.05)
            self.acknowledged += ids
            self._ask(f"u{self._chance.randrange(PEOPLE)}")

    def _sent(self, events: list[dict[str, Any]]) -> bool:
        try:
            answer = httpx.post(
                f"{self._url}/v1/batch", json={"batch": events}, headers=bearer(WRITE_KEY), timeout=PATIENCE_SECONDS
            )
        except httpx.TransportError:
            self.answers["cut off"] += 1
            return False
        self.answers[f"batch {answer.status_code}"] += 1
        if answer.status_code not in {200, 429, 503}:
            self.wrong.append(answer.text)
        return answer.status_code == 200

    def _ask(self, user: str) -> None:
        query = {"userId": user, "flag": "fan"}
        try:
            answer = httpx.get(
                f"{self._url}/v1/decide", params=query, headers=bearer(READ_KEY), timeout=PATIENCE_SECONDS
            )
        except httpx.TransportError:
            self.answers["cut off"] += 1
            return
        self.answers[f"decide {answer.status_code}"] += 1
        if answer.status_code not in {200, 503}:
            self.wrong.append(answer.text)


class Process:
    """A process that is started again whenever it ended, as a service manager does."""

    def __init__(self, argv: list[str], environ: dict[str, str], log: Path) -> None:
        self._argv, self._log = argv, log
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("TINYCDP_")}
        self._environ = foreign | environ
        self._done = threading.Event()
        self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )

    def _keep(self) -> None:
        while not self._done.wait(0.2):
            if self._process.poll() is not None:
                self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self._log.read_text()[-3_000:]

    def kill(self) -> None:
        """kill -9; it comes back."""
        self._process.kill()

    def end(self) -> None:
        self._done.set()
        self._keeper.join()
        self._process.kill()
        self._process.wait()


def kill_http(api: Process) -> None:
    """Kill one of granian's workers. Granian starts another, or ends if it was young; then it is started again."""
    parents = living()
    workers = [pid for pid, parent in parents.items() if parent == api.pid]
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def kill_postgres(postgres: EmbeddedPostgres) -> None:
    assert postgres.process is not None
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()
    postgres.tend()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "data", binaries=BINARIES or None) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(7_200)
@needs_redis
async def test_kills_at_random_instants_lose_nothing_and_double_nothing(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    monkeypatch.setenv("REDIS_URL", url)
    redis_argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    keys = {name.removeprefix("TINYCDP_").lower(): value for name, value in KEYS.items()}
    await prepare(Settings(database_url=postgres.dsn, **keys), clock.now())
    await define(postgres.dsn, SHOP, clock.now())
    with running_engine(tmp_path / "engine") as engine:
        redis = Process(redis_argv, {}, tmp_path / "redis.log")
        ours = {"DATABASE_URL": postgres.dsn, "REDIS_URL": url, "TINYCDP_DATA_DIR": str(engine.settings.data_dir)}
        worker = Process([sys.executable, "-m", "tinycdp", "work"], ours, tmp_path / "work.log")
        http_port = free_port()
        address = f"http://127.0.0.1:{http_port}"
        serving = KEYS | ours | {"TINYCDP_PORT": str(http_port), "TINYCDP_WORKERS": "2"}
        api = Process([sys.executable, "-m", "tinycdp", "serve", "--role", "api"], serving, tmp_path / "api.log")
        killed: Counter[str] = Counter()
        try:
            until(lambda: is_ready(address), said=api.said)
            async with httpx.AsyncClient(base_url=address, headers=bearer(ADMIN_KEY)) as admin:
                policy = await admin.put("/v1/admin/policies/limits", json=LIMITS)
            assert policy.status_code == 200, policy.text
            victims: dict[str, Callable[[], object]] = {
                "HTTP": lambda: kill_http(api),
                "worker": worker.kill,
                "Postgres": lambda: kill_postgres(postgres),
                "Redis": redis.kill,
                "analytics": lambda: (engine.kill(), engine.start()),
            }
            clients = [Client(address, f"client{n}") for n in range(CLIENTS)]
            for client in clients:
                client.start()
            until(lambda: all(client.acknowledged for client in clients), said=api.said)
            chance = random.Random(KILLS)
            for _ in range(KILLS):
                await asyncio.sleep(chance.random() * LONGEST_PAUSE_SECONDS)
                victim = chance.choice([*victims])
                await asyncio.to_thread(victims[victim])
                killed[victim] += 1
            until(lambda: is_ready(address), said=api.said)
            for client in clients:
                client.running = False
            for client in clients:
                await asyncio.to_thread(client.join, PATIENCE_SECONDS)
            assert not any(client.is_alive() for client in clients), api.said()
            assert [text for client in clients for text in client.wrong] == []
            found = await _counted(postgres.dsn, engine.settings, {id for c in clients for id in c.acknowledged})
        finally:
            api.end()
            worker.end()
            redis.end()
    answers = sum((client.answers for client in clients), Counter())
    with capsys.disabled():
        print(f"\n\n  kills         {sum(killed.values())}: {_listed(killed)}\n  answers       {_listed(answers)}")
        for what, n in found.items():
            print(f"  {what:13} {n}")
    assert found["acknowledged"] > 0
    assert {what: n for what, n in found.items() if what not in {"acknowledged", "events"}} == dict.fromkeys(
        ("lost", "doubled", "profiles", "analytics"), 0
    )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {n}" for what, n in sorted(counts.items()))


async def _counted(dsn: str, settings: Settings, acknowledged: set[str]) -> dict[str, int]:
    """What is lost, doubled or different once everything has been caught up with.

    profiles, analytics: how many differ from the raw events, and from Postgres"""
    connection = await asyncpg.connect(dsn)
    ids = [row["message_id"] for row in await connection.fetch("SELECT message_id FROM events")]
    opens = await connection.fetchval("SELECT count(*) FROM profiles")
    await connection.close()
    assert 0 < opens <= PEOPLE
    async with await open_pool(dsn, 2) as pool, ClickHouse(settings) as clickhouse:
        environment = Environment(1, pool, clock.now)

        async def is_fed() -> bool:
            return bool((await lag.lag(environment)).rows == 0)

        await eventually(is_fed)
        report = await verify(environment, sample=None)

        async def agree() -> bool:
            return not await differences(clickhouse, pool, environment.id)

        # The window of a minute still ends memberships while both are read.
        with contextlib.suppress(AssertionError):
            await eventually(agree)
        different = await differences(clickhouse, pool, environment.id)
        for table, (missing, extra, *_) in different.items():
            print(f"{table}: only in Postgres {missing[:5]}, only in ClickHouse {extra[:5]}")
    return {
        "acknowledged": len(acknowledged),
        "events": len(ids),
        "lost": len(acknowledged - set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "profiles": report.differences,
        "analytics": len(different),
    }
