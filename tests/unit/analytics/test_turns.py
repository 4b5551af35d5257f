"""Turns of questions: bounded, and fair between environments."""

import asyncio

import pytest

from tinycdp.errors import Overloaded
from tinycdp.products.analytics.service.turns import Turns


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_run_than_may() -> None:
    turns, running, most = Turns(running=2, waiting=10), 0, 0

    async def question() -> None:
        nonlocal running, most
        async with turns.turn(1):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(question() for _ in range(10)))
    assert (most, running) == (2, 0)


async def test_a_full_line_refuses() -> None:
    turns = Turns(running=1, waiting=1)
    async with turns.turn(1):
        waiting = asyncio.create_task(_turn(turns, 1, []))
        await _settled()
        with pytest.raises(Overloaded) as refused:
            async with turns.turn(2):
                pass
        assert refused.value.code == "ANALYTICS_BUSY"
    await waiting


async def test_an_environment_with_fewer_turns_is_next() -> None:
    turns, order = Turns(running=2, waiting=10), list[int]()
    async with turns.turn(1):
        async with turns.turn(1):
            waiting = [asyncio.create_task(_turn(turns, environment, order)) for environment in (1, 1, 2)]
            await _settled()
        await asyncio.gather(waiting[2])
    await asyncio.gather(*waiting)
    assert order == [2, 1, 1]


async def test_a_question_that_gives_up_leaves_the_line() -> None:
    turns, order = Turns(running=1, waiting=1), list[int]()
    async with turns.turn(1):
        gone = asyncio.create_task(_turn(turns, 2, order))
        await _settled()
        gone.cancel()
        await _settled()
        waiting = asyncio.create_task(_turn(turns, 3, order))
        await _settled()
    await waiting
    assert order == [3]


async def test_a_turn_given_to_a_question_that_gives_up_goes_to_the_next() -> None:
    turns, order = Turns(running=1, waiting=2), list[int]()
    async with turns.turn(1):
        gone, waiting = (asyncio.create_task(_turn(turns, environment, order)) for environment in (2, 3))
        await _settled()
    gone.cancel()  # its turn was given when the block ended, and it has not run yet
    await asyncio.gather(gone, waiting, return_exceptions=True)
    assert order == [3]
    async with turns.turn(4):  # nothing was lost
        pass


async def _turn(turns: Turns, environment: int, order: list[int]) -> None:
    async with turns.turn(environment):
        order.append(environment)
        await asyncio.sleep(0)
