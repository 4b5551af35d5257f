"""A real Redis for tests.

Shape   the fixture `redis` → (its URL, its process); `needs_redis` skips a test on a machine without redis-server
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import free_port

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server here")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}/0", process
    process.kill()
    process.wait()
