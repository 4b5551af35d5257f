"""commit_with_retry: what is kept, what is begun anew, and when it gives up."""

import asyncpg
import pytest

from tinycdp.errors import Overloaded
from tinycdp.runtime.transactions import TRIES, commit_with_retry
from tinycdp.store.database.pool import RETRY, Connection, Pool


class Crossed(Exception):
    pass


class Note:
    """Notes each try in a table, and fails the first few."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.tries = 0

    async def __call__(self, connection: Connection) -> int:
        self.tries += 1
        await connection.execute("INSERT INTO notes VALUES ($1)", self.tries)
        if self.troubles:
            raise self.troubles.pop(0)
        return self.tries


@pytest.fixture
async def notes(pool: Pool) -> Pool:
    await pool.execute("CREATE TABLE notes (n integer)")
    return pool


async def kept(pool: Pool) -> list[int]:
    return [row["n"] for row in await pool.fetch("SELECT n FROM notes")]


async def test_what_is_done_is_committed(notes: Pool) -> None:
    assert await commit_with_retry(notes, Note()) == 1
    assert await kept(notes) == [1]


async def test_a_dry_run_is_answered_and_not_kept(notes: Pool) -> None:
    assert await commit_with_retry(notes, Note(), dry_run=True) == 1
    assert await kept(notes) == []


async def test_what_was_crossed_is_begun_anew(notes: Pool) -> None:
    work = Note(asyncpg.DeadlockDetectedError("crossed"), Crossed())
    assert await commit_with_retry(notes, work, again=(Crossed, *RETRY)) == 3
    assert await kept(notes) == [3], "nothing is left of the tries before"


async def test_other_trouble_is_raised_at_once(notes: Pool) -> None:
    work = Note(Crossed())
    with pytest.raises(Crossed):
        await commit_with_retry(notes, work)
    assert work.tries == 1 and await kept(notes) == []


async def test_it_gives_up(notes: Pool) -> None:
    work = Note(*[Crossed() for _ in range(TRIES + 1)])
    with pytest.raises(Overloaded) as refused:
        await commit_with_retry(notes, work, again=(Crossed,))
    assert refused.value.code == "CONTENTION" and work.tries == TRIES
