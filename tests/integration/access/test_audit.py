"""The audit log: every change by a person or a key is in it, once, with its author, in one order."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock, eventually
from tinycdp.model import DAY_MS
from tinycdp.times import iso

NOW = 1_790_000_000_000
ADMIN = "bootstrap admin"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        yield application


async def log(app: Application, **parameters: Any) -> dict[str, Any]:
    answer = await app.admin.get("/v1/admin/audit", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def brief(page: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    return [(e["kind"], e["action"], e["name"], e["author"]) for e in page["entries"]]


async def done(asked: Any) -> Any:
    answer = await asked
    assert answer.status_code < 300, answer.text
    return answer.json()


async def change_everything(app: Application) -> list[tuple[str, str, str]]:
    """One change of every kind; (kind, action, name) of each."""
    admin = app.admin
    await done(admin.put("/v1/admin/flags/paywall", json={"rule": "true"}))
    await done(admin.post("/v1/admin/flags/paywall/kill", json={"note": "too many complaints"}))
    await done(admin.post("/v1/admin/flags/paywall/revive"))
    await done(admin.put("/v1/analytics/metrics/opens", json={"event": "open"}))
    await done(admin.delete("/v1/analytics/metrics/opens"))
    address = "https://hooks.example.com/tinycdp"
    await done(admin.put("/v1/destinations/crm", json={"url": address, "events": ["segment.entered"]}))
    sync = {"destination": "crm", "mapping": {"email": {"expr": "profile.email"}}, "match": ["email"]}
    await done(admin.put("/v1/syncs/contacts", json=sync))
    await done(admin.delete("/v1/syncs/contacts"))
    await done(admin.delete("/v1/destinations/crm"))
    await done(admin.put("/v1/admin/policies/limits", json={"sampling": [{"event": "scroll", "percent": 10}]}))
    await done(admin.put("/v1/registry/plan/open", json={"description": "the app"}))
    await done(admin.delete("/v1/registry/plan/open"))
    key = await done(admin.post("/v1/admin/keys", json={"name": "shop", "scopes": ["write"]}))
    await done(admin.patch(f"/v1/admin/keys/{key['id']}", json={"name": "store", "origins": ["https://a.example"]}))
    await done(admin.patch(f"/v1/admin/keys/{key['id']}", json={"name": "store"}))  # changes nothing
    rotated = await done(admin.post(f"/v1/admin/keys/{key['id']}/rotate", json={"overlap": "1h"}))
    await done(admin.delete(f"/v1/admin/keys/{rotated['id']}", params={"dryRun": "true"}))
    await done(admin.delete(f"/v1/admin/keys/{rotated['id']}"))
    await app.track(
        *({"userId": name, "anonymousId": f"tab-{name}", "event": "open"} for name in ("ada", "bob", "eve", "dan"))
    )
    merge = await done(admin.post("/v1/admin/profiles/merge", json={"profiles": ["ada", "bob"], "note": "the same"}))
    await done(admin.post(f"/v1/admin/merges/{merge['merges'][0]}/undo", json={"note": "not the same"}))
    split = {"identifiers": [{"kind": "anonymousId", "value": "tab-ada"}]}
    await done(admin.post("/v1/admin/profiles/ada/split", json=split))
    await done(admin.delete("/v1/admin/profiles/eve"))
    await done(admin.post("/v1/admin/profiles/dan/anonymize", json={}))
    line = '{"type": "track", "userId": "ada", "event": "open", "messageId": "1"}'
    started = await done(admin.post("/v1/admin/imports", params={"name": "old.jsonl"}, content=line))

    async def finished() -> bool:
        return bool((await admin.get(f"/v1/admin/imports/{started['id']}")).json()["status"] == "done")

    await eventually(finished)
    ada = (await done(app.read.get("/v1/profiles/ada")))["id"]
    return [
        ("revision", "published", ""),
        ("flag", "killed", "paywall"),
        ("flag", "revived", "paywall"),
        ("analytics", "saved", "metric opens"),
        ("analytics", "deleted", "metric opens"),
        ("destination", "saved", "crm"),
        ("sync", "saved", "contacts"),
        ("sync", "deleted", "contacts"),
        ("destination", "deleted", "crm"),
        ("policy", "changed", "limits"),
        ("plan", "changed", "open"),
        ("plan", "deleted", "open"),
        ("key", "created", "shop"),
        ("key", "changed", "store"),
        ("key", "created", "store"),
        ("key", "rotated", "store"),
        ("key", "revoked", "store"),
        ("merge", "merged", ada),
        ("merge", "undone", ada),
        ("merge", "split", ada),
        ("erasure", "erased", "1"),
        ("erasure", "anonymized", "1"),
        ("import", "started", "old.jsonl"),
    ]


async def test_every_change_is_in_it_once_with_its_author(app: Application) -> None:
    made = await change_everything(app)
    # The keys of the tests were made by the real clock.
    found = await log(app, limit=200, **{"from": iso(NOW), "to": iso(NOW + 1)})
    assert sorted(brief(found)) == sorted((*one, ADMIN) for one in made)
    assert found["next"] is None
    for kind in {entry["kind"] for entry in found["entries"]}:
        only = (await log(app, kind=kind, **{"from": iso(NOW), "to": iso(NOW + 1)}))["entries"]
        assert only == [entry for entry in found["entries"] if entry["kind"] == kind]
    assert {entry["at"] for entry in found["entries"]} == {iso(NOW)}
    noted = {(entry["kind"], entry["action"]): entry["note"] for entry in found["entries"]}
    assert noted["flag", "killed"] == "too many complaints"
    assert noted["merge", "merged"] == "the same"
    assert noted["merge", "undone"] == "not the same"
    assert noted["key", "changed"] == "renamed from shop; origins: https://a.example"


async def test_pages_have_each_change_once_though_all_happened_at_one_instant(
    app: Application,
) -> None:
    await change_everything(app)
    whole = (await log(app, limit=200))["entries"]
    walked: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await log(app, limit=3, **({"cursor": cursor} if cursor else {}))
        walked += page["entries"]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert walked == whole


async def test_it_is_filtered_by_kind_author_and_time(app: Application, clock: ManualClock) -> None:
    other = await done(app.admin.post("/v1/admin/keys", json={"name": "carol", "scopes": ["admin"]}))
    clock.now += DAY_MS
    by = {"Authorization": f"Bearer {other['key']}"}
    await done(app.keyless.put("/v1/admin/flags/one", json={"rule": "true"}, headers=by))
    clock.now += DAY_MS
    await done(app.admin.put("/v1/admin/flags/two", json={"rule": "true"}))
    await done(app.admin.post("/v1/admin/flags/two/kill", json={}))

    assert brief(await log(app, author="carol")) == [("revision", "published", "", "carol")]
    assert [entry["id"] for entry in (await log(app, kind="revision"))["entries"]] == ["2", "1"]
    assert {entry["kind"] for entry in (await log(app, kind=["flag", "key"]))["entries"]} == {"flag", "key"}
    second = iso(NOW + 2 * DAY_MS)
    assert len((await log(app, **{"from": second, "to": iso(NOW + 3 * DAY_MS)}))["entries"]) == 2
    between = await log(app, kind="revision", **{"from": iso(NOW + DAY_MS), "to": second})
    assert [entry["author"] for entry in between["entries"]] == ["carol"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"kind": "nosuch"}, "INVALID_REQUEST"),
        ({"cursor": "nonsense"}, "INVALID_CURSOR"),
        ({"cursor": "WyJ4IiwieSJd"}, "INVALID_CURSOR"),
        ({"from": "yesterday"}, "INVALID_REQUEST"),
        ({"limit": 201}, "INVALID_REQUEST"),
    ],
)
async def test_wrong_parameters_are_refused(app: Application, wrong: dict[str, Any], code: str) -> None:
    refused = await app.admin.get("/v1/admin/audit", params=wrong)
    assert (refused.status_code, refused.json()["code"]) == (400, code)


async def test_merges_by_messages_are_not_in_it(app: Application) -> None:
    await app.track({"anonymousId": "tab", "event": "open"}, {"userId": "ada", "event": "open"})
    await app.track({"userId": "ada", "anonymousId": "tab", "event": "open"})
    assert (await app.admin.get("/v1/admin/merges")).json()["merges"], "they were merged"
    assert (await log(app, kind="merge"))["entries"] == []
