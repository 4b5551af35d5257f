"""Privacy as admins meet it: erasure with its receipt, suppression, rules, consent, and what a person may ask for."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.privacy import find_traces
from tinycdp.store.registry import append_live_batches

SECRET = "ada@lovelace.example"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def send(app: Application, *batch: dict[str, Any]) -> dict[str, Any]:
    answer = await app.write.post("/v1/batch", json={"batch": list(batch)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def traces(app: Application, *texts: str) -> dict[str, int]:
    async with app.service.pool.acquire() as connection:
        return dict(await find_traces(connection, app.environment_id, [], [], texts))


async def policy(app: Application, **document: Any) -> None:
    answer = await app.admin.put("/v1/admin/policies/privacy", json=document)
    assert answer.status_code == 200, answer.text


async def allowed(app: Application, **person: str) -> bool:
    """Asked without leaving an exposure: an erased profile would have one again."""
    asked = {**person, "flag": "beta", "exposure": "false"}
    return bool((await app.read.get("/v1/decide", params=asked)).json()["allow"])


# Erasure


async def populate(app: Application) -> None:
    await app.define("segment", key="buyers", rule="events.purchase.exists(7d)")
    await app.define("segment", key="gold", rule='group.tier == "gold"')
    await app.define(
        "flag",
        key="beta",
        type="boolean",
        variants={"on": True, "off": False},
        offVariant="off",
        default={"serve": "off"},
        rules=[{"id": "buyers", "when": "segments.buyers", "serve": "on"}],
        stickyFor="1h",
    )
    await send(
        app,
        {"type": "track", "anonymousId": "browser-of-ada", "event": "purchase", "properties": {"item": "engine-77"}},
        {"type": "track", "userId": "ada-old", "event": "purchase"},
        {"type": "track", "userId": "bob", "event": "purchase", "messageId": "bobs"},
    )
    await send(app, {"type": "identify", "userId": "ada", "anonymousId": "browser-of-ada", "traits": {"mail": SECRET}})
    await send(app, {"type": "alias", "userId": "ada", "previousId": "ada-old"})
    await send(app, {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"tier": "gold", "cto": "Charles"}})
    await send(app, {"type": "group", "userId": "bob", "groupId": "acme", "traits": {"seats": 3}})
    await send(app, {"type": "track", "userId": "ada", "event": ""}, {"type": "nonsense", "userId": "bob"})
    for user in ("ada", "bob"):
        answer = await app.read.post("/v1/decide", json={"userId": user, "flags": ["beta"], "sessionId": f"of-{user}"})
        assert answer.json()["flags"]["beta"]["allow"] is True
    await app.service.exposures.flush()


async def test_an_erased_person_is_nowhere_and_a_stranger_at_once(app: Application) -> None:
    await populate(app)
    held = {"identifiers", "events", "exposures", "session_variants", "merges", "profiles"}
    assert held <= (await traces(app, "ada", SECRET)).keys()
    before = (await app.admin.get("/v1/admin/users/bob")).json()

    dry_run = (await app.admin.delete("/v1/admin/profiles/ada?dryRun=true")).json()
    assert (dry_run["id"], dry_run["profiles"], dry_run["identifiers"], dry_run["dryRun"]) == (None, 1, 4, True)
    assert await allowed(app, userId="ada")

    receipt = (await app.admin.delete("/v1/admin/profiles/ada")).json()
    assert receipt["counts"] == dry_run["counts"]
    assert receipt["counts"]["events"] == 5
    assert receipt["counts"]["rejected_messages"] == 1
    assert not await allowed(app, userId="ada")
    assert not await allowed(app, anonymousId="browser-of-ada")
    assert (await app.admin.get("/v1/profiles/ada")).status_code == 404
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    while await worker.update_group_members():  # that their group has another CTO, or none
        pass
    assert await traces(app, "ada", "ada-old", "browser-of-ada", SECRET, "engine-77", "Charles") == {}
    assert SECRET not in json.dumps(receipt)

    assert await allowed(app, userId="bob")
    after = (await app.admin.get("/v1/admin/users/bob")).json()
    assert [event["messageId"] for event in after["recentEvents"]] == [e["messageId"] for e in before["recentEvents"]]
    group = (await app.admin.get("/v1/admin/groups/acme")).json()
    assert (group["traits"], group["members"]) == ({"seats": 3}, 1)
    rejections = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert ["bob" in r["payload"] for r in rejections] == [True]

    found = (await app.admin.get(f"/v1/admin/erasures/{receipt['id']}")).json()
    assert found == receipt
    assert (await app.admin.get("/v1/admin/erasures")).json()["erasures"] == [receipt]
    identifiers = [{"kind": "userId", "value": "ada"}, {"kind": "anonymousId", "value": "browser-of-ada"}]
    check = await app.admin.post(f"/v1/admin/erasures/{receipt['id']}/check", json={"identifiers": identifiers})
    assert check.json() == {"clean": True, "found": []}
    wrong = {"identifiers": [{"kind": "userId", "value": "bob"}]}
    assert (await app.admin.post(f"/v1/admin/erasures/{receipt['id']}/check", json=wrong)).status_code == 400
    assert (await app.stranger.get(f"/v1/admin/erasures/{receipt['id']}")).status_code == 404


async def test_an_erased_profile_that_comes_back_is_new_to_sessions_and_counts(app: Application) -> None:
    await populate(app)

    async def decided() -> tuple[str, int]:
        """The variant, and how many exposures there are."""
        asked = {"userId": "eve", "flags": ["beta"], "sessionId": "of-eve"}
        answer = (await app.read.post("/v1/decide", json=asked)).json()["flags"]["beta"]
        await app.service.exposures.flush()
        n: int = await app.service.pool.fetchval("SELECT count(*) FROM exposures WHERE unit = 'eve'")
        return answer["variant"], n

    await app.track({"userId": "eve", "event": "purchase"})
    assert await decided() == ("on", 1)
    for _ in range(2):
        assert (await app.admin.delete("/v1/admin/profiles/eve")).status_code == 200
        await app.track({"userId": "eve", "event": "open"})
        assert await decided() == ("off", 1)


@pytest.mark.parametrize("name", ["eve-77", "userId:eve-77"])
async def test_an_identifier_without_a_profile_is_erased_too(app: Application, name: str) -> None:
    await populate(app)
    asked = {"userId": "eve-77", "flags": ["beta"], "sessionId": "of-eve"}
    assert (await app.read.post("/v1/decide", json=asked)).status_code == 200
    await send(app, {"type": "track", "userId": "eve-77", "event": ""}, {"type": "nonsense", "userId": "bob"})
    url = f"/v1/admin/profiles/{name}"
    dry_run = (await app.admin.delete(f"{url}?dryRun=true")).json()
    receipt = (await app.admin.delete(f"{url}?suppress=true")).json()
    assert receipt["counts"] == dry_run["counts"]
    assert {table: n for table, n in receipt["counts"].items() if n} == {
        "exposures": 1,
        "session_variants": 1,
        "rejected_messages": 1,
    }
    assert (receipt["profiles"], receipt["identifiers"], receipt["profileIds"]) == (1, 1, [])
    assert await traces(app, "eve-77") == {}
    check = f"/v1/admin/erasures/{receipt['id']}/check"
    identifiers = [{"kind": "userId", "value": "eve-77"}]
    assert (await app.admin.post(check, json={"identifiers": identifiers})).json()["clean"]
    assert (await send(app, {"type": "track", "userId": "eve-77", "event": "a"}))["accepted"] == 0
    assert (await app.admin.delete(url)).status_code == 404


@pytest.mark.parametrize("spelled", [r"Zo\u00EB\/of\u0026co", r"Zo\u00eb/of&co", "Zoë/of&co"])
async def test_a_rejected_payload_is_erased_however_its_client_spelled_the_name(app: Application, spelled: str) -> None:
    event = r'{"userId": "%s", "type": "track", "event": "%s"%s}'
    events = [
        event % (spelled, "a", ""),
        event % (spelled, "", ""),
        event % (spelled, "a", ', "properties": {"long": "%s"}' % ("x" * 40_000)),
        event % (r"\u00d6zil\/co", "b", ', "properties": {"long": "%s"}' % ("x" * 40_000)),
    ]
    body = f'{{"batch": [{", ".join(events)}]}}'.encode()
    assert (await app.write.post("/v1/batch", content=body)).json()["accepted"] == 1
    receipt = (await app.admin.post("/v1/admin/erasures", json={"profiles": ["Zoë/of&co"]})).json()
    assert receipt["counts"]["rejected_messages"] == 2
    (other,) = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert "zil" in other["payload"]
    check, identifiers = f"/v1/admin/erasures/{receipt['id']}/check", [{"kind": "userId", "value": "Zoë/of&co"}]
    assert (await app.admin.post(check, json={"identifiers": identifiers})).json() == {"clean": True, "found": []}
    await app.write.post("/v1/batch", content=body)
    found = (await app.admin.post(check, json={"identifiers": identifiers})).json()["found"]
    assert {"table": "rejected_messages", "rows": 2} in found


async def test_what_waits_for_readers_that_are_gone_is_erased(app: Application) -> None:
    await app.track({"userId": "ada-77", "event": "a"})
    item = json.dumps({"stored": {"userId": "ada-77"}}).encode()
    async with app.service.pool.acquire() as connection:
        await append_live_batches(connection, app.environment_id, app.service.now(), [("gone", 1, item)])
    assert (await traces(app, "ada-77")).keys() > {"live_batches"}
    await app.admin.delete("/v1/admin/profiles/ada-77")
    assert await traces(app, "ada-77") == {}


async def test_what_is_sent_again_does_not_bring_a_profile_back(app: Application) -> None:
    purchase = {"type": "track", "userId": "ada", "event": "purchase", "messageId": "m-1"}
    await send(app, purchase)
    assert (await app.admin.delete("/v1/admin/profiles/ada")).status_code == 200
    again = await send(app, purchase)
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert (await app.admin.get("/v1/profiles/ada")).status_code == 404
    await send(app, {**purchase, "messageId": "m-2"})
    assert (await app.admin.get("/v1/profiles/ada")).status_code == 200


async def test_a_check_reports_an_erased_identifier_that_is_back(app: Application) -> None:
    await send(app, {"type": "track", "userId": "ada-77", "event": "a", "properties": {"note": 'said "ada-77"'}})
    receipt = (await app.admin.delete("/v1/admin/profiles/ada-77")).json()
    await send(app, {"type": "track", "userId": "bob", "event": "a", "properties": {"friend": "ada-77"}})
    identifiers = {"identifiers": [{"kind": "userId", "value": "ada-77"}]}
    found = (await app.admin.post(f"/v1/admin/erasures/{receipt['id']}/check", json=identifiers)).json()
    assert found == {"clean": False, "found": [{"table": "events", "rows": 1}]}


async def test_several_at_once_and_none(app: Application) -> None:
    await app.track(*({"userId": f"u-{n}", "event": "a"} for n in range(5)))
    body = {"profiles": ["u-1", "u-2", "u-1", "u-3"], "note": "ticket 7"}
    receipt = (await app.admin.post("/v1/admin/erasures", json=body)).json()
    assert (receipt["profiles"], receipt["identifiers"], receipt["note"]) == (3, 3, "ticket 7")
    left = [(await app.admin.get(f"/v1/profiles/u-{n}")).status_code for n in range(5)]
    assert left == [200, 404, 404, 404, 200]
    assert (await app.admin.delete("/v1/admin/profiles/u-1")).json()["code"] == "PROFILE_NOT_FOUND"
    assert (await app.admin.post("/v1/admin/erasures", json={"profiles": []})).status_code == 400


async def test_messages_under_way_go_before_or_after(app: Application) -> None:
    """While a person sends without pause, what is there after each erasure is what was sent after it."""
    sent = 0

    async def sending() -> None:
        nonlocal sent
        for n in range(120):
            await send(app, {"type": "track", "userId": "ada", "anonymousId": f"a-{n % 7}", "event": "a"})
            sent += 1

    async def erasing() -> int:
        erased = 0
        while not done.is_set():
            answer = await app.admin.delete("/v1/admin/profiles/ada")
            assert answer.status_code in {200, 404}, answer.text
            if answer.status_code == 200:
                erased += answer.json()["counts"]["events"]
            await asyncio.sleep(0.01)
        return erased

    done = asyncio.Event()
    eraser = asyncio.create_task(erasing())
    await asyncio.gather(sending(), sending())
    done.set()
    erased = await eraser
    async with app.service.pool.acquire() as connection:
        left = await connection.fetchval("SELECT count(*) FROM events")
        loose = await connection.fetchval(
            "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT FROM identifiers a JOIN profiles p ON"
            " p.environment_id = a.environment_id AND p.id = a.profile_id WHERE a.id = e.identifier_id)"
        )
    assert (erased + left, loose) == (sent, 0)


# Suppression


async def test_suppressed_identifiers_are_rejected_and_nothing_is_kept(app: Application) -> None:
    named = {"identifiers": [{"kind": "userId", "value": "ada"}], "note": "objected"}
    assert (await app.admin.post("/v1/admin/suppressions", json=named)).json()["changed"] == 1
    assert (await app.admin.post("/v1/admin/suppressions", json=named)).json()["changed"] == 0
    answer = await send(
        app,
        {"type": "track", "userId": "ada", "event": "a", "properties": {"mail": SECRET}},
        {"type": "alias", "userId": "ada-new", "previousId": "ada"},
        {"type": "nonsense", "userId": "ada", "properties": {"mail": SECRET}},
        {"type": "track", "userId": "bob", "event": "a"},
    )
    assert answer["accepted"] == 1
    assert sorted(r["code"] for r in answer["rejected"]) == ["SUPPRESSED", "SUPPRESSED", "UNKNOWN_TYPE"]
    assert await traces(app, "ada", "ada-new", SECRET) == {}
    single = await app.write.post("/v1/track", json={"userId": "ada", "event": "a"})
    assert (single.status_code, single.json()["code"]) == (400, "SUPPRESSED")
    listed = (await app.admin.get("/v1/admin/suppressions")).json()["suppressions"]
    assert [(entry["kind"], entry["note"]) for entry in listed] == [("userId", "objected")]

    assert (await app.admin.request("DELETE", "/v1/admin/suppressions", json=named)).json()["changed"] == 1
    assert (await send(app, {"type": "track", "userId": "ada", "event": "a"}))["accepted"] == 1


async def test_an_erasure_may_suppress(app: Application) -> None:
    await app.track({"userId": "ada", "anonymousId": "b-1", "event": "a"})
    assert (await app.admin.delete("/v1/admin/profiles/ada?suppress=true")).status_code == 200
    assert (await send(app, {"type": "track", "anonymousId": "b-1", "event": "a"}))["accepted"] == 0
    assert await traces(app, "ada", "b-1") == {}


# Rules


async def test_what_rules_hide_is_nowhere_in_the_database(app: Application) -> None:
    await policy(
        app,
        rules=[
            {"path": "**.email", "action": "hash"},
            {"path": "context.traits.secret", "action": "drop"},
            {"path": "properties.card", "action": "mask", "event": "purchase"},
            {"path": "traits.phone", "action": "drop"},
            {"path": "properties.page.url", "action": "drop"},
        ],
    )
    await app.define("segment", key="known", rule="exists(profile.email)")
    answer = await send(
        app,
        {"type": "identify", "userId": "u", "traits": {"email": SECRET, "phone": "+49-30-1234567", "plan": "pro"}},
        {"type": "identify", "userId": "u", "context": {"traits": {"phone": "+49-30-1234567", "secret": "xyzzy-1"}}},
        {
            "type": "track",
            "userId": "u",
            "event": "purchase",
            "properties": {
                "card": "4111111111111234",
                "who": [{"email": SECRET}],
                "page.url": "https://xyzzy-2.example",
            },
            "context": {"email": SECRET},
        },
        {"type": "track", "userId": "u", "event": "", "properties": {"who": {"email": SECRET}}},
        {"type": "group", "userId": "u", "groupId": "g", "traits": {"email": SECRET}},
    )
    assert answer["accepted"] == 4
    assert await traces(app, SECRET, "1234567", "4111111111111234", "xyzzy") == {}
    person = (await app.admin.get("/v1/profiles/u")).json()
    assert person["properties"].keys() == {"email", "plan"}
    hashed = person["properties"]["email"]
    assert len(hashed) == 32
    event = (await app.admin.get("/v1/journeys/u")).json()["events"]
    bought = next(e for e in event if e["event"] == "purchase")
    assert bought["properties"] == {"card": "****1234", "who": [{"email": hashed}]}
    assert bought["context"]["email"] == hashed
    kept = (await app.admin.get("/v1/admin/rejections")).json()["rejections"][0]
    assert hashed in kept["payload"]


async def test_rules_reach_what_protocols_hide_elsewhere(app: Application) -> None:
    await policy(app, rules=[{"path": "properties.card", "action": "drop"}, {"path": "traits.ssn", "action": "drop"}])
    card, ssn = "4111111111111234", "123-45-678"
    answer = await app.write.post(
        "/batch",
        json={
            "batch": [
                {"event": "buy", "distinct_id": "u", "properties": {"$set_once": {"ssn": ssn}, "$set": {"ssn": ssn}}},
                {"event": "buy", "properties": {"card": card, "$set_once": {"ssn": ssn}}},
                {"event": "buy", "distinct_id": "u", "properties": {}, "$set": [{"ssn": ssn}]},
            ]
        },
    )
    assert answer.status_code == 200, answer.text
    for unnamed in (json.dumps({"card": card}), [card]):
        event = {"userId": "u", "event": "buy", "properties": unnamed}
        assert (await app.write.post("/v1/track", json=event)).json()["code"] == "INVALID_PROPERTIES"
    assert await traces(app, card, ssn) == {}
    refused = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert sum(line["times"] for line in refused) == 4


async def test_an_address_is_nowhere_unless_it_is_to_be_kept(app: Application) -> None:
    address = "203.0.113.77"
    context = {"context": {"ip": address}}

    async def say() -> None:
        await send(
            app,
            {"type": "track", "userId": "u", "event": "a", **context},
            {"type": "track", "userId": "u", "event": "", **context},
            {"type": "track", "userId": "u", "event": "a", **context, "properties": {"big": "x" * 40_000}},
            {"type": "track", "userId": "u", "event": "a", "properties": {"big": "x" * 40_000}, **context},
        )
        posthog = {"event": "b", "distinct_id": "u", "properties": {"$ip": address, "n": 1}}
        await app.write.post("/e", json=posthog)
        await app.write.post("/e", json={**posthog, "distinct_id": None})
        for _ in range(2):
            await send(app, {"type": "track", "userId": "flood", "event": "a", **context})

    await app.admin.put("/v1/admin/policies/limits", json={"profileEventsPerMinute": 5})
    await asyncio.gather(*(say() for _ in range(4)))
    assert await traces(app, address) == {}
    refused = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert {r["code"] for r in refused} >= {"PROFILE_RATE_LIMIT", "EVENT_TOO_LARGE", "INVALID_EVENT_NAME"}
    await app.admin.put("/v1/admin/policies/limits", json={})
    await app.admin.put("/v1/admin/policies/enrichment", json={"storeIp": True})
    await say()
    assert {"events", "rejected_messages"} <= (await traces(app, address)).keys()


@pytest.mark.parametrize("path", ["email", "properties", "properties..a", "user.email", "properties.**", ""])
async def test_a_rule_that_says_nothing_is_refused(app: Application, path: str) -> None:
    answer = await app.admin.put("/v1/admin/policies/privacy", json={"rules": [{"path": path, "action": "drop"}]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY")


# Consent


@pytest.mark.parametrize(
    ("preferences", "unmentioned", "accepted"),
    [
        ({"Analytics": True, "Ads": True}, "denied", 2),
        ({"Analytics": True}, "denied", 1),
        ({"Analytics": True}, "granted", 2),
        ({"Analytics": False}, "granted", 0),
        ({"Analytics": "yes"}, "granted", 0),
        (None, "granted", 2),
        (None, "denied", 0),
    ],
)
async def test_a_message_without_consent_is_dropped(
    app: Application, preferences: dict[str, Any] | None, unmentioned: str, accepted: int
) -> None:
    rules = [{"categories": ["Analytics"]}, {"event": "ad_click", "categories": ["Ads"]}]
    await policy(app, consent=rules, unmentioned=unmentioned)
    context = {"consent": {"categoryPreferences": preferences}} if preferences is not None else {}
    events = [
        {"type": "track", "userId": "u", "event": name, "properties": {"mail": SECRET}, "context": context}
        for name in ("open", "ad_click")
    ]
    answer = await send(app, *events)
    assert answer["accepted"] == accepted
    assert [r["code"] for r in answer["rejected"]] == ["NO_CONSENT"] * (2 - accepted)
    if not accepted:
        assert await traces(app, SECRET) == {}


async def test_a_rejected_payload_is_kept_only_with_the_consent_that_it_needs(app: Application) -> None:
    await policy(app, consent=[{"event": "page", "categories": ["Ads"]}])
    unwilling = {"context": {"consent": {"categoryPreferences": {"Ads": False}}}, "properties": {"mail": SECRET}}
    page = {"userId": "u", "name": "Home", "timestamp": "never", **unwilling}
    await send(app, {"type": "page", **page})
    await app.write.post("/v1/page", json=page)
    assert await traces(app, SECRET) == {}
    await send(app, {"type": "track", "userId": "u", "event": "open", "timestamp": "never", **unwilling})
    assert (await traces(app, SECRET)).keys() == {"rejected_messages"}, "it needs no consent"


# Access


async def test_a_person_gets_everything(app: Application) -> None:
    await populate(app)
    many = [{"type": "track", "userId": "ada", "event": "view", "properties": {"n": n}} for n in range(700)]
    await send(app, *many)
    answer = await app.admin.get("/v1/admin/profiles/ada/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="profile.json"'
    found = answer.json()
    assert len(found["events"]) == 705
    assert found["profile"]["properties"] == {"mail": SECRET}
    assert found["group"]["id"] == "acme"
    assert [exposure["flag"] for exposure in found["exposures"]] == ["beta"]
    assert [one["session"] for one in found["variants"]] == ["of-ada"]
    assert len(found["graph"]["nodes"]) == 4
    assert {t["segment"] for t in found["transitions"]} == {"buyers", "gold"}
    assert len(found["rejectedMessages"]) == 1
    assert (await app.admin.get("/v1/admin/profiles/absent/export")).status_code == 404
