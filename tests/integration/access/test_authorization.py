"""Who may ask what: every route, every kind of key, every place a key may stand, and another environment's key.

Shape   three tables of requests that make sense in the environment `prod`: what shows something of it, what changes it,
        what does neither. A route that stands in none of them fails
Laws    another environment's key reads nothing of prod, changes nothing of it, and cannot tell it from an empty one:
        the same requests are answered in the same way beside a twin of the server that has nothing in prod. Only ids
        tell how many were given: all environments take theirs from the same sequences
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from application import KEYS, Application, running
from calls_of_routes import (
    ADA,
    CALLS,
    CHANGING,
    DOORS,
    MARK,
    NEITHER,
    PLACES,
    SHOWING,
    Call,
    presenting,
)
from furnished import a_key, furnish
from serving import PATIENCE_SECONDS, served
from streams import Reader, watching
from tinycdp import resources
from tinycdp.api.application import fast_lanes
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.keys import SCOPES, Keyring, digest, environment_named


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether the real pages are built makes no difference."""
    (tmp_path / "console.html").write_text("the console")
    monkeypatch.setattr(resources, "PAGES", tmp_path)


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
async def twin(other_dsn: str) -> AsyncIterator[Application]:
    async with running(other_dsn) as application:
        yield application


@pytest.fixture
async def other_dsn(dsn: str, template: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """Another fresh database beside the test's own."""
    name = dsn.rpartition("/")[2].partition("?")[0]
    await maintenance.execute(f"CREATE DATABASE {name}_twin TEMPLATE {template}")
    yield dsn.replace(f"/{name}?", f"/{name}_twin?")
    await maintenance.execute(f"DROP DATABASE {name}_twin WITH (FORCE)")


def client(app: Application, key: str | None = None) -> httpx.AsyncClient:
    """A client of the whole application, with the lanes that answer from memory."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(fast_lanes(app.litestar)), base_url="http://test", headers=headers
    )


# Every route is known


async def test_every_route_stands_in_one_of_the_tables_with_the_scope_it_says(app: Application) -> None:
    routed = {
        f"{method} {route.path_format}"
        for route in app.litestar.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods - {"HEAD", "OPTIONS"}
    }
    assert all(isinstance(route, HTTPRoute) for route in app.litestar.routes)
    assert routed == CALLS.keys()
    assert len(CALLS) == len(SHOWING) + len(CHANGING) + len(NEITHER)
    served_as = (await app.keyless.get("/openapi.json")).json()["paths"]
    documented = {f"{m.upper()} {path}": one.get("x-scope") for path, by in served_as.items() for m, one in by.items()}
    assert documented == {route: CALLS[route].scope for route in documented}


# Keys


async def test_every_route_takes_every_kind_of_key_where_it_may_stand_and_nowhere_else(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for clients_own in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, clients_own)
    await app.define("flag", key="on", rule="true")
    await app.track({**ADA, "event": "app_open"})
    assert (await app.read.get("/v1/decide", params={**ADA, "flag": "on"})).status_code == 200, "memory knows her"
    revoked = await a_key(app.admin, *SCOPES)
    assert (await app.admin.delete(f"/v1/admin/keys/{revoked['id']}")).status_code == 200
    usable = {**KEYS, "decide": (await a_key(app.admin, "decide"))["key"]}
    expired = await a_key(app.admin, *SCOPES)
    ended = "UPDATE api_keys SET expires_at = created_at WHERE id = $1"
    await app.service.pool.execute(ended, expired["id"])
    elsewhere = await a_key(app.admin, *SCOPES, origins=["https://shop.example"])
    await app.service.keyring.load()
    unusable = {"unknown": "there-is-no-such-key", "revoked": revoked["key"], "expired": expired["key"]}

    async with client(app) as http:
        for route, call in CALLS.items():
            request = {**call.request(route, {}), "content": "{}"}

            async def ask(sent: dict[str, Any], key: str, expected: tuple[int, str] | None, context: Any) -> None:
                answer = await http.request(**sent)
                code = answer.json().get("code") if answer.status_code in {401, 403} else None
                if expected is not None:
                    assert (answer.status_code, code) == expected, context
                else:
                    assert answer.status_code < 500 and code is None, (*context, answer.text)
                assert answer.status_code < 400 or not key or key not in answer.text, context

            if call.scope is None:
                for key in (None, *usable.values(), *unusable.values()):
                    sent = presenting(key, "Bearer", request) if key else request
                    assert (await http.request(**sent)).status_code == call.status, route
                continue
            absent = (401, "MISSING_KEY" if call.door != "address" else "INVALID_KEY")
            await ask(request, "", absent, route)
            for place in PLACES:
                if place not in DOORS[call.door]:
                    if place != "address":
                        await ask(presenting(usable["admin"], place, request), usable["admin"], absent, (route, place))
                    continue
                for kind, key in unusable.items():
                    await ask(presenting(key, place, request), key, (401, "INVALID_KEY"), (route, place, kind))
                for origin, refused in (
                    ("https://evil.example", (403, "ORIGIN_NOT_ALLOWED")),
                    ("https://shop.example", None),
                ):
                    sent = presenting(elsewhere["key"], place, request)
                    sent["headers"] = {**sent.get("headers", {}), "Origin": origin}
                    await ask(sent, elsewhere["key"], refused, (route, place, origin))
                for has, key in usable.items():
                    wider = has == "admin" or (has, call.scope) == ("read", "decide")
                    admitted = call.scope in {has, "any"} or wider
                    expected = None if admitted else (403, "MISSING_SCOPE")
                    await ask(presenting(key, place, request), key, expected, (route, place, has))

    for key in (*usable.values(), *unusable.values(), elsewhere["key"]):
        assert key not in caplog.text
        assert await where(app, key) == []


async def test_an_explanation_needs_more_than_a_decision(app: Application) -> None:
    page = await a_key(app.admin, "decide")
    async with client(app, page["key"]) as http:
        for asked in (
            http.get("/v1/decide", params={**ADA, "flag": "on", "explain": "true"}),
            http.post("/v1/decide", json={**ADA, "explain": True}),
        ):
            refused = await asked
            assert (refused.status_code, refused.json()["code"]) == (403, "MISSING_SCOPE")
        assert (await http.post("/v1/decide", json=ADA)).status_code == 200


async def test_however_an_address_is_written_it_leads_past_no_guard(app: Application) -> None:
    async with client(app) as keyless, client(app, KEYS["write"]) as writer:
        for route, call in CALLS.items():
            if call.scope in {None, "write", "any"}:
                continue
            request = call.request(route, {})
            url = request["url"]
            first, _, rest = url[1:].partition("/")
            for odd in (
                f"{url}/", f"/{url}", url.replace("/", "//"), f"/{first}/./{rest}", f"/{first}/x/../{rest}", f"{url};x",
                f"/%{ord(first[0]):02x}{first[1:]}/{rest}", f"/{first}%2f{rest}", f"/{first.upper()}/{rest}",
            ):  # fmt: skip
                for http in (keyless, writer):
                    # As it is: httpx would put some of them right.
                    raw = httpx.URL("http://test", raw_path=odd.encode())
                    answer = await http.request(**{**request, "url": raw})
                    assert answer.status_code in {400, 401, 403, 404, 405}, (odd, answer.text)


async def tables(app: Application) -> list[str]:
    """Those whose rows belong to an environment."""
    rows = await app.service.pool.fetch(
        "SELECT relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'environment_id'"
        " WHERE c.relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    # What processes count is written once a minute, whatever is asked.
    return [row["relname"] for row in rows if row["relname"] != "metric_minutes"]


async def held(app: Application) -> dict[str, str]:
    """A digest of prod's rows of each table."""
    whole = {table: f"SELECT t::text AS row FROM {table} t WHERE environment_id = $1" for table in await tables(app)}
    whole["environments"] = "SELECT t::text FROM environments t WHERE id = $1"
    # When a key was used is written about once a minute, whatever is asked.
    whole["api_keys"] = "SELECT (to_jsonb(t) - 'last_used_at')::text FROM api_keys t WHERE environment_id = $1"
    parts = [f"SELECT '{name}' AS name, md5(string_agg(row, ' ' ORDER BY row)) AS rows FROM ({rows}) r (row)"
             for name, rows in whole.items()]  # fmt: skip
    found = await app.service.pool.fetch(" UNION ALL ".join(parts), app.environment_id)
    return {row["name"]: row["rows"] for row in found}


async def where(app: Application, text: str) -> list[str]:
    """The tables in which a text stands, as such or as bytes."""
    found = []
    for table in await tables(app):
        query = f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0)"
        if await app.service.pool.fetchval(query, text, text.encode().hex()):
            found.append(table)
    return found


# Another environment's key


@dataclass
class World:
    """A server, asked by an admin of prod, by a key of dev that may do everything, and by those who may not."""

    app: Application
    prod: httpx.AsyncClient
    dev: httpx.AsyncClient
    dev_key: str

    async def digest(self) -> dict[str, str]:
        """Of everything prod has, also what was only in memory."""
        await self.app.service.exposures.flush()
        await self.app.service.registry.flush()
        return await held(self.app)


async def world(app: Application) -> World:
    key = (await a_key(app.stranger, *SCOPES))["key"]
    return World(app, client(app, KEYS["admin"]), client(app, key), key)


async def test_of_another_environment_a_key_reads_nothing_changes_nothing_and_learns_nothing(
    app: Application, twin: Application
) -> None:
    here, there = await world(app), await world(twin)
    names = await furnish(app)
    await same_numbers(app, twin)
    assert {table for table, rows in (await here.digest()).items() if rows is None} == {
        "downloads",
        "list_edits",
        "live_batches",
    }

    shown: dict[str, str] = {}
    for route, call in SHOWING.items():
        answer = await ask(here.prod, route, call, {**names, "key": KEYS["admin"]})
        assert answer.status_code == call.status, (route, answer.text)
        assert (MARK in answer.text) == call.marked, (route, answer.text)
        shown[route] = lasting(answer.text)

    before = await here.digest()
    weak = {scope: client(app, key) for scope, key in KEYS.items() if scope != "admin"}

    async def alike(calls: Mapping[str, Call], names: Mapping[str, str]) -> dict[str, str]:
        """What dev is answered, which is what the twin answers."""
        found = {}
        for route, call in calls.items():
            answer = await ask(here.dev, route, call, {**names, "key": here.dev_key})
            assert MARK not in answer.text and MARK not in repr(answer.headers), route
            assert answer.status_code < 500, (route, answer.text)
            found[route] = lasting(answer.text)
            if route != "GET /metrics":  # that counts what the process does, for all environments
                beside = await ask(there.dev, route, call, {**names, "key": there.dev_key})
                assert (answer.status_code, found[route]) == (beside.status_code, lasting(beside.text)), route
            for scope, http in [*weak.items(), (None, app.keyless)]:
                if route in CHANGING and scope != call.scope:
                    assert (await ask(http, route, call, names)).status_code in {401, 403}, (route, scope)
            assert changes(before, await here.digest()) == [], route
        return found

    answers = await alike(CALLS, names)
    assert [route for route, text in shown.items() if answers[route] == text] == []
    # Once more now that dev has people by the same names, and definitions that mean the same.
    ada = await settle(here)
    assert ada == await settle(there)
    await alike(SHOWING, {**names, "ada": ada})

    for route, text in shown.items():
        answer = await ask(here.prod, route, SHOWING[route], {**names, "key": KEYS["admin"]})
        assert lasting(answer.text) == text, route
    for route, call in CHANGING.items():
        before = await here.digest()
        answer = await ask(here.prod, route, call, names)
        assert answer.status_code == call.status, (route, answer.text)
        assert changes(before, await here.digest()), route


async def settle(world: World) -> str:
    """Let definitions go live in dev that mean the same as prod's; the id of dev's own ada."""
    for path, document in (
        ("traits/opens", {"expression": "events.app_open.count_7d"}),
        ("segments/openers", {"rule": "opens > 0"}),
        ("flags/on", {"rule": "segments.openers", "stickyFor": "1h"}),
    ):
        assert (await world.dev.put(f"/v1/admin/{path}", json=document)).status_code in {200, 201}
    await world.app.backfill()
    service = world.app.service
    await service.catalogs.refresh(service.pool, await environment_named(service.pool, "dev"))
    found = await world.dev.get("/v1/admin/segments/openers")
    assert (found.json()["status"], found.json()["members"]) == ("live", 1)
    id: str = (await world.dev.get("/v1/profiles/ada")).json()["id"]
    return id


async def ask(http: httpx.AsyncClient, route: str, call: Call, names: Mapping[str, str]) -> httpx.Response:
    return await http.request(**call.request(route, names))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [table for table in before if before[table] != after[table]]


_PASSING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:[\d:.]+Z?|\b1[78]\d{11}\b"  # times
    r"|tcdp_[\w-]{9,32}|whsec_[\w+/=]+|\?token=[\w.-]+|/export/download/[\w.-]+"  # what chance makes, or a key signs
    r"|\b(?:[0-9a-f]{16}){1,2}\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b"
    r'|"(?:rate|ratePerSecond|eventsPerSecond|cachedProfiles)":[\d.]+'  # how fast; and of the process, for any key
    r'|"lastUsedAt":(?:null|"[^"]*")'  # written once a minute, which may be now
    r'|"webhook-(?:timestamp|signature)":"[^"]*"'  # of an attempt at this instant
)


def lasting(text: str) -> str:
    """An answer without what is another each time."""
    return _PASSING.sub("…", text)


async def same_numbers(app: Application, twin: Application) -> None:
    """Let the twin's sequences stand where the server's do: what is made next has the same id in both."""
    for name, last in await app.service.pool.fetch("SELECT sequencename, last_value FROM pg_sequences"):
        if last is not None:
            await twin.service.pool.execute("SELECT setval($1::text::regclass, $2)", name, last)


async def test_a_live_stream_shows_only_its_own_environment(app: Application) -> None:
    dev = await a_key(app.stranger, "read", "write")
    async with watching(app) as prods, watching(app, key=dev["key"]) as devs:
        await app.track({**ADA, "event": MARK}, {**ADA, "event": "a", "properties": {"said": MARK}})
        assert len(await prods.messages(2)) == 2
        await client(app, dev["key"]).post("/v1/track", json={**ADA, "event": "b"})
        [message] = await devs.messages(1)
        assert message["stored"]["event"] == "b"
        assert MARK not in devs.body.decode()
        assert len(prods.received()) == 2


async def test_a_change_stream_notifies_only_of_its_own_environment(app: Application) -> None:
    dev = await a_key(app.stranger, *SCOPES)
    readers, pro = [], {**ADA, "traits": {"plan": "pro"}}
    async with client(app, KEYS["admin"]) as prods, client(app, dev["key"]) as devs:
        for http in (prods, devs):
            made = await http.post("/v1/admin/flags", json={"key": "on", "rule": 'profile.plan == "pro"'})
            assert made.status_code == 201
            readers.append(Reader(app, await stream_of(http), None))
            await readers[-1].until(lambda reader: reader.body or reader.ended)
        for http, expected in ((prods, (1, 0)), (devs, (1, 1))):
            assert (await http.post("/v1/identify", json=pro)).status_code == 200
            for reader, times in zip(readers, expected, strict=True):
                await reader.until(lambda reader, times=times: len(reader.messages) >= times)
            assert tuple(len(reader.messages) for reader in readers) == expected
        for reader in readers:
            await reader.leave()


async def test_a_stream_token_opens_nothing_but_for_the_key_that_got_it(app: Application) -> None:
    dev, end = await a_key(app.stranger, *SCOPES), await a_key(app.admin, "decide")
    async with client(app, KEYS["read"]) as prods, client(app, dev["key"]) as devs, client(app, end["key"]) as ends:
        ours, theirs, ended = [(await stream_of(http)).partition(".") for http in (prods, devs, ends)]
    assert (await app.admin.delete(f"/v1/admin/keys/{end['id']}")).status_code == 200
    stream_token, _ = stream_tokens.redeem(app.service.keyring, "".join(ours).partition("=")[2], app.service.now())
    page = app.service.keyring.find(KEYS["write"])
    assert page is not None

    def forged(key_id: int, key: str) -> str:
        """What a client that has the key can sign."""
        signing = Keyring(app.service.pool)
        signing.by_id = lambda id: (page, digest(key))  # type: ignore[method-assign]
        forged_token = msgspec.structs.replace(stream_token, key_id=key_id)
        return f"/ofrep/v1/stream?token={stream_tokens.issue(signing, forged_token)}"

    for url, code in (
        (f"{ours[0]}.{theirs[2]}", "INVALID_STREAM_TOKEN"),
        (forged(stream_token.key_id, dev["key"]), "INVALID_STREAM_TOKEN"),
        ("".join(ended), "INVALID_STREAM_TOKEN"),
        (forged(page.id, KEYS["write"]), "MISSING_SCOPE"),
    ):
        async with asyncio.timeout(PATIENCE_SECONDS):  # an open stream would not end
            refused = await app.keyless.get(url)
        assert (refused.status_code, refused.json()["code"]) == (403, code), url


async def stream_of(http: httpx.AsyncClient) -> str:
    answer = await http.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})
    uri: str = answer.json()["eventStreams"][0]["endpoint"]["requestUri"]
    return uri


# Keys appear in no log and no answer


@pytest.mark.parametrize("swapped", [False, True])
async def test_of_two_keys_the_same_counts_whichever_way_a_request_takes(app: Application, swapped: bool) -> None:
    await app.define("flag", key="on", rule="true")
    await app.track({**ADA, "event": "app_open"})
    headers = [("X-API-Key", KEYS["read"]), ("Authorization", "Bearer wrong")]
    async with client(app) as http:
        for route in ("GET /v1/decide", "POST /ofrep/v1/evaluate/flags/{flag}"):
            request = CALLS[route].request(route, {})
            assert (await http.request(**request, headers=headers[:1])).status_code == 200
            answer = await http.request(**request, headers=headers[::-1] if swapped else headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY"), route


async def test_a_key_beside_a_rejected_event_is_not_logged_with_it(app: Application) -> None:
    key = KEYS["write"]
    single = {"writeKey": key, "userId": "ada", "event": ""}
    captured = {"distinct_id": "ada", "properties": {"token": key}}
    for path, body in {
        "/v1/track": single,
        "/v1/batch": {"writeKey": key, "batch": [{"type": "none", "writeKey": key}]},
        "/collect": {"writeKey": key, "event_name": ""},
        "/e": {"api_key": key, **captured},
        "/batch": {"api_key": key, "batch": [captured, captured]},
    }.items():
        for headers in ({}, {"X-API-Key": key}):
            assert (await app.keyless.post(path, json=body, headers=headers)).status_code in {200, 400}
    async with watching(app, "status=rejected") as stream:
        await app.keyless.post("/v1/track", json=single)
        assert (await stream.messages(1))[0]["received"] == {**single, "writeKey": "***"}
        assert key not in stream.body.decode()
    lines = await app.admin.get("/v1/admin/rejections")
    assert len(lines.json()["rejections"]) >= 5
    assert key not in lines.text and await where(app, key) == []


async def test_an_address_with_a_key_appears_in_no_log_and_no_error(
    app: Application, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(environment_id: int) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(app.service.catalogs, "serving", broken)
    caplog.set_level(logging.WARNING, "httpx")
    key = KEYS["write"]
    for path, status in {
        f"/array/{key}/config": 500,
        f"/array/{key}/config.js": 500,
        f"/array/{key}/surveys.js": 404,
        f"/v1/projects/{key}": 404,
        f"/v1/{key}/track?writeKey={key}": 404,
    }.items():
        answer = await app.keyless.get(path)
        assert (answer.status_code, key in answer.text) == (status, False), path
    assert "GET /array/{token}/config failed" in caplog.text
    assert "a fault of ours" in caplog.text
    assert key not in caplog.text


def test_a_server_that_logs_everything_logs_no_key(dsn: str, tmp_path: Path) -> None:
    unknown = "there-is-no-such-key"
    with served(tmp_path, dsn=dsn, log_level="debug") as server:
        for route, call in CALLS.items():
            for key, place in ((unknown, "?writeKey"), (KEYS["admin"], DOORS[call.door][-1])):
                # A body that is not read ends the connection.
                request = {**call.request(route, {}), "content": None}
                server.http.request(**presenting(key, place, request))
        logged = server.log.read_text()
    assert re.search(r"TinyCDP \S+ serves", logged)
    for key in (unknown, *KEYS.values()):
        assert key not in logged
