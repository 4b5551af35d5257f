"""Every command of every page, run as it stands against a server with the example shop.

A page's shell blocks run in order in one shell, in a folder that has the files the page speaks of. What cannot run here
is listed with what runs it instead.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from builders import iso
from serving import ADMIN_KEY, BINARIES, KEYS, PATIENCE_SECONDS, READ_KEY, WRITE_KEY, Server, bearer, free_port, until
from tinycdp.runtime.clock import now

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "dsl").rglob("*.md")])
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SHELL = {"sh", "bash"}

#: What begins a command that does not run here, and what does run it.
ELSEWHERE = {
    r"make (run|serve|console)": "test_quickstart.py",
    r"(pg_dump|pg_restore) ": "test_deploy.py",
    r"(sudo|podman|python3 -m (pip|venv)|/opt/) ?": "changes the machine; test_wheel.py installs a wheel",
    r"tinycdp (serve|work|migrate)": "test_serve.py",
    r"\(cd \.data/analytics": "test_engine.py asks it as curl does",
    r"curl -X DELETE .*/v1/analytics/queries": "no question is running; test_questions.py cancels one",
    r"curl -X POST .*/v1/syncs/\w+/release": "no sync is braked; test_syncs.py releases one",
    r"export DATABASE_URL=": "an example of an address",
    r"(\.venv/bin/)?pip install": "it would change the environment of the tests; the wheel of the client has a test",
    r"export \w+_KEY=": "the keys of the server at hand are set",
    r"export DELIVERY_\w+=": "a secret of the worker, which runs already",
    r"export TINYCDP_EXPORT_\w+=": "the storage of a worker, which runs already; test_export_storage.py has a bucket",
    r"(WRITE|READ|ADMIN)_KEY=\w+_…": "the keys of the server at hand are set",
}

_PRELUDE = r"""
set -euE -o pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
curl() {
  case " $* " in
    *" -N "*) command curl --silent --show-error --fail-with-body --max-time 3 "$@" || [ $? = 28 ];;  # never ends
    *) command curl --silent --show-error --fail-with-body --max-time 120 "$@";;
  esac
}
tinycdp() { "$PYTHON" -m tinycdp "$@"; }
mail-the-team() { cat "$@"; return 1; }
python3() { "$PYTHON" "$@"; }
"""


def blocks_of(page: Path) -> list[str]:
    return [block for language, block in _BLOCK.findall(page.read_text()) if language in _SHELL]


def commands_of(block: str) -> str:
    """The block without the commands that run elsewhere."""
    whole = block.replace("\\\n", "\0")  # one command a line
    kept = [line for line in whole.splitlines() if not any(re.match(rf" *{begin}", line) for begin in ELSEWHERE)]
    return "\n".join(kept).replace("\0", "\\\n").strip()


RUN = [page for page in PAGES if any(map(commands_of, blocks_of(page)))]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the example shop, as `make run` starts it."""
    folder, port = tmp_path_factory.mktemp("shop"), free_port()
    ours = {"TINYCDP_PORT": str(port), "TINYCDP_DATA_DIR": str(folder / "data"), "TINYCDP_POSTGRES_BIN": BINARIES}
    server = Server([sys.executable, "-m", "tinycdp", "serve", "--demo"], KEYS | ours, folder / "log", port, folder)
    try:
        until(lambda: "Ctrl-C stops" in server.log.read_text(), said=server.said)
        yield server
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def _default_policies(shop: Server) -> Iterator[None]:
    """What one page sets, no other has."""
    yield
    for policy in ("enrichment", "identity", "limits", "naming", "privacy", "validation"):
        reset = shop.http.put(f"/v1/admin/policies/{policy}", json={}, headers=bearer(ADMIN_KEY))
        assert reset.is_success, reset.text


def merged(shop: Server) -> dict[str, str]:
    """A merge to look at and to undo."""
    shop.track({"anonymousId": "tablet", "event": "page_view"})
    shop.http.post("/v1/identify", json={"userId": "kim", "anonymousId": "tablet"}, headers=bearer(WRITE_KEY))
    found = shop.http.get("/v1/admin/merges?profile=kim", headers=bearer(ADMIN_KEY)).json()
    return {"merges/17/": f"merges/{found['merges'][0]['id']}/"}


def with_other_flags(shop: Server) -> dict[str, str]:
    """Flags that the page's flags require, and a version that this server has reached."""
    for key in ("billing_v2", "holdout_q4", "price_test", "archive"):
        made = shop.http.post("/v1/admin/flags", json={"key": key, "rule": "true"}, headers=bearer(ADMIN_KEY))
        assert made.is_success, made.text
    return {"minVersion=113": "minVersion=1"}


def ready_to_be_forgotten(shop: Server) -> dict[str, str]:
    """Profiles that no other page needs, and the receipt of an erasure."""
    for user in ("eva", "max", "zoe"):
        shop.track({"userId": user, "event": "page_view"})
    receipt = shop.http.delete("/v1/admin/profiles/max", headers=bearer(ADMIN_KEY)).json()
    return {
        "erasures/1/": f"erasures/{receipt['id']}/",
        "profiles/ada/anonymize": "profiles/zoe/anonymize",
        "profiles/ada": "profiles/eva",
        "forget ada --anonymize": "forget zoe --anonymize",
        "forget ada": "forget eva",
        '"value": "ada"': '"value": "max"',
    }


def with_a_new_event(shop: Server) -> dict[str, str]:
    """An event that the registry has counted."""
    shop.track({"userId": "ada", "event": "signup"})
    until(lambda: shop.http.get("/v1/registry/events/signup", headers=bearer(READ_KEY)).is_success)
    return {}


def some_time_ago(shop: Server) -> dict[str, str]:
    """An instant that has passed, after the example's first event."""
    return {"2026-12-04T09:12:45.120Z": iso(now() - 60_000)}


def in_a_week_of_the_example(shop: Server) -> dict[str, str]:
    """The Monday of the week before this one."""
    today = datetime.now(UTC).date()
    return {"2026-02-23": (today - timedelta(days=today.weekday() + 7)).isoformat()}


def without_definitions(shop: Server) -> dict[str, str]:
    """Keys that the example shop has not taken."""
    return {"orders_90d": "orders_of_90d", "regulars": "regulars_of_90d", "thanks": "thanks_of_90d"}


def beside_another_environment(shop: Server) -> dict[str, str]:
    """An environment to promote from, without definitions: a plan with changes has the exit status 2."""
    made = shop.http.post("/v1/admin/environments", json={"key": "source"}, headers=bearer(ADMIN_KEY))
    key: str = made.json()["adminKey"]["key"]
    until(lambda: shop.http.get("/v1/admin/flags", headers=bearer(key)).is_success)
    return {"https://cdp.example.org": shop.url, "$PROD_KEY": ADMIN_KEY, "$DEV_KEY": key}


def with_a_finished_export(shop: Server) -> dict[str, str]:
    """An export whose file a link can open."""
    document = {"what": "segment", "segment": "power_users"}
    made = shop.http.post("/v1/exports", json=document, headers=bearer(READ_KEY)).json()
    address = f"/v1/exports/{made['id']}"
    until(lambda: shop.http.get(address, headers=bearer(READ_KEY)).json()["status"] == "done")
    return {"exports/12/": f"exports/{made['id']}/"}


def with_a_destination(shop: Server) -> dict[str, str]:
    """A receiver of records."""
    receiver = {"url": "https://hooks.example.com/tinycdp"}
    made = shop.http.put("/v1/destinations/crm", json=receiver, headers=bearer(ADMIN_KEY))
    assert made.is_success, made.text
    return {}


#: What a page takes for granted: it returns what stands in for the examples' numbers.
PREPARE: dict[str, Callable[[Server], dict[str, str]]] = {
    "docs/explanation/identity.md": merged,
    "docs/how-to/ci.md": lambda shop: {"https://cdp.example.org": shop.url, "tcdp_…": ADMIN_KEY},
    "docs/how-to/export-data.md": with_a_finished_export,
    "docs/how-to/govern-events.md": with_a_new_event,
    "docs/how-to/flags.md": with_other_flags,
    "docs/how-to/privacy.md": ready_to_be_forgotten,
    "docs/reference/analytics.md": in_a_week_of_the_example,
    "docs/reference/cli-access.md": beside_another_environment,
    "docs/reference/decide.md": some_time_ago,
    "docs/reference/definitions.md": without_definitions,
    "docs/reference/syncs.md": with_a_destination,
}


def _files(folder: Path) -> None:
    """The files that pages speak of."""
    event = {"type": "track", "userId": "ada", "event": "order", "timestamp": "2026-01-01T00:00:00Z"}
    (folder / "events.jsonl.gz").write_bytes(gzip.compress(json.dumps(event).encode()))
    (folder / "orders.csv").write_text("customer_no,ordered_at,zip,amount\nada,2026-01-02,01067,25\n")
    pa.parquet.write_table(pa.table({"id": ["ada"], "plan": ["pro"]}), folder / "users.parquet")
    (folder / "vip.csv").write_text("userId\nada\ngrace\n")
    (folder / "crm.yaml").write_text((ROOT / "examples" / "destinations" / "crm.yaml").read_text())
    (folder / "dsl").symlink_to(ROOT / "dsl")


def _write_definitions(page: Path, folder: Path) -> list[str]:
    """Write each block of definitions to the file that the text around it names; returns the names of the others."""
    text, unnamed = page.read_text(), []
    for n, found in enumerate(re.finditer(_BLOCK, text)):
        if found[1] != "yaml" or not yaml.safe_load(found[2]).keys() <= {"traits", "segments", "flags", "schedules"}:
            continue
        before = re.findall(r"`(\w+\.yaml)`", text[max(0, found.start() - 200) : found.start()])
        after = re.findall(r"check (\w+\.yaml)", text[found.end() : found.end() + 300])
        name = (before[-1:] or after[:1] or [f"block{n}.yaml"])[0]
        (folder / name).write_text(found[2])
        if not before and not after:
            unnamed.append(name)
    return unnamed


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work(shop: Server, page: Path, tmp_path: Path) -> None:
    _files(tmp_path)
    unnamed = _write_definitions(page, tmp_path)
    name = str(page.relative_to(ROOT))
    changes = PREPARE[name](shop) if name in PREPARE else {}
    changes |= {"http://127.0.0.1:8000": shop.url, "http://localhost:8000": shop.url, "localhost:8000": shop.url}
    changes |= {".venv/bin/tinycdp": "tinycdp", "read_…": READ_KEY, "write_…": WRITE_KEY, "admin_…": ADMIN_KEY}
    script = "\n".join(map(commands_of, blocks_of(page)))
    for documented, here in changes.items():
        script = script.replace(documented, here)
    assert "…" not in script, "a placeholder that this test does not fill"
    applied = "".join(f"tinycdp apply --wait {file} >&2\n" for file in unnamed)
    port, data = shop.url.rpartition(":")[2], shop.log.parent / "data"
    environ = KEYS | {
        "ADMIN_KEY": ADMIN_KEY, "WRITE_KEY": WRITE_KEY, "READ_KEY": READ_KEY,
        "PYTHON": sys.executable, "PATH": os.environ["PATH"], "TINYCDP_PORT": port, "TINYCDP_DATA_DIR": str(data),
        "TINYCDP_POSTGRES_BIN": BINARIES, "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HOME": str(tmp_path),
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-c", _PRELUDE + applied + script],
        check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=5 * PATIENCE_SECONDS,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


def test_most_pages_with_commands_are_run() -> None:
    names = {str(page.relative_to(ROOT)) for page in RUN}
    assert names >= PREPARE.keys() | {"README.md", "docs/tutorial/getting-started.md"}
    assert len(names) > 15
