"""Profiles that are not in memory: many are read at once, each as if it were alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from application import KEYS, Application, running
from serving import bearer
from tinycdp.api.application import fast_lanes
from tinycdp.runtime.decisions.misses import Misses
from tinycdp.store import profiles as profile_store

MANY = 300


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many profiles each query asked for."""
    asked: list[int] = []
    read = profile_store.load_by_identifiers

    async def counted(connection: Any, environment_id: int, names: Any) -> Any:
        asked.append(len(names))
        return await read(connection, environment_id, names)

    monkeypatch.setattr(profile_store, "load_by_identifiers", counted)
    return asked


async def test_what_is_missed_at_once_is_read_at_once(app: Application, queries: list[int]) -> None:
    await app.define("flag", key="even", rule="events.go.last(n) == 0")
    await app.track(*({"event": "go", "userId": f"u{n}", "properties": {"n": n % 2}} for n in range(MANY)))

    async def allowed(user: str) -> bool:
        answer = await app.read.get("/v1/decide", params={"flag": "even", "userId": user})
        assert answer.status_code == 200, answer.text
        assert answer.json()["userId"] == user
        return bool(answer.json()["allow"])

    app.service.snapshots.outgrown()  # what is in memory is read again
    found = await asyncio.gather(*(allowed(f"u{n}") for n in range(MANY)), allowed("u0"), allowed("stranger"))
    assert found == [n % 2 == 0 for n in range(MANY)] + [True, False]
    assert sum(queries) in range(MANY + 1, MANY + 3) and len(queries) < MANY / 10


@pytest.mark.parametrize("user", ["ada", "stranger"])
async def test_a_read_in_the_fast_lane_answers_as_the_ordinary_route(
    app: Application, queries: list[int], user: str
) -> None:
    rules = [{"id": "went", "when": "events.go.count() >= 1", "serve": "on"}]
    await app.define("flag", key="went", rules=rules)
    await app.track({"event": "go", "userId": "ada"})
    app.service.snapshots.outgrown()
    counted = app.service.metrics.fast.copy()
    transport = httpx.ASGITransport(fast_lanes(app.litestar))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(KEYS["read"])) as lanes:
        lane = await lanes.get(f"/v1/decide?flag=went&userId={user}")
    assert sum(app.service.metrics.fast.values()) == sum(counted.values()) + 1, "the lane answered"
    assert queries == [1]
    app.service.snapshots.outgrown()
    ordinary = await app.read.get(f"/v1/decide?flag=went&userId={user}&exposure=true")
    assert (lane.status_code, lane.json()) == (200, ordinary.json())
    assert lane.json()["allow"] is (user == "ada")


async def test_none_waits_for_a_later_one(app: Application) -> None:
    """Each read begins at the instant at which the one before it ends."""
    await app.track({"event": "go", "userId": "ada"})
    misses = Misses(app.service.pool)
    row = None
    for n in range(50):
        tasks = [asyncio.create_task(misses.read(app.environment_id, "userId", name)) for name in ("ada", f"u{n}")]
        row = await tasks[0]
        assert await misses.read(app.environment_id, "userId", "ada") == row
    assert row is not None


async def test_a_name_that_cannot_be_stored_fails_alone(app: Application, queries: list[int]) -> None:
    await app.track({"event": "go", "userId": "ada"})
    misses = Misses(app.service.pool)
    names = ["ada", "a\0b", "\udc80", "nobody"]
    found = await asyncio.gather(
        *(misses.read(app.environment_id, "userId", name) for name in names), return_exceptions=True
    )
    known, null, surrogate, unknown = found
    assert isinstance(known, profile_store.LoadedProfileRow) and known.identifiers == ["userId ada"]
    assert isinstance(null, Exception) and isinstance(surrogate, Exception)
    assert unknown is None
    assert sorted(queries) == [1, 1, 2]
    assert (await app.read.get("/v1/decide?flag=x&userId=a%00b")).status_code in (400, 404)


async def test_a_read_goes_on_when_a_caller_is_cancelled(app: Application) -> None:
    await app.track({"event": "go", "userId": "ada"})
    misses = Misses(app.service.pool)
    first, second = (asyncio.create_task(misses.read(app.environment_id, "userId", "ada")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert first.cancelled()
    row = await second
    assert row is not None and row.identifiers == ["userId ada"]
