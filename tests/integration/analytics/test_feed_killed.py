"""kill -9 of the feed, of ClickHouse and of connections to Postgres, while eight writers write: each event once."""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import serving
from analytics_copy import differences
from clickhouse_engine import Engine, running_engine
from serving import eventually, new_environment
from tinycdp.app import Parts
from tinycdp.errors import TinyCDPError, Unavailable
from tinycdp.model import DAY_MS, Identifier, IdentifierKind, Message
from tinycdp.products.analytics.feed import lag
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime import clock

WRITERS = 8
SHOP = {"segments": [{"key": "buyers", "rule": "events.buy.exists(7d)"}]}
_FEEDER = Path(__file__).parents[2] / "analytics_feeder.py"
_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE 'LISTEN%'"
)


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, clock.now) as [started]:
        yield started


class Feeder:
    """A process that feeds."""

    def __init__(self, dsn: str, engine: Engine) -> None:
        self._command = [sys.executable, str(_FEEDER), dsn, str(engine.settings.data_dir)]
        self.log = engine.settings.data_dir / "feeder.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Writers:
    """Eight writers that send until they are stopped; what is refused for now is sent again."""

    def __init__(self, service: Parts, environment_id: int) -> None:
        self._service, self._environment_id = service, environment_id
        self.done = asyncio.Event()
        self.sent = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as running:
            for writer in range(WRITERS):
                running.create_task(self._write(writer))

    async def _write(self, writer: int) -> None:
        dice, n = random.Random(writer), 0
        while not self.done.is_set():
            n += 1
            batch = [self._message(f"w{writer}-{n}-{i}", dice) for i in range(dice.randint(1, 8))]
            while True:
                with contextlib.suppress(Unavailable, TinyCDPError):
                    await self._service.ingest.accept(self._environment_id, batch)
                    break
                await asyncio.sleep(0.05)
            self.sent += sum(1 for one in batch if one.kind == "track")
            await asyncio.sleep(dice.random() * 0.05)

    def _message(self, id: str, dice: random.Random) -> Message:
        user, tab = dice.randint(1, 60), dice.randint(1, 60)
        named = [Identifier(IdentifierKind.USER, f"u{user}"), Identifier(IdentifierKind.ANONYMOUS, f"a{tab}")]
        if dice.random() < 0.9:
            named = [dice.choice(named)]
        now = clock.now()
        kind = dice.choice(("track", "track", "track", "identify"))
        return Message(
            kind=kind, message_id=id, identifiers=tuple(named), occurred_at=now, received_at=now,
            name=dice.choice(("open", "buy")) if kind == "track" else "", properties={"n": dice.randint(1, 9)},
        )  # fmt: skip


@pytest.mark.parametrize(("seed", "blows"), [(1, 6), *(pytest.param(n, 60, marks=pytest.mark.slow) for n in (2, 3))])
async def test_each_event_is_stored_once_whatever_is_killed(
    dsn: str, service: Parts, tmp_path: Path, seed: int, blows: int
) -> None:
    shop = await new_environment(service.pool, "shop", SHOP, clock.now() - DAY_MS)
    await service.catalogs.refresh(service.pool, shop)
    environment, dice = service.environment(shop), random.Random(seed)
    with running_engine(tmp_path / "data") as engine:
        feeder, writers = Feeder(dsn, engine), Writers(service, shop)
        writing = asyncio.create_task(writers.run())
        try:
            await eventually(lambda: _is_filled(environment))
            for blow in range(blows):
                await asyncio.sleep(dice.random())
                victim = ("feed", "clickhouse", "postgres")[blow % 3]
                if victim == "feed":
                    feeder.kill()
                    feeder.start()
                elif victim == "clickhouse":
                    await asyncio.to_thread(engine.kill)
                    await asyncio.to_thread(engine.start)
                else:
                    with contextlib.suppress(Exception):
                        await service.pool.execute(_CONNECTIONS)
            writers.done.set()
            await writing
            await eventually(lambda: _is_done(environment))
        finally:
            writers.done.set()
            feeder.kill()
        async with ClickHouse(engine.settings) as clickhouse:
            assert await differences(clickhouse, service.pool, shop) == {}, feeder.log.read_text()[-3000:]
            [(stored,)] = await clickhouse.query("SELECT count() FROM events")
        assert stored == writers.sent > 0


async def _is_filled(environment: lag.Environment) -> bool:
    with contextlib.suppress(Unavailable):
        await lag.watermark(environment)
        return True
    return False


async def _is_done(environment: lag.Environment) -> bool:
    with contextlib.suppress(Unavailable):
        return (await lag.lag(environment)).rows == 0
    return False
