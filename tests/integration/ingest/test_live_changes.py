"""Live streams beside messages: each transition once, with its cause; revisions; progress.

Laws    the filters of profile and segment hold for messages and transitions alike
        a stream that shows no messages costs ingestion nothing: no process knows of it
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock, eventually
from streams import Stream, watching
from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest import live_changes
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.database.pool import Connection, connect

NOW = 1_790_000_000_000
TRANSITIONS = "include=transition"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, clock: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, clock) as application:
        await application.define("segment", key="openers", rule="events.open.count(7d) >= 1")
        yield application


async def shown(stream: Stream, n: int, kind: str = "transition") -> list[dict[str, Any]]:
    """The first n of a kind; no more came with them."""
    await stream.until(lambda stream: len(stream.received(kind)) >= n)
    found = stream.received(kind)
    assert len(found) == n
    return found


def causes(transitions: list[dict[str, Any]]) -> list[tuple[str, bool, str]]:
    return [(one["segment"], one["entered"], one["cause"]) for one in transitions]


async def id_of(app: Application, name: str) -> str:
    found: str = (await app.read.get(f"/v1/profiles/{name}")).json()["id"]
    return found


async def test_every_transition_is_shown_with_its_cause(app: Application, clock: ManualClock) -> None:
    worker = Worker(app.service.pool, Catalogs(), clock)
    async with watching(app, TRANSITIONS) as stream:
        await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "buy"})
        (entry,) = await shown(stream, 1)
        assert (entry["segment"], entry["entered"], entry["cause"]) == ("openers", True, "event")
        assert (entry["profileId"], entry["name"]) == (await id_of(app, "ada"), "ada")
        await app.track({"type": "identify", "userId": "ada", "traits": {"name": "Ada Lovelace"}})
        await app.define("segment", key="buyers", rule="events.buy.count(30d) >= 1")
        assert causes(await shown(stream, 2))[1:] == [("buyers", True, "edit")]
        await app.define("segment", key="both", rule="events.open.count(7d) >= 1 && events.buy.count(30d) >= 1")
        merged = await app.admin.post("/v1/admin/profiles/merge", json={"profiles": ["ada", "bob"]})
        assert merged.status_code == 200, merged.text
        assert causes(await shown(stream, 3))[2:] == [("both", True, "merge")]
        clock.now += 7 * DAY_MS + 1
        while await worker.wake_due():
            pass
        left = (await shown(stream, 5))[3:]
        assert sorted(causes(left)) == [("both", False, "clock"), ("openers", False, "clock")]
        assert {one["name"] for one in left} == {"Ada Lovelace"}
        assert all(one["at"] < one["recordedAt"] for one in left)
    assert stream.received() == [], "messages were not included"


async def test_a_stream_shows_messages_only_unless_it_includes_more(app: Application) -> None:
    async with watching(app) as messages, watching(app, "include=message&include=transition") as both:
        await app.track({"userId": "ada", "event": "open"})
        await shown(both, 1)
        assert len(await both.messages(1)) == len(await messages.messages(1)) == 1
        assert messages.received("transition") == []


async def test_without_messages_no_process_matches_any(app: Application, dsn: str) -> None:
    async with running(dsn) as other, watching(app, TRANSITIONS) as stream:
        await other.track({"userId": "ada", "event": "open"})
        await shown(stream, 1)
        for process in (app, other):
            assert not process.service.event_streams.has_readers(app.environment_id)


async def test_profile_and_segment_are_filters_of_messages_and_transitions(app: Application) -> None:
    await app.define("segment", key="buyers", rule="events.buy.count(7d) >= 1")
    await app.track({"userId": "bob", "event": "look"}, {"userId": "ada", "event": "look"})
    bob = await id_of(app, "bob")
    both = "include=message&include=transition"
    async with (
        watching(app, f"{both}&profileId={bob}") as his,
        watching(app, f"{both}&segment=openers") as openers,
        watching(app, f"{both}&segment=buyers&profileId={bob}") as neither,
    ):
        await app.track({"userId": "ada", "event": "open", "messageId": "a-1"})
        await app.track({"userId": "bob", "event": "look", "messageId": "b-1"})
        await app.track({"userId": "ada", "event": "look", "messageId": "a-2"})
        await app.write.post("/v1/batch", json={"batch": [{"type": "track", "userId": "ada"}]})  # rejected
        await openers.messages(2)
        assert [one["stored"]["messageId"] for one in openers.received()] == ["a-1", "a-2"]
        assert [one["stored"]["messageId"] for one in await his.messages(1)] == ["b-1"]
        await shown(openers, 1)
        await app.track({"userId": "bob", "event": "buy", "messageId": "b-2"})
        assert [one["stored"]["messageId"] for one in await neither.messages(1)] == ["b-2"]
        assert causes(await shown(neither, 1)) == causes(await shown(his, 1)) == [("buyers", True, "event")]


async def test_a_transition_that_is_committed_late_is_shown_once(app: Application, dsn: str) -> None:
    await app.track({"userId": "ada", "event": "look"}, {"userId": "bob", "event": "look"})
    segment = app.service.catalogs.serving(app.environment_id).live.definitions["segment", "openers"].id
    record = (
        "INSERT INTO transitions (environment_id, segment_id, profile_id, entered, at, recorded_at, cause)"
        f" VALUES ({app.environment_id}, {segment}, $1, true, now(), now(), 'repair')"
    )
    late = await connect(dsn)
    try:
        async with watching(app, TRANSITIONS) as stream:
            async with late.transaction():
                await late.execute(record, 1)  # has the smaller id
                await app.service.pool.execute(record, 2)
                assert [one["profileId"] for one in await shown(stream, 1)] == ["2"]
            assert [one["profileId"] for one in await shown(stream, 2)] == ["2", "1"]
            await app.track({"userId": "carol", "event": "open"})
            await shown(stream, 3)
    finally:
        await late.close()


async def test_of_many_transitions_a_sample_is_shown_and_says_so(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_changes, "MOST_READ", 30)
    monkeypatch.setattr(live_changes, "SHOWN", 5)
    async with watching(app, TRANSITIONS) as stream:
        await app.track(*({"userId": f"u{n}", "event": "open"} for n in range(100)))

        def counted(stream: Stream) -> int:
            return sum(sample["matched"] for sample in stream.received("sample"))

        await stream.until(lambda stream: counted(stream) + 10 >= 100)
        samples = stream.received("sample")
    assert {sample["of"] for sample in samples} == {"transition"}
    assert {sample["shown"] for sample in samples} == {5}


async def test_revisions_are_shown_when_they_are_published_and_live(app: Application) -> None:
    async with watching(app, "include=revision") as stream:
        (first,) = await shown(stream, 1, "revision")
        assert first["revision"] == first["headRevision"] == 1
        saved = await app.admin.put(
            "/v1/admin/segments/openers?note=twice", json={"rule": "events.open.count(7d) >= 2"}
        )
        assert saved.status_code == 200
        await stream.until(lambda stream: stream.received("revision")[-1]["headRevision"] == 2)
        last = stream.received("revision")[-1]
        assert (last["author"], last["note"]) == ("bootstrap admin", "twice")
        await app.backfill()
        await stream.until(lambda stream: stream.received("revision")[-1]["revision"] == 2)


async def test_progress_of_backfills_and_imports_is_shown_until_they_are_done(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_changes, "PROGRESS_SECONDS", 0.0)
    await app.track({"userId": "ada", "event": "buy"})
    async with watching(app, "include=progress") as stream:
        await app.admin.put("/v1/admin/segments/buyers", json={"rule": "events.buy.count(7d) >= 2"})
        begun = (await shown(stream, 1, "progress"))[0]
        assert (begun["kind"], begun["revision"], begun["finishedAt"]) == ("backfill", 2, None)
        await app.backfill()
        await stream.until(lambda stream: stream.received("progress")[-1]["finishedAt"])
        line = json.dumps({"type": "track", "userId": "ada", "event": "open", "messageId": "1"})
        started = await app.admin.post("/v1/admin/imports", params={"name": "old.jsonl"}, content=line)
        assert started.status_code == 202
        await stream.until(lambda stream: stream.received("progress")[-1]["kind"] == "import")
        await stream.until(lambda stream: stream.received("progress")[-1]["finishedAt"])
        last = stream.received("progress")[-1]
        assert (last["name"], last["accepted"], last["share"]) == ("old.jsonl", 1, 1)
    async with watching(app, "include=progress&include=revision") as later:
        await shown(later, 1, "revision")
        assert later.received("progress") == [], "all of it has ended"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("include=nosuch", 400, "INVALID_REQUEST"),
        ("profileId=ada", 400, "INVALID_REQUEST"),
        ("segment=nosuch", 404, "NOT_FOUND"),
    ],
)
async def test_a_wrong_filter_is_refused(app: Application, query: str, status: int, code: str) -> None:
    refused = await app.read.get(f"/v1/events/live?{query}")
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_it_knows_what_is_closed(app: Application) -> None:
    async with watching(app, TRANSITIONS):
        pass

    async def resting() -> bool:
        await app.service.event_streams.tick()
        return not app.service.event_streams._readers

    assert await eventually(resting)


async def test_a_stream_that_is_opened_again_shows_nothing_old(app: Application) -> None:
    async with watching(app, TRANSITIONS) as first:
        await app.track({"userId": "ada", "event": "open"})
        await shown(first, 1)
    await app.track({"userId": "bob", "event": "open"})
    async with watching(app, TRANSITIONS) as again:
        await app.track({"userId": "carol", "event": "open"})
        (only,) = await shown(again, 1)
    assert only["profileId"] == await id_of(app, "carol")


async def test_others_are_served_while_a_stream_opens(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    newest_transition = live_changes.store.newest_transition

    async def slowly(connection: Connection, environment_id: int) -> int:
        newest = await newest_transition(connection, environment_id)
        await app.service.event_streams.tick()
        return newest

    monkeypatch.setattr(live_changes.store, "newest_transition", slowly)
    async with watching(app, TRANSITIONS) as stream:
        await app.track({"userId": "ada", "event": "open"})
        await shown(stream, 1)


async def test_a_stream_may_open_during_a_look(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = live_changes._revision
    opened = list[Stream]()

    async def slowly(connection: Connection, environment_id: int) -> Any:
        if not opened:
            opened.append(await stack.enter_async_context(watching(app, TRANSITIONS)))
        return await revision(connection, environment_id)

    async with AsyncExitStack() as stack:
        monkeypatch.setattr(live_changes, "_revision", slowly)
        first = await stack.enter_async_context(watching(app, "include=revision"))
        await shown(first, 1, "revision")
        await app.service.event_streams.tick()
        await app.track({"userId": "ada", "event": "open"})
        await shown(opened[0], 1)


async def test_a_look_that_fails_loses_nothing(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    transitions_since = live_changes.store.transitions_since
    failed = list[int]()

    async def failing(connection: Connection, environment_id: int, after: int, n: int) -> Any:
        if not failed:
            failed.append(environment_id)
            raise Unavailable("DATABASE_DOWN", "The database does not answer.", retry_after_seconds=1)
        return await transitions_since(connection, environment_id, after, n)

    monkeypatch.setattr(live_changes.store, "transitions_since", failing)
    async with watching(app, "include=message&include=transition&include=revision") as stream:
        await app.track({"userId": "ada", "event": "open"})
        await shown(stream, 1, "revision")
        await shown(stream, 1)
        await stream.messages(1)
    assert failed
