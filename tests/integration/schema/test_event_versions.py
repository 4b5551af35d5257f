"""Versions of an event side by side: old SDKs go on sending what they know."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running

EVENTS, PLAN = "/v1/registry/events", "/v1/registry/plan"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def sent(app: Application, event: str, sdk: str, n: int = 1, **properties: Any) -> None:
    context = {"library": {"name": "app", "version": sdk}}
    one = {"userId": "ada", "event": event, "properties": properties, "context": context}
    await app.track(*(one for _ in range(n)))


async def page(app: Application, name: str) -> dict[str, Any]:
    answer = await app.read.get(f"{EVENTS}/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_versions_stand_side_by_side_with_what_changed(app: Application) -> None:
    await sent(app, "signup.v10", "3.0", plan="pro", seats=5)
    await sent(app, "signup.v1", "1.0", 2, plan="pro", price="5")
    await sent(app, "signup", "0.9", 3, plan="pro")
    await sent(app, "signup.v2", "2.0", plan="pro", price=5)
    await sent(app, "signups", "2.0")
    found = (await page(app, "signup"))["versions"]
    assert [(row["name"], row["version"], row["total"], row["lately"]) for row in found] == [
        ("signup", None, 3, 3),
        ("signup.v1", 1, 2, 2),
        ("signup.v2", 2, 1, 1),
        ("signup.v10", 10, 1, 1),
    ]
    assert [[(sdk["sdk"], sdk["n"]) for sdk in row["sdks"]] for row in found] == [
        [("app 0.9", 3)],
        [("app 1.0", 2)],
        [("app 2.0", 1)],
        [("app 3.0", 1)],
    ]
    assert [(row["added"], row["removed"], row["changed"]) for row in found] == [
        ([], [], []),
        (["price"], [], []),
        ([], [], [{"name": "price", "before": "string", "after": "number"}]),
        (["seats"], ["price"], []),
    ]
    assert all(row["firstSeen"] and row["lastSeen"] for row in found)
    assert (await page(app, "signup.v2"))["versions"] == found
    assert (await page(app, "signups"))["versions"] == []
    rows = {row["name"]: row for row in (await app.read.get(EVENTS)).json()["events"]}
    assert (rows["signup.v10"]["versionOf"], rows["signup.v10"]["version"]) == ("signup", 10)
    assert (rows["signup"]["versionOf"], rows["signup"]["version"]) == (None, None)
    assert not any(row["likelyMisspellingOf"] for name, row in rows.items() if name != "signups")


async def test_an_event_of_which_only_versions_came_has_a_page(app: Application) -> None:
    await sent(app, "signup.v1", "1.0")
    await app.admin.put(f"{PLAN}/signup.v2", json={"properties": {"plan": {"type": "string"}}})
    found = await page(app, "signup")
    assert (found["event"]["state"], found["event"]["total"], found["event"]["planned"]) == ("active", 0, False)
    assert [(row["name"], row["planned"], row["total"], row["added"]) for row in found["versions"]] == [
        ("signup.v1", False, 1, []),
        ("signup.v2", True, 0, ["plan"]),
    ]
    missing = await app.read.get(f"{EVENTS}/sign")
    assert missing.status_code == 404


async def test_a_version_keeps_its_suffix_under_a_style(app: Application) -> None:
    naming = {"events": "snake_case", "rewrite": True}
    assert (await app.admin.put("/v1/admin/policies/naming", json=naming)).status_code == 200
    await sent(app, "Sign Up.v2", "2.0")
    answer = await app.write.post("/v1/track", json={"userId": "ada", "event": "sign_up.v2"})
    assert "warnings" not in answer.json(), "a version breaks no style"
    assert [row["name"] for row in (await page(app, "sign_up"))["versions"]] == ["sign_up.v2"]
