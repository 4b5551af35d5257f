"""Addresses that open a file once: the ordinary answer, with the rights of the key, and nothing a second time."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Request

from application import Application, running
from serving import ManualClock
from tinycdp.api.http.access_log import logged
from tinycdp.api.transfer.downloads import scope_of
from tinycdp.runtime.access.downloads import VALID_MS

NOW = 1_790_000_000_000
FILE = "/v1/export/segment/openers.csv"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        await application.define("segment", key="openers", rule="events.open.count(7d) >= 1")
        await application.track(*({"userId": f"u{n}", "event": "open"} for n in range(3)))
        yield application


async def address(app: Application, path: str = FILE, by: httpx.AsyncClient | None = None) -> str:
    made = await (by or app.read).post("/v1/admin/downloads", json={"path": path})
    assert made.status_code == 201, made.text
    url: str = made.json()["url"]
    return url


async def opened(app: Application, url: str, **headers: str) -> httpx.Response:
    return await app.keyless.get(url, headers=headers)


def refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (403, "INVALID_DOWNLOAD_LINK")


@pytest.mark.parametrize(
    "path",
    [FILE, "/v1/export/segment/openers.jsonl?columns=&traits=opens", "/v1/export/segment/%6fpeners.csv?raw=true"],
)
async def test_it_opens_what_the_key_would_get_and_only_once(app: Application, path: str) -> None:
    await app.define("trait", key="opens", expression="events.open.count(7d)")
    wanted = await app.read.get(path)
    assert wanted.status_code == 200 and wanted.text.count("u1") == 1
    url = await address(app, path)
    first = await opened(app, url)
    assert (first.status_code, first.content) == (200, wanted.content)
    for name in ("content-type", "content-disposition", "cache-control", "x-as-of"):
        assert first.headers[name] == wanted.headers[name]
    assert first.headers["referrer-policy"] == "no-referrer"
    assert refused(await opened(app, url))


async def test_of_many_processes_one_opens_it(app: Application, dsn: str, clock: ManualClock) -> None:
    async with running(dsn, clock) as other:
        url = await address(app)
        answers = await asyncio.gather(*(opened(process, url) for process in (app, other) * 5))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 9


async def test_it_ends_after_a_minute_and_with_its_key(app: Application, clock: ManualClock) -> None:
    url = await address(app)
    clock.now += VALID_MS
    assert refused(await opened(app, url))
    made = (await app.admin.post("/v1/admin/keys", json={"name": "page", "scopes": ["read"]})).json()
    by = httpx.AsyncClient(
        transport=httpx.ASGITransport(app.litestar),
        base_url="http://test",
        headers={"Authorization": f"Bearer {made['key']}"},
    )
    url = await address(app, by=by)
    assert (await app.admin.delete(f"/v1/admin/keys/{made['id']}")).status_code == 200
    assert refused(await opened(app, url))
    await address(app)
    left = [row["valid_until"] for row in await app.service.pool.fetch("SELECT valid_until FROM downloads")]
    assert left, "the last one is valid"
    assert all(until > clock.now for until in left), "what has expired is deleted"


async def test_a_key_sent_with_it_makes_no_difference(app: Application) -> None:
    url = await address(app)
    stranger = app.stranger.headers["authorization"]
    answer = await opened(app, url, Authorization=stranger)
    assert answer.status_code == 200 and "u1" in answer.text


def test_the_request_of_the_file_is_read_anew() -> None:
    state = {"started": True}
    headers = [(b"authorization", b"Bearer secret"), (b"host", b"cdp.example.com")]
    outer = {
        "type": "http", "asgi": {}, "http_version": "1.1", "scheme": "https", "client": None, "server": None,
        "root_path": "", "path": "/v1/downloads/1.x", "query_string": b"a=1", "headers": headers, "state": state,
    }  # fmt: skip
    asked: Request[Any, Any, Any] = Request(outer)  # type: ignore[arg-type]
    assert asked.headers["authorization"] and asked.query_params["a"] == "1", "the framework keeps both"
    inner: Request[Any, Any, Any] = Request(scope_of(outer, f"{FILE}?raw=true"))
    assert dict(inner.headers) == {"host": "cdp.example.com"}
    assert dict(inner.query_params) == {"raw": "true"}
    assert inner.scope["state"]["started"]


async def test_what_a_key_may_not_read_it_may_not_open(app: Application) -> None:
    refusal = await app.read.post("/v1/admin/downloads", json={"path": "/v1/admin/imports/x/report"})
    assert (refusal.status_code, refusal.json()["code"]) == (403, "MISSING_SCOPE")
    url = await address(app, "/v1/admin/imports/x/report", app.admin)
    assert (await opened(app, url)).json()["code"] == "IMPORT_NOT_FOUND", "the error is that of the path"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/admin/keys",
        "/v1/me",
        "/v1/export/list",
        "/v1/profiles/ada",
        "/v1/downloads/1.x",
        "/v1/export/segment/a/../../../admin/keys",
        "/v1/export/segment/",
        "/v1/export/segment/x%00.csv",
        "https://evil.example/v1/export/segment/openers.csv",
        "v1/export/segment/openers.csv",
        "",
    ],
)
async def test_only_files_can_be_opened(app: Application, path: str) -> None:
    refusal = await app.admin.post("/v1/admin/downloads", json={"path": path})
    assert (refusal.status_code, refusal.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("nosuch=1", "UNKNOWN_PARAMETER"),
        ("raw=true&raw=true", "INVALID_REQUEST"),
        ("raw=maybe", "INVALID_REQUEST"),
        ("raw=", "INVALID_REQUEST"),
        ("traits=%00", "INVALID_REQUEST"),
        ("writeKey=wk_secret", "INVALID_REQUEST"),
        ("write%4bey=wk_secret", "INVALID_REQUEST"),
    ],
)
async def test_parameters_are_checked_before_an_address_is_made(app: Application, query: str, code: str) -> None:
    refusal = await app.admin.post("/v1/admin/downloads", json={"path": f"{FILE}?{query}"})
    assert (refusal.status_code, refusal.json()["code"]) == (400, code)
    assert "wk_secret" not in refusal.text
    assert await app.service.pool.fetch("SELECT 1 FROM downloads") == []


@pytest.mark.parametrize("name", ["..%2f..%2f..%2fv1%2fadmin%2fkeys", "%2e%2e"])
async def test_an_odd_name_leads_past_no_route(app: Application, name: str) -> None:
    url = await address(app, f"/v1/export/segment/{name}")
    answer = await opened(app, url)
    assert answer.status_code in {400, 404}
    assert "keys" not in answer.json()


async def test_no_log_and_no_table_has_the_address(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tinycdp.access")
    url = await address(app)
    token = url.rpartition("/")[2]
    stored = await app.service.pool.fetch("SELECT d::text AS row FROM downloads d")
    assert len(stored) == 1 and token.partition(".")[2] not in stored[0]["row"]
    exports: dict[str, Any] = (await app.read.get("/v1/export/list")).json()
    link = exports["exports"][0]["downloadUrl"]
    transport = httpx.ASGITransport(logged(app.litestar, lambda scope: None))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for secret in (url, link):
            assert (await http.get(secret)).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name == "tinycdp.access"]
    assert [line.split(" ")[1] for line in lines] == ["/v1/downloads/***", "/v1/export/download/***"]
