"""Explanations of any instant: what decisions say now, and what they say once a foreseen instant has come."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import at, iso
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS

START = at("2026-05-04T12:00:00Z")
DEFINITIONS: list[dict[str, Any]] = [
    {"kind": "trait", "key": "visits", "document": {"expression": "events.visit.count_2d"}},
    {"kind": "trait", "key": "spent", "document": {"expression": "events.purchase.sum(amount, 3d)"}},
    {"kind": "segment", "key": "regulars", "document": {"rule": "visits >= 2"}},
    {"kind": "segment", "key": "away", "document": {"rule": "last_seen_minutes_ago > 600 && !segments.regulars"}},
    {
        "kind": "flag",
        "key": "offer",
        "document": {
            "rules": [
                {"id": "rich", "when": "segments.regulars && spent > 5", "serve": "on"},
                {"id": "away", "when": "segments.away", "rollout": 40, "serve": "on"},
            ],
            "sticky": True,
            "schedule": [{"at": iso(START + 4 * DAY_MS), "set": {"/rules/1/rollout": 90}}],
        },
    },
    {"kind": "flag", "key": "after", "document": {"rule": 'flag("offer") || visits == 1'}},
]
EDITS: list[dict[str, Any]] = [
    {"kind": "trait", "key": "visits", "document": {"expression": "events.visit.count_1d"}},
    {"kind": "segment", "key": "regulars", "document": {"rule": "visits >= 1 && spent < 20"}},
]
NAMES = [(one["kind"], one["key"]) for one in DEFINITIONS]


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        yield application


async def publish(app: Application, changes: list[dict[str, Any]]) -> None:
    answer = await app.admin.post("/v1/admin/publish", json={"changes": changes})
    assert answer.status_code == 200, answer.text
    await app.backfill()


async def live_through(app: Application, now: ManualClock, chance: random.Random) -> None:
    """Things that ada and bob do."""
    for _ in range(14):
        now.now += chance.choice((MINUTE_MS, 3 * HOUR_MS, 11 * HOUR_MS))
        who, amount = chance.choice(("ada", "bob")), chance.choice((1, 3.5, "2"))
        event = chance.choice(({"event": "visit"}, {"event": "purchase", "properties": {"amount": amount}}))
        await app.track({"userId": who, **event})
        await app.read.post("/v1/decide", json={"userId": who})  # sticky variants are given


async def explained(app: Application, kind: str, key: str, user: str, instant: int | None = None, **more: Any) -> Any:
    body = {"kind": kind, "key": key, "userId": user, **more, **({"at": iso(instant)} if instant is not None else {})}
    answer = await app.read.post("/v1/admin/explain", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


#: What a live explanation of the present has, and one of another instant or a draft has not.
PRESENT = ("skipped", "version", "tense", "draft")


def said(found: dict[str, Any]) -> dict[str, Any]:
    """An explanation without what differs between a foreseen and a present one."""
    rest = {name: value for name, value in found.items() if name not in {*PRESENT, "sentence", "revision"}}
    if rest["flag"] is not None:
        rest["flag"] = {n: v for n, v in rest["flag"].items() if n not in {"skipped", "sentence", "revision"}}
    return rest


@pytest.mark.parametrize("seed", range(3))
async def test_the_future_is_what_is_found_when_it_comes(app: Application, now: ManualClock, seed: int) -> None:
    chance = random.Random(seed)
    await publish(app, DEFINITIONS)
    await live_through(app, now, chance)
    instants = sorted(now.now + chance.choice((1, MINUTE_MS, HOUR_MS, DAY_MS)) * chance.randint(1, 6) for _ in range(6))
    asked = [(instant, who, *name) for instant in instants for who in ("ada", "bob", "nobody") for name in NAMES]
    foreseen = [await explained(app, kind, key, who, instant) for instant, who, kind, key in asked]
    drafted = [await explained(app, kind, key, who, instant, changes=EDITS) for instant, who, kind, key in asked]
    start = now.now

    async def compare(found: list[dict[str, Any]]) -> set[str]:
        outcomes = set()
        for (instant, who, kind, key), before in zip(asked, found, strict=True):
            now.now = max(instant, now.now)
            present = await explained(app, kind, key, who)
            assert said(before) == said(present), (kind, key, who, iso(instant))
            assert (before["tense"], present["tense"], present["draft"]) == ("future", "now", False)
            outcomes.add(str((present["definition"] or present["flag"]).get("value", present["sentence"])))
        return outcomes

    assert len(await compare(foreseen)) > 4
    now.now = start
    app.service.snapshots.outgrown()  # its clock goes back, which that of a profile in memory does not
    await publish(app, EDITS)
    await compare(drafted)


async def test_the_present_is_what_decisions_say_and_records_nothing(app: Application, now: ManualClock) -> None:
    await publish(app, DEFINITIONS)
    await live_through(app, now, random.Random(7))
    await app.service.exposures.flush()
    exposures = "SELECT md5(string_agg(e::text, ' ' ORDER BY e::text)) FROM exposures e"
    before = await app.service.pool.fetchval(exposures)
    for who in ("ada", "bob", "nobody"):
        profile = (await app.read.get(f"/v1/profiles/{who}")).json()
        for kind, key in NAMES:
            found = await explained(app, kind, key, who)
            by_get = await app.read.get("/v1/admin/explain", params={kind: key, "userId": who})
            assert found == by_get.json()
            if kind == "flag":
                body = {"userId": who, "flags": [key], "exposure": False}
                answer = (await app.read.post("/v1/decide", json=body)).json()["flags"][key]
                assert (found["flag"]["variant"], found["flag"]["until"]) == (answer["variant"], answer["validUntil"])
                assert found["flag"]["reason"] == answer["reason"]
            elif who != "nobody" and kind == "trait":
                shown = profile["traits"][key]
                assert (found["definition"]["value"], found["definition"]["until"]) == (shown["value"], shown["until"])
    await app.service.exposures.flush()
    assert await app.service.pool.fetchval(exposures) == before


async def test_a_draft_needs_no_key_and_no_other_definition(app: Application, now: ManualClock) -> None:
    await app.track({"userId": "ada", "event": "visit"})
    found = await explained(app, "segment", "", "ada", expression="events.visit.count_1d >= 1")
    assert (found["draft"], found["definition"]["value"], found["definition"]["key"]) == (True, True, "draft")
    whole = {"rules": [{"when": "events.visit.count_1d >= 1", "rollout": 50, "serve": "on"}]}
    [first, again] = [await explained(app, "flag", "half", "ada", document=whole) for _ in range(2)]
    assert first["flag"]["rules"][0]["rollout"] == again["flag"]["rules"][0]["rollout"], "one bucket, each time"
    skipping = await explained(app, "trait", "n", "ada", document={"expression": "events.visit.sum(amount, 1d)"})
    assert skipping["skipped"] == []
    revisions = (await app.read.get("/v1/admin/revisions")).json()["revisions"]
    assert [one["revision"] for one in revisions] == [], "nothing was saved"


async def test_a_draft_that_is_wrong_gets_what_its_publish_would(app: Application) -> None:
    await publish(app, DEFINITIONS)

    async def refused(**more: Any) -> tuple[int, str, str]:
        answer = await app.read.post("/v1/admin/explain", json={"kind": "segment", "userId": "ada", **more})
        return answer.status_code, answer.json()["code"], answer.json()["message"]

    rule = "visit >= 2"
    published = await app.admin.post(
        "/v1/admin/publish",
        json={"changes": [{"kind": "segment", "key": "x", "document": {"rule": rule}}], "dryRun": True},
    )
    assert (await refused(key="x", expression=rule)) == (400, published.json()["code"], published.json()["message"])
    assert (await refused(key="x", expression="visits >="))[0] == 400
    assert (await refused(key="x", document={"rulee": "true"}))[1] == "INVALID_DOCUMENT"
    assert (await refused(key="x", document={"key": "y", "rule": "true"}))[1] == "KEY_MISMATCH"
    assert (await refused(key="regular"))[1:] == (
        "NOT_FOUND",
        "There is no segment 'regular'. Did you mean 'regulars'?",
    )
    assert (await refused(key="regular", changes=EDITS))[1] == "NOT_FOUND"
    assert (await refused(kind="flag", key="offr"))[1] == "FLAG_NOT_FOUND"
    assert (await refused(key="regulars", at=iso(START - DAY_MS)))[1] == "NOT_FOUND"
    assert (await refused())[1:] == ("INVALID_REQUEST", "$.key: name the segment, or send a `document`.")
    assert (await refused(key="x", expression="true", document={"rule": "true"}))[1] == "INVALID_REQUEST"
    assert (await refused(key="regulars", at="tomorrow"))[1] == "INVALID_REQUEST"
    assert (await refused(key="regulars", userId=""))[1] == "MISSING_IDENTIFIER"
    twice = [{"kind": "segment", "key": "x", "document": {"rule": "true"}}]
    assert (await refused(key="x", expression="true", changes=twice))[1] == "INVALID_REQUEST"
    archived = {"rule": "true", "archived": True}
    assert (await refused(kind="flag", key="old", document=archived))[1] == "FLAG_NOT_FOUND"
    await app.define("flag", key="old", **archived)
    assert (await refused(kind="flag", key="old"))[1] == "FLAG_NOT_FOUND"
    assert (await app.write.post("/v1/admin/explain", json={})).status_code == 403
