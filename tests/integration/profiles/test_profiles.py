"""One person's page, histories and searches, on the real application."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import iso
from tinycdp.model import DAY_MS, HOUR_MS


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def page(app: Application, id: str, **query: str) -> dict[str, Any]:
    answer = await app.read.get(f"/v1/profiles/{id}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_page_holds_everything_known_of_a_person(app: Application) -> None:
    at = app.service.now() - HOUR_MS
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await app.define("trait", key="last_purchase", expression="events.purchase.last_at")
    await app.define("trait", key="silence", expression="ago(events.purchase.last_at)")
    await app.define("trait", key="app", expression="semver(profile.app)")
    await app.define("trait", key="plan", expression="profile.plan")
    await app.define("trait", key="nothing", expression="profile.nothing")
    await app.define("segment", key="buyers", rule="spent > 10")
    await app.define("segment", key="others", rule="!segments.buyers")
    await app.write.post(
        "/v1/identify",
        json={
            "userId": "ada",
            "anonymousId": "a-1",
            "traits": {"plan": "pro", "app": "v2.10-rc.1"},
            "timestamp": iso(at),
        },
    )
    for n, amount in enumerate((19.99, 0.01)):
        await app.track(
            {"userId": "ada", "event": "purchase", "properties": {"amount": amount}, "timestamp": iso(at + n)}
        )

    now = app.service.now()
    app.service.now = lambda: now
    found = await page(app, "ada")
    assert found["identifiers"] == [{"kind": "userId", "value": "ada"}, {"kind": "anonymousId", "value": "a-1"}]
    assert found["properties"] == {"plan": "pro", "app": "v2.10-rc.1"}
    assert (found["asOf"], found["lastSeen"], found["bucketingKey"]) == (iso(now), iso(at + 1), "ada")
    values = {key: trait["value"] for key, trait in found["traits"].items()}
    assert values == {
        "spent": 20, "last_purchase": iso(at + 1), "silence": (now - at - 1) / 1000, "app": "2.10.0-rc.1",
        "plan": "pro", "nothing": None,
    }  # fmt: skip
    types = {key: trait["type"] for key, trait in found["traits"].items()}
    assert (types["spent"], types["silence"], types["plan"]) == ("number", "duration", "dyn")
    assert found["traits"]["spent"]["until"] == iso(at + 30 * DAY_MS)
    assert [segment["key"] for segment in found["segments"]] == ["buyers"]

    assert await page(app, "a-1") == found
    assert await page(app, "anonymousId:a-1") == found
    assert await page(app, found["id"], by="profileId") == found
    for id, query in (("absent", ""), ("ada", "?by=deviceId"), (found["id"], ""), ("x", "?by=profileId")):
        missing = await app.read.get(f"/v1/profiles/{id}{query}")
        assert (missing.status_code, missing.json()["code"]) == (404, "PROFILE_NOT_FOUND"), (id, query)


async def test_a_bare_id_is_the_strongest_identifier_of_that_value(app: Application) -> None:
    await app.track(
        {"deviceId": "same", "event": "x"}, {"anonymousId": "same", "event": "x"}, {"userId": "same", "event": "x"}
    )
    assert (await page(app, "same"))["identifiers"] == [{"kind": "userId", "value": "same"}]
    assert (await page(app, "same", by="deviceId"))["identifiers"] == [{"kind": "deviceId", "value": "same"}]
    assert (await page(app, "anonymousId:same"))["identifiers"] == [{"kind": "anonymousId", "value": "same"}]


async def test_the_page_agrees_with_the_flag_at_the_very_millisecond(app: Application) -> None:
    await app.define("segment", key="fresh", rule="events.visit.exists_1h")
    await app.define("segment", key="stale", rule="!segments.fresh")
    await app.define("flag", key="on", rule="segments.fresh")
    at = app.service.now() - 1000
    await app.track({"userId": "ada", "event": "visit", "timestamp": iso(at)})
    for now, member in ((at + HOUR_MS - 1, True), (at + HOUR_MS, False)):
        app.service.now = lambda now=now: now  # type: ignore[misc]
        found = await page(app, "ada")
        decided = (await app.read.get("/v1/decide?flag=on&userId=ada")).json()
        assert ([s["key"] for s in found["segments"]], decided["allow"]) == (["fresh" if member else "stale"], member)
    # No worker has run: the page knows the instant at which the clock moved her.
    assert found["segments"][0]["since"] == iso(at + HOUR_MS)


async def test_a_definition_that_backfills_is_unknown_and_says_so(app: Application) -> None:
    await app.track({"userId": "ada", "event": "visit"})
    await app.admin.post("/v1/admin/traits", json={"key": "visits", "expression": "events.visit.count_30d"})
    assert (await page(app, "ada"))["traits"]["visits"] == {
        "value": None, "type": "number", "until": None, "backfilling": True,
    }  # fmt: skip
    await app.backfill()
    assert (await page(app, "ada"))["traits"]["visits"]["value"] == 1


async def test_an_absorbed_profile_leads_to_its_survivor(app: Application) -> None:
    await app.track({"userId": "ada", "event": "x"})
    await app.track({"anonymousId": "a-1", "event": "x"})
    absorbed = (await page(app, "a-1"))["id"]
    await app.write.post("/v1/alias", json={"userId": "ada", "previousId": "a-1"})
    assert (await page(app, absorbed, by="profileId"))["id"] == (await page(app, "ada"))["id"] != absorbed


async def test_the_admins_page_adds_events_and_transitions(app: Application) -> None:
    await app.define("segment", key="visitors", rule="events.visit.exists_1h")
    for n in range(60):
        await app.track({"userId": "ada", "event": "visit", "messageId": f"m{n}"})
    found = (await app.admin.get("/v1/admin/users/ada")).json()
    assert found["profile"]["id"] == (await page(app, "ada"))["id"]
    assert len(found["recentEvents"]) == 50
    (entered,) = found["transitions"]
    assert (entered["segment"], entered["entered"]) == ("visitors", True)
    assert entered["at"] == found["profile"]["segments"][0]["since"]


async def test_a_journey_is_complete_and_stays_put_while_events_arrive(app: Application) -> None:
    start = app.service.now() - DAY_MS
    # Two at each instant, sent out of order: the position is (instant, id).
    for n in (3, 0, 4, 1, 2):
        events = [{"userId": "ada", "event": "e", "messageId": f"{n}-{m}", "timestamp": iso(start + n)} for m in "ab"]
        await app.track(*events)
    await app.track({"userId": "bob", "event": "e"})
    seen: list[str] = []
    cursor = ""
    while True:
        found = (await app.read.get(f"/v1/journeys/ada?limit=3{cursor}")).json()
        seen += [event["messageId"] for event in found["events"]]
        await app.track({"userId": "ada", "event": "late"})
        if found["next"] is None:
            break
        cursor = f"&cursor={found['next']}"
    assert seen == [f"{n}-{m}" for n in (4, 3, 2, 1, 0) for m in "ba"]


async def test_a_journey_by_kind(app: Application) -> None:
    await app.track({"userId": "ada", "event": "a"}, {"userId": "ada", "event": "b"})
    assert (await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})).status_code == 200
    assert (await app.write.post("/v1/page", json={"userId": "ada", "name": "Home"})).status_code == 200

    async def kinds(query: str) -> list[str]:
        found = (await app.read.get(f"/v1/journeys/ada?{query}")).json()
        return [event["type"] for event in found["events"]]

    assert await kinds("kind=track") == ["track", "track"]
    assert await kinds("kind=track&event=a") == ["track"]
    assert await kinds("kind=identify") == ["identify"]
    assert await kinds("kind=page") == ["page"]
    assert await kinds("kind=alias") == []
    assert sorted(await kinds("")) == ["identify", "page", "track", "track"]
    wrong = await app.read.get("/v1/journeys/ada?kind=click")
    assert (wrong.status_code, wrong.json()["code"], "track" in wrong.text) == (400, "INVALID_REQUEST", True)


async def test_recent_events_come_by_arrival_and_by_name(app: Application) -> None:
    await app.track(*({"userId": f"u{n}", "event": "odd" if n % 2 else "even", "messageId": f"m{n}"} for n in range(6)))
    first = (await app.read.get("/v1/events/recent?limit=4")).json()
    assert [event["messageId"] for event in first["events"]] == ["m5", "m4", "m3", "m2"]
    rest = (await app.read.get(f"/v1/events/recent?limit=4&cursor={first['next']}")).json()
    assert ([event["messageId"] for event in rest["events"]], rest["next"]) == (["m1", "m0"], None)
    odd = (await app.read.get("/v1/events/recent?event=odd")).json()
    assert [event["messageId"] for event in odd["events"]] == ["m5", "m3", "m1"]
    assert odd["events"][0]["by"] == {"kind": "userId", "value": "u5"}


async def test_a_rare_name_is_looked_for_a_bounded_way_and_the_cursor_goes_on(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinycdp.runtime.profiles.views.REACH", 3)
    await app.track({"userId": "ada", "event": "rare"}, *({"userId": "ada", "event": "common"} for _ in range(5)))
    empty = (await app.read.get("/v1/events/recent?event=rare")).json()
    assert (empty["events"], empty["next"] is not None) == ([], True)
    found = (await app.read.get(f"/v1/events/recent?event=rare&cursor={empty['next']}")).json()
    assert [event["event"] for event in found["events"]] == ["rare"]


async def test_people_are_found_by_the_beginning_of_any_identifier(app: Application) -> None:
    await app.track(*({"userId": f"anna-{n}", "event": "x"} for n in range(4)), {"userId": "bert", "event": "x"})
    await app.write.post("/v1/identify", json={"userId": "anna-0", "anonymousId": "anna-anon", "traits": {}})
    await app.track({"userId": "50%_off\\", "event": "x"}, {"userId": "Ünï", "event": "x"})

    async def search(q: str, **more: Any) -> dict[str, Any]:
        answer = await app.read.get("/v1/profiles/search", params={"q": q, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    everyone: list[str] = []
    after: dict[str, str] = {}
    while True:
        found = await search("anna", limit=2, **after)
        everyone += [profile["id"] for profile in found["profiles"]]
        if found["next"] is None:
            break
        after = {"after": found["next"]}
    assert len(set(everyone)) == 4
    assert len((await search("anna"))["profiles"]) == 4  # anna-0 once, although two of her identifiers fit
    assert [len((await search(q))["profiles"]) for q in ("50%_off\\", "50%", "5%", "_0", "Ün", "", "zz")] == [
        1, 1, 0, 0, 1, 7, 0,
    ]  # fmt: skip
    assert (await app.admin.get("/v1/admin/users/search?q=bert")).json()["profiles"][0]["identifiers"][0][
        "value"
    ] == "bert"


async def test_people_are_found_by_the_exact_value_of_a_property(app: Application) -> None:
    for n, traits in enumerate(({"plan": "pro"}, {"plan": "free"}, {"plan": "pro", "seats": 3}, {"seats": "3"})):
        await app.write.post("/v1/identify", json={"userId": f"u{n}", "traits": traits})

    async def found(name: str, value: str) -> list[str]:
        answer = await app.read.get("/v1/profiles/search", params={"property": name, "value": value})
        return [profile["identifiers"][0]["value"] for profile in answer.json()["profiles"]]

    assert await found("plan", "pro") == ["u2", "u0"]
    assert await found("seats", "3") == ["u2"]
    assert await found("seats", '"3"') == ["u3"]
    assert await found("seats", "1e400") == []
    first = (await app.read.get("/v1/profiles/search?property=plan&value=pro&limit=1")).json()
    second = (await app.read.get(f"/v1/profiles/search?property=plan&value=pro&limit=1&after={first['next']}")).json()
    assert second["profiles"][0]["identifiers"][0]["value"] == "u0"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("profiles/search?value=b", "INVALID_REQUEST"),
        ("profiles/search?where=plan", "INVALID_REQUEST"),
        ("profiles/search?where=^=a", "INVALID_REQUEST"),
        ("profiles/search?where=plan=a&where=plan=b", "INVALID_REQUEST"),
        ("profiles/search?where=plan=a&where=plan.name=b", "INVALID_REQUEST"),
        ("profiles/search?where=plan.name=a&where=plan=b", "INVALID_REQUEST"),
        ("profiles/search?after=nonsense", "INVALID_CURSOR"),
        ("profiles/search?property=b", "INVALID_REQUEST"),
        ("profiles/search?q=a&limit=0", "INVALID_REQUEST"),
        ("profiles/search?q=a&limit=201", "INVALID_REQUEST"),
        ("profiles/search?q=a&limit=many", "INVALID_REQUEST"),
        ("profiles/search?q=%00", "INVALID_REQUEST"),
        ("profiles/search?q=a&after=nonsense", "INVALID_CURSOR"),
        ("events/recent?cursor=WyJ4Il0", "INVALID_CURSOR"),
        ("events/recent?cursor=WzFlMzBd", "INVALID_CURSOR"),
        ("events/recent?cursor=W10", "INVALID_CURSOR"),
        ("events/recent?event=%00", "INVALID_REQUEST"),
        ("journeys/ada?cursor=é", "INVALID_CURSOR"),
        ("profiles/a%00b", "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_question_is_a_400(app: Application, path: str, code: str) -> None:
    await app.track({"userId": "ada", "event": "x"})
    refused = await app.read.get(f"/v1/{path}")
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text


@pytest.mark.parametrize("kind", ["email", "crm:id", "a:b:c"])
async def test_a_kind_of_ones_own_may_have_colons(app: Application, kind: str) -> None:
    context = {"externalIds": [{"type": kind, "id": "urn:7:x"}]}
    await app.track({"userId": "ada", "event": "a", "context": context}, {"userId": "b:urn:7:x", "event": "a"})
    found = (await app.read.get(f"/v1/profiles/{kind}:urn:7:x")).json()
    assert {"kind": "userId", "value": "ada"} in found["identifiers"]
    graph = await app.admin.get(f"/v1/admin/profiles/{kind}:urn:7:x/graph")
    assert graph.json()["profileId"] == found["id"]
