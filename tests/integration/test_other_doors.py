"""The other ways events come in: analytics-next's short paths, RadixInsight's and PulseBoard's endpoints."""

from collections.abc import AsyncIterator

import pytest

from application import Application, running


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def names_of(app: Application, person: str) -> list[str]:
    journey = (await app.read.get(f"/v1/journeys/{person}")).json()
    return sorted(event["event"] or event["type"] for event in journey["events"])


async def test_short_paths_are_the_long_ones(app: Application) -> None:
    who = {"userId": "ada"}
    for path, body in {
        "/v1/t": {**who, "event": "app_open"},
        "/v1/i": {**who, "traits": {"plan": "pro"}},
        "/v1/p": {**who, "name": "Home"},
        "/v1/s": {**who, "name": "Start"},
        "/v1/g": {**who, "groupId": "acme"},
        "/v1/a": {**who, "previousId": "anon-1"},
        "/v1/b": {"batch": [{**who, "type": "track", "event": "purchase"}]},
    }.items():
        answer = await app.write.post(path, json=body)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), path
    assert await names_of(app, "ada") == ["alias", "app_open", "group", "identify", "page", "purchase", "screen"]


async def test_radixinsight_is_answered_202(app: Application) -> None:
    event = {"event_id": "e-1", "event_name": "app_open", "project_id": "any", "user": {"user_id": "grace"}}
    assert (await app.write.post("/collect", json=[event, event])).status_code == 202
    assert await names_of(app, "grace") == ["app_open"]


async def test_pulseboard_is_told_of_a_duplicate(app: Application) -> None:
    event = {"userId": "linus", "event": "app_open", "idempotencyKey": "e-1"}
    first, second = [(await app.write.post("/api/events", json=event)).json()["status"] for _ in range(2)]
    assert (first, second) == ("accepted", "duplicate")
    assert await names_of(app, "linus") == ["app_open"]
