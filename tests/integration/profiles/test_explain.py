"""Explanations through HTTP, on the real application."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import KEYS, Application, running
from builders import iso
from tinycdp.api.decisions.fast_lane import fast_lane
from tinycdp.model import DAY_MS, HOUR_MS


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def explained(app: Application, **query: str) -> dict[str, Any]:
    answer = await app.admin.get("/v1/admin/explain", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_one_definition_explained_for_one_person(app: Application) -> None:
    at = app.service.now() - HOUR_MS
    await app.define("trait", key="orders", expression="events.purchase.where(amount > 5).count_30d")
    await app.define("segment", key="buyers", rule="orders >= 2")
    for n in range(2):
        event = {"userId": "ada", "event": "purchase", "properties": {"amount": 9.5}, "timestamp": iso(at + n)}
        await app.track(event)
    found = await explained(app, userId="ada", segment="buyers")
    leaves = iso(at + 30 * DAY_MS)
    assert found["sentence"] == found["definition"]["sentence"]
    assert found["sentence"].startswith("in buyers: orders is 2 (needs 2), until ")
    assert (found["flag"], found["stale"], found["zone"], found["version"] > 0) == (None, False, "UTC", True)
    segment = found["definition"]
    assert (segment["value"], segment["until"], segment["tree"]["kind"]) == (True, leaves, "compare")
    trait = segment["tree"]["parts"][0]["inside"]
    assert (trait["kind"], trait["key"], trait["value"]) == ("trait", "orders", 2)
    assert trait["tree"]["window"] == {
        "events": 2, "oldestAt": iso(at), "newestAt": iso(at + 1), "leavesAt": leaves, "exact": True, "days": [],
    }  # fmt: skip
    assert (await explained(app, userId="ada", trait="orders"))["definition"] == trait
    page = (await app.read.get("/v1/profiles/ada")).json()
    assert found["profileId"] == page["id"]
    assert page["traits"]["orders"] == {"value": 2, "type": "number", "until": leaves}


async def test_a_decision_carries_its_explanation_where_asked(app: Application) -> None:
    await app.define("segment", key="fresh", rule="events.visit.exists_1h")
    rules = [
        {"id": "ios", "when": 'segments.fresh && context.platform == "ios"', "serve": "on"},
        {"id": "absent", "when": "segments.fresh", "rollout": 0, "serve": "on"},
        {"id": "half", "when": "segments.fresh", "split": {"on": 50_000, "off": 50_000}},
    ]
    await app.define("flag", key="new", rules=rules)
    await app.track({"userId": "ada", "event": "visit"})
    plain = (await app.read.get("/v1/decide?flag=new&userId=ada")).json()
    answer = (await app.read.get("/v1/decide?flag=new&userId=ada&explain=true")).json()
    explanation = answer.pop("explanation")
    assert answer == plain
    assert [rule["outcome"] for rule in explanation["rules"]] == ["unknown", "outside", "served"]
    assert (explanation["variant"], explanation["until"]) == (plain["variant"], plain["validUntil"])
    assert (explanation["revision"], explanation["default"], explanation["unit"]) == (plain["revision"], "off", "ada")
    assert explanation["rules"][1]["rollout"]["below"] == 0
    assert explanation["rules"][2]["split"]["variant"] == plain["variant"]
    inside = explanation["rules"][0]["condition"]["parts"][0]["inside"]
    assert (inside["key"], inside["value"]) == ("fresh", True)
    assert "explanation" not in (await app.read.get("/v1/decide?flag=new&userId=ada&explain=false")).json()

    found = await explained(app, userId="ada", flag="new", context='{"platform": "ios"}')
    assert [rule["outcome"] for rule in found["flag"]["rules"]] == ["served", "not reached", "not reached"]
    assert found["sentence"].startswith('new is "on": rule "ios" matched, in fresh and context.platform is "ios"')


async def test_the_fast_lane_leaves_explanations_to_the_ordinary_route(app: Application) -> None:
    await app.define("flag", key="new", rule="true")
    await app.track({"userId": "ada", "event": "visit"})
    await app.read.get("/v1/decide?flag=new&userId=ada")  # now she is in memory
    scope: Any = {"headers": [(b"authorization", f"Bearer {KEYS['read']}".encode())]}
    assert await fast_lane(app.service, {**scope, "query_string": b"flag=new&userId=ada"}) is not None
    assert await fast_lane(app.service, {**scope, "query_string": b"flag=new&userId=ada&explain=true"}) is None


async def test_someone_never_seen_is_explained_too(app: Application) -> None:
    await app.define("segment", key="fresh", rule="events.visit.exists_1h")
    found = await explained(app, anonymousId="absent", segment="fresh")
    assert (found["sentence"], found["profileId"], found["version"]) == ("not in fresh: no visit in 1h", None, 0)


async def test_an_explanation_says_that_a_definition_backfills(app: Application) -> None:
    await app.track({"userId": "ada", "event": "visit"})
    await app.admin.post("/v1/admin/traits", json={"key": "visits", "expression": "events.visit.count_30d"})
    found = (await explained(app, userId="ada", trait="visits"))["definition"]
    assert (found["value"], found["backfilling"], found["tree"]["backfilling"]) == (None, True, True)
    await app.backfill()
    found = (await explained(app, userId="ada", trait="visits"))["definition"]
    assert (found["value"], found["backfilling"]) == (1, False)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("userId=ada", 400, "INVALID_REQUEST"),
        ("userId=ada&trait=a&flag=b", 400, "INVALID_REQUEST"),
        ("trait=nothing", 400, "MISSING_IDENTIFIER"),
        ("userId=ada&trait=nothing", 404, "NOT_FOUND"),
        ("userId=ada&segment=nothing", 404, "NOT_FOUND"),
        ("userId=ada&flag=nothing", 404, "FLAG_NOT_FOUND"),
        ("userId=ada&flag=nothing&context=x", 400, "INVALID_REQUEST"),
        ("userId=ada&flag=nothing&context=[]", 400, "INVALID_REQUEST"),
        ("userId=a%00a&flag=nothing", 400, "INVALID_REQUEST"),
        ("userId=ada&flag=", 404, "FLAG_NOT_FOUND"),
    ],
)
async def test_a_wrong_question_says_what_is_wrong(app: Application, query: str, status: int, code: str) -> None:
    refused = await app.admin.get(f"/v1/admin/explain?{query}")
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text


async def test_explaining_a_definition_needs_a_reader(app: Application) -> None:
    for client, status in ((app.write, 403), (app.keyless, 401), (app.read, 404)):
        assert (await client.get("/v1/admin/explain?userId=ada&trait=x")).status_code == status
