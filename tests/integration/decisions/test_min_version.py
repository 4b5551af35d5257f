"""`minVersion`: an answer includes the write of this version, or is a 503 that says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application import Application, running
from serving import without_database
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.store import profiles as profile_store


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.define("flag", key="on", rule="events.app_open.count_30d > 1")
        await application.track({"userId": "ada", "event": "app_open"})
        yield application


async def version_of(app: Application, user: str) -> int:
    answer = await app.write.post("/v1/track", json={"userId": user, "event": "app_open"})
    found: int = answer.json()["version"]
    return found


@pytest.mark.parametrize("user", ["ada", "unknown"])
async def test_a_version_that_nothing_has_is_refused(app: Application, user: str) -> None:
    newest = await version_of(app, "ada")
    question = {"userId": user, "minVersion": newest + 1_000}
    for answer in (
        await app.read.get("/v1/decide", params={"flag": "on", **question}),
        await app.read.post("/v1/decide", json=question),
        await app.admin.get("/v1/admin/explain", params={"flag": "on", **question}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "VERSION_AHEAD"), answer.text
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["newest"] == newest
        assert f"Nothing has version {newest + 1_000} yet; the newest is {newest}." in answer.json()["message"]


async def test_a_write_of_another_profile_is_no_reason_to_refuse(app: Application) -> None:
    await version_of(app, "ada")
    newest = await version_of(app, "bob")
    answer = await app.read.get("/v1/decide", params={"flag": "on", "userId": "ada", "minVersion": newest})
    assert (answer.status_code, answer.json()["allow"]) == (200, True)
    assert answer.json()["version"] < newest


async def test_a_write_that_comes_in_time_is_in_the_answer(app: Application) -> None:
    version = await version_of(app, "bob")
    question = {"flag": "on", "userId": "ada", "minVersion": version + 1}
    waiting = asyncio.create_task(app.read.get("/v1/decide", params=question))
    await asyncio.sleep(0.05)
    assert await version_of(app, "ada") == version + 1
    answer = await waiting
    assert (answer.status_code, answer.json()["allow"], answer.json()["version"]) == (200, True, version + 1)


async def test_a_version_that_is_drawn_and_not_committed_is_waited_for(app: Application) -> None:
    """A write holds its version for a while before anyone can see it."""
    await version_of(app, "bob")
    async with app.service.pool.acquire() as connection:
        write = connection.transaction()
        await write.start()
        drawn = await profile_store.next_version(connection, app.environment_id)
        await connection.execute(
            "UPDATE profiles SET version = $1, properties = '{\"seen\": true}' WHERE environment_id = $2 AND id = "
            "(SELECT profile_id FROM identifiers WHERE environment_id = $2 AND value = 'ada')",
            drawn,
            app.environment_id,
        )
        question = {"flag": "on", "userId": "ada", "minVersion": drawn}
        waiting = asyncio.create_task(app.read.get("/v1/decide", params=question))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await write.commit()
    answer = await waiting
    assert (answer.status_code, answer.json()["version"]) == (200, drawn)


async def test_without_it_the_newest_version_is_not_asked_for(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(self: Snapshots, environment_id: int) -> tuple[int, set[str]]:
        raise AssertionError("a decision without minVersion asked for it")

    monkeypatch.setattr(Snapshots, "writes", asked)
    for user in ("ada", "unknown", "ada"):
        assert (await app.read.get("/v1/decide", params={"flag": "on", "userId": user})).status_code == 200


async def test_while_the_database_is_away_an_older_version_is_not_served(app: Application) -> None:
    known = await app.read.get("/v1/decide", params={"flag": "on", "userId": "ada"})
    version = known.json()["version"]
    question = {"flag": "on", "userId": "ada"}
    with without_database(app.service):
        stale = await app.read.get("/v1/decide", params={**question, "minVersion": version})
        assert (stale.status_code, stale.json()["reason"]) == (200, "STALE")
        older = await app.read.get("/v1/decide", params={**question, "minVersion": version + 1})
    assert (older.status_code, older.json()["code"]) == (503, "DATABASE_AWAY")
    assert f"in memory only at version {version}" in older.json()["message"]
