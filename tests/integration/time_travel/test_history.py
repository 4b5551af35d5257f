"""A profile's history over HTTP: what changed, by which message, and by the clock."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import at, iso
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS

START = at("2026-05-04T12:00:00Z")


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        yield application


async def ask(app: Application, **query: Any) -> dict[str, Any]:
    answer = await app.read.get("/v1/profiles/ada/history", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def every(app: Application, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await ask(app, **query)
        found += page["changes"]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def live(app: Application, now: ManualClock) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 2d)")
    await app.define("segment", key="buyers", rule="spent >= 10")
    await app.define("segment", key="gold", rule='group.tier == "gold"')
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "free"}, "messageId": "m1"})
    now.now = START + HOUR_MS
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": 12.5}, "messageId": "m2"})
    now.now = START + 2 * HOUR_MS
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}, "messageId": "m3"})
    now.now = START + 3 * HOUR_MS
    await app.write.post(
        "/v1/group", json={"userId": "ada", "groupId": "acme", "traits": {"tier": "gold"}, "messageId": "m4"}
    )
    now.now = START + 5 * DAY_MS


async def test_it_says_what_changed_when_and_by_what(app: Application, now: ManualClock) -> None:
    await live(app, now)
    changes = await every(app)
    short = [
        (one["at"], one["kind"], one["key"], one["before"], one["after"], [m["messageId"] for m in one["messages"]])
        for one in changes
    ]
    slid = iso(START + HOUR_MS + 2 * DAY_MS)
    assert short == [
        (iso(START), "property", "plan", None, "free", ["m1"]),
        (iso(START + HOUR_MS), "segment", "buyers", False, True, ["m2"]),
        (iso(START + HOUR_MS), "trait", "spent", 0, 12.5, ["m2"]),
        (iso(START + 2 * HOUR_MS), "property", "plan", "free", "pro", ["m3"]),
        (iso(START + 3 * HOUR_MS), "segment", "gold", False, True, ["m4"]),
        (slid, "segment", "buyers", True, False, []),
        (slid, "trait", "spent", 12.5, 0, []),
    ]
    assert [one["cause"] for one in changes] == ["event"] * 5 + ["clock"] * 2
    assert changes[1]["messages"] == [{"messageId": "m2", "type": "track", "event": "purchase"}]
    # A definition of today has a history as well.
    await app.define("trait", key="bought", expression="events.purchase.count()")
    assert [one["after"] for one in await every(app, trait="bought")] == [1]


async def test_conditions_of_flags_are_not_in_it(app: Application, now: ManualClock) -> None:
    await app.define("flag", key="offer", rule="events.visit.count_1d >= 1")
    await app.track({"userId": "ada", "event": "visit"})
    now.now += DAY_MS
    assert await every(app) == []


async def test_edits_of_a_list_are_in_it(app: Application, now: ManualClock) -> None:
    await app.define("segment", key="vip", static=True)
    await app.track({"userId": "ada", "event": "visit"})
    for hour, mode in ((1, "add"), (3, "remove")):
        now.now = START + hour * HOUR_MS
        document = {"mode": mode, "identifiers": ["ada"]}
        edited = await app.admin.post("/v1/admin/segments/vip/list", json=document)
        assert edited.status_code == 200, edited.text
    now.now = START + DAY_MS
    changes = await every(app, segment="vip")
    assert [(one["at"], one["after"], one["cause"]) for one in changes] == [
        (iso(START + HOUR_MS), True, "edit"),
        (iso(START + 3 * HOUR_MS), False, "edit"),
    ]
    found = await app.admin.get("/v1/admin/segments/vip/history", params={"bucket": "hour", "from": iso(START)})
    assert [one["members"] for one in found.json()["buckets"]][:5] == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("most", [1, 2, 2_000])
async def test_pages_give_each_change_once(
    app: Application, now: ManualClock, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    await live(app, now)
    whole = await every(app, limit=200)
    monkeypatch.setattr("tinycdp.runtime.time_travel.history.MOST_INSTANTS", most)
    for limit in (1, 2, 3, 200):
        assert await every(app, limit=limit) == whole
    assert (await ask(app, limit=200))["truncated"] is (most < 2_000)
    assert await every(app, **{"from": whole[1]["at"], "to": whole[3]["at"]}) == whole[1:3]
    assert await every(app, trait="spent") == [one for one in whole if one["key"] == "spent"]
    assert await every(app, segment=["gold", "buyers"]) == [one for one in whole if one["kind"] == "segment"]
    assert await every(app, property="plan") == [one for one in whole if one["kind"] == "property"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("ada/history?trait=none", 404, "NOT_FOUND"),
        ("bob/history", 404, "PROFILE_NOT_FOUND"),
        ("ada/history?from=2030-01-01T00:00:00Z", 400, "INVALID_REQUEST"),
        ("ada/history?cursor=x", 400, "INVALID_CURSOR"),
        ("ada/history?traits=spent", 400, "UNKNOWN_PARAMETER"),
    ],
)
async def test_a_wrong_question_is_an_error(app: Application, query: str, status: int, code: str) -> None:
    await app.track({"userId": "ada", "event": "visit"})
    refused = await app.read.get(f"/v1/profiles/{query}")
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
