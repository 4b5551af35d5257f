"""kill -9 of what delivers, what receives and the database: nothing is skipped, and each person's order is kept."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from delivering import House, house_on
from serving import BINARIES, eventually, free_port
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings

TESTS = Path(__file__).parents[2]
PEOPLE = 10


class Process:
    """A process that is killed and started again."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = subprocess.Popen([sys.executable, *self._arguments], env=environment)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def blow(self) -> None:
        self.kill()
        self.start()


@pytest.mark.parametrize(("seed", "kills"), [(5, 12), pytest.param(6, 100, marks=pytest.mark.slow)])
async def test_nothing_is_skipped_and_order_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, kills: int
) -> None:
    port, path = free_port(), tmp_path / "arrived"
    crossings = kills // 2
    with EmbeddedPostgres(tmp_path / "data", binaries=BINARIES or None) as postgres:
        await prepare(Settings(database_url=postgres.dsn), clock.now())
        async with house_on(postgres.dsn, monkeypatch.setenv) as house:
            for n in range(2, crossings + 1):
                await house.app.define("segment", key=f"went{n}", rule=f"events.go.count(30d) >= {n}")
            await house.put("crm", f"http://127.0.0.1:{port}/", "segment.entered", concurrency=3)
            receiver = Process(str(TESTS / "receiver.py"), str(port), str(path))
            worker = Process(str(TESTS / "delivery_worker.py"), house.dsn)
            choose = random.Random(seed)

            def kill_the_database() -> None:
                assert postgres.process is not None
                postgres.process.kill()
                postgres.process.wait()
                postgres.tend()

            blows = (worker.blow, receiver.blow, worker.blow, kill_the_database)
            going = asyncio.create_task(_people_go(house, crossings))
            try:
                for kill in range(kills):
                    lines = len(_lines(path))

                    async def moved(lines: int = lines) -> bool:
                        return len(_lines(path)) > lines or len(set(_lines(path))) == PEOPLE * crossings

                    await eventually(moved)
                    await asyncio.sleep(choose.uniform(0, 0.1))
                    await asyncio.to_thread(blows[kill % len(blows)])
                await going

                async def all_there() -> bool:
                    return len(set(_lines(path))) == PEOPLE * crossings

                await eventually(all_there)
            finally:
                going.cancel()
                worker.kill()
                receiver.kill()
    first: dict[str, list[int]] = defaultdict(list)
    for id_, person in dict.fromkeys(map(tuple, _lines(path))):
        first[person].append(int(id_.split("_")[3]))
    assert len(first) == PEOPLE
    for numbers in first.values():
        assert len(numbers) == crossings
        assert numbers == sorted(numbers), "in order, at the first arrival of each"


async def _people_go(house: House, crossings: int) -> None:
    """Each person crosses one border after the other. What is not acknowledged is sent again."""
    for n in range(crossings):
        for person in range(PEOPLE):
            event = {"type": "track", "event": "go", "userId": f"user{person}", "messageId": f"user{person}-go-{n}"}
            while (answer := await house.app.write.post("/v1/batch", json={"batch": [event]})).status_code != 200:
                assert answer.status_code in (429, 503), answer.text
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.02)


def _lines(path: Path) -> list[tuple[str, ...]]:
    """(id, person) of what arrived, without a line that was cut short."""
    if not path.exists():
        return []
    return [parts for line in path.read_text().split("\n") if len(parts := tuple(line.split(" "))) == 2 and parts[1]]
