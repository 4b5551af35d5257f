"""What real clients do to a server (retries, repeats, odd ids, parallel browsers, poison), and what decisions make of
it."""

import asyncio
import gzip
import itertools
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock
from tinycdp.model import MINUTE_MS
from tinycdp.runtime import clock
from tinycdp.times import iso


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await publish(application)
        yield application


async def publish(app: Application) -> None:
    for key, rule in {
        "one_open": "events.app_open.count() == 1",
        "pro": 'profile.plan == "pro"',
        "opened_an_hour_ago": "events.app_open.first_minutes_ago >= 55 && events.app_open.first_minutes_ago <= 65",
    }.items():
        answer = await app.admin.post("/v1/admin/flags", json={"key": key, "rule": rule})
        assert answer.status_code == 201, answer.text
    await app.backfill()


async def holds(app: Application, flag: str, person: str, by: str = "userId") -> bool:
    answer = await app.read.get("/v1/decide", params={by: person, "flag": flag})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["allow"])


async def batch(app: Application, *events: Any, **envelope: Any) -> dict[str, Any]:
    # By json and not by httpx: half a surrogate pair is text to the one and an error to the other.
    answer = await app.write.post("/v1/batch", content=json.dumps({"batch": events, **envelope}))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def opened(message_id: str = "m-1", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "app_open", "userId": "ada", "messageId": message_id, **fields}


async def people(app: Application) -> int:
    return int(await app.service.pool.fetchval("SELECT count(*) FROM profiles WHERE merged_into IS NULL"))


# Once


async def test_twice_in_one_batch_and_by_two_endpoints_is_once(app: Application) -> None:
    taken = await batch(app, opened(), opened())
    assert (taken["accepted"], taken["duplicates"]) == (1, 1)
    for path in ("/v1/track", "/v1/t", "/api/s/track"):
        answer = await app.write.post(path, json=opened())
        assert (answer.json()["accepted"], answer.json()["duplicates"]) == (0, 1), path
    assert await holds(app, "one_open", "ada")


async def test_a_retry_that_still_says_when_it_was_first_sent_changes_nothing(dsn: str) -> None:
    """rudder-node and posthog-node send the first sentAt again, so that the same event seems to have happened later."""
    sent = clock.now()
    now = ManualClock(sent)
    event = opened(originalTimestamp=iso(sent - 60 * MINUTE_MS), sentAt=iso(sent))
    async with running(dsn, now) as app:
        await publish(app)
        await batch(app, event, sentAt=iso(sent))
        assert await holds(app, "opened_an_hour_ago", "ada")
        now.now += 30 * MINUTE_MS
        assert (await batch(app, event, sentAt=iso(sent)))["duplicates"] == 1
        rows = await app.service.pool.fetch("SELECT occurred_at FROM events")
    assert [row["occurred_at"] for row in rows] == [sent - 60 * MINUTE_MS]


async def test_the_time_of_sending_in_the_envelope_is_no_event_s(app: Application) -> None:
    """rudder-node's envelope has a `timestamp` beside sentAt: the moment it was sent."""
    now = clock.now()
    wrong_by_a_day = now - 24 * 60 * MINUTE_MS
    event = opened(originalTimestamp=iso(wrong_by_a_day - 60 * MINUTE_MS))
    await batch(app, event, sentAt=iso(wrong_by_a_day), timestamp=iso(wrong_by_a_day))
    assert await holds(app, "opened_an_hour_ago", "ada")
    (row,) = await app.service.pool.fetch("SELECT occurred_at, received_at, original_at, sent_at FROM events")
    assert (row["original_at"], row["sent_at"]) == (wrong_by_a_day - 60 * MINUTE_MS, wrong_by_a_day)
    assert row["received_at"] - row["occurred_at"] == 60 * MINUTE_MS
    await batch(app, opened("m-2", userId="bob"), timestamp="2001-01-01T00:00:00Z")
    assert not await holds(app, "opened_an_hour_ago", "bob") and await holds(app, "one_open", "bob")


# Who


async def test_strangers_whose_user_id_is_empty_stay_strangers(app: Application) -> None:
    absent: list[Any] = ["", None, "null", "undefined", 0, "00000000-0000-0000-0000-000000000000"]
    await batch(app, *(opened(f"m-{n}", userId=value, anonymousId=f"tab-{n}") for n, value in enumerate(absent)))
    assert await people(app) == len(absent)
    assert all([await holds(app, "one_open", f"tab-{n}", by="anonymousId") for n in range(len(absent))])


async def test_a_number_is_an_id_and_a_fraction_of_nothing_is_none(app: Application) -> None:
    content = b'{"batch":[%s]}' % b",".join(
        b'{"type":"track","event":"app_open","userId":%s,"messageId":"%d"}' % (value, n)
        for n, value in enumerate([b"7", b"7.0", b'"7"'])
    )
    assert (await app.write.post("/v1/batch", content=content)).json()["accepted"] == 3
    assert await people(app) == 1
    await batch(app, opened("text", userId="7.0"))
    assert await people(app) == 2 and await holds(app, "one_open", "7.0")


async def test_an_alias_of_oneself_joins_nothing(app: Application) -> None:
    await batch(app, opened(), {"type": "alias", "userId": "ada", "previousId": "ada"})
    assert await people(app) == 1 and await holds(app, "one_open", "ada")


async def test_two_people_at_one_browser_stay_two(app: Application) -> None:
    def at(minute: int) -> str:
        return f"2026-01-01T10:{minute:02}:00Z"

    tab = {"anonymousId": "tab"}
    messages = [
        opened("m-1", userId=None, **tab, timestamp=at(0)),
        {"type": "identify", "userId": "kim", **tab, "messageId": "m-2", "timestamp": at(1), "traits": {"plan": "pro"}},
        opened("m-3", userId="kim", **tab, timestamp=at(2)),
        {"type": "identify", "userId": "lee", **tab, "messageId": "m-4", "timestamp": at(3)},
        opened("m-5", userId="lee", **tab, timestamp=at(4)),
    ]
    random.Random(4).shuffle(messages)
    for message in messages:
        await batch(app, message)
    assert await people(app) == 2
    assert await holds(app, "pro", "kim") and not await holds(app, "pro", "lee")
    assert await holds(app, "one_open", "lee") and not await holds(app, "one_open", "kim")


# Traits


async def test_traits_in_the_context_are_read_on_identify_calls_only(app: Application) -> None:
    """RudderStack's only place for them; on every other call it repeats old ones."""
    await batch(app, {"type": "identify", "userId": "ada", "context": {"traits": {"plan": "pro"}}})
    assert await holds(app, "pro", "ada")
    old = {"userId": "ada", "context": {"traits": {"plan": "free"}}}
    await batch(
        app,
        *(
            {"type": kind, "event": "app_open", "groupId": "g", "name": "n", **old}
            for kind in ("track", "page", "group")
        ),
    )
    assert await holds(app, "pro", "ada")


async def test_nulls_are_absent_but_in_traits(app: Application) -> None:
    nothing = dict.fromkeys(
        ["anonymousId", "category", "context", "integrations", "name", "originalTimestamp", "properties", "sentAt"]
    )
    await batch(app, opened(**nothing), sentAt=None, context=None, integrations=None, writeKey=None)
    assert await holds(app, "one_open", "ada")
    for traits, pro in (({"plan": "pro"}, True), (None, True), ({"other": 1}, True), ({"plan": None}, False)):
        await batch(app, {"type": "identify", "userId": "ada", "traits": traits})
        assert await holds(app, "pro", "ada") is pro, traits


# Order


async def test_a_browser_s_parallel_calls_may_overtake_each_other(app: Application) -> None:
    """RudderStack's browser SDK fires them at once: what follows the identify may arrive before it."""

    def at(minute: int) -> str:
        return f"2026-01-01T10:{minute:02}:00Z"

    for n, order in enumerate(itertools.permutations(range(4))):
        user, tab = f"user-{n}", f"tab-{n}"
        calls = [
            ("page", {"anonymousId": tab, "userId": "", "name": "Home", "originalTimestamp": at(0)}),
            ("track", {"anonymousId": tab, "userId": "", "event": "app_open", "originalTimestamp": at(1)}),
            (
                "identify",
                {
                    "anonymousId": tab,
                    "userId": user,
                    "context": {"traits": {"plan": "free"}},
                    "originalTimestamp": at(2),
                },
            ),
            (
                "identify",
                {
                    "anonymousId": tab,
                    "userId": user,
                    "context": {"traits": {"plan": "pro"}},
                    "originalTimestamp": at(3),
                },
            ),
        ]
        answers = await asyncio.gather(
            *(app.write.post(f"/v1/{calls[i][0]}", json={**calls[i][1], "messageId": f"{n}-{i}"}) for i in order)
        )
        assert {answer.status_code for answer in answers} == {200}
        assert await holds(app, "one_open", user) and await holds(app, "pro", user), order
    assert await people(app) == 24


# Poison


async def test_a_poisoned_batch_is_taken_but_for_the_poison(app: Application) -> None:
    """A 5xx would be sent ten times more; a 4xx would throw the good ones away."""
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    poison: list[Any] = [
        None,
        7,
        "text",
        [],
        {},
        {"type": "order", "userId": "ada"},
        opened(userId=None),
        opened(userId={"id": 1}),
        opened(userId="x" * 5000),
        opened(event="x" * 5000),
        opened(event=7),
        opened(messageId="x" * 5000),
        opened(timestamp="yesterday"),
        opened(timestamp="0001-01-01T00:00:00Z"),
        opened(properties=[1]),
        opened(properties={"x": deep}),
        opened(properties={"x": 10**40}),
        opened(properties={"x": "y" * 40_000}),
        opened(context="here"),
        {"type": "group", "userId": "ada"},
        {"type": "alias", "userId": "ada"},
    ]
    strange = opened(
        "strange", userId="bob", properties={"nul": "a\0b", "half": "\ud83d", "ключ": "значение", "": None}
    )
    taken = await batch(app, *poison, opened("good"), strange)
    assert taken["accepted"] == 2
    assert [entry["path"].partition("]")[0] for entry in taken["rejected"]] == [f"$.batch[{n}" for n in range(20)]
    assert await holds(app, "one_open", "ada") and await holds(app, "one_open", "bob")
    kept = await app.service.pool.fetchval("SELECT count(*) FROM rejected_messages")
    assert kept == len(poison)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (b"\xff\xfe{}", 400, "INVALID_JSON"),
        (b"null", 400, "INVALID_BODY"),
        (b'{"batch":{}}', 400, "INVALID_BODY"),
        (b"[" * 100_000, 400, "TOO_DEEP"),
        (b'{"batch":' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400, "TOO_DEEP"),
        (gzip.compress(b" " * (80 << 20), mtime=0), 413, "BODY_TOO_LARGE"),
        (gzip.compress(b'{"batch":[]}', mtime=0)[:-3], 400, "INVALID_GZIP"),
        (b"\x1f\x8b" + b"\0" * 50, 400, "INVALID_GZIP"),
        (b'{"batch":[' + b",".join([b"{}"] * 10_001) + b"]}", 413, "TOO_MANY_EVENTS"),
    ],
    ids=itertools.count(),
)
async def test_bombs_are_the_sender_s_mistake(app: Application, content: bytes, status: int, code: str) -> None:
    for path in ("/v1/batch", "/beacon/v1/batch", "/v1/import"):
        answer = await app.write.post(path, content=content)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    answer = await app.write.post("/batch/", content=content)
    assert 400 <= answer.status_code < 500 and {"code", "message"} <= answer.json().keys()


# Wrapping


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", "text/plain", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", "application/octet-stream", "no type at all", ""],
)  # fmt: skip
async def test_a_body_is_json_whatever_its_type_says(app: Application, content_type: str) -> None:
    """rudder-node calls its gzipped JSON a form, and browsers call theirs text, which needs no permission."""
    plain = json.dumps({"batch": [opened()]}).encode()
    for content, encoding in (
        (plain, {}),
        (gzip.compress(plain), {"Content-Encoding": "gzip"}),
        (gzip.compress(plain), {}),
    ):
        headers = {"Content-Type": content_type, **encoding}
        answer = await app.write.post("/v1/batch", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] + answer.json()["duplicates"] == 1
    assert await holds(app, "one_open", "ada")


# Too much


async def test_a_full_queue_says_when_to_come_again(dsn: str) -> None:
    async with running(dsn, ingest_queue=1) as app:
        page = {"Origin": "https://shop.test"}
        answers = await asyncio.gather(
            *(app.write.post("/v1/track", json=opened(f"m-{n}"), headers=page) for n in range(20))
        )
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused and len(refused) < 20
        for answer in refused:
            assert int(answer.headers["retry-after"]) >= 1
            assert {"code", "message"} <= answer.json().keys()
            # A browser's client reads neither of them where the page may not.
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_with_the_database_away_events_are_to_come_again(app: Application) -> None:
    await app.service.pool.close()
    answer = await app.write.post("/v1/batch", content=json.dumps({"batch": [opened()]}).encode())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1 and {"code", "message"} <= answer.json().keys()


async def test_an_internal_error_is_answered_without_its_details(
    app: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients index `code` and `message` in a 500, too, and one whose body they cannot read they count as no answer."""

    async def fails(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(app.service.ingest, "accept", fails)
    answer = await app.write.post("/v1/track", json=opened(), headers={"Origin": "https://shop.test"})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert {"message", "error"} <= answer.json().keys() and "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "the secret of the house" in caplog.text
