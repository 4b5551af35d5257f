"""What a newcomer does: clone into an empty directory, `make run`, the three curls, an event, Ctrl-C, and again."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client

from serving import PATIENCE_SECONDS, Server, alive, bearer, free_port, until

ROOT = Path(__file__).parents[2]
PRINTED = "Ctrl-C stops everything"
#: Making the environment installs every dependency.
FIRST_SECONDS = 1_000.0


@pytest.mark.timeout(1_500)
def test_the_first_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # make makes its own
    monkeypatch.delenv("PYTHONPATH", raising=False)  # which holds this code, and no other
    clone, data, port = tmp_path / "tinycdp", tmp_path / "data", free_port()
    copy_checkout(clone)

    server = make_run(clone, data, port, tmp_path / "first.log")
    try:
        until(lambda: running(server) and PRINTED in server.log.read_text(), FIRST_SECONDS, server.said)
        printed = server.log.read_text()
        decided, profile, tracked = [json.loads(run(command)) for command in curls(printed)]
        assert decided["allow"] is True and decided["reason"] == "TARGETING_MATCH"
        assert "DE" in json.dumps(profile) and "power_user" in json.dumps(profile)
        assert tracked["success"] is True and tracked["accepted"] == 1

        assert re.search(rf"Open {server.url}/#key=admin_\S+: the console, signed in", printed)
        console = server.http.get("/", headers={"Accept": "text/html"})
        assert console.status_code == 200 and 'id="console"' in console.text, "make run built it"
        assert f"Open {server.url}/demo" in printed
        page = server.http.get("/demo")
        assert page.status_code == 200 and "Kestrel Coffee" in page.text, "make run built it"
        assert server.http.get("/demo/config").json().keys() == {"key"}

        keys = dict(re.findall(r"^  (admin|write|read) key +(\S+)$", printed, re.MULTILINE))
        assert not members_area(server, keys["read"])
        client = Client(keys["write"], host=server.url)
        client.track("grace", "purchase", {"amount": 12, "discounted": False})
        client.flush()
        client.shutdown()
        assert members_area(server, keys["read"]), "an event by Segment's SDK changes a decision"
    finally:
        stop(server)
    assert data.is_dir() and not any(clone.glob(".data*")), "the data is where it was asked for"

    made = (clone / ".venv" / ".runtime", clone / "src/tinycdp/static/console/demo.html")
    before = [file.stat().st_mtime_ns for file in made]
    server = make_run(clone, data, port, tmp_path / "second.log")
    try:
        until(lambda: running(server) and PRINTED in server.log.read_text(), said=server.said)
        assert [file.stat().st_mtime_ns for file in made] == before, "nothing is installed or built again"
        again = dict(re.findall(r"^  (admin|write|read) key +(\S+)$", server.log.read_text(), re.MULTILINE))
        assert again == keys
        assert members_area(server, keys["read"]), "the data stayed"
    finally:
        stop(server)


def copy_checkout(clone: Path) -> None:
    """The files a clone of this tree would have, were it committed as it stands."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)


def make_run(clone: Path, data: Path, port: int, log: Path) -> Server:
    # pip would compile every module of every package; most of them are never imported.
    return Server(["make", "run", f"PORT={port}", f"DATA_DIR={data}"], {"PIP_NO_COMPILE": "1"}, log, port, clone)


def running(server: Server) -> bool:
    assert server.process.poll() is None, server.said()
    return True


def curls(printed: str) -> list[str]:
    """The commands under "Try", each as one line."""
    found = re.findall(r"^  (curl .*)$", printed.replace("\\\n", " "), re.MULTILINE)
    assert len(found) == 3, printed
    return found


def run(command: str) -> str:
    answer = subprocess.run(
        ["sh", "-c", f"{command} --silent --show-error --fail"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, (command, answer.stderr)
    return answer.stdout


def members_area(server: Server, key: str) -> Any:
    answer = server.http.get("/v1/decide?userId=grace&flag=members_area", headers=bearer(key))
    assert answer.status_code == 200, answer.text
    return answer.json()["allow"]


def stop(server: Server) -> None:
    """Ctrl-C in the terminal, which reaches the whole foreground group; nothing stays behind."""
    family = server.family()
    if server.process.poll() is None:
        os.killpg(server.process.pid, signal.SIGINT)
    server.process.wait(PATIENCE_SECONDS)
    until(lambda: not alive(*family), said=server.said)
    server.http.close()
