"""Policies: defaults, versions, and that every process is notified."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import eventually
from tinycdp.runtime.policies.enrichment import EnrichmentPolicy
from tinycdp.store import policies as policy_store
from tinycdp.store.database.pool import Connection

PATH = "/v1/admin/policies/enrichment"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def test_a_policy_has_its_defaults_until_it_is_set(app: Application) -> None:
    first = await app.admin.get(PATH)
    assert (first.json()["version"], first.headers["etag"]) == (0, '"0"')
    assert first.json()["document"]["country"] is True

    saved = await app.admin.put(PATH, json={"country": False})
    assert (saved.json()["version"], saved.json()["document"]["country"]) == (1, False)
    assert saved.json()["changedBy"] == "bootstrap admin"
    assert app.service.policies.of(app.environment_id, EnrichmentPolicy) == EnrichmentPolicy(country=False)
    assert (await app.stranger.get(PATH)).json()["version"] == 0

    await app.admin.put(PATH, json={"campaign": False})
    found = (await app.admin.get(f"{PATH}/versions")).json()["versions"]
    assert [(v["version"], v["document"]["country"], v["document"]["campaign"]) for v in found] == [
        (2, True, False),
        (1, False, True),
    ]


async def test_no_edit_overwrites_another_admins_change(app: Application) -> None:
    assert (await app.admin.put(PATH, json={}, headers={"If-Match": '"0"'})).status_code == 200
    refused = await app.admin.put(PATH, json={}, headers={"If-Match": '"0"'})
    assert (refused.status_code, refused.json()["code"], refused.json()["version"]) == (409, "VERSION_CONFLICT", 1)


async def test_what_is_wrong_is_said(app: Application) -> None:
    wrong = await app.admin.put(PATH, json={"country": "yes"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_POLICY")
    assert "$.country" in wrong.json()["message"]
    unknown = await app.admin.put(PATH, json={"contry": True})
    assert (unknown.status_code, unknown.json()["code"]) == (400, "INVALID_POLICY")
    nowhere = await app.admin.get("/v1/admin/policies/nothing")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "NOT_FOUND")


async def test_another_process_is_notified(app: Application, dsn: str) -> None:
    async with running(dsn) as other:
        await app.admin.put(PATH, json={"country": False})

        async def heard() -> bool:
            return not other.service.policies.of(app.environment_id, EnrichmentPolicy).country

        assert await eventually(heard)


async def test_a_load_that_was_slow_does_not_bring_back_an_older_policy(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, slow = policy_store.current_policies, asyncio.Event()

    async def current_policies(connection: Connection) -> list[Any]:
        rows = await read(connection)
        if not slow.is_set():  # the first one has read, and is held up
            slow.set()
            await asyncio.sleep(0.1)
        return rows

    monkeypatch.setattr(policy_store, "current_policies", current_policies)
    older = asyncio.create_task(app.service.policies.load(app.service.pool))
    await slow.wait()
    await app.admin.put(PATH, json={"country": False})
    await older
    assert not app.service.policies.of(app.environment_id, EnrichmentPolicy).country
