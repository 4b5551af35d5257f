"""Fixtures every test may use: an embedded Postgres, and a fresh, migrated database of it for each test that asks.

Shape   server (session) → template (session: the migrated database) → dsn (a clone of it per test) → pool
Laws    under CI=true a skipped test fails the run: there, everything the tests need is installed
"""

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.migrations import migrate
from tinycdp.store.pool import Connection, Pool, connect, open_pool


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One Postgres for the session, without fsync. TEST_POSTGRES chooses whose: a folder, `wheel` or `system`."""
    chosen = os.environ.get("TEST_POSTGRES", "wheel")
    with EmbeddedPostgres(
        tmp_path_factory.mktemp("postgres"), binaries=None if chosen == "system" else chosen, durable=False
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def template(server: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to."""
    await migrate(server.dsn, clock.now())
    return "tinycdp"


@pytest.fixture(scope="session")
async def maintenance(server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database `postgres`, from which others are made and dropped."""
    connection = await asyncpg.connect(_named(server, "postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def dsn(server: EmbeddedPostgres, template: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """A connection string to a fresh copy of the migrated database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(server, name)
    await maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A small pool on the test's own database."""
    async with await open_pool(dsn, 8) as opened:
        yield opened


@pytest.fixture(scope="session")
async def _shared(
    server: EmbeddedPostgres, template: str, maintenance: asyncpg.Connection
) -> AsyncIterator[asyncpg.Connection]:
    await maintenance.execute(f"CREATE DATABASE shared TEMPLATE {template}")
    connection = await connect(_named(server, "shared"))
    # Postgres gives up a transaction in which nothing is said for a minute; a naive oracle may think longer.
    await connection.execute("SET idle_in_transaction_session_timeout = 0")
    yield connection
    await connection.close()
    await maintenance.execute("DROP DATABASE shared WITH (FORCE)")


@pytest.fixture
async def scratch(_shared: asyncpg.Connection) -> AsyncIterator[Connection]:
    """A connection in a transaction that is rolled back after the test, for tests that need no COMMIT and no NOTIFY."""
    transaction = _shared.transaction()
    await transaction.start()
    yield _shared
    await transaction.rollback()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped"):
        reporter.write_line("\nCI=true: a skipped test fails the run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _named(server: EmbeddedPostgres, database: str) -> str:
    return server.dsn.replace("/tinycdp?", f"/{database}?")


_numbers = iter(range(1, 1_000_000))
