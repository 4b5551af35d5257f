"""Health, metrics and the reference, on the real application; and what all of it answers with the database away."""

import gc
import json
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from prometheus_client.parser import text_string_to_metric_families

from application import Application, running
from serving import eventually
from tinycdp import __version__
from tinycdp.api.http.openapi import operation_id, reads_body, scope_of
from tinycdp.api.routes import GUARDED, OPEN
from tinycdp.model import Identifier, Message
from tinycdp.products.analytics import routes as analytics
from tinycdp.products.delivery import routes as delivery
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.store.log import append_happenings
from tinycdp.store.database.pool import transaction

#: What has no body, or a file.
BODILESS = {
    "/v1/analytics/reports/{name}/run",
    "/v1/analytics/dashboards/{name}/run",
    "/v1/destinations/{name}/resume",
    "/v1/destinations/{name}/secrets",
    "/v1/admin/flags/{name}/revive",
    "/v1/admin/imports",
    "/v1/admin/imports/inspect",
    "/v1/admin/segments/{name}/list/upload",
}
DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def series(app: Application) -> dict[tuple[str, ...], float]:
    """(name, label values but for the process…) → value."""
    answer = await app.keyless.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [s for family in text_string_to_metric_families(answer.text) for s in family.samples]
    assert all(sample.labels["process"].isdecimal() for sample in samples)
    return {
        (s.name, *(value for name, value in sorted(s.labels.items()) if name != "process")): s.value for s in samples
    }


async def test_metrics_count_what_happened(app: Application) -> None:
    await app.define("flag", key="on", rule="profile.plan == 1")
    before = await series(app)
    event = {"type": "track", "userId": "ada", "event": "x", "messageId": "m1"}
    await app.write.post("/v1/batch", json=[event, event, {"type": "track", "userId": "ada"}])
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "one"}, "messageId": "m2"})
    for _ in range(3):
        await app.read.get("/v1/decide?flag=on&userId=ada")
    await app.read.get("/v1/profiles/absent")
    await app.read.get("/nowhere/at/all")
    after = await series(app)
    grown = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    assert grown["tinycdp_messages_total", "accepted"] == 2
    assert grown["tinycdp_type_mismatches_total", "flag on", "profile.plan"] == 1, "the result is kept, not read anew"
    assert grown["tinycdp_messages_total", "duplicate"] == 1
    assert grown["tinycdp_rejections_total", "INVALID_EVENT_NAME"] == 1
    assert grown["tinycdp_decisions_total", "DEFAULT"] == 3
    assert grown["tinycdp_http_requests_total", "GET", "/v1/decide", "200"] == 3
    assert grown["tinycdp_http_requests_total", "GET", "/v1/profiles/{id}", "404"] == 1
    assert grown["tinycdp_http_requests_total", "POST", "/v1/batch", "200"] == 1
    assert not any("absent" in part or "nowhere" in part for name in after for part in name)
    assert grown["tinycdp_ingest_seconds_count",] == 2
    assert after["tinycdp_decision_seconds_count", "one"] == 0, "measured where requests begin, in front of the routes"
    assert (after["tinycdp_wakeup_lag_seconds",], after["tinycdp_database_away",]) == (0, 0)
    page = (DOCS / "operations.md").read_text()
    families = {re.sub(r"_(bucket|count|sum)$", "", name[0]) for name in after}
    assert [name for name in sorted(families) if f"`{name}`" not in page] == []


async def test_alive_and_ready(app: Application) -> None:
    assert (await app.keyless.get("/healthz")).json() == {"status": "ok", "version": __version__}
    assert (await app.keyless.get("/readyz")).json() == {"ready": True, "environments": 2}


async def test_with_the_database_away_everything_says_when_to_come_back(
    app: Application, dsn: str, maintenance: asyncpg.Connection
) -> None:
    name = re.search(r"/(test_\d+)", dsn)[1]  # type: ignore[index]
    await maintenance.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await maintenance.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    for path in (
        "/readyz", "/v1/profiles/ada", "/v1/admin/users/ada", "/v1/journeys/ada", "/v1/events/recent",
        "/v1/profiles/search?q=a", "/v1/admin/traits", "/v1/admin/metrics", "/v1/admin/keys",
        "/v1/export/segment/all.csv",
    ):  # fmt: skip
        away = await app.admin.get(path)
        assert (away.status_code, away.json()["code"]) == (503, "DATABASE_AWAY"), path
        assert int(away.headers["retry-after"]) > 0, path
    saved = await app.admin.post("/v1/admin/traits", json={"key": "x", "expression": "1"})
    assert (saved.status_code, saved.headers["retry-after"]) == (503, "1")
    assert (await app.keyless.get("/healthz")).status_code == 200
    assert ("tinycdp_wakeup_lag_seconds",) not in await series(app)

    await maintenance.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    async def ready() -> bool:
        return (await app.keyless.get("/readyz")).status_code == 200

    await eventually(ready)
    assert (await app.admin.get("/v1/admin/traits")).json() == {"traits": [], "revision": 0}


async def test_the_document_describes_every_route_and_refers_to_nothing_that_is_not_there(app: Application) -> None:
    answer = await app.keyless.get("/openapi.json")
    document = answer.json()
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for route in app.litestar.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            if handler.include_in_schema is False:
                continue
            for method in handler.http_methods - {"HEAD", "OPTIONS"}:
                operation = operations.pop((route.path_format, method.lower()))
                assert operation["summary"] and operation["tags"], route.path
                assert bool(operation["security"]) is (scope_of(handler) is not None)
                declared = {entry["name"] for entry in operation["parameters"] if entry["in"] == "path"}
                assert declared == set(route.path_parameters)
                has_body = reads_body(handler) or "takes_file" in handler.opt
                assert ("requestBody" in operation) is has_body, route.path
                says_all = route.path_format in BODILESS or method not in {"POST", "PUT"}
                assert reads_body(handler) or says_all, route.path
                success = operation["responses"][str(handler.status_code)]
                assert "content" in success or handler.status_code == 204, route.path
    assert operations == {}
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', answer.text):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
    # Structs that a field tells apart are shown with it.
    trend = document["components"]["schemas"]["TrendQuestion"]
    assert (trend["properties"]["kind"]["enum"], "kind" in trend["required"]) == (["trend"], True)
    words = json.dumps([schema.get("description") for schema in document["components"]["schemas"].values()])
    assert re.findall(r"\b[a-z]+_(?:at|of|by|id|seen|bytes|per|left)\b", words) == []


async def test_answers_are_what_the_document_says(app: Application, tmp_path: Path) -> None:
    await app.define("trait", key="x", expression="events.x.count_30d")
    await app.define("segment", key="x", rule="x > 0")
    await app.define("segment", key="listed", static=True)
    await app.define("flag", key="x", rule="segments.x")
    await app.track({"userId": "x", "event": "x", "properties": {"x": 1.5}})
    await app.service.registry.flush()
    assert (await app.admin.put("/v1/registry/plan/x", json={})).status_code == 200
    await app.write.post("/v1/batch", json=[{"type": "track"}])
    await app.write.post("/v1/group", json={"userId": "x", "groupId": "x", "traits": {"tier": "gold"}})
    unstorable = Message(
        kind="track", message_id="x", identifiers=(Identifier("userId", "x"),), occurred_at=0, received_at=0, name="\0"
    )
    await app.service.ingest.accept(app.environment_id, [unstorable])
    await app.track({"userId": "gone", "event": "x"})
    assert (await app.admin.delete("/v1/admin/profiles/gone")).json()["id"] == "1"
    trend = {"kind": "trend", "last": "7d", "series": [{"event": "x"}]}
    for kind, document in (
        ("event", {"any": [{"event": "x"}]}),
        ("metric", {"event": "x"}),
        ("report", {"question": trend}),
        ("dashboard", {"tiles": [{"question": trend}]}),
    ):
        assert (await app.admin.put(f"/v1/analytics/{kind}s/x", json=document)).status_code == 201
    hook = {"url": "https://destination.invalid/", "events": ["flag.changed"]}
    assert (await app.admin.put("/v1/destinations/x", json=hook)).status_code == 201
    sync = {"destination": "x", "segment": "x", "mapping": {"id": {"field": "profile.id"}}, "match": ["id"]}
    assert (await app.admin.put("/v1/syncs/x", json=sync)).status_code == 201
    async with transaction(app.service.pool) as connection:
        happening = Happening(1, 1, 1, "flag.changed", object_id=1, revision=1, cause="created")
        await append_happenings(connection, app.environment_id, 1, [happening])
    steps = {"kind": "funnel", "last": "7d", "steps": [{"event": "x"}, {"event": "x"}]}
    assert (await app.admin.post("/v1/funnels", json={"key": "steps", "question": steps})).status_code == 201
    app.service.imports.folder = tmp_path
    imported = (await app.admin.post("/v1/admin/imports?name=x.csv", content=b"user_id\nx\n")).json()["id"]
    checked = 0
    for handler in (*OPEN, *GUARDED, *analytics.GUARDED, *delivery.GUARDED):
        kind = answer_of(handler)
        if kind is None or handler.http_methods != {"GET"}:
            continue
        path = re.sub(r"\{\w+:int\}", "1", re.sub(r"\{\w+:str\}", "x", min(handler.paths)))
        path = path.replace("policies/x", "policies/enrichment").replace("imports/x", f"imports/{imported}")
        path = path.replace("funnels/x", "funnels/steps").replace("segments/x/list", "segments/listed/list")
        person = "?flag=x&userId=x"
        query = {
            "decide": person,
            "explain": person,
            "searchProfiles": "?q=x",
            "searchUsers": "?q=x",
            "listExposures": "?flag=x",
            "diffRevisions": "?from=0&to=1",
        }
        name = handler.operation_id or operation_id(handler, None, None)
        answer = await app.admin.get(path + query.get(str(name), ""))
        if answer.status_code == 503:  # no ClickHouse is behind this application
            assert answer.json()["code"].startswith("ANALYTICS_"), path
            continue
        assert answer.status_code == 200, path
        strict = msgspec.defstruct("Strict", [], bases=(kind,), forbid_unknown_fields=True)
        msgspec.json.decode(answer.content, type=strict, strict=True)
        checked += 1
    assert checked > 15


def answer_of(handler: HTTPRouteHandler) -> type[msgspec.Struct] | None:
    """The struct that a route answers with."""
    returned = handler.parsed_fn_signature.return_type
    kinds = [handler.opt.get("answer"), returned.annotation, *(inner.annotation for inner in returned.inner_types)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)), None)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_works_offline_and_its_policy_allows_nothing_else(app: Application) -> None:
    answer = await app.keyless.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    tags = _Tags()
    tags.feed(answer.text)
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert names.isdisjoint({"script", "img", "iframe", "object", "form"})
    links = [attributes["href"] for tag, attributes in tags.found if tag in {"a", "link"}]
    anchors = {attributes["id"] for _, attributes in tags.found if "id" in attributes}
    assert [link for link in links if link != "openapi.json" and str(link)[1:] not in anchors] == []
    assert not any(name.startswith("on") or name == "style" for _, attributes in tags.found for name in attributes)
    document = (await app.keyless.get("/openapi.json")).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert {operation["operationId"] for operation in operations} <= anchors


def _codes() -> Iterator[str]:
    kinds = "InvalidInput|NotFound|Conflict|TooLarge|TooSlow|Unauthenticated|Forbidden|Overloaded|Unavailable"
    source = Path(__file__).parents[3] / "src" / "tinycdp"
    for file in source.rglob("*.py"):
        text = file.read_text()
        yield from re.findall(rf'\b(?:{kinds})\(\s*"([A-Z_]+)"', text)
        if file.name == "errors.py":
            yield from re.findall(r'"([A-Z]+_[A-Z_]+)"', text)


def test_every_error_code_is_explained() -> None:
    page = "".join((DOCS / name).read_text() for name in ("errors.md", "errors-files.md", "errors-commands.md"))
    codes = set(_codes())
    assert len(codes) > 35
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


def test_every_admin_route_is_documented() -> None:
    pages = re.sub(r"\{\w+\}", "{}", "".join(page.read_text() for page in DOCS.glob("*.md")))
    for handler in (*OPEN, *GUARDED, *analytics.GUARDED):
        if set(handler.tags or ()) & {"Profiles", "Definitions", "Export", "Saved analytics", "Destinations"}:
            path = re.sub(r"\{\w+:\w+\}", "{}", min(handler.paths))
            # What is the same for every kind is described once, for traits.
            path = re.sub(r"analytics/(metrics|events|dashboards)", "analytics/reports", path)
            assert path in pages or re.sub(r"admin/(segments|flags)", "admin/traits", path) in pages, path


async def test_an_application_that_ended_leaves_nothing_in_memory(dsn: str) -> None:
    """What is frozen is never freed, so an application must not freeze what others of its process have in memory.

    The count may fall: of what was frozen before, some was in use and is not any more."""
    frozen, thresholds = gc.get_freeze_count(), gc.get_threshold()
    async with running(dsn) as app:
        await app.track({"userId": "ada", "event": "open"})
        service = weakref.ref(app.service)
    del app
    gc.collect()
    assert service() is None
    assert gc.get_freeze_count() <= frozen
    assert gc.get_threshold() == thresholds
