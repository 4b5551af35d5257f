"""kill -9 of what writes exports: each is done in the end, whole, and half a file never has the final name."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from application import Application, running
from serving import eventually
from tinycdp.products.exports import running as export_running

TESTS = Path(__file__).parents[2]
PEOPLE, KILLS = 60_000, 3


@pytest.fixture
async def app(dsn: str, tmp_path: Path) -> AsyncIterator[Application]:
    async with running(dsn, data_dir=tmp_path) as application:
        yield application


async def test_an_export_whose_worker_is_killed_begins_anew(app: Application, dsn: str, tmp_path: Path) -> None:
    await app.service.pool.execute(
        "INSERT INTO profiles (environment_id, id, bucketing_key, created_at, properties, state, version)"
        " SELECT $1, n, n::text, '2026-01-01', jsonb_build_object('x', repeat('x', 200), 'n', n), '', 1"
        " FROM generate_series(1, $2::bigint) AS n",
        app.environment_id,
        PEOPLE,
    )
    folder, choose = tmp_path / "exports", random.Random(7)
    jobs = [
        (await app.read.post("/v1/exports", json={"what": "profiles", "format": form})).json()
        for form in ("csv", "jsonl")
    ]

    def start() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        worker = str(TESTS / "export_worker.py")
        return subprocess.Popen([sys.executable, worker, dsn, str(folder)], env=environment)

    async def shown() -> list[Any]:
        return [(await app.read.get(f"/v1/exports/{job['id']}")).json() for job in jobs]

    worker = start()
    try:
        for _ in range(KILLS):
            before = {one["startedAt"] for one in await shown()}

            async def is_begun(before: set[Any] = before) -> bool:
                return any(one["status"] == "running" and one["startedAt"] not in before for one in await shown())

            await eventually(is_begun)
            await asyncio.sleep(choose.uniform(0, 0.3))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            for path in folder.glob("prod/*"):
                is_whole = path.read_bytes().count(b"\n") == PEOPLE + path.name.endswith("csv")
                assert is_whole, "half a file never has the final name"
            worker = start()

        async def all_done() -> bool:
            return all(one["status"] == "done" for one in await shown())

        await eventually(all_done)
    finally:
        worker.kill()
        worker.wait()
    for one in await shown():
        assert (one["rows"], one["total"], one["share"]) == (PEOPLE, PEOPLE, 1)
    lines = (await app.read.get(f"/v1/exports/{jobs[1]['id']}/file")).text.splitlines()
    assert [json.loads(line)["properties"]["n"] for line in lines] == list(range(1, PEOPLE + 1))
    assert not list(folder.glob(".writing/*/*")), "nothing is left of what was killed"
    attempts = await app.service.pool.fetchval("SELECT max(attempt) FROM exports")
    assert 1 < attempts <= export_running.MOST_ATTEMPTS
