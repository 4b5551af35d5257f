"""Requests in a receiver's own form: what arrives, the recipes, what is refused."""

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from delivering import House
from receiver import Receiver, Request
from serving import eventually
from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import encode
from tinycdp.model import SECOND_MS
from tinycdp.products.delivery.values import ProfileValues

RECIPES = Path(__file__).parents[3] / "examples" / "destinations"
BODY = {"spend": {"expr": "profile.spend"}, "type": {"field": "type"}}


async def arrived(receiver: Receiver, n: int) -> list[Request]:
    """The first n requests."""

    async def there() -> bool:
        return len(receiver.requests) >= n

    await eventually(there)
    return receiver.requests


async def identify(house: House, user: str, **traits: Any) -> None:
    body = encode({"userId": user, "traits": traits, "messageId": f"i-{user}"})
    answer = await house.app.write.post("/v1/identify", content=body)
    assert answer.status_code == 200, answer.text


async def http(house: House, url: str, status: int = 201, **document: Any) -> Any:
    return await house.put("api", url, "segment.entered", "segment.exited", status=status, type="http", **document)


async def test_a_request_has_the_form_of_its_document(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERY_TOKEN", "s3cret/x?")
    url = f"{receiver.url}/{{token}}/people/{{email}}?name={{name}}"
    saved = await http(
        house,
        url,
        method="PATCH",
        parameters={
            "email": {"expr": "profile.email"},
            "name": {"join": [{"expr": "profile.name"}, {"field": "identifier.userId"}], "with": "&a="},
            "token": {"env": "DELIVERY_TOKEN"},
        },
        headers={"Authorization": {"env": "DELIVERY_TOKEN", "prefix": "Bearer "}, "Content-Type": "application/x+json"},
        mapping=BODY,
        byType={
            "segment.exited": {
                "method": "DELETE",
                "url": f"{receiver.url}/{{token}}/people/{{email}}",
                "parameters": {"email": {"expr": "profile.email"}, "token": {"env": "DELIVERY_TOKEN"}},
                "mapping": None,
                "success": [404],
            }
        },
        where="exists(profile.email)",
    )  # fmt: skip
    assert "s3cret" not in str(saved)

    async def answer(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=404 if request.method == "DELETE" else 200)

    receiver.answer = answer
    await house.app.define("segment", key="odd", rule="events.flip.last(n) == 1")
    await identify(house, "ada", email="a/../b@x?y#z.c", name="Ada Ü", spend=Decimal("12345678901234567890.123456789"))
    async with house.delivering():
        await house.toggle("nobody", 1)  # has no address
        await house.toggle("ada", 1)
        await house.toggle("ada", 2)
        entered, left = await arrived(receiver, 2)

        async def done() -> bool:
            health = await house.health("api")
            return health["behind"] == 0 and health["delivered"] == 2

        await eventually(done)
    path = "/hook/s3cret/x%3F/people/a%2F..%2Fb%40x%3Fy%23z.c"
    assert (entered.method, entered.path) == ("PATCH", f"{path}?name=Ada%20%C3%9C%26a%3Dada")
    assert decode_json(entered.raw) == {"spend": Decimal("12345678901234567890.123456789"), "type": "segment.entered"}
    assert entered.headers["authorization"] == "Bearer s3cret/x?"
    assert entered.headers["content-type"] == "application/x+json"
    assert entered.headers["idempotency-key"].startswith("msg_")
    assert (left.method, left.path, left.raw) == ("DELETE", path, b"")
    assert "content-type" not in left.headers or left.headers["content-type"] == "application/x+json"


async def test_what_cannot_be_sent_is_said_and_does_not_stop_the_others(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver has no part in it: the breaker stays closed."""
    await http(house, f"{receiver.url}/{{email}}", parameters={"email": {"expr": "profile.email"}}, mapping=BODY)
    await identify(house, "ada", email="a@b.c")
    async with house.delivering():
        for n in range(7):
            await house.enter(f"none{n}")
        await house.enter("ada")
        (request,) = await arrived(receiver, 1)
    assert request.path == "/hook/a%40b.c"
    log = (await house.app.admin.get("/v1/destinations/api/deliveries?failed=true")).json()["deliveries"]
    assert {one["error"] for one in log} == {"The place {email} of the URL has no value that can stand there: ''."}
    profile = (await house.app.read.get("/v1/profiles/none0")).json()["id"]
    preview = {"type": "segment.entered", "profile": profile, "dryRun": True}
    assert (await house.post("api", "test", preview, status=409))["code"] == "UNSENDABLE"
    await http(house, receiver.url, status=200, headers={"X": {"env": "DELIVERY_NOT_SET"}}, mapping=BODY)
    refused = await house.post("api", "test", preview | {"dryRun": False}, status=409)
    assert "DELIVERY_NOT_SET is not set" in refused["message"]


#: What is wrong, and where.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": "https://{host}.example.com/"}, "$.url"),
    ({"url": "https://a{x}@example.com/"}, "$.url"),
    ({"url": "https://example.com/{a"}, "$.url"),
    ({"url": "https://example.com/{a}"}, "$.url"),
    ({"url": "https://10.0.0.1/{a}", "parameters": {"a": "x"}}, "$.url"),
    ({"parameters": {"a": "x"}}, "$.parameters.a"),
    ({"url": "https://example.com/{a}", "parameters": {"a": {"env": "PATH"}}}, "$.parameters.a"),
    ({"url": "https://example.com/{a}", "parameters": {"a": {"expr": "nosuch"}}}, "$.parameters.a.expr"),
    ({"mapping": {"a": {"expr": "nosuch"}}}, "$.mapping.a.expr"),
    ({"mapping": {"a": {"expr": "1", "as": "nosuch"}}}, "$.mapping.a.as"),
    ({"where": "profile.x"}, "$.where"),
    ({"where": "segments.nosuch"}, "$.where"),
    ({"byType": {"flag.changed": {"method": "PUT"}}}, '$.byType["flag.changed"]'),
    ({"byType": {"segment.exited": {"url": "https://127.0.0.2/"}}}, '$.byType["segment.exited"].url'),
    ({"byType": {"segment.exited": {"mapping": {"expr": "+"}}}}, '$.byType["segment.exited"].mapping.expr'),
    ({"success": [200]}, "$.success[0]"),
    ({"headers": {"Host": "x"}}, "$.headers.Host"),
    ({"type": "htp"}, "$.type"),
]


async def test_what_is_wrong_is_refused_with_its_place(house: House) -> None:
    for document, path in WRONG:
        body = {"type": "http", "url": "https://example.com/", "events": ["segment.entered", "segment.exited"]}
        answer = await house.app.admin.put("/v1/destinations/api", json={**body, **document})
        assert (answer.status_code, answer.json()["path"]) == (400, path), answer.text


async def test_definitions_that_a_mapping_names_stay_and_keep_their_types(house: House, receiver: Receiver) -> None:
    await house.app.define("trait", key="spend", expression="events.buy.sum(price, 30d)")
    mapping = {"at": {"if": "spend > 1", "then": {"expr": "spend", "as": "number"}}, "field": {"expr": "segments.went"}}
    refused = await http(house, receiver.url, status=400, mapping=mapping)
    assert refused["path"] == "$.mapping.at" and "plain" in refused["message"]
    await http(house, receiver.url, mapping={"plain": mapping}, where="segments.went")
    for kind, key in (("trait", "spend"), ("segment", "went")):
        kept = await house.app.admin.delete(f"/v1/admin/{kind}s/{key}")
        assert (kept.status_code, kept.json()["code"]) == (409, "REFERENCED")
        renamed = await house.app.admin.post(f"/v1/admin/{kind}s/{key}/rename", json={"key": f"new_{key}"})
        assert renamed.status_code == 200, renamed.text
    document = (await house.app.admin.get("/v1/destinations/api")).json()["document"]
    inside = document["mapping"]["plain"]
    assert inside["at"] == {"if": "new_spend > 1", "then": {"expr": "new_spend", "as": "number"}}
    assert (inside["field"], document["where"]) == ({"expr": "segments.new_went"}, "segments.new_went")
    changed = await house.app.admin.put("/v1/admin/traits/new_spend", json={"expression": "last_seen_at"})
    assert (changed.status_code, changed.json()["path"]) == (400, "$.mapping.plain.at.if")


async def test_a_document_that_changes_and_a_person_who_is_merged_lose_nothing(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=400)

    receiver.answer, ok = busy, receiver.answer
    mapping = {"type": {"field": "type"}, "name": {"expr": "profile.name", "else": "none"}}
    await http(house, receiver.url, mapping=mapping, where="!exists(profile.robot)")
    await identify(house, "ada", name="Ada")
    read, misses = ProfileValues.read, iter([True, False, True])

    async def missing(self: ProfileValues, connection: Any, environment_id: int, ids: Any, now: int) -> Any:
        return await read(self, connection, environment_id, set() if next(misses, False) else ids, now)

    monkeypatch.setattr(ProfileValues, "read", missing)
    async with house.delivering():
        await house.enter("ada")
        await arrived(receiver, 1)
        # What waits is of a type that the document does not have any more.
        await house.put("api", receiver, "segment.exited", type="http", mapping=mapping, status=200)
        receiver.answer = ok
        house.clock.now += 10 * SECOND_MS
        requests = await arrived(receiver, 2)
    assert [request.body for request in requests[:2]] == [{"type": "segment.entered", "name": "Ada"}] * 2


PEOPLE = {"email": " Ada@Example.com ", "first_name": "Ada", "last_name": "King", "plan": 2, "phone": "+49 170-123"}
EMAIL, PHONE = (hashlib.sha256(text).hexdigest() for text in (b"ada@example.com", b"49170123"))
GOOGLE = {
    "destinations": [
        {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"},
            "productDestinationId": "9876543210",
        }
    ],
    "audienceMembers": [{"userData": {"userIdentifiers": [{"emailAddress": EMAIL}]}}],
    "encoding": "HEX",
}
CONSENT = {
    "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
    "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
}
META = {"payload": {"schema": ["EMAIL", "PHONE", "EXTERN_ID"], "data": [[EMAIL, PHONE, "{id}"]]}}
CONTACT = {"email": "ada@example.com", "ext_id": "{id}", "updateEnabled": True, "listIds": [7],
           "attributes": {"FIRSTNAME": "Ada", "PLAN": "2"}}  # fmt: skip
META_URL = "https://graph.facebook.com/v25.0/23850000000000000/users?access_token={token}"
HUBSPOT = "https://api.hubapi.com/crm/v3/objects/contacts/batch/upsert"


def contact(tier: str) -> dict[str, Any]:
    properties = {"firstname": "Ada", "lastname": "King", "customer_tier": tier}
    return {"inputs": [{"id": "ada@example.com", "idProperty": "email", "properties": properties}]}


#: Of each recipe the requests of an entry and of an exit, as the vendor's documentation has them.
EXPECTED: dict[str, list[tuple[str, str, Any]]] = {
    "slack": [
        ("POST", "https://hooks.slack.com/services/{path}", {"text": " Ada@Example.com  entered went"}),
        ("POST", "https://hooks.slack.com/services/{path}", {"text": " Ada@Example.com  left went"}),
    ],
    "email-tool": [
        ("POST", "https://api.brevo.com/v3/contacts", CONTACT),
        ("POST", "https://api.brevo.com/v3/contacts/lists/7/contacts/remove", {"emails": ["ada@example.com"]}),
    ],
    "crm": [("POST", HUBSPOT, contact("went")), ("POST", HUBSPOT, contact(""))],
    "meta-audience": [("POST", META_URL, META), ("DELETE", META_URL, META)],
    "google-audience": [
        ("POST", "https://datamanager.googleapis.com/v1/audienceMembers:ingest", GOOGLE | CONSENT),
        ("POST", "https://datamanager.googleapis.com/v1/audienceMembers:remove", GOOGLE),
    ],
}


async def test_recipes_make_what_their_vendors_document(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is saved as it is and previewed; then a receiver on loopback stands for the vendor."""
    await identify(house, "ada", **PEOPLE)
    await house.enter("ada")
    profile = (await house.app.read.get("/v1/profiles/ada")).json()["id"]
    assert {path.stem for path in RECIPES.glob("*.yaml")} == EXPECTED.keys()
    for name, expected in EXPECTED.items():
        text = (RECIPES / f"{name}.yaml").read_text()
        (document,) = yaml.safe_load(text)["destinations"]
        monkeypatch.setattr("tinycdp.products.delivery.reach.Reach.check", _unchecked)
        published = await house.app.admin.post("/v1/admin/publish", json={"changes": [
            {"kind": "destination", "key": name, "document": document}]})  # fmt: skip
        assert published.status_code == 200, published.text
        for type_, (method, url, body) in zip(("segment.entered", "segment.exited"), expected, strict=True):
            shown = await house.post(name, "test", {"type": type_, "profile": profile, "dryRun": True})
            assert (shown["method"], shown["url"]) == (method, url)
            assert shown["body"] == _of(body, profile)
        # What it needs is said, and nothing else.
        variables = {part.split('"')[0].rstrip(",}") for part in text.split("env: ")[1:]}
        variables = {one.split(",")[0].split("}")[0].strip() for one in variables}
        for variable in variables:
            assert f"as {variable}" in text or f"- {variable} in" in text, "the comment says what it needs"
            monkeypatch.setenv(variable, "T000/B000/x")
        local = yaml.safe_load(text.replace("https://", f"http://127.0.0.1:{receiver.port}/"))["destinations"][0]
        local.pop("key")
        assert (await house.app.admin.put(f"/v1/destinations/{name}", json=local)).status_code == 200
        receiver.requests.clear()
        sent = await house.post(name, "test", {"type": "segment.entered", "profile": profile})
        assert (sent["delivered"], sent["status"]) == (True, 200)
        (request,) = receiver.requests
        assert decode_json(request.raw) == _of(expected[0][2], profile)
        assert "{" not in request.path


async def _unchecked(*_: Any) -> None:
    """No name is resolved in a test."""


def _of(body: Any, profile: str) -> Any:
    if isinstance(body, dict):
        return {name: _of(value, profile) for name, value in body.items()}
    if isinstance(body, list):
        return [_of(value, profile) for value in body]
    return profile if body == "{id}" else body
