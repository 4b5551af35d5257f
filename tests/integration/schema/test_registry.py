"""The registry over HTTP: what is observed, what is planned, and what becomes of events that break the plan."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from application import Application, running
from serving import ManualClock, eventually, new_environment, services
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Identifier, Message
from tinycdp.runtime import clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.schema.registry import prune, rebuild
from tinycdp.runtime.schema.registry_reads import PropertySummary, property_of
from tinycdp.store.database.pool import transaction

EVENTS, PLAN = "/v1/registry/events", "/v1/registry/plan"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def page(app: Application, name: str) -> dict[str, Any]:
    answer = await app.read.get(f"{EVENTS}/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def plan(app: Application, name: str, **entry: Any) -> dict[str, Any]:
    answer = await app.admin.put(f"{PLAN}/{name}", json=entry)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(app: Application, user_id: str) -> list[dict[str, Any]]:
    return (await app.read.get(f"/v1/journeys/{user_id}")).json()["events"]


# Observing


async def test_junk_names_do_not_keep_real_ones_out(dsn: str) -> None:
    """What a public key sends once takes no place for ever, and none of what is planned."""
    now = ManualClock(clock.now())
    library = [{"library": {"name": f"sdk{n}"}} for n in range(300)]
    junk = [
        {"userId": "eve", "event": f"junk-{n}", "context": library[n % 300], "properties": {f"p{n % 200}": n}}
        for n in range(1_000)
    ]
    wide = [{"userId": "eve", "event": "junk-0", "properties": {f"q{n}": n for n in range(300)}}]
    real = {"userId": "ada", "event": "bought", "properties": {"amount": 1}}
    async with running(dsn, now) as app:

        async def arrives(*events: dict[str, Any]) -> set[str]:
            for start in range(0, len(events), 500):
                await app.track(*events[start : start + 500])
            await app.service.registry.flush()
            listed = (await app.read.get(EVENTS)).json()
            assert sum(row["total"] for row in listed["events"]) + listed["overflow"] == counted[0], "none is lost"
            return {row["name"] for row in listed["events"]}

        counted = [len(junk)]
        assert len(await arrives(*junk)) == 1_000
        counted[0] += 11
        assert "bought" not in await arrives(*[real] * 11), "it is full"
        await plan(app, "planned", properties={})
        now.now += 10 * MINUTE_MS
        counted[0] += 2
        assert "planned" in await arrives({**real, "event": "planned"}, *wide)
        now.now += 2 * HOUR_MS
        async with transaction(app.service.pool) as connection:
            await prune(connection, app.environment_id, now())
        counted[0] += 3
        # of new names, the most frequent comes first
        known = await arrives(real, real, *[{**real, "event": "twice"}])
        assert {"bought", "planned", "twice"} <= known and len(known) == 752
        async with transaction(app.service.pool) as connection:
            await prune(connection, app.environment_id, now() + 2 * HOUR_MS)
        sdks = (await app.read.get("/v1/registry/sdks")).json()
        assert len(sdks["sdks"]) <= 150 and sdks["overflow"] > 100


async def test_what_passes_is_known(app: Application) -> None:
    library = {"library": {"name": "js", "version": "1.2"}, "os": {"name": "iOS"}}
    await app.track(
        {"userId": "ada", "event": "purchase", "properties": {"amount": 5, "cart": {"size": 2}}, "context": library},
        {"userId": "ada", "event": "purchase", "properties": {"amount": "5"}},
        {"userId": "bob", "event": "open", "messageId": "m-1"},
        {"userId": "bob", "event": "open", "messageId": "m-1"},
    )
    listed = (await app.read.get(EVENTS)).json()
    found = {row["name"]: row for row in listed["events"]}
    assert (found["purchase"]["total"], found["purchase"]["today"], found["purchase"]["properties"]) == (2, 2, 3)
    assert found["open"]["total"] == 1, "a message that came twice counts once"
    assert found["purchase"]["state"] == "active" and listed["overflow"] == 0

    whole = await page(app, "purchase")
    properties = {row["name"]: row for row in whole["properties"]}
    assert {(one["type"], one["n"]) for one in properties["amount"]["types"]} == {("number", 1), ("string", 1)}
    assert properties["amount"]["state"] == "unstable" and "string" in properties["amount"]["why"]
    assert properties["amount"]["example"] == "5" and properties["cart.size"]["example"] == 2
    assert (properties["amount"]["share"], properties["cart.size"]["share"]) == (1, 0.5)
    assert [hour["n"] for hour in whole["hours"]] == [2] and [day["n"] for day in whole["days"]] == [2]
    assert {(sdk["sdk"], sdk["n"]) for sdk in whole["sdks"]} == {("js 1.2", 1), ("", 1)}

    amount = (await app.read.get(f"{EVENTS}/purchase/properties/amount")).json()
    assert {(day["type"], day["share"]) for day in amount["days"]} == {("number", 0.5), ("string", 0.5)}
    assert {(sdk["sdk"], sdk["type"]) for sdk in amount["sdks"]} == {("js 1.2", "number"), ("", "string")}
    sdks = (await app.read.get("/v1/registry/sdks")).json()["sdks"]
    assert {(row["library"], row["version"], row["platform"], row["total"]) for row in sdks} == {
        ("js", "1.2", "iOS", 1),
        ("", "", "", 2),
    }
    assert (await app.stranger.get(EVENTS)).json()["events"] == []
    missing = await app.read.get(f"{EVENTS}/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "name",
    ["paid/by card", "/", "a//b/", "100% off", "50%2Foff", "a%252Fb", "größe/maß", "👍?x=1#y", "a+b&c", "properties"],
)
async def test_any_name_can_be_asked_for_by_its_address(app: Application, name: str) -> None:
    encoded = quote(name, safe="")
    await app.track({"userId": name, "event": name, "properties": {name: 1}})
    assert (await page(app, encoded))["event"]["name"] == name
    found = await app.read.get(f"{EVENTS}/{encoded}/properties/{encoded}")
    assert (found.status_code, found.json()["event"], found.json()["property"]["name"]) == (200, name, name), found.text
    assert (await plan(app, encoded, description="odd"))["saved"]["event"] == name
    versions = (await app.read.get(f"{PLAN}/{encoded}/versions")).json()
    assert (versions["event"], len(versions["versions"])) == (name, 1)
    assert (await app.admin.delete(f"{PLAN}/{encoded}")).status_code == 200
    assert (await app.read.get(f"/v1/profiles/{encoded}")).json()["identifiers"] == [{"kind": "userId", "value": name}]
    assert (await app.admin.delete(f"/v1/admin/profiles/{encoded}")).json()["profiles"] == 1
    nowhere = await app.read.get(f"/v1/nowhere/{encoded}")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "ROUTE_NOT_FOUND")
    zero = await app.read.get(f"{EVENTS}/{encoded}%2F%00")
    assert (zero.status_code, zero.json()["code"]) == (400, "INVALID_REQUEST")


async def test_two_processes_add_up_and_a_rebuild_finds_the_same(app: Application, dsn: str) -> None:
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    async with running(dsn) as other:
        for n in range(3):
            await app.track({"userId": "ada", "event": "open", "properties": {"n": n}})
            await other.track({"userId": "ada", "event": "open", "properties": {"n": str(n)}})
    # The other process wrote what it had when it stopped.
    listed = (await app.read.get(EVENTS)).json()
    found = {row["name"]: row["total"] for row in listed["events"]}
    assert found == {"open": 6, "$identify": 1}
    before = await page(app, "open")
    assert await rebuild(app.service.environment(app.environment_id)) == 7
    assert (await app.read.get(EVENTS)).json() == listed
    assert await page(app, "open") == before


async def test_the_registry_never_delays_or_fails_ingestion(app: Application) -> None:
    await app.service.pool.execute("ALTER TABLE registry_types RENAME TO away")
    await app.track({"userId": "ada", "event": "open"})
    await app.service.registry.flush()
    assert app.service.registry.counts["flushes_lost"] == 1
    await app.service.pool.execute("ALTER TABLE away RENAME TO registry_types")
    await app.track({"userId": "ada", "event": "open"})
    assert [row["total"] for row in (await app.read.get(EVENTS)).json()["events"]] == [1]


async def test_a_changed_type_is_listed_with_its_days_and_sdks(dsn: str) -> None:
    """A release of the app sends texts where numbers came, drops a property, and the old release dies out."""
    start = 20_000 * DAY_MS
    now = ManualClock(start)

    def opened(day: int, version: str, **properties: Any) -> Message:
        at = start + day * DAY_MS
        return Message(
            kind="track",
            message_id=f"{day} {version}",
            identifiers=(Identifier("userId", "ada"),),
            occurred_at=at,
            received_at=at,
            name="open",
            properties=properties,
            context={"library": {"name": "app", "version": version}},
        )

    async with services(dsn, 1, now) as [service]:
        shop = await new_environment(service.pool, "shop", {}, start)
        await service.catalogs.refresh(service.pool, shop)
        old = [opened(day, "1.0", amount=5, plan="pro") for day in range(30)]
        new = [opened(day, "2.0", amount="5") for day in range(25, 60)]
        await service.ingest.accept(shop, [*old, *new])
        await service.registry.flush()
        plan = service.plans.of(shop)

        async def state(day: int, name: str = "amount") -> PropertySummary:
            now.now = start + day * DAY_MS
            return (await property_of(Environment(shop, service.pool, now), plan, "open", name)).property

        assert (await state(30)).state == "unstable", "both releases are in use"
        changed = await state(59)
        assert changed.state == "type_changed" and "number" in changed.why and "string" in changed.why
        assert [(one.type, one.n, one.first_seen[:10]) for one in changed.types] == [
            ("string", 35, "2024-10-29"),
            ("number", 30, "2024-10-04"),
        ]
        page = await property_of(Environment(shop, service.pool, now), plan, "open", "amount")
        assert [(sdk.sdk, sdk.type, sdk.n) for sdk in page.sdks] == [
            ("app 2.0", "string", 35),
            ("app 1.0", "number", 30),
        ]
        assert {day.share for day in page.days if day.day == "2024-10-30"} == {0.5}
        assert (await state(59, "plan")).state == "active", "its event came for less than 30 days without it"
        await service.ingest.accept(shop, [opened(61, "2.0")])
        await service.registry.flush()
        assert (await state(61, "plan")).state == "deprecated"


# The plan


async def test_an_event_that_breaks_the_plan_is_taken_and_says_so(app: Application) -> None:
    saved = await plan(app, "purchase", properties={"amount": {"type": "number", "required": True}})
    assert saved["saved"]["version"] == 1 and saved["saved"]["changedBy"] == "bootstrap admin"
    await app.track(
        {"userId": "ada", "event": "purchase", "properties": {"amount": "19.99"}},
        {"userId": "bob", "event": "purchase", "properties": {}},
    )
    (event,) = await stored(app, "ada")
    assert event["properties"]["amount"] == 19.99, "a declared type is converted to once, on arrival"
    assert [w["code"] for w in event["warnings"]] == ["CONVERTED"]
    (event,) = await stored(app, "bob")
    assert event["warnings"] == [
        {"code": "MISSING_PROPERTY", "path": "$.properties.amount", "message": "'amount' is required."}
    ]
    found = (await app.read.get("/v1/registry/violations", params={"event": "purchase"})).json()["violations"]
    assert {(row["code"], row["path"], row["n"], row["rejected"]) for row in found} == {
        ("CONVERTED", "$.properties.amount", 1, False),
        ("MISSING_PROPERTY", "$.properties.amount", 1, False),
    }


async def test_the_converted_value_is_what_counts(app: Application) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await plan(app, "purchase", properties={"amount": {"type": "number"}})
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": "5"}})
    person = (await app.read.get("/v1/profiles/ada")).json()
    assert person["traits"]["spent"]["value"] == 5


async def test_an_entry_may_reject_and_block(app: Application) -> None:
    await plan(app, "purchase", enforce="reject", properties={"amount": {"type": "number", "required": True}})
    await plan(app, "old", status="blocked")
    batch = [
        {"type": "track", "userId": "ada", "event": "purchase", "properties": {"amount": "x"}, "messageId": "wrong"},
        {"type": "track", "userId": "ada", "event": "old"},
        {"type": "track", "userId": "ada", "event": "purchase", "properties": {"amount": 5}},
    ]
    answer = (await app.write.post("/v1/batch", json={"batch": batch})).json()
    assert answer["accepted"] == 1 and answer["duplicates"] == 0
    assert [(r["code"], r["path"]) for r in answer["rejected"]] == [
        ("PLAN_VIOLATION", "$.properties.amount"),
        ("EVENT_BLOCKED", "$.event"),
    ]
    assert "'wrong'" in answer["rejected"][0]["message"]
    single = await app.write.post("/v1/track", json={"userId": "ada", "event": "old"})
    assert (single.status_code, single.json()["code"]) == (400, "EVENT_BLOCKED")
    assert len(await stored(app, "ada")) == 1
    kept = await app.service.pool.fetch("SELECT code, payload FROM rejected_messages")
    assert sorted(row["code"] for row in kept) == ["EVENT_BLOCKED", "EVENT_BLOCKED", "PLAN_VIOLATION"]
    payload = next(row["payload"] for row in kept if row["code"] == "PLAN_VIOLATION")
    found = (await app.read.get("/v1/registry/violations")).json()["violations"]
    assert {(row["event"], row["code"], row["n"], row["rejected"]) for row in found} == {
        ("purchase", "WRONG_TYPE", 1, True),
        ("old", "EVENT_BLOCKED", 2, True),
    }
    # Once the plan allows it, the payload that was kept can be sent as it is.
    await plan(app, "purchase", properties={})
    again = await app.write.post("/v1/batch", content=b'{"batch": [' + payload + b"]}")
    assert again.json()["accepted"] == 1


async def test_an_entry_has_versions_and_no_edit_overwrites_another(app: Application, dsn: str) -> None:
    first = await app.admin.put(f"{PLAN}/open", json={"owner": "web"}, headers={"If-Match": '"0"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    late = await app.admin.put(f"{PLAN}/open", json={"owner": "app"}, headers={"If-Match": '"0"'})
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (409, "VERSION_CONFLICT", 1)
    listed = (await app.read.get(PLAN)).json()["entries"]
    assert [(row["event"], row["entry"]["owner"]) for row in listed] == [("open", "web")]
    planned = (await app.read.get(EVENTS)).json()["events"]
    assert [(row["name"], row["state"], row["total"]) for row in planned] == [("open", "planned", 0)]
    assert (await app.admin.delete(f"{PLAN}/open")).json()["entry"] is None
    assert (await app.read.get(PLAN)).json()["entries"] == []
    gone = await app.admin.delete(f"{PLAN}/open")
    assert (gone.status_code, gone.json()["code"]) == (404, "NOT_FOUND")
    found = (await app.read.get(f"{PLAN}/open/versions")).json()["versions"]
    assert [(row["version"], row["entry"] is None) for row in found] == [(2, True), (1, False)]
    assert (await app.read.put(f"{PLAN}/open", json={})).status_code == 403


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"statsu": "active"}, "statsu"),
        ({"properties": {"a": {"type": "text"}}}, "type"),
        ({"properties": {"a..b": {}}}, "$.properties.a..b"),
        ({"properties": {"a": {"type": "string", "minimum": 1}}}, "$.properties.a"),
        ({"properties": {"a": {"type": "number", "minimum": "NaN"}}}, "$.properties.a"),
        ({"properties": {"a": {"type": "number", "maximum": "Infinity"}}}, "$.properties.a"),
        ({"properties": {"a": {"type": "number", "minimum": []}}}, "minimum"),
        ({"properties": {"a": {"type": "number", "values": ["x"]}}}, "$.properties.a.values"),
        ({"properties": {"a": {"values": []}}}, "$.properties.a.values"),
        ({"properties": {"a": {"type": "boolean", "maxLength": 1}}}, "$.properties.a.maxLength"),
    ],
)
async def test_a_plan_that_cannot_be_is_refused(app: Application, entry: dict[str, Any], where: str) -> None:
    answer = await app.admin.put(f"{PLAN}/open", json=entry)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PLAN")
    assert where in answer.json()["message"]


@pytest.mark.parametrize("name", ["$identify", "$group"])
async def test_traits_are_planned_under_the_names_of_their_calls(app: Application, name: str) -> None:
    planned = await app.admin.put(f"{PLAN}/{name}", json={"properties": {"plan": {"type": "string"}}})
    assert planned.status_code == 200, planned.text


@pytest.mark.parametrize("name", ["$pageview", "$", "n" * 257])
async def test_a_name_that_no_message_can_have_is_not_planned(app: Application, name: str) -> None:
    answer = await app.admin.put(f"{PLAN}/{name}", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PLAN")
    assert (await app.read.get(PLAN)).json()["entries"] == []


async def test_names_are_held_against_the_policy(app: Application) -> None:
    saved = await app.admin.put("/v1/admin/policies/naming", json={"events": "snake_case", "unplanned": True})
    assert saved.status_code == 200, saved.text
    await app.track({"userId": "ada", "event": "Order Completed"})
    (event,) = await stored(app, "ada")
    assert [w["code"] for w in event["warnings"]] == ["UNPLANNED_EVENT", "NAMING"]


async def test_another_process_goes_by_a_new_plan(app: Application, dsn: str) -> None:
    async with running(dsn) as other:
        await plan(app, "open", status="blocked")

        async def refuses() -> bool:
            return "open" in other.service.plans.of(app.environment_id).entries

        assert await eventually(refuses)
        answer = await other.write.post("/v1/track", json={"userId": "ada", "event": "open"})
        assert answer.json()["code"] == "EVENT_BLOCKED"


# What expressions know of it


async def test_a_plan_says_which_definitions_contradict_it_and_editors_do(app: Application) -> None:
    await app.define("trait", key="big", expression='events.purchase.where(amount == "5").count(30d)')
    await app.define("trait", key="fine", expression="events.purchase.sum(amount, 30d)")
    entry = {"properties": {"amount": {"type": "number"}}}
    tried = (await app.admin.put(f"{PLAN}/purchase", json=entry, params={"dryRun": True})).json()
    assert [(one["kind"], one["key"]) for one in tried["breaks"]] == [("trait", "big")]
    assert tried["saved"]["version"] == 0 and (await app.read.get(PLAN)).json()["entries"] == []
    assert (await plan(app, "purchase", **entry))["breaks"] == tried["breaks"]

    body = {"kind": "segment", "expression": 'events.purchase.where(amount == "7").count(7d) >= 1'}
    checked = (await app.admin.post("/v1/dsl/check", json=body)).json()
    assert checked["valid"] is True
    assert any("The tracking plan says so." in d["message"] for d in checked["diagnostics"]), checked
    right = {"kind": "segment", "expression": "events.purchase.where(amount > 7).count(7d) >= 1"}
    checked = (await app.admin.post("/v1/dsl/check", json=right)).json()
    assert not any("tracking plan" in d["message"] for d in checked["diagnostics"])


async def test_editors_propose_what_arrived_and_what_is_planned(app: Application) -> None:
    await app.track(*({"userId": "ada", "event": "open", "properties": {"rare": 1}} for _ in range(2)))
    await app.service.registry.flush()
    await plan(app, "checkout", properties={"total": {"type": "number"}})
    await plan(app, "secret", visible=False)

    async def labels(expression: str, **of: str) -> list[str]:
        body = {"kind": "segment", "source": expression, "position": len(expression), **of}
        answer = await app.admin.post("/v1/dsl/complete", json=body)
        assert answer.status_code == 200, answer.text
        return [item["label"] for item in answer.json()["items"]]

    events = await labels("events.")
    assert "checkout" in events and "open" in events and "secret" not in events
    assert "total" in await labels("events.checkout.sum(")
    assert "rare" in await labels("events.open.sum(")
    assert "total" in await labels("to", kind="where", event="checkout")
    assert "total" not in await labels("to", kind="where", event="open")
    assert "total" not in await labels("to", kind="where")
    assert await labels("events.", kind="people") == []
    hovered = {"kind": "where", "event": "checkout", "source": "total > 5", "position": 2}
    answer = await app.admin.post("/v1/dsl/hover", json=hovered)
    assert answer.json()["markdown"] == "**total** · property of the event · number"


async def test_many_at_once_are_all_counted(app: Application) -> None:
    await asyncio.gather(*(app.track({"userId": f"u{n}", "event": "open"}) for n in range(40)))
    assert [row["total"] for row in (await app.read.get(EVENTS)).json()["events"]] == [40]
