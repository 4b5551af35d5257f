"""What a receiver gets: types, bodies, instants, signatures."""

import json
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from delivering import NOW, House
from javascript import JavaScript
from receiver import Receiver
from serving import eventually
from tinycdp.model import DAY_MS
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.times import iso


async def arrived(receiver: Receiver, n: int) -> list[dict[str, Any]]:
    """The first n bodies."""

    async def there() -> bool:
        return len(receiver.requests) >= n

    await eventually(there)
    return [request.body for request in receiver.requests]


def user_of(body: dict[str, Any]) -> str:
    return next(one["value"] for one in body["data"]["profile"]["identifiers"] if one["kind"] == "userId")


async def test_an_entry_arrives_with_its_instant_and_its_person(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        (body,) = await arrived(receiver, 1)
    data = body["data"]
    assert (body["type"], body["timestamp"]) == ("segment.entered", iso(NOW))
    assert (data["segment"], data["cause"], data["environment"]) == ({"key": "went", "name": ""}, "event", "prod")
    assert data["profile"]["identifiers"] == [{"kind": "userId", "value": "ada"}]


async def test_the_clock_is_a_cause_and_the_instant_is_the_true_one(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.exited")
    worker = Worker(house.app.service.pool, Catalogs(), house.clock)
    async with house.delivering():
        await house.enter("ada")
        house.clock.now += 31 * DAY_MS  # no worker looked for a day
        await worker.wake_due()
        (body,) = await arrived(receiver, 1)
    assert (body["type"], body["data"]["cause"]) == ("segment.exited", "clock")
    assert body["timestamp"] == iso(NOW + 30 * DAY_MS)


async def test_merges_and_their_undoing(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "profile.merged", "profile.unmerged")
    async with house.delivering():
        await house.app.track({"event": "x", "userId": "ada", "messageId": "1"})
        await house.app.track({"event": "x", "anonymousId": "web", "messageId": "2"})
        answer = await house.app.write.post(
            "/v1/identify", json={"userId": "ada", "anonymousId": "web", "messageId": "3"}
        )
        assert answer.status_code == 200, answer.text
        (merged,) = await arrived(receiver, 1)
        merges = (await house.app.admin.get("/v1/admin/merges")).json()["merges"]
        undone = await house.app.admin.post(f"/v1/admin/merges/{merges[0]['id']}/undo", json={})
        assert undone.status_code == 200, undone.text
        unmerged = (await arrived(receiver, 2))[1]
    assert merged["type"] == "profile.merged"
    assert {one["value"] for one in merged["data"]["profile"]["identifiers"]} == {"ada", "web"}
    assert merged["data"]["absorbed"]["id"] != merged["data"]["profile"]["id"]
    assert unmerged["type"] == "profile.unmerged"
    sides = [unmerged["data"]["profile"], unmerged["data"]["separated"]]
    assert sorted([one["value"] for one in side["identifiers"]] for side in sides) == [["ada"], ["web"]]


async def test_flags_of_published_revisions(house: House, receiver: Receiver) -> None:
    await house.put("ops", receiver, "flag.changed")
    async with house.delivering():
        await house.app.define("flag", key="on", rule="profile.plan == 1")
        changed = await house.app.admin.put("/v1/admin/flags/on", json={"rule": "profile.plan == 2"})
        assert changed.status_code == 200, changed.text
        assert (await house.app.admin.delete("/v1/admin/flags/on")).status_code == 200
        bodies = await arrived(receiver, 3)
    assert [body["data"]["change"] for body in bodies] == ["created", "updated", "deleted"]
    assert {body["data"]["flag"]["key"] for body in bodies} == {"on"}
    assert len({body["data"]["revision"] for body in bodies}) == 3


async def test_only_what_it_asked_for_and_only_from_then_on(house: House, receiver: Receiver) -> None:
    await house.app.define("segment", key="other", rule="events.stay.count(30d) >= 1")
    await house.put("all", receiver, "segment.entered", paused=True)
    await house.enter("early")
    await house.put("crm", receiver, "segment.entered", segments=["went"])
    async with house.delivering():
        await house.enter("eve", event="stay")
        await house.enter("ada")
        (body,) = await arrived(receiver, 1)

        async def caught_up() -> bool:
            return (await house.health("crm"))["behind"] == 0

        await eventually(caught_up)
    assert [user_of(one.body) for one in receiver.requests] == ["ada"]
    assert body["data"]["segment"]["key"] == "went"


async def test_a_renamed_segment_is_followed_and_a_named_one_stays(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered", segments=["went"])
    kept = await house.app.admin.delete("/v1/admin/segments/went")
    assert (kept.status_code, kept.json()["code"]) == (409, "REFERENCED")
    renamed = await house.app.admin.post("/v1/admin/segments/went/rename", json={"key": "gone"})
    assert renamed.status_code == 200, renamed.text
    assert (await house.app.admin.get("/v1/destinations/crm")).json()["document"]["segments"] == ["gone"]
    async with house.delivering():
        await house.enter("ada")
        (body,) = await arrived(receiver, 1)
    assert body["data"]["segment"]["key"] == "gone"
    unknown = await house.put("crm", receiver, "segment.entered", segments=["nosuch"], status=400)
    assert unknown["path"] == "$.segments[0]"


async def test_signatures_verify_through_a_rotation(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered")
    first = await house.post("crm", "secrets", status=201)
    assert first["oldUntil"] is None, "the one before was never shown"
    house.clock.now = clock.now()
    async with house.delivering():
        await house.enter("ada")
        await arrived(receiver, 1)
        second = await house.post("crm", "secrets", status=201)
        assert second["oldUntil"] is not None
        listed = (await house.app.admin.get("/v1/destinations/crm/secrets")).json()["secrets"]
        assert [one["until"] for one in listed] == [second["oldUntil"], None]
        sent = 0

        async def both_sign() -> bool:
            # A lane may have read the secrets just before.
            nonlocal sent
            sent += 1
            await house.enter(f"bob-{sent}")
            await arrived(receiver, 1 + sent)
            return _verifies(second["secret"], receiver.requests[-1])

        await eventually(both_sign)
    one, last = receiver.requests[0], receiver.requests[-1]
    assert Webhook(first["secret"]).verify(one.raw.decode(), one.headers) == json.loads(one.raw)
    assert _verifies(first["secret"], last), "the old one signs for a day"
    assert not _verifies(second["secret"], one)


async def test_javascript_verifies_both_kinds_of_signatures(house: House, receiver: Receiver, tmp_path: Path) -> None:
    house.clock.now = clock.now()
    await house.put("crm", receiver, "segment.entered")
    shared = await house.post("crm", "secrets", status=201)
    own = await house.post("crm", "secrets", {"algorithm": "v1a"}, status=201)
    assert (shared["algorithm"], own["algorithm"]) == ("v1", "v1a") and own["oldUntil"] is not None
    unknown = await house.post("crm", "secrets", {"algorithm": "v2"}, status=400)
    assert unknown["path"] == "$.algorithm"
    async with house.delivering():
        await house.enter("ada")
        await arrived(receiver, 1)
    (request,) = receiver.requests
    sent = {"body": request.raw.decode(), "headers": {name.lower(): value for name, value in request.headers.items()}}
    with JavaScript().script("webhooks.mjs", tmp_path) as node:
        assert node.ask("v1", secret=shared["secret"], **sent)["type"] == "segment.entered"
        assert node.ask("v1a", key=own["secret"], **sent) is True
        assert node.ask("v1a", key=own["secret"], **(sent | {"body": sent["body"] + " "})) is False


def _verifies(secret: str, request: Any) -> bool:
    try:
        Webhook(secret).verify(request.raw.decode(), request.headers)
    except Exception:
        return False
    return True


async def test_what_was_erased_is_not_sent(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered", paused=True)
    async with house.delivering():
        await house.enter("ada")
        await house.enter("bob")
        erased = await house.app.admin.delete("/v1/admin/profiles/ada")
        assert erased.status_code in (200, 202), erased.text
        await house.put("crm", receiver, "segment.entered", status=200)
        await arrived(receiver, 1)

        async def caught_up() -> bool:
            return (await house.health("crm"))["behind"] == 0

        await eventually(caught_up)
    assert [user_of(one.body) for one in receiver.requests] == ["bob"]


async def test_a_test_is_marked_and_logged(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered", headers={"X-Source": "cdp"})
    await house.enter("ada")
    profile = (await house.app.read.get("/v1/profiles/ada")).json()
    id_ = profile["id"]
    shown = await house.post("crm", "test", {"type": "segment.entered", "profile": str(id_), "dryRun": True})
    assert shown["body"]["data"]["segment"]["key"] == "went"
    assert (shown["delivered"], receiver.requests) == (None, [])
    sent = await house.post("crm", "test", {"type": "segment.entered", "profile": str(id_)})
    assert (sent["delivered"], sent["status"]) == (True, 200)
    (request,) = receiver.requests
    assert (request.headers["webhook-test"], request.headers["x-source"]) == ("true", "cdp")
    log = (await house.app.admin.get("/v1/destinations/crm/deliveries")).json()["deliveries"]
    assert [(one["webhookId"], one["status"]) for one in log] == [(None, 200)]
    missing = await house.post("crm", "test", {"type": "segment.entered", "profile": "999999"}, status=404)
    assert missing["code"] == "PROFILE_NOT_FOUND"


async def test_a_private_address_is_refused_when_it_is_saved(house: House) -> None:
    for url in ("https://169.254.169.254/", "https://0x7f.2/", "https://10.0.0.1/", "http://example.com/"):
        refused = await house.put("crm", url, "segment.entered", status=400)
        assert (refused["code"], refused["path"]) == ("ADDRESS_REFUSED", "$.url")
    document = {"url": "https://[::1]/", "events": ["flag.changed"]}
    change = {"kind": "destination", "key": "x", "document": document}
    published = await house.app.admin.post(
        "/v1/admin/publish",
        json={"changes": [change]},
    )
    assert (published.status_code, published.json()["code"]) == (400, "ADDRESS_REFUSED")


async def test_headers_come_from_variables_that_are_meant_for_it(
    house: House, receiver: Receiver, monkeypatch: Any
) -> None:
    monkeypatch.setenv("DELIVERY_CRM_TOKEN", "s3cret")
    headers = {"Authorization": {"env": "DELIVERY_CRM_TOKEN"}}
    saved = await house.put("crm", receiver, "segment.entered", headers=headers)
    assert "s3cret" not in json.dumps(saved)
    async with house.delivering():
        await house.enter("ada")
        await arrived(receiver, 1)
    assert receiver.requests[0].headers["authorization"] == "s3cret"
    for bad in ({"X": {"env": "DATABASE_URL"}}, {"Host": "x"}, {"webhook-id": "x"}, {"X": "a\r\nb: c"}, {"X Y": "a"}):
        await house.put("bad", receiver, "segment.entered", headers=bad, status=400)


async def test_a_document_without_a_type_is_one_of_a_webhook(house: House, receiver: Receiver) -> None:
    saved = await house.put("crm", receiver, "segment.entered")
    again = await house.put("crm", receiver, "segment.entered", type="webhook", status=200)
    assert (again["version"], again["document"]) == (saved["version"], saved["document"])
    assert "type" not in saved["document"]
