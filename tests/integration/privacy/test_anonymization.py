"""Anonymisation: what happened still counts, and nothing says who it was."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from tinycdp.engine import outbox as changes
from tinycdp.runtime import outbox
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.profiles.verify import verify
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.privacy import find_traces

ADA = ("ada-u", "ada-old", "browser-of-ada", "ada@lovelace.example", "engine-77", "Countess", "203-0-113", "m-of-ada")
IDENTIFIERS = [("userId", "ada-u"), ("userId", "ada-old"), ("anonymousId", "browser-of-ada")]


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def send(app: Application, *batch: dict[str, Any]) -> dict[str, Any]:
    answer = await app.write.post("/v1/batch", json={"batch": list(batch)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def populate(app: Application) -> None:
    planned = {
        "amount": {"type": "number"},
        "gift": {"type": "boolean"},
        "plan": {"type": "string", "values": ["pro", "free"]},
        "cart.items": {"type": "integer"},
        "note": {"type": "string"},
    }
    answer = await app.admin.put("/v1/registry/plan/purchase", json={"properties": planned})
    assert answer.status_code in {200, 201}, answer.text
    await app.define("segment", key="buyers", rule="events.purchase.exists(7d)")
    await app.define("segment", key="spenders", rule="events.purchase.sum(amount) >= 40")
    await app.define("segment", key="noble", rule="exists(profile.title)")
    await app.define("segment", key="readers", rule="segments.buyers and events.open.count() < 2")
    on = {"on": True, "off": False}
    rules = [{"id": "buyers", "when": "segments.buyers", "serve": "on"}]
    await app.define(
        "flag", key="beta", type="boolean", variants=on, offVariant="off", default={"serve": "off"}, rules=rules,
        stickyFor="1h",
    )  # fmt: skip
    bought = {"amount": 42, "gift": True, "plan": "pro", "cart": {"items": 3, "owner": "ada-u"}, "note": "engine-77"}
    await send(
        app,
        {
            "type": "track", "anonymousId": "browser-of-ada", "event": "purchase", "messageId": "m-of-ada",
            "properties": {**bought, "phone": 4917012345678, "plan_of": "ada-u"}, "context": {"page": "203-0-113"},
        },
        {"type": "track", "userId": "ada-old", "event": "purchase", "properties": {"amount": 0, "plan": "Countess"}},
        {"type": "track", "userId": "bob", "event": "purchase", "properties": {"amount": 7}},
    )  # fmt: skip
    traits = {"mail": "ada@lovelace.example", "title": "Countess"}
    await send(app, {"type": "identify", "userId": "ada-u", "anonymousId": "browser-of-ada", "traits": traits})
    await send(app, {"type": "alias", "userId": "ada-u", "previousId": "ada-old"})
    await send(app, {"type": "group", "userId": "ada-u", "groupId": "house-of-ada-u", "traits": {"tier": "gold"}})
    inactive = {"type": "track", "userId": "ada-u", "event": "open", "context": {"active": False}}
    await send(app, {"type": "track", "userId": "ada-u", "event": ""}, inactive)
    for user in ("ada-u", "bob"):
        await app.read.post("/v1/decide", json={"userId": user, "flags": ["beta"], "sessionId": f"of-{user}"})
    await app.service.exposures.flush()


async def traces(app: Application, *texts: str) -> dict[str, int]:
    async with app.service.pool.acquire() as connection:
        return dict(await find_traces(connection, app.environment_id, [], [], texts))


async def counts(app: Application) -> dict[str, Any]:
    """What analytics count, and how it was distributed over time."""

    async def rows(query: str) -> list[tuple[Any, ...]]:
        return sorted(map(tuple, await app.service.pool.fetch(query)))

    return {
        "profiles": await rows("SELECT count(*), min(created_at) FROM profiles WHERE merged_into IS NULL"),
        "identifiers": await rows("SELECT kind, count(*) FROM identifiers GROUP BY kind"),
        "events": await rows("SELECT id, kind, name, occurred_at, received_at, clamped FROM events"),
        "exposures": await rows("SELECT day, variant, rule, count(DISTINCT unit) FROM exposures GROUP BY 1, 2, 3"),
        "history": (await app.admin.get("/v1/admin/segments/buyers/history")).json()["buckets"],
        "members": await rows("SELECT fingerprint, entered_at FROM memberships"),
    }


async def test_what_happened_counts_and_nothing_says_who_it_was(app: Application) -> None:
    await populate(app)
    old = (await app.admin.get("/v1/profiles/ada-u")).json()["id"]
    held = {"identifiers", "events", "exposures", "session_variants", "merges", "profiles", "rejected_messages"}
    assert held <= (await traces(app, *ADA)).keys()
    before = await counts(app)
    bob = (await app.admin.get("/v1/profiles/bob")).json() | {"asOf": None}

    url = "/v1/admin/profiles/ada-u/anonymize"
    dry_run = (await app.admin.post(url, json={"dryRun": True})).json()
    assert (dry_run["id"], dry_run["kind"], dry_run["dryRun"]) == (None, "anonymization", True)
    assert await counts(app) == before
    assert (await app.admin.get("/v1/profiles/ada-u")).json()["id"] == old

    receipt = (await app.admin.post(url, json={"note": "ticket 7"})).json()
    assert receipt["counts"] == dry_run["counts"]
    assert (receipt["kind"], receipt["note"], receipt["profiles"]) == ("anonymization", "ticket 7", 1)
    assert receipt["counts"]["events"] == 6
    assert receipt["counts"]["exposures"] == 1
    assert receipt["counts"]["rejected_messages"] == 1
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    while await worker.update_group_members():
        pass
    assert await traces(app, *ADA, "house-of-ada-u", "4917012345678") == {}
    assert (await app.admin.get("/v1/profiles/ada-u")).status_code == 404
    assert (await app.admin.get(f"/v1/admin/erasures/{receipt['id']}")).json() == receipt
    identifiers = [{"kind": kind, "value": value} for kind, value in IDENTIFIERS]
    check = await app.admin.post(f"/v1/admin/erasures/{receipt['id']}/check", json={"identifiers": identifiers})
    assert check.json() == {"clean": True, "found": []}

    after = await counts(app)
    catalog = await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    noble = {segment.fingerprint for segment in catalog.segments if segment.name[1] == "noble"}
    assert {row[0] for row in before["members"]} > noble
    before["members"] = [row for row in before["members"] if row[0] not in noble]
    assert after == before
    assert (await app.admin.get("/v1/profiles/bob")).json() | {"asOf": None} == bob


async def anonymous(app: Application) -> str:
    """The id of the only profile with random identifiers."""
    query = "SELECT DISTINCT profile_id FROM identifiers WHERE value LIKE 'anonymous-%'"
    [row] = await app.service.pool.fetch(query)
    return str(row["profile_id"])


async def test_values_that_the_plan_declares_stay(app: Application) -> None:
    await populate(app)
    await app.admin.post("/v1/admin/profiles/ada-u/anonymize", json={})
    id = await anonymous(app)
    profile = (await app.admin.get(f"/v1/profiles/{id}?by=profileId")).json()
    assert profile["properties"] == {}
    said = [row["properties"] for row in await app.service.pool.fetch("SELECT properties FROM events ORDER BY id")]
    assert said[:3] == [
        {"amount": 42, "gift": True, "plan": "pro", "cart": {"items": 3}},
        {"amount": 0},
        {"amount": 7},
    ]
    assert not any(said[3:])
    contexts = await app.service.pool.fetch("SELECT DISTINCT context::text AS c FROM events e JOIN identifiers i"
                                            " ON i.id = e.identifier_id WHERE i.profile_id = $1", int(id))  # fmt: skip
    assert {row["c"] for row in contexts} == {"{}", '{"active": false}'}
    query = "SELECT entered, cause FROM transitions WHERE profile_id = $1 ORDER BY id DESC LIMIT 1"
    assert tuple(await app.service.pool.fetchrow(query, int(id))) == (False, "anonymization")
    assert (await verify(app.service.environment(app.environment_id), sample=None)).differences == 0


async def test_the_same_identifiers_make_a_new_profile_later(app: Application) -> None:
    await populate(app)
    again = {"type": "track", "anonymousId": "browser-of-ada", "event": "purchase", "messageId": "m-of-ada"}
    await app.admin.post("/v1/admin/profiles/ada-u/anonymize", json={})
    id = await anonymous(app)
    assert (await send(app, again))["duplicates"] == 1
    await send(app, {"type": "track", "userId": "ada-u", "anonymousId": "browser-of-ada", "event": "open"})
    found = (await app.admin.get("/v1/profiles/ada-u")).json()
    assert found["id"] != id
    assert found["segments"] == []
    assert (await app.admin.get(f"/v1/profiles/{id}?by=profileId")).json()["segments"] != []
    erased = (await app.admin.delete(f"/v1/admin/profiles/profileId:{id}")).json()
    check = await app.admin.post(f"/v1/admin/erasures/{erased['id']}/check", json={"identifiers": []})
    assert check.json()["clean"]


async def test_several_at_once_with_their_identifiers_suppressed(app: Application) -> None:
    await app.track(*({"userId": f"u-{n}", "event": "a"} for n in range(4)))
    body = {"profiles": ["u-1", "u-2", "u-1"], "kind": "anonymization", "suppress": True}
    receipt = (await app.admin.post("/v1/admin/erasures", json=body)).json()
    assert (receipt["kind"], receipt["profiles"], receipt["counts"]["events"]) == ("anonymization", 2, 2)
    found = await app.service.pool.fetch("SELECT DISTINCT profile_id FROM identifiers")
    assert len(found) == 4
    assert (await send(app, {"type": "track", "userId": "u-1", "event": "a"}))["accepted"] == 0
    assert (await app.admin.post("/v1/admin/erasures", json={**body, "kind": "burial"})).status_code == 400
    assert (await app.admin.post("/v1/admin/profiles/u-9/anonymize", json={})).json()["code"] == "PROFILE_NOT_FOUND"


async def test_an_identifier_without_a_profile(app: Application) -> None:
    await populate(app)
    asked = {"userId": "eve-77", "flags": ["beta"], "sessionId": "of-eve"}
    await app.read.post("/v1/decide", json=asked)
    await app.service.exposures.flush()
    before = await app.service.pool.fetchval("SELECT count(*) FROM exposures")
    receipt = (await app.admin.post("/v1/admin/profiles/eve-77/anonymize", json={})).json()
    assert {table: n for table, n in receipt["counts"].items() if n} == {"exposures": 1, "session_variants": 1}
    assert await app.service.pool.fetchval("SELECT count(*) FROM exposures") == before
    assert await traces(app, "eve-77") == {}


async def test_messages_under_way_go_before_or_after(app: Application) -> None:
    sent = 0

    async def sending() -> None:
        nonlocal sent
        for n in range(60):
            await send(app, {"type": "track", "userId": "ada-77", "anonymousId": f"a-{n % 7}", "event": "a"})
            sent += 1

    async def anonymising() -> None:
        while not done.is_set():
            answer = await app.admin.post("/v1/admin/profiles/ada-77/anonymize", json={})
            assert answer.status_code in {200, 404}, answer.text
            await asyncio.sleep(0.01)

    done = asyncio.Event()
    other = asyncio.create_task(anonymising())
    await asyncio.gather(sending(), sending())
    done.set()
    await other
    query = (
        "SELECT count(*) FROM events e JOIN identifiers a ON a.id = e.identifier_id"
        " JOIN profiles p ON p.id = a.profile_id"
    )
    assert await app.service.pool.fetchval(query) == sent


async def test_consumers_drop_who_and_keep_what_happened(app: Application) -> None:
    environment = app.service.environment(app.environment_id)
    await outbox.register(environment, "copy")
    await populate(app)
    receipt = (await app.admin.post("/v1/admin/profiles/ada-u/anonymize", json={})).json()
    rows = (await outbox.Consumer(environment, "copy").read(1_000)).rows
    erased, stored, *_ = last = rows[-1].changes
    assert isinstance(erased, changes.Erased)
    assert sorted(map(str, erased.profiles)) == sorted(receipt["profileIds"])
    assert isinstance(stored, changes.StoredEvents)
    assert {str(profile) for _, profile in stored.pairs()} == {await anonymous(app)}
    *kept, exposures = last[2:]
    assert [type(one) for one in kept] == [changes.Transitions, changes.Transitions, changes.Unmerged]
    assert isinstance(exposures, changes.RecordedExposures)
    assert erased.exposures == exposures.ids
