"""Requests of the products that TinyCDP replaces, in their own words, and the answers that their clients read."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from application import KEYS, Application, running
from serving import ManualClock
from tinycdp.model import HOUR_MS
from tinycdp.runtime import clock


@pytest.fixture
async def now() -> ManualClock:
    return ManualClock(clock.now())


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        yield application


async def journey(app: Application, person: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await app.read.get(f"/v1/journeys/{person}")).json()["events"]
    return found


# Events


async def test_an_event_with_its_identifiers_in_an_object(app: Application) -> None:
    event = {
        "event": "purchase",
        "identifiers": {"userId": "ada", "anonymousId": "a-1", "emailHash": "9f86d081", "crm": 77},
        "properties": {"amount": 25},
        "context": {"locale": "de"},
        "timestamp": "2026-05-28T20:26:40Z",
    }
    answer = await app.write.post("/track", json=event)
    assert (answer.status_code, answer.json().get("warnings")) == (200, None)
    [stored] = await journey(app, "ada")
    assert (stored["properties"], stored["context"]["locale"]) == ({"amount": 25}, "de")
    page = (await app.read.get("/v1/profiles/ada")).json()
    named = {(one["kind"], one["value"]) for one in page["identifiers"]}
    assert named == {("userId", "ada"), ("anonymousId", "a-1"), ("emailHash", "9f86d081"), ("crm", "77")}


@pytest.mark.parametrize(
    ("identifiers", "code", "path"),
    [
        ({"a kind": "x"}, "INVALID_IDENTIFIER", "$.identifiers"),
        ({"userId": {}}, "INVALID_IDENTIFIER", "$.userId"),
        ({"crm": []}, "INVALID_IDENTIFIER", "$.identifiers.crm"),
        (["ada"], "INVALID_IDENTIFIER", "$.identifiers"),
        ({"userId": "undefined"}, "BLOCKED_IDENTIFIER", "$.userId"),
        ({}, "MISSING_IDENTIFIER", "$"),
        ({f"k{n}": "x" for n in range(21)}, "INVALID_IDENTIFIER", "$.identifiers"),
    ],
)
async def test_identifiers_that_are_none(app: Application, identifiers: Any, code: str, path: str) -> None:
    answer = await app.write.post("/track", json={"event": "purchase", "identifiers": identifiers})
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, code, path)


async def test_paths_without_a_prefix(app: Application) -> None:
    who = {"userId": "ada"}
    for path, body in {
        "/track": {**who, "event": "app_open"},
        "/identify": {**who, "traits": {"plan": "pro"}},
        "/page": {**who, "name": "Home"},
        "/screen": {**who, "name": "Start"},
        "/group": {**who, "groupId": "acme"},
        "/alias": {**who, "previousId": "anon-1"},
        "/batch": {"batch": [{**who, "type": "track", "event": "purchase"}]},
    }.items():
        answer = await app.write.post(path, json=body)
        assert (answer.status_code, answer.json()["success"], answer.json()["accepted"]) == (200, True, 1), path
    found = sorted(event["event"] or event["type"] for event in await journey(app, "ada"))
    assert found == ["alias", "app_open", "group", "identify", "page", "purchase", "screen"]


async def test_a_batch_without_a_prefix_may_have_its_key_in_the_body(app: Application) -> None:
    body = {"writeKey": KEYS["write"], "batch": [{"type": "track", "event": "purchase", "anonymousId": "a-1"}]}
    assert (await app.keyless.post("/batch", json=body)).json()["accepted"] == 1
    posthog = {
        "api_key": KEYS["write"],
        "batch": [{"event": "open", "distinct_id": "ada", "properties": {"userId": 1}}],
    }
    assert (await app.keyless.post("/batch", json=posthog)).json() == {"status": 1}


async def test_radixinsight_posts_a_list_with_its_key_in_x_api_key(app: Application) -> None:
    event = {
        "event_id": "4f7d9a52-8e0f-4a25-94c1-6f6a5b0e6f10",
        "event_name": "button_click",
        "project_id": "crm",
        "timestamp": "2026-05-28T20:26:40.000Z",
        "user": {"user_id": "grace", "anonymous_id": "a-9", "session_id": "s-1", "role": "admin"},
        "context": {"user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "url": "https://crm.example/"},
        "properties": {"button_id": "submit"},
    }
    answer = await app.keyless.post("/collect", json=[event], headers={"X-API-Key": KEYS["write"]})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    [stored] = await journey(app, "grace")
    assert stored["context"]["sessionId"] == "s-1" and stored["context"]["userAgent"].startswith("Mozilla")
    assert stored["context"]["user"] == {"role": "admin"} and stored["context"]["projectId"] == "crm"


async def test_pulseboard_is_answered_duplicate_the_second_time(app: Application) -> None:
    event = {
        "event": "signup",
        "userId": "linus",
        "sessionId": "s-1",
        "properties": {"plan": "free"},
        "source": "web",
        "timestamp": "2026-05-28T20:26:40.000Z",
        "idempotencyKey": "k-1",
    }
    first, second = [(await app.write.post("/api/events", json=event)).json() for _ in range(2)]
    assert first == {"status": "accepted", "accepted": 1, "duplicates": 0}
    assert second == {"status": "duplicate", "accepted": 0, "duplicates": 1}


async def test_a_beacon_with_the_events_of_a_page(app: Application) -> None:
    events = [
        {"event": "scroll", "properties": {"depth": 80}, "timestamp": "2026-05-28T20:26:40Z"},
        {"type": "page", "name": "Pricing"},
        {"type": "heartbeat", "anonymousId": "other"},
    ]
    body = {"events": events, "userId": "ada", "sessionId": "s-1"}
    answer = await app.keyless.post(
        f"/api/analytics/batch?writeKey={KEYS['write']}",
        content=httpx.Request("POST", "http://x", json=body).content,
        headers={"Content-Type": "text/plain"},
    )
    assert (answer.json()["accepted"], answer.json().get("warnings")) == (3, None)
    found = await journey(app, "ada")
    assert sorted(event["event"] for event in found) == ["page", "scroll"]
    assert {event["context"]["sessionId"] for event in found} == {"s-1"}
    assert [event["event"] for event in await journey(app, "other")] == ["heartbeat"]
    listed = await app.write.post("/api/analytics/batch", json=[{"event": "a", "userId": "ada"}])
    assert listed.json()["accepted"] == 1
    assert (await app.write.post("/api/analytics/batch", json={"userId": "ada"})).json()["code"] == "INVALID_BODY"


async def test_the_first_sdk_sends_its_beacon_with_the_key_in_the_address(app: Application) -> None:
    body = {"userId": "ada", "event": "app_open", "ts": "2026-05-28T20:26:40Z", "props": {"n": 1}}
    answer = await app.keyless.post(f"/v1/track?apiKey={KEYS['write']}", json=body)
    assert (answer.status_code, answer.json()["success"]) == (200, True)


async def test_a_person_known_by_the_hash_of_an_address(app: Application) -> None:
    await app.define("flag", key="pro", rule='profile.plan == "pro"')
    body = {"emailHash": "9f86d081", "traits": {"plan": "pro"}}
    assert (await app.write.post("/v1/identify", json=body)).json()["accepted"] == 1
    decided = await app.read.get("/v1/decide", params={"emailHash": "9f86d081", "flag": "pro"})
    assert decided.json()["allow"] is True
    many = await app.read.post("/v1/decide", json={"emailHash": "9f86d081", "flags": ["pro"]})
    assert many.json()["flags"]["pro"]["allow"] is True
    why = await app.admin.get("/v1/admin/explain", params={"emailHash": "9f86d081", "flag": "pro"})
    assert why.json()["profileId"] == decided.json()["profileId"]
    # Signed in, they are the same person.
    await app.write.post("/v1/identify", json={"userId": "ada", "emailHash": "9f86d081"})
    decided = await app.read.get("/v1/decide", params={"userId": "ada", "flag": "pro"})
    assert decided.json()["allow"] is True


# The admin's client


async def test_validate(app: Application) -> None:
    good = await app.admin.post("/v1/admin/validate", json={"expression": "events.purchase.count_7d", "type": "trait"})
    assert (good.status_code, good.json()["valid"], good.json()["error"]) == (200, True, None)
    bad = await app.admin.post("/v1/admin/validate", json={"expression": "events.purchase.", "type": "segment"})
    assert (bad.status_code, bad.json()["valid"]) == (200, False)
    assert bad.json()["error"] == bad.json()["diagnostics"][0]["message"]
    flag = {"expression": 'segment("regulars")', "type": "flag"}
    assert "regulars" in (await app.admin.post("/v1/admin/validate", json=flag)).json()["error"]


async def test_creating_answers_with_the_definition_by_its_kind(app: Application) -> None:
    documents = {
        "trait": {"key": "orders", "expression": "events.purchase.count_90d"},
        "segment": {"key": "regulars", "rule": "orders >= 3"},
        "flag": {"key": "thanks", "rule": 'segment("regulars")'},
    }
    for kind, document in documents.items():
        answer = await app.admin.post(f"/v1/admin/{kind}s", json=document)
        created = answer.json()
        assert (answer.status_code, created["key"], created["version"]) == (201, document["key"], 1)
        assert {name: created[kind][name] for name in document} == document
        assert created[kind] == {name: value for name, value in created.items() if name != kind}
        [listed] = (await app.admin.get(f"/v1/admin/{kind}s")).json()[f"{kind}s"]
        assert {name: listed[name] for name in document} == document


async def test_metrics(app: Application) -> None:
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    await app.track({"userId": "ada", "event": "purchase"}, {"userId": "grace", "event": "purchase"})
    await app.track({"userId": "ada", "event": "purchase"})
    answer = (await app.admin.get("/v1/admin/metrics")).json()
    metrics = answer["metrics"]
    assert (metrics["users"]["total"], metrics["events"]["total"]) == (2, 3)
    kinds = [metrics[kind]["definitionCount"] for kind in ("traits", "segments", "flags")]
    assert kinds == [1, 0, 0] and answer["timestamp"] == answer["asOf"]


async def test_exports_are_listed_and_downloaded_by_their_links(app: Application, now: ManualClock) -> None:
    await app.define("segment", key="buyers", rule="events.purchase.count_90d >= 1")
    await app.define("segment", key="others", rule="events.refund.count_90d >= 1")
    await app.track({"userId": "ada", "event": "purchase"}, {"userId": "grace", "event": "purchase"})
    answer = await app.read.get("/v1/export/list")
    buyers, others = answer.json()["exports"]
    assert (buyers["name"], buyers["userCount"], others["userCount"]) == ("buyers.csv", 2, 0)
    one = (await app.read.get("/v1/export/segment/buyers")).json()
    assert (one["filename"], one["userCount"]) == ("buyers.csv", 2)
    for link in (buyers["downloadUrl"], one["downloadUrl"]):
        assert urlsplit(link).scheme == "http" and KEYS["read"] not in link
        file = await app.keyless.get(urlsplit(link).path)
        assert file.status_code == 200 and file.headers["content-type"].startswith("text/csv")
        assert sorted(row["user_id"] for row in csv.DictReader(io.StringIO(file.text))) == ["ada", "grace"]
    assert (await app.read.get("/v1/export/segment/nosuch")).status_code == 404
    assert (await app.keyless.get("/v1/export/list")).status_code == 401

    path = urlsplit(one["downloadUrl"]).path
    for broken in (path[:-2] + "AA", path.replace(".", "x"), "/v1/export/download/x.y"):
        assert (await app.keyless.get(broken)).json()["code"] == "INVALID_DOWNLOAD_LINK"
    now.now += HOUR_MS - 1
    assert (await app.keyless.get(path)).status_code == 200
    now.now += HOUR_MS
    assert (await app.keyless.get(path)).status_code == 403


async def test_a_link_ends_with_its_key(app: Application) -> None:
    await app.define("segment", key="buyers", rule="events.purchase.count_90d >= 1")
    path = urlsplit((await app.read.get("/v1/export/segment/buyers")).json()["downloadUrl"]).path
    keys = (await app.admin.get("/v1/admin/keys")).json()["keys"]
    [own] = [key["id"] for key in keys if set(key["scopes"]) >= {"read"} and "admin" not in key["scopes"]]
    assert (await app.admin.delete(f"/v1/admin/keys/{own}")).status_code in {200, 204}
    assert (await app.keyless.get(path)).status_code == 403
