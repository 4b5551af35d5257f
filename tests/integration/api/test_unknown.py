"""What no route declares is an error on every route, with what is valid listed."""

import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from application import Application, running
from tinycdp.api.http.openapi import reads_body
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED, GUARDED, OPEN
from tinycdp.products.analytics import routes as analytics

#: What a body with a field too many is answered with: the code of what reads it.
CODES = {"INVALID_BODY", "INVALID_DOCUMENT", "INVALID_FLAG", "INVALID_POLICY", "INVALID_PLAN"}

#: Their bodies are files.
FILES = {"/v1/admin/imports", "/v1/admin/imports/inspect", "/v1/admin/segments/enrichment/list/upload"}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


def calls() -> Iterator[tuple[HTTPRouteHandler, str, str]]:
    """Every route that is our own, with its method and an address."""
    for handler in (*OPEN, *GUARDED, *analytics.GUARDED):
        path = re.sub(r"\{\w+:str\}", "enrichment", re.sub(r"\{\w+:int\}", "1", min(handler.paths)))
        for method in sorted(handler.http_methods - {"HEAD", "OPTIONS"}):
            yield handler, method, path


async def test_an_unknown_parameter(app: Application) -> None:
    checked = 0
    for _, method, path in calls():
        answer = await app.admin.request(method, path, params={"surprise": "1"})
        assert (answer.status_code, answer.json()["code"]) == (400, "UNKNOWN_PARAMETER"), (method, path)
        assert answer.json()["message"].startswith("Unknown parameter 'surprise'. "), path
        checked += 1
    assert checked > 80


async def test_an_unknown_field(app: Application) -> None:
    checked = 0
    for handler, method, path in calls():
        if not reads_body(handler):
            assert method in {"GET", "DELETE"} or path.endswith(("/revive", "/run")) or path in FILES, (method, path)
            continue
        answer = await app.admin.request(method, path, json={"surprise": 1, **(handler.opt.get("example") or {})})
        assert (answer.status_code, answer.json()["code"] in CODES) == (400, True), (method, path, answer.text)
        assert re.search(r"surprise.* Valid are: \w", answer.json()["message"]), (method, path, answer.text)
        checked += 1
    assert checked > 25


async def test_the_nearest_comes_first(app: Application) -> None:
    answer = await app.admin.get("/v1/admin/rejections", params={"limt": 3})
    assert (
        answer.json()["message"]
        == "Unknown parameter 'limt'. Did you mean `limit`? Valid are: limit, code, keyId, before."
    )
    answer = await app.admin.post("/v1/admin/publish", json={"changes": [], "dryrun": True})
    assert (
        answer.json()["message"]
        == "$.dryrun: unknown field. Did you mean `dryRun`? Valid are: dryRun, changes, note, prune."
    )


async def test_fields_of_an_object_inside(app: Application) -> None:
    changes = [{"kind": "trait", "key": "x", "document": None, "expect": 1}]
    answer = await app.admin.post("/v1/admin/publish", json={"changes": changes})
    assert (answer.json()["path"], answer.json()["message"]) == (
        "$.changes[0].expect",
        "$.changes[0].expect: unknown field. Did you mean `expects`? Valid are: expects, kind, key, document, was.",
    )


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/batch", "/collect", "/ofrep/v1/evaluate/flags"])
async def test_other_products_clients_send_what_they_like(app: Application, path: str) -> None:
    assert path in {min(handler.paths) for handler in (*FOREIGN, *FOREIGN_GUARDED)}
    event = {"userId": "ada", "event": "x", "surprise": 1}
    bodies = {
        "/v1/batch": {"batch": [{"type": "track", **event}], "surprise": 1},
        "/batch": {"batch": [{"event": "x", "distinct_id": "ada", "surprise": 1}], "surprise": 1},
        "/collect": [{"event_name": "x", "user": {"user_id": "ada"}, "surprise": 1}],
        "/ofrep/v1/evaluate/flags": {"context": {"targetingKey": "ada"}, "surprise": 1},
    }
    client: httpx.AsyncClient = app.read if "ofrep" in path else app.write
    answer = await client.post(path, json=bodies.get(path, event), params={"surprise": "1"})
    assert answer.status_code in {200, 202}, answer.text
