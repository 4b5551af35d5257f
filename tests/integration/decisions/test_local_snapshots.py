"""Snapshots for clients that decide flags: the endpoint, its ETag, what leaves, and the stream of changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from application import Application, running
from streams import Reader
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit

URL = "/v1/snapshot"
SHOP: dict[str, Any] = {
    "traits": [{"key": "secret_spend", "expression": "events.purchase.sum(amount, 30d)"}],
    "segments": [{"key": "secret_segment", "rule": "secret_spend > 100 && profile.country != \"US\""}],
    "flags": [
        {"key": "opened", "rule": "events.open.exists(7d)"},
        {
            "key": "phones",
            "evaluation": "client",
            "rules": [
                {"id": "rich", "when": 'segments.secret_segment && context.platform == "ios"', "serve": "on"},
                {"id": "ramp", "when": "context.total >= secret_spend", "rollout": 50, "serve": "on"},
            ],
            "overrides": [{"profile": "another-person", "serve": "on"}],
            "metadata": {"owner": "growth"},
        },
        {"key": "hidden", "rule": 'context.platform == "hidden-platform"'},
        {"key": "needs_hidden", "evaluation": "client", "rule": 'flag("hidden") && context.x == 1'},
        {"key": "kept", "sticky": True, "rules": [{"when": "true", "rollout": 50, "serve": "on"}]},
        {"key": "visit", "stickyFor": "30m", "rules": [{"when": "true", "rollout": 50, "serve": "on"}]},
        {"key": "half", "evaluation": "client", "rules": [{"when": "true", "rollout": 50, "serve": "on"}]},
        {
            "key": "planned",
            "evaluation": "client",
            "rules": [{"id": "r", "when": "context.n > 1", "serve": "on"}],
            "schedule": [{"at": "2199-01-01T00:00:00Z", "set": {"/rules/r/when": "context.unannounced > 1"}}],
        },
    ],
}  # fmt: skip


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await publish(application)
        yield application


@pytest.fixture
async def other(app: Application, dsn: str) -> AsyncIterator[Application]:
    """Another process on the same database."""
    async with running(dsn) as application:
        yield application


async def publish(app: Application) -> None:
    await apply_documents(app.service.environment(app.environment_id), [SHOP], Edit("test", app.service.now()))
    await app.backfill()


async def snapshot(app: Application, headers: dict[str, str] | None = None, **question: Any) -> httpx.Response:
    return await app.read.post(URL, json=question, headers=headers)


@asynccontextmanager
async def listening(app: Application, answer: httpx.Response) -> AsyncIterator[Reader]:
    reader = Reader(app, answer.json()["stream"], None)
    await reader.until(lambda reader: reader.body or reader.ended)
    yield reader
    await reader.leave()


async def quiet(app: Application) -> None:
    while app.service.change_streams.busy:  # noqa: ASYNC110 - it has no end of its own
        await asyncio.sleep(0.01)


async def test_a_snapshot_has_every_flag_in_one_of_three_forms(app: Application) -> None:
    tracked = await app.write.post("/v1/track", json={"userId": "ada", "event": "open"})
    version = tracked.json()["version"]
    answer = await snapshot(app, userId="ada", minVersion=version)
    found = answer.json()
    assert answer.status_code == 200 and found["format"] == 1 and found["unit"] == "ada"
    assert found["version"] == version and found["revision"] >= 1 and isinstance(found["asOf"], int)
    flags = found["flags"]
    assert flags.keys() == {flag["key"] for flag in SHOP["flags"]}
    first, second = flags["opened"]["steps"]
    assert first == {"variant": "on", "reason": "TARGETING_MATCH", "until": first["until"], "rule": "rule"}
    assert found["asOf"] < first["until"] <= found["asOf"] + 7 * 86_400_000
    assert second == {"variant": "off", "reason": "DEFAULT", "until": None}
    asked = {key: flag["ask"] for key, flag in flags.items() if "ask" in flag}
    assert asked == {"hidden": "server", "needs_hidden": "flag", "kept": "sticky", "visit": "session"}
    clauses = flags["phones"]["clauses"]
    assert flags["phones"]["metadata"] == {"owner": "growth"}
    assert clauses[0]["when"] == [">=", ["context", "number", "total"], ["number", "0"]], "not in the segment: no rule"
    assert clauses[0]["buckets"][0][1:] == ["rollout", 0, 50_000] and clauses[0]["serve"] == "on"
    assert clauses[-1] == {"reason": "DEFAULT", "serve": "off"}
    assert flags["planned"]["until"] is not None and found["validUntil"] == flags["planned"]["until"]


async def test_nothing_leaves_but_what_the_answers_need(app: Application) -> None:
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": 1_000}})
    text = (await snapshot(app, userId="ada")).text
    for name in ("secret", "country", "another-person", "hidden-platform", "unannounced", "purchase"):
        assert name not in text.replace("needs_hidden", "")


async def test_a_snapshot_records_no_exposure(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    await snapshot(app, userId="ada")
    await app.service.exposures.flush()
    assert await app.service.pool.fetchval("SELECT count(*) FROM exposures") == 0


async def test_an_etag_stands_for_the_flags(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    first = await snapshot(app, userId="ada")
    same = await snapshot(app, {"If-None-Match": first.headers["etag"]}, userId="ada")
    assert same.status_code == 304 and same.content == b"" and same.headers["etag"] == first.headers["etag"]
    assert (await snapshot(app, {"If-None-Match": "*"}, userId="ada")).status_code == 304
    eve = await snapshot(app, {"If-None-Match": first.headers["etag"]}, userId="eve")
    assert eve.status_code == 200 and eve.headers["etag"] != first.headers["etag"]
    await app.track({"userId": "ada", "event": "other"})
    unaffected = await snapshot(app, {"If-None-Match": first.headers["etag"]}, userId="ada")
    assert unaffected.status_code == 304, "an event that no flag reads changes nothing"
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": 20}})
    changed = await snapshot(app, {"If-None-Match": first.headers["etag"]}, userId="ada")
    assert changed.status_code == 200
    assert ["number", "20"] in [value for value, _ in changed.json()["flags"]["phones"]["clauses"][0]["when"][2][1:]]


async def test_without_an_identifier_it_is_of_any_new_visitor(app: Application) -> None:
    found = (await snapshot(app)).json()
    assert found["unit"] is None and found["version"] == 0
    assert found["flags"]["half"]["clauses"][0]["buckets"], "a client may divide by the visitor's own identifier"
    assert found["flags"]["phones"] == {"ask": "name"}, "an override may name the visitor"
    assert found["flags"]["opened"]["steps"] == [{"variant": "off", "reason": "DEFAULT", "until": None}]


async def test_the_stream_says_when_a_snapshot_has_changed(app: Application) -> None:
    await app.track({"userId": "ada", "event": "other"})
    before = await snapshot(app, userId="ada")
    async with listening(app, before) as ada, listening(app, await snapshot(app, userId="bob")) as bob:
        await quiet(app)
        await app.track({"userId": "ada", "event": "other"})
        await quiet(app)
        assert ada.messages == []
        await app.track({"userId": "ada", "event": "open"})
        message = await ada.received(1)
        after = await snapshot(app, userId="ada", etag=message["etag"])
        assert message["type"] == "refetchEvaluation" and message["etag"] == after.headers["etag"]
        await quiet(app)
        assert bob.messages == []
        await app.define("flag", key="late", rule="context.n == 1", evaluation="client")
        await ada.received(2)
        await bob.received(1)


async def test_a_snapshot_is_as_new_as_the_push_that_asked_for_it(
    app: Application, other: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.track({"userId": "ada", "event": "other"})
    await snapshot(other, userId="ada")
    monkeypatch.setattr(other.service.snapshots, "changed", lambda *_: None)
    monkeypatch.setattr(other.service.snapshots, "created_elsewhere", lambda *_: None)
    await app.track({"userId": "ada", "event": "open"})
    new = await snapshot(app, userId="ada")
    found = await snapshot(other, userId="ada", etag=new.headers["etag"])
    assert found.json()["flags"]["opened"]["steps"][0]["variant"] == "on"
    assert found.headers["etag"] == new.headers["etag"]


async def test_a_kill_is_known_to_every_client(app: Application) -> None:
    assert (await app.admin.post("/v1/admin/flags/hidden/kill", json={})).status_code == 200
    found = (await snapshot(app, userId="ada")).json()
    assert found["flags"]["hidden"]["steps"] == [{"variant": "off", "reason": "DISABLED", "until": None}]


@pytest.mark.parametrize(
    ("body", "code"), [({"userId": 1}, "INVALID_BODY"), ({"user": "ada"}, "INVALID_BODY"), ([], "INVALID_BODY")]
)
async def test_a_question_that_cannot_be_read(app: Application, body: Any, code: str) -> None:
    answer = await app.read.post(URL, json=body)
    assert answer.status_code == 400 and answer.json()["code"] == code
    assert (await app.write.post(URL, json={"userId": "ada"})).status_code == 403


async def test_who_may_evaluate_a_flag_is_part_of_its_document(app: Application) -> None:
    found = (await app.admin.get("/v1/admin/flags/phones")).json()
    assert found["document"]["evaluation"] == "client", found
    wrong = await app.admin.put("/v1/admin/flags/x", json={"rule": "true", "evaluation": "browser"})
    assert wrong.status_code == 400 and "$.evaluation" in wrong.json()["message"]
