"""The engine under `tinycdp serve`: without it everything but questions goes on, and it comes back."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from clickhouse_engine import need_chdb
from serving import Server, served, until
from tinycdp.errors import TinyCDPError
from tinycdp.products.analytics import endpoint
from tinycdp.products.analytics.store.clickhouse import describe
from tinycdp.server.doctor import examine
from tinycdp.settings import Settings


def _engines(server: Server) -> list[int]:
    """The processes of the engine under a server."""
    commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in server.family()}
    return [pid for pid, file in commands.items() if file.exists() and file.read_bytes().endswith(b"\0analytics\0")]


def _answers(settings: Settings) -> bool:
    try:
        asyncio.run(describe(settings))
    except TinyCDPError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for the process in /proc")
def test_without_the_engine_everything_else_goes_on(tmp_path: Path, dsn: str) -> None:
    need_chdb()
    settings = Settings(data_dir=tmp_path / "data")
    with served(tmp_path, dsn=dsn, analytics="true") as server:
        until(lambda: _answers(settings), said=server.said)
        (finding,) = (found for found in examine(settings) if found.subject == "analytics")
        assert (finding.verdict, finding.detail.partition(" 2")[0]) == ("ok", "the embedded ClickHouse")

        (engine,) = _engines(server)
        os.kill(engine, signal.SIGSTOP)  # it neither answers nor ends
        assert server.track({"userId": "ada", "event": "purchase", "messageId": "m1"}).status_code == 200
        os.kill(engine, signal.SIGKILL)
        assert server.track({"userId": "ada", "event": "purchase", "messageId": "m2"}).status_code == 200
        assert server.decide("no_such_flag", "ada").json()["code"] == "FLAG_NOT_FOUND"

        until(lambda: _answers(settings), said=server.said)
        assert _engines(server) not in ([], [engine])
        assert "the analytics engine ended (signal 9); restarting it in" in server.said()
    assert not _answers(settings)


def test_an_engine_that_cannot_start_ends_nothing(tmp_path: Path, dsn: str) -> None:
    need_chdb()
    folder = endpoint.folder(Settings(data_dir=tmp_path / "data"))
    folder.parent.mkdir(parents=True)
    folder.touch()  # not a folder
    with served(tmp_path, dsn=dsn, analytics="true") as server:
        until(lambda: server.log.read_text().count("the analytics engine ended") >= 5, said=server.said)
        assert server.track({"userId": "ada", "event": "purchase", "messageId": "m1"}).status_code == 200
        assert server.process.poll() is None


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", analytics=False, postgres_bin="wheel")
    assert "analytics" not in [finding.subject for finding in examine(settings)]
