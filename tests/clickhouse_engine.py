"""An analytics engine for tests: the real process, and a client of it.

Shape   engine (session) → clickhouse: its tables are made once, and empty at the start of each test
        Engine: a running `tinycdp analytics` that a test of its own may kill and start again
Laws    of a run in parallel each worker process has an engine of its own
        without chdb these tests are skipped, which fails a run under CI=true
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import PATIENCE_SECONDS, until
from tinycdp.products.analytics import endpoint
from tinycdp.products.analytics.packages import has_engine
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.tables import prepare
from tinycdp.products.analytics.store.target import TABLES
from tinycdp.runtime import clock
from tinycdp.settings import Settings, to_environ


class Engine:
    """A running `tinycdp analytics`."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data_dir=folder, **settings)
        self.log = folder / "analytics.log"
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        ours = ("TINYCDP_", "CLICKHOUSE_")
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        before = endpoint.read(self.settings)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tinycdp", "analytics"],
                env=foreign | to_environ(self.settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: endpoint.read(self.settings) != before or self._ended(), said=self.said)

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.said()
        return False

    def said(self) -> str:
        return self.log.read_text()[-3000:]

    @property
    def url(self) -> str:
        shown = endpoint.read(self.settings)
        assert shown
        return f"http://{endpoint.HOST}:{shown.port}/"

    @property
    def token(self) -> str:
        shown = endpoint.read(self.settings)
        assert shown
        return shown.token

    def http(self) -> httpx.Client:
        """A plain client, as curl is one."""
        return httpx.Client(base_url=self.url, headers={"X-ClickHouse-Key": self.token}, timeout=PATIENCE_SECONDS)

    def ask(self, sql: str, **options: Any) -> str:
        """The text of an answer; asserts that it is one."""
        with self.http() as client:
            answer = client.post("", content=sql, params=options)
        assert answer.status_code == 200, answer.text
        return answer.text

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As a service manager stops it; asserts that it ends well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.said()


@contextlib.contextmanager
def running_engine(folder: Path, **settings: Any) -> Iterator[Engine]:
    """An engine of a test's own."""
    need_chdb()
    engine = Engine(folder, **settings)
    try:
        yield engine
    finally:
        if engine.process.poll() is None:
            engine.stop()


def need_chdb() -> None:
    """Skip the test where the engine cannot run."""
    if not has_engine():
        pytest.skip("needs the extra `analytics`: pip install -r requirements-analytics.lock")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine that tests share."""
    with running_engine(tmp_path_factory.mktemp("analytics") / "data") as running:
        yield running


@pytest.fixture(scope="session")
async def _tables(engine: Engine) -> AsyncIterator[ClickHouse]:
    async with ClickHouse(engine.settings) as client:
        await prepare(client, clock.now())
        yield client


@pytest.fixture
async def clickhouse(_tables: ClickHouse) -> ClickHouse:
    """A client of the shared engine, with empty tables."""
    for table in TABLES:  # `migrations` stays
        await _tables.command(f"TRUNCATE TABLE {table}")
    await _tables.command("SYSTEM RELOAD DICTIONARY who")
    return _tables
