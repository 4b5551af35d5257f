"""The OpenFeature Remote Evaluation Protocol: one flag, all flags with an ETag, and the change stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from application import Application, running
from serving import without_database
from streams import Reader
from tinycdp.api.ofrep import routes as ofrep
from tinycdp.errors import Forbidden, Overloaded
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.decisions.change_streams import QUIET_SECONDS
from tinycdp.runtime.decisions.evaluations import decide_all, evaluations
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.times import iso

ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"

FLAGS: list[dict[str, Any]] = [
    {"key": "opened", "rule": "events.open.exists()"},
    {"key": "beta", "rule": 'context.platform == "ios"'},
    {
        "key": "ratio",
        "type": "float",
        "variants": {"two": 2, "half": 0.5},
        "offVariant": "two",
        "metadata": {"owner": "growth", "tier": 3, "new": True},
    },
    {"key": "retries", "type": "integer", "variants": {"seven": 7}},
    {"key": "greeting", "type": "string", "variants": {"hello": "hello"}},
    {"key": "layout", "type": "object", "variants": {"wide": {"columns": [1, 2.5], "name": "wide"}}},
    {"key": "half", "rules": [{"when": "true", "rollout": 50, "serve": "on"}]},
]


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
    await apply_documents(
        app.service.environment(app.environment_id), [{"flags": FLAGS}], Edit("test", app.service.now())
    )
    await app.backfill()


async def all_flags(app: Application, context: dict[str, Any], **headers: str) -> httpx.Response:
    return await app.read.post(ALL, json={"context": context}, headers=headers)


def by_key(answer: httpx.Response) -> dict[str, Any]:
    return {entry["key"]: entry for entry in answer.json()["flags"]}


# One flag


async def test_values_keep_their_types(app: Application) -> None:
    raw = {
        name: (await app.read.post(ONE + name, json={"context": {"targetingKey": "ada"}})).text
        for name in ("ratio", "retries", "greeting", "layout", "opened")
    }
    assert '"value":2.0,' in raw["ratio"] and '"value":7,' in raw["retries"]
    assert '"value":"hello",' in raw["greeting"] and '"value":false,' in raw["opened"]
    assert '"value":{"columns":[1,2.5],"name":"wide"},' in raw["layout"]


async def test_an_answer_has_what_providers_index(app: Application) -> None:
    answer = await app.read.post(ONE + "ratio", json={"context": {"targetingKey": "ada"}})
    found = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (found["key"], found["variant"], found["reason"]) == ("ratio", "two", "STATIC")
    assert found["metadata"] | {"owner": "growth", "tier": 3, "new": True} == found["metadata"]
    assert all(type(value) in (bool, str, int, float) for value in found["metadata"].values())


@pytest.mark.parametrize("body", [b"{}", b'{"context":{}}', b"", b'{"context":{"targetingKey":""}}'])
async def test_without_a_targeting_key_what_needs_none_is_evaluated(app: Application, body: bytes) -> None:
    assert (await app.read.post(ONE + "greeting", content=body)).json()["value"] == "hello"
    missing = await app.read.post(ONE + "half", content=body)
    assert missing.status_code == 400
    assert missing.json()["key"] == "half" and missing.json()["errorCode"] == "TARGETING_KEY_MISSING"
    assert "send `targetingKey` in `context`" in missing.json()["errorDetails"]


@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        (b"{", "PARSE_ERROR", "line 1, column 2"),
        (b"\xff", "PARSE_ERROR", "the byte 0xff at line 1, column 1"),
        (b'{"context":[]}', "INVALID_CONTEXT", "$.context: expected an object; found an empty list."),
        (
            b'{"context":{"targetingKey":7}}',
            "INVALID_CONTEXT",
            "$.context.targetingKey: expected a string; found the number 7. Send an identifier of the profile.",
        ),
        (b"[]", "INVALID_CONTEXT", "expected an object; found an empty list."),
        (b'{"context":{"n":1e400}}', "INVALID_CONTEXT", "A number is out of range"),
    ],
)
async def test_a_body_that_cannot_be_read(app: Application, body: bytes, code: str, details: str) -> None:
    one, many = await app.read.post(ONE + "greeting", content=body), await app.read.post(ALL, content=body)
    assert one.status_code == many.status_code == 400
    assert one.json()["errorCode"] == many.json()["errorCode"] == code
    assert one.json()["key"] == "greeting" and one.json()["errorDetails"] == many.json()["errorDetails"]
    assert details in one.json()["errorDetails"]
    assert "key" not in many.json()


@pytest.mark.parametrize("key", ["greting", "greet/ing"])
async def test_of_a_flag_that_does_not_exist_the_nearest_is_named(app: Application, key: str) -> None:
    answer = await app.read.post(ONE + key, json={"context": {"targetingKey": "ada"}})
    assert (answer.status_code, answer.json()["key"], answer.json()["errorCode"]) == (404, key, "FLAG_NOT_FOUND")
    assert "id you mean" in answer.json()["errorDetails"] and "greeting" in answer.json()["errorDetails"]


@pytest.mark.parametrize("key", ["nothing", "a/b", "a%2Fb", "a/b/c", "a b", "%C3%A9", "a;b", "flag:with~odd._-"])
async def test_a_flag_that_does_not_exist_is_named(app: Application, key: str) -> None:
    answer = await app.read.post(ONE + key, json={"context": {"targetingKey": "ada"}})
    assert answer.status_code == 404
    found = answer.json()
    assert found["errorCode"] == "FLAG_NOT_FOUND" and found["errorDetails"]
    assert found["key"] == httpx.URL("http://x/" + key).path.removeprefix("/")


@pytest.mark.parametrize("path", ["//ofrep/v1/evaluate/flags/greeting", "/ofrep/v1/evaluate/flags/greeting/"])
async def test_addresses_as_providers_join_them(app: Application, path: str) -> None:
    answer = await app.read.post("http://test" + path, json={"context": {"targetingKey": "ada"}})
    assert answer.json()["value"] == "hello"


async def test_keys_in_either_header_and_answers_without_one(app: Application) -> None:
    key = app.read.headers["authorization"].removeprefix("Bearer ")
    for path in (ONE + "greeting", ALL):
        assert (await app.keyless.post(path, json={}, headers={"X-API-Key": key})).status_code == 200
        assert (await app.keyless.post(path, json={})).status_code == 401
        refused = await app.write.post(path, json={})
        assert refused.status_code == 403 and refused.json()["errorCode"] == "GENERAL"


async def test_nested_values_and_gzip_are_read(app: Application) -> None:
    import gzip

    body = gzip.compress(json.dumps({"context": {"platform": "ios", "deep": {"a": [1, {"b": None}]}}}).encode())
    answer = await app.read.post(ONE + "beta", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json()["value"] is True


async def by_memory(
    app: Application, path: str, body: bytes, *, more: bool = False, length: int | None = None
) -> tuple[bytes | None, bytes]:
    """What the fast lane answers, and the request's body as the ordinary route would then receive it. `more` says that
    the server does not know yet whether this was all, `length` how long it is to be."""
    parts = [{"type": "http.request", "body": body, "more_body": more}]

    async def receive() -> Any:
        return parts.pop(0)

    key = app.read.headers["authorization"].encode()
    scope: Any = {
        "path": path,
        "headers": [(b"authorization", key), (b"content-length", b"%d" % (length or len(body)))],
    }
    answer, again = await ofrep.fast_lane(app.service, scope, receive)
    return answer, (await again())["body"]  # type: ignore[typeddict-item]


@pytest.mark.parametrize("key", ["opened", "beta", "ratio", "layout", "half"])
async def test_memory_answers_as_the_ordinary_route_does(app: Application, key: str) -> None:
    await app.track({"userId": "ada", "event": "open"})
    for context in ({"targetingKey": "ada", "platform": "ios"}, {"platform": "ios"}):
        body = json.dumps({"context": context}).encode()
        ordinary = await app.read.post(ONE + key, content=body)
        for more in (False, True):
            answer, again = await by_memory(app, ONE + key, body, more=more)
            assert again == body and answer == (ordinary.content if ordinary.status_code == 200 else None)


@pytest.mark.parametrize(
    "body", [b'{"context":{"targetingKey":"absent"}}', b'{"context":{"sessionId":"s"}}', b"{", b"\x1f\x8b"]
)
async def test_memory_leaves_the_rest_to_the_ordinary_route(app: Application, body: bytes) -> None:
    assert await by_memory(app, ONE + "greeting", body) == (None, body)
    assert await by_memory(app, ONE + "nothing", b"{}") == (None, b"{}")
    assert await by_memory(app, ONE + "greeting", b"{}", more=True, length=9) == (None, b"{}")


# All flags


async def test_bulk_has_every_flag_and_fails_only_those_that_fail(app: Application) -> None:
    answer = await all_flags(app, {"platform": "ios"})
    assert answer.status_code == 200
    found = by_key(answer)
    assert found.keys() == {flag["key"] for flag in FLAGS}
    assert found["half"].keys() == {"key", "errorCode", "errorDetails"}
    assert found["half"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert found["beta"]["value"] is True and found["beta"]["metadata"] == {"rule": "rule"}
    assert found["ratio"]["metadata"] == {"owner": "growth", "tier": 3, "new": True}
    assert '"value":2.0,' in answer.text and answer.json()["metadata"]["revision"] > 0


async def test_an_etag_stands_for_the_answers(app: Application) -> None:
    first = await all_flags(app, {"targetingKey": "ada"})
    etag = first.headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*", f'W/"x",W/{etag}'):
        same = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": given})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    await app.track({"userId": "ada", "event": "other"})
    unmoved = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": etag})
    assert unmoved.status_code == 304, "an event that changes no answer"
    await app.track({"userId": "ada", "event": "open"})
    moved = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": etag})
    assert moved.status_code == 200 and moved.headers["etag"] != etag and by_key(moved)["opened"]["value"] is True


async def test_an_etag_is_of_one_person_and_one_context(app: Application) -> None:
    etags = [
        (await all_flags(app, context)).headers["etag"]
        for context in ({}, {"targetingKey": "ada"}, {"targetingKey": "bob"}, {"targetingKey": "ada", "plan": "pro"})
    ]
    assert len(set(etags)) == len(etags), "the stream is of one person in one context"
    again = await all_flags(app, {"plan": "pro", "targetingKey": "ada"})
    assert again.headers["etag"] == etags[3], "the order of attributes says nothing"
    by_another_key = await app.admin.post(ALL, json={"context": {"targetingKey": "ada"}})
    assert by_another_key.headers["etag"] != etags[1], "the stream lives as long as the key that asked for it"


async def test_an_etag_covers_definitions(app: Application) -> None:
    before = (await all_flags(app, {"targetingKey": "ada"})).headers["etag"]
    await app.define("flag", key="another", type="string", variants={"a": "a"})
    assert (await all_flags(app, {"targetingKey": "ada"})).headers["etag"] != before


async def test_a_browser_may_read_the_etag(app: Application) -> None:
    answer = await all_flags(app, {}, Origin="https://shop.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "etag" in answer.headers["access-control-expose-headers"].lower()
    asked = "authorization,content-type,if-none-match,x-api-key"
    preflight = await app.keyless.options(
        ALL,
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert preflight.status_code < 300
    assert set(asked.split(",")) <= set(
        preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    )


# Trouble


async def test_with_the_database_away_known_people_are_answered(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    fresh = await all_flags(app, {"targetingKey": "ada"})
    with without_database(app.service):
        known = await all_flags(app, {"targetingKey": "ada"})
        assert {entry["reason"] for entry in known.json()["flags"]} == {"STALE"}
        assert by_key(known)["opened"]["value"] is True and known.headers["etag"] != fresh.headers["etag"]
        for path in (ONE + "opened", ALL):
            unknown = await app.read.post(path, json={"context": {"targetingKey": "eve"}})
            assert (unknown.status_code, unknown.json()["errorCode"]) == (503, "GENERAL")
            assert int(unknown.headers["retry-after"]) > 0 and unknown.json()["errorDetails"]
            assert unknown.json().get("key") == ("opened" if path != ALL else None)
    assert (await all_flags(app, {"targetingKey": "ada"})).headers["etag"] == fresh.headers["etag"]


@pytest.mark.parametrize(("trouble", "status"), [(Overloaded("FULL", "Full."), 503), (ZeroDivisionError(), 500)])
async def test_whatever_happens_is_no_429_and_has_the_words_providers_read(
    app: Application, monkeypatch: pytest.MonkeyPatch, trouble: Exception, status: int
) -> None:
    async def fails(*given: Any, **named: Any) -> Any:
        raise trouble

    monkeypatch.setattr(app.service.profile_loader, "load", fails)
    for path in (ONE + "opened", ALL):
        answer = await app.read.post(path, json={"context": {"targetingKey": "ada"}})
        assert (answer.status_code, answer.json()["errorCode"]) == (status, "GENERAL")
        assert answer.json()["errorDetails"]


# The stream


@asynccontextmanager
async def listening(
    app: Application, answer: httpx.Response, last_event_id: str | None = None
) -> AsyncIterator[Reader]:
    (stream,) = answer.json()["eventStreams"]
    assert stream["type"] == "sse" and stream["inactivityDelaySec"] > 0
    reader = Reader(app, stream["endpoint"]["requestUri"], last_event_id)
    await reader.until(lambda reader: reader.body or reader.ended)
    yield reader
    await reader.leave()


async def quiet(app: Application) -> None:
    """Everything that was to be looked at was looked at."""
    while app.service.change_streams.busy:  # noqa: ASYNC110 - it has no end of its own
        await asyncio.sleep(0.01)


async def test_an_event_that_changes_an_answer_is_notified(app: Application) -> None:
    await app.track({"userId": "ada", "event": "other"})
    before = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, before) as ada, listening(app, await all_flags(app, {"targetingKey": "bob"})) as bob:
        await app.track({"userId": "ada", "event": "other"})
        await app.track({"userId": "ada", "event": "open"})
        message = await ada.received(1)
        after = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": before.headers["etag"]})
        assert message["type"] == "refetchEvaluation" and message["etag"] == after.headers["etag"]
        assert isinstance(message["lastModified"], int) and message["id"].isdecimal()
        await quiet(app)
        assert len(ada.messages) == 1 and bob.messages == []


async def test_a_profile_never_seen_is_notified_when_it_is_made(app: Application) -> None:
    async with listening(app, await all_flags(app, {"targetingKey": "eve"})) as reader:
        assert reader.headers[b"content-type"].startswith(b"text/event-stream")
        assert reader.headers[b"access-control-allow-origin"] == b"*", "a browser reads it from another origin"
        assert reader.headers[b"cache-control"] == b"no-store"
        await quiet(app)
        await app.track({"userId": "eve", "event": "open"})
        await reader.received(1)


async def test_a_person_who_merges_is_followed(app: Application) -> None:
    await app.track({"anonymousId": "tab", "event": "other"}, {"userId": "ada", "event": "other"})
    async with listening(app, await all_flags(app, {"targetingKey": "ada"})) as reader:
        await app.track({"anonymousId": "tab", "event": "open"})
        await quiet(app)
        assert reader.messages == []
        joined = await app.write.post("/v1/identify", json={"userId": "ada", "anonymousId": "tab", "traits": {}})
        assert joined.status_code == 200
        await reader.received(1)
        await app.define("flag", key="twice", rule="events.open.count() >= 2")
        await reader.received(2)
        await app.track({"anonymousId": "tab", "event": "open"})
        await reader.received(3)


async def test_definitions_notify_the_streams_whose_answers_they_change(app: Application) -> None:
    ios = await all_flags(app, {"targetingKey": "ada", "platform": "ios"})
    web = await all_flags(app, {"targetingKey": "ada", "platform": "web"})
    async with listening(app, ios) as here, listening(app, web) as there:
        await quiet(app)
        document = next(flag for flag in FLAGS if flag["key"] == "beta")
        changed = await app.admin.put("/v1/admin/flags/beta", json={**document, "rule": 'context.platform == "web"'})
        assert changed.status_code == 200, changed.text
        await app.backfill()
        await here.received(1)
        await there.received(1)


async def test_the_clock_notifies_too(app: Application) -> None:
    await app.define("flag", key="lately", rule="events.open.exists(1m)")
    opened = app.service.now() - 58_000
    await app.track({"userId": "ada", "event": "open", "timestamp": iso(opened), "sentAt": iso(app.service.now())})
    before = await all_flags(app, {"targetingKey": "ada"})
    assert by_key(before)["lately"]["value"] is True
    async with listening(app, before) as reader:
        message = await reader.received(1)
        assert opened + 60_000 <= int(message["id"][:-12]) < opened + 61_000
    assert by_key(await all_flags(app, {"targetingKey": "ada"}))["lately"]["value"] is False


async def test_a_missed_change_is_notified_on_connecting(app: Application) -> None:
    first = await all_flags(app, {"targetingKey": "ada"})
    await app.track({"userId": "ada", "event": "open"})
    async with listening(app, first) as reader:
        missed = await reader.received(1)
    async with listening(app, first, missed["id"]) as reader:
        await quiet(app)
        assert reader.messages == [], "the id says that it is known"
    for other in ("17", "nonsense", "9" * 40):
        async with listening(app, first, other) as reader:
            assert (await reader.received(1))["etag"] == missed["etag"]
    second = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, second) as reader:
        await quiet(app)
        assert reader.messages == []


async def test_a_burst_is_one_notification(app: Application) -> None:
    """A client fetches when nothing has arrived for 50 ms: one that is notified on and on never does."""
    levels = range(20, 0, -1)
    await app.define(
        "flag",
        key="level",
        type="integer",
        variants={f"v{n}": n for n in (0, *levels)},
        offVariant="v0",
        rules=[{"when": f"events.open.count() >= {n}", "serve": f"v{n}"} for n in levels],
    )
    async with listening(app, await all_flags(app, {"targetingKey": "ada"})) as reader:
        await quiet(app)
        began = asyncio.get_running_loop().time()
        for _ in levels:
            await app.track({"userId": "ada", "event": "open"})
        took = asyncio.get_running_loop().time() - began
        now = await all_flags(app, {"targetingKey": "ada"})
        await reader.until(lambda reader: reader.messages and reader.messages[-1]["etag"] == now.headers["etag"])
        assert len(reader.messages) <= 2 + took / QUIET_SECONDS


async def test_a_revoked_key_ends_its_streams(app: Application) -> None:
    made = (await app.admin.post("/v1/admin/keys", json={"name": "web", "scopes": ["read"]})).json()
    answer = await app.keyless.post(ALL, json={"context": {}}, headers={"X-API-Key": made["key"]})
    async with listening(app, answer) as reader, listening(app, await all_flags(app, {})) as other:
        assert (await app.admin.delete(f"/v1/admin/keys/{made['id']}")).status_code < 300
        await reader.until(lambda reader: reader.ended)
        assert not other.ended
    uri = answer.json()["eventStreams"][0]["endpoint"]["requestUri"]
    refused = await app.keyless.get(uri)
    assert refused.status_code == 403 and refused.json()["code"] == "INVALID_STREAM_TOKEN"


async def test_a_stream_needs_an_address_of_ours(app: Application) -> None:
    uri = (await all_flags(app, {"targetingKey": "ada"})).json()["eventStreams"][0]["endpoint"]["requestUri"]
    stem, _, signature = uri.partition(".")
    other = (await all_flags(app, {"targetingKey": "bob"})).json()["eventStreams"][0]["endpoint"]["requestUri"]
    for forged in (stem, stem + "." + signature[:-4] + "AAAA", other.partition(".")[0] + "." + signature, stem + ".é"):
        assert (await app.keyless.get(forged)).status_code == 403
    assert (await app.keyless.get(stem.partition("=")[0] + "=nonsense")).status_code == 403


async def test_a_context_too_long_for_an_address_has_no_stream(app: Application) -> None:
    answer = await all_flags(app, {"targetingKey": "ada", "note": "x" * 5_000})
    assert answer.status_code == 200 and "eventStreams" not in answer.json()


async def test_an_address_is_good_for_its_window_and_the_next(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await all_flags(app, {"targetingKey": "ada"})
    uri = first.json()["eventStreams"][0]["endpoint"]["requestUri"]
    token, now = uri.partition("=")[2], app.service.now()
    for later in (0, 1):
        assert stream_tokens.redeem(app.service.keyring, token, now + later * stream_tokens.WINDOW_MS)
    with pytest.raises(Forbidden):
        stream_tokens.redeem(app.service.keyring, token, now + 2 * stream_tokens.WINDOW_MS)
    monkeypatch.setattr(app.service, "now", lambda: now + stream_tokens.WINDOW_MS)
    renewed = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": first.headers["etag"]})
    assert renewed.status_code == 200, "else a client would stay with an address that expires"
    assert renewed.json()["flags"] == first.json()["flags"]
    async with listening(app, first) as reader:
        (stream,) = app.service.change_streams.streams
        catalog, snapshot, _ = await app.service.profile_loader.load(app.environment_id, stream.identifier, now)
        decisions = decide_all(catalog, snapshot, now, {"targetingKey": "ada"})
        stream.send_change(evaluations(catalog, decisions), now + stream_tokens.WINDOW_MS)
        assert (await reader.received(1))["etag"] == renewed.headers["etag"], (
            "its digest is that of what will be answered"
        )


async def test_beyond_the_limit_there_are_no_streams(dsn: str) -> None:
    async with running(dsn, stream_limit=1) as app:
        await publish(app)
        await only_one_stream(app)


async def only_one_stream(app: Application) -> None:
    answer = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, answer):
        full = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": answer.headers["etag"]})
        assert full.status_code == 200 and "eventStreams" not in full.json()
        refused = await app.keyless.get(answer.json()["eventStreams"][0]["endpoint"]["requestUri"])
        assert (refused.status_code, refused.json()["code"]) == (503, "TOO_MANY_STREAMS")
        assert int(refused.headers["retry-after"]) > 0
    assert "eventStreams" in (await all_flags(app, {"targetingKey": "ada"})).json(), "a stream that ends makes room"
    assert len(app.service.change_streams) == 0


async def test_a_process_that_leaves_sends_its_readers_elsewhere(app: Application) -> None:
    answer = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, answer) as reader:
        app.service.change_streams.leave()
        await reader.until(lambda reader: reader.ended)
    uri = answer.json()["eventStreams"][0]["endpoint"]["requestUri"]
    assert (await app.keyless.get(uri)).status_code == 503
    same = await all_flags(app, {"targetingKey": "ada"}, **{"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304, "the address is good on other processes"


async def test_a_heartbeat_keeps_the_connection(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tinycdp.runtime.decisions.change_streams.BEATS", 1
    )  # one in fifteen of the streams each second, of fifteen
    async with running(dsn) as app, listening(app, await all_flags(app, {})) as reader:
        await reader.until(lambda reader: b"\n:\n\n" in reader.body)
        assert reader.messages == []


async def test_a_reader_who_reads_nothing_is_cut_off(app: Application) -> None:
    answer = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, answer) as reader:
        reader.may_read.clear()
        (stream,) = app.service.change_streams.streams
        answers = evaluations(app.service.catalogs.serving(app.environment_id), [])
        for n in range(20):
            stream.send_change(answers, n)
            await asyncio.sleep(0)
        reader.may_read.set()
        await reader.until(lambda reader: reader.ended)
        assert len(reader.messages) < 10


# Several processes


async def test_an_event_that_another_process_takes_is_notified_here(app: Application, other: Application) -> None:
    await app.track({"userId": "ada", "event": "other"})
    known, unknown = await all_flags(app, {"targetingKey": "ada"}), await all_flags(app, {"targetingKey": "eve"})
    async with listening(app, known) as ada, listening(app, unknown) as eve:
        await quiet(app)
        await other.track({"userId": "ada", "event": "open"}, {"userId": "eve", "event": "open"})
        await ada.received(1)
        await eve.received(1)


async def test_an_address_opens_a_stream_on_any_process(app: Application, other: Application) -> None:
    first = await all_flags(app, {"targetingKey": "ada"})
    async with listening(app, first) as reader:
        await app.track({"userId": "ada", "event": "open"})
        sent = await reader.received(1)
    async with listening(other, first, sent["id"]) as reader:
        await quiet(other)
        assert reader.messages == []
    async with listening(other, first) as reader:
        assert (await reader.received(1))["etag"] == sent["etag"]


async def test_an_answer_is_as_new_as_the_push_that_asked_for_it(
    app: Application, other: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, arrived = app.service.mirror, asyncio.Queue[Any]()
    changed = mirror.profiles_changed

    def noted(*news: Any) -> None:
        changed(*news)
        arrived.put_nowait(news)

    before = await all_flags(app, {"targetingKey": "ada"})
    monkeypatch.setattr(mirror, "profiles_changed", noted)
    await app.track({"userId": "ada", "event": "other"})
    for _ in ("the commit", "its notification"):  # later it would drop the copy that this test is about
        await arrived.get()
    await all_flags(app, {"targetingKey": "ada"})
    monkeypatch.setattr(mirror, "profiles_changed", lambda *news: None)  # the notification is still on its way
    await other.track({"userId": "ada", "event": "open"})
    etag = (await all_flags(other, {"targetingKey": "ada"})).headers["etag"]
    body = {"context": {"targetingKey": "ada"}}
    late = await app.read.post(ALL, json=body, headers={"If-None-Match": before.headers["etag"]})
    assert late.status_code == 304
    hinted = await app.read.post(
        ALL, json=body, params={"flagConfigEtag": etag}, headers={"If-None-Match": before.headers["etag"]}
    )
    assert hinted.status_code == 200 and hinted.headers["etag"] == etag


async def test_a_change_during_an_outage_is_notified_after_reconnecting(
    app: Application, other: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(app, await all_flags(app, {"targetingKey": "ada"})) as reader:
        with monkeypatch.context() as deaf:
            deaf.setattr(app.service.mirror, "profiles_changed", lambda *news: None)
            deaf.setattr(app.service.mirror, "profiles_created", lambda *news: None)
            await other.track({"userId": "ada", "event": "open"})
            async with app.service.pool.acquire() as connection:
                await connection.execute("SELECT pg_sleep(0.2)")  # by now it would have heard
            assert reader.messages == []
        async with app.service.pool.acquire() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        await reader.received(1)
