"""A draft on one profile against what the profile gets once the draft is published and the instant has come."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import at, iso
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS

START = at("2026-05-04T12:00:00Z")
CHANGES = [
    {"kind": "trait", "key": "visits", "document": {"expression": "events.visit.count_2d"}},
    {"kind": "trait", "key": "spent", "document": {"expression": "events.purchase.sum(amount, 3d)"}},
    {"kind": "segment", "key": "regulars", "document": {"rule": "visits >= 2"}},
    {"kind": "flag", "key": "offer", "document": {"rule": "segments.regulars && spent > 5"}},
]


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        await application.define("trait", key="visits", expression="events.visit.count_1d")
        await application.define("segment", key="regulars", rule="visits >= 3")
        for hour in range(0, 60, 6):
            now.now = START + hour * HOUR_MS
            await application.track(
                {"userId": "ada", "event": "visit"},
                {"userId": "ada", "event": "purchase", "properties": {"amount": hour / 4}},
            )
        yield application


async def tried(app: Application, instant: int | None, user: str = "ada", **more: Any) -> dict[str, Any]:
    body = {"userId": user, "changes": CHANGES, **more}
    if instant is not None:
        body["at"] = iso(instant)
    answer = await app.admin.post("/v1/admin/preview/profile", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_draft_gives_what_the_future_gives_once_it_is_published(app: Application, now: ManualClock) -> None:
    instants = [now.now, now.now + HOUR_MS, now.now + 35 * HOUR_MS, now.now + 47 * HOUR_MS, now.now + 5 * DAY_MS]
    drafted = [await tried(app, instant) for instant in instants]
    assert await tried(app, None) == drafted[0]
    published = await app.admin.post("/v1/admin/publish", json={"changes": CHANGES})
    assert published.status_code == 200, published.text
    await app.backfill()
    outcomes = set()
    for instant, draft in zip(instants, drafted, strict=True):
        now.now = instant
        profile = (await app.read.get("/v1/profiles/ada")).json()
        decision = (await app.read.get("/v1/decide?userId=ada&flag=offer")).json()
        by_key = {one["key"]: one["after"] for one in draft["definitions"]}
        for key in ("visits", "spent"):
            trait = profile["traits"][key]
            assert (by_key[key]["value"], by_key[key]["until"]) == (trait["value"], trait["until"]), (key, instant)
        segments = {one["key"]: one["until"] for one in profile["segments"]}
        assert by_key["regulars"]["value"] is ("regulars" in segments)
        assert (by_key["offer"]["variant"], by_key["offer"]["until"]) == (decision["variant"], decision["validUntil"])
        assert (draft["asOf"], draft["profileId"]) == (iso(instant), profile["id"])
        outcomes.add((by_key["regulars"]["value"], by_key["offer"]["variant"]))
    assert len(outcomes) > 1


async def test_a_draft_of_the_past_counts_what_had_arrived(app: Application, now: ManualClock) -> None:
    instants = [START - 1, START, START + 7 * HOUR_MS, START + 40 * HOUR_MS]
    drafted = [await tried(app, instant) for instant in instants]
    before = [{one["key"]: one["before"] for one in draft["definitions"]} for draft in drafted]
    assert [one["visits"]["value"] for one in before] == [0, 1, 2, 4]
    assert all(one["offer"] is None and one["spent"] is None for one in before)
    published = await app.admin.post("/v1/admin/publish", json={"changes": CHANGES})
    revision = published.json()["revision"]
    await app.backfill()
    for instant, draft in zip(instants, drafted, strict=True):
        asked = {"userId": "ada", "flags": ["offer"], "at": iso(instant), "revision": revision}
        replayed = (await app.admin.post("/v1/decide/replay", json=asked)).json()["flags"]["offer"]
        after = {one["key"]: one["after"] for one in draft["definitions"]}["offer"]
        assert (after["variant"], after["until"]) == (replayed["variant"], replayed["validUntil"])
    assert drafted[0]["profileId"] is None


async def test_it_says_why_and_saves_nothing(app: Application) -> None:
    found = {one["key"]: one for one in (await tried(app, None))["definitions"]}
    assert "visits" in found["regulars"]["definition"]["sentence"]
    assert found["offer"]["flag"]["rules"][0]["outcome"] in {"served", "false"}
    assert (await app.admin.get("/v1/admin/flags/offer")).status_code == 404
    gone = await tried(app, None, changes=[{"kind": "segment", "key": "regulars", "document": None}])
    assert [(one["key"], one["was"], one["after"]) for one in gone["definitions"]] == [(None, "regulars", None)]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"at": "tomorrow"}, "INVALID_REQUEST"),
        ({"userId": ""}, "MISSING_IDENTIFIER"),
        ({"chnages": []}, "INVALID_BODY"),
    ],
)
async def test_a_wrong_question_is_an_error(app: Application, more: dict[str, Any], code: str) -> None:
    refused = await app.admin.post("/v1/admin/preview/profile", json={"userId": "ada", "changes": CHANGES, **more})
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
