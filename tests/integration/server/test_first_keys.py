"""An empty data folder gets keys at the first start, shown once, and commands that work in an empty project."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving import BINARIES, PATIENCE_SECONDS, Server, bearer, free_port, until, with_cluster
from tinycdp import __version__
from tinycdp.cli.main import main

ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TINYCDP_POSTGRES_BIN": BINARIES}


@contextmanager
def started(folder: Path, *options: str, **environ: str) -> Iterator[Server]:
    """`tinycdp serve` on a data folder, once it has printed its address."""
    port = free_port()
    log = folder.with_suffix(f".{port}.log")
    argv = ["tinycdp", "serve", "--port", str(port), "--data-dir", str(folder), *options]
    server = Server(argv, ENVIRONMENT | environ, log, port, folder.parent)
    try:
        until(lambda: f"TinyCDP {__version__} serves {server.url}" in log.read_text(), said=server.said)
        until(lambda: server.http.get("/readyz").status_code == 200, said=server.said)
        yield server
    finally:
        server.stop()


def keys_in(server: Server) -> dict[str, str]:
    return dict(re.findall(r"^  (admin|write|read) key +(\S+)$", server.log.read_text(), re.MULTILINE))


def run(command: str, folder: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TINYCDP_", "DATABASE_"))}
    quiet = " --silent --show-error --fail" if command.startswith("curl") else ""
    said = subprocess.run(
        ["sh", "-c", command + quiet],
        env=environ | ENVIRONMENT,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, (command, said.stdout, said.stderr)
    return said.stdout


def test_the_first_start_shows_keys_once_with_commands_that_work(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with started(folder) as server:
        printed = server.log.read_text()
        keys = keys_in(server)
        assert {scope: key.partition("_")[0] for scope, key in keys.items()} == {
            scope: scope for scope in ("admin", "write", "read")
        }
        lines = printed.replace("\\\n", " ").split("Try, in this order\n")[1].splitlines()
        commands = [line.strip() for line in lines if line.startswith("  ") and not line.startswith("  #")]
        assert len(commands) == 5, commands
        tracked, registry, _, applied, decided = [run(command, tmp_path) for command in commands]
        assert json.loads(tracked)["accepted"] == 1
        assert '"amount"' in registry
        assert "+ flag discount" in applied and "is live" in applied
        assert json.loads(decided)["allow"] is True
    stored = [file for file in folder.rglob("*") if file.is_file()]
    for key in keys.values():
        assert not [file for file in stored if key.encode() in file.read_bytes()], "only hashes are stored"

    with started(folder) as again:
        assert keys_in(again) == {}
        answer = again.http.get("/v1/decide?userId=ada&flag=discount", headers=bearer(keys["read"]))
        assert answer.json()["allow"] is True


def test_init_shows_the_keys_before_the_first_start(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    init = f"tinycdp init --data-dir {folder}"
    printed = run(init, tmp_path)
    keys = dict(re.findall(r"^  (admin|write|read) key +(\S+)$", printed, re.MULTILINE))
    assert set(keys) == {"admin", "write", "read"}
    assert run(init, tmp_path).startswith("There is a project with keys already")
    lines = printed.replace("\\\n", " ").split("Next, in this order\n")[1].splitlines()
    serve, *commands = [line.strip() for line in lines if line.startswith("  ") and not line.startswith("  #")]
    assert serve == f"tinycdp serve --data-dir {folder}"
    with started(folder) as server:
        assert keys_in(server) == {}
        decided = [run(command.replace("http://127.0.0.1:8000", server.url), tmp_path) for command in commands][-1]
        assert json.loads(decided)["allow"] is True


def test_init_does_not_add_to_an_operators_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TINYCDP_BOOTSTRAP_ADMIN_KEY", "a-key-that-an-operator-chose")
    assert main(["init", "--data-dir", str(tmp_path / "shop")]) == 1
    assert capsys.readouterr().err.endswith("[KEYS_GIVEN]\n")
    assert not (tmp_path / "shop").exists()


def test_an_operators_keys_are_the_only_ones(tmp_path: Path) -> None:
    chosen = "a-key-that-an-operator-chose"
    with started(with_cluster(tmp_path / "shop"), TINYCDP_BOOTSTRAP_ADMIN_KEY=chosen) as server:
        assert keys_in(server) == {}
        listed: dict[str, Any] = server.http.get("/v1/admin/keys", headers=bearer(chosen)).json()
        assert [key["name"] for key in listed["keys"]] == ["bootstrap admin"]


def test_the_demo_is_not_added_to_a_project(tmp_path: Path) -> None:
    folder = with_cluster(tmp_path / "shop")
    with started(folder) as server:
        event = {"userId": "ada", "event": "purchase"}
        assert server.track(event, keys_in(server)["write"]).status_code == 200
    log = tmp_path / "refused.log"
    argv = ["tinycdp", "serve", "--demo", "--port", str(free_port()), "--data-dir", str(folder)]
    refused = Server(argv, ENVIRONMENT, log, 1, tmp_path)
    try:
        assert refused.process.wait(PATIENCE_SECONDS) == 1
    finally:
        if refused.process.poll() is None:
            os.killpg(refused.process.pid, signal.SIGKILL)
        refused.http.close()
    assert "DEMO_REFUSED" in log.read_text()
    assert not (folder / "demo.json").exists()
