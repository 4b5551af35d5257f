"""Keys that expire, that are replaced, that only some websites may use; and when each was last used.

Laws    a key is valid before the instant of its expiry and invalid from it on, by whatever way it comes
        a page of a website that a key does not name gets a 403 that it can read; preflight requests are answered
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from application import KEYS, Application, running
from serving import PATIENCE_SECONDS, ManualClock, eventually, served
from streams import Reader, watching
from tinycdp import __version__
from tinycdp.api.application import fast_lanes
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS
from tinycdp.runtime import clock as clocks
from tinycdp.runtime.access.keys import SCOPES
from tinycdp.times import iso

NOW = 1_790_000_000_000 - 1_790_000_000_000 % MINUTE_MS
ADA = {"userId": "ada"}
SHOP, EVIL = "https://shop.example", "https://evil.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        await application.define("flag", key="on", rule="true")
        await application.track({**ADA, "event": "open"})
        answer = await application.read.get("/v1/decide", params={**ADA, "flag": "on"})
        assert answer.status_code == 200, "memory knows her"
        yield application


async def create(app: Application, *scopes: str, **more: Any) -> dict[str, Any]:
    made = await app.admin.post("/v1/admin/keys", json={"name": "page", "scopes": scopes, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def listed(app: Application) -> dict[int, dict[str, Any]]:
    return {key["id"]: key for key in (await app.admin.get("/v1/admin/keys")).json()["keys"]}


async def test_a_database_has_the_hash_of_a_key_and_nothing_of_the_key_but_its_beginning(app: Application) -> None:
    made = await create(app, "read")
    row = await app.service.pool.fetchrow("SELECT * FROM api_keys WHERE id = $1", made["id"])
    assert row["digest"] == hashlib.sha256(made["key"].encode()).digest()
    texts = [str(value) for name, value in row.items() if name != "prefix"]
    assert made["key"].startswith(row["prefix"]) and len(row["prefix"]) <= 16
    assert not any(made["key"][len(row["prefix"]) :][:8] in text for text in texts)


class Lanes:
    """Every way that a key takes through the server."""

    def __init__(self, app: Application, key: str, **headers: str) -> None:
        sent = {"Authorization": f"Bearer {key}", **headers}
        transport = httpx.ASGITransport(fast_lanes(app.litestar))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test", headers=sent)
        self.key = key

    async def answers(self) -> dict[str, httpx.Response]:
        context = {"context": {"targetingKey": "ada"}}
        return {
            "decide": await self.http.post("/v1/decide", json=ADA),
            "decide from memory": await self.http.get("/v1/decide", params={**ADA, "flag": "on"}),
            "one flag from memory": await self.http.post("/ofrep/v1/evaluate/flags/on", json=context),
            "all flags": await self.http.post("/ofrep/v1/evaluate/flags", json=context),
            "flags with the key in the body": await self.http.post(
                "/flags", json={"api_key": self.key, "distinct_id": "ada"}, headers={"Authorization": ""}
            ),
            "track": await self.http.post("/v1/track", json={**ADA, "event": "open"}),
            "track with the key in the query": await self.http.post(
                "/v1/track", params={"writeKey": self.key}, json={**ADA, "event": "open"}
            ),
            "settings": await self.http.get(f"/v1/projects/{self.key}/settings"),
            "profile": await self.http.get("/v1/profiles/ada"),
            "keys": await self.http.get("/v1/admin/keys"),
        }

    async def statuses(self) -> dict[str, int]:
        return {lane: answer.status_code for lane, answer in (await self.answers()).items()}


# Expiry


async def test_a_key_is_valid_until_its_instant_and_not_from_it_on_in_every_lane(
    app: Application, clock: ManualClock
) -> None:
    ends = NOW + HOUR_MS
    made = await create(app, "write", "admin", expiresAt=iso(ends))
    assert made["expiresAt"] == iso(ends)
    lanes = Lanes(app, made["key"])
    link = (await lanes.http.get("/v1/export/list")).status_code
    stream = (await lanes.http.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})).json()
    uri = stream["eventStreams"][0]["endpoint"]["requestUri"]
    assert link == 200
    fast = app.service.metrics.fast
    before = sum(fast.values())
    for now in (NOW, ends - 1):
        clock.now = now
        assert set((await lanes.statuses()).values()) == {200}, now
    assert sum(fast.values()) == before + 2, "a key that expires is answered from memory as well"
    for now in (ends, ends + 1, ends + DAY_MS):
        clock.now = now
        for lane, answer in (await lanes.answers()).items():
            assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY"), lane
            assert f"expired at {iso(ends)}" in answer.text, lane
        assert (await lanes.http.get(uri)).status_code == 403
    clock.now = ends - 1  # a clock that goes back makes it valid again: nothing was stored
    assert set((await lanes.statuses()).values()) == {200}


async def test_a_key_without_limits_asks_neither_the_clock_nor_for_an_origin(app: Application) -> None:
    for scope in KEYS:
        found = app.service.keyring.find(KEYS[scope])
        assert found is not None and found.restrictions is None


async def test_the_streams_of_a_key_end_when_it_expires(dsn: str) -> None:
    async with running(dsn) as app:
        await app.define("flag", key="on", rule="true")
        made = await create(app, "read", expiresAt=iso(clocks.now() + 1_500))
        lanes = Lanes(app, made["key"])
        answer = await lanes.http.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})
        uri = answer.json()["eventStreams"][0]["endpoint"]["requestUri"]
        reader = Reader(app, uri, None)
        async with watching(app, key=made["key"]) as stream:
            await reader.until(lambda reader: reader.ended)
            await stream.until(lambda stream: stream.ended)
            assert b": the key was revoked or has expired" in stream.body
        await reader.leave()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"expiresAt": iso(NOW)}, "INVALID_EXPIRY"),
        ({"expiresAt": iso(NOW - 1)}, "INVALID_EXPIRY"),
        ({"expiresAt": "2030-01-01"}, "INVALID_EXPIRY"),
        ({"expiresAt": "tomorrow"}, "INVALID_EXPIRY"),
        ({"origins": ["shop.example"]}, "INVALID_ORIGIN"),
        ({"origins": ["https://shop.example/page"]}, "INVALID_ORIGIN"),
        ({"origins": ["*"]}, "INVALID_ORIGIN"),
        ({"origins": ["https://*"]}, "INVALID_ORIGIN"),
        ({"origins": ["https://a.*.example"]}, "INVALID_ORIGIN"),
        ({"origins": [f"https://a{n}.example" for n in range(51)]}, "INVALID_ORIGIN"),
        ({"name": " "}, "INVALID_BODY"),
        ({"expires": iso(NOW + 1)}, "INVALID_BODY"),
    ],
)
async def test_what_is_wrong_about_a_key_is_said_and_nothing_is_created(
    app: Application, body: dict[str, Any], code: str
) -> None:
    before = await listed(app)
    refused = await app.admin.post("/v1/admin/keys", json={"name": "page", "scopes": ["write"], **body})
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    id = next(iter(before))
    if "expires" not in body:
        changed = await app.admin.patch(f"/v1/admin/keys/{id}", json=body)
        assert (changed.status_code, changed.json()["code"]) == (400, code), changed.text
    assert await listed(app) == before


# Origins


async def test_a_key_with_origins_is_for_their_pages_and_for_what_is_no_page(app: Application) -> None:
    made = await create(app, "write", "admin", origins=[f"{SHOP.upper()}:443/", "https://*.shop.example", SHOP])
    assert made["origins"] == [SHOP, "https://*.shop.example"]
    for headers in ({}, {"Origin": SHOP}, {"Origin": "https://pay.eu.shop.example"}):
        assert set((await Lanes(app, made["key"], **headers).statuses()).values()) == {200}, headers
    for origin in (
        EVIL, "null", "http://shop.example", "https://shop.example:8443", "https://evilshop.example",
        "https://shop.example.evil.example", "http://pay.shop.example",
    ):  # fmt: skip
        for lane, answer in (await Lanes(app, made["key"], Origin=origin).answers()).items():
            assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_NOT_ALLOWED"), (lane, origin)
            assert answer.headers["access-control-allow-origin"] == "*", "the page can read why"
            assert origin in answer.json()["message"] and SHOP in answer.json()["message"]


async def test_from_memory_too_a_page_gets_the_headers_that_let_it_read_the_answer(app: Application) -> None:
    made = await create(app, "decide", origins=[SHOP])
    fast = app.service.metrics.fast
    before = sum(fast.values())
    lanes = Lanes(app, made["key"], Origin=SHOP)
    answer = await lanes.http.get("/v1/decide", params={**ADA, "flag": "on"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert sum(fast.values()) == before + 1
    for path in ("/v1/decide?userId=ada&flag=on", "/ofrep/v1/evaluate/flags/on", "/v1/track"):
        for origin in (SHOP, EVIL):
            preflight = await app.keyless.options(
                path,
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,content-type",
                },
            )
            # It comes without the key: the request itself is refused.
            assert preflight.status_code == 204, path
            assert preflight.headers["access-control-allow-origin"] in {"*", origin}


async def test_origins_and_expiry_can_be_changed(app: Application, clock: ManualClock) -> None:
    made = await create(app, "write", "admin", origins=[SHOP], expiresAt=iso(NOW + HOUR_MS))
    here = Lanes(app, made["key"], Origin=EVIL)
    changed = await app.admin.patch(f"/v1/admin/keys/{made['id']}", json={"origins": [EVIL]})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["origins"], changed.json()["expiresAt"]) == (
        "page",
        [EVIL],
        iso(NOW + HOUR_MS),
    )
    assert set((await here.statuses()).values()) == {200}
    clock.now = NOW + HOUR_MS - 1
    await app.admin.patch(f"/v1/admin/keys/{made['id']}", json={"expiresAt": None, "name": "for ever"})
    clock.now = NOW + DAY_MS
    assert set((await here.statuses()).values()) == {200}
    found = (await listed(app))[made["id"]]
    assert (found["name"], found["expiresAt"], found["origins"]) == ("for ever", None, [EVIL])
    for id in (0, 2**40, 999_999):
        assert (await app.admin.patch(f"/v1/admin/keys/{id}", json={"name": "x"})).status_code == 404


# Rotation


async def test_after_a_rotation_both_keys_are_valid_until_the_overlap_is_over(
    app: Application, clock: ManualClock
) -> None:
    old = await create(app, "write", "admin", origins=[SHOP])
    rotated = await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate", json={"overlap": "1h"})
    assert rotated.status_code == 201, rotated.text
    new = rotated.json()
    assert new["key"] != old["key"] and new["id"] != old["id"]
    for field in ("name", "scopes", "origins", "expiresAt"):
        assert new[field] == old[field], field
    assert (new["replaces"]["id"], new["replaces"]["expiresAt"]) == (old["id"], iso(NOW + HOUR_MS))
    assert new["replaces"]["replacedBy"] == new["id"]
    assert (await listed(app))[old["id"]] == new["replaces"]
    for now, status in ((NOW + HOUR_MS - 1, 200), (NOW + HOUR_MS, 401)):
        clock.now = now
        assert set((await Lanes(app, new["key"]).statuses()).values()) == {200}
        assert set((await Lanes(app, old["key"]).statuses()).values()) == {status}
    gone = await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate", json={})
    assert gone.status_code == 404


async def test_a_key_is_rotated_once_and_its_successor_next(app: Application) -> None:
    old = await create(app, "write")
    new = (await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate")).json()
    assert new["replaces"]["expiresAt"] == iso(NOW + 7 * DAY_MS)
    again = await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate")
    assert (again.status_code, again.json()["code"], again.json()["replacedBy"]) == (409, "KEY_REPLACED", new["id"])
    assert (await app.admin.post(f"/v1/admin/keys/{new['id']}/rotate")).status_code == 201
    for overlap in ("", "soon", "-1d", "91d", "7 days"):
        wrong = await app.admin.post(f"/v1/admin/keys/{new['id']}/rotate", json={"overlap": overlap})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_OVERLAP"), overlap


async def test_a_key_that_expires_gets_a_successor_that_is_valid_for_as_long(
    app: Application, clock: ManualClock
) -> None:
    old = await create(app, "write", expiresAt=iso(NOW + 10 * DAY_MS))
    clock.now = NOW + 9 * DAY_MS
    new = (await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate")).json()
    assert new["expiresAt"] == iso(NOW + 19 * DAY_MS)
    assert new["replaces"]["expiresAt"] == iso(NOW + 10 * DAY_MS), "an overlap makes no key live longer"


async def test_a_key_may_rotate_itself_at_once(app: Application) -> None:
    own = await create(app, "admin")
    lanes = Lanes(app, own["key"])
    new = (await lanes.http.post(f"/v1/admin/keys/{own['id']}/rotate", json={"overlap": "0s"})).json()
    assert (await lanes.http.get("/v1/admin/keys")).status_code == 401
    assert (await Lanes(app, new["key"]).http.get("/v1/admin/keys")).status_code == 200


# Last use


async def test_a_key_says_when_it_was_last_used_and_a_refused_one_was_not(app: Application, clock: ManualClock) -> None:
    made = [await create(app, "decide"), await create(app, "write"), await create(app, "write", origins=[SHOP])]
    page, shop, elsewhere = made
    found = await listed(app)
    assert [found[key["id"]]["lastUsedAt"] for key in made] == [None] * 3

    clock.now = NOW + HOUR_MS + 12_345
    assert (await Lanes(app, page["key"]).http.get("/v1/decide", params={**ADA, "flag": "on"})).status_code == 200
    assert (await Lanes(app, shop["key"]).http.get("/v1/admin/keys")).status_code == 403
    answer = await Lanes(app, elsewhere["key"], Origin=EVIL).http.post("/v1/track", json={**ADA, "event": "a"})
    assert answer.status_code == 403
    await app.service.key_uses.flush()
    found = await listed(app)
    assert [found[key["id"]]["lastUsedAt"] for key in made] == [iso(NOW + HOUR_MS), None, None]

    clock.now = NOW + 2 * HOUR_MS
    assert (await Lanes(app, shop["key"]).http.post("/v1/track", json={**ADA, "event": "a"})).status_code == 200
    await app.service.key_uses.flush()
    found = await listed(app)
    assert [found[key["id"]]["lastUsedAt"] for key in made] == [iso(NOW + HOUR_MS), iso(NOW + 2 * HOUR_MS), None]


async def test_uses_that_cannot_be_written_are_written_the_next_time(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await create(app, "write")
    await app.service.key_uses.flush()
    lanes = Lanes(app, made["key"])
    assert (await lanes.http.post("/v1/track", json={**ADA, "event": "a"})).status_code == 200

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("full")

    with monkeypatch.context() as patch:
        patch.setattr("tinycdp.store.keys.mark_used", broken)
        with pytest.raises(ZeroDivisionError, match="full"):
            await app.service.key_uses.flush()
    await app.service.key_uses.flush()
    assert (await listed(app))[made["id"]]["lastUsedAt"] == iso(NOW)


# Processes


async def test_another_process_learns_of_limits_and_rotations(dsn: str, tmp_path: Path) -> None:
    with served(tmp_path, dsn=dsn, role="api") as server:

        def ask(method: str, path: str, key: str, **more: Any) -> httpx.Response:
            return server.http.request(method, path, **more, headers={"Authorization": f"Bearer {key}"})

        async with running(dsn) as app:
            ends = clocks.now() + 1_500
            made = await create(app, "admin", expiresAt=iso(ends))

            async def answers(key: str, status: int) -> None:
                async def reached() -> bool:
                    answer = await asyncio.to_thread(ask, "GET", "/v1/admin/keys", key)
                    return answer.status_code == status

                async with asyncio.timeout(PATIENCE_SECONDS):
                    await eventually(reached)

            await answers(made["key"], 401 if clocks.now() >= ends else 200)
            await answers(made["key"], 401)
            assert clocks.now() >= ends
            old = await create(app, "admin")
            new = (await app.admin.post(f"/v1/admin/keys/{old['id']}/rotate", json={"overlap": "0s"})).json()
            await answers(new["key"], 200)
            await answers(old["key"], 401)


# What a key is


async def test_every_key_may_ask_what_it_is_and_what_it_may_do(app: Application, clock: ManualClock) -> None:
    included = {"write": ["write"], "decide": ["decide"], "read": ["decide", "read"], "admin": list(SCOPES)}
    for scope in SCOPES:
        made = await create(app, scope, expiresAt=iso(clock.now + DAY_MS))
        answer = await app.keyless.get("/v1/me", headers={"X-API-Key": made["key"]})
        assert answer.status_code == 200
        assert answer.json() == {
            "key": {
                "id": made["id"],
                "name": "page",
                "prefix": made["prefix"],
                "scopes": [scope],
                "expiresAt": iso(clock.now + DAY_MS),
            },
            "environment": {"id": app.environment_id, "key": "prod", "zone": "UTC", "revision": 1},
            "abilities": included[scope],
            "version": __version__,
        }
        assert made["key"] not in answer.text
    both = await create(app, "write", "decide", origins=[SHOP])
    found = (await app.keyless.get("/v1/me", headers={"X-API-Key": both["key"]})).json()
    assert (found["abilities"], found["key"]["expiresAt"]) == (["write", "decide"], None)
