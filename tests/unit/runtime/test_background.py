"""Loops and buffered writers: what they do between start and stop, and with trouble."""

import asyncio
import logging

import pytest

from tinycdp.errors import Unavailable
from tinycdp.runtime.background import BufferedWriter, Loop

LONG = 3600.0


class Work:
    """Counts its turns, and raises what it is given first."""

    def __init__(self, *troubles: Exception, pause: float | None = None) -> None:
        self.turns = 0
        self.troubles = list(troubles)
        self.pause = pause
        self._turned = asyncio.Condition()

    async def __call__(self) -> float | None:
        async with self._turned:
            self.turns += 1
            self._turned.notify_all()
        if self.troubles:
            raise self.troubles.pop(0)
        return self.pause

    async def reached(self, turns: int) -> None:
        async with self._turned:
            await self._turned.wait_for(lambda: self.turns >= turns)


async def test_it_works_until_it_is_stopped() -> None:
    work = Work()
    loop = Loop("test", work, 0.0)
    loop.start()
    await work.reached(3)
    await loop.stop()
    turns = work.turns
    await asyncio.sleep(0.01)
    assert work.turns == turns


async def test_stopping_what_was_never_started_is_nothing() -> None:
    await Loop("test", Work(), 0.0).stop()


async def test_waking_cuts_the_pause_short() -> None:
    work = Work()
    loop = Loop("test", work, LONG)
    loop.start()
    await work.reached(1)
    loop.wake()
    await work.reached(2)
    await loop.stop()


async def test_what_is_woken_during_its_work_works_again() -> None:
    work = Work()

    async def turn() -> None:
        await work()
        if work.turns == 1:
            loop.wake()

    loop = Loop("test", turn, LONG)
    loop.start()
    await work.reached(2)
    await loop.stop()


async def test_the_work_may_say_how_long_to_wait() -> None:
    work = Work(pause=0.0)
    loop = Loop("test", work, LONG)
    loop.start()
    await work.reached(3)
    await loop.stop()


@pytest.mark.parametrize("trouble", [Unavailable("DATABASE_AWAY", "away"), ValueError("wrong")])
async def test_trouble_does_not_end_it(trouble: Exception) -> None:
    work = Work(trouble)
    loop = Loop("test", work, LONG, failed=0.0)
    loop.start()
    await work.reached(2)
    await loop.stop()


async def test_a_passing_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    busy = Unavailable("BUSY", "busy")
    with caplog.at_level(logging.INFO):
        await _run(Work(busy, busy, busy), 5)
    assert [record.getMessage() for record in caplog.records] == [
        "the test: failed, will try again: busy",
        "the test: works again after 3 failed tries",
    ]


async def test_trouble_that_is_not_expected_has_one_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await _run(Work(ValueError("a"), ValueError("a"), ValueError("b"), ValueError("b")), 6)
    assert [(record.levelname, str(record.exc_info[1]) if record.exc_info else "") for record in caplog.records] == [
        ("ERROR", "a"),
        ("ERROR", "b"),
        ("INFO", ""),
    ]


async def test_a_database_that_is_away_is_left_to_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await _run(Work(Unavailable("DATABASE_AWAY", "away")), 3)
    assert not caplog.records


async def _run(work: Work, turns: int) -> None:
    loop = Loop("the test", work, 0.0)
    loop.start()
    await work.reached(turns)
    await loop.stop()


async def test_finishing_lets_the_work_end() -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def turn() -> None:
        began.set()
        await may_end.wait()
        ended.append(True)

    loop = Loop("test", turn, LONG)
    running = asyncio.create_task(loop.run())
    await began.wait()
    loop.finish()
    may_end.set()
    await running
    assert ended == [True]


class Writer(BufferedWriter):
    def __init__(self, trouble: Exception | None = None) -> None:
        super().__init__("test", LONG)
        self.rows = ["a"]
        self.written: list[str] = []
        self.trouble = trouble

    async def flush(self) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.written += self.rows
        self.rows = []


async def test_a_writer_writes_what_waits_at_the_end() -> None:
    writer = Writer()
    writer.start()
    await writer.stop()
    assert writer.written == ["a"]


async def test_a_writer_can_be_made_to_tick() -> None:
    writer = Writer()
    await writer.tick()
    assert writer.written == ["a"]


async def test_a_writer_whose_database_is_away_stops_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer(Unavailable("DATABASE_AWAY", "away"))
    await writer.stop()
    assert "the rest of the buffer is lost: away" in caplog.text


async def test_a_writer_whose_last_flush_takes_too_long_stops_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Writer):
        DRAIN_SECONDS = 0.001

        async def flush(self) -> None:
            await asyncio.Event().wait()

    await Slow().stop()
    assert "the rest of the buffer is lost" in caplog.text
