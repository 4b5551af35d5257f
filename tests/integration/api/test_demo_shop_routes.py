"""The data of the demo shop: its key, what one visitor is shown, and what is never shown."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import yaml

from application import Application, running
from serving import define
from tinycdp import resources
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare_page
from tinycdp.settings import Settings
from tinycdp.times import iso

DEMO_KEY = "page-key-of-the-tests"
ME, OTHER = "demo_0123456789012345678901", "demo_abcdefghijklmnopqrstuv"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn, demo_key=DEMO_KEY) as application:
        await prepare_page(Settings(database_url=dsn, demo_key=DEMO_KEY), clock.now())
        await application.service.keyring.load()
        for name in ("coffee", "shop"):
            await define(dsn, yaml.safe_load(resources.read_text(f"dsl/examples/{name}.yaml")), clock.now())
        await application.backfill()
        yield application


async def shown(app: Application, id: str = ME) -> dict[str, Any]:
    answer = await app.keyless.get("/demo/me", params={"id": id})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def values(found: dict[str, Any], kind: str, field: str = "value") -> dict[str, Any]:
    return {one["key"]: one[field] for one in found[kind]}


async def views(app: Application, *skus: str, id: str = ME) -> None:
    view = {"anonymousId": id, "event": "product_viewed"}
    await app.track(*(view | {"messageId": f"{id}-{sku}", "properties": {"sku": sku}} for sku in skus))


async def test_the_key_of_the_page_sends_and_decides_and_reads_nothing(app: Application) -> None:
    config = await app.keyless.get("/demo/config")
    assert (config.json(), config.headers["cache-control"]) == ({"key": DEMO_KEY}, "no-store")
    headers = {"Authorization": f"Bearer {DEMO_KEY}"}
    event = {"anonymousId": ME, "event": "product_viewed"}
    assert (await app.keyless.post("/v1/track", json=event, headers=headers)).status_code == 200
    question = {"context": {"targetingKey": ME}}
    assert (await app.keyless.post("/ofrep/v1/evaluate/flags", json=question, headers=headers)).status_code == 200
    for path in (f"/v1/profiles/{ME}", "/v1/events/recent", "/v1/admin/keys"):
        assert (await app.keyless.get(path, headers=headers)).json()["code"] == "MISSING_SCOPE"


async def test_a_visitor_who_has_sent_nothing_is_shown_too(app: Application) -> None:
    found = await shown(app)
    assert (found["version"], found["events"], found["properties"]) == (0, [], {})
    assert values(found, "segments")["demo_hot"] is False
    assert values(found, "flags", "variant")["demo_discount"] == "none"
    assert values(found, "flags", "isOff")["demo_discount"] is True


async def test_the_third_product_opens_the_offer_until_the_first_view_is_two_minutes_old(app: Application) -> None:
    await views(app, "cup", "cone")
    await views(app, "cup")
    found = await shown(app)
    assert values(found, "traits")["products_seen"] == 2
    assert values(found, "flags")["demo_discount"] == 0
    await views(app, "kettle")
    found = await shown(app)
    assert [event["properties"]["sku"] for event in found["events"]] == ["kettle", "cone", "cup"]
    assert [event["messageId"] for event in found["events"]] == [f"{ME}-{sku}" for sku in ("kettle", "cone", "cup")]
    assert values(found, "segments")["demo_hot"] is True
    assert values(found, "flags")["demo_discount"] == 10
    untils = {values(found, kind, "until")[key] for kind, key in (("segments", "demo_hot"), ("flags", "demo_discount"))}
    (until,) = untils
    asked = await app.read.get(f"/v1/profiles/{ME}")
    assert {segment["key"]: segment["until"] for segment in asked.json()["segments"]}["demo_hot"] == until
    because = values(found, "flags", "because")["demo_discount"]
    assert because == "rule 'hot' matched: segments.demo_hot"


async def test_an_order_opens_the_members_corner(app: Application) -> None:
    await views(app, "cup")
    assert values(await shown(app), "flags")["members_area"] is False
    await app.track({"anonymousId": ME, "event": "purchase", "properties": {"amount": 18}})
    found = await shown(app)
    assert values(found, "flags")["members_area"] is True
    assert values(found, "traits")["revenue_90d"] == 18


@pytest.mark.parametrize(
    "id", ["", "ada", "demo_", "demo_short", "demo_" + "x" * 65, "demo_0123456789 12345678901", "%00"]
)
async def test_only_an_id_that_cannot_be_guessed_is_looked_up(app: Application, id: str) -> None:
    answer = await app.keyless.get("/demo/me", params={"id": id})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


async def test_an_unknown_id_says_nothing_of_the_others(app: Application) -> None:
    await views(app, "cup", id=OTHER)
    answer = await app.keyless.get("/demo/me", params={"id": OTHER[:-1] + "w"})
    assert OTHER not in answer.text
    assert answer.json()["events"] == []


async def test_linking_an_id_of_the_shop_to_a_profile_shows_nothing_of_it(app: Application) -> None:
    """Everybody who has the page's key may send an identify."""
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": 900}})
    await views(app, "cup")
    page = {"Authorization": f"Bearer {DEMO_KEY}"}
    linked = await app.keyless.post("/v1/identify", json={"anonymousId": ME, "userId": "ada"}, headers=page)
    assert linked.status_code == 200
    answer = await app.keyless.get("/demo/me", params={"id": ME})
    assert (answer.status_code, answer.json()["code"]) == (403, "DEMO_ONLY")
    assert "900" not in answer.text and "ada" not in answer.text


async def test_an_id_of_another_kind_is_not_the_visitor(app: Application) -> None:
    await app.track({"userId": OTHER, "event": "purchase", "properties": {"amount": 900}})
    assert (await shown(app, OTHER))["events"] == []


async def test_a_revoked_key_closes_the_shop(app: Application) -> None:
    listed = (await app.admin.get("/v1/admin/keys")).json()["keys"]
    (key,) = (key for key in listed if key["name"] == "demo shop's page")
    assert sorted(key["scopes"]) == ["decide", "write"]
    assert (await app.admin.delete(f"/v1/admin/keys/{key['id']}")).is_success
    await app.service.keyring.load()
    for path in ("/demo/config", f"/demo/me?id={ME}"):
        answer = await app.keyless.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY"), path
        assert DEMO_KEY not in answer.text


async def test_a_revoked_key_stays_revoked_at_the_next_start(app: Application, dsn: str) -> None:
    await app.service.pool.execute("UPDATE api_keys SET revoked_at = $1 WHERE name LIKE 'demo%'", clock.now())
    await prepare_page(Settings(database_url=dsn, demo_key=DEMO_KEY), clock.now())
    await app.service.keyring.load()
    assert (await app.keyless.get("/demo/config")).status_code == 401


async def test_what_is_shown_is_of_one_instant(app: Application) -> None:
    before = clock.now()
    found = await shown(app)
    assert iso(before) <= found["asOf"] <= iso(clock.now())


async def test_unknown_parameters_are_mistakes(app: Application) -> None:
    answer: httpx.Response = await app.keyless.get("/demo/me", params={"id": ME, "as": "ada"})
    assert (answer.status_code, answer.json()["code"]) == (400, "UNKNOWN_PARAMETER")
