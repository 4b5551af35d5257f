"""The wheel in an empty virtual environment serves and decides; nothing of the checkout is needed."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from console import built_console
from serving import KEYS, PATIENCE_SECONDS, READ_KEY, Server, bearer, free_port, until
from tinycdp import resources

ROOT = Path(__file__).parents[2]
#: Installing may download a hundred megabytes.
_INSTALL_SECONDS = 500.0


def _run(
    *argv: str | Path, environ: dict[str, str] | None = None, seconds: float = PATIENCE_SECONDS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, argv)], check=False, capture_output=True, text=True, env=environ, timeout=seconds)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tinycdp` of a wheel that was built from this checkout."""
    built_console()
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    built = _run(*build, "--wheel-dir", folder, ROOT, seconds=_INSTALL_SECONDS)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("tinycdp-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        pages = {name for name in opened.namelist() if name.startswith("tinycdp/static/console/")}
    assert pages == {f"tinycdp/static/console/{name}" for name in files_in(resources.PAGES)}
    venv.create(folder / "venv", with_pip=True)
    install = [folder / "venv/bin/pip", "install", "--quiet", "-c", ROOT / "requirements.lock"]
    installed = _run(*install, wheel, seconds=_INSTALL_SECONDS)
    if installed.returncode and not os.environ.get("CI"):
        pytest.skip(f"the package index cannot be reached: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    return folder / "venv/bin/tinycdp"


def files_in(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside the checkout, with nothing of it on Python's path."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_serves_and_decides(program: Path, elsewhere: Path) -> None:
    port = free_port()
    ours = KEYS | {
        "TINYCDP_PORT": str(port),
        "TINYCDP_DATA_DIR": str(elsewhere / "data"),
        "TINYCDP_POSTGRES_BIN": "wheel",
    }
    (elsewhere / "mine.yaml").write_text("flags: [{key: paywall, rule: events.purchase.count_30d >= 1}]")
    checked = _run(program, "check", "mine.yaml")
    assert checked.returncode == 0, checked.stderr
    server = Server([str(program), "serve"], ours, elsewhere / "serve.log", port, elsewhere)
    try:
        server.wait_until_ready()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TINYCDP_")} | ours
        applied = _run(program, "apply", "mine.yaml", "--wait", environ=environ)
        assert applied.returncode == 0, applied.stderr
        # The server hears of a revision a moment after the command that published it.
        until(
            lambda: server.http.get("/v1/decide?userId=mia&flag=paywall", headers=bearer(READ_KEY)).status_code == 200
        )
        assert not server.holds("paywall", "mia")
        assert server.track({"userId": "mia", "event": "purchase", "properties": {"amount": 25}}).status_code == 200
        assert server.holds("paywall", "mia")
        assert server.http.get("/docs").status_code == 200
        (script,) = resources.PAGES.glob("assets/demo-*.js")
        assert server.http.get(f"/assets/{script.name}").content == script.read_bytes()
    finally:
        server.stop()


def test_a_wheel_without_pages_is_refused_but_not_an_editable_install(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "src" / "tinycdp", tmp_path / "src" / "tinycdp", ignore=shutil.ignore_patterns("static"))
    for folder in ("dsl", "migrations"):
        (tmp_path / folder).mkdir()
    builds = "from hatchling.build import {0}; {0}('dist')"
    for kind, refused in (("build_wheel", True), ("build_editable", False)):
        built = subprocess.run(
            [sys.executable, "-c", builds.format(kind)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (built.returncode != 0) is refused, built.stderr
        assert ("`make console`" in built.stderr) is refused
