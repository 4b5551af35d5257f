"""The wheel of the Python client, in an empty virtual environment: it needs nothing else, and its types are there."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from far_end import far_end
from serving import PATIENCE_SECONDS

SDK = Path(__file__).parents[2] / "sdk-py"
USE = """
import sys
from tinycdp_client import Client
with Client("write", endpoint=sys.argv[1], queue=sys.argv[2]) as tinycdp:
    tinycdp.track("ada", "purchase", {"amount": 25})
    assert tinycdp.flush(60)
"""


def _run(*argv: str | Path) -> None:
    ended = subprocess.run(
        [*map(str, argv)], check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd="/", env={}
    )
    assert ended.returncode == 0, ended.stderr


def test_the_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    _run(*build, "--wheel-dir", tmp_path, SDK)
    (wheel,) = tmp_path.glob("tinycdp_client-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = packed.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "tinycdp_client/py.typed" in names and not any(name.startswith("tinycdp/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "Requires-Dist: openfeature-sdk" in metadata and "extra == 'openfeature'" in metadata
    assert metadata.count("Requires-Dist:") == 1
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", wheel)
    with far_end() as server:
        _run(python, "-W", "error", "-c", USE, server.url, tmp_path / "queue")
        assert [message["event"] for message in server.taken] == ["purchase"]
