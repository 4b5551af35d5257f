"""kill -9 of what delivers and of what receives: nothing is skipped, and each person's messages come in order."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from delivering import House
from serving import eventually, free_port

TESTS = Path(__file__).parents[2]
PEOPLE, CROSSINGS, KILLS = 10, 6, 14


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


async def test_nothing_is_skipped_and_order_is_kept(house: House, tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "arrived"
    for n in range(2, CROSSINGS + 1):
        await house.app.define("segment", key=f"went{n}", rule=f"events.go.count(30d) >= {n}")
    await house.put("crm", f"http://127.0.0.1:{port}/", "segment.entered", concurrency=3)
    receiver = Process(str(TESTS / "receiver.py"), str(port), str(path))
    worker = Process(str(TESTS / "delivery_worker.py"), house.dsn)
    choose = random.Random(5)
    try:

        async def people_go() -> None:
            for n in range(CROSSINGS):
                for person in range(PEOPLE):
                    await house.enter(f"user{person}", n)
                    await asyncio.sleep(0.02)

        going = asyncio.create_task(people_go())
        for kill in range(KILLS):
            lines = len(_lines(path))

            async def moved(lines: int = lines) -> bool:
                return len(_lines(path)) > lines or len(set(_lines(path))) == PEOPLE * CROSSINGS

            await eventually(moved)
            await asyncio.sleep(choose.uniform(0, 0.1))
            process = worker if kill % 3 else receiver
            process.kill()
            process.start()
        await going

        async def all_there() -> bool:
            return len(set(_lines(path))) == PEOPLE * CROSSINGS

        await eventually(all_there)
    finally:
        worker.kill()
        receiver.kill()
    first: dict[str, list[int]] = defaultdict(list)
    for id_, person in dict.fromkeys(map(tuple, _lines(path))):
        first[person].append(int(id_.split("_")[3]))
    assert len(first) == PEOPLE
    for numbers in first.values():
        assert len(numbers) == CROSSINGS
        assert numbers == sorted(numbers), "in order, at the first arrival of each"


def _lines(path: Path) -> list[tuple[str, ...]]:
    """(id, person) of what arrived, without a line that was cut short."""
    if not path.exists():
        return []
    return [parts for line in path.read_text().split("\n") if len(parts := tuple(line.split(" "))) == 2 and parts[1]]
