"""A served process with a JSON log and an access log; a banner without revoked keys; what ends a child."""

import json
import time
from pathlib import Path

import pytest

from serving import ADMIN_KEY, READ_KEY, WRITE_KEY, bearer, define, served, until
from tinycdp.errors import Unavailable
from tinycdp.runtime import clock
from tinycdp.runtime.stopping import StopSignals
from tinycdp.server import supervisor
from tinycdp.server.bootstrap import prepare, usable_keys
from tinycdp.server.demo import Demo
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool

KEYS = {"bootstrap_write_key": WRITE_KEY, "bootstrap_read_key": READ_KEY, "bootstrap_admin_key": ADMIN_KEY}
FLAG = {"flags": [{"key": "on", "rule": "true"}]}


async def test_every_line_is_json_and_each_request_is_one(dsn: str, tmp_path: Path) -> None:
    await prepare(Settings(database_url=dsn, **KEYS), clock.now())
    await define(dsn, FLAG, clock.now())
    with served(tmp_path, dsn=dsn, role="api", log_format="json", access_log=True, workers=1) as server:
        assert server.track({"userId": "ada", "event": "x"}).status_code == 200
        for _ in range(3):
            assert server.decide("on", "ada").json()["allow"]
        server.http.get("/v1/decide", params={"userId": "ada", "flag": "on", "writeKey": READ_KEY})
        server.http.get(f"/array/{WRITE_KEY}/config")
        metrics = server.http.get("/metrics").text
    text = server.log.read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    requests = [entry for entry in entries if entry["logger"] == "tinycdp.access"]
    tracked = next(entry for entry in requests if entry["path"] == "/v1/track")
    decided = [entry for entry in requests if entry["path"] == "/v1/decide" and entry["status"] == 200]
    assert tracked["status"] == 200 and tracked["bytes"] > 0 and tracked["durationMs"] > 0
    assert len(decided) >= 3 and all(type(entry["keyId"]) is int for entry in decided[:3])
    assert not [key for key in (READ_KEY, WRITE_KEY, ADMIN_KEY) if key in text]
    counts = {
        line.split("}")[0].split("{")[0] + line.split('kind="')[1].split('"')[0]: float(line.split()[-1])
        for line in metrics.splitlines()
        if "_seconds_count{" in line and "kind=" in line
    }
    assert counts["tinycdp_decision_secondsone".replace("seconds", "seconds_count")] >= 3, "the fast lane, too"
    assert counts["tinycdp_acknowledge_seconds_countsingle"] == 1


async def test_the_banner_shows_no_revoked_key(dsn: str) -> None:
    settings = Settings(database_url=dsn, **KEYS)
    await prepare(settings, clock.now())
    assert await usable_keys(settings, clock.now()) == {ADMIN_KEY, WRITE_KEY, READ_KEY}
    async with await open_pool(dsn, 1) as pool:
        await pool.execute("UPDATE api_keys SET revoked_at = now() WHERE name = 'bootstrap read'")
    demo = Demo(admin_key=ADMIN_KEY, write_key=WRITE_KEY, read_key=READ_KEY, seeded_at=0)
    shown = demo.banner(settings, await usable_keys(settings, clock.now()))
    assert READ_KEY not in shown
    assert "read key    revoked" in shown
    assert ADMIN_KEY in shown and WRITE_KEY in shown


def test_a_child_that_keeps_dying_ends_with_its_last_reason(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_BACKOFF_SECONDS", 0.0)
    settings = Settings(database_url="postgresql://app@127.0.0.1:1/x", data_dir=tmp_path)
    with StopSignals() as signals:
        child = supervisor.Child("worker", ("work",), settings)
        with pytest.raises(Unavailable, match=r"ended 5 times.* No Postgres listens at 127.0.0.1:1") as caught:
            while True:
                child.tend()
                signals.wait(0.1)
    assert caught.value.code == "CHILD_FAILED"
    assert caplog.text.count("the worker ended (status 1: No Postgres listens") == 4


async def test_an_outage_of_the_database_is_one_line_and_its_end_another(dsn: str, tmp_path: Path) -> None:
    import asyncpg

    await prepare(Settings(database_url=dsn, **KEYS), clock.now())
    name = dsn.partition("@/")[2].partition("?")[0]
    with served(tmp_path, dsn=dsn, role="all", workers=1) as server:
        keeper = await asyncpg.connect(dsn.replace(f"/{name}?", "/postgres?"))
        try:
            await keeper.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await keeper.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            until(lambda: server.log.read_text().count("the database is away") >= 2, said=server.said)
            began = time.monotonic()
            while time.monotonic() < began + 2:  # many loops fail many times
                server.http.get("/v1/profiles/ada", headers=bearer(READ_KEY))
        finally:
            await keeper.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await keeper.close()

        def back() -> bool:
            server.http.get("/v1/profiles/ada", headers=bearer(READ_KEY))
            return server.log.read_text().count("the database is back") >= 2

        until(back, said=server.said)
    text = server.log.read_text()
    assert text.count("the database is away") == 2, "of the HTTP process, and of the worker"
    assert text.count("the database is back") == 2
    assert "Traceback" not in text
