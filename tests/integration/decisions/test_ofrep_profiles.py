"""Which profile an OFREP context names: its targeting key by any kind of identifier, or one by its exact name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import eventually

ONE = "/ofrep/v1/evaluate/flags/"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.define("flag", key="opened", rule="events.open.exists()")
        yield application


@pytest.fixture
async def other(app: Application, dsn: str) -> AsyncIterator[Application]:
    """Another process on the same database."""
    async with running(dsn) as application:
        yield application


async def opened(app: Application, **context: Any) -> bool:
    answer = await app.read.post(f"{ONE}opened", json={"context": context})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["value"])


async def test_a_targeting_key_finds_the_strongest_identifier(app: Application, other: Application) -> None:
    assert await opened(app, targetingKey="x") is False
    await app.track({"deviceId": "x", "event": "open"})
    assert await opened(app, targetingKey="x") is True and await opened(other, targetingKey="x") is True
    # A stronger identifier with the value is another profile, on this process at once and on others soon.
    await app.track({"anonymousId": "x", "event": "else"})
    assert await opened(app, targetingKey="x") is False
    await eventually_opened(other, False, targetingKey="x")
    await app.track({"userId": "x", "event": "open"})
    assert await opened(app, targetingKey="x") is True
    await eventually_opened(other, True, targetingKey="x")
    for kind, found in (("userId", True), ("anonymousId", False), ("deviceId", True), ("externalId", False)):
        assert await opened(app, targetingKey="x", **{kind: "x"}) is found, kind
        assert await opened(app, **{kind: "x"}) is found, kind
    profile = (await app.read.get("/v1/decide", params={"deviceId": "x", "flag": "opened"})).json()["profileId"]
    assert await opened(app, profileId=profile, anonymousId="x") is True
    assert await opened(app, targetingKey="x", anonymousId=7) is True  # no text, so it names no profile


async def test_the_order_of_kinds_is_that_of_the_rules(app: Application) -> None:
    await app.track({"deviceId": "x", "event": "open"}, {"anonymousId": "x", "event": "else"})
    assert await opened(app, targetingKey="x") is False
    policy = {"kinds": [{"kind": kind} for kind in ("deviceId", "userId", "anonymousId")]}
    answer = await app.admin.put("/v1/admin/policies/identity", json=policy)
    assert answer.status_code == 200, answer.text

    async def by_device() -> bool:
        return await opened(app, targetingKey="x")

    await eventually(by_device)
    await app.track({"userId": "x", "event": "else"})
    assert await opened(app, targetingKey="x") is False  # a user id is always the strongest


async def test_an_answer_from_memory_names_the_profile_like_the_route(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.track({"anonymousId": "web", "event": "open"})
    read = app.service.snapshots._read
    reads: list[Any] = []

    async def noted(environment_id: int, identifier: Any) -> Any:
        reads.append(identifier)
        return await read(environment_id, identifier)

    monkeypatch.setattr(app.service.snapshots, "_read", noted)

    async def from_memory() -> bool:
        reads.clear()
        for _ in range(3):
            assert await opened(app, targetingKey="web") is True
            assert await opened(app, anonymousId="web") is True
        return not reads

    await eventually(from_memory)  # the notification of the event may still drop what was just read


async def test_a_key_that_gets_a_stronger_owner_while_it_is_read(app: Application) -> None:
    await app.track({"deviceId": "x", "event": "open"})
    snapshots, read = app.service.snapshots, app.service.snapshots._read
    went = []

    async def slow(environment_id: int, identifier: Any) -> Any:
        row = await read(environment_id, identifier)
        if not went:
            went.append(row)
            await app.track({"userId": "x", "event": "else"})
        return row

    snapshots._read = slow  # type: ignore[method-assign]
    try:
        assert await opened(app, targetingKey="x") is False
        assert await opened(app, targetingKey="x") is False
    finally:
        snapshots._read = read  # type: ignore[method-assign]


async def eventually_opened(app: Application, wanted: bool, **context: Any) -> None:
    async def found() -> bool:
        return await opened(app, **context) is wanted

    await eventually(found)
