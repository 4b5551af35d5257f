"""What is left on a connection, and what it costs to give one back."""

import re
from pathlib import Path

import pytest

import tinycdp.store
from tinycdp.store import imports
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Pool, acquired, open_pool, transaction
from tinycdp.store.database.statements import load

#: A lock or a setting of the session, not of the transaction.
LINGERING = re.compile(r"pg_(try_)?advisory_lock|set_config\([^()]*false\)|\A(--.*\n)*(SET (?!LOCAL)|LISTEN)")


class Stopped(Exception):
    """Whatever ends a backfill or an import before its time."""


async def test_a_connection_goes_back_without_a_word(dsn: str) -> None:
    said: list[str] = []
    async with await open_pool(dsn, 1) as pool:
        async with acquired(pool) as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
        async with acquired(pool) as connection:
            await connection.fetchval("SELECT 1")
        async with transaction(pool) as connection:
            await connection.fetchval("SELECT 2")
    assert said == ["SELECT 1", "BEGIN;", "SELECT 2", "COMMIT;"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_locks_and_settings_do_not_outlive_who_took_them(dsn: str, pool: Pool, *, stopped: bool) -> None:
    async with await open_pool(dsn, 1) as first:
        for _ in range(2):
            try:
                async with acquired(first) as connection:
                    assert await profile_store.try_backfill(connection, 1)
                    assert await imports.try_import(connection, 1, "file")
                    async with acquired(pool) as other:
                        assert not await profile_store.try_backfill(other, 1), "it is held"
                        assert not await imports.try_import(other, 1, "file"), "it is held"
                    if stopped:
                        raise Stopped
            except Stopped:
                assert stopped
            async with acquired(pool) as other:
                assert await profile_store.try_backfill(other, 1)
                assert await imports.try_import(other, 1, "file")
            async with acquired(first) as connection:
                assert await connection.fetchval("SELECT source FROM pg_settings WHERE name = 'jit'") != "session"


def test_no_other_statement_leaves_anything_on_its_connection() -> None:
    """A test that adds one here calls `linger()` before it, and takes it into the test above."""
    folder = Path(tinycdp.store.__file__).with_name("sql")
    statements = [one for file in folder.glob("*.sql") for one in load(file.stem).items()]
    assert {name for name, text in statements if LINGERING.search(text)} == {"try_backfill", "try_import"}
