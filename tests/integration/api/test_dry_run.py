"""A dry run is called `dryRun`, and what is called otherwise is an error: on every route that changes something.

Shape   the routes are those of the route table that are not GET; `state` is what they could destroy or publish
Laws    every route that changes something has a dryRun, or is listed in WITHOUT with the reason why it needs none.
        No misspelling of dryRun, and no dryRun in the wrong place, is ignored: nothing changes without being asked for.
        A dry run changes nothing, and succeeds if and only if the change would
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from litestar.enums import ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import inspect

from application import Application, running
from tinycdp.api.http.openapi import reads_body
from tinycdp.api.http.params import parameters_of
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED

MISSPELT = (
    "dry", "dryrun", "dry_run", "dry-run", "DryRun", "DRYRUN", "dryRun_", "dryRuns", "drRun", "dryRnu", " dryRun",
    "dryRun[]", "data.dryRun", "dry_run_only", "preview", "simulate", "test",
)  # fmt: skip

#: They change nothing: they read, or check what is sent.
READS = {
    "/v1/decide", "/v1/decide/replay", "/v1/snapshot",
    "/v1/admin/preview", "/v1/admin/preview/profile", "/v1/admin/validate", "/v1/admin/explain",
    "/v1/admin/erasures/{id}/check",
    "/v1/analytics/ask", "/v1/analytics/query", "/v1/analytics/export", "/v1/analytics/people", "/v1/analytics/sql",
    "/v1/analytics/reports/{name}/run", "/v1/analytics/dashboards/{name}/run",
    "/v1/syncs/{name}/preview",
    "/v1/dsl/check", "/v1/dsl/complete", "/v1/dsl/format", "/v1/dsl/hover", "/v1/dsl/explain",
}  # fmt: skip

#: Why a route has no dry run: it neither destroys nor publishes anything.
WITHOUT = {
    ("POST", "/v1/admin/flags/{name}/kill"): "`revive` undoes it at once, and nothing is lost",
    ("POST", "/v1/admin/flags/{name}/revive"): "`kill` undoes it at once",
    ("POST", "/v1/admin/imports"): "rows that are there stay, and those that do not fit are listed",
    ("POST", "/v1/admin/imports/inspect"): "it is a dry run, and stores nothing",
    ("POST", "/v1/admin/downloads"): "an address that ends by itself",
    ("DELETE", "/v1/admin/imports/{id}"): "sending the file again continues it",
    ("POST", "/v1/admin/keys"): "a new key; revoking it undoes it",
    ("PATCH", "/v1/admin/keys/{id}"): "the answer has the key as it is; another PATCH undoes it",
    ("POST", "/v1/admin/keys/{id}/rotate"): "the old key serves on until the end of the overlap",
    ("POST", "/v1/admin/environments"): "a new, empty environment",
    ("POST", "/v1/admin/environments/{name}/rename"): "another rename undoes it; ids and keys stay",
    ("DELETE", "/v1/analytics/queries/{id}"): "a question that is cancelled can be asked again",
    ("POST", "/v1/destinations/{name}/pause"): "`resume` goes on where it stopped, and nothing is lost",
    ("POST", "/v1/destinations/{name}/resume"): "`pause` undoes it",
    ("POST", "/v1/destinations/{name}/secrets"): "the old secret signs on until the end of the overlap",
    ("POST", "/v1/syncs/{name}/run"): "a record that the receiver has is not sent again",
    ("POST", "/v1/exports"): "a file that goes by itself",
    ("POST", "/v1/exports/{id}/link"): "an address that ends by itself",
    ("DELETE", "/v1/exports/{id}"): "the same rows can be exported again",
    ("POST", "/v1/admin/dead-letters/replay"): "accepted messages are stored; repeating it adds nothing",
}

#: Their bodies are files.
FILES = {"/v1/admin/imports", "/v1/admin/imports/inspect", "/v1/admin/segments/{name}/list/upload"}

#: What exists under the parts of an address.
THERE = {"traits": "spare", "segments": "spare", "flags": "premium", "plan": "app_open", "policies": "limits"}

TARGETS = {"profiles": "ada", "erasures": "1", "merges": "1", "keys": "2", "dead-letters": "1", "imports": "1"}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.define("trait", key="spare_2", expression="1")
        await fill(application)
        yield application


async def fill(app: Application) -> None:
    """Make what the addresses name."""
    await app.admin.post("/v1/track", json={"userId": "ada", "event": "app_open"})  # unless ada is suppressed
    for path, document in (
        ("traits/spare", {"expression": "1"}),
        ("segments/spare", {"static": True}),
        ("flags/premium", {"rule": "true"}),
    ):
        answer = await app.admin.put(f"/v1/admin/{path}", json=document)
        assert answer.status_code in {200, 201}, answer.text
    await app.backfill()


def changing(app: Application) -> Iterator[tuple[HTTPRouteHandler, str, str, str]]:
    """Every route of ours that changes something: with its method, its path, and an address of what exists."""
    foreign = {handler.fn for handler in (*FOREIGN, *FOREIGN_GUARDED)}
    for route in app.litestar.routes:
        assert isinstance(route, HTTPRoute)
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if method in {"GET", "HEAD", "OPTIONS"} or handler.fn in foreign or route.path_format in READS:
                continue
            address = route.path_format
            for noun, name in {**THERE, **TARGETS}.items():
                address = re.sub(rf"/{noun}/\{{\w+\}}", f"/{noun}/{name}", address)
            yield handler, str(method), route.path_format, re.sub(r"\{\w+\}", "1", address)


def place_of(handler: HTTPRouteHandler) -> str | None:
    """Where a route takes its dry run: in the query or in the body; None if it has none."""
    if any(name == "dryRun" and rules.param_type == ParamType.QUERY for name, _, rules in parameters_of(handler)):
        return "query"
    body = handler.parsed_fn_signature.parameters.get("data")
    kind = inspect.type_info(body.annotation) if body is not None else None
    named = isinstance(kind, inspect.StructType) and any(field.encode_name == "dryRun" for field in kind.fields)
    return "body" if named else None


async def state(app: Application) -> list[Any]:
    """All that the routes could have changed."""
    found = []
    for path in (
        "revisions", "traits", "segments", "flags", "erasures", "suppressions", "merges", "keys", "imports",
        "dead-letters", "policies/limits/versions", "flags/premium/kills", "users/search?q=a",
    ):  # fmt: skip
        answer = await app.admin.get(f"/v1/admin/{path}")
        assert answer.status_code == 200, path
        found.append({name: value for name, value in answer.json().items() if name != "asOf"})
    found.append((await app.admin.get("/v1/registry/plan")).json())
    for listed in found:
        for entry in listed.get("segments", ()):
            entry.pop("asOf")
    return found


async def test_every_misspelling_is_an_error_and_changes_nothing(app: Application) -> None:
    before, places = await state(app), dict[str, int]()
    for handler, method, path, address in changing(app):
        place = place_of(handler)
        places[place or "none"] = places.get(place or "none", 0) + 1
        example = dict(handler.opt.get("example") or {})
        example.pop("dryRun", None)
        whole = {"json": example} if reads_body(handler) else {}
        queries = [[(name, "true")] for name in MISSPELT]
        if place == "query":
            queries += [[("dryRun", text)] for text in ("", "yes", "on", "2", "TRUE!")]
            queries += [[("dryRun", "true"), ("dryRun", "false")]]
        else:
            queries += [[("dryRun", "true")], [("dryRun", "")]]
        for query in queries:
            answer = await app.admin.request(method, address, params=query, **whole)
            assert answer.status_code == 400, (method, address, query, answer.text)
            assert answer.json()["code"] in {"UNKNOWN_PARAMETER", "INVALID_REQUEST"}, answer.text
        bare = await app.admin.request(method, f"{address}?dryRun", **whole)
        assert bare.status_code == 400, (method, address, bare.text)
        if path in FILES:
            continue
        bodies: list[dict[str, Any]] = [{name: True} for name in MISSPELT]
        bodies += [{"dryRun": "true"}, {"dryRun": 1}, {"dryRun": None}] if place == "body" else [{"dryRun": True}]
        for body in bodies:
            answer = await app.admin.request(method, address, json={**example, **body})
            assert answer.status_code == 400, (method, address, body, answer.text)
    assert await state(app) == before
    assert places["query"] >= 1
    assert places["body"] >= 5
    assert sum(places.values()) > 35


async def test_the_place_is_named(app: Application) -> None:
    erase = await app.admin.request("DELETE", "/v1/admin/profiles/ada", json={"dryRun": True})
    assert erase.json()["message"] == (
        "DELETE /v1/admin/profiles/{id} takes no body. Send `dryRun` in the address, after `?`."
    )
    publish = await app.admin.post("/v1/admin/publish?dryRun=true", json={"changes": []})
    assert publish.json()["message"] == "Unknown parameter 'dryRun'. Send `dryRun` in the body."


async def test_the_nearest_is_suggested(app: Application) -> None:
    for name in ("dry", "dryrun", "dry_run", "DryRun", "dryRuns"):
        erase = await app.admin.delete("/v1/admin/profiles/ada", params={name: "true"})
        assert "Did you mean `dryRun`?" in erase.json()["message"], name
        publish = await app.admin.post("/v1/admin/publish", json={"changes": [], name: True})
        assert "Did you mean `dryRun`?" in publish.json()["message"], name


async def test_every_route_that_changes_something_has_a_dry_run(app: Application) -> None:
    routes = {(method, path): place_of(handler) for handler, method, path, _ in changing(app)}
    assert sorted(route for route, place in routes.items() if place is None) == sorted(WITHOUT)


async def test_a_dry_run_changes_nothing_and_says_what_would_happen(app: Application) -> None:
    """Of every route that has one, with its own example: first dry, then in earnest."""
    succeeded = set()
    for handler, method, path, address in changing(app):
        place = place_of(handler)
        if place is None or path in FILES:
            continue
        example = dict(handler.opt.get("example") or {})
        example.pop("dryRun", None)
        await fill(app)  # an earlier route may have deleted it
        before = await state(app)
        body = {"json": {**example, "dryRun": True} if place == "body" else example} if reads_body(handler) else {}
        query = {"dryRun": "true"} if place == "query" else {}
        dry = await app.admin.request(method, address, params=query, **body)
        assert await state(app) == before, (method, address)
        real = await app.admin.request(method, address, **({"json": example} if reads_body(handler) else {}))
        assert dry.is_success == real.is_success, (method, address, dry.text, real.text)
        if not dry.is_success:
            assert dry.json()["code"] == real.json()["code"], (method, address)
            continue
        succeeded.add((method, path))
        await app.backfill()
    for noun in ("traits", "segments", "flags"):
        for method, path in (("POST", ""), ("PUT", "/{name}"), ("DELETE", "/{name}")):
            assert (method, f"/v1/admin/{noun}{path}") in succeeded
    assert len(succeeded) >= 22


async def test_a_dry_run_of_a_definition_answers_as_a_publish(app: Application) -> None:
    document = {"key": "orders", "expression": "events.purchse.count_7d"}
    created = await app.admin.post("/v1/admin/traits?dryRun=true", json=document)
    assert created.status_code == 200
    found = created.json()
    assert [(change["action"], change["key"]) for change in found["changes"]] == [("create", "orders")]
    assert found["dryRun"] is True
    assert [one["diagnostics"][0]["code"] for one in found["warnings"]] == ["E301"]
    replaced = (await app.admin.put("/v1/admin/traits/spare?dryRun=true", json={"expression": "2"})).json()
    assert [(change["action"], change["key"]) for change in replaced["changes"]] == [("update", "spare")]
    stale = await app.admin.put(
        "/v1/admin/traits/spare?dryRun=true", json={"expression": "2"}, headers={"If-Match": '"7"'}
    )
    assert stale.json()["code"] == "VERSION_CONFLICT"
    deleted = (await app.admin.delete("/v1/admin/traits/spare?dryRun=true")).json()
    assert (deleted["key"], deleted["dryRun"]) == ("spare", True)
    assert (await app.admin.get("/v1/admin/traits/spare")).json()["expression"] == "1"
