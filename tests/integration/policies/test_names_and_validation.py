"""The policies `naming` (one spelling for events) and `validation`, as clients and other policies see them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running

NAMING, VALIDATION = "/v1/admin/policies/naming", "/v1/admin/policies/validation"
SNAKE = {"events": "snake_case", "rewrite": True, "aliases": {"signpu": "signup"}}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def set_policy(app: Application, path: str, **document: Any) -> None:
    answer = await app.admin.put(path, json=document)
    assert answer.status_code == 200, answer.text


async def stored(app: Application, user_id: str = "ada") -> list[dict[str, Any]]:
    return (await app.read.get(f"/v1/journeys/{user_id}")).json()["events"]


async def names(app: Application) -> set[str]:
    rows = (await app.read.get("/v1/registry/events")).json()["events"]
    return {row["name"] for row in rows if row["total"]}


# One spelling


async def test_three_spellings_and_a_misspelling_are_stored_as_one(app: Application) -> None:
    await set_policy(app, NAMING, **SNAKE)
    await app.define("trait", key="views", expression="events.product_viewed.count(7d)")
    for name in ("Product Viewed", "productViewed", "product_viewed", "Signpu", "signup"):
        answer = await app.write.post("/v1/track", json={"userId": "ada", "event": name})
        assert answer.status_code == 200, answer.text
        warnings = answer.json().get("warnings", [])
        assert [one["code"] for one in warnings] == ([] if name in {"product_viewed", "signup"} else ["EVENT_RENAMED"])
        assert all(f"'{name}'" in one["message"] for one in warnings)
    assert await names(app) == {"product_viewed", "signup"}
    assert (await app.read.get("/v1/profiles/ada")).json()["traits"]["views"]["value"] == 3
    # What is sent again under its new name changes nothing more.
    for event in await stored(app):
        answer = await app.write.post("/v1/track", json={"userId": "bob", "event": event["event"]})
        assert "warnings" not in answer.json()
    assert await names(app) == {"product_viewed", "signup"}


async def test_the_plan_knows_the_stored_name(app: Application) -> None:
    await set_policy(app, NAMING, **SNAKE)
    await app.admin.put("/v1/registry/plan/signup", json={"status": "blocked"})
    answer = await app.write.post("/v1/track", json={"userId": "ada", "event": "signpu"})
    assert (answer.status_code, answer.json()["code"]) == (400, "EVENT_BLOCKED")


@pytest.mark.parametrize("event", ["Signed Up", "signed_up"])
@pytest.mark.parametrize("spelling", ["Signed Up", "signed_up", "signedUp"])
async def test_a_rule_of_another_policy_may_name_either_spelling(app: Application, event: str, spelling: str) -> None:
    """A rule that hides a value must not stop to because of a new spelling, neither in storage nor in the stream."""
    rules = [{"path": "properties.email", "action": "drop", "event": event}]
    await set_policy(app, "/v1/admin/policies/privacy", rules=rules)
    required = [{"path": "properties.email", "event": event, "action": "reject"}]
    await set_policy(app, VALIDATION, required=required)
    await set_policy(app, NAMING, **SNAKE)
    sent = {"userId": "ada", "event": spelling, "properties": {"email": "ada@example.com", "plan": "pro"}}
    await app.track(sent)
    (found,) = await stored(app)
    assert (found["event"], found["properties"]) == ("signed_up", {"plan": "pro"})
    without = await app.write.post("/v1/track", json={"userId": "ada", "event": spelling, "properties": {}})
    assert (without.status_code, without.json()["code"]) == (400, "FIELD_REQUIRED")


async def test_a_merge_ends_the_mark_of_a_misspelling(app: Application) -> None:
    await app.track(*({"userId": "ada", "event": "signup"} for _ in range(20)), {"userId": "ada", "event": "signpu"})

    async def marked() -> list[str]:
        rows = (await app.read.get("/v1/registry/events")).json()["events"]
        return [row["name"] for row in rows if row["likelyMisspellingOf"]]

    assert await marked() == ["signpu"]
    await set_policy(app, NAMING, aliases={"signpu": "signup"})
    assert await marked() == []


@pytest.mark.parametrize(
    ("document", "says"),
    [({"aliases": {"a": "b", "b": "a"}}, "loop"), ({"rewrite": True}, "style"), ({"rewrit": True}, "rewrite")],
)
async def test_names_that_cannot_be_are_refused(app: Application, document: dict[str, Any], says: str) -> None:
    answer = await app.admin.put(NAMING, json=document)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY")
    assert says in answer.json()["message"]


# Validation


async def test_a_rule_warns_or_rejects_its_event_alone(app: Application) -> None:
    await set_policy(
        app,
        VALIDATION,
        uuids=[{"path": "messageId"}],
        required=[{"path": "context.projectId", "action": "reject"}],
        allowed=[{"path": "context.projectId", "values": ["shop"], "action": "reject"}],
    )
    right = {"type": "track", "userId": "ada", "event": "open", "context": {"projectId": "shop"}}
    batch = [
        {**right, "messageId": "0190163d-8694-7e5f-bf8a-4c8a1b2c3d4e"},
        {**right, "messageId": "m-1"},
        {**right, "context": {"projectId": "secret-project"}, "messageId": "m-2"},
        {**right, "context": {}, "messageId": "m-3"},
    ]
    answer = (await app.write.post("/v1/batch", json={"batch": batch})).json()
    assert answer["accepted"] == 2
    assert {(one["code"], one["path"]) for one in answer["warnings"]} == {("NOT_A_UUID", "$.batch[1].messageId")}
    assert [(one["code"], one["path"]) for one in answer["rejected"]] == [
        ("VALUE_NOT_ALLOWED", "$.context.projectId"),
        ("FIELD_REQUIRED", "$.context.projectId"),
    ]
    assert "secret-project" not in answer["rejected"][0]["message"]
    single = await app.write.post("/v1/track", json={"userId": "ada", "event": "open"})
    assert (single.status_code, single.json()["code"]) == (400, "FIELD_REQUIRED")
    counted = (await app.read.get("/v1/registry/violations")).json()["violations"]
    assert sorted((row["event"], row["code"], row["path"], row["rejected"], row["n"]) for row in counted) == [
        ("open", "FIELD_REQUIRED", "$.context.projectId", True, 2),
        ("open", "NOT_A_UUID", "$.messageId", False, 1),
        ("open", "VALUE_NOT_ALLOWED", "$.context.projectId", True, 1),
    ]
    kept = await app.service.pool.fetch("SELECT code FROM rejected_messages")
    assert sorted(row["code"] for row in kept) == ["FIELD_REQUIRED", "FIELD_REQUIRED", "VALUE_NOT_ALLOWED"]


async def test_a_rule_sees_what_was_sent_and_the_log_what_may_be_kept(app: Application) -> None:
    rules = [{"path": "properties.email", "action": "drop"}]
    await set_policy(app, "/v1/admin/policies/privacy", rules=rules)
    await set_policy(app, VALIDATION, required=[{"path": f"properties.{name}"} for name in ("email", "plan")])
    event = {"userId": "ada", "event": "open", "properties": {"email": "ada@example.com"}}
    (warned,) = (await app.write.post("/v1/track", json=event)).json()["warnings"]
    assert warned["path"] == "$.properties.plan", "the email was sent"
    await set_policy(app, VALIDATION, required=[{"path": "properties.plan", "action": "reject"}])
    assert (await app.write.post("/v1/track", json=event)).status_code == 400
    (kept,) = await app.service.pool.fetch("SELECT payload FROM rejected_messages")
    assert b"ada@example.com" not in kept["payload"]


async def test_a_path_that_cannot_be_is_refused(app: Application) -> None:
    answer = await app.admin.put(VALIDATION, json={"uuids": [{"path": "mesageId"}]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY")
    assert "messageId" in answer.json()["message"] and "$.uuids[0]" in answer.json()["message"]
