"""The registry's dictionary of properties, and likely misspellings."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running

EVENTS, PLAN, PROPERTIES = "/v1/registry/events", "/v1/registry/plan", "/v1/registry/properties"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def sent(app: Application, event: str, n: int = 1, **properties: Any) -> None:
    await app.track(*({"userId": "ada", "event": event, "properties": properties} for _ in range(n)))


async def dictionary(app: Application, **query: Any) -> dict[str, Any]:
    answer = await app.read.get(PROPERTIES, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# Likely misspellings


async def test_a_likely_misspelling_is_marked_until_the_plan_declares_or_blocks_it(app: Application) -> None:
    await sent(app, "signup", 20)
    await sent(app, "signpu")

    async def marks() -> dict[str, str | None]:
        rows = (await app.read.get(EVENTS)).json()["events"]
        return {row["name"]: row["likelyMisspellingOf"] for row in rows}

    assert await marks() == {"signup": None, "signpu": "signup"}
    event = (await app.read.get(f"{EVENTS}/signpu")).json()["event"]
    assert event["likelyMisspellingOf"] == "signup"
    assert f"{PLAN}/signpu" in event["remedy"]
    assert (await app.read.get(f"{EVENTS}/signup")).json()["event"]["remedy"] is None
    for entry in ({"status": "blocked"}, {}):
        assert (await app.admin.put(f"{PLAN}/signpu", json=entry)).status_code == 200
        assert await marks() == {"signup": None, "signpu": None}


async def test_a_blocked_name_is_not_what_was_meant(app: Application) -> None:
    await sent(app, "signpu", 20)
    await app.admin.put(f"{PLAN}/signpu", json={"status": "blocked"})
    await sent(app, "signup")
    rows = (await app.read.get(EVENTS)).json()["events"]
    assert [row["likelyMisspellingOf"] for row in rows] == [None, None]


async def test_a_property_is_marked_within_its_event(app: Application) -> None:
    await sent(app, "purchase", 20, amount=5)
    await sent(app, "purchase", amuont=5)
    await sent(app, "refund", amuont=5)

    async def mark(event: str) -> tuple[Any, Any]:
        rows = (await app.read.get(f"{EVENTS}/{event}")).json()["properties"]
        return next((row["likelyMisspellingOf"], row["remedy"]) for row in rows if row["name"] == "amuont")

    meant, remedy = await mark("purchase")
    assert meant == "amount" and f"{PLAN}/purchase" in remedy
    assert await mark("refund") == (None, None)
    await app.admin.put(f"{PLAN}/purchase", json={"properties": {"amuont": {}}})
    assert await mark("purchase") == (None, None)


# The dictionary


async def test_a_property_is_listed_once_with_the_events_that_use_it(app: Application) -> None:
    await sent(app, "purchase", 2, amount=5, cart={"size": 3})
    await sent(app, "refund", amount="7")
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    await app.admin.put(f"{PLAN}/purchase", json={"properties": {"amount": {"type": "number"}, "coupon": {}}})
    found = {row["name"]: row for row in (await dictionary(app))["properties"]}
    assert list(found) == ["amount", "cart", "cart.size", "coupon", "plan"]
    amount = found["amount"]
    assert amount["types"] == [{"type": "number", "n": 2}, {"type": "string", "n": 1}]
    assert (amount["type"], amount["example"], amount["planned"], amount["events"]) == ("number", 5, True, 2)
    assert [(use["event"], use["type"], use["declared"], use["n"]) for use in amount["uses"]] == [
        ("purchase", "number", True, 2),
        ("refund", "string", False, 1),
    ]
    assert amount["conflicts"] == [{"type": "number", "events": ["purchase"]}, {"type": "string", "events": ["refund"]}]
    coupon = found["coupon"]
    assert (coupon["type"], coupon["types"], coupon["planned"], coupon["firstSeen"]) == (None, [], True, None)
    plan = found["plan"]
    assert [use["event"] for use in plan["uses"]] == ["$identify"]
    assert (plan["example"], plan["planned"], plan["conflicts"]) == ("pro", False, [])
    assert found["cart.size"]["example"] == 3
    assert (await app.stranger.get(PROPERTIES)).json() == {"properties": [], "next": None}


async def test_an_integer_and_a_number_do_not_conflict(app: Application) -> None:
    await app.admin.put(f"{PLAN}/purchase", json={"properties": {"amount": {"type": "integer"}}})
    await sent(app, "refund", amount=5)
    assert (await dictionary(app))["properties"][0]["conflicts"] == []


async def test_pages_have_every_property_once_in_order(app: Application) -> None:
    names = ["B", "a", "a_b", "ab", "é", "z", "zz"]
    await sent(app, "open", **dict.fromkeys(names[::2], 1))
    await app.admin.put(f"{PLAN}/open", json={"properties": {name: {} for name in names[1::2]}})
    for size in (1, 2, 3, 7):
        listed, after = [], ""
        while after is not None:
            page = await dictionary(app, limit=size, after=after)
            assert len(page["properties"]) <= size
            listed += [row["name"] for row in page["properties"]]
            after = page["next"]
        assert listed == sorted(names), size
    assert [row["name"] for row in (await dictionary(app, prefix="a"))["properties"]] == ["a", "a_b", "ab"]


async def test_an_example_shows_only_what_is_stored(app: Application) -> None:
    rules = [{"path": "properties.email", "action": "mask"}]
    assert (await app.admin.put("/v1/admin/policies/privacy", json={"rules": rules})).status_code == 200
    await sent(app, "open", email="ada@example.com")
    (row,) = (await dictionary(app))["properties"]
    assert row["example"] == "***@example.com"
