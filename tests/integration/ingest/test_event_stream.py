"""The live stream: what arrives at any process is sent to each stream that asked for it, and delays no message."""

import json
import os
import signal
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path

import pytest

from application import Application, running
from serving import PATIENCE_SECONDS, READ_KEY, bearer, eventually, served
from streams import PATH, watching
from tinycdp.runtime.access.keys import revoke_key
from tinycdp.runtime.ingest import event_stream
from tinycdp.runtime.ingest.stream_readers import Filter, StreamReader


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
async def other(app: Application, dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def heard(app: Application) -> None:
    """Another process knows that a stream is open."""

    async def knows() -> bool:
        return bool(app.service.event_streams.has_readers(app.environment_id))

    assert await eventually(knows)


async def test_a_message_is_seen_as_it_came_as_it_was_stored_and_with_what_it_changed(app: Application) -> None:
    await app.define("trait", key="opens", expression="events.open.count(7d)")
    await app.define("segment", key="openers", rule="opens >= 1")
    entry = {"properties": {"n": {"type": "number"}}}
    assert (await app.admin.put("/v1/registry/plan/open", json=entry)).status_code == 200
    async with watching(app) as stream:
        await app.track({"userId": "ada", "event": "open", "properties": {"n": "5"}, "messageId": "m-1"})
        (item,) = await stream.messages(1)
    assert item["status"] == "warned" and [w["code"] for w in item["warnings"]] == ["CONVERTED"]
    assert item["received"]["properties"] == {"n": "5"} and item["stored"]["properties"]["n"] == 5
    assert item["stored"]["userId"] == "ada" and item["stored"]["messageId"] == "m-1"
    assert [(c["segment"], c["entered"]) for c in item["changed"]] == [("openers", True)]
    assert item["traits"] == {"opens": 1} and item["rejection"] is None
    assert item["profileId"] == (await app.read.get("/v1/profiles/ada")).json()["id"]


async def test_what_is_refused_is_seen_with_its_reason(app: Application) -> None:
    await app.admin.put("/v1/registry/plan/open", json={"status": "blocked"})
    async with watching(app, "status=rejected") as stream:
        await app.write.post("/v1/track", json={"userId": "ada", "event": "fine"})
        await app.write.post("/v1/track", json={"userId": "ada", "event": "open"})
        await app.write.post("/v1/track", json={"userId": "ada"})
        items = await stream.messages(2)
    assert [item["rejection"]["code"] for item in items] == ["EVENT_BLOCKED", "INVALID_EVENT_NAME"]
    assert items[0]["received"]["event"] == "open" and items[0]["stored"] is None


async def test_filters_hold_together(app: Application) -> None:
    keys = (await app.admin.get("/v1/admin/keys")).json()["keys"]
    write = next(key["id"] for key in keys if key["scopes"] == ["write"])
    wanted = {
        "event=open": "open",
        "userId=bob": "buy",
        "kind=identify": None,
        "status=accepted&event=buy": "buy",
        f"key={write}&event=buy": "buy",
    }
    async with AsyncExitStack() as stack:
        streams = {query: await stack.enter_async_context(watching(app, query)) for query in wanted}
        absent = await stack.enter_async_context(watching(app, f"key={write + 1000}"))
        await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "buy"})
        await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
        for query, stream in streams.items():
            (item,) = await stream.messages(1)
            assert item["stored"].get("event") == wanted[query], query
        await app.service.event_streams.tick()
        assert absent.received() == [] and all(len(stream.received()) == 1 for stream in streams.values())


async def test_filters_find_what_is_refused_by_whatever_rule(app: Application) -> None:
    await app.admin.put("/v1/admin/policies/limits", json={"profileEventsPerMinute": 1})
    await app.admin.put("/v1/registry/plan/open", json={"status": "blocked"})
    queries = ("userId=ada&status=rejected", "event=buy&kind=track&status=rejected", "userId=77", "userId=old-ada")
    async with AsyncExitStack() as stack:
        ada, buys, number, old = [await stack.enter_async_context(watching(app, query)) for query in queries]
        await app.write.post("/v1/track", json={"userId": "ada", "event": "buy"})
        await app.write.post("/v1/track", json={"userId": "ada", "event": "buy"})
        await app.write.post("/v1/track", json={"userId": "bob", "event": "open"})
        await app.write.post("/v1/track", json={"userId": 77})
        await app.write.post("/v1/alias", json={"userId": "carl", "previousId": "old-ada"})
        codes = [[item["rejection"]["code"] for item in await stream.messages(1)] for stream in (ada, buys, number)]
        assert codes == [["PROFILE_RATE_LIMIT"], ["PROFILE_RATE_LIMIT"], ["INVALID_EVENT_NAME"]]
        assert (await old.messages(1))[0]["stored"]["userId"] == "carl"
        await app.service.event_streams.tick()
        assert [len(stream.received()) for stream in (ada, buys, number, old)] == [1, 1, 1, 1]


async def test_what_another_process_takes_is_seen(app: Application, other: Application) -> None:
    async with watching(app, "event=open") as stream:
        await heard(other)
        await other.track({"userId": "ada", "event": "open", "properties": {"n": 1}})
        (item,) = await stream.messages(1)
        assert item["received"]["properties"] == {"n": 1}
    assert (await app.stranger.get("/v1/registry/events")).status_code == 200

    async def forgotten() -> bool:
        return not other.service.event_streams.has_readers(app.environment_id)

    assert await eventually(forgotten)


async def test_a_stream_shows_no_other_environment(app: Application) -> None:
    async with watching(app) as stream:
        answer = await app.stranger.post("/v1/track", json={"userId": "ada", "event": "theirs"})
        assert answer.status_code == 200
        await app.track({"userId": "ada", "event": "ours"})
        items = await stream.messages(1)
    assert [item["stored"]["event"] for item in items] == ["ours"]


async def test_under_load_a_sample_is_shown_and_says_so(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SHOWN", 5)
    async with watching(app) as all_of_it, watching(app, "userId=rare") as rare:
        await app.track(
            *({"userId": f"u{n}", "event": "open"} for n in range(100)), {"userId": "rare", "event": "open"}
        )
        (item,) = await rare.messages(1)
        items = await all_of_it.messages(5)
        (sample,) = all_of_it.received("sample")
    assert item["stored"]["userId"] == "rare" and rare.received("sample") == []
    assert len(items) == 5 and sample == {"of": "message", "matched": 101, "shown": 5, "factor": 20.2}


async def test_a_reader_that_does_not_read_is_dropped_and_delays_no_other(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinycdp.api.schema.event_stream.MOST_WAITING", 20_000)
    async with watching(app) as slow, watching(app) as quick:
        slow.may_read.clear()
        for n in range(20):
            await app.track({"userId": "ada", "event": "open", "properties": {"text": "x" * 3_000, "n": n}})
            await quick.messages(n + 1)
        slow.may_read.set()
        await slow.until(lambda stream: stream.ended)
        assert b": too slow" in slow.body
        assert len(quick.received()) == 20


async def test_a_revoked_key_ends_its_streams(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "RENEW_SECONDS", 0.0)
    async with watching(app) as stream:
        keys = (await app.admin.get("/v1/admin/keys")).json()["keys"]
        prefix = next(key["prefix"] for key in keys if key["scopes"] == ["read"])
        await revoke_key(app.service.environment(app.environment_id), prefix)
        await stream.until(lambda stream: stream.ended)
        assert b": the key was revoked" in stream.body


async def test_streams_are_bounded_and_nothing_is_left_of_them(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MOST_READERS", 1)
    async with watching(app), watching(app) as second:
        assert second.status == 503
    assert not app.service.event_streams.has_readers(app.environment_id)
    await app.track({"userId": "ada", "event": "open"})
    assert await app.service.pool.fetchval("SELECT count(*) FROM live_batches") == 0
    async with watching(app) as third:
        assert third.status == 200


async def test_a_notification_of_its_own_does_not_bring_a_stream_back(app: Application, other: Application) -> None:
    """A process receives its own notifications, and later than it closes a short stream."""

    class Quiet(StreamReader):
        def send(self, text: bytes) -> None: ...

        def end(self, why: bytes) -> None: ...

    streams, reader = app.service.event_streams, Quiet(app.environment_id, 1, Filter())
    await streams.open(reader)
    assert streams.has_readers(app.environment_id)
    await heard(other)
    await streams.close(reader)
    late = (app.environment_id, reader.id, urlsafe_b64encode(b"{}").decode())
    streams.notified(*late)
    assert not streams.has_readers(app.environment_id)

    async def over() -> bool:
        return not other.service.event_streams.has_readers(app.environment_id)

    assert await eventually(over)
    other.service.event_streams.notified(*late)
    assert other.service.event_streams.has_readers(app.environment_id), "a reader of another process"


async def test_a_value_that_was_kept_from_being_stored_does_not_leave_by_the_stream(app: Application) -> None:
    async with watching(app) as stream:
        context = {"ip": "203.0.113.9", "page": {"path": "/"}}
        await app.track({"userId": "ada", "event": "open", "properties": {"_country": "forged"}, "context": context})
        (item,) = await stream.messages(1)
    assert item["received"]["context"] == {"ip": "(withheld)", "page": {"path": "/"}}
    assert "forged" not in stream.body.decode()


async def test_what_comes_again_is_not_remembered(app: Application) -> None:
    event = {"userId": "ada", "event": "open", "messageId": "m-1"}
    async with watching(app) as stream:
        await app.track(event, {**event, "messageId": "m-2"})
        await app.track(event, {"userId": "ada", "event": "open"})
        items = await stream.messages(3)
        assert all(item["received"]["event"] == "open" for item in items)
        assert app.service.event_streams.remembered == 0


async def test_nothing_stays_of_what_no_stream_read(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "REST_SECONDS", 0.05)
    async with watching(app) as stream:
        await app.track({"userId": "ada", "event": "open"})
        await stream.messages(1)
    query = "INSERT INTO live_batches (environment_id, reader, at, matched, items) VALUES (1, 'gone', $1, 1, '')"
    await app.service.pool.execute(query, app.service.now() - 100)

    async def empty() -> bool:
        return bool(await app.service.pool.fetchval("SELECT count(*) = 0 FROM live_batches"))

    assert await eventually(empty)


def test_a_served_stream_sends_over_http_and_does_not_delay_the_end(dsn: str, tmp_path: Path) -> None:
    with served(tmp_path, dsn=dsn, workers=2, drain_seconds=60) as server:
        with server.http.stream("GET", PATH, params={"event": "open"}, headers=bearer(READ_KEY)) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert next(lines).startswith("retry:")
            for n in range(20):  # by either process
                assert server.track({"userId": f"u{n}", "event": "open"}).status_code == 200
            found = [json.loads(line[6:]) for line in islice((one for one in lines if one.startswith("data: ")), 20)]
            assert {item["stored"]["userId"] for item in found} == {f"u{n}" for n in range(20)}
            os.killpg(server.process.pid, signal.SIGINT)
            assert ": the server stops" in [*lines]
        assert server.process.wait(PATIENCE_SECONDS) == 0
