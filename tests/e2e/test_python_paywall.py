"""The example server of examples/server-python, run as its README says, by a reader with a browser's cookies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serving import PATIENCE_SECONDS, READ_KEY, WRITE_KEY, Server, define, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "server-python"


@pytest.fixture(scope="module")
async def tinycdp(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    await prepare(
        Settings(database_url=module_dsn, bootstrap_write_key=WRITE_KEY, bootstrap_read_key=READ_KEY), clock.now()
    )
    await define(module_dsn, yaml.safe_load((EXAMPLE / "newspaper.yaml").read_text()), clock.now())
    with served(tmp_path_factory.mktemp("tinycdp"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def newspaper(request: pytest.FixtureRequest, tinycdp: Server, tmp_path: Path) -> Iterator[str]:
    """The address of the running example, which is ended in each of the usual ways."""
    environ = os.environ | {
        "PYTHONPATH": str(ROOT / "sdk-py" / "src"),
        "TINYCDP_URL": tinycdp.url,
        "TINYCDP_WRITE_KEY": WRITE_KEY,
        "TINYCDP_READ_KEY": READ_KEY,
        "QUEUE_DIR": str(tmp_path / "events"),
        "PORT": "0",
    }
    argv = [sys.executable, str(EXAMPLE / "app.py")]
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.send_signal(request.param)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "Sending what waits" in process.stdout.read()


def test_three_articles_are_free_and_a_pass_opens_the_others(newspaper: str) -> None:
    with httpx.Client(base_url=newspaper, timeout=PATIENCE_SECONDS) as reader:
        assert reader.get("/").text.count("<li>") == 4
        for article in ("tides", "bees", "ink"):
            assert reader.get(f"/{article}").status_code == 200
        until(lambda: reader.get("/maps").status_code == 402)
        with httpx.Client(base_url=newspaper, timeout=PATIENCE_SECONDS) as stranger:
            assert stranger.get("/maps").status_code == 200
        assert reader.post("/pass").status_code == 303
        assert [reader.get(f"/{article}").status_code for article in ("maps", "tides")] == [200, 200]
        assert reader.get("/nothing").status_code == 404
