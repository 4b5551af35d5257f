"""Nothing is lost silently: fields in the wrong place, and numbers that arrive as text."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import KEYS, Application, running
from streams import watching


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def posted(app: Application, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    answer = await app.write.post(path, json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def newest(app: Application, person: str = "ada") -> dict[str, Any]:
    events = (await app.read.get(f"/v1/journeys/{person}")).json()["events"]
    found: dict[str, Any] = events[0]
    return found


# Fields in other places


async def test_a_field_at_the_top_of_a_track_call_is_a_property(app: Application) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    answer = await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "amount": 25})
    assert "warnings" not in answer
    page = (await app.read.get("/v1/profiles/ada")).json()
    assert page["traits"]["spent"]["value"] == 25


async def test_properties_of_identify_are_traits(app: Application) -> None:
    body = {"userId": "ada", "properties": {"plan": "pro"}, "country": "DE", "traits": {"age": 3}}
    assert "warnings" not in await posted(app, "/v1/identify", body)
    page = (await app.read.get("/v1/profiles/ada")).json()
    assert page["properties"] == {"plan": "pro", "country": "DE", "age": 3}


async def test_fields_of_the_context_go_there(app: Application) -> None:
    event = {"event_name": "click", "user": {"user_id": "ada"}, "context": {"user_agent": "Mozilla/5.0 (iPad)"}}
    assert "warnings" not in await posted(app, "/collect", [{**event, "sdk_version": "1.4.0"}], 202)
    stored = await newest(app)
    assert stored["context"] == {"userAgent": "Mozilla/5.0 (iPad)", "library": {"version": "1.4.0"}}
    assert stored["properties"]["_device"] == "tablet", "enrichment reads it"
    pulse = {"event": "signup", "userId": "ada", "source": "landing", "sessionId": "s-1"}
    assert "warnings" not in await posted(app, "/api/events", pulse)
    assert (await newest(app))["context"] == {"source": "landing", "sessionId": "s-1"}


async def test_what_has_no_place_comes_back_everywhere(app: Application) -> None:
    batch = [
        {"type": "track", "event": "open"},
        {"type": "alias", "userId": "ada", "previousId": "a-1", "amount": 25},
        {"type": "track", "event": "open", "userId": "ada", "propertes": {"a": 1}},
    ]
    async with watching(app, "status=warned") as stream:
        answer = await posted(app, "/v1/batch", {"batch": batch, "coupon": "SAVE"})
        items = await stream.messages(2)
    expected = [
        ("ENVELOPE_FIELD_NOT_STORED", "$.coupon"),
        ("FIELD_NOT_STORED", "$.batch[1].amount"),
        ("UNKNOWN_FIELD", "$.batch[2].propertes"),
    ]
    assert [(w["code"], w["path"]) for w in answer["warnings"]] == expected
    assert "did you mean 'properties'" in answer["warnings"][2]["message"]
    assert [r["path"] for r in answer["rejected"]] == ["$.batch[0]"]
    codes = sorted(w["code"] for item in items for w in item["warnings"])
    assert codes == sorted(code for code, _ in expected)
    assert (await newest(app))["properties"] == {"propertes": {"a": 1}}
    counted = (await app.read.get("/v1/registry/violations")).json()["violations"]
    assert ("open", "UNKNOWN_FIELD", "$.propertes", 1) in [(v["event"], v["code"], v["path"], v["n"]) for v in counted]


async def test_a_warning_of_many_events_is_one(app: Application) -> None:
    batch = [{"type": "alias", "userId": f"u{n}", "previousId": f"a{n}", "amount": n} for n in range(50)]
    answer = await posted(app, "/v1/batch", {"batch": batch})
    assert [w["path"] for w in answer["warnings"]] == ["$.batch[0].amount"]
    many = {"userId": "ada", "previousId": "b", **{f"field{n}": n for n in range(90)}}
    assert len((await posted(app, "/v1/alias", many))["warnings"]) == 20
    assert len((await newest(app))["warnings"]) == 20


async def test_clients_that_read_their_answer_strictly_get_it_unchanged(app: Application) -> None:
    event = {"event": "$create_alias", "distinct_id": "ada", "properties": {"alias": "a-1"}, "amount": 25}
    async with watching(app, "status=warned") as stream:
        assert await posted(app, "/batch", {"batch": [event], "api_key": KEYS["write"]}) == {"status": 1}
        (item,) = await stream.messages(1)
    assert [w["path"] for w in item["warnings"]] == ["$.amount"]


# Numbers as text


async def test_text_where_a_number_is_read_is_said_everywhere(app: Application) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await app.define("segment", key="adults", rule="profile.age >= 18")
    async with watching(app, "status=warned") as stream:
        answer = await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "properties": {"amount": "25"}})
        (item,) = await stream.messages(1)
    [warning] = answer["warnings"]
    assert (warning["code"], warning["path"]) == ("NUMBER_AS_TEXT", "$.properties.amount")
    assert "trait 'spent'" in warning["message"] and "tracking plan" in warning["message"]
    assert "25" not in warning["message"]
    assert [w["code"] for w in item["warnings"]] == ["NUMBER_AS_TEXT"]

    found = (await app.admin.get("/v1/admin/explain", params={"userId": "ada", "trait": "spent"})).json()
    assert found["sentence"].endswith("; 1 event skipped: amount is text")
    assert found["skipped"] == [{"event": "purchase", "property": "amount", "events": 1}]

    answer = await posted(app, "/v1/identify", {"userId": "ada", "traits": {"age": "44"}})
    assert [w["path"] for w in answer["warnings"]] == ["$.traits.age"]
    found = (await app.admin.get("/v1/admin/explain", params={"userId": "ada", "segment": "adults"})).json()
    assert found["sentence"].endswith("; profile.age is text, not a number")

    await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "properties": {"amount": 5}})
    page = (await app.read.get("/v1/registry/events/purchase")).json()
    [amount] = [row for row in page["properties"] if row["name"] == "amount"]
    assert "always" not in amount["why"] and "string" in amount["why"]
    assert "trait 'spent' reads 'amount' as a number, and 1 value was text" in amount["remedy"]
    assert [v["code"] for v in page["violations"]] == ["NUMBER_AS_TEXT"]


async def test_the_remedy_helps(app: Application) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    plan = {"properties": {"amount": {"type": "number"}}}
    assert (await app.admin.put("/v1/registry/plan/purchase", json=plan)).status_code == 200
    answer = await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "properties": {"amount": "25"}})
    assert [w["code"] for w in answer["warnings"]] == ["CONVERTED"]
    page = (await app.read.get("/v1/profiles/ada")).json()
    assert page["traits"]["spent"]["value"] == 25
    row = (await app.read.get("/v1/registry/events/purchase/properties/amount")).json()["property"]
    assert row["remedy"] is None


@pytest.mark.parametrize(
    ("expression", "event", "expected"),
    [
        ("events.purchase.where(amount > 10).count_7d", {"amount": "25"}, ["$.properties.amount"]),
        ("events.purchase.avg(cart.total, 7d)", {"cart": {"total": "25"}}, ["$.properties.cart.total"]),
        ("events.purchase.percentile(amount, 0.5, 7d)", {"amount": "x"}, ["$.properties.amount"]),
        ("events.purchase.last(amount)", {"amount": "25"}, []),
        ('events.purchase.where(amount == "25").count_7d', {"amount": "25"}, []),
        ("events.any.sum(amount, 7d)", {"amount": "25"}, ["$.properties.amount"]),
        ("events.refund.sum(amount, 7d)", {"amount": "25"}, []),
        ("events.purchase.sum(amount, 7d)", {"amount": None}, []),
    ],
)
async def test_only_what_a_live_definition_reads_as_a_number_is_warned_of(
    app: Application, expression: str, event: dict[str, Any], expected: list[str]
) -> None:
    await app.define("trait", key="t", expression=expression)
    answer = await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "properties": event})
    assert [w["path"] for w in answer.get("warnings", [])] == expected


async def test_flags_read_numbers_too(app: Application) -> None:
    rules = [{"id": "rich", "when": "profile.balance > 5 && group.seats >= 2", "serve": "on"}]
    await app.define("flag", key="gold", rules=rules)
    answer = await posted(app, "/v1/identify", {"userId": "ada", "traits": {"balance": "9"}})
    assert "flag 'gold'" in answer["warnings"][0]["message"]
    answer = await posted(app, "/v1/group", {"userId": "ada", "groupId": "acme", "traits": {"seats": "3"}})
    assert [w["path"] for w in answer["warnings"]] == ["$.traits.seats"]
    found = (await app.admin.get("/v1/admin/explain", params={"userId": "ada", "flag": "gold"})).json()
    assert [one["property"] for one in found["skipped"]] == ["group.seats", "profile.balance"]
    decided = (await app.read.get("/v1/decide", params={"userId": "ada", "flag": "gold", "explain": "true"})).json()
    assert decided["explanation"]["skipped"] == found["skipped"] == found["flag"]["skipped"]
    assert decided["explanation"]["sentence"] == found["sentence"] == found["flag"]["sentence"]


async def test_a_decision_explains_which_events_it_skips(app: Application) -> None:
    """Each flag its own, with one look at the raw events."""
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await app.define("flag", key="gold", rule="spent > 20")
    await app.define("flag", key="visitor", rule="events.purchase.count_30d > 0")
    await app.define("flag", key="heavy", rule="events.any.sum(weight, 7d) > 1")
    for properties in ({"amount": "25"}, {"amount": "9", "weight": "2"}, {"amount": 1, "weight": 3}):
        await posted(app, "/v1/track", {"userId": "ada", "event": "purchase", "properties": properties})
    answers = (await app.read.post("/v1/decide", json={"userId": "ada", "explain": True})).json()["flags"]
    explained = {flag: answer["explanation"] for flag, answer in answers.items()}
    assert explained["gold"]["skipped"] == [{"event": "purchase", "property": "amount", "events": 2}]
    assert explained["gold"]["sentence"].endswith("; 2 events skipped: amount is text")
    assert explained["heavy"]["skipped"] == [{"event": "purchase", "property": "weight", "events": 1}]
    assert explained["visitor"]["skipped"] == []
    unknown = await app.read.get("/v1/decide", params={"userId": "unknown", "flag": "gold", "explain": "true"})
    assert unknown.json()["explanation"]["skipped"] == []
