"""Decisions outlive the database: known people are still decided, marked STALE; no lost event
is acknowledged; and when Postgres returns, everything works again without a restart."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from serving import BINARIES, READ_KEY, WRITE_KEY, Server, bearer, define, eventually, served, until
from tinycdp.model import MINUTE_MS
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings
from tinycdp.times import iso

SHOP = {
    "segments": [{"key": "now", "rule": "events.open.exists(1m)"}],
    "flags": [
        {"key": "opened", "rule": "events.open.exists()"},
        {"key": "now", "rule": 'segment("now")'},
        {"key": "mobile", "rule": 'context.platform == "ios"'},
    ],
}


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A durable server that only this test kills and starts again."""
    with EmbeddedPostgres(tmp_path / "data", binaries=BINARIES or None) as running:
        yield running


def opened(id: str, user: str, **more: Any) -> dict[str, Any]:
    return {"event": "open", "userId": user, "messageId": id, **more}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
async def test_decisions_outlive_the_database(postgres: EmbeddedPostgres, tmp_path: Path, how: signal.Signals) -> None:
    keys = {"bootstrap_write_key": WRITE_KEY, "bootstrap_read_key": READ_KEY}
    await prepare(Settings(database_url=postgres.dsn, **keys), clock.now())
    await define(postgres.dsn, SHOP, clock.now())
    with served(tmp_path, dsn=postgres.dsn, role="api") as server:
        leaves = clock.now() - 56_000 + MINUTE_MS
        for answer in (
            server.track(opened("m1", "ada")),
            server.track(opened("m2", "bob")),
            server.track(opened("m3", "eve", timestamp=iso(leaves - MINUTE_MS))),
        ):
            assert answer.status_code == 200
        known = server.decide("opened", "ada").json()
        assert known["allow"] and known["reason"] == "TARGETING_MATCH"
        assert server.decide("now", "eve").json()["allow"]

        assert postgres.process is not None
        os.kill(postgres.process.pid, how)
        await asyncio.to_thread(postgres.process.wait)
        stale = until(lambda: (a := server.decide("opened", "ada").json())["reason"] == "STALE" and a, said=server.said)
        assert {**known, "reason": "STALE", "reasons": None} == {**stale, "reasons": None}, "the same answer, marked"
        assert server.holds("mobile", "ada", platform="ios")
        by_ofrep = server.http.post(
            "/ofrep/v1/evaluate/flags/opened", json={"context": {"targetingKey": "ada"}}, headers=bearer(READ_KEY)
        )
        assert by_ofrep.status_code == 200 and by_ofrep.json()["reason"] == "STALE"
        until(lambda: clock.now() >= leaves)
        assert not server.decide("now", "eve").json()["allow"], "time goes on without a database"
        for refused in (server.decide("opened", "bob"), server.decide("opened", "stranger")):
            assert_come_again(refused)
        for n in range(10):
            assert_come_again(server.track(opened(f"away{n}", "ada")))
        assert_come_again(server.batch([{**opened("away-batch", "ada"), "type": "track"}]))
        assert server.track(opened("x", "ada"), key="no-such-key-anywhere").status_code == 401

        postgres.tend()
        fresh = until(lambda: (a := server.decide("opened", "ada").json())["reason"] != "STALE" and a, said=server.said)
        assert fresh == known, "not only reachable: what was acknowledged is there"
        assert server.decide("opened", "bob").json()["allow"]
        assert server.decide("opened", "stranger").json()["reason"] == "DEFAULT"
        again = await eventually(lambda: asyncio.to_thread(sent, server, opened("away0", "ada")))
        assert again["accepted"] == 1, "it was refused, so it had not been kept"
        connection = await asyncpg.connect(postgres.dsn)
        kept = await connection.fetch("SELECT message_id FROM events ORDER BY 1")
        assert [row["message_id"] for row in kept] == ["away0", "m1", "m2", "m3"]
        await connection.close()
        # Notifications arrive again: what another process does is seen here.
        await define(postgres.dsn, {"flags": [{"key": "later", "rule": "events.open.count() >= 1"}]}, clock.now())
        until(lambda: server.decide("later", "ada").status_code == 200, said=server.said)


def assert_come_again(answer: Any) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["code"] == "DATABASE_AWAY" and answer.json()["message"]


def sent(server: Server, event: dict[str, Any]) -> dict[str, Any] | None:
    answer = server.track(event)
    return answer.json() if answer.status_code == 200 else None
